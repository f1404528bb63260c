//! `orca check`: what is wrong with the plan. Executes nothing, writes nothing.
//!
//! Its findings are its result and go to standard output; other commands say on standard error why they refuse.

use super::args::{Args, CheckArgs};
use super::terminal::Terminal;
use super::{CliError, Exit, open};
use crate::base::{Finding, Severity, counted};
use crate::engine::MISSING_PROGRAM;
use crate::plan::{Document, NOT_YET};
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
    let counts = Counts::of(&session.findings);
    // What this machine lacks says nothing of the plan.
    let of_plan = counts.warnings + counts.hints - counts.of_machine;
    let is_too_lax = check.strict && of_plan > 0;
    if check.json {
        terminal.line(&to_json(&session.findings, &session.documents).to_string());
    } else {
        let color = terminal.color_out();
        terminal.out(&rendered(&session.findings, &session.documents, terminal, color));
        terminal.line(&counts.said(session.plan().tasks.len() as u64, is_too_lax));
    }
    Ok(if counts.errors > 0 || is_too_lax { Exit::Invalid } else { Exit::Good })
}

/// How many findings of each kind there are.
struct Counts {
    errors: u64,
    warnings: u64,
    hints: u64,
    not_yet: u64,
    of_machine: u64,
}

impl Counts {
    fn of(findings: &[Finding]) -> Self {
        let count = |is: &dyn Fn(&Finding) -> bool| findings.iter().filter(|finding| is(finding)).count() as u64;
        let is_not_yet = |finding: &Finding| finding.code == NOT_YET;
        Self {
            errors: count(&|finding| finding.severity == Severity::Error && !is_not_yet(finding)),
            warnings: count(&|finding| finding.severity == Severity::Warning),
            hints: count(&|finding| finding.severity == Severity::Advice && !is_not_yet(finding)),
            not_yet: count(&is_not_yet),
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
        match (self.errors, self.not_yet, self.warnings + self.hints) {
            (0, 0, 0) => format!("the plan is good: {tasks}"),
            (0, 0, _) if is_too_lax => {
                format!("the plan can be built, but not with --strict: {}", odd.trim_start_matches(", "))
            }
            (0, 0, _) => format!("the plan can be built: {tasks}{odd}"),
            (0, not_yet, _) => {
                format!(
                    "the plan is valid: {tasks}{odd}; {} it cannot be built by this version yet",
                    things_in(not_yet)
                )
            }
            (errors, ..) => self.invalid(errors, &odd),
        }
    }

    fn invalid(&self, errors: u64, odd: &str) -> String {
        let more = match self.not_yet {
            0 => String::new(),
            not_yet => format!("; {} it cannot be built by this version yet", things_in(not_yet)),
        };
        format!("the plan is invalid: {}{odd}{more}", counted(errors, "error"))
    }
}

/// `1 thing in`, `2 things in`.
fn things_in(number: u64) -> String {
    format!("{} in", counted(number, "thing"))
}

fn rendered(findings: &[Finding], documents: &[Document], terminal: &Terminal, color: bool) -> String {
    render(findings, documents, RenderOptions { color, width: terminal.width(), unicode: true })
}

/// Says on standard error why a command does not go on.
pub(super) fn refuse(findings: &[Finding], documents: &[Document], terminal: &Terminal) {
    terminal.err(&rendered(findings, documents, terminal, terminal.color_err()));
    let counts = Counts::of(findings);
    let said = match counts.errors {
        0 => format!("this version cannot build {} the plan yet", things_in(counts.not_yet)),
        errors => counts.invalid(errors, ""),
    };
    terminal.err(&format!("{said}\n"));
}
