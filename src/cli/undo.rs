//! `orca undo`: says what taking a run back does, asks, and does it. Where nobody can be asked it wants `--yes`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::args::{Args, UndoArgs};
use super::ask::{self, AtTerminal};
use super::terminal::Terminal;
use super::{CliError, Exit, project, versioned};
use crate::base::{RelPath, counted, sanitize_line};
use crate::engine::{Host, Person as _, Undo, Undoing};

pub(super) fn run(args: &Args, undo: &UndoArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let project = project(args)?;
    let cache = Host::from_env()?.cache_dir;
    let planned = match Undo::plan(&project, &cache, undo.run)? {
        Undoing::Run(planned) => planned,
        other => return refuse(&other, terminal),
    };
    if !undo.json {
        terminal.out(&list(&planned));
    }
    if undo.dry_run || !undo.yes && (undo.json || !ask::is_interactive()) {
        if undo.json {
            terminal.line(&as_json(&planned, true).to_string());
        } else if !undo.dry_run {
            terminal.error(&format!("there is no terminal to ask at; `orca undo {} --yes` does it", planned.run));
        } else {
            terminal.err("nothing was changed\n");
        }
        return Ok(if undo.dry_run { Exit::Good } else { Exit::World });
    }
    if !undo.yes && !ask::yes(&format!("take back run {}?", planned.run)) {
        terminal.err("nothing was changed\n");
        return Ok(Exit::Good);
    }
    let done = match Undo::perform(&project, &cache, Some(planned.run), |holder| AtTerminal.waits_for(holder))? {
        Undoing::Run(done) => done,
        other => return refuse(&other, terminal),
    };
    if undo.json {
        terminal.line(&as_json(&done, false).to_string());
    } else {
        terminal.err(&told(&done));
    }
    Ok(if done.is_partial() { Exit::Red } else { Exit::Good })
}

fn as_json(undo: &Undo, is_dry: bool) -> serde_json::Value {
    let mut value = versioned(undo);
    value["dry_run"] = is_dry.into();
    value
}

/// Why nothing is undone.
fn refuse(undoing: &Undoing, terminal: &Terminal) -> Result<Exit, CliError> {
    let of_commands = "what commands put out is not undone: `orca clean` removes it";
    match undoing {
        Undoing::Nothing => {
            terminal
                .err(&format!("there is nothing to undo: no run edited a file or put out an agent's; {of_commands}\n"));
            Ok(Exit::Good)
        }
        Undoing::WroteNothing(run) => {
            terminal.err(&format!("run {run} wrote nothing that can be undone; {of_commands}\n"));
            Ok(Exit::Good)
        }
        Undoing::Unknown(run) => Err(CliError::World(format!(
            "the journal has no run {run}; `orca report` names the last one, and `orca undo -n` the last that wrote anything"
        ))),
        Undoing::Later(run, paths) => Err(CliError::World(later(*run, paths))),
        Undoing::Run(_) => unreachable!("that is undone"),
    }
}

fn later(run: u64, paths: &BTreeMap<RelPath, u64>) -> String {
    let mut text = format!("run {run} cannot be undone before what later runs wrote over it; nothing was changed");
    for (path, by) in paths {
        let _ = write!(text, "\n  {}: written by run {by}", sanitize_line(path.as_str()));
    }
    let runs: BTreeSet<u64> = paths.values().copied().collect();
    let first: Vec<String> = runs.iter().rev().map(|run| format!("orca undo {run}")).collect();
    format!("{text}\ntype first: {}", first.join("; "))
}

fn list(undo: &Undo) -> String {
    let mut out = match undo.resumed {
        true => format!("undoing run {} was interrupted; what is left of it:\n", undo.run),
        false => format!("run {}:\n", undo.run),
    };
    for path in &undo.paths {
        let tail = match path.action {
            "merge" => " (with what you edited since)",
            "nothing" => " (it is as it was before)",
            "stay" => " (it stays as it is)",
            _ => "",
        };
        let _ = writeln!(out, "{:>8} {}{tail}", path.action, sanitize_line(path.path.as_str()));
        for line in path.because.iter().flat_map(|why| why.lines()) {
            let _ = writeln!(out, "           {}", sanitize_line(line));
        }
    }
    out
}

fn told(undo: &Undo) -> String {
    let changed = undo.paths.iter().filter(|path| ["put-back", "remove", "merge"].contains(&path.action)).count();
    let mut out = format!("took back run {}: {}\n", undo.run, counted(changed as u64, "file"));
    let staying: Vec<&str> =
        undo.paths.iter().filter(|path| path.action == "stay").map(|path| path.path.as_str()).collect();
    if !staying.is_empty() {
        let _ = writeln!(
            out,
            "{}: {}; take out by hand what you do not want, `orca diff` shows it",
            if staying.len() == 1 { "this file stays as it is" } else { "these files stay as they are" },
            sanitize_line(&staying.join(", ")),
        );
    }
    let tasks: Vec<&str> = undo.tasks.iter().map(|task| task.as_str()).collect();
    let _ = writeln!(out, "not accepted any more: {}; `orca build` brings that back from the cache", tasks.join(", "));
    out
}
