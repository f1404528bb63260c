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
            draw(&look.resolver.graph, &look.asked, &state, &|ix| look.duration_ms(ix), graph, terminal);
            Ok(Exit::Good)
        }
    }
}

/// What can be drawn of a plan that must be mended is drawn, without states; the findings follow.
fn invalid(session: &Session, graph: &GraphArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let selected = session.graph.select(&graph.tasks).map_err(EngineError::from)?;
    if !selected.is_empty() {
        draw(&session.graph, &selected, &|_| TaskState::Unknown, &|_| TYPICAL_MS, graph, terminal);
    }
    check::refuse(&session.findings, &session.documents, terminal);
    Ok(Exit::Invalid)
}

fn draw(
    graph: &Graph,
    selected: &BTreeSet<TaskIx>,
    state: &dyn Fn(TaskIx) -> TaskState,
    duration_ms: &dyn Fn(TaskIx) -> u64,
    args: &GraphArgs,
    terminal: &Terminal,
) {
    let analysis = graph.analysis(duration_ms);
    let options = Options { width: terminal.width(), layers: args.layers, critical_path: args.critical_path };
    let picture = Picture::new(graph, &analysis, selected, state, options);
    match args.format {
        _ if args.json => terminal.line(&render::json(&picture).to_string()),
        GraphFormat::Json => terminal.line(&render::json(&picture).to_string()),
        GraphFormat::Tree => terminal.out(&render::tree(&picture)),
        GraphFormat::Dot => terminal.out(&render::dot(&picture)),
        GraphFormat::Mermaid => terminal.out(&render::mermaid(&picture)),
    }
}
