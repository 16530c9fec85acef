//! Keeping finished tiles: whether and where, what an earlier run left, and what happens to the file at the end.

use super::args::RenderArgs;
use super::picture::{Picture, is_device};
use super::room::{free_space, may_lack};
use super::{memory, note, typed};
use fractal::colour::Depth;
use fractal::internal::{check_unused, destination, is_stdout};
use fractal::parallel::{Pieces, Shard, Stop};
use fractal::sink::{Checkpoint, Records};
use fractal::{Error, Render, Result, Scene};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, fs};

/// Renders that are expected to take longer keep their tiles without being asked.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// The share of a render's time that unrequested keeping may take if the render is just long. It grows with the time that an interruption
/// would lose, up to ten times as much: a render of ten minutes may take twelve, but not be lost.
const CHEAP: f64 = 0.02;

/// The time to keep a byte of a tile: packing, the checksum, and the operating system's copy. Measured as 0.5 to 0.6 ns, `keep` in
/// `--stats json`.
const SECONDS_PER_BYTE: f64 = 0.6e-9;

/// Whether and where a picture's tiles are kept.
pub(super) struct Keep {
    /// Where they would be kept.
    pub(super) place: Option<PathBuf>,
    how: How,
    resume: bool,
    /// What the command needs, to be typed again, beside what was typed.
    needs: Needs,
    pub(super) shard: Option<Shard>,
}

#[derive(Clone, Copy, Debug)]
struct Needs {
    /// A named checkpoint would be refused without `--resume`, and so would the pictures before this one, which are there by then.
    resume: bool,
    /// A scene was read from standard input.
    input: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Never,
    /// If the render is long.
    ByItself,
    /// In a named file, which stays.
    Named,
    /// In a file that becomes the output.
    Part,
}

impl Keep {
    /// `named` is the given checkpoint; `output` is where the picture or the part goes.
    pub(super) fn new(args: &RenderArgs, named: Option<PathBuf>, output: &Path) -> Result<Self> {
        let is_file = !is_stdout(output) && !is_device(output);
        let beside = |output: &Path| {
            let mut name = output.as_os_str().to_owned();
            name.push(".checkpoint");
            is_file.then(|| PathBuf::from(name))
        };
        let (place, how) = match named {
            Some(file) if is_stdout(&file) || is_device(&file) => {
                return Err(Error::Usage(format!(
                    "`{}` is not a regular file, so it cannot be a checkpoint",
                    file.display()
                )));
            }
            Some(file) => (Some(destination(&file)), How::Named),
            None if args.no_checkpoint => (None, How::Never),
            // Beside the file that it will become.
            None if args.shard.is_some() => (beside(&destination(output)), How::Part),
            None => (beside(output), How::ByItself),
        };
        let shown = output.display();
        if args.resume && place.is_none() {
            return Err(Error::Usage(format!(
                "a picture written to `{shown}` has no checkpoint beside it; name one for --resume with --checkpoint"
            )));
        }
        if args.shard.is_some() && place.is_none() {
            return Err(Error::Usage(format!("a shard's part must be a regular file, not `{shown}`")));
        }
        let needs = Needs {
            resume: how == How::Named || args.scenes.len() > 1,
            input: args.scenes.iter().any(|source| source == "-"),
        };
        Ok(Self { place, how, resume: args.resume, needs, shard: args.shard })
    }

    /// Whether keeping depends on how long the render will take.
    pub(super) fn depends_on_time(&self) -> bool {
        self.how == How::ByItself && !self.resume && self.place.is_some()
    }

    /// What an earlier run left for this one.
    pub(super) fn before(&self, picture: &Picture, quiet: bool, stop: &Stop) -> Result<Before> {
        let Some(place) = &self.place else { return Ok(Before::Nothing) };
        // A run that was killed right after creating the file left it empty.
        let there = fs::metadata(place).is_ok_and(|found| !found.is_file() || found.len() > 0);
        if there && !self.resume && self.how == How::Named {
            check_unused(place)?;
            return Err(Error::Usage(format!(
                "`{}` holds the finished tiles of an earlier run: continue with --resume, or remove it",
                place.display()
            )));
        }
        // Who had it may complete or remove it meanwhile; then it is not there.
        let recognized = there.then(|| self.recognized(place, picture, stop));
        if let Some(records) = recognized.filter(|records| records.is_ok() || fs::symlink_metadata(place).is_ok()) {
            let records = match records {
                // It was not named, so it may belong to another picture; and nobody allowed its removal.
                Err(Error::Input(text)) if !self.resume => {
                    let rest = match self.how {
                        How::Part => "remove it, or give the part another name",
                        _ => "remove it, or keep tiles elsewhere with --checkpoint or not at all with --no-checkpoint",
                    };
                    return Err(Error::Usage(format!("{text}; {rest}")));
                }
                records => records?,
            };
            if records.damaged() > 0 && !quiet {
                note(format!("`{}` is damaged; its lost tiles are computed again", place.display()));
            }
            if !self.resume && !quiet {
                let (found, all) = (records.found().len(), picture.wanted().len());
                note(format!(
                    "`{}` has {found} of {all} tiles of this very picture, so the render continues from it",
                    place.display()
                ));
            }
            return Ok(Before::Some(Arc::new(records)));
        }
        if self.resume {
            if self.is_complete(picture, stop)? {
                return Ok(Before::Everything);
            }
            if !quiet {
                note(format!("there is no `{}`, so {} starts from the beginning", place.display(), picture.name));
            }
        }
        Ok(Before::Nothing)
    }

    /// The file's records, if they are of this picture. From now on no other run can continue from the file.
    fn recognized(&self, place: &Path, picture: &Picture, stop: &Stop) -> Result<Records> {
        let file = Records::open_to_go_on(place)?;
        if file.description().shard != self.shard {
            return Err(other_shard(place, file.description().shard));
        }
        picture.render.read_records(file, stop)
    }

    /// Whether the output exists already. A picture is recognised by the scene that it carries; a file appears only when it is complete.
    fn is_complete(&self, picture: &Picture, stop: &Stop) -> Result<bool> {
        let output = &picture.output;
        if !output.is_file() {
            return Ok(false);
        }
        if self.how == How::Part {
            let file = Records::open(output)?;
            return Ok(file.description().shard == self.shard && picture.render.read_records(file, stop)?.is_complete());
        }
        Ok(Scene::load(&picture.output).is_ok_and(|scene| scene == *picture.render.scene()))
    }

    /// Opens the file, if tiles are to be kept; else says why not.
    pub(super) fn open(
        &self,
        render: &Render,
        before: Option<&Arc<Records>>,
        expected: Option<Expected>,
        quiet: bool,
    ) -> Result<std::result::Result<Kept, Unkept>> {
        let Some(place) = &self.place else {
            return Ok(Err(if self.how == How::Never { Unkept::Unwanted } else { Unkept::NoFile }));
        };
        let forgoes = || expected.map_or(Some(Unkept::Short), |expected| expected.forgoes(render, place));
        if before.is_none()
            && !self.resume
            && self.how == How::ByItself
            && let Some(why) = forgoes()
        {
            return Ok(Err(why));
        }
        let checkpoint = match before {
            Some(records) => Checkpoint::go_on(records)?,
            None => match Checkpoint::create(place, &render.description(self.shard)?) {
                // It was not asked for. But a second start learns of the first, as it would a moment later.
                Err(error) if self.how == How::ByItself && !self.resume => {
                    return check_unused(place).map(|()| Err(Unkept::Impossible(error.to_string())));
                }
                created => created?,
            },
        };
        if let Some(error) = checkpoint.unlocked().filter(|_| !quiet) {
            note(format!("`{}` cannot be locked ({error}), so no other run can continue from it", place.display()));
        }
        // A resumed run draws its picture from the file, so it needs the file.
        let forgiving = self.how == How::ByItself && before.is_none();
        let checkpoint = if forgiving { checkpoint.forgiving() } else { checkpoint };
        let wanted = Pieces::new(render.tiling().len(), self.shard);
        Ok(Ok(Kept { checkpoint: Arc::new(checkpoint), how: self.how, needs: self.needs, wanted: wanted.len() }))
    }
}

fn other_shard(place: &Path, theirs: Option<Shard>) -> Error {
    let theirs = theirs.map_or("all tiles".into(), |shard| format!("shard {shard}"));
    Error::Input(format!("`{}` holds {theirs}, not the tiles asked for now", place.display()))
}

/// What an earlier run left.
pub(super) enum Before {
    Nothing,
    Some(Arc<Records>),
    Everything,
}

/// How long a render is expected to take, and with how many workers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) time: Duration,
    pub(super) workers: usize,
}

impl Expected {
    /// Why tiles are not kept, if that is not worth its cost or there is no room for them.
    fn forgoes(self, render: &Render, place: &Path) -> Option<Unkept> {
        let bytes = render.channels().bytes(1) as f64 * render.tiling().size().area() as f64;
        let share = CHEAP * self.time.div_duration_f64(LONG).clamp(1.0, 10.0);
        if self.time <= LONG {
            Some(Unkept::Short)
        } else if bytes * SECONDS_PER_BYTE > share * self.time.as_secs_f64() * self.workers as f64 {
            Some(Unkept::Costly)
        } else {
            let free = free_space(place).filter(|&free| bytes >= free as f64 / 2.0)?;
            Some(Unkept::NoRoom { bytes: bytes as u64, free })
        }
    }

    /// Reports what a long render will write, when, and what an interruption would cost.
    pub(super) fn report(self, picture: &Picture, depth: Depth, kept: &std::result::Result<Kept, Unkept>) {
        if self.time <= LONG {
            return;
        }
        let safety = match kept {
            Ok(kept) => format!(
                "`{}` keeps what is finished, so the same command{} continues after an interruption",
                kept.checkpoint.path().display(),
                if kept.needs.resume { " with --resume" } else { "" }
            ),
            Err(why) => format!("an interruption loses it, since {why}"),
        };
        let room = may_lack(picture, depth).map_or_else(String::new, |(most, free)| {
            format!(", and may need up to {} of the disk, which has {} left", memory::size(most), memory::size(free))
        });
        let output = picture.output.display();
        note(format!("`{output}` is expected to take about {}{room}; {safety}", roughly(self.time)));
    }
}

/// A time for people: `5 minutes`, `30 hours`, `4 days`.
fn roughly(time: Duration) -> String {
    let minutes = time.as_secs_f64() / 60.0;
    let (number, unit) = [(minutes / 1440.0, "days"), (minutes / 60.0, "hours")]
        .into_iter()
        .find(|(number, _)| *number >= 2.0)
        .unwrap_or((minutes.max(2.0), "minutes"));
    format!("{number:.0} {unit}")
}

/// Why no tiles are kept; it follows "since".
#[derive(Debug)]
pub(super) enum Unkept {
    Unwanted,
    NoFile,
    Short,
    Costly,
    NoRoom { bytes: u64, free: u64 },
    Impossible(String),
}

impl fmt::Display for Unkept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const OTHERWISE: &str = "--checkpoint FILE keeps them";
        match self {
            Self::Unwanted => f.write_str("--no-checkpoint was given"),
            Self::NoFile => {
                write!(f, "the picture goes to no regular file, beside which its tiles could be kept: {OTHERWISE}")
            }
            Self::Short => {
                write!(f, "renders expected to take less than a minute keep no tiles by themselves: {OTHERWISE}")
            }
            Self::Costly => {
                write!(f, "keeping its tiles would take too large a share of its time: {OTHERWISE} all the same")
            }
            Self::NoRoom { bytes, free } => write!(
                f,
                "its tiles may take {}, more than half of the {} that the disk has left: {OTHERWISE} elsewhere",
                memory::size(*bytes),
                memory::size(*free)
            ),
            Self::Impossible(why) => write!(f, "its tiles cannot be kept ({why}): {OTHERWISE} elsewhere"),
        }
    }
}

impl Unkept {
    /// After a run that was interrupted.
    pub(super) fn leave(&self, output: &Path) {
        note(format!("nothing is kept of `{}`, since {self}", output.display()));
    }
}

/// An open file of finished tiles.
pub(super) struct Kept {
    pub(super) checkpoint: Arc<Checkpoint>,
    how: How,
    needs: Needs,
    wanted: usize,
}

impl Kept {
    /// After a successful run.
    pub(super) fn complete(self, output: &Path) -> Result<()> {
        match self.how {
            How::Part => self.checkpoint.publish(&destination(output)),
            How::ByItself => self.checkpoint.remove(),
            How::Named | How::Never => Ok(()),
        }
    }

    /// After a run that was stopped or failed: a file with tiles is reported, an empty one removed.
    pub(super) fn leave(&self, output: &Path, quiet: bool) {
        let (path, pieces) = (self.checkpoint.path(), self.checkpoint.pieces());
        if pieces == 0 {
            // An empty leftover file does no harm.
            let _ = self.checkpoint.remove();
        }
        if quiet {
        } else if pieces == 0 {
            note(format!("nothing is kept of `{}`, since none of its tiles was finished", output.display()));
        } else if !self.checkpoint.is_in_place() {
            note(format!("`{}` was removed or replaced meanwhile, so nothing is kept", path.display()));
        } else {
            let command = typed::again(self.needs.resume.then_some("--resume"));
            let input = if self.needs.input { ", with the same standard input" } else { "" };
            let (path, all) = (path.display(), self.wanted);
            note(format!("`{path}` keeps {pieces} of {all} tiles; to continue{input}: {command}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_an_interruption_would_lose_the_more_keeping_may_cost() {
        let scene = Scene::from_toml("image = { size = [7680, 4320], samples = 8 }").unwrap();
        let render = Render::new(&scene).unwrap();
        let forgoes = |seconds| {
            let expected = Expected { time: Duration::from_secs(seconds), workers: 2 };
            // Nothing is known of how much room there is.
            expected.forgoes(&render, Path::new("/no/such/folder/a"))
        };
        // Keeping all of it takes some 10 s of processor time.
        assert!(matches!(forgoes(60), Some(Unkept::Short)));
        assert!(matches!(forgoes(90), Some(Unkept::Costly)));
        assert!(forgoes(600).is_none() && forgoes(36 * 60).is_none());
    }

    #[test]
    fn times_are_for_people() {
        let shown = [61, 119 * 60, 121 * 60, 50 * 3600].map(|seconds| roughly(Duration::from_secs(seconds)));
        assert_eq!(shown, ["2 minutes", "119 minutes", "2 hours", "2 days"]);
    }
}
