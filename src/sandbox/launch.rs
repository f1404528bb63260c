//! What is asked of the sandbox, and what it answers.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::event::Usage;

/// One command to run, with all it may see. Paths are the host's; the sandbox decides where they appear inside.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program, looked up on the PATH of `env` where it has no slash, and its arguments.
    pub argv: Vec<OsString>,
    /// The whole environment, but for HOME, TMPDIR and PWD, which the sandbox sets.
    pub env: BTreeMap<OsString, OsString>,
    /// The task's root and working directory.
    pub workspace: PathBuf,
    /// A directory that becomes HOME.
    pub home: PathBuf,
    /// A directory that becomes TMPDIR.
    pub tmp: PathBuf,
    /// Shown read-only, at the same path as outside; what does not exist is left out.
    pub read_only: Vec<PathBuf>,
    /// Shown writable, at the same path as outside.
    pub extra_writable: Vec<PathBuf>,
    /// Never shown, even where a system directory would: the project, the user's home, other tasks. What the lists
    /// above name beneath them is shown all the same. `/` and directories without which nothing runs are ignored.
    pub hidden: Vec<PathBuf>,
    /// Whether the network can be reached.
    pub network: bool,
    /// Whether to confine it at all; its processes are controlled in any case.
    pub isolate: bool,
    /// What it reads.
    pub stdin: Stdin,
    /// Where its output goes, bounded.
    pub log: PathBuf,
    /// How much of the output is kept.
    pub log_limit_bytes: u64,
    /// When it is told to stop.
    pub timeout: Option<Duration>,
    /// How long it may take to stop before it is killed.
    pub grace: Duration,
    /// How much memory its processes may hold together.
    pub memory_limit_bytes: Option<u64>,
    /// Whether the memory that its processes hold together is watched all the time, for [`Measure`].
    pub watches_memory: bool,
}

/// Standard input of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stdin {
    /// Nothing.
    Null,
    /// A file of the host, which need not be visible inside.
    File(PathBuf),
}

/// How urgently a running task should stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum CancelLevel {
    /// Not at all.
    #[default]
    None,
    /// SIGTERM, the grace, then SIGKILL.
    Graceful,
    /// SIGKILL.
    Immediate,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It exited.
    Code(i32),
    /// A signal ended it, and it was not from here.
    Signal(i32),
    /// Its time was over.
    TimedOut,
    /// It was told to stop.
    Cancelled,
    /// It held more memory than allowed, or the kernel killed it for want of memory.
    OutOfMemory,
    /// It never ran; why.
    NotStarted(String),
}

/// What is known about a task that has ended. None of its processes is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// How it ended.
    pub end: End,
    /// What it used.
    pub usage: Usage,
    /// The same to the microsecond, without what it takes to make a sandbox.
    pub measure: Measure,
    /// How much it wrote.
    pub log_bytes_total: u64,
    /// How much of that the log file holds.
    pub log_bytes_kept: u64,
    /// Whether something it left behind still held its output open when the command was over, and was cut off.
    pub pipe_left_open: bool,
}

/// What a command took, as who guards it has seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measure {
    /// From the start of the command to its end, in microseconds.
    pub wall_us: u64,
    /// User and system time of the whole tree in microseconds.
    pub cpu_us: u64,
    /// The most memory that the whole tree held at once, in bytes, by looks every few milliseconds, and at least the largest
    /// resident set of one process. 0 where it was not watched.
    pub memory_bytes: u64,
}

/// Orca or the machine failed; the task is not to blame.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A file or directory of the attempt.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Starting or following the guardian.
    #[error("cannot {action}: {source}")]
    Process {
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The guardian vanished without a report.
    #[error("the process that guards the task ended without a report{}", detail(.0))]
    GuardianLost(String),
}

fn detail(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

impl SandboxError {
    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    pub(super) fn process(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Process { action, source }
    }
}
