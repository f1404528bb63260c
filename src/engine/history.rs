//! What a run did and took, from the journal: `orca report`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::session::EngineError;
use crate::base::{FailureKind, Name, TaskName};
use crate::event::{Event, EventRecord, Failure, GateFinding, Outcome, Spent, Usage};
use crate::gates::GateOutcome;
use crate::store::{Journal, RunRecord};

/// Runs that are searched for one.
const RUNS_MAX: usize = 10_000;

/// One run.
#[derive(Debug, Default, Serialize)]
pub struct RunReport {
    /// Its number.
    pub run: u64,
    /// Its command line, without the program.
    pub args: Vec<String>,
    /// When it began, in milliseconds since the epoch.
    pub started_ms: u64,
    /// When it ended; `None` while it runs, and where it was killed.
    pub ended_ms: Option<u64>,
    /// Whether everything asked for was good; `None` where it did not end.
    pub ok: Option<bool>,
    /// The signal that interrupted it.
    pub interrupted_by: Option<i32>,
    /// The most tasks at a time.
    pub jobs: u64,
    /// What task processes were isolated with.
    pub sandbox: String,
    /// From its start to its end, in milliseconds; to its last event where it did not end.
    pub wall_ms: u64,
    /// What everything that ran took one after another, in milliseconds.
    pub work_ms: u64,
    /// What cached results had taken, in milliseconds.
    pub saved_ms: u64,
    /// What agents used, failed attempts included.
    pub spent: Spent,
    /// Of its cost, what attempts that failed had, in millionths of a dollar.
    pub failed_micro_usd: u64,
    /// What cached results had cost, in millionths of a dollar.
    pub saved_micro_usd: u64,
    /// From the start of the first task that ran to the end of the last, in milliseconds.
    pub span_ms: u64,
    /// `work_ms / span_ms`: how much running side by side brought.
    pub speed_up: Option<f64>,
    /// Layers in which something ran.
    pub layers: Vec<LayerReport>,
    /// Every settled task, by name.
    pub tasks: Vec<TaskReport>,
    /// How many more were not looked at, since nothing that they depend on changed: their results count as cached.
    pub untouched: u64,
    /// Every verdict.
    pub gates: Vec<GateReport>,
}

/// What ran of a layer.
#[derive(Debug, Default, Serialize)]
pub struct LayerReport {
    /// From 0.
    pub layer: u64,
    /// Tasks that ran.
    pub tasks: u64,
    /// What they took one after another, in milliseconds.
    pub work_ms: u64,
    /// From the start of the first to the end of the last, in milliseconds.
    pub span_ms: u64,
    /// `work_ms / span_ms`.
    pub speed_up: Option<f64>,
}

/// A settled task.
#[derive(Debug, Serialize)]
pub struct TaskReport {
    /// The task.
    pub task: TaskName,
    /// Its layer, where it ran.
    pub layer: Option<u64>,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Attempts made.
    pub attempts: u32,
    /// What all attempts took together, in milliseconds.
    pub wall_ms: u64,
    /// Their user and system time, in milliseconds.
    pub cpu_ms: u64,
    /// The largest process of any of them, in bytes.
    pub peak_memory_bytes: u64,
    /// The agent of the last attempt.
    pub agent: Option<Name>,
    /// What all attempts used of their agents.
    pub spent: Spent,
    /// The attempts that failed, in order.
    pub failed_attempts: Vec<FailedAttempt>,
}

/// An attempt that failed.
#[derive(Debug, Clone, Serialize)]
pub struct FailedAttempt {
    /// From 1; one that counted for nothing has the number of the next.
    pub attempt: u32,
    /// The class of its failure.
    pub kind: FailureKind,
    /// Why.
    pub message: String,
    /// What it used.
    pub usage: Usage,
    /// What it used of its agent.
    pub spent: Spent,
}

/// A verdict.
#[derive(Debug, Serialize)]
pub struct GateReport {
    /// The task; `None` for a gate of the plan.
    pub task: Option<TaskName>,
    /// The gate.
    pub gate: Name,
    /// `passed`, `failed`, `warning`, `skipped`, `error`.
    pub verdict: String,
    /// Whether it was known already.
    pub cached: bool,
    /// How long it took, in milliseconds.
    pub wall_ms: u64,
    /// What it cost in this run, in millionths of a dollar.
    pub cost_micro_usd: u64,
    /// One sentence.
    pub message: String,
    /// What it found.
    pub findings: Vec<GateFinding>,
    /// Where it is not green: the last lines of its output.
    pub details: Vec<String>,
}

/// What is known of a task while its events are read.
#[derive(Debug, Default)]
struct Running {
    layer: Option<u64>,
    started_ms: Option<u64>,
    earlier: Usage,
    failed: Vec<FailedAttempt>,
}

impl RunReport {
    /// The run of this number, or the last one; `None` if the journal has none.
    pub fn of(journal: &Journal, number: Option<u64>) -> Result<Option<Self>, EngineError> {
        let found = match number {
            None => journal.last_run()?,
            Some(number) => journal.runs(RUNS_MAX)?.into_iter().find(|run| run.id.0 == number),
        };
        let Some(run) = found else { return Ok(None) };
        let events = journal.events(run.id)?;
        Ok(Some(Self::fold(run, &events)))
    }

    /// The first and the last run that the journal has.
    pub fn kept(journal: &Journal) -> Result<Option<(u64, u64)>, EngineError> {
        let numbers: Vec<u64> = journal.runs(RUNS_MAX)?.iter().map(|run| run.id.0).collect();
        Ok(numbers.iter().min().copied().zip(numbers.iter().max().copied()))
    }

    /// The last word of each gate on each task, in the order of tasks and gates: what SARIF and JUnit are written from. What
    /// a gate said of earlier attempts is not among it.
    #[must_use]
    pub fn outcomes(&self) -> Vec<GateOutcome> {
        let last: BTreeMap<_, _> = self.gates.iter().map(|gate| ((&gate.task, &gate.gate), gate)).collect();
        let outcome = |gate: &GateReport| GateOutcome {
            task: gate.task.clone(),
            gate: gate.gate.clone(),
            verdict: gate.verdict.clone(),
            message: gate.message.clone(),
            findings: gate.findings.clone(),
            details: gate.details.clone(),
            wall_ms: gate.wall_ms,
            cached: gate.cached,
        };
        last.into_values().map(outcome).collect()
    }

    fn fold(run: RunRecord, events: &[EventRecord]) -> Self {
        let last_ms = events.last().map_or(run.started_ms, |record| record.at_ms);
        let mut report = Self {
            run: run.id.0,
            wall_ms: run.ended_ms.unwrap_or(last_ms).saturating_sub(run.started_ms),
            args: run.args,
            started_ms: run.started_ms,
            ended_ms: run.ended_ms,
            ok: run.ok,
            ..Self::default()
        };
        let mut running: BTreeMap<&TaskName, Running> = BTreeMap::new();
        let mut spans: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for record in events {
            match &record.event {
                Event::RunStarted { jobs, sandbox, .. } => (report.jobs, report.sandbox) = (*jobs, sandbox.clone()),
                Event::TaskStarted { task, layer, .. } => {
                    let known = running.entry(task).or_default();
                    known.layer = Some(*layer);
                    known.started_ms.get_or_insert(record.at_ms);
                }
                // The usage of the last attempt is part of `TaskFinished`.
                Event::AttemptFailed { task, attempt, failure, usage, spent, retry_in_ms } => {
                    let known = running.entry(task).or_default();
                    if retry_in_ms.is_some() {
                        add(&mut known.earlier, *usage);
                    }
                    report.failed_micro_usd = report.failed_micro_usd.saturating_add(spent.cost_micro_usd);
                    known.failed.push(FailedAttempt::of(*attempt, failure, *usage, *spent));
                }
                Event::TaskFinished { task, outcome, attempts, usage, spent, agent, .. } => {
                    let known = running.remove(task).unwrap_or_default();
                    if let (Some(layer), Some(started_ms)) = (known.layer, known.started_ms) {
                        let span = spans.entry(layer).or_insert((started_ms, record.at_ms));
                        *span = (span.0.min(started_ms), span.1.max(record.at_ms));
                    }
                    let mut settled = report.settle(task, known, outcome, *attempts, *usage);
                    (settled.spent, settled.agent) = (*spent, agent.clone());
                    report.spent += *spent;
                    report.tasks.push(settled);
                }
                Event::GateJudged {
                    task,
                    gate,
                    verdict,
                    cached,
                    wall_ms,
                    cost_micro_usd,
                    message,
                    findings,
                    details,
                } => {
                    // That of a task's gate is part of what the task spent.
                    if task.is_none() {
                        report.spent.cost_micro_usd = report.spent.cost_micro_usd.saturating_add(*cost_micro_usd);
                    }
                    report.gates.push(GateReport {
                        task: task.clone(),
                        gate: gate.clone(),
                        verdict: verdict.clone(),
                        cached: *cached,
                        wall_ms: *wall_ms,
                        cost_micro_usd: *cost_micro_usd,
                        message: message.clone(),
                        findings: findings.clone(),
                        details: details.clone(),
                    });
                }
                Event::Untouched { tasks, saved_ms } => {
                    report.untouched += tasks;
                    report.saved_ms += saved_ms;
                }
                Event::RunFinished { interrupted_by, .. } => report.interrupted_by = *interrupted_by,
                _ => {}
            }
        }
        // Of a build that was killed: tasks that did not come to an end.
        running.values().flat_map(|known| &known.failed).for_each(|failed| report.spent += failed.spent);
        report.tasks.sort_by(|a, b| a.task.cmp(&b.task));
        report.measure(&spans);
        report
    }

    fn settle(&mut self, task: &TaskName, known: Running, outcome: &Outcome, attempts: u32, last: Usage) -> TaskReport {
        if let Outcome::Cached { saved_ms, saved_micro_usd, .. } = outcome {
            self.saved_ms += saved_ms;
            self.saved_micro_usd = self.saved_micro_usd.saturating_add(*saved_micro_usd);
        }
        let mut usage = known.earlier;
        add(&mut usage, last);
        self.work_ms += usage.wall_ms;
        TaskReport {
            task: task.clone(),
            layer: known.layer,
            outcome: outcome.clone(),
            attempts,
            wall_ms: usage.wall_ms,
            cpu_ms: usage.cpu_ms,
            peak_memory_bytes: usage.peak_memory_bytes,
            agent: None,
            spent: Spent::default(),
            failed_attempts: known.failed,
        }
    }

    /// Works out layers and speed-ups from the time between the first start and the last end.
    fn measure(&mut self, spans: &BTreeMap<u64, (u64, u64)>) {
        for (layer, (from, to)) in spans {
            let of_layer = || self.tasks.iter().filter(|task| task.layer == Some(*layer));
            let work_ms = of_layer().map(|task| task.wall_ms).sum();
            let span_ms = to - from;
            self.layers.push(LayerReport {
                layer: *layer,
                tasks: of_layer().count() as u64,
                work_ms,
                span_ms,
                speed_up: ratio(work_ms, span_ms),
            });
        }
        let from = spans.values().map(|span| span.0).min().unwrap_or(0);
        let to = spans.values().map(|span| span.1).max().unwrap_or(0);
        self.span_ms = to - from;
        self.speed_up = ratio(self.work_ms, self.span_ms);
    }
}

impl FailedAttempt {
    fn of(attempt: u32, failure: &Failure, usage: Usage, spent: Spent) -> Self {
        Self { attempt, kind: failure.kind, message: failure.message.clone(), usage, spent }
    }
}

fn add(sum: &mut Usage, usage: Usage) {
    sum.wall_ms += usage.wall_ms;
    sum.cpu_ms += usage.cpu_ms;
    sum.peak_memory_bytes = sum.peak_memory_bytes.max(usage.peak_memory_bytes);
}

fn ratio(work_ms: u64, span_ms: u64) -> Option<f64> {
    (span_ms > 0 && work_ms > 0).then(|| work_ms as f64 / span_ms as f64)
}
