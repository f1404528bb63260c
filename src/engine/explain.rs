//! Why a task would run, or why it would not: `orca explain`.
//!
//! What changed comes from the same walk as the key, so whatever makes a key differ has a line here.

use std::collections::BTreeMap;

use serde::Serialize;

use super::look::{Look, Prospect, Seen};
use super::plan_gates::OPEN;
use super::resolve::Keyed;
use super::session::EngineError;
use super::standing::{Cause, Conflict, Reused, Standing};
use super::subject::Subject;
use crate::base::{ActionKey, Changes, GateKey, Name, RelPath, TaskName, Tree};
use crate::graph::TaskIx;
use crate::graph::render::GateMark;
use crate::key::{Change, Description};
use crate::plan::GateDef;

/// Runs that are searched for the time of a run.
const RUNS_MAX: usize = 1_000;

/// Everything there is to say about where a task stands.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The task.
    pub task: TaskName,
    /// One word, as `orca graph` has it.
    pub state: &'static str,
    /// What a build would do.
    #[serde(flatten)]
    pub prospect: Prospect,
    /// Its key, where all it waits for is accepted.
    pub key: Option<ActionKey>,
    /// How many files it sees, where that is known.
    pub view_files: Option<usize>,
    /// When it last ran or its result was taken from the cache; that it was simply still there is not counted.
    pub last: Option<LastTime>,
    /// What changed since; before it has a key, as far as that is known.
    pub changes: Vec<Change>,
    /// The result that is reused.
    pub reused: Option<ReusedResult>,
    /// What its gates say of that result.
    pub gates: Vec<GateSays>,
    /// The tasks that have to run before it has a key, each with why.
    pub waits_for: Vec<Waiting>,
}

/// The last time a task ran or was reused.
#[derive(Debug, Serialize)]
pub struct LastTime {
    /// In which run.
    pub run: u64,
    /// When that run began, in milliseconds since the epoch; `None` where the journal no longer has it.
    pub at_ms: Option<u64>,
    /// Whether its result was accepted.
    pub accepted: bool,
    /// How it ended, in a word or a sentence.
    pub outcome: String,
}

/// A result that is reused, for people.
#[derive(Debug, Serialize)]
pub struct ReusedResult {
    /// How many files it put into the project.
    pub outputs: usize,
    /// How many paths it changed in place.
    pub edits: usize,
    /// What running it took, in milliseconds; 0 where that is not known, as of what was taken from `orca.lock`.
    pub took_ms: u64,
    /// What it cost, in millionths of a dollar.
    pub cost_micro_usd: u64,
    /// The agent that made it; for prompts.
    pub agent: Option<Name>,
    /// Whether the project's own record has it; otherwise it comes from the shared cache.
    pub recorded: bool,
    /// Whether that record was taken from `orca.lock`.
    pub from_lock: bool,
    /// Paths that a build would restore.
    pub to_restore: Vec<RelPath>,
    /// Paths of an agent's result that a person changed: they stay.
    pub drifted: Vec<RelPath>,
}

/// What a gate says.
#[derive(Debug, Serialize)]
pub struct GateSays {
    /// The gate.
    pub gate: Name,
    /// `passed`, `failed`, `skipped`, or `not judged yet`.
    pub verdict: String,
    /// Its sentence.
    pub message: String,
}

/// A task that is waited for.
#[derive(Debug, Serialize)]
pub struct Waiting {
    /// The task.
    pub task: TaskName,
    /// Its state, and why.
    pub state: String,
}

impl Look {
    /// Explains a task that was looked at.
    pub fn explain(&self, ix: TaskIx) -> Result<Explanation, EngineError> {
        let name = self.name(ix);
        let (keyed, standing) = match self.seen(ix) {
            Seen::Known(keyed, standing) => (Some(keyed), Some(standing)),
            Seen::Impossible(keyed, _) => (Some(keyed), None),
            Seen::Waits(_) | Seen::Hopeless(_) => (None, None),
        };
        let reused = standing.and_then(reused_of);
        let gates = match (keyed, reused) {
            (Some(keyed), Some(reused)) => {
                self.gates_say(ix, &keyed.context.view, &reused.outputs, &reused.edits, &reused.gates)
            }
            (Some(keyed), None) => self.gates_say_of_candidate(ix, keyed),
            _ => Vec::new(),
        };
        let waits_for = self.roots(ix).into_iter().map(|root| self.waiting(root)).collect();
        Ok(Explanation {
            task: name.clone(),
            state: self.state(ix).word(),
            prospect: self.prospect(ix),
            key: keyed.map(|keyed| keyed.key),
            view_files: keyed.map(|keyed| keyed.context.view.len()),
            last: self.last_time(name)?,
            changes: match standing {
                Some(Standing::Dirty(Cause::Changed(changes))) => changes.clone(),
                Some(Standing::Conflict(Conflict { cause: Some(Cause::Changed(changes)), .. })) => changes.clone(),
                Some(_) => Vec::new(),
                None => self.changes_so_far(ix)?,
            },
            reused: reused.zip(keyed).map(|(reused, keyed)| ReusedResult {
                from_lock: reused.recorded && self.is_from_lock(name),
                ..ReusedResult::of(reused, keyed)
            }),
            gates,
            waits_for,
        })
    }

    /// The description that the task's key is the digest of, where it has one.
    #[must_use]
    pub fn description(&self, ix: TaskIx) -> Option<Description> {
        match self.seen(ix) {
            Seen::Known(keyed, _) | Seen::Impossible(keyed, _) => Some(Description::of(&keyed.context)),
            Seen::Waits(_) | Seen::Hopeless(_) => None,
        }
    }

    /// What changed of a task that has no key yet. That a file is not in its view means nothing: it may still come.
    fn changes_so_far(&self, ix: TaskIx) -> Result<Vec<Change>, EngineError> {
        let Some(record) = self.resolver.ledger.record(self.name(ix))? else { return Ok(Vec::new()) };
        let Some(then) = Description::from_text(&record.description) else { return Ok(Vec::new()) };
        let Ok((context, _)) = self.resolver.context(ix, &[]) else { return Ok(Vec::new()) };
        let now = Description::of(&context);
        let may_come = |change: &Change| change.section == "file" && change.new.is_none();
        Ok(now.changes_since(&then).into_iter().filter(|change| !may_come(change)).collect())
    }

    fn waiting(&self, ix: TaskIx) -> Waiting {
        Waiting { task: self.name(ix).clone(), state: self.state(ix).to_string() }
    }

    /// What gates say of a result that is in the cache and that they do not let pass.
    fn gates_say_of_candidate(&self, ix: TaskIx, keyed: &Keyed) -> Vec<GateSays> {
        let result = self.resolver.store.as_ref().and_then(|store| store.result(&keyed.key).ok().flatten());
        result.map_or_else(Vec::new, |result| {
            self.gates_say(ix, &keyed.context.view, &result.outputs, &result.edits, &BTreeMap::new())
        })
    }

    /// The gates of a task, each with its verdict on the task's result.
    #[must_use]
    pub fn gate_marks(&self, ix: TaskIx) -> Vec<GateMark> {
        self.gates_of(ix)
            .into_iter()
            .map(|says| GateMark { gate: says.gate.to_string(), verdict: says.verdict })
            .collect()
    }

    /// What the gates of a task say of its result, where it has one.
    pub(super) fn gates_of(&self, ix: TaskIx) -> Vec<GateSays> {
        let open = |gate: GateDef| GateSays { gate: gate.name, verdict: OPEN.to_owned(), message: String::new() };
        match self.seen(ix) {
            Seen::Known(keyed, Standing::Clean(reused) | Standing::Held(reused) | Standing::Judge(reused, _)) => {
                self.gates_say(ix, &keyed.context.view, &reused.outputs, &reused.edits, &reused.gates)
            }
            Seen::Known(keyed, Standing::Dirty(Cause::RedGate(_))) => self.gates_say_of_candidate(ix, keyed),
            _ => self.resolver.gates(ix).into_iter().map(open).collect(),
        }
    }

    fn gates_say(
        &self,
        ix: TaskIx,
        view: &Tree,
        outputs: &Tree,
        edits: &Changes,
        on_record: &BTreeMap<Name, GateKey>,
    ) -> Vec<GateSays> {
        let verdict = |gate: &GateDef| {
            let key = self.resolver.gate_key(gate, &Subject::of_task(ix, view, outputs, edits));
            match self.resolver.verdict(&key) {
                Some(verdict) => (verdict.word().to_owned(), verdict.message),
                // It was green where the result was made, and the cache of that is elsewhere, or gone.
                None if on_record.get(&gate.name) == Some(&key) => ("passed".to_owned(), "on record".to_owned()),
                None => (OPEN.to_owned(), String::new()),
            }
        };
        let says = |gate: &GateDef| {
            let (verdict, message) = verdict(gate);
            GateSays { gate: gate.name.clone(), verdict, message }
        };
        self.resolver.gates(ix).iter().map(says).collect()
    }

    /// Whether what is on record of a task was taken from `orca.lock`: that has no log, which every run and the cache have.
    fn is_from_lock(&self, name: &TaskName) -> bool {
        self.resolver.ledger.task(name).is_some_and(|record| record.accepted && record.log.is_none())
    }

    fn last_time(&self, name: &TaskName) -> Result<Option<LastTime>, EngineError> {
        let Some(record) = self.resolver.ledger.task(name) else { return Ok(None) };
        let runs = self.resolver.ledger.with_journal(|journal| journal.runs(RUNS_MAX))?.unwrap_or_default();
        Ok(Some(LastTime {
            run: record.run.0,
            at_ms: runs.iter().find(|run| run.id == record.run).map(|run| run.started_ms),
            accepted: record.accepted,
            outcome: record.outcome.clone(),
        }))
    }
}

fn reused_of(standing: &Standing) -> Option<&Reused> {
    match standing {
        Standing::Clean(reused) | Standing::Held(reused) | Standing::Judge(reused, _) => Some(reused),
        Standing::Dirty(_) | Standing::Conflict(_) => None,
    }
}

impl ReusedResult {
    fn of(reused: &Reused, keyed: &Keyed) -> Self {
        Self {
            outputs: reused.outputs.len(),
            edits: reused.edits.len(),
            took_ms: reused.saved_ms,
            cost_micro_usd: reused.cost_micro_usd,
            agent: keyed.agent.clone(),
            recorded: reused.recorded,
            from_lock: false,
            to_restore: reused.stale.clone(),
            drifted: reused.drifted.clone(),
        }
    }
}
