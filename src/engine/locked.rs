//! What stands against `orca build --locked`: everything that would run or be judged anew, and a lock that would change.
//! Found out by looking; nothing runs and nothing is written.
//!
//! Files that are missing may be restored: their content is known. Gates of the plan judge, if need be: they look at
//! the tree as it is, and what they say is in no lock.

use std::collections::BTreeSet;

use serde::Serialize;

use super::lock::is_locked;
use super::lock_keeper::{completed, locked_task};
use super::look::{Look, Prospect, Seen};
use super::session::EngineError;
use super::standing::Standing;
use crate::base::TaskName;
use crate::plan::LOCK_FILE;
use crate::store::Lock;

/// Whether `orca.lock` says what a build would write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum LockStanding {
    /// There is none, and none is needed.
    None,
    /// It does.
    UpToDate,
    /// There is none, and a build would write one.
    Missing,
    /// It does not.
    Outdated {
        /// The tasks of which it says something else.
        tasks: Vec<TaskName>,
    },
}

/// One thing that stands against `--locked`.
#[derive(Debug, Clone, Serialize)]
pub struct Obstacle {
    /// The task; none where it is the lock itself.
    pub task: Option<TaskName>,
    /// What would happen: `run`, `judge`, `maybe`, `fail` or `write`.
    pub would: &'static str,
    /// Why.
    pub because: String,
}

impl Look {
    /// Whether `orca.lock` says what a build would write, as far as the tasks looked at are concerned.
    pub fn lock_standing(&self) -> Result<LockStanding, EngineError> {
        let found = self.resolver.ledger.lock();
        let mut open = found.open.clone();
        let mut lock = found.lock.clone();
        for ix in self.tasks() {
            if let Seen::Known(keyed, Standing::Clean(reused)) = self.seen(ix)
                && is_locked(self.resolver.plan(), &self.resolver.graph, ix)
            {
                open.remove(self.name(ix));
                lock.tasks.insert(self.name(ix).clone(), locked_task(&self.resolver, ix, keyed, reused));
            }
        }
        let has_any = self.resolver.graph.tasks().any(|ix| is_locked(self.resolver.plan(), &self.resolver.graph, ix));
        let lock = completed(&self.resolver, &lock, &open)?;
        Ok(match &found.text {
            _ if !has_any => LockStanding::None,
            None if lock.is_empty() => LockStanding::None,
            None => LockStanding::Missing,
            Some(text) if *text == lock.to_text() => LockStanding::UpToDate,
            Some(text) => LockStanding::Outdated { tasks: differing(&Lock::parse(text).unwrap_or_default(), &lock) },
        })
    }

    /// What stands against `orca build --locked`.
    pub fn obstacles(&self) -> Result<Vec<Obstacle>, EngineError> {
        let mut obstacles = Vec::new();
        for ix in self.tasks() {
            let (would, because) = match self.prospect(ix) {
                Prospect::Nothing | Prospect::Restore { .. } => continue,
                Prospect::Judge { because } => ("judge", because),
                Prospect::Hold { because } => ("hold", because),
                Prospect::Run { because } => ("run", because),
                Prospect::Maybe { on } => ("maybe", format!("it depends on what `{on}` brings")),
                Prospect::Fail { because } => ("fail", because),
            };
            obstacles.push(Obstacle { task: Some(self.name(ix).clone()), would, because });
        }
        let because = match self.lock_standing()? {
            LockStanding::None | LockStanding::UpToDate => None,
            LockStanding::Missing => {
                Some(format!("there is no {LOCK_FILE}, and there are results that belong into it"))
            }
            LockStanding::Outdated { tasks } if tasks.is_empty() => Some(format!("{LOCK_FILE} would be written anew")),
            LockStanding::Outdated { tasks } => {
                let names: Vec<String> = tasks.iter().take(10).map(|task| format!("`{task}`")).collect();
                Some(format!("{LOCK_FILE} says something else of {}", names.join(", ")))
            }
        };
        obstacles.extend(because.map(|because| Obstacle { task: None, would: "write", because }));
        Ok(obstacles)
    }
}

fn differing(left: &Lock, right: &Lock) -> Vec<TaskName> {
    let names: BTreeSet<&TaskName> = left.tasks.keys().chain(right.tasks.keys()).collect();
    names.into_iter().filter(|name| left.tasks.get(*name) != right.tasks.get(*name)).cloned().collect()
}
