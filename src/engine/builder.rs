//! The engine as the executor sees it: keys, restores and records. Attempts are in `attempt`, gates in `judge`.
//!
//! ```text
//! resolve: key -> standing -> Clean: restore, accept | Judge, Dirty: run
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::build::Person;
use super::host::Host;
use super::ignored::Ignored;
use super::integrate::{Integration, Leavers, Left, conflict};
use super::judge_again::Judging;
use super::lock::is_locked;
use super::lock_keeper::{LockKeeper, origin};
use super::money::Money;
use super::moving_tools::KnownTools;
use super::produced::Produced;
use super::publish::{Content, Publisher, Refused};
use super::reconcile::ELSEWHERE;
use super::resolve::{Keyed, Resolver, Stood, missing_tool};
use super::session::EngineError;
use super::standing::{Cause, Reused, Standing};
use crate::base::{ActionKey, BlobDigest, Entry, FailureKind, Name, RelPath, TaskName};
use crate::event::{Event, Failure, Outcome, RunId, Spent};
use crate::exec::scheduler::{AgentIx, CostEstimate};
use crate::exec::{Attempted, BodyEnded, BoxFuture, EventSink, Fault, Hired, Lender, Resolved, Tasks};
use crate::graph::TaskIx;
use crate::key::Description;
use crate::plan::{Retry, SandboxMode};
use crate::sandbox::{Backend, CancelLevel, Sandbox};
use crate::store::{Origin, Root, Source, Spares, TaskRecord};

/// How often a result is made again on top of others before the task is red.
const MEETINGS_MAX: u32 = 3;
/// How often a cached result is tried to be judged whose files change, or are lost, meanwhile.
const UNJUDGED_MAX: u32 = 5;

/// Everything a build works with.
pub(super) struct Builder {
    /// Keys and records.
    pub resolver: Arc<Resolver>,
    /// The machine.
    pub host: Host,
    /// What isolates.
    pub sandbox: Sandbox,
    /// Who lends job slots to gates.
    pub lender: Lender,
    /// The project, with a staging place for atomic writes.
    pub project: Root,
    /// `.orca`.
    pub state: PathBuf,
    /// What workspaces leave for the next ones; `None` where they cannot be kept.
    pub spares: Option<Arc<Spares>>,
    /// This run.
    pub run: RunId,
    /// What declared tools are.
    pub tools: KnownTools,
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
    /// The tasks of this build.
    pub selected: BTreeSet<TaskIx>,
    /// Those of them that came to an end.
    pub settled: Mutex<BTreeSet<TaskIx>>,
    /// Tasks that left the plan and still have a part in files that others changed, too, with their turns.
    pub leavers: Leavers,
    /// Tasks that are accepted, some of whose changes later tasks are to place with their own.
    pub left: Mutex<BTreeMap<TaskIx, Left>>,
    /// `orca.lock`.
    pub lock: LockKeeper,
    /// `--locked`: nothing may run.
    pub locked: bool,
    /// `orca gate`: gates judge what is there, and nothing runs.
    pub judging: Option<Judging>,
    /// Held while a result is put together with others: one at a time.
    pub integrating: Mutex<()>,
    /// The agents of the plan, by number.
    pub agents: Vec<Name>,
    /// What is known of money in this build.
    pub money: Money,
    /// Who is asked for approval; `None` where there is nobody at the terminal.
    pub person: Option<Arc<dyn Person>>,
    /// Held while a command is measured: one at a time.
    pub measuring: tokio::sync::Mutex<()>,
    /// Held while somebody is asked: one question at a time.
    pub asking: Mutex<()>,
    /// Whether the build was interrupted.
    pub interrupted: AtomicBool,
    /// Tasks that were settled before the executor started, until it asks for them.
    pub clean: Mutex<HashMap<TaskIx, Resolved>>,
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
    /// Whether the body ran since the task was keyed.
    pub is_tried: bool,
    /// What a gate said of a cached result, for the agent that has to make another.
    pub lesson: Option<String>,
    /// The earlier tasks that results of it could not be merged with, in this build.
    pub met: BTreeSet<TaskIx>,
    /// How often that happened.
    pub meetings: u32,
    /// How often a cached result could not be judged, since a file of it was not to be had.
    pub unjudged: u32,
    /// A result of this build that every gate agrees to, and that waits to be integrated.
    pub ready: Option<Ready>,
}

/// A result between its gates and the project.
#[derive(Clone)]
pub(super) struct Ready {
    /// It.
    pub reused: Reused,
    /// Whether the task just ran for it.
    pub is_fresh: bool,
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

/// The failure of a task that cannot even be started.
fn cannot_start(message: String) -> Failure {
    Failure { kind: FailureKind::Spawn, message, exit_code: None, signal: None, details: Vec::new() }
}

pub(super) fn fault(error: impl std::fmt::Display) -> Fault {
    Fault(error.to_string())
}

impl Tasks for Builder {
    fn known(&self, task: TaskIx) -> Option<Resolved> {
        self.clean.lock().expect("no holder panics").remove(&task)
    }

    fn resolve(&self, task: TaskIx) -> Result<Resolved, Fault> {
        let earlier = self.pending.lock().expect("no holder panics").get(&task).cloned();
        let mut met: Vec<TaskIx> = Vec::new();
        if let Some(pending) = earlier {
            met.extend(&pending.met);
            if let Some(ready) = pending.ready {
                match self.settle_ready(task, &pending.keyed, &ready)? {
                    Settling::Resolved(resolved) => return Ok(resolved),
                    Settling::OnTopOf(tasks) => met = tasks,
                }
            }
        }
        loop {
            match self.resolve_once(task, &met)? {
                Settling::Resolved(resolved) => return Ok(resolved),
                Settling::OnTopOf(tasks) => met = tasks,
            }
        }
    }

    fn attempt(
        self: Arc<Self>,
        task: TaskIx,
        lesson: Option<String>,
        cancel: watch::Receiver<CancelLevel>,
        ended: BodyEnded,
    ) -> BoxFuture<Result<Attempted, Fault>> {
        Box::pin(async move {
            let mut spent = Spent::default();
            let end = self.make_attempt(task, lesson, &mut spent, cancel, ended).await?;
            spent += self.take_reviews(task);
            Ok(Attempted { end, spent })
        })
    }

    fn name(&self, task: TaskIx) -> TaskName {
        self.resolver.name(task).clone()
    }

    fn retry(&self, task: TaskIx) -> Retry {
        self.resolver.task(task).retry.clone()
    }

    fn hired(&self, task: TaskIx) -> Option<Hired> {
        let pending = self.pending.lock().expect("no holder panics");
        let held = pending.get(&task).filter(|held| held.candidate.is_none())?;
        let agent = held.keyed.agent.as_ref()?;
        let ledger = &self.resolver.ledger;
        let cost = CostEstimate {
            of_task: ledger.cost_of_task(self.resolver.name(task)),
            of_agent: ledger.cost_of_agent(agent),
        };
        Some(Hired { agent: self.agents.binary_search(agent).ok()?, cost })
    }

    fn agent_name(&self, agent: AgentIx) -> Name {
        self.agents[agent].clone()
    }

    fn stop_agent(&self, agent: AgentIx, failure: &Failure) {
        self.resolver.stopped.add(self.agents[agent].clone(), failure.clone());
    }

    fn successor(&self, agent: AgentIx) -> Option<AgentIx> {
        let after = self.resolver.plan().with_fallbacks(&self.agents[agent]).skip(1);
        let next = after.map(|agent| &agent.name).find(|agent| self.resolver.stopped.why(agent).is_none())?;
        self.agents.binary_search(next).ok()
    }

    fn estimate_ms(&self, task: TaskIx) -> Option<u64> {
        self.resolver.ledger.estimate_ms(self.resolver.name(task))
    }

    fn interrupted(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
    }

    fn settled(&self, task: TaskIx, _: &Outcome) {
        self.pending.lock().expect("no holder panics").remove(&task);
        if self.resolver.graph.is_editor(task) {
            self.settled.lock().expect("no holder panics").insert(task);
        }
    }
}

/// Why a task would run, or be judged anew.
fn would_run(standing: &Standing) -> Option<String> {
    match standing {
        Standing::Clean(_) | Standing::Conflict(_) | Standing::Held(_) => None,
        Standing::Judge(..) => Some("gates must judge its result".to_owned()),
        Standing::Dirty(cause) => Some(cause.to_string()),
    }
}

/// How one try to settle a task ended.
enum Settling {
    /// So.
    Resolved(Resolved),
    /// It has to be made on top of these.
    OnTopOf(Vec<TaskIx>),
}

/// How reusing a result ended.
pub(super) enum Reuse {
    /// So.
    Resolved(Resolved),
    /// It has to be made on top of others; the task holds which.
    OnTop,
}

impl Builder {
    /// Looks a task up and settles it, or says that it has to run.
    fn resolve_once(&self, task: TaskIx, met: &[TaskIx]) -> Result<Settling, Fault> {
        let is_open = |ix| self.is_open(ix);
        let stood = self.resolver.stand(task, self.forced.contains(&task), met, &is_open).map_err(fault)?;
        let (keyed, standing) = match stood {
            Stood::At(keyed, standing) => (*keyed, *standing),
            Stood::Later(on) => return Ok(Settling::Resolved(Resolved::Waits(on))),
            Stood::Impossible(why) => {
                return Ok(Settling::Resolved(Resolved::Red(conflict(why, Vec::new()))));
            }
            Stood::Waits(on) => {
                let (task, on) = (self.resolver.name(task), self.resolver.name(on));
                return Err(fault(format!("`{task}` was resolved before `{on}` was accepted")));
            }
        };
        if let Some(failure) = self.impossible(&keyed) {
            self.record(task, &keyed, false, &failure.message, None);
            return Ok(Settling::Resolved(Resolved::Red(failure)));
        }
        let missing = matches!(standing, Standing::Dirty(_)).then(|| self.missing_program(task, &keyed)).flatten();
        if let Some(why) = missing {
            self.record(task, &keyed, false, &why, None);
            return Ok(Settling::Resolved(Resolved::Red(cannot_start(why))));
        }
        let stopped = || self.resolver.stopped.why(keyed.agent.as_ref()?);
        if matches!(standing, Standing::Dirty(_))
            && let Some(failure) = stopped()
        {
            return Ok(Settling::Resolved(Resolved::Red(failure)));
        }
        let key = keyed.key;
        if let (true, Some(because)) = (self.locked, would_run(&standing)) {
            let message = format!("it would run, which --locked forbids: {because}");
            return Ok(Settling::Resolved(Resolved::Red(conflict(message, Vec::new()))));
        }
        let resolved = match standing {
            // It leaves no record: where the key is again what it was, the last result is still the one that counts.
            Standing::Conflict(conflict) => Ok(Resolved::Red(conflict.failure())),
            Standing::Clean(reused) | Standing::Held(reused) => {
                let outcome = |restored| reused.as_cached(restored);
                return self.settling(task, self.reuse(task, &keyed, &reused, &outcome)?);
            }
            Standing::Judge(reused, gates) => {
                let names: Vec<String> = gates.iter().map(|gate| format!("`{gate}`")).collect();
                self.hold(task, keyed, Some((reused, gates)));
                Ok(Resolved::Dirty { key, because: format!("{} must judge its result", names.join(", ")) })
            }
            Standing::Dirty(cause @ (Cause::RedGate(_) | Cause::Rejected | Cause::Forced)) => {
                // A build that ended red taught something: the next one need not begin without it.
                let lesson = match &cause {
                    Cause::RedGate(_) => self.resolver.red_verdicts(task, &keyed),
                    _ => None,
                };
                self.hold_to_run(task, keyed);
                lesson.into_iter().for_each(|lesson| self.note_lesson(task, lesson));
                Ok(Resolved::Dirty { key, because: cause.to_string() })
            }
            Standing::Dirty(cause) => {
                self.hold(task, keyed, None);
                Ok(Resolved::Dirty { key, because: cause.to_string() })
            }
        };
        resolved.map(Settling::Resolved)
    }

    /// Integrates a result of this build, if it is its turn.
    fn settle_ready(&self, task: TaskIx, keyed: &Keyed, ready: &Ready) -> Result<Settling, Fault> {
        let outcome = |restored| match ready.is_fresh {
            true => Outcome::Ran,
            false => ready.reused.as_cached(restored),
        };
        self.settling(task, self.reuse(task, keyed, &ready.reused, &outcome)?)
    }

    fn settling(&self, task: TaskIx, reuse: Reuse) -> Result<Settling, Fault> {
        Ok(match reuse {
            Reuse::Resolved(resolved) => Settling::Resolved(resolved),
            Reuse::OnTop => Settling::OnTopOf(self.held(task).met.into_iter().collect()),
        })
    }

    fn change_pending(&self, task: TaskIx, keyed: Keyed, change: impl FnOnce(&mut Pending)) {
        let mut all = self.pending.lock().expect("no holder panics");
        let known = all.remove(&task);
        let (met, meetings, unjudged, lesson) =
            known.map_or_else(Default::default, |known| (known.met, known.meetings, known.unjudged, known.lesson));
        let mut pending = Pending {
            keyed,
            candidate: None,
            must_run: false,
            is_tried: false,
            lesson,
            met,
            meetings,
            unjudged,
            ready: None,
        };
        change(&mut pending);
        all.insert(task, pending);
    }

    pub(super) fn hold(&self, task: TaskIx, keyed: Keyed, candidate: Option<(Reused, Vec<Name>)>) {
        self.change_pending(task, keyed, |pending| pending.candidate = candidate);
    }

    fn hold_to_run(&self, task: TaskIx, keyed: Keyed) {
        self.change_pending(task, keyed, |pending| pending.must_run = true);
    }

    /// Counts that a cached result could not be judged; whether that happened too often.
    pub(super) fn is_unjudged_for_good(&self, task: TaskIx) -> bool {
        let mut all = self.pending.lock().expect("no holder panics");
        let Some(pending) = all.get_mut(&task) else { return false };
        pending.unjudged += 1;
        pending.unjudged >= UNJUDGED_MAX
    }

    /// Notes that the body runs.
    pub(super) fn note_try(&self, task: TaskIx) {
        if let Some(pending) = self.pending.lock().expect("no holder panics").get_mut(&task) {
            pending.is_tried = true;
        }
    }

    /// Notes what a gate said of a cached result.
    pub(super) fn note_lesson(&self, task: TaskIx, lesson: String) {
        if let Some(pending) = self.pending.lock().expect("no holder panics").get_mut(&task) {
            pending.lesson = Some(lesson);
        }
    }

    /// Holds a result that every gate agrees to until it is integrated.
    pub(super) fn hold_ready(&self, task: TaskIx, keyed: Keyed, ready: Ready) {
        self.change_pending(task, keyed, |pending| pending.ready = Some(ready));
    }

    pub(super) fn held(&self, task: TaskIx) -> Pending {
        self.pending.lock().expect("no holder panics").get(&task).expect("a running task was resolved").clone()
    }

    pub(super) fn notice(&self, warning: bool, message: String) {
        self.sink.emit(Event::Notice { warning, message });
    }

    /// Why a task cannot even start.
    pub(super) fn impossible(&self, keyed: &Keyed) -> Option<Failure> {
        let definition = &keyed.context.definition;
        if definition.sandbox == SandboxMode::Required && self.sandbox.backend() == Backend::None {
            return Some(cannot_start(format!("it requires a sandbox, and none works here: {}", self.sandbox.why())));
        }
        missing_tool(&keyed.context).map(cannot_start)
    }

    /// Restores what is missing of a result that is reused, and accepts it. Where the cache turns out to have lost some
    /// of it, the task needs to run after all.
    pub(super) fn reuse(
        &self,
        task: TaskIx,
        keyed: &Keyed,
        reused: &Reused,
        outcome: &dyn Fn(u64) -> Outcome,
    ) -> Result<Reuse, Fault> {
        let is_editor = self.resolver.graph.is_editor(task);
        if is_editor && let Some(ended) = self.not_integrated(task, keyed, self.can_integrate(task, keyed, reused))? {
            return Ok(ended);
        }
        if let Some(outcome) = self.awaits_approval(task, keyed, reused)? {
            return Ok(Reuse::Resolved(Resolved::Held { key: keyed.key, outcome }));
        }
        let is_in_place = reused.recorded && reused.stale.is_empty();
        let word = if outcome(0) == Outcome::Ran { "ran" } else { "cached" };
        let record = || self.record_of_reused(task, keyed, reused, word);
        let on_record = || (!is_editor).then(record);
        let (mut restored, is_recorded) = match self.restore(task, reused, is_in_place, &on_record) {
            Ok(restored) => restored,
            Err(Refused::Conflict(failure)) => return Ok(Reuse::Resolved(Resolved::Red(failure))),
            Err(Refused::Lost(path)) => {
                self.hold(task, keyed.clone(), None);
                let because = Cause::Lost(path).to_string();
                return Ok(Reuse::Resolved(Resolved::Dirty { key: keyed.key, because }));
            }
            Err(Refused::World(error)) => return Err(fault(error)),
        };
        let is_noted = is_in_place && self.is_noted(task, &|| self.origin_of_reused(task, keyed, reused));
        if is_editor {
            let integrated = self.integrate(task, keyed, &reused.edits, &record);
            if let Ok(Integration::Done(written)) = &integrated {
                restored += written;
            }
            if let Some(ended) = self.not_integrated(task, keyed, integrated)? {
                return Ok(ended);
            }
            self.note_refused(task, keyed.key, None).map_err(fault)?;
        }
        if !is_noted && !is_recorded && (!is_editor || reused.recorded) {
            self.put_record(task, record());
        }
        Ok(Reuse::Resolved(self.accept_reused(task, keyed, reused, outcome(restored))))
    }

    fn origin_of_reused(&self, task: TaskIx, keyed: &Keyed, reused: &Reused) -> Origin {
        let gates = self.resolver.gate_keys(task, keyed, &reused.outputs, &reused.edits);
        origin(&self.resolver, keyed, gates, reused.cost_micro_usd)
    }

    /// The state of a task whose result is reused.
    pub(super) fn record_of_reused(&self, task: TaskIx, keyed: &Keyed, reused: &Reused, word: &str) -> TaskRecord {
        self.record_of(task, keyed, true, word, reused.log, self.origin_of_reused(task, keyed, reused))
    }

    /// Accepts a task whose result is on record and in the project.
    pub(super) fn accept_reused(&self, task: TaskIx, keyed: &Keyed, reused: &Reused, outcome: Outcome) -> Resolved {
        let is_fresh = outcome == Outcome::Ran;
        self.keep_in_lock(task, keyed, reused, is_fresh);
        let plan_task = self.resolver.task(task);
        if plan_task.outputs.is_empty() && plan_task.edits.is_empty() && !is_fresh {
            self.replay(task, keyed, reused);
        }
        if is_fresh && plan_task.is_agent() && reused.outputs.is_empty() && reused.edits.is_empty() {
            self.notice(true, format!("`{}` changed nothing (`orca log` shows what it said)", plan_task.name));
        }
        let (outputs, edits) = (Arc::clone(&reused.outputs), Arc::clone(&reused.edits));
        let on_top_of = Arc::new(keyed.on_top_of.clone());
        self.resolver.accept(task, Produced { outputs, edits, on_top_of });
        Resolved::Clean { key: keyed.key, outcome }
    }

    /// What becomes of a task whose result is not in the project; `None` where it is, or can be.
    fn not_integrated(
        &self,
        task: TaskIx,
        keyed: &Keyed,
        integrated: Result<Integration, EngineError>,
    ) -> Result<Option<Reuse>, Fault> {
        Ok(match integrated.map_err(fault)? {
            Integration::Done(_) => None,
            Integration::Waits(on) => Some(Reuse::Resolved(Resolved::Waits(on))),
            Integration::Refused(failure) => {
                self.note_refused(task, keyed.key, Some(&failure)).map_err(fault)?;
                Some(Reuse::Resolved(Resolved::Red(failure)))
            }
            Integration::Meets(others, hunks) => {
                let held = self.pending.lock().expect("no holder panics").get(&task).map_or(0, |held| held.meetings);
                if held >= MEETINGS_MAX || others.iter().all(|other| keyed.on_top_of.contains(other)) {
                    return Ok(Some(Reuse::Resolved(Resolved::Red(conflict(hunks, Vec::new())))));
                }
                let names: Vec<String> = others.iter().map(|ix| format!("`{}`", self.resolver.name(*ix))).collect();
                let (name, names) = (self.resolver.name(task), names.join(", "));
                let first = hunks.lines().next().unwrap_or_default();
                self.notice(false, format!("`{name}` is made again on top of {names}: {first}"));
                self.change_pending(task, keyed.clone(), |pending| {
                    pending.met.extend(others.iter().chain(&keyed.on_top_of));
                    pending.meetings += 1;
                });
                Some(Reuse::OnTop)
            }
        })
    }

    /// Whether the record says of a result that is in place what there is to say. One that was made elsewhere has no
    /// description, and where gates have judged anew, their keys are others.
    fn is_noted(&self, task: TaskIx, origin: &dyn Fn() -> Origin) -> bool {
        let Some(known) = self.resolver.ledger.task(self.resolver.name(task)) else { return false };
        known.run != ELSEWHERE
            && (!is_locked(self.resolver.plan(), &self.resolver.graph, task) || known.origin == origin())
    }

    /// Puts what is missing of a result into the project. Answers how many paths that were, and whether the task is on
    /// record with it.
    fn restore(
        &self,
        task: TaskIx,
        reused: &Reused,
        is_in_place: bool,
        record: &dyn Fn() -> Option<TaskRecord>,
    ) -> Result<(u64, bool), Refused> {
        if is_in_place {
            return Ok((0, false));
        }
        let done = self.publisher().publish(task, &reused.outputs, self.stored(), &reused.drifted, record)?;
        self.tell(done.notices);
        Ok((done.written, done.is_recorded))
    }

    /// The content of results that are not in a workspace.
    pub(super) fn stored(&self) -> Content<'_> {
        Content::Stored { kept: self.resolver.kept.as_ref(), store: self.resolver.store.as_ref() }
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
    fn replay(&self, task: TaskIx, keyed: &Keyed, reused: &Reused) {
        if let Some(text) = super::standstill::replayed(&self.resolver, keyed, reused) {
            self.sink.emit(Event::TaskOutput { task: self.name(task), text });
        }
    }

    /// Where the content of a view's file is: what a task wrote in the cache, source in the project.
    pub(super) fn source(&self, path: &RelPath, entry: &Entry) -> Source<'_> {
        if let (Some(kept), Entry::File { digest, .. }) = (&self.resolver.kept, entry)
            && self.resolver.graph.has_editors()
            && kept.has(digest)
        {
            return Source::Kept(kept);
        }
        let graph = &self.resolver.graph;
        let is_made = graph.owner(path).is_some() || graph.has_editors() && !graph.editors(path).is_empty();
        let (true, Entry::File { digest, .. }) = (is_made, entry) else {
            return Source::Project(&self.resolver.root);
        };
        if let Some(store) = self.resolver.store.as_ref().filter(|store| store.has(digest)) {
            return Source::Cas(store);
        }
        // What an agent wrote is kept with the project: a cache that has lost it costs no second run.
        let kept = self.resolver.kept.as_ref().filter(|kept| kept.has(digest));
        kept.map_or(Source::Project(&self.resolver.root), Source::Kept)
    }

    pub(super) fn record(&self, task: TaskIx, keyed: &Keyed, accepted: bool, outcome: &str, log: Option<BlobDigest>) {
        self.put_record(task, self.record_of_command(task, keyed, accepted, outcome, log));
    }

    /// The state of a task whose result no agent made, or that has none.
    pub(super) fn record_of_command(
        &self,
        task: TaskIx,
        keyed: &Keyed,
        accepted: bool,
        outcome: &str,
        log: Option<BlobDigest>,
    ) -> TaskRecord {
        self.record_of(task, keyed, accepted, outcome, log, origin(&self.resolver, keyed, BTreeMap::new(), 0))
    }

    fn record_of(
        &self,
        task: TaskIx,
        keyed: &Keyed,
        accepted: bool,
        outcome: &str,
        log: Option<BlobDigest>,
        origin: Origin,
    ) -> TaskRecord {
        TaskRecord {
            key: keyed.key,
            description: Description::of(&keyed.context).to_text(),
            accepted,
            outcome: outcome.to_owned(),
            run: self.run,
            log,
            is_agent: self.resolver.task(task).is_agent(),
            origin,
        }
    }

    fn put_record(&self, task: TaskIx, record: TaskRecord) {
        self.put_records(&[(self.name(task), record)]);
    }

    /// Puts the states of tasks on record, in one step.
    pub(super) fn put_records(&self, records: &[(TaskName, TaskRecord)]) {
        if records.is_empty() {
            return;
        }
        if let Err(error) = self.resolver.ledger.with_journal(|journal| journal.put_tasks(records)) {
            let more = if records.len() == 1 { String::new() } else { format!(" and {} more", records.len() - 1) };
            self.notice(true, format!("`{}`{more} will run again: {error}", records[0].0));
        }
    }
}
