//! `orca build`.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};

use super::args::{Args, BuildArgs, Schedule};
use super::ask::AtTerminal;
use super::closing::{self, Closing};
use super::progress::Progress;
use super::shortcut::{self, Changed};
use super::terminal::Terminal;
use super::{CliError, Exit, check, dry_run, locked, open_valid_traced, signals, watch};
use crate::base::{TaskName, sanitize_line};
use crate::engine::{
    self, BuildOptions, Built, Host, Listener, Parties, Person, Power, ProfileFile, Reins, Report, Summary,
    monotonic_us,
};
use crate::event::{Outcome, Trace};
use crate::report::ProfileHeader;

/// Builds. `changed` is what is known to have changed since the last build.
pub(super) fn run(
    args: &Args,
    build: &BuildArgs,
    changed: Option<Box<Changed>>,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    if build.dry_run {
        return dry_run::run(args, build, terminal);
    }
    if build.watch {
        return watch::run(args, build, terminal);
    }
    let Some(file) = &build.profile else {
        return built(args, build, changed, &Trace::default(), terminal);
    };
    let shown = sanitize_line(&file.display().to_string());
    let cannot = |error: io::Error| CliError::World(format!("cannot write the profile `{shown}`: {error}"));
    let file = ProfileFile::at(&args.directory().join(file)).map_err(&cannot)?;
    let trace = Trace::on(monotonic_us);
    let ended = built(args, build, None, &trace, terminal);
    let header = ProfileHeader {
        version: env!("CARGO_PKG_VERSION"),
        args: &command_line(build),
        ended: match &ended {
            Ok(Exit::Good) => "good",
            Ok(Exit::Red) => "red",
            Ok(Exit::Signal(_)) => "interrupted",
            Ok(Exit::Usage | Exit::Invalid | Exit::World) | Err(_) => "did not run to its end",
        },
    };
    let written = file.write(&trace, &header);
    match ended {
        Ok(Exit::Good) => written.map(|()| Exit::Good).map_err(cannot),
        ended => {
            // What went wrong with the build is what its exit code says.
            if let Err(error) = written {
                terminal.error(&cannot(error).to_string());
            }
            ended
        }
    }
}

/// Builds, and tells the trace what takes how long.
fn built(
    args: &Args,
    build: &BuildArgs,
    changed: Option<Box<Changed>>,
    trace: &Trace,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    if build.locked
        && let Some(exit) = locked::refuse(args, build, terminal)?
    {
        return Ok(exit);
    }
    // A profile shows the whole way.
    let changed = changed.or_else(|| changed_of(args, build)).filter(|_| !trace.is_on());
    if let Some(changed) = changed
        && let Some(exit) = run_part(args, build, &changed, terminal)?
    {
        return Ok(exit);
    }
    let session = match open_valid_traced(args, trace.clone(), terminal)? {
        Ok(session) => session,
        Err(exit) => return Ok(exit),
    };
    if build.step && !terminal.is_interactive() {
        terminal.error("--step asks before each layer and needs a terminal");
        return Ok(Exit::Usage);
    }
    let options = options(build, terminal.is_interactive() && !build.json);
    let questions = build.step || options.asks && session.plan().tasks.values().any(|task| task.approval);
    let (progress, listener) = watched(build, questions, terminal);
    let built = engine::build(session, &options, Arc::new(AtTerminal), listener, signals::listen)?;
    progress.lock().expect("progress does not panic").finish();
    Ok(told(built, build, terminal))
}

/// What has changed since the last build, where this is one of everything that shows more than others.
fn changed_of(args: &Args, build: &BuildArgs) -> Option<Box<Changed>> {
    let is_plain = build.tasks.is_empty() && !(build.force || build.locked || build.step);
    let is_asked = is_plain && (build.json || build.verbose) && build.schedule != Schedule::Layers;
    is_asked.then(|| shortcut::changed(args.directory.as_deref())).flatten()
}

/// Builds the part of the plan that the changes concern; `None` where the whole is to be built.
fn run_part(args: &Args, build: &BuildArgs, changed: &Changed, terminal: &Terminal) -> Result<Option<Exit>, CliError> {
    let (progress, listener) = watched(build, false, terminal);
    let person: Arc<dyn Person> = Arc::new(AtTerminal);
    let parties = Parties { person: &person, listener: &listener, listen: &signals::listen, reins: &Reins::default() };
    let Changed { hot, changes } = changed;
    let options = options(build, terminal.is_interactive() && !build.json);
    let built = engine::build_part(&Host::from_env()?, args.directory(), hot, changes, &options, &parties)?;
    progress.lock().expect("progress does not panic").finish();
    Ok(built.map(|built| told(built, build, terminal)))
}

/// What shows a build, and who hears of its events.
fn watched(build: &BuildArgs, questions: bool, terminal: &Terminal) -> (Arc<Mutex<Progress>>, Listener) {
    let progress = Arc::new(Mutex::new(Progress::new(build.json, build.volume(), questions, terminal)));
    let for_listener = Arc::clone(&progress);
    let listener: Listener = Arc::new(move |record| {
        for_listener.lock().expect("progress does not panic").take(record);
    });
    (progress, listener)
}

/// Says how it ended.
fn told(built: Built, build: &BuildArgs, terminal: &Terminal) -> Exit {
    match built {
        Built::Invalid { findings, documents } => {
            check::refuse(&findings, &documents, terminal);
            Exit::Invalid
        }
        Built::Untrusted(powers) => untrusted(&powers, terminal),
        Built::Ran(report) => {
            if !build.json {
                if let Some(why) = report.unwitnessed.as_ref().filter(|_| build.verbose) {
                    terminal.err(&format!("note: the next build looks at everything again: {why}\n"));
                }
                terminal.err(&closing_line(&report, terminal));
            }
            exit(&report, terminal)
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
        (None, true) if summary.ran() == 0 && summary.restored() == 0 => closing::NOTHING_TO_DO,
        (None, true) => "done",
        (None, false) if summary.awaits_approval() > 0 && is_only_waiting(summary) => "waiting",
        (None, false) => "failed",
    };
    let mut line = Closing {
        word,
        is_good: report.ok,
        ran: summary.ran(),
        cached: summary.cached(),
        restored: summary.restored(),
        failed: summary.failed(),
        skipped: summary.skipped(),
        wall_ms: report.wall_ms,
        spent_micro_usd: summary.spent.cost_micro_usd,
        saved_ms: summary.saved_ms,
        saved_micro_usd: summary.saved_micro_usd,
    }
    .to_line(terminal.color_err());
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

/// Whether nothing is wrong but that results wait for a person.
fn is_only_waiting(summary: &Summary) -> bool {
    summary.failed() == 0 && summary.red_gates.is_empty()
}
