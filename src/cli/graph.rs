//! `orca graph`: the tasks, what they wait for, and where each stands. Executes nothing, writes nothing.

use std::collections::BTreeSet;

use super::args::{Args, GraphArgs, GraphFormat};
use super::terminal::Terminal;
use super::{CliError, Exit, check, open};
use crate::engine::{EngineError, Look, Looked, Session};
use crate::graph::render::{self, Options, Picture};
use crate::graph::{Graph, TaskIx, TaskState};

/// What a task is taken to need in a plan that cannot be looked at, in milliseconds.
const TYPICAL_MS: u64 = 1_000;

/// What tasks are expected to take.
struct Durations<'a> {
    /// In milliseconds.
    ms: &'a dyn Fn(TaskIx) -> u64,
    /// Whether no run has shown it.
    is_guessed: &'a dyn Fn(TaskIx) -> bool,
}

pub(super) fn run(args: &Args, graph: &GraphArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let session = open(args)?;
    if session.is_invalid() {
        return invalid(&session, graph, terminal);
    }
    match Look::open(session, &graph.tasks, false)? {
        Looked::Invalid(session) => invalid(&session, graph, terminal),
        Looked::Valid(look) => {
            terminal.warn(&look.notices);
            let state = |ix| look.state(ix);
            let durations = Durations {
                ms: &|ix| look.duration_ms(ix),
                is_guessed: &|ix| look.resolver.ledger.estimate_ms(look.name(ix)).is_none(),
            };
            draw(&look.resolver.graph, &look.asked, &state, &durations, graph, terminal);
            Ok(Exit::Good)
        }
    }
}

/// What can be drawn of a plan that must be mended is drawn, without states; the findings follow.
fn invalid(session: &Session, graph: &GraphArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let selected = session.graph.select(&graph.tasks).map_err(EngineError::from)?;
    if !selected.is_empty() {
        let durations = Durations { ms: &|_| TYPICAL_MS, is_guessed: &|_| true };
        draw(&session.graph, &selected, &|_| TaskState::Unknown, &durations, graph, terminal);
    }
    check::refuse(&session.findings, &session.documents, terminal);
    Ok(Exit::Invalid)
}

fn draw(
    graph: &Graph,
    selected: &BTreeSet<TaskIx>,
    state: &dyn Fn(TaskIx) -> TaskState,
    durations: &Durations<'_>,
    args: &GraphArgs,
    terminal: &Terminal,
) {
    let analysis = graph.analysis(durations.ms);
    let guessed = graph.tasks().filter(|ix| (durations.is_guessed)(*ix)).count();
    let (layers, critical_path) = (args.layers, args.critical_path);
    let options = Options { width: terminal.width(), layers, critical_path, guessed };
    let picture = Picture::new(graph, &analysis, selected, state, options);
    match args.format {
        _ if args.json => terminal.line(&render::json(&picture).to_string()),
        GraphFormat::Json => terminal.line(&render::json(&picture).to_string()),
        GraphFormat::Tree => terminal.out(&render::tree(&picture)),
        GraphFormat::Dot => terminal.out(&render::dot(&picture)),
        GraphFormat::Mermaid => terminal.out(&render::mermaid(&picture)),
    }
}
