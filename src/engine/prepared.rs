//! A build that is ready to run, of the whole plan or of a part of it: what it needs put together, and the run itself.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc;

use super::beside::Beside;
use super::build::{BuildOptions, Built, Person, finish};
use super::builder::{Builder, Working};
use super::host::{Host, now_ms};
use super::ignored::Ignored;
use super::integrate::Leavers;
use super::judge_again::judge_again;
use super::judge_plan::judge_plan;
use super::lock_keeper::LockKeeper;
use super::money::Money;
use super::moving_tools::KnownTools;
use super::part_patch::Leaving;
use super::recorder::{Listener, Recorder};
use super::reins::Reins;
use super::resolve::Resolver;
use super::session::EngineError;
use super::summary::Summary;
use crate::base::{ActionKey, RelPath, SizeBytes, TaskName};
use crate::event::{Event, EventRecord, Outcome, RunId, Spent, Trace, Usage};
use crate::exec::admission::{Machine, Sampler, auto_jobs, cores};
use crate::exec::budget::Budget;
use crate::exec::scheduler::{Jobs, Policy, SchedulerConfig, TaskSpec};
use crate::exec::{self, Ending, EventSink, Executor, Fault, Loans, Tasks};
use crate::graph::{Graph, TaskIx};
use crate::plan::Plan;
use crate::sandbox::Sandbox;
use crate::store::{Root, Spares};

/// What the rest of the machine keeps where the plan does not say.
const RESERVE_MEMORY: SizeBytes = SizeBytes::new(1 << 30);
/// What a task is taken to need where the plan does not say.
const MEMORY_PER_TASK: SizeBytes = SizeBytes::new(256 << 20);

/// A build that is about to run.
pub(super) struct Prepared {
    /// Keys and records.
    pub resolver: Resolver,
    /// The project, with a staging place.
    pub project: Root,
    /// The machine.
    pub host: Host,
    /// What isolates.
    pub sandbox: Sandbox,
    /// The run, which is on record.
    pub run: RunId,
    /// When it began, in milliseconds since the epoch.
    pub started_ms: u64,
    /// The tasks asked for.
    pub asked: BTreeSet<TaskIx>,
    /// Those and what they need, as far as it is not there.
    pub selected: BTreeSet<TaskIx>,
    /// Tasks that left the plan, and whose changes have not.
    pub leavers: Leavers,
    /// What there is to say before anything runs.
    pub early: Vec<String>,
    /// Where only a part of the plan is looked at: the rest, and what is left behind in the end.
    pub part: Option<(Rest, Leaving)>,
    /// Removes what earlier builds left of workspaces, where that is not done yet.
    pub clearing: Option<Beside<Result<(), EngineError>>>,
}

/// The tasks of a plan that a build of a part of it does not look at.
pub(super) struct Rest {
    /// How many.
    pub tasks: u64,
    /// What their results had taken, in milliseconds.
    pub saved_ms: u64,
    /// The layers of the whole plan.
    pub layers: u32,
    /// Those among them that are nothing but their logs.
    pub replayed: Vec<Replay>,
}

/// A task that is nothing but its log, which is shown again.
pub(super) struct Replay {
    /// The task.
    pub task: TaskName,
    /// Its key.
    pub key: Option<ActionKey>,
    /// What its result had taken, in milliseconds.
    pub saved_ms: u64,
    /// Its log.
    pub text: String,
}

impl Rest {
    /// Tells what there is to tell of them.
    fn tell(self, recorder: &Recorder) {
        let of_replayed: u64 = self.replayed.iter().map(|replay| replay.saved_ms).sum();
        let tasks = self.tasks - self.replayed.len() as u64;
        recorder.emit(Event::Untouched { tasks, saved_ms: self.saved_ms - of_replayed });
        for Replay { task, key, saved_ms, text } in self.replayed {
            recorder.emit(Event::TaskOutput { task: task.clone(), text });
            let outcome = Outcome::Cached { restored: 0, saved_ms, saved_micro_usd: 0 };
            recorder.emit(Event::TaskFinished {
                task,
                key,
                outcome,
                attempts: 0,
                usage: Usage::default(),
                spent: Spent::default(),
                agent: None,
            });
        }
    }
}

impl Prepared {
    /// Runs it.
    pub(super) fn run(
        self,
        options: &BuildOptions,
        person: Arc<dyn Person>,
        listener: Listener,
        listen: impl FnOnce() -> mpsc::UnboundedReceiver<i32>,
        reins: &Reins,
    ) -> Result<Built, EngineError> {
        let Self { resolver, project, host, sandbox, run, started_ms, asked, selected, leavers, early, part, clearing } =
            self;
        let state = resolver.root.path().join(".orca");
        let trace = host.trace.clone();
        let mut phases = trace.phases();
        phases.next("prepare");
        let resolver = Arc::new(resolver);
        let summary = Arc::new(Mutex::new(Summary::default()));
        let recorder = Arc::new(recorder(run, &resolver, &summary, listener, trace.clone()));
        let (config, machine) = config(&resolver, options, &selected);
        let (rest, leaving) = part.unzip();
        let layers = rest.as_ref().map_or_else(|| layers(&resolver.graph, &selected), |rest| rest.layers);
        recorder.emit(Event::RunStarted {
            plan: resolver.plan().name.clone(),
            tasks: selected.len() as u64 + rest.as_ref().map_or(0, |rest| rest.tasks),
            layers: u64::from(layers),
            jobs: u64::from(config.jobs.all),
            sandbox: sandbox.backend().to_string(),
        });
        recorder.emit(edges(&resolver.graph, &selected));
        if let Some(rest) = rest {
            rest.tell(&recorder);
        }
        for message in early {
            recorder.emit(Event::Notice { warning: true, message });
        }
        let (lender, loans) = exec::loans();
        if let Some(clearing) = clearing {
            clearing.end()?;
        }
        let builder = Arc::new(Builder {
            resolver: Arc::clone(&resolver),
            host,
            sandbox,
            lender,
            project,
            spares: spares(&state),
            state,
            run,
            tools: KnownTools::default(),
            sink: Arc::clone(&recorder) as Arc<dyn EventSink>,
            forced: if options.force { asked.clone() } else { BTreeSet::new() },
            ignored: Ignored::new(resolver.root.path()),
            working: Working::default(),
            selected: selected.clone(),
            settled: Mutex::default(),
            left: Mutex::default(),
            leavers,
            lock: LockKeeper::new(resolver.ledger.lock().clone()),
            locked: options.locked,
            judging: options.judging.clone(),
            integrating: Mutex::default(),
            agents: resolver.plan().agents.keys().cloned().collect(),
            money: Money::default(),
            person: options.asks.then(|| Arc::clone(&person)),
            asking: Mutex::default(),
            measuring: tokio::sync::Mutex::default(),
            interrupted: AtomicBool::new(false),
            pending: Mutex::default(),
            clean: Mutex::default(),
        });
        let mut signals = listen();
        if options.judging.is_none() && !options.step {
            phases.next("settle what is clean");
            builder.settle_clean(&|| !signals.is_empty()).map_err(|fault| EngineError::World(fault.0))?;
        }
        let jobs_given = options.jobs.or(builder.resolver.plan().limits.jobs).is_some();
        let outdated = reins.hand_over(&builder, leaving.is_some());
        let executor = executor(&builder, &recorder, layers, (config, machine), jobs_given, person, (loans, outdated));
        let runtime = runtime(selected.len(), leaving.is_some())
            .map_err(|error| EngineError::World(format!("cannot start the runtime: {error}")))?;
        phases.next("run");
        let mut ending = match &options.judging {
            None => runtime.block_on(executor.run(&mut signals)),
            Some(_) => runtime.block_on(judge_again(&builder, &asked, &mut signals)),
        };
        let all = options.selectors.is_empty();
        let is_accepted = |settled: &super::summary::Settled| settled.outcome.is_accepted();
        let green = summary.lock().expect("no holder panics").settled.values().all(is_accepted);
        let mut fault = ending.fault.take().map(|fault| fault.0);
        if fault.is_none()
            && let Err(error) = builder.place_left()
        {
            fault = Some(error.to_string());
        }
        let judges_plan = options.judging.as_ref().is_none_or(|judging| judging.includes_plan);
        if green && all && judges_plan && fault.is_none() && ending.interrupted_by.is_none() && !ending.outdated {
            phases.next("plan gates");
            match runtime.block_on(judge_plan(&builder, &mut signals)) {
                Ok(interrupted_by) => ending.interrupted_by = interrupted_by,
                Err(failed) => fault = Some(failed.0),
            }
        }
        phases.next("finish");
        runtime.shutdown_timeout(Duration::from_secs(2));
        let ending = Ending { fault: fault.map(Fault), ..ending };
        let built = finish(&builder, &recorder, &summary, started_ms, leaving, ending);
        drop((recorder, resolver));
        if let Some(resolver) = Arc::into_inner(builder).and_then(|builder| Arc::into_inner(builder.resolver)) {
            resolver.leave();
        }
        built
    }
}

/// What runs the futures of this many tasks. One task of a part has no gates, and nothing runs beside it.
fn runtime(tasks: usize, is_part: bool) -> io::Result<Runtime> {
    match tasks {
        0..=1 if is_part => runtime::Builder::new_current_thread().enable_all().build(),
        _ => {
            let threads = tasks.clamp(1, cores() as usize);
            runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()
        }
    }
}

/// Where workspaces leave what the next ones can use. Without, they are made anew.
fn spares(state: &std::path::Path) -> Option<Arc<Spares>> {
    let path = RelPath::new("work/.spares").expect("a plain path");
    Some(Arc::new(Spares::create(&Root::open(state).ok()?, &path).ok()?))
}

fn recorder(
    run: RunId,
    resolver: &Arc<Resolver>,
    summary: &Arc<Mutex<Summary>>,
    listener: Listener,
    trace: Trace,
) -> Recorder {
    let (of_writer, of_listener) = (Arc::clone(resolver), Arc::clone(summary));
    let writer = move |batch: &[EventRecord]| {
        // What happened is known from the results as well: a journal that cannot be written loses times, not truth.
        let _ = of_writer.ledger.with_journal(|journal| journal.append(batch));
    };
    let listener: Listener = Arc::new(move |record: &EventRecord| {
        of_listener.lock().expect("no holder panics").take(record);
        listener(record);
    });
    Recorder::new(run, Arc::new(writer), listener, trace)
}

/// Who waits for whom, among the tasks of the run.
fn edges(graph: &Graph, selected: &BTreeSet<TaskIx>) -> Event {
    let places: BTreeMap<TaskIx, u32> = selected.iter().copied().zip(0..).collect();
    let deps = |ix: &TaskIx| graph.deps(*ix).iter().filter_map(|dep| places.get(dep).copied()).collect();
    Event::Graph {
        tasks: selected.iter().map(|ix| graph.name(*ix).clone()).collect(),
        layers: selected.iter().map(|ix| graph.layer(*ix)).collect(),
        deps: selected.iter().map(deps).collect(),
    }
}

fn layers(graph: &Graph, selected: &BTreeSet<TaskIx>) -> u32 {
    selected.iter().map(|ix| graph.layer(*ix) + 1).max().unwrap_or(0)
}

fn memory_per_task(plan: &Plan) -> u64 {
    plan.limits.memory_per_task.unwrap_or(MEMORY_PER_TASK).bytes()
}

fn reserve_bytes(plan: &Plan) -> u64 {
    plan.limits.reserve_memory.unwrap_or(RESERVE_MEMORY).bytes()
}

/// How tasks are scheduled, and the machine, if that took a look at it.
fn config(
    resolver: &Resolver,
    options: &BuildOptions,
    selected: &BTreeSet<TaskIx>,
) -> (SchedulerConfig, Option<Machine>) {
    let plan = resolver.plan();
    let (jobs, machine) = match options.jobs.or(plan.limits.jobs) {
        Some(jobs) => (Jobs::exactly(jobs), None),
        None => {
            let machine = Sampler::default().sample(reserve_bytes(plan));
            let has_agents = selected.iter().any(|ix| resolver.task(*ix).is_agent());
            (auto_jobs(cores(), &machine, memory_per_task(plan), has_agents), Some(machine))
        }
    };
    let config = SchedulerConfig {
        jobs,
        keep_going: options.keep_going,
        policy: if options.layers { Policy::Layers } else { Policy::CriticalPath },
        ask_layers: options.step,
        pools: plan.pools.values().copied().collect(),
        cost_micro_usd_max: plan.limits.cost_micro_usd_max,
    };
    (config, machine)
}

fn specs(resolver: &Resolver) -> Vec<TaskSpec> {
    let plan = resolver.plan();
    let pools: BTreeMap<_, usize> = plan.pools.keys().enumerate().map(|(at, name)| (name, at)).collect();
    let typical_ms = resolver.typical_ms().unwrap_or(1_000);
    let analysis = resolver.graph.bottom_levels_ms(|ix| estimate(resolver, ix).unwrap_or(typical_ms).max(1));
    let spec = |ix: TaskIx| {
        let task = resolver.task(ix);
        TaskSpec {
            priority_ms: analysis[ix.index()],
            cpu: task.resources.cpu,
            memory_bytes: task.resources.memory.map_or_else(|| memory_per_task(plan), SizeBytes::bytes),
            pools: task.resources.pools.iter().filter_map(|name| pools.get(name).copied()).collect(),
            is_agent: task.is_agent(),
            is_there: resolver.result(ix).is_some(),
            cost_micro_usd_max: task.cost_micro_usd_max,
            ..TaskSpec::default()
        }
    };
    resolver.graph.tasks().map(spec).collect()
}

fn estimate(resolver: &Resolver, ix: TaskIx) -> Option<u64> {
    resolver.ledger.estimate_ms(resolver.name(ix))
}

fn executor(
    builder: &Arc<Builder>,
    recorder: &Arc<Recorder>,
    layers: u32,
    (config, machine): (SchedulerConfig, Option<Machine>),
    jobs_given: bool,
    person: Arc<dyn Person>,
    (loans, outdated): (Loans, mpsc::UnboundedReceiver<BTreeSet<TaskIx>>),
) -> Executor {
    let resolver = &builder.resolver;
    let budget = match Budget::open(&builder.host.cache_dir.join("budget"), config.jobs.all.max(cores())) {
        Ok(budget) => Some(budget),
        Err(error) => {
            let message = format!("the machine is not shared with other builds: {error}");
            recorder.emit(Event::Notice { warning: true, message });
            None
        }
    };
    let started = super::host::monotonic_ms();
    Executor {
        tasks: Arc::clone(builder) as Arc<dyn Tasks>,
        graph: Arc::clone(&resolver.graph),
        selected: builder.selected.clone(),
        layers,
        config,
        specs: specs(resolver),
        machine,
        reserve_bytes: reserve_bytes(resolver.plan()),
        sink: Arc::clone(recorder) as Arc<dyn EventSink>,
        trace: builder.host.trace.clone(),
        approver: person,
        budget,
        loans,
        outdated,
        jobs_given,
        clock_ms: Arc::new(move || super::host::monotonic_ms() - started),
        wall_clock_ms: now_ms,
    }
}
