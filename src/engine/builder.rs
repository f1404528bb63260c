//! The engine as the executor sees it: keys, restores and records. Attempts are in `attempt`, gates in `judge`.
//!
//! ```text
//! resolve: key -> standing -> Clean: restore, accept | Judge, Dirty: run
//! ```

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::host::Host;
use super::ignored::Ignored;
use super::publish::{Content, Publisher, Refused};
use super::resolve::{Keyed, Resolver, missing_tool};
use super::standing::{Cause, Reused, Standing};
use crate::base::{ActionKey, BlobDigest, Entry, FailureKind, Name, RelPath, TaskName};
use crate::event::{Event, Failure, Outcome, RunId};
use crate::exec::{AttemptEnd, BoxFuture, EventSink, Fault, Resolved, Tasks};
use crate::graph::TaskIx;
use crate::key::Description;
use crate::plan::{Retry, SandboxMode};
use crate::sandbox::{Backend, CancelLevel, Sandbox};
use crate::store::{Root, Source, TaskRecord};

/// Everything a build works with.
pub(super) struct Builder {
    /// Keys and records.
    pub resolver: Arc<Resolver>,
    /// The machine.
    pub host: Host,
    /// What isolates.
    pub sandbox: Sandbox,
    /// The project, with a staging place for atomic writes.
    pub project: Root,
    /// `.orca`.
    pub state: PathBuf,
    /// This run.
    pub run: RunId,
    /// Where events go.
    pub sink: Arc<dyn EventSink>,
    /// Tasks that run whatever their key says.
    pub forced: BTreeSet<TaskIx>,
    /// What git ignores.
    pub ignored: Ignored,
    /// Keys that are being worked on: what one task brings, another of the same key reuses.
    pub working: Working,
    /// What is known of tasks that are about to run.
    pub pending: Mutex<HashMap<TaskIx, Pending>>,
}

/// A task between its key and its end.
#[derive(Clone)]
pub(super) struct Pending {
    /// Its key, and what it was made from.
    pub keyed: Keyed,
    /// A cached result, and the gates that have not judged it.
    pub candidate: Option<(Reused, Vec<Name>)>,
    /// Whether the body runs even if the cache has a result by then.
    pub must_run: bool,
}

/// The keys that some task of this build is working on.
#[derive(Default)]
pub(super) struct Working(Mutex<HashMap<ActionKey, Arc<tokio::sync::Mutex<()>>>>);

impl Working {
    /// Waits until no other task works on this key. Whoever holds the answer is the one that does.
    pub(super) async fn alone(&self, key: ActionKey) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = Arc::clone(self.0.lock().expect("no holder panics").entry(key).or_default());
        turn.lock_owned().await
    }
}

pub(super) fn fault(error: impl std::fmt::Display) -> Fault {
    Fault(error.to_string())
}

impl Tasks for Builder {
    fn resolve(&self, task: TaskIx) -> Result<Resolved, Fault> {
        let keyed = self.resolver.key(task).expect("a task is resolved after all it waits for is accepted");
        if let Some(failure) = self.impossible(&keyed) {
            self.record(task, &keyed, false, &failure.message, None);
            return Ok(Resolved::Red(failure));
        }
        let standing = self.resolver.standing(task, &keyed, self.forced.contains(&task)).map_err(fault)?;
        let key = keyed.key;
        match standing {
            // It leaves no record: where the key is again what it was, the last result is still the one that counts.
            Standing::Conflict(conflict) => Ok(Resolved::Red(conflict.failure())),
            Standing::Clean(reused) => self.reuse(task, &keyed, &reused),
            Standing::Judge(reused, gates) => {
                let names: Vec<String> = gates.iter().map(|gate| format!("`{gate}`")).collect();
                self.hold(task, keyed, Some((reused, gates)));
                Ok(Resolved::Dirty { key, because: format!("{} must judge its result", names.join(", ")) })
            }
            Standing::Dirty(cause @ (Cause::RedGate(_) | Cause::Forced)) => {
                self.hold_to_run(task, keyed);
                Ok(Resolved::Dirty { key, because: cause.to_string() })
            }
            Standing::Dirty(cause) => {
                self.hold(task, keyed, None);
                Ok(Resolved::Dirty { key, because: cause.to_string() })
            }
        }
    }

    fn attempt(
        self: Arc<Self>,
        task: TaskIx,
        attempt: u32,
        lesson: Option<String>,
        cancel: watch::Receiver<CancelLevel>,
    ) -> BoxFuture<Result<AttemptEnd, Fault>> {
        Box::pin(async move { self.make_attempt(task, attempt, lesson, cancel).await })
    }

    fn name(&self, task: TaskIx) -> TaskName {
        self.resolver.name(task).clone()
    }

    fn retry(&self, task: TaskIx) -> Retry {
        self.resolver.task(task).retry.clone()
    }

    fn estimate_ms(&self, task: TaskIx) -> Option<u64> {
        self.resolver.ledger.estimate_ms(self.resolver.name(task))
    }

    fn settled(&self, task: TaskIx, _: &Outcome) {
        self.pending.lock().expect("no holder panics").remove(&task);
    }
}

impl Builder {
    pub(super) fn hold(&self, task: TaskIx, keyed: Keyed, candidate: Option<(Reused, Vec<Name>)>) {
        let mut pending = self.pending.lock().expect("no holder panics");
        pending.insert(task, Pending { keyed, candidate, must_run: false });
    }

    fn hold_to_run(&self, task: TaskIx, keyed: Keyed) {
        let mut pending = self.pending.lock().expect("no holder panics");
        pending.insert(task, Pending { keyed, candidate: None, must_run: true });
    }

    pub(super) fn held(&self, task: TaskIx) -> Pending {
        self.pending.lock().expect("no holder panics").get(&task).expect("a running task was resolved").clone()
    }

    pub(super) fn notice(&self, warning: bool, message: String) {
        self.sink.emit(Event::Notice { warning, message });
    }

    /// Why a task cannot even start.
    fn impossible(&self, keyed: &Keyed) -> Option<Failure> {
        let failure = |message: String| Failure {
            kind: FailureKind::Spawn,
            message,
            exit_code: None,
            signal: None,
            details: Vec::new(),
        };
        let definition = &keyed.context.definition;
        if definition.sandbox == SandboxMode::Required && self.sandbox.backend() == Backend::None {
            return Some(failure(format!("it requires a sandbox, and none works here: {}", self.sandbox.why())));
        }
        missing_tool(&keyed.context).map(failure)
    }

    /// Restores what is missing of a result that is reused, and accepts it. Where the cache turns out to have lost some
    /// of it, the task needs to run after all.
    pub(super) fn reuse(&self, task: TaskIx, keyed: &Keyed, reused: &Reused) -> Result<Resolved, Fault> {
        let is_in_place = reused.recorded && reused.stale.is_empty();
        let restored = match self.restore(task, reused, is_in_place) {
            Ok(restored) => restored,
            Err(Refused::Conflict(failure)) => return Ok(Resolved::Red(failure)),
            Err(Refused::Lost(path)) => {
                self.hold(task, keyed.clone(), None);
                return Ok(Resolved::Dirty { key: keyed.key, because: Cause::Lost(path).to_string() });
            }
            Err(Refused::World(error)) => return Err(fault(error)),
        };
        if !is_in_place {
            self.record(task, keyed, true, "cached", reused.log);
        }
        if self.resolver.task(task).outputs.is_empty() {
            self.replay(task, reused);
        }
        self.resolver.accept(task, Arc::clone(&reused.outputs));
        Ok(Resolved::Clean { key: keyed.key, outcome: Outcome::Cached { restored, saved_ms: reused.saved_ms } })
    }

    fn restore(&self, task: TaskIx, reused: &Reused, is_in_place: bool) -> Result<u64, Refused> {
        if is_in_place {
            return Ok(0);
        }
        let store = self.resolver.store.as_ref().expect("a stale result without a cache is no result");
        let done = self.publisher().publish(task, &reused.outputs, Content::Cache(store), &reused.drifted)?;
        self.tell(done.notices);
        Ok(done.written)
    }

    pub(super) fn publisher(&self) -> Publisher<'_> {
        Publisher { resolver: &self.resolver, project: &self.project, run: self.run }
    }

    pub(super) fn tell(&self, notices: Vec<String>) {
        for message in notices {
            self.notice(true, message);
        }
    }

    /// Shows the log of a result that is nothing but its log: a test, a lint.
    fn replay(&self, task: TaskIx, reused: &Reused) {
        let store = self.resolver.store.as_ref();
        // A log that the cache has lost is no loss of a result.
        let log = reused.log.filter(|digest| store.is_some_and(|store| store.has(digest)));
        let log = log.and_then(|digest| store?.read(&digest).ok().flatten());
        if let Some(bytes) = log.filter(|bytes| !bytes.is_empty()) {
            let text = super::attempt_log::shown(&String::from_utf8_lossy(&bytes));
            self.sink.emit(Event::TaskOutput { task: self.name(task), text });
        }
    }

    /// Where the content of a view's file is: what a task wrote in the cache, source in the project.
    pub(super) fn source(&self, path: &RelPath, entry: &Entry) -> Source<'_> {
        match (&self.resolver.store, entry) {
            (Some(store), Entry::File { digest, .. })
                if self.resolver.graph.owner(path).is_some() && store.has(digest) =>
            {
                Source::Cas(store)
            }
            _ => Source::Project(&self.resolver.root),
        }
    }

    pub(super) fn record(&self, task: TaskIx, keyed: &Keyed, accepted: bool, outcome: &str, log: Option<BlobDigest>) {
        let record = TaskRecord {
            key: keyed.key,
            description: Description::of(&keyed.context).to_text(),
            accepted,
            outcome: outcome.to_owned(),
            run: self.run,
            log,
            is_agent: self.resolver.task(task).is_agent(),
        };
        let entry = [(self.name(task), record)];
        if let Err(error) = self.resolver.ledger.with_journal(|journal| journal.put_tasks(&entry)) {
            self.notice(true, format!("`{}` will run again: {error}", entry[0].0));
        }
    }
}
