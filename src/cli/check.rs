//! `orca check`: what is wrong with the plan. Executes nothing, writes nothing.
//!
//! Its findings are its result and go to standard output; other commands say on standard error why they refuse.

use super::args::{Args, CheckArgs};
use super::terminal::Terminal;
use super::{CliError, Exit, open_beside, shortcut};
use crate::base::{Finding, Severity, counted};
use crate::engine::{MISSING_PROGRAM, Records};
use crate::plan::Document;
use crate::report::{RenderOptions, render, to_json};

pub(super) fn run(args: &Args, check: &CheckArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    if let Some(unchanged) = shortcut::unchanged(args.directory()) {
        say(&[], &[], unchanged.tasks, check, terminal);
        return Ok(Exit::Good);
    }
    let (mut session, records) = open_beside(args, &|| Records::read(args.directory(), false))?;
    session.hold_records(records);
    let mut notices = Vec::new();
    let ledger = session.ledger(&mut notices)?;
    terminal.warn(&notices);
    if !session.is_partly_unread() {
        let all = session.graph.tasks().collect();
        // What is measured is what agents are given: of other tasks' files nothing is read.
        let measured = session.graph.tasks().filter(|ix| session.is_agent(*ix)).collect();
        session.survey(&ledger, &measured, false)?;
        let names = session.plan().tasks.keys().cloned().collect();
        let missing = session.missing_programs(&names);
        session.findings.extend(missing);
        // What is wrong comes before what is missing.
        if !session.is_invalid() {
            let mut incomplete = session.oversized(&all);
            incomplete.extend(session.incomplete());
            incomplete.extend(session.unedited());
            session.findings.extend(incomplete);
        }
    }
    let tasks = session.plan().tasks.len() as u64;
    let exit = say(&session.findings, &session.documents, tasks, check, terminal);
    session.leave(ledger);
    Ok(exit)
}

/// Says what was found.
fn say(findings: &[Finding], documents: &[Document], tasks: u64, check: &CheckArgs, terminal: &Terminal) -> Exit {
    let counts = Counts::of(findings);
    // What this machine lacks says nothing of the plan.
    let of_plan = counts.warnings + counts.hints - counts.of_machine;
    let is_too_lax = check.strict && of_plan > 0;
    if check.json {
        terminal.line(&to_json(findings, documents).to_string());
    } else {
        terminal.out(&rendered(findings, documents, terminal, terminal.color_out()));
        terminal.line(&counts.said(tasks, is_too_lax));
    }
    if counts.errors > 0 || is_too_lax { Exit::Invalid } else { Exit::Good }
}

/// How many findings of each kind there are.
struct Counts {
    errors: u64,
    warnings: u64,
    hints: u64,
    of_machine: u64,
}

impl Counts {
    fn of(findings: &[Finding]) -> Self {
        let count = |is: &dyn Fn(&Finding) -> bool| findings.iter().filter(|finding| is(finding)).count() as u64;
        Self {
            errors: count(&|finding| finding.severity == Severity::Error),
            warnings: count(&|finding| finding.severity == Severity::Warning),
            hints: count(&|finding| finding.severity == Severity::Advice),
            of_machine: count(&|finding| finding.code == MISSING_PROGRAM && finding.severity != Severity::Error),
        }
    }

    /// What a check comes to; `is_too_lax` where nothing but `--strict` refuses the plan.
    fn said(&self, tasks: u64, is_too_lax: bool) -> String {
        let tasks = counted(tasks, "task");
        let odd: String = [(self.warnings, "warning"), (self.hints, "hint")]
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, noun)| format!(", {}", counted(number, noun)))
            .collect();
        match (self.errors, self.warnings + self.hints) {
            (0, 0) => format!("the plan is good: {tasks}"),
            (0, _) if is_too_lax => {
                format!("the plan can be built, but not with --strict: {}", odd.trim_start_matches(", "))
            }
            (0, _) => format!("the plan can be built: {tasks}{odd}"),
            (errors, _) => invalid(errors, &odd),
        }
    }
}

fn invalid(errors: u64, odd: &str) -> String {
    format!("the plan is invalid: {}{odd}", counted(errors, "error"))
}

fn rendered(findings: &[Finding], documents: &[Document], terminal: &Terminal, color: bool) -> String {
    render(findings, documents, RenderOptions { color, width: terminal.width(), unicode: true })
}

/// Says on standard error why a command does not go on.
pub(super) fn refuse(findings: &[Finding], documents: &[Document], terminal: &Terminal) {
    terminal.err(&rendered(findings, documents, terminal, terminal.color_err()));
    let counts = Counts::of(findings);
    terminal.err(&format!("{}\n", invalid(counts.errors, "")));
}
