//! `orca rebase`: the present content of files that tasks edited becomes their base. The record forgets who changed them; tasks
//! see them as they lie there, and those that read them are due again. No file is touched.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use super::drift::EditedPath;
use super::ledger::Ledger;
use super::lock::forget_in_lock;
use super::look::{Look, Looked};
use super::project::Project;
use super::session::{EngineError, Session};
use super::status::NotClean;
use super::undo::finish_interrupted;
use crate::base::{RelPath, TaskName};
use crate::graph::TaskState;
use crate::store::{Journal, Root};

/// What there is to rebase.
pub enum Rebasing {
    /// The plan must be mended first.
    Invalid(Box<Session>),
    /// No file is on record as edited.
    Nothing,
    /// This is no path, or none that is on record as edited; the task whose output it is, if it is one.
    Unknown(String, Option<TaskName>),
    /// This.
    Paths(Rebase),
}

/// Files whose present content becomes their base.
#[derive(Debug, Serialize)]
pub struct Rebase {
    /// Them, with the tasks that are on record to have changed them.
    pub paths: Vec<EditedPath>,
    /// Tasks that are clean now, and will not be then.
    pub dirty: Vec<NotClean>,
}

impl Rebase {
    /// What rebasing these paths would do: files, or directories with all that is on record in them; none is everything.
    /// `open` opens the plan, which is looked at twice: as it is, and as it would be. Changes nothing.
    pub fn plan(open: impl Fn() -> Result<Session, EngineError>, paths: &[String]) -> Result<Rebasing, EngineError> {
        let now = match Look::open(open()?, &[], false)? {
            Looked::Valid(look) => look,
            Looked::Invalid(session) => return Ok(Rebasing::Invalid(session)),
        };
        let ledger = &now.resolver.ledger;
        let all = on_record(ledger);
        let mut chosen: BTreeSet<RelPath> = if paths.is_empty() { all.clone() } else { BTreeSet::new() };
        for asked in paths {
            let Ok(path) = RelPath::new(asked) else { return Ok(Rebasing::Unknown(asked.clone(), None)) };
            let matching: Vec<&RelPath> = all.iter().filter(|one| **one == path || one.is_within(&path)).collect();
            if matching.is_empty() {
                let owner = now.resolver.graph.owner(&path).map(|owner| now.name(owner).clone());
                return Ok(Rebasing::Unknown(asked.clone(), owner));
            }
            chosen.extend(matching.into_iter().cloned());
        }
        if chosen.is_empty() {
            return Ok(Rebasing::Nothing);
        }
        let chosen: Vec<RelPath> = chosen.into_iter().collect();
        let then = match Look::open_with(open()?, &[], false, |ledger| ledger.note_rebased(&chosen))? {
            Looked::Valid(look) => look,
            Looked::Invalid(session) => return Ok(Rebasing::Invalid(session)),
        };
        let becomes_dirty = |ix: &_| now.state(*ix) == TaskState::Clean && then.state(*ix) != TaskState::Clean;
        let dirty = then.tasks().filter(becomes_dirty).map(|ix| {
            let state = then.state(ix);
            let because = state.because().unwrap_or_default();
            NotClean { task: then.name(ix).clone(), state: state.word(), because }
        });
        let tasks = |path: &RelPath| ledger.changes_at(path).into_keys().collect();
        let paths = chosen.iter().map(|path| EditedPath { path: path.clone(), tasks: tasks(path) }).collect();
        Ok(Rebasing::Paths(Self { paths, dirty: dirty.collect() }))
    }

    /// Puts it on record. What runs wrote to these files cannot be undone any more.
    pub fn perform(&self, project: &Project, cache: &Path, waits_for: impl FnOnce(&str)) -> Result<(), EngineError> {
        let holder = format!("process {} (orca rebase)", std::process::id());
        let _lock = project.lock_to_change(&holder, waits_for)?;
        let (journal, _) = finish_interrupted(project, Journal::open(&project.state())?, cache)?;
        let paths: Vec<RelPath> = self.paths.iter().map(|edited| edited.path.clone()).collect();
        journal.forget_written(&paths)?;
        forget_in_lock(&Root::open(project.root())?, &journal, &BTreeSet::new(), &paths)?;
        Ok(journal.adopt(&[], &paths)?)
    }
}

/// Every path that is on record as edited.
fn on_record(ledger: &Ledger) -> BTreeSet<RelPath> {
    let mut paths: BTreeSet<RelPath> = ledger.edited().into_keys().collect();
    for task in ledger.changers() {
        paths.extend(ledger.changes_by(&task).keys().cloned());
    }
    paths
}
