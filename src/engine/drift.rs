//! Drift: what lies in the project is not what orca placed there, since a person edited it afterwards; and the other way
//! round, what should be placed and is not, since a build was killed. Looks only.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::difference::{Difference, difference};
use super::look::Look;
use super::merging::Folded;
use super::resolve::Resolver;
use super::session::EngineError;
use crate::base::{Change, Entry, RelPath, TaskName};
use crate::graph::TaskIx;
use crate::store::Provenance;

/// A path that a person edited since orca wrote it.
#[derive(Debug, Clone)]
pub struct Drift {
    /// The path.
    pub path: RelPath,
    /// The tasks that changed it in place, or the one that it is an output of.
    pub tasks: Vec<TaskName>,
    /// Whether it is an output.
    pub is_output: bool,
    placed: Option<Entry>,
    found: Option<Entry>,
}

/// A path that tasks edited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EditedPath {
    /// The path.
    pub path: RelPath,
    /// The tasks that are on record to have changed it.
    pub tasks: Vec<TaskName>,
}

/// What counts as placed, and whether what was found is that. A build that was killed may have left it in between.
pub(super) fn placed_of(known: &Provenance, found: Option<&Entry>) -> (Option<Entry>, bool) {
    let placed = match &known.pending {
        Some(pending) if found == pending.after.as_ref() => &pending.placed,
        _ => &known.placed,
    };
    (placed.clone(), found == placed.as_ref())
}

impl Resolver {
    /// Every path that a person edited since orca wrote it: files that tasks edited, and outputs of agents. Of a command's
    /// outputs none is: they are restored. What was deleted of an agent's outputs is restored as well.
    pub fn drift(&self) -> Result<Vec<Drift>, EngineError> {
        let edited = self.ledger.edited();
        let mut drift = Vec::new();
        for (path, known) in &edited {
            let found = self.on_disk(path)?;
            let (placed, is_placed) = placed_of(known, found.as_ref());
            if !is_placed {
                let tasks = self.ledger.changes_at(path).into_keys().collect();
                drift.push(Drift { path: path.clone(), tasks, is_output: false, placed, found });
            }
        }
        // Of a command's outputs none is: a plan without agents need not be looked through.
        let has_agents = self.plan().tasks.values().any(|task| task.is_agent());
        for (path, published) in has_agents.then(|| self.ledger.published()).into_iter().flatten() {
            let owner = self.graph.owner(&path).filter(|owner| self.task(*owner).is_agent());
            let is_its_own = owner.is_some_and(|owner| *self.name(owner) == published.task);
            if !is_its_own || published.pending || edited.contains_key(&path) {
                continue;
            }
            let found = self.found_for(&path, &published.entry)?;
            if found.as_ref().is_some_and(|found| *found != published.entry) {
                let (tasks, placed) = (vec![published.task], Some(published.entry));
                drift.push(Drift { path, tasks, is_output: true, placed, found });
            }
        }
        drift.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(drift)
    }

    /// Paths whose fold, by the record, is not what was placed last: a build was killed before it came to that.
    pub fn unplaced(&self) -> Result<Vec<EditedPath>, EngineError> {
        let edited = self.ledger.edited();
        let changers = self.ledger.changers();
        let mut paths: BTreeSet<RelPath> = edited.keys().cloned().collect();
        paths.extend(changers.iter().flat_map(|task| self.ledger.changes_by(task).keys().cloned().collect::<Vec<_>>()));
        let mut unplaced = Vec::new();
        for path in paths {
            let found = self.on_disk(&path)?;
            let changes = self.ledger.changes_at(&path);
            let (placed, base) = match edited.get(&path) {
                Some(known) => (placed_of(known, found.as_ref()).0, known.base.clone()),
                None => (found.clone(), found.clone()),
            };
            let fold = match self.recorded_fold(&path, &changes.clone().into_iter().collect::<Vec<_>>())? {
                Some(fold) => fold,
                None if changes.is_empty() => base,
                // They clash, or their content is lost: what a build makes of that it says itself.
                None => continue,
            };
            if fold != placed {
                unplaced.push(EditedPath { path, tasks: changes.into_keys().collect() });
            }
        }
        Ok(unplaced)
    }

    /// The fold of changes on record; `None` where there are none, or they cannot be folded: nor where one is of a task that
    /// left the plan, whose turn only a build works out.
    fn recorded_fold(
        &self,
        path: &RelPath,
        changes: &[(TaskName, Change)],
    ) -> Result<Option<Option<Entry>>, EngineError> {
        let of_plan = |(name, change): &'_ (TaskName, Change)| Some((self.graph.ix(name)?, change.clone()));
        let ordered: Option<BTreeMap<TaskIx, Change>> = changes.iter().map(of_plan).collect();
        let Some(ordered) = ordered.filter(|ordered| !ordered.is_empty()) else { return Ok(None) };
        Ok(match self.fold(path, ordered.iter().map(|(ix, change)| (*ix, change)))? {
            Folded::Entry(entry) => Some(entry),
            Folded::Clash(_) | Folded::Lost => None,
        })
    }
}

impl Look {
    /// What a person changed since orca wrote it, path by path.
    pub fn drift_difference(&self) -> Result<Vec<Difference>, EngineError> {
        let mut all = Vec::new();
        for one in self.resolver.drift()? {
            let (placed, found) = (one.placed.as_ref(), one.found.as_ref());
            all.extend(difference(self.resolver.contents(), &one.path, placed, found)?);
        }
        Ok(all)
    }
}
