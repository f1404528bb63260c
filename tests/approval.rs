//! `approval = true`: what every gate agrees to waits for a person, is not paid for twice, and counts for nothing before that.
#![expect(clippy::disallowed_methods, reason = "types at a terminal that `script` makes")]

mod support;

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use orca::event::{Event, Outcome};
use serde_json::{Value, json};
use support::{Build, Output, Project, by_hands, has_tool, with_hands};

const TEN: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";

fn login(text: &str) -> String {
    let keys = "edits = ['a.txt']\noutputs = ['o.txt']\napproval = true\ngates = ['fine']";
    by_hands("login", keys, &format!("sed -i 's/^2$/{text}/' a.txt; echo {text} > o.txt"))
}

fn below() -> String {
    "[tasks.below]\nrun = 'cat o.txt > below.txt'\ninputs = ['o.txt']\noutputs = ['below.txt']\n\n\
     [tasks.beside]\nrun = 'echo > beside.txt'\noutputs = ['beside.txt']\n\n[gates.fine]\nrun = 'test -s o.txt'\n"
        .to_owned()
}

fn project() -> Project {
    let orca = Project::new(&with_hands(&[login("two"), below()]));
    orca.write("a.txt", TEN);
    orca
}

#[track_caller]
fn waits(build: &Build, task: &str) {
    assert!(matches!(build.outcome(task), Outcome::AwaitsApproval { files: 2 }), "{}", build.output.transcript());
}

fn attempts(build: &Build) -> usize {
    build.events.iter().filter(|event| matches!(event, Event::TaskStarted { .. })).count()
}

#[track_caller]
fn json_of<const N: usize>(orca: &Project, args: [&str; N]) -> Value {
    serde_json::from_str(&orca.orca(args).exits(0).stdout).expect("JSON")
}

#[test]
fn a_result_waits_and_is_integrated_once_approved_without_a_run() {
    let orca = project();
    let held = orca.build_red();
    waits(&held, "login");
    // What does not depend on it goes on, also without -k.
    held.ran(["beside"]).skipped(["below"]).failed([]);
    let finished = |event: &Event| matches!(event, Event::RunFinished { ok: false, awaits_approval: 1, failed: 0, .. });
    assert!(held.events.iter().any(finished));
    assert!(held.output.stdout.contains("`login` waits for approval"));
    assert_eq!(orca.read("a.txt"), TEN);
    assert!(!orca.exists("o.txt"));

    assert_eq!(json_of(&orca, ["status", "--json"])["awaits_approval"], json!(["login"]));
    orca.orca(["status"]).exits(0).prints(["login: orca diff login, orca approve login"]);
    orca.orca(["build", "-n"]).exits(0).prints(["hold login", "1 would wait for approval"]);
    orca.orca(["explain", "login"]).exits(0).prints(["would not run: its result waits for approval"]);
    let wanted = json_of(&orca, ["diff", "login", "--json"]);
    assert_eq!((&wanted["result"], &wanted["files"][0]["path"]), (&json!("awaits-approval"), &json!("a.txt")));
    let typed = orca.orca(["build"]).exits(1);
    typed.prints(["waiting: 1 cached, 1 skipped", "1 waits for approval: orca diff login, orca approve login"]);

    // It waits again, and nobody is paid again.
    let again = orca.build_red();
    waits(&again, "login");
    assert_eq!(attempts(&again), 0);

    orca.orca(["approve", "login"]).exits(0).prints(["login: approved (2 files)", "orca build"]);
    orca.orca(["approve", "login"]).exits(0).prints(["approved already"]);
    assert!(orca.orca(["build", "-n"]).exits(0).stdout.contains("restore login"));
    orca.build().ran(["below"]).cached(["login", "beside"]);
    assert_eq!((orca.read("a.txt"), orca.read("below.txt")), (TEN.replace("2\n", "two\n"), "two\n".to_owned()));
    orca.build().ran([]);
    orca.orca(["approve", "login"]).exits(0).prints(["in the project already"]);
    assert_eq!(json_of(&orca, ["status", "--json"])["awaits_approval"], json!([]));
}

#[test]
fn an_approval_is_of_one_result() {
    let orca = project();
    orca.build_red();
    orca.orca(["approve", "login"]).exits(0);
    // Before it is built, the task changes: nobody has seen what it does now.
    orca.write("orca.toml", with_hands(&[login("zwei"), below()]));
    orca.orca(["approve", "login"]).exits(4).prints(["no result of `login` waits for approval"]);
    waits(&orca.build_red(), "login");
    assert_eq!(orca.read("a.txt"), TEN);
    orca.orca(["approve", "login"]).exits(0);
    orca.build();
    assert_eq!(orca.read("o.txt"), "zwei\n");
    // The result that is in the project stays there while the next one waits.
    orca.write("orca.toml", with_hands(&[login("due"), below()]));
    waits(&orca.build_red(), "login");
    assert_eq!(orca.read("o.txt"), "zwei\n");
    // Back where it was, what was approved then is approved.
    orca.write("orca.toml", with_hands(&[login("zwei"), below()])).build().ran([]);
}

#[test]
fn what_is_rejected_runs_again_and_says_so() {
    let orca = project();
    orca.build_red();
    orca.orca(["approve", "login", "--reject"])
        .exits(0)
        .prints(["rejected (2 files)", "runs `login` again, which costs"]);
    orca.orca(["build", "-n"]).exits(0).prints(["run login: its last result was rejected by hand"]);
    assert_eq!(json_of(&orca, ["diff", "login", "--json"])["result"], "refused");
    let again = orca.build_red();
    assert_eq!(again.because("login"), "its last result was rejected by hand");
    waits(&again, "login");
    // The same result was brought once more: it waits once more, and is not run in a circle.
    assert_eq!(attempts(&orca.build_red()), 0);
    orca.orca(["approve", "login"]).exits(0);
    orca.build().ran(["below"]);
    orca.orca(["approve", "login", "--reject"]).exits(4).prints(["is in the project", "orca undo"]);
}

#[test]
fn the_result_is_there_whatever_becomes_of_the_cache() {
    let orca = project();
    orca.build_red();
    std::fs::remove_dir_all(orca.cache()).expect("it is ours");
    // Verdicts are gone with it: gates judge again, the agent does not run again.
    let held = orca.build_red();
    waits(&held, "login");
    orca.orca(["approve", "login"]).exits(0);
    std::fs::remove_dir_all(orca.cache()).expect("it is ours");
    orca.build().ran(["below"]);
    assert_eq!(orca.read("o.txt"), "two\n");
}

#[test]
fn another_checkout_is_asked_as_well() {
    let orca = project();
    orca.build_red();
    orca.orca(["approve", "login"]).exits(0);
    orca.build();
    let other = orca.checkout(["o.txt", "below.txt", "beside.txt"]);
    other.write("a.txt", TEN);
    let held = other.build_red();
    waits(&held, "login");
    assert_eq!(attempts(&held), 0);
    other.orca(["approve", "login"]).exits(0);
    other.build().ran([]);
    // Also where nothing was built yet.
    let third = orca.checkout(["o.txt", "below.txt", "beside.txt"]);
    third.write("a.txt", TEN).orca(["approve", "login"]).exits(0);
    third.build().ran([]);
}

#[test]
fn a_forced_run_waits_with_its_new_result() {
    let tick = by_hands("tick", "outputs = ['t.txt']\napproval = true", "date +%s%N > t.txt");
    let orca = Project::new(&with_hands(&[tick]));
    orca.build_red();
    orca.orca(["approve", "tick"]).exits(0);
    orca.build();
    let first = orca.read("t.txt");
    let forced = orca.build_args(["--force"]).red();
    assert!(matches!(forced.outcome("tick"), Outcome::AwaitsApproval { .. }));
    assert_eq!(orca.read("t.txt"), first);
    orca.build_red();
    orca.orca(["approve", "tick"]).exits(0);
    orca.build().ran([]);
    assert_ne!(orca.read("t.txt"), first);
    orca.build().ran([]);
}

#[test]
fn a_red_gate_is_red_and_asks_nobody() {
    let orca = Project::new(&with_hands(&[login("two"), below().replace("test -s o.txt", "false")]));
    orca.write("a.txt", TEN).build_red().failed(["login"]);
    orca.orca(["approve", "login"]).exits(4);
}

#[test]
fn commands_and_checks_can_want_approval_too() {
    let orca = Project::new(
        "[tasks.deploy]\nrun = 'echo checked'\napproval = true\n\n[tasks.made]\nrun = 'echo a > a'\noutputs = ['a']\napproval = true\n",
    );
    let held = orca.build_red();
    assert!(matches!(held.outcome("deploy"), Outcome::AwaitsApproval { files: 0 }));
    orca.orca(["approve", "deploy", "made"]).exits(0);
    orca.build().ran([]).cached(["deploy", "made"]);
    assert_eq!(orca.read("a"), "a\n");
}

#[test]
fn undoing_a_run_withdraws_its_approval() {
    let orca = project();
    orca.build_red();
    orca.orca(["approve", "login"]).exits(0);
    orca.build();
    orca.orca(["undo", "--yes"]).exits(0);
    assert_eq!(orca.read("a.txt"), TEN);
    let held = orca.build_red();
    waits(&held, "login");
    assert_eq!(attempts(&held), 0);
}

// At a terminal.

/// `orca build ARGS` at a terminal.
fn script(orca: &Project, args: &str) -> Command {
    let plain = orca.command();
    let line = format!("{} build {args}", plain.get_program().display());
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(orca.root()).env_clear();
    script.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", "dumb");
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    script
}

/// `orca build ARGS` at a terminal, with `typed` on its keyboard.
fn at_terminal(orca: &Project, args: &str, typed: &str) -> Output {
    let mut child = script(orca, args).spawn().expect("it runs");
    let mut keyboard = child.stdin.take().expect("piped");
    keyboard.write_all(typed.as_bytes()).expect("it listens");
    let ended = child.wait_with_output().expect("it ends");
    drop(keyboard);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let line = format!("orca build {args}");
    Output { line, status: ended.status, stdout: text(ended.stdout), stderr: text(ended.stderr) }
}

#[test]
fn at_a_terminal_the_person_is_asked_and_sees_the_difference() {
    if !has_tool("script", "at_a_terminal_the_person_is_asked_and_sees_the_difference") {
        return;
    }
    let orca = project();
    let no = at_terminal(&orca, "", "n\n").exits(1);
    no.prints(["login: its result waits for approval", "a.txt | changed +1 -1", "put it into the project? [y/N/d]"]);
    assert_eq!(orca.read("a.txt"), TEN);
    let yes = at_terminal(&orca, "", "d\ny\n").exits(0);
    yes.prints(["+two", "put it into the project? [y/N/d]"]);
    assert_eq!((orca.read("a.txt"), orca.read("below.txt")), (TEN.replace("2\n", "two\n"), "two\n".to_owned()));
    orca.build().ran([]);
}

#[test]
fn a_question_does_not_make_it_deaf_to_ctrl_c() {
    if !has_tool("script", "a_question_does_not_make_it_deaf_to_ctrl_c") {
        return;
    }
    let orca = project();
    let mut child = script(&orca, "").spawn().expect("it runs");
    let mut screen = child.stdout.take().expect("piped");
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("[y/N/d]") {
        let mut chunk = [0; 1024];
        let count = screen.read(&mut chunk).expect("it is open");
        assert!(count > 0, "it did not ask: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&chunk[..count]);
    }
    let since = Instant::now();
    child.stdin.as_mut().expect("piped").write_all(b"\x03").expect("it listens");
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    assert!(since.elapsed() < Duration::from_secs(8), "it took {:?}", since.elapsed());
    waits(&orca.build_red(), "login");
}

#[test]
fn step_asks_before_each_layer_of_agents() {
    if !has_tool("script", "step_asks_before_each_layer_of_agents") {
        return;
    }
    let first = by_hands("first", "outputs = ['f.txt']", "echo first > f.txt");
    let second = by_hands("second", "outputs = ['s.txt']\ndeps = ['first']", "cat f.txt > s.txt");
    let orca = Project::new(&with_hands(&[first, second]));
    let stopped = at_terminal(&orca, "--step", "y\nn\n").exits(1);
    stopped.prints(["layer 1: first", "layer 2: second"]);
    assert!(orca.exists("f.txt") && !orca.exists("s.txt"));
    at_terminal(&orca, "--step", "y\n").exits(0).prints(["layer 2: second"]);
    assert_eq!(orca.read("s.txt"), "first\n");
}
