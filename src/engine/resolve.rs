//! Where a task stands: its key from what is known now, and what is on record for it. Looks only, changes nothing.
//!
//! ```text
//! results of deps ─┐
//! definition ──────┼─ TaskContext ─ key ─┬─ on record as accepted ──────┐
//! source view ─────┘                     ├─ in the action cache ────────┼─ gates green? ─ Clean
//!                                        └─ neither ─ Dirty             ├─ not judged ─── Judge
//!                                                                       └─ red ────────── Dirty
//! ```
//!
//! INVARIANT: what needs a new result of an agent where a person changed the last one is a conflict, not dirty: nobody
//! pays for a result that cannot be put into the project.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::fallback::StoppedAgents;
use super::git_history::GitHistory;
use super::ledger::Ledger;
use super::merging::{Clash, Contents, Folded, Merging, lost};
use super::osv_database::OsvDatabases;
use super::produced::Produced;
use super::reconcile::ELSEWHERE;
use super::session::{EngineError, Session, Survey};
use super::standing::{Cause, Conflict, Reused, Standing};
use super::subject::Subject;
use super::unchanged::typical_ms;
use crate::base::{ActionKey, Change, Entry, GateKey, Name, RelPath, TaskName, Tree, parallel};
use crate::context::{Definition, SourceIndex, TaskContext, ToolIdentity, view};
use crate::db::{Facts, OrcaDb};
use crate::event::ActionResult;
use crate::gates::{Baseline, Verdict};
use crate::graph::{EdgeKind, Graph, TaskIx};
use crate::key::{Description, action_key};
use crate::merge::is_binary;
use crate::plan::{Document, GateDef, Plan, Task};
use crate::store::{Decision, Kept, Root, StatCache, Store, StoreError};
use crate::sys::beneath::{FileKind, FileStat};

/// A task keyed, with what it was keyed from.
#[derive(Debug, Clone)]
pub struct Keyed {
    /// The complete task.
    pub context: Arc<TaskContext>,
    /// Its key.
    pub key: ActionKey,
    /// The source files of its view.
    pub source: Arc<Tree>,
    /// Tasks that no edge of the plan names, and that it sees the changes of.
    pub on_top_of: Vec<TaskIx>,
    /// The key without those, for the agent that the plan names.
    pub first_key: ActionKey,
    /// The agent that it is the key for; none for a command.
    pub agent: Option<Name>,
}

/// A task with its key and where it stands, or why it has none.
#[derive(Debug)]
pub enum Stood {
    /// Here.
    At(Box<Keyed>, Box<Standing>),
    /// This one, which it waits for, is not accepted.
    Waits(TaskIx),
    /// It is to run on top of this one, which is not settled.
    Later(TaskIx),
    /// Changes of the tasks that it waits for clash, or are lost.
    Impossible(String),
}

/// Why a task has no key.
#[derive(Debug)]
pub enum Unkeyed {
    /// This one, which it waits for, is not accepted.
    Waits(TaskIx),
    /// Changes of the tasks that it waits for clash, or are lost.
    Impossible(String),
}

/// Resolves tasks of one session. Shared by all threads of a build.
pub struct Resolver {
    /// The plan.
    pub plan: Arc<crate::db::Lowered>,
    /// The graph.
    pub graph: Arc<Graph>,
    /// The project's root.
    pub root: Root,
    /// What digests are known of which file states.
    pub stat_cache: StatCache,
    /// The record of earlier runs.
    pub ledger: Ledger,
    /// The cache, if it can be opened.
    pub store: Option<Store>,
    /// What the project keeps for itself.
    pub kept: Option<Kept>,
    /// Merges of what tasks changed, and what is known of them.
    pub merging: Merging,
    history: GitHistory,
    editing_ancestors: Vec<Arc<BTreeSet<TaskIx>>>,
    /// All source files of the project, where a gate of the plan judges it.
    pub all_sources: Tree,
    pub(super) gate_sources: BTreeMap<Name, Tree>,
    /// Findings that a person has accepted.
    pub baseline: Baseline,
    /// The databases of vulnerabilities that gates name.
    pub osv: OsvDatabases,
    pub(super) osv_fingerprints: std::sync::Mutex<BTreeMap<String, String>>,
    pub(super) facts: Arc<Facts>,
    pub(super) db: std::sync::Mutex<OrcaDb>,
    /// What the memos said of each task, by plan order, until a file is digested anew.
    read: Vec<OnceLock<(Arc<Definition>, Arc<Tree>)>>,
    is_refreshed: AtomicBool,
    results: Vec<OnceLock<Produced>>,
    is_overtaken: AtomicBool,
    pub(super) stopped: StoppedAgents,
}

impl Resolver {
    /// A resolver for a surveyed session.
    #[must_use]
    pub fn new(session: Session, survey: Survey, ledger: Ledger, store: Option<Store>, kept: Option<Kept>) -> Self {
        let results = (0..session.graph.len()).map(|_| OnceLock::new()).collect();
        let read = (0..session.graph.len()).map(|_| OnceLock::new()).collect();
        let editing_ancestors = match session.graph.has_editors() {
            true => session.graph.editing_ancestors(),
            false => Vec::new(),
        };
        let osv = OsvDatabases::new(survey.root.path(), &session.host);
        Self {
            kept,
            merging: Merging::knowing(ledger.merges()).believing(ledger.lock().lock.merged.clone()),
            history: GitHistory::new(survey.root.path().to_owned(), &session.host),
            editing_ancestors,
            plan: Arc::clone(&session.lowered),
            graph: Arc::clone(&session.graph),
            root: survey.root,
            stat_cache: survey.stat_cache,
            ledger,
            store,
            all_sources: survey.sources,
            gate_sources: survey.gate_sources,
            baseline: survey.baseline,
            osv,
            osv_fingerprints: std::sync::Mutex::default(),
            facts: session.db.facts(),
            db: std::sync::Mutex::new(session.db),
            read,
            is_refreshed: AtomicBool::new(false),
            results,
            is_overtaken: AtomicBool::new(false),
            stopped: StoppedAgents::default(),
        }
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan.plan
    }

    /// The task's name.
    #[must_use]
    pub fn name(&self, task: TaskIx) -> &TaskName {
        self.graph.name(task)
    }

    /// The task.
    #[must_use]
    pub fn task(&self, task: TaskIx) -> &Arc<Task> {
        &self.plan.plan.tasks[self.graph.name(task)]
    }

    /// What a task takes, on average over those that have run.
    #[must_use]
    pub fn typical_ms(&self) -> Option<u64> {
        typical_ms(&self.graph, |name| self.ledger.estimate_ms(name))
    }

    /// The accepted result of a task, once it is known.
    #[must_use]
    pub fn result(&self, task: TaskIx) -> Option<&Produced> {
        self.results[task.0 as usize].get()
    }

    /// Makes a task's accepted result known to its dependents.
    pub fn accept(&self, task: TaskIx, produced: Produced) {
        // A task is settled once; a second value would mean two results for one key.
        let _ = self.results[task.0 as usize].set(produced);
    }

    /// Whether a source file was changed while tasks of this build were keyed by it: some may be accepted that saw it as it was
    /// before.
    #[must_use]
    pub fn is_overtaken(&self) -> bool {
        self.is_overtaken.load(Ordering::Relaxed)
    }

    /// Digests these source files anew and tells the memos. What is no longer a file, link or empty directory is gone.
    /// Of a path that orca edited the base stays the source.
    pub fn refresh(&self, paths: &[RelPath]) -> Result<(), StoreError> {
        let states = self.digests(paths)?;
        self.take_digests(states);
        Ok(())
    }

    /// What these source files are now.
    pub(super) fn digests(&self, paths: &[RelPath]) -> Result<Vec<(RelPath, Option<Entry>)>, StoreError> {
        let digest = |path: &RelPath| match self.ledger.provenance(path) {
            Some(provenance) => Ok((path.clone(), provenance.base)),
            None => Ok((path.clone(), on_disk(&self.stat_cache, &self.root, path)?)),
        };
        parallel::map(paths, 0, digest).into_iter().collect()
    }

    /// Tells the memos what source files are now.
    pub(super) fn take_digests(&self, states: Vec<(RelPath, Option<Entry>)>) {
        let mut db = self.db.lock().expect("no holder panics");
        self.is_refreshed.store(true, Ordering::Release);
        if db.set_files(states) {
            self.is_overtaken.store(true, Ordering::Relaxed);
        }
    }

    /// Whether where a task stands depends on more than the tasks that it waits for: where tasks edit files in place, or did.
    pub(super) fn turns_matter(&self) -> bool {
        self.graph.has_editors() || self.ledger.tasks().any(|(_, known)| !known.origin.on_top_of.is_empty())
    }

    /// Asks the memos about these tasks on all cores, so that what follows finds the answers.
    pub(super) fn read_ahead(&self, tasks: &BTreeSet<TaskIx>) {
        let db = self.db.lock().expect("no holder panics").clone();
        let tasks: Vec<TaskIx> = tasks.iter().copied().collect();
        tasks.into_par_iter().for_each_with(db, |db, task| {
            self.read[task.index()].get_or_init(|| self.ask(db, task));
        });
    }

    /// What the memos say of a task: what of it does not depend on files, and the source files of its view.
    fn ask(&self, db: &OrcaDb, task: TaskIx) -> (Arc<Definition>, Arc<Tree>) {
        let name = self.graph.name(task);
        (db.definition(name).expect("the graph holds only tasks of the plan"), db.source_view(name))
    }

    fn definition_and_sources(&self, task: TaskIx) -> (Arc<Definition>, Arc<Tree>) {
        let known = self.read[task.index()].get().filter(|_| !self.is_refreshed.load(Ordering::Acquire));
        match known {
            Some((definition, sources)) => (Arc::clone(definition), Arc::clone(sources)),
            None => self.ask(&self.db.lock().expect("no holder panics"), task),
        }
    }

    /// The source paths that a task's patterns cover.
    #[must_use]
    pub fn source_paths(&self, task: TaskIx) -> Vec<RelPath> {
        let paths = self.db.lock().expect("no holder panics").sources(self.graph.name(task));
        paths.iter().cloned().collect()
    }

    /// The source files of a task's view, as the memos know them.
    #[must_use]
    pub fn source_view(&self, task: TaskIx) -> Arc<Tree> {
        self.definition_and_sources(task).1
    }

    /// What files there are, as they were listed.
    #[must_use]
    pub fn index(&self) -> Arc<SourceIndex> {
        self.db.lock().expect("no holder panics").index()
    }

    /// The plan's files.
    #[must_use]
    pub fn documents(&self) -> Arc<Vec<Document>> {
        self.db.lock().expect("no holder panics").documents()
    }

    /// Keys a task. All it waits for must be accepted.
    pub fn key(&self, task: TaskIx) -> Result<Keyed, Unkeyed> {
        self.key_on_top(task, &[])
    }

    /// Keys a task that runs on top of others, which have to be accepted, too.
    pub fn key_on_top(&self, task: TaskIx, on_top_of: &[TaskIx]) -> Result<Keyed, Unkeyed> {
        let absent = self.absent(task).chain(on_top_of.iter().copied().filter(|ix| self.result(*ix).is_none())).next();
        if let Some(dep) = absent {
            return Err(Unkeyed::Waits(dep));
        }
        let (first, source) = self.context(task, &[]).map_err(Unkeyed::Impossible)?;
        let first_key = action_key(&first);
        let (context, key) = match on_top_of {
            [] => (first, first_key),
            _ => {
                let (context, _) = self.context(task, on_top_of).map_err(Unkeyed::Impossible)?;
                let key = action_key(&context);
                (context, key)
            }
        };
        let agent = self.agent(task).map(|agent| agent.name.clone());
        Ok(Keyed { context: Arc::new(context), key, source, on_top_of: on_top_of.to_vec(), first_key, agent })
    }

    /// What a task sees and does not have accepted yet.
    pub fn absent(&self, task: TaskIx) -> impl Iterator<Item = TaskIx> {
        let deps = self.graph.deps(task).iter().copied().chain(self.graph.dropped_ancestors(task));
        deps.filter(|dep| self.result(*dep).is_none())
    }

    /// The complete task, as far as what it waits for is accepted; and the source files of its view. `Err` says why the
    /// changes that it should see cannot be put together.
    pub fn context(&self, task: TaskIx, on_top_of: &[TaskIx]) -> Result<(TaskContext, Arc<Tree>), String> {
        let (mut context, source) = self.context_of_outputs(task);
        self.overlay(task, on_top_of, &mut context.view)?;
        Ok((context, source))
    }

    /// The complete task but for what others changed in place.
    #[must_use]
    pub fn context_of_outputs(&self, task: TaskIx) -> (TaskContext, Arc<Tree>) {
        let (definition, source) = self.definition_and_sources(task);
        let mut whole = Vec::new();
        let mut matched = Vec::new();
        for dep in self.graph.deps(task) {
            let Some(result) = self.result(*dep) else { continue };
            match self.graph.edge(task, *dep) {
                EdgeKind::Inferred { .. } => matched.push(result.outputs.as_ref()),
                EdgeKind::Declared | EdgeKind::Added { .. } => whole.push(result.outputs.as_ref()),
            }
        }
        let of_dropped = self.graph.dropped_ancestors(task);
        matched.extend(of_dropped.into_iter().filter_map(|dep| self.result(dep)).map(|result| result.outputs.as_ref()));
        let view = view(self.task(task), &source, matched.into_iter(), whole.into_iter());
        let dependencies = self.dependencies(task);
        (TaskContext { definition, view, dependencies }, source)
    }

    /// Puts the changes of the tasks that this one waits for into its view.
    fn overlay(&self, task: TaskIx, on_top_of: &[TaskIx], view: &mut Tree) -> Result<(), String> {
        let before = self.editors_before(task, on_top_of);
        let mut paths: BTreeSet<&RelPath> = BTreeSet::new();
        for editor in &before {
            paths.extend(self.result(*editor).into_iter().flat_map(|result| result.edits.keys()));
        }
        let plan_task = self.task(task);
        for path in paths {
            let is_asked_for = plan_task.inputs.matches(path) || plan_task.edits.matches(path);
            if !view.contains_key(path) && !is_asked_for && !self.is_brought_by_dep(task, path) {
                continue;
            }
            let changes = before.iter().filter_map(|ix| Some((*ix, self.result(*ix)?.edits.get(path)?)));
            match self.fold(path, changes).map_err(|error| error.to_string())? {
                Folded::Entry(Some(entry)) => drop(view.insert(path.clone(), entry)),
                Folded::Entry(None) => drop(view.remove(path)),
                Folded::Clash(Clash { with, conflict }) => {
                    let (before, with) = ("the tasks before it".to_owned(), format!("`{}`", self.name(with)));
                    return Err(conflict.to_text(path.as_str(), &before, &with));
                }
                Folded::Lost => return Err(lost(path)),
            }
        }
        Ok(())
    }

    /// The tasks whose changes one sees: those that edit, that it waits for or runs on top of, and what those saw.
    #[must_use]
    pub fn editors_before(&self, task: TaskIx, on_top_of: &[TaskIx]) -> BTreeSet<TaskIx> {
        let Some(declared) = self.editing_ancestors.get(task.index()) else { return BTreeSet::new() };
        let mut before: BTreeSet<TaskIx> = declared.as_ref().clone();
        let mut open: Vec<TaskIx> = before.iter().chain(on_top_of).copied().collect();
        before.extend(on_top_of);
        while let Some(editor) = open.pop() {
            let of_editor = self.result(editor).map(|result| Arc::clone(&result.on_top_of)).unwrap_or_default();
            for above in self.editing_ancestors[editor.index()].iter().chain(of_editor.iter()) {
                if before.insert(*above) {
                    open.push(*above);
                }
            }
        }
        before
    }

    /// Folds changes of a path, given in plan order: the first was made to what the path held before all of them.
    pub(super) fn fold<'c>(
        &self,
        path: &RelPath,
        changes: impl Iterator<Item = (TaskIx, &'c Change)>,
    ) -> Result<Folded, EngineError> {
        let mut changes = changes.peekable();
        let start = changes.peek().and_then(|(_, change)| change.base.clone());
        self.merging.fold(self.contents(), path, start.as_ref(), changes)
    }

    /// Where content is found.
    pub(super) fn contents(&self) -> Contents<'_> {
        Contents {
            kept: self.kept.as_ref(),
            store: self.store.as_ref(),
            project: &self.root,
            deltas: Some(&self.ledger.lock().lock.deltas),
            history: Some(&self.history),
        }
    }

    /// Where a keyed task stands; `forced` is one that runs whatever its key says.
    pub fn standing(&self, task: TaskIx, keyed: &Keyed, forced: bool) -> Result<Standing, EngineError> {
        if forced {
            return self.to_run(task, Cause::Forced);
        }
        let name = self.graph.name(task);
        let record = self.ledger.task(name).filter(|record| record.accepted && record.key == keyed.key);
        let (outputs, edits) = (self.ledger.outputs(name), self.ledger.changes_by(name));
        let said = self.approval(task)?.filter(|said| said.key == keyed.key);
        if let Some(said) = said.as_ref().filter(|said| said.decision != Decision::Rejected)
            && !(record.is_some() && said.is_of(&keyed.key, &outputs, &edits))
        {
            return self.reused(task, keyed, said.result.clone());
        }
        if let Some(record) = record {
            let (stale, drifted) = self.compare(task, &outputs, true)?;
            // A journal that never saw it run has no time of it, and the cache may.
            let of_cache = || self.cached(&keyed.key).map(|result| result.usage.wall_ms);
            let saved_ms = self.ledger.estimate_ms(name).or_else(of_cache).unwrap_or(0);
            let cost_micro_usd = record.origin.cost_micro_usd;
            let log = record.log;
            let gates = record.origin.gates.clone();
            let reused =
                Reused { outputs, edits, stale, drifted, saved_ms, cost_micro_usd, log, gates, recorded: true };
            return self.judged(task, keyed, reused);
        }
        if let Some(result) = self.cached(&keyed.key) {
            return match said.is_some_and(|said| said.is_of(&keyed.key, &result.outputs, &result.edits)) {
                true => self.to_run(task, Cause::Rejected),
                false => self.reused(task, keyed, result),
            };
        }
        let cause = self.cause(name, keyed)?;
        self.to_run(task, cause)
    }

    /// Where a task stands whose result is there, and not in the project.
    fn reused(&self, task: TaskIx, keyed: &Keyed, result: ActionResult) -> Result<Standing, EngineError> {
        let (outputs, edits) = (Arc::new(result.outputs), Arc::new(result.edits));
        let (stale, drifted) = self.compare(task, &outputs, false)?;
        let (saved_ms, cost_micro_usd) = (result.usage.wall_ms, result.cost_micro_usd);
        let (log, gates) = (Some(result.log), BTreeMap::new());
        let reused = Reused { outputs, edits, stale, drifted, saved_ms, cost_micro_usd, log, gates, recorded: false };
        let paths = self.drifted_of(task, reused.stale.clone())?;
        match self.judged(task, keyed, reused)? {
            Standing::Clean(_) | Standing::Judge(..) | Standing::Held(_) if !paths.is_empty() => {
                Ok(Standing::Conflict(Conflict { paths, cause: None }))
            }
            standing => Ok(standing),
        }
    }

    /// Keys a task and says where it stands. `met` are the tasks that its result of this run could not be merged with;
    /// `is_open` says which tasks are not settled yet.
    ///
    /// A task that had to run on top of others does so again as long as it is the same task without them: then the
    /// conflict is known, and not paid for again. Where its first result is still there and theirs is new, that is tried.
    pub fn stand(
        &self,
        task: TaskIx,
        forced: bool,
        met: &[TaskIx],
        is_open: &dyn Fn(TaskIx) -> bool,
    ) -> Result<Stood, EngineError> {
        let keyed = |on_top_of: &[TaskIx]| match self.key_on_top(task, on_top_of) {
            Ok(keyed) => Ok(keyed),
            Err(Unkeyed::Waits(on)) => Err(Stood::Waits(on)),
            Err(Unkeyed::Impossible(why)) => Err(Stood::Impossible(why)),
        };
        let at = |keyed: Keyed| -> Result<Stood, EngineError> {
            let (keyed, standing) = self.among_agents(task, keyed, forced)?;
            Ok(Stood::At(Box::new(keyed), Box::new(standing)))
        };
        if !met.is_empty() {
            return keyed(met).map_or_else(Ok, at);
        }
        let first = match keyed(&[]) {
            Ok(first) => first,
            Err(not) => return Ok(not),
        };
        let record = self.ledger.task(self.name(task));
        let Some(record) = record.filter(|record| record.origin.first_key == Some(first.key)) else {
            return at(first);
        };
        let recorded: Option<Vec<TaskIx>> =
            record.origin.on_top_of.iter().map(|name| self.graph.ix(name).filter(|ix| *ix < task)).collect();
        let Some(recorded) = recorded else { return at(first) };
        if let Some(open) = recorded.iter().find(|ix| self.result(**ix).is_none() && is_open(**ix)) {
            return Ok(Stood::Later(*open));
        }
        if recorded.iter().any(|ix| self.result(*ix).is_none()) {
            return at(first);
        }
        match keyed(&recorded) {
            Ok(on_top) if record.accepted && self.has_key(task, &on_top, &|key| record.key == *key) => at(on_top),
            Ok(on_top) if !self.has_key(task, &first, &|key| self.cached(key).is_some()) => at(on_top),
            Ok(_) => at(first),
            Err(not) => Ok(not),
        }
    }

    /// A task that needs to run, unless its result could not be put into the project.
    fn to_run(&self, task: TaskIx, cause: Cause) -> Result<Standing, EngineError> {
        let paths = self.changed_by_hand(task)?;
        Ok(match paths.is_empty() {
            true => Standing::Dirty(cause),
            false => Standing::Conflict(Conflict { paths, cause: Some(cause) }),
        })
    }

    /// Outputs of an agent that are not any more what orca put there. What was deleted is no one's.
    pub fn changed_by_hand(&self, task: TaskIx) -> Result<Vec<RelPath>, EngineError> {
        let published = self.ledger.published_by(self.graph.name(task));
        let owned: Vec<RelPath> = published.into_keys().filter(|path| self.graph.owner(path) == Some(task)).collect();
        self.drifted_of(task, owned)
    }

    /// Which of these paths a person changed since orca put something there, where they are an agent's and no new version
    /// could be merged with that.
    fn drifted_of(&self, task: TaskIx, paths: Vec<RelPath>) -> Result<Vec<RelPath>, EngineError> {
        let mut drifted = Vec::new();
        if !self.task(task).is_agent() {
            return Ok(drifted);
        }
        for path in paths {
            let known = self.ledger.published_at(&path).filter(|known| known.task == *self.name(task));
            let Some(known) = known else { continue };
            let Some(found) = self.found_for(&path, &known.entry)?.filter(|found| *found != known.entry) else {
                continue;
            };
            if !self.can_be_merged(&path, &known.entry, &found)? {
                drifted.push(path);
            }
        }
        Ok(drifted)
    }

    /// Whether a new version may be merged with what a person made of the old one: both are text.
    fn can_be_merged(&self, path: &RelPath, placed: &Entry, found: &Entry) -> Result<bool, EngineError> {
        let (Entry::File { digest: placed, .. }, Entry::File { digest: found, .. }) = (placed, found) else {
            return Ok(false);
        };
        for digest in [placed, found] {
            if self.contents().read(path, digest)?.is_none_or(|bytes| is_binary(&bytes)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn cached(&self, key: &ActionKey) -> Option<ActionResult> {
        // A cache that cannot be read is a slower build, not a wrong one.
        self.store.as_ref()?.result(key).ok().flatten()
    }

    /// Why a task without a usable result needs to run.
    fn cause(&self, name: &TaskName, keyed: &Keyed) -> Result<Cause, EngineError> {
        if self.ledger.task(name).is_some_and(|known| known.run == ELSEWHERE && known.key != keyed.key) {
            return Ok(Cause::Elsewhere);
        }
        let Some(record) = self.ledger.record(name)? else { return Ok(Cause::NeverRun) };
        if record.key == keyed.key {
            return Ok(if record.accepted { Cause::NeverRun } else { Cause::Failed(record.outcome) });
        }
        let now = Description::of(&keyed.context);
        Ok(match Description::from_text(&record.description) {
            Some(then) => Cause::Changed(now.changes_since(&then)),
            None => Cause::NeverRun,
        })
    }

    /// Which outputs are not on disk as they should be, and which of them a person changed and shall keep.
    fn compare(
        &self,
        task: TaskIx,
        outputs: &Tree,
        recorded: bool,
    ) -> Result<(Vec<RelPath>, Vec<RelPath>), EngineError> {
        let is_agent = self.task(task).is_agent();
        // A result that orca put there before, and that a person changed then, stays changed when it is due again.
        let is_from_here = |path: &RelPath, entry: &Entry| {
            self.ledger.published_at(path).is_some_and(|published| published.entry == *entry)
        };
        let (mut stale, mut drifted) = (Vec::new(), Vec::new());
        for (path, entry) in outputs {
            // What others edit is placed with their changes, and compared with those.
            if recorded && self.ledger.provenance(path).is_some_and(|known| known.base.as_ref() == Some(entry)) {
                continue;
            }
            match self.found_for(path, entry)? {
                Some(found) if found == *entry => {}
                Some(_) if is_agent && (recorded || is_from_here(path, entry)) => drifted.push(path.clone()),
                _ => stale.push(path.clone()),
            }
        }
        Ok((stale, drifted))
    }

    /// What is at a path of the project; what cannot be an output there counts as nothing.
    pub fn on_disk(&self, path: &RelPath) -> Result<Option<Entry>, EngineError> {
        on_disk(&self.stat_cache, &self.root, path).map_err(EngineError::from)
    }

    /// What is at a path where `wanted` should be. A directory with something of a person's in it is as good as an
    /// empty one.
    pub fn found_for(&self, path: &RelPath, wanted: &Entry) -> Result<Option<Entry>, EngineError> {
        let found = self.on_disk(path)?;
        let is_directory = |found: Option<FileStat>| found.is_some_and(|stat| stat.kind == FileKind::Directory);
        let may_stand_for_it = found.is_none() && *wanted == Entry::EmptyDir;
        let stands_for_it = may_stand_for_it && self.root.stat(path).is_ok_and(is_directory);
        Ok(if stands_for_it { Some(Entry::EmptyDir) } else { found })
    }

    /// Whether the gates agree to a result that is there.
    fn judged(&self, task: TaskIx, keyed: &Keyed, reused: Reused) -> Result<Standing, EngineError> {
        let has = |entry: &Entry| match entry {
            Entry::File { digest, .. } => {
                let cached = self.store.as_ref().is_some_and(|store| store.has(digest));
                cached || self.kept.as_ref().is_some_and(|kept| kept.has(digest))
            }
            Entry::Symlink { .. } | Entry::EmptyDir => true,
        };
        let stale = reused.stale.iter().map(|path| (path, reused.outputs.get(path)));
        // What is on record as changed is in the project; it is needed only where something is placed anew.
        let edited = reused.edits.iter().filter(|_| !reused.recorded);
        let edited = edited.map(|(path, change)| (path, change.result.as_ref()));
        for (path, entry) in stale.chain(edited) {
            if entry.is_some_and(|entry| !has(entry)) {
                return self.to_run(task, Cause::Lost(path.clone()));
            }
        }
        let mut open = Vec::new();
        let subject = Subject::of_task(task, &keyed.context.view, &reused.outputs, &reused.edits);
        for gate in &self.gates(task) {
            let gate_key = self.gate_key(gate, &subject);
            match self.verdict(&gate_key) {
                Some(verdict) if verdict.is_green() => {}
                // It was green where the result was made, and the cache of that is elsewhere, or gone.
                None if reused.gates.get(&gate.name) == Some(&gate_key) => {}
                Some(_) => return self.to_run(task, Cause::RedGate(gate.name.clone())),
                None => open.push(gate.name.clone()),
            }
        }
        Ok(match open.is_empty() {
            false => Standing::Judge(reused, open),
            true if self.needs_approval(task, &keyed.key, &reused)? => Standing::Held(reused),
            true => Standing::Clean(reused),
        })
    }

    /// The gates that judge a task's result, with their levels settled and without those that are switched off.
    pub fn gates(&self, task: TaskIx) -> Vec<GateDef> {
        self.plan().gates_of(self.task(task))
    }

    /// What is on record at paths that are no longer the outputs of the task on record.
    #[must_use]
    pub fn orphans(&self) -> Tree {
        let is_still =
            |path: &RelPath, task: &TaskName| self.graph.owner(path).is_some_and(|owner| self.name(owner) == task);
        let published = self.ledger.published().into_iter();
        published
            .filter(|(path, published)| !is_still(path, &published.task))
            .map(|(path, published)| (path, published.entry))
            .collect()
    }

    /// A verdict that is known.
    #[must_use]
    pub fn verdict(&self, key: &GateKey) -> Option<Verdict> {
        let text = self.store.as_ref()?.verdict(key).ok()??;
        serde_json::from_str(&text).ok()
    }
}

/// What is at a path of a project; what cannot be an output there counts as nothing.
pub(super) fn on_disk(stat_cache: &StatCache, root: &Root, path: &RelPath) -> Result<Option<Entry>, StoreError> {
    match stat_cache.digest(root, path) {
        Err(
            StoreError::Directory { .. }
            | StoreError::SpecialFile { .. }
            | StoreError::ThroughSymlink { .. }
            | StoreError::Obstructed { .. },
        ) => Ok(None),
        other => other,
    }
}

/// Why a task cannot even start: a declared tool that is not there.
pub(super) fn missing_tool(context: &TaskContext) -> Option<String> {
    let missing = context.definition.tools.iter().find(|(_, tool)| **tool == ToolIdentity::Missing)?.0;
    Some(format!("the tool `{missing}` is not on PATH; install it or take it out of `tools`"))
}
