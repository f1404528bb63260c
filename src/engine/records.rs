//! What does not wait for the plan, and is read while the plan is: by whoever looks at a large one.

use std::path::Path;
use std::sync::OnceLock;

use super::host::Host;
use super::ledger::Ledger;
use super::project::Project;
use super::session::{EngineError, Session};
use crate::store::{Journal, StatCache, StoreError};

/// The record of earlier runs as it was read, and what digests are known.
pub struct Records {
    ledger: Result<Ledger, StoreError>,
    stat_cache: StatCache,
}

impl Records {
    /// Reads what the project in this directory has of them. Digests of files are read as well where `has_digests`, else when they
    /// are asked for.
    #[must_use]
    pub fn read(directory: &Path, has_digests: bool) -> Option<Self> {
        let state = Project::open(directory).ok()?.state();
        let ledger = Journal::open_readonly(&state).and_then(Ledger::read);
        let file = state.join("stat");
        let stat_cache = if has_digests { StatCache::load(&file) } else { StatCache::lazy(&file) };
        Some(Self { ledger, stat_cache })
    }
}

impl Session {
    /// As [`Session::open`], and does something else meanwhile.
    pub fn open_beside<T: Send + Sync>(
        host: Host,
        directory: &Path,
        beside: &(impl Fn() -> T + Sync),
    ) -> Result<(Self, T), EngineError> {
        let done = OnceLock::new();
        let session = std::thread::scope(|scope| {
            // Without a thread to be had, it is done afterwards.
            let _ = std::thread::Builder::new().spawn_scoped(scope, || drop(done.set(beside())));
            Self::open(host, directory)
        })?;
        Ok((session, done.into_inner().unwrap_or_else(beside)))
    }

    /// Takes records that were read meanwhile.
    pub fn hold_records(&mut self, records: Option<Records>) {
        if let Some(Records { ledger, stat_cache }) = records {
            self.hold(stat_cache);
            self.record = Some(ledger);
        }
    }
}
