//! The stat cache: a shortcut that is never wrong, and a file whose every byte is documented.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test plants files and fails by panicking")]

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use orca::base::{BlobDigest, Entry, RelPath};
use orca::store::{Root, StatCache, StatTuple, StoreError};

struct Fixture {
    dir: tempfile::TempDir,
    root: Root,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("project")).unwrap();
        let root = Root::open(&dir.path().join("project")).unwrap();
        Self { dir, root }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("project/file")
    }

    fn snapshot(&self) -> PathBuf {
        self.dir.path().join("snapshot")
    }

    fn digest(&self, cache: &StatCache) -> BlobDigest {
        match cache.digest(&self.root, &path("file")).unwrap() {
            Some(Entry::File { digest, .. }) => digest,
            other => panic!("{other:?}"),
        }
    }

    fn tuple(&self) -> StatTuple {
        StatTuple::from(&self.root.stat(&path("file")).unwrap().unwrap())
    }

    /// Digests the file until it is old enough for an entry.
    fn settle(&self, cache: &StatCache) {
        for _ in 0..200 {
            self.digest(cache);
            if cache.len() == 1 {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("a file at rest gets an entry");
    }
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

fn backdate(path: &Path, seconds: u64) {
    let file = std::fs::File::open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
}

fn postdate(path: &Path, seconds: u64) {
    let file = std::fs::File::open(path).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(seconds)).unwrap();
}

/// A cache file with one entry, written by hand from docs/formats.md.
fn by_hand(version: u32, tuple: &StatTuple, digest: &BlobDigest) -> Vec<u8> {
    let mut bytes = b"orcastat".to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend(1u64.to_le_bytes());
    bytes.extend(4u32.to_le_bytes());
    bytes.extend(b"file");
    bytes.extend(tuple.dev.to_le_bytes());
    bytes.extend(tuple.inode.to_le_bytes());
    bytes.extend(tuple.size_bytes.to_le_bytes());
    bytes.extend(tuple.mode.to_le_bytes());
    bytes.extend(tuple.mtime_ns.to_le_bytes());
    bytes.extend(tuple.ctime_ns.to_le_bytes());
    bytes.extend(digest.as_bytes());
    let seal = blake3::hash(&bytes);
    bytes.extend(seal.as_bytes());
    bytes
}

#[test]
fn the_cache_file_is_as_documented_and_is_believed_where_everything_agrees() {
    let fixture = Fixture::new();
    std::fs::write(fixture.file(), "content").unwrap();
    let cache = StatCache::default();
    fixture.settle(&cache);
    cache.save(&fixture.snapshot()).unwrap();
    let expected = by_hand(1, &fixture.tuple(), &BlobDigest::of(b"content"));
    assert_eq!(std::fs::read(fixture.snapshot()).unwrap(), expected);

    // A digest that is a lie shows that the file itself was not read.
    let lie = BlobDigest::of(b"a lie");
    std::fs::write(fixture.snapshot(), by_hand(1, &fixture.tuple(), &lie)).unwrap();
    postdate(&fixture.snapshot(), 60);
    assert_eq!(fixture.digest(&StatCache::load(&fixture.snapshot())), lie);
}

#[test]
fn any_difference_in_what_lstat_says_reads_the_file() {
    let fixture = Fixture::new();
    std::fs::write(fixture.file(), "content").unwrap();
    let tuple = fixture.tuple();
    let changes: [(&str, StatTuple); 6] = [
        ("dev", StatTuple { dev: tuple.dev + 1, ..tuple }),
        ("inode", StatTuple { inode: tuple.inode + 1, ..tuple }),
        ("size", StatTuple { size_bytes: tuple.size_bytes + 1, ..tuple }),
        ("mode", StatTuple { mode: tuple.mode ^ 0o1, ..tuple }),
        ("mtime", StatTuple { mtime_ns: tuple.mtime_ns - 1, ..tuple }),
        ("ctime", StatTuple { ctime_ns: tuple.ctime_ns - 1, ..tuple }),
    ];
    for (field, tuple) in changes {
        std::fs::write(fixture.snapshot(), by_hand(1, &tuple, &BlobDigest::of(b"a lie"))).unwrap();
        postdate(&fixture.snapshot(), 60);
        let cache = StatCache::load(&fixture.snapshot());
        assert_eq!(cache.len(), 1, "{field}");
        assert_eq!(fixture.digest(&cache), BlobDigest::of(b"content"), "{field}");
    }
}

#[test]
fn an_edit_of_the_same_size_with_mtime_put_back_is_seen() {
    let fixture = Fixture::new();
    std::fs::write(fixture.file(), "content").unwrap();
    let cache = StatCache::default();
    fixture.settle(&cache);
    let before = std::fs::metadata(fixture.file()).unwrap().modified().unwrap();
    std::fs::write(fixture.file(), "CONTENT").unwrap();
    std::fs::File::open(fixture.file()).unwrap().set_modified(before).unwrap();
    assert_eq!(fixture.digest(&cache), BlobDigest::of(b"CONTENT"));
}

#[test]
fn what_is_too_young_or_from_the_future_gets_no_entry() {
    let fixture = Fixture::new();
    let cache = StatCache::default();
    // However the scheduler stalls this test, an edit right after a digest is seen.
    for round in 0..200u32 {
        let content = format!("{round:04}");
        std::fs::write(fixture.file(), &content).unwrap();
        assert_eq!(fixture.digest(&cache), BlobDigest::of(content.as_bytes()), "{round}");
    }
    postdate(&fixture.file(), 3600);
    for _ in 0..3 {
        fixture.digest(&cache);
        assert!(cache.is_empty());
        std::thread::sleep(Duration::from_millis(12));
    }
}

#[test]
fn what_is_as_young_as_the_cache_file_is_forgotten_when_it_is_loaded() {
    let fixture = Fixture::new();
    std::fs::write(fixture.file(), "content").unwrap();
    let cache = StatCache::default();
    fixture.settle(&cache);
    cache.save(&fixture.snapshot()).unwrap();
    assert_eq!(StatCache::load(&fixture.snapshot()).len(), 1);
    backdate(&fixture.snapshot(), 3600);
    assert_eq!(StatCache::load(&fixture.snapshot()).len(), 0);
}

#[test]
fn a_torn_foreign_or_newer_file_is_an_empty_cache() {
    let fixture = Fixture::new();
    std::fs::write(fixture.file(), "content").unwrap();
    assert!(StatCache::load(&fixture.snapshot()).is_empty());
    let whole = by_hand(1, &fixture.tuple(), &BlobDigest::of(b"content"));
    let load = |bytes: &[u8]| {
        std::fs::write(fixture.snapshot(), bytes).unwrap();
        postdate(&fixture.snapshot(), 60);
        StatCache::load(&fixture.snapshot()).len()
    };
    assert_eq!(load(&whole), 1);
    for length in 0..whole.len() {
        assert_eq!(load(&whole[..length]), 0, "{length}");
    }
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        assert_eq!(load(&flipped), 0, "{at}");
    }
    assert_eq!(load(&by_hand(2, &fixture.tuple(), &BlobDigest::of(b"content"))), 0);
    assert_eq!(load(&[whole.as_slice(), &[0]].concat()), 0);
    std::fs::remove_file(fixture.snapshot()).unwrap();
    std::fs::create_dir(fixture.snapshot()).unwrap();
    assert!(StatCache::load(&fixture.snapshot()).is_empty());
}

#[test]
fn many_paths_at_once_and_what_is_gone_is_forgotten() {
    let fixture = Fixture::new();
    let paths: Vec<RelPath> = (0..300).map(|number| path(&format!("dir/{number:03}"))).collect();
    for path in &paths {
        fixture.root.write(path, path.as_str().as_bytes(), false).unwrap();
    }
    fixture.root.symlink(&path("dir/link"), "000").unwrap();
    let mut asked = paths.clone();
    asked.extend([path("dir/link"), path("dir/none"), path("none/at/all")]);
    std::thread::sleep(Duration::from_millis(30));
    let cache = StatCache::default();
    let tree = cache.digest_many(&fixture.root, &asked).unwrap();
    assert_eq!(tree, fixture.root.scan(None, &|_| false).unwrap());
    assert_eq!(cache.len(), 300);
    fixture.root.remove_file(&paths[0]).unwrap();
    assert_eq!(cache.digest(&fixture.root, &paths[0]).unwrap(), None);
    assert_eq!(cache.len(), 299);
    assert!(matches!(cache.digest(&fixture.root, &path("dir")), Err(StoreError::Directory { .. })));
}
