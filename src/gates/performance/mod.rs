//! The check `performance`: what a command took on the base and on the result, measured in pairs, and what follows from it.
//!
//! ```text
//!  pairs (base_i, result_i) ──> ratios ──> median, 95 % interval ──┐ max_regression
//!  runs of the result ────────> wall, cpu, memory, interval ───────┼──────────────────> Part
//!  files of the result ───────> size ──────────────────────────────┘ budgets
//! ```
//!
//! Nothing here runs or measures: that is `engine`'s, as the times are the sandbox's.

mod bootstrap;
mod judge;
mod limits;
mod measured;

pub use bootstrap::{Interval, median, median_interval};
pub use judge::performance;
pub use limits::{Limits, RUNS, WARMUP};
pub use measured::{Broken, Measured, Run, Side};
