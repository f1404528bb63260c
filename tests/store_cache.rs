//! The shared cache: what is damaged, missing or foreign is a miss with one warning, and never content.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test plants files and fails by panicking")]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use orca::base::{ActionKey, BlobDigest, Entry, GateKey, RelPath, Tree};
use orca::event::{ActionResult, Usage};
use orca::store::{MaterializeError, Root, Source, Store, StoreError, materialize};

const NO_WARNINGS: [&str; 0] = [];

struct Fixture {
    dir: tempfile::TempDir,
    store: Store,
    root: Root,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("project")).unwrap();
        let store = Store::open(&dir.path().join("cache")).unwrap();
        let root = Root::open(&dir.path().join("project")).unwrap();
        Self { dir, store, root }
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    fn project(&self, name: &str) -> PathBuf {
        self.dir.path().join("project").join(name)
    }

    fn blob(&self, digest: &BlobDigest) -> PathBuf {
        self.cache().join("cas").join(&digest.to_hex()[..2]).join(digest.to_hex())
    }

    fn reopen(&mut self) {
        self.store = Store::open(&self.dir.path().join("other")).unwrap();
        self.store = Store::open(&self.cache()).unwrap();
    }
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

fn key(number: u8) -> ActionKey {
    ActionKey::from_bytes([number; 32])
}

fn file(content: &[u8]) -> Entry {
    Entry::File { digest: BlobDigest::of(content), size_bytes: content.len() as u64, executable: false }
}

fn result(outputs: &[(&str, &[u8])]) -> ActionResult {
    ActionResult {
        outputs: outputs.iter().map(|(name, content)| (path(name), file(content))).collect(),
        edits: orca::base::Changes::new(),
        log: BlobDigest::of(b"log"),
        log_size_bytes: 3,
        usage: Usage { wall_ms: 12, cpu_ms: 10, peak_memory_bytes: 1 << 20 },
        cost_micro_usd: 0,
        summary: String::new(),
    }
}

fn replace(path: &Path, with: impl FnOnce(&Path)) {
    std::fs::remove_file(path).unwrap();
    with(path);
}

type Spoil = Box<dyn Fn(&Path)>;

/// Every way to spoil a blob.
fn spoilers() -> [(&'static str, Spoil); 8] {
    [
        ("deleted", Box::new(|blob| std::fs::remove_file(blob).unwrap())),
        ("truncated", Box::new(|blob| replace(blob, |blob| std::fs::write(blob, "conte").unwrap()))),
        ("emptied", Box::new(|blob| replace(blob, |blob| std::fs::write(blob, "").unwrap()))),
        ("flipped", Box::new(|blob| replace(blob, |blob| std::fs::write(blob, "cOntent").unwrap()))),
        ("extended", Box::new(|blob| replace(blob, |blob| std::fs::write(blob, "content!").unwrap()))),
        (
            "a directory",
            Box::new(|blob| {
                replace(blob, |blob| {
                    std::fs::create_dir(blob).unwrap();
                    std::fs::write(blob.join("mine"), "keep").unwrap();
                });
            }),
        ),
        (
            // Even a link to the right content is no blob: what it points to is not the cache's.
            "a link",
            Box::new(|blob| {
                let elsewhere = blob.ancestors().nth(4).unwrap().join("elsewhere");
                std::fs::write(&elsewhere, "content").unwrap();
                replace(blob, |blob| std::os::unix::fs::symlink(&elsewhere, blob).unwrap());
            }),
        ),
        (
            "a pipe",
            Box::new(|blob| {
                replace(blob, |blob| {
                    nix::unistd::mkfifo(blob, nix::sys::stat::Mode::S_IRWXU).unwrap();
                });
            }),
        ),
    ]
}

#[test]
fn a_spoiled_blob_is_a_miss_with_one_warning_and_comes_back_when_it_is_put_again() {
    for (how, spoil) in spoilers() {
        let fixture = Fixture::new();
        let digest = fixture.store.put_bytes(b"content").unwrap();
        spoil(&fixture.blob(&digest));
        assert!(!fixture.store.copy_to(&digest, &fixture.root, &path("a/out"), false).unwrap(), "{how}");
        assert!(!fixture.project("a/out").exists(), "{how}");
        let warnings = fixture.store.take_warnings();
        assert_eq!(warnings.len(), 1, "{how}: {warnings:?}");
        assert!(warnings[0].contains(&digest.short()), "{how}: {warnings:?}");
        assert!(!fixture.store.has(&digest), "{how}");

        assert_eq!(fixture.store.put_bytes(b"content").unwrap(), digest, "{how}");
        assert_eq!(fixture.store.read(&digest).unwrap().as_deref(), Some(b"content".as_slice()), "{how}");
        assert_eq!(fixture.store.take_warnings(), NO_WARNINGS, "{how}");
    }
}

#[test]
fn reading_and_materializing_a_spoiled_blob_misses_too() {
    for (how, spoil) in spoilers() {
        let fixture = Fixture::new();
        let digest = fixture.store.put_bytes(b"content").unwrap();
        spoil(&fixture.blob(&digest));
        assert_eq!(fixture.store.read(&digest).unwrap(), None, "{how}");
        assert_eq!(fixture.store.take_warnings().len(), 1, "{how}");

        fixture.store.put_bytes(b"content").unwrap();
        spoil(&fixture.blob(&digest));
        let tree = Tree::from([(path("f"), file(b"content"))]);
        let error = materialize(&tree, &fixture.root, &|_, _| Source::Cas(&fixture.store)).unwrap_err();
        assert!(matches!(error, MaterializeError::Missing { .. }), "{how}: {error}");
        assert_eq!(fixture.store.take_warnings().len(), 1, "{how}");
    }
}

#[test]
fn what_stood_in_a_blobs_place_and_was_no_file_is_kept() {
    let fixture = Fixture::new();
    let digest = fixture.store.put_bytes(b"content").unwrap();
    let shard = fixture.blob(&digest).parent().unwrap().to_owned();
    let (_, spoil) = spoilers().into_iter().find(|(how, _)| *how == "a directory").unwrap();
    spoil(&fixture.blob(&digest));
    fixture.store.put_bytes(b"content").unwrap();
    let kept: Vec<_> = std::fs::read_dir(fixture.cache().join("damaged")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(std::fs::read(kept[0].join("mine")).unwrap(), b"keep");

    // A whole shard replaced by a file or a link is no different.
    std::fs::rename(&shard, fixture.dir.path().join("shard")).unwrap();
    std::os::unix::fs::symlink(fixture.dir.path().join("shard"), &shard).unwrap();
    assert_eq!(fixture.store.read(&digest).unwrap(), None);
    fixture.store.put_bytes(b"content").unwrap();
    assert!(std::fs::symlink_metadata(&shard).unwrap().is_dir());
    assert!(fixture.store.read(&digest).unwrap().is_some());
}

#[test]
fn a_workspace_never_shares_a_file_with_the_cache() {
    let fixture = Fixture::new();
    let content = vec![b'x'; 100_000];
    std::fs::write(fixture.project("in"), &content).unwrap();
    let (digest, size_bytes) = fixture.store.put_file(&fixture.root, &path("in")).unwrap();
    assert_eq!((digest, size_bytes), (BlobDigest::of(&content), 100_000));
    assert!(fixture.store.copy_to(&digest, &fixture.root, &path("out"), true).unwrap());
    let blob = std::fs::metadata(fixture.blob(&digest)).unwrap();
    assert_eq!((blob.nlink(), blob.permissions().mode() & 0o7777), (1, 0o444));
    for name in ["in", "out"] {
        assert_ne!(std::fs::metadata(fixture.project(name)).unwrap().ino(), blob.ino(), "{name}");
        std::fs::write(fixture.project(name), "changed in the workspace").unwrap();
    }
    assert_eq!(fixture.store.read(&digest).unwrap(), Some(content));
}

#[test]
fn copying_replaces_a_file_or_a_link_but_never_a_directory() {
    let fixture = Fixture::new();
    let digest = fixture.store.put_bytes(b"content").unwrap();
    let outside = fixture.dir.path().join("outside");
    std::fs::write(&outside, "outside").unwrap();
    std::fs::write(fixture.project("file"), "old").unwrap();
    std::os::unix::fs::symlink(&outside, fixture.project("link")).unwrap();
    for name in ["file", "link", "new/sub/file"] {
        assert!(fixture.store.copy_to(&digest, &fixture.root, &path(name), false).unwrap());
        assert!(std::fs::symlink_metadata(fixture.project(name)).unwrap().is_file(), "{name}");
        assert_eq!(std::fs::read(fixture.project(name)).unwrap(), b"content");
    }
    assert_eq!(std::fs::read(&outside).unwrap(), b"outside");
    std::fs::create_dir(fixture.project("dir")).unwrap();
    for name in ["dir", "file/below"] {
        let error = fixture.store.copy_to(&digest, &fixture.root, &path(name), false).unwrap_err();
        assert!(matches!(error, StoreError::Obstructed { .. }), "{name}: {error}");
    }
    let names: Vec<_> = std::fs::read_dir(fixture.project("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "no temporary file is left: {names:?}");
}

#[test]
fn where_a_store_writes_goes_with_it() {
    let fixture = Fixture::new();
    let temporary = || std::fs::read_dir(fixture.cache().join("tmp")).unwrap().count();
    let before = temporary();
    let second = Store::open(&fixture.cache()).unwrap();
    assert_eq!(temporary(), before, "nothing is made for who only reads");
    let digests = [b"one", b"two"].map(|content| second.put_bytes(content).unwrap());
    assert_eq!(temporary(), before + 1);
    drop(second);
    assert_eq!(temporary(), before);
    assert!(digests.iter().all(|digest| fixture.store.has(digest)));
}

#[test]
fn a_file_that_changes_before_it_is_taken_in_or_copied_is_noticed() {
    let fixture = Fixture::new();
    std::fs::write(fixture.project("a"), "one").unwrap();
    std::fs::write(fixture.project("b"), "two").unwrap();
    let tree = fixture.root.scan(None, &|_| false).unwrap();
    std::fs::write(fixture.project("b"), "2wo").unwrap();
    let error = fixture.store.ingest(&fixture.root, &tree).unwrap_err();
    assert!(matches!(&error, StoreError::Changed { path } if path.as_str() == "b"), "{error}");
    assert!(!fixture.store.has(&BlobDigest::of(b"one")), "all or nothing");
    for own in std::fs::read_dir(fixture.cache().join("tmp")).unwrap() {
        assert_eq!(std::fs::read_dir(own.unwrap().path()).unwrap().count(), 0, "nothing is left of what was written");
    }

    let changes: [(&str, Spoil); 5] = [
        ("content", Box::new(|file| std::fs::write(file, "2wo").unwrap())),
        (
            "executable",
            Box::new(|file| std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap()),
        ),
        ("gone", Box::new(|file| std::fs::remove_file(file).unwrap())),
        ("link", Box::new(|file| replace(file, |file| std::os::unix::fs::symlink("a", file).unwrap()))),
        ("directory", Box::new(|file| replace(file, |file| std::fs::create_dir(file).unwrap()))),
    ];
    for (how, change) in changes {
        let fixture = Fixture::new();
        std::fs::write(fixture.project("b"), "two").unwrap();
        let tree = fixture.root.scan(None, &|_| false).unwrap();
        change(&fixture.project("b"));
        std::fs::create_dir(fixture.dir.path().join("work")).unwrap();
        let work = Root::open(&fixture.dir.path().join("work")).unwrap();
        let error = materialize(&tree, &work, &|_, _| Source::Project(&fixture.root)).unwrap_err();
        assert!(matches!(&error, MaterializeError::Changed { path } if path.as_str() == "b"), "{how}: {error}");
    }
}

#[test]
fn results_and_verdicts_are_read_back_by_every_store_on_the_directory() {
    let fixture = Fixture::new();
    let other = Store::open(&fixture.cache()).unwrap();
    let (one, two) = (result(&[("a", b"x"), ("b/c", b"")]), result(&[]));
    fixture.store.put_results(&[(key(1), one.clone()), (key(2), two.clone())]).unwrap();
    fixture.store.put_verdict(&GateKey::from_bytes([1; 32]), "{\"verdict\":\"passed\"}").unwrap();
    assert_eq!(other.result(&key(1)).unwrap(), Some(one));
    assert_eq!(other.result(&key(2)).unwrap(), Some(two));
    assert_eq!(other.result(&key(3)).unwrap(), None);
    assert_eq!(other.verdict(&GateKey::from_bytes([1; 32])).unwrap().as_deref(), Some("{\"verdict\":\"passed\"}"));
    assert_eq!(other.verdict(&GateKey::from_bytes([2; 32])).unwrap(), None);
    assert_eq!(other.take_warnings(), NO_WARNINGS);
}

#[test]
fn a_damaged_record_is_a_miss_with_one_warning() {
    let damages = [
        "UPDATE results SET body = replace(body, 'wall_ms\":12', 'wall_ms\":13')",
        "UPDATE results SET body = x'00'",
        "UPDATE results SET body = 7",
        "UPDATE results SET seal = x'1234'",
        "UPDATE results SET used_ms = 'never'",
        // A row moved to another key is no answer for that key.
        "UPDATE results SET key = CAST(zeroblob(32) AS BLOB)",
    ];
    for damage in damages {
        let fixture = Fixture::new();
        fixture.store.put_result(&key(1), &result(&[("a", b"x")])).unwrap();
        let connection = rusqlite::Connection::open(fixture.cache().join("actions.db")).unwrap();
        assert_eq!(connection.execute(damage, []).unwrap(), 1, "{damage}");
        let asked = if damage.contains("zeroblob") { key(0) } else { key(1) };
        assert_eq!(fixture.store.result(&asked).unwrap(), None, "{damage}");
        assert_eq!(fixture.store.take_warnings().len(), 1, "{damage}");
        assert_eq!(fixture.store.result(&asked).unwrap(), None, "{damage}");
        assert_eq!(fixture.store.take_warnings(), NO_WARNINGS, "{damage}: taken out");
        fixture.store.put_result(&key(1), &result(&[])).unwrap();
        assert_eq!(fixture.store.result(&key(1)).unwrap(), Some(result(&[])), "{damage}");
    }
}

#[test]
fn a_damaged_record_stops_neither_verify_nor_gc() {
    for damage in ["body = 7", "seal = 'text'", "used_ms = 'never', body = x'00'", "key = x'0102'"] {
        let fixture = Fixture::new();
        fixture.store.put_bytes(b"log").unwrap();
        fixture.store.put_results(&[(key(1), result(&[])), (key(2), result(&[]))]).unwrap();
        let connection = rusqlite::Connection::open(fixture.cache().join("actions.db")).unwrap();
        let spoil = || {
            let sql = format!("UPDATE results SET {damage} WHERE key = ?1");
            assert_eq!(connection.execute(&sql, [key(1).as_bytes().as_slice()]).unwrap(), 1, "{damage}");
        };
        spoil();
        assert_eq!(fixture.store.verify().unwrap().damaged_records, 1, "{damage}");
        assert!(fixture.store.verify().unwrap().is_sound(), "{damage}");
        fixture.store.put_result(&key(1), &result(&[])).unwrap();
        spoil();
        assert_eq!(fixture.store.gc(u64::MAX, 0).unwrap().records, 1, "{damage}");
        assert_eq!(fixture.store.stats().unwrap().results, 1, "{damage}");
    }
}

#[test]
fn a_database_damaged_while_it_is_open_is_set_aside_and_replaced() {
    let fixture = Fixture::new();
    let other = Store::open(&fixture.cache()).unwrap();
    let many: Vec<_> = (0..200).map(|number| (key(number), result(&[("a", &[number; 300])]))).collect();
    fixture.store.put_results(&many).unwrap();
    let connection = rusqlite::Connection::open(fixture.cache().join("actions.db")).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(connection);
    let database = std::fs::OpenOptions::new().write(true).open(fixture.cache().join("actions.db")).unwrap();
    let length = database.metadata().unwrap().len();
    assert!(length > 40_000);
    for page in 1..length / 4096 {
        std::os::unix::fs::FileExt::write_at(&database, &[0xff; 4096], page * 4096).unwrap();
    }
    assert_eq!(fixture.store.result(&key(1)).unwrap(), None);
    assert_eq!(fixture.store.take_warnings().len(), 1);
    fixture.store.put_result(&key(1), &result(&[])).unwrap();
    assert_eq!(other.result(&key(1)).unwrap(), Some(result(&[])), "the second one finds the fresh database");
    assert_eq!(other.take_warnings(), NO_WARNINGS);
    assert!(fixture.cache().join("actions.db.set-aside-1").exists());
    assert!(!fixture.cache().join("actions.db.set-aside-2").exists());
}

#[test]
fn a_cache_of_another_format_is_set_aside_and_nothing_else_is_touched() {
    for format in ["orca cache 99\n", "", "\u{0}garbage"] {
        let mut fixture = Fixture::new();
        let digest = fixture.store.put_bytes(b"content").unwrap();
        std::fs::write(fixture.cache().join("notes.txt"), "the user's").unwrap();
        std::fs::write(fixture.cache().join("format"), format).unwrap();
        fixture.reopen();
        let warnings = fixture.store.take_warnings();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(!fixture.store.has(&digest));
        assert_eq!(std::fs::read(fixture.cache().join("notes.txt")).unwrap(), b"the user's");
        assert!(fixture.cache().join("set-aside-1/cas").is_dir());
        fixture.store.put_bytes(b"content").unwrap();
        fixture.reopen();
        assert!(fixture.store.has(&digest));
        assert_eq!(fixture.store.take_warnings(), NO_WARNINGS);
    }
}

#[test]
fn verify_takes_out_what_is_damaged_and_says_what() {
    let fixture = Fixture::new();
    for content in [b"good".as_slice(), b"log", b"content", b"lost"] {
        fixture.store.put_bytes(content).unwrap();
    }
    fixture.store.put_result(&key(1), &result(&[("a", b"good")])).unwrap();
    fixture.store.put_result(&key(2), &result(&[("a", b"content")])).unwrap();
    fixture.store.put_result(&key(3), &result(&[("a", b"lost")])).unwrap();
    fixture.store.put_result(&key(4), &result(&[])).unwrap();
    assert!(fixture.store.verify().unwrap().is_sound());

    let (_, flip) = spoilers().into_iter().find(|(how, _)| *how == "flipped").unwrap();
    flip(&fixture.blob(&BlobDigest::of(b"content")));
    std::fs::remove_file(fixture.blob(&BlobDigest::of(b"lost"))).unwrap();
    std::fs::write(fixture.cache().join("cas/README"), "the user's").unwrap();
    let connection = rusqlite::Connection::open(fixture.cache().join("actions.db")).unwrap();
    connection.execute("UPDATE results SET body = x'00' WHERE key = ?1", [key(4).as_bytes().as_slice()]).unwrap();
    let report = fixture.store.verify().unwrap();
    assert_eq!(report.damaged_blobs, [BlobDigest::of(b"content")]);
    assert_eq!((report.records, report.damaged_records, report.incomplete_records), (4, 1, 2));
    assert_eq!(report.foreign, ["README"]);
    assert!(!report.is_sound());
    assert!(fixture.store.verify().unwrap().is_sound());
    assert!(fixture.store.result(&key(1)).unwrap().is_some());
    assert!(fixture.cache().join("cas/README").exists());
}

/// Makes a blob look as if last used `hours` ago.
fn age(fixture: &Fixture, content: &[u8], hours: u64) {
    let blob = std::fs::File::open(fixture.blob(&BlobDigest::of(content))).unwrap();
    blob.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
}

#[test]
fn gc_drops_what_was_not_used_for_longest_and_the_records_that_need_it() {
    let fixture = Fixture::new();
    let contents: Vec<Vec<u8>> = (0..4u8).map(|number| vec![number; 1000]).collect();
    fixture.store.put_bytes(b"log").unwrap();
    for (number, content) in (0u8..).zip(&contents) {
        fixture.store.put_bytes(content).unwrap();
        fixture.store.put_result(&key(number), &result(&[("a", content)])).unwrap();
        age(&fixture, content, 100 - u64::from(number));
    }
    let connection = rusqlite::Connection::open(fixture.cache().join("actions.db")).unwrap();
    connection.execute("UPDATE results SET used_ms = 0", []).unwrap();
    // Used lately, although its file is the oldest: reading dates it.
    assert!(fixture.store.read(&BlobDigest::of(&contents[0])).unwrap().is_some());
    // Used lately, although its file is old: its record was.
    connection.execute("UPDATE results SET used_ms = 9e15 WHERE key = ?1", [key(1).as_bytes().as_slice()]).unwrap();
    std::fs::create_dir(fixture.cache().join("tmp/.orca-tmp.killed")).unwrap();
    std::fs::write(fixture.cache().join("tmp/.orca-tmp.killed/.orca-tmp.left.over"), [0; 300]).unwrap();
    std::fs::write(fixture.cache().join("tmp/.orca-tmp.of.an.older.orca"), [0; 200]).unwrap();
    std::fs::write(fixture.cache().join("tmp/mine"), "the user's").unwrap();

    let records_size_bytes = fixture.store.stats().unwrap().record_size_bytes;
    let report = fixture.store.gc(2_500 + records_size_bytes, 60_000).unwrap();
    assert_eq!((report.blobs, report.records, report.leftovers), (2, 2, 2), "{report:?}");
    assert!(!fixture.cache().join("tmp/.orca-tmp.killed").exists());
    assert_eq!(report.freed_size_bytes, 2_500 + records_size_bytes / 2, "{report:?}");
    for (number, kept) in [(0, true), (1, true), (2, false), (3, false)] {
        assert_eq!(fixture.store.has(&BlobDigest::of(&contents[usize::from(number)])), kept, "{number}");
        assert_eq!(fixture.store.result(&key(number)).unwrap().is_some(), kept, "{number}");
    }
    assert!(fixture.cache().join("tmp/mine").exists());
    let stats = fixture.store.stats().unwrap();
    assert_eq!((stats.blobs, stats.blob_size_bytes, stats.results), (3, 2_003, 2));
    assert_eq!(report.remaining_size_bytes, stats.blob_size_bytes + stats.record_size_bytes, "{report:?}");
}

#[test]
fn gc_spares_what_is_young_and_stands_back_from_other_orcas() {
    let mut fixture = Fixture::new();
    fixture.store.put_bytes(b"young").unwrap();
    let report = fixture.store.gc(0, 60_000).unwrap();
    assert_eq!((report.blobs, report.spared), (0, 1), "{report:?}");
    let other = Store::open(&fixture.cache()).unwrap();
    assert!(matches!(fixture.store.gc(0, 0), Err(StoreError::InUse { .. })));
    assert!(matches!(other.gc(0, 0), Err(StoreError::InUse { .. })), "the shared lock was kept");
    drop(other);
    assert_eq!(fixture.store.gc(0, 0).unwrap().blobs, 1);
    fixture.reopen();
    assert_eq!(fixture.store.stats().unwrap().blobs, 0);
}

#[test]
fn many_threads_put_and_read_the_same_blobs() {
    let fixture = Fixture::new();
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            let store = if thread % 2 == 0 { fixture.store.clone() } else { Store::open(&fixture.cache()).unwrap() };
            scope.spawn(move || {
                for number in 0..40u8 {
                    let content = vec![number; 2_000];
                    let digest = store.put_bytes(&content).unwrap();
                    assert_eq!(store.read(&digest).unwrap(), Some(content));
                    store.put_result(&key(number), &result(&[("a", &[number])])).unwrap();
                    assert_eq!(store.result(&key(number)).unwrap(), Some(result(&[("a", &[number])])));
                }
            });
        }
    });
    assert_eq!(fixture.store.take_warnings(), NO_WARNINGS);
    assert_eq!(fixture.store.stats().unwrap().blobs, 40);
    assert!(fixture.store.verify().unwrap().damaged_blobs.is_empty());
}

#[test]
fn looking_into_a_cache_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Store::open_readonly(dir.path()).unwrap().is_none());
    assert!(Store::open_readonly(&dir.path().join("none")).unwrap().is_none());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);

    let fixture = Fixture::new();
    fixture.store.put_bytes(b"good").unwrap();
    let digest = fixture.store.put_bytes(b"content").unwrap();
    fixture.store.put_result(&key(1), &result(&[("a", b"good")])).unwrap();
    let connection = rusqlite::Connection::open(fixture.cache().join("actions.db")).unwrap();
    connection.execute("UPDATE results SET used_ms = 0", []).unwrap();
    drop(connection);
    age(&fixture, b"good", 50);
    let (_, flip) = spoilers().into_iter().find(|(how, _)| *how == "flipped").unwrap();
    flip(&fixture.blob(&digest));
    let Fixture { dir, store, root } = fixture;
    drop(store);
    let cache = Root::open(&dir.path().join("cache")).unwrap();
    let before = cache.list(None, &|_| false).unwrap();

    let store = Store::open_readonly(cache.path()).unwrap().unwrap();
    assert!(store.is_read_only());
    assert_eq!(store.result(&key(1)).unwrap(), Some(result(&[("a", b"good")])));
    assert!(store.copy_to(&BlobDigest::of(b"good"), &root, &path("out"), false).unwrap());
    assert_eq!(store.read(&digest).unwrap(), None, "damaged is a miss here, too");
    assert!(store.put_bytes(b"new").unwrap_err().is_unwritable());
    drop(store);
    assert_eq!(cache.list(None, &|_| false).unwrap(), before);
}

#[test]
fn the_cache_and_the_journal_are_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Store>();
    shared::<Root>();
    shared::<orca::store::Journal>();
    shared::<orca::store::StatCache>();
}
