//! `orca check`: what is wrong with the plan. Executes nothing, writes nothing.

use super::args::{Args, CheckArgs};
use super::terminal::Terminal;
use super::{CliError, Exit, open};
use crate::base::{Finding, Severity};
use crate::plan::Document;
use crate::report::{RenderOptions, render, to_json};

pub(super) fn run(args: &Args, check: &CheckArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let mut session = open(args)?;
    let mut notices = Vec::new();
    let ledger = session.ledger(&mut notices)?;
    terminal.warn(&notices);
    if !session.is_partly_unread() {
        let all = session.graph.tasks().collect();
        session.survey(&ledger, &all, false)?;
        let names = session.plan().tasks.keys().cloned().collect();
        let not_yet = crate::plan::not_yet(session.plan(), &names);
        session.findings.extend(not_yet);
    }
    let count = |severity| session.findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if check.json {
        terminal.line(&to_json(&session.findings, &session.documents).to_string());
    } else {
        show(&session.findings, &session.documents, terminal);
        let tasks = counted(session.plan().tasks.len(), "task");
        let (wrong, odd) = (counted(errors, "error"), counted(warnings, "warning"));
        terminal.line(&match (errors, warnings) {
            (0, 0) => format!("the plan is good: {tasks}"),
            (0, _) => format!("the plan can be built: {tasks}, {odd}"),
            _ => format!("the plan is invalid: {wrong}, {odd}"),
        });
    }
    let bad = errors > 0 || check.strict && warnings > 0;
    Ok(if bad { Exit::Invalid } else { Exit::Good })
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Renders findings on standard error.
pub(super) fn show(findings: &[Finding], documents: &[Document], terminal: &Terminal) {
    let options = RenderOptions { color: terminal.color_err(), width: terminal.width(), unicode: true };
    terminal.err(&render(findings, documents, options));
}
