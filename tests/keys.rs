//! What is in a key, and what is not, as a user meets it: every declared thing makes its task run again, nothing else
//! does. The encoding itself is attacked in `key_encoding.rs`.

#![expect(clippy::disallowed_methods, reason = "plays the user, who has files and an environment")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use support::Project;

/// One task that depends on everything a task can declare, and one that never changes.
const PLAN: &str = r#"
[tasks.watched]
description = "what is being watched"
run = ["sh", "-c", "cat src/*.txt input.txt > out.txt; mytool >> out.txt; ls link; echo $MODE $PASSED"]
inputs = ["src/*.txt", "input.txt", "script.sh", "link"]
outputs = ["out.txt"]
env = { MODE = "fast" }
pass_env = ["PASSED", "UNSET"]
tools = ["mytool"]

[tasks.other]
run = "echo other > other.txt"
outputs = ["other.txt"]
"#;

fn project() -> Project {
    let mut orca = Project::new(PLAN);
    orca.write("src/a.txt", "a\n")
        .write("src/b.txt", "b\n")
        .write("input.txt", "input\n")
        .write("script.sh", "exit 0\n");
    orca.symlink("src", "link");
    orca.write("bin/mytool", "#!/bin/sh\necho tool 1\n").chmod("bin/mytool", 0o755);
    orca.write(".gitignore", "bin\n");
    let path = format!("{}:{}", orca.path("bin").display(), std::env::var("PATH").expect("a PATH"));
    orca.set_env("PATH", path).set_env("PASSED", "one");
    orca.build().ran(["other", "watched"]);
    orca
}

/// After this change the watched task runs, the other does not, and a second build runs nothing.
#[track_caller]
fn is_in_the_key(change: impl FnOnce(&mut Project), because: &str) {
    let mut orca = project();
    change(&mut orca);
    let build = orca.build();
    build.ran(["watched"]).cached(["other"]);
    assert!(build.because("watched").contains(because), "because: {}", build.because("watched"));
    orca.build().ran([]);
}

/// After this change nothing runs.
#[track_caller]
fn is_not_in_the_key(change: impl FnOnce(&mut Project)) {
    let mut orca = project();
    change(&mut orca);
    orca.build().ran([]).cached(["other", "watched"]);
}

#[test]
fn content_of_an_input() {
    is_in_the_key(
        |orca| {
            orca.write("input.txt", "other\n");
        },
        "input.txt",
    );
}

#[test]
fn content_of_the_same_size_with_its_mtime_put_back() {
    is_in_the_key(
        |orca| {
            let path = orca.path("input.txt");
            let mtime = fs::metadata(&path).and_then(|found| found.modified()).expect("a time");
            orca.write("input.txt", "inpuT\n");
            fs::File::options().write(true).open(&path).and_then(|file| file.set_modified(mtime)).expect("set back");
        },
        "input.txt",
    );
}

#[test]
fn a_new_file_under_a_wildcard() {
    is_in_the_key(
        |orca| {
            orca.write("src/c.txt", "c\n");
        },
        "src/c.txt",
    );
}

#[test]
fn a_file_that_went_away_from_a_wildcard() {
    is_in_the_key(
        |orca| {
            orca.remove("src/b.txt");
        },
        "src/b.txt",
    );
}

#[test]
fn a_renamed_file() {
    is_in_the_key(
        |orca| {
            orca.rename("src/b.txt", "src/z.txt");
        },
        "src/b.txt",
    );
}

#[test]
fn the_executable_bit() {
    is_in_the_key(
        |orca| {
            orca.chmod("script.sh", 0o755);
        },
        "script.sh",
    );
}

#[test]
fn the_target_of_a_symbolic_link() {
    is_in_the_key(
        |orca| {
            orca.symlink("./src", "link");
        },
        "link",
    );
}

#[test]
fn the_value_of_a_variable() {
    is_in_the_key(
        |orca| {
            orca.replace("orca.toml", "\"fast\"", "\"slow\"");
        },
        "env MODE",
    );
}

#[test]
fn one_more_variable() {
    is_in_the_key(
        |orca| {
            orca.replace("orca.toml", "\"fast\"", "\"fast\", MORE = \"\"");
        },
        "env MORE",
    );
}

#[test]
fn a_variable_that_is_passed_on() {
    is_in_the_key(
        |orca| {
            orca.set_env("PASSED", "two");
        },
        "pass_env PASSED",
    );
}

#[test]
fn set_to_nothing_is_not_unset() {
    is_in_the_key(
        |orca| {
            orca.set_env("UNSET", "");
        },
        "pass_env UNSET",
    );
}

#[test]
fn an_argument_split_differently() {
    is_in_the_key(
        |orca| {
            orca.replace("orca.toml", "[\"sh\", \"-c\", ", "[\"sh\", \"-e\", \"-c\", ");
        },
        "argv",
    );
}

#[test]
fn a_tool_at_the_same_path() {
    is_in_the_key(
        |orca| {
            orca.write("bin/mytool", "#!/bin/sh\necho tool 2\n");
        },
        "tool mytool",
    );
}

#[test]
fn policy() {
    is_in_the_key(
        |orca| {
            orca.replace("orca.toml", "tools = [", "sandbox = \"required\"\ntools = [");
        },
        "policy sandbox",
    );
}

#[test]
fn declared_outputs() {
    is_in_the_key(
        |orca| {
            orca.replace("orca.toml", "[\"out.txt\"]", "[\"out.txt\", \"more-*.txt\"]");
            orca.replace("orca.toml", "cat src", "touch more-1.txt; cat src");
        },
        "more-*.txt",
    );
}

#[test]
fn times_are_not() {
    is_not_in_the_key(|orca| {
        for name in ["input.txt", "src/a.txt", "orca.toml"] {
            let file = fs::File::options().write(true).open(orca.path(name)).expect("there");
            file.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("set");
        }
    });
}

#[test]
fn comments_order_and_description_are_not() {
    is_not_in_the_key(|orca| {
        let plan = orca.read("orca.toml");
        let (watched, other) = plan.split_once("[tasks.other]").expect("two tasks");
        let text = format!("# moved\n[tasks.other]{other}\n{}", watched.replace("what is being watched", "something"));
        orca.write("orca.toml", text);
    });
}

#[test]
fn the_rest_of_the_environment_is_not() {
    is_not_in_the_key(|orca| {
        orca.set_env("LC_ALL", "C").set_env("TZ", "Asia/Tokyo").set_env("USER", "somebody").set_env("EDITOR", "ed");
    });
}

#[test]
fn mode_bits_but_the_executable_one_are_not() {
    is_not_in_the_key(|orca| {
        orca.chmod("input.txt", 0o600);
        assert_eq!(fs::metadata(orca.path("input.txt")).expect("there").permissions().mode() & 0o777, 0o600);
    });
}

#[test]
fn retries_timeouts_jobs_and_resources_are_not() {
    is_not_in_the_key(|orca| {
        orca.replace(
            "orca.toml",
            "tools = [",
            "timeout = \"9m\"\nretry = { attempts = 3 }\nresources = { cpu = 2 }\ntools = [",
        );
        orca.append("orca.toml", "\n[limits]\njobs = 3\n");
    });
}

#[test]
fn umask_and_working_directory_are_not() {
    let orca = project();
    let program = env!("CARGO_BIN_EXE_orca");
    let command = orca.command();
    let script = format!("umask 077; cd /; exec '{program}' build --json -C '{}'", orca.root().display());
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &script]).env_clear();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = shell.output().expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(!text.contains("\"outcome\":\"ran\""), "{text}");
}

#[test]
fn where_the_checkout_lies_is_not() {
    let orca = project();
    let mut second = orca.checkout(["out.txt", "other.txt"]);
    let path = format!("{}:{}", second.path("bin").display(), std::env::var("PATH").expect("a PATH"));
    second.set_env("PATH", path).set_env("PASSED", "one");
    second.build().ran([]).cached(["other", "watched"]);
    assert_eq!(second.read("out.txt"), orca.read("out.txt"));
}

#[test]
fn going_back_to_an_earlier_state_runs_nothing() {
    let orca = project();
    orca.write("input.txt", "second\n").build().ran(["watched"]);
    orca.write("input.txt", "input\n").build().ran([]);
    assert!(orca.read("out.txt").contains("input"));
}

#[test]
fn an_unchanged_output_stops_there() {
    let orca = Project::new(
        r#"
        [tasks.a]
        run = "sed 's/#.*//' in.txt > a.txt"
        inputs = ["in.txt"]
        outputs = ["a.txt"]
        [tasks.b]
        run = "cp a.txt b.txt"
        inputs = ["a.txt"]
        outputs = ["b.txt"]
        "#,
    );
    orca.write("in.txt", "x# one\n").build().ran(["a", "b"]);
    orca.write("in.txt", "x# two\n").build().ran(["a"]).cached(["b"]);
}

#[test]
fn tasks_with_the_same_key_run_once() {
    let orca = Project::new(
        r#"
        [tasks.one]
        run = "sleep 0.3; echo the same"
        [tasks.two]
        run = "sleep 0.3; echo the same"
        [tasks.three]
        run = "sleep 0.3; echo another"
        "#,
    );
    let build = orca.build_args(["-j3"]).green();
    assert_eq!(build.tasks_run().len(), 2, "{:?}", build.tasks_run());
    assert!(build.tasks_run().contains("three"));
}

/// The project of a checkout beneath an ignored directory, such as a scratch directory, has files all the same; and what
/// lies above a project never decides what is in it.
#[test]
fn a_gitignore_above_the_project_says_nothing_about_it() {
    let orca = Project::new("[tasks.a]\nrun = \"cat src/*.txt\"\ninputs = [\"src/*.txt\"]\n");
    orca.write("../.gitignore", "*\n").write("src/a.txt", "a\n").write("src/b.log", "b\n").build().ran(["a"]);
    orca.write("src/c.txt", "c\n").build().ran(["a"]);
    orca.write(".gitignore", "d.txt\n").write("src/d.txt", "d\n").build().ran([]);
    orca.write("src/.gitignore", "!d.txt\n").build().ran(["a"]);
}

#[test]
fn nor_about_its_includes() {
    let orca = Project::new("include = [\"plans/*.toml\"]\n");
    orca.write("../.gitignore", "*\n").write("plans/a.toml", "[tasks.a]\nrun = \"true\"\n").build().ran(["a"]);
}

#[test]
fn nothing_of_the_checkout_shows_inside_bubblewrap() {
    if !support::bubblewrap_works("nothing_of_the_checkout_shows_inside_bubblewrap") {
        return;
    }
    let orca = Project::new(
        "[tasks.a]\nrun = \"env > out; pwd >> out; mytool >> out\"\noutputs = [\"out\"]\ntools = [\"mytool\"]\n",
    );
    let tools = tempfile::tempdir().expect("a directory");
    let tool = tools.path().join("mytool");
    fs::write(&tool, "#!/bin/sh\necho it is $(basename $0)\n").expect("written");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).expect("set");
    let mut orca = orca;
    orca.set_env("PATH", format!("{}:/usr/bin:/bin", tools.path().display()));
    orca.build().ran(["a"]);
    let out = orca.read("out");
    assert!(out.contains("it is mytool"), "{out}");
    assert!(!out.contains(orca.root().to_str().expect("a path")), "{out}");
}
