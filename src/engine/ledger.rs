//! What earlier runs left on record, read once: each task's last state, and what orca put where in the project.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, RwLock};

use super::lock::{LockState, is_locked};
use crate::base::{Change, Changes, Entry, Name, RelPath, TaskName, Tree};
use crate::graph::Graph;
use crate::plan::Plan;
use crate::store::{
    Costs, Journal, Lock, LockedTask, MergeFact, Provenance, Published, StoreError, TakeIn, TaskRecord, TaskSummary,
};

/// The record of earlier runs. Reads are answered from memory, writes go to the journal first.
pub struct Ledger {
    journal: Option<Journal>,
    tasks: BTreeMap<TaskName, TaskSummary>,
    published: RwLock<Placed>,
    edits: RwLock<Edits>,
    merges: Vec<MergeFact>,
    estimates: BTreeMap<TaskName, u64>,
    costs: Costs,
    lock: LockState,
}

/// Where the content of edited paths comes from.
#[derive(Debug, Default)]
struct Edits {
    provenance: BTreeMap<RelPath, Provenance>,
    by_task: BTreeMap<TaskName, Arc<Changes>>,
    none: Arc<Changes>,
}

/// What orca put where, and which of it is whose.
#[derive(Debug, Default)]
struct Placed {
    at: BTreeMap<RelPath, Published>,
    /// The paths of each task, in order.
    by: HashMap<TaskName, Vec<RelPath>>,
    /// What was on record of tasks of which something else is now.
    before: HashMap<TaskName, Arc<Tree>>,
}

impl Placed {
    fn new(at: BTreeMap<RelPath, Published>) -> Self {
        let mut by: HashMap<TaskName, Vec<RelPath>> = HashMap::new();
        for (path, published) in &at {
            match by.get_mut(&published.task) {
                Some(paths) => paths.push(path.clone()),
                None => _ = by.insert(published.task.clone(), vec![path.clone()]),
            }
        }
        Self { at, by, before: HashMap::new() }
    }

    fn insert(&mut self, path: RelPath, published: Published) {
        self.remove(&path);
        self.keep(&published.task);
        let paths = self.by.entry(published.task.clone()).or_default();
        if let Err(place) = paths.binary_search(&path) {
            paths.insert(place, path.clone());
        }
        self.at.insert(path, published);
    }

    fn remove(&mut self, path: &RelPath) -> Option<Published> {
        let task = self.at.get(path)?.task.clone();
        self.keep(&task);
        if let Some(paths) = self.by.get_mut(&task)
            && let Ok(place) = paths.binary_search(path)
        {
            paths.remove(place);
        }
        self.at.remove(path)
    }

    /// Keeps what is on record of a task, before it is changed for the first time.
    fn keep(&mut self, task: &TaskName) {
        if !self.before.contains_key(task) {
            let tree = Arc::new(self.of(task));
            self.before.insert(task.clone(), tree);
        }
    }

    /// The task's paths, as they are on record now.
    fn of(&self, task: &TaskName) -> Tree {
        let paths = self.by.get(task).into_iter().flatten();
        paths.map(|path| (path.clone(), self.at[path].entry.clone())).collect()
    }
}

impl Ledger {
    /// Reads the journal; `None` is a project where nothing was ever built.
    pub fn read(journal: Option<Journal>) -> Result<Self, StoreError> {
        let (tasks, published, estimates) = match &journal {
            Some(journal) => (journal.tasks()?, journal.published()?, journal.all_estimates()?),
            None => Default::default(),
        };
        let (provenance, changes, merges) = match &journal {
            Some(journal) => (journal.edited()?, journal.changes()?, journal.merges()?),
            None => Default::default(),
        };
        let costs = journal.as_ref().map_or_else(|| Ok(Costs::default()), Journal::costs)?;
        let by_task = changes.into_iter().map(|(task, changes)| (task, Arc::new(changes))).collect();
        Ok(Self {
            journal,
            tasks,
            published: RwLock::new(Placed::new(published)),
            edits: RwLock::new(Edits { provenance, by_task, none: Arc::default() }),
            merges,
            estimates,
            costs,
            lock: LockState::default(),
        })
    }

    /// Reads of the journal what concerns these tasks, in a project where none edits files in place.
    pub(super) fn read_some(journal: Journal, names: &BTreeSet<TaskName>) -> Result<Self, StoreError> {
        let mut estimates = BTreeMap::new();
        for name in names {
            estimates.extend(journal.estimate_ms(name)?.map(|ms| (name.clone(), ms)));
        }
        let (tasks, published) = (journal.tasks_among(names)?, journal.published_for(names)?);
        let published = RwLock::new(Placed::new(published));
        Ok(Self { journal: Some(journal), tasks, published, estimates, ..Self::read(None)? })
    }

    /// Closes the journal: from here on there is none.
    pub(super) fn close(&mut self) {
        self.journal = None;
    }

    /// Changes in memory what was taken in from a lock.
    pub(super) fn take_in(&mut self, what: TakeIn) {
        let TakeIn { tasks, unaccepted, changes, provenance, published, forgotten } = what;
        let placed = self.published.get_mut().expect("no holder panics");
        for path in &forgotten {
            placed.remove(path);
        }
        for (path, (task, entry)) in published {
            placed.insert(path, Published { task, entry, pending: false });
        }
        // What was taken in is as if it had been read.
        placed.before.clear();
        for (name, record) in tasks {
            let TaskRecord { key, accepted, outcome, run, log, is_agent, origin, description: _ } = record;
            self.tasks.insert(name, TaskSummary { key, accepted, outcome, run, log, is_agent, origin });
        }
        for (name, why) in unaccepted {
            if let Some(task) = self.tasks.get_mut(&name) {
                (task.accepted, task.outcome) = (false, why);
            }
        }
        for (name, changes) in changes {
            self.note_changes(&name, Arc::new(changes));
        }
        self.note_provenance(&provenance);
    }

    /// What a lock says that is in step with this ledger: `found`, with what the journal knows of tasks where it counts.
    pub(super) fn locked(
        &self,
        plan: &Plan,
        graph: &Graph,
        found: &Lock,
        counts_journal: &dyn Fn(&TaskName) -> bool,
    ) -> Lock {
        let mut lock = Lock { tasks: BTreeMap::new(), ..found.clone() };
        for ix in graph.tasks().filter(|ix| is_locked(plan, graph, *ix)) {
            let name = graph.name(ix);
            let known = self.tasks.get(name).filter(|known| known.accepted);
            let edits = self.changes_by(name);
            let task = match (known, found.tasks.get(name)) {
                (_, Some(task)) if !counts_journal(name) => task.clone(),
                (Some(known), _) => LockedTask {
                    key: Some(known.key),
                    origin: known.origin.clone(),
                    outputs: self.outputs(name).as_ref().clone(),
                    edits: edits.as_ref().clone(),
                },
                (None, Some(task)) if task.edits == *edits => task.clone(),
                (None, _) if !edits.is_empty() => LockedTask { edits: edits.as_ref().clone(), ..LockedTask::default() },
                (None, _) => continue,
            };
            lock.tasks.insert(name.clone(), task);
        }
        lock
    }

    /// The lock as it was found, and as it is to become.
    pub(super) fn lock(&self) -> &LockState {
        &self.lock
    }

    pub(super) fn set_lock(&mut self, lock: LockState) {
        self.lock = lock;
    }

    /// The task's last state.
    #[must_use]
    pub fn task(&self, name: &TaskName) -> Option<&TaskSummary> {
        self.tasks.get(name)
    }

    /// Every task on record.
    pub fn tasks(&self) -> impl Iterator<Item = (&TaskName, &TaskSummary)> {
        self.tasks.iter()
    }

    /// What the task's outputs were when the ledger was read.
    #[must_use]
    pub fn outputs(&self, name: &TaskName) -> Arc<Tree> {
        let placed = self.published.read().expect("no holder panics");
        placed.before.get(name).cloned().unwrap_or_else(|| Arc::new(placed.of(name)))
    }

    /// What orca put at this path, by the record.
    #[must_use]
    pub fn published_at(&self, path: &RelPath) -> Option<Published> {
        self.published.read().expect("no holder panics").at.get(path).cloned()
    }

    /// Every path orca put something at.
    #[must_use]
    pub fn published(&self) -> BTreeMap<RelPath, Published> {
        self.published.read().expect("no holder panics").at.clone()
    }

    /// The paths beneath a directory where orca put something.
    #[must_use]
    pub fn published_within(&self, directory: &RelPath) -> Vec<RelPath> {
        let placed = self.published.read().expect("no holder panics");
        let beneath = format!("{directory}/");
        let from = (Bound::Included(beneath.as_str()), Bound::Unbounded);
        let paths = placed.at.range::<str, _>(from).map(|(path, _)| path);
        paths.take_while(|path| path.as_str().starts_with(&beneath)).cloned().collect()
    }

    /// Whether an agent wrote what is on record at a path, and its task is not in the plan any more: its work stays.
    #[must_use]
    pub fn is_left_by_agent(&self, graph: &Graph, path: &RelPath) -> bool {
        let Some(put) = self.published_at(path).filter(|_| graph.owner(path).is_none()) else { return false };
        graph.ix(&put.task).is_none() && self.tasks.get(&put.task).is_some_and(|task| task.is_agent)
    }

    /// The paths on record as this task's, now.
    #[must_use]
    pub fn published_by(&self, task: &TaskName) -> Tree {
        self.published.read().expect("no holder panics").of(task)
    }

    /// Where the content of an edited path comes from.
    #[must_use]
    pub fn provenance(&self, path: &RelPath) -> Option<Provenance> {
        self.edits.read().expect("no holder panics").provenance.get(path).cloned()
    }

    /// Every edited path.
    #[must_use]
    pub fn edited(&self) -> BTreeMap<RelPath, Provenance> {
        self.edits.read().expect("no holder panics").provenance.clone()
    }

    /// What is on record as changed by this task.
    #[must_use]
    pub fn changes_by(&self, task: &TaskName) -> Arc<Changes> {
        let edits = self.edits.read().expect("no holder panics");
        edits.by_task.get(task).cloned().unwrap_or_else(|| Arc::clone(&edits.none))
    }

    /// The tasks on record as having changed anything.
    #[must_use]
    pub fn changers(&self) -> BTreeSet<TaskName> {
        self.edits.read().expect("no holder panics").by_task.keys().cloned().collect()
    }

    /// Who is on record as having changed a path, and how.
    #[must_use]
    pub fn changes_at(&self, path: &RelPath) -> BTreeMap<TaskName, Change> {
        let edits = self.edits.read().expect("no holder panics");
        let at = |(task, changes): (&TaskName, &Arc<Changes>)| Some((task.clone(), changes.get(path)?.clone()));
        edits.by_task.iter().filter_map(at).collect()
    }

    /// Notes in memory what the journal already holds: what a task changed.
    pub fn note_changes(&self, task: &TaskName, changes: Arc<Changes>) {
        let mut edits = self.edits.write().expect("no holder panics");
        match changes.is_empty() {
            true => drop(edits.by_task.remove(task)),
            false => drop(edits.by_task.insert(task.clone(), changes)),
        }
    }

    /// Notes in memory what the journal already holds: the provenance of paths.
    pub fn note_provenance(&self, paths: &BTreeMap<RelPath, Option<Provenance>>) {
        let mut edits = self.edits.write().expect("no holder panics");
        for (path, provenance) in paths {
            match provenance {
                Some(provenance) => drop(edits.provenance.insert(path.clone(), provenance.clone())),
                None => drop(edits.provenance.remove(path)),
            }
        }
    }

    /// What was merged to what, when the ledger was read.
    #[must_use]
    pub fn merges(&self) -> Vec<MergeFact> {
        self.merges.clone()
    }

    /// Notes in memory what the journal already holds, or what it would hold: the present content of paths is their base.
    pub fn note_adopted(&self, paths: &[RelPath]) {
        for path in paths {
            for task in self.changes_at(path).into_keys() {
                let mut left = self.changes_by(&task).as_ref().clone();
                left.remove(path);
                self.note_changes(&task, Arc::new(left));
            }
        }
        self.note_provenance(&paths.iter().map(|path| (path.clone(), None)).collect());
    }

    /// As [`Ledger::note_adopted`]; and whoever changed the paths is not on record as accepted any more.
    pub fn note_rebased(&mut self, paths: &[RelPath]) {
        let concerned: BTreeSet<TaskName> = paths.iter().flat_map(|path| self.changes_at(path).into_keys()).collect();
        for (_, known) in self.tasks.iter_mut().filter(|(name, _)| concerned.contains(*name)) {
            known.accepted = false;
        }
        self.note_adopted(paths);
    }

    /// Every entry that the record of edits, and of what agents put into the project, refers to.
    pub fn referenced(&self) -> Result<Vec<Entry>, StoreError> {
        let mut entries = self.with_journal(|journal| journal.all_written())?.unwrap_or_default();
        let approvals = self.with_journal(|journal| journal.approvals())?.unwrap_or_default();
        entries.extend(approvals.values().flat_map(|said| said.result.entries().cloned()));
        let edits = self.edits.read().expect("no holder panics");
        for known in edits.provenance.values() {
            let pending = known.pending.iter().flat_map(|placing| [&placing.before, &placing.after, &placing.placed]);
            entries.extend([&known.base, &known.placed].into_iter().chain(pending).flatten().cloned());
        }
        let changes = edits.by_task.values().flat_map(|changes| changes.values());
        entries.extend(changes.flat_map(|change| [&change.base, &change.result]).flatten().cloned());
        let placed = self.published.read().expect("no holder panics");
        let of_agent = |task: &TaskName| self.tasks.get(task).is_some_and(|task| task.is_agent);
        entries.extend(placed.at.values().filter(|put| of_agent(&put.task)).map(|put| put.entry.clone()));
        Ok(entries)
    }

    /// The median of what the task took lately, in milliseconds.
    #[must_use]
    pub fn estimate_ms(&self, name: &TaskName) -> Option<u64> {
        self.estimates.get(name).copied()
    }

    /// What attempts of the task are expected to cost, in millionths of a dollar: the median of its last ones.
    #[must_use]
    pub fn cost_of_task(&self, name: &TaskName) -> Option<u64> {
        self.costs.of_tasks.get(name).copied()
    }

    /// What attempts of an agent are expected to cost, in millionths of a dollar: the median over all its tasks.
    #[must_use]
    pub fn cost_of_agent(&self, agent: &Name) -> Option<u64> {
        self.costs.of_agents.get(agent).copied()
    }

    /// The full record of a task, with the description of its context.
    pub fn record(&self, name: &TaskName) -> Result<Option<TaskRecord>, StoreError> {
        match &self.journal {
            Some(journal) => journal.task(name),
            None => Ok(None),
        }
    }

    /// Does something with the journal, if there is one.
    pub fn with_journal<T>(
        &self,
        act: impl FnOnce(&Journal) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match &self.journal {
            Some(journal) => act(journal).map(Some),
            None => Ok(None),
        }
    }

    /// Forgets in memory what the journal already forgot: a task that lost an output is not accepted any more.
    pub fn forget(&mut self, paths: &[RelPath]) {
        let placed = self.published.get_mut().expect("no holder panics");
        for published in paths.iter().filter_map(|path| placed.remove(path)) {
            if let Some(task) = self.tasks.get_mut(&published.task) {
                task.accepted = false;
            }
        }
    }

    /// Notes in memory what the journal already holds: these paths are the task's now, those are gone.
    pub fn note_published(&self, task: &TaskName, present: &Tree, removed: &[RelPath]) {
        let mut placed = self.published.write().expect("no holder panics");
        for path in removed {
            placed.remove(path);
        }
        for (path, entry) in present {
            let published = Published { task: task.clone(), entry: entry.clone(), pending: false };
            placed.insert(path.clone(), published);
        }
    }
}
