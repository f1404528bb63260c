//! `orca gate`: gates judge the results that are there; no task runs and no agent is asked, but for reviewers.

use std::sync::{Arc, Mutex};

use super::args::{Args, GateArgs, Volume};
use super::ask::AtTerminal;
use super::progress::Progress;
use super::terminal::Terminal;
use super::{CliError, Exit, build, check, open_valid, signals};
use crate::base::{Name, counted, format_duration_ms};
use crate::engine::{self, BuildOptions, Built, Judging, Listener, Report, Session};
use crate::event::EventRecord;

pub(super) fn run(args: &Args, gate: &GateArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let volume = if gate.verbose { Volume::Verbose } else { Volume::Ordinary };
    let progress = Arc::new(Mutex::new(Progress::new(gate.json, volume, false, terminal)));
    let for_listener = Arc::clone(&progress);
    let listener: Listener = Arc::new(move |record: &EventRecord| {
        for_listener.lock().expect("progress does not panic").take(record);
    });
    let report = match judge(args, &gate.tasks, &gate.gate, !gate.known, listener, terminal)? {
        Ok(report) => report,
        Err(exit) => return Ok(exit),
    };
    progress.lock().expect("progress does not panic").finish();
    if !gate.json {
        terminal.err(&closing_line(&report));
    }
    Ok(build::exit(&report, terminal))
}

/// Lets gates judge, and hands every event to `listener`. `Err` is how the command ends where nothing could be judged.
pub(super) fn judge(
    args: &Args,
    tasks: &[String],
    gates: &[String],
    afresh: bool,
    listener: Listener,
    terminal: &Terminal,
) -> Result<Result<Report, Exit>, CliError> {
    let session = match open_valid(args, terminal)? {
        Ok(session) => session,
        Err(exit) => return Ok(Err(exit)),
    };
    let gates = named(&session, gates)?;
    let judging = Judging { afresh, gates, includes_plan: true };
    let mut words = vec!["gate".to_owned()];
    words.extend(tasks.iter().cloned());
    let options = BuildOptions {
        selectors: tasks.to_vec(),
        keep_going: true,
        judging: Some(judging),
        args: words,
        ..BuildOptions::default()
    };
    Ok(match engine::build(session, &options, Arc::new(AtTerminal), listener, signals::listen)? {
        Built::Invalid { findings, documents } => {
            check::refuse(&findings, &documents, terminal);
            Err(Exit::Invalid)
        }
        Built::Untrusted(powers) => Err(build::untrusted(&powers, terminal)),
        Built::Ran(report) => Ok(report),
    })
}

/// The gates of these names: those of the plan, and those that come by themselves.
fn named(session: &Session, gates: &[String]) -> Result<Vec<Name>, CliError> {
    let plan = session.plan();
    let of_tasks = plan.tasks.values().flat_map(|task| plan.gates_of(task)).map(|gate| gate.name);
    let known: std::collections::BTreeSet<Name> = of_tasks.chain(plan.gate_defs.keys().cloned()).collect();
    let find = |text: &String| {
        known.iter().find(|name| name.as_str() == text).cloned().ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(Name::as_str).collect();
            CliError::Usage(format!("there is no gate `{text}`; there are: {}", names.join(", ")))
        })
    };
    gates.iter().map(find).collect()
}

fn closing_line(report: &Report) -> String {
    let summary = &report.summary;
    let word = if report.ok { "good" } else { "red" };
    let mut parts =
        vec![counted(summary.green_verdicts, "green verdict"), counted(summary.red_verdicts, "red verdict")];
    if summary.failed() > 0 {
        parts.push(format!("{} with nothing to judge", summary.failed()));
    }
    format!("{word}: {} in {}\n", parts.join(", "), format_duration_ms(report.wall_ms))
}
