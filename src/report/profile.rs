//! A build's trace in the Trace Event Format, as Perfetto and `chrome://tracing` read it (`docs/profile.md`).
//!
//! ```text
//! process 1  orca      1 engine: its phases, gates of the plan in them; 2 the critical path; counters
//! process 2  workers   one thread each: attempts, their parts and gates within; gates beside each other get threads of their own
//! process 3  keys      looking tasks up, and restoring what is known
//! process 4  agents    one thread each: pauses
//! process 5  queue     what could run and waited, as asynchronous spans
//! ```
//!
//! INVARIANT: spans of one thread lie within each other or apart.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::critical_path;
use super::lanes::lanes;
use crate::base::{Name, TaskName};
use crate::event::{AttemptSpan, Event, Of, Outcome, Recorded, Span};

const ORCA: u32 = 1;
const WORKERS: u32 = 2;
const KEYS: u32 = 3;
const AGENTS: u32 = 4;
const QUEUE: u32 = 5;
/// Threads in a process, where not one for each worker.
const ENGINE: u32 = 1;
const CRITICAL: u32 = 2;
/// Threads for gates at work beside others, one worker's after the other's.
const GATES_FROM: u32 = 100_000;
/// Waits that are drawn, the longest ones; every attempt says how long it waited.
const QUEUED_MAX: usize = 1_000;

/// What there is to say of the whole build.
#[derive(Debug, Clone)]
pub struct ProfileHeader<'a> {
    /// orca's version.
    pub version: &'a str,
    /// The command line, without the program.
    pub args: &'a [String],
    /// How the build ended, in a word.
    pub ended: &'a str,
}

/// One line of the file.
#[derive(Serialize)]
struct Item<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    cat: &'a str,
    ph: &'a str,
    ts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<u64>,
    pid: u32,
    tid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    args: Map<String, Value>,
}

/// The trace as a JSON object, one event a line.
#[must_use]
pub fn profile(recorded: &Recorded, header: &ProfileHeader<'_>) -> String {
    let facts = Facts::of(recorded);
    let mut out = Writer { text: String::from("{\"traceEvents\":[\n"), is_first: true };
    out.engine(recorded);
    out.attempts(recorded, &facts);
    out.keys(recorded, &facts);
    out.pauses(recorded);
    out.queue(&facts);
    out.counters(recorded, &facts);
    let other = json!({
        "orca": header.version,
        "command_line": header.args,
        "ended": header.ended,
        "run": facts.run,
        "plan": facts.plan,
        "jobs": facts.jobs,
        "sandbox": facts.sandbox,
        "tasks": facts.names.len(),
        "critical_path": facts.critical.iter().map(|ix| facts.names[*ix].as_str()).collect::<Vec<_>>(),
        "critical_path_us": facts.critical.iter().map(|ix| facts.took[*ix]).sum::<u64>(),
        "spans_dropped": recorded.dropped,
    });
    let _ = write!(out.text, "\n],\"displayTimeUnit\":\"ms\",\"otherData\":{other}}}\n");
    out.text
}

/// What is known of the run, for those who draw it.
#[derive(Default)]
struct Facts<'r> {
    run: Option<u64>,
    plan: &'r str,
    jobs: u64,
    sandbox: &'r str,
    names: &'r [TaskName],
    outcomes: HashMap<&'r TaskName, &'r Outcome>,
    attempts: Vec<(&'r Span, &'r AttemptSpan)>,
    of_task: HashMap<&'r TaskName, Vec<usize>>,
    /// What each task took: its attempts, and looking it up.
    took: Vec<u64>,
    critical: Vec<usize>,
    is_critical: HashSet<&'r TaskName>,
}

impl<'r> Facts<'r> {
    fn of(recorded: &'r Recorded) -> Self {
        let mut facts = Self::default();
        let mut edges: &[Vec<u32>] = &[];
        for (_, record) in &recorded.events {
            match &record.event {
                Event::RunStarted { plan, jobs, sandbox, .. } => {
                    (facts.run, facts.plan, facts.jobs, facts.sandbox) = (Some(record.run.0), plan, *jobs, sandbox);
                }
                Event::Graph { tasks, deps, .. } => (facts.names, edges) = (tasks, deps),
                Event::TaskFinished { task, outcome, .. } => drop(facts.outcomes.insert(task, outcome)),
                _ => {}
            }
        }
        let mut took: HashMap<&TaskName, u64> = HashMap::new();
        for span in &recorded.spans {
            match &span.of {
                Of::Attempt(attempt) => {
                    facts.of_task.entry(&attempt.task).or_default().push(facts.attempts.len());
                    facts.attempts.push((span, attempt));
                    *took.entry(&attempt.task).or_default() += span.to_us - span.from_us;
                }
                Of::Key(task) => *took.entry(task).or_default() += span.to_us - span.from_us,
                _ => {}
            }
        }
        facts.took = facts.names.iter().map(|name| took.get(name).copied().unwrap_or(0)).collect();
        facts.critical = critical_path(edges, &facts.took);
        facts.is_critical = facts.critical.iter().map(|ix| &facts.names[*ix]).collect();
        facts
    }

    /// The worker whose attempt of the task this is a part of.
    fn worker(&self, task: &TaskName, part: &Span) -> Option<u32> {
        let of_task = self.of_task.get(task)?;
        let around = |(span, _): &&(&Span, &AttemptSpan)| span.from_us <= part.from_us && part.to_us <= span.to_us;
        let (_, attempt) = of_task.iter().map(|at| &self.attempts[*at]).find(around)?;
        Some(attempt.worker)
    }
}

struct Writer {
    text: String,
    is_first: bool,
}

impl Writer {
    fn put(&mut self, item: &Item<'_>) {
        if !std::mem::take(&mut self.is_first) {
            self.text.push_str(",\n");
        }
        self.text.push_str(&serde_json::to_string(item).expect("an event is plain data"));
    }

    fn span(&mut self, (pid, tid): (u32, u32), name: &str, cat: &str, span: &Span, args: Value) {
        let args = match args {
            Value::Object(args) => args,
            _ => Map::new(),
        };
        let dur = Some(span.to_us - span.from_us);
        self.put(&Item { name, cat, ph: "X", ts: span.from_us, dur, pid, tid, id: None, args });
    }

    /// Names a process or a thread, and says where it stands among the others.
    fn called(&mut self, (pid, tid): (u32, u32), name: &str, place: u32) {
        let what = if tid == 0 { "process" } else { "thread" };
        for (key, value) in [("name", json!(name)), ("sort_index", json!(place))] {
            let args = Map::from_iter([(key.to_owned(), value)]);
            let name = format!("{what}_{key}");
            self.put(&Item { name: &name, cat: "", ph: "M", ts: 0, dur: None, pid, tid, id: None, args });
        }
    }

    /// The phases, and gates of the plan in the last of them.
    fn engine(&mut self, recorded: &Recorded) {
        self.called((ORCA, 0), "orca", 1);
        self.called((ORCA, ENGINE), "engine", 1);
        for span in recorded.spans.iter().filter(|span| span.of == Of::Engine) {
            self.span((ORCA, ENGINE), span.what, "engine", span, Value::Null);
        }
        let of_plan = recorded.spans.iter().filter(|span| matches!(span.of, Of::Gate { task: None, .. }));
        for span in of_plan {
            self.gate((ORCA, ENGINE), span);
        }
    }

    fn gate(&mut self, thread: (u32, u32), span: &Span) {
        let Of::Gate { task, gate, verdict, cached } = &span.of else { return };
        let args = json!({"task": task, "verdict": verdict, "cached": cached});
        self.span(thread, &format!("gate {gate}"), "gate", span, args);
    }

    fn attempts(&mut self, recorded: &Recorded, facts: &Facts<'_>) {
        self.called((WORKERS, 0), "workers", 2);
        let workers = facts.attempts.iter().map(|(_, attempt)| attempt.worker + 1).max().unwrap_or(0);
        for worker in 0..workers {
            self.called((WORKERS, worker + 1), &format!("worker {}", worker + 1), worker * 100);
        }
        for (span, attempt) in &facts.attempts {
            let is_critical = facts.is_critical.contains(&attempt.task);
            let outcome = facts.outcomes.get(&attempt.task).map(|outcome| word(outcome));
            let args = json!({
                "attempt": attempt.attempt,
                "ended": span.what,
                "outcome": outcome,
                "agent": attempt.agent,
                "ready_us": attempt.ready_us,
                "queued_us": span.from_us.saturating_sub(attempt.ready_us),
                "critical": is_critical,
            });
            let cat = if is_critical { "task,critical" } else { "task" };
            self.span((WORKERS, attempt.worker + 1), attempt.task.as_str(), cat, span, args);
        }
        for span in &recorded.spans {
            if let Of::Part(task) = &span.of
                && let Some(worker) = facts.worker(task, span)
            {
                self.span((WORKERS, worker + 1), span.what, "part", span, json!({"task": task}));
            }
        }
        self.gates(recorded, facts);
        self.critical(recorded, facts);
    }

    /// Gates of tasks: on the worker's thread, and where several were at work, the others on threads beneath it.
    fn gates(&mut self, recorded: &Recorded, facts: &Facts<'_>) {
        let mut of_workers: BTreeMap<u32, Vec<&Span>> = BTreeMap::new();
        for span in &recorded.spans {
            if let Of::Gate { task: Some(task), .. } = &span.of
                && let Some(worker) = facts.worker(task, span)
            {
                of_workers.entry(worker).or_default().push(span);
            }
        }
        let mut thread = GATES_FROM;
        for (worker, spans) in of_workers {
            let intervals: Vec<(u64, u64)> = spans.iter().map(|span| (span.from_us, span.to_us)).collect();
            let lanes = lanes(&intervals);
            let more = lanes.iter().copied().max().unwrap_or(0) as u32;
            for lane in 1..=more {
                let name = format!("worker {}, gates {}", worker + 1, lane + 1);
                self.called((WORKERS, thread + lane), &name, worker * 100 + lane.min(99));
            }
            for (span, lane) in std::iter::zip(spans, lanes) {
                let tid = if lane == 0 { worker + 1 } else { thread + lane as u32 };
                self.gate((WORKERS, tid), span);
            }
            thread += more;
        }
    }

    /// The tasks of the critical path again, on a thread of their own.
    fn critical(&mut self, recorded: &Recorded, facts: &Facts<'_>) {
        self.called((ORCA, CRITICAL), "critical path", 2);
        let mut times: HashMap<&TaskName, (u64, u64)> = HashMap::new();
        for span in &recorded.spans {
            let task = match &span.of {
                Of::Attempt(attempt) => &attempt.task,
                Of::Key(task) => task,
                _ => continue,
            };
            if facts.is_critical.contains(task) {
                let time = times.entry(task).or_insert((span.from_us, span.to_us));
                *time = (time.0.min(span.from_us), time.1.max(span.to_us));
            }
        }
        let mut free_us = 0;
        for ix in &facts.critical {
            let Some((from_us, to_us)) = times.get(&facts.names[*ix]) else { continue };
            let from_us = (*from_us).max(free_us);
            free_us = (*to_us).max(from_us);
            let span = Span { what: "", of: Of::Engine, from_us, to_us: free_us };
            let args = json!({"busy_us": facts.took[*ix]});
            self.span((ORCA, CRITICAL), facts.names[*ix].as_str(), "critical", &span, args);
        }
    }

    fn keys(&mut self, recorded: &Recorded, facts: &Facts<'_>) {
        let mut spans: Vec<(&Span, &TaskName)> = Vec::new();
        for span in &recorded.spans {
            if let Of::Key(task) = &span.of {
                spans.push((span, task));
            }
        }
        let intervals: Vec<(u64, u64)> = spans.iter().map(|(span, _)| (span.from_us, span.to_us)).collect();
        let lanes = lanes(&intervals);
        self.called((KEYS, 0), "keys and restored results", 3);
        for lane in 0..lanes.iter().map(|lane| *lane as u32 + 1).max().unwrap_or(0) {
            self.called((KEYS, lane + 1), &format!("keys {}", lane + 1), lane);
        }
        for ((span, task), lane) in std::iter::zip(spans, lanes) {
            let outcome = facts.outcomes.get(task).copied();
            let (cat, args) = match outcome {
                Some(Outcome::Cached { restored, saved_ms, .. }) => {
                    ("cached", json!({"outcome": "cached", "restored": restored, "saved_ms": saved_ms}))
                }
                outcome => ("key", json!({"outcome": outcome.map(word)})),
            };
            self.span((KEYS, lane as u32 + 1), task.as_str(), cat, span, args);
        }
    }

    fn pauses(&mut self, recorded: &Recorded) {
        let mut of_agents: BTreeMap<&Name, Vec<(u64, u64, &str)>> = BTreeMap::new();
        for (at_us, record) in &recorded.events {
            let Event::AgentPaused { agent, until_ms, message, .. } = &record.event else { continue };
            let until_us = at_us + until_ms.saturating_sub(record.at_ms) * 1000;
            let pauses = of_agents.entry(agent).or_default();
            // One that is said to last longer goes on.
            if let Some(last) = pauses.last_mut() {
                last.1 = last.1.min(*at_us);
            }
            pauses.push((*at_us, until_us.min(recorded.end_us), message));
        }
        if !of_agents.is_empty() {
            self.called((AGENTS, 0), "agents", 4);
        }
        for (tid, (agent, pauses)) in (1..).zip(of_agents) {
            self.called((AGENTS, tid), agent.as_str(), tid);
            for (from_us, to_us, message) in pauses {
                let span = Span { what: "", of: Of::Engine, from_us, to_us };
                self.span((AGENTS, tid), "paused", "pause", &span, json!({"message": message}));
            }
        }
    }

    /// The longest waits of what could run.
    fn queue(&mut self, facts: &Facts<'_>) {
        let waited = |(span, attempt): &(&Span, &AttemptSpan)| span.from_us.saturating_sub(attempt.ready_us);
        let mut waits: Vec<_> = facts.attempts.iter().copied().filter(|attempt| waited(attempt) > 0).collect();
        waits.sort_by_key(|attempt| (std::cmp::Reverse(waited(attempt)), attempt.0.from_us));
        waits.truncate(QUEUED_MAX);
        if !waits.is_empty() {
            self.called((QUEUE, 0), "queue", 5);
        }
        for (id, (span, attempt)) in waits.into_iter().enumerate() {
            for (ph, ts) in [("b", attempt.ready_us), ("e", span.from_us)] {
                let args = match ph {
                    "b" => Map::from_iter([("task".to_owned(), json!(attempt.task))]),
                    _ => Map::new(),
                };
                let item =
                    Item { name: "queued", cat: "queue", ph, ts, dur: None, pid: QUEUE, tid: 1, id: Some(id), args };
                self.put(&item);
            }
        }
    }

    fn counter(&mut self, name: &str, at_us: u64, key: &str, value: Value) {
        let args = Map::from_iter([(key.to_owned(), value)]);
        self.put(&Item { name, cat: "", ph: "C", ts: at_us, dur: None, pid: ORCA, tid: 0, id: None, args });
    }

    fn counters(&mut self, recorded: &Recorded, facts: &Facts<'_>) {
        for sample in &recorded.samples {
            self.counter("memory available", sample.at_us, "MiB", json!(sample.available_bytes >> 20));
            self.counter("cpu", sample.at_us, "percent", json!(tenths(sample.cpu_percent)));
            if let Some(percent) = sample.memory_pressure {
                self.counter("memory pressure", sample.at_us, "percent", json!(tenths(percent)));
            }
        }
        let starts = facts.attempts.iter().map(|(span, _)| (span.from_us, 1));
        let ends = facts.attempts.iter().map(|(span, _)| (span.to_us, -1));
        self.steps("tasks running", starts.chain(ends).collect());
        let ready = facts.attempts.iter().map(|(span, attempt)| (attempt.ready_us.min(span.from_us), 1));
        let started = facts.attempts.iter().map(|(span, _)| (span.from_us, -1));
        self.steps("tasks queued", ready.chain(started).collect());
    }

    /// A number that goes up and down.
    fn steps(&mut self, name: &str, mut steps: Vec<(u64, i64)>) {
        steps.sort_unstable();
        let mut now = 0;
        for (nth, (at_us, step)) in steps.iter().enumerate() {
            now += step;
            if steps.get(nth + 1).is_none_or(|next| next.0 > *at_us) {
                self.counter(name, *at_us, "tasks", json!(now));
            }
        }
    }
}

fn tenths(percent: f32) -> f64 {
    let percent = f64::from(percent);
    if percent.is_finite() { (percent * 10.0).round() / 10.0 } else { 0.0 }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Ran => "ran",
        Outcome::Cached { .. } => "cached",
        Outcome::AwaitsApproval { .. } => "awaits-approval",
        Outcome::Failed(_) => "failed",
        Outcome::Skipped { .. } => "skipped",
    }
}
