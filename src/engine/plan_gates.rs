//! What the gates of the plan say of the integrated tree, as far as it is known without judging: for `status`, `graph`
//! and `build -n`. They judge only where everything is asked for, so a look at some tasks has none.

use serde::Serialize;

use super::look::Look;
use super::subject::Subject;
use crate::base::Name;
use crate::event::is_green;
use crate::gates::Verdict;

/// Where a gate of the plan stands.
#[derive(Debug, Serialize)]
pub struct PlanGate {
    /// The gate.
    pub gate: Name,
    /// `passed`, `failed`, or `not judged yet`.
    pub verdict: &'static str,
    /// Its sentence.
    pub message: String,
    /// The last lines of its output, where it is red.
    pub details: Vec<String>,
}

impl PlanGate {
    /// Whether a build would have to let it judge.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.verdict == OPEN
    }

    /// Whether it is known to be red.
    #[must_use]
    pub fn is_red(&self) -> bool {
        !self.is_open() && !is_green(self.verdict)
    }

    fn of(gate: &Name, verdict: Option<Verdict>) -> Self {
        let gate = gate.clone();
        match verdict {
            Some(verdict) => {
                Self { gate, verdict: verdict.word(), details: verdict.details(), message: verdict.message }
            }
            None => Self { gate, verdict: OPEN, message: String::new(), details: Vec::new() },
        }
    }
}

/// In place of a verdict.
pub(super) const OPEN: &str = "not judged yet";

impl Look {
    /// What each gate of the plan says of the tree as it is; nothing is known before every task is clean.
    #[must_use]
    pub fn plan_gates(&self) -> Vec<PlanGate> {
        if !self.is_whole {
            return Vec::new();
        }
        let gates = self.resolver.plan_gates();
        if gates.is_empty() {
            return Vec::new();
        }
        let tree = self.resolver.integrated().ok();
        let verdict = |gate| {
            let key = self.resolver.gate_key(gate, &Subject::of_plan(tree.as_ref()?));
            self.resolver.verdict(&key)
        };
        gates.iter().map(|gate| PlanGate::of(&gate.name, verdict(gate))).collect()
    }
}
