//! What the scheduler promises, case by case.

use std::time::{Duration, Instant};

use super::*;
use crate::base::TaskName;
use crate::graph::sketch;

pub(super) fn graph(lines: &[&str]) -> Graph {
    let (graph, findings) = Graph::build(&sketch::plan(lines));
    assert_eq!(findings, []);
    graph
}

pub(super) fn config(jobs: u32) -> SchedulerConfig {
    SchedulerConfig {
        jobs: Jobs::exactly(jobs),
        keep_going: false,
        policy: Policy::CriticalPath,
        ask_layers: false,
        pools: Vec::new(),
        cost_micro_usd_max: None,
    }
}

fn specs(graph: &Graph) -> Vec<TaskSpec> {
    let priorities = graph.bottom_levels_ms(|_| 10);
    priorities.into_iter().map(|priority_ms| TaskSpec { priority_ms, cpu: 1, ..TaskSpec::default() }).collect()
}

pub(super) fn scheduler(graph: &Graph, config: SchedulerConfig, specs: Vec<TaskSpec>) -> Scheduler {
    Scheduler::new(graph, &graph.tasks().collect(), config, specs)
}

/// Commands as words: `run a`, `resolve b`, `skip c (below a)`.
fn say(graph: &Graph, commands: &[Command]) -> Vec<String> {
    let name = |ix: &TaskIx| graph.name(*ix).to_string();
    let one = |command: &Command| match command {
        Command::Resolve(ix) => format!("resolve {}", name(ix)),
        Command::Run(ix) => format!("run {}", name(ix)),
        Command::Preempt(ix) => format!("preempt {}", name(ix)),
        Command::Stop(ix) => format!("stop {}", name(ix)),
        Command::Refuse { task, .. } => format!("refuse {}", name(task)),
        Command::Skip { task, because: SkipReason::Stopped } => format!("skip {}", name(task)),
        Command::Skip { task, because: SkipReason::RedDep(red) } => {
            format!("skip {} (below {})", name(task), name(red))
        }
        Command::AskLayer { layer, tasks } => {
            format!("ask {layer}: {}", tasks.iter().map(name).collect::<Vec<_>>().join(" "))
        }
        Command::Lend => "lend".to_owned(),
        Command::LayerDone(layer) => format!("layer {layer}"),
        Command::Done => "done".to_owned(),
    };
    commands.iter().map(one).collect()
}

/// A scheduler by names, and a clock that stands still.
pub(super) struct Desk<'g> {
    graph: &'g Graph,
    pub(super) scheduler: Scheduler,
    pub(super) now_ms: u64,
}

impl<'g> Desk<'g> {
    pub(super) fn new(graph: &'g Graph, config: SchedulerConfig, change: impl Fn(&str, &mut TaskSpec)) -> Self {
        let mut specs = specs(graph);
        graph.tasks().for_each(|ix| change(graph.name(ix).as_str(), &mut specs[ix.index()]));
        Self { graph, scheduler: scheduler(graph, config, specs), now_ms: 0 }
    }

    pub(super) fn step(&mut self, input: Input) -> Vec<String> {
        let commands = self.scheduler.step(self.now_ms, input);
        say(self.graph, &commands)
    }

    pub(super) fn ix(&self, name: &str) -> TaskIx {
        self.graph.ix(&TaskName::new(name).expect("a name")).expect("a task")
    }

    pub(super) fn dirty(&mut self, name: &str) -> Vec<String> {
        let task = self.ix(name);
        self.step(Input::Resolved { task, clean: false })
    }

    pub(super) fn clean(&mut self, name: &str) -> Vec<String> {
        let task = self.ix(name);
        self.step(Input::Resolved { task, clean: true })
    }

    pub(super) fn ended(&mut self, name: &str, ended: Ended) -> Vec<String> {
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
fn gates_borrow_what_is_free_before_new_tasks_take_it() {
    let graph = graph(&["a", "b", "c"]);
    let mut desk = Desk::new(&graph, config(2), |_, _| {});
    desk.step(Input::Start);
    assert_eq!(desk.dirty("a"), ["run a"]);
    assert_eq!(desk.step(Input::Borrow), ["lend"]);
    assert_eq!(desk.dirty("b"), [""; 0], "the slot is lent");
    assert_eq!(desk.step(Input::Borrow), [""; 0], "there is none");
    assert_eq!(desk.step(Input::Return), ["lend"], "what is nearly done goes before what has not begun");
    assert_eq!(desk.step(Input::Return), ["run b"]);
    assert_eq!(desk.dirty("c"), [""; 0]);
    assert_eq!(desk.ended("a", Ended::Accepted), ["run c"]);
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
fn a_task_whose_result_is_held_stops_what_is_below_it_and_nothing_else() {
    let graph = graph(&["a", "b", "below: deps a", "deeper: deps below b", "after: deps b"]);
    let mut desk = Desk::new(&graph, config(2), |_, _| {});
    desk.step(Input::Start);
    assert_eq!(desk.ended("a", Ended::Held), ["skip below (below a)", "skip deeper (below a)", "layer 2"]);
    assert_eq!(desk.dirty("b"), ["run b"]);
    assert_eq!(desk.ended("b", Ended::Accepted), ["layer 0", "resolve after"]);
    assert_eq!(desk.dirty("after"), ["run after"]);
    assert_eq!(desk.ended("after", Ended::Accepted), ["layer 1", "done"]);
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
fn a_parked_task_and_what_waits_for_it_hold_up_no_layer() {
    let graph = graph(&["a", "a2: deps a", "a3: deps a2", "z", "z2: deps z"]);
    let mut desk = Desk::new(&graph, SchedulerConfig { policy: Policy::Layers, ..config(4) }, |_, _| {});
    assert_eq!(desk.step(Input::Start), ["resolve a", "resolve z"]);
    let (task, on) = (desk.ix("z"), desk.ix("a3"));
    assert_eq!(desk.step(Input::Parked { task, on }), [""; 0]);
    assert_eq!(desk.clean("a"), ["resolve a2"]);
    assert_eq!(desk.clean("a2"), ["resolve a3"], "z2 of this layer waits for z");
    assert_eq!(desk.clean("a3"), ["layer 2", "resolve z"]);
    assert_eq!(desk.clean("z"), ["layer 0", "resolve z2"]);
    assert_eq!(desk.clean("z2"), ["layer 1", "done"]);
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

pub(super) const GIB: u64 = 1 << 30;

pub(super) fn roomy() -> Machine {
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
    lines.push("vast".to_owned());
    let graph = graph(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let mut desk = Desk::new(&graph, config(4), |name, spec| {
        (spec.priority_ms, spec.cpu) = if name == "vast" { (9, 4) } else { (1, 1) };
    });
    desk.step(Input::Start);
    let mut running: Vec<TaskIx> = Vec::new();
    for ix in graph.tasks() {
        let commands = desk.scheduler.step(0, Input::Resolved { task: ix, clean: false });
        running.extend(runs(&commands));
    }
    assert_eq!(running.len(), 4, "the small ones came first");
    let mut before = 0;
    while !running.contains(&desk.ix("vast")) {
        let done = running.remove(0);
        before += 1;
        running.extend(runs(&desk.scheduler.step(0, Input::Finished { task: done, ended: Ended::Accepted })));
    }
    assert!(before <= 16, "{before} tasks came before it");
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
    assert!(before <= 20, "{before} tasks came before it");
}

#[test]
fn who_cannot_take_a_free_pool_leaves_it_to_the_next() {
    let graph = graph(&["both", "holds0", "holds1", "next"]);
    let mut desk = Desk::new(&graph, SchedulerConfig { pools: vec![1, 1], ..config(8) }, |name, spec| {
        (spec.priority_ms, spec.pools) = match name {
            "both" => (9, vec![0, 1]),
            "holds1" => (1, vec![1]),
            _ => (1, vec![0]),
        };
    });
    desk.step(Input::Start);
    let ran = ["holds0", "holds1", "both", "next"].map(|name| desk.dirty(name).len());
    assert_eq!(ran, [1, 1, 0, 0]);
    assert_eq!(desk.ended("holds0", Ended::Accepted), ["run next"]);
}

#[test]
fn the_pools_of_a_reserved_task_are_kept_and_nothing_else_is() {
    let of = |pool: &str| (0..10).map(move |at| format!("{pool}{at}")).collect::<Vec<_>>();
    let lines = [of("p"), of("q"), vec!["both".to_owned(), "free".to_owned(), "p-late".to_owned()]].concat();
    let graph = graph(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let mut desk = Desk::new(&graph, SchedulerConfig { pools: vec![1, 1], ..config(8) }, |name, spec| {
        (spec.priority_ms, spec.pools) = match &name[..1] {
            "p" => (1, vec![0]),
            "q" => (1, vec![1]),
            "b" => (9, vec![0, 1]),
            _ => (1, vec![]),
        };
    });
    desk.step(Input::Start);
    for name in lines.iter().filter(|name| name.starts_with(['p', 'q', 'b']) && *name != "p-late") {
        desk.dirty(name);
    }
    // Pools become free in turn, and each time `both` cannot have the other one.
    let mut turns = (0..10).flat_map(|at| [format!("p{at}"), format!("q{at}")]);
    let freed =
        turns.by_ref().find(|name| desk.ended(name, Ended::Accepted).is_empty()).expect("it is reserved at last");
    let other = turns.next().expect("the other pool is still held");
    if freed.starts_with('p') {
        assert_eq!(desk.dirty("p-late"), [""; 0], "the pool is kept");
        assert_eq!(desk.dirty("free"), ["run free"]);
        assert_eq!(desk.ended(&other, Ended::Accepted), ["run both"]);
    } else {
        panic!("the first pool was to be the one that is kept, it was that of {freed}");
    }
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
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
}

#[test]
fn what_is_outdated_is_stopped_and_the_rest_comes_to_its_end() {
    let graph = graph(&["a", "b", "c", "below: deps a"]);
    let mut desk = Desk::new(&graph, config(2), |_, _| {});
    desk.step(Input::Start);
    desk.dirty("a");
    desk.dirty("b");
    desk.dirty("c");
    assert_eq!(desk.step(Input::Superseded), [""; 0], "nothing is stopped by that");
    assert_eq!(desk.step(Input::Outdated(desk.ix("b"))), ["stop b"]);
    assert_eq!(desk.step(Input::Outdated(desk.ix("c"))), [""; 0], "it does not run");
    assert_eq!(desk.ended("b", Ended::Requeue { after_ms: 0 }), ["skip b"]);
    assert_eq!(desk.ended("a", Ended::Accepted), ["skip below", "layer 1", "skip c", "layer 0", "done"]);
}

#[test]
fn what_is_there_and_selected_is_waited_for_like_any_other() {
    let graph = graph(&["a", "b: deps a"]);
    let mut desk = Desk::new(&graph, config(1), |name, spec| spec.is_there = name == "a");
    assert_eq!(desk.step(Input::Start), ["resolve a"]);
    assert_eq!(desk.clean("a"), ["layer 0", "resolve b"]);
    assert_eq!(desk.dirty("b"), ["run b"]);
    assert_eq!(desk.ended("b", Ended::Accepted), ["layer 1", "done"]);
}
