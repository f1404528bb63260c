//! `orca explain`: why a task would run, or why its result is reused. Executes nothing, writes nothing.

use std::fmt::Write as _;

use serde_json::json;

use super::args::{Args, ExplainArgs};
use super::terminal::Terminal;
use super::{CliError, Exit, look_at_one, versioned};
use crate::base::{bounded, counted, format_duration_ms, format_micro_usd, sanitize_line};
use crate::engine::{Explanation, LastTime, Prospect, ReusedResult, now_ms};
use crate::key::Description;

/// Bytes of a value that are shown on a line.
const VALUE_BYTES_MAX: usize = 300;
/// Changes, tasks and paths that are named of each kind.
const NAMED_MAX: usize = 100;

pub(super) fn run(args: &Args, explain: &ExplainArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let (look, ix) = match look_at_one(args, &explain.task, terminal)? {
        Ok(found) => found,
        Err(exit) => return Ok(exit),
    };
    let explanation = look.explain(ix)?;
    let description = explain.key.then(|| look.description(ix)).flatten();
    if explain.json {
        let mut value = versioned(&explanation);
        if let Some(description) = &description {
            let fact = |(section, name, value)| json!({ "section": section, "name": name, "value": value });
            value["description"] = description.facts().map(fact).collect();
        }
        terminal.line(&value.to_string());
        return Ok(Exit::Good);
    }
    let mut text = told(&explanation);
    if let Some(description) = &description {
        tell_key(description, &mut text);
    }
    terminal.out(&text);
    Ok(Exit::Good)
}

/// The explanation for people.
fn told(explanation: &Explanation) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", headline(explanation));
    let waits_for = explanation.waits_for.iter();
    some("", waits_for.map(|waiting| format!("{}: {}", waiting.task, line(&waiting.state))), &mut out);
    if !explanation.waits_for.is_empty() && !explanation.changes.is_empty() {
        let _ = writeln!(out, "  and of what is known already, this changed since the last time");
    }
    some("", explanation.changes.iter().map(ToString::to_string), &mut out);
    if let Some(last) = &explanation.last {
        let from_lock = explanation.reused.as_ref().is_some_and(|reused| reused.from_lock);
        row("last", &last_time(last, from_lock), &mut out);
    }
    if let Some(key) = &explanation.key {
        let files = explanation.view_files.unwrap_or(0);
        row("key", &format!("{key}, of {} and its definition", counted(files as u64, "file")), &mut out);
    }
    if let Some(reused) = &explanation.reused {
        tell_result(reused, &mut out);
    }
    for gate in &explanation.gates {
        let message = if gate.message.is_empty() { String::new() } else { format!(": {}", line(&gate.message)) };
        row("gate", &format!("{} {}{message}", gate.gate, gate.verdict), &mut out);
    }
    out
}

fn headline(explanation: &Explanation) -> String {
    let task = &explanation.task;
    match &explanation.prospect {
        Prospect::Nothing => format!("{task} is clean: nothing that is in its key changed, its result is reused"),
        Prospect::Restore { files } => {
            format!("{task} is clean: its result is reused, and {files} of its files would be restored from the cache")
        }
        Prospect::Judge { because } => format!("{task} would not run, but {}", line(because)),
        Prospect::Hold { because } => format!("{task} would not run: {}", line(because)),
        Prospect::Run { .. } if !explanation.changes.is_empty() => {
            format!("{task} would run: of what is in its key, this changed since the last time")
        }
        Prospect::Run { because } => format!("{task} would run: {}", line(because)),
        Prospect::Maybe { .. } => {
            format!("{task} has no key yet: whether it runs depends on what these tasks bring")
        }
        Prospect::Fail { because } => format!("{task} would fail: {}", line(because)),
    }
}

fn last_time(last: &LastTime, from_lock: bool) -> String {
    let ago = last.at_ms.map_or_else(String::new, |at_ms| {
        let ago_ms = now_ms().saturating_sub(at_ms);
        format!(", {} ago", format_duration_ms(ago_ms))
    });
    let how = match (last.accepted, last.outcome.as_str()) {
        (true, "ran") => "it ran".to_owned(),
        // No run of this project made it.
        (true, "locked") => return "its result was taken from orca.lock".to_owned(),
        (true, "cached") if from_lock => "its result was taken from orca.lock".to_owned(),
        (true, "cached") => "its result was taken from the cache".to_owned(),
        (true, outcome) => line(outcome),
        (false, outcome) => format!("failed: {}", line(outcome)),
    };
    format!("{how}, in run {}{ago}", last.run)
}

fn tell_result(reused: &ReusedResult, out: &mut String) {
    let origin = match (reused.recorded, reused.from_lock) {
        (_, true) => "taken from orca.lock",
        (true, false) => "recorded in this project",
        (false, false) => "in the shared cache",
    };
    let made = match (reused.outputs, reused.edits) {
        (outputs, 0) => counted(outputs as u64, "file"),
        (0, edits) => format!("{} edited", counted(edits as u64, "file")),
        (outputs, edits) => format!("{} and {edits} edited", counted(outputs as u64, "file")),
    };
    // The lock does not say how long a run took.
    let took = (reused.took_ms > 0 || !reused.from_lock).then(|| format_duration_ms(reused.took_ms));
    let cost = (reused.cost_micro_usd > 0).then(|| format_micro_usd(reused.cost_micro_usd));
    let taken: Vec<String> = took.into_iter().chain(cost).collect();
    let taken = if taken.is_empty() { String::new() } else { format!(", which had taken {}", taken.join(" and ")) };
    row("result", &format!("{origin}: {made}{taken}"), out);
    if let Some(agent) = &reused.agent {
        row("agent", agent.as_str(), out);
    }
    for (title, paths) in [("restore", &reused.to_restore), ("drifted", &reused.drifted)] {
        some(&format!("{title:8} "), paths.iter().map(|path| line(path.as_str())), out);
    }
}

fn tell_key(description: &Description, out: &mut String) {
    let _ = writeln!(out, "in its key:");
    for (section, name, value) in description.facts() {
        let subject = line(format!("{section} {name}").trim_end());
        let _ = writeln!(out, "  {subject} = {}", line(value));
    }
}

fn row(title: &str, text: &str, out: &mut String) {
    let _ = writeln!(out, "  {title:8} {text}");
}

/// The first lines of many.
fn some(title: &str, lines: impl ExactSizeIterator<Item = String>, out: &mut String) {
    let hidden = lines.len().saturating_sub(NAMED_MAX);
    for line in lines.take(NAMED_MAX) {
        let _ = writeln!(out, "  {title}{line}");
    }
    if hidden > 0 {
        let _ = writeln!(out, "  {title}and {hidden} more; `--json` names all");
    }
}

fn line(text: &str) -> String {
    sanitize_line(&bounded(text, VALUE_BYTES_MAX))
}
