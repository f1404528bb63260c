//! What a report of a run says of one gate: the form that SARIF and JUnit are written from.

use crate::base::{Name, TaskName};
use crate::event::GateFinding;

/// How one gate judged one result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateOutcome {
    /// The task; `None` for a gate of the plan.
    pub task: Option<TaskName>,
    /// The gate.
    pub gate: Name,
    /// `passed`, `failed`, `warning`, `skipped`, `error`.
    pub verdict: String,
    /// One sentence.
    pub message: String,
    /// What it found.
    pub findings: Vec<GateFinding>,
    /// Where it is not green: the last lines of its output.
    pub details: Vec<String>,
    /// How long it took, in milliseconds.
    pub wall_ms: u64,
    /// Whether the verdict was known already.
    pub cached: bool,
}

impl GateOutcome {
    /// The task's name, or what stands for the plan, which is no task's name.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.task.as_ref().map_or("(plan)", TaskName::as_str)
    }
}
