//! What a page of a run shows, from the journal and what was kept of failures: `orca report --html`. Runs nothing, and does not
//! look at the tasks of the plan, which may be others by now.

use std::collections::{BTreeMap, HashMap};

use super::attempt_log::{shown, text};
use super::history::{RunReport, TaskReport};
use super::host::Host;
use super::project::Project;
use super::session::{EngineError, Session};
use super::task_log::kept_log;
use crate::base::{RelPath, TaskName};
use crate::event::{Event, EventRecord, Outcome};
use crate::plan::AgentPreset;
use crate::report::critical_path;
use crate::report::page::{Attempt, AttemptEnded, Failed, Noted, RunEnd, RunPage, TaskRow, TaskState, Verdict};
use crate::store::{Journal, Root, Store, TaskSummary};

/// Red tasks whose logs are looked for: as many as a page tells in full.
const LOGS_MAX: usize = 40;

/// The page of a run, as the journal has it.
pub fn run_page(
    project: &Project,
    journal: &Journal,
    host: &Host,
    number: Option<u64>,
) -> Result<Option<RunPage>, EngineError> {
    let Some(report) = RunReport::of(journal, number)? else { return Ok(None) };
    let events = journal.events(crate::event::RunId(report.run))?;
    let is_running = report.ok.is_none()
        && project.building()?.is_some()
        && journal.last_run()?.is_some_and(|last| last.id.0 == report.run);
    let mut page = fold(report, &events, is_running);
    let red: Vec<usize> = (0..page.tasks.len()).filter(|ix| page.tasks[*ix].failed.is_some()).take(LOGS_MAX).collect();
    if !red.is_empty() {
        let records = journal.tasks()?;
        let store = Store::open_readonly(&host.cache_dir).ok().flatten();
        let presets =
            if red.iter().any(|ix| page.tasks[*ix].agent.is_some()) { presets(project, host) } else { BTreeMap::new() };
        for ix in red {
            let task = &page.tasks[ix];
            let bytes = log(project, store.as_ref(), &records, &task.name, page.run)?;
            let preset = task.agent.as_ref().and_then(|agent| presets.get(agent)).copied();
            let found = bytes.map(|bytes| shown(&text(&bytes, preset)));
            if let Some(failed) = &mut page.tasks[ix].failed {
                failed.log = found;
            }
        }
    }
    Ok(Some(page))
}

/// The log of a red task of this run. A later run may have taken its place; then there is none.
fn log(
    project: &Project,
    store: Option<&Store>,
    records: &BTreeMap<TaskName, TaskSummary>,
    name: &str,
    run: u64,
) -> Result<Option<Vec<u8>>, EngineError> {
    let Ok(name) = TaskName::new(name) else { return Ok(None) };
    let Some(record) = records.get(&name).filter(|record| record.run.0 == run && !record.accepted) else {
        return Ok(None);
    };
    let stored = match (&record.log, store) {
        // A cache that cannot be read has lost it.
        (Some(digest), Some(store)) => store.read(digest).ok().flatten(),
        _ => None,
    };
    match stored {
        Some(bytes) => Ok(Some(bytes)),
        None => kept_log(project, &name),
    }
}

/// What kind of agent each is: that says how its log is read. As the plan has it now; where it cannot be opened, logs are
/// shown as they are.
fn presets(project: &Project, host: &Host) -> BTreeMap<String, AgentPreset> {
    let Ok(session) = Session::open(host.clone(), project.root()) else { return BTreeMap::new() };
    session.plan().agents.values().map(|agent| (agent.name.to_string(), agent.preset)).collect()
}

/// Puts a page where pages of runs go, and answers where that is, relative to the project. No link leads out of it.
pub fn write_page(project: &Project, run: u64, page: &str) -> Result<RelPath, EngineError> {
    let path = RelPath::new(&format!(".orca/reports/run-{run}.html")).expect("a plain path");
    Root::open(project.root())?.write(&path, page.as_bytes(), false)?;
    Ok(path)
}

/// Everything that the events say.
fn fold(report: RunReport, events: &[EventRecord], is_running: bool) -> RunPage {
    let mut page = RunPage {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        run: report.run,
        args: report.args.clone(),
        started_ms: report.started_ms,
        end: match (report.interrupted_by, report.ok) {
            (Some(signal), _) => RunEnd::Interrupted(signal),
            (None, Some(true)) => RunEnd::Good,
            (None, Some(false)) => RunEnd::Red,
            (None, None) if is_running => RunEnd::Running,
            (None, None) => RunEnd::Unknown,
        },
        jobs: report.jobs,
        sandbox: report.sandbox.clone(),
        wall_ms: report.wall_ms,
        work_ms: report.work_ms,
        speed_up: report.speed_up,
        saved_ms: report.saved_ms,
        saved_micro_usd: report.saved_micro_usd,
        spent: report.spent,
        failed_micro_usd: report.failed_micro_usd,
        ..RunPage::default()
    };
    let mut folding = Folding { started_ms: report.started_ms, ..Folding::default() };
    for record in events {
        if let Event::Graph { tasks, layers, deps } = &record.event {
            folding.graph(&mut page, tasks, layers, deps);
        }
    }
    events.iter().for_each(|record| folding.take(&mut page, record));
    for settled in report.tasks {
        let ix = folding.place(&mut page, &settled.task);
        settle(&mut page.tasks[ix], settled);
    }
    folding.end(&mut page);
    for attempt in &page.attempts {
        page.tasks[attempt.task].busy_ms += attempt.to_ms - attempt.from_ms;
    }
    let busy: Vec<u64> = page.tasks.iter().map(|task| task.busy_ms).collect();
    page.deps.resize_with(page.tasks.len(), Vec::new);
    page.critical = critical_path(&page.deps, &busy);
    page
}

#[derive(Default)]
struct Folding<'e> {
    started_ms: u64,
    places: HashMap<&'e TaskName, usize>,
    /// The attempt of a task that goes on: its place.
    open: HashMap<usize, usize>,
}

impl<'e> Folding<'e> {
    fn graph(&mut self, page: &mut RunPage, tasks: &'e [TaskName], layers: &[u32], deps: &[Vec<u32>]) {
        for (ix, name) in tasks.iter().enumerate() {
            self.places.insert(name, ix);
            page.tasks.push(unknown(name, layers.get(ix).copied()));
            // What a damaged journal says must not lead out of the list.
            let before = |dep: &&u32| (**dep as usize) < ix;
            page.deps.push(deps.get(ix).into_iter().flatten().filter(before).copied().collect());
        }
    }

    /// The place of a task; one that the graph does not know, of an older journal, comes after those that it knows.
    fn place(&mut self, page: &mut RunPage, name: &TaskName) -> usize {
        if let Some(ix) = self.places.get(name) {
            return *ix;
        }
        if let Some(ix) = page.tasks.iter().rposition(|task| task.name == name.as_str()) {
            return ix;
        }
        page.tasks.push(unknown(name, None));
        page.tasks.len() - 1
    }

    fn take(&mut self, page: &mut RunPage, record: &'e EventRecord) {
        let at_ms = record.at_ms.saturating_sub(self.started_ms);
        match &record.event {
            Event::RunStarted { plan, .. } => page.plan.clone_from(plan),
            Event::Notice { warning, message } => {
                page.notices.push(Noted { warning: *warning, message: message.clone() });
            }
            Event::TaskDirty { task, because, .. } => {
                let ix = self.place(page, task);
                page.tasks[ix].why.clone_from(because);
            }
            Event::TaskStarted { task, attempt, layer, worker, queued_ms, .. } => {
                let ix = self.place(page, task);
                let row = &mut page.tasks[ix];
                row.layer.get_or_insert(u32::try_from(*layer).unwrap_or(u32::MAX));
                if *attempt == 1 {
                    row.queued_ms = *queued_ms;
                }
                // An attempt that brought a result, for which the task was then to be made again.
                self.close(page, ix, at_ms.saturating_sub(*queued_ms), AttemptEnded::Well);
                self.free(page, *worker, at_ms);
                self.open.insert(ix, page.attempts.len());
                page.attempts.push(Attempt {
                    task: ix,
                    number: *attempt,
                    worker: *worker,
                    from_ms: at_ms,
                    to_ms: at_ms,
                    ended: AttemptEnded::Never,
                    queued_ms: *queued_ms,
                });
            }
            Event::AttemptFailed { task, .. } => {
                let ix = self.place(page, task);
                self.close(page, ix, at_ms, AttemptEnded::Badly);
            }
            Event::TaskFinished { task, outcome, .. } => {
                let ix = self.place(page, task);
                let ended = match outcome {
                    Outcome::Ran | Outcome::Cached { .. } => AttemptEnded::Well,
                    Outcome::AwaitsApproval { .. } => AttemptEnded::Held,
                    Outcome::Failed(_) | Outcome::Skipped { .. } => AttemptEnded::Badly,
                };
                self.close(page, ix, at_ms, ended);
            }
            Event::GateJudged { task, gate, verdict, cached, wall_ms, cost_micro_usd, message, findings, details } => {
                let task = task.as_ref().map(|task| self.place(page, task));
                page.verdicts.push(Verdict {
                    task,
                    gate: gate.to_string(),
                    verdict: verdict.clone(),
                    cached: *cached,
                    at_ms,
                    wall_ms: *wall_ms,
                    cost_micro_usd: *cost_micro_usd,
                    message: message.clone(),
                    findings: findings.clone(),
                    details: details.clone(),
                });
            }
            Event::GateBlamed { gate, task, by_hand, .. } => {
                let message = match (task, by_hand) {
                    (_, true) => format!("gate {gate}: green without what was edited by hand since, red with it"),
                    (Some(task), _) => format!("gate {gate}: green without `{task}`, red with its result"),
                    (None, _) => format!("gate {gate}: red without the results of any task"),
                };
                page.notices.push(Noted { warning: true, message });
            }
            Event::AgentPaused { agent, message, .. } => {
                page.notices.push(Noted { warning: false, message: format!("agent {agent} paused: {message}") });
            }
            Event::AgentStopped { agent, message, .. } => {
                page.notices.push(Noted { warning: true, message: format!("agent {agent} stopped: {message}") });
            }
            _ => {}
        }
    }

    fn close(&mut self, page: &mut RunPage, task: usize, at_ms: u64, ended: AttemptEnded) {
        if let Some(open) = self.open.remove(&task) {
            let attempt = &mut page.attempts[open];
            attempt.to_ms = at_ms.max(attempt.from_ms);
            attempt.ended = ended;
        }
    }

    /// A worker that somebody else has now was free before: an attempt whose result waited, and was settled later.
    fn free(&mut self, page: &mut RunPage, worker: u32, at_ms: u64) {
        let holds = |open: &&usize| page.attempts[**open].worker == worker;
        // At most one, and which of several does not matter.
        let held = self.open.values().find(holds).copied();
        if let Some(open) = held {
            let task = page.attempts[open].task;
            self.close(page, task, at_ms, AttemptEnded::Well);
        }
    }

    /// What goes on when the events end.
    fn end(&mut self, page: &mut RunPage) {
        let end_ms = page.wall_ms;
        for open in std::mem::take(&mut self.open).into_values() {
            let attempt = &mut page.attempts[open];
            attempt.to_ms = end_ms.max(attempt.from_ms);
        }
    }
}

fn unknown(name: &TaskName, layer: Option<u32>) -> TaskRow {
    TaskRow {
        name: name.to_string(),
        layer,
        state: TaskState::Unfinished,
        why: String::new(),
        busy_ms: 0,
        wall_ms: 0,
        cpu_ms: 0,
        peak_memory_bytes: 0,
        queued_ms: 0,
        attempts: 0,
        saved_ms: 0,
        restored: 0,
        agent: None,
        spent: crate::event::Spent::default(),
        failed: None,
    }
}

fn settle(row: &mut TaskRow, settled: TaskReport) {
    row.wall_ms = settled.wall_ms;
    row.cpu_ms = settled.cpu_ms;
    row.peak_memory_bytes = settled.peak_memory_bytes;
    row.attempts = settled.attempts;
    row.agent = settled.agent.map(|agent| agent.to_string());
    row.spent = settled.spent;
    row.state = match settled.outcome {
        Outcome::Ran => TaskState::Ran,
        Outcome::Cached { restored, saved_ms, .. } => {
            (row.restored, row.saved_ms) = (restored, saved_ms);
            TaskState::Cached
        }
        Outcome::AwaitsApproval { .. } => TaskState::Waits,
        Outcome::Failed(failure) => {
            row.why.clone_from(&failure.message);
            let kind = serde_json::to_value(failure.kind).ok().and_then(|kind| Some(kind.as_str()?.to_owned()));
            row.failed = Some(Failed {
                kind: kind.unwrap_or_default(),
                message: failure.message,
                details: failure.details,
                log: None,
            });
            TaskState::Failed
        }
        Outcome::Skipped { because } => {
            row.why = because;
            TaskState::Skipped
        }
    };
}
