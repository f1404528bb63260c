//! The last output of a task: from the cache, or from the workspace that a failure left behind.
#![expect(clippy::disallowed_methods, reason = "reads the log of a kept workspace")]

use std::fs;
use std::io;
use std::path::PathBuf;

use super::attempt::KEPT_FAILURE;
use super::look::Look;
use super::project::Project;
use super::session::EngineError;
use crate::base::TaskName;
use crate::event::Failure;
use crate::graph::TaskIx;
use crate::plan::AgentPreset;

/// What a task printed the last time.
#[derive(Debug)]
pub struct TaskLog {
    /// As it came, bounded, secrets masked. `None` where it never started, or the cache no longer has it.
    pub bytes: Option<Vec<u8>>,
    /// Whether there was anything to print a log.
    pub started: bool,
    /// The run that it is of; `None` for a failure that the journal no longer knows.
    pub run: Option<u64>,
    /// Whether the result was accepted.
    pub accepted: bool,
    /// How it ended, in a word or a sentence.
    pub outcome: String,
    /// What there is to say besides of a failure, a line each: the gate's last words, the files missing.
    pub details: Vec<String>,
    /// What kind of agent wrote it, as the plan has it now; none for a command.
    pub agent: Option<AgentPreset>,
    /// The workspace that the last failure left behind, if it is still there.
    pub workspace: Option<PathBuf>,
}

impl TaskLog {
    /// The log as text, an agent's as a person reads it. `None` where there is none.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        Some(super::attempt_log::text(self.bytes.as_deref()?, self.agent))
    }
}

impl Look {
    /// The last log of a task, or with `failed` that of its last failure. `None` if there is none.
    pub fn log(&self, ix: TaskIx, failed: bool) -> Result<Option<TaskLog>, EngineError> {
        let agent = self.resolver.preset_on_record(ix);
        let kept = self.project.state().join("failed").join(self.name(ix).file_name());
        let workspace = kept.join("tree");
        let workspace = workspace.symlink_metadata().is_ok_and(|found| found.is_dir()).then_some(workspace);
        let record = self.resolver.ledger.task(self.name(ix));
        let is_last = record.is_some_and(|record| !record.accepted);
        let failure: Option<Failure> =
            read(&kept.join(KEPT_FAILURE))?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if !failed || is_last {
            let Some(record) = record else { return Ok(None) };
            let of_last = failure.filter(|failure| is_last && failure.message == record.outcome);
            let from_cache = match &record.log {
                Some(digest) => self.blob(digest)?,
                None => None,
            };
            let bytes = match from_cache {
                None if is_last => read(&kept.join("log"))?,
                found => found,
            };
            return Ok(Some(TaskLog {
                started: record.log.is_some() || bytes.is_some(),
                bytes,
                run: Some(record.run.0),
                accepted: record.accepted,
                outcome: record.outcome.clone(),
                details: of_last.map_or_else(Vec::new, |failure| failure.details),
                agent,
                workspace: workspace.filter(|_| is_last),
            }));
        }
        let Some(bytes) = read(&kept.join("log"))? else { return Ok(None) };
        let (outcome, details) = match failure {
            Some(failure) => (failure.message, failure.details),
            None => ("an earlier failure".to_owned(), Vec::new()),
        };
        Ok(Some(TaskLog {
            bytes: Some(bytes),
            started: true,
            run: None,
            accepted: false,
            outcome,
            details,
            agent,
            workspace,
        }))
    }
}

/// The log that the last failure of a task left behind.
pub(super) fn kept_log(project: &Project, task: &TaskName) -> Result<Option<Vec<u8>>, EngineError> {
    read(&project.state().join("failed").join(task.file_name()).join("log"))
}

fn read(path: &std::path::Path) -> Result<Option<Vec<u8>>, EngineError> {
    // Nothing but a file: what a task left in its place is not opened.
    if !path.symlink_metadata().is_ok_and(|found| found.is_file()) {
        return Ok(None);
    }
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(EngineError::World(format!("cannot read {}: {error}", path.display()))),
    }
}
