//! `orca rebase`: says which files become their own base and what is due again then, asks, and puts it on record. Where nobody
//! can be asked it wants `--yes`.

use std::fmt::Write as _;

use super::args::{Args, RebaseArgs};
use super::ask::{self, AtTerminal};
use super::terminal::Terminal;
use super::{CliError, Exit, check, project, versioned};
use crate::base::{TaskName, bounded, counted, sanitize_line};
use crate::engine::{EngineError, Host, Person as _, Rebase, Rebasing, Session};

pub(super) fn run(args: &Args, rebase: &RebaseArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let host = Host::from_env()?;
    if let Err(exit) = super::open_valid(args, terminal)? {
        return Ok(exit);
    }
    let open = || -> Result<Session, EngineError> { Session::open(host.clone(), args.directory()) };
    let planned = match Rebase::plan(open, &rebase.paths)? {
        Rebasing::Paths(planned) => planned,
        Rebasing::Invalid(session) => {
            check::refuse(&session.findings, &session.documents, terminal);
            return Ok(Exit::Invalid);
        }
        Rebasing::Nothing => {
            terminal.err("there is nothing to rebase: no file is on record as edited by a task\n");
            return Ok(Exit::Good);
        }
        Rebasing::Unknown(path, owner) => return Err(CliError::Usage(unknown(&path, owner.as_ref()))),
    };
    if !rebase.json {
        terminal.out(&list(&planned));
    }
    if rebase.dry_run || !rebase.yes && (rebase.json || !ask::is_interactive()) {
        if rebase.json {
            terminal.line(&as_json(&planned, true).to_string());
        } else if rebase.dry_run {
            terminal.err("nothing was changed\n");
        } else {
            terminal.error("there is no terminal to ask at; `orca rebase --yes` does it");
        }
        return Ok(if rebase.dry_run { Exit::Good } else { Exit::World });
    }
    if !rebase.yes && !ask::yes("make the present content the base?") {
        terminal.err("nothing was changed\n");
        return Ok(Exit::Good);
    }
    planned.perform(&project(args)?, &host.cache_dir, |holder| AtTerminal.waits_for(holder))?;
    if rebase.json {
        terminal.line(&as_json(&planned, false).to_string());
    } else {
        let files = counted(planned.paths.len() as u64, "file");
        terminal.err(&format!("{files}: what lies there is the base now, and no run can be undone there any more\n"));
    }
    Ok(Exit::Good)
}

fn as_json(rebase: &Rebase, is_dry: bool) -> serde_json::Value {
    let mut value = versioned(rebase);
    value["dry_run"] = is_dry.into();
    value
}

fn unknown(path: &str, owner: Option<&TaskName>) -> String {
    let path = sanitize_line(&bounded(path, 200));
    match owner {
        Some(owner) => format!("`{path}` is an output of `{owner}`: only files that tasks edit have a base"),
        None => format!(
            "no task has edited `{path}`, by the record; `orca status` names what was edited since; paths are relative to the \
             project"
        ),
    }
}

fn list(rebase: &Rebase) -> String {
    let mut out = String::new();
    for edited in &rebase.paths {
        let tasks: Vec<&str> = edited.tasks.iter().map(TaskName::as_str).collect();
        let by = if tasks.is_empty() { String::new() } else { format!(" (edited by {})", tasks.join(", ")) };
        let _ = writeln!(out, "rebase {}{by}", sanitize_line(edited.path.as_str()));
    }
    for due in &rebase.dirty {
        let because = sanitize_line(&bounded(&due.because, 300));
        let _ = writeln!(out, "   due {}: {because}", due.task);
    }
    if rebase.dirty.is_empty() {
        out.push_str("no task is due again by that\n");
    }
    out
}
