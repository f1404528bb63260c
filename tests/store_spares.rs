//! Workspaces made of what earlier ones left: they hold what they should and nothing else, whatever was done to the files
//! before, and nobody who has another name for one of them sees it change.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test plants files and fails by panicking")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use orca::base::{BlobDigest, Entry, RelPath, Tree};
use orca::store::{Root, Source, Spares, Store, materialize_from};

fn path(text: &str) -> RelPath {
    RelPath::from_disk(text).unwrap()
}

struct Place {
    directory: tempfile::TempDir,
    root: Root,
    store: Store,
    spares: Spares,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        let spares = Spares::create(&root, &path("work/.spares")).unwrap();
        let store = Store::open(&directory.path().join("cache")).unwrap();
        Self { directory, root, store, spares }
    }

    fn tree(&self, name: &str) -> PathBuf {
        self.path("work").join(name).join("tree")
    }

    fn path(&self, text: &str) -> PathBuf {
        self.directory.path().join(text)
    }

    /// Makes a workspace with these files.
    fn make(&self, name: &str, files: &[(&str, &[u8], bool)]) {
        let mut tree = Tree::new();
        for (file, content, executable) in files {
            self.store.put_bytes(content).unwrap();
            let size_bytes = content.len() as u64;
            let entry = Entry::File { digest: BlobDigest::of(content), size_bytes, executable: *executable };
            tree.insert(path(file), entry);
        }
        self.spares.make_workspace(&self.path("work"), name).unwrap();
        let mut parts: Vec<_> = fs::read_dir(self.path("work").join(name)).unwrap().collect();
        assert_eq!(parts.len(), 3, "{name} has its three directories, and nothing else");
        parts.retain(|part| part.as_ref().unwrap().file_name() != "tree");
        let is_empty = |part: &PathBuf| fs::read_dir(part).unwrap().next().is_none();
        assert!(parts.into_iter().all(|part| is_empty(&part.unwrap().path())), "{name} begins empty");
        let workspace = Root::open(&self.tree(name)).unwrap();
        materialize_from(&tree, &workspace, &|_, _| Source::Cas(&self.store), Some(&self.spares)).unwrap();
        let found = workspace.scan(None, &|_| false).unwrap();
        assert_eq!(found, tree, "{name} holds what it should, and nothing else");
        for (file, _, executable) in files {
            let mode = fs::symlink_metadata(self.tree(name).join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, if *executable { 0o755 } else { 0o644 }, "{file} of {name}");
        }
    }

    fn remove(&self, name: &str) {
        assert!(self.root.remove_tree_into(&path(&format!("work/{name}")), Some(&self.spares)).unwrap());
        assert!(!self.path("work").join(name).exists());
    }
}

fn inodes(directory: &Path) -> Vec<u64> {
    let mut inodes = vec![fs::symlink_metadata(directory).unwrap().ino()];
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => inodes.extend(self::inodes(&entry.path())),
            false => inodes.push(entry.metadata().unwrap().ino()),
        }
    }
    inodes.sort_unstable();
    inodes
}

#[test]
fn a_workspace_is_made_of_the_one_before() {
    let place = Place::new();
    place.make("one", &[("src/a", b"first", true), ("src/b", b"", false), ("deep/er/c", b"a longer one", false)]);
    let before = inodes(&place.path("work/one"));
    place.remove("one");
    place.make("two", &[("x/y/z", b"1", false), ("x/v", b"", true), ("src/a", b"other", false)]);
    assert_eq!(inodes(&place.path("work/two")), before, "the same files and directories, for other things");
}

#[test]
fn whatever_was_done_to_its_files_the_next_workspace_is_as_if_new() {
    let place = Place::new();
    let files: &[(&str, &[u8], bool)] = &[("src/a", b"one", false), ("src/b", b"two", true), ("c", b"three", false)];
    place.make("one", files);
    let one = place.tree("one");
    fs::write(one.join("../log"), "what it said").unwrap();
    fs::create_dir_all(one.join("../home/.cache/deep")).unwrap();
    fs::write(one.join("../home/.cache/deep/file"), "kept for later").unwrap();
    fs::set_permissions(one.join("../tmp"), fs::Permissions::from_mode(0o1000)).unwrap();
    fs::write(one.join("src/more"), "left behind").unwrap();
    fs::write(one.join("src/.hidden"), vec![b'x'; 300 << 10]).unwrap();
    fs::hard_link(one.join("src/a"), place.path("elsewhere")).unwrap();
    fs::hard_link(one.join("src/b"), one.join("src/b again")).unwrap();
    std::os::unix::fs::symlink(place.path("elsewhere"), one.join("link")).unwrap();
    assert!(Command::new("mkfifo").arg(one.join("pipe")).status().unwrap().success());
    fs::create_dir_all(one.join("new/empty")).unwrap();
    fs::set_permissions(one.join("c"), fs::Permissions::from_mode(0o6000)).unwrap();
    fs::set_permissions(one.join("new"), fs::Permissions::from_mode(0o3000)).unwrap();
    place.remove("one");
    for name in ["two", "three", "four"] {
        place.make(
            name,
            &[("src/a", b"A", true), ("new/b", b"", false), ("new/empty/c", b"C", false), ("d", b"D", true)],
        );
        for directory in ["", "src", "new", "new/empty", "..", "../home", "../tmp"] {
            let mode = fs::metadata(place.tree(name).join(directory)).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o755, "{directory} of {name}");
        }
    }
    assert_eq!(fs::read(place.path("elsewhere")).unwrap(), b"one", "what has another name is not written to");
}

#[test]
fn what_came_to_lie_among_the_spares_is_not_taken_for_one() {
    let place = Place::new();
    place.make("one", &[("a", b"one", false), ("b", b"two", false), ("c/d", b"three", false)]);
    place.remove("one");
    fs::write(place.path("mine"), "mine").unwrap();
    for entry in fs::read_dir(place.path("work/.spares")).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => fs::write(entry.path().join("planted"), "x").unwrap(),
            false => {
                fs::remove_file(entry.path()).unwrap();
                fs::hard_link(place.path("mine"), entry.path()).unwrap();
            }
        }
    }
    place.make("two", &[("a", b"1", false), ("b", b"2", true), ("c/d", b"3", false)]);
    assert_eq!(fs::read(place.path("mine")).unwrap(), b"mine");
}

#[test]
fn a_name_that_is_taken_is_an_error_and_stays() {
    let place = Place::new();
    place.make("one", &[("a", b"one", false)]);
    for _ in 0..2 {
        assert!(place.spares.make_workspace(&place.path("work"), "one").is_err());
        assert_eq!(fs::read(place.tree("one").join("a")).unwrap(), b"one");
        place.make("two", &[("b", b"two", false)]);
        place.remove("two");
    }
}

#[test]
fn flags_of_a_file_or_directory_go_with_it() {
    let place = Place::new();
    place.make("one", &[("src/a", b"first", false), ("b", b"second", false)]);
    let workspace = place.tree("one");
    let flagged =
        Command::new("chattr").arg("+S").args(["src", "b", "../home"].map(|name| workspace.join(name))).status();
    if !flagged.is_ok_and(|status| status.success()) {
        println!("skipped: chattr is missing, or this file system has no such flags");
        return;
    }
    place.remove("one");
    place.make("two", &[("src/a", b"first", false), ("b", b"second", false), ("c", b"third", false)]);
    let each = ["", "src", "src/a", "b", "c", "../home"].map(|name| place.tree("two").join(name));
    let listed = Command::new("lsattr").arg("-d").args(each).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(text.lines().count(), 6, "{text}");
    assert!(text.lines().all(|line| !line.split(' ').next().is_some_and(|flags| flags.contains('S'))), "{text}");
}

#[test]
fn workspaces_are_laid_out_apart_where_the_file_system_can() {
    let place = Place::new();
    let flags = |path: &Path| {
        let listed =
            Command::new("lsattr").arg("-d").arg(path).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(listed.stdout).unwrap().split(' ').next().map(str::to_owned)
    };
    let trial = place.path("trial");
    fs::create_dir(&trial).unwrap();
    let is_able = Command::new("chattr").arg("+T").arg(&trial).status().is_ok_and(|status| status.success());
    match flags(&trial).filter(|flags| is_able && flags.contains('T')) {
        None => println!("skipped: chattr is missing, or this file system has no such flag"),
        Some(_) => assert!(flags(&place.path("work")).unwrap().contains('T')),
    }
    place.make("one", &[("src/a", b"first", false)]);
    assert!(flags(&place.tree("one")).is_none_or(|flags| !flags.contains('T')), "it is not inherited");
}

#[test]
fn what_cannot_be_kept_is_removed_all_the_same() {
    let place = Place::new();
    for (number, count) in [(0, 1), (1, 300), (2, 300)] {
        let name = format!("{number}");
        place.make(&name, &[("in", b"1", false)]);
        let workspace = place.path("work").join(&name);
        fs::write(workspace.join("log"), vec![b'x'; 300 << 10]).unwrap();
        fs::create_dir_all(workspace.join("others/deeper")).unwrap();
        for file in 0..count {
            fs::write(workspace.join("home").join(format!("{file}")), "x").unwrap();
            fs::create_dir(workspace.join("tmp").join(format!("{file}"))).unwrap();
        }
        fs::write(workspace.join("stdin"), "x").unwrap();
        place.root.remove_tree_into(&path("work").child(&name), Some(&place.spares)).unwrap();
        assert!(!workspace.exists());
    }
}

#[test]
fn what_is_kept_holds_nothing() {
    let place = Place::new();
    place.make("one", &[("src/a", b"a secret", false), ("b", b"another", true)]);
    place.remove("one");
    let kept: Vec<u64> = fs::read_dir(place.path("work/.spares"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter_map(|entry| {
            let found = entry.metadata().unwrap();
            found.is_file().then_some(found.len())
        })
        .collect();
    assert_eq!(kept, [0, 0], "two files, both empty");
}
