//! `orca graph`: what it draws, of what, and that pipes may close.

mod support;

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;
use support::{Fixture, Project};

#[test]
fn it_draws_states_layers_and_numbers() {
    let mut orca = Fixture::open("eight-tasks");
    orca.set_env("UNIT", "0");
    orca.build();
    orca.append("work.sh", "# more\n");
    let output = orca.orca(["graph"]).exits(0);
    for text in ["layer 1 (", "layer 3 (", "dirty", "waits", "8 tasks in 3 layers", "one by one", "parallel share"] {
        assert!(output.stdout.contains(text), "no `{text}`\n{}", output.transcript());
    }
    assert!(output.stdout.lines().all(|line| line.chars().count() <= 100), "{}", output.transcript());
    orca.orca(["graph", "--critical-path"]).exits(0).prints(["critical path (3 tasks)"]);
    orca.orca(["graph", "--layers"]).exits(0).prints(["layer 1 ("]);
    orca.orca(["graph", "--format", "dot"]).exits(0).prints(["digraph"]);
    orca.orca(["graph", "--format", "mermaid"]).exits(0).prints(["flowchart"]);
}

#[test]
fn as_data_it_has_states_and_reasons() {
    let orca = Fixture::open("quickstart");
    orca.build();
    orca.append("texts/tide.txt", "more\n");
    let output = orca.orca(["graph", "--format", "json", "+report"]).exits(0);
    let value: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let tasks = value["tasks"].as_array().expect("a list");
    let state = |name: &str| tasks.iter().find(|task| task["name"] == name).map(|task| task["state"].clone());
    assert_eq!(value["v"], 1);
    assert_eq!(tasks.len(), 3);
    assert_eq!(state("count-harbour"), Some("clean".into()));
    assert_eq!(state("count-tide"), Some("dirty".into()));
    assert_eq!(state("report"), Some("waits".into()));
    assert_eq!(state("check"), None);
    assert_eq!(output.stdout, orca.orca(["graph", "--json", "+report"]).exits(0).stdout);
}

#[test]
fn of_a_plan_that_must_be_mended_it_draws_what_there_is() {
    let orca = Project::new("[tasks.a]\nrun = \"true\"\ndeps = [\"b\"]\n[tasks.b]\nrun = \"true\"\ndeps = [\"a\"]\n");
    orca.orca(["graph"]).exits(3).prints(["closes a circle", "cycle"]);
}

#[test]
fn a_reader_that_goes_away_is_no_reason_to_panic() {
    let plan: String = (0..3_000).map(|n| format!("[tasks.t{n}]\nrun = \"true\"\n")).collect();
    let orca = Project::new(&plan);
    for args in [["graph"].as_slice(), &["graph", "--json"], &["build", "-n"], &["schema"], &["status", "--json"]] {
        let mut child =
            orca.command().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("orca starts");
        let mut first = String::new();
        let mut reader = BufReader::with_capacity(64, child.stdout.take().expect("piped"));
        reader.read_line(&mut first).expect("a line");
        drop(reader);
        let output = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), stderr.as_ref()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn a_full_disk_is_no_success() {
    let orca = Fixture::open("quickstart");
    let full = OpenOptions::new().write(true).open("/dev/full").expect("Linux has one");
    let status = orca.command().arg("graph").stdout(full).stderr(Stdio::null()).status().expect("orca starts");
    assert_eq!(status.code(), Some(4));
}

#[test]
fn layers_count_from_one_for_people_and_guesses_are_named() {
    let orca = Fixture::open("quickstart");
    orca.orca(["graph"]).exits(0).prints(["layer 1 (", "durations of 5 tasks are guessed"]);
    orca.build();
    let drawn = orca.orca(["graph"]).exits(0);
    assert!(!drawn.stdout.contains("guessed") && !drawn.stdout.contains("layer 0"), "{}", drawn.transcript());
    orca.orca(["report"]).exits(0).prints(["layer 1: "]);
    let value: Value = serde_json::from_str(&orca.orca(["graph", "--json"]).exits(0).stdout).expect("JSON");
    assert_eq!(value["tasks"][0]["layer"], 0, "for programs they count from zero");
}
