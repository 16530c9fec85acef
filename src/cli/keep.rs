//! Keeping finished tiles: whether and where, what an earlier run left, and what happens to the file at the end.

use super::args::RenderArgs;
use super::picture::{Picture, is_device};
use super::tell;
use fractal::internal::{check_unused, destination, is_stdout};
use fractal::parallel::{Pieces, Shard, Stop};
use fractal::sink::{Checkpoint, Records};
use fractal::{Error, Render, Result, Scene};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Renders that are expected to take longer keep their tiles without being asked.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// The share of a render's time that unrequested keeping may take.
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
    pub(super) shard: Option<Shard>,
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
        Ok(Self { place, how, resume: args.resume, shard: args.shard })
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
                tell(format!("`{}` is damaged; its lost tiles are computed again", place.display()));
            }
            if !self.resume && !quiet {
                let (found, all) = (records.found().len(), picture.wanted().len());
                tell(format!(
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
                tell(format!("there is no `{}`, so {} starts from the beginning", place.display(), picture.name));
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

    /// Opens the file, if tiles are to be kept.
    pub(super) fn open(
        &self,
        render: &Render,
        before: Option<&Arc<Records>>,
        expected: Option<Expected>,
        quiet: bool,
    ) -> Result<Option<Kept>> {
        let Some(place) = &self.place else { return Ok(None) };
        let pays = || expected.is_some_and(|expected| expected.pays(render, place));
        if before.is_none() && !self.resume && self.how == How::ByItself && !pays() {
            return Ok(None);
        }
        let checkpoint = match before {
            Some(records) => Checkpoint::go_on(records)?,
            None => match Checkpoint::create(place, &render.description(self.shard)?) {
                // It was not asked for. But a second start learns of the first, as it would a moment later.
                Err(_) if self.how == How::ByItself && !self.resume => return check_unused(place).map(|()| None),
                created => created?,
            },
        };
        if let Some(error) = checkpoint.unlocked().filter(|_| !quiet) {
            tell(format!("`{}` cannot be locked ({error}), so no other run can continue from it", place.display()));
        }
        // A resumed run draws its picture from the file, so it needs the file.
        let forgiving = self.how == How::ByItself && before.is_none();
        let checkpoint = if forgiving { checkpoint.forgiving() } else { checkpoint };
        let wanted = Pieces::new(render.tiling().len(), self.shard);
        Ok(Some(Kept { checkpoint: Arc::new(checkpoint), how: self.how, wanted: wanted.len() }))
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
    /// Whether keeping tiles is worth its cost and there is room for them.
    fn pays(self, render: &Render, place: &Path) -> bool {
        let bytes = render.channels().bytes(1) as f64 * render.tiling().size().area() as f64;
        let cheap = bytes * SECONDS_PER_BYTE <= CHEAP * self.time.as_secs_f64() * self.workers as f64;
        self.time > LONG && cheap && free_space(place).is_none_or(|free| bytes < free as f64 / 2.0)
    }
}

/// Bytes that a file at `place` may take, if the system reports it.
fn free_space(place: &Path) -> Option<u64> {
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let system = rustix::fs::statvfs(folder).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}

/// An open file of finished tiles.
pub(super) struct Kept {
    pub(super) checkpoint: Arc<Checkpoint>,
    how: How,
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
    pub(super) fn leave(&self, quiet: bool) {
        let (path, pieces) = (self.checkpoint.path(), self.checkpoint.pieces());
        if pieces == 0 {
            // An empty leftover file does no harm.
            let _ = self.checkpoint.remove();
        } else if quiet {
        } else if !self.checkpoint.is_in_place() {
            tell(format!("`{}` was removed or replaced meanwhile, so nothing is kept", path.display()));
        } else {
            let all = self.wanted;
            tell(format!(
                "`{}` keeps {pieces} of {all} tiles; the same command with --resume continues",
                path.display()
            ));
        }
    }
}
