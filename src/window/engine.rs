//! Computing in the background: a thread that owns a session computes the latest batch, which is a list of steps. It can be stopped at any
//! moment.
//!
//! The window never waits for it. Batches go in, each replacing the one before; events come out, each with the generation of its batch, so
//! that late ones from an old view are recognised and dropped. All steps are parts of one render and share what its kernel prepares; every
//! backend can serve the window, and the final picture is what `render` gives.

use super::references::References;
use crate::backend::{self, Session};
use crate::error::{Error, Result};
use crate::parallel::{FinishedClaim, Schedule, Sink, Stop, lock};
use crate::render::{Part, Render, RenderOptions};
use crate::sample::Channels;
use crate::scene::{Crop, Scene};
use crate::sink::Tiles;
use crate::tile::Order;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Who computes.
#[derive(Clone, Debug)]
pub(super) struct Workforce {
    pub(super) backend: &'static backend::BackendEntry,
    /// 0 for as many as the environment says.
    pub(super) workers: usize,
    pub(super) schedule: Schedule,
    /// The program that worker processes run.
    pub(super) program: backend::Program,
}

impl PartialEq for Workforce {
    fn eq(&self, other: &Self) -> bool {
        let key = |workforce: &Self| (workforce.backend.name, workforce.workers, workforce.schedule);
        key(self) == key(other)
    }
}

/// A part of the picture to compute.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Which pixels.
    pub(super) area: Crop,
    /// The edge in pixels of the square that each sample stands for; 0 for all samples.
    pub(super) grain: u32,
    /// The edge of its tiles, in pixels or coarse samples, and their order.
    pub(super) tile: u32,
    pub(super) order: Order,
}

/// What is to be computed now, in place of everything before.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) generation: u64,
    pub(super) workforce: Workforce,
    /// The scene of the whole picture.
    pub(super) scene: Scene,
    /// Channels to compute besides those the colouring needs.
    pub(super) channels: Channels,
    pub(super) steps: Vec<Step>,
}

/// What an [`EngineEvent`] reports.
#[derive(Debug)]
pub(super) enum News {
    /// The data that all tiles of the next step share is being prepared; `percent` of it is done.
    Preparing { percent: u32 },
    /// Step number `step` begins.
    Began { step: Arc<Begun> },
    /// A worker has claimed tiles.
    Claimed { step: Arc<Begun>, range: Range<usize>, worker: usize, at: Instant },
    /// A worker has finished tiles.
    Finished { step: Arc<Begun>, claim: Finished },
    /// A step is complete, with this [`Step::grain`].
    Ended { grain: u32 },
    /// All steps are complete.
    Complete,
    /// The batch was stopped, at this moment.
    Stopped { at: Instant },
    /// The batch cannot be computed, and why.
    Failed(Error),
}

/// How much is prepared, in per cent. Each value is reported once: a kernel may report its progress a million times.
#[derive(Debug, Default)]
pub(super) struct Percent(AtomicU32);

impl Percent {
    /// `done` in per cent; `None` if this value or a larger one was reported before.
    pub(super) fn news(&self, done: f64) -> Option<u32> {
        let percent = (100.0 * done) as u32;
        (self.0.fetch_max(percent + 1, Ordering::Relaxed) <= percent).then_some(percent)
    }
}

/// A step that is being computed.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) origin: (u32, u32),
    pub(super) grain: u32,
    pub(super) tiles: Tiles,
    pub(super) workers: usize,
    /// Samples per pixel, each way.
    pub(super) samples: u32,
    /// The kernel, for display.
    pub(super) kernel: String,
    /// The unit in which the work counts, in the plural.
    pub(super) unit: &'static str,
}

/// A finished claim.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) range: Range<usize>,
    pub(super) words: Box<[u32]>,
    pub(super) costs: Box<[u64]>,
    pub(super) executed: u64,
    pub(super) worker: usize,
    pub(super) busy: Duration,
}

/// News of a batch.
#[derive(Debug)]
pub(super) struct EngineEvent {
    pub(super) generation: u64,
    pub(super) news: News,
}

/// The thread and what it shares with the window.
#[derive(Debug)]
pub(super) struct Engine {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    ordered: Condvar,
    engine_events: Mutex<Vec<EngineEvent>>,
}

#[derive(Debug, Default)]
struct Inbox {
    batch: Option<Batch>,
    /// Stops the batch that is being computed.
    stop: Stop,
    quit: bool,
}

impl Shared {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        lock(&self.inbox)
    }

    fn post(&self, generation: u64, news: News) {
        lock(&self.engine_events).push(EngineEvent { generation, news });
    }
}

impl Engine {
    /// Starts the thread. It opens the backend when there is something to compute.
    pub(super) fn start() -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = shared.clone();
        let thread = std::thread::Builder::new()
            .name("window engine".into())
            .spawn(move || serve(&own))
            .map_err(|error| Error::Unsupported(format!("the computing thread cannot be started: {error}")))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Computes `batch`, in place of what is being computed.
    pub(super) fn compute(&self, batch: Batch) {
        let mut inbox = self.shared.inbox();
        inbox.stop.set();
        inbox.batch = Some(batch);
        self.shared.ordered.notify_one();
    }

    /// Stops what is being computed.
    pub(super) fn cancel(&self) {
        let mut inbox = self.shared.inbox();
        inbox.stop.set();
        inbox.batch = None;
    }

    /// Appends the events since the last call to `engine_events`, in order.
    pub(super) fn collect(&self, engine_events: &mut VecDeque<EngineEvent>) {
        engine_events.extend(lock(&self.shared.engine_events).drain(..));
    }

    /// Whether the thread has ended, which only a bug can cause.
    pub(super) fn is_dead(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.cancel();
        self.shared.inbox().quit = true;
        self.shared.ordered.notify_one();
        if let Some(thread) = self.thread.take() {
            // Any panic has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// The thread's loop.
fn serve(shared: &Arc<Shared>) {
    let mut open: Option<(Workforce, Box<dyn Session>)> = None;
    let mut references = References::default();
    loop {
        let (batch, stop) = {
            let mut inbox = shared.inbox();
            loop {
                if inbox.quit {
                    return;
                }
                if let Some(batch) = inbox.batch.take() {
                    inbox.stop = Stop::new();
                    break (batch, inbox.stop.clone());
                }
                inbox = shared.ordered.wait(inbox).unwrap_or_else(PoisonError::into_inner);
            }
        };
        let generation = batch.generation;
        let news = match perform(shared, batch, &mut open, &mut references, &stop) {
            Ok(()) => News::Complete,
            Err(Error::Stopped) => News::Stopped { at: Instant::now() },
            Err(error) => News::Failed(error),
        };
        shared.post(generation, news);
    }
}

fn perform(
    shared: &Arc<Shared>,
    batch: Batch,
    open: &mut Option<(Workforce, Box<dyn Session>)>,
    references: &mut References,
    stop: &Stop,
) -> Result<()> {
    let Batch { generation, workforce, scene, channels, steps } = batch;
    if steps.is_empty() {
        return Ok(());
    }
    let whole = Render::with(&scene, RenderOptions { channels, ..RenderOptions::default() })?;
    if open.as_ref().is_none_or(|(opened, _)| *opened != workforce) {
        *open = None;
        let options = backend::SessionOptions {
            workers: workforce.workers,
            schedule: Some(workforce.schedule),
            program: workforce.program.clone(),
            timed: true,
            stop: stop.clone(),
            ..backend::SessionOptions::default()
        };
        let session = workforce.backend.open(&options)?;
        *open = Some((workforce, session));
    }
    let Some((_, session)) = open else { return Ok(()) };
    // A coarse picture does not wait for an orbit where there is one that serves.
    let whole = references.own(&whole).unwrap_or(whole);
    let (preview, mut kept) = (references.preview(&whole), false);
    for step in steps {
        if stop.is_set() {
            return Err(Error::Stopped);
        }
        let render = preview.as_ref().filter(|_| step.grain > 0).unwrap_or(&whole);
        let outcome = take(shared, generation, &mut **session, render, step, stop);
        kept = kept || references.keep(&whole);
        outcome?;
    }
    Ok(())
}

/// Computes one step.
fn take(
    shared: &Arc<Shared>,
    generation: u64,
    session: &mut dyn Session,
    whole: &Render,
    Step { area, grain, tile, order }: Step,
    stop: &Stop,
) -> Result<()> {
    let samples = whole.scene().image.samples;
    let part = if grain == 0 { Part::Area(area) } else { Part::Coarse(area, grain * samples) };
    let render = whole.part(part, tile, order)?;
    // Blocks are counted from the top left of the picture.
    let first = |from: u32| from / grain.max(1) * grain.max(1);
    let begun = Arc::new(Begun {
        origin: (first(area.x), first(area.y)),
        grain,
        tiles: render.tiles(),
        workers: 0,
        samples: if grain == 0 { samples } else { 1 },
        kernel: format!("{} in {}", render.kernel().facts().tier, render.kernel().facts().isa),
        unit: "",
    });
    let (begun, percent) = (Mutex::new(begun), Percent::default());
    session.run(render.work(), Arc::new(EventSink { shared: shared.clone(), generation, begun, percent }), stop)?;
    shared.post(generation, News::Ended { grain });
    Ok(())
}

/// Posts what a run reports.
struct EventSink {
    shared: Arc<Shared>,
    generation: u64,
    begun: Mutex<Arc<Begun>>,
    percent: Percent,
}

impl EventSink {
    fn begun(&self) -> MutexGuard<'_, Arc<Begun>> {
        lock(&self.begun)
    }

    fn post(&self, news: News) {
        self.shared.post(self.generation, news);
    }
}

impl Sink for EventSink {
    fn preparing(&self, done: f64) {
        if let Some(percent) = self.percent.news(done) {
            self.post(News::Preparing { percent });
        }
    }

    fn start(&self, run: &crate::parallel::RunInfo) -> Result<()> {
        let mut begun = self.begun();
        let Begun { origin, grain, ref tiles, samples, ref kernel, .. } = **begun;
        let (tiles, kernel) = (tiles.clone(), kernel.clone());
        *begun = Arc::new(Begun { origin, grain, tiles, workers: run.workers, samples, kernel, unit: run.unit });
        self.post(News::Began { step: begun.clone() });
        Ok(())
    }

    fn claimed(&self, worker: usize, range: Range<usize>) {
        let step = self.begun().clone();
        self.post(News::Claimed { step, range, worker, at: Instant::now() });
    }

    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        let claim = Finished {
            range: done.range.clone(),
            words: bytemuck::cast_slice(done.bytes).into(),
            costs: done.costs.into(),
            executed: done.executed,
            worker: done.worker,
            busy: done.ended.saturating_sub(done.began),
        };
        let step = self.begun().clone();
        self.post(News::Finished { step, claim });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Counters, Facts, Kernel, Request, TileClaim};
    use crate::parallel::{Prepared, Preparing};
    use crate::sample::Channels;

    /// A kernel whose counts all equal the number that it prepared.
    #[derive(Debug)]
    struct Constant(Arc<dyn Kernel>, u32);

    impl Kernel for Constant {
        fn channels(&self) -> Channels {
            self.0.channels()
        }
        fn facts(&self) -> Facts {
            self.0.facts()
        }
        fn prepare(&self, preparing: &Preparing<'_>) -> Result<Prepared> {
            // As often as it likes, and in any order.
            [0.0, 0.001, 0.4, 0.4, 0.39, 1.0, 2.0].into_iter().for_each(|done| preparing.progress(done));
            Ok(Prepared::default().with("constant", self.1.to_ne_bytes()[..].into()))
        }
        fn compute(&self, prepared: &Prepared, claim: TileClaim<'_>, _: &Stop) -> Result<Counters> {
            claim.words.fill(bytemuck::pod_read_unaligned(prepared.get("constant").unwrap()));
            Ok(Counters::default())
        }
    }

    #[test]
    fn the_first_step_of_a_render_says_of_its_preparing_and_all_have_it() {
        let mut scene = Scene::default();
        scene.image.size = (40, 30);
        let mut session = backend::find("threads").unwrap().open(&backend::SessionOptions::default()).unwrap();
        for number in [7, 9, 7] {
            let own = |request: &Request| Ok(Arc::new(Constant(request.kernel()?, number)) as Arc<dyn Kernel>);
            let render = Render::with_kernel(&scene, RenderOptions::default(), own).unwrap();
            for (x, percents) in [(0, vec![0, 40, 100]), (20, vec![])] {
                let shared = Arc::default();
                let step = Step { area: [x, 0, 20, 30].into(), grain: 0, tile: 16, order: Order::Rows };
                take(&shared, 1, &mut *session, &render, step, &Stop::new()).unwrap();
                let (mut told, mut finished) = (Vec::new(), 0);
                for engine_event in &*shared.engine_events.lock().unwrap() {
                    match &engine_event.news {
                        News::Preparing { percent } => told.push(*percent),
                        News::Began { .. } => assert_eq!(told, percents, "before anything else"),
                        News::Finished { claim, .. } => {
                            assert!(claim.words.iter().all(|&word| word == number));
                            finished += claim.range.len();
                        }
                        _ => {}
                    }
                }
                assert_eq!((told, finished), (percents, 4));
            }
        }
    }
}
