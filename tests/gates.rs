//! Gates that are commands: what is judged, when, and what follows.

mod support;

use orca::base::FailureKind;
use orca::event::{Event, GateFinding};
use support::hands::attempts;
use support::{Build, Project};

const PLAN: &str = "[gates.good]\nrun = [\"sh\", \"judge.sh\"]\ninputs = [\"judge.sh\"]\n\
    [tasks.one]\nrun = 'cat in > out'\ninputs = [\"in\"]\noutputs = [\"out\"]\ngates = [\"good\"]\n\
    [tasks.two]\nrun = 'cat out > two'\ninputs = [\"out\"]\noutputs = [\"two\"]\n";

fn project(judge: &str) -> Project {
    let orca = Project::new(PLAN);
    orca.write("judge.sh", judge).write("in", "fine\n");
    orca
}

/// `(gate, verdict, whether it was known)`, in order.
fn verdicts(build: &Build) -> Vec<(String, String, bool)> {
    let judged = build.events.iter().filter_map(|event| match event {
        Event::GateJudged { gate, verdict, cached, .. } => Some((gate.to_string(), verdict.clone(), *cached)),
        _ => None,
    });
    judged.collect()
}

fn verdict(word: &str, cached: bool) -> Vec<(String, String, bool)> {
    vec![("good".to_owned(), word.to_owned(), cached)]
}

#[test]
fn a_green_gate_accepts() {
    let orca = project("grep -q fine out && ! [ -e two ]");
    let first = orca.build();
    first.ran(["one", "two"]);
    assert_eq!(verdicts(&first), verdict("passed", false));
    orca.build().ran([]);
}

#[test]
fn a_red_gate_is_a_red_task() {
    let orca = project("echo not good enough; exit 1");
    let red = orca.build_red();
    red.failed(["one"]).skipped(["two"]);
    assert_eq!(red.failure("one").kind, FailureKind::Gate);
    assert_eq!(red.failure("one").details, ["not good enough"]);
    assert!(!orca.exists("out"), "nothing is published that a gate refused");
}

#[test]
fn a_changed_gate_judges_again_and_the_body_does_not_run() {
    let orca = project("true");
    orca.build();
    orca.write("judge.sh", "true # really");
    let again = orca.build();
    again.ran([]).cached(["one", "two"]);
    assert_eq!(verdicts(&again), verdict("passed", false));
    assert_eq!(verdicts(&orca.build()), [], "nothing is left to judge");

    orca.write("judge.sh", "false");
    orca.build_red().failed(["one"]).skipped(["two"]);
    orca.write("judge.sh", "true");
    orca.build().ran([]);
}

/// What a gate judges with counts: a verdict of the old compiler says nothing about the new one.
#[test]
fn another_toolchain_of_a_gate_judges_again() {
    let plan = |value: &str| {
        format!(
            "[toolchains.mine]\nenv = {{ WHICH = \"{value}\" }}\n[gates.good]\nrun = \"test $WHICH = good\"\n\
             toolchains = [\"mine\"]\n[tasks.one]\nrun = \"echo 1 > out\"\noutputs = [\"out\"]\ngates = [\"good\"]\n"
        )
    };
    let orca = Project::new(&plan("good"));
    orca.build().ran(["one"]);
    orca.write("orca.toml", plan("bad"));
    assert_eq!(verdicts(&orca.build_red()).first(), verdict("failed", false).first());
    orca.write("orca.toml", plan("good")).build().ran([]);
}

#[test]
fn a_gate_that_breaks_is_never_green_and_its_word_is_not_kept() {
    for judge in ["exit 127", "kill -9 $$", "no-such-program-anywhere"] {
        let orca = project(judge);
        assert_eq!(verdicts(&orca.build_red()), verdict("error", false), "{judge}");
        assert!(!orca.exists("out"));
        assert_eq!(verdicts(&orca.build_red()).last(), verdict("error", false).last(), "{judge}");
    }
}

/// A gate that broke says nothing of the result: nobody is paid for another one, and the next build judges this one.
#[test]
fn a_gate_that_breaks_is_no_reason_to_run_the_task_again() {
    let plan = "[gates.good]\nrun = [\"sh\", \"judge.sh\"]\ninputs = [\"judge.sh\"]\n\
        [tasks.one]\nrun = 'echo 1 > out'\noutputs = [\"out\"]\ngates = [\"good\"]\nretry = { attempts = 3 }\n";
    let orca = Project::new(plan);
    orca.write("judge.sh", "exit 127");
    let red = orca.build_red();
    assert_eq!((red.failure("one").kind, attempts(&red, "one")), (FailureKind::GateError, 1));
    orca.write("judge.sh", "exit 1");
    assert_eq!(attempts(&orca.build_red(), "one"), 3, "a verdict is one");
    let fresh = Project::new(plan);
    fresh.write("judge.sh", "exit 127").build_red();
    fresh.write("judge.sh", "exit 0").build().ran([]);
}

#[test]
fn a_gate_that_hangs_is_stopped() {
    let orca = project("sleep 1000");
    orca.replace("orca.toml", "inputs = [\"judge.sh\"]", "inputs = [\"judge.sh\"]\ntimeout = \"300ms\"");
    let red = orca.build_red();
    assert_eq!(verdicts(&red), verdict("error", false));
    assert!(red.failure("one").message.contains("timeout"), "{}", red.failure("one").message);
}

#[test]
fn a_disabled_gate_says_nothing() {
    let orca = project("false");
    orca.replace("orca.toml", "[gates.good]", "[gates.good]\nlevel = \"disabled\"");
    let build = orca.build();
    build.ran(["one", "two"]);
    assert_eq!(verdicts(&build), []);
}

#[test]
fn a_gate_cannot_change_what_it_judges() {
    let orca = project("echo forged > out; echo forged > in; echo more > stray");
    orca.build();
    assert_eq!(
        (orca.read("out"), orca.read("two"), orca.read("in")),
        ("fine\n".into(), "fine\n".into(), "fine\n".into())
    );
    assert!(!orca.exists("stray"));
}

#[test]
fn a_gate_whose_inputs_change_while_it_runs_is_not_quite_believed() {
    for (judge, word) in [
        ("cp list kept; : > list; cp kept list", "warning"),
        ("touch -d @0 list", "warning"),
        ("rm list", "warning"),
        ("echo new > more; cat list > /dev/null", "passed"),
    ] {
        let orca = project(judge);
        orca.write("list", "1\n").replace("orca.toml", "inputs = [\"judge.sh\"]", "inputs = [\"judge.sh\", \"list\"]");
        let build = orca.build();
        assert_eq!(verdicts(&build), verdict(word, false), "{judge}");
        let rules: Vec<&str> = build.events.iter().flat_map(findings).map(|finding| finding.rule.as_str()).collect();
        assert_eq!(rules, vec!["gate/inputs-changed"; usize::from(word == "warning")], "{judge}");
    }
    let orca = project("echo >> judge.sh");
    orca.replace("orca.toml", "[gates.good]", "[gates.good]\nlevel = \"strict\"").build_red().failed(["one"]);
    orca.replace("orca.toml", "level = \"strict\"", "level = \"strict\"\nignore = [\"gate/inputs-changed\"]").build();
}

fn findings(event: &Event) -> &[GateFinding] {
    match event {
        Event::GateJudged { findings, .. } => findings,
        _ => &[],
    }
}

#[test]
fn gates_of_the_plan_judge_the_integrated_tree() {
    let orca = project("true");
    let plan = format!(
        "[plan]\ngates = [\"whole\"]\n[gates.whole]\nrun = 'cat out two other/source in && ! grep bad other/source'\n{PLAN}"
    );
    orca.write("orca.toml", plan).write("other/source", "of nobody\n");
    let build = orca.build();
    assert!(verdicts(&build).contains(&("whole".to_owned(), "passed".to_owned(), false)), "{:?}", verdicts(&build));
    assert!(verdicts(&orca.build()).contains(&("whole".to_owned(), "passed".to_owned(), true)));

    orca.write("other/source", "bad\n");
    let red = orca.build_red();
    red.ran([]);
    assert!(verdicts(&red).contains(&("whole".to_owned(), "failed".to_owned(), false)), "{:?}", verdicts(&red));
    orca.write("other/source", "of nobody\n");
    orca.build().ran([]);
}

const OF_PLAN: &str = "[plan]\nname = \"p\"\ngates = [\"whole\"]\n\
    [gates.whole]\nrun = [\"sh\", \"-c\", \"cat judge out; grep -q fine judge\"]\n\
    [tasks.one]\nrun = 'cat in > out'\ninputs = [\"in\"]\noutputs = [\"out\"]\n";

#[test]
fn what_a_gate_of_the_plan_says_is_known_without_a_build() {
    let orca = Project::new(OF_PLAN);
    orca.write("in", "it is in\n").write("judge", "bad\n");
    let open = "judge gate whole of the plan";
    orca.orca(["build", "-n"]).exits(0).prints([open]);
    orca.orca(["status"]).exits(0).prints(["gates of the plan:\n  whole: not judged yet"]);

    let red = orca.build_red();
    let said = red.events.iter().find_map(|event| match event {
        Event::GateJudged { task: None, message, details, .. } => Some((message.clone(), details.clone())),
        _ => None,
    });
    assert_eq!(said, Some(("exit 1".to_owned(), vec!["bad".to_owned(), "it is in".to_owned()])));
    let told = orca.orca(["build"]).exits(1);
    assert!(told.stderr.contains("FAILED gate whole of the plan: exit 1\n       bad\n"), "{}", told.transcript());
    assert!(!told.stderr.contains("warning"), "{}", told.transcript());
    orca.orca(["build", "-n"]).exits(0).prints(["fail gate whole of the plan: failed: exit 1\n        bad\n"]);
    orca.orca(["status"]).exits(0).prints(["gates of the plan:\n  whole: failed: exit 1\n    bad\n"]);
    orca.orca(["graph"]).exits(0).prints(["gate whole of the plan: failed: exit 1"]);
    let graph: serde_json::Value = serde_json::from_str(&orca.orca(["graph", "--json"]).stdout).expect("JSON");
    assert_eq!(graph["plan_gates"][0]["verdict"], "failed");

    orca.write("judge", "fine\n");
    orca.orca(["build", "-n"]).exits(0).prints([open]);
    orca.build();
    let dry = orca.orca(["build", "-n"]).exits(0);
    assert!(!dry.stdout.contains("whole"), "{}", dry.transcript());
    orca.orca(["build", "-n", "-v"]).exits(0).prints(["nothing gate whole of the plan: passed"]);
    orca.orca(["graph"]).exits(0).prints(["gate whole of the plan: passed"]);
    orca.write("in", "more is in\n");
    orca.orca(["build", "-n"]).exits(0).prints(["run one", open]);
}

#[test]
fn what_a_gate_said_of_a_failed_attempt_is_told_though_the_next_one_passes() {
    let orca = Project::new(
        "[gates.good]\nrun = ['sh', '-c', 'echo second thoughts; grep -q 2 out']\n\
         [tasks.one]\nrun = 'echo x >> kept/n; wc -l < kept/n > out'\noutputs = ['out']\nscratch = ['kept']\n\
         gates = ['good']\nretry = { attempts = 2, on = ['gate'] }\n",
    );
    let told = orca.orca(["build"]).exits(0);
    let of_gate = "gate good of one: failed: exit 1\n       second thoughts\n";
    assert!(told.stderr.contains(of_gate), "{}", told.transcript());
    orca.orca(["log", "one", "--failed"]).exits(0).prints(["the gate `good` says failed: exit 1", "second thoughts"]);
    let value: serde_json::Value =
        serde_json::from_str(&orca.orca(["log", "one", "--failed", "--json"]).exits(0).stdout).expect("JSON");
    assert_eq!(value["details"][0], "second thoughts");
}

/// A command that writes a report with the given severity and exits so.
fn reporting(severity: &str, exit: u32, more: &str) -> Project {
    let result = format!(
        r#"{{"ruleId":"r","level":"{severity}","message":{{"text":"m"}},"locations":[{{"physicalLocation":{{"artifactLocation":{{"uri":"out"}},"region":{{"startLine":1}}}}}}]}}"#
    );
    let report =
        format!(r#"{{"version":"2.1.0","runs":[{{"tool":{{"driver":{{"name":"t"}}}},"results":[{result}]}}]}}"#);
    let orca = Project::new(&format!(
        "[gates.good]\nrun = \"cp made.json r.sarif; exit {exit}\"\ninputs = [\"made.json\"]\nreport = \"r.sarif\"\n{more}\
         [tasks.one]\nrun = 'echo 1 > out'\noutputs = [\"out\"]\ngates = [\"good\"]\n"
    ));
    orca.write("made.json", report);
    orca
}

/// What a report says decides only where it explains the exit: a remark is no reason to exit with 1.
#[test]
fn an_exit_that_its_report_does_not_explain_is_red() {
    let verdict = |build: &Build| verdicts(build)[0].1.clone();
    assert_eq!(verdict(&reporting("note", 0, "").build()), "passed");
    assert_eq!(verdict(&reporting("warning", 0, "").build()), "warning");
    assert_eq!(verdict(&reporting("note", 1, "").build_red()), "failed");
    assert_eq!(verdict(&reporting("warning", 1, "").build_red()), "failed");
    assert_eq!(verdict(&reporting("error", 1, "").build_red()), "failed");
    assert_eq!(verdict(&reporting("error", 0, "").build_red()), "failed");
    assert_eq!(verdict(&reporting("error", 1, "ignore = [\"*\"]\n").build()), "passed");
}
