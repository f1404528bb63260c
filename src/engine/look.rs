//! Where every task stands, found out without running or writing anything: what `graph`, `explain`, `status`, `show`
//! and `build -n` are made of.
//!
//! Tasks are keyed in plan order. What is clean is accepted, so that what depends on it can be keyed; what is not makes
//! everything that depends on it wait. It takes no lock: beside a running build it shows a moment of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::ahead::{by_layer, for_layer};
use super::build::with_those_beneath;
use super::host::Host;
use super::ledger::Ledger;
use super::produced::Produced;
use super::project::Project;
use super::refused::refused;
use super::resolve::{Keyed, Resolver, Stood, missing_tool};
use super::session::{EngineError, Session};
use super::standing::{Cause, Conflict, Reused, Standing};
use crate::base::{Finding, TaskName};
use crate::graph::{TaskIx, TaskState};
use crate::plan::Document;
use crate::store::{Kept, Store, StoreError};

/// What a task is taken to need where none has run yet, in milliseconds.
pub(super) const TYPICAL_MS: u64 = 1_000;

/// A plan looked at.
pub struct Look {
    /// Keys and records, with what is clean accepted.
    pub resolver: Resolver,
    /// The project.
    pub project: Project,
    /// The machine.
    pub host: Host,
    /// The plan's documents, for rendering.
    pub documents: Arc<Vec<Document>>,
    /// The tasks asked for.
    pub asked: BTreeSet<TaskIx>,
    /// Tasks that are too long for an agent: a build of them refuses.
    pub oversized: Vec<Finding>,
    /// What there is to say about the plan.
    pub findings: Vec<Finding>,
    /// What could not be read, for people.
    pub notices: Vec<String>,
    /// Whether all tasks were asked for.
    pub(super) is_whole: bool,
    forced: BTreeSet<TaskIx>,
    seen: BTreeMap<TaskIx, Seen>,
    typical_ms: u64,
}

/// How looking at a plan ended.
pub enum Looked {
    /// All that is to be known is.
    Valid(Box<Look>),
    /// The plan must be mended first: its findings say where.
    Invalid(Box<Session>),
}

/// What there is to say about a task.
pub enum Seen {
    /// It has a key.
    Known(Keyed, Standing),
    /// It has a key, and cannot even start.
    Impossible(Keyed, String),
    /// It has none before this task has run.
    Waits(TaskIx),
    /// It has none, since what it would see cannot be put together.
    Hopeless(String),
}

/// What a build would do with a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "would", rename_all = "kebab-case")]
pub enum Prospect {
    /// Nothing: its result is there.
    Nothing,
    /// Take its result from the cache.
    Restore {
        /// How many files are to be written.
        files: u64,
    },
    /// Let gates judge the result that is there.
    Judge {
        /// Why.
        because: String,
    },
    /// Wait until a person agrees to the result that is there.
    Hold {
        /// What to type.
        because: String,
    },
    /// Run it.
    Run {
        /// Why.
        because: String,
    },
    /// Run it, unless what this task brings is what it was.
    Maybe {
        /// The task that is waited for.
        on: TaskName,
    },
    /// Fail.
    Fail {
        /// Why.
        because: String,
    },
}

impl Look {
    /// Looks at these tasks and all they need. `force` is `build --force`: those asked for would run.
    pub fn open(session: Session, selectors: &[String], force: bool) -> Result<Looked, EngineError> {
        Self::open_with(session, selectors, force, |_| {})
    }

    /// As [`Look::open`], with the record as `adjust` makes it in memory.
    pub(super) fn open_with(
        mut session: Session,
        selectors: &[String],
        force: bool,
        adjust: impl FnOnce(&mut Ledger),
    ) -> Result<Looked, EngineError> {
        let asked = session.graph.select(selectors)?;
        let mut notices = Vec::new();
        let mut ledger = session.ledger(&mut notices)?;
        adjust(&mut ledger);
        let needed = with_those_beneath(&session.graph, &ledger, session.graph.with_deps(&asked));
        let is_whole = selectors.is_empty();
        let survey = session.survey(&ledger, &needed, is_whole && !session.plan().gates.is_empty())?;
        if session.is_invalid() {
            return Ok(Looked::Invalid(Box::new(session)));
        }
        let oversized = session.oversized(&needed);
        let store = Store::open_readonly(&session.host.cache_dir).unwrap_or_else(|error| {
            notices.push(format!("the cache cannot be looked at: {error}"));
            None
        });
        let (project, host) = (session.project.clone(), session.host.clone());
        let documents = Arc::clone(&session.documents);
        let findings = session.findings.clone();
        let kept = Kept::open_readonly(&session.project.state()).ok().flatten();
        let resolver = Resolver::new(session, survey, ledger, store, kept);
        let typical_ms = resolver.typical_ms().unwrap_or(TYPICAL_MS);
        let forced = if force { asked.clone() } else { BTreeSet::new() };
        let mut look = Self {
            resolver,
            project,
            host,
            documents,
            asked,
            oversized,
            findings,
            notices,
            is_whole,
            forced,
            seen: BTreeMap::new(),
            typical_ms,
        };
        if look.resolver.turns_matter() {
            for ix in needed {
                let seen = look.look_at(ix)?;
                look.seen.insert(ix, seen);
            }
            return Ok(Looked::Valid(Box::new(look)));
        }
        // Where no task edits files in place, a task depends on what it waits for, and on nothing else.
        look.resolver.read_ahead(&needed);
        for layer in by_layer(&look.resolver.graph, needed) {
            let seen = for_layer(&layer, |ix| look.look_at(ix));
            for (ix, seen) in layer.into_iter().zip(seen) {
                look.seen.insert(ix, seen?);
            }
        }
        Ok(Looked::Valid(Box::new(look)))
    }

    fn look_at(&self, ix: TaskIx) -> Result<Seen, EngineError> {
        let is_open = |ix: TaskIx| self.seen.contains_key(&ix) && self.resolver.result(ix).is_none();
        let (keyed, standing) = match self.resolver.stand(ix, self.forced.contains(&ix), &[], &is_open)? {
            Stood::At(keyed, standing) => (*keyed, *standing),
            Stood::Waits(on) | Stood::Later(on) => return Ok(Seen::Waits(on)),
            Stood::Impossible(why) => return Ok(Seen::Hopeless(why)),
        };
        if let Some(why) = missing_tool(&keyed.context) {
            return Ok(Seen::Impossible(keyed, why));
        }
        if matches!(standing, Standing::Dirty(_))
            && let Some(why) = self.resolver.missing_program(&self.host, ix)
        {
            return Ok(Seen::Impossible(keyed, why));
        }
        if let Standing::Clean(reused) = &standing {
            let on_top_of = Arc::new(keyed.on_top_of.clone());
            let (outputs, edits) = (Arc::clone(&reused.outputs), Arc::clone(&reused.edits));
            self.resolver.accept(ix, Produced { outputs, edits, on_top_of });
        }
        Ok(Seen::Known(keyed, standing))
    }

    /// What was seen of a task.
    ///
    /// # Panics
    /// For a task that was neither asked for nor needed.
    #[must_use]
    pub fn seen(&self, ix: TaskIx) -> &Seen {
        &self.seen[&ix]
    }

    /// The tasks looked at, in plan order.
    pub fn tasks(&self) -> impl Iterator<Item = TaskIx> {
        self.seen.keys().copied()
    }

    /// The task's name.
    #[must_use]
    pub fn name(&self, ix: TaskIx) -> &TaskName {
        self.resolver.name(ix)
    }

    /// The state of a task as a graph shows it.
    #[must_use]
    pub fn state(&self, ix: TaskIx) -> TaskState {
        match self.seen.get(&ix) {
            None => TaskState::Unknown,
            Some(Seen::Waits(on)) => TaskState::WaitsOn(self.name(*on).clone()),
            Some(Seen::Impossible(_, why) | Seen::Hopeless(why)) => TaskState::Failed { because: why.clone() },
            Some(Seen::Known(keyed, standing)) => match standing {
                Standing::Clean(reused) => match self.refused(ix, keyed, reused) {
                    Some(because) => TaskState::Failed { because },
                    None => TaskState::Clean,
                },
                Standing::Held(_) => TaskState::Dirty { because: must_approve(self.name(ix)) },
                Standing::Judge(_, gates) => TaskState::Dirty { because: must_judge(gates) },
                Standing::Dirty(Cause::NeverRun) => TaskState::NeverRun,
                Standing::Dirty(Cause::Failed(why)) => TaskState::Failed { because: why.clone() },
                Standing::Dirty(cause) => TaskState::Dirty { because: cause.to_string() },
                Standing::Conflict(conflict) => TaskState::Failed { because: conflict.to_string() },
            },
        }
    }

    /// Why a result that is there was not put into the project by the last build.
    fn refused(&self, ix: TaskIx, keyed: &Keyed, reused: &Reused) -> Option<String> {
        (!reused.recorded).then(|| refused(&self.resolver.ledger, self.name(ix), &keyed.key)).flatten()
    }

    /// What a build would do with a task.
    #[must_use]
    pub fn prospect(&self, ix: TaskIx) -> Prospect {
        match self.seen(ix) {
            Seen::Waits(_) if self.forced.contains(&ix) => self.forced_prospect(ix),
            Seen::Waits(on) => Prospect::Maybe { on: self.name(*on).clone() },
            Seen::Impossible(_, why) | Seen::Hopeless(why) => Prospect::Fail { because: why.clone() },
            Seen::Known(keyed, Standing::Clean(reused)) if self.refused(ix, keyed, reused).is_some() => {
                let because = self.refused(ix, keyed, reused).unwrap_or_default();
                Prospect::Fail { because: format!("{because}; once that is mended, it is put in without a run") }
            }
            Seen::Known(_, Standing::Clean(reused)) => {
                let placed = if reused.recorded { 0 } else { reused.edits.len() };
                match (reused.stale.len() + placed) as u64 {
                    0 => Prospect::Nothing,
                    files => Prospect::Restore { files },
                }
            }
            Seen::Known(_, Standing::Held(_)) => Prospect::Hold { because: must_approve(self.name(ix)) },
            Seen::Known(_, Standing::Judge(_, gates)) => Prospect::Judge { because: must_judge(gates) },
            Seen::Known(_, Standing::Dirty(cause)) => Prospect::Run { because: cause.to_string() },
            Seen::Known(_, Standing::Conflict(conflict)) => Prospect::Fail { because: conflict.to_string() },
        }
    }

    /// What a build would do with a task that runs whatever its key will be.
    fn forced_prospect(&self, ix: TaskIx) -> Prospect {
        match self.resolver.changed_by_hand(ix) {
            Ok(paths) if !paths.is_empty() => {
                Prospect::Fail { because: Conflict { paths, cause: Some(Cause::Forced) }.to_string() }
            }
            // What cannot be looked at is what the build will say of it.
            _ => Prospect::Run { because: Cause::Forced.to_string() },
        }
    }

    /// What the task is expected to take; for one that never ran, what the others take.
    #[must_use]
    pub fn duration_ms(&self, ix: TaskIx) -> u64 {
        self.resolver.ledger.estimate_ms(self.name(ix)).unwrap_or(self.typical_ms)
    }

    /// The tasks at the bottom of what this one waits for: those that would run, and have a key.
    #[must_use]
    pub fn roots(&self, ix: TaskIx) -> BTreeSet<TaskIx> {
        let below = self.resolver.graph.with_deps(&BTreeSet::from([ix]));
        let is_root = |dep: &TaskIx| {
            *dep != ix && self.resolver.result(*dep).is_none() && !matches!(self.seen(*dep), Seen::Waits(_))
        };
        below.into_iter().filter(is_root).collect()
    }

    /// A blob of the cache.
    pub fn blob(&self, digest: &crate::base::BlobDigest) -> Result<Option<Vec<u8>>, StoreError> {
        self.resolver.store.as_ref().map_or(Ok(None), |store| store.read(digest))
    }
}

/// What there is to say of a result that waits for a person.
pub(super) fn must_approve(task: &TaskName) -> String {
    format!("its result waits for approval: orca diff {task}, orca approve {task}")
}

fn must_judge(gates: &[crate::base::Name]) -> String {
    let names: Vec<String> = gates.iter().map(|gate| format!("`{gate}`")).collect();
    format!("{} must judge its result", names.join(", "))
}
