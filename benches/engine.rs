//! What a build costs besides its processes, one part at a time: results and records written by many threads, workspaces made
//! and removed, the scheduler's decisions, and the snapshot's answer.
//!
//! `cargo bench --bench engine` prints medians. Whole builds, beside other tools, are in `peers`.

#![expect(clippy::disallowed_methods, reason = "the snapshot's bench makes files")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::os::fd::AsFd as _;

use divan::{Bencher, counter::ItemsCount};
use orca::base::{ActionKey, BlobDigest, Entry, FileId, RelPath, Tree};
use orca::event::{ActionResult, Usage};
use orca::exec::scheduler::{Command, Ended, Input, Jobs, Policy, Scheduler, SchedulerConfig, TaskSpec};
use orca::graph::{Graph, TaskIx};
use orca::plan::{lower, parse};
use orca::snapshot::{Answer, Closing, Directory, Fingerprint, Hot, Image, Looking, World, journal, outside, write};
use orca::store::{Root, Source, Spares, Store, materialize_from};
use orca::sys::glance;

fn main() {
    divan::main();
}

/// A plan as wide as it is deep, two deps a task.
fn layered(tasks: usize) -> String {
    let width = tasks.isqrt().max(1);
    let task = |task: usize| {
        let above = task.checked_sub(width);
        let deps = above.map_or_else(Vec::new, |above| vec![above, above / width * width + (above + 1) % width]);
        let mut inputs = vec![format!("src/{task}")];
        inputs.extend(deps.iter().map(|dep| format!("out/{dep}")));
        let run = format!("cat {} > out/{task}", inputs.join(" "));
        format!(
            "[tasks.t{task}]\nrun = \"{run}\"\ninputs = {inputs:?}\noutputs = [\"out/{task}\"]\nsandbox = \"none\"\n"
        )
    };
    (0..tasks).map(task).collect()
}

/// All decisions of a run in which every task has to run, four at a time.
#[divan::bench(args = [1_000, 10_000])]
fn scheduler(bencher: Bencher<'_, '_>, tasks: usize) {
    let (document, _) = parse(FileId(0), path("orca.toml"), layered(tasks).into());
    let (plan, _) = lower(&[document]);
    let (graph, _) = Graph::build(&plan);
    let selected: BTreeSet<TaskIx> = graph.tasks().collect();
    let priorities = graph.bottom_levels_ms(|_| 10);
    let spec = |priority_ms| TaskSpec { priority_ms, cpu: 1, ..TaskSpec::default() };
    let specs: Vec<TaskSpec> = priorities.into_iter().map(spec).collect();
    let config = SchedulerConfig {
        jobs: Jobs::exactly(4),
        keep_going: false,
        policy: Policy::CriticalPath,
        ask_layers: false,
        pools: Vec::new(),
        cost_micro_usd_max: None,
    };
    bencher.counter(ItemsCount::new(tasks)).bench_local(|| {
        let mut scheduler = Scheduler::new(&graph, &selected, config.clone(), specs.clone());
        let mut facts = VecDeque::from([Input::Slots(4), Input::Start]);
        while let Some(fact) = facts.pop_front() {
            facts.extend(scheduler.step(0, fact).into_iter().filter_map(|command| match command {
                Command::Resolve(task) => Some(Input::Resolved { task, clean: false }),
                Command::Run(task) => Some(Input::Finished { task, ended: Ended::Accepted }),
                _ => None,
            }));
        }
        assert!(scheduler.is_done());
    });
}

/// What a build with nothing to do asks: four files for each task, looked at by directory.
#[divan::bench(args = [4_000, 40_000])]
fn snapshot(bencher: Bencher<'_, '_>, files: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().canonicalize().expect("it is there");
    let (state, source) = (root.join(".orca"), root.join("src"));
    fs::create_dir(&state).expect("it is made");
    fs::create_dir(&source).expect("it is made");
    fs::write(state.join("journal.db"), "what happened").expect("it is written");
    let mut names: Vec<Box<str>> = (0..files).map(|file| format!("{file}").into()).collect();
    names.sort_unstable();
    let file = |name: Box<str>| {
        let path = source.join(&*name);
        fs::write(&path, "x\n").expect("it is written");
        (name, outside(&path))
    };
    let sources = Directory { path: "src".to_owned(), walked: None, files: names.into_iter().map(file).collect() };
    let opened = fs::File::open(&state).expect("it opens");
    let world = World {
        root: root.clone(),
        program: Fingerprint::of(&glance::own_program().expect("it runs")),
        user: glance::user(),
        variables: BTreeMap::new(),
        outside: BTreeMap::new(),
        kinds: BTreeMap::new(),
        system: BTreeMap::new(),
        beside: BTreeMap::new(),
        plans: Vec::new(),
        journal: journal(opened.as_fd()),
    };
    let closing = Closing { cached: files as u64 / 4, ..Closing::default() };
    let image = Image { is_complete: true, world, directories: vec![sources], closing: closing.clone(), cold: None };
    write(&state, &image).expect("it is written");
    let looking = Looking { root: &root, variable: &|_| None, now_ns: &|| i64::MAX };
    bencher.counter(ItemsCount::new(files)).bench_local(|| {
        let answer = Hot::open(&root).expect("a snapshot").check(&looking);
        assert_eq!(answer, Answer::Clean(closing.clone()));
    });
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).expect("a plain path")
}

fn content(file: usize) -> Vec<u8> {
    format!("{file}\n").repeat(200).into_bytes()
}

/// A view of five files in two directories, all of them in the cache.
fn view(store: &Store) -> Tree {
    let file = |number: usize| {
        let bytes = content(number);
        let digest = store.put_bytes(&bytes).expect("it is stored");
        let directory = if number < 3 { "src" } else { "out" };
        let entry = Entry::File { digest, size_bytes: bytes.len() as u64, executable: false };
        (path(&format!("{directory}/{number}")), entry)
    };
    (0..5).map(file).collect()
}

/// One workspace made and removed: of new files and directories, and of what the last one left.
#[divan::bench(args = [false, true])]
fn workspace(bencher: Bencher<'_, '_>, reuses: bool) {
    let directory = tempfile::tempdir().expect("a directory");
    let root = Root::open(directory.path()).expect("it opens");
    let store = Store::open(&directory.path().join("cache")).expect("it opens");
    let tree = view(&store);
    let spares = Spares::create(&root, &path("work/.spares")).expect("it is made");
    let spares = reuses.then_some(&spares);
    bencher.bench_local(|| {
        root.create_dir_all(&path("work/one")).expect("it is made");
        let workspace = Root::open(&directory.path().join("work/one")).expect("it opens");
        materialize_from(&tree, &workspace, &|_, _| Source::Cas(&store), spares).expect("it is filled");
        root.remove_tree_into(&path("work/one"), spares).expect("it is removed");
    });
}

/// Results of 64 tasks stored by so many threads, each durable when its call returns.
#[divan::bench(args = [1, 4, 16])]
fn results(bencher: Bencher<'_, '_>, threads: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path()).expect("it opens");
    let mut round = 0_u64;
    bencher.counter(ItemsCount::new(64_u32)).bench_local(|| {
        round += 1;
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (store, round) = (&store, round);
                scope.spawn(move || {
                    for task in (thread..64).step_by(threads) {
                        let key = BlobDigest::of(format!("{round} {task}").as_bytes());
                        let key = ActionKey::from_bytes(*key.as_bytes());
                        store.put_result(&key, &result(task)).expect("it is stored");
                    }
                });
            }
        });
    });
}

fn result(task: usize) -> ActionResult {
    let bytes = content(task);
    let entry = Entry::File { digest: BlobDigest::of(&bytes), size_bytes: bytes.len() as u64, executable: false };
    ActionResult {
        outputs: Tree::from([(path(&format!("out/{task}")), entry)]),
        edits: BTreeMap::new(),
        log: BlobDigest::of(b""),
        log_size_bytes: 0,
        usage: Usage::default(),
        cost_micro_usd: 0,
        summary: String::new(),
    }
}
