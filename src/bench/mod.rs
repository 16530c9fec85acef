//! Measuring how well backends compute: statistics, scaling laws, a simulation, and a record of the machine with every figure.
//!
//! Everything that decides something from times takes them from a [`Clock`](clock::Clock), so that tests can supply any.

pub mod advice;
pub mod check;
pub mod clock;
pub mod compare;
pub mod constructs;
pub mod cores;
pub mod deep;
pub mod drawing;
pub mod fits;
pub mod forecast;
pub mod kernel;
pub mod load;
pub mod machine;
pub mod measure;
pub mod overhead;
#[cfg(feature = "thumbnails")]
pub mod photos;
pub mod record;
pub mod reference;
pub mod report;
pub mod results;
pub mod round_trip;
pub mod schedules;
pub mod simulate;
pub mod statistics;
pub mod subject;
pub mod timeline;
pub mod waited;
#[cfg(feature = "net")]
pub mod waiting;
pub mod wisdom;
pub mod work;
pub mod works;

#[cfg(test)]
#[path = "../../tests/support/left_out.rs"]
mod left_out;
