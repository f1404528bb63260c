//! The picture for Mermaid, as Markdown renderers draw it.

use std::fmt::Write;

use crate::base::{bounded, sanitize_line};

use super::{Picture, drop_reason, edge_reason};
use crate::graph::EdgeKind;

/// Most bytes of a label that comes from a reason.
const LABEL_BYTES_MAX: usize = 200;

/// The picture as a Mermaid flowchart; edges lead from a dep to what waits for it.
#[must_use]
pub fn mermaid(picture: &Picture<'_>) -> String {
    let mut out = String::from("flowchart LR\n");
    for (number, tasks) in picture.layers() {
        let _ = writeln!(out, "  subgraph layer{number}[\"layer {}\"]", number + 1);
        for ix in tasks {
            let class = (picture.state)(ix).word();
            let _ = writeln!(out, "    t{}[\"{}\"]:::{class}", ix.0, escaped(picture.name(ix)));
            for (nth, mark) in (picture.gates)(ix).iter().enumerate() {
                let label = escaped(&format!("{}: {}", mark.gate, mark.verdict));
                let _ = writeln!(out, "    t{0} -.- g{0}_{nth}{{{{\"{label}\"}}}}", ix.0);
            }
        }
        out.push_str("  end\n");
    }
    if !picture.options.layers {
        edges(picture, &mut out);
    }
    let critical: Vec<String> =
        picture.selected.iter().filter(|ix| picture.is_critical(**ix)).map(|ix| format!("t{}", ix.0)).collect();
    if !critical.is_empty() {
        let _ = writeln!(out, "  style {} stroke:#c00000,stroke-width:3px", critical.join(","));
    }
    for (class, colour) in [("clean", "d5f0d5"), ("dirty", "fff0c2"), ("failed", "f6c9c9"), ("waits", "e6e6f5")] {
        let _ = writeln!(out, "  classDef {class} fill:#{colour}");
    }
    out
}

fn edges(picture: &Picture<'_>, out: &mut String) {
    for &ix in picture.selected {
        for dep in picture.deps(ix) {
            let kind = picture.graph.edge(ix, dep);
            let arrow = match kind {
                EdgeKind::Declared => "-->",
                EdgeKind::Inferred { .. } => "-.->",
                EdgeKind::Added { .. } => "==>",
            };
            let label = edge_reason(kind).map(|reason| format!("|\"{}\"|", escaped(&reason))).unwrap_or_default();
            let _ = writeln!(out, "  t{} {arrow}{label} t{}", dep.0, ix.0);
        }
    }
    for edge in picture.dropped() {
        let _ = writeln!(out, "  t{} -.-x|\"{}\"| t{}", edge.dep.0, escaped(&drop_reason(&edge.cause)), edge.task.0);
    }
}

/// Text inside quotes of a label: whatever Mermaid or HTML could read as more than text becomes an entity.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in bounded(&sanitize_line(text), LABEL_BYTES_MAX).chars() {
        match c {
            '"' | '\'' | '<' | '>' | '&' | '#' | '`' | ';' | '\\' | '|' | '[' | ']' | '{' | '}' | '(' | ')' | '*'
            | '_' | ':' | '/' | '%' | '~' => {
                let _ = write!(out, "#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}
