//! What an agent's task lacks to be a complete task: one that somebody who knows nothing else could do, and whose result
//! could be judged.
//!
//! It judges the plan, and asks of the project only which paths there are. It does not judge whether a text is good.

use std::collections::BTreeSet;

use super::commands::commands;
use super::references::{Reference, references};
use crate::base::{Pattern, PatternSet, RelPath, TaskName};
use crate::plan::{Body, Check, ContextText, GateKind, Level, Plan, Task};

/// A goal of fewer words says nothing that could be done.
const GOAL_WORDS_MIN: usize = 3;

/// What is at a path of the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A file or a link.
    File,
    /// A directory.
    Directory,
}

/// What of the project the judgement of one task needs to know.
pub trait ProjectFiles {
    /// What is at this path.
    fn found(&self, path: &RelPath) -> Option<Found>;
    /// The task whose outputs cover it.
    fn writer(&self, path: &RelPath) -> Option<TaskName>;
    /// The outputs of the tasks that it names as dependencies.
    fn brought(&self) -> Vec<&PatternSet>;
}

/// One thing that an agent's task lacks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gap {
    /// Its prompt is empty, or too short to be a goal.
    Goal,
    /// It sees no file.
    Inputs,
    /// It may write no file.
    Outputs,
    /// Nothing says when it is done.
    Acceptance,
    /// Nothing judges its result.
    Gates,
    /// What judges its result runs nothing.
    Tests,
    /// Its prompt names a program that it does not declare.
    Tool {
        /// The program.
        name: &'static str,
        /// The built-in toolchain that brings it.
        toolchain: Option<&'static str>,
    },
    /// Its prompt names a file that it does not see.
    Unseen {
        /// The path.
        path: RelPath,
        /// The task that writes it.
        writer: Option<TaskName>,
    },
    /// Its prompt names a file that nobody writes and that is not there.
    Unknown {
        /// The path.
        path: RelPath,
    },
}

/// What this task lacks; nothing for a command.
#[must_use]
pub fn gaps(plan: &Plan, task: &Task, files: &impl ProjectFiles) -> Vec<Gap> {
    let Body::Prompt { text, .. } = &task.body else { return Vec::new() };
    let mut gaps = Vec::new();
    let mut add = |is_missing: bool, gap: Gap| gaps.extend(is_missing.then_some(gap));
    let gates: Vec<&GateKind> = task
        .gates
        .iter()
        .filter_map(|name| plan.gate_defs.get(name))
        .filter(|gate| gate.level != Some(Level::Disabled))
        .map(|gate| &gate.kind)
        .collect();
    // A command is the only kind of test there is here: which of them are tests only their author knows.
    let tests = |kind: &&GateKind| matches!(kind, GateKind::Run(_) | GateKind::Check(Check::Tdd));
    add(text.split_whitespace().count() < GOAL_WORDS_MIN, Gap::Goal);
    add(task.inputs.is_empty() && task.edits.is_empty() && files.brought().is_empty(), Gap::Inputs);
    add(task.outputs.is_empty() && task.edits.is_empty(), Gap::Outputs);
    add(task.acceptance.iter().all(|criterion| criterion.trim().is_empty()), Gap::Acceptance);
    add(gates.is_empty() && task.tdd.is_none(), Gap::Gates);
    add(!gates.is_empty() && !gates.iter().any(tests) && task.tdd.is_none(), Gap::Tests);
    gaps.extend(undeclared_tools(plan, task, text));
    gaps.extend(uncovered(plan, task, text, files));
    gaps
}

fn undeclared_tools(plan: &Plan, task: &Task, text: &str) -> Vec<Gap> {
    // What a toolchain of the plan's own brings, orca does not know.
    if task.toolchains.iter().any(|name| plan.toolchains.contains_key(name)) {
        return Vec::new();
    }
    let is_declared = |name: &str, toolchain: Option<&str>| {
        task.tools.iter().any(|tool| tool == name)
            || task.toolchains.iter().any(|declared| Some(declared.as_str()) == toolchain)
    };
    let named = commands(text).into_iter().filter(|command| !is_declared(command.name, command.toolchain));
    named.map(|command| Gap::Tool { name: command.name, toolchain: command.toolchain }).collect()
}

fn uncovered(plan: &Plan, task: &Task, text: &str, files: &impl ProjectFiles) -> Vec<Gap> {
    let told: BTreeSet<&RelPath> = plan
        .context
        .entries
        .values()
        .filter_map(|entry| match entry {
            ContextText::File { path, .. } => Some(path),
            ContextText::Text(_) => None,
        })
        .collect();
    let mut sets = vec![&task.inputs, &task.outputs, &task.edits];
    sets.extend(files.brought());
    let is_covered = |path: &RelPath| {
        let within = Pattern::new(&format!("{path}/**")).ok();
        let is_directory = files.found(path) == Some(Found::Directory);
        let in_scratch = task.scratch.iter().any(|scratch| path.is_within(scratch));
        in_scratch
            || told.contains(path)
            || sets.iter().any(|set| {
                set.matches(path) || is_directory && within.as_ref().is_some_and(|pattern| set.may_intersect(pattern))
            })
    };
    let named = references(text, |path| files.found(path).is_some());
    let open = named.into_iter().filter(|reference| !is_covered(&reference.path));
    open.map(|Reference { path, exists }| match files.writer(&path).filter(|writer| *writer != task.name) {
        None if !exists => Gap::Unknown { path },
        writer => Gap::Unseen { path, writer },
    })
    .collect()
}
