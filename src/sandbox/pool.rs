//! The supervisors: threads that outlive the attempts they follow, each with the guardians that it has started.
//!
//! To start a thread and a guardian costs more than many a task, so both are kept for the next one. There are as many as
//! attempts ran at once. The thread that starts a guardian keeps it, because "die with your parent" means the parent
//! *thread*; it ends, and its guardians with it, when the last sandbox that knows of the pool is gone.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, Weak};

use super::supervise::Guardians;

/// What a supervisor does with its guardians. It returns how the result is handed over, which happens when the
/// supervisor can be had again.
pub(super) type Job = Box<dyn FnOnce(&mut Guardians) -> HandOver + Send>;
pub(super) type HandOver = Box<dyn FnOnce() + Send>;

/// Supervisors without work, the longest idle first: its guardian is most likely done with cleaning up.
type Idle = Mutex<VecDeque<Sender<Order>>>;

struct Order {
    job: Job,
    /// The way to this supervisor, to be put back among the idle.
    way: Sender<Order>,
}

/// All supervisors of a build.
#[derive(Clone, Default)]
pub(super) struct Pool {
    idle: Arc<Idle>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}

impl Pool {
    /// Hands a job to an idle supervisor, or to a new one.
    pub(super) fn start(&self, mut job: Job) -> io::Result<()> {
        loop {
            let idle = self.idle.lock().expect("no holder panics").pop_front();
            let Some(way) = idle else { break };
            match way.send(Order { job, way: way.clone() }) {
                Ok(()) => return Ok(()),
                // It has died of a panic.
                Err(mpsc::SendError(order)) => job = order.job,
            }
        }
        let (way, orders) = mpsc::channel();
        let idle = Arc::downgrade(&self.idle);
        std::thread::Builder::new().name("orca-task".to_owned()).spawn(move || work(&orders, &idle))?;
        way.send(Order { job, way: way.clone() }).map_err(|_| io::Error::other("a new thread ended at once"))
    }
}

/// INVARIANT: an idle supervisor holds no way to itself, so it hears of the end of the pool.
fn work(orders: &Receiver<Order>, idle: &Weak<Idle>) {
    let mut guardians = Guardians::default();
    while let Ok(Order { job, way }) = orders.recv() {
        let hand_over = job(&mut guardians);
        if let Some(idle) = idle.upgrade() {
            idle.lock().expect("no holder panics").push_back(way);
        }
        hand_over();
    }
}
