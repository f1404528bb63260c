//! `orca log`: the last output of a task. Executes nothing, writes nothing.
//!
//! What a task printed may hold anything, so control sequences are taken out unless every byte is asked for.

use serde_json::json;

use super::args::{Args, LogArgs};
use super::terminal::Terminal;
use super::{CliError, Exit, JSON_VERSION, look_at_one};
use crate::base::{sanitize_line, sanitize_terminal};
use crate::engine::TaskLog;

pub(super) fn run(args: &Args, log: &LogArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let (look, ix) = match look_at_one(args, &log.task, terminal)? {
        Ok(found) => found,
        Err(exit) => return Ok(exit),
    };
    let name = look.name(ix);
    let Some(found) = look.log(ix, log.failed)? else {
        let what = if log.failed { "no failure of it is kept" } else { "it has not run yet" };
        return Err(CliError::World(format!("there is no log of `{name}`: {what}")));
    };
    if log.json {
        let text = found.text().map(|text| sanitize_terminal(&text));
        let value = json!({
            "v": JSON_VERSION,
            "task": name,
            "run": found.run,
            "accepted": found.accepted,
            "outcome": found.outcome,
            "details": found.details,
            "log": text,
            "workspace": found.workspace,
        });
        terminal.line(&value.to_string());
        return Ok(Exit::Good);
    }
    if !found.started {
        let why = sanitize_line(&found.outcome);
        return Err(CliError::World(format!("there is no log of `{name}`: it did not start: {why}")));
    }
    let Some(bytes) = &found.bytes else {
        return Err(CliError::World(format!("the log of `{name}` is no longer in the cache; build it again")));
    };
    if log.raw {
        terminal.bytes(bytes);
    } else {
        terminal.out(&with_last_newline(sanitize_terminal(&found.text().unwrap_or_default())));
    }
    terminal.err(&about(name.as_str(), &found));
    Ok(Exit::Good)
}

/// Where the log is from, for standard error.
fn about(name: &str, log: &TaskLog) -> String {
    let run = log.run.map_or_else(String::new, |run| format!(" in run {run}"));
    let how = match (log.accepted, log.outcome.as_str()) {
        (true, "cached") => "its result was taken from the cache".to_owned(),
        (true, outcome) => sanitize_line(outcome),
        (false, outcome) => format!("failed: {}", sanitize_line(outcome)),
    };
    let mut text = format!("{name}{run}: {how}\n");
    for detail in &log.details {
        text.push_str(&format!("  {}\n", sanitize_line(detail)));
    }
    if let Some(workspace) = &log.workspace {
        text.push_str(&format!("its workspace is kept in {}\n", sanitize_line(&workspace.display().to_string())));
    }
    text
}

fn with_last_newline(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
