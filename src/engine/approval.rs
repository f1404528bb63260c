//! `approval = true`: a result that every gate agrees to waits until a person does. It is put on record with all that it is, so
//! that approving it later costs nothing; an approval is of one result under one key, and of no other.
//!
//! ```text
//! gates green ──> fits into the project now? ──> Waiting ──┬─ orca approve, or y ──> Approved ──> integrated
//!                                                          └─ --reject ──> Rejected ──> the next build runs it again
//! ```

use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, TryLockError, mpsc};
use std::thread;
use std::time::Duration;

use super::builder::{Builder, fault};
use super::difference::{Difference, differences};
use super::look::{Look, Seen};
use super::resolve::{Keyed, Resolver};
use super::session::EngineError;
use super::standing::{Reused, Standing};
use crate::base::{ActionKey, BlobDigest, TaskName};
use crate::event::{ActionResult, Outcome, Usage};
use crate::exec::Fault;
use crate::graph::TaskIx;
use crate::store::{Approval, Decision, Journal};

/// How often a question that nobody answers is looked at: the build may have been interrupted.
const PATIENCE: Duration = Duration::from_millis(50);

/// What a person at the terminal is asked about.
#[derive(Debug, Clone)]
pub struct ApprovalRequest {
    /// The task.
    pub task: TaskName,
    /// What its result changes.
    pub files: Vec<Difference>,
}

/// What became of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// It is on record, for a result with so many files.
    Noted(u64),
    /// The result is approved already, and the next build puts it into the project.
    Already,
    /// The result is in the project.
    Accepted,
    /// There is no result that waits.
    NothingWaits,
}

impl Resolver {
    /// What was said of the task's last result that wanted approval; `None` for a task that wants none.
    pub(super) fn approval(&self, task: TaskIx) -> Result<Option<Approval>, EngineError> {
        if !self.task(task).approval {
            return Ok(None);
        }
        Ok(self.ledger.with_journal(|journal| journal.approval(self.name(task)))?.flatten())
    }

    /// Whether a person must agree to a result first. One that is on record as accepted needs nothing more.
    pub(super) fn needs_approval(&self, task: TaskIx, key: &ActionKey, reused: &Reused) -> Result<bool, EngineError> {
        if !self.task(task).approval || reused.recorded {
            return Ok(false);
        }
        let said = self.approval(task)?.filter(|said| said.is_of(key, &reused.outputs, &reused.edits));
        Ok(said.is_none_or(|said| said.decision != Decision::Approved))
    }

    /// The result, as it is put on record with what is said of it.
    fn approval_of(&self, key: &ActionKey, reused: &Reused, decision: Decision) -> Approval {
        let (outputs, edits) = (reused.outputs.as_ref(), reused.edits.as_ref());
        let same = self.cached(key).filter(|result| result.outputs == *outputs && result.edits == *edits);
        let bare = || ActionResult {
            outputs: outputs.clone(),
            edits: edits.clone(),
            log: reused.log.unwrap_or_else(|| BlobDigest::of(b"")),
            log_size_bytes: 0,
            usage: Usage { wall_ms: reused.saved_ms, ..Usage::default() },
            cost_micro_usd: reused.cost_micro_usd,
            summary: String::new(),
        };
        Approval { key: *key, result: same.unwrap_or_else(bare), decision }
    }
}

impl Builder {
    /// How a task ends whose result nobody has agreed to; `None` where somebody has, or does so now.
    pub(super) fn awaits_approval(
        &self,
        task: TaskIx,
        keyed: &Keyed,
        reused: &Reused,
    ) -> Result<Option<Outcome>, Fault> {
        let resolver = &self.resolver;
        if !resolver.needs_approval(task, &keyed.key, reused).map_err(fault)? {
            return Ok(None);
        }
        let name = resolver.name(task);
        let waiting = resolver.approval_of(&keyed.key, reused, Decision::Waiting);
        let edited = reused.edits.iter().filter_map(|(path, change)| Some((path, change.result.as_ref()?)));
        reused.outputs.iter().chain(edited).try_for_each(|(path, entry)| resolver.keep(path, entry)).map_err(fault)?;
        let put = |approval: &Approval| {
            resolver.ledger.with_journal(|journal| journal.put_approval(name, approval)).map_err(fault)
        };
        put(&waiting)?;
        let files = (reused.outputs.len() + reused.edits.len()) as u64;
        if !self.asks(task, reused)? {
            return Ok(Some(Outcome::AwaitsApproval { files }));
        }
        put(&Approval { decision: Decision::Approved, ..waiting })?;
        Ok(None)
    }

    /// Asks the person at the terminal, if there is one. The answer is no where the build is interrupted meanwhile.
    fn asks(&self, task: TaskIx, reused: &Reused) -> Result<bool, Fault> {
        let Some(person) = &self.person else { return Ok(false) };
        let is_over = || self.interrupted.load(Ordering::Relaxed);
        let _one_at_a_time = loop {
            match self.asking.try_lock() {
                Ok(guard) => break guard,
                Err(TryLockError::WouldBlock) if !is_over() => thread::sleep(PATIENCE),
                Err(_) => return Ok(false),
            }
        };
        let name = self.resolver.name(task);
        let before = self.resolver.ledger.published_by(name);
        let files = differences(self.resolver.contents(), &reused.edits, &reused.outputs, &before).map_err(fault)?;
        let request = ApprovalRequest { task: name.clone(), files };
        let (answers, answered) = mpsc::channel();
        let person = Arc::clone(person);
        // A thread of its own: whoever waits for a person must not be deaf to signals.
        thread::spawn(move || answers.send(person.approves(&request)));
        loop {
            match answered.recv_timeout(PATIENCE) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Timeout) if !is_over() => {}
                Err(_) => return Ok(false),
            }
        }
    }
}

impl Look {
    /// Puts on record what a person says of the result that the task has now.
    pub fn decide(&self, ix: TaskIx, decision: Decision) -> Result<Decided, EngineError> {
        let (keyed, reused) = match self.seen(ix) {
            Seen::Known(_, Standing::Clean(reused)) if reused.recorded => return Ok(Decided::Accepted),
            Seen::Known(keyed, Standing::Held(reused)) => (keyed, reused),
            Seen::Known(keyed, Standing::Clean(reused)) if self.resolver.task(ix).approval => match decision {
                Decision::Rejected => (keyed, reused),
                Decision::Approved | Decision::Waiting => return Ok(Decided::Already),
            },
            _ => return Ok(Decided::NothingWaits),
        };
        let approval = self.resolver.approval_of(&keyed.key, reused, decision);
        let state = self.project.state();
        // Where nothing was ever built, the result is from another checkout, and there is no place yet to note anything in.
        let _made = match Journal::open_readonly(&state)? {
            Some(_) => None,
            None => {
                Some(self.project.lock_to_change(&format!("process {} (orca approve)", std::process::id()), |_| {})?)
            }
        };
        Journal::open(&state)?.put_approval(self.name(ix), &approval)?;
        Ok(Decided::Noted((reused.outputs.len() + reused.edits.len()) as u64))
    }
}
