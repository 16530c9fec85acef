//! Finished tiles that are kept: where, whether, what an earlier run left, and what becomes of the file in the end.

use super::args::RenderArgs;
use super::picture::{Picture, is_device};
use super::tell;
use fractal::parallel::{Pieces, Shard, Stop};
use fractal::render::Render;
use fractal::sink::output::is_stdout;
use fractal::sink::records::{Records, check_unused};
use fractal::sink::{Checkpoint, destination};
use fractal::{Error, Result, Scene};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Renders that are expected to take longer keep their tiles by themselves.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// The part of a render's time that keeping may take unless it was asked for.
const CHEAP: f64 = 0.02;

/// What keeping a byte of a tile takes: packing it, the checksum, and the operating system's copy. Measured as 0.5 to 0.6 ns, `keep` in
/// `--stats json`.
const SECONDS_PER_BYTE: f64 = 0.6e-9;

/// What is said about keeping a picture's tiles.
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
    /// When the render is long.
    ByItself,
    /// The file was named, and stays.
    Named,
    /// The file becomes the output.
    Part,
}

impl Keep {
    /// `named` is the file that was given; `output` where the picture or the part goes.
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
                    "`{}` is no regular file, so it cannot be a checkpoint",
                    file.display()
                )));
            }
            Some(file) => (Some(destination(&file)), How::Named),
            None if args.no_checkpoint => (None, How::Never),
            // Beside the file that it becomes.
            None if args.shard.is_some() => (beside(&destination(output)), How::Part),
            None => (beside(output), How::ByItself),
        };
        let shown = output.display();
        if args.resume && place.is_none() {
            return Err(Error::Usage(format!(
                "a picture that goes to `{shown}` has no checkpoint beside it; give --resume its name with --checkpoint"
            )));
        }
        if args.shard.is_some() && place.is_none() {
            return Err(Error::Usage(format!("a shard's part must be a regular file, not `{shown}`")));
        }
        Ok(Self { place, how, resume: args.resume, shard: args.shard })
    }

    /// Whether it depends on how long the render will take.
    pub(super) fn depends_on_time(&self) -> bool {
        self.how == How::ByItself && !self.resume && self.place.is_some()
    }

    /// What an earlier run left for this one.
    pub(super) fn before(&self, picture: &Picture, quiet: bool, stop: &Stop) -> Result<Before> {
        let Some(place) = &self.place else { return Ok(Before::Nothing) };
        // A run that was killed right after it created the file left nothing in it.
        let there = fs::metadata(place).is_ok_and(|found| !found.is_file() || found.len() > 0);
        if there && !self.resume && self.how == How::Named {
            check_unused(place)?;
            return Err(Error::Usage(format!(
                "`{}` keeps what an earlier run has finished: go on from it with --resume, or remove it",
                place.display()
            )));
        }
        if there {
            let records = self.recognized(place, picture, stop);
            let records = match records {
                // Nobody said that it should be of this picture, nor that it may be removed.
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
                tell(format!("`{}` is damaged; what is lost of it is computed again", place.display()));
            }
            if !self.resume && !quiet {
                let (found, all) = (records.found().len(), picture.wanted().len());
                tell(format!(
                    "`{}` has {found} of {all} tiles of this very picture, so it goes on from there",
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
                tell(format!("there is no `{}`, so {} begins anew", place.display(), picture.name));
            }
        }
        Ok(Before::Nothing)
    }

    /// What is in the file, which nobody else can go on from any more, if it is of this picture.
    fn recognized(&self, place: &Path, picture: &Picture, stop: &Stop) -> Result<Records> {
        let file = Records::open_to_go_on(place)?;
        if file.description().shard != self.shard {
            return Err(other_shard(place, file.description().shard));
        }
        picture.render.read_records(file, stop)
    }

    /// Whether the output is there already. A picture is known by the scene that it carries; a file appears when it is complete.
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
                // Nobody asked for it.
                Err(_) if self.how == How::ByItself => return Ok(None),
                created => created?,
            },
        };
        if let Some(error) = checkpoint.unlocked().filter(|_| !quiet) {
            tell(format!("`{}` cannot be locked ({error}), so no other run can go on from it", place.display()));
        }
        // A run that goes on draws its picture of the file, so it needs it.
        let forgiving = self.how == How::ByItself && before.is_none();
        let checkpoint = if forgiving { checkpoint.forgiving() } else { checkpoint };
        let wanted = Pieces::new(render.tiling().len(), self.shard);
        Ok(Some(Kept { checkpoint: Arc::new(checkpoint), how: self.how, wanted: wanted.len() }))
    }
}

fn other_shard(place: &Path, theirs: Option<Shard>) -> Error {
    let theirs = theirs.map_or("all tiles".into(), |shard| format!("shard {shard}"));
    Error::Input(format!("`{}` is of {theirs}, not of what is asked for now", place.display()))
}

/// What an earlier run left.
pub(super) enum Before {
    Nothing,
    Some(Arc<Records>),
    Everything,
}

/// What a render is expected to take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) time: Duration,
    pub(super) workers: usize,
}

impl Expected {
    /// Whether keeping tiles is worth its cost, and there is room for them.
    fn pays(self, render: &Render, place: &Path) -> bool {
        let (width, height) = render.tiling().size();
        let bytes = render.channels().bytes(1) as f64 * f64::from(width) * f64::from(height);
        let cheap = bytes * SECONDS_PER_BYTE <= CHEAP * self.time.as_secs_f64() * self.workers as f64;
        self.time > LONG && cheap && free_space(place).is_none_or(|free| bytes < free as f64 / 2.0)
    }
}

/// Bytes that a file at `place` may take, if the system tells.
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
    /// After a run that went well.
    pub(super) fn complete(self, output: &Path) -> Result<()> {
        match self.how {
            How::Part => self.checkpoint.publish(&destination(output)),
            How::ByItself => self.checkpoint.remove(),
            How::Named | How::Never => Ok(()),
        }
    }

    /// After a run that was stopped or failed: a file that has something is told of, another one goes.
    pub(super) fn leave(&self, quiet: bool) {
        let (path, pieces) = (self.checkpoint.path(), self.checkpoint.pieces());
        if pieces == 0 {
            // What would be left says nothing.
            let _ = self.checkpoint.remove();
        } else if quiet {
        } else if !self.checkpoint.is_in_place() {
            tell(format!("`{}` was removed or replaced by somebody, so nothing is kept", path.display()));
        } else {
            let all = self.wanted;
            tell(format!("`{}` keeps {pieces} of {all} tiles; the same command with --resume goes on", path.display()));
        }
    }
}
