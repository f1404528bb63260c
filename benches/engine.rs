//! What a task costs besides its processes, one part at a time: results and records written by many threads, workspaces made
//! and removed, and the scheduler's decisions.
//!
//! `cargo bench --bench engine` prints medians. Whole builds, beside other tools, are in `peers`.

use std::collections::BTreeMap;

use divan::{Bencher, counter::ItemsCount};
use orca::base::{ActionKey, BlobDigest, Entry, RelPath, Tree};
use orca::event::{ActionResult, Usage};
use orca::store::{Root, Source, Spares, Store, materialize_from};

fn main() {
    divan::main();
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
