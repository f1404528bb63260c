//! `orca clean`: lists what it removes, asks, and removes it. Where nobody can be asked it wants `--yes`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::args::{Args, CleanArgs};
use super::ask::{self, AtTerminal};
use super::terminal::Terminal;
use super::{CliError, Exit, open, project, versioned};
use crate::base::{RelPath, TaskName, counted, sanitize_line};
use crate::engine::{CleanOptions, Cleaning, EngineError, Person as _};

pub(super) fn run(args: &Args, clean: &CleanArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let project = project(args)?;
    // A plan that cannot be read is no reason to keep what builds of it left; only names of tasks need one.
    let session = if clean.tasks.is_empty() { open(args).ok() } else { Some(open(args)?) };
    let tasks = match &session {
        Some(session) if !clean.tasks.is_empty() => {
            let selected = session.graph.select(&clean.tasks).map_err(EngineError::from)?;
            Some(selected.iter().map(|ix| session.graph.name(*ix).clone()).collect())
        }
        _ => None,
    };
    let known: Option<BTreeSet<TaskName>> =
        session.filter(|session| !session.is_invalid()).map(|session| session.plan().tasks.keys().cloned().collect());
    let planned = Cleaning::plan(&project, &CleanOptions { tasks, all: clean.all })?;
    if !clean.json {
        terminal.out(&list(&planned));
    }
    if planned.is_empty() || clean.dry_run {
        let said = if planned.is_empty() { "there is nothing to remove\n" } else { "nothing was removed\n" };
        tell(clean, &planned, said, terminal);
        return Ok(Exit::Good);
    }
    if !clean.yes {
        if clean.json || !ask::is_interactive() {
            let said = "nothing was removed: there is no terminal to ask at; `orca clean --yes` removes it\n";
            tell(clean, &planned, said, terminal);
            return Ok(Exit::World);
        }
        if !ask::yes("remove this?") {
            terminal.err("nothing was removed\n");
            return Ok(Exit::Good);
        }
    }
    let done = planned.perform(&project, known.as_ref(), |holder| AtTerminal.waits_for(holder))?;
    let outputs = counted(done.outputs.len() as u64, "output");
    let said = match done.state.len() {
        0 => format!("removed {outputs}\n"),
        1 => format!("removed {outputs} and 1 directory of orca's own\n"),
        more => format!("removed {outputs} and {more} directories of orca's own\n"),
    };
    if clean.json {
        terminal.line(&as_json(&done, true).to_string());
    } else {
        terminal.err(&said);
    }
    Ok(Exit::Good)
}

fn as_json(cleaning: &Cleaning, is_removed: bool) -> serde_json::Value {
    let mut value = versioned(cleaning);
    value["dry_run"] = (!is_removed).into();
    value
}

/// Says that nothing was removed.
fn tell(args: &CleanArgs, planned: &Cleaning, said: &str, terminal: &Terminal) {
    if args.json {
        terminal.line(&as_json(planned, !args.dry_run && planned.is_empty()).to_string());
    } else {
        terminal.err(said);
    }
}

fn list(cleaning: &Cleaning) -> String {
    let mut out = String::new();
    let mut each = |paths: &[RelPath], what: &str, tail: &str| {
        for path in paths {
            let _ = writeln!(out, "{what} {}{tail}", sanitize_line(path.as_str()));
        }
    };
    each(&cleaning.outputs, "remove", "");
    each(&cleaning.state, "remove", "/");
    each(&cleaning.changed, "  keep", " (changed since orca wrote it)");
    out
}
