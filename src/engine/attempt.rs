//! One attempt, from a fresh workspace to a published result.
//!
//! ```text
//! workspace <- view; run; observe -> classify -> inputs still the same? -> ingest -> gates -> publish, record
//! ```
//!
//! INVARIANT: a result is published only after the process tree that made it is gone and every gate is green.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::block_in_place;

use super::attempt_log::AttemptLog;
use super::builder::{Builder, fault};
use super::classify::classify;
use super::judge::Judged;
use super::patch::patch;
use super::publish::{Content, Refused};
use super::resolve::Keyed;
use super::secrets::{masked, take_out_leaks};
use super::session::EngineError;
use super::standing::{Cause, Conflict, Reused, Standing};
use crate::base::{BlobDigest, Entry, FailureKind, Name, RelPath};
use crate::event::{ActionResult, Event, Failure, Outcome, Usage};
use crate::exec::{self, AttemptEnd, AttemptError, Fault, Observed, Resolved, Tasks, Workspace, WorkspaceError};
use crate::graph::TaskIx;
use crate::sandbox::CancelLevel;
use crate::store::{MaterializeError, Root, Source};

/// How often a task starts over because its inputs changed while it ran.
const INPUT_CHANGES_MAX: u32 = 5;

/// Where a kept workspace says why its attempt failed.
pub(super) const KEPT_FAILURE: &str = "failure.json";

/// What came of a cached result that some gates had not judged.
enum Candidate {
    /// It is the end of the attempt, well or badly.
    Ends(AttemptEnd),
    /// A gate is red, and the body runs with what it said.
    Fails(String),
    /// It cannot be used any more, and the body runs.
    IsGone,
}

/// How one run of the body ended.
enum Once {
    End(AttemptEnd),
    InputsChanged,
}

/// A body that has ended, with all that accepting its result, or keeping it for a look, takes.
struct Ran<'a> {
    task: TaskIx,
    keyed: &'a Keyed,
    workspace: Workspace,
    root: Root,
    observed: Observed,
    log: AttemptLog,
}

impl Ran<'_> {
    fn over_again(self) -> Result<Once, Fault> {
        block_in_place(|| self.workspace.remove()).map_err(fault)?;
        Ok(Once::InputsChanged)
    }
}

impl Builder {
    /// Makes one attempt.
    pub(super) async fn make_attempt(
        &self,
        task: TaskIx,
        attempt: u32,
        mut lesson: Option<String>,
        cancel: watch::Receiver<CancelLevel>,
    ) -> Result<AttemptEnd, Fault> {
        let held = self.held(task);
        let _alone = self.working.alone(held.keyed.key).await;
        if attempt == 1
            && !held.must_run
            && held.candidate.is_none()
            && let Some(end) = self.reuse_of_another(task, &held.keyed)?
        {
            return Ok(end);
        }
        if attempt == 1
            && let Some((reused, gates)) = held.candidate
        {
            match self.judge_candidate(task, &reused, &gates, &cancel).await? {
                Candidate::Ends(end) => return Ok(end),
                Candidate::Fails(red) => lesson = Some(red),
                Candidate::IsGone => {}
            }
        }
        if attempt == 1 {
            self.warn_of_unset_secrets(task);
        }
        for _ in 0..INPUT_CHANGES_MAX {
            // Between an attempt and the next a person may have been at the last result.
            let paths = block_in_place(|| self.resolver.changed_by_hand(task)).map_err(fault)?;
            if !paths.is_empty() {
                let failure = Conflict { paths, cause: None }.failure();
                return Ok(AttemptEnd::Failed { failure, usage: Usage::default(), lesson: String::new() });
            }
            match self.once(task, lesson.as_deref(), &cancel).await? {
                Once::End(end) => return Ok(end),
                Once::InputsChanged => {
                    let name = self.name(task);
                    self.notice(true, format!("files that `{name}` needs changed meanwhile: it starts over"));
                    self.look_again(task)?;
                }
            }
        }
        let failure = Failure {
            kind: FailureKind::Conflict,
            message: format!("its inputs changed each of the {INPUT_CHANGES_MAX} times it ran"),
            exit_code: None,
            signal: None,
            details: vec!["does something outside the build write them all the time?".to_owned()],
        };
        Ok(AttemptEnd::Failed { failure, usage: Usage::default(), lesson: String::new() })
    }

    /// The result that another task of the same key brought since this one was keyed, if there is one.
    fn reuse_of_another(&self, task: TaskIx, keyed: &Keyed) -> Result<Option<AttemptEnd>, Fault> {
        block_in_place(|| {
            let Standing::Clean(reused) = self.resolver.standing(task, keyed, false).map_err(fault)? else {
                return Ok(None);
            };
            Ok(match self.reuse(task, keyed, &reused)? {
                Resolved::Clean { outcome, .. } => Some(AttemptEnd::Accepted { outcome, usage: Usage::default() }),
                Resolved::Red(_) | Resolved::Dirty { .. } => None,
            })
        })
    }

    /// Lets gates that have not yet judged a cached result do so.
    async fn judge_candidate(
        &self,
        task: TaskIx,
        reused: &Reused,
        gates: &[Name],
        cancel: &watch::Receiver<CancelLevel>,
    ) -> Result<Candidate, Fault> {
        let keyed = self.held(task).keyed;
        let failed =
            |failure, lesson| Ok(Candidate::Ends(AttemptEnd::Failed { failure, usage: Usage::default(), lesson }));
        match self.judge(task, &keyed, &reused.outputs, None, Some(gates), cancel).await? {
            Judged::Green => {}
            Judged::Red(failure, lesson) if failure.kind == FailureKind::Cancelled || lesson.is_empty() => {
                return failed(failure, lesson);
            }
            Judged::Red(_, lesson) => return Ok(Candidate::Fails(lesson)),
            Judged::Changed => {
                self.look_again(task)?;
                return Ok(Candidate::IsGone);
            }
        }
        match block_in_place(|| self.reuse(task, &keyed, reused))? {
            Resolved::Clean { outcome, .. } => {
                Ok(Candidate::Ends(AttemptEnd::Accepted { outcome, usage: Usage::default() }))
            }
            Resolved::Red(failure) => failed(failure, String::new()),
            Resolved::Dirty { .. } => Ok(Candidate::IsGone),
        }
    }

    /// Runs the body once, from a fresh workspace to an accepted result or a failure.
    async fn once(
        &self,
        task: TaskIx,
        lesson: Option<&str>,
        cancel: &watch::Receiver<CancelLevel>,
    ) -> Result<Once, Fault> {
        let keyed = self.held(task).keyed;
        let name = self.name(task);
        let workspace = block_in_place(|| Workspace::create(&self.state, &name.file_name())).map_err(fault)?;
        let spec = self.spec(task, &keyed, lesson)?;
        let filled = block_in_place(|| exec::fill(&workspace, &spec, &|path, entry| self.source(path, entry)));
        let (root, before) = match filled {
            Ok(filled) => filled,
            Err(AttemptError::Materialize(MaterializeError::Changed { path }))
                if self.resolver.graph.owner(&path).is_some() =>
            {
                block_in_place(|| workspace.remove()).map_err(fault)?;
                let failure = lost_result(&path);
                return Ok(Once::End(AttemptEnd::Failed { failure, usage: Usage::default(), lesson: String::new() }));
            }
            Err(AttemptError::Materialize(MaterializeError::Changed { .. } | MaterializeError::Missing { .. })) => {
                block_in_place(|| workspace.remove()).map_err(fault)?;
                return Ok(Once::InputsChanged);
            }
            Err(error) => return Err(fault(error)),
        };
        let exit = exec::run(&workspace, &spec, &self.sandbox, cancel.clone()).await.map_err(fault)?;
        let observed = block_in_place(|| exec::observe(&workspace, &spec, &root, &before, exit)).map_err(fault)?;
        let secrets = self.secrets(task);
        let log = block_in_place(|| AttemptLog::read(&workspace.log(), &secrets)).map_err(fault)?;
        let ran = Ran { task, keyed: &keyed, workspace, root, observed, log };
        if !ran.log.is_empty() {
            self.sink.emit(Event::TaskOutput { task: name, text: ran.log.shown() });
        }
        if let Some(failure) = self.classify(task, &ran.observed) {
            return self.failed(ran, failure, None);
        }
        let leak = block_in_place(|| take_out_leaks(&ran.root, &ran.observed.outputs, &secrets)).map_err(fault)?;
        if let Some(failure) = leak {
            return self.failed(ran, failure, None);
        }
        if self.inputs_changed(task, &keyed).map_err(fault)? {
            return ran.over_again();
        }
        let result = block_in_place(|| self.candidate(&ran));
        match self.judge(task, &keyed, &ran.observed.outputs, Some(&ran.root), None, cancel).await? {
            Judged::Green => block_in_place(|| self.accept(ran, result)),
            Judged::Red(failure, lesson) => self.failed(ran, failure, Some(lesson)),
            Judged::Changed => ran.over_again(),
        }
    }

    /// Keys the task anew: a file changed since it was keyed.
    fn look_again(&self, task: TaskIx) -> Result<(), Fault> {
        block_in_place(|| {
            let paths = self.resolver.source_paths(task);
            for path in &paths {
                self.resolver.stat_cache.forget(path);
            }
            self.resolver.refresh(&paths).map_err(fault)?;
            let keyed = self.resolver.key(task).expect("its dependencies stay accepted");
            self.hold(task, keyed, None);
            Ok(())
        })
    }

    fn inputs_changed(&self, task: TaskIx, keyed: &Keyed) -> Result<bool, EngineError> {
        let paths: Vec<RelPath> = keyed.source.keys().cloned().collect();
        block_in_place(|| self.resolver.refresh(&paths))?;
        Ok(self.resolver.source_view(task) != keyed.source)
    }

    fn classify(&self, task: TaskIx, observed: &Observed) -> Option<Failure> {
        let task = self.resolver.task(task);
        let undeclared: Vec<RelPath> =
            observed.undeclared.iter().filter(|path| !self.ignored.matches(path)).cloned().collect();
        let (failure, warning) = classify(task, observed, &undeclared);
        if let Some(warning) = warning {
            self.notice(true, warning);
        }
        failure
    }

    /// Stores what an attempt brought, whatever gates will say: a changed gate judges it again without a new run.
    fn candidate(&self, ran: &Ran<'_>) -> ActionResult {
        let result = ActionResult {
            outputs: ran.observed.outputs.clone(),
            log: ran.log.digest(),
            log_size_bytes: ran.log.len(),
            usage: ran.observed.exit.usage,
            cost_micro_usd: 0,
        };
        if let Some(store) = &self.resolver.store {
            let stored = store
                .ingest(&ran.root, &result.outputs)
                .and_then(|()| store.put_bytes(ran.log.bytes()))
                .and_then(|_| store.put_result(&ran.keyed.key, &result));
            if let Err(error) = stored {
                self.notice(true, format!("the result is not kept in the cache: {error}"));
            }
        }
        result
    }

    /// Publishes and records a result that every gate agrees to.
    fn accept(&self, ran: Ran<'_>, result: ActionResult) -> Result<Once, Fault> {
        let outputs = Arc::new(result.outputs);
        match self.publisher().publish(ran.task, &outputs, Content::Workspace(&ran.root), &[]) {
            Ok(done) => self.tell(done.notices),
            Err(Refused::Conflict(failure)) => return self.failed(ran, failure, None),
            Err(Refused::Lost(path)) => return Err(fault(Cause::Lost(path))),
            Err(Refused::World(error)) => return Err(fault(error)),
        }
        self.record(ran.task, ran.keyed, true, "ran", Some(ran.log.digest()));
        self.resolver.accept(ran.task, outputs);
        ran.workspace.remove().map_err(fault)?;
        Ok(Once::End(AttemptEnd::Accepted { outcome: Outcome::Ran, usage: result.usage }))
    }

    /// Keeps what a failed attempt left, with its log and its patch, unless it was only interrupted.
    fn failed(&self, ran: Ran<'_>, failure: Failure, lesson: Option<String>) -> Result<Once, Fault> {
        let usage = ran.observed.exit.usage;
        let lesson = lesson.unwrap_or_else(|| ran.log.lesson(&failure));
        if failure.kind == FailureKind::Cancelled {
            block_in_place(|| ran.workspace.remove()).map_err(fault)?;
        } else {
            block_in_place(|| self.keep(ran, &failure)).map_err(fault)?;
        }
        Ok(Once::End(AttemptEnd::Failed { failure, usage, lesson }))
    }

    fn keep(&self, ran: Ran<'_>, failure: &Failure) -> Result<(), WorkspaceError> {
        let name = self.name(ran.task);
        let changed: BTreeSet<&RelPath> = ran.observed.outputs.keys().chain(&ran.observed.undeclared).collect();
        let patch = patch(&ran.keyed.context.view, &ran.root, changed, |path, entry| self.content(path, entry));
        let patch = masked(patch, &self.secrets(ran.task));
        ran.workspace.provide(Path::new("changes.patch"), &patch)?;
        ran.log.write_masked(&ran.workspace.log());
        let as_data = serde_json::to_vec(failure).expect("a failure is plain data");
        ran.workspace.provide(Path::new(KEPT_FAILURE), &as_data)?;
        ran.workspace.keep_as_failed(&self.state, &name.file_name())?;
        let stored = self.resolver.store.as_ref().and_then(|store| store.put_bytes(ran.log.bytes()).ok());
        self.record(ran.task, ran.keyed, false, &failure.message, stored);
        Ok(())
    }

    /// The bytes of a file of a view, if they are still to be had.
    fn content(&self, path: &RelPath, entry: &Entry) -> Option<Vec<u8>> {
        let Entry::File { digest, size_bytes, .. } = entry else { return None };
        let bytes = match self.source(path, entry) {
            Source::Cas(store) => store.read(digest).ok().flatten(),
            Source::Project(root) => root.read(path, *size_bytes).ok(),
        };
        bytes.filter(|bytes| BlobDigest::of(bytes) == *digest)
    }
}

/// What a task needs was written by another, is something else in the project by now, and not in the cache.
fn lost_result(path: &RelPath) -> Failure {
    Failure {
        kind: FailureKind::Conflict,
        message: format!("`{path}` was changed since a task wrote it, and the cache has lost what the task wrote"),
        exit_code: None,
        signal: None,
        details: vec![format!("{path}: move your version away, then build again")],
    }
}
