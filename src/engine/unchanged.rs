//! A plan of which nothing has changed since its last build, as the snapshot says: every task is clean, and for a drawing of it no
//! file is looked at, no task keyed, and of the journal only what tasks take is read.
//!
//! It is for graphs that are all clean and nothing else. Where anything is not as usual there is none, and a [`super::Look`]
//! finds out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::aside::drop_aside;
use super::host::Host;
use super::look::TYPICAL_MS;
use super::project::Project;
use super::session::{EngineError, Session};
use crate::base::TaskName;
use crate::graph::{Graph, TaskIx};
use crate::store::{Journal, Store};

/// What tasks took lately, as a graph shows it.
pub struct Estimates(BTreeMap<TaskName, u64>);

impl Estimates {
    /// What the journal of the project in this directory says. `None` where a [`super::Look`] has more to tell: of a journal or a cache
    /// that cannot be read.
    #[must_use]
    pub fn read(host: &Host, directory: &Path) -> Option<Self> {
        let journal = Journal::open_readonly(&Project::open(directory).ok()?.state()).ok()??;
        let known = journal.all_estimates().ok()?;
        Store::open_readonly(&host.cache_dir).ok()?;
        journal.take_warnings().is_empty().then_some(Self(known))
    }
}

/// What is known of a plan whose tasks are all clean.
pub struct Unchanged {
    session: Session,
    /// The tasks asked for.
    pub asked: BTreeSet<TaskIx>,
    estimates: Estimates,
    typical_ms: u64,
}

impl Unchanged {
    /// A plan of which nothing has changed.
    pub fn open(session: Session, estimates: Estimates, selectors: &[String]) -> Result<Self, EngineError> {
        let asked = session.graph.select(selectors)?;
        let typical_ms = typical_ms(&session.graph, |name| estimates.0.get(name).copied()).unwrap_or(TYPICAL_MS);
        Ok(Self { session, asked, estimates, typical_ms })
    }

    /// Who waits for whom.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.session.graph
    }

    /// What the task took lately, where it ever ran.
    #[must_use]
    pub fn estimate_ms(&self, ix: TaskIx) -> Option<u64> {
        self.estimates.0.get(self.session.graph.name(ix)).copied()
    }

    /// What the task is expected to take; for one that never ran, what the others take.
    #[must_use]
    pub fn duration_ms(&self, ix: TaskIx) -> u64 {
        self.estimate_ms(ix).unwrap_or(self.typical_ms)
    }

    /// Ends looking.
    pub fn leave(self) {
        drop_aside(self);
    }
}

/// What a task of this graph takes on average; `None` where none ever ran.
pub(super) fn typical_ms(graph: &Graph, estimate_ms: impl Fn(&TaskName) -> Option<u64>) -> Option<u64> {
    let known: Vec<u64> = graph.tasks().filter_map(|ix| estimate_ms(graph.name(ix))).collect();
    (!known.is_empty()).then(|| known.iter().sum::<u64>() / known.len() as u64)
}
