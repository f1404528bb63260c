//! A lock that this project's journal did not write, taken in: what it says counts where its files are here.
//!
//! Per path that the lock or the journal says was changed in place:
//!
//! | the lock has it | on disk | then |
//! |---|---|---|
//! | as the journal | anything | the journal counts |
//! | otherwise | what the lock says was placed | the lock counts |
//! | otherwise | its base | its files are not here: plain source |
//! | otherwise | what the journal placed, or its base | its files are not here: the journal counts |
//! | otherwise | anything else | the lock counts, and this is a person's edit |
//! | not | what the journal placed | the journal counts |
//! | not | anything else | plain source |
//!
//! A task's result counts where all its paths do. What does not count is not lost: the cache may have it, and then it is
//! put together with what is here, as any other. Nothing in the project is written here. `docs/lock.md` says why.
//!
//! INVARIANT: a lock comes with a repository and says what its author likes. It makes no path orca's that the plan does not
//! give to the same task.

use std::collections::{BTreeMap, BTreeSet};

use super::integrate::{Turn, leavers};
use super::ledger::Ledger;
use super::lock::is_locked;
use super::merging::{Clash, Contents, Folded, Merging, lost};
use super::resolve::on_disk;
use super::session::EngineError;
use crate::base::{Change, Changes, Entry, RelPath, TaskName, Tree};
use crate::event::RunId;
use crate::graph::{Graph, TaskIx};
use crate::plan::Plan;
use crate::store::{Lock, LockedTask, Provenance, Root, StatCache, TakeIn, TaskRecord};

/// The run of a result that was made elsewhere.
pub(super) const ELSEWHERE: RunId = RunId(0);

/// What a lock is held against.
pub(super) struct Sides<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Its graph.
    pub graph: &'a Graph,
    /// The project.
    pub root: &'a Root,
    /// What digests are known of which file states.
    pub stat_cache: &'a StatCache,
    /// Where content is found.
    pub contents: Contents<'a>,
}

/// What taking a lock in comes to.
pub(super) struct Reconciled {
    /// What changes in the record.
    pub take_in: TakeIn,
    /// The tasks whose results in the lock do not count, since their files are not here.
    pub open: BTreeSet<TaskName>,
    /// What there is to tell.
    pub notices: Vec<String>,
}

/// Who changed a path, and how, in the order in which that is folded.
type Changers = BTreeMap<Turn, (TaskName, Change)>;

/// What counts at a path.
enum Counts {
    /// The lock: these changes, with what lies beneath and above them.
    Lock(Changers, Box<Provenance>),
    /// The journal.
    Journal,
    /// Neither: the path is plain source.
    Neither,
}

/// Holds `lock` against journal and files.
pub(super) fn reconcile(sides: &Sides<'_>, ledger: &Ledger, lock: &Lock) -> Result<Reconciled, EngineError> {
    let is_of_plan = |name: &TaskName| sides.graph.ix(name).is_some_and(|ix| is_locked(sides.plan, sides.graph, ix));
    let (locked, others): (BTreeMap<&TaskName, &LockedTask>, BTreeMap<&TaskName, &LockedTask>) =
        lock.tasks.iter().partition(|(name, _)| is_of_plan(name));
    let merging = Merging::knowing(ledger.merges()).believing(lock.merged.clone());
    let mut theirs: BTreeMap<RelPath, Changers> = BTreeMap::new();
    for (name, task) in &locked {
        let Some(ix) = sides.graph.ix(name) else { continue };
        let declared = &sides.plan.tasks[*name].edits;
        for (path, change) in task.edits.iter().filter(|(path, _)| declared.matches(path)) {
            theirs.entry(path.clone()).or_default().insert(Turn::of(ix), ((*name).clone(), change.clone()));
        }
    }
    // Who left the plan has a part in what others changed, too; the rest is source.
    let left = others.keys().filter(|name| sides.graph.ix(name).is_none()).map(|name| (*name).clone()).collect();
    for (turn, name) in leavers(sides.graph, &lock.order, &left) {
        for (path, change) in &others[&name].edits {
            if let Some(changers) = theirs.get_mut(path) {
                changers.insert(turn, (name.clone(), change.clone()));
            }
        }
    }
    let mut missing: BTreeMap<TaskName, RelPath> = BTreeMap::new();
    let mut counts: BTreeMap<RelPath, Counts> = BTreeMap::new();
    let mut paths: BTreeSet<RelPath> = theirs.keys().cloned().chain(ledger.edited().into_keys()).collect();
    for name in ledger.changers() {
        paths.extend(ledger.changes_by(&name).keys().cloned());
    }
    for path in paths {
        let found = on_disk(sides.stat_cache, sides.root, &path)?;
        let counted = match theirs.get(&path) {
            None => by_journal_alone(ledger, &path, found.as_ref()),
            Some(changes) => {
                let placed = lock.placed.get(&path);
                let at = Place { sides, ledger, path: &path, found: found.as_ref(), merging: &merging };
                at.counts(changes, placed, &mut missing)?
            }
        };
        counts.insert(path, counted);
    }
    for (name, task) in &locked {
        for (path, entry) in &task.outputs {
            let known = ledger.published_at(path).filter(|known| known.task == **name && known.entry != *entry);
            let Some(known) = known else { continue };
            if on_disk(sides.stat_cache, sides.root, path)? == Some(known.entry) {
                missing.entry((*name).clone()).or_insert_with(|| path.clone());
            }
        }
    }
    missing.retain(|name, _| is_of_plan(name));
    let open = missing.keys().cloned().collect();
    let mut done = Reconciled { take_in: TakeIn::default(), open, notices: Vec::new() };
    for (name, path) in &missing {
        done.notices.push(format!("orca.lock has a result of `{name}` whose files are not here: `{path}` is another"));
    }
    take_changes(ledger, &locked, &missing, &counts, &mut done.take_in);
    take_tasks(sides, ledger, &locked, &missing, &mut done.take_in)?;
    Ok(done)
}

/// A path that the lock does not know.
fn by_journal_alone(ledger: &Ledger, path: &RelPath, found: Option<&Entry>) -> Counts {
    let is_placed = ledger.provenance(path).is_some_and(|known| {
        let pending = known.pending.as_ref();
        known.placed.as_ref() == found || pending.is_some_and(|pending| pending.after.as_ref() == found)
    });
    if is_placed { Counts::Journal } else { Counts::Neither }
}

/// A path that the lock knows.
struct Place<'a> {
    sides: &'a Sides<'a>,
    ledger: &'a Ledger,
    path: &'a RelPath,
    found: Option<&'a Entry>,
    merging: &'a Merging,
}

impl Place<'_> {
    fn counts(
        &self,
        changes: &Changers,
        placed: Option<&Option<Entry>>,
        missing: &mut BTreeMap<TaskName, RelPath>,
    ) -> Result<Counts, EngineError> {
        let ours = self.ledger.provenance(self.path);
        let of_journal = self.ledger.changes_at(self.path);
        let is_same = of_journal.len() == changes.len()
            && changes.values().all(|(name, change)| of_journal.get(name) == Some(change));
        if is_same && ours.is_some() {
            return Ok(Counts::Journal);
        }
        let is_of_journal = ours.as_ref().is_some_and(|ours| {
            let versions = [&ours.placed, &ours.base];
            versions.into_iter().any(|version| version.as_ref() == self.found)
        });
        let mut changes = changes.clone();
        let base = changes.values().next().and_then(|(_, change)| change.base.clone());
        let placed = match placed {
            Some(placed) => Some(placed.clone()),
            None => self.fold(&mut changes, missing)?,
        };
        let is_placed = placed.as_ref().is_some_and(|placed| placed.as_ref() == self.found);
        if !is_placed && (base.as_ref() == self.found || is_of_journal) {
            for (name, _) in changes.values() {
                missing.entry(name.clone()).or_insert_with(|| self.path.clone());
            }
            return Ok(if is_of_journal { Counts::Journal } else { Counts::Neither });
        }
        match placed {
            Some(placed) => Ok(Counts::Lock(changes, Box::new(Provenance { base, placed, pending: None }))),
            None => Err(EngineError::World(lost(self.path))),
        }
    }

    /// What the changes come to. One that does not fit (two branches made it, and a person put them together) is left out
    /// and its task is not done. `None` where content is nowhere to be had.
    fn fold(
        &self,
        changes: &mut Changers,
        missing: &mut BTreeMap<TaskName, RelPath>,
    ) -> Result<Option<Option<Entry>>, EngineError> {
        loop {
            let numbered = (0..).map(TaskIx).zip(changes.values().map(|(_, change)| change));
            let start = changes.values().next().and_then(|(_, change)| change.base.clone());
            match self.merging.fold(self.sides.contents, self.path, start.as_ref(), numbered)? {
                Folded::Entry(entry) => return Ok(Some(entry)),
                Folded::Lost => return Ok(None),
                Folded::Clash(Clash { with, .. }) => {
                    let turn = *changes.keys().nth(with.index()).expect("it is one of those that were folded");
                    let (name, _) = changes.remove(&turn).expect("it is there");
                    missing.entry(name).or_insert_with(|| self.path.clone());
                }
            }
        }
    }
}

/// What each task changed from now on, and where the content of paths comes from.
fn take_changes(
    ledger: &Ledger,
    locked: &BTreeMap<&TaskName, &LockedTask>,
    missing: &BTreeMap<TaskName, RelPath>,
    counts: &BTreeMap<RelPath, Counts>,
    take_in: &mut TakeIn,
) {
    let mut changes: BTreeMap<TaskName, Changes> = BTreeMap::new();
    for (path, counted) in counts {
        let known = ledger.provenance(path);
        match counted {
            Counts::Journal => {
                for (name, change) in ledger.changes_at(path) {
                    changes.entry(name).or_default().insert(path.clone(), change);
                }
            }
            Counts::Lock(of_lock, provenance) => {
                for (name, change) in of_lock.values() {
                    changes.entry(name.clone()).or_default().insert(path.clone(), change.clone());
                }
                if known.as_ref() != Some(&**provenance) {
                    take_in.provenance.insert(path.clone(), Some(provenance.as_ref().clone()));
                }
            }
            Counts::Neither => {
                if known.is_some() {
                    take_in.provenance.insert(path.clone(), None);
                }
            }
        }
    }
    let names: BTreeSet<TaskName> = ledger.changers().into_iter().chain(changes.keys().cloned()).collect();
    for name in names {
        let now = changes.remove(&name).unwrap_or_default();
        if now == *ledger.changes_by(&name) {
            continue;
        }
        let counts = locked.contains_key(&name) && !missing.contains_key(&name);
        if !counts && ledger.task(&name).is_some_and(|known| known.accepted) {
            take_in.unaccepted.push((name.clone(), "its result is not in these files any more".to_owned()));
        }
        take_in.changes.insert(name, now);
    }
}

/// The results that count, with their outputs.
fn take_tasks(
    sides: &Sides<'_>,
    ledger: &Ledger,
    locked: &BTreeMap<&TaskName, &LockedTask>,
    missing: &BTreeMap<TaskName, RelPath>,
    take_in: &mut TakeIn,
) -> Result<(), EngineError> {
    for (name, task) in locked.iter().filter(|(name, _)| !missing.contains_key(**name)) {
        let Some(key) = task.key else { continue };
        let published = ledger.published_by(name);
        let owns = |path: &RelPath| sides.graph.owner(path).is_some_and(|owner| sides.graph.name(owner) == *name);
        let outputs: Tree = task
            .outputs
            .iter()
            .filter(|(path, _)| owns(path))
            .map(|(path, entry)| (path.clone(), entry.clone()))
            .collect();
        let here = outputs.iter().filter(|(path, entry)| published.get(*path) != Some(*entry));
        take_in.published.extend(here.map(|(path, entry)| (path.clone(), ((*name).clone(), entry.clone()))));
        take_in.forgotten.extend(published.into_keys().filter(|path| !outputs.contains_key(path)));
        let known = ledger.task(name);
        if known.is_some_and(|known| known.accepted && known.key == key && known.origin == task.origin) {
            continue;
        }
        let description = ledger.record(name)?.filter(|known| known.key == key).map(|known| known.description);
        let record = TaskRecord {
            key,
            description: description.unwrap_or_default(),
            accepted: true,
            outcome: "locked".to_owned(),
            run: ELSEWHERE,
            log: None,
            is_agent: sides.plan.tasks[*name].is_agent(),
            origin: task.origin.clone(),
        };
        take_in.tasks.push(((*name).clone(), record));
    }
    Ok(())
}
