//! The patch between two states: what it says of each kind of change, and that git makes the new state of the old with it.
#![expect(clippy::disallowed_methods, reason = "hands files to git")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use orca::merge::{DiffLimits, Side, unified_diff};

#[path = "walk/random.rs"]
#[expect(dead_code, reason = "the walk needs more of it")]
mod random;
use random::Random;

#[derive(Debug, Clone, PartialEq)]
enum State {
    File(Vec<u8>, bool),
    Link(String),
}

use State::Link;

fn file(bytes: impl AsRef<[u8]>) -> State {
    State::File(bytes.as_ref().to_vec(), false)
}

fn program(bytes: &str) -> State {
    State::File(bytes.as_bytes().to_vec(), true)
}

fn side(state: Option<&State>) -> Side<'_> {
    match state {
        None => Side::Absent,
        Some(State::File(bytes, executable)) => Side::File { bytes, executable: *executable },
        Some(Link(target)) => Side::Symlink { target },
    }
}

fn diff(path: &str, old: Side<'_>, new: Side<'_>) -> String {
    String::from_utf8(unified_diff(path, old, new, DiffLimits::default())).expect("these are UTF-8")
}

#[track_caller]
fn shows(old: Option<State>, new: Option<State>, expected: &str) {
    assert_eq!(diff("a", side(old.as_ref()), side(new.as_ref())), expected);
}

#[test]
fn each_kind_of_change_has_its_header() {
    shows(Some(file("1\n")), Some(file("1\n")), "");
    shows(
        Some(file("1\n2\n")),
        Some(file("1\n3\n")),
        "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n 1\n-2\n+3\n",
    );
    shows(
        None,
        Some(program("1\n")),
        "diff --git a/a b/a\nnew file mode 100755\n--- /dev/null\n+++ b/a\n@@ -0,0 +1 @@\n+1\n",
    );
    shows(
        Some(file("1\n2\n")),
        None,
        "diff --git a/a b/a\ndeleted file mode 100644\n--- a/a\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-1\n-2\n",
    );
    shows(Some(file("1\n")), Some(program("1\n")), "diff --git a/a b/a\nold mode 100644\nnew mode 100755\n");
    shows(
        Some(file("1\n")),
        Some(program("2\n")),
        "diff --git a/a b/a\nold mode 100644\nnew mode 100755\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+2\n",
    );
    shows(None, Some(file("")), "diff --git a/a b/a\nnew file mode 100644\n");
    shows(
        Some(file("1\n2")),
        Some(file("1\n2\n")),
        "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n 1\n-2\n\\ No newline at end of file\n+2\n",
    );
    shows(
        Some(Link("x".into())),
        Some(file("y")),
        "diff --git a/a b/a\ndeleted file mode 120000\n--- a/a\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\\ No newline at end of file\n\
         diff --git a/a b/a\nnew file mode 100644\n--- /dev/null\n+++ b/a\n@@ -0,0 +1 @@\n+y\n\\ No newline at end of file\n",
    );
    shows(
        Some(file("\0")),
        Some(program("\0\0")),
        "\nBinary files a/a and b/a differ (old mode 100644, new mode 100755)\n",
    );
    shows(None, Some(file("\0")), "\nBinary files /dev/null and b/a differ (new file mode 100644)\n");
    shows(Some(Link("x".into())), Some(file("\0")), "\nBinary files /dev/null and b/a differ (new file mode 100644)\n");
    assert_eq!(diff("a", Side::Absent, Side::EmptyDir), "\na: now an empty directory\n");
    assert!(diff("a", Side::EmptyDir, side(Some(&file("1\n")))).ends_with("+1\n\na: no empty directory any more\n"));
}

#[test]
fn changes_far_apart_are_hunks_of_their_own() {
    let text = |changed: &[usize]| -> String {
        (1..=40).map(|at| if changed.contains(&at) { format!("new {at}\n") } else { format!("{at}\n") }).collect()
    };
    let diff = diff("a", side(Some(&file(text(&[])))), side(Some(&file(text(&[5, 11, 30])))));
    let hunks: Vec<&str> = diff.lines().filter(|line| line.starts_with("@@")).collect();
    assert_eq!(hunks, ["@@ -2,13 +2,13 @@", "@@ -27,7 +27,7 @@"]);
}

#[test]
fn names_are_quoted_as_by_git() {
    let header = |path: &str| {
        let diff = diff(path, side(Some(&file("1\n"))), side(Some(&file("2\n"))));
        diff.lines().take(3).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(header("a b"), ["diff --git a/a b b/a b", "--- a/a b\t", "+++ b/a b\t"]);
    assert_eq!(header("ä"), ["diff --git a/ä b/ä", "--- a/ä", "+++ b/ä"]);
    assert_eq!(
        header("a\"\n\x1b"),
        [r#"diff --git "a/a\"\n\033" "b/a\"\n\033""#, r#"--- "a/a\"\n\033""#, r#"+++ "b/a\"\n\033""#]
    );
}

#[test]
fn what_is_too_long_is_named_and_left_out_whole() {
    let limits = DiffLimits { size_bytes_max: 100, diff_bytes_max: 150 };
    let show = |old: &str, new: &str| {
        String::from_utf8(unified_diff("a", side(Some(&file(old))), side(Some(&file(new))), limits)).expect("UTF-8")
    };
    assert_eq!(show(&"x".repeat(101), ""), "\nFiles a/a and b/a differ; they are too long to be compared\n");
    assert_eq!(
        show(&"x\n".repeat(45), &"y\n".repeat(44)),
        "\nFiles a/a (45 lines) and b/a (44 lines) differ; the difference is too long\n"
    );
    assert!(show(&"x\n".repeat(45), &"x\n".repeat(44)).starts_with("diff --git"));
}

/// A tree by paths beneath a directory.
type Files = BTreeMap<String, State>;

fn place(root: &Path, files: &Files) {
    for (path, state) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("beneath the root")).expect("made");
        match state {
            State::File(bytes, executable) => {
                fs::write(&path, bytes).expect("written");
                let mode = if *executable { 0o755 } else { 0o644 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            }
            Link(target) => symlink(target, &path).expect("linked"),
        }
    }
}

fn found(root: &Path) -> Files {
    let mut files = Files::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).expect("listed") {
            let path = entry.expect("read").path();
            let stat = path.symlink_metadata().expect("there");
            let name = path.strip_prefix(root).expect("beneath").to_str().expect("UTF-8").to_owned();
            if stat.is_dir() {
                open.push(path);
            } else if stat.is_symlink() {
                files.insert(name, Link(fs::read_link(&path).expect("a link").to_str().expect("UTF-8").to_owned()));
            } else {
                let executable = stat.permissions().mode() & 0o100 != 0;
                files.insert(name, State::File(fs::read(&path).expect("read"), executable));
            }
        }
    }
    files
}

fn patch(old: &Files, new: &Files) -> Vec<u8> {
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    paths
        .into_iter()
        .flat_map(|path| unified_diff(path, side(old.get(path)), side(new.get(path)), DiffLimits::default()))
        .collect()
}

#[expect(clippy::print_stdout, reason = "says what was not tested")]
fn git_is_here() -> bool {
    let is_here = Command::new("git").arg("--version").output().is_ok();
    if !is_here {
        println!("skipped: git is not here");
    }
    is_here
}

/// What git makes of `old` with this patch.
#[track_caller]
fn applied(old: &Files, patch: &[u8], case: &str) -> Files {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("root");
    fs::create_dir(&root).expect("made");
    place(&root, old);
    fs::write(directory.path().join("patch"), patch).expect("written");
    let out = Command::new("git")
        .args(["apply", "--whitespace=nowarn", "../patch"])
        .current_dir(&root)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CEILING_DIRECTORIES", directory.path())
        .output()
        .expect("git runs");
    let (told, patch) = (String::from_utf8_lossy(&out.stderr), String::from_utf8_lossy(patch));
    assert!(out.status.success(), "{case}: {told}\n{patch}");
    found(&root)
}

fn files(files: &[(&str, State)]) -> Files {
    files.iter().map(|(path, state)| ((*path).to_owned(), state.clone())).collect()
}

#[test]
fn git_applies_every_kind_of_change() {
    if !git_is_here() {
        return;
    }
    let long: String = (0..100).map(|at| format!("line {at}\n")).collect();
    let old = files(&[
        ("changed", file(&long)),
        ("crlf", file(long.replace('\n', "\r\n"))),
        ("deep/er/deleted", file("1\n")),
        ("emptied", file("1\n")),
        ("filled", file("")),
        ("latin 1", file(b"caf\xe9\nth\xe9\n")),
        ("link", Link("changed".into())),
        ("link to file", Link("changed".into())),
        ("file to link", file("1\n")),
        ("mode", file("1\n")),
        ("mode and more", program("1\n2\n")),
        ("no newline", file("1\n2")),
        ("newline", file("1\n2\n")),
        ("ugly \"\\\n\t\x01ü", file("1\n")),
        ("looks like a patch", file("-- a/x\n++ b/x\n@@ -1 +1 @@\n")),
        ("deleted empty", file("")),
    ]);
    let new = files(&[
        ("changed", file(long.replace("line 1\n", "").replace("line 77\n", "new\nlines\n"))),
        ("crlf", file(long.replace('\n', "\r\n").replace("line 50\r\n", "other\r\n"))),
        ("new/in/here", program("#!/bin/sh\n")),
        ("emptied", file("")),
        ("filled", file("1\n")),
        ("latin 1", file(b"caf\xe9\nth\xea\n")),
        ("link", Link("elsewhere/ü".into())),
        ("link to file", file("1\n")),
        ("file to link", Link("changed".into())),
        ("mode", program("1\n")),
        ("mode and more", file("1\n3\n")),
        ("no newline", file("1\n2\n")),
        ("newline", file("0\n2")),
        ("ugly \"\\\n\t\x01ü", file("2\n")),
        ("ünnew name", file("no newline")),
        ("looks like a patch", file("-- a/x\n-- a/y\n++ b/y\n@@ -1 +1 @@\n")),
        ("new empty", program("")),
    ]);
    assert_eq!(applied(&old, &patch(&old, &new), "there"), new);
    assert_eq!(applied(&new, &patch(&new, &old), "back"), old);
}

#[test]
fn what_a_patch_cannot_say_does_not_spoil_the_rest() {
    if !git_is_here() {
        return;
    }
    let old = files(&[
        ("a mode", file("1\n")),
        ("binary", file("\0")),
        ("long", file("x".repeat(2 << 20))),
        ("z", file("1\n")),
    ]);
    let new = files(&[
        ("a mode", program("1\n")),
        ("binary", file("\0\0")),
        ("long", file("y".repeat(2 << 20))),
        ("z", file("2\n")),
    ]);
    let mut patch = patch(&old, &new);
    patch.extend(diff("dir", Side::Absent, Side::EmptyDir).into_bytes());
    let there = applied(&old, &patch, "there");
    assert_eq!((&there["a mode"], &there["z"]), (&new["a mode"], &new["z"]));
    assert_eq!((&there["binary"], &there["long"]), (&old["binary"], &old["long"]));
}

#[test]
fn git_applies_random_changes() {
    if !git_is_here() {
        return;
    }
    for seed in 0..60 {
        let random = &mut Random::new(seed);
        let text = |random: &mut Random| -> State {
            let mut text: String = (0..random.below(30)).map(|_| format!("{}\n", random.below(6))).collect();
            if random.once_in(3) {
                text.pop();
            }
            State::File(text.into_bytes(), random.once_in(3))
        };
        let tree = |random: &mut Random| -> Files {
            let names = (0..8).filter(|_| !random.once_in(4)).collect::<Vec<_>>();
            names.into_iter().map(|at| (format!("d{}/f {at}", at % 3), text(random))).collect()
        };
        let (old, new) = (tree(random), tree(random));
        assert_eq!(applied(&old, &patch(&old, &new), &format!("seed {seed}")), new, "seed {seed}");
    }
}
