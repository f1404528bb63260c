//! Beneath a root, and nowhere else: links planted or swapped in, at any moment, lead nowhere.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test plants files and fails by panicking")]

use std::cell::Cell;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use orca::base::{BlobDigest, Entry, RelPath, Tree};
use orca::store::{Root, Source, Store, StoreError, TEMP_PREFIX, materialize};
use orca::sys::beneath::{self, Access};

/// A directory in memory where there is such a place: nothing here is about what reaches the disk.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn path(text: &str) -> RelPath {
    RelPath::from_disk(text).unwrap()
}

fn file(content: &[u8]) -> Entry {
    Entry::File { digest: BlobDigest::of(content), size_bytes: content.len() as u64, executable: false }
}

/// A project beside a directory that must not be touched.
fn project() -> (tempfile::TempDir, Root) {
    let dir = scratch();
    std::fs::create_dir(dir.path().join("project")).unwrap();
    std::fs::create_dir_all(dir.path().join("outside/sub")).unwrap();
    std::fs::write(dir.path().join("outside/file"), "precious").unwrap();
    let root = Root::open(&dir.path().join("project")).unwrap();
    (dir, root)
}

fn assert_outside_is_untouched(dir: &Path) {
    let outside = Root::open(&dir.join("outside")).unwrap();
    let expected = Tree::from([(path("file"), file(b"precious")), (path("sub"), Entry::EmptyDir)]);
    assert_eq!(outside.scan(None, &|_| false).unwrap(), expected);
}

#[test]
fn every_operation_refuses_a_path_through_a_link() {
    let (dir, root) = project();
    let store = Store::open(&dir.path().join("cache")).unwrap();
    let digest = store.put_bytes(b"content").unwrap();
    symlink("../outside", dir.path().join("project/out")).unwrap();
    symlink("out", dir.path().join("project/twice")).unwrap();
    symlink("/proc/self/root", dir.path().join("project/magic")).unwrap();
    for way in ["out", "twice", "magic"] {
        let below = path(&format!("{way}/file"));
        let deeper = path(&format!("{way}/sub/new"));
        let tree = Tree::from([(below.clone(), file(b"content"))]);
        let answers: Vec<(&str, Result<(), StoreError>)> = vec![
            ("entry", root.entry(&below).map(drop)),
            ("stat", root.stat(&below).map(drop)),
            ("read", root.read(&below, 100).map(drop)),
            ("link_target", root.link_target(&below).map(drop)),
            ("list", root.list(Some(&deeper), &|_| false).map(drop)),
            ("write", root.write(&below, b"x", false)),
            ("write deeper", root.write(&deeper, b"x", false)),
            ("symlink", root.symlink(&below, "x")),
            ("create_dir_all", root.create_dir_all(&deeper)),
            ("remove_file", root.remove_file(&below).map(drop)),
            ("remove_tree", root.remove_tree(&path(&format!("{way}/sub"))).map(drop)),
            ("remove_empty_dir", root.remove_empty_dir(&path(&format!("{way}/sub"))).map(drop)),
            ("make_way", root.make_way(&deeper, &|_, _| false).map(drop)),
            ("put_file", store.put_file(&root, &below).map(drop)),
            ("copy_to", store.copy_to(&digest, &root, &below, false).map(drop)),
            ("rename from", root.rename(&below, &path("moved"))),
            ("rename to", root.rename(&path("twice"), &deeper)),
            ("copy_from", root.copy_from(&root, &below, &path("copy"), false).map(drop)),
            ("ingest", store.ingest(&root, &Tree::from([(below.clone(), file(b"precious"))]))),
        ];
        for (what, answer) in answers {
            match answer {
                Err(StoreError::ThroughSymlink { .. }) => {}
                Err(StoreError::NotOurs { .. }) if what == "make_way" => {}
                other => panic!("{what} through {way}: {other:?}"),
            }
        }
        assert!(materialize(&tree, &root, &|_, _| Source::Cas(&store)).is_err(), "{way}");
    }
    assert_outside_is_untouched(dir.path());
    assert_eq!(root.scan(None, &|_| false).unwrap().len(), 3, "the links themselves are all there is");
}

#[test]
fn a_link_at_the_end_of_a_path_is_a_thing_of_its_own() {
    let (dir, root) = project();
    let place = |name: &str| symlink("../outside", dir.path().join("project").join(name)).unwrap();
    place("a");
    assert_eq!(root.entry(&path("a")).unwrap(), Some(Entry::Symlink { target: "../outside".into() }));
    assert_eq!(root.scan(Some(&path("a")), &|_| false).unwrap().len(), 1);
    assert!(root.remove_tree(&path("a")).unwrap());
    place("b");
    assert!(root.remove_file(&path("b")).unwrap());
    place("c");
    root.write(&path("c"), b"mine", false).unwrap();
    place("d");
    root.symlink(&path("d"), "c").unwrap();
    assert_eq!(root.entry(&path("c")).unwrap(), Some(file(b"mine")));
    assert_eq!(root.link_target(&path("d")).unwrap(), "c");
    assert_outside_is_untouched(dir.path());
}

#[test]
fn a_parent_swapped_for_a_link_at_any_moment_leads_nowhere() {
    let (dir, root) = project();
    let store = Store::open(&dir.path().join("cache")).unwrap();
    let content = vec![b'x'; 20_000];
    let digest = store.put_bytes(&content).unwrap();
    let inside = dir.path().join("project");
    std::fs::create_dir(inside.join("d")).unwrap();
    symlink("../outside", inside.join("link")).unwrap();
    let done = AtomicBool::new(false);
    let (refused, went_through) = (Cell::new(0), Cell::new(0));
    let deadline = Instant::now() + Duration::from_secs(60);
    std::thread::scope(|scope| {
        let swap = || {
            use rustix::fs::{CWD, RenameFlags, renameat_with};
            while !done.load(Ordering::Relaxed) {
                renameat_with(CWD, inside.join("d"), CWD, inside.join("link"), RenameFlags::EXCHANGE).unwrap();
            }
        };
        scope.spawn(swap);
        let count = |answer: Result<(), StoreError>| {
            let counter = if answer.is_ok() { &went_through } else { &refused };
            counter.set(counter.get() + 1);
        };
        // On a busy machine one of the threads may rest while the other works: the race is run until both had a turn.
        let one_sided = || refused.get() == 0 || went_through.get() == 0;
        let mut rounds = 0;
        while rounds < 400 || one_sided() && Instant::now() < deadline {
            rounds += 1;
            count(store.copy_to(&digest, &root, &path("d/file"), false).map(drop));
            count(root.write(&path("d/sub/new"), b"planted", false));
            count(root.symlink(&path("d/sub/link"), "x"));
            count(root.remove_file(&path("d/file")).map(drop));
            count(root.remove_empty_parents(&path("d/sub/new"), Some(&path("d"))));
            count(root.remove_tree(&path("d/sub")).map(drop));
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_outside_is_untouched(dir.path());
    let (refused, went_through) = (refused.get(), went_through.get());
    assert!(refused > 0 && went_through > 0, "the race was run: {refused} refused, {went_through} not");
}

#[test]
fn opening_by_component_answers_as_the_kernel_does() {
    let (dir, root) = project();
    let inside = dir.path().join("project");
    std::fs::create_dir_all(inside.join("a/b/c")).unwrap();
    std::fs::write(inside.join("a/file"), "x").unwrap();
    symlink("b", inside.join("a/link")).unwrap();
    symlink("/", inside.join("slash")).unwrap();
    let fd = beneath::open_root(root.path()).unwrap();
    for text in ["a", "a/b/c", "a/link", "a/link/c", "slash", "slash/etc", "a/file", "a/file/x", "nope", "a/nope/x"] {
        for access in [Access::Resolve, Access::Read] {
            let one = beneath::open_dir(fd.as_fd(), text, access).map_err(|e| e.raw_os_error());
            let other = beneath::open_dir_by_component(fd.as_fd(), text, access).map_err(|e| e.raw_os_error());
            assert_eq!(one.as_ref().err(), other.as_ref().err(), "{text}");
            if let (Ok(one), Ok(other)) = (one, other) {
                assert_eq!(beneath::fstat(one).unwrap(), beneath::fstat(other).unwrap(), "{text}");
            }
        }
    }
    for text in ["..", "a/../..", "/", "", "."] {
        assert!(beneath::open_dir_by_component(fd.as_fd(), text, Access::Resolve).is_err(), "{text}");
    }
}

#[test]
fn a_tree_too_deep_for_any_path_and_of_any_mode_is_removed() {
    let (dir, root) = project();
    root.create_dir_all(&path("work/plain")).unwrap();
    root.write(&path("work/plain/file"), b"x", false).unwrap();
    symlink("../../outside", dir.path().join("project/work/link")).unwrap();
    // 3000 levels of 20 bytes: beyond PATH_MAX, beyond the usual limit of open files.
    let mut current = beneath::open_root(&dir.path().join("project/work")).unwrap();
    for level in 0..3000 {
        rustix::fs::mkdirat(&current, "twenty-bytes-of-name", rustix::fs::Mode::RWXU).unwrap();
        let below = rustix::fs::openat(
            &current,
            "twenty-bytes-of-name",
            rustix::fs::OFlags::DIRECTORY,
            rustix::fs::Mode::empty(),
        )
        .unwrap();
        if level % 100 == 0 {
            beneath::create_file(below.as_fd(), "file").unwrap().set_len(10).unwrap();
        }
        current = below;
    }
    drop(current);
    std::fs::set_permissions(dir.path().join("project/work/plain"), std::fs::Permissions::from_mode(0o000)).unwrap();
    assert!(root.remove_tree(&path("work")).unwrap());
    assert!(root.scan(None, &|_| false).unwrap().is_empty());
    assert_outside_is_untouched(dir.path());
}

#[test]
fn the_way_is_made_through_what_is_ours_and_through_nothing_else() {
    let (_dir, root) = project();
    let ours = |_: &RelPath, entry: &Entry| *entry == file(b"ours");
    root.write(&path("out/a/one"), b"ours", false).unwrap();
    root.write(&path("out/two"), b"ours", false).unwrap();
    root.write(&path("out/theirs"), b"edited", false).unwrap();
    let before = root.scan(None, &|_| false).unwrap();
    let error = root.make_way(&path("out"), &ours).unwrap_err();
    assert!(matches!(&error, StoreError::NotOurs { path } if path.as_str() == "out/theirs"), "{error}");
    assert_eq!(root.scan(None, &|_| false).unwrap(), before, "nothing was removed");

    root.remove_file(&path("out/theirs")).unwrap();
    let removed = root.make_way(&path("out"), &ours).unwrap();
    assert_eq!(removed.len(), 4, "{removed:?}");
    root.write(&path("out"), b"ours", false).unwrap();

    assert_eq!(root.make_way(&path("out/now/a/directory"), &ours).unwrap(), [path("out")]);
    root.write(&path("out"), b"edited", false).unwrap();
    assert!(matches!(root.make_way(&path("out/x"), &ours), Err(StoreError::NotOurs { .. })));
    assert_eq!(root.make_way(&path("out"), &ours).unwrap(), [], "a file is replaced by placing one");
    assert_eq!(root.make_way(&path("nothing/there"), &ours).unwrap(), []);
}

#[test]
fn the_way_for_a_directory_leaves_one_that_is_there() {
    let (_dir, root) = project();
    let ours = |_: &RelPath, entry: &Entry| *entry == file(b"ours");
    root.write(&path("dir/theirs"), b"edited", false).unwrap();
    assert_eq!(root.make_way_for_dir(&path("dir"), &ours).unwrap(), []);
    assert!(matches!(root.make_way_for_dir(&path("dir/theirs"), &ours), Err(StoreError::NotOurs { .. })));
    root.write(&path("dir/theirs"), b"ours", false).unwrap();
    assert_eq!(root.make_way_for_dir(&path("dir/theirs/deeper"), &ours).unwrap(), [path("dir/theirs")]);
    root.write(&path("dir/ours"), b"ours", false).unwrap();
    assert_eq!(root.make_way_for_dir(&path("dir/ours"), &ours).unwrap(), [path("dir/ours")]);
    root.place_bare(&path("dir/ours"), &Entry::EmptyDir).unwrap();
    assert_eq!(root.entry(&path("dir/ours")).unwrap(), Some(Entry::EmptyDir));
}

#[test]
fn an_exact_copy_is_placed_or_nothing_is() {
    let (_dir, root) = project();
    root.write(&path("from"), b"new", false).unwrap();
    root.write(&path("to"), b"old", false).unwrap();
    assert!(!root.copy_exact(&root, &path("from"), &path("to"), true, &BlobDigest::of(b"other")).unwrap());
    assert_eq!(root.entry(&path("to")).unwrap(), Some(file(b"old")));
    assert!(root.copy_exact(&root, &path("from"), &path("to"), false, &BlobDigest::of(b"new")).unwrap());
    assert_eq!(root.entry(&path("to")).unwrap(), Some(file(b"new")));
    assert_eq!(root.scan(None, &|_| false).unwrap().len(), 2, "no temporary file is left");
}

#[test]
fn moving_goes_to_a_free_place_only() {
    let (_dir, root) = project();
    root.write(&path("work/a/file"), b"x", false).unwrap();
    root.write(&path("failed/taken"), b"y", false).unwrap();
    root.rename(&path("work/a"), &path("failed/new/a")).unwrap();
    assert_eq!(root.entry(&path("failed/new/a/file")).unwrap(), Some(file(b"x")));
    let error = root.rename(&path("failed/new"), &path("failed/taken")).unwrap_err();
    assert!(matches!(error, StoreError::Obstructed { .. }), "{error}");
}

#[test]
fn empty_parents_go_up_to_where_they_stop() {
    let (_dir, root) = project();
    root.write(&path("a/b/c/file"), b"x", false).unwrap();
    root.write(&path("a/keep"), b"x", false).unwrap();
    root.remove_empty_parents(&path("a/b/c/file"), None).unwrap();
    assert!(root.entry(&path("a/b/c/file")).unwrap().is_some(), "not empty");
    root.remove_file(&path("a/b/c/file")).unwrap();
    root.remove_empty_parents(&path("a/b/c/file"), Some(&path("a/b"))).unwrap();
    assert_eq!(root.entry(&path("a/b")).unwrap(), Some(Entry::EmptyDir));
    root.remove_empty_parents(&path("a/b/c/file"), None).unwrap();
    assert_eq!(root.scan(None, &|_| false).unwrap().into_keys().collect::<Vec<_>>(), [path("a/keep")]);
}

#[test]
fn with_a_staging_directory_a_kill_leaves_nothing_beside_the_users_files() {
    let (dir, root) = project();
    let staging = path(".orca/tmp");
    root.write(&path(".orca/tmp/.orca-tmp.left"), b"x", false).unwrap();
    let root = Root::open_staged(root.path(), &staging).unwrap();
    assert_eq!(root.entry(&staging).unwrap(), Some(Entry::EmptyDir), "leftovers are cleared");
    let store = Store::open(&dir.path().join("cache")).unwrap();
    let missing = BlobDigest::of(b"missing");
    assert!(!store.copy_to(&missing, &root, &path("src/out"), false).unwrap());
    root.write(&path("src/a"), b"x", true).unwrap();
    root.symlink(&path("src/b"), "a").unwrap();
    let names = |tree: Tree| tree.into_keys().map(|path| path.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(root.scan(None, &|_| false).unwrap()), [".orca/tmp", "src/a", "src/b"]);
    assert!(TEMP_PREFIX.starts_with(".orca-"));
}

#[test]
fn a_walk_skips_what_it_is_told_and_a_directory_of_skipped_files_is_not_empty() {
    let (_dir, root) = project();
    root.write(&path("a/target/x"), b"x", false).unwrap();
    root.write(&path("b/x"), b"x", false).unwrap();
    root.create_dir_all(&path("c")).unwrap();
    let tree = root.scan(None, &|path| path.file_name() == "target").unwrap();
    assert_eq!(tree.into_keys().collect::<Vec<_>>(), [path("b/x"), path("c")]);
    let listed = root.list(Some(&path("a")), &|_| false).unwrap().entries;
    assert_eq!(listed.iter().map(|l| l.path.as_str()).collect::<Vec<_>>(), ["a", "a/target", "a/target/x"]);
    assert!(root.list(Some(&path("nope")), &|_| false).unwrap().entries.is_empty());
}
