//! The picture for Graphviz.

use std::fmt::Write;

use crate::base::{bounded, sanitize_line};

use super::{Picture, drop_reason, edge_reason};
use crate::graph::{EdgeKind, TaskIx, TaskState};

/// Most bytes of a label that comes from a reason.
const LABEL_BYTES_MAX: usize = 200;

/// The picture as a DOT digraph; edges lead from a dep to what waits for it. Nodes are named by number, labelled by name.
#[must_use]
pub fn dot(picture: &Picture<'_>) -> String {
    let mut out =
        String::from("digraph orca {\n  rankdir=LR;\n  node [shape=box, style=filled, fontname=\"sans-serif\"];\n");
    for (number, tasks) in picture.layers() {
        let _ = writeln!(out, "  subgraph cluster_{number} {{\n    label=\"layer {}\"; color=\"#cccccc\";", number + 1);
        for ix in tasks {
            let _ = writeln!(out, "    {}", node(picture, ix));
            gates(picture, ix, &mut out);
        }
        out.push_str("  }\n");
    }
    if !picture.options.layers {
        edges(picture, &mut out);
    }
    out.push_str("}\n");
    out
}

fn node(picture: &Picture<'_>, ix: TaskIx) -> String {
    let state = (picture.state)(ix);
    let pen = if picture.is_critical(ix) { ", color=\"#c00000\", penwidth=2" } else { "" };
    format!(
        "t{} [label={}, tooltip={}, fillcolor=\"{}\"{pen}];",
        ix.0,
        quoted(picture.name(ix)),
        quoted(&state.to_string()),
        colour(&state)
    )
}

/// The gates of a task, as nodes that hang on it.
fn gates(picture: &Picture<'_>, ix: TaskIx, out: &mut String) {
    for (nth, mark) in (picture.gates)(ix).iter().enumerate() {
        let label = quoted(&format!("{}: {}", mark.gate, mark.verdict));
        let _ =
            writeln!(out, "    g{0}_{nth} [label={label}, shape=octagon, fontsize=10, fillcolor=\"#ffffff\"];", ix.0);
        let _ = writeln!(out, "    t{0} -> g{0}_{nth} [style=dotted, arrowhead=none];", ix.0);
    }
}

fn edges(picture: &Picture<'_>, out: &mut String) {
    for &ix in picture.selected {
        for dep in picture.deps(ix) {
            let kind = picture.graph.edge(ix, dep);
            let style = match kind {
                EdgeKind::Declared => "solid",
                EdgeKind::Inferred { .. } => "dashed",
                EdgeKind::Added { .. } => "bold",
            };
            let label = edge_reason(kind).map(|reason| format!(", label={}", quoted(&reason))).unwrap_or_default();
            let pen = if picture.is_critical_step(ix, dep) { ", color=\"#c00000\", penwidth=2" } else { "" };
            let _ = writeln!(out, "  t{} -> t{} [style={style}{label}{pen}];", dep.0, ix.0);
        }
    }
    for edge in picture.dropped() {
        let label = quoted(&drop_reason(&edge.cause));
        let (dep, task) = (edge.dep.0, edge.task.0);
        let _ = writeln!(
            out,
            "  t{dep} -> t{task} [style=dotted, color=\"#999999\", arrowhead=none, constraint=false, label={label}];"
        );
    }
}

fn colour(state: &TaskState) -> &'static str {
    match state {
        TaskState::Clean => "#d5f0d5",
        TaskState::Dirty { .. } => "#fff0c2",
        TaskState::NeverRun => "#ffffff",
        TaskState::Failed { .. } => "#f6c9c9",
        TaskState::WaitsOn(_) => "#e6e6f5",
        TaskState::Unknown => "#eeeeee",
    }
}

/// A quoted DOT string: quotes and backslashes escaped, control characters shown, so that text stays text.
fn quoted(text: &str) -> String {
    let escaped = bounded(&sanitize_line(text), LABEL_BYTES_MAX).replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}
