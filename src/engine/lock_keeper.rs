//! `orca.lock` as a build writes it: after accepted results, and at the end. The journal is always written first, so a
//! kill in between loses nothing: the next build finds the lock as the journal remembers it, and brings it up to date.
//!
//! INVARIANT: the file is written only over the text that this build read or wrote. What somebody put there meanwhile
//! stays, and is taken in by the next build.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use super::builder::Builder;
use super::host::monotonic_ms;
use super::integrate::{ORDER, Turn, leavers};
use super::lock::{LOCK_NOTE, LockState, is_locked, lock_path, read_lock};
use super::resolve::{Keyed, Resolver};
use super::session::EngineError;
use super::standing::Reused;
use crate::base::{BlobDigest, Change, Entry, GateKey, Name, RelPath, TaskName};
use crate::graph::TaskIx;
use crate::plan::LOCK_FILE;
use crate::store::{Delta, Lock, LockedTask, Origin, delta};

/// How long the file may be behind while results come out of the cache, in milliseconds.
const BEHIND_MS: u64 = 1_000;

/// The lock while a build runs.
pub(super) struct LockKeeper(Mutex<Keeping>);

struct Keeping {
    lock: Lock,
    /// The text of the file, as far as this build knows.
    text: Option<String>,
    /// Tasks whose results in the file could not be taken in.
    open: BTreeSet<TaskName>,
    written_ms: u64,
    is_disturbed: bool,
}

impl LockKeeper {
    /// Keeps what a session began with.
    pub(super) fn new(state: LockState) -> Self {
        let LockState { text, lock, open } = state;
        Self(Mutex::new(Keeping { lock, text, open, written_ms: 0, is_disturbed: false }))
    }
}

/// How a result came about.
pub(super) fn origin(
    resolver: &Resolver,
    keyed: &Keyed,
    gates: BTreeMap<Name, GateKey>,
    cost_micro_usd: u64,
) -> Origin {
    let agent = keyed.agent.clone();
    let model = agent.as_ref().and_then(|agent| resolver.plan().agents.get(agent)?.model.clone());
    let on_top_of: Vec<TaskName> = keyed.on_top_of.iter().map(|ix| resolver.name(*ix).clone()).collect();
    let first_key = (!on_top_of.is_empty()).then_some(keyed.first_key);
    Origin { first_key, on_top_of, agent, model, cost_micro_usd, gates }
}

/// What a lock says of an accepted result.
pub(super) fn locked_task(resolver: &Resolver, task: TaskIx, keyed: &Keyed, reused: &Reused) -> LockedTask {
    let gates = resolver.gate_keys(task, keyed, &reused.outputs, &reused.edits);
    LockedTask {
        key: Some(keyed.key),
        origin: origin(resolver, keyed, gates, reused.cost_micro_usd),
        outputs: reused.outputs.as_ref().clone(),
        edits: reused.edits.as_ref().clone(),
    }
}

/// The lock with all that follows from what tasks changed: what merges came to, and what was placed otherwise. `open` are
/// tasks whose results are not in the files.
pub(super) fn completed(resolver: &Resolver, lock: &Lock, open: &BTreeSet<TaskName>) -> Result<Lock, EngineError> {
    let mut tasks = lock.tasks.clone();
    for (name, task) in tasks.iter_mut().filter(|(name, _)| !open.contains(*name)) {
        let changes = resolver.ledger.changes_by(name);
        if task.edits != *changes {
            // What it changed does not fit any more, and went: what is left is no result.
            (task.edits, task.key) = (changes.as_ref().clone(), None);
        }
    }
    tasks.retain(|_, task| task.key.is_some() || !task.edits.is_empty());
    let left = left_behind(resolver, &tasks);
    let mut done = Lock { tasks, ..Lock::default() };
    let mut at: BTreeMap<&RelPath, BTreeMap<Turn, &Change>> = BTreeMap::new();
    for (name, task) in &done.tasks {
        let Some(ix) = resolver.graph.ix(name) else { continue };
        for (path, change) in &task.edits {
            at.entry(path).or_default().insert(Turn::of(ix), change);
        }
    }
    if !left.is_empty() {
        let noted = resolver.ledger.with_journal(|journal| journal.note(ORDER))?.flatten();
        let noted = noted.and_then(|text| serde_json::from_str(&text).ok());
        done.order = noted.unwrap_or_else(|| lock.order.clone());
    }
    for (turn, name) in leavers(&resolver.graph, &done.order, &left.keys().cloned().collect()) {
        for (path, change) in &left[&name].edits {
            at.entry(path).or_default().insert(turn, change);
        }
    }
    let (mut merged, mut placed) = (BTreeMap::new(), BTreeMap::new());
    let shared: BTreeMap<&RelPath, &BTreeMap<Turn, &Change>> =
        at.iter().filter(|(_, changes)| changes.len() > 1).map(|(path, changes)| (*path, changes)).collect();
    if !shared.is_empty() {
        for task in resolver.graph.tasks() {
            let before = seen_by(resolver, &done, task);
            let plan_task = resolver.task(task);
            let sees = |path: &RelPath| {
                plan_task.inputs.matches(path) || plan_task.edits.matches(path) || resolver.graph.owner(path).is_some()
            };
            for (path, changes) in shared.iter().filter(|(path, _)| sees(path)) {
                let seen = changes.iter().filter(|(turn, _)| before.contains(&turn.task())).map(|(_, change)| *change);
                resolver.merging.steps(resolver.contents(), path, seen, &mut merged)?;
            }
        }
    }
    for (path, changes) in &at {
        let fold = resolver.merging.steps(resolver.contents(), path, changes.values().copied(), &mut merged)?;
        let known = resolver.ledger.provenance(path).map(|known| known.placed);
        if let Some(known) = known.filter(|known| fold.as_ref() != Some(known)) {
            placed.insert((*path).clone(), known);
        }
    }
    for (path, changes) in &shared {
        done.deltas.extend(deltas(resolver, path, changes, lock)?);
    }
    (done.merged, done.placed) = (merged, placed);
    done.tasks.extend(left);
    Ok(done)
}

/// What each of several tasks made of a path, as what is placed there lacks of it: that is committed, and theirs is not.
fn deltas(
    resolver: &Resolver,
    path: &RelPath,
    changes: &BTreeMap<Turn, &Change>,
    lock: &Lock,
) -> Result<BTreeMap<BlobDigest, Delta>, EngineError> {
    let mut deltas = BTreeMap::new();
    let placed = resolver.ledger.provenance(path).and_then(|known| known.placed);
    let Some(Entry::File { digest: from, .. }) = placed else { return Ok(deltas) };
    for change in changes.values() {
        let Some(Entry::File { digest, .. }) = &change.result else { continue };
        if *digest == from {
            continue;
        }
        if let Some(known) = lock.deltas.get(digest).filter(|known| known.from == from) {
            deltas.insert(*digest, known.clone());
            continue;
        }
        let contents = resolver.contents();
        let (Some(old), Some(new)) = (contents.read(path, &from)?, contents.read(path, digest)?) else { continue };
        deltas.extend(delta(&old, &new).map(|zstd| (*digest, Delta { from, zstd })));
    }
    Ok(deltas)
}

/// What tasks that are not in the plan any more still have in files that others changed, too.
fn left_behind(resolver: &Resolver, tasks: &BTreeMap<TaskName, LockedTask>) -> BTreeMap<TaskName, LockedTask> {
    let is_shared = |path: &RelPath| tasks.values().any(|task| task.edits.contains_key(path));
    let names = resolver.ledger.changers().into_iter().filter(|name| resolver.graph.ix(name).is_none());
    let left = names.map(|name| {
        let mut edits = resolver.ledger.changes_by(&name).as_ref().clone();
        edits.retain(|path, _| is_shared(path));
        (name, LockedTask { edits, ..LockedTask::default() })
    });
    left.filter(|(_, task)| !task.edits.is_empty()).collect()
}

/// The tasks whose changes are in the view of one, by the plan and by the lock.
fn seen_by(resolver: &Resolver, lock: &Lock, task: TaskIx) -> BTreeSet<TaskIx> {
    let on_top_of = |ix: TaskIx| {
        let names = lock.tasks.get(resolver.name(ix)).map(|task| task.origin.on_top_of.as_slice()).unwrap_or_default();
        names.iter().filter_map(|name| resolver.graph.ix(name)).collect::<Vec<_>>()
    };
    let mut beneath = on_top_of(task);
    loop {
        let before = resolver.editors_before(task, &beneath);
        let more: Vec<TaskIx> = before.iter().flat_map(|ix| on_top_of(*ix)).filter(|ix| !before.contains(ix)).collect();
        if more.is_empty() {
            return before;
        }
        beneath.extend(more);
    }
}

impl Builder {
    /// Notes an accepted result in the lock, where it belongs there, and in the journal, where that knows it otherwise.
    pub(super) fn keep_in_lock(&self, task: TaskIx, keyed: &Keyed, reused: &Reused, is_fresh: bool) {
        let resolver = &self.resolver;
        if self.locked || !is_locked(resolver.plan(), &resolver.graph, task) {
            return;
        }
        let name = resolver.name(task);
        let now = locked_task(resolver, task, keyed, reused);
        let is_due = {
            let mut keeping = self.lock.0.lock().expect("no holder panics");
            keeping.open.remove(name);
            let is_new = keeping.lock.tasks.get(name) != Some(&now);
            keeping.lock.tasks.insert(name.clone(), now);
            is_new && (is_fresh || monotonic_ms() - keeping.written_ms >= BEHIND_MS)
        };
        if is_due {
            self.write_lock();
        }
    }

    /// Writes the lock if it changes. What goes wrong is told: the results themselves are in the journal.
    pub(super) fn write_lock(&self) {
        if self.locked {
            return;
        }
        let mut keeping = self.lock.0.lock().expect("no holder panics");
        let written = self.try_write_lock(&mut keeping);
        keeping.written_ms = monotonic_ms();
        if let Err(error) = written {
            self.notice(true, format!("{LOCK_FILE} is not up to date: {error}"));
        }
    }

    fn try_write_lock(&self, keeping: &mut Keeping) -> Result<(), EngineError> {
        let resolver = &self.resolver;
        let has_any = resolver.graph.tasks().any(|ix| is_locked(resolver.plan(), &resolver.graph, ix));
        if keeping.is_disturbed || !has_any {
            return Ok(());
        }
        let lock = completed(resolver, &keeping.lock, &keeping.open)?;
        if lock.is_empty() && keeping.text.is_none() {
            return Ok(());
        }
        let text = lock.to_text();
        if keeping.text.as_ref() != Some(&text) {
            if read_lock(&self.project)? != keeping.text {
                keeping.is_disturbed = true;
                self.notice(true, format!("{LOCK_FILE} was changed while the build ran, and stays so: build again"));
                return Ok(());
            }
            self.project.write_durably(&lock_path(), text.as_bytes())?;
            keeping.text = Some(text.clone());
        }
        let note = keeping.open.is_empty().then_some(text.as_str());
        let put = |journal: &crate::store::Journal| match journal.note(LOCK_NOTE)?.as_deref() == note {
            true => Ok(()),
            false => journal.put_note(LOCK_NOTE, note),
        };
        resolver.ledger.with_journal(put)?;
        Ok(())
    }
}
