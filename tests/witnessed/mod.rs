//! A project whose tasks reach everything that a snapshot has a witness for, and how a build of it was answered: one that
//! took the short way leaves the snapshot's inode as it was, one that went the long way puts another in its place.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use orca::engine::{Power, consent};

use crate::support::{Output, Project};

pub(crate) const PLAN: &str = r#"
include = ["plans/*.toml"]

[tasks.join]
run = "cat $(find src -name '*.txt' | sort) > out/join; greet >> out/join; echo $FLAVOUR >> out/join"
inputs = ["src/**/*.txt"]
outputs = ["out/join"]
tools = ["greet"]
pass_env = ["FLAVOUR"]

[tasks.report]
run = "wc -l < out/join > out/report"
inputs = ["out/join"]
outputs = ["out/report"]

[tasks.test]
run = "cat out/report; echo all is well"
inputs = ["out/report"]
"#;

const MORE: &str = r#"
[tasks.more]
run = "find data -type f | sort | xargs cat > out/more"
inputs = ["../data"]
outputs = ["../out/more"]
"#;

/// A project whose tasks reach everything that has a witness.
pub(crate) fn project() -> Project {
    let mut orca = Project::new(PLAN);
    orca.write("plans/more.toml", MORE).write("src/a.txt", "alpha\n").write("src/sub/b.txt", "beta\n");
    orca.write("src/notes", "nobody's\n")
        .write("data/x", "x\n")
        .write("data/deep/y", "y\n")
        .write(".gitignore", "*.tmp\n");
    for bin in ["first", "second"] {
        fs::create_dir_all(bins(&orca).join(bin)).expect("a directory");
    }
    tool(&orca, "second", "echo hello");
    let mut path = OsString::new();
    for bin in ["first", "second"] {
        path.push(bins(&orca).join(bin));
        path.push(":");
    }
    path.push(std::env::var_os("PATH").unwrap_or_default());
    orca.set_env("PATH", path).set_env("FLAVOUR", "plain").set_env("ORCA_SANDBOX", "none");
    allow(&orca);
    orca
}

pub(crate) fn allow(orca: &Project) {
    let state = orca.root().parent().expect("it lies in its world").join("state/orca");
    consent(&state, orca.root(), &BTreeSet::from([Power::MissingSandbox])).expect("consent is a file");
}

pub(crate) fn bins(orca: &Project) -> PathBuf {
    orca.root().parent().expect("it lies in its world").join("bins")
}

pub(crate) fn tool(orca: &Project, bin: &str, body: &str) {
    let file = bins(orca).join(bin).join("greet");
    fs::write(&file, format!("#!/bin/sh\n{body}\n")).expect("a tool");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

pub(crate) fn snapshot(orca: &Project) -> Option<u64> {
    Some(fs::symlink_metadata(orca.path(".orca/snapshot")).ok()?.ino())
}

/// `orca build`, and whether it was answered from the snapshot.
pub(crate) fn build(orca: &Project) -> (Output, bool) {
    let before = snapshot(orca);
    let output = orca.orca(["build"]);
    let is_short = before.is_some() && before == snapshot(orca);
    assert!(!is_short || output.stderr.contains("nothing to do: "), "{}", output.transcript());
    (output, is_short)
}

/// The outputs are those of a build that begins with nothing.
#[track_caller]
pub(crate) fn equals_clean(orca: &Project, what: &str) {
    let mut fresh = orca.clean_room([".orca", "out"]);
    for name in ["PATH", "FLAVOUR", "ORCA_SANDBOX"] {
        let command = orca.command();
        let value = command.get_envs().find(|(known, _)| *known == name).and_then(|(_, value)| value);
        if let Some(value) = value {
            fresh.set_env(name, value);
        }
    }
    allow(&fresh);
    fresh.build();
    let difference = orca.files().difference(&fresh.files());
    assert!(difference.is_empty(), "{what}: here != clean:\n{difference}");
}
