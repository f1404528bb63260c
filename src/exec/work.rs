//! What the executor needs of the engine, and the life of one task: attempts, retries, the wait between them.
//!
//! A retry is stateless: a fresh workspace and the original context, with what the last attempt failed on beside it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::base::{ActionKey, BlobDigest, FailureKind, TaskName};
use crate::event::{Event, Failure, Outcome, Usage};
use crate::graph::TaskIx;
use crate::plan::Retry;
use crate::sandbox::CancelLevel;

/// The world failed, not a task: the build cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

/// What is known of a task once its dependencies are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// Its result is there, and so are its files.
    Clean {
        /// Its key.
        key: ActionKey,
        /// How it counts.
        outcome: Outcome,
    },
    /// It needs to run.
    Dirty {
        /// Its key.
        key: ActionKey,
        /// What changed.
        because: String,
    },
    /// It cannot be what it should be: red without having run.
    Red(Failure),
}

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptEnd {
    /// Accepted: stored, published, done.
    Accepted {
        /// How it counts.
        outcome: Outcome,
        /// What it used.
        usage: Usage,
    },
    /// Red.
    Failed {
        /// Why.
        failure: Failure,
        /// What it used.
        usage: Usage,
        /// What the next attempt is told.
        lesson: String,
    },
}

/// A future that owns what it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The engine, as the executor sees it.
pub trait Tasks: Send + Sync + 'static {
    /// Keys a task whose dependencies are accepted, looks it up, and restores what is missing. May block.
    fn resolve(&self, task: TaskIx) -> Result<Resolved, Fault>;

    /// Makes one attempt, from a fresh workspace to a published result.
    fn attempt(
        self: Arc<Self>,
        task: TaskIx,
        attempt: u32,
        lesson: Option<String>,
        cancel: watch::Receiver<CancelLevel>,
    ) -> BoxFuture<Result<AttemptEnd, Fault>>;

    /// The task's name.
    fn name(&self, task: TaskIx) -> TaskName;

    /// When a failed attempt is tried again.
    fn retry(&self, task: TaskIx) -> Retry;

    /// What it is expected to take.
    fn estimate_ms(&self, task: TaskIx) -> Option<u64>;

    /// The task is settled; recorded before any dependent starts.
    fn settled(&self, task: TaskIx, outcome: &Outcome);
}

/// Where events go. Never reaches back.
pub trait EventSink: Send + Sync + 'static {
    /// Takes one fact.
    fn emit(&self, event: Event);
}

/// How the work on one task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worked {
    /// How it counts.
    pub outcome: Outcome,
    /// Attempts made.
    pub attempts: u32,
    /// What the last attempt used.
    pub usage: Usage,
}

/// Works on a task until it is accepted, its attempts are used up, or the build is cancelled.
pub(super) async fn work(
    tasks: Arc<dyn Tasks>,
    sink: Arc<dyn EventSink>,
    task: TaskIx,
    layer: u32,
    mut cancel: watch::Receiver<CancelLevel>,
) -> Result<Worked, Fault> {
    let name = tasks.name(task);
    let retry = tasks.retry(task);
    let mut lesson = None;
    let mut attempt = 1;
    loop {
        sink.emit(Event::TaskStarted {
            task: name.clone(),
            attempt,
            layer: u64::from(layer),
            estimate_ms: tasks.estimate_ms(task),
        });
        let end = Arc::clone(&tasks).attempt(task, attempt, lesson.take(), cancel.clone()).await?;
        let (failure, usage, next_lesson) = match end {
            AttemptEnd::Accepted { outcome, usage } => return Ok(Worked { outcome, attempts: attempt, usage }),
            AttemptEnd::Failed { failure, usage, lesson } => (failure, usage, lesson),
        };
        let again = attempt < retry.attempts && retry.on.contains(&failure.kind) && !is_cancelled(&cancel);
        let wait_ms = again.then(|| backoff_ms(&name, attempt));
        sink.emit(Event::AttemptFailed {
            task: name.clone(),
            attempt,
            failure: failure.clone(),
            usage,
            retry_in_ms: wait_ms,
        });
        let Some(wait_ms) = wait_ms else {
            return Ok(Worked { outcome: Outcome::Failed(failure), attempts: attempt, usage });
        };
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
            _ = cancel.wait_for(|level| *level != CancelLevel::None) => {
                return Ok(Worked { outcome: Outcome::Failed(cancelled()), attempts: attempt, usage });
            }
        }
        lesson = Some(next_lesson);
        attempt += 1;
    }
}

fn is_cancelled(cancel: &watch::Receiver<CancelLevel>) -> bool {
    *cancel.borrow() != CancelLevel::None
}

/// The failure of a task that was stopped on request.
#[must_use]
pub fn cancelled() -> Failure {
    Failure {
        kind: FailureKind::Cancelled,
        message: "interrupted".to_owned(),
        exit_code: None,
        signal: None,
        details: Vec::new(),
    }
}

/// Doubles from half a second up to 30 s, spread by a quarter so that tasks do not come back in step.
fn backoff_ms(task: &TaskName, attempt: u32) -> u64 {
    let full = 500u64.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(30_000);
    let digest = BlobDigest::of(format!("{task} {attempt}").as_bytes());
    let spread = u64::from(digest.as_bytes()[0]) * full / 4 / 255;
    full - spread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_is_bounded_and_spread() {
        let wait = |name: &str, attempt| backoff_ms(&TaskName::new(name).expect("valid"), attempt);
        assert!((375..=500).contains(&wait("a", 1)));
        assert!((1500..=2000).contains(&wait("a", 3)));
        assert!((22_500..=30_000).contains(&wait("a", 60)));
        assert!((0..20).map(|n| wait(&format!("t{n}"), 1)).collect::<std::collections::BTreeSet<_>>().len() > 5);
    }
}
