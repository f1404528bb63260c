//! What the scheduler promises, tried with an executor that is made of dice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::base::TaskName;
use crate::graph::sketch;

fn graph(lines: &[&str]) -> Graph {
    let (graph, findings) = Graph::build(&sketch::plan(lines));
    assert_eq!(findings, []);
    graph
}

fn config(jobs: u32) -> SchedulerConfig {
    SchedulerConfig {
        jobs: Jobs::exactly(jobs),
        keep_going: false,
        policy: Policy::CriticalPath,
        ask_layers: false,
        pools: Vec::new(),
    }
}

fn specs(graph: &Graph) -> Vec<TaskSpec> {
    let priorities = graph.bottom_levels_ms(|_| 10);
    priorities.into_iter().map(|priority_ms| TaskSpec { priority_ms, cpu: 1, ..TaskSpec::default() }).collect()
}

fn scheduler(graph: &Graph, config: SchedulerConfig, specs: Vec<TaskSpec>) -> Scheduler {
    Scheduler::new(graph, &graph.tasks().collect(), config, specs)
}

/// Commands as words: `run a`, `resolve b`, `skip c (below a)`.
fn say(graph: &Graph, commands: &[Command]) -> Vec<String> {
    let name = |ix: &TaskIx| graph.name(*ix).to_string();
    let one = |command: &Command| match command {
        Command::Resolve(ix) => format!("resolve {}", name(ix)),
        Command::Run(ix) => format!("run {}", name(ix)),
        Command::Preempt(ix) => format!("preempt {}", name(ix)),
        Command::Skip { task, because: SkipReason::Stopped } => format!("skip {}", name(task)),
        Command::Skip { task, because: SkipReason::RedDep(red) } => {
            format!("skip {} (below {})", name(task), name(red))
        }
        Command::AskLayer { layer, tasks } => {
            format!("ask {layer}: {}", tasks.iter().map(name).collect::<Vec<_>>().join(" "))
        }
        Command::LayerDone(layer) => format!("layer {layer}"),
        Command::Done => "done".to_owned(),
    };
    commands.iter().map(one).collect()
}

/// A scheduler by names, and a clock that stands still.
struct Desk<'g> {
    graph: &'g Graph,
    scheduler: Scheduler,
    now_ms: u64,
}

impl<'g> Desk<'g> {
    fn new(graph: &'g Graph, config: SchedulerConfig, change: impl Fn(&str, &mut TaskSpec)) -> Self {
        let mut specs = specs(graph);
        graph.tasks().for_each(|ix| change(graph.name(ix).as_str(), &mut specs[ix.index()]));
        Self { graph, scheduler: scheduler(graph, config, specs), now_ms: 0 }
    }

    fn step(&mut self, input: Input) -> Vec<String> {
        let commands = self.scheduler.step(self.now_ms, input);
        say(self.graph, &commands)
    }

    fn ix(&self, name: &str) -> TaskIx {
        self.graph.ix(&TaskName::new(name).expect("a name")).expect("a task")
    }

    fn dirty(&mut self, name: &str) -> Vec<String> {
        let task = self.ix(name);
        self.step(Input::Resolved { task, clean: false })
    }

    fn clean(&mut self, name: &str) -> Vec<String> {
        let task = self.ix(name);
        self.step(Input::Resolved { task, clean: true })
    }

    fn ended(&mut self, name: &str, ended: Ended) -> Vec<String> {
        let task = self.ix(name);
        self.step(Input::Finished { task, ended })
    }
}

#[test]
fn a_diamond_runs_from_top_to_bottom() {
    let graph = graph(&["top", "left: deps top", "right: deps top", "end: deps left right"]);
    let mut desk = Desk::new(&graph, config(2), |_, _| {});
    assert_eq!(desk.step(Input::Start), ["resolve top"]);
    assert_eq!(desk.dirty("top"), ["run top"]);
    assert_eq!(desk.ended("top", Ended::Accepted), ["layer 0", "resolve left", "resolve right"]);
    assert_eq!(desk.clean("left"), [""; 0]);
    assert_eq!(desk.dirty("right"), ["run right"]);
    assert_eq!(desk.ended("right", Ended::Accepted), ["layer 1", "resolve end"]);
    assert_eq!(desk.clean("end"), ["layer 2", "done"]);
    assert!(desk.scheduler.is_done());
}

#[test]
fn the_longest_chain_comes_first() {
    let graph = graph(&["a", "b", "c: deps b", "d"]);
    let mut desk = Desk::new(&graph, config(1), |_, _| {});
    assert_eq!(desk.step(Input::Start), ["resolve b", "resolve a", "resolve d"]);
    assert_eq!(desk.dirty("d"), ["run d"]);
    assert_eq!(desk.dirty("a"), [""; 0]);
    assert_eq!(desk.dirty("b"), [""; 0]);
    assert_eq!(desk.ended("d", Ended::Accepted), ["run b"]);
}

#[test]
fn without_keep_going_what_runs_finishes_and_nothing_starts() {
    let graph = graph(&["a", "b", "c", "below: deps a", "after: deps b"]);
    let mut desk = Desk::new(&graph, config(2), |_, _| {});
    desk.step(Input::Start);
    desk.dirty("a");
    desk.dirty("b");
    assert_eq!(desk.ended("a", Ended::Failed), ["skip below (below a)"]);
    assert_eq!(desk.clean("c"), ["layer 0"; 0]);
    assert_eq!(desk.ended("b", Ended::Accepted), ["layer 0", "skip after", "layer 1", "done"]);
}

#[test]
fn with_keep_going_independent_tasks_go_on() {
    let graph = graph(&["a", "b", "below: deps a", "deeper: deps below b", "after: deps b"]);
    let mut desk = Desk::new(&graph, SchedulerConfig { keep_going: true, ..config(2) }, |_, _| {});
    desk.step(Input::Start);
    desk.dirty("a");
    desk.dirty("b");
    assert_eq!(desk.ended("a", Ended::Failed), ["skip below (below a)", "skip deeper (below a)", "layer 2"]);
    assert_eq!(desk.ended("b", Ended::Accepted), ["layer 0", "resolve after"]);
    assert_eq!(desk.clean("after"), ["layer 1", "done"]);
}

#[test]
fn a_key_that_cannot_be_computed_is_a_red_task() {
    let graph = graph(&["a", "b: deps a"]);
    let mut desk = Desk::new(&graph, config(1), |_, _| {});
    desk.step(Input::Start);
    assert_eq!(desk.ended("a", Ended::Failed), ["layer 0", "skip b (below a)", "layer 1", "done"]);
}

#[test]
fn strict_layers_wait_for_each_other() {
    let graph = graph(&["a", "b", "a2: deps a"]);
    let mut desk = Desk::new(&graph, SchedulerConfig { policy: Policy::Layers, ..config(4) }, |_, _| {});
    assert_eq!(desk.step(Input::Start), ["resolve a", "resolve b"]);
    assert_eq!(desk.clean("a"), [""; 0]);
    assert_eq!(desk.dirty("b"), ["run b"]);
    assert_eq!(desk.ended("b", Ended::Accepted), ["layer 0", "resolve a2"]);
}

#[test]
fn a_person_is_asked_for_layers_that_have_something_to_run() {
    let graph = graph(&["a", "b", "c: deps a", "d: deps c"]);
    let mut desk = Desk::new(&graph, SchedulerConfig { ask_layers: true, ..config(4) }, |_, _| {});
    assert_eq!(desk.step(Input::Start), ["resolve a", "resolve b"]);
    assert_eq!(desk.dirty("b"), [""; 0]);
    assert_eq!(desk.clean("a"), ["ask 0: b"]);
    assert_eq!(desk.step(Input::Tick), [""; 0]);
    assert_eq!(desk.step(Input::LayerApproved), ["run b"]);
    assert_eq!(desk.ended("b", Ended::Requeue { after_ms: 0 }), ["run b"], "a retry is not asked for again");
    assert_eq!(desk.ended("b", Ended::Accepted), ["layer 0", "resolve c"]);
    assert_eq!(desk.clean("c"), ["layer 1", "resolve d"], "nothing to run, nothing to ask");
    assert_eq!(desk.dirty("d"), ["ask 2: d"]);
    assert_eq!(desk.step(Input::LayerRefused), ["skip d", "layer 2", "done"]);
}

#[test]
fn an_interrupt_ends_the_run_when_the_last_task_has() {
    let graph = graph(&["a", "b", "c: deps a"]);
    let mut desk = Desk::new(&graph, config(1), |_, _| {});
    desk.step(Input::Start);
    desk.dirty("a");
    assert_eq!(desk.step(Input::Interrupt), [""; 0]);
    assert_eq!(desk.dirty("b"), ["skip b"]);
    assert_eq!(desk.ended("a", Ended::Requeue { after_ms: 5 }), ["skip a", "layer 0", "skip c", "layer 1", "done"]);
}

#[test]
fn a_requeued_task_waits_its_time_and_frees_its_slot() {
    let graph = graph(&["a", "b"]);
    let mut desk = Desk::new(&graph, config(1), |_, _| {});
    desk.step(Input::Start);
    desk.dirty("a");
    desk.dirty("b");
    assert_eq!(desk.ended("a", Ended::Requeue { after_ms: 100 }), ["run b"]);
    assert_eq!(desk.scheduler.next_wakeup_ms(), Some(100));
    assert_eq!(desk.ended("b", Ended::Accepted), [""; 0]);
    desk.now_ms = 99;
    assert_eq!(desk.step(Input::Tick), [""; 0]);
    desk.now_ms = 100;
    assert_eq!(desk.step(Input::Tick), ["run a"]);
}

#[test]
fn pools_and_kinds_of_slots_are_kept() {
    let graph = graph(&["agent1", "agent2", "run1", "run2", "db1", "db2"]);
    let jobs = Jobs { all: 4, commands: 2 };
    let mut desk = Desk::new(&graph, SchedulerConfig { jobs, pools: vec![1], ..config(4) }, |name, spec| {
        spec.is_agent = name.starts_with("agent");
        spec.pools = if name.starts_with("db") { vec![0] } else { vec![] };
        spec.is_agent |= name.starts_with("db");
    });
    desk.step(Input::Start);
    assert_eq!(desk.dirty("db1"), ["run db1"]);
    assert_eq!(desk.dirty("db2"), [""; 0]);
    assert_eq!(desk.dirty("run1"), ["run run1"]);
    assert_eq!(desk.dirty("run2"), ["run run2"]);
    assert_eq!(desk.dirty("agent1"), ["run agent1"]);
    assert_eq!(desk.dirty("agent2"), [""; 0]);
    assert_eq!(desk.ended("run1", Ended::Accepted), ["run agent2"]);
    assert_eq!(desk.ended("db1", Ended::Accepted), ["run db2"]);
}

#[test]
fn a_task_larger_than_the_machine_runs_alone() {
    let graph = graph(&["a", "huge", "z"]);
    let mut desk = Desk::new(&graph, config(2), |name, spec| {
        if name == "huge" {
            (spec.cpu, spec.memory_bytes) = (64, 1 << 60);
        }
    });
    desk.step(Input::Sample(roomy()));
    desk.step(Input::Start);
    assert_eq!(desk.dirty("a"), ["run a"]);
    assert_eq!(desk.dirty("huge"), [""; 0]);
    assert_eq!(desk.ended("a", Ended::Accepted), ["run huge"]);
    assert_eq!(desk.dirty("z"), [""; 0]);
    assert_eq!(desk.ended("huge", Ended::Accepted), ["run z"]);
}

const GIB: u64 = 1 << 30;

fn roomy() -> Machine {
    Machine { available_bytes: 8 * GIB, reserve_bytes: GIB, total_bytes: 16 * GIB, pressure_some_avg10: None }
}

#[test]
fn memory_that_is_promised_and_not_yet_used_counts() {
    let graph = graph(&["a", "b", "c"]);
    let mut desk = Desk::new(&graph, config(8), |_, spec| spec.memory_bytes = 3 * GIB);
    desk.step(Input::Sample(roomy()));
    desk.step(Input::Start);
    assert_eq!(desk.dirty("a"), ["run a"]);
    assert_eq!(desk.dirty("b"), ["run b"]);
    assert_eq!(desk.dirty("c"), [""; 0], "7 GiB of room, 6 promised");
    desk.now_ms = 9_999;
    assert_eq!(desk.step(Input::Sample(roomy())), [""; 0], "still young");
    desk.now_ms = 10_000;
    assert_eq!(desk.step(Input::Sample(roomy())), ["run c"], "what they use is in the sample now");
}

#[test]
fn under_pressure_half_as_much_is_admitted() {
    let graph = graph(&["a", "b", "c", "d"]);
    let mut desk = Desk::new(&graph, config(4), |_, _| {});
    desk.step(Input::Sample(Machine { pressure_some_avg10: Some(12.0), ..roomy() }));
    desk.step(Input::Start);
    let ran = ["a", "b", "c", "d"].map(|name| desk.dirty(name).len());
    assert_eq!(ran, [1, 1, 0, 0]);
    assert_eq!(desk.step(Input::Sample(roomy())), ["run c", "run d"]);
}

#[test]
fn at_the_edge_the_youngest_stops_and_one_always_runs() {
    let graph = graph(&["a", "b", "c"]);
    let mut desk = Desk::new(&graph, config(4), |_, spec| spec.memory_bytes = GIB);
    desk.step(Input::Sample(roomy()));
    desk.step(Input::Start);
    for name in ["a", "b", "c"] {
        desk.dirty(name);
    }
    let edge = Machine { available_bytes: GIB / 4, ..roomy() };
    assert_eq!(desk.step(Input::Sample(edge)), ["preempt c"]);
    assert_eq!(desk.step(Input::Sample(edge)), [""; 0], "its effect is awaited");
    assert_eq!(desk.ended("c", Ended::Requeue { after_ms: 0 }), [""; 0], "no room for it");
    desk.now_ms = 3_000;
    assert_eq!(desk.step(Input::Sample(edge)), ["preempt b"]);
    desk.ended("b", Ended::Requeue { after_ms: 0 });
    desk.now_ms = 60_000;
    assert_eq!(desk.step(Input::Sample(edge)), [""; 0], "the last one is left alone");
    assert_eq!(desk.ended("a", Ended::Accepted), ["run b"], "and one always runs");
}

#[test]
fn a_shared_budget_limits_and_says_what_is_wanted() {
    let graph = graph(&["a", "b", "c"]);
    let mut desk = Desk::new(&graph, config(8), |name, spec| spec.cpu = if name == "c" { 4 } else { 1 });
    desk.step(Input::Slots(0));
    desk.step(Input::Start);
    let ran = ["a", "b", "c"].map(|name| desk.dirty(name).len());
    assert_eq!(ran, [1, 0, 0]);
    assert_eq!((desk.scheduler.slots_held(), desk.scheduler.slots_wanted()), (1, 6));
    assert_eq!(desk.step(Input::Slots(2)), ["run b"]);
    assert_eq!(desk.step(Input::Slots(100)), ["run c"]);
}

#[test]
fn a_large_task_is_overtaken_only_so_often() {
    let mut lines: Vec<String> = (0..100).map(|at| format!("small{at:02}")).collect();
    lines.push("large".to_owned());
    let graph = graph(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let mut desk = Desk::new(&graph, config(4), |name, spec| {
        (spec.priority_ms, spec.cpu) = if name == "large" { (9, 4) } else { (1, 1) };
    });
    desk.step(Input::Start);
    let mut running: Vec<TaskIx> = Vec::new();
    for ix in graph.tasks() {
        let commands = desk.scheduler.step(0, Input::Resolved { task: ix, clean: false });
        running.extend(runs(&commands));
    }
    let mut before = 0;
    while !running.contains(&desk.ix("large")) {
        let done = running.remove(0);
        before += 1;
        running.extend(runs(&desk.scheduler.step(0, Input::Finished { task: done, ended: Ended::Accepted })));
    }
    assert!(before <= usize::from(OVERTAKEN_MAX) + 8, "{before} tasks came before it");
}

#[test]
fn a_task_of_two_pools_is_not_starved_by_tasks_of_one() {
    let mut lines: Vec<String> = (0..60).map(|at| format!("{}{at:02}", if at % 2 == 0 { "p" } else { "q" })).collect();
    lines.push("both".to_owned());
    let graph = graph(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let mut desk = Desk::new(&graph, SchedulerConfig { pools: vec![1, 1], ..config(4) }, |name, spec| {
        spec.pools = match &name[..1] {
            "p" => vec![0],
            "q" => vec![1],
            _ => vec![0, 1],
        };
        spec.priority_ms = if name == "both" { 9 } else { 1 };
    });
    desk.step(Input::Start);
    let mut running: Vec<TaskIx> = Vec::new();
    for ix in graph.tasks().filter(|ix| graph.name(*ix).as_str() != "both") {
        running.extend(runs(&desk.scheduler.step(0, Input::Resolved { task: ix, clean: false })));
    }
    running.extend(runs(&desk.scheduler.step(0, Input::Resolved { task: desk.ix("both"), clean: false })));
    let mut before = 0;
    while !running.contains(&desk.ix("both")) {
        let done = running.remove(0);
        before += 1;
        running.extend(runs(&desk.scheduler.step(0, Input::Finished { task: done, ended: Ended::Accepted })));
    }
    assert!(before <= 2 * usize::from(OVERTAKEN_MAX) + 4, "{before} tasks came before it");
}

fn runs(commands: &[Command]) -> Vec<TaskIx> {
    commands.iter().filter_map(|command| if let Command::Run(ix) = command { Some(*ix) } else { None }).collect()
}

#[test]
fn a_hundred_thousand_tasks_cost_little_each() {
    let tasks = if cfg!(debug_assertions) { 10_000 } else { 100_000 };
    let lines: Vec<String> = (0..tasks)
        .map(|at| match at {
            0..100 => format!("t{at:06}"),
            _ => format!("t{at:06}: deps t{:06} t{:06}", at - 100, at - 77),
        })
        .collect();
    let graph = graph(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    for (config, pool) in [
        (config(16), None),
        (SchedulerConfig { policy: Policy::Layers, ..config(16) }, None),
        (SchedulerConfig { pools: vec![3], ..config(16) }, Some(0)),
    ] {
        let mut specs = specs(&graph);
        specs.iter_mut().step_by(2).for_each(|spec| spec.pools.extend(pool));
        specs.iter_mut().for_each(|spec| spec.memory_bytes = 2 * GIB);
        let mut scheduler = scheduler(&graph, config, specs);
        #[expect(clippy::disallowed_methods, reason = "a test may take the time")]
        let start = Instant::now();
        let mut open = std::collections::VecDeque::from(scheduler.step(0, Input::Start));
        open.extend(scheduler.step(0, Input::Sample(roomy())));
        while let Some(command) = open.pop_front() {
            let input = match command {
                Command::Resolve(task) => Input::Resolved { task, clean: false },
                Command::Run(task) => Input::Finished { task, ended: Ended::Accepted },
                _ => continue,
            };
            open.extend(scheduler.step(0, input));
        }
        assert!(scheduler.is_done());
        let took = start.elapsed();
        println!("{tasks} tasks: {took:?}");
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}

/// A run to try: a graph by the deps of each task on earlier ones, and what becomes of its tasks.
#[derive(Debug, Clone)]
struct Trial {
    tasks: Vec<TrialTask>,
    config: SchedulerConfig,
    dice: Vec<u16>,
    interrupt_at: Option<usize>,
}

#[derive(Debug, Clone)]
struct TrialTask {
    deps: Vec<prop::sample::Index>,
    spec: TaskSpec,
    clean: bool,
    fails: bool,
    retries: u8,
}

fn trials() -> impl Strategy<Value = Trial> {
    let spec = (0..4u64, 0..5u32, 0..4u64, prop::collection::vec(0..2usize, 0..3), any::<bool>()).prop_map(
        |(priority_ms, cpu, gib, pools, is_agent)| TaskSpec {
            priority_ms,
            cpu,
            memory_bytes: gib * GIB,
            pools,
            is_agent,
        },
    );
    let task = (prop::collection::vec(any::<prop::sample::Index>(), 0..4), spec, 0..4u8, 0..8u8, 0..3u8).prop_map(
        |(deps, spec, clean, fails, retries)| TrialTask { deps, spec, clean: clean == 0, fails: fails == 0, retries },
    );
    let config = (0..5u32, 1..5u32, any::<bool>(), any::<bool>(), 0..4u8, prop::collection::vec(1..3u32, 2)).prop_map(
        |(all, commands, keep_going, layers, ask, pools)| SchedulerConfig {
            jobs: Jobs { all, commands },
            keep_going,
            policy: if layers { Policy::Layers } else { Policy::CriticalPath },
            ask_layers: ask == 0,
            pools,
        },
    );
    (
        prop::collection::vec(task, 0..25),
        config,
        prop::collection::vec(any::<u16>(), 1..200),
        prop::option::weighted(0.2, 0..60usize),
    )
        .prop_map(|(tasks, config, dice, interrupt_at)| Trial { tasks, config, dice, interrupt_at })
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
        self.running.keys().filter(|ix| counts(&self.task(**ix).spec)).map(|ix| self.slots(*ix)).sum()
    }

    fn go(&mut self) {
        let mut now_ms = 0;
        self.take(0, Input::Start);
        let mut round = 0;
        while !self.scheduler.is_done() {
            let die = usize::from(self.trial.dice[round % self.trial.dice.len()]) + round;
            round += 1;
            assert!(round < 5_000, "it goes on and on: {:?}", self.scheduler);
            now_ms += die as u64 % 50;
            if self.trial.interrupt_at == Some(round) {
                self.take(now_ms, Input::Interrupt);
                continue;
            }
            let stuck = self.resolving.is_empty() && self.running.is_empty() && !self.asked;
            match self.scheduler.next_wakeup_ms() {
                Some(at_ms) if stuck => now_ms = now_ms.max(at_ms),
                None if stuck => panic!("stuck: {:?}", self.scheduler),
                _ => {}
            }
            let input = self.choose(die);
            self.take(now_ms, input);
        }
        assert!(self.running.is_empty() && self.resolving.is_empty());
        assert_eq!(self.ended.len(), self.trial.tasks.len());
        assert_eq!(self.layers_done.len(), self.graph.layers().len());
    }

    /// Some fact that can be, by the die.
    fn choose(&mut self, die: usize) -> Input {
        let nth = |at: usize, of: usize| at / 7 % of;
        match die % 7 {
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
                if self.task(task).clean {
                    self.settle(task, "accepted");
                }
                Input::Resolved { task, clean: self.task(task).clean }
            }
            _ if !self.running.is_empty() => {
                let (&task, &preempted) = self.running.iter().nth(nth(die, self.running.len())).expect("in range");
                self.running.remove(&task);
                Input::Finished { task, ended: self.outcome(task, preempted, die) }
            }
            _ => Input::Tick,
        }
    }

    fn outcome(&mut self, task: TaskIx, preempted: bool, die: usize) -> Ended {
        let tried = &mut self.attempts[task.index()];
        *tried += 1;
        if preempted || *tried <= self.task(task).retries {
            return Ended::Requeue { after_ms: die as u64 % 300 };
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
    }

    fn take(&mut self, now_ms: u64, input: Input) {
        let commands = self.scheduler.step(now_ms, input);
        for command in &commands {
            self.check(command);
        }
        self.log.extend(commands);
    }

    fn check(&mut self, command: &Command) {
        let stopped = self.failed && !self.trial.config.keep_going;
        match command {
            Command::Resolve(ix) => {
                assert!(!stopped, "nothing starts after a failure");
                assert!(self.graph.deps(*ix).iter().all(|dep| self.accepted.contains(dep)), "deps come first");
                assert!(self.resolving.insert(*ix));
            }
            Command::Run(ix) => {
                assert!(!stopped, "nothing starts after a failure");
                assert!(self.graph.deps(*ix).iter().all(|dep| self.accepted.contains(dep)), "deps come first");
                assert!(self.running.insert(*ix, false).is_none(), "it runs already");
                let (all, commands) = self.jobs();
                assert!(self.held(|_| true) <= all && self.held(|spec| !spec.is_agent) <= commands, "too many jobs");
                for (pool, capacity) in self.trial.config.pools.iter().enumerate() {
                    let held = self.running.keys().filter(|ix| self.task(**ix).spec.pools.contains(&pool)).count();
                    assert!(held <= *capacity as usize, "too many in a pool");
                }
                if self.trial.config.policy == Policy::Layers || self.trial.config.ask_layers {
                    let layer = self.graph.layer(*ix);
                    assert!((0..layer).all(|below| self.layers_done.contains(&below)), "layers are strict");
                }
                assert!(!self.asked, "it does not run before the person said so");
            }
            Command::Preempt(ix) => {
                assert_eq!(self.running.insert(*ix, true), Some(false), "only what runs is stopped, and once");
                assert!(self.running.values().any(|preempted| !preempted), "one goes on");
            }
            Command::Skip { task, because } => {
                self.settle(*task, "skipped");
                if let SkipReason::RedDep(red) = because {
                    assert_eq!(self.ended.get(red), Some(&"failed"));
                    assert!(self.graph.with_deps(&[*task].into()).contains(red), "it waits for the red one");
                }
            }
            Command::AskLayer { tasks, .. } => {
                assert!(self.trial.config.ask_layers && !tasks.is_empty() && !self.asked);
                self.asked = true;
            }
            Command::LayerDone(layer) => assert!(self.layers_done.insert(*layer)),
            Command::Done => assert!(self.scheduler.is_done()),
        }
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
        let stopped = trial.interrupt_at.is_some() || trial.config.ask_layers || !trial.config.keep_going;
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
