//! How an attempt ended, and what came out.

use serde::{Deserialize, Serialize};

use crate::base::{BlobDigest, Changes, Entry, FailureKind, Tree};

/// What a process tree used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Wall time in milliseconds.
    pub wall_ms: u64,
    /// User and system time of the whole tree in milliseconds; 0 where it is not known.
    pub cpu_ms: u64,
    /// The largest resident set of one process of the tree in bytes; 0 where it is not known.
    pub peak_memory_bytes: u64,
}

/// What agents used of their services. Zero for commands, and where an agent does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spent {
    /// Tokens sent, those read from a cache included.
    pub input_tokens: u64,
    /// Of these, tokens read from a cache.
    pub cached_input_tokens: u64,
    /// Tokens generated.
    pub output_tokens: u64,
    /// What it cost, in millionths of a dollar.
    pub cost_micro_usd: u64,
}

impl Spent {
    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl std::ops::AddAssign for Spent {
    fn add_assign(&mut self, more: Self) {
        self.input_tokens = self.input_tokens.saturating_add(more.input_tokens);
        self.cached_input_tokens = self.cached_input_tokens.saturating_add(more.cached_input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(more.output_tokens);
        self.cost_micro_usd = self.cost_micro_usd.saturating_add(more.cost_micro_usd);
    }
}

/// What came out of a task that did what it declared (DESIGN: Result). Stored under its `ActionKey`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionResult {
    /// Every path the task's outputs cover, after the run.
    pub outputs: Tree,
    /// What it changed in place.
    #[serde(default, skip_serializing_if = "Changes::is_empty")]
    pub edits: Changes,
    /// Standard output and error as they came, interleaved, bounded; a blob.
    pub log: BlobDigest,
    /// Length of the log in bytes.
    pub log_size_bytes: u64,
    /// What the run used.
    pub usage: Usage,
    /// What the attempt that brought it cost, in millionths of a dollar; 0 for commands.
    pub cost_micro_usd: u64,
    /// What its agent said in the end, for those behind it; empty where it said nothing, and for commands.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
}

impl ActionResult {
    /// Every entry that it needs to be put into a project.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.outputs.values().chain(self.edits.values().filter_map(|change| change.result.as_ref()))
    }
}

/// Why an attempt or a task failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The class, as `retry.on` names it.
    pub kind: FailureKind,
    /// One sentence for people.
    pub message: String,
    /// Exit code, where the process exited.
    pub exit_code: Option<i32>,
    /// Signal number, where one ended it.
    pub signal: Option<i32>,
    /// Details, one a line: the files missing or undeclared, the gate's findings.
    pub details: Vec<String>,
}

/// How a task ended in one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Ran, and its result was accepted.
    Ran,
    /// The result was in the cache; `restored` says whether files had to be written.
    Cached {
        /// How many files were written to the project.
        restored: u64,
        /// What the run had taken, in milliseconds: the time saved.
        saved_ms: u64,
        /// What the attempt that brought it had cost, in millionths of a dollar: the money saved.
        #[serde(default)]
        saved_micro_usd: u64,
    },
    /// Its result is there, every gate agrees to it, and a person must as well before it counts.
    AwaitsApproval {
        /// How many files it puts out or changes.
        files: u64,
    },
    /// Red.
    Failed(Failure),
    /// Not run because a task it needs is red, or the build stopped before it.
    Skipped {
        /// Why.
        because: String,
    },
}

impl Outcome {
    /// Whether the task counts as done.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Ran | Self::Cached { .. })
    }
}
