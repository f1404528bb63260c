//! Job slots that gates borrow: the gates of a result work at the same time, one in the slot of its task, the others in slots
//! that the scheduler lends them. So a gate's command is admitted like a task.
//!
//! ```text
//! turn() ── the task's own slot is free ──────────────────────────> Slot::Own
//!    └───── want ──> scheduler ── a slot is free ── Command::Lend ──> Slot::Lent ── dropped: back
//! ```

use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot, watch};

use crate::sandbox::CancelLevel;

/// What gates say to whoever lends.
#[derive(Debug)]
pub(super) enum LoanMessage {
    /// One more slot is wanted.
    Want(oneshot::Sender<Lent>),
    /// A lent slot is free again.
    Back,
}

/// Where slots are asked for.
#[derive(Debug, Clone)]
pub struct Lender(mpsc::UnboundedSender<LoanMessage>);

/// What was asked of a [`Lender`], for the executor.
#[derive(Debug)]
pub struct Loans {
    pub(super) inbox: mpsc::UnboundedReceiver<LoanMessage>,
    pub(super) back: mpsc::UnboundedSender<LoanMessage>,
    /// Who waits, in order.
    pub(super) waiting: std::collections::VecDeque<oneshot::Sender<Lent>>,
}

/// A lent slot; dropping it gives it back.
#[derive(Debug)]
pub struct Lent(mpsc::UnboundedSender<LoanMessage>);

impl Drop for Lent {
    fn drop(&mut self) {
        // An executor that is gone lends nothing any more.
        let _ = self.0.send(LoanMessage::Back);
    }
}

/// A lender, and the other end for an executor.
#[must_use]
pub fn loans() -> (Lender, Loans) {
    let (sender, inbox) = mpsc::unbounded_channel();
    (Lender(sender.clone()), Loans { inbox, back: sender, waiting: std::collections::VecDeque::new() })
}

impl Loans {
    /// Gives a lent slot to whoever waits longest; `false` where nobody does any more.
    pub(super) fn give(&mut self) -> bool {
        while let Some(wish) = self.waiting.pop_front() {
            if !wish.is_closed() {
                // Where it is not taken any more, dropping it sends it back.
                let _ = wish.send(Lent(self.back.clone()));
                return true;
            }
        }
        false
    }
}

/// The gates of one result, as far as they run commands: how they are told to stop, and where they may run.
#[derive(Debug)]
pub struct Bench {
    cancel: watch::Receiver<CancelLevel>,
    own: Semaphore,
    lender: Lender,
}

/// A place to run one command.
#[derive(Debug)]
pub enum Slot<'a> {
    /// That of the task, whose body is over.
    Own(SemaphorePermit<'a>),
    /// A lent one.
    Lent(Lent),
}

impl Bench {
    /// For the gates of a task that holds a slot.
    #[must_use]
    pub fn new(cancel: watch::Receiver<CancelLevel>, lender: Lender) -> Self {
        Self { cancel, own: Semaphore::new(1), lender }
    }

    /// How its commands are told to stop.
    #[must_use]
    pub fn cancel(&self) -> &watch::Receiver<CancelLevel> {
        &self.cancel
    }

    /// Whether they are to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.cancel.borrow() != CancelLevel::None
    }

    /// Waits for a place to run a command: at once where no other gate of the result runs one.
    pub async fn slot(&self) -> Slot<'_> {
        if let Ok(own) = self.own.try_acquire() {
            return Slot::Own(own);
        }
        let (wish, lent) = oneshot::channel();
        let is_asked = self.lender.0.send(LoanMessage::Want(wish)).is_ok();
        let own = self.own.acquire();
        if !is_asked {
            return Slot::Own(own.await.expect("it is never closed"));
        }
        tokio::select! {
            biased;
            own = own => Slot::Own(own.expect("it is never closed")),
            Ok(lent) = lent => Slot::Lent(lent),
        }
    }
}
