//! A thread's working memory, kept for the next claim.

use super::pack::MOST_LANES;
use super::wide::largest;
use crate::kernel::double_double::DoubleDouble;
use std::cell::Cell;

/// Samples that go through the stages together.
pub(super) const BATCH: usize = 4096;

/// A smaller derivative counts as this: the distance of its sample, more than 10²⁹ pixels, would be no `f32`.
const LEAST_DERIVATIVE: f64 = 1.0 / (1_u128 << 100) as f64;

/// The numbers of each sample in a [`Group`]: δ, the offset c, the sample's number in the claim, and ∂δ/∂c.
pub(super) const Z_X: usize = 0;
pub(super) const Z_Y: usize = 1;
pub(super) const C_X: usize = 2;
pub(super) const C_Y: usize = 3;
pub(super) const ID: usize = 4;
pub(super) const D_X: usize = 5;
pub(super) const D_Y: usize = 6;

/// Samples as a structure of arrays. A vector can be written at any index up to [`BATCH`]. The planes have a fixed length and are in one
/// piece, so that one check of an index is enough for all of them: the instructions of a check each were a fifth of the stages' loop.
#[derive(Debug)]
pub(super) struct Group(pub(super) Box<[[f64; BATCH + MOST_LANES]; 7]>);

impl Group {
    fn new() -> Self {
        let planes = vec![[0.0; BATCH + MOST_LANES]; 7].into_boxed_slice();
        Self(planes.try_into().expect("seven planes"))
    }
}

/// Samples of a group that are at the same entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) stage: usize,
    /// The entry.
    pub(super) at: usize,
    /// Iterations done, and after how many they are examined: see `interior.rs`.
    pub(super) n: u64,
    pub(super) check: u64,
    /// Entries taken.
    pub(super) steps: u64,
    pub(super) from: usize,
    pub(super) to: usize,
    /// δ and its derivative are those of the group times 2^`exponent`.
    pub(super) exponent: i32,
}

/// A sample that goes on one iteration at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) id: u32,
    /// The place of the reference.
    pub(super) at: u32,
    /// Iterations done, and after how many it is examined.
    pub(super) n: u64,
    pub(super) check: u64,
    pub(super) delta: [f64; 2],
    /// The offset, divided by 2^`exponent`.
    pub(super) offset: [f64; 2],
    /// What the offset itself lacks, or for Julia sets `delta`, where double-double has it.
    pub(super) rest: [f64; 2],
    pub(super) derivative: [f64; 2],
}

/// How the samples of a claim ended: one number each.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// How many were found to be caught by a cycle.
    pub(super) caught: u64,
    /// Iterations that samples were taken through one by one.
    pub(super) singly: u64,
    /// The number of the first escaped iterate; `u64::MAX` where none did.
    pub(super) n: Vec<u64>,
    /// That iterate and its derivative; of quality `exact` also the last iterate of a sample that has come to the maximum. The derivative
    /// of one that is caught by a cycle is 0.
    pub(super) x: Vec<f64>,
    pub(super) y: Vec<f64>,
    pub(super) d_x: Vec<f64>,
    pub(super) d_y: Vec<f64>,
}

impl Ends {
    /// For `len` samples, none of which has escaped; with room for whole vectors. Where samples are in question, the derivatives of those
    /// that are caught are 0.
    pub(super) fn reset(&mut self, len: usize, in_question: bool) {
        (self.caught, self.singly) = (0, 0);
        self.n.clear();
        self.n.resize(len, u64::MAX);
        for numbers in [&mut self.x, &mut self.y] {
            numbers.resize(len + MOST_LANES, 1.0);
        }
        for numbers in [&mut self.d_x, &mut self.d_y] {
            if in_question {
                numbers.clear();
            }
            numbers.resize(len + MOST_LANES, 0.0);
        }
    }

    /// Notes where a sample is that has come to the maximum: so near to others that escape that it may be in question.
    pub(super) fn reach(&mut self, id: usize, [x, y]: [f64; 2], [d_x, d_y]: [f64; 2]) {
        (self.x[id], self.y[id], self.d_x[id], self.d_y[id]) = (x, y, d_x, d_y);
    }

    #[inline(always)]
    pub(super) fn set<const DERIVATIVE: bool>(
        &mut self,
        id: usize,
        n: u64,
        [x, y]: [f64; 2],
        [mut d_x, mut d_y]: [f64; 2],
    ) {
        (self.n[id], self.x[id], self.y[id]) = (n, x, y);
        if !DERIVATIVE {
            return;
        }
        let size = largest([d_x, d_y]);
        if size > 0.0 && size < LEAST_DERIVATIVE {
            (d_x, d_y) = (LEAST_DERIVATIVE * (d_x / size), LEAST_DERIVATIVE * (d_y / size));
        }
        (self.d_x[id], self.d_y[id]) = (d_x, d_y);
    }
}

/// All of a thread's working memory.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) group: Group,
    /// What goes back to the begin of a stage, and what goes on in the stage before.
    pub(super) rebased: Group,
    pub(super) failed: Group,
    pub(super) pending: Vec<Pending>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) ends: Ends,
    /// The samples' offsets divided by 2^`exponent`, where they are needed again.
    pub(super) offsets: Vec<[DoubleDouble<f64>; 2]>,
}

impl Scratch {
    /// Runs `compute` with this thread's memory. Anything an interrupted computation left there is discarded.
    pub(super) fn with<R>(compute: impl FnOnce(&mut Scratch) -> R) -> R {
        thread_local!(static AREA: Cell<Option<Box<Scratch>>> = const { Cell::new(None) });
        let mut scratch = AREA.take().unwrap_or_else(|| {
            let [group, rebased, failed] = std::array::from_fn(|_| Group::new());
            let (pending, waiting, ends, offsets) = (Vec::new(), Vec::new(), Ends::default(), Vec::new());
            Box::new(Scratch { group, rebased, failed, pending, waiting, ends, offsets })
        });
        scratch.pending.clear();
        scratch.waiting.clear();
        let result = compute(&mut scratch);
        AREA.set(Some(scratch));
        result
    }
}
