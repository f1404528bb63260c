//! What a watcher is at, as everybody who shows it sees it: a fold over what happens.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::base::{Finding, Name, TaskName};
use crate::engine::{Power, Report, Resolver};
use crate::event::{Event, EventRecord, Outcome, RunId};
use crate::graph::Graph;
use crate::plan::Document;

/// Notices that are kept.
const NOTICES_MAX: usize = 50;

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It waits for files to change.
    Waiting,
    /// Something changed, and may go on changing.
    Settling,
    /// It builds.
    Building,
    /// The plan must be mended before anything is built; [`State::invalid`] says how.
    Invalid,
    /// The plan asks for powers that were not given; [`State::untrusted`] says which.
    Untrusted,
}

/// The state of a watcher.
#[derive(Clone)]
pub struct State {
    /// What it does.
    pub phase: Phase,
    /// What it builds; nothing is all.
    pub selectors: Vec<String>,
    /// The build that runs.
    pub building: Option<Building>,
    /// The last one that ran.
    pub last: Option<Arc<LastBuild>>,
    /// What is wrong with the plan as it is now, also while a build of an earlier one comes to its end.
    pub invalid: Option<Arc<Invalid>>,
    /// The powers that it lacks.
    pub untrusted: BTreeSet<Power>,
    /// The last things worth saying that are no build's, the latest last.
    pub notices: VecDeque<String>,
    /// How many builds have ended.
    pub builds: u64,
}

impl State {
    pub(super) fn new(selectors: Vec<String>) -> Self {
        Self {
            phase: Phase::Waiting,
            selectors,
            building: None,
            last: None,
            invalid: None,
            untrusted: BTreeSet::new(),
            notices: VecDeque::new(),
            builds: 0,
        }
    }

    pub(super) fn note(&mut self, notice: &str) {
        if self.notices.len() == NOTICES_MAX {
            self.notices.pop_front();
        }
        self.notices.push_back(notice.to_owned());
    }
}

/// Why a plan cannot be built.
#[derive(Debug, Clone)]
pub struct Invalid {
    /// What is wrong; none where the plan cannot even be read.
    pub findings: Vec<Finding>,
    /// The documents it is about, to render them with `report::render`.
    pub documents: Arc<Vec<Document>>,
    /// Why it cannot be read, with what to do about it.
    pub unreadable: Option<String>,
}

/// A build that has ended.
pub struct LastBuild {
    /// What it came to.
    pub report: Report,
    /// Its keys and records, for those who only look.
    pub resolver: Option<Arc<Resolver>>,
}

/// A build that runs: a fold over its events.
#[derive(Debug, Clone, Default)]
pub struct Building {
    /// Its number, once it has one.
    pub run: Option<RunId>,
    /// Who waits for whom, once it runs tasks.
    pub graph: Option<Arc<Graph>>,
    /// How many tasks it is about, and in how many layers.
    pub tasks: u64,
    /// See there.
    pub layers: u64,
    /// What runs.
    pub running: BTreeMap<TaskName, RunningTask>,
    /// Those that have ended, but for what was up to date.
    pub settled: BTreeMap<TaskName, Outcome>,
    /// How many were up to date, or taken from the cache.
    pub cached: u64,
    /// Whether files have changed since it began, so that another one follows.
    pub is_outdated: bool,
}

/// A task that runs.
#[derive(Debug, Clone)]
pub struct RunningTask {
    /// The attempt, from 1.
    pub attempt: u32,
    /// Its layer, from 0.
    pub layer: u64,
    /// Since when, in milliseconds since the epoch.
    pub since_ms: u64,
    /// What it is expected to take.
    pub estimate_ms: Option<u64>,
    /// Who works on it.
    pub agent: Option<Name>,
}

impl Building {
    pub(super) fn take(&mut self, record: &EventRecord) {
        match &record.event {
            Event::RunStarted { tasks, layers, .. } => {
                (self.run, self.tasks, self.layers) = (Some(record.run), *tasks, *layers);
            }
            Event::TaskStarted { task, attempt, layer, estimate_ms, agent, .. } => {
                let running = RunningTask {
                    attempt: *attempt,
                    layer: *layer,
                    since_ms: record.at_ms,
                    estimate_ms: *estimate_ms,
                    agent: agent.clone(),
                };
                self.running.insert(task.clone(), running);
            }
            Event::AttemptFailed { task, .. } => drop(self.running.remove(task)),
            Event::TaskFinished { task, outcome, .. } => {
                self.running.remove(task);
                match outcome {
                    Outcome::Cached { .. } => self.cached += 1,
                    other => drop(self.settled.insert(task.clone(), other.clone())),
                }
            }
            _ => {}
        }
    }
}

/// What is new.
pub enum News<'a> {
    /// The phase is another one.
    Phase,
    /// An event of the build that runs.
    Event(&'a EventRecord),
    /// A build has ended; it is [`State::last`] now.
    Built,
    /// The plan is invalid, or invalid in another way; or it was mended.
    Plan,
    /// Powers are missing.
    Untrusted,
    /// Something worth saying that is no build's.
    Notice(&'a str),
}

/// Sees everything a watcher does. Called on the watcher's thread: it must not block.
pub trait Observer: Send + Sync {
    /// The state is this one, and this is what is new about it.
    fn sees(&self, state: &State, news: &News<'_>);
}

/// Why a watcher ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Quit,
    /// By this signal.
    Signal(i32),
    /// The plan asks for these powers, and the first build was not given them.
    Untrusted(BTreeSet<Power>),
}
