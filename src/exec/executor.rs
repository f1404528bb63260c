//! One loop that turns every source into one input of the scheduler, then performs its commands.
//!
//! ```text
//! resolved, finished, signals, answers, ticks ──> Scheduler::step ──> resolve, run, preempt, skip, ask
//!        ^                                                                   │
//!        └──────────────── messages of what was started <────────────────────┘
//! ```
//!
//! The loop decides nothing: what runs when is the scheduler's. It never blocks: keys are computed on the blocking
//! pool, processes live in their own futures.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::admission::{Machine, Sampler};
use super::blocking::run_blocking;
use super::budget::Budget;
use super::limits::{Limits, Verdict};
use super::loans::{LoanMessage, Loans};
use super::scheduler::{AgentIx, Command, Ended, Input, Scheduler, SchedulerConfig, SkipReason, TaskSpec, TooDear};
use super::work::{AttemptEnd, Attempted, BodyEnded, EventSink, Fault, Resolved, Tasks, Tries, cancelled};
use super::workers::Workers;
use crate::base::{ActionKey, FailureKind, TaskName, format_micro_usd};
use crate::event::{AttemptSpan, Event, Failure, Of, Outcome, Sample, Span, Spent, Trace, Usage};
use crate::graph::{Graph, TaskIx};
use crate::sandbox::CancelLevel;

/// How often the machine is looked at while something runs.
const SAMPLE_EVERY: Duration = Duration::from_millis(250);
/// How long a task that was stopped for memory stays away.
const PREEMPTED_WAIT_MS: u64 = 1_000;
/// How many keys one blocking call computes at most.
const RESOLVE_BATCH: usize = 64;
/// How many such calls share what becomes ready at once, where it is not that much.
const RESOLVE_THREADS: usize = 16;

/// Asked before each layer under `--step`. May block.
pub trait Approver: Send + Sync + 'static {
    /// Whether these tasks of the layer may run.
    fn approve(&self, layer: u32, tasks: &[TaskName]) -> bool;
}

/// What a run is made of.
pub struct Executor {
    /// The engine.
    pub tasks: Arc<dyn Tasks>,
    /// Who waits for whom.
    pub graph: Arc<Graph>,
    /// The tasks asked for, closed over what they need.
    pub selected: BTreeSet<TaskIx>,
    /// How many layers there are.
    pub layers: u32,
    /// How they are scheduled.
    pub config: SchedulerConfig,
    /// What each task of the graph holds while it runs, in plan order.
    pub specs: Vec<TaskSpec>,
    /// The job slots that several orcas on the machine share; `None` where they cannot be shared.
    pub budget: Option<Budget>,
    /// Whether the person said how many tasks at a time: then slots are taken, but not waited for.
    pub jobs_given: bool,
    /// The machine, where it was looked at just now.
    pub machine: Option<Machine>,
    /// Memory left to the rest of the machine, in bytes.
    pub reserve_bytes: u64,
    /// Slots that gates ask for.
    pub loans: Loans,
    /// Brings running tasks whose inputs are not any more what they run on: the build goes on with nothing new.
    pub outdated: mpsc::UnboundedReceiver<BTreeSet<TaskIx>>,
    /// Where events go.
    pub sink: Arc<dyn EventSink>,
    /// Takes down what takes how long.
    pub trace: Trace,
    /// Asked before each layer.
    pub approver: Arc<dyn Approver>,
    /// Milliseconds of a monotonic clock.
    pub clock_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Milliseconds since the Unix epoch: what people are told.
    pub wall_clock_ms: fn() -> u64,
}

/// How a run ended.
#[derive(Debug, Default)]
pub struct Ending {
    /// The world's first failure, if there was one.
    pub fault: Option<Fault>,
    /// The signal that interrupted it.
    pub interrupted_by: Option<i32>,
    /// Whether it ended early since files changed.
    pub outdated: bool,
}

/// What comes back from what was started.
enum Message {
    Resolved(TaskIx, Result<Resolved, Fault>),
    BodyEnded(TaskIx),
    Answer(bool),
}

struct Running {
    cancel: watch::Sender<CancelLevel>,
    preempted: bool,
    outdated: bool,
    worker: u32,
    started_us: u64,
}

/// When an attempt could begin, by both clocks.
#[derive(Clone, Copy)]
struct ReadySince {
    ms: u64,
    us: u64,
}

struct Loop {
    executor: Executor,
    scheduler: Scheduler,
    running: BTreeMap<TaskIx, Running>,
    workers: Workers,
    ready: HashMap<TaskIx, ReadySince>,
    futures: JoinSet<(TaskIx, Result<Attempted, Fault>)>,
    limits: Limits,
    tries: HashMap<TaskIx, Tries>,
    keys: HashMap<TaskIx, ActionKey>,
    /// Tasks whose results wait for a person.
    held: BTreeSet<TaskIx>,
    messages: mpsc::UnboundedSender<Message>,
    sampler: Sampler,
    slots_granted: u32,
    ending: Ending,
}

impl Executor {
    /// Runs until every selected task is settled. `signals` brings the numbers of signals orca received: the first
    /// stops admission and asks what runs to end, the second is immediate.
    pub async fn run(self, signals: &mut mpsc::UnboundedReceiver<i32>) -> Ending {
        let (messages, mut inbox) = mpsc::unbounded_channel();
        let scheduler = Scheduler::new(&self.graph, &self.selected, self.config.clone(), self.specs.clone());
        let mut this = Loop {
            executor: self,
            scheduler,
            running: BTreeMap::new(),
            workers: Workers::default(),
            ready: HashMap::new(),
            futures: JoinSet::new(),
            limits: Limits::default(),
            tries: HashMap::new(),
            keys: HashMap::new(),
            held: BTreeSet::new(),
            messages,
            sampler: Sampler::default(),
            slots_granted: 0,
            ending: Ending::default(),
        };
        match this.executor.machine.take() {
            Some(machine) if !this.executor.trace.is_on() => this.feed(Input::Sample(machine)),
            _ => this.look_at_machine(),
        }
        this.feed(Input::Start);
        let mut ticks = tokio::time::interval_at(Instant::now() + SAMPLE_EVERY, SAMPLE_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !this.scheduler.is_done() {
            tokio::select! {
                biased;
                Some(signal) = signals.recv() => this.interrupt(signal),
                Some(message) = inbox.recv() => this.take(message),
                Some(message) = this.executor.loans.inbox.recv() => this.loan(message),
                Some(tasks) = this.executor.outdated.recv() => this.outdate(tasks),
                Some(joined) = this.futures.join_next() => {
                    let (task, end) = joined.expect("an attempt does not panic");
                    this.finished(task, end);
                }
                _ = ticks.tick() => {
                    this.look_at_machine();
                    this.feed(Input::Tick);
                }
            }
        }
        if this.executor.trace.is_on() {
            this.look_at_machine();
        }
        this.ending
    }
}

impl Loop {
    fn emit(&self, event: Event) {
        self.executor.sink.emit(event);
    }

    fn name(&self, task: TaskIx) -> TaskName {
        self.executor.tasks.name(task)
    }

    fn feed(&mut self, input: Input) {
        let now_ms = (self.executor.clock_ms)();
        let (mut to_resolve, mut unwanted) = (Vec::new(), 0);
        for command in self.scheduler.step(now_ms, input) {
            match command {
                Command::Resolve(task) => to_resolve.push(task),
                Command::Run(task) => self.start(task),
                Command::Preempt(task) => self.preempt(task),
                Command::Stop(task) => self.stop(task),
                Command::Refuse { task, because } => self.refuse(task, because),
                Command::Skip { task, because } => self.skip(task, because),
                Command::AskLayer { layer, tasks } => self.ask(layer, &tasks),
                Command::LayerDone(layer) => {
                    self.emit(Event::LayerFinished { layer: u64::from(layer), of: u64::from(self.executor.layers) });
                }
                Command::Lend => unwanted += u32::from(!self.executor.loans.give()),
                Command::Done => {}
            }
        }
        to_resolve.retain(|task| match self.executor.tasks.known(*task) {
            // A message like any other: whatever follows from it does not deepen the stack.
            Some(resolved) => self.messages.send(Message::Resolved(*task, Ok(resolved))).is_err(),
            None => true,
        });
        // Several at a time, so that what one writes another writes with it, and no thread for each.
        let batch = (to_resolve.len() / RESOLVE_THREADS).clamp(1, RESOLVE_BATCH);
        for batch in to_resolve.chunks(batch) {
            self.resolve(batch.to_vec());
        }
        self.share_slots();
        for _ in 0..unwanted {
            self.feed(Input::Return);
        }
    }

    fn loan(&mut self, message: LoanMessage) {
        match message {
            LoanMessage::Want(wish) => {
                self.executor.loans.waiting.push_back(wish);
                self.feed(Input::Borrow);
            }
            LoanMessage::Back => self.feed(Input::Return),
        }
    }

    /// Takes slots of the shared budget as they are wanted, gives back what is not, and tells the scheduler.
    fn share_slots(&mut self) {
        let (held, wanted) = (self.scheduler.slots_held(), self.scheduler.slots_wanted());
        let Some(budget) = &mut self.executor.budget else { return };
        if wanted == budget.held() && wanted <= self.slots_granted {
            return;
        }
        match budget.adjust(held, wanted) {
            Ok(granted) if granted != self.slots_granted && !self.executor.jobs_given => {
                self.slots_granted = granted;
                self.feed(Input::Slots(granted));
            }
            Ok(_) => {}
            Err(error) => {
                self.executor.budget = None;
                let message = format!("the machine is not shared with other builds: {error}");
                self.emit(Event::Notice { warning: true, message });
                self.feed(Input::Slots(u32::MAX));
            }
        }
    }

    /// Keys are computed off the loop, so that a slow disk does not hold up what runs.
    fn resolve(&self, batch: Vec<TaskIx>) {
        let (tasks, messages) = (Arc::clone(&self.executor.tasks), self.messages.clone());
        let trace = self.executor.trace.clone();
        run_blocking(move || {
            for task in batch {
                let timing = trace.span("key", || Of::Key(tasks.name(task)));
                let resolved = tasks.resolve(task);
                drop(timing);
                // A loop that is gone wants no answer.
                let _ = messages.send(Message::Resolved(task, resolved));
            }
        });
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Answer(true) => self.feed(Input::LayerApproved),
            Message::Answer(false) => self.feed(Input::LayerRefused),
            Message::BodyEnded(task) => self.feed(Input::BodyEnded(task)),
            Message::Resolved(task, Ok(Resolved::Clean { key, outcome })) => {
                self.keys.insert(task, key);
                let (attempts, usage) = self.tries.get(&task).map_or_else(Default::default, |t| (t.made, t.usage));
                self.settle(task, outcome, attempts, usage);
                self.feed(Input::Resolved { task, clean: true });
            }
            Message::Resolved(task, Ok(Resolved::Waits(on))) => self.feed(Input::Parked { task, on }),
            Message::Resolved(task, Ok(Resolved::Dirty { key, because })) => {
                self.keys.insert(task, key);
                self.is_ready(task);
                self.emit(Event::TaskDirty { task: self.name(task), key, because });
                let hired = self.executor.tasks.hired(task);
                let (agent, cost) = hired.map_or_else(Default::default, |hired| (Some(hired.agent), hired.cost));
                self.feed(Input::Hired { task, agent, cost });
                self.feed(Input::Resolved { task, clean: false });
            }
            Message::Resolved(task, Ok(Resolved::Held { key, outcome })) => {
                self.keys.insert(task, key);
                let (attempts, usage) = self.tries.get(&task).map_or_else(Default::default, |t| (t.made, t.usage));
                self.held.insert(task);
                self.settle(task, outcome, attempts, usage);
                self.feed(Input::Finished { task, ended: Ended::Held });
            }
            Message::Resolved(task, Ok(Resolved::Red(failure))) => {
                let (attempts, usage) = self.tries.get(&task).map_or_else(Default::default, |t| (t.made, t.usage));
                self.settle(task, Outcome::Failed(failure), attempts, usage);
                self.feed(Input::Finished { task, ended: Ended::Failed });
            }
            Message::Resolved(task, Err(fault)) => self.faulted(task, fault),
        }
    }

    fn start(&mut self, task: TaskIx) {
        let (cancel, receiver) = watch::channel(CancelLevel::None);
        let (worker, started_us) = (self.workers.take(), self.executor.trace.now_us());
        self.running.insert(task, Running { cancel, preempted: false, outdated: false, worker, started_us });
        let now_ms = (self.executor.clock_ms)();
        let queued_ms = self.ready.get(&task).map_or(0, |since| now_ms.saturating_sub(since.ms));
        let tasks = Arc::clone(&self.executor.tasks);
        let agent = tasks.hired(task).map(|hired| hired.agent);
        let tries = self.tries.entry(task).or_default();
        tries.made += 1;
        tries.agent = agent;
        let (attempt, lesson) = (tries.made, tries.lesson.clone());
        self.emit(Event::TaskStarted {
            task: self.name(task),
            attempt,
            layer: u64::from(self.executor.graph.layer(task)),
            estimate_ms: tasks.estimate_ms(task),
            agent: agent.map(|agent| tasks.agent_name(agent)),
            worker,
            queued_ms,
        });
        let messages = self.messages.clone();
        // A loop that is gone has no slot to free.
        let ended: BodyEnded = Box::new(move || drop(messages.send(Message::BodyEnded(task))));
        self.futures.spawn(async move { (task, tasks.attempt(task, lesson, receiver, ended).await) });
    }

    fn preempt(&mut self, task: TaskIx) {
        if let Some(running) = self.running.get_mut(&task) {
            running.preempted = true;
            // The task may have ended just now; then nobody listens.
            let _ = running.cancel.send(CancelLevel::Immediate);
            let message = format!("memory runs out: `{}` is stopped and will run again", self.name(task));
            self.emit(Event::Notice { warning: true, message });
        }
    }

    fn stop(&mut self, task: TaskIx) {
        if let Some(running) = self.running.get_mut(&task) {
            running.outdated = true;
            // The task may have ended just now; then nobody listens.
            let _ = running.cancel.send(CancelLevel::Graceful);
            let message = format!("what `{}` works on has changed: it is stopped, and runs anew", self.name(task));
            self.emit(Event::Notice { warning: false, message });
        }
    }

    /// Files changed. What still fits goes on to its end, and another build takes up the rest.
    fn outdate(&mut self, tasks: BTreeSet<TaskIx>) {
        self.ending.outdated = true;
        self.feed(Input::Superseded);
        tasks.into_iter().for_each(|task| self.feed(Input::Outdated(task)));
    }

    fn finished(&mut self, task: TaskIx, attempted: Result<Attempted, Fault>) {
        let running = self.running.remove(&task).expect("what finishes was running");
        self.note_attempt(task, &running, &attempted);
        self.workers.give_back(running.worker);
        self.is_ready(task);
        let Attempted { end, spent } = match attempted {
            Err(fault) => return self.faulted(task, fault),
            Ok(attempted) => attempted,
        };
        let tries = self.tries.entry(task).or_default();
        tries.spent += spent;
        let agent = tries.agent;
        // A command's result may have a reviewer, who is paid.
        if agent.is_some() || spent.cost_micro_usd > 0 {
            self.feed(Input::Spent { task, micro_usd: spent.cost_micro_usd });
        }
        if let Some(agent) = agent.filter(|_| matches!(end, AttemptEnd::Accepted { .. } | AttemptEnd::Again { .. })) {
            self.limits.worked(agent);
        }
        match end {
            AttemptEnd::Accepted { outcome, usage } => {
                self.settle(task, outcome, self.tries[&task].made, usage);
                self.feed(Input::Finished { task, ended: Ended::Accepted });
            }
            AttemptEnd::Again { usage } => {
                self.tries.entry(task).or_default().usage = usage;
                self.feed(Input::Finished { task, ended: Ended::Again });
            }
            AttemptEnd::Failed { failure, .. }
                if running.preempted && failure == cancelled() && self.ending.interrupted_by.is_none() =>
            {
                // Not the task's fault: the attempt does not count.
                self.tries.entry(task).or_default().made -= 1;
                self.feed(Input::Finished { task, ended: Ended::Requeue { after_ms: PREEMPTED_WAIT_MS } });
            }
            AttemptEnd::Failed { failure, usage, .. } if running.outdated && failure == cancelled() => {
                let attempt = self.tries[&task].made;
                self.attempt_failed(task, attempt, failure, (usage, spent), None);
                self.feed(Input::Finished { task, ended: Ended::Requeue { after_ms: 0 } });
            }
            AttemptEnd::Failed { failure, usage, lesson, resets_in_ms } => match agent {
                Some(agent) if failure.kind == FailureKind::RateLimit => {
                    self.limited(task, agent, failure, (usage, spent), resets_in_ms);
                }
                _ => self.failed(task, failure, (usage, spent), lesson),
            },
        }
    }

    /// From now on it is others, or a pause, that the task waits for.
    fn is_ready(&mut self, task: TaskIx) {
        let since = ReadySince { ms: (self.executor.clock_ms)(), us: self.executor.trace.now_us() };
        self.ready.insert(task, since);
    }

    /// Takes down what an attempt took.
    fn note_attempt(&self, task: TaskIx, running: &Running, attempted: &Result<Attempted, Fault>) {
        let trace = &self.executor.trace;
        trace.over(|| {
            let tries = self.tries.get(&task);
            let agent = tries.and_then(|tries| tries.agent).map(|agent| self.executor.tasks.agent_name(agent));
            let what = match attempted.as_ref().map(|attempted| &attempted.end) {
                Ok(AttemptEnd::Accepted { .. }) => "accepted",
                Ok(AttemptEnd::Again { .. }) => "brought a result",
                Ok(AttemptEnd::Failed { .. }) => "failed",
                Err(_) => "broke off",
            };
            let ready_us = self.ready.get(&task).map_or(running.started_us, |since| since.us);
            let attempt = tries.map_or(1, |tries| tries.made);
            let of = AttemptSpan { task: self.name(task), attempt, worker: running.worker, ready_us, agent };
            Span { what, of: Of::Attempt(of), from_us: running.started_us, to_us: trace.now_us() }
        });
    }

    /// The agent's service said: later. All its tasks wait, and the attempt does not count.
    fn limited(
        &mut self,
        task: TaskIx,
        agent: AgentIx,
        failure: Failure,
        used: (Usage, Spent),
        resets_in_ms: Option<u64>,
    ) {
        let tasks = Arc::clone(&self.executor.tasks);
        let name = tasks.agent_name(agent);
        let now_ms = (self.executor.clock_ms)();
        let tries = self.tries.entry(task).or_default();
        let since_ms = *tries.limited_since_ms.get_or_insert(now_ms);
        match self.limits.hit(&name, agent, now_ms, since_ms, resets_in_ms) {
            Verdict::TooLong { wait_ms } => {
                let at_ms = (self.executor.wall_clock_ms)().saturating_add(wait_ms);
                self.stopped(task, agent, super::limits::too_long(failure, at_ms, wait_ms), used);
            }
            Verdict::Wait { until_ms, is_news } => {
                tries.made -= 1;
                let wait_ms = until_ms.saturating_sub(now_ms);
                let message = failure.message.clone();
                let again_in_ms = (!self.scheduler.is_stopping()).then_some(wait_ms);
                self.attempt_failed(task, self.tries[&task].made + 1, failure, used, again_in_ms);
                self.feed(Input::AgentPaused { agent, until_ms });
                self.feed(Input::Finished { task, ended: Ended::Requeue { after_ms: 0 } });
                if is_news && !self.scheduler.is_stopping() {
                    let until_ms = (self.executor.wall_clock_ms)().saturating_add(wait_ms);
                    let tasks = self.scheduler.waiting_for_agent(agent) as u64;
                    self.emit(Event::AgentPaused { agent: name, until_ms, tasks, message });
                }
            }
        }
    }

    /// The agent cannot go on in this build. Another one takes over, or the task is red.
    fn stopped(&mut self, task: TaskIx, agent: AgentIx, failure: Failure, used: (Usage, Spent)) {
        let tasks = Arc::clone(&self.executor.tasks);
        let successor = tasks.successor(agent);
        if self.limits.stops(agent) {
            tasks.stop_agent(agent, &failure);
            self.emit(Event::AgentStopped {
                agent: tasks.agent_name(agent),
                kind: failure.kind,
                message: failure.message.clone(),
                fallback: successor.map(|agent| tasks.agent_name(agent)),
            });
            self.feed(Input::AgentStopped(agent));
        }
        let attempt = self.tries[&task].made;
        if successor.is_some() && !self.scheduler.is_stopping() {
            let tries = self.tries.entry(task).or_default();
            (tries.usage, tries.limited_since_ms) = (used.0, None);
            self.attempt_failed(task, attempt, failure, used, Some(0));
            self.feed(Input::Finished { task, ended: Ended::Again });
        } else {
            self.attempt_failed(task, attempt, failure.clone(), used, None);
            self.settle(task, Outcome::Failed(failure), attempt, used.0);
            self.feed(Input::Finished { task, ended: Ended::Failed });
        }
    }

    fn attempt_failed(
        &self,
        task: TaskIx,
        attempt: u32,
        failure: Failure,
        (usage, spent): (Usage, Spent),
        retry_in_ms: Option<u64>,
    ) {
        self.emit(Event::AttemptFailed { task: self.name(task), attempt, failure, usage, spent, retry_in_ms });
    }

    /// Tries again, without holding a slot meanwhile, or gives up.
    fn failed(&mut self, task: TaskIx, failure: Failure, used: (Usage, Spent), lesson: String) {
        let name = self.name(task);
        let retry = self.executor.tasks.retry(task);
        let tries = self.tries.entry(task).or_default();
        tries.failed += 1;
        (tries.usage, tries.limited_since_ms) = (used.0, None);
        let wait_ms = tries.wait_ms(&name, &retry, failure.kind).filter(|_| !self.scheduler.is_stopping());
        tries.lesson = Some(lesson).filter(|lesson| !lesson.is_empty());
        let (attempt, agent) = (tries.made, tries.agent);
        if let (None, Some(agent), FailureKind::Auth) = (wait_ms, agent, failure.kind) {
            return self.stopped(task, agent, failure, used);
        }
        self.attempt_failed(task, attempt, failure.clone(), used, wait_ms);
        match wait_ms {
            Some(after_ms) => self.feed(Input::Finished { task, ended: Ended::Requeue { after_ms } }),
            None => {
                self.settle(task, Outcome::Failed(failure), attempt, used.0);
                self.feed(Input::Finished { task, ended: Ended::Failed });
            }
        }
    }

    /// Reports a task as settled, before any dependent can start.
    fn settle(&mut self, task: TaskIx, outcome: Outcome, attempts: u32, usage: Usage) {
        self.executor.tasks.settled(task, &outcome);
        let key = self.keys.get(&task).copied();
        let (spent, agent) = self.tries.get(&task).map_or_else(Default::default, |tries| (tries.spent, tries.agent));
        let agent = agent.map(|agent| self.executor.tasks.agent_name(agent));
        self.emit(Event::TaskFinished { task: self.name(task), key, outcome, attempts, usage, spent, agent });
    }

    /// A limit of cost would be passed: the task is red, and nothing that was paid for is lost.
    fn refuse(&mut self, task: TaskIx, because: TooDear) {
        let (attempts, usage) = self.tries.get(&task).map_or_else(Default::default, |t| (t.made, t.usage));
        let failure = Failure {
            kind: FailureKind::Cost,
            message: too_dear(because),
            exit_code: None,
            signal: None,
            details: Vec::new(),
        };
        self.settle(task, Outcome::Failed(failure), attempts, usage);
    }

    fn skip(&mut self, task: TaskIx, because: SkipReason) {
        let because = match because {
            SkipReason::RedDep(held) if self.held.contains(&held) => {
                format!("`{}` waits for approval", self.name(held))
            }
            SkipReason::RedDep(red) => format!("`{}` is red", self.name(red)),
            SkipReason::Stopped if self.ending.outdated && self.ending.interrupted_by.is_none() => {
                "files have changed, and the next build takes it up".to_owned()
            }
            SkipReason::Stopped => "the build stopped before".to_owned(),
        };
        self.settle(task, Outcome::Skipped { because }, 0, Usage::default());
    }

    /// The world failed: nothing more starts, what runs may finish.
    fn faulted(&mut self, task: TaskIx, fault: Fault) {
        let failure = Failure {
            kind: FailureKind::Spawn,
            message: fault.0.clone(),
            exit_code: None,
            signal: None,
            details: Vec::new(),
        };
        self.ending.fault.get_or_insert(fault);
        self.settle(task, Outcome::Failed(failure), 0, Usage::default());
        self.feed(Input::Finished { task, ended: Ended::Failed });
        self.feed(Input::Interrupt);
    }

    fn interrupt(&mut self, signal: i32) {
        let again = self.ending.interrupted_by.is_some();
        self.ending.interrupted_by.get_or_insert(signal);
        let level = if again { CancelLevel::Immediate } else { CancelLevel::Graceful };
        for running in self.running.values() {
            // A task that just ended does not listen any more.
            let _ = running.cancel.send(level);
        }
        if !again {
            self.executor.tasks.interrupted();
            self.feed(Input::Interrupt);
        }
    }

    fn ask(&self, layer: u32, tasks: &[TaskIx]) {
        let names: Vec<TaskName> = tasks.iter().map(|task| self.name(*task)).collect();
        let (approver, messages) = (Arc::clone(&self.executor.approver), self.messages.clone());
        tokio::task::spawn_blocking(move || {
            // A loop that is gone wants no answer.
            let _ = messages.send(Message::Answer(approver.approve(layer, &names)));
        });
    }

    fn look_at_machine(&mut self) {
        let machine = self.sampler.sample(self.executor.reserve_bytes);
        let sampler = &mut self.sampler;
        self.executor.trace.sample(|at_us| Sample {
            at_us,
            available_bytes: machine.available_bytes,
            memory_pressure: machine.pressure_some_avg10,
            cpu_percent: sampler.cpu_percent(),
        });
        self.feed(Input::Sample(machine));
    }
}

/// What there is to say of an attempt that would pass a limit.
fn too_dear(because: TooDear) -> String {
    let (limit, spent) = (format_micro_usd(because.limit_micro_usd), format_micro_usd(because.spent_micro_usd));
    let (whose, what) = match because.is_of_task {
        true => ("its own limit", "raise its cost_usd_max"),
        false => ("the plan's limit", "raise limits.cost_usd_max"),
    };
    if because.spent_micro_usd >= because.limit_micro_usd {
        return format!("{whose} of {limit} is used up: {spent} spent; {what}");
    }
    let estimate = format_micro_usd(because.estimate_micro_usd);
    format!("{whose} of {limit} would be passed: {spent} spent, this task takes about {estimate}; {what}")
}
