//! What a draft is, what it is made for, and why there is none.

use std::collections::BTreeMap;

use serde::Serialize;

use super::reading::Format;
use crate::base::RelPath;

/// The largest text that is read, in bytes.
pub const SOURCE_BYTES_MAX: u64 = 4 << 20;
/// Tasks of one draft.
pub(super) const TASKS_MAX: usize = 1000;

/// Tasks of one text, with those that are done.
pub(super) const ITEMS_MAX: usize = 10_000;

/// What the project holds at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing; it can be made.
    Nothing,
    /// A file.
    File,
    /// A directory.
    Directory,
    /// No task can have it, for this reason.
    Unusable(String),
}

/// What a draft is made for.
pub struct DraftOptions<'a> {
    /// The name of the text, for the places that are told.
    pub source: &'a str,
    /// What the project holds.
    pub look_up: &'a dyn Fn(&RelPath) -> Found,
    /// Whether directories of the project may be shown to tasks by wildcards.
    pub wildcards: bool,
    /// The longest text of `[context]` that stands in the plan, in bytes; a longer one gets a file of its own.
    pub context_bytes_max: usize,
}

/// Why a text is no plan that a draft can be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// Blank.
    #[error("it is empty")]
    Empty,
    /// No rule finds a task.
    #[error("no tasks were found")]
    NoTasks,
    /// Nothing is left to do.
    #[error("all {0} tasks are done")]
    AllDone(usize),
    /// Too many.
    #[error("it has {0} tasks; {TASKS_MAX} that are to be done is the most, and {ITEMS_MAX} with those that are done")]
    TooMany(usize),
    /// Not JSON.
    #[error("line {line}, column {column}: {message}")]
    Json {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
}

impl DraftError {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Empty | Self::NoTasks => {
                "write tasks as `- [ ] ...`, as headings `## Task 1: ...`, or as a numbered list; or name a tasks.json of Task Master"
            }
            Self::AllDone(_) => "take the check off a task that is to be done again",
            Self::TooMany(_) => "split the plan into files, and include what is made of them",
            Self::Json { .. } => "mend the file, or end its name with .md if it is Markdown",
        }
    }
}

/// A task of the draft.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Drafted {
    /// Its name in the plan.
    pub name: String,
    /// What the text calls it.
    pub title: String,
    /// Its line in the text, from 1.
    pub line: usize,
    /// What it waits for.
    pub deps: Vec<String>,
    /// Files it may read.
    pub inputs: Vec<String>,
    /// Files it makes.
    pub outputs: Vec<String>,
    /// Files it changes.
    pub edits: Vec<String>,
    /// Gates that judge it.
    pub gates: Vec<String>,
    #[serde(skip)]
    pub(super) prompt: String,
    #[serde(skip)]
    pub(super) acceptance: Vec<String>,
    #[serde(skip)]
    pub(super) tags: Vec<String>,
    #[serde(skip)]
    pub(super) remarks: Vec<(usize, String)>,
    #[serde(skip)]
    pub(super) heading: Option<String>,
}

/// A task that is not in the draft, for it is not to be done any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its first line, from 1.
    pub line: usize,
    /// Its last line.
    pub end_line: usize,
    /// What the text calls it, with its id.
    pub title: String,
    /// `done`, `dropped`, `cancelled`, ...
    pub status: String,
}

/// Something about a line that is to be known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Note {
    /// From 1.
    pub line: usize,
    /// For what was not placed, the words of the line.
    pub text: String,
    /// Why.
    pub why: String,
}

/// A plan drafted from a text.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What the text was.
    pub format: Format,
    /// The text of `orca.toml`.
    pub plan: String,
    /// Texts of `[context]` that are too long for it, by the name of their file.
    pub files: BTreeMap<String, String>,
    /// The tasks, in the order of the text.
    pub tasks: Vec<Drafted>,
    /// Gates and what they run.
    pub gates: BTreeMap<String, String>,
    /// Tasks that are done.
    pub left_out: Vec<LeftOut>,
    /// Lines that have no place in the plan.
    pub unplaced: Vec<Note>,
    /// What was understood in part, or decided; `text` is empty.
    pub notes: Vec<Note>,
}
