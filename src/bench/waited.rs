//! What waiting for many connections was found to cost.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a model cost. Times are in seconds, memory in bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// The model, or Python's client.
    pub model: String,
    /// How many answers were asked for, and how many at once.
    pub connections: usize,
    pub at_once: usize,
    /// The time until the first was asked for, and from then to the last answer.
    pub start: f64,
    pub wall: f64,
    /// Processor time of the client.
    pub processor: f64,
    /// Memory for each connection that was open at once: resident, and the kernel's stacks.
    pub resident: f64,
    pub stacks: f64,
    /// From the start of a target to its answer: the median, and what 99 % do not exceed.
    pub p50: f64,
    pub p99: f64,
    /// The same in a run in which the use of the first answer blocked.
    pub blocked: Option<Blocked>,
    /// How many did not answer, by kind.
    pub failed: BTreeMap<String, usize>,
    /// Lines of code of the model's file; `None` for Python's.
    pub lines: Option<usize>,
}

/// What one blocking call did.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Blocked {
    /// From the start of a target to its answer: the median, and what 99 % do not exceed.
    pub p50: f64,
    pub p99: f64,
    /// For how long the model found that its loop stood still; 0 for those without one.
    pub still: f64,
}

/// What was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Costs {
    /// The machine, in a line.
    pub machine: String,
    /// Whether other programs used the processors before or after: then times are too long.
    pub busy: bool,
    /// When the server answered, in seconds.
    pub delay: f64,
    /// For how long one call blocked, in seconds.
    pub block: Option<f64>,
    /// The costs, by connections and model.
    pub costs: Vec<Cost>,
    /// What was requested but left out, and why.
    pub left_out: Vec<String>,
}
