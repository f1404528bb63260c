//! `orca build -n`: what would run, and why. Executes nothing, writes nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::args::{Args, BuildArgs};
use super::terminal::Terminal;
use super::{CliError, Exit, check, look, versioned};
use crate::base::{TaskName, bounded, counted, sanitize_line};
use crate::engine::{Displaced, Look, PlanGate, Prospect, TaskPath};

/// What a build would do.
#[derive(Serialize)]
struct DryRun {
    tasks: Vec<Planned>,
    counts: BTreeMap<&'static str, u64>,
    plan_gates: Vec<PlanGate>,
    #[serde(flatten)]
    displaced: Displaced,
}

#[derive(Serialize)]
struct Planned {
    task: TaskName,
    layer: u32,
    #[serde(flatten)]
    prospect: Prospect,
}

pub(super) fn run(args: &Args, build: &BuildArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let look = match look(args, &build.tasks, build.force, terminal)? {
        Ok(look) => look,
        Err(exit) => return Ok(exit),
    };
    if !look.oversized.is_empty() {
        check::refuse(&look.oversized, &look.documents, terminal);
        return Ok(Exit::Invalid);
    }
    let planned = DryRun::of(&look)?;
    if build.json {
        terminal.line(&versioned(&planned).to_string());
    } else {
        terminal.out(&planned.told(build.verbose));
    }
    Ok(Exit::Good)
}

impl DryRun {
    fn of(look: &Look) -> Result<Self, CliError> {
        let planned = |ix| Planned {
            task: look.name(ix).clone(),
            layer: look.resolver.graph.layer(ix),
            prospect: look.prospect(ix),
        };
        let tasks: Vec<Planned> = look.tasks().map(planned).collect();
        let mut counts = BTreeMap::new();
        for task in &tasks {
            *counts.entry(word(&task.prospect)).or_default() += 1;
        }
        Ok(Self { tasks, counts, plan_gates: look.plan_gates(), displaced: look.displaced()? })
    }

    fn told(&self, verbose: bool) -> String {
        let mut out = String::new();
        for Planned { task, prospect, .. } in &self.tasks {
            let why = match prospect {
                Prospect::Nothing if verbose => "nothing changed".to_owned(),
                Prospect::Nothing => continue,
                Prospect::Restore { files } => format!("{}, from the cache", counted(*files, "file")),
                Prospect::Maybe { on } => format!("depends on what `{on}` brings"),
                Prospect::Judge { because }
                | Prospect::Hold { because }
                | Prospect::Run { because }
                | Prospect::Fail { because } => sanitize_line(&bounded(because, 300)),
            };
            let _ = writeln!(out, "{:>7} {task}: {why}", word(prospect));
        }
        for gate in self.plan_gates.iter().filter(|gate| verbose || gate.verdict != "passed") {
            let _ = writeln!(out, "{}", of_plan(gate));
        }
        for path in &self.displaced.removes {
            let _ = writeln!(out, "{:>7} {}: no task writes it any more", "remove", sanitize_line(path.as_str()));
        }
        for TaskPath { task, path } in &self.displaced.replaces {
            let path = sanitize_line(path.as_str());
            let _ = writeln!(
                out,
                "{:>7} {path} (of {task}): it is not what orca put there; it would be kept in .orca/replaced",
                "replace"
            );
        }
        let count = |word| self.counts.get(word).copied().unwrap_or(0);
        let would = count("run") + count("judge");
        let clean = count("nothing") + count("restore");
        let fail = match count("fail") {
            0 => String::new(),
            fail => format!(" {fail} would fail,"),
        };
        let fail = match count("hold") {
            0 => fail,
            hold => format!("{fail} {hold} would wait for approval,"),
        };
        let maybe = count("maybe");
        let _ = writeln!(out, "{would} would run, {maybe} may,{fail} {clean} are up to date; nothing was run");
        out
    }
}

/// What a build would do with a gate of the plan, and what there is to say about it.
fn of_plan(gate: &PlanGate) -> String {
    let name = &gate.gate;
    if gate.is_open() {
        return format!("{:>7} gate {name} of the plan: it would judge the whole, once every task is good", "judge");
    }
    let would = if gate.is_red() { "fail" } else { "nothing" };
    let mut text = format!("{would:>7} gate {name} of the plan: {}: {}", gate.verdict, sanitize_line(&gate.message));
    for detail in &gate.details {
        let _ = write!(text, "\n        {}", sanitize_line(&bounded(detail, 300)));
    }
    text
}

fn word(prospect: &Prospect) -> &'static str {
    match prospect {
        Prospect::Nothing => "nothing",
        Prospect::Restore { .. } => "restore",
        Prospect::Judge { .. } => "judge",
        Prospect::Hold { .. } => "hold",
        Prospect::Run { .. } => "run",
        Prospect::Maybe { .. } => "maybe",
        Prospect::Fail { .. } => "fail",
    }
}
