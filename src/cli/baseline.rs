//! `orca baseline`: what gates find in the results that are there is accepted from now on, and does not count any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::args::{Args, BaselineArgs};
use super::terminal::Terminal;
use super::{CliError, Exit, JSON_VERSION, gate, project};
use crate::base::{Name, counted, sanitize_line};
use crate::engine::{Listener, accept_findings};
use crate::event::{Event, EventRecord, GateFinding, is_green};
use crate::gates::BASELINE_FILE;

pub(super) fn run(args: &Args, accept: &BaselineArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let found: Arc<Mutex<BTreeMap<Name, Vec<GateFinding>>>> = Arc::default();
    let silent: Arc<Mutex<Vec<String>>> = Arc::default();
    let (for_listener, for_silent) = (Arc::clone(&found), Arc::clone(&silent));
    let listener: Listener = Arc::new(move |record: &EventRecord| {
        if let Event::GateJudged { task, gate, findings, verdict, message, .. } = &record.event {
            if findings.is_empty() && !is_green(verdict) {
                let of = task.as_ref().map_or_else(|| "the plan".to_owned(), ToString::to_string);
                let said = format!(
                    "{gate} of {of}: {verdict}: {message}: it is red without a finding, so there is nothing to accept"
                );
                for_silent.lock().expect("no holder panics").push(sanitize_line(&said));
            }
            let mut found = for_listener.lock().expect("no holder panics");
            found.entry(gate.clone()).or_default().extend(findings.iter().cloned());
        }
    });
    let report = match gate::judge(args, &accept.tasks, &accept.gate, false, listener, terminal)? {
        Ok(report) => report,
        Err(exit) => return Ok(exit),
    };
    if let Some(signal) = report.interrupted_by {
        return Ok(Exit::Signal(signal));
    }
    if let Some(fault) = report.fault {
        return Err(CliError::World(fault));
    }
    let found = found.lock().expect("no holder panics");
    let all = || found.iter().flat_map(|(gate, findings)| findings.iter().map(move |finding| (gate, finding)));
    if !accept.dry_run {
        accept_findings(&project(args)?, &found)?;
    }
    if accept.json {
        let list: Vec<_> = all().map(|(gate, finding)| json!({ "gate": gate, "finding": finding })).collect();
        terminal.line(&json!({ "v": JSON_VERSION, "accepted": !accept.dry_run, "findings": list }).to_string());
        return Ok(Exit::Good);
    }
    for (gate, finding) in all() {
        let place = finding.place().map_or_else(String::new, |place| format!("{place}: "));
        terminal.line(&sanitize_line(&format!("{gate}: {place}{} [{}]", finding.message, finding.rule)));
    }
    for (task, failure) in report.summary.failures() {
        terminal.err(&format!("{task}: {}\n", failure.message));
    }
    for line in silent.lock().expect("no holder panics").iter() {
        terminal.err(&format!("{line}\n"));
    }
    let count = counted(all().count() as u64, "finding");
    terminal.err(&match (all().next().is_some(), accept.dry_run) {
        (false, _) => "nothing is found that was not accepted before\n".to_owned(),
        (true, true) => format!("{count} would be accepted\n"),
        (true, false) => format!("{count} accepted in {BASELINE_FILE}; commit it\n"),
    });
    Ok(Exit::Good)
}
