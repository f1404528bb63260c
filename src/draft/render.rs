//! A draft as TOML. Whatever a text holds, what is written reads back as that text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::model::{Draft, DraftOptions, Drafted, Note};
use crate::base::{counted, sanitize_line};

const AGENT: &str = "\
# Who does the work: every prompt below goes to this agent. Change it to the one you use; presets are claude-code, codex,
# opencode, aider, gemini and acp. Any other program that reads a prompt from its standard input is
# preset = \"command\" with command = [\"my-agent\", \"--print\"].
[agents.default]
preset = \"claude-code\"
# To reach a model that is not on this machine it needs a key or a login, and each of its tasks `network = true`:
# docs/agents.md says what each preset needs. A key comes from a variable that is named here:
# secrets = [\"ANTHROPIC_API_KEY\"]
";

/// Everything that a plan is rendered from.
pub(super) struct Parts<'a> {
    pub(super) options: &'a DraftOptions<'a>,
    pub(super) title: Option<String>,
    pub(super) context: BTreeMap<&'static str, String>,
    pub(super) plan_gates: Vec<String>,
    pub(super) draft: &'a Draft,
}

/// The text of `orca.toml`.
pub(super) fn render(parts: &Parts<'_>) -> String {
    let draft = parts.draft;
    let source = sanitize_line(parts.options.source);
    let mut out = String::new();
    let tasks = counted(draft.tasks.len() as u64, "task");
    line(&mut out, &format!("# Drafted by `orca generate` from {source} ({}): {tasks}.", draft.format.word()));
    line(
        &mut out,
        "# Files, edges and gates are read from its words: look them through before you build. What has no place here is listed",
    );
    line(&mut out, "# at the end.\n");
    line(&mut out, "[plan]");
    line(&mut out, &format!("name = {}", quoted(parts.title.as_deref().unwrap_or("plan"))));
    if !parts.plan_gates.is_empty() {
        list(&mut out, "gates", &parts.plan_gates);
    }
    out.push('\n');
    if !parts.context.is_empty() {
        line(&mut out, "# What every agent is told.");
        line(&mut out, "[context]");
        for (key, text) in &parts.context {
            let file = format!("orca-{key}.md");
            match draft.files.contains_key(&file) {
                true => line(&mut out, &format!("{key} = {{ file = {} }}", quoted(&file))),
                false => line(&mut out, &format!("{key} = {}", text_value(text))),
            }
        }
        out.push('\n');
    }
    out.push_str(AGENT);
    for (name, command) in &draft.gates {
        let _ = write!(out, "\n[gates.{name}]\nrun = {}\n", quoted(command));
    }
    let mut heading: Option<&String> = None;
    for task in &draft.tasks {
        if task.heading.as_ref() != heading {
            heading = task.heading.as_ref();
            if let Some(heading) = heading.filter(|heading| !heading.trim().is_empty()) {
                let _ = write!(out, "\n# -- {}\n", comment(heading));
            }
        }
        out.push('\n');
        self::task(&mut out, task, &source);
    }
    ending(&mut out, parts, &source);
    out
}

fn task(out: &mut String, task: &Drafted, source: &str) {
    for (at, remark) in &task.remarks {
        line(out, &format!("# {source}:{}: {}", at + 1, comment(remark)));
    }
    line(out, &format!("[tasks.{}]", task.name));
    if task.title.chars().any(char::is_alphanumeric) {
        line(out, &format!("description = {}", quoted(&task.title)));
    }
    line(out, &format!("prompt = {}", text_value(&task.prompt)));
    let lists = [("deps", &task.deps), ("inputs", &task.inputs), ("outputs", &task.outputs), ("edits", &task.edits)];
    for (key, values) in lists.into_iter().filter(|(_, values)| !values.is_empty()) {
        list(out, key, values);
    }
    if !task.acceptance.is_empty() {
        line(out, "acceptance = [");
        for sentence in &task.acceptance {
            let value = if sentence.contains('\n') { text_value(sentence) } else { quoted(sentence) };
            line(out, &format!("    {value},"));
        }
        line(out, "]");
    }
    for (key, values) in
        [("gates", &task.gates), ("tags", &task.tags)].into_iter().filter(|(_, values)| !values.is_empty())
    {
        list(out, key, values);
    }
}

/// What is not in the plan, as comments.
fn ending(out: &mut String, parts: &Parts<'_>, source: &str) {
    let draft = parts.draft;
    if !draft.left_out.is_empty() {
        let _ = write!(out, "\n# Left out, for there is nothing to do any more:\n");
        for one in &draft.left_out {
            line(out, &format!("# {source}:{}: {} ({})", one.line, comment(&one.title), comment(&one.status)));
        }
    }
    let mut section = |title: &str, notes: &[Note]| {
        if notes.is_empty() {
            return;
        }
        let _ = write!(out, "\n# {title}\n");
        for note in notes {
            for text in said(note).lines() {
                line(out, &format!("# {source}:{}: {}", note.line, comment(text)));
            }
        }
    };
    section("To be looked at:", &draft.notes);
    section("Not placed:", &draft.unplaced);
}

/// A note in words.
pub(super) fn said(note: &Note) -> String {
    match &*note.text {
        "" => note.why.clone(),
        text => text.to_owned(),
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// Words on one line of a comment: TOML takes no control characters there.
fn comment(text: &str) -> String {
    sanitize_line(&text.replace('\t', " "))
}

fn list(out: &mut String, key: &str, values: &[String]) {
    let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    let on_one_line = format!("{key} = [{}]", values.join(", "));
    if on_one_line.chars().count() <= 120 {
        return line(out, &on_one_line);
    }
    line(out, &format!("{key} = ["));
    values.iter().for_each(|value| line(out, &format!("    {value},")));
    line(out, "]");
}

/// A basic string on one line.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    text.chars().for_each(|c| escaped(c, &mut out));
    out.push('"');
    out
}

/// A string over several lines: as it stands where TOML allows that, else with escapes.
pub(super) fn text_value(text: &str) -> String {
    let is_plain = |c: char| !c.is_control() || c == '\n' || c == '\t';
    if text.chars().all(is_plain) && !text.contains("'''") && !text.ends_with('\'') {
        return format!("'''\n{text}'''");
    }
    let mut out = String::from("\"\"\"\n");
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c => escaped(c, &mut out),
        }
    }
    out.push_str("\"\"\"");
    out
}

fn escaped(c: char, out: &mut String) {
    match c {
        '"' | '\\' => out.extend(['\\', c]),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        c if c.is_control() => {
            let _ = write!(out, "\\u{:04X}", c as u32);
        }
        c => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_back(value: &str) -> String {
        let table: toml::Table = format!("x = {value}\n").parse().unwrap_or_else(|error| panic!("{error}\n{value}"));
        table["x"].as_str().expect("a string").to_owned()
    }

    proptest! {
        #[test]
        fn every_text_reads_back(text in "(\\PC|[\"'\\\\\n\t\u{0}-\u{1f}\u{7f}-\u{9f}]){0,40}") {
            prop_assert_eq!(read_back(&quoted(&text)), text.clone());
            prop_assert_eq!(read_back(&text_value(&text)), text.clone());
            let commented: toml::Table = format!("# {}\nx = 1\n", comment(&text)).parse().expect("a comment ends with its line");
            prop_assert_eq!(commented.len(), 1);
        }
    }

    #[test]
    fn plain_texts_stay_as_they_are() {
        assert_eq!(text_value("a \\ \"b\"\n"), "'''\na \\ \"b\"\n'''");
        assert_eq!(text_value("it's '''\n"), "\"\"\"\nit's '''\n\"\"\"");
    }
}
