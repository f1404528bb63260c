//! The complete task as a document: `.orca/task.md` for an agent, `.orca/task.json` for programs.
//!
//! File bodies are not pasted: the workspace holds them. What is listed is what the view holds, so a reader of the
//! document knows every file there is.

use serde_json::{Value, json};

use super::listing::listing;
use super::{Definition, TaskContext, Work};
use crate::plan::{Task, Tdd};

/// Version of the form of `task.json`.
const TASK_JSON_VERSION: u32 = 1;

/// A part of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its heading, without the marks.
    pub title: String,
    /// The whole of it, heading included.
    pub text: String,
}

/// The task as Markdown. `failure` is what the last attempt failed on, if this is a retry.
#[must_use]
pub fn task_markdown(context: &TaskContext, task: &Task, failure: Option<&str>) -> String {
    let sections = document_sections(context, task, failure);
    let sections: String = sections.into_iter().map(|section| section.text).collect();
    format!("# Task: {}\n\n{sections}", context.definition.task)
}

/// The parts of the document, in their order.
#[must_use]
pub fn document_sections(context: &TaskContext, task: &Task, failure: Option<&str>) -> Vec<Section> {
    let definition = &context.definition;
    let mut sections = goal(definition);
    sections.extend(list("Files you can see", &listing(&context.view)));
    sections.extend(list("Files you must write", &patterns(&definition.outputs)));
    sections.extend(list("Files you may change", &patterns(&definition.edits)));
    if let Work::Prompt { acceptance, tdd, .. } = &definition.work {
        sections.extend(list("Acceptance criteria", acceptance));
        sections.extend(tdd.as_ref().and_then(|tdd| list("Tests", &test_specification(tdd))));
    }
    let gates: Vec<String> = task.gates.iter().map(ToString::to_string).collect();
    sections.extend(list("Gates that judge the result", &gates));
    sections.extend(list("Environment", &environment(definition)));
    sections.extend(list("Rules", &rules(definition)));
    sections.extend(failure.map(|failure| {
        let said = failure.replace("```", "'''");
        let body =
            format!("This is a fresh workspace. The attempt before it ended so:\n\n```text\n{}\n```", said.trim_end());
        section("The last attempt failed", &body)
    }));
    sections
}

/// The length of the texts of a task that nothing bounds but their author.
#[must_use]
pub fn unbounded_size_bytes(definition: &Definition) -> u64 {
    let Work::Prompt { goal, background, acceptance, .. } = &definition.work else { return 0 };
    let lines = definition.outputs.iter().chain(definition.edits.iter()).map(|pattern| pattern.as_str().len() + 8);
    let variables = definition.env.iter().map(|(name, value)| name.len() + value.len() + 8);
    let passed = definition.pass_env.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, String::len) + 8);
    let texts = background.iter().map(|(key, text)| key.len() + text.len() + 8);
    let criteria = acceptance.iter().map(|text| text.len() + 8);
    let all = lines.chain(variables).chain(passed).chain(texts).chain(criteria);
    (goal.len() + all.sum::<usize>()) as u64
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

fn section(title: &str, body: &str) -> Section {
    Section { title: title.to_owned(), text: format!("## {title}\n\n{}\n\n", body.trim_end()) }
}

fn list(title: &str, items: &[String]) -> Option<Section> {
    let body: String = items.iter().map(|item| format!("- {item}\n")).collect();
    (!items.is_empty()).then(|| section(title, &body))
}

fn goal(definition: &Definition) -> Vec<Section> {
    match &definition.work {
        Work::Run(argv) => vec![section("Command", &format!("```text\n{}\n```", argv.join(" ")))],
        Work::Prompt { goal, background, .. } => {
            let mut sections = vec![section("Goal", goal)];
            sections.extend(background.iter().map(|(key, text)| section(&section_title(key), text)));
            sections
        }
    }
}

/// The heading of what `[context]` says under this key.
#[must_use]
pub fn section_title(key: &str) -> String {
    let spaced = key.replace(['_', '-'], " ");
    let mut letters = spaced.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
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
