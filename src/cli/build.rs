//! `orca build`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::args::{Args, BuildArgs, Schedule};
use super::ask::AtTerminal;
use super::progress::Progress;
use super::terminal::Terminal;
use super::{CliError, Exit, check, dry_run, locked, open_valid, signals, watch};
use crate::base::{TaskName, format_duration_ms, format_micro_usd};
use crate::engine::{self, BuildOptions, Built, Listener, Power, Report, Summary};
use crate::event::Outcome;

pub(super) fn run(args: &Args, build: &BuildArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    if build.dry_run {
        return dry_run::run(args, build, terminal);
    }
    if build.watch {
        return watch::run(args, build, terminal);
    }
    if build.locked
        && let Some(exit) = locked::refuse(args, build, terminal)?
    {
        return Ok(exit);
    }
    let session = match open_valid(args, terminal)? {
        Ok(session) => session,
        Err(exit) => return Ok(exit),
    };
    if build.step && !terminal.is_interactive() {
        terminal.error("--step asks before each layer and needs a terminal");
        return Ok(Exit::Usage);
    }
    let asks = terminal.is_interactive() && !build.json;
    let options = options(build, asks);
    let questions = build.step || asks && session.plan().tasks.values().any(|task| task.approval);
    let progress = Arc::new(Mutex::new(Progress::new(build.json, build.verbose, questions, terminal)));
    let for_listener = Arc::clone(&progress);
    let listener: Listener = Arc::new(move |record| {
        for_listener.lock().expect("progress does not panic").take(record);
    });
    let built = engine::build(session, &options, Arc::new(AtTerminal), listener, signals::listen)?;
    progress.lock().expect("progress does not panic").finish();
    match built {
        Built::Invalid { findings, documents } => {
            check::refuse(&findings, &documents, terminal);
            Ok(Exit::Invalid)
        }
        Built::Untrusted(powers) => Ok(untrusted(&powers, terminal)),
        Built::Ran(report) => {
            if !build.json {
                terminal.err(&closing_line(&report, terminal));
            }
            Ok(exit(&report, terminal))
        }
    }
}

/// How to build.
pub(super) fn options(build: &BuildArgs, asks: bool) -> BuildOptions {
    BuildOptions {
        selectors: build.tasks.clone(),
        jobs: build.jobs,
        keep_going: build.keep_going,
        force: build.force,
        step: build.step,
        asks,
        layers: build.schedule == Schedule::Layers,
        locked: build.locked,
        judging: None,
        args: command_line(build),
    }
}

/// Refuses a plan whose powers were not given.
pub(super) fn untrusted(powers: &BTreeSet<Power>, terminal: &Terminal) -> Exit {
    let list: Vec<String> = powers.iter().map(|power| format!("  - {power}")).collect();
    terminal.error(&format!(
        "this plan asks for powers that need your consent:\n{}\nlook at the plan, then type `orca trust`",
        list.join("\n")
    ));
    Exit::World
}

fn command_line(build: &BuildArgs) -> Vec<String> {
    let mut words = vec![if build.watch { "watch" } else { "build" }.to_owned()];
    words.extend(build.locked.then(|| "--locked".to_owned()));
    words.extend(build.tasks.iter().cloned());
    words
}

pub(super) fn exit(report: &Report, terminal: &Terminal) -> Exit {
    if let Some(signal) = report.interrupted_by {
        return Exit::Signal(signal);
    }
    if let Some(fault) = &report.fault {
        terminal.error(fault);
        return Exit::World;
    }
    if report.ok { Exit::Good } else { Exit::Red }
}

/// One line: what ran, was cached, failed, was skipped, the time, the money, and what of both was saved.
pub(super) fn closing_line(report: &Report, terminal: &Terminal) -> String {
    let summary = &report.summary;
    let word = match (report.interrupted_by, report.ok) {
        (Some(_), _) => "interrupted",
        (None, _) if report.outdated => "outdated",
        (None, true) if summary.ran() == 0 => "nothing to do",
        (None, true) => "done",
        (None, false) if summary.awaits_approval() > 0 && is_only_waiting(summary) => "waiting",
        (None, false) => "failed",
    };
    let colour = if report.ok { "32" } else { "31" };
    let word = if terminal.color_err() { format!("\x1b[1;{colour}m{word}\x1b[0m") } else { word.to_owned() };
    let mut parts = Vec::new();
    for (count, what) in [
        (summary.ran(), "ran"),
        (summary.cached(), "cached"),
        (summary.failed(), "failed"),
        (summary.skipped(), "skipped"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let mut line = format!("{word}: {} in {}", parts.join(", "), format_duration_ms(report.wall_ms));
    if summary.spent.cost_micro_usd > 0 {
        line.push_str(&format!(", {} spent", format_micro_usd(summary.spent.cost_micro_usd)));
    }
    line.push_str(&saved(summary.saved_ms, summary.saved_micro_usd));
    if !summary.red_gates.is_empty() {
        line.push_str(&format!("; red gates of the plan: {}", summary.red_gates.join(", ")));
    }
    let waiting: Vec<&TaskName> = summary
        .settled
        .iter()
        .filter(|(_, settled)| matches!(settled.outcome, Outcome::AwaitsApproval { .. }))
        .map(|(task, _)| task)
        .collect();
    if let Some(first) = waiting.first() {
        let (are, more) = if waiting.len() == 1 { ("waits", "") } else { ("wait", ", ...") };
        line.push_str(&format!(
            "; {} {are} for approval: orca diff {first}, orca approve {first}{more}",
            waiting.len()
        ));
    }
    line.push('\n');
    line
}

/// The closing line of a build with nothing to do, where nobody had to build to know that.
pub(super) fn nothing_to_do(
    cached: u64,
    wall_ms: u64,
    saved_ms: u64,
    saved_micro_usd: u64,
    terminal: &Terminal,
) -> String {
    let word = if terminal.color_err() { "\x1b[1;32mnothing to do\x1b[0m" } else { "nothing to do" };
    let counts = if cached > 0 { format!("{cached} cached") } else { String::new() };
    let mut line = format!("{word}: {counts} in {}", format_duration_ms(wall_ms));
    line.push_str(&saved(saved_ms, saved_micro_usd));
    line.push('\n');
    line
}

/// What of time and money was saved, if anything was.
fn saved(saved_ms: u64, saved_micro_usd: u64) -> String {
    let time = (saved_ms > 0).then(|| format_duration_ms(saved_ms));
    let money = (saved_micro_usd > 0).then(|| format_micro_usd(saved_micro_usd));
    let saved: Vec<String> = time.into_iter().chain(money).collect();
    if saved.is_empty() { String::new() } else { format!(", {} saved", saved.join(" and ")) }
}

/// Whether nothing is wrong but that results wait for a person.
fn is_only_waiting(summary: &Summary) -> bool {
    summary.failed() == 0 && summary.red_gates.is_empty()
}
