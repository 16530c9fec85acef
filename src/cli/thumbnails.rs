//! `thumbnails`: small pictures of those in a folder.

use super::args::ThumbnailsArgs;
use fractal::Result;

/// `fractal thumbnails`.
#[cfg(not(feature = "thumbnails"))]
pub(crate) fn run(_: &ThumbnailsArgs) -> Result<()> {
    Err(fractal::Error::Unsupported(fractal::internal::NO_THUMBNAILS.into()))
}

#[cfg(feature = "thumbnails")]
pub(crate) use made::run;

#[cfg(feature = "thumbnails")]
mod made {
    use super::super::distinct::Files;
    use super::super::signals::Signals;
    use super::super::work::{Runner, speed};
    use super::super::{note, print};
    use super::{Result, ThumbnailsArgs};
    use fractal::Error;
    use fractal::internal::thumbnails::{ENDINGS, Encoding, Found, Options, ThumbnailFiles, Thumbnails, find};
    use fractal::parallel::{Sink, Work};
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    /// `fractal thumbnails`.
    pub(crate) fn run(args: &ThumbnailsArgs) -> Result<()> {
        let runner = Runner::new(&args.work)?;
        check_folders(&args.folder, &args.output)?;
        let mut files = Files::new();
        args.work.trace.iter().try_for_each(|path| files.writes(path))?;
        let signals = Signals::receive()?;
        let Found { pictures, mut skipped, others } = find(&args.folder, &args.output)?;
        if pictures.is_empty() && skipped.is_empty() {
            let (folder, endings) = (args.folder.display(), ENDINGS.join(", "));
            return Err(Error::Input(format!("`{folder}` has no pictures, whose names would end in {endings}")));
        }
        let encoding = args.format.as_deref().map(|name| if name == "png" { Encoding::Png } else { Encoding::Jpeg });
        let options = Options { size: args.size, encoding, full: false };
        let work = Thumbnails::new(&args.folder, pictures, options)?;
        fs::create_dir_all(&args.output).map_err(|source| Error::io("create", &args.output, source))?;
        let guard = signals.clone();
        let written = Arc::new(ThumbnailFiles::new(&work, &args.output, move |output| guard.guard(output)));
        let work: Arc<dyn Work> = Arc::new(work);
        let sinks = vec![written.clone() as Arc<dyn Sink>];
        let outcome = runner.run("thumbnails", &work, Vec::new(), sinks, &signals);
        let not_made = written.skipped();
        let made = work.len() - not_made.len();
        skipped.extend(not_made);
        skipped.sort();
        for one in &skipped {
            note(format!("`{}` {}", args.folder.join(&one.path).display(), one.why));
        }
        let report = outcome?;
        if runner.is_reported() {
            let others = match others {
                0 => String::new(),
                1 => "; 1 other file was left alone".into(),
                _ => format!("; {others} other files were left alone"),
            };
            let output = args.output.display();
            let things = if made == 1 { "thumbnail" } else { "thumbnails" };
            print(format!("{made} {things} in `{output}` {}{others}\n", speed(&report)))?;
        }
        if skipped.is_empty() {
            return Ok(());
        }
        let (few, all) = (skipped.len(), made + skipped.len());
        let verb = if few == 1 { "has" } else { "have" };
        Err(Error::Input(format!("{few} of {all} files {verb} no thumbnail")))
    }

    /// Checks that the thumbnails do not replace the pictures.
    fn check_folders(folder: &Path, output: &Path) -> Result<()> {
        let found = fs::metadata(folder).map_err(|source| Error::io("read", folder, source))?;
        if !found.is_dir() {
            return Err(Error::Usage(format!("`{}` is not a folder", folder.display())));
        }
        if fs::canonicalize(output).is_ok_and(|output| fs::canonicalize(folder).is_ok_and(|folder| folder == output)) {
            let folder = folder.display();
            return Err(Error::Usage(format!(
                "thumbnails in `{folder}` would replace its pictures; give another folder"
            )));
        }
        Ok(())
    }
}
