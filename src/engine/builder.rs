//! The engine as the executor sees it: keys, restores, attempts, gates, acceptance.
//!
//! ```text
//! resolve: key -> standing -> Clean: restore, accept | Judge, Dirty: run
//! attempt: workspace <- view; run; observe -> classify -> inputs still the same? -> ingest -> gates -> publish, record
//! ```
//!
//! INVARIANT: a result is published only after the process tree that made it is gone and every gate is green.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::block_in_place;

use super::attempt_log::AttemptLog;
use super::classify::classify;
use super::host::Host;
use super::ignored::Ignored;
use super::judge::Judged;
use super::publish::{Content, Publisher, Refused};
use super::resolve::{Cause, Keyed, Resolver, Reused, Standing, missing_tool};
use super::session::EngineError;
use crate::agents;
use crate::base::{Entry, FailureKind, Name, RelPath, TaskName};
use crate::context::{Work, task_json, task_markdown};
use crate::event::{ActionResult, Event, Failure, Outcome, RunId, Usage};
use crate::exec::{
    self, AttemptEnd, AttemptError, AttemptSpec, BoxFuture, EventSink, Fault, Observed, Resolved, Tasks, Workspace,
};
use crate::graph::TaskIx;
use crate::key::Description;
use crate::plan::{Retry, SandboxMode};
use crate::sandbox::{self, Backend, CancelLevel, Sandbox};
use crate::store::{MaterializeError, Root, Source, TaskRecord};

/// How often a task starts over because its inputs changed while it ran.
const INPUT_CHANGES_MAX: u32 = 5;
/// How long a task may take to end when it is asked to.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// How much of a task's output is kept where the plan does not say.
const LOG_LIMIT_BYTES: u64 = 16 << 20;

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
    /// What is known of tasks that are about to run.
    pub pending: Mutex<HashMap<TaskIx, Pending>>,
}

/// A task between its key and its end.
#[derive(Clone)]
pub(super) struct Pending {
    keyed: Keyed,
    candidate: Option<(Reused, Vec<Name>)>,
}

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
        let standing = self.resolver.standing(task, &keyed).map_err(fault)?;
        let key = keyed.key;
        match standing {
            _ if self.forced.contains(&task) => {
                self.hold(task, keyed, None);
                Ok(Resolved::Dirty { key, because: Cause::Forced.to_string() })
            }
            Standing::Clean(reused) => self.reuse(task, &keyed, &reused),
            Standing::Judge(reused, gates) => {
                let names: Vec<String> = gates.iter().map(|gate| format!("`{gate}`")).collect();
                self.hold(task, keyed, Some((reused, gates)));
                Ok(Resolved::Dirty { key, because: format!("{} must judge its result", names.join(", ")) })
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
    fn hold(&self, task: TaskIx, keyed: Keyed, candidate: Option<(Reused, Vec<Name>)>) {
        let mut pending = self.pending.lock().expect("no holder panics");
        pending.insert(task, Pending { keyed, candidate });
    }

    fn held(&self, task: TaskIx) -> Pending {
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
    fn reuse(&self, task: TaskIx, keyed: &Keyed, reused: &Reused) -> Result<Resolved, Fault> {
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

    fn publisher(&self) -> Publisher<'_> {
        Publisher { resolver: &self.resolver, project: &self.project, run: self.run }
    }

    fn tell(&self, notices: Vec<String>) {
        for message in notices {
            self.notice(true, message);
        }
    }

    /// Shows the log of a result that is nothing but its log: a test, a lint.
    fn replay(&self, task: TaskIx, reused: &Reused) {
        let store = self.resolver.store.as_ref();
        let log = reused.log.and_then(|digest| store?.read(&digest).ok().flatten());
        if let Some(bytes) = log.filter(|bytes| !bytes.is_empty()) {
            let text = super::attempt_log::shown(&String::from_utf8_lossy(&bytes));
            self.sink.emit(Event::TaskOutput { task: self.name(task), text });
        }
    }

    async fn make_attempt(
        &self,
        task: TaskIx,
        attempt: u32,
        mut lesson: Option<String>,
        cancel: watch::Receiver<CancelLevel>,
    ) -> Result<AttemptEnd, Fault> {
        if attempt == 1
            && let Some((reused, gates)) = self.held(task).candidate
        {
            match self.judge_candidate(task, &reused, &gates, &cancel).await? {
                Candidate::Ends(end) => return Ok(end),
                Candidate::Fails(red) => lesson = Some(red),
                Candidate::IsGone => {}
            }
        }
        for _ in 0..INPUT_CHANGES_MAX {
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
        let spec = self.spec(task, &keyed, &workspace, lesson)?;
        let filled = block_in_place(|| exec::fill(&workspace, &spec, &|path, entry| self.source(path, entry)));
        let (root, before) = match filled {
            Ok(filled) => filled,
            Err(AttemptError::Materialize(MaterializeError::Changed { .. } | MaterializeError::Missing { .. })) => {
                block_in_place(|| workspace.remove()).map_err(fault)?;
                return Ok(Once::InputsChanged);
            }
            Err(error) => return Err(fault(error)),
        };
        let exit = exec::run(&workspace, &spec, &self.sandbox, cancel.clone()).await.map_err(fault)?;
        let observed = block_in_place(|| exec::observe(&workspace, &spec, &root, &before, exit)).map_err(fault)?;
        let log = block_in_place(|| AttemptLog::read(&workspace.log(), &self.secrets(task))).map_err(fault)?;
        if !log.is_empty() {
            self.sink.emit(Event::TaskOutput { task: name.clone(), text: log.shown() });
        }
        let usage = observed.exit.usage;
        if let Some(failure) = self.classify(task, &observed) {
            return self.failed(task, &keyed, workspace, &log, failure, usage, None);
        }
        if self.inputs_changed(task, &keyed).map_err(fault)? {
            block_in_place(|| workspace.remove()).map_err(fault)?;
            return Ok(Once::InputsChanged);
        }
        let result = self.candidate(&keyed, &root, &observed, &log);
        match self.judge(task, &keyed, &observed.outputs, Some(&root), None, cancel).await? {
            Judged::Green => block_in_place(|| self.accept(task, &keyed, workspace, &root, &log, result)),
            Judged::Red(failure, lesson) => self.failed(task, &keyed, workspace, &log, failure, usage, Some(lesson)),
            Judged::Changed => {
                block_in_place(|| workspace.remove()).map_err(fault)?;
                Ok(Once::InputsChanged)
            }
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
    fn candidate(&self, keyed: &Keyed, root: &Root, observed: &Observed, log: &AttemptLog) -> ActionResult {
        let result = ActionResult {
            outputs: observed.outputs.clone(),
            log: log.digest(),
            log_size_bytes: log.len(),
            usage: observed.exit.usage,
            cost_micro_usd: 0,
        };
        if let Some(store) = &self.resolver.store {
            let stored = block_in_place(|| {
                store.ingest(root, &result.outputs)?;
                store.put_bytes(log.bytes())?;
                store.put_result(&keyed.key, &result)
            });
            if let Err(error) = stored {
                self.notice(true, format!("the result is not kept in the cache: {error}"));
            }
        }
        result
    }

    fn accept(
        &self,
        task: TaskIx,
        keyed: &Keyed,
        workspace: Workspace,
        root: &Root,
        log: &AttemptLog,
        result: ActionResult,
    ) -> Result<Once, Fault> {
        let usage = result.usage;
        let outputs = Arc::new(result.outputs);
        match self.publisher().publish(task, &outputs, Content::Workspace(root), &[]) {
            Ok(done) => self.tell(done.notices),
            Err(Refused::Conflict(failure)) => {
                return self.failed(task, keyed, workspace, log, failure, usage, None);
            }
            Err(Refused::Lost(path)) => return Err(fault(Cause::Lost(path))),
            Err(Refused::World(error)) => return Err(fault(error)),
        }
        self.record(task, keyed, true, "ran", Some(log.digest()));
        self.resolver.accept(task, outputs);
        workspace.remove().map_err(fault)?;
        Ok(Once::End(AttemptEnd::Accepted { outcome: Outcome::Ran, usage }))
    }

    #[expect(clippy::too_many_arguments, reason = "one call for the one way an attempt fails")]
    fn failed(
        &self,
        task: TaskIx,
        keyed: &Keyed,
        workspace: Workspace,
        log: &AttemptLog,
        failure: Failure,
        usage: Usage,
        lesson: Option<String>,
    ) -> Result<Once, Fault> {
        let lesson = lesson.unwrap_or_else(|| log.lesson(&failure));
        block_in_place(|| {
            if failure.kind == FailureKind::Cancelled {
                return workspace.remove();
            }
            log.write_masked(&workspace.log());
            workspace.keep_as_failed(&self.state, &self.name(task).file_name()).map(|_| ())
        })
        .map_err(fault)?;
        if failure.kind != FailureKind::Cancelled {
            let stored = self.resolver.store.as_ref().and_then(|store| store.put_bytes(log.bytes()).ok());
            self.record(task, keyed, false, &failure.message, stored);
        }
        Ok(Once::End(AttemptEnd::Failed { failure, usage, lesson }))
    }

    fn record(&self, task: TaskIx, keyed: &Keyed, accepted: bool, outcome: &str, log: Option<crate::base::BlobDigest>) {
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

    /// The values that must not be seen in the task's output.
    fn secrets(&self, task: TaskIx) -> Vec<String> {
        let agent = match &self.resolver.task(task).body {
            crate::plan::Body::Prompt { agent, .. } => self.resolver.plan().agents.get(agent),
            crate::plan::Body::Run(_) => None,
        };
        agent.into_iter().flat_map(|agent| &agent.secrets).filter_map(|name| self.host.variable(name)).collect()
    }

    fn spec<'a>(
        &self,
        task: TaskIx,
        keyed: &'a Keyed,
        workspace: &Workspace,
        lesson: Option<&str>,
    ) -> Result<AttemptSpec<'a>, Fault> {
        let plan_task = Arc::clone(self.resolver.task(task));
        let context = &keyed.context;
        let definition = &context.definition;
        let mut env: BTreeMap<String, String> = BTreeMap::new();
        let (argv, stdin) = match &definition.work {
            Work::Run(argv) => (argv.clone(), None),
            Work::Prompt { runner, .. } => {
                let invocation = agents::invocation(runner).map_err(fault)?;
                env.extend(invocation.env);
                (invocation.argv, Some(task_markdown(context, &plan_task, lesson).into_bytes()))
            }
        };
        env.extend(definition.env.clone());
        env.extend(definition.pass_env.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))));
        if let crate::plan::Body::Prompt { agent, .. } = &plan_task.body
            && let Some(agent) = self.resolver.plan().agents.get(agent)
        {
            env.extend(agent.secrets.iter().filter_map(|name| Some((name.clone(), self.host.variable(name)?))));
        }
        let provided = vec![
            ("task.md", task_markdown(context, &plan_task, lesson).into_bytes()),
            ("task.json", task_json(context, &plan_task, &keyed.key.to_hex()).to_string().into_bytes()),
        ];
        let provided = if plan_task.is_agent() { provided } else { Vec::new() };
        let surroundings = self.surroundings(&plan_task.toolchains, &plan_task.tools, workspace, env);
        Ok(AttemptSpec {
            argv: argv.into_iter().map(OsString::from).collect(),
            env: surroundings.env,
            view: &context.view,
            outputs: &definition.outputs,
            scratch: plan_task.scratch.clone(),
            provided,
            stdin,
            tools: surroundings.tools,
            read_only: surroundings.read_only,
            hidden: self.hidden(),
            network: definition.network,
            isolate: definition.sandbox != SandboxMode::None,
            timeout: plan_task.timeout.map(|timeout| Duration::from_millis(timeout.ms())),
            grace: GRACE,
            log_limit_bytes: self.log_limit_bytes(),
        })
    }

    pub(super) fn log_limit_bytes(&self) -> u64 {
        self.resolver.plan().limits.log_size_max.map_or(LOG_LIMIT_BYTES, |limit| limit.bytes())
    }

    /// What no task may see even where a system directory would show it.
    pub(super) fn hidden(&self) -> Vec<PathBuf> {
        let home = self.host.variable("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        let mut hidden =
            vec![self.resolver.root.path().to_owned(), self.host.cache_dir.clone(), self.host.state_dir.clone()];
        hidden.extend(home);
        hidden
    }

    /// Tools, toolchains and the environment they make.
    pub(super) fn surroundings(
        &self,
        toolchains: &[Name],
        tools: &[String],
        workspace: &Workspace,
        declared: BTreeMap<String, String>,
    ) -> Surroundings {
        let path = self.host.path();
        // The file itself: of a link's way only its end is sure to be there inside.
        let find = |name: &String| sandbox::resolve_tool(name.as_ref(), &path)?.canonicalize().ok();
        let tools: BTreeMap<String, PathBuf> =
            tools.iter().filter_map(|name| Some((name.clone(), find(name)?))).collect();
        let mut env: BTreeMap<OsString, OsString> = BTreeMap::new();
        let mut read_only = Vec::new();
        let mut bins = Vec::new();
        for name in toolchains {
            let def = self.resolver.plan().toolchains.get(name);
            let toolchain = sandbox::toolchain(name.as_str(), def, &self.host.env);
            env.extend(toolchain.env.into_iter().map(|(name, value)| (OsString::from(name), value)));
            read_only.extend(toolchain.read_only);
            bins.extend(toolchain.bin);
        }
        env.insert("PATH".into(), exec::search_path(&workspace.bin(), &bins));
        env.extend(declared.into_iter().map(|(name, value)| (name.into(), value.into())));
        Surroundings { env, read_only, tools }
    }
}

/// What surrounds a process besides its files.
pub(super) struct Surroundings {
    /// The environment.
    pub env: BTreeMap<OsString, OsString>,
    /// Paths of the host that are shown.
    pub read_only: Vec<PathBuf>,
    /// Declared tools.
    pub tools: BTreeMap<String, PathBuf>,
}
