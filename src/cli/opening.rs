//! From the command line to a project, a plan, or a look at one; what is wrong with the plan is said on the way.

use std::path::PathBuf;

use super::args::Args;
use super::terminal::Terminal;
use super::{CliError, Exit, check};
use crate::base::sanitize_line;
use crate::engine::{EngineError, Host, Look, Looked, Project, Session};
use crate::event::Trace;
use crate::graph::TaskIx;

/// The nearest project above this directory, where this one has no plan and the command line names none.
pub(super) fn above(args: &Args, terminal: &Terminal) -> Option<PathBuf> {
    if args.directory.is_some() || !args.command.needs_project() {
        return None;
    }
    let found = Project::above(args.directory())?;
    let shown = sanitize_line(&found.display().to_string());
    terminal.err(&format!("note: there is no orca.toml here; using the project in {shown}\n"));
    Some(found)
}

/// Opens the plan that the command line names.
pub(super) fn open(args: &Args) -> Result<Session, CliError> {
    Ok(Session::open(Host::from_env()?, args.directory())?)
}

/// Opens it, and does something else meanwhile.
pub(super) fn open_beside<T: Send + Sync>(
    args: &Args,
    beside: &(impl Fn() -> T + Sync),
) -> Result<(Session, T), CliError> {
    Ok(Session::open_beside(Host::from_env()?, args.directory(), beside)?)
}

/// Opens it for a command that needs a valid one; says what is wrong otherwise.
pub(super) fn open_valid(args: &Args, terminal: &Terminal) -> Result<Result<Session, Exit>, CliError> {
    open_valid_traced(args, Trace::default(), terminal)
}

/// The same, and takes down what takes how long.
pub(super) fn open_valid_traced(
    args: &Args,
    trace: Trace,
    terminal: &Terminal,
) -> Result<Result<Session, Exit>, CliError> {
    let session = Session::open(Host { trace, ..Host::from_env()? }, args.directory())?;
    if session.is_invalid() {
        check::refuse(&session.findings, &session.documents, terminal);
        return Ok(Err(Exit::Invalid));
    }
    Ok(Ok(session))
}

/// The project that the command line names, whatever its plan.
pub(super) fn project(args: &Args) -> Result<Project, CliError> {
    Ok(Project::open(args.directory()).map_err(EngineError::from)?)
}

/// Looks at the plan; says what is wrong where it must be mended first.
pub(super) fn look(
    args: &Args,
    selectors: &[String],
    force: bool,
    terminal: &Terminal,
) -> Result<Result<Box<Look>, Exit>, CliError> {
    let session = match open_valid(args, terminal)? {
        Ok(session) => session,
        Err(exit) => return Ok(Err(exit)),
    };
    match Look::open(session, selectors, force)? {
        Looked::Valid(look) => {
            terminal.warn(&look.notices);
            Ok(Ok(look))
        }
        Looked::Invalid(session) => {
            check::refuse(&session.findings, &session.documents, terminal);
            Ok(Err(Exit::Invalid))
        }
    }
}

/// Looks at one task and all it needs.
pub(super) fn look_at_one(
    args: &Args,
    task: &str,
    terminal: &Terminal,
) -> Result<Result<(Box<Look>, TaskIx), Exit>, CliError> {
    let look = match look(args, &[task.to_owned()], false, terminal)? {
        Ok(look) => look,
        Err(exit) => return Ok(Err(exit)),
    };
    let mut asked = look.asked.iter().copied();
    match (asked.next(), asked.next()) {
        (Some(ix), None) => Ok(Ok((look, ix))),
        _ => {
            let names: Vec<&str> = look.asked.iter().take(10).map(|ix| look.name(*ix).as_str()).collect();
            let more = if look.asked.len() > names.len() { ", ..." } else { "" };
            let names = names.join(", ");
            Err(CliError::Usage(format!("`{task}` names several tasks: {names}{more}; name one")))
        }
    }
}
