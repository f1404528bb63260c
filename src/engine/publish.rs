//! An accepted result put into the project: atomic per file, journaled before the first and after the last one.
//!
//! Each path is in one of four states, and only the first three are written over:
//!
//! | on disk | is | what happens |
//! |---|---|---|
//! | nothing | | the new entry is placed |
//! | what the record says orca put there | ours | it is replaced |
//! | the new entry already | done | nothing |
//! | anything else | a person's | a command's output is replaced, a copy kept in `.orca/replaced`; of an agent's it is a conflict |
//!
//! A kill in between leaves pending rows; [`recover`] finishes them at the next build.

use std::collections::BTreeMap;

use super::resolve::Resolver;
use super::session::EngineError;
use crate::base::{Entry, FailureKind, RelPath, TaskName, Tree};
use crate::event::Failure;
use crate::graph::TaskIx;
use crate::store::{PendingPublish, Root, Store};

/// Where the content of a result is.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    /// In the workspace it was made in.
    Workspace(&'a Root),
    /// In the cache.
    Cache(&'a Store),
}

/// What publishing did.
#[derive(Debug, Default)]
pub(super) struct Publication {
    /// Paths written.
    pub written: u64,
    /// Paths of earlier results that are no longer part of it, removed.
    pub removed: Vec<RelPath>,
    /// Things to tell the user.
    pub notices: Vec<String>,
}

/// Why a result was not published.
pub(super) enum Refused {
    /// It meets a person's changes.
    Conflict(Failure),
    /// The world's fault.
    World(EngineError),
}

impl<E: Into<EngineError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::World(error.into())
    }
}

/// Publishes `outputs` as the result of `task`. `keep` are drifted paths that stay as they are.
pub(super) fn publish(
    resolver: &Resolver,
    project: &Root,
    task: TaskIx,
    outputs: &Tree,
    content: Content<'_>,
    keep: &[RelPath],
) -> Result<Publication, Refused> {
    let name = resolver.name(task).clone();
    let earlier = resolver.ledger.published_by(&name);
    let mut done = Publication::default();
    let mut planned: Vec<(RelPath, Entry, Option<Entry>)> = Vec::new();
    let mut conflicts = Vec::new();
    for (path, entry) in outputs.iter().filter(|(path, _)| !keep.contains(path)) {
        let found = resolver.on_disk(path)?;
        if found.as_ref() == Some(entry) {
            continue;
        }
        let is_ours = |found: &Entry| resolver.ledger.published_at(path).is_some_and(|known| known.entry == *found);
        if let Some(found) = found.as_ref().filter(|found| !is_ours(found)) {
            let on_record = resolver.ledger.published_at(path).is_some();
            if on_record && resolver.task(task).is_agent() {
                conflicts.push(path.clone());
            } else if let Some(copy) = keep_copy(project, path, found)? {
                done.notices.push(format!("`{path}` was not what orca had put there; it is kept as `{copy}`"));
            }
        }
        planned.push((path.clone(), entry.clone(), found));
    }
    if !conflicts.is_empty() {
        return Err(Refused::Conflict(conflict(&conflicts)));
    }
    let leftovers: Vec<RelPath> = earlier.keys().filter(|path| !outputs.contains_key(*path)).cloned().collect();
    if planned.is_empty() && leftovers.is_empty() && earlier == *outputs {
        return Ok(done);
    }
    let rows: Vec<_> = outputs
        .iter()
        .map(|(path, entry)| {
            let old = planned.iter().find(|(planned, _, _)| planned == path).and_then(|(_, _, old)| old.clone());
            (path.clone(), entry.clone(), old)
        })
        .collect();
    resolver.ledger.with_journal(|journal| journal.begin_publish(&name, &rows))?;
    done.removed = remove_leftovers(resolver, project, &leftovers, &earlier, &mut done.notices)?;
    for (path, entry, _) in &planned {
        place(resolver, project, path, entry, content)?;
        done.written += 1;
    }
    resolver.ledger.with_journal(|journal| journal.finish_publish(&name, &leftovers))?;
    resolver.ledger.note_published(&name, outputs, &leftovers);
    Ok(done)
}

/// Places one entry, making way where something of orca's is in it.
fn place(
    resolver: &Resolver,
    project: &Root,
    path: &RelPath,
    entry: &Entry,
    content: Content<'_>,
) -> Result<(), EngineError> {
    let ours = |path: &RelPath, entry: &Entry| {
        resolver.ledger.published_at(path).is_some_and(|published| published.entry == *entry)
    };
    resolver.stat_cache.forget(path);
    if *entry == Entry::EmptyDir {
        project.make_way_for_dir(path, &ours)?;
    } else {
        project.make_way(path, &ours)?;
    }
    let Entry::File { digest, executable, .. } = entry else {
        project.place_bare(path, entry)?;
        return Ok(());
    };
    match content {
        Content::Workspace(workspace) => {
            if !project.copy_exact(workspace, path, path, *executable, digest)? {
                return Err(EngineError::World(format!("`{path}` changed in the workspace after its task had ended")));
            }
        }
        Content::Cache(store) => {
            if !store.copy_to(digest, project, path, *executable)? {
                return Err(EngineError::World(format!("the cache lost the content of `{path}`; build again")));
            }
        }
    }
    Ok(())
}

/// Removes paths that were part of an earlier result, where they are still what orca put there.
fn remove_leftovers(
    resolver: &Resolver,
    project: &Root,
    leftovers: &[RelPath],
    earlier: &Tree,
    notices: &mut Vec<String>,
) -> Result<Vec<RelPath>, EngineError> {
    let mut removed = Vec::new();
    for path in leftovers.iter().rev() {
        match resolver.on_disk(path)? {
            None => {}
            Some(found) if earlier.get(path) == Some(&found) => {
                resolver.stat_cache.forget(path);
                if found == Entry::EmptyDir {
                    project.remove_empty_dir(path)?;
                } else {
                    project.remove_file(path)?;
                }
                project.remove_empty_parents(path, None)?;
                removed.push(path.clone());
            }
            Some(_) => notices.push(format!("`{path}` is no output any more; it was changed, so it stays")),
        }
    }
    Ok(removed)
}

/// Keeps what a person had at an output's path; `None` where there is nothing worth keeping.
fn keep_copy(project: &Root, path: &RelPath, found: &Entry) -> Result<Option<RelPath>, EngineError> {
    let Entry::File { executable, .. } = found else { return Ok(None) };
    let kept = RelPath::new(".orca/replaced").expect("a plain path").child(path.as_str());
    project.copy_from(project, path, &kept, *executable)?;
    Ok(Some(kept))
}

fn conflict(paths: &[RelPath]) -> Failure {
    Failure {
        kind: FailureKind::Conflict,
        message: "its new result meets files that were changed by hand since its last one".to_owned(),
        exit_code: None,
        signal: None,
        details: paths
            .iter()
            .map(|path| format!("{path}: move your version away, then build again; the result is kept in the cache"))
            .collect(),
    }
}

/// Finishes what a killed build had begun to publish: each pending path that is still as it was before gets its new
/// content; where that is gone, the row is forgotten and its task runs again.
pub(super) fn recover(resolver: &Resolver, project: &Root) -> Result<Vec<String>, EngineError> {
    let pending = resolver.ledger.with_journal(|journal| journal.pending())?.unwrap_or_default();
    let mut notices = Vec::new();
    let mut by_task: BTreeMap<TaskName, Vec<PendingPublish>> = BTreeMap::new();
    for row in pending {
        by_task.entry(row.task.clone()).or_default().push(row);
    }
    for (task, rows) in by_task {
        let mut lost: Vec<RelPath> = Vec::new();
        let mut present = Tree::new();
        for row in &rows {
            let found = resolver.on_disk(&row.path)?;
            let untouched = found == row.old || found.is_none();
            if found.as_ref() != Some(&row.new) && untouched && !finish(resolver, project, &row.path, &row.new)? {
                lost.push(row.path.clone());
            } else {
                present.insert(row.path.clone(), row.new.clone());
            }
        }
        notices.push(format!("finished publishing `{task}`, which a killed build had begun", task = task));
        resolver.ledger.with_journal(|journal| {
            journal.finish_publish(&task, &lost)?;
            journal.forget_tasks(std::slice::from_ref(&task))
        })?;
        resolver.ledger.note_published(&task, &present, &lost);
    }
    Ok(notices)
}

/// Places a pending entry from the cache; `false` where the cache does not have it.
fn finish(resolver: &Resolver, project: &Root, path: &RelPath, entry: &Entry) -> Result<bool, EngineError> {
    match (&resolver.store, entry) {
        (Some(store), Entry::File { digest, .. }) if store.has(digest) => {
            place(resolver, project, path, entry, Content::Cache(store))?;
            Ok(true)
        }
        (_, Entry::File { .. }) => Ok(false),
        (Some(store), _) => place(resolver, project, path, entry, Content::Cache(store)).map(|()| true),
        (None, _) => project.place_bare(path, entry).map(|_| true).map_err(EngineError::from),
    }
}

/// Removes what tasks that are no longer in the plan had put into the project, where it is unchanged.
pub(super) fn remove_orphans(resolver: &Resolver, project: &Root) -> Result<Vec<String>, EngineError> {
    let orphaned = |task: &TaskName, path: &RelPath| {
        !resolver.plan().tasks.contains_key(task)
            || resolver.graph.owner(path).is_none_or(|owner| resolver.name(owner) != task)
    };
    let mut earlier = Tree::new();
    for (path, published) in resolver.ledger.published() {
        if orphaned(&published.task, &path) {
            earlier.insert(path, published.entry);
        }
    }
    if earlier.is_empty() {
        return Ok(Vec::new());
    }
    let mut notices = Vec::new();
    let paths: Vec<RelPath> = earlier.keys().filter(|path| resolver.graph.owner(path).is_none()).cloned().collect();
    let removed = remove_leftovers(resolver, project, &paths, &earlier, &mut notices)?;
    for path in &removed {
        notices.push(format!("removed `{path}`: no task writes it any more"));
    }
    let all: Vec<RelPath> = earlier.into_keys().collect();
    resolver.ledger.with_journal(|journal| journal.forget(&all))?;
    resolver.ledger.forget(&all);
    Ok(notices)
}
