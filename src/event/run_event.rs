//! The events of a run.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Failure, GateFinding, Outcome, Spent, Usage};
use crate::base::{ActionKey, FailureKind, Name, TaskName};

/// Version of the wire form of [`EventRecord`]. Raised when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// Identifies a run within a project: its number in the journal, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One fact with its time, as a line of `--json` and a row of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    /// [`SCHEMA_VERSION`].
    pub v: u32,
    /// The run.
    pub run: RunId,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The fact.
    #[serde(flatten)]
    pub event: Event,
}

/// A fact about a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A build began.
    RunStarted {
        /// `plan.name`.
        plan: String,
        /// Tasks asked for, with what they need.
        tasks: u64,
        /// Layers among them.
        layers: u64,
        /// The most tasks at a time.
        jobs: u64,
        /// What task processes are isolated with: `bubblewrap`, `landlock`, `none`.
        sandbox: String,
    },
    /// Who waits for whom, among the tasks of the run.
    Graph {
        /// The tasks, in plan order.
        tasks: Vec<TaskName>,
        /// The layer of each, from 0.
        layers: Vec<u32>,
        /// What each waits for: places in `tasks`.
        deps: Vec<Vec<u32>>,
    },
    /// Something worth saying that is no task's.
    Notice {
        /// Whether it is a warning.
        warning: bool,
        /// The sentence.
        message: String,
    },
    /// A task needs to run, and why.
    TaskDirty {
        /// The task.
        task: TaskName,
        /// Its key now.
        key: ActionKey,
        /// What changed since it last ran.
        because: String,
    },
    /// An attempt began.
    TaskStarted {
        /// The task.
        task: TaskName,
        /// From 1.
        attempt: u32,
        /// Its layer, from 0.
        layer: u64,
        /// What it is expected to take, from the journal.
        estimate_ms: Option<u64>,
        /// The agent that makes it; for prompts.
        #[serde(default)]
        agent: Option<Name>,
        /// The worker it runs on, from 0: the lowest that was free.
        #[serde(default)]
        worker: u32,
        /// How long it could have run and did not, in milliseconds: for a free worker, or the pause before another attempt.
        #[serde(default)]
        queued_ms: u64,
    },
    /// A piece of a task's output, sanitized for a terminal.
    TaskOutput {
        /// The task.
        task: TaskName,
        /// Whole lines.
        text: String,
    },
    /// An attempt ended badly; another follows if `retry_in_ms` is given.
    AttemptFailed {
        /// The task.
        task: TaskName,
        /// From 1.
        attempt: u32,
        /// Why.
        failure: Failure,
        /// What it used.
        usage: Usage,
        /// What its agent used.
        #[serde(default)]
        spent: Spent,
        /// The wait before the next attempt.
        retry_in_ms: Option<u64>,
    },
    /// An agent's service said: later. No task of it is started until then; those that run go on.
    AgentPaused {
        /// The agent.
        agent: Name,
        /// When its tasks go on, in milliseconds since the Unix epoch.
        until_ms: u64,
        /// Tasks that could run, and wait for it.
        tasks: u64,
        /// What it said.
        message: String,
    },
    /// An agent cannot go on in this build: no task of it is started any more.
    AgentStopped {
        /// The agent.
        agent: Name,
        /// The class of its failure.
        kind: FailureKind,
        /// Why.
        message: String,
        /// The agent that takes over, if there is one.
        fallback: Option<Name>,
    },
    /// A gate has judged a result.
    GateJudged {
        /// The task; `None` for a gate of the plan.
        task: Option<TaskName>,
        /// The gate.
        gate: Name,
        /// `passed`, `failed`, `warning`, `skipped`, `error`.
        verdict: String,
        /// Whether the verdict was known already.
        cached: bool,
        /// How long it took.
        wall_ms: u64,
        /// What it cost in this build, in millionths of a dollar: a reviewer is paid.
        #[serde(default)]
        cost_micro_usd: u64,
        /// One sentence for people.
        #[serde(default)]
        message: String,
        /// What it found.
        #[serde(default)]
        findings: Vec<GateFinding>,
        /// The last lines of its output, where it is not green.
        #[serde(default)]
        details: Vec<String>,
    },
    /// It was found out with whose result a gate of the plan turned red.
    GateBlamed {
        /// The gate.
        gate: Name,
        /// The task; `None`: it was red before any of them, or is by what a person edited.
        task: Option<TaskName>,
        /// Whether it is what a person edited since.
        by_hand: bool,
        /// How many trees it had to judge, or had judged before, for that.
        judged: u64,
    },
    /// A task is settled.
    TaskFinished {
        /// The task.
        task: TaskName,
        /// Its key, where it got as far as having one.
        key: Option<ActionKey>,
        /// How it ended.
        #[serde(flatten)]
        outcome: Outcome,
        /// Attempts made in this run.
        attempts: u32,
        /// What the last attempt used.
        usage: Usage,
        /// What all attempts of this run together used of their agents.
        #[serde(default)]
        spent: Spent,
        /// The agent of the last attempt; none for commands, and where nothing ran.
        #[serde(default)]
        agent: Option<Name>,
    },
    /// Tasks that were not even looked at, since nothing that they depend on changed: their results count as cached.
    Untouched {
        /// How many.
        tasks: u64,
        /// What their results had taken, in milliseconds.
        saved_ms: u64,
    },
    /// All tasks of a layer are settled, of those that were looked at.
    LayerFinished {
        /// From 0.
        layer: u64,
        /// Layers in all.
        of: u64,
    },
    /// The build ended.
    RunFinished {
        /// Whether everything asked for is good.
        ok: bool,
        /// Tasks that ran and were accepted.
        ran: u64,
        /// Tasks whose result was in the cache.
        cached: u64,
        /// Red tasks.
        failed: u64,
        /// Tasks not run because of others.
        skipped: u64,
        /// Tasks whose result waits for a person's approval.
        #[serde(default)]
        awaits_approval: u64,
        /// Wall time in milliseconds.
        wall_ms: u64,
        /// What the cached results had taken, in milliseconds.
        saved_ms: u64,
        /// What agents used in this build, failed attempts included.
        #[serde(default)]
        spent: Spent,
        /// What the cached results had cost, in millionths of a dollar.
        #[serde(default)]
        saved_micro_usd: u64,
        /// The signal that interrupted the build.
        interrupted_by: Option<i32>,
    },
}
