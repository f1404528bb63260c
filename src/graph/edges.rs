//! Edges in the making: declared by `deps`, inferred from files, added and dropped by `[overrides]`.
//!
//! Tasks are numbered by name here, since plan order is not known before the edges are. A declared edge outranks an
//! inferred one, so that each pair of tasks has one edge with one reason.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rayon::prelude::*;

use crate::base::{Finding, NodeId, Pattern, TaskName};
use crate::plan::{EdgeChange, Override, Plan, Task};

use super::outputs::{COMPARISONS_MAX, Effort, OutputIndex};

/// The most edges a graph may have. Ten thousand tasks that each read what hundreds of others write stay below it.
pub const EDGES_MAX: usize = 4_000_000;

/// How many tasks are looked at together.
const BATCH: usize = 2048;

/// Which list of the waiting task an inferred edge comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reads {
    Inputs,
    Edits,
}

/// Why an edge is there. Ordered by rank: the least reason of a pair of tasks is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    Declared,
    Inferred { list: Reads, input: u32, output: u32 },
    Added { by: u32 },
}

/// `task` waits for `dep`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) task: u32,
    pub(super) dep: u32,
    pub(super) why: Why,
}

/// The tasks of a plan by number, and their edges, sorted by task and dep.
pub(super) struct Edges<'p> {
    pub(super) tasks: Vec<&'p Arc<Task>>,
    pub(super) list: Vec<Edge>,
    /// What an override took away, and which one.
    pub(super) dropped: Vec<(Edge, u32)>,
    pub(super) overrides: &'p [Override],
}

impl<'p> Edges<'p> {
    /// All edges of the plan. Names that the plan does not know make no edge: the plan's own findings tell of them.
    pub(super) fn collect(
        plan: &'p Plan,
        tasks: Vec<&'p Arc<Task>>,
        outputs: &OutputIndex,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let is_named = !plan.overrides.is_empty() || tasks.iter().any(|task| !task.deps.is_empty());
        let number: HashMap<&TaskName, u32> =
            tasks.iter().filter(|_| is_named).map(|task| &task.name).zip(0u32..).collect();
        let mut list = Vec::new();
        for (task, declared) in (0u32..).zip(&tasks) {
            let deps = declared.deps.iter().filter_map(|dep| number.get(dep).copied()).filter(|dep| *dep != task);
            list.extend(deps.map(|dep| Edge { task, dep, why: Why::Declared }));
        }
        infer_all(&tasks, outputs, &mut list, findings);
        list.sort_unstable();
        list.dedup_by_key(|edge| (edge.task, edge.dep));
        let mut edges = Self { tasks, list, dropped: Vec::new(), overrides: &plan.overrides };
        edges.apply_overrides(&number, findings);
        edges
    }

    /// Where the plan says so.
    pub(super) fn node(&self, edge: &Edge) -> NodeId {
        let task = self.tasks[edge.task as usize];
        match edge.why {
            // A dependency on one instance of a matrix may be written as one on all of them; then the array is meant.
            Why::Declared => task.node.child("deps").element_with(self.tasks[edge.dep as usize].name.as_str()),
            Why::Inferred { list: Reads::Inputs, input, .. } => task.node.child("inputs").element(input as usize),
            Why::Inferred { list: Reads::Edits, input, .. } => task.node.child("edits").element(input as usize),
            Why::Added { by } => self.overrides[by as usize].node.clone(),
        }
    }

    /// The input and the output that an inferred edge comes from.
    pub(super) fn inference(&self, edge: &Edge) -> Option<(&'p Pattern, &'p Pattern)> {
        let Why::Inferred { list, input, output } = edge.why else { return None };
        let task = self.tasks[edge.task as usize];
        let read = match list {
            Reads::Inputs => &task.inputs,
            Reads::Edits => &task.edits,
        };
        let nth = |set: &'p crate::base::PatternSet, at: u32| set.iter().nth(at as usize).expect("it made the edge");
        Some((nth(read, input), nth(&self.tasks[edge.dep as usize].outputs, output)))
    }

    /// Adds and drops; both look at the edges the plan has without overrides.
    fn apply_overrides(&mut self, number: &HashMap<&TaskName, u32>, findings: &mut Vec<Finding>) {
        let mut changed: BTreeMap<(u32, u32), (u32, Option<usize>)> = BTreeMap::new();
        let mut useless = Vec::new();
        for (by, change) in (0u32..).zip(self.overrides) {
            let (Some(&task), Some(&dep)) = (number.get(&change.task), number.get(&change.dep)) else { continue };
            let found = self.list.binary_search_by_key(&(task, dep), |edge| (edge.task, edge.dep)).ok();
            match (change.change, found) {
                _ if task == dep => useless.push((by, "a task never waits for itself")),
                (EdgeChange::Add, Some(_)) => useless.push((by, "this edge is there without it")),
                (EdgeChange::Drop, None) => useless.push((by, "there is no such edge to drop")),
                _ if changed.contains_key(&(task, dep)) => useless.push((by, "another override says the same")),
                _ => _ = changed.insert((task, dep), (by, found)),
            }
        }
        self.report_useless(&changed, useless, findings);
        self.dropped = changed.values().filter_map(|(by, at)| at.map(|at| (self.list[at], *by))).collect();
        let added = changed.iter().filter(|(_, (_, at))| at.is_none());
        let added: Vec<Edge> =
            added.map(|(&(task, dep), &(by, _))| Edge { task, dep, why: Why::Added { by } }).collect();
        if !self.dropped.is_empty() {
            self.list.retain(|edge| self.dropped.binary_search_by_key(edge, |(dropped, _)| *dropped).is_err());
        }
        if !added.is_empty() {
            self.list.extend(added);
            self.list.sort_unstable();
        }
    }

    /// An override written for a matrix stands for one of each instance; it is useless only if all of these are.
    fn report_useless(
        &self,
        changed: &BTreeMap<(u32, u32), (u32, Option<usize>)>,
        useless: Vec<(u32, &str)>,
        findings: &mut Vec<Finding>,
    ) {
        let node = |by: u32| &self.overrides[by as usize].node;
        let mut told: BTreeSet<&NodeId> = changed.values().map(|(by, _)| node(*by)).collect();
        for (by, why) in useless {
            if told.insert(node(by)) {
                findings.push(useless_override(&self.overrides[by as usize], why));
            }
        }
    }
}

fn useless_override(change: &Override, why: &str) -> Finding {
    let verb = match change.change {
        EdgeChange::Add => "adds",
        EdgeChange::Drop => "drops",
    };
    let message =
        format!("the override that {verb} the edge from `{}` to `{}` changes nothing", change.task, change.dep);
    Finding::warning("orca::plan::useless_override", message, change.node.clone(), why).help("remove this override")
}

/// Adds an edge for every input that another task's outputs may cover.
///
/// Batches of tasks are looked at by all cores, each with its share of what may be done for a plan. Where one of them needs more
/// than that, it is all done again, one task after the other: so where the limit is passed is the same on any machine.
fn infer_all(tasks: &[&Arc<Task>], outputs: &OutputIndex, list: &mut Vec<Edge>, findings: &mut Vec<Finding>) {
    let batches = tasks.len().div_ceil(BATCH);
    let room = EDGES_MAX.saturating_sub(list.len());
    if batches > 1 {
        let of_batch = |(number, batch): (usize, &[&Arc<Task>])| {
            let (mut edges, mut effort) = (Vec::new(), Effort::share_of(batches));
            let from = u32::try_from(number * BATCH).expect("tasks are counted in 32 bits");
            infer((from..).zip(batch), outputs, room / batches, &mut effort, &mut edges).is_ok().then_some(edges)
        };
        let inferred: Option<Vec<Vec<Edge>>> = tasks.par_chunks(BATCH).enumerate().map(of_batch).collect();
        if let Some(inferred) = inferred {
            list.extend(inferred.into_iter().flatten());
            return;
        }
    }
    if let Err(finding) = infer((0u32..).zip(tasks), outputs, EDGES_MAX, &mut Effort::new(), list) {
        findings.push(*finding);
    }
}

/// Adds the edges of these tasks. An error where there are more than `edges_max`, or finding them is too much effort.
fn infer<'t>(
    tasks: impl Iterator<Item = (u32, &'t &'t Arc<Task>)>,
    outputs: &OutputIndex,
    edges_max: usize,
    effort: &mut Effort,
    list: &mut Vec<Edge>,
) -> Result<(), Box<Finding>> {
    let mut known: HashMap<&str, Box<[u32]>> = HashMap::new();
    for (task, reader) in tasks {
        let start = list.len();
        for (kind, set) in [(Reads::Inputs, &reader.inputs), (Reads::Edits, &reader.edits)] {
            for (input, pattern) in (0u32..).zip(set.iter()).filter(|(_, pattern)| !pattern.excludes()) {
                let met = |position| {
                    let output = outputs.get(position);
                    let excluded = set.iter().any(|other| other.excludes() && covers(other, &output.pattern));
                    let why = Why::Inferred { list: kind, input, output: output.at };
                    (output.task != task && !excluded).then_some(Edge { task, dep: output.task, why })
                };
                if pattern.literal_path().is_none() {
                    let positions =
                        known.entry(pattern.as_str()).or_insert_with(|| positions_meeting(outputs, pattern, effort));
                    list.extend(positions.iter().copied().filter_map(met));
                } else {
                    outputs.meeting(pattern, effort, |position, _| {
                        list.extend(met(position));
                        list.len() <= edges_max
                    });
                }
                if list.len() > edges_max || effort.is_spent() {
                    list.truncate(edges_max);
                    return Err(too_many(reader, kind, input, pattern).into());
                }
            }
        }
        list[start..].sort_unstable();
        let mut seen = None;
        let mut kept = start;
        for at in start..list.len() {
            if seen != Some(list[at].dep) {
                seen = Some(list[at].dep);
                list[kept] = list[at];
                kept += 1;
            }
        }
        list.truncate(kept);
    }
    Ok(())
}

fn positions_meeting(outputs: &OutputIndex, pattern: &Pattern, effort: &mut Effort) -> Box<[u32]> {
    let mut positions = Vec::new();
    outputs.meeting(pattern, effort, |position, _| {
        positions.push(position);
        true
    });
    positions.into()
}

/// Whether the exclusion takes away all that the output pattern can bring. May say no where it does.
fn covers(exclusion: &Pattern, output: &Pattern) -> bool {
    if let Some(path) = output.literal_path() {
        return exclusion.matches(path);
    }
    let whole = match exclusion.as_str().strip_suffix("**") {
        Some(directory) => directory.strip_suffix('/').unwrap_or(directory),
        None => exclusion.as_str(),
    };
    let base = output.base();
    let is_plain = exclusion.base() == whole;
    exclusion.as_str() == output.as_str()
        || is_plain
            && base.strip_prefix(whole).is_some_and(|rest| whole.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

fn too_many(reader: &Task, list: Reads, input: u32, pattern: &Pattern) -> Finding {
    let key = match list {
        Reads::Inputs => "inputs",
        Reads::Edits => "edits",
    };
    let message = format!(
        "the wildcards of this plan are too broad: more than {EDGES_MAX} edges, or {COMPARISONS_MAX} pairs to compare"
    );
    let node = reader.node.child(key).element(input as usize);
    Finding::error(
        "orca::plan::too_broad",
        message,
        node,
        format!("the limit is passed at `{pattern}` of `{}`", reader.name),
    )
    .help("name the files a task needs more narrowly, or exclude outputs with `!path`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::sketch::plan;

    #[test]
    fn batches_find_what_one_after_the_other_finds() {
        let line = |number: usize| {
            let (above, directory) = (number / 3, number % 50);
            let reads = match number % 10 {
                0 => format!("out/{directory}/*.a"),
                1 => format!("out/{directory} !out/{directory}/{above}.a"),
                _ => format!("out/{}/{above}.a src/{number}", above % 50),
            };
            format!("t{number}: in {reads}; out out/{directory}/{number}.a")
        };
        let lines: Vec<String> = (0..2 * BATCH + 100).map(line).collect();
        let plan = plan(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let tasks: Vec<&Arc<Task>> = plan.tasks.values().collect();
        let outputs = (0u32..).zip(&tasks).flat_map(|(task, declared)| {
            (0u32..).zip(declared.outputs.iter()).map(move |(at, pattern)| (task, at, pattern.clone()))
        });
        let outputs = OutputIndex::new(outputs);
        let (mut together, mut alone, mut findings) = (Vec::new(), Vec::new(), Vec::new());
        infer_all(&tasks, &outputs, &mut together, &mut findings);
        infer((0u32..).zip(&tasks), &outputs, EDGES_MAX, &mut Effort::new(), &mut alone)
            .expect("it is within the limits");
        assert_eq!(findings, []);
        assert!(alone.len() > tasks.len(), "{} edges", alone.len());
        assert_eq!(together, alone);
        // What needs more than its share is told as it would be alone.
        let (mut list, mut wide) = (Vec::new(), Effort::share_of(100_000));
        let refused = infer((0u32..).zip(&tasks), &outputs, EDGES_MAX, &mut wide, &mut list);
        assert!(refused.is_err_and(|finding| finding.code == "orca::plan::too_broad"));
    }
}
