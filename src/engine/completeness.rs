//! Whether agents' tasks are complete: the facts that the judgement of `context` needs, and the size of what agents get.
//!
//! `orca check` says all of it. A build refuses only what would be too long to be read: an incomplete task is its
//! author's affair.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::session::Session;
use crate::base::{Finding, NodeId, PatternSet, RelPath, TaskName, format_size};
use crate::context::{
    Found, Gap, ProjectFiles, TaskContext, Told, Work, document_sections, gap_findings, gaps, no_background,
    unbounded_size_bytes,
};
use crate::graph::{EdgeKind, Graph, TaskIx};
use crate::plan::{ContextText, Plan, declared, origin};

/// The longest document an agent gets where the plan does not say.
const CONTEXT_BYTES_MAX: u64 = 1 << 20;
/// What of a document is bounded by itself: the listing of files, outlines, what dependencies did.
const BOUNDED_BYTES: u64 = 384 << 10;
/// Parts named of a document that is too long.
const PARTS_SHOWN: usize = 3;

/// The project as one task's completeness needs it.
struct Files<'a> {
    root: &'a Path,
    plan: &'a Plan,
    graph: &'a Graph,
    task: TaskIx,
}

impl ProjectFiles for Files<'_> {
    fn found(&self, path: &RelPath) -> Option<Found> {
        let kind = path.beneath(self.root).symlink_metadata().ok()?;
        Some(if kind.is_dir() { Found::Directory } else { Found::File })
    }
    fn writer(&self, path: &RelPath) -> Option<TaskName> {
        self.graph.owner(path).map(|ix| self.graph.name(ix).clone())
    }
    fn brought(&self) -> Vec<&PatternSet> {
        let deps = self.graph.deps(self.task).iter();
        let named = deps.filter(|dep| !matches!(self.graph.edge(self.task, **dep), EdgeKind::Inferred { .. }));
        named.filter_map(|dep| Some(&self.plan.tasks.get(self.graph.name(*dep))?.outputs)).collect()
    }
}

impl Session {
    /// What the plan's agent tasks lack.
    #[must_use]
    pub fn incomplete(&self) -> Vec<Finding> {
        let plan = self.plan();
        let mut all: BTreeMap<TaskName, Vec<Gap>> = BTreeMap::new();
        for task in self.graph.tasks() {
            let name = self.graph.name(task);
            let Some(declared) = plan.tasks.get(name).filter(|task| task.is_agent()) else { continue };
            let files = Files { root: self.project.root(), plan, graph: &self.graph, task };
            all.insert(name.clone(), gaps(plan, declared, &files));
        }
        let mut findings = Vec::new();
        if let Some(first) = all.keys().next()
            && !self.has_background(first)
        {
            findings.push(no_background(&self.documents, &plan.tasks[first].node));
        }
        findings.extend(gap_findings(plan, &self.documents, &all));
        findings
    }

    fn has_background(&self, task: &TaskName) -> bool {
        let definition = self.db.definition(task);
        definition.is_some_and(|definition| match &definition.work {
            Work::Prompt { background, .. } => background.get("background").is_some_and(|text| !text.trim().is_empty()),
            Work::Run(_) => false,
        })
    }

    /// Which of these tasks would give an agent more to read than `[limits] context_size_max` allows. The files have to be
    /// surveyed. What dependencies did is not known yet; it is bounded by itself.
    #[must_use]
    pub fn oversized(&self, tasks: &BTreeSet<TaskIx>) -> Vec<Finding> {
        let plan = self.plan();
        let limit = plan.limits.context_size_max.map_or(CONTEXT_BYTES_MAX, |limit| limit.bytes());
        // By the place of the largest part: a text that is too long for one task is so for all.
        let mut findings: BTreeMap<NodeId, (Finding, u64)> = BTreeMap::new();
        for name in tasks.iter().map(|ix| self.graph.name(*ix)) {
            let Some(task) = plan.tasks.get(name).filter(|task| task.is_agent()) else { continue };
            let Some(definition) = self.db.definition(name) else { continue };
            if unbounded_size_bytes(&definition) + BOUNDED_BYTES <= limit {
                continue;
            }
            let gates = plan.gates_of(task);
            let told = Told { gates: &gates, words: &BTreeMap::new(), failure: None, content: &|_, _| None };
            let context = TaskContext {
                definition: Arc::clone(&definition),
                view: (*self.db.source_view(name)).clone(),
                dependencies: Vec::new(),
            };
            let mut parts: Vec<(String, u64)> = document_sections(&context, task, &told)
                .into_iter()
                .map(|section| (section.title, section.text.len() as u64))
                .collect();
            let size: u64 = parts.iter().map(|(_, size)| size).sum();
            if size <= limit {
                continue;
            }
            parts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            let place = self.place_of(&parts[0].0, &task.node);
            let finding = || too_large(name, &parts, size, limit, place.clone());
            findings.entry(place.clone()).or_insert_with(|| (finding(), 0)).1 += 1;
        }
        let finding = |(finding, tasks): (Finding, u64)| match tasks {
            1 => finding,
            many => Finding { message: format!("{} (and {} more tasks)", finding.message, many - 1), ..finding },
        };
        findings.into_values().map(finding).collect()
    }

    /// Where the text of a part of a task's document is.
    fn place_of(&self, title: &str, task: &NodeId) -> NodeId {
        let mut entries = self.plan().context.entries.iter();
        let of_context = entries.find(|(key, _)| crate::context::section_title(key) == title);
        match of_context {
            Some((_, ContextText::File { node, .. })) => node.clone(),
            Some((key, ContextText::Text(_))) => {
                declared(&self.documents, "context", key).unwrap_or_else(|| task.as_key())
            }
            None => {
                let key = if title == "Acceptance criteria" { "acceptance" } else { "prompt" };
                origin(&self.documents, task, key).map_or_else(|| task.as_key(), |table| table.child(key))
            }
        }
    }
}

fn too_large(task: &TaskName, parts: &[(String, u64)], size: u64, limit: u64, place: NodeId) -> Finding {
    let (size, limit) = (format_size(size), format_size(limit));
    let message = format!("the complete task of `{task}` is {size} long; {limit} is the limit");
    let parts: Vec<String> = parts
        .iter()
        .take(PARTS_SHOWN)
        .map(|(title, size)| format!("{} {}", title.to_lowercase(), format_size(*size)))
        .collect();
    let help = format!(
        "the largest parts: {}; give long texts as files in `inputs`, or set context_size_max in [limits]",
        parts.join(", ")
    );
    Finding::error("orca::task::context_too_large", message, place, "the largest part").help(help)
}
