//! Work that blocks, within the runtime of a build: beside its other work where that has several threads, and in between where
//! it has one, since there is nothing else to do: a build of one task.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs what blocks in the middle of a future.
pub fn block_in_place<T>(work: impl FnOnce() -> T) -> T {
    if has_one_thread() { work() } else { tokio::task::block_in_place(work) }
}

/// Runs what blocks; where there are several threads, without waiting for it.
pub(super) fn run_blocking(work: impl FnOnce() + Send + 'static) {
    if has_one_thread() { work() } else { drop(tokio::task::spawn_blocking(work)) }
}

/// Whether the runtime that this is called in has no other thread than this one.
#[must_use]
pub fn has_one_thread() -> bool {
    Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use tokio::runtime::Builder;

    use super::*;

    /// Whether each of the two runs its work on the thread that asks for it.
    async fn stays() -> (bool, bool) {
        let (send, receive) = channel();
        let asks = thread::current().id();
        let in_place = block_in_place(|| thread::current().id()) == asks;
        run_blocking(move || send.send(thread::current().id()).expect("somebody waits for it"));
        (in_place, receive.recv().expect("it runs") == asks)
    }

    #[test]
    fn one_thread_does_it_itself_and_several_hand_it_over() {
        let one = Builder::new_current_thread().build().expect("a runtime");
        assert_eq!(one.block_on(stays()), (true, true));
        let several = Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        let asked = several.spawn(stays());
        assert_eq!(several.block_on(asked).expect("it does not panic"), (true, false));
    }
}
