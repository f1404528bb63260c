//! What the executor needs of the engine, and when a failed attempt is followed by another.
//!
//! A retry is stateless: a fresh workspace and the original context, with what the last attempt failed on beside it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;

use super::scheduler::{AgentIx, CostEstimate};
use crate::base::{ActionKey, BlobDigest, FailureKind, Name, TaskName};
use crate::event::{Event, Failure, Outcome, Spent, Usage};
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
    /// It has a result that does not count yet: a person must agree to it.
    Held {
        /// Its key.
        key: ActionKey,
        /// How it ends.
        outcome: Outcome,
    },
    /// It cannot be what it should be: red without having run.
    Red(Failure),
    /// What it changed may only be put together with the changes of this earlier task, which is not settled.
    Waits(TaskIx),
}

/// One attempt, over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempted {
    /// How it ended.
    pub end: AttemptEnd,
    /// What its agent used, also where that came to nothing.
    pub spent: Spent,
}

/// Who makes the next attempt of a task with a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hired {
    /// The agent.
    pub agent: AgentIx,
    /// What an attempt is expected to cost.
    pub cost: CostEstimate,
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
    /// It brought a result that gates agree to; what becomes of it shows when the task is resolved again.
    Again {
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
        /// Of a rate limit: how long it is until it ends, in milliseconds, where that was said.
        resets_in_ms: Option<u64>,
    },
}

impl AttemptEnd {
    /// A failure that teaches nothing, of an attempt that used nothing.
    #[must_use]
    pub fn red(failure: Failure) -> Self {
        Self::Failed { failure, usage: Usage::default(), lesson: String::new(), resets_in_ms: None }
    }
}

/// A future that owns what it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Says that the body of an attempt is over and nothing of it will run again: its job slot is free. Not saying so is right,
/// too; then the slot is held to the end of the attempt.
pub type BodyEnded = Box<dyn FnOnce() + Send>;

/// The engine, as the executor sees it.
pub trait Tasks: Send + Sync + 'static {
    /// Keys a task whose dependencies are accepted, looks it up, and restores what is missing. May block.
    fn resolve(&self, task: TaskIx) -> Result<Resolved, Fault>;

    /// What a task resolves to, where that was found out already. Asked once, instead of [`Tasks::resolve`].
    fn known(&self, _: TaskIx) -> Option<Resolved> {
        None
    }

    /// Makes one attempt, from a fresh workspace to a published result.
    fn attempt(
        self: Arc<Self>,
        task: TaskIx,
        lesson: Option<String>,
        cancel: watch::Receiver<CancelLevel>,
        ended: BodyEnded,
    ) -> BoxFuture<Result<Attempted, Fault>>;

    /// The task's name.
    fn name(&self, task: TaskIx) -> TaskName;

    /// When a failed attempt is tried again.
    fn retry(&self, task: TaskIx) -> Retry;

    /// Who makes the next attempt of a task that has to run; none for a command, and where only gates have to work.
    fn hired(&self, task: TaskIx) -> Option<Hired>;

    /// An agent's name.
    fn agent_name(&self, agent: AgentIx) -> Name;

    /// The agent cannot go on in this build: from now on its tasks resolve to another one, or are red.
    fn stop_agent(&self, agent: AgentIx, failure: &Failure);

    /// The agent that works on a task of this one if it cannot go on.
    fn successor(&self, agent: AgentIx) -> Option<AgentIx>;

    /// What it is expected to take.
    fn estimate_ms(&self, task: TaskIx) -> Option<u64>;

    /// The task is settled; recorded before any dependent starts.
    fn settled(&self, task: TaskIx, outcome: &Outcome);

    /// The run was interrupted: nobody is to be waited for any more.
    fn interrupted(&self) {}
}

/// Where events go. Never reaches back.
pub trait EventSink: Send + Sync + 'static {
    /// Takes one fact.
    fn emit(&self, event: Event);
}

/// What became of the attempts of one task so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Tries {
    /// Attempts begun.
    pub(super) made: u32,
    /// Those that failed: a result that has to be made again on top of another's is no failure.
    pub(super) failed: u32,
    /// What the last one used.
    pub(super) usage: Usage,
    /// What all of them used of their agents.
    pub(super) spent: Spent,
    /// The agent of the last one.
    pub(super) agent: Option<AgentIx>,
    /// Since when it is one rate limit after the other, in milliseconds of the loop's clock.
    pub(super) limited_since_ms: Option<u64>,
    /// What the next one is told.
    pub(super) lesson: Option<String>,
}

impl Tries {
    /// After a failed attempt: how long to wait before the next one; `None` if there is none.
    pub(super) fn wait_ms(&self, task: &TaskName, retry: &Retry, kind: FailureKind) -> Option<u64> {
        let again = self.failed < retry.attempts && retry.on.contains(&kind);
        again.then(|| backoff_ms(task, self.failed))
    }
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

/// How long an agent waits after a rate limit that does not say when it ends: doubles from 30 s to 5 min, spread by a
/// quarter. `strike` counts those in a row, from 1.
pub(super) fn limited_ms(agent: &Name, strike: u32) -> u64 {
    spread(30_000, 300_000, &format!("{agent} {strike}"), strike)
}

/// Doubles from half a second up to 30 s, spread by a quarter so that tasks do not come back in step.
fn backoff_ms(task: &TaskName, attempt: u32) -> u64 {
    spread(500, 30_000, &format!("{task} {attempt}"), attempt)
}

fn spread(first_ms: u64, most_ms: u64, seed: &str, nth: u32) -> u64 {
    let full = first_ms.saturating_mul(1 << nth.saturating_sub(1).min(16)).min(most_ms);
    let digest = BlobDigest::of(seed.as_bytes());
    full - u64::from(digest.as_bytes()[0]) * full / 4 / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_and_kinds_bound_retries() {
        let task = TaskName::new("a").expect("valid");
        let retry = Retry { attempts: 2, on: vec![FailureKind::Crash] };
        let wait = |failed, kind| Tries { failed, ..Tries::default() }.wait_ms(&task, &retry, kind);
        assert!(wait(1, FailureKind::Crash).is_some());
        assert_eq!(wait(2, FailureKind::Crash), None);
        assert_eq!(wait(1, FailureKind::Timeout), None);
    }

    #[test]
    fn a_limit_without_an_end_is_waited_for_longer_and_longer() {
        let wait = |strike| limited_ms(&Name::new("x").expect("valid"), strike);
        assert!((22_500..=30_000).contains(&wait(1)));
        assert!((45_000..=60_000).contains(&wait(2)));
        assert!((225_000..=300_000).contains(&wait(40)));
    }

    #[test]
    fn backoff_grows_is_bounded_and_spread() {
        let wait = |name: &str, attempt| backoff_ms(&TaskName::new(name).expect("valid"), attempt);
        assert!((375..=500).contains(&wait("a", 1)));
        assert!((1500..=2000).contains(&wait("a", 3)));
        assert!((22_500..=30_000).contains(&wait("a", 60)));
        assert!((0..20).map(|n| wait(&format!("t{n}"), 1)).collect::<std::collections::BTreeSet<_>>().len() > 5);
    }
}
