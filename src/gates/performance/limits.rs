//! What a plan allows: the options of the check.

use crate::gates::options::Options;

/// Pairs measured where the plan does not say it.
pub const RUNS: u32 = 10;
/// Runs of each side that do not count where the plan does not say it.
pub const WARMUP: u32 = 1;
/// How much slower a result may be where the plan does not say it, in percent.
const MAX_REGRESSION: u32 = 10;

/// The options of the check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `command`.
    pub command: Option<Vec<String>>,
    /// `runs`.
    pub runs: u32,
    /// `warmup`.
    pub warmup: u32,
    /// `max_regression`, in percent.
    pub max_regression: u32,
    /// `budget`, in microseconds.
    pub wall_us_max: Option<u64>,
    /// `cpu_budget`, in microseconds.
    pub cpu_us_max: Option<u64>,
    /// `memory_max`.
    pub memory_bytes_max: Option<u64>,
    /// `output_size_max`.
    pub output_size_bytes_max: Option<u64>,
}

impl Limits {
    /// What the options of a gate say.
    #[must_use]
    pub fn of(options: Options<'_>) -> Self {
        let us = |key| options.get::<u64>(key).map(|ms| ms.saturating_mul(1000));
        Self {
            command: options.get("command").filter(|argv: &Vec<String>| !argv.is_empty()),
            runs: options.get("runs").unwrap_or(RUNS).max(1),
            warmup: options.get("warmup").unwrap_or(WARMUP),
            max_regression: options.get("max_regression").unwrap_or(MAX_REGRESSION),
            wall_us_max: us("budget"),
            cpu_us_max: us("cpu_budget"),
            memory_bytes_max: options.get("memory_max"),
            output_size_bytes_max: options.get("output_size_max"),
        }
    }

    /// Whether anything limits what a run of the result may take by itself.
    #[must_use]
    pub fn has_budgets(&self) -> bool {
        [self.wall_us_max, self.cpu_us_max, self.memory_bytes_max].iter().any(Option::is_some)
    }
}
