//! An accepted result put into the project: atomic per file, journaled before the first and after the last one.
//!
//! Each path is in one of these states:
//!
//! | on disk | is | what happens |
//! |---|---|---|
//! | nothing | | the new entry is placed |
//! | what the record says orca put there | ours | it is replaced |
//! | the new entry already | done | nothing |
//! | anything else | a person's | a command's output is replaced, what was there kept in `.orca/replaced`; with an agent's the edit is merged |
//! | a file or link where a directory above the outputs has to be | a person's | a conflict |
//!
//! A kill in between leaves pending rows; [`Publisher::recover`] finishes them at the next build.

use std::collections::{BTreeMap, BTreeSet};

use super::merging::Combined;
use super::resolve::Resolver;
use super::session::EngineError;
use crate::base::{Entry, FailureKind, RelPath, TaskName, Tree};
use crate::event::{Failure, RunId};
use crate::graph::TaskIx;
use crate::store::{Ended, Exchange, Kept, PendingPublish, Root, Store, StoreError, TaskRecord, ToPublish};
use crate::sys::beneath::FileKind;

/// Where the content of a result is.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    /// In the workspace it was made in.
    Workspace {
        /// The workspace.
        root: &'a Root,
        /// Whether there is nothing else that has to be placed, so that it may be taken from there.
        is_last: bool,
    },
    /// In what the project keeps, or in the cache.
    Stored {
        /// What the project keeps.
        kept: Option<&'a Kept>,
        /// The cache.
        store: Option<&'a Store>,
    },
}

/// What publishing did.
#[derive(Debug, Default)]
pub(super) struct Publication {
    /// Paths written.
    pub written: u64,
    /// Things to tell the user.
    pub notices: Vec<String>,
    /// Whether the state of the task went on record with it.
    pub is_recorded: bool,
}

/// Why a result was not published.
pub(super) enum Refused {
    /// It meets a person's changes.
    Conflict(Failure),
    /// The cache no longer has the content of this path.
    Lost(RelPath),
    /// The world's fault.
    World(EngineError),
}

impl<E: Into<EngineError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::World(error.into())
    }
}

/// Puts results into the project, in one run.
pub(super) struct Publisher<'a> {
    /// Records and digests.
    pub resolver: &'a Resolver,
    /// The project, with a staging place for atomic writes.
    pub project: &'a Root,
    /// The run, which what is replaced is kept under.
    pub run: RunId,
}

/// What publishing a result comes to, found out before anything of it is written.
pub(super) struct Publishing<'a> {
    task: TaskIx,
    outputs: &'a Tree,
    /// What is not there as it should be, with what is there.
    planned: Vec<(&'a RelPath, &'a Entry, Option<Entry>)>,
    rows: Vec<ToPublish>,
    earlier: Tree,
    leftovers: Vec<RelPath>,
    drifted: Vec<(RelPath, Entry)>,
    done: Publication,
}

impl Publisher<'_> {
    /// Publishes `outputs` as the result of `task`. `keep` are drifted paths that stay as they are. `record` is the state that
    /// the task has with that, if it is accepted with it: it goes on record in one step with the end of publishing.
    pub(super) fn publish(
        &self,
        task: TaskIx,
        outputs: &Tree,
        content: Content<'_>,
        keep: &[RelPath],
        record: &dyn Fn() -> Option<TaskRecord>,
    ) -> Result<Publication, Refused> {
        let Some(mut publishing) = self.plan(task, outputs, keep)? else { return Ok(Publication::default()) };
        self.begin(std::slice::from_ref(&publishing))?;
        self.put(&mut publishing, content)?;
        let mut ended = self.end(vec![(publishing, record())])?;
        Ok(ended.pop().expect("INVARIANT: one ends for each"))
    }

    /// Finds out what publishing comes to; `None` where everything is as it should be. Merges what a person made of an
    /// agent's result, and keeps copies of what is to be replaced.
    pub(super) fn plan<'a>(
        &self,
        task: TaskIx,
        outputs: &'a Tree,
        keep: &[RelPath],
    ) -> Result<Option<Publishing<'a>>, Refused> {
        let earlier = self.resolver.ledger.published_by(self.resolver.name(task));
        let mut done = Publication::default();
        let mut planned: Vec<(&RelPath, &Entry, Option<Entry>)> = Vec::new();
        for (path, entry) in outputs.iter().filter(|(path, _)| !keep.contains(path)) {
            if self.is_edited_by_others(path) {
                continue;
            }
            let found = self.resolver.found_for(path, entry)?;
            if found.as_ref() != Some(entry) {
                planned.push((path, entry, found));
            }
        }
        let merged = self.merge_drift(task, &mut planned)?;
        let is_pending = |path: &RelPath| !keep.contains(path) && !merged.iter().any(|(merged, _)| merged == path);
        let leftovers: Vec<RelPath> = earlier.keys().filter(|path| !outputs.contains_key(*path)).cloned().collect();
        if planned.is_empty() && leftovers.is_empty() && earlier == *outputs {
            return Ok(None);
        }
        let old: BTreeMap<&RelPath, &Option<Entry>> = planned.iter().map(|(path, _, old)| (*path, old)).collect();
        let row = |(path, entry): (&RelPath, &Entry)| {
            (path.clone(), entry.clone(), old.get(path).and_then(|old| (*old).clone()))
        };
        let rows = outputs.iter().filter(|(path, _)| is_pending(path)).map(row).collect();
        let drifted = outputs
            .iter()
            .filter(|(path, entry)| !is_pending(path) && earlier.get(*path) != Some(*entry))
            .map(|(path, entry)| (path.clone(), entry.clone()))
            .collect();
        for (path, _, found) in &planned {
            self.save(path, found.as_ref(), &mut done.notices)?;
        }
        self.note_written(task, outputs, &earlier, &planned, &leftovers)?;
        Ok(Some(Publishing { task, outputs, planned, rows, earlier, leftovers, drifted, done }))
    }

    /// Says in the journal what is about to be written, in one step for all.
    pub(super) fn begin(&self, all: &[Publishing<'_>]) -> Result<(), EngineError> {
        let rows: Vec<_> = all.iter().map(|one| (self.resolver.name(one.task), one.rows.as_slice())).collect();
        self.resolver.ledger.with_journal(|journal| journal.begin_publishing(&rows))?;
        Ok(())
    }

    /// Writes what is missing. What was begun and is refused in the middle stays pending.
    pub(super) fn put(&self, publishing: &mut Publishing<'_>, content: Content<'_>) -> Result<(), Refused> {
        let Publishing { task, planned, earlier, leftovers, done, .. } = publishing;
        self.remove_leftovers(leftovers, earlier, &mut done.notices)?;
        let content = match content {
            Content::Workspace { root, is_last } => Content::Workspace { root, is_last: is_last && planned.len() == 1 },
            stored => stored,
        };
        let mut present = Tree::new();
        for (path, entry, _) in planned.drain(..) {
            if let Err(refused) = self.place(Some(*task), path, entry, content, &mut done.notices) {
                // What is there by now is orca's, whoever comes next.
                self.resolver.ledger.note_published(self.resolver.name(*task), &present, leftovers);
                return Err(refused);
            }
            present.insert(path.clone(), entry.clone());
            done.written += 1;
        }
        Ok(())
    }

    /// Says in the journal that it is written, in one step for all, each with the state that its task has with that.
    pub(super) fn end(&self, all: Vec<(Publishing<'_>, Option<TaskRecord>)>) -> Result<Vec<Publication>, EngineError> {
        let resolver = self.resolver;
        let rows = all.iter().map(|(one, record)| Ended {
            task: resolver.name(one.task),
            removed: &one.leftovers,
            noted: &one.drifted,
            record: record.as_ref(),
        });
        let rows: Vec<Ended<'_>> = rows.collect();
        resolver.ledger.with_journal(|journal| journal.end_publishing(&rows))?;
        all.into_iter()
            .map(|(one, record)| {
                let Publishing { task, outputs, leftovers, mut done, .. } = one;
                done.is_recorded = record.is_some();
                resolver.ledger.note_published(resolver.name(task), outputs, &leftovers);
                done.notices.extend(self.strangers(task, outputs)?);
                Ok(done)
            })
            .collect()
    }

    /// Notes what will be written over what, where that can be undone: of agents. What a command puts out can be made again.
    fn note_written(
        &self,
        task: TaskIx,
        outputs: &Tree,
        earlier: &Tree,
        planned: &[(&RelPath, &Entry, Option<Entry>)],
        leftovers: &[RelPath],
    ) -> Result<(), EngineError> {
        let resolver = self.resolver;
        if !resolver.task(task).is_agent() {
            return Ok(());
        }
        let mut rows: Vec<(RelPath, Option<Entry>, Option<Entry>)> = planned
            .iter()
            .map(|(path, entry, found)| ((*path).clone(), found.clone(), Some((*entry).clone())))
            .collect();
        for path in leftovers {
            let found = resolver.on_disk(path)?;
            if found.is_some() && found.as_ref() == earlier.get(path) {
                rows.push((path.clone(), found, None));
            }
        }
        let changed = outputs.iter().filter(|(path, entry)| earlier.get(*path) != Some(*entry));
        for (path, _) in changed.filter(|(path, _)| self.is_edited_by_others(path)) {
            let found = resolver.on_disk(path)?;
            rows.push((path.clone(), found.clone(), found));
        }
        resolver.note_outputs_written(self.run, self.project, resolver.name(task), earlier, rows.into_iter())
    }

    /// Whether other tasks edit this output: then it is placed with their changes.
    fn is_edited_by_others(&self, path: &RelPath) -> bool {
        self.resolver.graph.has_editors() && !self.resolver.ledger.changes_at(path).is_empty()
    }

    /// Carries what a person made of an agent's last result over to this one. The paths are written one by one, each by an
    /// exchange, before anything is on record; done again after a kill, it comes to the same.
    fn merge_drift(
        &self,
        task: TaskIx,
        planned: &mut Vec<(&RelPath, &Entry, Option<Entry>)>,
    ) -> Result<Vec<(RelPath, Entry)>, Refused> {
        let resolver = self.resolver;
        let Some(kept) = resolver.kept.as_ref().filter(|_| resolver.task(task).is_agent()) else {
            return Ok(Vec::new());
        };
        let name = resolver.name(task);
        let (mut edited, mut clashes) = (Vec::new(), Vec::new());
        for (path, entry, found) in planned.iter() {
            let known = resolver.ledger.published_at(path).filter(|known| known.task == *name);
            let (Some(known), Some(found)) = (known, found) else { continue };
            if *found == known.entry {
                continue;
            }
            let versions = [Some(&known.entry), Some(found), Some(*entry)];
            match resolver.merging.combine(resolver.contents(), path, versions)? {
                Combined::Entry(Some(after)) => edited.push(((*path).clone(), (*entry).clone(), found.clone(), after)),
                Combined::Clash(clash) => {
                    clashes.push(clash.to_text(path.as_str(), "you", &format!("`{name}`")));
                }
                Combined::Entry(None) | Combined::Lost => clashes.push(format!("{path}: its last version is lost")),
            }
        }
        if !clashes.is_empty() {
            return Err(Refused::Conflict(with_a_person(name, clashes)));
        }
        let rows = edited.iter().filter(|(_, _, found, after)| found != after);
        let rows = rows.map(|(path, _, found, after)| (path.clone(), Some(found.clone()), Some(after.clone())));
        let earlier = resolver.ledger.published_by(name);
        resolver.note_outputs_written(self.run, self.project, name, &earlier, rows)?;
        let mut merged = Vec::new();
        for (path, entry, found, after) in edited {
            let exchanged = self.project.exchange(&path, Some(&found), Some(&after), kept)?;
            resolver.stat_cache.forget(&path);
            match exchanged {
                Exchange::Done => merged.push((path, entry)),
                Exchange::Lost => return Err(Refused::Lost(path)),
                Exchange::Disturbed => {
                    let hunk = format!("{path} was written just now: build again");
                    return Err(Refused::Conflict(with_a_person(name, vec![hunk])));
                }
            }
        }
        planned.retain(|(path, _, _)| !merged.iter().any(|(merged, _)| merged == *path));
        Ok(merged)
    }

    /// What lies among the outputs of a task and came neither with its result nor from orca: it stays, and is told.
    fn strangers(&self, task: TaskIx, outputs: &Tree) -> Result<Option<String>, EngineError> {
        let patterns = &self.resolver.task(task).outputs;
        let is_known = |path: &RelPath| outputs.contains_key(path) || self.resolver.ledger.published_at(path).is_some();
        let mut strangers = BTreeSet::new();
        for pattern in patterns.iter().filter(|pattern| !outputs.keys().any(|path| path.as_str() == pattern.as_str())) {
            let Ok(base) = RelPath::new(&pattern.base()) else { continue };
            if self.project.stat(&base)?.is_none_or(|found| found.kind != FileKind::Directory) {
                continue;
            }
            let reserved = |path: &RelPath| matches!(path.file_name(), ".git" | ".orca");
            let listed = self.project.list(Some(&base), &reserved)?.entries;
            let files = listed.into_iter().filter(|listed| listed.stat.kind != FileKind::Directory);
            strangers.extend(files.map(|listed| listed.path).filter(|path| patterns.matches(path) && !is_known(path)));
        }
        let Some(first) = strangers.first() else { return Ok(None) };
        let others = match strangers.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        let name = self.resolver.name(task);
        Ok(Some(format!(
            "`{first}`{others} among the outputs of `{name}` did not come from it; remove what is not yours"
        )))
    }

    /// Keeps a copy of what a person has at an output's path.
    fn save(&self, path: &RelPath, found: Option<&Entry>, notices: &mut Vec<String>) -> Result<(), EngineError> {
        let Some(found) = found else { return Ok(()) };
        if self.resolver.ledger.published_at(path).is_some_and(|known| known.entry == *found) {
            return Ok(());
        }
        let kept = self.kept(path);
        match found {
            Entry::File { executable, .. } => {
                self.project.copy_from(self.project, path, &kept, *executable)?;
            }
            Entry::Symlink { target } => self.project.symlink(&kept, target)?,
            Entry::EmptyDir => return Ok(()),
        }
        notices.push(format!("`{path}` was not what orca had put there; it is kept as `{kept}`"));
        Ok(())
    }

    /// Where something that has to go from `path` is kept.
    fn kept(&self, path: &RelPath) -> RelPath {
        let replaced = RelPath::new(".orca/replaced").expect("a plain path");
        replaced.child(&self.run.to_string()).child(path.as_str())
    }

    /// Places one entry, making way where something is in it.
    fn place(
        &self,
        task: Option<TaskIx>,
        path: &RelPath,
        entry: &Entry,
        content: Content<'_>,
        notices: &mut Vec<String>,
    ) -> Result<(), Refused> {
        self.resolver.stat_cache.forget(path);
        self.make_way(task, path, entry, notices)?;
        let Entry::File { digest, executable, .. } = entry else {
            self.project.place_bare(path, entry)?;
            return Ok(());
        };
        match content {
            Content::Workspace { root: workspace, is_last } => {
                // The only file of a result is moved; of several each stays where it is until all are placed.
                let is_moved = is_last && self.project.take_exact(workspace, path, path, *executable, digest)?;
                if !is_moved && !self.project.copy_exact(workspace, path, path, *executable, digest)? {
                    let message = format!("`{path}` changed in the workspace after its task had ended");
                    return Err(Refused::World(EngineError::World(message)));
                }
            }
            Content::Stored { kept, store } => {
                let from_kept = kept.map_or(Ok(false), |kept| kept.copy_to(digest, self.project, path, *executable))?;
                let from_cache = || store.map_or(Ok(false), |s| s.copy_to(digest, self.project, path, *executable));
                if !from_kept && !from_cache()? {
                    return Err(Refused::Lost(path.clone()));
                }
            }
        }
        Ok(())
    }

    /// Frees a path. What orca put in the way is removed; what a person put where the task's outputs go is moved to
    /// `.orca/replaced`; anything else stays, and is a conflict.
    fn make_way(
        &self,
        task: Option<TaskIx>,
        path: &RelPath,
        entry: &Entry,
        notices: &mut Vec<String>,
    ) -> Result<(), Refused> {
        let ours = |path: &RelPath, entry: &Entry| {
            self.resolver.ledger.published_at(path).is_some_and(|published| published.entry == *entry)
        };
        loop {
            let way = match entry {
                Entry::EmptyDir => self.project.make_way_for_dir(path, &ours),
                _ => self.project.make_way(path, &ours),
            };
            let obstacle = match way {
                Ok(_) => return Ok(()),
                // A directory at the path goes as a whole, with what a person has in it.
                Err(StoreError::NotOurs { path: found }) if found.is_within(path) => path.clone(),
                Err(StoreError::NotOurs { path: found }) => found,
                Err(error) => return Err(error.into()),
            };
            if !task.is_some_and(|task| self.resolver.task(task).outputs.matches(&obstacle)) {
                return Err(Refused::Conflict(in_the_way(path, &obstacle)));
            }
            let kept = self.kept(&obstacle);
            self.project.rename(&obstacle, &kept)?;
            notices.push(format!("`{obstacle}` was in the way of an output; it is kept as `{kept}`"));
        }
    }

    /// Removes paths that were part of an earlier result, where they are still what orca put there.
    fn remove_leftovers(
        &self,
        leftovers: &[RelPath],
        earlier: &Tree,
        notices: &mut Vec<String>,
    ) -> Result<Vec<RelPath>, EngineError> {
        let mut removed = Vec::new();
        for path in leftovers.iter().rev() {
            match self.resolver.on_disk(path)? {
                None => {}
                Some(found) if earlier.get(path) == Some(&found) => {
                    self.resolver.stat_cache.forget(path);
                    if found == Entry::EmptyDir {
                        self.project.remove_empty_dir(path)?;
                    } else {
                        self.project.remove_file(path)?;
                    }
                    self.project.remove_empty_parents(path, None)?;
                    removed.push(path.clone());
                }
                Some(_) => notices.push(format!("`{path}` is no output any more; it was changed, so it stays")),
            }
        }
        Ok(removed)
    }

    /// Finishes what a build that was killed, or could not go on, had begun to publish: each pending path that is still as it was before gets its
    /// new content; where that cannot be, it stays as it was. The task is not on record as accepted until it is
    /// resolved anew.
    pub(super) fn recover(&self) -> Result<Vec<String>, EngineError> {
        let ledger = &self.resolver.ledger;
        let pending = ledger.with_journal(|journal| journal.pending())?.unwrap_or_default();
        let mut notices = Vec::new();
        let mut by_task: BTreeMap<TaskName, Vec<PendingPublish>> = BTreeMap::new();
        for row in pending {
            by_task.entry(row.task.clone()).or_default().push(row);
        }
        for (task, rows) in by_task {
            let mut present = Tree::new();
            let mut not_ours: Vec<RelPath> = Vec::new();
            for row in &rows {
                match self.finish(row)? {
                    Some(entry) => drop(present.insert(row.path.clone(), entry)),
                    None => not_ours.push(row.path.clone()),
                }
            }
            let as_they_are: Vec<_> = present.iter().map(|(path, entry)| (path.clone(), entry.clone(), None)).collect();
            ledger.with_journal(|journal| {
                journal.begin_publish(&task, &as_they_are)?;
                journal.finish_publish(&task, &not_ours)
            })?;
            ledger.note_published(&task, &present, &not_ours);
            notices.push(format!("finished publishing `{task}`, which an earlier build had begun"));
        }
        Ok(notices)
    }

    /// What of orca's is at a path that a killed build was writing: what was to be there, else what was there before,
    /// a copy of which was kept if it was a person's.
    fn finish(&self, row: &PendingPublish) -> Result<Option<Entry>, EngineError> {
        let found = self.resolver.on_disk(&row.path)?;
        if found.as_ref() == Some(&row.new) {
            return Ok(found);
        }
        if found.is_some() && found != row.old {
            return Ok(None);
        }
        let content = Content::Stored { kept: self.resolver.kept.as_ref(), store: self.resolver.store.as_ref() };
        match self.place(None, &row.path, &row.new, content, &mut Vec::new()) {
            Ok(()) => Ok(Some(row.new.clone())),
            Err(Refused::Conflict(_) | Refused::Lost(_)) => Ok(found),
            Err(Refused::World(error)) => Err(error),
        }
    }

    /// Removes, where it is unchanged, what is on record at paths that are no longer the outputs of the task on record.
    /// Answers the paths that are not orca's any more, and what to tell.
    pub(super) fn remove_orphans(&self) -> Result<(Vec<RelPath>, Vec<String>), EngineError> {
        let resolver = self.resolver;
        let orphans = resolver.orphans();
        let mut notices = Vec::new();
        let paths: Vec<RelPath> = orphans.keys().cloned().collect();
        let (left, removable): (Vec<RelPath>, Vec<RelPath>) =
            paths.iter().cloned().partition(|path| resolver.ledger.is_left_by_agent(&resolver.graph, path));
        let removed = self.remove_leftovers(&removable, &orphans, &mut notices)?;
        let stays = left.iter().map(|path| format!("`{path}` is source now: the agent that wrote it left the plan"));
        notices.extend(stays);
        let unowned = removed.iter().filter(|path| resolver.graph.owner(path).is_none());
        notices.extend(unowned.map(|path| format!("removed `{path}`: no task writes it any more")));
        if !paths.is_empty() {
            resolver.ledger.with_journal(|journal| journal.forget(&paths))?;
        }
        Ok((paths, notices))
    }
}

fn with_a_person(task: &TaskName, clashes: Vec<String>) -> Failure {
    let message = "its new result clashes with what you made of the last one; that stays, and the result is kept";
    let advice = format!(
        "change your version where they clash, or put it aside, and build again: `{task}` does not run again for that"
    );
    let details = clashes.iter().flat_map(|clash| clash.lines().map(str::to_owned)).chain([advice]).collect();
    Failure { kind: FailureKind::Conflict, message: message.to_owned(), exit_code: None, signal: None, details }
}

fn in_the_way(path: &RelPath, obstacle: &RelPath) -> Failure {
    let detail = format!("{obstacle} is in the way of {path}: move it away, then build again");
    refusal("something that orca did not make is where its outputs go", vec![detail])
}

fn refusal(message: &str, details: Vec<String>) -> Failure {
    let message = message.to_owned();
    Failure { kind: FailureKind::Conflict, message, exit_code: None, signal: None, details }
}
