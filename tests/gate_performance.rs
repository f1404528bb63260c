//! The check `performance` with real commands: slower, noisy, over budget, broken.
//!
//! What is measured sleeps, or works, for a time that stands in a file: the base holds another than the result.
#![expect(clippy::disallowed_methods, reason = "reads what a measured command left for the test")]

mod support;

use orca::base::Severity;
use orca::event::{Event, GateFinding};
use support::{Build, Project, hands};

/// A task that changes `speed` from one text to another, and a gate that measures what `bench.sh` does with it.
fn project(keys: &str, from: &str, to: &str, bench: &str) -> Project {
    let gate = format!(
        "[gates.speed]\ncheck = \"performance\"\ncommand = [\"sh\", \"bench.sh\"]\ninputs = [\"bench.sh\"]\n{keys}\n\n"
    );
    let task = hands::edits_with("change", "\"speed\"", &format!("printf '{to}' > speed"), "gates = [\"speed\"]\n");
    let mut project = Project::new(&(gate + &hands::plan(&task)));
    hands::without_sandbox(&mut project);
    project.write("bench.sh", bench).write("speed", from);
    project
}

/// What the gate said: its verdict, its sentence, and its findings.
fn said(build: &Build) -> (String, String, Vec<GateFinding>) {
    let said = build.events.iter().rev().find_map(|event| match event {
        Event::GateJudged { gate, verdict, message, findings, .. } if gate.as_str() == "speed" => {
            Some((verdict.clone(), message.clone(), findings.clone()))
        }
        _ => None,
    });
    said.unwrap_or_else(|| panic!("the gate did not judge\n{}", build.output.transcript()))
}

#[track_caller]
fn found(build: &Build, verdict: &str, rules: &[&str]) -> String {
    let (said, message, findings) = said(build);
    let found: Vec<&str> = findings.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!((said.as_str(), &found[..]), (verdict, rules), "{message}\n{}", build.output.transcript());
    message
}

const SLEEP: &str = "sleep $(cat speed)";

#[test]
fn a_result_that_takes_twice_as_long_is_red_with_the_numbers() {
    let orca = project("", "0.10", "0.20", SLEEP);
    let red = orca.build_red();
    let message = found(&red, "failed", &["performance/regression"]);
    for part in ["x of base, 95 % CI ", ", 10 pairs, wall "] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(orca.read("speed"), "0.10", "it is not published");
    let details = &red.failure("change").details;
    assert!(details[0].contains("slower than the base by more than 10 %"), "{details:?}");
}

#[test]
fn a_result_that_is_as_fast_is_green_and_not_measured_twice() {
    let orca = project("runs = 6\nmax_regression = 40", "0.20", "0.205", &format!("echo x >> \"$COUNT\"; {SLEEP}"));
    let count = orca.path("../count");
    orca.replace("orca.toml", "runs = 6", &format!("runs = 6\nenv = {{ COUNT = \"{}\" }}", count.display()));
    let green = orca.build();
    found(&green, "passed", &[]);
    let runs = || std::fs::read_to_string(&count).expect("it was measured").lines().count();
    assert_eq!(runs(), 14, "a warm-up and six runs of each side");
    assert!(!orca.build().events.iter().any(|event| matches!(event, Event::GateJudged { .. })));
    // Another limit is another question, and the body does not run for it.
    orca.replace("orca.toml", "max_regression = 40", "max_regression = 60");
    orca.build().ran([]);
    assert_eq!(runs(), 28);
}

#[test]
fn a_sandbox_is_no_part_of_the_measure() {
    let orca = project("runs = 2\nbudget = \"2s\"\nmax_regression = 100", "1", "2", "echo evil > speed; sleep 0.01");
    let mut sandboxed = orca.clean_room([]);
    sandboxed.set_env("LC_ALL", "C");
    let (verdict, message, _) = said(&sandboxed.build());
    assert!(["passed", "warning"].contains(&verdict.as_str()) && message.contains("2 pairs"), "{verdict}: {message}");
    assert_eq!(sandboxed.read("speed"), "2", "what a measured command writes reaches nobody");
}

#[test]
fn noise_is_a_warning() {
    // Every second run takes three times as long.
    let bench = "n=$(cat \"$TMPDIR/n\" 2>/dev/null || echo 0); echo $((n + 1)) > \"$TMPDIR/n\"\n\
        case $(cat speed)$((n % 2)) in slow1) sleep 0.15 ;; *) sleep 0.05 ;; esac";
    let orca = project("", "fast", "slow", bench);
    let message = found(&orca.build(), "warning", &["performance/too-noisy"]);
    assert!(message.contains("10 pairs"), "{message}");
}

#[test]
fn budgets_hold_without_a_base() {
    // The base has nothing to measure.
    let bench = "[ \"$(cat speed)\" != 0 ] || exit 3; sleep $(cat speed)";
    let orca = project("runs = 2\nbudget = \"100ms\"", "0", "0.2", bench);
    let message = found(&orca.build_red(), "failed", &["performance/over-budget-wall"]);
    assert!(message.contains("fails on the base (exit 3): only budgets are judged"), "{message}");
    orca.replace("orca.toml", "100ms", "10s");
    found(&orca.build(), "passed", &[]);
    orca.replace("orca.toml", "budget = \"10s\"", "");
    let message = found(&orca.build(), "skipped", &[]);
    assert!(message.contains("no budget to judge by"), "{message}");
}

#[test]
fn cpu_time_is_that_of_all_processes() {
    let bench = "[ \"$(cat speed)\" = busy ] || exit 0\n\
        for n in 1 2; do ( i=0; while [ $i -lt 150000 ]; do i=$((i + 1)); done ) & done; wait";
    let orca = project("runs = 2\nmax_regression = 100\ncpu_budget = \"20ms\"", "idle", "busy", bench);
    let (verdict, message, findings) = said(&orca.build_red());
    assert!(findings.iter().any(|finding| finding.rule == "performance/over-budget-cpu"), "{verdict}: {message}");
    assert!(findings.iter().any(|finding| finding.rule == "performance/too-noisy"), "two pairs are too few: {message}");
}

#[test]
fn memory_is_that_of_all_processes_together() {
    let python = std::path::Path::new("/usr/bin/python3");
    if !python.exists() {
        return println!("skipped: /usr/bin/python3 is not here");
    }
    // Each of three children holds 40 MiB at the same time.
    let bench = "for n in 1 2 3; do /usr/bin/python3 -c \"import time; x = b'x' * ($(cat speed) << 20); time.sleep(0.4)\" & done; wait";
    let orca = project("runs = 1\nmax_regression = 100\nmemory_max = \"100MiB\"", "1", "40", bench);
    let (verdict, message, findings) = said(&orca.build_red());
    let over = findings.iter().find(|finding| finding.rule == "performance/over-budget-memory");
    assert!(over.is_some_and(|over| over.severity == Severity::Error), "{verdict}: {message}");
}

#[test]
fn the_size_of_what_a_result_brings_needs_no_command() {
    let orca = project("output_size_max = \"3B\"", "1", "1234", SLEEP);
    orca.replace("orca.toml", "command = [\"sh\", \"bench.sh\"]\n", "");
    found(&orca.build_red(), "failed", &["performance/over-budget-size"]);
    orca.replace("orca.toml", "3B", "4B");
    found(&orca.build(), "passed", &[]);
}

#[test]
fn a_command_that_the_result_breaks_is_a_finding_with_its_last_words() {
    let orca = project("", "good", "bad", "[ \"$(cat speed)\" = good ] || { echo cannot load; exit 7; }");
    let red = orca.build_red();
    let message = found(&red, "failed", &["performance/command-failed"]);
    assert!(message.contains("nothing was measured: exit 7"), "{message}");
    assert!(red.failure("change").details[0].contains("(exit 7): cannot load"));
    orca.replace("orca.toml", "\"sh\", \"bench.sh\"", "\"./no-such-program\"");
    let red = orca.build_red();
    found(&red, "error", &[]);
    assert!(red.failure("change").message.contains("could not be run"), "{:?}", red.failure("change"));
}

#[test]
fn every_run_starts_from_the_same_files() {
    // It counts its runs in a file of the tree, and is slower for each: only fresh trees make them alike.
    let bench = "n=$(($(wc -l < log) + 0)); echo run >> log; [ $n -eq 1 ] || { echo \"run $n\"; exit 9; }; sleep 0.02";
    let orca = project("runs = 6\nmax_regression = 100", "1", "2", bench);
    orca.replace("orca.toml", "inputs = [\"bench.sh\"]", "inputs = [\"bench.sh\", \"log\"]").write("log", "first\n");
    found(&orca.build(), "passed", &[]);
    assert_eq!(orca.read("log"), "first\n", "nothing of it reaches the project");
}
