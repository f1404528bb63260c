//! What there is to show: a fold over the events of builds, over what the watcher says, and over keys.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::keys::Key;
use super::live::Request;
use super::text::{line, lines};
use crate::base::{TaskName, format_duration_ms};
use crate::event::{Event, EventRecord, Outcome, is_green};
use crate::graph::{Graph, TaskIx};

/// Failures and notices that are kept.
const FAILURES_MAX: usize = 50;
const NOTICES_MAX: usize = 5;
/// Lines that are kept of a failure, and of what is wrong with a plan.
const FAILURE_LINES_MAX: usize = 12;
const FINDING_LINES_MAX: usize = 200;
/// Tasks that a filter lists.
const MATCHES_MAX: usize = 500;
/// Letters of a filter.
const FILTER_MAX: usize = 100;

/// How a task stands in the build that runs, or the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    Running,
    /// Ran in this build.
    Ran,
    /// Its result was there.
    Clean,
    Held,
    Failed,
    Skipped,
}

/// All of them, as they are listed.
pub(super) const STATES: [(State, &str); 7] = [
    (State::Running, "running"),
    (State::Failed, "failed"),
    (State::Skipped, "skipped"),
    (State::Held, "on hold"),
    (State::Ran, "ran"),
    (State::Clean, "clean"),
    (State::Waiting, "waiting"),
];

/// What the watcher does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Doing {
    /// It has not built yet.
    Starting,
    /// It waits for a change.
    Idle,
    /// Files change; it builds when they have come to rest.
    Settling,
    /// It builds.
    Building,
    /// The plan must be mended first.
    Invalid,
    /// The plan asks for powers that were not given.
    Untrusted,
}

/// What the keys act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    Normal,
    /// A filter is typed; this was the one before.
    Typing(String),
    Help,
}

#[derive(Debug)]
pub(super) struct Running {
    pub since_ms: u64,
    pub attempt: u32,
    pub estimate_ms: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Failed {
    /// The task, or the gate of the plan.
    pub name: String,
    pub message: String,
    pub lines: Vec<String>,
}

/// How a build ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub ok: bool,
    pub said: String,
    pub at_ms: u64,
}

/// Everything that is shown.
pub(super) struct View {
    /// The project's directory.
    pub place: String,
    pub plan: String,
    pub doing: Doing,
    graph: Option<Arc<Graph>>,
    states: Vec<State>,
    /// For each layer, how many tasks are in each of [`STATES`].
    pub layers: Vec<[usize; STATES.len()]>,
    pub running: BTreeMap<TaskName, Running>,
    outputs: BTreeMap<TaskName, Vec<String>>,
    /// The latest first.
    pub failures: VecDeque<Failed>,
    pub notices: VecDeque<(bool, String)>,
    pub findings: Vec<String>,
    /// Tasks of the build that runs: settled, and all.
    pub progress: (u64, u64),
    pub ended: Option<Ended>,
    pub changed_ms: Option<u64>,
    pub filter: String,
    matches: Vec<TaskIx>,
    pub matching: usize,
    pub mode: Mode,
    /// The time of day.
    pub clock: fn(u64) -> String,
}

impl View {
    pub(super) fn new(place: &str, clock: fn(u64) -> String) -> Self {
        Self {
            place: line(place),
            plan: String::new(),
            doing: Doing::Starting,
            graph: None,
            states: Vec::new(),
            layers: Vec::new(),
            running: BTreeMap::new(),
            outputs: BTreeMap::new(),
            failures: VecDeque::new(),
            notices: VecDeque::new(),
            findings: Vec::new(),
            progress: (0, 0),
            ended: None,
            changed_ms: None,
            filter: String::new(),
            matches: Vec::new(),
            matching: 0,
            mode: Mode::Normal,
            clock,
        }
    }

    /// Whether time passes on the screen.
    pub(super) fn is_ticking(&self) -> bool {
        !self.running.is_empty()
    }

    /// Takes a plan. Tasks that were there keep their states.
    pub(super) fn take_plan(&mut self, graph: Arc<Graph>) {
        let old = self.graph.replace(Arc::clone(&graph));
        let state = |ix| {
            let known = old.as_ref()?.ix(graph.name(ix))?;
            self.states.get(known.index()).copied()
        };
        let states: Vec<State> = graph.tasks().map(|ix| state(ix).unwrap_or(State::Waiting)).collect();
        let deepest = graph.tasks().map(|ix| graph.layer(ix) as usize + 1).max().unwrap_or(0);
        self.layers = vec![[0; STATES.len()]; deepest];
        for ix in graph.tasks() {
            self.layers[graph.layer(ix) as usize][place(states[ix.index()])] += 1;
        }
        self.states = states;
        self.find_matches();
    }

    /// What the watcher does now.
    pub(super) fn take_doing(&mut self, doing: Doing, at_ms: u64) {
        if doing == Doing::Settling && self.doing != doing {
            self.changed_ms = Some(at_ms);
        }
        self.doing = doing;
    }

    /// What is wrong with the plan, as it is rendered for a terminal.
    pub(super) fn take_findings(&mut self, rendered: &str) {
        self.findings = lines(rendered, FINDING_LINES_MAX);
    }

    pub(super) fn take_notice(&mut self, is_warning: bool, message: &str) {
        let message = lines(message, 3).join(" ");
        if self.notices.iter().any(|(_, known)| *known == message) {
            return;
        }
        self.notices.truncate(NOTICES_MAX - 1);
        self.notices.push_front((is_warning, message));
    }

    /// Takes one event of a build.
    pub(super) fn take(&mut self, record: &EventRecord) {
        match &record.event {
            Event::RunStarted { plan, tasks, .. } => self.started(plan, *tasks),
            Event::Notice { warning, message } => self.take_notice(*warning, message),
            Event::TaskStarted { task, attempt, estimate_ms, .. } => {
                self.set(task, State::Running);
                let running = Running { since_ms: record.at_ms, attempt: *attempt, estimate_ms: *estimate_ms };
                self.running.insert(task.clone(), running);
            }
            Event::TaskOutput { task, text } => {
                let all: Vec<&str> = text.trim_end().lines().collect();
                let tail = all[all.len().saturating_sub(FAILURE_LINES_MAX)..].join("\n");
                self.outputs.insert(task.clone(), lines(&tail, FAILURE_LINES_MAX));
            }
            Event::AttemptFailed { task, retry_in_ms: Some(_), .. } => {
                self.running.remove(task);
                self.set(task, State::Waiting);
            }
            Event::GateJudged { task: None, gate, verdict, message, details, .. } if !is_green(verdict) => {
                let name = format!("gate {gate} of the plan");
                self.fail(name, line(message), lines(&details.join("\n"), FAILURE_LINES_MAX));
            }
            Event::TaskFinished { task, outcome, .. } => self.finished(task, outcome),
            Event::RunFinished { .. } => self.run_finished(record),
            _ => {}
        }
    }

    fn started(&mut self, plan: &str, tasks: u64) {
        self.plan = line(plan);
        self.progress = (0, tasks);
        self.running.clear();
        self.outputs.clear();
        self.failures.clear();
        self.notices.clear();
        self.findings.clear();
        let Some(graph) = self.graph.clone() else { return };
        for ix in graph.tasks() {
            match self.states[ix.index()] {
                State::Ran => self.set_ix(&graph, ix, State::Clean),
                State::Clean | State::Waiting => {}
                _ => self.set_ix(&graph, ix, State::Waiting),
            }
        }
    }

    fn finished(&mut self, task: &TaskName, outcome: &Outcome) {
        self.progress.0 += 1;
        self.running.remove(task);
        let output = self.outputs.remove(task);
        self.set(
            task,
            match outcome {
                Outcome::Ran => State::Ran,
                Outcome::Cached { .. } => State::Clean,
                Outcome::AwaitsApproval { .. } => State::Held,
                Outcome::Failed(_) => State::Failed,
                Outcome::Skipped { .. } => State::Skipped,
            },
        );
        if let Outcome::Failed(failure) = outcome {
            let mut said = lines(&failure.details.join("\n"), FAILURE_LINES_MAX);
            said.extend(output.unwrap_or_default());
            said.truncate(FAILURE_LINES_MAX);
            self.fail(task.to_string(), line(&failure.message), said);
        }
    }

    fn fail(&mut self, name: String, message: String, lines: Vec<String>) {
        self.failures.truncate(FAILURES_MAX - 1);
        self.failures.push_front(Failed { name: line(&name), message, lines });
    }

    fn run_finished(&mut self, record: &EventRecord) {
        let Event::RunFinished { ok, ran, cached, failed, skipped, awaits_approval, wall_ms, interrupted_by, .. } =
            &record.event
        else {
            return;
        };
        let word = match (interrupted_by, ok) {
            (Some(_), _) => "interrupted",
            (None, true) if *ran == 0 => "nothing to do",
            (None, true) => "done",
            (None, false) => "failed",
        };
        let counts = [
            (*ran, "ran"),
            (*cached, "cached"),
            (*failed, "failed"),
            (*skipped, "skipped"),
            (*awaits_approval, "to approve"),
        ];
        let parts: Vec<String> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        let said = format!("{word}: {} in {}", parts.join(", "), format_duration_ms(*wall_ms));
        self.ended = Some(Ended { ok: *ok, said, at_ms: record.at_ms });
        self.running.clear();
    }

    fn set(&mut self, task: &TaskName, state: State) {
        if let Some(graph) = self.graph.clone()
            && let Some(ix) = graph.ix(task)
        {
            self.set_ix(&graph, ix, state);
        }
    }

    fn set_ix(&mut self, graph: &Graph, ix: TaskIx, state: State) {
        let before = std::mem::replace(&mut self.states[ix.index()], state);
        let counts = &mut self.layers[graph.layer(ix) as usize];
        counts[place(before)] -= 1;
        counts[place(state)] += 1;
    }

    fn find_matches(&mut self) {
        (self.matches, self.matching) = (Vec::new(), 0);
        let Some(graph) = self.graph.as_ref().filter(|_| !self.filter.is_empty()) else { return };
        for ix in graph.tasks().filter(|ix| graph.name(*ix).as_str().contains(&self.filter)) {
            self.matching += 1;
            if self.matches.len() < MATCHES_MAX {
                self.matches.push(ix);
            }
        }
    }

    /// The first tasks that the filter lets through, with their states.
    pub(super) fn matches(&self) -> impl Iterator<Item = (&TaskName, State)> {
        let listed = |ix: &TaskIx| Some((self.graph.as_ref()?.name(*ix), self.states[ix.index()]));
        self.matches.iter().filter_map(listed)
    }

    /// Whether the filter lets a name through.
    pub(super) fn lets_through(&self, name: &str) -> bool {
        self.filter.is_empty() || name.contains(&self.filter)
    }

    /// Takes a key; answers what is asked of the watcher.
    pub(super) fn press(&mut self, key: Key) -> Option<Request> {
        match key {
            Key::Quit => return Some(Request::Quit),
            Key::Interrupt => return Some(Request::Interrupt),
            _ => {}
        }
        match (&mut self.mode, key) {
            (Mode::Typing(_), Key::Char(c)) if !c.is_control() && self.filter.chars().count() < FILTER_MAX => {
                self.filter.push(c);
            }
            (Mode::Typing(_), Key::Backspace) => drop(self.filter.pop()),
            (Mode::Typing(_), Key::Clear) => self.filter.clear(),
            (Mode::Typing(_), Key::Enter) => self.mode = Mode::Normal,
            (Mode::Typing(before), Key::Escape) => {
                self.filter = std::mem::take(before);
                self.mode = Mode::Normal;
            }
            (Mode::Typing(_), _) => return None,
            (Mode::Help, Key::Char('q')) => return Some(Request::Quit),
            (Mode::Help, _) => self.mode = Mode::Normal,
            (Mode::Normal, Key::Char('q')) => return Some(Request::Quit),
            (Mode::Normal, Key::Char('r')) => return Some(Request::Rerun),
            (Mode::Normal, Key::Char('f')) => return Some(Request::Force),
            (Mode::Normal, Key::Char('/')) => self.mode = Mode::Typing(self.filter.clone()),
            (Mode::Normal, Key::Char('?')) => self.mode = Mode::Help,
            (Mode::Normal, Key::Escape) => self.filter.clear(),
            (Mode::Normal, _) => return None,
        }
        self.find_matches();
        None
    }
}

/// The place of a state in [`STATES`].
pub(super) fn place(state: State) -> usize {
    STATES.iter().position(|(one, _)| *one == state).expect("every state is listed")
}
