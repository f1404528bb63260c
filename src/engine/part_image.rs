//! The cold part of a snapshot, made of what a build of the whole plan found.

use std::collections::{BTreeMap, HashMap};

use super::resolve::Resolver;
use super::summary::Summary;
use crate::base::{Pattern, RelPath, TaskName};
use crate::graph::TaskIx;
use crate::plan::task_tables;
use crate::snapshot::{Cold, ColdPlan, ColdTask, FileIx};

/// The cold part, encoded. `files` are those of the snapshot in its order, `saved_ms` what a build saves by not running each
/// task. `None` where a build of a part is not to be had: then whatever changes, the whole plan is looked at.
pub(super) fn cold(
    resolver: &Resolver,
    done: &Summary,
    files: Vec<RelPath>,
    saved_ms: &BTreeMap<TaskName, u64>,
) -> Option<Vec<u8>> {
    let (plans, tasks) = rayon::join(|| plans(resolver), || tasks(resolver, done, &files, saved_ms));
    // An override says of the whole graph what no part of it shows.
    let allows_parts = resolver.plan().overrides.is_empty();
    Cold { tasks: tasks?, plans: plans?, files, allows_parts }.encode()
}

fn plans(resolver: &Resolver) -> Option<Vec<ColdPlan>> {
    let documents = resolver.documents();
    let plan = |document: &crate::plan::Document| {
        let (path, digest) = (document.path.clone(), ColdPlan::digest_of(&document.text));
        Some(ColdPlan { path, digest, tables: task_tables(&document.text)? })
    };
    documents.iter().map(plan).collect()
}

fn tasks(
    resolver: &Resolver,
    done: &Summary,
    files: &[RelPath],
    saved_ms: &BTreeMap<TaskName, u64>,
) -> Option<Vec<ColdTask>> {
    let places: HashMap<&RelPath, FileIx> = files.iter().zip((0u32..).map(FileIx)).collect();
    let place = |path: &RelPath| places.get(path).copied();
    let in_order = |paths: &mut dyn Iterator<Item = &RelPath>| {
        let mut places = paths.map(place).collect::<Option<Vec<FileIx>>>()?;
        places.sort_unstable();
        Some(places)
    };
    let task = |ix: TaskIx| {
        let name = resolver.name(ix);
        let settled = done.settled.get(name)?;
        let result = resolver.result(ix).filter(|_| settled.outcome.is_accepted());
        let outputs = match result {
            Some(result) => in_order(&mut result.outputs.keys())?,
            None => in_order(&mut outputs_to_be(resolver, ix).iter())?,
        };
        Some(ColdTask {
            name: name.clone(),
            key: settled.key,
            is_settled: result.is_some(),
            sources: in_order(&mut resolver.source_view(ix).keys())?,
            outputs,
            deps: resolver.graph.deps(ix).iter().map(|dep| dep.0).collect(),
            saved_ms: u32::try_from(saved_ms.get(name).copied().unwrap_or(0)).unwrap_or(u32::MAX),
        })
    };
    resolver.graph.tasks().map(task).collect()
}

/// What a task without a result will make, as far as it can be told: where no wildcard says it, every output.
pub(super) fn outputs_to_be(resolver: &Resolver, task: TaskIx) -> Vec<RelPath> {
    resolver.task(task).outputs.iter().filter_map(Pattern::as_literal).collect()
}
