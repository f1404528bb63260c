//! One attempt, from a fresh workspace to a published result.
//!
//! ```text
//! workspace <- view; run; observe -> classify -> inputs still the same? -> ingest -> gates -> publish, record
//! ```
//!
//! INVARIANT: a result is published only after the process tree that made it is gone and every gate is green.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use super::attempt_log::AttemptLog;
use super::beside::Beside;
use super::builder::{Builder, Ready, fault};
use super::classify::classify;
use super::fallback::keyed_for;
use super::host::now_ms;
use super::integrate::{conflict, keep_bases};
use super::judge::Judged;
use super::money;
use super::patch::patch;
use super::produced::Produced;
use super::publish::{Content, Refused};
use super::resolve::{Keyed, Unkeyed};
use super::secrets::{Secret, masked, take_out_leaks};
use super::session::EngineError;
use super::standing::{Cause, Conflict, Reused, Standing};
use crate::agents::{AgentReport, Waiting};
use crate::base::{BlobDigest, Changes, Entry, FailureKind, Name, RelPath, Tree};
use crate::event::{ActionResult, Event, Failure, Outcome, Spent, Usage};
use crate::exec::{
    self, AttemptEnd, AttemptError, AttemptSpec, BodyEnded, Fault, Observed, Tasks, Workspace, WorkspaceError,
    block_in_place,
};
use crate::gates::BASELINE_FILE;
use crate::graph::TaskIx;
use crate::plan::{GateDef, LOCK_FILE};
use crate::sandbox::{Backend, CancelLevel};
use crate::store::{Listing, MaterializeError, Root, Source, Store, StoreError};

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
    /// What the agent says of its work; none for a command.
    report: Option<AgentReport>,
    /// Puts the result into the cache, where that is done beside publishing it.
    storing: Option<Beside<Result<(), StoreError>>>,
}

/// A body about to run.
struct Prepared<'k> {
    workspace: Workspace,
    spec: AttemptSpec<'k>,
    root: Root,
    /// What was in the workspace.
    before: Listing,
}

/// What a body brought, where it may be a result; else how that ends.
type Looked<'k> = Result<Box<(Ran<'k>, ActionResult)>, Once>;

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
        lesson: Option<String>,
        spent: &mut Spent,
        cancel: watch::Receiver<CancelLevel>,
        ended: BodyEnded,
    ) -> Result<AttemptEnd, Fault> {
        let mut ended = Some(ended);
        let held = self.held(task);
        let timing = self.host.trace.part("wait for the same key", self.resolver.name(task));
        let _alone = self.working.alone(held.keyed.key).await;
        drop(timing);
        if !held.is_tried
            && !held.must_run
            && held.candidate.is_none()
            && let Some(end) = self.reuse_of_another(task, &held.keyed)?
        {
            return Ok(end);
        }
        if !held.is_tried
            && let Some((reused, gates)) = held.candidate
        {
            match self.judge_candidate(task, &reused, &gates, &cancel).await? {
                Candidate::Ends(end) => return Ok(end),
                Candidate::Fails(red) => {
                    let name = self.name(task);
                    self.notice(false, format!("a result of `{name}` is there already, and is red: it runs again"));
                    self.note_lesson(task, red);
                }
                Candidate::IsGone if self.is_unjudged_for_good(task) => {
                    let message = "its gates cannot judge its cached result: files that they need change all the time";
                    let failure = conflict(message.to_owned(), vec!["build with --force to make it anew".to_owned()]);
                    return Ok(AttemptEnd::red(failure));
                }
                Candidate::IsGone => {}
            }
            if self.resolver.task(task).is_agent() {
                // An agent is hired for it first: it is not free.
                return Ok(AttemptEnd::Again { usage: Usage::default() });
            }
        }
        let held = self.held(task);
        let lesson = lesson.or(held.lesson);
        if !held.is_tried {
            self.warn_of_unset_secrets(task, self.resolver.agent_of(&held.keyed));
        }
        self.warn_of_unknown_cost(task, &held.keyed);
        self.note_try(task);
        for _ in 0..INPUT_CHANGES_MAX {
            // Between an attempt and the next a person may have been at the last result.
            let paths = block_in_place(|| self.resolver.changed_by_hand(task)).map_err(fault)?;
            if !paths.is_empty() {
                let failure = Conflict { paths, cause: None }.failure();
                return Ok(AttemptEnd::red(failure));
            }
            match self.once(task, lesson.as_deref(), (&mut *spent, &mut ended), &cancel).await? {
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
        Ok(AttemptEnd::red(failure))
    }

    /// The result that another task of the same key brought since this one was keyed, if there is one.
    fn reuse_of_another(&self, task: TaskIx, keyed: &Keyed) -> Result<Option<AttemptEnd>, Fault> {
        block_in_place(|| {
            let standing = self.resolver.standing(task, keyed, false).map_err(fault)?;
            let (Standing::Clean(reused) | Standing::Held(reused)) = standing else { return Ok(None) };
            self.hold_ready(task, keyed.clone(), Ready { reused, is_fresh: false });
            Ok(Some(AttemptEnd::Again { usage: Usage::default() }))
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
        let failed = |failure, lesson| {
            let usage = Usage::default();
            Ok(Candidate::Ends(AttemptEnd::Failed { failure, usage, lesson, resets_in_ms: None }))
        };
        match self.judge(task, &keyed, (&reused.outputs, &reused.edits), None, Some(gates), cancel).await? {
            Judged::Green => {
                self.hold_ready(task, keyed, Ready { reused: reused.clone(), is_fresh: false });
                Ok(Candidate::Ends(AttemptEnd::Again { usage: Usage::default() }))
            }
            Judged::Red(failure, lesson) if failure.kind == FailureKind::Cancelled || lesson.is_empty() => {
                failed(failure, lesson)
            }
            Judged::Red(_, lesson) => Ok(Candidate::Fails(lesson)),
            Judged::Changed => {
                self.look_again(task)?;
                Ok(Candidate::IsGone)
            }
        }
    }

    /// Runs the body once, from a fresh workspace to an accepted result or a failure.
    async fn once(
        &self,
        task: TaskIx,
        lesson: Option<&str>,
        (spent, ended): (&mut Spent, &mut Option<BodyEnded>),
        cancel: &watch::Receiver<CancelLevel>,
    ) -> Result<Once, Fault> {
        let keyed = self.held(task).keyed;
        let name = self.name(task);
        let timing = self.host.trace.part("workspace", &name);
        let Prepared { workspace, spec, root, before } = match block_in_place(|| self.prepare(task, &keyed, lesson))? {
            Ok(prepared) => prepared,
            Err(once) => return Ok(once),
        };
        let agent = self.resolver.agent_of(&keyed).map(|agent| agent.preset);
        let gives_up = agent.map(|preset| -> exec::GivesUp {
            let mut waiting = Waiting::new(preset);
            Box::new(move |output| waiting.hear(output, now_ms()))
        });
        drop(timing);
        let timing = self.host.trace.part("run", &name);
        let running = exec::run(&workspace, &spec, &self.sandbox, cancel.clone(), gives_up);
        let exit = running.await.map_err(fault)?;
        drop(timing);
        let looked = block_in_place(|| {
            let timing = self.host.trace.part("collect", &name);
            let mut observed = exec::observe(&workspace, &spec, &root, &before, exit).map_err(fault)?;
            self.drop_ignored(task, &mut observed);
            let secrets = self.secrets(self.resolver.agent_of(&keyed));
            let log = AttemptLog::read(&workspace.log(), &secrets, agent).map_err(fault)?;
            let report = log.report(&observed.exit.end);
            if let Some(report) = &report {
                *spent += money::spent(report);
                self.count_cost(task, &keyed, report);
            }
            drop(timing);
            let ran = Ran { task, keyed: &keyed, workspace, root, observed, log, report, storing: None };
            self.look(ran, &secrets, ended)
        })?;
        let (ran, result) = match looked {
            Ok(looked) => *looked,
            Err(once) => return Ok(once),
        };
        let result_of = (&ran.observed.outputs, &ran.observed.edits);
        match self.judge(task, &keyed, result_of, Some(&ran.root), None, cancel).await? {
            Judged::Green => block_in_place(|| self.accept(ran, result)),
            Judged::Red(failure, lesson) => self.failed(ran, failure, Some(lesson)),
            Judged::Changed => ran.over_again(),
        }
    }

    /// Makes the workspace, with all that the body sees. The inner `Err` is how it ends without one.
    fn prepare<'k>(
        &self,
        task: TaskIx,
        keyed: &'k Keyed,
        lesson: Option<&str>,
    ) -> Result<Result<Prepared<'k>, Once>, Fault> {
        if let Some(failure) = self.out_of_reach(task, keyed).map_err(fault)? {
            return Ok(Err(Once::End(AttemptEnd::red(failure))));
        }
        let workspace = Workspace::create(&self.state, &self.resolver.name(task).file_name(), self.spares.as_ref())
            .map_err(fault)?;
        let spec = self.spec(task, keyed, lesson);
        let (root, before) = match exec::fill(&workspace, &spec, &|path, entry| self.source(path, entry)) {
            Ok(filled) => filled,
            Err(AttemptError::Materialize(MaterializeError::Changed { path }))
                if self.resolver.graph.owner(&path).is_some() =>
            {
                workspace.remove().map_err(fault)?;
                return Ok(Err(Once::End(AttemptEnd::red(lost_result(&path)))));
            }
            Err(AttemptError::Materialize(MaterializeError::Changed { .. } | MaterializeError::Missing { .. })) => {
                workspace.remove().map_err(fault)?;
                return Ok(Err(Once::InputsChanged));
            }
            Err(error) => return Err(fault(error)),
        };
        keep_bases(&self.resolver, &root, task, spec.view).map_err(fault)?;
        Ok(Ok(Prepared { workspace, spec, root, before }))
    }

    /// Looks at what a body left, and stores it if it may be a result. The inner `Err` is how it ends where it may not.
    fn look<'k>(
        &self,
        mut ran: Ran<'k>,
        secrets: &[Secret],
        ended: &mut Option<BodyEnded>,
    ) -> Result<Looked<'k>, Fault> {
        let (task, keyed) = (ran.task, ran.keyed);
        // An agent may print nothing but what it reports.
        let text = ran.log.shown();
        if !text.is_empty() {
            self.sink.emit(Event::TaskOutput { task: self.name(task), text });
        }
        if let Some(failure) = self.classify(&ran) {
            return self.failed(ran, failure, None).map(Err);
        }
        if let Some(failure) = self.protected_files_changed(task, &ran.observed) {
            return self.failed(ran, failure, None).map(Err);
        }
        let brought = ran.observed.brought();
        if let Some(failure) = take_out_leaks(&ran.root, &brought, secrets).map_err(fault)? {
            return self.failed(ran, failure, None).map(Err);
        }
        if let Some(failure) = self.tool_changed(keyed) {
            return self.failed(ran, failure, None).map(Err);
        }
        // Its workspace held what it was keyed by, checked while it was copied. Where that is all it can have read, and it
        // was paid for, the result is kept for the day when these inputs are back.
        let is_sealed = self.resolver.task(task).is_agent() && self.sandbox.backend() != Backend::None;
        let early = if is_sealed { Some(self.candidate(&mut ran).map_err(fault)?) } else { None };
        if self.inputs_changed(task, keyed, &ran.observed.edits).map_err(fault)? {
            return ran.over_again().map(Err);
        }
        // From here on nothing of it runs: no gate judges it, and it is published at once.
        if !self.waits_its_turn(task) && self.resolver.gates(task).is_empty() {
            ended.take().into_iter().for_each(|ended| ended());
        }
        let result = match early {
            Some(result) => result,
            None => self.candidate(&mut ran).map_err(fault)?,
        };
        Ok(Ok(Box::new((ran, result))))
    }

    /// Keys the task anew: a file changed since it was keyed.
    fn look_again(&self, task: TaskIx) -> Result<(), Fault> {
        block_in_place(|| {
            let paths = self.resolver.source_paths(task);
            for path in &paths {
                self.resolver.stat_cache.forget(path);
            }
            self.resolver.refresh(&paths).map_err(fault)?;
            let on_top_of = self.held(task).keyed.on_top_of;
            match self.resolver.key_on_top(task, &on_top_of) {
                Ok(keyed) => self.hold(task, keyed_for(&keyed, self.resolver.agent_of(&self.held(task).keyed)), None),
                Err(Unkeyed::Impossible(why)) => return Err(fault(why)),
                Err(Unkeyed::Waits(_)) => unreachable!("its dependencies stay accepted"),
            }
            Ok(())
        })
    }

    /// Whether a file that the task saw is another one by now. What it changed itself is merged with what a person made
    /// of it meanwhile, so there the version that it was given stays the base.
    fn inputs_changed(&self, task: TaskIx, keyed: &Keyed, edits: &Changes) -> Result<bool, EngineError> {
        let seen = keyed.source.iter().filter(|(path, _)| !edits.contains_key(*path));
        let (paths, was): (Vec<RelPath>, Vec<&Entry>) = seen.map(|(path, entry)| (path.clone(), entry)).unzip();
        let now = self.resolver.digests(&paths)?;
        // The memos are told only where something is not as it was.
        if !now.iter().zip(was).all(|((_, now), was)| now.as_ref() == Some(was)) {
            self.resolver.take_digests(now);
        }
        Ok(self.resolver.source_view(task) != keyed.source)
    }

    /// Of what a wildcard of `edits` covers, new files that git ignores are nobody's work.
    fn drop_ignored(&self, task: TaskIx, observed: &mut Observed) {
        let edits = &self.resolver.task(task).edits;
        let is_named = |path: &RelPath| edits.iter().any(|pattern| pattern.as_literal().as_ref() == Some(path));
        observed.edits.retain(|path, change| change.base.is_some() || is_named(path) || !self.ignored.matches(path));
    }

    /// The failure of a task that changed what it is judged or told by: the plan, the lock, files of its gates. A path that
    /// it names letter by letter is its work, whatever else it is.
    fn protected_files_changed(&self, task: TaskIx, observed: &Observed) -> Option<Failure> {
        let resolver = &self.resolver;
        let (named, may_change) = (&resolver.task(task).edits, &resolver.task(task).may_change);
        let is_named = |path: &RelPath| {
            may_change.matches(path) || named.iter().any(|pattern| pattern.as_literal().as_ref() == Some(path))
        };
        let plan = resolver.plan();
        let is_orcas = |path: &RelPath| [LOCK_FILE, BASELINE_FILE].contains(&path.as_str());
        let of_plan = |path: &RelPath| is_orcas(path) || plan.files.contains(path) || plan.includes.matches(path);
        // What git ignores is not seen by wildcards: who writes that takes files away from gates.
        let ignores_of = |path: &RelPath| {
            let is_wild = |gate: &&GateDef| gate.inputs.iter().any(|pattern| pattern.as_literal().is_none());
            (path.file_name() == ".gitignore").then(|| plan.gate_defs.values().find(is_wild)).flatten()
        };
        let why = |path: &RelPath| match ignores_of(path) {
            _ if of_plan(path) => Some(format!("{path} is the plan's: no task changes it")),
            ignores => ignores
                .filter(|_| !may_change.matches(path))
                .map(|gate| format!("{path} says what the gate `{}` sees", gate.name)),
        };
        let written = observed.outputs.keys().chain(observed.edits.keys());
        let mut details: Vec<String> = written.filter_map(why).collect();
        let gates: Vec<GateDef> = resolver.gates(task).into_iter().chain(resolver.plan_gates()).collect();
        for (path, change) in &observed.edits {
            let gate = gates.iter().find(|gate| gate.inputs.matches(path));
            if let Some(gate) = gate.filter(|_| why(path).is_none() && change.base.is_some() && !is_named(path)) {
                details.push(format!("{path} is what the gate `{}` judges with", gate.name));
            }
        }
        let message = "it changed files that it is judged by; `may_change` of the task covers those that it may";
        (!details.is_empty()).then(|| Failure {
            kind: FailureKind::UndeclaredWrite,
            message: message.to_owned(),
            exit_code: None,
            signal: None,
            details,
        })
    }

    fn classify(&self, ran: &Ran<'_>) -> Option<Failure> {
        let Ran { task, observed, report, .. } = ran;
        let task = self.resolver.task(*task);
        let undeclared: Vec<RelPath> =
            observed.undeclared.iter().filter(|path| !self.ignored.matches(path)).cloned().collect();
        let made = observed.repositories.iter().find(|made| !self.ignored.matches(&made.path));
        let told = report.as_ref().and_then(|report| report.failure.as_ref());
        let (failure, warning) = classify(task, observed, &undeclared, made, told);
        if let Some(warning) = warning {
            self.notice(true, warning);
        }
        failure
    }

    /// Stores what an attempt brought, whatever gates will say: a changed gate judges it again without a new run.
    ///
    /// Where nothing else runs, that is done beside: what waits for the disk here and what waits for it in publishing are
    /// different files, and a record that is there before the result is in the cache names nothing of it but its key.
    fn candidate(&self, ran: &mut Ran<'_>) -> Result<ActionResult, EngineError> {
        let _timing = self.host.trace.part("store", self.resolver.name(ran.task));
        let result = ActionResult {
            outputs: ran.observed.outputs.clone(),
            edits: ran.observed.edits.clone(),
            log: ran.log.digest(),
            log_size_bytes: ran.log.len(),
            usage: ran.observed.exit.usage,
            cost_micro_usd: ran.report.as_ref().and_then(|report| report.cost_micro_usd).unwrap_or(0),
            summary: self.summary_of(ran),
        };
        let brought = ran.observed.brought();
        if self.waits_its_turn(ran.task) {
            self.resolver.kept.as_ref().expect("a build keeps what it needs").ingest(&ran.root, &brought)?;
        }
        if let Some(store) = &self.resolver.store {
            if exec::has_one_thread() {
                ran.storing = Some(self.store_beside(store.clone(), ran, brought, result.clone())?);
                return Ok(result);
            }
            let stored = store
                .ingest(&ran.root, &brought)
                .and_then(|()| store.put_bytes(ran.log.bytes()))
                .and_then(|_| store.put_result(&ran.keyed.key, &result));
            self.tell_stored(stored);
        }
        Ok(result)
    }

    fn store_beside(
        &self,
        store: Store,
        ran: &Ran<'_>,
        brought: Tree,
        result: ActionResult,
    ) -> Result<Beside<Result<(), StoreError>>, StoreError> {
        let (workspace, project) = (Root::open(&ran.workspace.tree())?, Root::open(self.resolver.root.path())?);
        let (log, key) = (ran.log.bytes().to_vec(), ran.keyed.key);
        Ok(Beside::begin(move || {
            // Publishing may have moved the file by now; wherever it lies, it is only taken in as what it was.
            store.ingest(&workspace, &brought).or_else(|_| store.ingest(&project, &brought))?;
            store.put_bytes(&log)?;
            store.put_result(&key, &result)
        }))
    }

    fn tell_stored(&self, stored: Result<(), StoreError>) {
        if let Err(error) = stored {
            self.notice(true, format!("the result is not kept in the cache: {error}"));
        }
    }

    /// What the agent said last, without the values of its secrets.
    fn summary_of(&self, ran: &Ran<'_>) -> String {
        let said = ran.report.as_ref().map(|report| report.summary.clone()).unwrap_or_default();
        let secrets = self.secrets(self.resolver.agent_of(ran.keyed));
        String::from_utf8_lossy(&masked(said.into_bytes(), &secrets)).into_owned()
    }

    /// Whether a result is not published at once: an agent's, which is kept, one that has to be put together with others',
    /// and one that a person must agree to.
    fn waits_its_turn(&self, task: TaskIx) -> bool {
        let plan_task = self.resolver.task(task);
        plan_task.is_agent() || plan_task.approval || self.resolver.graph.is_editor(task)
    }

    /// Publishes and records a result that every gate agrees to.
    fn accept(&self, mut ran: Ran<'_>, result: ActionResult) -> Result<Once, Fault> {
        let _timing = self.host.trace.part("publish", self.resolver.name(ran.task));
        if self.waits_its_turn(ran.task) {
            let usage = result.usage;
            self.hold_ready(ran.task, ran.keyed.clone(), Ready { reused: ready(result), is_fresh: true });
            ran.workspace.remove().map_err(fault)?;
            return Ok(Once::End(AttemptEnd::Again { usage }));
        }
        let outputs = Arc::new(result.outputs);
        let log = Some(ran.log.digest());
        let record = || Some(self.record_of_command(ran.task, ran.keyed, true, "ran", log));
        let is_recorded = match self.publisher().publish(
            ran.task,
            &outputs,
            Content::Workspace { root: &ran.root, is_last: true },
            &[],
            &record,
        ) {
            Ok(done) => {
                self.tell(done.notices);
                done.is_recorded
            }
            Err(Refused::Conflict(failure)) => return self.failed(ran, failure, None),
            Err(Refused::Lost(path)) => return Err(fault(Cause::Lost(path))),
            Err(Refused::World(error)) => return Err(fault(error)),
        };
        if !is_recorded {
            self.record(ran.task, ran.keyed, true, "ran", log);
        }
        if let Some(storing) = ran.storing.take() {
            self.tell_stored(storing.end());
        }
        self.resolver.accept(ran.task, Produced::outputs(outputs));
        ran.workspace.remove().map_err(fault)?;
        Ok(Once::End(AttemptEnd::Accepted { outcome: Outcome::Ran, usage: result.usage }))
    }

    /// Keeps what a failed attempt left, with its log and its patch, unless it was only interrupted.
    fn failed(&self, ran: Ran<'_>, failure: Failure, lesson: Option<String>) -> Result<Once, Fault> {
        let _timing = self.host.trace.part("keep what failed", self.resolver.name(ran.task));
        let usage = ran.observed.exit.usage;
        let lesson = lesson.unwrap_or_else(|| ran.log.lesson(&failure));
        let told = ran.report.as_ref().and_then(|report| report.failure.as_ref());
        let resets = told.filter(|told| told.kind == failure.kind).and_then(|told| told.resets.clone());
        let resets_in_ms = resets.and_then(|resets| resets.wait_ms(now_ms()));
        if failure.kind == FailureKind::Cancelled {
            block_in_place(|| ran.workspace.remove()).map_err(fault)?;
        } else {
            block_in_place(|| self.keep_failed(ran, &failure)).map_err(fault)?;
        }
        Ok(Once::End(AttemptEnd::Failed { failure, usage, lesson, resets_in_ms }))
    }

    fn keep_failed(&self, ran: Ran<'_>, failure: &Failure) -> Result<(), WorkspaceError> {
        let name = self.name(ran.task);
        let observed = &ran.observed;
        let changed: BTreeSet<&RelPath> =
            observed.outputs.keys().chain(observed.edits.keys()).chain(&observed.undeclared).collect();
        let patch = patch(&ran.keyed.context.view, &ran.root, changed, |path, entry| self.content(path, entry));
        let patch = masked(patch, &self.secrets(self.resolver.agent_of(ran.keyed)));
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
    pub(super) fn content(&self, path: &RelPath, entry: &Entry) -> Option<Vec<u8>> {
        let Entry::File { digest, size_bytes, .. } = entry else { return None };
        let bytes = match self.source(path, entry) {
            Source::Cas(store) => store.read(digest).ok().flatten(),
            Source::Kept(kept) => kept.read(digest).ok().flatten(),
            Source::Project(root) => root.read(path, *size_bytes).ok(),
        };
        bytes.filter(|bytes| BlobDigest::of(bytes) == *digest)
    }
}

/// A fresh result, with nothing of it in the project yet.
fn ready(result: ActionResult) -> Reused {
    Reused {
        stale: result.outputs.keys().cloned().collect(),
        outputs: Arc::new(result.outputs),
        edits: Arc::new(result.edits),
        drifted: Vec::new(),
        saved_ms: 0,
        cost_micro_usd: result.cost_micro_usd,
        log: Some(result.log),
        gates: BTreeMap::new(),
        recorded: false,
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
