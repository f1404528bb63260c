//! The picture for programs: everything, under a schema version.

use serde::Serialize;

use super::{GateMark, Picture};
use crate::graph::{DropCause, EdgeKind, TaskIx};

/// Version of [`json`]'s form. Raised when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    v: u32,
    tasks: Vec<Task<'a>>,
    edges: Vec<Edge<'a>>,
    dropped: Vec<Edge<'a>>,
    analysis: Numbers<'a>,
}

#[derive(Serialize)]
struct Task<'a> {
    name: &'a str,
    layer: u32,
    tags: Vec<&'a str>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
    bottom_level_ms: u64,
    critical: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gates: Vec<GateMark>,
}

#[derive(Serialize)]
struct Edge<'a> {
    task: &'a str,
    dep: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// Numbers of the whole graph, whatever is selected.
#[derive(Serialize)]
struct Numbers<'a> {
    tasks: usize,
    layers: usize,
    width: usize,
    total_ms: u64,
    critical_ms: u64,
    critical_path: Vec<&'a str>,
    ideal_speed_up: f64,
    parallel_share: Option<f64>,
    parallel_beside: Option<f64>,
}

/// The picture as one JSON document: `tasks` in plan order, `edges` by task, `dropped` edges, `analysis`.
#[must_use]
pub fn json(picture: &Picture<'_>) -> serde_json::Value {
    let edges = picture
        .selected
        .iter()
        .flat_map(|&ix| picture.deps(ix).map(move |dep| edge(picture, ix, dep, picture.graph.edge(ix, dep), None)));
    let dropped = picture.dropped().map(|e| edge(picture, e.task, e.dep, &e.kind, Some(&e.cause)));
    let document = Document {
        v: SCHEMA_VERSION,
        tasks: picture.selected.iter().map(|ix| task(picture, *ix)).collect(),
        edges: edges.collect(),
        dropped: dropped.collect(),
        analysis: numbers(picture),
    };
    serde_json::to_value(document).expect("names, numbers and texts are JSON")
}

fn task<'a>(picture: &'a Picture<'_>, ix: TaskIx) -> Task<'a> {
    let state = (picture.state)(ix);
    Task {
        name: picture.name(ix),
        layer: picture.graph.layer(ix),
        tags: picture.graph.tags(ix).iter().map(|tag| tag.as_str()).collect(),
        state: state.word(),
        because: state.because(),
        bottom_level_ms: picture.analysis.bottom_level_ms[ix.index()],
        critical: picture.critical.contains_key(&ix),
        gates: (picture.gates)(ix),
    }
}

fn edge<'a>(
    picture: &'a Picture<'_>,
    task: TaskIx,
    dep: TaskIx,
    kind: &'a EdgeKind,
    cause: Option<&'a DropCause>,
) -> Edge<'a> {
    let (word, input, output, added) = match kind {
        EdgeKind::Declared => ("declared", None, None, None),
        EdgeKind::Inferred { input, output } => ("inferred", Some(&**input), Some(&**output), None),
        EdgeKind::Added { reason } => ("added", None, None, Some(&**reason)),
    };
    let reason = match cause {
        None => added,
        Some(DropCause::Override { reason }) => Some(&**reason),
        Some(DropCause::Cycle) => Some("closes a circle"),
    };
    Edge { task: picture.name(task), dep: picture.name(dep), kind: word, input, output, reason }
}

fn numbers<'a>(picture: &'a Picture<'_>) -> Numbers<'a> {
    let analysis = picture.analysis;
    Numbers {
        tasks: picture.graph.len(),
        layers: analysis.layers,
        width: analysis.width,
        total_ms: analysis.total_ms,
        critical_ms: analysis.critical_ms,
        critical_path: analysis.critical_path.iter().map(|ix| picture.name(*ix)).collect(),
        ideal_speed_up: analysis.ideal_speed_up,
        parallel_share: analysis.parallel.map(|parallel| parallel.share),
        parallel_beside: analysis.parallel.map(|parallel| parallel.beside),
    }
}
