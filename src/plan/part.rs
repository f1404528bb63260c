//! A plan reduced to some of its tasks: those that are built, and those whose results they see.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::model::{Plan, Task};
use crate::base::{PatternSet, TaskName};

/// Some tasks of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanPart {
    /// Those that are built, as the plan has them.
    pub built: BTreeSet<TaskName>,
    /// Those whose results are there: of each only its body and outputs are left.
    pub there: BTreeSet<TaskName>,
}

impl Plan {
    /// Leaves out every other task. What the tasks that are there wait for and read is not in the part, and is not asked for.
    pub fn reduce(&mut self, part: &PlanPart) {
        self.tasks.retain(|name, _| part.built.contains(name) || part.there.contains(name));
        for name in &part.there {
            if let Some(task) = self.tasks.get_mut(name) {
                *task = Arc::new(result_of(task));
            }
        }
    }
}

/// What is left of a task whose result is there.
fn result_of(task: &Task) -> Task {
    Task {
        inputs: PatternSet::default(),
        edits: PatternSet::default(),
        deps: Vec::new(),
        gates: Vec::new(),
        tdd: None,
        pass_env: Vec::new(),
        tools: Vec::new(),
        toolchains: Vec::new(),
        ..task.clone()
    }
}
