//! A thread's working memory: lanes in flight, the queue of samples waiting for a lane, and those waiting for their exact count. It is
//! kept for the next claim.

use crate::formula::Vector;
use fearless_simd::prelude::*;
use std::cell::Cell;

/// The maximum number of vectors in flight times the maximum number of lanes in one.
pub(super) const LANES: usize = 64;
/// Samples that can wait for a lane.
pub(super) const QUEUE: usize = 4096;
/// Escaped samples that can wait for their exact count: a batch plus what one event can add.
pub(super) const FINISH: usize = 2 * LANES;

/// One number for each lane in flight; aligned so that no vector crosses a cache line.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct PerLane(pub(super) [f64; LANES]);

impl PerLane {
    const fn new(value: f64) -> Self {
        Self([value; LANES])
    }
}

/// x and y of some lanes.
pub(super) type State = [PerLane; 2];

/// What a formula needs of some lanes.
#[derive(Debug)]
pub(super) struct Parameters([PerLane; 3]);

impl Parameters {
    /// Those of the `k`-th vector.
    #[inline(always)]
    pub(super) fn vector<S: Simd>(&self, simd: S, k: usize) -> [Vector<S>; 3] {
        let i = k * Vector::<S>::LEN;
        [
            Vector::load(simd, &self.0[0].0[i..]),
            Vector::load(simd, &self.0[1].0[i..]),
            Vector::load(simd, &self.0[2].0[i..]),
        ]
    }

    #[inline(always)]
    pub(super) fn set<S: Simd>(&mut self, k: usize, [p, q, r]: [Vector<S>; 3]) {
        let i = k * Vector::<S>::LEN;
        p.store(&mut self.0[0].0[i..]);
        q.store(&mut self.0[1].0[i..]);
        r.store(&mut self.0[2].0[i..]);
    }
}

/// The lanes in flight and what is known about each.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) z: State,
    /// Places for the states of the next blocks.
    pub(super) next: [Box<State>; 2],
    /// What the formula needs of c while blocks run.
    pub(super) parameters: Parameters,
    /// The point c.
    pub(super) a: PerLane,
    pub(super) b: PerLane,
    /// The word where the count goes.
    pub(super) id: PerLane,
    /// The iterations done, minus those of the blocks that have run since the flight began.
    pub(super) base: PerLane,
    /// The iterate that the orbit is compared with.
    pub(super) seen: Box<State>,
    /// Where the next such iterates are written.
    pub(super) next_seen: Box<State>,
    /// The block at which the lane took its sample, and the one at which the iterate it is compared with is next replaced.
    pub(super) birth: PerLane,
    pub(super) renew: PerLane,
    /// Blocks that have run.
    pub(super) blocks: u64,
    /// Lanes that have a sample.
    pub(super) alive: u64,
}

/// Samples with their state, as a structure of arrays of capacity `N`. A vector can be written at any index below the capacity minus
/// [`LANES`].
#[derive(Debug)]
pub(super) struct List<const N: usize> {
    pub(super) x: Box<[f64; N]>,
    pub(super) y: Box<[f64; N]>,
    pub(super) a: Box<[f64; N]>,
    pub(super) b: Box<[f64; N]>,
    /// The word where the count goes.
    pub(super) id: Box<[f64; N]>,
    /// Iterations done.
    pub(super) n: Box<[f64; N]>,
    /// At most so many of these has any sample done.
    pub(super) most: u64,
    /// The first that has not been taken.
    pub(super) head: usize,
    /// The number of samples, including those taken.
    pub(super) len: usize,
}

impl<const N: usize> List<N> {
    fn new() -> Self {
        let zeros = || Box::<[f64; N]>::try_from(vec![0.0; N].into_boxed_slice()).expect("the length is N");
        Self { x: zeros(), y: zeros(), a: zeros(), b: zeros(), id: zeros(), n: zeros(), most: 0, head: 0, len: 0 }
    }
}

/// Samples to refine, with their counts in the upper half, and distance vectors of samples.
pub(super) type Lists = (Vec<u64>, Vec<(u32, [f32; 2])>);

/// All of a thread's working memory.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) flight: Box<Flight>,
    /// The state of the group of samples that run together first, laid out like `flight`.
    pub(super) group: Box<Flight>,
    /// The group's x and y in the middle of a block.
    pub(super) middle: Box<State>,
    /// The states of escaped lanes while their exact count is searched.
    pub(super) states: [Box<State>; 2],
    /// |z|² of lanes whose exact count has been found.
    pub(super) squares: Box<PerLane>,
    pub(super) queue: List<{ QUEUE + LANES }>,
    pub(super) finish: List<{ FINISH + LANES }>,
    /// Whether lanes are suspected of never escaping: whether an orbit has repeated, or the last that were suspected were proved to.
    pub(super) eager: bool,
    /// Counts and positions of samples, for sorting, and where they are sorted.
    pub(super) order: [Vec<u64>; 2],
    /// Those that are refined.
    pub(super) refined: Lists,
}

impl Scratch {
    fn new() -> Self {
        let state = || Box::new([const { PerLane::new(0.0) }; 2]);
        let flight = || {
            let lane = PerLane::new;
            Box::new(Flight {
                z: [lane(0.0), lane(0.0)],
                next: [state(), state()],
                parameters: Parameters([const { PerLane::new(0.0) }; 3]),
                a: lane(0.0),
                b: lane(0.0),
                id: lane(0.0),
                base: lane(0.0),
                seen: state(),
                next_seen: state(),
                birth: lane(0.0),
                renew: lane(0.0),
                blocks: 0,
                alive: 0,
            })
        };
        Self {
            flight: flight(),
            group: flight(),
            middle: state(),
            states: [state(), state()],
            squares: Box::new(PerLane::new(0.0)),
            queue: List::new(),
            finish: List::new(),
            eager: false,
            order: [Vec::new(), Vec::new()],
            refined: Lists::default(),
        }
    }

    /// Runs `compute` with this thread's memory. Anything an interrupted computation left there is discarded.
    pub(super) fn with<R>(compute: impl FnOnce(&mut Scratch) -> R) -> R {
        thread_local!(static AREA: Cell<Option<Box<Scratch>>> = const { Cell::new(None) });
        let mut scratch = AREA.take().unwrap_or_else(|| Box::new(Scratch::new()));
        (scratch.flight.alive, scratch.flight.blocks) = (0, 0);
        (scratch.queue.head, scratch.queue.len, scratch.finish.len) = (0, 0, 0);
        scratch.eager = false;
        let result = compute(&mut scratch);
        AREA.set(Some(scratch));
        result
    }
}
