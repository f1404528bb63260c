//! The complete task as a document for an agent: `.orca/task.md`, in sections whose order never changes.
//!
//! File bodies are not pasted: the workspace holds them. What is listed is what the view holds, so a reader of the document
//! knows every file there is. What is not bounded by its author is bounded here.

use super::dependency::Told;
use super::dependency_section::dependencies;
use super::listing::listing;
use super::markdown::{closed, code, fenced, item, quoted};
use super::outline::outlines;
use super::{Definition, TaskContext, Work};
use crate::base::{PatternSet, bounded, format_duration_ms, sanitize_line};
use crate::plan::{COVERAGE_MIN, Check, GateDef, GateKind, Level, SandboxMode, Task, Tdd, Undeclared, word};

/// What of a gate is told in one line.
const GATE_BYTES_MAX: usize = 1 << 10;
/// The entries of `[context]` that come first, in this order; others follow by name.
const USUAL_CONTEXT: [&str; 4] = ["background", "architecture", "requirements", "guidance"];
/// The entry of `[context]` that belongs to the section of its name.
const ENVIRONMENT: &str = "environment";

/// A part of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its heading, without the marks.
    pub title: String,
    /// The whole of it, heading included.
    pub text: String,
}

/// The task as Markdown.
#[must_use]
pub fn task_markdown(context: &TaskContext, task: &Task, told: &Told<'_>) -> String {
    let sections = document_sections(context, task, told);
    let sections: String = sections.into_iter().map(|section| section.text).collect();
    format!("# Task: {}\n\n{sections}", context.definition.task)
}

/// The parts of the document, in their order.
#[must_use]
pub fn document_sections(context: &TaskContext, task: &Task, told: &Told<'_>) -> Vec<Section> {
    let definition = &context.definition;
    let mut sections = goal(definition);
    sections.extend(list("Files you can see", &listing(&context.view)));
    let outlined = outlines(&context.view, &definition.edits, told.content);
    sections.extend((!outlined.is_empty()).then(|| section("What is in them", &fenced("text", &outlined))));
    sections.extend(list("Files you may change", &patterns(&definition.edits)));
    sections.extend(list("Files you must write", &patterns(&definition.outputs)));
    let did = dependencies(&context.dependencies, &context.view, told);
    sections.extend(did.map(|did| section("What its dependencies did", &did)));
    if let Work::Prompt { acceptance, tdd, .. } = &definition.work {
        sections.extend(list("Acceptance criteria", acceptance));
        sections.extend(tdd.as_ref().and_then(|tdd| list("Tests", &test_specification(tdd))));
    }
    let gates: Vec<String> = told.gates.iter().map(gate_line).collect();
    sections.extend(list("Gates that judge the result", &gates));
    sections.extend(environment(definition, task));
    sections.extend(list("Rules", &rules(definition, task)));
    sections.extend(told.failure.map(|failure| {
        let lead = "This is a fresh workspace: nothing of what was done before is in it. The attempt before ended so:";
        section("The last attempt failed", &format!("{lead}\n\n{}", fenced("text", failure.trim_end())))
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

fn section(title: &str, body: &str) -> Section {
    Section { title: title.to_owned(), text: format!("## {title}\n\n{}\n\n", body.trim_end()) }
}

fn list(title: &str, items: &[String]) -> Option<Section> {
    let body: String = items.iter().map(|text| item(text)).collect();
    (!items.is_empty()).then(|| section(title, &body))
}

fn goal(definition: &Definition) -> Vec<Section> {
    match &definition.work {
        Work::Run(argv) => vec![section("Command", &fenced("text", &command_line(argv)))],
        Work::Prompt { goal, background, .. } => {
            let mut sections = vec![section("Goal", &closed(goal))];
            let is_usual = |key: &str| USUAL_CONTEXT.contains(&key) || key == ENVIRONMENT;
            let usual = USUAL_CONTEXT.iter().filter_map(|key| background.get_key_value(*key));
            let others = background.iter().filter(|(key, _)| !is_usual(key));
            sections.extend(usual.chain(others).map(|(key, text)| section(&section_title(key), &closed(text))));
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

fn patterns(set: &PatternSet) -> Vec<String> {
    set.iter().map(|pattern| code(&pattern.to_string())).collect()
}

/// A command as a person would type it.
pub(super) fn command_line(argv: &[String]) -> String {
    match argv {
        [shell, flag, script] if shell == "/bin/sh" && flag == "-c" => script.clone(),
        argv => {
            let is_plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
            let word = |word: &String| match !word.is_empty() && word.chars().all(is_plain) {
                true => word.clone(),
                false => format!("'{}'", word.replace('\'', "'\\''")),
            };
            argv.iter().map(word).collect::<Vec<_>>().join(" ")
        }
    }
}

fn test_specification(tdd: &Tdd) -> Vec<String> {
    let mut lines: Vec<String> =
        tdd.tests.iter().map(|test| format!("{} must fail before and pass after", code(&test.to_string()))).collect();
    lines.push(format!("run with {}", code(&command_line(&tdd.run))));
    let percent = tdd.coverage_min.unwrap_or(COVERAGE_MIN);
    lines.push(format!("at least {percent} % of the changed lines must be covered"));
    lines
}

/// A gate in one line: its name, and what it runs or checks.
fn gate_line(gate: &GateDef) -> String {
    let name = code(gate.name.as_str());
    let level = match gate.level {
        Some(Level::Strict) => ", strictly",
        Some(Level::Basic) => ", the basics only",
        _ => "",
    };
    let judges = match &gate.kind {
        GateKind::Run(argv) => format!("runs {}", code(&bounded(&command_line(argv), GATE_BYTES_MAX))),
        GateKind::Check(check) => {
            let mut text = format!("checks {}{level}: {}", word(*check), asks(*check));
            // What `tdd` runs has a section of its own.
            for (name, value) in gate.options.iter().filter(|_| *check != Check::Tdd) {
                text.push_str(&format!(", {name} = {}", bounded(&value.to_string(), GATE_BYTES_MAX)));
            }
            sanitize_line(&bounded(&text, GATE_BYTES_MAX))
        }
        GateKind::Agent { prompt, .. } => {
            let asked = quoted(&bounded(prompt.trim(), GATE_BYTES_MAX));
            return format!("{name}: an agent that has not seen your work is asked:\n{asked}");
        }
    };
    format!("{name}: {judges}")
}

/// What a check asks of a result, in a few words.
fn asks(check: Check) -> &'static str {
    match check {
        Check::Tdd => "the tests fail before and pass after, the others still pass, none is gone",
        Check::Security => "no secrets, unsafe patterns or vulnerable dependencies in what is added",
        Check::Secrets => "no secrets in what is added",
        Check::Patterns => "no unsafe patterns or unsanitized input in what is added",
        Check::Dependencies => "no dependencies with known vulnerabilities",
        Check::Performance => "it is as fast as before, and within its budget",
        Check::Review => "no more than was asked for, nothing generated, nothing left behind",
        Check::Integrity => "test and build configuration is as it was, no link leads out, every file parses",
        Check::Scope => "only declared files are changed",
        Check::Schema => "files match a JSON Schema",
        Check::Files => "files are there, or not, and contain what they should",
    }
}

/// What surrounds the task: what the plan says of it, and what orca knows.
fn environment(definition: &Definition, task: &Task) -> Option<Section> {
    let set = definition.env.iter().map(|(name, value)| code(&format!("{name}={value}")));
    let passed = definition.pass_env.iter().map(|(name, value)| match value {
        Some(value) => code(&format!("{name}={value}")),
        None => format!("{} is not set", code(name)),
    });
    let mut items: Vec<String> = set.chain(passed).collect();
    let names = |names: Vec<String>| names.join(", ");
    if !definition.tools.is_empty() {
        let tools = definition.tools.keys().map(|tool| code(tool)).collect();
        items.push(format!("on PATH besides the system's programs: {}", names(tools)));
    }
    if !definition.toolchains.is_empty() {
        let toolchains = definition.toolchains.keys().map(|name| code(name.as_str())).collect();
        items.push(format!("toolchains: {}", names(toolchains)));
    }
    if !task.scratch.is_empty() {
        let scratch = task.scratch.iter().map(|path| code(path.as_str())).collect();
        items.push(format!("kept from run to run, and never part of the result: {}", names(scratch)));
    }
    items.push(if definition.network { "the network can be reached" } else { "there is no network" }.to_owned());
    if definition.sandbox == SandboxMode::None {
        items.push("there is no sandbox: nothing keeps you from harm outside of this directory but you".to_owned());
    }
    if let Some(timeout) = task.timeout {
        items.push(format!("you are stopped after {}", format_duration_ms(timeout.ms())));
    }
    let Work::Prompt { background, .. } = &definition.work else { return list("Environment", &items) };
    let said = background.get(ENVIRONMENT).map(|text| format!("{}\n\n", closed(text))).unwrap_or_default();
    let items: String = items.iter().map(|text| item(text)).collect();
    Some(section("Environment", &format!("{said}{items}")))
}

/// What holds for every agent, and how this task says it.
pub(super) fn rules(definition: &Definition, task: &Task) -> Vec<String> {
    let others = match task.undeclared {
        Undeclared::Error => "any other fails the task",
        Undeclared::Warn | Undeclared::Discard => "any other is dropped",
    };
    let named = match (definition.outputs.is_empty(), definition.edits.is_empty()) {
        (true, true) => "Write no file of the project".to_owned(),
        (false, true) => "Write all files named above, and no other".to_owned(),
        (_, false) => "Write and change only the files named above".to_owned(),
    };
    let mut rules = vec![
        "Everything you need is in this directory. What lies outside of it is not for you to read or write.".to_owned(),
        format!("{named}: {others}. What `.gitignore` names is dropped."),
        "Do not touch `.orca`, the plan (`orca.toml` and what it includes), or the files of gates. A result that does is \
         refused."
            .to_owned(),
        "Do not use git to write: no commits, branches, tags or stashes.".to_owned(),
        "Nobody answers questions. Decide, and say what you decided.".to_owned(),
        "Only what the files hold afterwards counts, not what is said about them. Start nothing that outlives you.".to_owned(),
        "End with a few sentences: what you did, and what those who go on from it need to know.".to_owned(),
    ];
    if !definition.network {
        rules.push("There is no network: do not try to install or to look up anything.".to_owned());
    }
    rules
}
