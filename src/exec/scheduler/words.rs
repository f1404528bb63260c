//! The words between scheduler and executor: facts in, commands out.

use crate::graph::TaskIx;

use crate::exec::admission::Machine;

/// Which ready task comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Ready tasks start at once, the one with the longest chain behind it first.
    CriticalPath,
    /// A layer starts when the one before is settled.
    Layers,
}

/// How many job slots tasks may hold at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jobs {
    /// All tasks together.
    pub all: u32,
    /// Tasks with a `run` body among them; the rest mostly wait for a model.
    pub commands: u32,
}

impl Jobs {
    /// Just this many of any kind: what `-j` says.
    #[must_use]
    pub const fn exactly(jobs: u32) -> Self {
        Self { all: jobs, commands: jobs }
    }
}

/// How a run is to be scheduled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchedulerConfig {
    /// The most job slots held at a time; 0 counts as 1.
    pub jobs: Jobs,
    /// Whether tasks that do not depend on a red one still start.
    pub keep_going: bool,
    /// Which ready task comes first.
    pub policy: Policy,
    /// Whether a person is asked before tasks of a layer run; implies [`Policy::Layers`].
    pub ask_layers: bool,
    /// Capacity of every pool; 0 counts as 1.
    pub pools: Vec<u32>,
    /// What agents may cost in this run, in millionths of a dollar.
    pub cost_micro_usd_max: Option<u64>,
}

impl SchedulerConfig {
    pub(super) fn normalized(self) -> Self {
        let policy = if self.ask_layers { Policy::Layers } else { self.policy };
        Self { policy, ..self }
    }
}

/// What the scheduler needs to know of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskSpec {
    /// What the longest chain from its start takes: larger is more urgent.
    pub priority_ms: u64,
    /// Job slots it holds; 0 counts as 1, more than there are as all.
    pub cpu: u32,
    /// Memory it is expected to need; more than there is means it runs alone.
    pub memory_bytes: u64,
    /// Pools it holds one unit of, as positions in [`SchedulerConfig::pools`].
    pub pools: Vec<usize>,
    /// Whether its body is a prompt.
    pub is_agent: bool,
    /// Whether its result was accepted before this run began: it is not selected, and nothing waits for it.
    pub is_there: bool,
    /// The agent that works on it, once that is known; none for a command, and where only gates have to work.
    pub agent: Option<AgentIx>,
    /// What an attempt of it is expected to cost.
    pub cost: CostEstimate,
    /// What its attempts of this run may cost together, in millionths of a dollar.
    pub cost_micro_usd_max: Option<u64>,
}

/// Which agent, by its position among those of the plan.
pub type AgentIx = usize;

/// What an attempt is expected to cost by earlier runs, in millionths of a dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CostEstimate {
    /// What attempts of the task have cost.
    pub of_task: Option<u64>,
    /// What attempts of its agent have cost.
    pub of_agent: Option<u64>,
}

impl TaskSpec {
    pub(super) fn normalized(mut self, pools: usize) -> Self {
        self.cpu = self.cpu.max(1);
        self.pools.sort_unstable();
        self.pools.dedup();
        assert!(self.pools.iter().all(|pool| *pool < pools), "a task holds pools that are there");
        self
    }
}

/// A fact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Input {
    /// Begin.
    Start,
    /// The key of a task is known: its result is accepted from the cache, or it has to run.
    Resolved {
        /// The task.
        task: TaskIx,
        /// Whether its result is accepted as it is.
        clean: bool,
    },
    /// A task that resolves cannot go on before another, earlier in plan order, is settled; it holds nothing meanwhile.
    Parked {
        /// The task.
        task: TaskIx,
        /// The one it waits for. If that is settled by now, the task resolves again at once.
        on: TaskIx,
    },
    /// A task that resolves is to be worked on by this agent from now on.
    Hired {
        /// The task.
        task: TaskIx,
        /// The agent; none for a command, and where only gates have to work.
        agent: Option<AgentIx>,
        /// What an attempt is expected to cost with it.
        cost: CostEstimate,
    },
    /// What an attempt has cost that is about to be reported as finished.
    Spent {
        /// The task.
        task: TaskIx,
        /// In millionths of a dollar.
        micro_usd: u64,
    },
    /// No task of this agent starts before then. An earlier word that says later stands.
    AgentPaused {
        /// The agent.
        agent: AgentIx,
        /// When its tasks may start again.
        until_ms: u64,
    },
    /// This agent works on nothing more: its tasks that wait to run are resolved anew.
    AgentStopped(AgentIx),
    /// A running task ended, or resolving one failed.
    Finished {
        /// The task.
        task: TaskIx,
        /// How.
        ended: Ended,
    },
    /// The body of a running task is over, and what is left of it, storing and publishing its result, needs no job slot.
    BodyEnded(TaskIx),
    /// A look at the machine.
    Sample(Machine),
    /// How many job slots of the machine's shared budget this orca may hold; at least one is always used.
    Slots(u32),
    /// The person said yes to [`Command::AskLayer`].
    LayerApproved,
    /// The person said no: nothing more starts.
    LayerRefused,
    /// Nothing more starts; what runs is stopped by the executor and finishes.
    Interrupt,
    /// Files changed, and another build follows this one: nothing more starts, and what runs comes to its end.
    Superseded,
    /// What this task runs on is not there any more: it is stopped, if it runs.
    Outdated(TaskIx),
    /// A gate wants a job slot besides that of its task; answered by [`Command::Lend`] when there is one.
    Borrow,
    /// A lent slot is free again.
    Return,
    /// Time went on.
    Tick,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its result counts.
    Accepted,
    /// It is red.
    Failed,
    /// It has a result that does not count yet: what depends on it does not run, and the rest goes on.
    Held,
    /// What it brought is to be looked at anew: it resolves again.
    Again,
    /// It is to run again: a retry, or it was preempted.
    Requeue {
        /// Not before this time has passed.
        after_ms: u64,
    },
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// All it waits for is accepted: compute its key and look it up; answer [`Input::Resolved`].
    Resolve(TaskIx),
    /// Run it; answer [`Input::Finished`].
    Run(TaskIx),
    /// Memory runs out: stop it and answer [`Ended::Requeue`] (or as it ended, if it just did).
    Preempt(TaskIx),
    /// What it runs on has changed: stop it and answer [`Ended::Requeue`] (or as it ended, if it just did).
    Stop(TaskIx),
    /// It is not started, since a limit of cost would be passed, and is red.
    Refuse {
        /// The task.
        task: TaskIx,
        /// Which limit.
        because: TooDear,
    },
    /// It does not run.
    Skip {
        /// The task.
        task: TaskIx,
        /// Why.
        because: SkipReason,
    },
    /// Ask whether these tasks of a layer, which have to run, may; answer with an input.
    AskLayer {
        /// From 0.
        layer: u32,
        /// In plan order, never empty.
        tasks: Vec<TaskIx>,
    },
    /// A gate may use one more job slot, until [`Input::Return`].
    Lend,
    /// Every task of the layer is settled. Under [`Policy::CriticalPath`] layers may end in any order.
    LayerDone(u32),
    /// Every task is settled.
    Done,
}

/// A limit of cost that one more attempt would pass. All in millionths of a dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooDear {
    /// Whether it is the task's own limit; otherwise it is the run's.
    pub is_of_task: bool,
    /// The limit.
    pub limit_micro_usd: u64,
    /// What was spent of it.
    pub spent_micro_usd: u64,
    /// What the attempt is expected to cost; 0 where nobody knows.
    pub estimate_micro_usd: u64,
}

/// Why a task does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// It waits, directly or through others, for this red task.
    RedDep(TaskIx),
    /// The build stopped before.
    Stopped,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not selected.
    Outside,
    /// Something it waits for is not accepted.
    Waiting,
    /// Its key is being looked up.
    Resolving,
    /// It waits for a task that it does not depend on, but whose changes come first.
    Parked,
    /// It has to run and waits for room.
    Queued,
    /// It runs.
    Running,
    /// It has to run, and waits for its agent, or for what running tasks leave of the money.
    Held,
    /// It runs again later.
    Delayed,
    /// Its result counts.
    Accepted,
    /// It is red.
    Failed,
    /// It did not run.
    Skipped,
}

/// How many selected tasks are in which phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the fields are named after the phases")]
pub struct Counts {
    pub total: usize,
    pub waiting: usize,
    pub resolving: usize,
    pub parked: usize,
    pub queued: usize,
    pub held: usize,
    pub running: usize,
    pub delayed: usize,
    pub accepted: usize,
    pub failed: usize,
    pub skipped: usize,
}

impl Counts {
    /// How many tasks have come to an end.
    #[must_use]
    pub fn settled(&self) -> usize {
        self.accepted + self.failed + self.skipped
    }

    /// Whether nothing goes on: what is not settled waits for another task.
    pub(super) fn is_at_rest(&self) -> bool {
        self.resolving + self.queued + self.held + self.running + self.delayed == 0
    }

    pub(super) fn moved(&mut self, from: Phase, to: Phase) {
        *self.of(from) -= 1;
        *self.of(to) += 1;
    }

    fn of(&mut self, phase: Phase) -> &mut usize {
        match phase {
            Phase::Outside => unreachable!("a task outside the selection stays there"),
            Phase::Waiting => &mut self.waiting,
            Phase::Resolving => &mut self.resolving,
            Phase::Parked => &mut self.parked,
            Phase::Queued => &mut self.queued,
            Phase::Held => &mut self.held,
            Phase::Running => &mut self.running,
            Phase::Delayed => &mut self.delayed,
            Phase::Accepted => &mut self.accepted,
            Phase::Failed => &mut self.failed,
            Phase::Skipped => &mut self.skipped,
        }
    }
}
