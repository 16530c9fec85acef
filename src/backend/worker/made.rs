//! A small work for tests of what workers send.

use crate::error::Result;
use crate::parallel::{Claim, Discard, Job, Prepared, Stop, Work};
use std::sync::Arc;

/// Ten pieces of at most 9 bytes, or of exactly 8.
struct Made {
    varies: bool,
}

impl Work for Made {
    fn len(&self) -> usize {
        10
    }
    fn piece_len(&self, _: usize) -> usize {
        if self.varies { 9 } else { 8 }
    }
    fn varies(&self) -> bool {
        self.varies
    }
    fn compute(&self, _: &Prepared, _: &mut Claim<'_>, _: &Stop) -> Result<()> {
        Ok(())
    }
}

/// A job of that work, begun by no backend.
pub(crate) fn job(varies: bool) -> Job {
    Job::begin("by hand", 1, false, Arc::new(Made { varies }), Arc::new(Discard), &Stop::new()).unwrap()
}
