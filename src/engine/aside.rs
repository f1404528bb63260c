//! What a large plan leaves in memory takes a tenth of a build to take apart. Nobody waits for that: it is done on a thread of its
//! own, and where the process ends meanwhile, not at all.
//!
//! So nothing may get here whose end matters: the journal and the cache are closed before.

use super::ledger::Ledger;
use super::look::Look;
use super::resolve::Resolver;
use super::session::Session;

/// Takes a value apart in the background.
pub(super) fn drop_aside<T: Send + 'static>(value: T) {
    // Without a thread to be had, it is done here.
    let _ = std::thread::Builder::new().name("aside".to_owned()).spawn(move || drop(value));
}

impl Resolver {
    /// Closes what is open, and leaves the rest.
    pub(super) fn leave(mut self) {
        drop(self.store.take());
        self.ledger.close();
        drop_aside(self);
    }
}

impl Look {
    /// Ends looking.
    pub fn leave(self) {
        self.resolver.leave();
    }
}

impl Session {
    /// Ends a session that nothing was built with.
    pub fn leave(self, mut ledger: Ledger) {
        ledger.close();
        drop_aside((self, ledger));
    }
}
