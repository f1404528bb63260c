//! The project at a glance: `orca status`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::drift::{Drift, EditedPath};
use super::locked::LockStanding;
use super::look::{Look, Prospect, Seen};
use super::plan_gates::PlanGate;
use super::session::EngineError;
use super::standing::Standing;
use super::undo::interrupted;
use crate::base::{Name, RelPath, TaskName};
use crate::graph::TaskIx;

/// Where the project stands.
#[derive(Debug, Serialize)]
pub struct Status {
    /// `plan.name`.
    pub plan: String,
    /// How many tasks there are.
    pub tasks: usize,
    /// How many of them are in each state.
    pub counts: BTreeMap<&'static str, u64>,
    /// Tasks that are not clean.
    pub not_clean: Vec<NotClean>,
    /// Tasks whose outputs a build would write again.
    pub to_restore: Vec<Restorable>,
    /// Outputs of agents that a person changed: they stay.
    pub drifted: Vec<TaskPath>,
    /// Files that tasks edited, and that a person changed since: their version stays, and is merged with new results.
    pub drifted_edits: Vec<EditedPath>,
    /// Files that tasks edited, where what they come to together is not in place yet: a build was killed.
    pub unplaced: Vec<EditedPath>,
    /// Outputs that a killed build was still writing: the next one finishes them.
    pub pending: Vec<TaskPath>,
    /// Whether `orca.lock` says what a build would write.
    pub lock: LockStanding,
    /// Tasks whose results wait for a person's approval.
    pub awaits_approval: Vec<TaskName>,
    /// The run whose undo was interrupted.
    pub undoing: Option<u64>,
    /// Gates that let a result pass with a warning.
    pub gate_warnings: Vec<GateWarning>,
    /// What the gates of the plan say of it all.
    pub plan_gates: Vec<PlanGate>,
    /// The last run.
    pub last_run: Option<LastRun>,
    /// The build that is running now, as it calls itself.
    pub building: Option<String>,
}

/// A task that is not clean.
#[derive(Debug, Serialize)]
pub struct NotClean {
    /// The task.
    pub task: TaskName,
    /// Its state.
    pub state: &'static str,
    /// Why.
    pub because: String,
}

/// A task with outputs to restore.
#[derive(Debug, Serialize)]
pub struct Restorable {
    /// The task.
    pub task: TaskName,
    /// How many of its files.
    pub files: u64,
}

/// A gate that let a result pass with a warning.
#[derive(Debug, Serialize)]
pub struct GateWarning {
    /// The task.
    pub task: TaskName,
    /// The gate.
    pub gate: Name,
    /// Its sentence.
    pub message: String,
}

/// A path of a task.
#[derive(Debug, Serialize)]
pub struct TaskPath {
    /// The task.
    pub task: TaskName,
    /// The path.
    pub path: RelPath,
}

/// How the last run ended.
#[derive(Debug, Serialize)]
pub struct LastRun {
    /// Its number.
    pub run: u64,
    /// Its command line, without the program.
    pub args: Vec<String>,
    /// When it began, in milliseconds since the epoch.
    pub started_ms: u64,
    /// When it ended; `None` while it runs, and where it was killed.
    pub ended_ms: Option<u64>,
    /// Whether everything asked for was good; `None` where it did not end.
    pub ok: Option<bool>,
}

impl Look {
    /// Tasks whose results wait for a person's approval.
    fn awaiting(&self) -> Vec<TaskName> {
        let is_held = |ix: &TaskIx| matches!(self.seen(*ix), Seen::Known(_, Standing::Held(_)));
        self.tasks().filter(is_held).map(|ix| self.name(ix).clone()).collect()
    }

    fn gate_warnings(&self) -> Vec<GateWarning> {
        let of_task = |ix: TaskIx| {
            let warnings = self.gates_of(ix).into_iter().filter(|says| says.verdict == "warning");
            let task = self.name(ix);
            warnings.map(|says| GateWarning { task: task.clone(), gate: says.gate, message: says.message })
        };
        self.tasks().flat_map(of_task).collect()
    }

    /// Where the tasks looked at stand, and the project.
    pub fn status(&self) -> Result<Status, EngineError> {
        let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
        let (mut not_clean, mut to_restore) = (Vec::new(), Vec::new());
        for ix in self.tasks() {
            let (task, state) = (self.name(ix), self.state(ix));
            *counts.entry(state.word()).or_default() += 1;
            match self.prospect(ix) {
                Prospect::Nothing => {}
                Prospect::Restore { files } => to_restore.push(Restorable { task: task.clone(), files }),
                _ => {
                    let because = state.because().unwrap_or_else(|| "it has no result yet".to_owned());
                    not_clean.push(NotClean { task: task.clone(), state: state.word(), because });
                }
            }
        }
        let ledger = &self.resolver.ledger;
        let (drifted_outputs, drifted_edits): (Vec<Drift>, Vec<Drift>) =
            self.resolver.drift()?.into_iter().partition(|drift| drift.is_output);
        let of_output =
            |drift: Drift| drift.tasks.into_iter().map(move |task| TaskPath { task, path: drift.path.clone() });
        let pending = ledger.with_journal(|journal| journal.pending())?.unwrap_or_default();
        let last = ledger.with_journal(|journal| journal.last_run())?.flatten();
        Ok(Status {
            plan: self.resolver.plan().name.clone(),
            tasks: self.tasks().count(),
            counts,
            not_clean,
            to_restore,
            drifted: drifted_outputs.into_iter().flat_map(of_output).collect(),
            drifted_edits: drifted_edits
                .into_iter()
                .map(|drift| EditedPath { path: drift.path, tasks: drift.tasks })
                .collect(),
            unplaced: self.resolver.unplaced()?,
            pending: pending.into_iter().map(|row| TaskPath { task: row.task, path: row.path }).collect(),
            lock: self.lock_standing()?,
            awaits_approval: self.awaiting(),
            undoing: interrupted(ledger)?,
            gate_warnings: self.gate_warnings(),
            plan_gates: self.plan_gates(),
            last_run: last.map(|run| LastRun {
                run: run.id.0,
                args: run.args,
                started_ms: run.started_ms,
                ended_ms: run.ended_ms,
                ok: run.ok,
            }),
            building: self.project.building()?,
        })
    }
}
