//! The complete task as a document: `.orca/task.md` for an agent, `.orca/task.json` for programs.
//!
//! File bodies are not pasted: the workspace holds them. What is listed is what the view holds, so a reader of the
//! document knows every file there is.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Definition, TaskContext, Work};
use crate::base::{Entry, Tree, format_size};
use crate::plan::{Task, Tdd};

/// Version of the form of `task.json`.
const TASK_JSON_VERSION: u32 = 1;
/// Files listed by name; beyond, they are counted.
const LISTED_FILES_MAX: usize = 2_000;

/// The task as Markdown. `failure` is what the last attempt failed on, if this is a retry.
#[must_use]
pub fn task_markdown(context: &TaskContext, task: &Task, failure: Option<&str>) -> String {
    let mut out = String::new();
    let name = &context.definition.task;
    let _ = writeln!(out, "# Task: {name}\n");
    goal(&mut out, &context.definition);
    list(&mut out, "Files you can see", &listing(&context.view));
    list(&mut out, "Files you must write", &patterns(&context.definition.outputs));
    list(&mut out, "Files you may change", &patterns(&context.definition.edits));
    if let Work::Prompt { acceptance, tdd, .. } = &context.definition.work {
        list(&mut out, "Acceptance criteria", acceptance);
        if let Some(tdd) = tdd {
            list(&mut out, "Tests", &test_specification(tdd));
        }
    }
    list(&mut out, "Gates that judge the result", &task.gates.iter().map(ToString::to_string).collect::<Vec<_>>());
    list(&mut out, "Environment", &environment(&context.definition));
    list(&mut out, "Rules", &rules(&context.definition));
    if let Some(failure) = failure {
        let _ =
            writeln!(out, "## The last attempt failed\n\nThis is a fresh workspace. The attempt before it ended so:\n");
        let _ = writeln!(out, "```text\n{}\n```\n", failure.replace("```", "'''").trim_end());
    }
    out
}

/// The task as JSON, schema-versioned.
#[must_use]
pub fn task_json(context: &TaskContext, task: &Task, key: &str) -> Value {
    let definition = &context.definition;
    let work = match &definition.work {
        Work::Run(argv) => json!({ "argv": argv }),
        Work::Prompt { runner, goal, acceptance, .. } => json!({
            "goal": goal, "acceptance": acceptance, "preset": runner.preset, "model": runner.model,
        }),
    };
    json!({
        "v": TASK_JSON_VERSION,
        "task": definition.task,
        "key": key,
        "work": work,
        "outputs": definition.outputs,
        "edits": definition.edits,
        "gates": task.gates,
        "env": definition.env,
        "pass_env": definition.pass_env,
        "network": definition.network,
        "view": context.view,
    })
}

fn goal(out: &mut String, definition: &Definition) {
    match &definition.work {
        Work::Run(argv) => {
            let _ = writeln!(out, "## Command\n\n```text\n{}\n```\n", argv.join(" "));
        }
        Work::Prompt { goal, background, .. } => {
            let _ = writeln!(out, "## Goal\n\n{}\n", goal.trim_end());
            for (key, text) in background {
                let _ = writeln!(out, "## {}\n\n{}\n", title(key), text.trim_end());
            }
        }
    }
}

fn title(key: &str) -> String {
    let spaced = key.replace(['_', '-'], " ");
    let mut letters = spaced.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn list(out: &mut String, heading: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let _ = writeln!(out, "## {heading}\n");
    for item in items {
        let _ = writeln!(out, "- {item}");
    }
    out.push('\n');
}

fn listing(view: &Tree) -> Vec<String> {
    let mut lines: Vec<String> = view
        .iter()
        .take(LISTED_FILES_MAX)
        .map(|(path, entry)| match entry {
            Entry::File { size_bytes, .. } => format!("`{path}` ({})", format_size(*size_bytes)),
            Entry::Symlink { target } => format!("`{path}` -> `{}`", crate::base::sanitize_line(target)),
            Entry::EmptyDir => format!("`{path}/` (empty)"),
        })
        .collect();
    if view.len() > LISTED_FILES_MAX {
        lines.push(format!("and {} more", view.len() - LISTED_FILES_MAX));
    }
    lines
}

fn patterns(set: &crate::base::PatternSet) -> Vec<String> {
    set.iter().map(|pattern| format!("`{pattern}`")).collect()
}

fn test_specification(tdd: &Tdd) -> Vec<String> {
    let mut lines: Vec<String> =
        tdd.tests.iter().map(|test| format!("`{test}` must fail before and pass after")).collect();
    lines.push(format!("run with `{}`", tdd.run.join(" ")));
    lines.push(format!("at least {} % of the changed lines must be covered", tdd.coverage_min));
    lines
}

fn environment(definition: &Definition) -> Vec<String> {
    let set = definition.env.iter().map(|(name, value)| format!("`{name}={value}`"));
    let passed = definition.pass_env.iter().map(|(name, value)| match value {
        Some(value) => format!("`{name}={value}`"),
        None => format!("`{name}` is not set"),
    });
    let tools = definition.tools.keys().map(|tool| format!("the tool `{tool}` is on PATH"));
    set.chain(passed).chain(tools).collect()
}

fn rules(definition: &Definition) -> Vec<String> {
    let mut rules = vec![
        "Everything you need is in this directory; nothing outside it can be read or written.".to_owned(),
        "Write only the files named above. Anything else fails the task or is dropped.".to_owned(),
        "Do not use git to write: no commits, branches or tags.".to_owned(),
        "Only what the files hold afterwards counts, not what is said about them.".to_owned(),
    ];
    if !definition.network {
        rules.push("There is no network.".to_owned());
    }
    rules
}
