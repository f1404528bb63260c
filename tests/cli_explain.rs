//! `orca explain`: for every way to make a task dirty, the line that says so; and why what is clean is.

mod support;

use serde_json::Value;
use support::{Output, Project};

const PLAN: &str = r#"
[toolchains.one]
paths = ["ONE"]
[toolchains.two]
paths = ["TWO"]

[gates.size]
run = "test -s out/b.txt"
inputs = []

[tasks.a]
run = ["sh", "-c", "mkdir -p out && cat in/* > out/a.txt && echo $FLAVOUR >> out/a.txt"]
inputs = ["in/*"]
outputs = ["out/a.txt"]
env = { FLAVOUR = "plain" }
pass_env = ["LEVEL"]
tools = ["helper"]
toolchains = ["one", "two"]

[tasks.b]
run = ["sh", "-c", "mkdir -p out && cp out/a.txt out/b.txt"]
inputs = ["out/a.txt"]
outputs = ["out/b.txt"]
gates = ["size"]
"#;

fn project() -> Project {
    let mut orca = Project::empty();
    for directory in ["bin", "one", "two"] {
        std::fs::create_dir(orca.root().parent().expect("a world").join(directory)).expect("a fresh world");
    }
    let place = |name: &str| orca.root().parent().expect("a world").join(name).display().to_string();
    let plan = PLAN.replace("ONE", &place("one")).replace("TWO", &place("two"));
    orca.write("orca.toml", plan).write("in/x.txt", "x\n").write("in/y.txt", "y\n");
    orca.write("../bin/helper", "#!/bin/sh\n").chmod("../bin/helper", 0o755);
    let path = std::env::join_paths(
        std::iter::once(orca.path("../bin").canonicalize().expect("it was just made"))
            .chain(std::env::split_paths(&path_variable())),
    );
    orca.set_env("PATH", path.expect("a PATH"));
    orca
}

#[expect(clippy::disallowed_methods, reason = "tools are where the developer has them")]
fn path_variable() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

#[track_caller]
fn explained(orca: &Project, task: &str) -> (Output, Value) {
    let value = serde_json::from_str(&orca.orca(["explain", task, "--json"]).exits(0).stdout).expect("JSON");
    (orca.orca(["explain", task]).exits(0), value)
}

#[test]
fn a_task_that_never_ran_says_so() {
    let orca = project();
    let (output, value) = explained(&orca, "a");
    output.prints(["a would run: it has no result yet"]);
    assert_eq!((&value["v"], &value["state"], &value["would"]), (&1.into(), &"never-run".into(), &"run".into()));
    let (output, value) = explained(&orca, "b");
    output.prints(["b has no key yet", "a: never-run"]);
    assert_eq!(value["waits_for"][0]["task"], "a");
    assert_eq!(value["key"], Value::Null);
}

#[test]
fn a_clean_task_says_what_its_key_is_made_of() {
    let orca = project();
    orca.build();
    let (output, value) = explained(&orca, "b");
    output.prints(["b is clean", "ran, in run 1", "of 1 file ", "recorded in this project: 1 file,", "size passed"]);
    assert_eq!(value["key"].as_str().expect("a key").len(), 64);
    assert_eq!(value["gates"][0]["verdict"], "passed");
    orca.orca(["explain", "a", "--key"]).exits(0).prints(["env FLAVOUR = plain", "pass_env LEVEL = not set"]);
}

#[test]
fn every_change_has_its_line() {
    type Edit = fn(&mut Project);
    let table: [(&str, Edit, &str); 11] = [
        (
            "a file",
            |orca| {
                orca.append("in/x.txt", "more\n");
            },
            "in/x.txt changed: file ",
        ),
        (
            "a new file",
            |orca| {
                orca.write("in/z.txt", "z\n");
            },
            "in/z.txt is new: file ",
        ),
        (
            "a lost file",
            |orca| {
                orca.remove("in/y.txt");
            },
            "in/y.txt is gone: it was file ",
        ),
        (
            "an exec bit",
            |orca| {
                orca.chmod("in/x.txt", 0o755);
            },
            "-> executable ",
        ),
        (
            "a link",
            |orca| {
                orca.symlink("x.txt", "in/y.txt");
            },
            "-> symlink to x.txt",
        ),
        (
            "a variable",
            |orca| {
                orca.replace("orca.toml", "plain", "rich");
            },
            "env FLAVOUR changed: plain -> rich",
        ),
        (
            "a passed variable",
            |orca| {
                orca.set_env("LEVEL", "9");
            },
            "pass_env LEVEL changed: not set -> set to 9",
        ),
        (
            "an argument",
            |orca| {
                orca.replace("orca.toml", "cat in/*", "cat  in/*");
            },
            "argv 2 changed: ",
        ),
        (
            "a tool",
            |orca| {
                orca.append("../bin/helper", "# more\n");
            },
            "tool helper changed: ",
        ),
        (
            "a toolchain",
            |orca| {
                orca.replace("orca.toml", "/one\"]", "/two\"]");
            },
            "toolchain path one 0 changed: ",
        ),
        (
            "a policy",
            |orca| {
                orca.replace("orca.toml", "env = {", "sandbox = \"required\"\nenv = {");
            },
            "policy sandbox changed: auto -> required",
        ),
    ];
    for (what, edit, line) in table {
        let mut orca = project();
        orca.build_args(["a"]).green();
        edit(&mut orca);
        let (output, value) = explained(&orca, "a");
        assert!(
            output.stdout.contains("a would run: of what is in its key, this changed"),
            "{what}: {}",
            output.transcript()
        );
        assert!(output.stdout.contains(line), "{what}: `{line}` is not in\n{}", output.transcript());
        assert_eq!(value["changes"].as_array().map(Vec::len), Some(1), "{what}: {value}");
        assert!(!output.stdout.contains("unknown"), "{what}");
    }
}

#[test]
fn a_task_that_waits_says_what_changed_already() {
    let orca = project();
    orca.build();
    orca.append("in/x.txt", "more\n").replace("orca.toml", "mkdir -p out && cp", "mkdir -p out; cp");
    let (output, value) = explained(&orca, "b");
    output.prints(["b has no key yet", "a: dirty: changed: in/x.txt", "of what is known already", "argv 2 changed: "]);
    assert_eq!(value["changes"].as_array().map(Vec::len), Some(1), "{value}");
    orca.replace("orca.toml", "mkdir -p out; cp", "mkdir -p out && cp");
    let (_, value) = explained(&orca, "b");
    assert_eq!(value["changes"], Value::Array(Vec::new()), "a file that may still come is no change");
}

#[test]
fn a_red_task_says_how_it_failed() {
    let orca = Project::new("[tasks.a]\nrun = [\"sh\", \"-c\", \"echo no >&2; exit 3\"]\n");
    orca.build_red();
    orca.orca(["explain", "a"])
        .exits(0)
        .prints(["a would run: it failed the last time: exit 3", "failed: exit 3, in run 1"]);
    orca.orca(["log", "a"]).exits(0).prints(["no\n", "its workspace is kept in", "exit 3"]);
}

#[test]
fn a_red_gate_says_so() {
    let orca = project();
    orca.replace("orca.toml", "test -s", "test ! -s");
    orca.build_red();
    orca.orca(["explain", "b"]).exits(0).prints(["the gate `size` is red", "size failed"]);
}

#[test]
fn a_missing_tool_says_so() {
    let orca = project();
    orca.remove("../bin/helper");
    orca.orca(["explain", "a"]).exits(0).prints(["a would fail: the tool `helper` is not on PATH"]);
    orca.orca(["build", "-n"]).exits(0).prints(["fail a"]);
}

#[test]
fn a_result_of_the_shared_cache_says_so() {
    let orca = project();
    orca.build();
    let second = orca.checkout(["out"]);
    let (output, _) = explained(&second, "b");
    output.prints(["b is clean", "1 of its files would be restored from the cache", "in the shared cache"]);
    second.build().ran([]);
}

#[test]
fn hostile_text_reaches_no_terminal() {
    let orca = Project::new("[tasks.a]\nrun = \"true\"\nenv = { X = \"\\u001b[31mred\\u0007\\u202e\" }\n");
    for command in [["explain", "a", "--key"].as_slice(), &["show", "a"], &["status"], &["graph"], &["build", "-n"]] {
        let output = orca.orca(command).exits(0);
        let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!output.stdout.contains(bad) && !output.stderr.contains(bad), "{}", output.transcript());
    }
}
