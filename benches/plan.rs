//! The whole path in one process: parse, lower, graph, and the keys of all tasks, for layered plans of 1,000 and 10,000 tasks.
//!
//! `cargo bench --bench plan` prints medians; `ORCA_BENCH_TASKS=100000 cargo bench --bench plan` another size besides. The plans are
//! those of `peers`: as wide as deep, two deps and three sources each; `mixed` ones have templates, matrices, wildcards and deps.

#![expect(clippy::disallowed_methods, reason = "a benchmark may ask its environment how large it shall be")]

use std::fmt::Write as _;
use std::sync::Arc;

use divan::{Bencher, black_box};
use orca::base::{BlobDigest, Entry, FileId, RelPath};
use orca::context::{SourceIndex, TaskContext};
use orca::db::OrcaDb;
use orca::graph::Graph;
use orca::key::action_key;
use orca::plan::{Document, Plan, lower, parse};

fn main() {
    divan::main();
}

/// The sizes to measure.
fn sizes() -> Vec<usize> {
    let more = std::env::var("ORCA_BENCH_TASKS").ok().and_then(|size| size.parse().ok());
    [1_000, 10_000].into_iter().chain(more).collect()
}

/// What a task of the layered plan reads that others write.
fn above(task: usize, tasks: usize) -> Vec<usize> {
    let width = tasks.isqrt().max(1);
    task.checked_sub(width).map_or_else(Vec::new, |above| vec![above, above / width * width + (above + 1) % width])
}

fn layered(tasks: usize) -> String {
    let mut plan = String::new();
    for task in 0..tasks {
        let mut inputs: Vec<String> = (0..3).map(|source| format!("src/{task}-{source}")).collect();
        inputs.extend(above(task, tasks).iter().map(|above| format!("out/{above}")));
        let run = format!("cat {} | cksum > out/{task}", inputs.join(" "));
        let _ = write!(plan, "[tasks.t{task}]\nrun = \"{run}\"\ninputs = {inputs:?}\noutputs = [\"out/{task}\"]\n");
    }
    plan
}

/// A tenth of the tasks are matrices of two, a third use a template, the others have wildcards and deps.
fn mixed(tasks: usize) -> String {
    let mut plan = String::from("[templates.copy]\nparams = [\"n\"]\nrun = \"cp src/{{ n }} out/{{ n }}\"\n");
    plan.push_str("inputs = [\"src/{{ n }}\"]\noutputs = [\"out/{{ n }}\"]\n");
    let mut task = 0;
    while task < tasks {
        let _ = match task % 10 {
            0 if task < 10_000 => {
                task += 1;
                let matrix = "matrix = { os = [\"linux\", \"mac\"] }";
                write!(
                    plan,
                    "[tasks.m{task}]\nrun = \"make\"\n{matrix}\noutputs = [\"m/{task}-{{{{ matrix.os }}}}\"]\n"
                )
            }
            1 | 4 | 7 => write!(plan, "[tasks.c{task}]\ntemplate = \"copy\"\nparams = {{ n = \"{task}\" }}\n"),
            _ => {
                let deps: Vec<String> = (task % 10 == 5).then(|| format!("c{}", task - 1)).into_iter().collect();
                let inputs = [format!("lib/{}/**/*.c", task % 100), format!("!lib/{}/gen/**", task % 100)];
                write!(
                    plan,
                    "[tasks.w{task}]\nrun = [\"cc\", \"-c\"]\ninputs = {inputs:?}\noutputs = [\"obj/{task}/**\"]\ndeps = {deps:?}\n"
                )
            }
        };
        task += 1;
    }
    plan
}

fn document(text: &str) -> Document {
    let (document, findings) = parse(FileId(0), RelPath::new("orca.toml").expect("a path"), text.into());
    assert!(findings.is_empty(), "{:?}", findings.first());
    document
}

fn plan(text: &str) -> Plan {
    let (plan, findings) = lower(&[document(text)]);
    assert!(findings.is_empty(), "{:?}", findings.first());
    plan
}

#[divan::bench_group(sample_count = 11, sample_size = 1)]
mod layered_plan {
    use super::*;

    #[divan::bench(args = sizes())]
    fn parse(bencher: Bencher<'_, '_>, tasks: usize) {
        let text: Arc<str> = layered(tasks).into();
        bencher.counter(divan::counter::BytesCount::of_str(&text)).bench_local(|| document(&text));
    }

    #[divan::bench(args = sizes())]
    fn lower(bencher: Bencher<'_, '_>, tasks: usize) {
        let documents = [document(&layered(tasks))];
        bencher.bench_local(|| orca::plan::lower(&documents));
    }

    #[divan::bench(args = sizes())]
    fn graph(bencher: Bencher<'_, '_>, tasks: usize) {
        let plan = plan(&layered(tasks));
        bencher.bench_local(|| Graph::build(&plan));
    }

    /// What a session tells the memos: which files there are, and what they hold.
    #[divan::bench(args = sizes())]
    fn survey(bencher: Bencher<'_, '_>, tasks: usize) {
        let documents = vec![document(&layered(tasks))];
        bencher.with_inputs(|| opened(documents.clone())).bench_local_values(|db| surveyed(db, tasks));
    }

    /// The source views of all tasks and a key from each; what deps bring is left out.
    #[divan::bench(args = sizes())]
    fn keys(bencher: Bencher<'_, '_>, tasks: usize) {
        let documents = vec![document(&layered(tasks))];
        bencher.with_inputs(|| surveyed(opened(documents.clone()), tasks)).bench_local_values(|db| {
            let lowered = db.lowered();
            for name in lowered.plan.tasks.keys() {
                let definition = db.definition(name).expect("a task of the plan");
                let view = db.source_view(name).as_ref().clone();
                black_box(action_key(&TaskContext { definition, view, dependencies: Vec::new() }));
            }
            db
        });
    }
}

#[divan::bench_group(sample_count = 11, sample_size = 1)]
mod mixed_plan {
    use super::*;

    #[divan::bench(args = sizes())]
    fn parse(bencher: Bencher<'_, '_>, tasks: usize) {
        let text: Arc<str> = mixed(tasks).into();
        bencher.counter(divan::counter::BytesCount::of_str(&text)).bench_local(|| document(&text));
    }

    #[divan::bench(args = sizes())]
    fn lower(bencher: Bencher<'_, '_>, tasks: usize) {
        let documents = [document(&mixed(tasks))];
        bencher.bench_local(|| orca::plan::lower(&documents));
    }

    #[divan::bench(args = sizes())]
    fn graph(bencher: Bencher<'_, '_>, tasks: usize) {
        let plan = plan(&mixed(tasks));
        bencher.bench_local(|| Graph::build(&plan));
    }
}

fn opened(documents: Vec<Document>) -> OrcaDb {
    let mut db = OrcaDb::default();
    db.set_documents(documents);
    assert!(db.lowered().findings.is_empty());
    db
}

/// The memos with three files for each task, each of them listed and known.
fn surveyed(mut db: OrcaDb, tasks: usize) -> OrcaDb {
    let path = |task: usize, source: usize| RelPath::new(&format!("src/{task}-{source}")).expect("a path");
    let paths: Vec<RelPath> = (0..tasks).flat_map(|task| (0..3).map(move |source| path(task, source))).collect();
    let mut index = SourceIndex::default();
    index.literal.extend(paths.iter().map(|path| (path.clone(), vec![path.clone()])));
    db.set_listing(index);
    let digest = BlobDigest::of(b"x");
    let entry = Entry::File { digest, size_bytes: 1, executable: false };
    db.set_files(paths.into_iter().map(|path| (path, Some(entry.clone()))));
    db
}
