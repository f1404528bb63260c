//! `orca.lock` beside the journal: reading both, and what a session works with.
//!
//! The journal keeps the text of the lock as it was last in step with it. Where the file still says that, the journal
//! knows more, and counts; where it says something else, somebody pulled or switched branches, and `reconcile` decides.

use std::collections::BTreeSet;

use super::integrate::ORDER;
use super::ledger::Ledger;
use super::merging::Contents;
use super::reconcile::{Sides, reconcile};
use super::session::EngineError;
use crate::base::{RelPath, TaskName};
use crate::graph::{Graph, TaskIx};
use crate::plan::{LOCK_FILE, Plan};
use crate::store::{Journal, Lock, LockError, Root};

/// The journal's note with the lock's text.
pub(super) const LOCK_NOTE: &str = "orca.lock";
/// The longest lock that is read.
const LOCK_BYTES_MAX: u64 = 256 << 20;

/// The lock as a session found it, and as it is to become.
#[derive(Debug, Clone, Default)]
pub(super) struct LockState {
    /// The text of the file; `None`: there is none.
    pub text: Option<String>,
    /// What the file said, with what the journal knows since.
    pub lock: Lock,
    /// Tasks whose results in the file could not be taken in, since their files are not here.
    pub open: BTreeSet<TaskName>,
}

/// The path of the lock.
pub(super) fn lock_path() -> RelPath {
    RelPath::new(LOCK_FILE).expect("a plain name")
}

/// The text of the lock; line ends are those that orca writes, whatever git made of them.
pub(super) fn read_lock(root: &Root) -> Result<Option<String>, EngineError> {
    let path = lock_path();
    if root.stat(&path)?.is_none() {
        return Ok(None);
    }
    let bytes = root.read(&path, LOCK_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let message = "this is not UTF-8 text".to_owned();
        let help = "take the file from git again: `git checkout HEAD -- orca.lock`".to_owned();
        LockError { line, column: 1, message, help }
    })?;
    Ok(Some(text.replace("\r\n", "\n")))
}

/// Takes out of the lock what does not count any more, outside of a build: results of these tasks, and changes of these
/// paths, which are source now. Done again after a kill it comes to the same. A lock that somebody else changed is left
/// for the next build to take in.
pub(super) fn forget_in_lock(
    root: &Root,
    journal: &Journal,
    tasks: &BTreeSet<TaskName>,
    paths: &[RelPath],
) -> Result<(), EngineError> {
    let Some(noted) = journal.note(LOCK_NOTE)? else { return Ok(()) };
    let Ok(mut lock) = Lock::parse(&noted) else { return Ok(()) };
    lock.tasks.retain(|name, _| !tasks.contains(name));
    for task in lock.tasks.values_mut() {
        let known = task.edits.len();
        task.edits.retain(|path, _| !paths.contains(path));
        if task.edits.len() < known {
            task.key = None;
        }
    }
    lock.tasks.retain(|_, task| task.key.is_some() || !task.edits.is_empty());
    lock.placed.retain(|path, _| !paths.contains(path));
    // A lock that says nothing stays a file: it may be committed.
    let wanted = lock.to_text();
    let found = read_lock(root)?;
    if found.as_ref() != Some(&wanted) {
        if found.as_ref() != Some(&noted) {
            return Ok(());
        }
        root.write_durably(&lock_path(), wanted.as_bytes())?;
    }
    Ok(journal.put_note(LOCK_NOTE, Some(&wanted))?)
}

/// Whether a task's result is in the lock: an agent's, and whatever edits files in place, since what lies there then says
/// nothing of what it was made from.
pub(super) fn is_locked(plan: &Plan, graph: &Graph, task: TaskIx) -> bool {
    plan.tasks[graph.name(task)].is_agent() || graph.is_editor(task)
}

/// Brings a ledger in step with `orca.lock`; `writes` says whether the journal is, too. Answers what to tell.
pub(super) fn take_lock(ledger: &mut Ledger, writes: bool, sides: &Sides<'_>) -> Result<Vec<String>, EngineError> {
    let text = read_lock(sides.root)?;
    let lock = text.as_deref().map(Lock::parse).transpose()?;
    let note = ledger.with_journal(|journal| journal.note(LOCK_NOTE))?.flatten();
    let noted = note.as_deref().and_then(|note| Lock::parse(note).ok());
    let is_in_step = text.is_some() && text == note || text.is_none() && note.is_none();
    let (mut notices, mut open) = (Vec::new(), BTreeSet::new());
    let found = lock.or(noted).unwrap_or_default();
    if !is_in_step {
        let lock = if text.is_some() { &found } else { &Lock::default() };
        let contents = Contents { deltas: Some(&found.deltas), ..sides.contents };
        let done = reconcile(&Sides { contents, ..*sides }, ledger, lock)?;
        if writes {
            ledger.with_journal(|journal| journal.take_in(&done.take_in))?;
        }
        ledger.take_in(done.take_in);
        notices = done.notices;
        open = done.open;
        if writes && !found.order.is_empty() {
            let order = serde_json::to_string(&found.order).expect("names are plain data");
            ledger.with_journal(|journal| journal.put_note(ORDER, Some(&order)))?;
        }
        if writes && text.is_some() {
            let note = text.as_deref().filter(|_| open.is_empty());
            ledger.with_journal(|journal| journal.put_note(LOCK_NOTE, note))?;
        }
    }
    let counts_journal = |name: &_| is_in_step || text.is_none() || !found.tasks.contains_key(name);
    let lock = ledger.locked(sides.plan, sides.graph, &found, &counts_journal);
    ledger.set_lock(LockState { text, lock, open });
    Ok(notices)
}
