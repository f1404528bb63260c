//! `orca graph`: the tasks, what they wait for, and where each stands. Executes nothing, writes nothing.

use std::collections::BTreeSet;

use super::args::{Args, GraphArgs, GraphFormat};
use super::terminal::Terminal;
use super::{CliError, Exit, check, open_beside, shortcut};
use crate::base::sanitize_line;
use crate::engine::{EngineError, Estimates, Host, Look, Looked, PlanGate, Records, Session, Unchanged};
use crate::graph::render::{self, GateMark, Options, Picture};
use crate::graph::{Graph, TaskIx, TaskState};
use crate::snapshot::Hot;

/// What a task is taken to need in a plan that cannot be looked at, in milliseconds.
const TYPICAL_MS: u64 = 1_000;

/// What is known of tasks and gates besides their states.
struct Known<'a> {
    /// What a task is expected to take, in milliseconds.
    duration_ms: &'a dyn Fn(TaskIx) -> u64,
    /// Whether no run has shown it.
    is_guessed: &'a dyn Fn(TaskIx) -> bool,
    /// The gates of the plan.
    gates: &'a [PlanGate],
}

/// What is shown at a task.
struct Shown<'a> {
    state: &'a dyn Fn(TaskIx) -> TaskState,
    gates: &'a dyn Fn(TaskIx) -> Vec<GateMark>,
}

/// How a graph is drawn.
pub(super) struct Drawing {
    pub format: GraphFormat,
    pub layers: bool,
    pub critical_path: bool,
    pub width: usize,
}

impl Drawing {
    fn of(args: &GraphArgs, terminal: &Terminal) -> Self {
        let format = if args.json { GraphFormat::Json } else { args.format };
        Self { format, layers: args.layers, critical_path: args.critical_path, width: terminal.width() }
    }
}

/// What is known before the plan is.
enum Beside {
    /// Nothing has changed since the plan of this snapshot was built.
    Unchanged(Hot, Estimates),
    /// The record of earlier runs.
    Recorded(Option<Box<Records>>),
}

impl Beside {
    fn find(args: &Args) -> Self {
        let clean = shortcut::unchanged(args.directory()).map(|unchanged| unchanged.hot);
        let estimates = || Estimates::read(&Host::from_env().ok()?, args.directory());
        match clean.and_then(|hot| Some((hot, estimates()?))) {
            Some((hot, estimates)) => Self::Unchanged(hot, estimates),
            None => Self::Recorded(Records::read(args.directory(), true).map(Box::new)),
        }
    }
}

pub(super) fn run(args: &Args, graph: &GraphArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let (mut session, beside) = open_beside(args, &|| Beside::find(args))?;
    if session.is_invalid() {
        return invalid(&session, graph, terminal);
    }
    match beside {
        // Of the plan that was read, and of no other.
        Beside::Unchanged(hot, estimates) if hot.is_of(texts(&session)) => {
            let unchanged = Unchanged::open(session, estimates, &graph.tasks)?;
            terminal.out(&clean(&unchanged, &Drawing::of(graph, terminal)));
            unchanged.leave();
            return Ok(Exit::Good);
        }
        Beside::Unchanged(..) => {}
        Beside::Recorded(records) => session.hold_records(records.map(|records| *records)),
    }
    match Look::open(session, &graph.tasks, false)? {
        Looked::Invalid(session) => invalid(&session, graph, terminal),
        Looked::Valid(look) => {
            terminal.warn(&look.notices);
            terminal.out(&drawn(&look, &Drawing::of(graph, terminal)));
            look.leave();
            Ok(Exit::Good)
        }
    }
}

/// The tasks asked for, as they were found.
pub(super) fn drawn(look: &Look, drawing: &Drawing) -> String {
    let state = |ix| look.state(ix);
    let gates = look.plan_gates();
    let known = Known {
        duration_ms: &|ix| look.duration_ms(ix),
        is_guessed: &|ix| look.resolver.ledger.estimate_ms(look.name(ix)).is_none(),
        gates: &gates,
    };
    let marks = |ix| look.gate_marks(ix);
    let shown = Shown { state: &state, gates: &marks };
    draw(&look.resolver.graph, &look.asked, &shown, &known, drawing)
}

/// The plan's files by path, with what they say.
fn texts(session: &Session) -> impl Iterator<Item = (&str, &str)> {
    session.documents.iter().map(|document| (document.path.as_str(), &*document.text))
}

/// The tasks asked for, where none has changed. What has gates has no snapshot.
fn clean(unchanged: &Unchanged, drawing: &Drawing) -> String {
    let known = Known {
        duration_ms: &|ix| unchanged.duration_ms(ix),
        is_guessed: &|ix| unchanged.estimate_ms(ix).is_none(),
        gates: &[],
    };
    let shown = Shown { state: &|_| TaskState::Clean, gates: &|_| Vec::new() };
    draw(unchanged.graph(), &unchanged.asked, &shown, &known, drawing)
}

/// What can be drawn of a plan that must be mended is drawn, without states; the findings follow.
fn invalid(session: &Session, graph: &GraphArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let selected = session.graph.select(&graph.tasks).map_err(EngineError::from)?;
    if !selected.is_empty() {
        let known = Known { duration_ms: &|_| TYPICAL_MS, is_guessed: &|_| true, gates: &[] };
        let shown = Shown { state: &|_| TaskState::Unknown, gates: &|_| Vec::new() };
        terminal.out(&draw(&session.graph, &selected, &shown, &known, &Drawing::of(graph, terminal)));
    }
    check::refuse(&session.findings, &session.documents, terminal);
    Ok(Exit::Invalid)
}

fn draw(graph: &Graph, selected: &BTreeSet<TaskIx>, shown: &Shown<'_>, known: &Known<'_>, drawing: &Drawing) -> String {
    let analysis = graph.analysis(known.duration_ms);
    let guessed = graph.tasks().filter(|ix| (known.is_guessed)(*ix)).count();
    let Drawing { format, layers, critical_path, width } = *drawing;
    let options = Options { width, layers, critical_path, guessed };
    let picture = Picture::new(graph, &analysis, selected, shown.state, shown.gates, options);
    match format {
        GraphFormat::Tree => render::tree(&picture) + &known.gates.iter().map(of_plan).collect::<String>(),
        GraphFormat::Dot => render::dot(&picture),
        GraphFormat::Mermaid => render::mermaid(&picture),
        GraphFormat::Json => {
            let mut document = render::json(&picture);
            document["plan_gates"] = serde_json::to_value(known.gates).expect("what is printed is plain data");
            format!("{document}\n")
        }
    }
}

/// A line about a gate of the plan.
fn of_plan(gate: &PlanGate) -> String {
    let message = if gate.is_red() { format!(": {}", sanitize_line(&gate.message)) } else { String::new() };
    format!("gate {} of the plan: {}{message}\n", gate.gate, gate.verdict)
}
