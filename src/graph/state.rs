//! The state of a task as a graph shows it. The graph itself does not know it: whoever draws asks.

use std::fmt;

use crate::base::TaskName;

/// What is known of a task before a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// Its result is reused.
    Clean,
    /// It would run.
    Dirty {
        /// What changed since it last ran.
        because: String,
    },
    /// It has no result yet.
    NeverRun,
    /// It was red the last time, and nothing changed since.
    Failed {
        /// Why.
        because: String,
    },
    /// Whether it runs depends on what this task brings.
    WaitsOn(TaskName),
    /// Nobody asked.
    Unknown,
}

impl TaskState {
    /// One word, stable: what `--format json` and colours go by.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Dirty { .. } => "dirty",
            Self::NeverRun => "never-run",
            Self::Failed { .. } => "failed",
            Self::WaitsOn(_) => "waits",
            Self::Unknown => "unknown",
        }
    }

    /// Why it is in this state, where there is more to say than the word.
    #[must_use]
    pub fn because(&self) -> Option<String> {
        match self {
            Self::Dirty { because } | Self::Failed { because } => Some(because.clone()),
            Self::WaitsOn(task) => Some(format!("depends on what `{task}` brings")),
            Self::Clean | Self::NeverRun | Self::Unknown => None,
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.because() {
            Some(because) => write!(f, "{}: {because}", self.word()),
            None => f.write_str(self.word()),
        }
    }
}
