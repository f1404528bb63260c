//! What the scheduler promises, tried with an executor that is made of dice.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::tests::{GIB, graph, roomy, scheduler};
use super::*;
use crate::graph::sketch;

/// A run to try: a graph by the deps of each task on earlier ones, and what becomes of its tasks.
#[derive(Debug, Clone)]
struct Trial {
    tasks: Vec<TrialTask>,
    config: SchedulerConfig,
    dice: Vec<u16>,
    interrupt_at: Option<usize>,
    /// When files change: then nothing more starts, and every other task is outdated.
    superseded_at: Option<usize>,
}

#[derive(Debug, Clone)]
struct TrialTask {
    deps: Vec<prop::sample::Index>,
    spec: TaskSpec,
    clean: bool,
    fails: bool,
    retries: u8,
    /// Which agent works on it first, and what an attempt of it costs and is expected to.
    agent: Option<AgentIx>,
    price: u64,
    estimate: Option<u64>,
}

/// Of three agents, the last two stand in for the one before.
const AGENTS: AgentIx = 3;

fn trials() -> impl Strategy<Value = Trial> {
    let spec = (0..4u64, 0..5u32, 0..4u64, prop::collection::vec(0..2usize, 0..3), any::<bool>()).prop_map(
        |(priority_ms, cpu, gib, pools, is_agent)| TaskSpec {
            priority_ms,
            cpu,
            memory_bytes: gib * GIB,
            pools,
            is_agent,
            ..TaskSpec::default()
        },
    );
    let money = (0..AGENTS, 0..5u64, prop::option::of(0..5u64), prop::option::weighted(0.2, 0..12u64));
    let task = (prop::collection::vec(any::<prop::sample::Index>(), 0..4), spec, 0..4u8, 0..8u8, 0..3u8, money)
        .prop_map(|(deps, spec, clean, fails, retries, (agent, price, estimate, limit))| TrialTask {
            deps,
            agent: spec.is_agent.then_some(agent),
            spec: TaskSpec { cost_micro_usd_max: limit, ..spec },
            clean: clean == 0,
            fails: fails == 0,
            retries,
            price,
            estimate,
        });
    let limits = (prop::collection::vec(1..3u32, 2), prop::option::weighted(0.3, 0..40u64));
    let config = (0..5u32, 1..5u32, any::<bool>(), any::<bool>(), 0..4u8, limits).prop_map(
        |(all, commands, keep_going, layers, ask, (pools, cost_micro_usd_max))| SchedulerConfig {
            jobs: Jobs { all, commands },
            keep_going,
            policy: if layers { Policy::Layers } else { Policy::CriticalPath },
            ask_layers: ask == 0,
            pools,
            cost_micro_usd_max,
        },
    );
    (
        prop::collection::vec(task, 0..25),
        config,
        prop::collection::vec(any::<u16>(), 1..200),
        prop::option::weighted(0.2, 0..60usize),
        prop::option::weighted(0.2, 0..60usize),
    )
        .prop_map(|(tasks, config, dice, interrupt_at, superseded_at)| Trial {
            tasks,
            config,
            dice,
            interrupt_at,
            superseded_at,
        })
}

/// A die whose every bit depends on the round, so that no short list of dice repeats itself.
fn mixed(die: u16, round: usize) -> usize {
    let mut bits = (u64::from(die) << 32 | round as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits ^= bits >> 29;
    (bits.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33) as usize
}

/// The executor made of dice, and all it remembers.
struct Trying<'t> {
    trial: &'t Trial,
    graph: Graph,
    scheduler: Scheduler,
    resolving: BTreeSet<TaskIx>,
    running: BTreeMap<TaskIx, bool>,
    asked: bool,
    accepted: BTreeSet<TaskIx>,
    ended: BTreeMap<TaskIx, &'static str>,
    attempts: Vec<u8>,
    failed: bool,
    layers_done: BTreeSet<u32>,
    log: Vec<Command>,
    now_ms: u64,
    /// Tasks that wait for an earlier one, and which.
    parked: BTreeMap<TaskIx, TaskIx>,
    /// Tasks that have a result, which is to be looked at again.
    ready: BTreeSet<TaskIx>,
    /// How often a task parks or ends with *again*, yet.
    detours: Vec<u8>,
    agents: BTreeMap<TaskIx, AgentIx>,
    paused: BTreeMap<AgentIx, u64>,
    stopped: BTreeSet<AgentIx>,
    /// What was spent in all, and by each task.
    spent: u64,
    spent_by: BTreeMap<TaskIx, u64>,
    refused: bool,
    were_parked: BTreeSet<TaskIx>,
    /// Tasks that were resolved once.
    /// Slots that gates have borrowed, and wait for.
    lent: u32,
    wanted: u32,
    under_way: BTreeSet<TaskIx>,
    /// Running tasks whose body is over, and that hold nothing any more.
    past_body: BTreeSet<TaskIx>,
    superseded: bool,
    /// The task that is just said to be outdated, and those that were stopped for it.
    outdating: Option<TaskIx>,
    outdated: BTreeSet<TaskIx>,
}

impl<'t> Trying<'t> {
    fn new(trial: &'t Trial) -> Self {
        let lines: Vec<String> = (0..trial.tasks.len())
            .map(|at| {
                let deps = trial.tasks[at].deps.iter().filter(|_| at > 0).map(|dep| format!("t{:02} ", dep.index(at)));
                format!("t{at:02}: deps {}", deps.collect::<String>())
            })
            .collect();
        let graph = graph(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let mut trying = Self {
            scheduler: Scheduler::new(
                &Graph::build(&sketch::plan(&[])).0,
                &BTreeSet::new(),
                trial.config.clone(),
                vec![],
            ),
            resolving: BTreeSet::new(),
            running: BTreeMap::new(),
            asked: false,
            accepted: BTreeSet::new(),
            ended: BTreeMap::new(),
            attempts: vec![0; trial.tasks.len()],
            failed: false,
            layers_done: BTreeSet::new(),
            log: Vec::new(),
            now_ms: 0,
            parked: BTreeMap::new(),
            ready: BTreeSet::new(),
            detours: trial.tasks.iter().map(|task| task.retries).collect(),
            agents: BTreeMap::new(),
            paused: BTreeMap::new(),
            stopped: BTreeSet::new(),
            spent: 0,
            spent_by: BTreeMap::new(),
            refused: false,
            were_parked: BTreeSet::new(),
            under_way: BTreeSet::new(),
            past_body: BTreeSet::new(),
            superseded: false,
            outdating: None,
            outdated: BTreeSet::new(),
            lent: 0,
            wanted: 0,
            trial,
            graph,
        };
        let specs = trying.graph.tasks().map(|ix| trying.task(ix).spec.clone()).collect();
        trying.scheduler = scheduler(&trying.graph, trial.config.clone(), specs);
        trying
    }

    fn task(&self, ix: TaskIx) -> &'t TrialTask {
        let number: usize = self.graph.name(ix).as_str()[1..].parse().expect("a number");
        &self.trial.tasks[number]
    }

    fn jobs(&self) -> (u32, u32) {
        let all = self.trial.config.jobs.all.max(1);
        (all, self.trial.config.jobs.commands.min(all))
    }

    fn slots(&self, ix: TaskIx) -> u32 {
        let (all, commands) = self.jobs();
        let spec = &self.task(ix).spec;
        spec.cpu.max(1).min(if spec.is_agent { all } else { commands })
    }

    fn held(&self, counts: impl Fn(&TaskSpec) -> bool) -> u32 {
        let holding = self.running.keys().filter(|ix| !self.past_body.contains(ix));
        holding.filter(|ix| counts(&self.task(**ix).spec)).map(|ix| self.slots(*ix)).sum()
    }

    fn go(&mut self) {
        let mut now_ms = 0;
        self.take(0, Input::Start);
        let mut round = 0;
        while !self.scheduler.is_done() {
            let die = mixed(self.trial.dice[round % self.trial.dice.len()], round);
            round += 1;
            assert!(round < 5_000, "it goes on and on: {:?}", self.scheduler);
            now_ms += die as u64 % 50;
            if self.trial.interrupt_at == Some(round) {
                self.take(now_ms, Input::Interrupt);
                continue;
            }
            if self.trial.superseded_at == Some(round) {
                self.supersede(now_ms);
                continue;
            }
            let stuck = self.resolving.is_empty() && self.running.is_empty() && !self.asked;
            match self.scheduler.next_wakeup_ms() {
                Some(at_ms) if stuck => now_ms = now_ms.max(at_ms),
                None if stuck => panic!("stuck: {:?}", self.scheduler),
                _ => {}
            }
            self.now_ms = now_ms;
            let input = self.choose(die);
            self.take(now_ms, input);
        }
        assert!(self.running.is_empty() && self.resolving.is_empty() && self.parked.is_empty());
        assert_eq!(self.ended.len(), self.trial.tasks.len());
        assert_eq!(self.layers_done.len(), self.graph.layers().len());
    }

    /// Files change: what runs of every other task is stopped, and of the rest nothing.
    fn supersede(&mut self, now_ms: u64) {
        self.superseded = true;
        self.take(now_ms, Input::Superseded);
        for task in self.graph.tasks().filter(|task| task.index() % 2 == 0) {
            let runs = self.running.contains_key(&task);
            self.outdating = Some(task);
            self.take(now_ms, Input::Outdated(task));
            assert_eq!(self.outdated.contains(&task), runs, "what runs, and only that, is stopped");
        }
        self.outdating = None;
    }

    /// Some fact that can be, by the die.
    fn choose(&mut self, die: usize) -> Input {
        let nth = |at: usize, of: usize| at / 7 % of;
        match die % 7 {
            0 if die.is_multiple_of(2) && self.lent > 0 => {
                self.lent -= 1;
                Input::Return
            }
            0 if die.is_multiple_of(3) && !self.running.is_empty() && self.wanted < 3 => {
                self.wanted += 1;
                Input::Borrow
            }
            0 => Input::Tick,
            1 => Input::Slots(die as u32 % 6),
            2 => Input::Sample(Machine {
                available_bytes: (die as u64 % 9) * GIB / 2,
                pressure_some_avg10: die.is_multiple_of(2).then_some((die % 60) as f32),
                ..roomy()
            }),
            3 if self.asked => {
                self.asked = false;
                if die % 35 == 3 { Input::LayerRefused } else { Input::LayerApproved }
            }
            3 | 4 if !self.resolving.is_empty() => {
                let task = *self.resolving.iter().nth(nth(die, self.resolving.len())).expect("in range");
                self.resolving.remove(&task);
                self.answer(task, die)
            }
            _ if !self.running.is_empty() => {
                let (&task, &preempted) = self.running.iter().nth(nth(die, self.running.len())).expect("in range");
                if die % 11 < 4 && !self.past_body.contains(&task) && self.lent == 0 && self.wanted == 0 {
                    if self.past_body.len() < 4 * self.jobs().0 as usize {
                        self.past_body.insert(task);
                    }
                    return Input::BodyEnded(task);
                }
                self.past_body.remove(&task);
                // What gates of a task borrowed they give back before it ends. One past its body has none.
                let holders = self.running.keys().filter(|ix| !self.past_body.contains(ix)).count();
                while holders == 1 && self.lent > 0 {
                    self.lent -= 1;
                    self.take(self.now_ms, Input::Return);
                }
                self.running.remove(&task);
                Input::Finished { task, ended: self.outcome(task, preempted, die) }
            }
            _ => Input::Tick,
        }
    }

    /// What becomes of a task that resolves.
    fn answer(&mut self, task: TaskIx, die: usize) -> Input {
        let detours = &mut self.detours[task.index()];
        if die.is_multiple_of(3) && task.0 > 0 && *detours > 0 {
            *detours -= 1;
            let on = TaskIx((die / 11) as u32 % task.0);
            if !self.ended.contains_key(&on) {
                self.parked.insert(task, on);
                self.were_parked.insert(task);
            }
            return Input::Parked { task, on };
        }
        if self.task(task).clean || self.ready.contains(&task) {
            self.settle(task, "accepted");
            return Input::Resolved { task, clean: true };
        }
        if let Some(first) = self.task(task).agent {
            let Some(agent) = (first..AGENTS).find(|agent| !self.stopped.contains(agent)) else {
                self.failed = true;
                self.settle(task, "failed");
                return Input::Finished { task, ended: Ended::Failed };
            };
            self.agents.insert(task, agent);
            let cost = CostEstimate { of_task: self.task(task).estimate, of_agent: None };
            self.take(self.now_ms, Input::Hired { task, agent: Some(agent), cost });
        }
        Input::Resolved { task, clean: false }
    }

    fn outcome(&mut self, task: TaskIx, preempted: bool, die: usize) -> Ended {
        let agent = self.agents.get(&task).copied();
        if agent.is_some() {
            let micro_usd = self.task(task).price;
            self.spent += micro_usd;
            *self.spent_by.entry(task).or_default() += micro_usd;
            self.take(self.now_ms, Input::Spent { task, micro_usd });
        }
        let tried = &mut self.attempts[task.index()];
        *tried += 1;
        let is_refused = *tried <= self.task(task).retries;
        match agent.filter(|_| is_refused && !preempted) {
            Some(agent) if die.is_multiple_of(5) => {
                let until_ms = self.now_ms + die as u64 % 400;
                let known_ms = self.paused.entry(agent).or_default();
                *known_ms = (*known_ms).max(until_ms);
                self.take(self.now_ms, Input::AgentPaused { agent, until_ms });
                return Ended::Requeue { after_ms: 0 };
            }
            Some(agent) if die % 5 == 1 => {
                self.stopped.insert(agent);
                self.take(self.now_ms, Input::AgentStopped(agent));
                return Ended::Again;
            }
            _ => {}
        }
        if self.outdated.remove(&task) || preempted || is_refused {
            return Ended::Requeue { after_ms: die as u64 % 300 };
        }
        if !self.task(task).fails && self.detours[task.index()] > 0 && agent.is_some() {
            self.ready.insert(task);
            return Ended::Again;
        }
        let (word, ended) =
            if self.task(task).fails { ("failed", Ended::Failed) } else { ("accepted", Ended::Accepted) };
        self.failed |= self.task(task).fails;
        self.settle(task, word);
        ended
    }

    fn settle(&mut self, task: TaskIx, how: &'static str) {
        assert_eq!(self.ended.insert(task, how), None, "{} is settled twice", self.graph.name(task));
        if how == "accepted" {
            self.accepted.insert(task);
        }
        // Whoever waits for it is looked at again, whatever became of the build.
        self.parked.retain(|_, on| *on != task);
    }

    fn take(&mut self, now_ms: u64, input: Input) {
        let commands = self.scheduler.step(now_ms, input);
        for command in &commands {
            self.check(command);
        }
        self.log.extend(commands);
        // What is lent when nobody is left to use it comes back at once.
        while self.lent > 0 && self.running.is_empty() {
            self.lent -= 1;
            let commands = self.scheduler.step(now_ms, Input::Return);
            commands.iter().for_each(|command| self.check(command));
            self.log.extend(commands);
        }
    }

    fn check(&mut self, command: &Command) {
        let stopped = self.failed && !self.trial.config.keep_going || self.superseded;
        match command {
            Command::Resolve(ix) => {
                assert!(!stopped || self.under_way.contains(ix), "nothing starts after a failure");
                assert!(!self.parked.contains_key(ix), "it is parked");
                self.under_way.insert(*ix);
                assert!(self.graph.deps(*ix).iter().all(|dep| self.accepted.contains(dep)), "deps come first");
                assert!(self.resolving.insert(*ix));
            }
            Command::Run(ix) => {
                assert!(!stopped, "nothing starts after a failure, or when files changed");
                assert!(self.graph.deps(*ix).iter().all(|dep| self.accepted.contains(dep)), "deps come first");
                assert!(self.running.insert(*ix, false).is_none(), "it runs already");
                if let Some(agent) = self.agents.get(ix) {
                    let until_ms = self.paused.get(agent).copied().unwrap_or(0);
                    assert!(until_ms <= self.now_ms, "its agent is paused");
                    assert!(!self.stopped.contains(agent), "its agent stopped");
                    self.assert_affordable(*ix);
                }
                let (all, commands) = self.jobs();
                let lent = self.lent;
                assert!(self.held(|_| true) + lent <= all, "too many jobs");
                assert!(self.held(|spec| !spec.is_agent) + lent <= commands, "too many commands");
                for (pool, capacity) in self.trial.config.pools.iter().enumerate() {
                    let holding = self.running.keys().filter(|ix| !self.past_body.contains(ix));
                    let held = holding.filter(|ix| self.task(**ix).spec.pools.contains(&pool)).count();
                    assert!(held <= *capacity as usize, "too many in a pool");
                }
                if self.trial.config.policy == Policy::Layers || self.trial.config.ask_layers {
                    let layer = self.graph.layer(*ix);
                    let below = self.graph.tasks().filter(|below| self.graph.layer(*below) < layer);
                    let mut open = below.filter(|below| !self.ended.contains_key(below));
                    assert!(open.all(|open| self.is_behind_parked(open)), "layers are strict");
                }
                assert!(!self.asked, "it does not run before the person said so");
            }
            Command::Preempt(ix) => {
                assert_eq!(self.running.insert(*ix, true), Some(false), "only what runs is stopped, and once");
                assert!(self.running.values().any(|preempted| !preempted), "one goes on");
            }
            Command::Stop(ix) => {
                assert_eq!(self.outdating, Some(*ix), "only what is said to be outdated is stopped");
                assert!(self.outdated.insert(*ix), "it is stopped once");
            }
            Command::Skip { task, because } => {
                self.settle(*task, "skipped");
                if let SkipReason::RedDep(red) = because {
                    assert_eq!(self.ended.get(red), Some(&"failed"));
                    assert!(self.graph.with_deps(&[*task].into()).contains(red), "it waits for the red one");
                }
            }
            Command::Refuse { task, because } => {
                let spent = if because.is_of_task { self.spent_by.get(task).copied().unwrap_or(0) } else { self.spent };
                assert_eq!(because.spent_micro_usd, spent);
                let is_reached = spent >= because.limit_micro_usd;
                assert!(
                    is_reached || spent + because.estimate_micro_usd > because.limit_micro_usd,
                    "it was affordable"
                );
                self.refused = true;
                self.failed = true;
                self.settle(*task, "failed");
            }
            Command::AskLayer { tasks, .. } => {
                assert!(self.trial.config.ask_layers && !tasks.is_empty() && !self.asked);
                self.asked = true;
            }
            Command::Lend => {
                assert!(self.wanted > 0, "nobody wants it");
                self.wanted -= 1;
                self.lent += 1;
                let (all, _) = self.jobs();
                assert!(self.held(|_| true) + self.lent <= all, "it is not there to lend");
            }
            Command::LayerDone(layer) => assert!(self.layers_done.insert(*layer)),
            Command::Done => assert!(self.scheduler.is_done()),
        }
    }

    /// Whether the task was parked, or waits for one that was: what they wait for may be in a later layer.
    fn is_behind_parked(&self, ix: TaskIx) -> bool {
        self.graph.with_deps(&[ix].into()).iter().any(|above| self.were_parked.contains(above))
    }

    /// What runs by now, and this one with it, keeps within the limit by all estimates that are given.
    fn assert_affordable(&self, ix: TaskIx) {
        let task = self.task(ix);
        if let Some(limit) = task.spec.cost_micro_usd_max {
            assert!(self.spent_by.get(&ix).copied().unwrap_or(0) < limit, "its own limit is used up");
        }
        let Some(limit) = self.trial.config.cost_micro_usd_max else { return };
        assert!(self.spent < limit, "the limit is used up");
        let of_agents = self.running.keys().filter(|ix| self.agents.contains_key(ix));
        let expected: u64 = of_agents.map(|ix| self.task(*ix).estimate.unwrap_or(0)).sum();
        assert!(self.spent + expected <= limit, "the limit would be passed");
    }

    /// What becomes of a task if only its own failure and those above it count.
    fn expected(&self, ix: TaskIx, known: &BTreeMap<TaskIx, &'static str>) -> &'static str {
        let task = self.task(ix);
        match () {
            () if self.graph.deps(ix).iter().any(|dep| known[dep] != "accepted") => "skipped",
            () if task.clean || !task.fails => "accepted",
            () => "failed",
        }
    }
}

proptest! {
    #[test]
    fn every_run_ends_and_keeps_the_rules(trial in trials()) {
        let mut trying = Trying::new(&trial);
        trying.go();
        let stopped = trial.interrupt_at.is_some() || trial.superseded_at.is_some() || trial.config.ask_layers || !trial.config.keep_going;
        // Which task meets a limit of money, and which finds no agent left, is a matter of dice.
        let stopped = stopped || trying.refused || trying.stopped.len() == AGENTS || trying.stopped.contains(&(AGENTS - 1));
        if !stopped {
            let mut known = BTreeMap::new();
            for ix in trying.graph.tasks() {
                known.insert(ix, trying.expected(ix, &known));
            }
            prop_assert_eq!(&known, &trying.ended);
        }
        let mut again = Trying::new(&trial);
        again.go();
        prop_assert_eq!(&trying.log, &again.log, "the same facts give the same commands");
    }
}
