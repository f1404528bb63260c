//! Circles of tasks that wait for each other: found, told with the line of every edge, and broken for display.
//!
//! petgraph's Kosaraju finds the strongly connected components without recursion, so a circle of 50,000 tasks is
//! no deeper than one of two. Of each component the shortest circle is told.

use std::collections::VecDeque;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::base::{Finding, NodeId};

use super::edges::{Edge, Edges, Why};
use super::order::Adjacency;

/// How many edges may be walked in search of a shorter circle before the shortest so far is taken.
const SEARCH_STEPS_MAX: u64 = 20_000_000;
/// How many circles are told one by one.
const CIRCLES_MAX: usize = 100;
/// How many edges of a long circle are shown; the ones in the middle are counted.
const SHOWN_MAX: usize = 12;

/// Reports each component that waits in a circle, and takes edges out until there is none; returns those.
pub(super) fn break_cycles(edges: &mut Edges<'_>, findings: &mut Vec<Finding>) -> Vec<Edge> {
    let component = components(edges);
    let inside = |edge: &Edge| component[edge.task as usize] == component[edge.dep as usize];
    let circular: Vec<Edge> = edges.list.iter().copied().filter(|edge| inside(edge)).collect();
    let mut search = Search::new(edges.tasks.len(), &circular);
    let mut members: Vec<(u32, u32)> = circular.iter().map(|edge| (component[edge.task as usize], edge.task)).collect();
    members.sort_unstable();
    members.dedup();
    let mut groups: Vec<&[(u32, u32)]> = members.chunk_by(|a, b| a.0 == b.0).collect();
    groups.sort_unstable_by_key(|group| group[0].1);
    let told: Vec<Vec<u32>> = groups.iter().take(CIRCLES_MAX).map(|group| search.shortest(group)).collect();
    findings.extend(told.iter().map(|circle| finding(edges, circle)));
    let hidden = groups.len() - told.len();
    if hidden > 0
        && let Some(help) = findings.last_mut().and_then(|last| last.help.as_mut())
    {
        help.push_str(&format!("\n({hidden} more groups of tasks wait in a circle)"));
    }
    // Within a component only edges from a later name to an earlier one stay: those alone make no circle.
    let broken = |edge: &Edge| inside(edge) && edge.dep > edge.task;
    let gone: Vec<Edge> = edges.list.iter().copied().filter(broken).collect();
    edges.list.retain(|edge| !broken(edge));
    gone
}

/// The strongly connected component of every task.
fn components(edges: &Edges<'_>) -> Vec<u32> {
    let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(edges.tasks.len(), edges.list.len());
    edges.tasks.iter().for_each(|_| _ = graph.add_node(()));
    for edge in &edges.list {
        graph.add_edge(NodeIndex::new(edge.task as usize), NodeIndex::new(edge.dep as usize), ());
    }
    let mut component = vec![0; edges.tasks.len()];
    for (number, members) in (0u32..).zip(kosaraju_scc(&graph)) {
        members.into_iter().for_each(|task| component[task.index()] = number);
    }
    component
}

/// Breadth-first search for circles, over edges that are all within some component.
struct Search {
    deps: Adjacency,
    /// For each task the search came to, the one it came from; `NOT_REACHED` between searches.
    reached_from: Vec<u32>,
    steps: u64,
}

const NOT_REACHED: u32 = u32::MAX;

impl Search {
    fn new(tasks: usize, circular: &[Edge]) -> Self {
        let deps = Adjacency::new(tasks, circular.iter().map(|edge| (edge.task, edge.dep)));
        Self { deps, reached_from: vec![NOT_REACHED; tasks], steps: 0 }
    }

    /// The tasks of the shortest circle within one component, each followed by one it waits for.
    ///
    /// INVARIANT: every member (component, task) lies on a circle, so the first one alone yields one.
    fn shortest(&mut self, members: &[(u32, u32)]) -> Vec<u32> {
        if let Some(pair) = members.iter().find_map(|(_, task)| self.mutual(*task)) {
            return pair.to_vec();
        }
        let mut found: Option<Vec<u32>> = None;
        for (_, task) in members {
            let shorter_than = found.as_ref().map_or(usize::MAX, Vec::len);
            found = self.circle_through(*task, shorter_than).or(found);
            if self.steps > SEARCH_STEPS_MAX || found.as_ref().is_some_and(|circle| circle.len() == 3) {
                break;
            }
        }
        found.expect("a member of a component lies on a circle")
    }

    fn mutual(&self, task: u32) -> Option<[u32; 2]> {
        let waits_back = |dep: &&u32| self.deps.of(**dep).binary_search(&task).is_ok();
        self.deps.of(task).iter().find(waits_back).map(|dep| [task, *dep])
    }

    /// The shortest circle through `start` with fewer than `shorter_than` tasks.
    fn circle_through(&mut self, start: u32, shorter_than: usize) -> Option<Vec<u32>> {
        let mut visited = vec![start];
        let mut queue = VecDeque::from([(start, 1)]);
        let mut last = None;
        'search: while let Some((task, length)) = queue.pop_front() {
            if length >= shorter_than {
                break;
            }
            for &dep in self.deps.of(task) {
                self.steps += 1;
                if dep == start {
                    last = Some(task);
                    break 'search;
                }
                if self.reached_from[dep as usize] == NOT_REACHED {
                    self.reached_from[dep as usize] = task;
                    visited.push(dep);
                    queue.push_back((dep, length + 1));
                }
            }
        }
        let circle = last.map(|last| {
            let mut circle: Vec<u32> =
                std::iter::successors(Some(last), |task| (*task != start).then(|| self.reached_from[*task as usize]))
                    .collect();
            circle.reverse();
            circle
        });
        visited.into_iter().for_each(|task| self.reached_from[task as usize] = NOT_REACHED);
        circle
    }
}

/// The finding for one circle, beginning with its least name.
fn finding(edges: &Edges<'_>, circle: &[u32]) -> Finding {
    let least = (0..circle.len()).min_by_key(|at| circle[*at]).expect("a circle has tasks");
    let circle: Vec<u32> = circle[least..].iter().chain(&circle[..least]).copied().collect();
    let name = |task: u32| &edges.tasks[task as usize].name;
    let around: Vec<Edge> = (0..circle.len())
        .map(|at| {
            let (task, dep) = (circle[at], circle[(at + 1) % circle.len()]);
            let found = edges.list.binary_search_by_key(&(task, dep), |edge| (edge.task, edge.dep));
            edges.list[found.expect("the circle was found along edges")]
        })
        .collect();
    let hidden = around.len().saturating_sub(SHOWN_MAX);
    let shown: Vec<&Edge> = around[..around.len() - hidden.min(around.len()) - usize::from(hidden > 0)]
        .iter()
        .chain((hidden > 0).then(|| around.last().expect("not empty")))
        .collect();
    let mut path = String::new();
    for (position, edge) in shown.iter().enumerate() {
        if hidden > 0 && position + 1 == shown.len() {
            path.push_str(&format!("... {} more ... -> ", hidden));
        }
        path.push_str(&format!("{} -> ", name(edge.task)));
    }
    path.push_str(name(circle[0]).as_str());
    let label = |edge: &Edge| (edges.node(edge), reason(edges, edge));
    let (node, text) = label(shown[0]);
    let mut finding =
        Finding::error("orca::plan::cycle", format!("tasks wait for each other in a circle: {path}"), node, text);
    for edge in &shown[1..] {
        let (node, text): (NodeId, String) = label(edge);
        finding = finding.and(node, text);
    }
    finding.help(help(edges, &around))
}

fn reason(edges: &Edges<'_>, edge: &Edge) -> String {
    let task = &edges.tasks[edge.task as usize].name;
    let dep = &edges.tasks[edge.dep as usize].name;
    match edges.inference(edge) {
        Some((input, output)) => format!("`{task}` reads `{input}`, and `{dep}` writes `{output}`"),
        None if edge.why == Why::Declared => format!("`{task}` needs `{dep}`"),
        None => format!("this override makes `{task}` wait for `{dep}`"),
    }
}

/// What to type: an inferred edge is the likeliest not to be meant.
fn help(edges: &Edges<'_>, around: &[Edge]) -> String {
    let inferred = around.iter().find_map(|edge| edges.inference(edge).map(|(_, output)| (edge, output)));
    let Some((edge, output)) = inferred else {
        return "remove one of these edges".to_owned();
    };
    let (task, dep) = (&edges.tasks[edge.task as usize].name, &edges.tasks[edge.dep as usize].name);
    let key = match edge.why {
        Why::Inferred { list: super::edges::Reads::Edits, .. } => "edits",
        _ => "inputs",
    };
    format!(
        "add \"!{output}\" to the `{key}` of `{task}`, or drop the edge:\n\
         [[overrides.drop]]\ntask = \"{task}\"\ndep = \"{dep}\"\nreason = \"...\""
    )
}
