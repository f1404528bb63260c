//! `orca diff`: what a task's result changed, or what was edited since orca wrote it. Executes nothing, writes nothing.
//!
//! A program gets the bytes as they are, so that `orca diff TASK | git apply` works; a terminal gets them without control
//! sequences.

use std::fmt::Write as _;

use serde_json::json;

use super::args::{Args, DiffArgs};
use super::terminal::Terminal;
use super::{CliError, Exit, JSON_VERSION, look, look_at_one, versioned};
use crate::base::{counted, sanitize_line, sanitize_terminal};
use crate::engine::{Difference, TaskDifference};

/// Marks of a file's line in `--stat`, at most.
const MARKS_MAX: u64 = 40;

pub(super) fn run(args: &Args, diff: &DiffArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let Some(task) = &diff.task else { return drift(args, diff, terminal) };
    let (look, ix) = match look_at_one(args, task, terminal)? {
        Ok(found) => found,
        Err(exit) => return Ok(exit),
    };
    let name = look.name(ix);
    let Some(found) = look.difference(ix)? else {
        return Err(CliError::World(format!("there is no result of `{name}`; `orca explain {name}` says why")));
    };
    if diff.json {
        terminal.line(&versioned(&found).to_string());
    } else {
        show(&found.files, diff.stat, terminal);
        terminal.err(&format!("{name}: {}: {}\n", counted(found.files.len() as u64, "file"), standing(&found)));
    }
    Ok(Exit::Good)
}

/// What was edited by hand.
fn drift(args: &Args, diff: &DiffArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let look = match look(args, &[], false, terminal)? {
        Ok(look) => look,
        Err(exit) => return Ok(exit),
    };
    let files = look.drift_difference()?;
    if diff.json {
        terminal.line(&json!({ "v": JSON_VERSION, "result": "drift", "files": files }).to_string());
    } else {
        show(&files, diff.stat, terminal);
        let said = match files.len() as u64 {
            0 => "nothing was edited by hand since orca wrote it; `orca diff TASK` shows what a task changed\n"
                .to_owned(),
            count => format!("{} edited by hand since orca wrote them\n", counted(count, "file")),
        };
        terminal.err(&said);
    }
    Ok(Exit::Good)
}

fn standing(difference: &TaskDifference) -> String {
    let name = &difference.task;
    match difference.result {
        "accepted" => "its result, which is in the project".to_owned(),
        "awaits-approval" => format!("it waits for approval: orca approve {name}"),
        "not-judged" => "gates must judge it first: orca build".to_owned(),
        "refused" => format!("it is not put into the project: orca explain {name}"),
        "earlier" => "its last result, which is in the project; it is due again".to_owned(),
        _ => "it is not in the project yet; the next build puts it there, or says why not".to_owned(),
    }
}

fn show(files: &[Difference], only_stat: bool, terminal: &Terminal) {
    if only_stat {
        terminal.out(&stat(files));
        return;
    }
    for file in files {
        if terminal.is_shown() {
            terminal.out(&painted(&shown(&file.patch), terminal.color_out()));
        } else {
            terminal.bytes(&file.patch);
        }
    }
}

/// A patch for people's eyes.
pub(super) fn shown(patch: &[u8]) -> String {
    sanitize_terminal(&String::from_utf8_lossy(patch))
}

/// One line for each file, and one for all.
pub(super) fn stat(files: &[Difference]) -> String {
    let mut out = String::new();
    let names: Vec<String> = files.iter().map(|file| sanitize_line(file.path.as_str())).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let most = files.iter().map(|file| file.added + file.removed).max().unwrap_or(0).max(MARKS_MAX);
    for (file, name) in files.iter().zip(&names) {
        let marks = |count: u64, mark: &str| mark.repeat((count * MARKS_MAX).div_ceil(most) as usize);
        let marks = marks(file.added, "+") + &marks(file.removed, "-");
        let line = format!(" {name:width$} | {:7} +{} -{} {marks}", file.change, file.added, file.removed);
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let sum = |of: fn(&Difference) -> u64| files.iter().map(of).sum::<u64>();
    let (added, removed) = (sum(|file| file.added), sum(|file| file.removed));
    let _ = writeln!(out, "{}, +{added} -{removed}", counted(files.len() as u64, "file"));
    out
}

fn painted(text: &str, color: bool) -> String {
    if !color {
        return text.to_owned();
    }
    let paint = |line: &str| {
        let code = match line.as_bytes().first() {
            Some(b'+') => "32",
            Some(b'-') => "31",
            Some(b'@') => "36",
            Some(b'd') => "1",
            _ => return format!("{line}\n"),
        };
        format!("\x1b[{code}m{line}\x1b[0m\n")
    };
    text.lines().map(paint).collect()
}
