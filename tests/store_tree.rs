//! Trees on disk: what is put there is what is found there, exactly, and nothing beside it.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test plants files and fails by panicking")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use orca::base::{BlobDigest, Entry, RelPath, Tree};
use orca::store::{Root, Source, Store, StoreError, materialize};
use proptest::prelude::*;

/// A directory in memory where there is such a place: nothing here is about what reaches the disk.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn path(text: &str) -> RelPath {
    RelPath::from_disk(text).unwrap()
}

fn file(content: &[u8], executable: bool) -> Entry {
    Entry::File { digest: BlobDigest::of(content), size_bytes: content.len() as u64, executable }
}

fn link(target: &str) -> Entry {
    Entry::Symlink { target: target.into() }
}

fn restore(tree: &Tree, store: &Store, dir: &Path) -> Root {
    let root = Root::open(dir).unwrap();
    materialize(tree, &root, &|_, _| Source::Cas(store)).unwrap();
    root
}

/// A tree with every kind of entry and name, and its contents in the store.
fn every_kind(store: &Store) -> Tree {
    let mut tree = Tree::new();
    let contents: [(&str, &[u8], bool); 9] = [
        ("plain.txt", b"hello", false),
        ("run.sh", b"#!/bin/sh\n", true),
        ("empty", b"", false),
        ("deep/er/and/deeper/file", b"x", false),
        ("odd/new\nline", b"1", false),
        ("odd/\"quotes\" 'and' `more`", b"2", false),
        ("odd/-rf", b"3", true),
        ("odd/\u{1f980} crab", b"4", false),
        ("odd/back\\slash", b"5", false),
    ];
    for (name, content, executable) in contents {
        store.put_bytes(content).unwrap();
        tree.insert(path(name), file(content, executable));
    }
    tree.insert(path("empty-dir/inner"), Entry::EmptyDir);
    tree.insert(path("relative"), link("deep/er"));
    tree.insert(path("deep/up"), link("../plain.txt"));
    tree.insert(path("dangling"), link("nowhere/at/all"));
    tree.insert(path("absolute"), link("/etc/passwd"));
    tree
}

#[test]
fn every_kind_of_entry_is_restored_exactly() {
    let dir = scratch();
    let store = Store::open(&dir.path().join("cache")).unwrap();
    let tree = every_kind(&store);
    std::fs::create_dir(dir.path().join("work")).unwrap();
    let root = restore(&tree, &store, &dir.path().join("work"));
    assert_eq!(root.scan(None, &|_| false).unwrap(), tree);
    assert_eq!(store.take_warnings(), [""; 0]);
}

#[test]
fn a_tree_that_was_executed_taken_in_and_restored_is_the_same() {
    let dir = scratch();
    let store = Store::open(&dir.path().join("cache")).unwrap();
    let executed = dir.path().join("executed");
    std::fs::create_dir(&executed).unwrap();
    let status = std::process::Command::new("sh")
        .args(["-c", "umask 077; mkdir -p a/b e; echo hi > a/b/f; echo x > a/x; chmod 4711 a/x; ln -s b/f a/l; : > z"])
        .current_dir(&executed)
        .status()
        .unwrap();
    assert!(status.success());
    let root = Root::open(&executed).unwrap();
    let tree = root.scan(None, &|_| false).unwrap();
    store.ingest(&root, &tree).unwrap();
    std::fs::create_dir(dir.path().join("restored")).unwrap();
    let restored = restore(&tree, &store, &dir.path().join("restored"));
    assert_eq!(restored.scan(None, &|_| false).unwrap(), tree);
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..40), Just(vec![7; 200_000])]
}

/// Any tree: names from a small alphabet, so that paths meet, without a path that is both file and directory.
fn trees() -> impl Strategy<Value = BTreeMap<RelPath, (Entry, Vec<u8>)>> {
    let component = prop_oneof!["[ab]", "[a-c.\\- ]{1,3}x", Just("\u{e9}\u{301}\n".to_owned())];
    let whole = proptest::collection::vec(component, 1..5).prop_map(|parts| path(&parts.join("/")));
    let entry = prop_oneof![
        5 => (content(), any::<bool>()).prop_map(|(bytes, executable)| (file(&bytes, executable), bytes)),
        2 => "[a-z./]{1,12}".prop_map(|target| (link(&target), Vec::new())),
        1 => Just((Entry::EmptyDir, Vec::new())),
    ];
    proptest::collection::btree_map(whole, entry, 0..24).prop_map(|mut all| {
        let paths: Vec<RelPath> = all.keys().cloned().collect();
        for path in paths {
            for ancestor in path.ancestors() {
                all.remove(&ancestor);
            }
        }
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn scanning_what_was_materialized_gives_the_tree(all in trees()) {
        let dir = scratch();
        let store = Store::open(&dir.path().join("cache")).unwrap();
        for (_, bytes) in all.values() {
            store.put_bytes(bytes).unwrap();
        }
        let tree: Tree = all.into_iter().map(|(path, (entry, _))| (path, entry)).collect();
        std::fs::create_dir(dir.path().join("one")).unwrap();
        std::fs::create_dir(dir.path().join("two")).unwrap();
        let one = restore(&tree, &store, &dir.path().join("one"));
        prop_assert_eq!(&one.scan(None, &|_| false).unwrap(), &tree);
        let two = Root::open(&dir.path().join("two")).unwrap();
        materialize(&tree, &two, &|_, _| Source::Project(&one)).unwrap();
        prop_assert_eq!(&two.scan(None, &|_| false).unwrap(), &tree);
        let top = path("gone");
        prop_assert!(!two.remove_tree(&top).unwrap());
        for path in tree.keys() {
            two.remove_tree(path).unwrap();
        }
        prop_assert!(!two.scan(None, &|_| false).unwrap().values().any(|entry| *entry != Entry::EmptyDir));
    }
}

#[test]
fn modes_do_not_depend_on_the_umask_and_never_have_set_id_bits() {
    let dir = scratch();
    let store = Store::open(&dir.path().join("cache")).unwrap();
    let tree = every_kind(&store);
    let work = dir.path().join("work");
    std::fs::create_dir(&work).unwrap();
    // Whatever is made beneath a set-gid directory would inherit the bit.
    std::fs::set_permissions(&work, std::fs::Permissions::from_mode(0o2700)).unwrap();
    let root = restore(&tree, &store, &work);
    root.write(&path("late/one"), b"x", true).unwrap();
    for (name, expected) in [
        ("plain.txt", 0o644),
        ("run.sh", 0o755),
        ("late/one", 0o755),
        ("late", 0o755),
        ("deep/er/and", 0o755),
        ("empty-dir/inner", 0o755),
    ] {
        assert_eq!(mode(&work.join(name)), expected, "{name}");
    }
}

#[test]
fn special_files_and_names_that_are_not_utf8_are_named() {
    let dir = scratch();
    let root = Root::open(dir.path()).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    assert!(matches!(root.entry(&path("socket")), Err(StoreError::SpecialFile { .. })));
    assert!(matches!(root.scan(None, &|_| false), Err(StoreError::SpecialFile { .. })));
    assert_eq!(root.list(None, &|_| false).unwrap().entries.len(), 1, "a listing only says what it is");

    std::fs::create_dir(dir.path().join("sub")).unwrap();
    let odd = std::ffi::OsString::from(String::from("sub/"));
    let odd = Path::new(&odd).join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"caf\xe9"));
    std::fs::write(dir.path().join(odd), "x").unwrap();
    assert_eq!(root.list(None, &|_| false).unwrap().unnameable, ["sub/caf\u{fffd}"]);
    match root.scan(Some(&path("sub")), &|_| false) {
        Err(StoreError::NotUtf8 { shown }) => assert_eq!(shown, "sub/caf\u{fffd}"),
        other => panic!("{other:?}"),
    }
}
