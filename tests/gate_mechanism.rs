//! Gates as nodes of their own: what judges again when, how many at a time, and what is shown of it.

#![expect(clippy::disallowed_methods, reason = "a gate that looks at the clock is told a time")]

mod support;

use std::collections::BTreeSet;

use orca::event::Event;
use support::{Build, Project};

/// Which gates judged which tasks anew.
fn judged(build: &Build) -> BTreeSet<(String, String)> {
    let judged = build.events.iter().filter_map(|event| match event {
        Event::GateJudged { task: Some(task), gate, cached: false, .. } => Some((task.to_string(), gate.to_string())),
        _ => None,
    });
    judged.collect()
}

/// Fifty tasks in ten rows; the even ones have the gate `even`, all have the gate `every`.
fn fifty() -> Project {
    // Two definitions, or one of them could reuse the verdict of the other.
    let mut plan = "[gates.even]\nrun = \"true\"\n[gates.every]\nrun = \"true # every\"\n".to_owned();
    for nth in 0..50 {
        let gates = if nth % 2 == 0 { "[\"even\", \"every\"]" } else { "[\"every\"]" };
        let inputs = if nth < 5 { "\"in\"".to_owned() } else { format!("\"out/{}\"", nth - 5) };
        plan.push_str(&format!(
            "[tasks.t{nth}]\nrun = 'mkdir -p out; cat {} > out/{nth}'\ninputs = [{inputs}]\noutputs = [\"out/{nth}\"]\n\
             gates = {gates}\n",
            inputs.trim_matches('"'),
        ));
    }
    let orca = Project::new(&plan);
    orca.write("in", "1\n");
    orca
}

#[test]
fn a_changed_gate_of_fifty_tasks_judges_those_that_have_it_and_nothing_runs() {
    let orca = fifty();
    assert_eq!(judged(&orca.build()).len(), 75);
    let second = orca.build();
    second.ran([]);
    assert_eq!(judged(&second).len(), 0, "a second build judges nothing");

    orca.replace("orca.toml", "[gates.even]\nrun = \"true\"", "[gates.even]\nrun = \"true # changed\"");
    let third = orca.build();
    third.ran([]);
    let even: BTreeSet<(String, String)> =
        (0..50).step_by(2).map(|nth| (format!("t{nth}"), "even".to_owned())).collect();
    assert_eq!(judged(&third), even);
    assert_eq!(judged(&orca.build()).len(), 0);
}

/// When the commands of two gates of one result ran, by their own clocks, in nanoseconds.
fn spans(jobs: u32) -> Vec<(u64, u64)> {
    let gate = |name: &str| format!("[gates.{name}]\nrun = \"date +%s%N; sleep 0.5; date +%s%N; exit 1\"\n");
    let orca = Project::new(&format!(
        "[limits]\njobs = {jobs}\n{}{}[tasks.one]\nrun = \"echo 1 > out\"\noutputs = [\"out\"]\ngates = [\"a\", \"b\"]\n",
        gate("a"),
        gate("b")
    ));
    let red = orca.build_red();
    let spans = red.events.iter().filter_map(|event| match event {
        Event::GateJudged { details, .. } => {
            let times: Vec<u64> = details.iter().map(|line| line.parse().expect("a time")).collect();
            Some((times[0], times[1]))
        }
        _ => None,
    });
    spans.collect()
}

#[test]
fn gates_of_one_result_run_at_the_same_time_where_there_are_slots() {
    let overlap = |spans: &[(u64, u64)]| spans[0].0 < spans[1].1 && spans[1].0 < spans[0].1;
    assert!(overlap(&spans(4)), "both run at once");
    assert!(!overlap(&spans(1)), "there is one slot, and it is the task's");
}

#[test]
fn gates_judge_again_without_running_a_task() {
    let orca = Project::new(
        "[gates.good]\nrun = \"cat out; ! grep -q bad out\"\n[tasks.one]\nrun = 'echo good > out'\noutputs = [\"out\"]\n\
         gates = [\"good\"]\n[tasks.two]\nrun = 'cat out > two'\ninputs = [\"out\"]\noutputs = [\"two\"]\n",
    );
    let early = orca.orca(["gate"]).exits(1);
    assert!(early.stderr.contains("no result to judge: orca build one"), "{}", early.transcript());
    assert!(!orca.exists("out"), "nothing ran");
    orca.build().ran(["one", "two"]);
    let again = orca.orca(["gate", "-v"]).exits(0);
    assert!(again.stderr.contains("good of one: passed"), "{}", again.transcript());
    assert!(again.stderr.contains("good: 1 green verdict, 0 red verdicts"), "{}", again.transcript());

    // A red result is judged as well: the gate is changed, and nothing runs.
    orca.replace("orca.toml", "! grep -q bad out", "grep -q bad out");
    orca.orca(["gate", "one"]).exits(1);
    orca.orca(["gate", "--gate", "none"]).exits(2);
    orca.replace("orca.toml", "grep -q bad out", "grep -q good out");
    orca.orca(["gate", "one"]).exits(0);
    orca.build().ran([]);
}

/// The gate is green until a certain second, so that nothing but the time tells its two verdicts apart.
#[test]
fn a_red_verdict_given_again_counts() {
    let now_s = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs();
    let end_s = now_s() + 6;
    let orca = Project::new(&format!(
        "[gates.fickle]\nrun = \"test $(date +%s) -lt {end_s}\"\n\
         [tasks.one]\nrun = 'echo good > out'\noutputs = [\"out\"]\ngates = [\"fickle\"]\n"
    ));
    orca.build().ran(["one"]);
    while now_s() < end_s {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    orca.build().ran([]);
    orca.orca(["gate", "--known"]).exits(0);
    orca.orca(["gate"]).exits(1);
    let status = orca.orca(["status"]).exits(0);
    assert!(status.stdout.contains("the gate `fickle` is red on its last result"), "{}", status.transcript());
}

#[test]
fn a_graph_shows_gates_and_what_they_say() {
    let orca = Project::new(
        "[gates.good]\nrun = \"true\"\n[tasks.one]\nrun = 'echo good > out'\noutputs = [\"out\"]\ngates = [\"good\"]\n",
    );
    let said = |format: &str, verdict: &str| {
        let drawn = orca.orca(["graph", "--format", format]).exits(0);
        assert!(drawn.stdout.contains("good") && drawn.stdout.contains(verdict), "{}", drawn.transcript());
    };
    for (format, verdict) in
        [("tree", "gates: good not judged yet"), ("dot", "good: not judged yet"), ("json", "not judged yet")]
    {
        said(format, verdict);
    }
    orca.build().ran(["one"]);
    for (format, verdict) in
        [("tree", "gates: good passed"), ("dot", "good: passed"), ("mermaid", "passed"), ("json", "passed")]
    {
        said(format, verdict);
    }
}
