//! Killed at any instant, on a full disk, on a read-only one, and by several processes at once: what has a name is
//! right, and everything else is a miss or a clear error.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test runs itself as a child, and kills it"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use orca::base::{ActionKey, BlobDigest, Entry, RelPath, TaskName, Tree};
use orca::event::{ActionResult, Usage};
use orca::store::{Journal, Root, Source, Store, StoreError, materialize};

/// Names the test directory to a child process, which is this test binary running one of its tests.
const DIRECTORY: &str = "ORCA_TEST_STORE_DIRECTORY";
/// Tells a child that does not stop by itself soon enough how many actions to store.
const ACTIONS: &str = "ORCA_TEST_STORE_ACTIONS";
const ROUNDS: u64 = 30;

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

fn key(number: u32) -> ActionKey {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    ActionKey::from_bytes(bytes)
}

fn content(number: u32) -> Vec<u8> {
    number.to_le_bytes().repeat(1 + number as usize % 5_000)
}

fn file(content: &[u8]) -> Entry {
    Entry::File { digest: BlobDigest::of(content), size_bytes: content.len() as u64, executable: false }
}

/// The result of action `number`: two files that its key determines.
fn result(number: u32) -> ActionResult {
    let outputs = [("a", number), ("b/c", number + 1)];
    ActionResult {
        outputs: outputs.iter().map(|(name, number)| (path(name), file(&content(*number)))).collect(),
        edits: orca::base::Changes::new(),
        log: BlobDigest::of(&content(number)),
        log_size_bytes: content(number).len() as u64,
        usage: Usage::default(),
        cost_micro_usd: 0,
        summary: String::new(),
    }
}

/// The directory a child was given; a run of its own where there is none, so that what a child does is a test as well.
fn given_directory() -> (PathBuf, Option<tempfile::TempDir>) {
    match std::env::var_os(DIRECTORY) {
        Some(dir) => (dir.into(), None),
        None => {
            let dir = tempfile::tempdir().unwrap();
            (dir.path().to_owned(), Some(dir))
        }
    }
}

/// Runs one test of this binary in a child process.
fn child(test: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(DIRECTORY, dir).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// What a build does, over and over: takes outputs in, stores results, publishes, journals.
fn store_and_publish(dir: &Path, numbers: impl Iterator<Item = u32>, id: u32) {
    let store = Store::open(&dir.join("cache")).unwrap();
    let project = dir.join(format!("project-{id}"));
    std::fs::create_dir_all(&project).unwrap();
    let journal = Journal::open(&project).unwrap();
    let root = Root::open_staged(&project, &path("staging")).unwrap();
    let workspace = path("work");
    let task = TaskName::new("t").unwrap();
    for number in numbers {
        let expected = result(number);
        root.remove_tree(&workspace).unwrap();
        root.create_dir_all(&workspace).unwrap();
        let work = Root::open(&workspace.beneath(&project)).unwrap();
        work.write(&path("a"), &content(number), false).unwrap();
        work.write(&path("b/c"), &content(number + 1), false).unwrap();
        let tree = work.scan(None, &|_| false).unwrap();
        assert_eq!(tree, expected.outputs);
        store.ingest(&work, &tree).unwrap();
        store.put_bytes(&content(number)).unwrap();
        store.put_result(&key(number), &expected).unwrap();
        let paths: Vec<_> =
            tree.iter().map(|(path, new)| (path.clone(), new.clone(), root.entry(path).unwrap())).collect();
        journal.begin_publish(&task, &paths).unwrap();
        for (path, new, _) in &paths {
            let Entry::File { digest, executable, .. } = new else { unreachable!("only files") };
            assert!(store.copy_to(digest, &root, path, *executable).unwrap());
        }
        journal.finish_publish(&task, &[]).unwrap();
    }
}

/// Whatever is stored is whole and right, and whatever is in the project is what the journal says.
fn assert_sound(dir: &Path, id: u32) -> u32 {
    let store = Store::open(&dir.join("cache")).unwrap();
    let report = store.verify().unwrap();
    assert!(report.is_sound(), "{report:?}");
    let mut found = 0;
    for number in 0..400 {
        let Some(stored) = store.result(&key(number)).unwrap() else { continue };
        assert_eq!(stored, result(number));
        for blob in [number, number + 1] {
            assert_eq!(store.read(&BlobDigest::of(&content(blob))).unwrap(), Some(content(blob)), "{number}");
        }
        found += 1;
    }
    let project = dir.join(format!("project-{id}"));
    if let Ok(root) = Root::open(&project) {
        let journal = Journal::open(&project).unwrap();
        let pending = journal.pending().unwrap();
        for (path, published) in journal.published().unwrap() {
            let here = root.entry(&path).unwrap();
            match pending.iter().find(|pending| pending.path == path) {
                None => assert_eq!(here, Some(published.entry), "{path}"),
                Some(pending) => assert!(here == pending.old || here.as_ref() == Some(&pending.new), "{path}"),
            }
        }
        assert!(journal.take_warnings().is_empty());
        let kept =
            |path: &RelPath| !["staging", "work"].contains(&path.as_str()) && !path.as_str().contains("journal.db");
        let listing = root.list(None, &|path| !kept(path)).unwrap();
        for listed in listing.entries {
            assert!(["a", "b", "b/c"].contains(&listed.path.as_str()), "{} was left over", listed.path);
        }
    }
    assert!(store.take_warnings().is_empty());
    found
}

#[test]
fn a_build_stores_and_publishes() {
    let (dir, _own) = given_directory();
    let actions = std::env::var(ACTIONS).map_or(20, |text| text.parse().unwrap());
    store_and_publish(&dir, 0..actions, 0);
    assert!(assert_sound(&dir, 0) >= actions);
}

#[test]
fn killed_at_any_instant_what_has_a_name_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let mut seed = std::process::id().wrapping_mul(2_654_435_761);
    for round in 0..ROUNDS {
        // Early rounds hit the making of the cache, later ones its use.
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let wait = Duration::from_micros(500 + u64::from(seed >> 8) % (4_000 * (round + 1)));
        let fresh = round % 3 == 0;
        let place = if fresh { dir.path().join(round.to_string()) } else { dir.path().to_owned() };
        std::fs::create_dir_all(&place).unwrap();
        let mut child =
            child("a_build_stores_and_publishes", &place).env(ACTIONS, "400").stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(wait);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_sound(&place, 0);
    }
    // And then it simply works.
    store_and_publish(dir.path(), 0..10, 0);
    assert!(assert_sound(dir.path(), 0) >= 10);
    let store = Store::open(&dir.path().join("cache")).unwrap();
    store.gc(u64::MAX, 0).unwrap();
    let left = std::fs::read_dir(dir.path().join("cache/tmp")).unwrap().count();
    assert_eq!(left, 0, "what kills left over is collected");
}

/// Whether system calls can be traced here, and a process killed at a chosen one.
fn can_trace(test: &str) -> bool {
    let possible = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    let can = possible.is_ok_and(|output| output.status.success());
    if !can {
        eprintln!("skipped: {test} needs strace");
    }
    can
}

/// The build of a child process under strace.
fn traced(dir: &Path, options: &[&str]) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-s", "200"]).args(options).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "a_build_stores_and_publishes"]).env(DIRECTORY, dir).env("RAYON_NUM_THREADS", "1");
    command.env(ACTIONS, "12").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn killed_at_every_kind_of_step_what_has_a_name_is_right() {
    if !can_trace("killed_at_every_kind_of_step_what_has_a_name_is_right") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut killed = 0;
    for step in ["mkdirat", "write", "fchmod", "fsync", "renameat", "pwrite64", "unlinkat"] {
        for count in [1, 2, 3, 5, 8, 13] {
            let place = dir.path().join(format!("{step}-{count}"));
            std::fs::create_dir(&place).unwrap();
            let inject = format!("inject={step}:signal=KILL:when={count}");
            let filter = format!("trace={step}");
            let status = traced(&place, &["-o", "/dev/null", "-e", &filter, "-e", &inject]).status().unwrap();
            killed += u32::from(!status.success());
            assert_sound(&place, 0);
            store_and_publish(&place, 0..2, 0);
            assert!(assert_sound(&place, 0) >= 2, "{step} {count}");
        }
    }
    assert!(killed >= 20, "{killed}");
}

#[test]
fn bytes_are_on_the_disk_before_they_have_a_name_and_names_before_they_are_promised() {
    if !can_trace("bytes_are_on_the_disk_before_they_have_a_name_and_names_before_they_are_promised") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let options = ["-o", trace.to_str().unwrap(), "-e", "trace=fsync,fdatasync,syncfs,renameat,renameat2"];
    assert!(traced(dir.path(), &options).status().unwrap().success());
    let mut synced = std::collections::BTreeSet::new();
    let mut unsynced_shards = std::collections::BTreeSet::new();
    let mut named = 0;
    for line in std::fs::read_to_string(&trace).unwrap().lines() {
        let paths: Vec<&str> =
            line.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(p, _)| p).collect();
        let names: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        if line.contains("sync(") {
            synced.insert(paths[0].to_owned());
            unsynced_shards.remove(paths[0]);
            // The log of the action cache is synced when a result is promised.
            let promises = paths[0].ends_with("actions.db-wal");
            assert!(!promises || unsynced_shards.is_empty(), "{line}");
        } else if line.contains("renameat") && paths[1].contains("/cas/") {
            let temp = format!("{}/{}", paths[0], names[0]);
            assert!(synced.contains(&temp), "{line}");
            unsynced_shards.insert(paths[1].to_owned());
            named += 1;
        }
    }
    assert!(named >= 13, "{named}");
    assert!(unsynced_shards.is_empty());
}

#[test]
fn one_of_several_builds_on_a_cache() {
    let (dir, _own) = given_directory();
    store_and_publish(&dir, (0..40).rev(), std::process::id());
}

#[test]
fn several_processes_share_a_cache() {
    let dir = tempfile::tempdir().unwrap();
    let test = "one_of_several_builds_on_a_cache";
    let children: Vec<Child> =
        (0..4).map(|_| child(test, dir.path()).stderr(Stdio::piped()).spawn().unwrap()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(assert_sound(dir.path(), 0), 40);
}

/// Runs one test of this binary in a user namespace with a mount of its own: `setup` sees `$D`. `false` where such a
/// namespace cannot be had.
fn in_namespace(test: &str, dir: &Path, setup: &str) -> bool {
    let possible = Command::new("unshare").args(["-Urm", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {test} needs an unprivileged user namespace");
        return false;
    }
    let script = format!("{setup}\nexec \"$0\" --exact {test} --nocapture");
    let output = Command::new("unshare")
        .args(["-Urm", "sh", "-ec", &script])
        .arg(std::env::current_exe().unwrap())
        .env(DIRECTORY, dir)
        .env("D", dir)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}{told}", String::from_utf8_lossy(&output.stdout));
    true
}

/// Stores until the disk is full. Alone, on a disk that is not, it checks that nothing fails.
#[test]
fn storing_until_the_disk_is_full_is_a_clear_error() {
    let (dir, own) = given_directory();
    let store = Store::open(&dir.join("cache")).unwrap();
    let mut stored = Vec::new();
    let mut failures = Vec::new();
    for number in 0..60u32 {
        let content = number.to_le_bytes().repeat(50_000);
        let put = store.put_bytes(&content).and_then(|digest| {
            let outputs = Tree::from([(path("a"), file(&content))]);
            let log = digest;
            store.put_result(&key(number), &ActionResult { outputs, log, ..result(number) }).map(|()| digest)
        });
        match put {
            Ok(digest) => stored.push((digest, content)),
            Err(error) => failures.push(error),
        }
    }
    if own.is_some() {
        assert_eq!((stored.len(), failures.len()), (60, 0));
        return;
    }
    assert!(!stored.is_empty() && !failures.is_empty());
    for failure in &failures {
        assert!(failure.is_unwritable(), "{failure:?}");
    }
    for (digest, content) in &stored {
        assert_eq!(store.read(digest).unwrap().as_ref(), Some(content), "what was stored is there");
    }
    let root = Root::open(&dir).unwrap();
    let (digest, content) = &stored[0];
    let full: Vec<_> =
        (0..2).map(|number| store.copy_to(digest, &root, &path(&format!("out-{number}")), false)).collect();
    for (number, answer) in full.into_iter().enumerate() {
        let out = root.entry(&path(&format!("out-{number}"))).unwrap();
        match answer {
            Ok(copied) => assert_eq!((copied, out), (true, Some(file(content)))),
            Err(error) => assert_eq!((error.is_unwritable(), out), (true, None), "{error}"),
        }
    }
    drop(store);
    let again = Store::open(&dir.join("cache")).unwrap();
    assert_eq!(again.read(digest).unwrap().as_ref(), Some(content), "a full disk can be read");
    assert!(again.verify().unwrap().damaged_blobs.is_empty());
    again.gc(0, 0).unwrap();
    again.put_bytes(b"there is room again").unwrap();
    assert!(again.take_warnings().is_empty());
}

#[test]
fn a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let test = "storing_until_the_disk_is_full_is_a_clear_error";
    in_namespace(test, dir.path(), "mount -t tmpfs -o size=4m none \"$D\"");
    // Out of inodes, with plenty of room.
    in_namespace(test, dir.path(), "mount -t tmpfs -o size=64m,nr_inodes=40 none \"$D\"");
}

/// Uses a cache that holds action 0. Given a directory, the cache there may not be written.
#[test]
fn a_cache_is_read_whether_it_can_be_written_or_not() {
    let (dir, own) = given_directory();
    if own.is_some() {
        store_and_publish(&dir, 0..1, 0);
    }
    let store = Store::open(&dir.join("cache")).unwrap();
    assert_eq!(store.is_read_only(), own.is_none());
    assert_eq!(store.result(&key(0)).unwrap(), Some(result(0)));
    let work = tempfile::tempdir().unwrap();
    let root = Root::open(work.path()).unwrap();
    materialize(&result(0).outputs, &root, &|_, _| Source::Cas(&store)).unwrap();
    assert_eq!(root.scan(None, &|_| false).unwrap(), result(0).outputs);
    assert_eq!(store.result(&key(9)).unwrap(), None);
    let is_read_only = |answer: Result<(), StoreError>| matches!(answer, Err(StoreError::ReadOnly { .. }));
    assert_eq!(is_read_only(store.put_bytes(b"new").map(drop)), own.is_none());
    assert_eq!(is_read_only(store.put_result(&key(9), &result(9))), own.is_none());
    assert_eq!(is_read_only(store.gc(u64::MAX, 0).map(drop)), own.is_none());
    assert!(store.take_warnings().is_empty());
    if own.is_none() {
        let error = Store::open(&dir.join("another")).unwrap_err();
        assert!(error.is_unwritable(), "{error:?}");
    }
}

#[test]
fn a_read_only_cache() {
    let dir = tempfile::tempdir().unwrap();
    store_and_publish(dir.path(), 0..1, 0);
    let read_only = "mount --bind \"$D\" \"$D\" && mount -o remount,ro,bind \"$D\"";
    in_namespace("a_cache_is_read_whether_it_can_be_written_or_not", dir.path(), read_only);
    assert_sound(dir.path(), 0);
}

/// Also run with few descriptors: neither a large tree nor a deep one may need many.
#[test]
fn a_thousand_files_are_taken_in_and_restored() {
    let (dir, _own) = given_directory();
    let store = Store::open(&dir.join("cache")).unwrap();
    std::fs::create_dir(dir.join("from")).unwrap();
    std::fs::create_dir(dir.join("to")).unwrap();
    let from = Root::open(&dir.join("from")).unwrap();
    for number in 0..1000u32 {
        from.write(&path(&format!("{}/{number}", number % 7)), &number.to_le_bytes(), false).unwrap();
    }
    from.write(&path(&["d"; 300].join("/")), b"deep", false).unwrap();
    let tree = from.scan(None, &|_| false).unwrap();
    assert_eq!(tree.len(), 1001);
    store.ingest(&from, &tree).unwrap();
    let to = Root::open(&dir.join("to")).unwrap();
    materialize(&tree, &to, &|_, _| Source::Cas(&store)).unwrap();
    assert_eq!(to.scan(None, &|_| false).unwrap(), tree);
    assert!(store.verify().unwrap().is_sound());
    to.remove_tree(&path("d")).unwrap();
    assert_eq!(to.scan(None, &|_| false).unwrap().len(), 1000);
}

#[test]
fn few_open_files_are_enough() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-ec", "ulimit -n 64; exec \"$0\" --exact a_thousand_files_are_taken_in_and_restored"])
        .arg(std::env::current_exe().unwrap())
        .env(DIRECTORY, dir.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
