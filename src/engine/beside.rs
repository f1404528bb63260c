//! What a build of a part has to wait for and nothing has to precede: begun as soon as the project is locked, on threads of their
//! own, while the part is read, and waited for where it is needed.
//!
//! ```text
//! lock ──┬── open the cache ────────────────────> before the first key
//!        ├── read the journal ──────────────────> before files are looked at
//!        ├── remove what is left of workspaces ──> before the first workspace
//!        ├── find out what isolates, or start a guardian ──> before consent, before the first process
//!        └── lower the part, look at files, the mark ──>
//! ```

use std::collections::BTreeSet;
use std::path::Path;
use std::thread::JoinHandle;

use super::build::{asks_for_isolation, detect_in, no_sandbox, open_store};
use super::host::Host;
use super::ledger::Ledger;
use super::session::{EngineError, Session};
use crate::base::TaskName;
use crate::exec::remove_tree;
use crate::sandbox::Sandbox;
use crate::store::{Journal, Store, StoreError};

/// Work on a thread of its own. It is over when this is: whoever goes another way may do the same, in the same place.
pub(super) struct Beside<T>(Option<JoinHandle<T>>);

impl<T: Send + 'static> Beside<T> {
    pub(super) fn begin(work: impl FnOnce() -> T + Send + 'static) -> Self {
        Self(Some(std::thread::spawn(work)))
    }

    /// Waits for it.
    pub(super) fn end(mut self) -> T {
        self.0.take().expect("it ends once").join().expect("it does not panic")
    }
}

impl<T> Drop for Beside<T> {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // Nobody asks for what came of it.
            drop(thread.join());
        }
    }
}

/// All that is done beside.
pub(super) struct Begun {
    /// Opens the cache; with what there is to say of it.
    pub opening: Beside<(Option<Store>, Vec<String>)>,
    /// Reads the journal, as far as it is about these tasks; with what there is to say of it.
    pub reading: Beside<Result<(Ledger, Vec<String>), StoreError>>,
    /// Removes what earlier builds left of workspaces.
    pub clearing: Beside<Result<(), EngineError>>,
}

impl Begun {
    pub(super) fn begin(host: &Host, state: &Path, tasks: BTreeSet<TaskName>) -> Self {
        let (cache_dir, work, state) = (host.cache_dir.clone(), state.join("work"), state.to_owned());
        let read = move || {
            let journal = Journal::open(&state)?;
            let warnings = journal.take_warnings();
            Ok((Ledger::read_some(journal, &tasks)?, warnings))
        };
        let open = move || {
            let mut warnings = Vec::new();
            (open_store(&cache_dir, &mut warnings), warnings)
        };
        let clear = move || remove_tree(&work).map_err(|error| EngineError::World(error.to_string()));
        Self { reading: Beside::begin(read), opening: Beside::begin(open), clearing: Beside::begin(clear) }
    }
}

/// What isolates the tasks of a part.
pub(super) enum Isolating {
    /// This does, and is ready for the first one.
    Found(Sandbox),
    /// It is being tried.
    Trying(Beside<Result<Sandbox, EngineError>>),
}

impl Isolating {
    pub(super) fn begin(session: &Session, built: &BTreeSet<TaskName>) -> Result<Self, EngineError> {
        if asks_for_isolation(session, built) {
            let (host, state) = (session.host.clone(), session.project.state());
            return Ok(Self::Trying(Beside::begin(move || detect_in(&host, &state))));
        }
        let sandbox = no_sandbox(&session.host)?;
        sandbox.make_ready();
        Ok(Self::Found(sandbox))
    }

    /// Waits for it.
    pub(super) fn end(self) -> Result<Sandbox, EngineError> {
        match self {
            Self::Found(sandbox) => Ok(sandbox),
            Self::Trying(trying) => trying.end(),
        }
    }
}
