//! What a page shows of a run.

use crate::event::{GateFinding, Spent};

/// One run.
#[derive(Debug, Clone, Default)]
pub struct RunPage {
    /// orca's version.
    pub version: String,
    /// `plan.name`.
    pub plan: String,
    /// Its number.
    pub run: u64,
    /// Its command line, without the program.
    pub args: Vec<String>,
    /// When it began, in milliseconds since the epoch.
    pub started_ms: u64,
    /// How it ended.
    pub end: RunEnd,
    /// The most tasks at a time.
    pub jobs: u64,
    /// What task processes were isolated with.
    pub sandbox: String,
    /// From its start to its end, in milliseconds.
    pub wall_ms: u64,
    /// What everything that ran took one after another, in milliseconds.
    pub work_ms: u64,
    /// How much running side by side brought.
    pub speed_up: Option<f64>,
    /// What cached results had taken, in milliseconds.
    pub saved_ms: u64,
    /// What cached results had cost, in millionths of a dollar.
    pub saved_micro_usd: u64,
    /// What agents used, failed attempts included.
    pub spent: Spent,
    /// Of its cost, what attempts that failed had, in millionths of a dollar.
    pub failed_micro_usd: u64,
    /// Every task, in plan order.
    pub tasks: Vec<TaskRow>,
    /// What each task waits for: places in `tasks`, before its own.
    pub deps: Vec<Vec<u32>>,
    /// The chain of tasks that took longest: places in `tasks`.
    pub critical: Vec<usize>,
    /// Every attempt, in the order in which they began.
    pub attempts: Vec<Attempt>,
    /// Every verdict, in the order in which they came.
    pub verdicts: Vec<Verdict>,
    /// What there was to say besides.
    pub notices: Vec<Noted>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunEnd {
    /// Everything asked for was good.
    Good,
    /// Something was red.
    Red,
    /// A signal interrupted it.
    Interrupted(i32),
    /// It runs.
    Running,
    /// It was killed.
    #[default]
    Unknown,
}

/// Where a task stood in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskState {
    /// Red.
    Failed,
    /// Its result waits for a person.
    Waits,
    /// It did not come to an end.
    Unfinished,
    /// Not run because of others.
    Skipped,
    /// Ran, and was accepted.
    Ran,
    /// Its result was known.
    Cached,
}

impl TaskState {
    /// All of them, the worst first.
    pub(super) const ALL: [Self; 6] =
        [Self::Failed, Self::Waits, Self::Unfinished, Self::Skipped, Self::Ran, Self::Cached];

    /// Its word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Waits => "waits for approval",
            Self::Unfinished => "not finished",
            Self::Skipped => "skipped",
            Self::Ran => "ran",
            Self::Cached => "cached",
        }
    }

    /// The class that colours it.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Waits => "waits",
            Self::Unfinished => "unfinished",
            Self::Skipped => "skipped",
            Self::Ran => "ran",
            Self::Cached => "cached",
        }
    }

    /// What tells it apart where there are no colours.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Failed => "✕",
            Self::Waits => "◐",
            Self::Unfinished => "…",
            Self::Skipped => "–",
            Self::Ran => "●",
            Self::Cached => "○",
        }
    }
}

/// One task.
#[derive(Debug, Clone)]
pub struct TaskRow {
    /// Its name.
    pub name: String,
    /// Its layer, from 0, where that is known.
    pub layer: Option<u32>,
    /// How it ended.
    pub state: TaskState,
    /// Why it ran, failed, or was skipped.
    pub why: String,
    /// What its attempts took together, in milliseconds, from their workspaces to their verdicts.
    pub busy_ms: u64,
    /// Of that, its body.
    pub wall_ms: u64,
    /// Their user and system time.
    pub cpu_ms: u64,
    /// The largest process of any of them, in bytes.
    pub peak_memory_bytes: u64,
    /// How long it could have run and did not, before its first attempt.
    pub queued_ms: u64,
    /// Attempts made.
    pub attempts: u32,
    /// Of a cached one: what its run had taken.
    pub saved_ms: u64,
    /// Of a cached one: how many files were written.
    pub restored: u64,
    /// Its agent.
    pub agent: Option<String>,
    /// What its agent used.
    pub spent: Spent,
    /// What there is to say of a red one.
    pub failed: Option<Failed>,
}

/// Why a task is red.
#[derive(Debug, Clone, Default)]
pub struct Failed {
    /// The class of its failure.
    pub kind: String,
    /// One sentence.
    pub message: String,
    /// More, a line each.
    pub details: Vec<String>,
    /// The end of what it printed, if that is still to be had.
    pub log: Option<String>,
}

/// One attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The task: its place.
    pub task: usize,
    /// From 1.
    pub number: u32,
    /// The worker, from 0.
    pub worker: u32,
    /// When it began, in milliseconds from the start of the run.
    pub from_ms: u64,
    /// When it ended.
    pub to_ms: u64,
    /// How.
    pub ended: AttemptEnded,
    /// How long it could have begun before.
    pub queued_ms: u64,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEnded {
    /// Well.
    Well,
    /// Badly.
    Badly,
    /// With a result that has to wait for a person.
    Held,
    /// Not within the run.
    Never,
}

/// One verdict.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The task: its place; `None` for a gate of the plan.
    pub task: Option<usize>,
    /// The gate.
    pub gate: String,
    /// `passed`, `failed`, `warning`, `skipped`, `error`.
    pub verdict: String,
    /// Whether it was known already.
    pub cached: bool,
    /// When it was given, in milliseconds from the start of the run.
    pub at_ms: u64,
    /// How long judging took.
    pub wall_ms: u64,
    /// What it cost, in millionths of a dollar.
    pub cost_micro_usd: u64,
    /// One sentence.
    pub message: String,
    /// What it found.
    pub findings: Vec<GateFinding>,
    /// The last lines of its output, where it is not green.
    pub details: Vec<String>,
}

/// Something said of the run.
#[derive(Debug, Clone)]
pub struct Noted {
    /// Whether it is a warning.
    pub warning: bool,
    /// The sentence.
    pub message: String,
}

impl RunPage {
    /// How many tasks ended so.
    pub(super) fn count(&self, state: TaskState) -> u64 {
        self.tasks.iter().filter(|task| task.state == state).count() as u64
    }

    /// The name of a task, for what may have none.
    pub(super) fn name(&self, task: Option<usize>) -> &str {
        task.and_then(|task| self.tasks.get(task)).map_or("the plan", |task| &task.name)
    }
}
