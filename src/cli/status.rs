//! `orca status`: where the project stands. Executes nothing, writes nothing.

use std::fmt::Write as _;

use super::args::{Args, JsonArgs};
use super::terminal::Terminal;
use super::{CliError, Exit, look, versioned};
use crate::base::{TaskName, bounded, counted, format_duration_ms, sanitize_line};
use crate::engine::{EditedPath, LastRun, LockStanding, PlanGate, Status, now_ms};

/// Tasks and paths that are named of each kind.
const NAMED_MAX: usize = 50;

pub(super) fn run(args: &Args, status: &JsonArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let look = match look(args, &[], false, terminal)? {
        Ok(look) => look,
        Err(exit) => return Ok(exit),
    };
    let found = look.status()?;
    terminal.out(&if status.json { in_json(&found) } else { told(&found) });
    Ok(Exit::Good)
}

/// The status for programs.
pub(super) fn in_json(status: &Status) -> String {
    format!("{}\n", versioned(status))
}

/// The status for people.
pub(super) fn told(status: &Status) -> String {
    let mut out = String::new();
    let counts: Vec<String> = status.counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let _ = writeln!(out, "{}: {}: {}", status.plan, counted(status.tasks as u64, "task"), counts.join(", "));
    if let Some(run) = &status.last_run {
        let _ = writeln!(out, "last run: {}", last_run(run, status.building.is_some()));
    }
    if let Some(building) = &status.building {
        let _ = writeln!(out, "building now: {building}");
    }
    if let Some(run) = status.undoing {
        let _ = writeln!(out, "undoing run {run} was interrupted: `orca undo` finishes it, as the next build does");
    }
    let not_clean = status.not_clean.iter().map(|one| format!("{:9} {}: {}", one.state, one.task, line(&one.because)));
    section("not clean", not_clean, &mut out);
    let to_restore = status.to_restore.iter().map(|one| format!("{}: {}", one.task, counted(one.files, "file")));
    let approvals = status.awaits_approval.iter().map(|task| format!("{task}: orca diff {task}, orca approve {task}"));
    section("waiting for approval", approvals, &mut out);
    section("clean, with files that a build would restore", to_restore, &mut out);
    let drifted = status.drifted.iter().map(|one| format!("{} (of {})", line(one.path.as_str()), one.task));
    section(
        "outputs of agents that were edited since; they stay as they are (`orca diff` shows how)",
        drifted,
        &mut out,
    );
    let edits = |paths: &[EditedPath]| paths.iter().map(edited).collect::<Vec<_>>().into_iter();
    section(
        "edited since orca changed them; your version stays (`orca diff` shows how, `orca rebase` makes it the base)",
        edits(&status.drifted_edits),
        &mut out,
    );
    section("accepted, and not in place yet (`orca build` does that)", edits(&status.unplaced), &mut out);
    let pending = status.pending.iter().map(|one| format!("{} (of {})", line(one.path.as_str()), one.task));
    section("being written when a build was killed; the next one finishes them", pending, &mut out);
    section("orca.lock", lock(&status.lock).into_iter(), &mut out);
    let warned = status.gate_warnings.iter();
    let warned = warned.map(|gate| format!("{} of {}: {}", gate.gate, gate.task, line(&gate.message)));
    section("gates that warn", warned, &mut out);
    let of_plan = status.plan_gates.iter().filter(|gate| gate.verdict != "passed");
    let of_plan: Vec<String> = of_plan.flat_map(gate_of_plan).collect();
    section("gates of the plan", of_plan.into_iter(), &mut out);
    out
}

fn edited(path: &EditedPath) -> String {
    let tasks: Vec<&str> = path.tasks.iter().take(5).map(TaskName::as_str).collect();
    let more = if path.tasks.len() > tasks.len() { ", ..." } else { "" };
    match tasks.is_empty() {
        true => line(path.path.as_str()),
        false => format!("{} (by {}{more})", line(path.path.as_str()), tasks.join(", ")),
    }
}

/// What a gate of the plan says, and the end of its output.
fn gate_of_plan(gate: &PlanGate) -> Vec<String> {
    let head = if gate.is_open() { String::new() } else { format!(": {}", line(&gate.message)) };
    let head = format!("{}: {}{head}", gate.gate, gate.verdict);
    std::iter::once(head).chain(gate.details.iter().map(|detail| format!("  {}", line(detail)))).collect()
}

/// What there is to say about the lock.
fn lock(lock: &LockStanding) -> Option<String> {
    match lock {
        LockStanding::None | LockStanding::UpToDate => None,
        LockStanding::Missing => Some("there is none; a build writes it".to_owned()),
        LockStanding::Outdated { tasks } => {
            let names: Vec<&str> = tasks.iter().map(|task| task.as_str()).collect();
            let of = if names.is_empty() { String::new() } else { format!(" of {}", names.join(", ")) };
            Some(line(&format!("a build writes it anew: it does not say what is on record{of}")))
        }
    }
}

fn last_run(run: &LastRun, building: bool) -> String {
    let ago = |ms: u64| format_duration_ms(now_ms().saturating_sub(ms));
    let how = match (run.ok, run.ended_ms) {
        (Some(ok), Some(ended_ms)) => format!("{}, {} ago", if ok { "good" } else { "red" }, ago(ended_ms)),
        _ if building => format!("began {} ago", ago(run.started_ms)),
        _ => format!("did not end, began {} ago", ago(run.started_ms)),
    };
    format!("run {}, `orca {}`: {how}", run.run, line(&run.args.join(" ")))
}

fn section(title: &str, lines: impl ExactSizeIterator<Item = String>, out: &mut String) {
    let all = lines.len();
    if all == 0 {
        return;
    }
    let _ = writeln!(out, "{title}:");
    for line in lines.take(NAMED_MAX) {
        let _ = writeln!(out, "  {line}");
    }
    if all > NAMED_MAX {
        let _ = writeln!(out, "  and {} more", all - NAMED_MAX);
    }
}

fn line(text: &str) -> String {
    sanitize_line(&bounded(text, 300))
}
