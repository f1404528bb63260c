//! The graph itself: petgraph holds tasks and edges, and beside it stand the orders everyone asks for.
//!
//! It holds what edges and drawings need and nothing else of a task, so that editing a prompt leaves it equal.

use std::collections::BTreeSet;
use std::sync::Arc;

use petgraph::Directed;
use petgraph::graph::{EdgeIndex, NodeIndex};

use rayon::prelude::*;

use crate::base::{Finding, Name, Pattern, PatternSet, RelPath, TaskName};
use crate::plan::{Plan, Task};

use super::edges::{Edge, Edges, Why};
use super::order::{Adjacency, plan_order};
use super::outputs::{Effort, OutputIndex};
use super::{cycles, ownership};

/// Fewer edges than this are not worth a thread.
const EDGES_MIN: usize = 4096;

/// A task of a graph, by its place in plan order: topological, and among tasks that could come next the least name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TaskIx(pub u32);

impl TaskIx {
    /// The place as an index into a list in plan order.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Why a task waits for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EdgeKind {
    /// `deps` says so.
    Declared,
    /// An input (or edit) of the one may be an output of the other.
    Inferred {
        /// What the waiting task reads.
        input: Arc<str>,
        /// What the other one writes.
        output: Arc<str>,
    },
    /// `[[overrides.add]]` says so.
    Added {
        /// Why.
        reason: Arc<str>,
    },
}

/// Why an edge is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DropCause {
    /// `[[overrides.drop]]` says so.
    Override {
        /// Why.
        reason: Arc<str>,
    },
    /// It closed a cycle. There is a finding for it and nothing is built; the rest of the graph can be shown.
    Cycle,
}

/// An edge that is not there, and would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedEdge {
    /// The task that would wait.
    pub task: TaskIx,
    /// What it would wait for.
    pub dep: TaskIx,
    /// Why it would.
    pub kind: EdgeKind,
    /// Why it does not.
    pub cause: DropCause,
}

/// What the graph knows of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    name: TaskName,
    tags: Vec<Name>,
    outputs: PatternSet,
    edits: PatternSet,
}

/// Tasks in plan order, and who waits for whom. Never cyclic.
#[derive(Debug, Clone)]
pub struct Graph {
    /// Nodes in plan order; edges from dep to dependent, sorted by dependent, then dep.
    tasks: petgraph::Graph<Node, EdgeKind, Directed, u32>,
    by_name: Vec<TaskIx>,
    deps: Adjacency<TaskIx>,
    dependents: Adjacency<TaskIx>,
    layers: Vec<u32>,
    dropped: Vec<DroppedEdge>,
    outputs: OutputIndex,
    edits: OutputIndex,
}

impl PartialEq for Graph {
    fn eq(&self, other: &Self) -> bool {
        self.deps == other.deps
            && self.dropped == other.dropped
            && self.tasks.node_weights().eq(other.tasks.node_weights())
            && self.tasks.edge_weights().eq(other.tasks.edge_weights())
    }
}
impl Eq for Graph {}

impl Graph {
    /// The graph of a plan, and what is wrong with it: overlapping outputs, cycles, overrides that change nothing.
    ///
    /// Where tasks wait in a circle the graph is still there, for display: edges that close circles are dropped
    /// ([`DropCause::Cycle`]), and the error among the findings keeps a build from starting.
    #[must_use]
    pub fn build(plan: &Plan) -> (Self, Vec<Finding>) {
        let tasks: Vec<&Arc<Task>> = plan.tasks.values().collect();
        let by_name = index_of(tasks.iter().map(|task| &task.outputs));
        let mut findings = ownership::check(&tasks, &by_name);
        let mut edges = Edges::collect(plan, tasks, &by_name, &mut findings);
        let mut order = plan_order(edges.tasks.len(), &edges.list);
        let mut circular = Vec::new();
        if order.len() < edges.tasks.len() {
            circular = cycles::break_cycles(&mut edges, &mut findings);
            order = plan_order(edges.tasks.len(), &edges.list);
        }
        (Assembly::new(&edges, &order).graph(&circular, by_name), findings)
    }

    /// How many tasks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// All tasks in plan order.
    pub fn tasks(&self) -> impl DoubleEndedIterator<Item = TaskIx> + ExactSizeIterator + use<> {
        (0..u32::try_from(self.len()).expect("tasks are counted in 32 bits")).map(TaskIx)
    }

    /// The name of a task.
    #[must_use]
    pub fn name(&self, ix: TaskIx) -> &TaskName {
        &self.node(ix).name
    }

    /// The tags of a task.
    #[must_use]
    pub fn tags(&self, ix: TaskIx) -> &[Name] {
        &self.node(ix).tags
    }

    /// The task with this name.
    #[must_use]
    pub fn ix(&self, name: &TaskName) -> Option<TaskIx> {
        self.ix_of(name.as_str())
    }

    /// The task with this name, given as text.
    pub(super) fn ix_of(&self, name: &str) -> Option<TaskIx> {
        let found = self.by_name.binary_search_by(|ix| self.name(*ix).as_str().cmp(name));
        found.ok().map(|at| self.by_name[at])
    }

    /// What the task waits for, in plan order.
    #[must_use]
    pub fn deps(&self, ix: TaskIx) -> &[TaskIx] {
        self.deps.of(ix.0)
    }

    /// What waits for the task, in plan order.
    #[must_use]
    pub fn dependents(&self, ix: TaskIx) -> &[TaskIx] {
        self.dependents.of(ix.0)
    }

    /// Why `ix` waits for `dep`.
    ///
    /// # Panics
    /// Where it does not.
    #[must_use]
    pub fn edge(&self, ix: TaskIx, dep: TaskIx) -> &EdgeKind {
        let at = self.deps(ix).binary_search(&dep).expect("an edge between a task and one of its deps");
        &self.tasks[EdgeIndex::new(self.deps.start(ix.0) + at)]
    }

    /// How many edges there are.
    #[must_use]
    pub fn edge_count(&self) -> usize {
        self.tasks.edge_count()
    }

    /// Edges that are not there by an override, or because they close a cycle; by task, then dep.
    #[must_use]
    pub fn dropped(&self) -> &[DroppedEdge] {
        &self.dropped
    }

    /// The layer of a task, from 0: one more than the deepest of what it waits for.
    #[must_use]
    pub fn layer(&self, ix: TaskIx) -> u32 {
        self.layers[ix.index()]
    }

    /// Puts tasks into the layers that they have in a larger graph, which this one is a part of.
    pub fn set_layers(&mut self, layer: impl Fn(&TaskName) -> Option<u32>) {
        for ix in self.tasks() {
            if let Some(layer) = layer(self.name(ix)) {
                self.layers[ix.index()] = layer;
            }
        }
    }

    /// The tasks of every layer, each in plan order.
    #[must_use]
    pub fn layers(&self) -> Vec<Vec<TaskIx>> {
        let count = self.layers.iter().max().map_or(0, |deepest| *deepest as usize + 1);
        let mut layers = vec![Vec::new(); count];
        for ix in self.tasks() {
            layers[self.layer(ix) as usize].push(ix);
        }
        layers
    }

    /// The task whose outputs cover this path; the first in plan order where, against the rules, there are several.
    #[must_use]
    pub fn owner(&self, path: &RelPath) -> Option<TaskIx> {
        let covering = self.outputs.covering(path).map(|output| TaskIx(output.task));
        covering.filter(|ix| self.node(*ix).outputs.matches(path)).min()
    }

    /// The tasks whose `edits` cover this path, in plan order.
    #[must_use]
    pub fn editors(&self, path: &RelPath) -> BTreeSet<TaskIx> {
        let covering = self.edits.covering(path).map(|edit| TaskIx(edit.task));
        covering.filter(|ix| self.node(*ix).edits.matches(path)).collect()
    }

    /// Whether any task edits files in place.
    #[must_use]
    pub fn has_editors(&self) -> bool {
        self.edits.iter().next().is_some()
    }

    /// For every task, in plan order, the tasks that it waits for, however many others lie between, and that edit files
    /// in place. Sets that are equal along a chain are shared.
    #[must_use]
    pub fn editing_ancestors(&self) -> Vec<Arc<BTreeSet<TaskIx>>> {
        let none = Arc::new(BTreeSet::new());
        let mut all: Vec<Arc<BTreeSet<TaskIx>>> = Vec::with_capacity(self.len());
        for ix in self.tasks() {
            let mut set = Arc::clone(&none);
            for dep in self.deps(ix) {
                let of_dep = &all[dep.index()];
                if set.is_empty() {
                    set = Arc::clone(of_dep);
                } else if !of_dep.is_subset(&set) {
                    Arc::make_mut(&mut set).extend(of_dep.iter().copied());
                }
                if self.is_editor(*dep) {
                    Arc::make_mut(&mut set).insert(*dep);
                }
            }
            all.push(set);
        }
        all
    }

    /// Whether the task edits files in place.
    #[must_use]
    pub fn is_editor(&self, ix: TaskIx) -> bool {
        !self.node(ix).edits.is_empty()
    }

    /// Whether what some task writes may be covered by this pattern.
    #[must_use]
    pub fn provides(&self, pattern: &Pattern) -> bool {
        let mut effort = Effort::new();
        let mut met = false;
        self.outputs.meeting(pattern, &mut effort, |_, _| {
            met = true;
            false
        });
        met || effort.is_spent()
    }

    /// Tasks that `ix` would see matched outputs of, had an override not dropped the edge, and that it waits for all
    /// the same through others.
    #[must_use]
    pub fn dropped_ancestors(&self, ix: TaskIx) -> Vec<TaskIx> {
        let first = self.dropped.partition_point(|edge| edge.task < ix);
        let dropped: Vec<TaskIx> =
            self.dropped[first..].iter().take_while(|edge| edge.task == ix).map(|edge| edge.dep).collect();
        if dropped.is_empty() {
            return dropped;
        }
        let reached = self.with_deps(&[ix].into());
        dropped.into_iter().filter(|dep| reached.contains(dep)).collect()
    }

    fn node(&self, ix: TaskIx) -> &Node {
        &self.tasks[NodeIndex::new(ix.index())]
    }
}

fn index_of<'a>(sets: impl Iterator<Item = &'a PatternSet>) -> OutputIndex {
    OutputIndex::new((0u32..).zip(sets).flat_map(|(task, set)| {
        let adding = (0u32..).zip(set.iter()).filter(|(_, pattern)| !pattern.excludes());
        adding.map(move |(at, pattern)| (task, at, pattern.clone()))
    }))
}

/// Renumbers tasks from name order to plan order, and turns edges in the making into edges.
struct Assembly<'e, 'p> {
    edges: &'e Edges<'p>,
    order: &'e [u32],
    place: Vec<TaskIx>,
}

impl<'e, 'p> Assembly<'e, 'p> {
    fn new(edges: &'e Edges<'p>, order: &'e [u32]) -> Self {
        let mut place = vec![TaskIx(0); order.len()];
        (0u32..).zip(order).for_each(|(at, number)| place[*number as usize] = TaskIx(at));
        Self { edges, order, place }
    }

    fn graph(&self, circular: &[Edge], by_name: OutputIndex) -> Graph {
        let mut list: Vec<(TaskIx, TaskIx, &Edge)> = self.edges.list.iter().map(|edge| self.placed(edge)).collect();
        list.sort_unstable();
        let mut tasks = petgraph::Graph::with_capacity(self.order.len(), list.len());
        for number in self.order {
            let task = self.edges.tasks[*number as usize];
            let (outputs, edits) = (task.outputs.clone(), task.edits.clone());
            tasks.add_node(Node { name: task.name.clone(), tags: task.tags.clone(), outputs, edits });
        }
        let kinds: Vec<EdgeKind> =
            list.par_iter().with_min_len(EDGES_MIN).map(|(_, _, edge)| self.kind(edge)).collect();
        for ((task, dep, _), kind) in list.iter().zip(kinds) {
            tasks.add_edge(NodeIndex::new(dep.index()), NodeIndex::new(task.index()), kind);
        }
        let outputs = by_name.renumbered(|number| self.place[number as usize].0);
        let edits = index_of(tasks.node_weights().map(|node| &node.edits));
        let deps = Adjacency::new(self.order.len(), list.iter().map(|(task, dep, _)| (task.0, *dep)));
        let dependents = Adjacency::new(self.order.len(), list.iter().map(|(task, dep, _)| (dep.0, *task)));
        let layers = layers(&deps, self.order.len());
        Graph {
            tasks,
            by_name: self.place.clone(),
            deps,
            dependents,
            layers,
            dropped: self.dropped(circular),
            outputs,
            edits,
        }
    }

    fn placed<'a>(&self, edge: &'a Edge) -> (TaskIx, TaskIx, &'a Edge) {
        (self.place[edge.task as usize], self.place[edge.dep as usize], edge)
    }

    fn dropped(&self, circular: &[Edge]) -> Vec<DroppedEdge> {
        let by_override = self.edges.dropped.iter().map(|(edge, by)| (edge, Some(*by)));
        let mut dropped: Vec<DroppedEdge> = by_override
            .chain(circular.iter().map(|edge| (edge, None)))
            .map(|(edge, by)| {
                let (task, dep, _) = self.placed(edge);
                let cause = match by {
                    Some(by) => DropCause::Override { reason: self.reason(by) },
                    None => DropCause::Cycle,
                };
                DroppedEdge { task, dep, kind: self.kind(edge), cause }
            })
            .collect();
        dropped.sort_by_key(|edge| (edge.task, edge.dep));
        dropped
    }

    fn kind(&self, edge: &Edge) -> EdgeKind {
        match (edge.why, self.edges.inference(edge)) {
            (_, Some((input, output))) => EdgeKind::Inferred { input: input.text(), output: output.text() },
            (Why::Added { by }, None) => EdgeKind::Added { reason: self.reason(by) },
            (_, None) => EdgeKind::Declared,
        }
    }

    fn reason(&self, by: u32) -> Arc<str> {
        self.edges.overrides[by as usize].reason.as_str().into()
    }
}

fn layers(deps: &Adjacency<TaskIx>, tasks: usize) -> Vec<u32> {
    let mut layers = vec![0u32; tasks];
    for task in 0..tasks {
        let below = deps.of(task as u32).iter().map(|dep| layers[dep.index()] + 1);
        layers[task] = below.max().unwrap_or(0);
    }
    layers
}
