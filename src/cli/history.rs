//! `orca report`: what a run did and took. Executes nothing, and writes nothing but the file that it is asked for.

use std::fmt::Write as _;
use std::path::Path;

use super::args::{Args, ReportArgs};
use super::terminal::Terminal;
use super::{CliError, Exit, project, versioned};
use crate::base::{bounded, counted, format_count, format_duration_ms, format_micro_usd, format_size, sanitize_line};
use crate::engine::{
    EngineError, Host, Project, RunReport, TaskReport, now_ms, run_page, write_page, write_whole_file,
};
use crate::event::Outcome;
use crate::gates::{junit, sarif};
use crate::report::page::html;
use crate::store::Journal;

pub(super) fn run(args: &Args, report: &ReportArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let project = project(args)?;
    let journal = Journal::open_readonly(&project.state()).map_err(EngineError::from)?;
    let found = match &journal {
        Some(journal) => RunReport::of(journal, report.run)?,
        None => None,
    };
    let Some(found) = found else {
        let kept = journal.map_or(Ok(None), |journal| RunReport::kept(&journal))?;
        let said = match (report.run, kept) {
            (Some(run), Some((first, last))) => format!("no run {run}; it has runs {first} to {last}"),
            _ => "no run; `orca build` makes one".to_owned(),
        };
        return Err(CliError::World(format!("the journal has {said}")));
    };
    if let Some(file) = &report.html {
        let journal = journal.as_ref().expect("it has a run");
        page(&project, journal, found.run, file.as_deref(), args, terminal)?;
    } else if let Some(file) = &report.sarif {
        put(&sarif(&found.outcomes()), file.as_deref(), args, terminal)?;
    } else if let Some(file) = &report.junit {
        put(&junit(&found.outcomes()), file.as_deref(), args, terminal)?;
    } else if report.json {
        terminal.line(&versioned(&found).to_string());
    } else {
        let running = found.ok.is_none() && project.building().map_err(EngineError::from)?.is_some();
        terminal.out(&told(&found, running));
    }
    Ok(Exit::Good)
}

/// Writes the page of a run, and says where it is.
fn page(
    project: &Project,
    journal: &Journal,
    run: u64,
    file: Option<&Path>,
    args: &Args,
    terminal: &Terminal,
) -> Result<(), CliError> {
    let found = run_page(project, journal, &Host::from_env()?, Some(run))?;
    let page = html(&found.ok_or_else(|| CliError::World(format!("the journal has lost run {run}")))?);
    match file {
        Some(file) => put(&page, Some(file), args, terminal),
        None => {
            let path = write_page(project, run, &page)?;
            terminal.line(&sanitize_line(&path.beneath(project.root()).display().to_string()));
            Ok(())
        }
    }
}

/// Prints a report, or writes it to a file.
fn put(text: &str, file: Option<&Path>, args: &Args, terminal: &Terminal) -> Result<(), CliError> {
    let Some(file) = file.filter(|file| *file != Path::new("-")) else {
        terminal.out(text);
        return Ok(());
    };
    write_whole_file(&args.directory().join(file), text).map_err(|error| {
        let file = sanitize_line(&file.display().to_string());
        CliError::World(format!("cannot write `{file}`: {error}"))
    })
}

/// The report for people.
fn told(report: &RunReport, running: bool) -> String {
    let mut out = String::new();
    let ago = format_duration_ms(now_ms().saturating_sub(report.started_ms));
    let ended = match (report.interrupted_by, report.ok) {
        (Some(signal), _) => format!("interrupted by signal {signal}"),
        (None, Some(true)) => "good".to_owned(),
        (None, Some(false)) => "red".to_owned(),
        (None, None) if running => "not done yet".to_owned(),
        (None, None) => "did not end".to_owned(),
    };
    let args = sanitize_line(&bounded(&report.args.join(" "), 200));
    let _ = writeln!(out, "run {}, `orca {args}`, {ago} ago: {ended}", report.run);
    let _ = writeln!(out, "{}, sandbox: {}", counted(report.jobs, "job"), sanitize_line(&report.sandbox));
    tasks(report, &mut out);
    if report.untouched > 0 {
        let more = if report.tasks.is_empty() { "" } else { "more " };
        let tasks = if report.untouched == 1 { "task" } else { "tasks" };
        let _ = writeln!(out, "{} {more}{tasks} cached: nothing that they depend on changed", report.untouched);
    }
    for gate in &report.gates {
        let of = gate.task.as_ref().map_or_else(|| "the plan".to_owned(), ToString::to_string);
        let known = if gate.cached { ", known already".to_owned() } else { took(gate.wall_ms) };
        let cost = match gate.cost_micro_usd {
            0 => String::new(),
            cost => format!(", {}", format_micro_usd(cost)),
        };
        let said = match gate.verdict.as_str() {
            "passed" => String::new(),
            _ => format!(": {}", sanitize_line(&bounded(&gate.message, 200))),
        };
        let _ = writeln!(out, "gate {} of {of}: {}{known}{cost}{said}", gate.gate, sanitize_line(&gate.verdict));
    }
    for layer in &report.layers {
        let _ = writeln!(
            out,
            "layer {}: {} ran, {} of work in {}{}",
            layer.layer + 1,
            layer.tasks,
            format_duration_ms(layer.work_ms),
            format_duration_ms(layer.span_ms),
            factor(layer.speed_up),
        );
    }
    if report.span_ms > 0 {
        let (work, span) = (format_duration_ms(report.work_ms), format_duration_ms(report.span_ms));
        let _ = writeln!(out, "all layers: {work} of work in {span}{}", factor(report.speed_up));
    }
    let _ = writeln!(out, "the whole run took {}", format_duration_ms(report.wall_ms));
    money(report, &mut out);
    let time = (report.saved_ms > 0).then(|| format_duration_ms(report.saved_ms));
    let cost = (report.saved_micro_usd > 0).then(|| format_micro_usd(report.saved_micro_usd));
    let saved: Vec<String> = time.into_iter().chain(cost).collect();
    if !saved.is_empty() {
        let _ = writeln!(out, "{} saved by the cache", saved.join(" and "));
    }
    out
}

/// What agents used, and how much of it came to nothing.
fn money(report: &RunReport, out: &mut String) {
    let spent = report.spent;
    if spent.is_nothing() {
        return;
    }
    let cached = match spent.cached_input_tokens {
        0 => String::new(),
        cached => format!(" ({} of them cached)", format_count(cached)),
    };
    let failed = match report.failed_micro_usd {
        0 => String::new(),
        failed => format!(", {} of it by attempts that failed", format_micro_usd(failed)),
    };
    let _ = writeln!(
        out,
        "agents: {} spent{failed}; {} tokens in{cached}, {} out",
        format_micro_usd(spent.cost_micro_usd),
        format_count(spent.input_tokens),
        format_count(spent.output_tokens),
    );
}

fn tasks(report: &RunReport, out: &mut String) {
    let width = report.tasks.iter().map(|task| task.task.as_str().len()).max().unwrap_or(4).clamp(4, 40);
    let title = ["outcome", "time", "cpu", "memory", "attempts"];
    // Where no agent ran there is nothing to say in these columns.
    let has_agents = report.tasks.iter().any(|task| !task.spent.is_nothing());
    let of_agents = if has_agents { format!(" {:>9} {:>8}", "cost", "tokens") } else { String::new() };
    let _ = writeln!(
        out,
        "{:width$}  {:8} {:>9} {:>9} {:>9} {:>8}{of_agents}",
        "task", title[0], title[1], title[2], title[3], title[4]
    );
    for task in &report.tasks {
        let (outcome, why) = outcome(&task.outcome);
        let mut numbers = if task.attempts > 0 { numbers(task) } else { String::new() };
        if !task.spent.is_nothing() {
            let _ = write!(numbers, " {:>9} {:>8}", cost(task), format_count(tokens(task)));
        }
        let line = format!("{:width$}  {outcome:8}{numbers}{why}", task.task.as_str());
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn numbers(task: &TaskReport) -> String {
    let known = |value: u64, text: String| if value == 0 { "-".to_owned() } else { text };
    let (wall, cpu) = (format_duration_ms(task.wall_ms), format_duration_ms(task.cpu_ms));
    let (cpu, memory) = (known(task.cpu_ms, cpu), known(task.peak_memory_bytes, format_size(task.peak_memory_bytes)));
    format!(" {wall:>9} {cpu:>9} {memory:>9} {:>8}", task.attempts)
}

fn cost(task: &TaskReport) -> String {
    match task.spent.cost_micro_usd {
        0 => "-".to_owned(),
        cost => format_micro_usd(cost),
    }
}

fn tokens(task: &TaskReport) -> u64 {
    task.spent.input_tokens.saturating_add(task.spent.output_tokens)
}

fn outcome(outcome: &Outcome) -> (&'static str, String) {
    let line = |text: &str| format!("  {}", sanitize_line(&bounded(text, 200)));
    match outcome {
        Outcome::Ran => ("ran", String::new()),
        Outcome::Cached { restored: 0, .. } => ("cached", String::new()),
        Outcome::Cached { restored, .. } => ("cached", format!("  {} restored", counted(*restored, "file"))),
        Outcome::AwaitsApproval { files } => ("waits", format!("  for approval of {}", counted(*files, "file"))),
        Outcome::Failed(failure) => ("failed", line(&failure.message)),
        Outcome::Skipped { because } => ("skipped", line(because)),
    }
}

fn took(wall_ms: u64) -> String {
    format!(", {}", format_duration_ms(wall_ms))
}

fn factor(speed_up: Option<f64>) -> String {
    speed_up.map_or_else(String::new, |factor| format!(" (speed-up {factor:.2})"))
}
