//! The smaller commands: trust, cache, report, log, show, init, schema, completions.

mod support;

use serde_json::Value;
use support::{Fixture, Output, Project};

#[track_caller]
fn json(output: &Output) -> Value {
    let value: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{}", output.transcript()));
    assert_eq!(value["v"], 1, "{}", output.transcript());
    value
}

const POWERFUL: &str = "[tasks.a]\nrun = \"true\"\nnetwork = true\n[tasks.b]\nrun = \"true\"\nsandbox = \"none\"\n";

#[test]
fn trust_is_given_listed_and_taken_back() {
    let orca = Project::new(POWERFUL);
    let refused = orca.orca(["trust"]).exits(4).prints(["`b` runs without a sandbox", "orca trust --yes"]);
    assert!(!refused.stderr.contains("(given)"), "{}", refused.transcript());
    assert!(!orca.exists(".orca"), "a question leaves nothing in the project");
    orca.orca(["build"]).exits(4).prints(["`a` reaches the network", "orca trust"]);
    let listed = json(&orca.orca(["trust", "--json"]).exits(0));
    assert_eq!(listed, json(&orca.orca(["trust", "--list", "--json"]).exits(0)), "data asks nothing");
    assert_eq!(
        (listed["needed"].as_array().map(Vec::len), listed["given"].as_array().map(Vec::len)),
        (Some(2), Some(0))
    );
    orca.trust().orca(["trust", "--list"]).exits(0).prints(["`a` reaches the network (given)"]);
    orca.build().ran(["a", "b"]);
    orca.append("orca.toml", "[tasks.c]\nrun = \"true\"\nnetwork = true\n");
    orca.orca(["build"]).exits(4).prints(["`c` reaches the network"]);
    orca.trust();
    orca.write("orca.toml", POWERFUL).orca(["trust"]).exits(0).prints(["are given already"]);
    let listed = json(&orca.orca(["trust", "--list", "--json"]).exits(0));
    assert_eq!(listed["needed"], listed["given"], "what is not asked for any more is not given any more");
    orca.orca(["trust", "--revoke"]).exits(0).prints(["every power is taken back"]);
    orca.orca(["build"]).exits(4);
}

/// What a person sees who types `command` at a terminal and answers `answer`.
fn at_a_terminal(orca: &Project, command: &str, answer: &str) -> String {
    let line = format!("{} {command}; echo exit $?", env!("CARGO_BIN_EXE_orca"));
    let orca_alone = orca.command();
    let mut terminal = std::process::Command::new("script");
    terminal.args(["-qec", &line, "/dev/null"]).current_dir(orca.root()).env_clear();
    terminal.envs(orca_alone.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("SHELL", "/bin/sh");
    let mut child = terminal
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("script starts");
    let mut stdin = child.stdin.take().expect("piped");
    std::io::Write::write_all(&mut stdin, answer.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn questions_are_asked_at_a_terminal() {
    if !support::has_tool("script", "questions_are_asked_at_a_terminal") {
        return;
    }
    let orca = Project::new(POWERFUL);
    let seen = at_a_terminal(&orca, "build", "n\n");
    let (before, _) = seen.split_once("allow them for this project").expect("a question");
    assert!(!before.contains("elapsed"), "no live view before the run\n{seen}");
    let seen = at_a_terminal(&orca, "trust", "what\nn\n");
    for text in ["`a` reaches the network", "please answer y or n", "nothing is given", "exit 4"] {
        assert!(seen.contains(text), "no `{text}` in\n{seen}");
    }
    let seen = at_a_terminal(&orca, "trust", "y\n");
    assert!(seen.contains("these powers are given to this project") && seen.contains("exit 0"), "{seen}");
    orca.write("orca.toml", "[tasks.a]\nrun = 'sh -c \"echo 1 > a.txt\"'\noutputs = [\"a.txt\"]\n").build();
    let seen = at_a_terminal(&orca, "clean", "n\n");
    assert!(seen.contains("remove a.txt") && orca.exists("a.txt"), "{seen}");
    let seen = at_a_terminal(&orca, "clean", "yes\n");
    assert!(seen.contains("exit 0") && !orca.exists("a.txt"), "{seen}");
}

#[test]
fn trust_of_a_plan_without_powers_is_nothing() {
    Fixture::open("quickstart").orca(["trust"]).exits(0).prints(["needs no powers"]);
}

#[test]
fn the_cache_is_counted_verified_and_made_smaller() {
    let orca = Fixture::open("quickstart");
    let none = json(&orca.orca(["cache", "stats", "--json"]).exits(0));
    assert_eq!(none["blobs"], 0);
    orca.orca(["cache", "verify"]).exits(0).prints(["there is no cache"]);
    assert!(!orca.cache().exists(), "looking after a cache does not make one");
    orca.build();
    let stats = json(&orca.orca(["cache", "stats", "--json"]).exits(0));
    assert_eq!((&stats["results"], &stats["verdicts"]), (&5.into(), &5.into()), "{stats}");
    orca.orca(["cache", "verify"]).exits(0).prints(["10 records"]);
    let spared = format!("{} files stayed: used within the last 10m00s (`--grace`)", stats["blobs"]);
    orca.orca(["cache", "gc", "--max-size", "1B"]).exits(0).prints(["removed 0 files", &spared]);
    let gc = json(&orca.orca(["cache", "gc", "--max-size", "1B", "--grace", "0s", "--json"]).exits(0));
    assert_eq!((&gc["blobs"], &gc["spared"]), (&stats["blobs"], &0.into()), "{gc}");
    assert_eq!((&gc["records"], &gc["remaining_size_bytes"]), (&10.into(), &0.into()), "{gc}");
    orca.orca(["clean", "--yes"]).exits(0);
    // The result of an agent is kept with the project as well.
    orca.build().ran(["count-harbour", "count-tide", "report"]).cached(["check", "headline"]);
    for args in [["cache", "gc"].as_slice(), &["cache", "gc", "--max-size", "0"], &["cache", "gc", "--max-size", "big"]]
    {
        orca.orca(args).exits(2);
    }
}

#[test]
fn a_damaged_cache_is_told_and_mended() {
    let orca = Fixture::open("quickstart");
    orca.build();
    let blobs = support::Snapshot::of(&orca.cache().join("cas"));
    let blob = blobs.0.keys().find(|path| path.contains('/')).expect("a blob").clone();
    let path = orca.cache().join("cas").join(&blob);
    let path = path.to_str().expect("UTF-8");
    orca.remove(path).write(path, "something else");
    let found = orca.orca(["cache", "verify", "--json"]).exits(4);
    assert_eq!(json(&found)["sound"], false, "{}", found.transcript());
    orca.orca(["cache", "verify"]).exits(0);
    orca.build();
}

#[test]
fn a_report_tells_what_the_run_took() {
    let orca = Fixture::open("quickstart");
    orca.orca(["report"]).exits(4).prints(["the journal has no run"]);
    orca.build();
    orca.append("texts/tide.txt", "The boats wait.\n");
    orca.build();
    let output = orca.orca(["report"]).exits(0);
    for text in [
        "run 2, `orca build`",
        "count-tide",
        "ran",
        "count-harbour",
        "cached",
        "layer 1: 1 ran",
        "all layers:",
        "saved",
    ] {
        assert!(output.stdout.contains(text), "no `{text}`\n{}", output.transcript());
    }
    let first = json(&orca.orca(["report", "--run", "1", "--json"]).exits(0));
    let tasks = first["tasks"].as_array().expect("a list");
    assert_eq!((&first["run"], &first["ok"], tasks.len()), (&1.into(), &true.into(), 5));
    let work: u64 = tasks.iter().filter_map(|task| task["wall_ms"].as_u64()).sum();
    assert_eq!(first["work_ms"].as_u64(), Some(work));
    assert!(tasks.iter().all(|task| task["attempts"] == 1 && task["peak_memory_bytes"].as_u64() > Some(0)), "{first}");
    assert_eq!(first["layers"].as_array().map(Vec::len), Some(4));
    orca.orca(["report", "--run", "7"]).exits(4).prints(["no run 7; it has runs 1 to "]);
}

#[test]
fn a_report_counts_every_attempt() {
    let plan = "[tasks.a]\nrun = [\"sh\", \"-c\", \"sleep 0.2; exit 1\"]\nretry = { attempts = 2, on = [\"crash\"] }\n";
    let orca = Project::new(plan);
    orca.build_red();
    let report = json(&orca.orca(["report", "--json"]).exits(0));
    let task = &report["tasks"][0];
    assert_eq!((&task["outcome"], &task["attempts"]), (&"failed".into(), &2.into()), "{report}");
    assert!(task["wall_ms"].as_u64() >= Some(400), "{report}");
    orca.orca(["report"]).exits(0).prints(["failed", "exit 1"]);
}

#[test]
fn the_log_is_what_was_printed() {
    let orca = Project::new(
        "[tasks.a]\nrun = [\"sh\", \"-c\", \"printf '\\\\033[31mred\\\\033[0m\\\\n'; test ! -e broken\"]\ninputs = [\"brok*\"]\n",
    );
    orca.orca(["log", "a"]).exits(4).prints(["it has not run yet"]);
    orca.build();
    assert_eq!(orca.orca(["log", "a"]).exits(0).stdout, "red\n");
    assert_eq!(orca.orca(["log", "a", "--raw"]).exits(0).stdout, "\u{1b}[31mred\u{1b}[0m\n");
    orca.orca(["log", "a", "--failed"]).exits(4).prints(["no failure of it is kept"]);
    orca.write("broken", "");
    orca.build_red();
    let value = json(&orca.orca(["log", "a", "--json"]).exits(0));
    assert_eq!((&value["accepted"], &value["log"]), (&false.into(), &"red\n".into()));
    assert!(value["workspace"].as_str().is_some_and(|path| path.ends_with(".orca/failed/a/tree")), "{value}");
    orca.remove("broken");
    orca.build();
    orca.orca(["log", "a"]).exits(0).prints(["a in run"]);
    assert_eq!(orca.orca(["log", "a", "--failed"]).exits(0).stdout, "red\n");
    orca.remove("../cache/orca");
    orca.orca(["log", "a"]).exits(4).prints(["no longer in the cache"]);
}

#[test]
fn a_task_is_shown_as_its_agent_gets_it() {
    let orca = Fixture::open("quickstart");
    let early = orca.orca(["show", "headline"]).exits(0).prints(["not there yet: what `report` brings"]);
    assert!(!early.stdout.contains("`build/report.md` ("), "{}", early.transcript());
    let value = json(&orca.orca(["show", "headline", "--json"]).exits(0));
    assert_eq!((&value["absent"][0], &value["task"]["key"]), (&"report".into(), &Value::Null));
    orca.replace("tools/scribe.sh", "set -", "cat .orca/task.md > build/headline.txt; exit 0\nset -");
    orca.build_args(["headline"]);
    let shown = orca.orca(["show", "headline"]).exits(0).prints(["the document: ", "the view: 2 files"]);
    assert_eq!(shown.stdout, orca.read("build/headline.txt"), "what is shown is what the agent got");
    let value = json(&orca.orca(["show", "headline", "--format", "json"]).exits(0));
    assert_eq!(value["view_files"], 2);
    assert_eq!(value["document_size_bytes"].as_u64(), Some(shown.stdout.len() as u64));
    assert_eq!(value["task"]["key"].as_str().map(str::len), Some(64));
}

#[test]
fn init_writes_a_plan_that_builds() {
    let orca = Project::empty();
    orca.orca(["init"]).exits(0).prints(["orca.toml"]);
    orca.orca(["check", "--strict"]).exits(0);
    orca.build().ran(["check", "greeting"]);
    orca.build().ran([]);
    assert_eq!(orca.read("build/greeting.txt"), "Hello from orca\n");
    let before = orca.read("orca.toml");
    orca.orca(["init"]).exits(4).prints(["is there already"]);
    assert_eq!(orca.read("orca.toml"), before);
}

#[test]
fn init_does_not_write_through_a_link() {
    let orca = Project::empty();
    orca.symlink("../elsewhere.toml", "orca.toml").orca(["init"]).exits(4);
    assert!(!orca.exists("../elsewhere.toml"));
}

#[test]
fn editors_and_shells_get_theirs() {
    let orca = Project::empty();
    let schema: Value = serde_json::from_str(&orca.orca(["schema"]).exits(0).stdout).expect("JSON");
    assert!(schema["properties"]["tasks"].is_object(), "{schema}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        orca.orca(["completions", shell]).exits(0).prints(["explain"]);
    }
    orca.orca(["completions", "tcsh"]).exits(2);
    orca.orca(["man"]).exits(0).prints([".TH orca"]);
}

#[test]
fn the_output_of_a_task_is_bounded_to_whole_lines() {
    let orca = Project::new(
        "[tasks.good]\nrun = \"seq -f 'good %g' 500\"\n[tasks.bad]\nrun = \"seq -f 'bad %g' 500; exit 1\"\n",
    );
    let shown = |args: &[&str], name: &str| -> Vec<String> {
        let output = orca.orca(args);
        let mark = format!("       | {name} ");
        let lines = output.stderr.lines().filter(|line| line.starts_with(&mark)).map(str::to_owned);
        let lines: Vec<String> = lines.collect();
        assert_eq!(lines.last(), Some(&format!("{mark}500")), "{}", output.transcript());
        assert!(output.stderr.contains(&format!("`orca log {name}`")), "{}", output.transcript());
        lines
    };
    assert_eq!(shown(&["build", "good"], "good").len(), 100);
    assert_eq!(shown(&["build", "good"], "good").len(), 10, "an earlier output is not the news of this build");
    assert_eq!(shown(&["build", "good", "-v"], "good").len(), 100);
    assert_eq!(shown(&["build", "bad"], "bad").len(), 200);
    assert_eq!(orca.orca(["log", "good"]).exits(0).stdout.lines().count(), 500);
}

#[test]
fn a_plan_is_found_above_and_where_there_is_none_help_is_given() {
    let orca = Project::new("[tasks.a]\nrun = [\"sh\", \"-c\", \"echo 1 > a.txt\"]\noutputs = [\"a.txt\"]\n");
    orca.write("deep/er/x.txt", "x\n");
    let from = |directory: &str, args: &[&str]| {
        let output = orca.command().args(args).current_dir(orca.path(directory)).output().expect("orca runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let note = format!("using the project in {}\n", orca.root().display());
    let (code, _, stderr) = from("deep/er", &["build"]);
    assert!(code == Some(0) && stderr.contains(&note), "{code:?}\n{stderr}");
    assert_eq!(orca.read("a.txt"), "1\n");
    assert!(!from(".", &["status"]).2.contains("using the project"));
    let (code, _, stderr) = from("deep", &["check", "-C", "er"]);
    assert_eq!(code, Some(4), "{stderr}");
    assert!(stderr.contains("orca init") && stderr.contains("-C DIR"), "{stderr}");
    assert_eq!(from("deep", &["init"]).0, Some(0), "a plan above is no reason against one here");
    assert!(orca.exists("deep/orca.toml"));
}

#[test]
fn a_plan_that_is_there_and_no_text_is_invalid() {
    let orca = Project::new("");
    orca.write("orca.toml", [0xff, 0xfe, b'x']);
    orca.orca(["check"]).exits(3).prints(["is not UTF-8 text", "help: save the file as UTF-8"]);
    orca.remove("orca.toml").write("orca.toml/x", "x");
    orca.orca(["build"]).exits(3).prints(["it is a directory, not a file"]);
}

#[test]
fn a_file_in_place_of_a_task_leads_to_the_task_that_writes_it() {
    let orca = Project::new("[tasks.archive]\nrun = \"true\"\noutputs = [\"build/libvec.a\"]\n");
    let said = "there is no task `build/libvec.a`; the task `archive` writes this file";
    orca.orca(["build", "build/libvec.a"]).exits(2).prints([said]);
    orca.orca(["explain", "./build/libvec.a"]).exits(2).prints(["the task `archive` writes this file"]);
}

#[test]
fn a_number_with_a_sign_is_a_wrong_number_and_no_task() {
    let orca = Project::new("[tasks.one]\nrun = \"true\"\n");
    for args in [&["build", "-j", "-5"][..], &["watch", "-j", "-5"], &["watch", "--settle", "-5"]] {
        orca.orca(args).exits(2).prints(["invalid value '-5'"]);
    }
}
