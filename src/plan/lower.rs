//! From documents to the plan: all files are read into one, everything wrong is found at once.
//!
//! Lowering never stops. What is broken is left out, and its name stays known, so that one mistake is one finding.

use std::collections::BTreeMap;

use super::definitions::{agent, check_fallbacks, gate, toolchain};
use super::document::{Document, Place};
use super::environment::is_text;
use super::format::{ContextEntry, RawAgent, RawGate, RawHeader, RawLimits, RawOverride, RawPlan, RawToolchain};
use super::includes::includes;
use super::model::{Context, ContextText, EdgeChange, Limits, Override, Plan};
use super::names::{Kind, Names, checked_name};
use super::paths::{Use, literal, patterns};
use super::reader::{Reader, shown};
use super::table::Table;
use super::tasks::{Registry, TaskNames, lower_tasks};
use super::templates::Templates;
use super::values::{At, Count, Map, Read, Text};
use crate::base::{Finding, NodeId, PatternSet, Severity};

/// The entries of the plan's tables from all its files, with the key of each.
#[derive(Default)]
struct Collected {
    header: Option<RawHeader>,
    limits: Option<RawLimits>,
    context: Vec<(Place, ContextEntry)>,
    pools: Vec<(Place, At<Count>)>,
    agents: Vec<(Place, RawAgent)>,
    gates: Vec<(Place, RawGate)>,
    toolchains: Vec<(Place, RawToolchain)>,
    templates: Vec<Place>,
    tasks: Vec<Place>,
    overrides: Vec<(EdgeChange, RawOverride)>,
}

/// Lowers the documents of a plan, root first. `documents[i].file` must be `FileId(i)`.
///
/// The plan holds everything that could be made sense of; it may be built only if no finding is an error.
#[must_use]
pub fn lower(documents: &[Document]) -> (Plan, Vec<Finding>) {
    let mut reader = Reader::new(documents);
    let collected = collect(&mut reader);
    let mut plan = Plan {
        name: "plan".to_owned(),
        files: documents.iter().map(|document| document.path.clone()).collect(),
        includes: PatternSet::new(
            documents.iter().flat_map(|document| includes(document).0).map(|(pattern, _)| pattern).collect(),
        ),
        ..Plan::default()
    };
    let registry = define(&collected, &mut plan, &mut reader);
    if let Some(header) = &collected.header {
        if let Some(name) = header.name.as_ref().filter(|name| is_text(name, &mut reader)) {
            plan.name = name.value.clone();
        }
        plan.gates = registry.gates.resolve_all(header.gates.as_ref(), &mut reader);
        plan.level = header.level.as_ref().map(|level| level.value);
        plan.protected = patterns(header.protected.as_ref(), Use::Input, &mut reader);
    }
    plan.context = context(&collected.context, &mut reader);
    plan.limits = collected.limits.as_ref().map(limits).unwrap_or_default();
    let names = lower_tasks(&collected.tasks, &registry, &mut plan, &mut reader);
    drop_missing(&mut plan);
    plan.overrides = overrides(&collected.overrides, &names, &mut reader);
    if collected.tasks.is_empty() && documents.iter().all(|document| document.damage().is_empty()) {
        reader.report(no_tasks());
    }
    (plan, reader.finish())
}

fn no_tasks() -> Finding {
    let node = NodeId::root(crate::base::FileId(0));
    let finding = Finding::error("orca::plan::no_tasks", "the plan has no tasks", node, "no [tasks.NAME] here");
    Finding { severity: Severity::Warning, ..finding }.help("add [tasks.hello] with run = \"echo hello\"")
}

fn collect(reader: &mut Reader<'_>) -> Collected {
    let mut all = Collected::default();
    for document in reader.documents() {
        let Some(raw) = RawPlan::read(Place { file: document.file.0, index: 0 }, reader) else { continue };
        all.header = singleton(all.header, raw.plan, reader);
        all.limits = singleton(all.limits, raw.limits, reader);
        all.context.extend(entries(raw.context));
        all.pools.extend(entries(raw.pools));
        all.agents.extend(entries(raw.agents));
        all.gates.extend(entries(raw.gates));
        all.toolchains.extend(entries(raw.toolchains));
        all.templates.extend(entries(raw.templates).map(|(at, _)| at));
        all.tasks.extend(entries(raw.tasks).map(|(at, _)| at));
        if let Some(raw) = raw.overrides {
            all.overrides.extend(raw.add.into_iter().flatten().map(|raw| (EdgeChange::Add, raw)));
            all.overrides.extend(raw.drop.into_iter().flatten().map(|raw| (EdgeChange::Drop, raw)));
        }
    }
    all
}

fn entries<T>(map: Option<Map<T>>) -> impl Iterator<Item = (Place, T)> {
    map.into_iter().flat_map(|map| map.0)
}

/// A table that all files share: each may set other keys of it.
fn singleton<T: Table>(first: Option<T>, second: Option<T>, reader: &mut Reader<'_>) -> Option<T> {
    let (Some(one), Some(other)) = (&first, &second) else { return first.or(second) };
    for key in T::KEYS {
        let (Some(here), Some(there)) = (reader.child(other.at(), key), reader.child(one.at(), key)) else {
            continue;
        };
        let message = format!("`{key}` is set in two files of the plan");
        let (here, there) = (reader.key_id(here), reader.key_id(there));
        let finding = Finding::error("orca::plan::duplicate_name", message, here, "set again here");
        reader.report(finding.and(there, "first set here").help("keep one of them"));
    }
    first.and_then(|first| Some(first.or(second?)))
}

/// Lowers whatever tasks refer to.
fn define(all: &Collected, plan: &mut Plan, reader: &mut Reader<'_>) -> Registry {
    let agents = declare(Kind::Agent, reader);
    let gates = declare(Kind::Gate, reader);
    let pools = declare(Kind::Pool, reader);
    let toolchains = declare(Kind::Toolchain, reader);
    for (key, raw) in first_of(&agents, &all.agents, reader) {
        plan.agents.extend(agent(key, raw, &agents, reader).map(|agent| (agent.name.clone(), agent)));
    }
    check_fallbacks(&plan.agents, reader);
    for (key, raw) in first_of(&gates, &all.gates, reader) {
        let gate = gate(key, raw, &agents, &toolchains, reader);
        plan.gate_defs.extend(gate.map(|gate| (gate.name.clone(), gate)));
    }
    for (key, raw) in first_of(&pools, &all.pools, reader) {
        plan.pools.extend(checked_name(key, reader).map(|name| (name, raw.value.0)));
    }
    for (key, raw) in first_of(&toolchains, &all.toolchains, reader) {
        plan.toolchains.extend(toolchain(key, raw, reader).map(|def| (def.name.clone(), def)));
    }
    let templates = Templates::new(&all.templates, reader);
    Registry { agents, gates, pools, toolchains, templates }
}

/// Declares every name of a table, also of entries that cannot be read.
fn declare(kind: Kind, reader: &mut Reader<'_>) -> Names {
    let mut names = Names::new(kind);
    for document in reader.documents() {
        let root = Place { file: document.file.0, index: 0 };
        let table = reader.child(root, kind.table());
        for place in table.map(|table| reader.children(table)).unwrap_or_default() {
            names.declare(reader.key(place), place, reader);
        }
    }
    names
}

/// The entries that were declared first under their names.
fn first_of<'a, T>(names: &Names, entries: &'a [(Place, T)], reader: &Reader<'_>) -> Vec<(Place, &'a T)> {
    let is_first = |key: Place| names.get(reader.key(key)) == Some(key);
    entries.iter().filter(|(key, _)| is_first(*key)).map(|(key, value)| (*key, value)).collect()
}

fn context(entries: &[(Place, ContextEntry)], reader: &mut Reader<'_>) -> Context {
    let mut first: BTreeMap<&str, Place> = BTreeMap::new();
    let mut context = Context::default();
    for (key, entry) in entries {
        let name = reader.key(*key);
        if let Some(there) = first.insert(name, *key) {
            let message = format!("the context `{}` is given twice", shown(name));
            let (here, there) = (reader.key_id(*key), reader.key_id(there));
            let finding = Finding::error("orca::plan::duplicate_name", message, here, "given again here");
            reader.report(finding.and(there, "first given here").help("keep one of them"));
            continue;
        }
        if checked_name(*key, reader).is_none() {
            continue;
        }
        let text = match entry {
            ContextEntry::Text(text) => Some(ContextText::Text(text.value.clone())),
            ContextEntry::File(raw) => match &raw.file {
                Some(file) => {
                    let node = reader.id(file.at);
                    literal(file, Use::Input, reader).map(|path| ContextText::File { path, node })
                }
                None => {
                    if !raw.is_broken() {
                        let node = reader.id(raw.at());
                        let message = format!("the context `{}` names no file", shown(name));
                        let finding = Finding::error("orca::plan::missing_key", message, node, "incomplete");
                        reader.report(finding.help("{ file = \"docs/x.md\" }"));
                    }
                    None
                }
            },
        };
        context.entries.extend(text.map(|text| (name.to_owned(), text)));
    }
    context
}

fn limits(raw: &RawLimits) -> Limits {
    Limits {
        jobs: raw.jobs.as_ref().and_then(|jobs| jobs.value.0),
        memory_per_task: raw.memory_per_task.as_ref().map(|size| size.value),
        reserve_memory: raw.reserve_memory.as_ref().map(|size| size.value),
        cost_micro_usd_max: raw.cost_usd_max.as_ref().map(|cost| cost.value.0),
        log_size_max: raw.log_size_max.as_ref().map(|size| size.value),
        context_size_max: raw.context_size_max.as_ref().map(|size| size.value),
    }
}

/// Takes out dependencies on tasks that were left out: their own findings have said what is wrong.
fn drop_missing(plan: &mut Plan) {
    let missing: Vec<_> = plan
        .tasks
        .values()
        .filter(|task| task.deps.iter().any(|dep| !plan.tasks.contains_key(dep)))
        .map(|task| task.name.clone())
        .collect();
    for name in missing {
        let mut task = (*plan.tasks[&name]).clone();
        task.deps.retain(|dep| plan.tasks.contains_key(dep));
        plan.tasks.insert(name, task.into());
    }
}

fn overrides(entries: &[(EdgeChange, RawOverride)], names: &TaskNames, reader: &mut Reader<'_>) -> Vec<Override> {
    let mut overrides = Vec::new();
    for (change, raw) in entries {
        let required = [("task", &raw.task), ("dep", &raw.dep), ("reason", &raw.reason)];
        let missing: Vec<&str> = required.iter().filter(|(_, text)| text.is_none()).map(|(key, _)| *key).collect();
        let ([(_, Some(task)), (_, Some(dep)), (_, Some(reason))], []) = (required, &missing[..]) else {
            report_missing(raw, &missing, reader);
            continue;
        };
        let has_reason = is_text(reason, reader);
        let (Some(tasks), Some(deps)) = (names.resolve(task, reader), names.resolve(dep, reader)) else { continue };
        let is_self = |text: &Text| tasks.iter().any(|task| deps.contains(task)) && !text.value.is_empty();
        if *change == EdgeChange::Add && is_self(task) {
            let node = reader.id(dep.at);
            let message = format!("the override makes `{}` wait for itself", shown(&task.value));
            let finding = Finding::error("orca::plan::self_dependency", message, node, "the task itself");
            reader.report(finding.help("name another task, or remove the override"));
            continue;
        }
        if !has_reason {
            continue;
        }
        for task in &tasks {
            overrides.extend(deps.iter().map(|dep| Override {
                change: *change,
                task: task.clone(),
                dep: dep.clone(),
                reason: reason.value.clone(),
                node: reader.id(raw.at()),
            }));
        }
    }
    overrides.sort_by(|a, b| (&a.task, &a.dep, a.change as u8).cmp(&(&b.task, &b.dep, b.change as u8)));
    overrides
}

fn report_missing(raw: &RawOverride, missing: &[&str], reader: &mut Reader<'_>) {
    if raw.is_broken() {
        return;
    }
    let node = reader.id(raw.at());
    let message = format!("the override has no `{}`", missing.join("`, `"));
    let finding = Finding::error("orca::plan::missing_key", message, node, "incomplete");
    reader.report(finding.help("{ task = \"a\", dep = \"b\", reason = \"why\" }"));
}
