//! What an attempt may do, what it is told, and how it fails. One promise a test.
#![expect(clippy::disallowed_methods, reason = "reads what builds left on disk")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use orca::base::FailureKind;
use orca::event::Outcome;
use support::Project;

/// One task.
fn one(body: &str, more: &str) -> Project {
    Project::new(&format!("[tasks.one]\nrun = '''{body}'''\n{more}\n"))
}

/// One task of an agent that is this script.
fn agent(script: &str, more: &str) -> Project {
    Project::new(&format!(
        "[agents.a]\npreset = \"command\"\ncommand = [\"sh\", \"-c\", '''{script}''']\n{more}\n\
         [tasks.one]\nprompt = \"Do it.\"\noutputs = [\"out\"]\nretry = {{ attempts = 2, on = [\"crash\", \"gate\"] }}\n"
    ))
}

fn attempts(build: &support::Build, name: &str) -> u32 {
    let attempts = build.events.iter().find_map(|event| match event {
        orca::event::Event::TaskFinished { task, attempts, .. } if task.as_str() == name => Some(*attempts),
        _ => None,
    });
    attempts.expect("every task is settled")
}

// Failure classes.

#[test]
fn an_exit_code_is_a_failure() {
    let orca = one("echo why; exit 7", "");
    let red = orca.build_red();
    assert_eq!((red.failure("one").kind, red.failure("one").exit_code), (FailureKind::Crash, Some(7)));
    orca.orca(["log", "one"]).exits(0).prints(["why"]);
}

#[test]
fn a_signal_is_a_failure() {
    let red = one("kill -SEGV $$", "").build_red();
    assert_eq!((red.failure("one").kind, red.failure("one").signal), (FailureKind::Crash, Some(11)));
}

#[test]
fn a_missing_output_is_a_failure() {
    let orca = one("echo 1 > a", "outputs = [\"a\", \"b\"]");
    let red = orca.build_red();
    assert_eq!(red.failure("one").kind, FailureKind::MissingOutput);
    assert_eq!(red.failure("one").details, ["b is not there"]);
    assert!(!orca.exists("a"), "nothing of a red task is published");
}

#[test]
fn an_undeclared_write_is_a_failure() {
    let orca = one("echo 1 > out; echo 2 > stray; rm in", "inputs = [\"in\"]\noutputs = [\"out\"]");
    orca.write("in", "");
    let red = orca.build_red();
    assert_eq!(red.failure("one").kind, FailureKind::UndeclaredWrite);
    assert_eq!(red.failure("one").details, ["in", "stray"]);
    assert!(!orca.exists("out") && !orca.exists("stray") && orca.exists("in"));
}

#[test]
fn what_a_failed_attempt_changed_can_be_applied_with_git() {
    let orca = one(
        "printf 'caf\\351\\n' > new; chmod +x new; printf '\\0' > binary; echo more >> in; rm gone; exit 1",
        "inputs = [\"in\", \"gone\"]\noutputs = [\"new\", \"binary\"]",
    );
    orca.write("in", "first\nno newline").write("gone", "1\n");
    orca.build_red().failed(["one"]);
    let patch = fs::read(orca.path(".orca/failed/one/changes.patch")).expect("kept");
    let patch = String::from_utf8_lossy(&patch);
    assert!(patch.contains("Binary files /dev/null and b/binary differ"), "{patch}");
    if Command::new("git").arg("--version").output().is_err() {
        return println!("skipped: git is not here");
    }
    let git = Command::new("git")
        .args(["apply", ".orca/failed/one/changes.patch"])
        .current_dir(orca.root())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CEILING_DIRECTORIES", orca.path(".."))
        .output()
        .expect("git runs");
    assert!(git.status.success(), "{}\n{patch}", String::from_utf8_lossy(&git.stderr));
    assert_eq!(orca.read("in"), "first\nno newlinemore\n");
    assert_eq!(fs::read(orca.path("new")).expect("there"), b"caf\xe9\n");
    assert!(!orca.exists("gone") && !orca.exists("binary"));
}

#[test]
fn an_undeclared_write_that_git_ignores_is_dropped_quietly() {
    let orca = one("mkdir -p tmp/deep; echo 1 > tmp/deep/a; echo 2 > b.log; echo 3 > out", "outputs = [\"out\"]");
    orca.write(".gitignore", "*.log\n/tmp/\n");
    let build = orca.build();
    assert!(!build.output.stdout.contains("undeclared"), "{}", build.output.transcript());
    assert!(!orca.exists("tmp") && !orca.exists("b.log") && orca.exists("out"));
}

#[test]
fn undeclared_writes_can_be_dropped_with_a_warning_or_without() {
    for (mode, is_told) in [("warn", true), ("discard", false)] {
        let orca = one("echo 1 > out; echo 2 > stray", &format!("outputs = [\"out\"]\nundeclared = \"{mode}\""));
        let build = orca.build();
        assert_eq!(build.output.stdout.contains("`stray`"), is_told, "{}", build.output.transcript());
        assert!(!orca.exists("stray"));
    }
}

#[test]
fn a_failure_is_never_cached() {
    let orca = one("exit 1", "");
    orca.build_red();
    let again = orca.build_red();
    assert_eq!(again.because("one"), "it failed the last time: exit 1");
    orca.checkout([]).build_red().failed(["one"]);
}

#[test]
fn a_task_may_do_what_it_likes_with_its_copies() {
    let orca = one("echo changed >> in; cp in out", "inputs = [\"in\"]\noutputs = [\"out\"]\nundeclared = \"discard\"");
    orca.write("in", "source\n").build();
    assert_eq!((orca.read("in"), orca.read("out")), ("source\n".to_owned(), "source\nchanged\n".to_owned()));
    orca.build().ran([]);
}

// Retries.

#[test]
fn a_flaky_task_passes_in_its_second_attempt() {
    let orca = one(
        "if [ -e s/before ]; then echo ok > out; else touch s/before; exit 1; fi",
        "outputs = [\"out\"]\nscratch = [\"s\"]\nretry = { attempts = 3, on = [\"crash\"] }",
    );
    let build = orca.build();
    assert_eq!(attempts(&build, "one"), 2);
    orca.build().ran([]);
}

#[test]
fn only_the_named_failures_are_tried_again() {
    let orca = one("exit 1", "retry = { attempts = 3, on = [\"timeout\"] }");
    assert_eq!(attempts(&orca.build_red(), "one"), 1);
}

#[test]
fn the_next_attempt_is_told_what_the_last_one_failed_on() {
    let orca = agent(
        "cat > \"$TMPDIR/p\"; if grep -q 'The last attempt failed' \"$TMPDIR/p\"; then cp \"$TMPDIR/p\" out; \
         else echo the reason is 4711; exit 1; fi",
        "",
    );
    assert_eq!(attempts(&orca.build(), "one"), 2);
    assert!(orca.read("out").contains("the reason is 4711"), "{}", orca.read("out"));
}

#[test]
fn the_next_attempt_is_told_what_a_gate_said() {
    let orca = agent(
        "if sed '1,/The last attempt failed/d' | grep -q 'make it green'; then echo green > out; else echo red > out; fi",
        "[gates.colour]\nrun = \"grep green out || { echo please make it green; exit 1; }\"",
    );
    orca.replace("orca.toml", "outputs = [\"out\"]", "outputs = [\"out\"]\ngates = [\"colour\"]");
    assert_eq!(attempts(&orca.build(), "one"), 2);
    assert_eq!(orca.read("out"), "green\n");
}

// Surroundings.

#[test]
fn the_environment_is_cleared() {
    let mut orca = one("env | cut -d= -f1 | sort > out", "outputs = [\"out\"]\nenv = { GIVEN = \"1\" }");
    orca.set_env("LEAK", "1").set_env("LC_ALL", "C");
    orca.build();
    let known = ["GIVEN", "HOME", "PATH", "PWD", "TMPDIR", "OLDPWD", "SHLVL", "_"];
    let text = orca.read("out");
    let unknown: Vec<&str> = text.lines().filter(|name| !known.contains(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn a_passed_variable_is_in_the_key_and_unset_is_not_empty() {
    let mut orca = one("echo \"${CI-unset}\" > out", "outputs = [\"out\"]\npass_env = [\"CI\"]");
    orca.build().ran(["one"]);
    assert_eq!(orca.read("out"), "unset\n");
    orca.set_env("CI", "").build().ran(["one"]);
    assert_eq!(orca.read("out"), "\n");
    orca.set_env("CI", "yes").build().ran(["one"]);
    assert_eq!(orca.read("out"), "yes\n");
}

#[test]
fn a_tool_is_its_content() {
    let mut orca = one("tool > out", "outputs = [\"out\"]\ntools = [\"tool\"]");
    let bin = orca.root().parent().expect("it lies in its world").join("bin");
    fs::create_dir(&bin).expect("it is new");
    let tool = bin.join("tool");
    let install = |text: &str| {
        fs::write(&tool, format!("#!/bin/sh\necho {text}\n")).expect("a file");
        fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("it is ours");
    };
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("tests have a PATH"));
    orca.set_env("PATH", path);
    orca.build_red().failed(["one"]);
    install("first");
    orca.build().ran(["one"]);
    install("first");
    orca.build().ran([]);
    install("other");
    orca.build().ran(["one"]);
    assert_eq!(orca.read("out"), "other\n");
}

#[test]
fn scratch_is_kept_between_runs_and_never_published() {
    let orca = one("echo x >> s/deep/count; wc -l < s/deep/count > out", "outputs = [\"out\"]\nscratch = [\"s/deep\"]");
    for run in 1..4 {
        orca.build_args(["--force"]).green().ran(["one"]);
        assert_eq!(orca.read("out").trim(), run.to_string());
    }
    assert!(!orca.exists("s"));
}

#[test]
fn force_runs_what_is_asked_for_whatever_its_key_says() {
    let orca = Project::new(
        "[tasks.a]\nrun = 'echo 1 > a'\noutputs = [\"a\"]\n[tasks.b]\nrun = 'cat a > b'\ninputs = [\"a\"]\noutputs = [\"b\"]\n",
    );
    orca.build();
    orca.build_args(["--force", "b"]).green().ran(["b"]).cached(["a"]);
    orca.build_args(["--force"]).green().ran(["a", "b"]);
}

// Powers and secrets.

#[test]
fn the_network_needs_consent() {
    let orca = one("echo 1 > out", "outputs = [\"out\"]\nnetwork = true");
    orca.orca(["build"]).exits(4).prints(["`one` reaches the network", "orca trust"]);
    assert!(!orca.exists("out"));
    orca.trust().build().ran(["one"]);
    orca.append("orca.toml", "[tasks.two]\nrun = 'echo 2'\nnetwork = true\n");
    orca.orca(["build"]).exits(4).prints(["`two` reaches the network"]);
}

#[test]
fn an_output_that_holds_a_secret_is_refused_and_not_kept() {
    let secret = "hunter2-and-a-half";
    for script in ["echo \"key = $TOKEN\" > out", "ln -s $TOKEN out", "mkdir -p out; echo $TOKEN > out/deep"] {
        let mut orca = agent(script, "");
        if script.contains("out/") {
            orca.replace("orca.toml", "outputs = [\"out\"]", "outputs = [\"out/**\"]");
        }
        orca.replace("orca.toml", "[tasks.one]", "secrets = [\"TOKEN\"]\n[tasks.one]");
        orca.set_env("TOKEN", secret).trust();
        let red = orca.build_red();
        assert_eq!(red.failure("one").kind, FailureKind::UndeclaredWrite, "{script}");
        assert_eq!(red.failure("one").message, "an output holds the value of the secret `TOKEN`");
        assert!(!orca.exists("out"));
        let world = orca.root().parent().expect("it lies in its world");
        assert_eq!(holders(world, secret.as_bytes()), Vec::<String>::new(), "{script}");
    }
}

#[test]
fn a_secret_that_is_not_set_is_said_and_no_failure() {
    let orca = agent("echo \"[$TOKEN]\" > out", "");
    orca.replace("orca.toml", "[tasks.one]", "secrets = [\"TOKEN\"]\n[tasks.one]").trust();
    let told = orca.orca(["build"]).exits(0);
    let message = "warning: `one`: the secret `TOKEN` of the agent `a` is not set where orca runs";
    assert_eq!(told.stderr.matches(message).count(), 1, "{}", told.transcript());
    assert!(!orca.orca(["build"]).exits(0).stderr.contains("TOKEN"), "nothing runs, nothing is missing");
}

#[test]
fn secrets_are_masked_and_nowhere_on_disk() {
    let secret = "hunter2-and-a-half";
    let mut orca = agent("cat > /dev/null; echo \"the token is $TOKEN\"; echo fine > out; exit $CODE", "");
    orca.replace("orca.toml", "[tasks.one]", "secrets = [\"TOKEN\"]\nenv = { CODE = \"0\" }\n[tasks.one]");
    orca.set_env("TOKEN", secret).trust();
    for code in ["\"0\"", "\"1\""] {
        orca.replace("orca.toml", "CODE = \"0\"", &format!("CODE = {code}"));
        let build = orca.build_args([]);
        assert!(build.output.stdout.contains("the token is ***"), "{}", build.output.transcript());
        assert!(!build.output.transcript().contains(secret));
        orca.orca(["log", "one"]).exits(0).prints(["the token is ***"]);
        let world = orca.root().parent().expect("it lies in its world");
        assert_eq!(holders(world, secret.as_bytes()), Vec::<String>::new());
    }
    assert_eq!(orca.set_env("TOKEN", "another-one").build_args([]).because("one"), "it failed the last time: exit 1");
}

/// The files beneath a directory that hold these bytes.
fn holders(directory: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry")) {
        let path = entry.path();
        let kind = entry.file_type().expect("it has one");
        if kind.is_dir() {
            found.extend(holders(&path, bytes));
        } else if kind.is_file()
            && fs::read(&path).is_ok_and(|text| text.windows(bytes.len()).any(|part| part == bytes))
        {
            found.push(path.display().to_string());
        }
    }
    found
}

// The tasks that have nothing to show but their log.

#[test]
fn a_cached_check_shows_its_log_again() {
    let orca = one("echo all is well", "");
    orca.build().ran(["one"]);
    let again = orca.build();
    again.ran([]);
    assert!(matches!(again.outcome("one"), Outcome::Cached { restored: 0, .. }));
    assert!(again.output.stdout.contains("all is well"), "{}", again.output.transcript());
}
