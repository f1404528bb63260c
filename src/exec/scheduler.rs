//! The scheduler: a synchronous state machine that turns facts into commands.
//!
//! It performs nothing, waits for nothing and reads no clock: [`Scheduler::step`] takes a fact and the time, and
//! returns what to do. `docs/scheduler.md` draws the states and says why the rules are what they are.
//!
//! ```text
//!            deps accepted          a miss            admitted
//!   Waiting ---------------> Resolving -----> Queued ----------> Running ---> Accepted | Failed
//!      |                         | a hit         ^                  |
//!      |                         +-> Accepted    +---- Delayed <----+ requeued, preempted
//!      |                    Parked: until an earlier task is settled
//!      |                    Held: Queued, and its agent is paused, or the money that is left may not do
//!      +-> Skipped: below a red task, or the build stopped
//! ```
//!
//! INVARIANT: a scheduler that is started and not done has something resolving, running, delayed or asked for, or holds
//! tasks of an agent that is paused.

mod agents;
mod ledger;
mod purse;
mod queue;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trials;
mod words;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::graph::{Graph, TaskIx};

use super::admission::Machine;
use agents::Pause;
use ledger::{Fit, Ledger};
use purse::Purse;
use queue::ReadyQueue;
pub use words::{
    AgentIx, Command, CostEstimate, Counts, Ended, Input, Jobs, Phase, Policy, SchedulerConfig, SkipReason, TaskSpec,
    TooDear,
};

/// How many tasks may overtake one that waits for room before nothing more may.
const OVERTAKEN_MAX: u8 = 8;
/// How many tasks that do not fit are passed over in search of one that does.
const PASSED_OVER_MAX: usize = 16;
/// Per job slot, how many tasks may be past their body and not finished.
const SLOTLESS_PER_JOB: u32 = 4;
/// After a task was stopped for memory, how long its effect is awaited before another one is.
const PREEMPT_PAUSE_MS: u64 = 3_000;
/// What a task that was stopped for memory is taken to need at least, before that is doubled.
const MEMORY_LEARNED_MIN_BYTES: u64 = 64 << 20;

/// Decides what runs when. See the module.
#[derive(Debug)]
pub struct Scheduler {
    config: SchedulerConfig,
    tasks: Vec<Task>,
    layers: Vec<Layer>,
    layers_opened: usize,
    asked: Asked,
    queue: ReadyQueue,
    ledger: Ledger,
    /// The task that was overtaken too often: it comes first, and what it lacks is kept for it.
    reserved: Option<TaskIx>,
    delayed: BinaryHeap<Reverse<(u64, TaskIx)>>,
    preempted_at_ms: Option<u64>,
    purse: Purse,
    /// Tasks that wait for what running ones leave of the money.
    awaiting_money: Vec<TaskIx>,
    /// Agents that are paused, until when, and their tasks that could run.
    paused: BTreeMap<AgentIx, Pause>,
    stopped: BTreeSet<AgentIx>,
    counts: Counts,
    slots_queued: u64,
    /// Running tasks whose body is over, and that hold nothing any more.
    slotless: u32,
    /// Slots that gates wait for.
    loans_wanted: u32,
    started: bool,
    stopping: bool,
    done: bool,
}

/// What the scheduler knows of one task.
#[derive(Debug)]
struct Task {
    spec: TaskSpec,
    phase: Phase,
    layer: u32,
    deps_open: u32,
    dependents: Box<[TaskIx]>,
    overtaken: u8,
    /// Tasks that are parked until this one is settled.
    awaited_by: Vec<TaskIx>,
}

#[derive(Debug, Default)]
struct Layer {
    tasks: Vec<TaskIx>,
    unsettled: usize,
}

/// Whether the layer that is open may run, where a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    NotYet,
    Waiting,
    Approved,
}

impl Scheduler {
    /// A scheduler for the selected tasks of a graph. `specs` has one entry for every task of the graph, in plan order.
    ///
    /// # Panics
    /// Where a selected task waits for one that is neither selected nor there already, or `specs` has another length than the
    /// graph.
    #[must_use]
    pub fn new(graph: &Graph, selected: &BTreeSet<TaskIx>, config: SchedulerConfig, specs: Vec<TaskSpec>) -> Self {
        assert_eq!(specs.len(), graph.len(), "one spec for each task");
        let mut chosen = vec![false; graph.len()];
        selected.iter().for_each(|ix| chosen[ix.index()] = true);
        let mut layers: Vec<Layer> = Vec::new();
        let mut tasks: Vec<Task> = graph
            .tasks()
            .zip(specs)
            .map(|(ix, spec)| Task {
                spec: spec.normalized(config.pools.len()),
                phase: Phase::Outside,
                layer: graph.layer(ix),
                deps_open: 0,
                dependents: Box::default(),
                overtaken: 0,
                awaited_by: Vec::new(),
            })
            .collect();
        for &ix in selected {
            let layer = graph.layer(ix) as usize;
            if layers.len() <= layer {
                layers.resize_with(layer + 1, Layer::default);
            }
            layers[layer].tasks.push(ix);
            layers[layer].unsettled += 1;
            // What is there and selected all the same is settled like any other.
            let is_open = |dep: &TaskIx| chosen[dep.index()] || !tasks[dep.index()].spec.is_there;
            let deps: Vec<TaskIx> = graph.deps(ix).iter().copied().filter(is_open).collect();
            assert!(deps.iter().all(|dep| chosen[dep.index()]), "a selection holds what its tasks wait for");
            let task = &mut tasks[ix.index()];
            task.phase = Phase::Waiting;
            task.deps_open = u32::try_from(deps.len()).expect("edges are counted in 32 bits");
            task.dependents = graph.dependents(ix).iter().copied().filter(|ix| chosen[ix.index()]).collect();
        }
        let counts = Counts { waiting: selected.len(), total: selected.len(), ..Counts::default() };
        Self {
            queue: ReadyQueue::new(config.pools.len()),
            ledger: Ledger::new(config.jobs, &config.pools),
            purse: Purse::new(config.cost_micro_usd_max),
            awaiting_money: Vec::new(),
            paused: BTreeMap::new(),
            stopped: BTreeSet::new(),
            config: config.normalized(),
            tasks,
            layers,
            layers_opened: 0,
            asked: Asked::NotYet,
            reserved: None,
            delayed: BinaryHeap::new(),
            preempted_at_ms: None,
            counts,
            slots_queued: 0,
            slotless: 0,
            loans_wanted: 0,
            started: false,
            stopping: false,
            done: false,
        }
    }

    /// Takes one fact and the time, and says what to do now, in this order.
    ///
    /// # Panics
    /// Where the fact cannot be: a task that does not resolve is resolved, one that does not run is finished.
    pub fn step(&mut self, now_ms: u64, input: Input) -> Vec<Command> {
        let mut out = Vec::new();
        match input {
            Input::Start => self.start(&mut out),
            Input::Resolved { task, clean } => self.resolved(task, clean, &mut out),
            Input::Parked { task, on } => self.park_until_settled(task, on, &mut out),
            Input::Hired { task, agent, cost } => self.hired(task, agent, cost),
            Input::Spent { task, micro_usd } => {
                self.purse.spend(task, self.tasks[task.index()].spec.agent, micro_usd);
            }
            Input::AgentPaused { agent, until_ms } => self.pause(agent, until_ms),
            Input::AgentStopped(agent) => self.stop_agent(agent),
            Input::BodyEnded(task) => self.body_ended(task),
            Input::Finished { task, ended } => self.finished(now_ms, task, ended, &mut out),
            Input::Sample(machine) => self.sampled(now_ms, machine, &mut out),
            Input::Slots(slots) => self.ledger.set_slots(slots),
            Input::LayerApproved if self.asked == Asked::Waiting => self.asked = Asked::Approved,
            Input::LayerRefused | Input::Interrupt | Input::Superseded => self.stopping = true,
            Input::Outdated(task) if self.phase(task) == Phase::Running => out.push(Command::Stop(task)),
            Input::Borrow => self.loans_wanted += 1,
            Input::Return => self.ledger.take_back(),
            Input::LayerApproved | Input::Outdated(_) | Input::Tick => {}
        }
        self.advance(now_ms, &mut out);
        out
    }

    /// Whether every task is settled.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Whether nothing more is started.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// How many tasks are in which phase.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The phase of one task.
    #[must_use]
    pub fn phase(&self, task: TaskIx) -> Phase {
        self.tasks[task.index()].phase
    }

    /// When a [`Input::Tick`] is due, if nothing else happens before: a delayed task comes back, or a paused agent.
    #[must_use]
    pub fn next_wakeup_ms(&self) -> Option<u64> {
        let delayed = self.delayed.peek().map(|Reverse((at_ms, _))| *at_ms);
        let paused = self.paused.values().filter(|pause| !pause.held.is_empty()).map(|pause| pause.until_ms);
        delayed.into_iter().chain(paused).min()
    }

    /// Job slots that running tasks hold.
    #[must_use]
    pub fn slots_held(&self) -> u32 {
        self.ledger.slots_held()
    }

    /// Job slots that would be of use now: those held, and what queued tasks ask for, as far as the limits allow.
    #[must_use]
    pub fn slots_wanted(&self) -> u32 {
        self.ledger.slots_wanted(self.slots_queued)
    }

    fn start(&mut self, out: &mut Vec<Command>) {
        if std::mem::replace(&mut self.started, true) || self.config.policy == Policy::Layers {
            return;
        }
        let ready: Vec<TaskIx> =
            self.in_phase(Phase::Waiting).filter(|ix| self.tasks[ix.index()].deps_open == 0).collect();
        self.resolve_all(ready, out);
    }

    fn resolved(&mut self, ix: TaskIx, clean: bool, out: &mut Vec<Command>) {
        assert_eq!(self.phase(ix), Phase::Resolving, "only what resolves is resolved");
        if clean {
            self.settle(ix, Phase::Accepted, out);
        } else if self.stopping {
            self.skip(ix, SkipReason::Stopped, out);
        } else {
            self.enqueue(ix);
        }
    }

    /// What waits like this is earlier in plan order all the way down, so somebody goes on.
    fn park_until_settled(&mut self, ix: TaskIx, on: TaskIx, out: &mut Vec<Command>) {
        assert_eq!(self.phase(ix), Phase::Resolving, "only what resolves is parked");
        assert!(on < ix, "a task waits for earlier ones only");
        match self.phase(on) {
            Phase::Outside | Phase::Accepted | Phase::Failed | Phase::Skipped => out.push(Command::Resolve(ix)),
            _ => {
                self.enter(ix, Phase::Parked);
                self.tasks[on.index()].awaited_by.push(ix);
            }
        }
    }

    fn unpark_those_waiting_for(&mut self, settled: TaskIx, out: &mut Vec<Command>) {
        for ix in std::mem::take(&mut self.tasks[settled.index()].awaited_by) {
            self.enter(ix, Phase::Resolving);
            out.push(Command::Resolve(ix));
        }
    }

    fn finished(&mut self, now_ms: u64, ix: TaskIx, ended: Ended, out: &mut Vec<Command>) {
        match self.phase(ix) {
            Phase::Running => self.release(ix),
            Phase::Resolving => assert_ne!(ended, Ended::Accepted, "what only resolves has nothing to accept"),
            phase => panic!("a task that is {phase:?} cannot finish"),
        }
        match ended {
            Ended::Accepted => self.settle(ix, Phase::Accepted, out),
            Ended::Failed => self.failed(ix, out),
            Ended::Held => self.settle_with_those_below(ix, out),
            Ended::Again => {
                self.enter(ix, Phase::Resolving);
                out.push(Command::Resolve(ix));
            }
            Ended::Requeue { .. } if self.stopping => self.skip(ix, SkipReason::Stopped, out),
            Ended::Requeue { after_ms } => {
                self.enter(ix, Phase::Delayed);
                self.delayed.push(Reverse((now_ms.saturating_add(after_ms), ix)));
            }
        }
    }

    fn failed(&mut self, ix: TaskIx, out: &mut Vec<Command>) {
        self.stopping |= !self.config.keep_going;
        self.settle_with_those_below(ix, out);
    }

    /// Settles a task that brought nothing its dependents could go on with.
    fn settle_with_those_below(&mut self, ix: TaskIx, out: &mut Vec<Command>) {
        self.settle(ix, Phase::Failed, out);
        let mut below = BTreeSet::new();
        let mut open = vec![ix];
        while let Some(above) = open.pop() {
            let unsettled = |ix: &&TaskIx| self.tasks[ix.index()].phase == Phase::Waiting;
            let next = self.tasks[above.index()].dependents.iter().filter(unsettled);
            open.extend(next.filter(|ix| below.insert(**ix)));
        }
        below.into_iter().for_each(|task| self.skip(task, SkipReason::RedDep(ix), out));
    }

    fn sampled(&mut self, now_ms: u64, machine: Machine, out: &mut Vec<Command>) {
        self.ledger.sampled(now_ms, machine);
        let awaits_effect = self.preempted_at_ms.is_some_and(|at_ms| now_ms < at_ms.saturating_add(PREEMPT_PAUSE_MS));
        if machine.is_at_the_edge()
            && !awaits_effect
            && let Some(youngest) = self.ledger.preempt_youngest()
        {
            self.preempted_at_ms = Some(now_ms);
            let spec = &mut self.tasks[youngest.index()].spec;
            spec.memory_bytes = spec.memory_bytes.max(MEMORY_LEARNED_MIN_BYTES).saturating_mul(2);
            out.push(Command::Preempt(youngest));
        }
    }

    /// What follows from where things stand: delayed tasks come back, layers open, tasks are admitted, the end comes.
    fn advance(&mut self, now_ms: u64, out: &mut Vec<Command>) {
        if !self.started || self.done {
            return;
        }
        self.bring_back_delayed(now_ms);
        self.resume_agents(now_ms);
        // What is nearly done goes before what has not begun.
        while self.loans_wanted > 0 && self.ledger.lend() {
            self.loans_wanted -= 1;
            out.push(Command::Lend);
        }
        let mut was_refused = true;
        while !self.stopping && std::mem::take(&mut was_refused) {
            self.open_layers(out);
            let failed = self.counts.failed;
            self.admit(now_ms, out);
            was_refused = self.counts.failed > failed;
        }
        if self.stopping {
            self.skip_the_rest(out);
        }
        if self.counts.settled() == self.counts.total {
            self.done = true;
            out.push(Command::Done);
        }
    }

    fn bring_back_delayed(&mut self, now_ms: u64) {
        while self.delayed.peek().is_some_and(|Reverse((at_ms, _))| *at_ms <= now_ms) {
            let Reverse((_, ix)) = self.delayed.pop().expect("something is due");
            self.enqueue(ix);
        }
    }

    /// Once nothing runs any more, what never started is skipped.
    fn skip_the_rest(&mut self, out: &mut Vec<Command>) {
        if self.counts.running > 0 || self.counts.resolving > 0 {
            return;
        }
        let rest: Vec<TaskIx> = self
            .in_phase(Phase::Waiting)
            .chain(self.in_phase(Phase::Queued))
            .chain(self.in_phase(Phase::Held))
            .chain(self.in_phase(Phase::Delayed))
            .collect();
        self.delayed.clear();
        self.paused.clear();
        self.awaiting_money.clear();
        rest.into_iter().for_each(|ix| self.skip(ix, SkipReason::Stopped, out));
    }

    /// Under [`Policy::Layers`]: opens the next layer where the one before is settled, and asks a person if told to.
    fn open_layers(&mut self, out: &mut Vec<Command>) {
        if self.config.policy != Policy::Layers {
            return;
        }
        // What a parked task waits for may be in a later layer; then it, and what waits for it, holds up nobody.
        while self.layers_opened < self.layers.len() && self.counts.is_at_rest() {
            let tasks = self.layers[self.layers_opened].tasks.iter().copied();
            let ready = |ix: &TaskIx| self.phase(*ix) == Phase::Waiting && self.tasks[ix.index()].deps_open == 0;
            let waiting: Vec<TaskIx> = tasks.filter(ready).collect();
            self.resolve_all(waiting, out);
            self.layers_opened += 1;
            self.asked = Asked::NotYet;
        }
        if self.config.ask_layers && self.asked == Asked::NotYet && self.counts.resolving == 0 && self.counts.queued > 0
        {
            self.asked = Asked::Waiting;
            let open = self.layers_opened - 1;
            let tasks = self.in_phase(Phase::Queued).collect();
            out.push(Command::AskLayer { layer: open as u32, tasks });
        }
    }

    /// Starts queued tasks as long as there is room: the most urgent first, smaller ones past those that do not fit.
    fn admit(&mut self, now_ms: u64, out: &mut Vec<Command>) {
        if self.config.ask_layers && self.asked != Asked::Approved {
            return;
        }
        if !self.admit_reserved(now_ms, out) {
            return;
        }
        let mut passed_over: Vec<TaskIx> = Vec::new();
        while !self.stopping
            && passed_over.len() < PASSED_OVER_MAX
            && self.reserved_lacks_only_pools()
            && self.ledger.has_free_slot()
        {
            let Some(ix) = self.queue.pop(self.ledger.has_free_command_slot()) else { break };
            if self.is_put_aside(ix, out) {
                continue;
            }
            match self.fit(ix) {
                Fit::Now => {
                    self.run(now_ms, ix, out);
                    self.overtaken(&mut passed_over);
                }
                Fit::LacksPool(pool) => self.park(ix, pool),
                Fit::LacksRoom => passed_over.push(ix),
            }
        }
        for ix in passed_over {
            self.queue.push(ix, &self.tasks[ix.index()].spec);
        }
    }

    /// Starts the reserved task if it fits now. Whether others may be admitted.
    fn admit_reserved(&mut self, now_ms: u64, out: &mut Vec<Command>) -> bool {
        let Some(ix) = self.reserved else { return true };
        if self.is_put_aside(ix, out) {
            return true;
        }
        match self.ledger.fit(&self.tasks[ix.index()].spec) {
            Fit::Now => {
                self.reserved = None;
                self.run(now_ms, ix, out);
                self.wake_waiters_of(ix);
                true
            }
            Fit::LacksPool(_) => true,
            Fit::LacksRoom => false,
        }
    }

    fn reserved_lacks_only_pools(&self) -> bool {
        self.reserved.is_none_or(|ix| matches!(self.ledger.fit(&self.tasks[ix.index()].spec), Fit::LacksPool(_)))
    }

    /// Whether the task fits, where pools that the reserved task waits for count as full.
    fn fit(&self, ix: TaskIx) -> Fit {
        let spec = &self.tasks[ix.index()].spec;
        match spec.pools.iter().find(|pool| self.is_kept(**pool)) {
            Some(pool) => Fit::LacksPool(*pool),
            None => self.ledger.fit(spec),
        }
    }

    fn is_kept(&self, pool: usize) -> bool {
        self.reserved.is_some_and(|reserved| self.tasks[reserved.index()].spec.pools.contains(&pool))
    }

    fn run(&mut self, now_ms: u64, ix: TaskIx, out: &mut Vec<Command>) {
        self.enter(ix, Phase::Running);
        self.tasks[ix.index()].overtaken = 0;
        self.ledger.take(now_ms, ix, &self.tasks[ix.index()].spec);
        self.purse.reserve(ix, &self.tasks[ix.index()].spec);
        out.push(Command::Run(ix));
    }

    /// Counts one more overtaking for each; the first that had enough of it is reserved.
    fn overtaken(&mut self, passed_over: &mut Vec<TaskIx>) {
        passed_over.retain(|&ix| {
            let task = &mut self.tasks[ix.index()];
            task.overtaken = task.overtaken.saturating_add(1);
            let had_enough = task.overtaken >= OVERTAKEN_MAX && self.reserved.is_none();
            if had_enough {
                self.reserved = Some(ix);
            }
            !had_enough
        });
    }

    /// Lets the task wait at a full pool. One that had to again and again is reserved instead.
    fn park(&mut self, ix: TaskIx, pool: usize) {
        let task = &mut self.tasks[ix.index()];
        task.overtaken = task.overtaken.saturating_add(1);
        if task.overtaken >= OVERTAKEN_MAX && self.reserved.is_none() {
            self.reserved = Some(ix);
        } else {
            self.queue.park(ix, &task.spec, pool);
            // It was woken for another of its pools, perhaps, and does not take it: the next one may.
            self.wake_waiters_of(ix);
        }
    }

    /// Frees what the task held before it is finished, unless too many do so already: results are not made faster than
    /// they are put away.
    fn body_ended(&mut self, ix: TaskIx) {
        let may_free = self.slotless < self.config.jobs.all.saturating_mul(SLOTLESS_PER_JOB);
        if self.phase(ix) == Phase::Running && self.ledger.holds(ix) && may_free {
            self.ledger.release(ix);
            self.slotless += 1;
            self.wake_waiters_of(ix);
        }
    }

    fn release(&mut self, ix: TaskIx) {
        if self.ledger.holds(ix) {
            self.ledger.release(ix);
            self.wake_waiters_of(ix);
        } else {
            self.slotless -= 1;
        }
        if self.purse.release(ix) {
            self.retry_those_without_money();
        }
    }

    /// Every pool of the task that has room, and is not kept for the reserved one, lets its waiters try.
    fn wake_waiters_of(&mut self, ix: TaskIx) {
        for &pool in &self.tasks[ix.index()].spec.pools {
            if !self.is_kept(pool) {
                self.queue.unpark(pool, self.ledger.pool_room(pool));
            }
        }
    }

    fn resolve_all(&mut self, mut tasks: Vec<TaskIx>, out: &mut Vec<Command>) {
        tasks.sort_by_key(|ix| (Reverse(self.tasks[ix.index()].spec.priority_ms), *ix));
        for ix in tasks {
            self.enter(ix, Phase::Resolving);
            out.push(Command::Resolve(ix));
        }
    }

    fn enqueue(&mut self, ix: TaskIx) {
        self.enter(ix, Phase::Queued);
        self.queue.push(ix, &self.tasks[ix.index()].spec);
    }

    fn skip(&mut self, ix: TaskIx, because: SkipReason, out: &mut Vec<Command>) {
        out.push(Command::Skip { task: ix, because });
        self.settle(ix, Phase::Skipped, out);
    }

    fn settle(&mut self, ix: TaskIx, phase: Phase, out: &mut Vec<Command>) {
        self.enter(ix, phase);
        let number = self.tasks[ix.index()].layer;
        let layer = &mut self.layers[number as usize];
        layer.unsettled -= 1;
        if layer.unsettled == 0 {
            out.push(Command::LayerDone(number));
        }
        if phase == Phase::Accepted {
            self.accepted(ix, out);
        }
        self.unpark_those_waiting_for(ix, out);
    }

    fn accepted(&mut self, ix: TaskIx, out: &mut Vec<Command>) {
        let dependents = std::mem::take(&mut self.tasks[ix.index()].dependents);
        let mut ready = Vec::new();
        for &dependent in &dependents {
            let task = &mut self.tasks[dependent.index()];
            task.deps_open -= 1;
            if task.deps_open == 0 && task.phase == Phase::Waiting {
                ready.push(dependent);
            }
        }
        if self.stopping {
            return;
        }
        if self.config.policy == Policy::Layers {
            // A layer that is open already has late comers: those behind a task that was parked.
            ready.retain(|ix| (self.tasks[ix.index()].layer as usize) < self.layers_opened);
        }
        self.resolve_all(ready, out);
    }

    fn enter(&mut self, ix: TaskIx, phase: Phase) {
        let task = &mut self.tasks[ix.index()];
        let before = std::mem::replace(&mut task.phase, phase);
        let slots = u64::from(self.ledger.slots_for(&task.spec));
        self.slots_queued += if phase == Phase::Queued { slots } else { 0 };
        self.slots_queued -= if before == Phase::Queued { slots } else { 0 };
        self.counts.moved(before, phase);
    }

    fn in_phase(&self, phase: Phase) -> impl Iterator<Item = TaskIx> + '_ {
        (0u32..).map(TaskIx).zip(&self.tasks).filter(move |(_, task)| task.phase == phase).map(|(ix, _)| ix)
    }
}
