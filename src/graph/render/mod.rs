//! Drawing a graph: by layers for a terminal, and for Graphviz, Mermaid and programs.
//!
//! All four draw the same picture: tasks with layer and state, edges with their kind, dropped edges with their reason.
//! Names and texts may be hostile; each form escapes what would leave its place.

mod dot;
mod json;
mod mermaid;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use super::{Analysis, DropCause, DroppedEdge, EdgeKind, Graph, TaskIx, TaskState};

pub use dot::dot;
pub use json::{SCHEMA_VERSION, json};
pub use mermaid::mermaid;
pub use tree::tree;

/// What to draw besides the tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Columns of the terminal; only the tree asks.
    pub width: usize,
    /// Draw the layers and no edges: the tree in one line per layer, the others with their layers as groups.
    pub layers: bool,
    /// Mark the critical path; the tree then lists nothing else.
    pub critical_path: bool,
    /// Of how many tasks the durations are guesses; only the tree says so.
    pub guessed: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { width: 100, layers: false, critical_path: false, guessed: 0 }
    }
}

/// A gate of a task, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct GateMark {
    /// Its name.
    pub gate: String,
    /// The verdict on the task's result, or `not judged yet`.
    pub verdict: String,
}

/// A graph as it is to be drawn.
pub struct Picture<'a> {
    graph: &'a Graph,
    analysis: &'a Analysis,
    selected: &'a BTreeSet<TaskIx>,
    state: &'a dyn Fn(TaskIx) -> TaskState,
    /// The gates of a task.
    gates: &'a dyn Fn(TaskIx) -> Vec<GateMark>,
    options: Options,
    /// The tasks of the critical path, each with the one before it.
    critical: BTreeMap<TaskIx, Option<TaskIx>>,
}

impl<'a> Picture<'a> {
    /// The picture of the selected tasks; an edge is drawn if both its ends are.
    #[must_use]
    pub fn new(
        graph: &'a Graph,
        analysis: &'a Analysis,
        selected: &'a BTreeSet<TaskIx>,
        state: &'a dyn Fn(TaskIx) -> TaskState,
        gates: &'a dyn Fn(TaskIx) -> Vec<GateMark>,
        options: Options,
    ) -> Self {
        let before = std::iter::once(None).chain(analysis.critical_path.iter().copied().map(Some));
        let critical = analysis.critical_path.iter().copied().zip(before).collect();
        Self { graph, analysis, selected, state, gates, options, critical }
    }

    fn name(&self, ix: TaskIx) -> &'a str {
        self.graph.name(ix).as_str()
    }

    fn deps(&self, ix: TaskIx) -> impl Iterator<Item = TaskIx> + '_ {
        self.graph.deps(ix).iter().copied().filter(|dep| self.selected.contains(dep))
    }

    fn dropped(&self) -> impl Iterator<Item = &'a DroppedEdge> + '_ {
        let both = |edge: &&DroppedEdge| self.selected.contains(&edge.task) && self.selected.contains(&edge.dep);
        self.graph.dropped().iter().filter(both)
    }

    /// The selected tasks of every layer that has some.
    fn layers(&self) -> Vec<(u32, Vec<TaskIx>)> {
        let all = (0u32..).zip(self.graph.layers());
        all.map(|(number, tasks)| {
            (number, tasks.into_iter().filter(|ix| self.selected.contains(ix)).collect::<Vec<_>>())
        })
        .filter(|(_, tasks)| !tasks.is_empty())
        .collect()
    }

    fn is_critical(&self, ix: TaskIx) -> bool {
        self.options.critical_path && self.critical.contains_key(&ix)
    }

    /// Whether the edge is one step of the critical path.
    fn is_critical_step(&self, ix: TaskIx, dep: TaskIx) -> bool {
        self.options.critical_path && self.critical.get(&ix) == Some(&Some(dep))
    }
}

/// Why the edge is there, in a few words; nothing for a declared one.
fn edge_reason(kind: &EdgeKind) -> Option<String> {
    match kind {
        EdgeKind::Declared => None,
        EdgeKind::Inferred { input, output } if input == output => Some(format!("reads {input}")),
        EdgeKind::Inferred { input, output } => Some(format!("reads {input}: {output}")),
        EdgeKind::Added { reason } => Some(format!("added: {reason}")),
    }
}

fn drop_reason(cause: &DropCause) -> String {
    match cause {
        DropCause::Override { reason } => format!("dropped: {reason}"),
        DropCause::Cycle => "closes a circle".to_owned(),
    }
}
