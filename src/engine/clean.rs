//! Taking away what builds put into the project: `orca clean`.
//!
//! An output goes only if it is still what orca wrote: what a person changed stays and is named. Records of outputs stay
//! as well, so the next build finds them missing and restores them from the cache, or runs what the cache no longer has;
//! only what belongs to no task any more is forgotten. Links are removed, never followed.

use std::collections::BTreeSet;

use serde::Serialize;

use super::project::Project;
use super::resolve::on_disk;
use super::session::EngineError;
use crate::base::{Entry, RelPath, TaskName};
use crate::store::{Journal, Published, Root, StatCache, StoreError};

/// What `--all` removes of `.orca`, besides outputs.
const STATE_DIRECTORIES: [&str; 4] = ["failed", "replaced", "scratch", "work"];

/// What to clean.
#[derive(Debug, Clone, Default)]
pub struct CleanOptions {
    /// Only what belongs to these tasks.
    pub tasks: Option<BTreeSet<TaskName>>,
    /// What is kept in `.orca`, too.
    pub all: bool,
}

/// What cleaning removes, and what it leaves.
#[derive(Debug, Default, Serialize)]
pub struct Cleaning {
    /// Outputs that are what orca wrote.
    pub outputs: Vec<RelPath>,
    /// Outputs that were changed since: they stay.
    pub changed: Vec<RelPath>,
    /// Directories of orca's own.
    pub state: Vec<RelPath>,
}

impl Cleaning {
    /// What there is to remove. Changes nothing.
    pub fn plan(project: &Project, options: &CleanOptions) -> Result<Self, EngineError> {
        let root = Root::open(project.root())?;
        let stat_cache = StatCache::load(&project.state().join("stat"));
        let mut cleaning = Self::default();
        if let Some(journal) = Journal::open_readonly(&project.state())? {
            for (path, published) in journal.published()? {
                if options.tasks.as_ref().is_some_and(|tasks| !tasks.contains(&published.task)) {
                    continue;
                }
                match on_disk(&stat_cache, &root, &path)? {
                    Some(found) if found == published.entry => cleaning.outputs.push(path),
                    None if !is_there(&root, &path, true)? => {}
                    _ => cleaning.changed.push(path),
                }
            }
        }
        if options.all {
            cleaning.state = state_directories(&root, options.tasks.as_ref())?;
        }
        Ok(cleaning)
    }

    /// Whether there is nothing to remove.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty() && self.state.is_empty()
    }

    /// Removes it. An output that changed meanwhile stays; answers what was removed and what stayed. `known` are the
    /// tasks of the plan, where there is a valid one.
    pub fn perform(
        &self,
        project: &Project,
        known: Option<&BTreeSet<TaskName>>,
        waits_for: impl FnOnce(&str),
    ) -> Result<Self, EngineError> {
        let holder = format!("process {} (orca clean)", std::process::id());
        let _lock = project.lock_to_change(&holder, waits_for)?;
        let root = Root::open(project.root())?;
        let journal = Journal::open(&project.state())?;
        let published = journal.published()?;
        let mut done = Self { changed: self.changed.clone(), ..Self::default() };
        for path in self.outputs.iter().rev() {
            match published.get(path) {
                Some(record) if remove(&root, path, record)? => done.outputs.push(path.clone()),
                _ => done.changed.push(path.clone()),
            }
        }
        done.outputs.sort();
        for path in &self.state {
            if root.remove_tree(path)? {
                done.state.push(path.clone());
            }
        }
        let is_orphan = |path: &&RelPath| {
            let task = published.get(*path).map(|record| &record.task);
            task.is_some_and(|task| known.is_some_and(|known| !known.contains(task)))
        };
        let orphans: Vec<RelPath> = done.outputs.iter().filter(is_orphan).cloned().collect();
        journal.forget(&orphans)?;
        Ok(done)
    }
}

/// Removes an output with the directories that are empty then, if it still is what was recorded.
fn remove(root: &Root, path: &RelPath, record: &Published) -> Result<bool, EngineError> {
    // Hashed anew: the clock of a file is no reason to remove it.
    if on_disk(&StatCache::default(), root, path)?.as_ref() != Some(&record.entry) {
        return Ok(false);
    }
    let removed = match record.entry {
        Entry::EmptyDir => root.remove_empty_dir(path)?,
        _ => root.remove_file(path)?,
    };
    root.remove_empty_parents(path, None)?;
    Ok(removed)
}

fn state_directories(root: &Root, tasks: Option<&BTreeSet<TaskName>>) -> Result<Vec<RelPath>, EngineError> {
    let names: Vec<String> = match tasks {
        None => STATE_DIRECTORIES.iter().map(|name| format!(".orca/{name}")).collect(),
        Some(tasks) => ["failed", "scratch", "work"]
            .iter()
            .flat_map(|name| tasks.iter().map(move |task| format!(".orca/{name}/{}", task.file_name())))
            .collect(),
    };
    let mut found = Vec::new();
    for name in names {
        let path = RelPath::from_disk(&name).expect("names of orca's own are plain");
        if is_there(root, &path, false)? {
            found.push(path);
        }
    }
    Ok(found)
}

/// Whether anything is at a path; `through_link` is the answer where a link is on the way, which is not followed.
fn is_there(root: &Root, path: &RelPath, through_link: bool) -> Result<bool, EngineError> {
    match root.stat(path) {
        Err(StoreError::ThroughSymlink { .. }) => Ok(through_link),
        found => Ok(found?.is_some()),
    }
}
