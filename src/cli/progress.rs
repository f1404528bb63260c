//! What a build shows while it runs: a fold over its events. Lines where nobody watches, a live view on a terminal.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::Volume;
use super::terminal::Terminal;
use crate::base::{FailureKind, Name, TaskName, counted, format_duration_ms, format_micro_usd, sanitize_line};
use crate::engine::now_ms;
use crate::event::{Event, EventRecord, Failure, GateFinding, Outcome, Spent, Usage, is_green};
use crate::report::{RenderOptions, render_gate_findings};

/// Running tasks shown at a time.
const SHOWN_MAX: usize = 12;
/// Lines of a failure's details.
const DETAILS_MAX: usize = 30;
/// Lines of a task's output: of one that failed, of one that is good, and of an earlier run that is not done again.
const FAILED_LINES_MAX: usize = 200;
const RAN_LINES_MAX: usize = 100;
const REPLAYED_LINES_MAX: usize = 10;

/// The state of the view.
pub(super) struct Progress {
    json: bool,
    volume: Volume,
    color: bool,
    drawing: RenderOptions,
    is_watched: bool,
    live: Option<Live>,
    outputs: BTreeMap<TaskName, String>,
}

/// The live view: one bar for the whole, one line for each of the first running tasks.
struct Live {
    view: MultiProgress,
    whole: ProgressBar,
    tasks: BTreeMap<TaskName, ProgressBar>,
    layers: (u64, u64),
    /// Agents that are paused, until when, in milliseconds since the epoch.
    paused: BTreeMap<Name, u64>,
}

impl Progress {
    pub(super) fn new(json: bool, volume: Volume, step: bool, terminal: &Terminal) -> Self {
        // A question and a view that redraws itself do not go together.
        let is_watched = !json && !step && volume != Volume::Quiet && io::stderr().is_terminal();
        let color = terminal.color_err();
        let drawing = RenderOptions { color, width: terminal.width(), unicode: true };
        Self { json, volume, color, drawing, is_watched, live: None, outputs: BTreeMap::new() }
    }

    /// Takes one event.
    pub(super) fn take(&mut self, record: &EventRecord) {
        if self.json {
            let line = serde_json::to_string(record).expect("events are plain data");
            write_out(&line);
            return;
        }
        if self.is_watched && matches!(record.event, Event::RunStarted { .. }) {
            // Not before: there may be questions until then.
            self.live = Some(Live::new());
        }
        if let Some(live) = &mut self.live {
            live.take(&record.event);
        }
        self.tell(&record.event);
    }

    /// Takes the view down.
    pub(super) fn finish(&mut self) {
        if let Some(live) = self.live.take() {
            live.whole.finish_and_clear();
            // What cannot be cleared stays on the screen.
            let _ = live.view.clear();
        }
    }

    fn tell(&mut self, event: &Event) {
        match event {
            Event::Notice { warning, message } if *warning || !self.is_quiet() => {
                let word = if *warning { self.painted("33", "warning") } else { "note".to_owned() };
                self.say(&format!("{word}: {}", crate::base::sanitize_terminal(message)));
            }
            Event::TaskOutput { task, text } => {
                self.outputs.insert(task.clone(), text.clone());
            }
            Event::AttemptFailed { task, attempt, failure, retry_in_ms: Some(wait_ms), .. } => {
                let wait = format_duration_ms(*wait_ms);
                let next = match failure.kind {
                    // Of the agent's pause there is a line of its own, and of the one that takes over.
                    FailureKind::RateLimit | FailureKind::Auth if *wait_ms == 0 => {
                        "another agent takes over".to_owned()
                    }
                    FailureKind::RateLimit => format!("it does not count; again in {wait}"),
                    _ => format!("again in {wait}"),
                };
                let (word, message) = (self.painted("33", " retry"), sanitize_line(&failure.message));
                self.say(&format!("{word} {task}: attempt {attempt}: {message}; {next}"));
                self.detail(failure);
            }
            Event::AgentPaused { agent, until_ms, tasks, .. } => {
                let word = self.painted("33", " pause");
                self.say(&format!("{word} {}", paused(agent, *until_ms, *tasks, now_ms())));
            }
            Event::AgentStopped { agent, message, fallback, .. } => {
                let next = match fallback {
                    Some(fallback) => format!("agent `{fallback}` takes over"),
                    None => "none of its tasks is started any more".to_owned(),
                };
                let (word, message) = (self.painted("33", "  stop"), sanitize_line(message));
                self.say(&format!("{word} agent `{agent}` cannot go on: {message}; {next}"));
            }
            Event::GateJudged { task, gate, verdict, message, findings, details, .. } => {
                let of = task.as_ref().map_or_else(|| "the plan".to_owned(), ToString::to_string);
                let is_green = is_green(verdict);
                let is_told = self.is_verbose() || !is_green || verdict == "warning";
                if is_told {
                    let message = sanitize_line(message);
                    self.say(&match task {
                        None if !is_green => {
                            format!("{} gate {gate} of the plan: {message}", self.painted("1;31", "FAILED"))
                        }
                        _ => format!("{} {gate} of {of}: {verdict}: {message}", self.painted("33", "  gate")),
                    });
                    self.found(findings);
                }
                self.lines(details);
            }
            Event::GateBlamed { gate, task, by_hand, .. } => {
                let word = self.painted("1;31", " blame");
                self.say(&match task {
                    None if *by_hand => format!(
                        "{word} gate {gate} of the plan: green without what was edited by hand since (`orca diff`), red with it"
                    ),
                    Some(task) => {
                        format!("{word} gate {gate} of the plan: green without `{task}`, red with its result")
                    }
                    None => format!("{word} gate {gate} of the plan: red without the results of any task"),
                });
            }
            Event::TaskFinished { task, outcome, usage, spent, .. } => self.finished(task, outcome, *usage, *spent),
            _ => {}
        }
    }

    fn finished(&mut self, task: &TaskName, outcome: &Outcome, usage: Usage, spent: Spent) {
        let output = self.outputs.remove(task);
        match outcome {
            // Not even what it said.
            Outcome::Ran | Outcome::Cached { .. } if self.is_quiet() => return,
            Outcome::Ran => {
                let mut took = format_duration_ms(usage.wall_ms);
                if spent.cost_micro_usd > 0 {
                    took.push_str(&format!(", {}", format_micro_usd(spent.cost_micro_usd)));
                }
                self.say(&format!("{} {task} ({took})", self.painted("32", "   ran")));
            }
            Outcome::Cached { restored, .. } if *restored > 0 => {
                let files = counted(*restored, "file");
                self.say(&format!("{} {task} ({files} restored)", self.painted("36", "cached")));
            }
            Outcome::Cached { .. } => {
                if self.is_verbose() || output.is_some() {
                    self.say(&format!("{} {task}", self.painted("36", "cached")));
                }
            }
            Outcome::AwaitsApproval { files } => {
                let (word, files) = (self.painted("33", "  hold"), counted(*files, "file"));
                self.say(&format!("{word} {task}: its result ({files}) waits: orca diff {task}, orca approve {task}"));
            }
            Outcome::Failed(failure) => self.failed(task, failure),
            Outcome::Skipped { because } => {
                self.say(&format!("{} {task}: {because}", self.painted("33", "  skip")));
            }
        }
        if let Some(output) = output {
            self.say(&indented(task, &output, self.lines_max(outcome)));
        }
    }

    /// Shows the log of a task again that is known to be done.
    pub(super) fn replay(&mut self, task: TaskName, text: String) {
        let done = Outcome::Cached { restored: 0, saved_ms: 0, saved_micro_usd: 0 };
        self.outputs.insert(task.clone(), text);
        self.finished(&task, &done, Usage::default(), Spent::default());
    }

    fn is_quiet(&self) -> bool {
        self.volume == Volume::Quiet
    }

    fn is_verbose(&self) -> bool {
        self.volume == Volume::Verbose
    }

    fn lines_max(&self, outcome: &Outcome) -> usize {
        match outcome {
            Outcome::Failed(_) => FAILED_LINES_MAX,
            Outcome::Cached { .. } if !self.is_verbose() => REPLAYED_LINES_MAX,
            _ => RAN_LINES_MAX,
        }
    }

    fn failed(&self, task: &TaskName, failure: &Failure) {
        self.say(&format!("{} {task}: {}", self.painted("1;31", "FAILED"), failure.message));
        self.detail(failure);
    }

    /// The details of a failure. What a gate had to say was told when it judged.
    fn detail(&self, failure: &Failure) {
        if !matches!(failure.kind, FailureKind::Gate | FailureKind::GateError) {
            self.lines(&failure.details);
        }
    }

    /// What a gate found, drawn over the lines it is about.
    fn found(&self, findings: &[GateFinding]) {
        let drawn = render_gate_findings(findings, self.drawing);
        drawn.trim_end().lines().for_each(|line| self.say(format!("       {line}").trim_end()));
    }

    fn lines(&self, details: &[String]) {
        for detail in details.iter().take(DETAILS_MAX) {
            self.say(&format!("       {}", sanitize_line(detail)));
        }
    }

    fn painted(&self, colour: &str, word: &str) -> String {
        if self.color { format!("\x1b[{colour}m{word}\x1b[0m") } else { word.to_owned() }
    }

    fn say(&self, text: &str) {
        match &self.live {
            // A terminal that cannot be written has nobody before it.
            Some(live) => drop(live.view.println(text)),
            None => write_err(text),
        }
    }
}

impl Live {
    fn new() -> Self {
        let view = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let whole = view.add(ProgressBar::new(0));
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} tasks, {msg}{elapsed} elapsed, {eta} to go");
        whole.set_style(style.expect("the template is right"));
        whole.enable_steady_tick(Duration::from_millis(200));
        Self { view, whole, tasks: BTreeMap::new(), layers: (0, 0), paused: BTreeMap::new() }
    }

    fn take(&mut self, event: &Event) {
        match event {
            Event::RunStarted { tasks, layers, .. } => {
                self.whole.set_length(*tasks);
                self.layers = (0, *layers);
                self.show_layers();
            }
            Event::TaskStarted { task, attempt, estimate_ms, agent, .. } => {
                self.paused.retain(|paused, _| Some(paused) != agent.as_ref());
                self.show_layers();
                self.started(task, *attempt, *estimate_ms);
            }
            Event::AgentPaused { agent, until_ms, .. } => {
                self.paused.insert(agent.clone(), *until_ms);
                self.show_layers();
            }
            Event::AttemptFailed { task, retry_in_ms: Some(_), .. } => self.took_down(task),
            Event::TaskFinished { task, .. } => {
                self.whole.inc(1);
                self.took_down(task);
            }
            Event::Untouched { tasks, .. } => self.whole.inc(*tasks),
            Event::LayerFinished { .. } => {
                self.layers.0 += 1;
                self.show_layers();
            }
            _ => {}
        }
    }

    fn took_down(&mut self, task: &TaskName) {
        if let Some(bar) = self.tasks.remove(task) {
            bar.finish_and_clear();
            self.view.remove(&bar);
        }
    }

    fn show_layers(&self) {
        let paused: String = self.paused.keys().map(|agent| format!("`{agent}` is rate limited, ")).collect();
        self.whole.set_message(format!("{}/{} layers, {paused}", self.layers.0, self.layers.1));
    }

    fn started(&mut self, task: &TaskName, attempt: u32, estimate_ms: Option<u64>) {
        if self.tasks.len() >= SHOWN_MAX || self.tasks.contains_key(task) {
            return;
        }
        let bar = self.view.add(ProgressBar::new_spinner());
        bar.set_style(ProgressStyle::with_template("  {spinner} {msg} {elapsed}").expect("the template is right"));
        let again = if attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
        let about = estimate_ms.map_or_else(String::new, |ms| format!(" (about {})", format_duration_ms(ms)));
        bar.set_message(format!("{task}{again}{about}"));
        bar.enable_steady_tick(Duration::from_millis(200));
        self.tasks.insert(task.clone(), bar);
    }
}

/// Who waits, and until when: `agent `x` is rate limited, 7 tasks wait until 14:32:05 (in 2m10s)`.
fn paused(agent: &Name, until_ms: u64, tasks: u64, now_ms: u64) -> String {
    let until = jiff::Timestamp::from_millisecond(i64::try_from(until_ms).unwrap_or(i64::MAX)).ok();
    let until = until.map_or_else(String::new, |at| {
        format!(" until {}", at.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S"))
    });
    let wait = if tasks == 1 { "waits" } else { "wait" };
    let left = format_duration_ms(until_ms.saturating_sub(now_ms));
    format!("agent `{agent}` is rate limited, {} {wait}{until} (in {left})", counted(tasks, "task"))
}

/// A task that is good as it is, with the log of its last run.
pub(super) fn replayed(task: &str, log: &str, color: bool) -> String {
    let word = if color { "\x1b[36mcached\x1b[0m" } else { "cached" };
    format!("{word} {task}\n{}\n", indented(&task, log, REPLAYED_LINES_MAX))
}

/// The last lines of a task's output.
fn indented(task: &dyn std::fmt::Display, text: &str, lines_max: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let hidden = lines.len().saturating_sub(lines_max);
    let mark = (hidden > 0).then(|| format!("       | [the last {lines_max} lines; all: `orca log {task}`]"));
    let shown = lines[hidden..].iter().map(|line| format!("       | {line}"));
    mark.into_iter().chain(shown).collect::<Vec<_>>().join("\n")
}

fn write_out(line: &str) {
    use io::Write as _;
    let mut out = io::stdout().lock();
    // Nobody reads any more: there is nobody to tell.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n"));
}

fn write_err(line: &str) {
    use io::Write as _;
    let mut out = io::stderr().lock();
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n"));
}
