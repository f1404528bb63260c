//! What a person edits after orca has edited: it runs nothing, is reported, survives, and is never overwritten.

mod support;

use std::process::{Command, Stdio};

use orca::base::FailureKind;
use orca::store::{Journal, Placing, Provenance};
use serde_json::{Value, json};
use support::{Project, by_hands, has_tool, with_hands};

const TEN: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";

fn two(text: &str) -> String {
    by_hands("two", "edits = ['a.txt']", &format!("sed -i 's/^2$/{text}/' a.txt"))
}

fn project() -> Project {
    let orca = Project::new(&with_hands(&[two("two")]));
    orca.write("a.txt", TEN);
    orca
}

#[track_caller]
fn json_of<const N: usize>(orca: &Project, args: [&str; N]) -> Value {
    serde_json::from_str(&orca.orca(args).exits(0).stdout).expect("JSON")
}

#[test]
fn an_edit_by_hand_runs_nothing_and_is_reported() {
    let orca = project();
    orca.build().ran(["two"]);
    assert_eq!(json_of(&orca, ["status", "--json"])["drifted_edits"], json!([]));
    orca.replace("a.txt", "9\n", "nine\n");
    let status = json_of(&orca, ["status", "--json"]);
    assert_eq!(status["drifted_edits"], json!([{ "path": "a.txt", "tasks": ["two"] }]));
    orca.orca(["status"]).exits(0).prints(["a.txt (by two)", "orca rebase"]);
    orca.build().ran([]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "two\n").replace("9\n", "nine\n"));
    let drift = orca.orca(["diff"]).exits(0).stdout;
    assert!(drift.contains("\n-9\n+nine\n") && !drift.contains("two\n+") && !drift.contains("-2"), "{drift}");
    assert_eq!(json_of(&orca, ["diff", "--json"])["files"][0]["added"], 1);
}

#[test]
fn an_edit_by_hand_survives_a_later_run_of_the_same_task() {
    let orca = project();
    orca.build().ran(["two"]);
    orca.replace("a.txt", "9\n", "nine\n");
    orca.write("orca.toml", with_hands(&[two("zwei")])).build().ran(["two"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "zwei\n").replace("9\n", "nine\n"));
    let status = json_of(&orca, ["status", "--json"]);
    assert_eq!(status["drifted_edits"][0]["path"], "a.txt");
    assert_eq!(json_of(&orca, ["diff", "--json"])["files"][0]["removed"], 1);
    orca.build().ran([]);
}

#[test]
fn a_clash_with_a_person_writes_nothing_and_costs_nothing() {
    let orca = project();
    orca.build().ran(["two"]);
    orca.replace("a.txt", "two\n", "mine\n");
    let before = orca.files();
    orca.write("orca.toml", with_hands(&[two("zwei")]));
    let red = orca.build_red();
    assert_eq!(red.failed(["two"]).failure("two").kind, FailureKind::Conflict);
    let after = orca.files();
    assert_eq!(before.0.get("a.txt"), after.0.get("a.txt"));
    // Its result is there to be looked at, and nothing of it is in the project.
    let wanted = json_of(&orca, ["diff", "two", "--json"]);
    assert_eq!(wanted["result"], "candidate");
    assert!(wanted["files"][0]["patch"].as_str().expect("text").contains("+zwei"));
    assert!(orca.orca(["diff", "two", "--stat"]).exits(0).stdout.contains("a.txt | changed +1 -1"));
    orca.orca(["status"]).exits(0).prints(["failed    two: its change of `a.txt` clashes with yours"]);
    // Still in the way: still red, and no agent was asked again.
    let again = orca.build_red();
    assert_eq!(again.output.stdout.matches("task-started").count(), 0, "{}", again.output.transcript());
    // Mended by hand towards the new result, it is integrated without a run.
    orca.replace("a.txt", "mine\n", "zwei\n").build().ran([]).cached(["two"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "zwei\n"));
    assert_eq!(json_of(&orca, ["status", "--json"])["drifted_edits"], json!([]));
    orca.build().ran([]);
}

#[test]
fn reverting_by_hand_is_an_edit_by_hand() {
    let orca = project();
    orca.build().ran(["two"]);
    orca.write("a.txt", TEN).build().ran([]);
    assert_eq!(orca.read("a.txt"), TEN);
    assert_eq!(json_of(&orca, ["status", "--json"])["drifted_edits"][0]["path"], "a.txt");
    // Deleting is one as well.
    orca.remove("a.txt").build().ran([]);
    assert!(!orca.exists("a.txt"));
    assert_eq!(json_of(&orca, ["diff", "--json"])["files"][0]["change"], "removed");
}

#[test]
fn outputs_of_agents_that_were_edited_are_told_apart() {
    let make = by_hands("make", "outputs = ['made.txt']", "echo made > made.txt");
    let orca = Project::new(&with_hands(&[make]));
    orca.build().ran(["make"]);
    orca.append("made.txt", "more\n").build().ran([]);
    let status = json_of(&orca, ["status", "--json"]);
    assert_eq!(status["drifted"], json!([{ "task": "make", "path": "made.txt" }]));
    assert_eq!(status["drifted_edits"], json!([]));
    assert!(orca.orca(["diff"]).exits(0).stdout.contains("\n made\n+more\n"));
    assert!(orca.orca(["diff", "make"]).exits(0).stdout.contains("\n@@ -0,0 +1 @@\n+made\n"));
}

#[test]
fn what_diff_prints_is_what_git_applies() {
    if !has_tool("git", "what_diff_prints_is_what_git_applies") {
        return;
    }
    let lines = "sed -i 's/^2$/two/; s/^10$/10 \\x1b[31m\\xff/' a.txt; chmod +x b.sh; rm gone; printf 'no newline' > sub/new; ln -s new sub/link";
    let task = by_hands(
        "two",
        "edits = ['a.txt', 'b.sh', 'gone', 'sub/**']\noutputs = ['o.txt']",
        &format!("{lines}; echo o > o.txt"),
    );
    let gate = "[gates.integrity]\ncheck = \"integrity\"\nignore = [\"integrity/invalid-utf8\"]\n".to_owned();
    let orca = Project::new(&with_hands(&[task, gate]));
    orca.write("a.txt", TEN).write("b.sh", "#!/bin/sh\n").write("gone", "gone\n").write("sub/old", "old\n");
    let other = orca.checkout([]);
    orca.build().ran(["two"]);
    let patch = orca.command().args(["diff", "two"]).output().expect("orca runs").stdout;
    assert!(patch.windows(5).any(|bytes| bytes == b"\x1b[31m"), "a program gets the bytes as they are");
    other.write("the.patch", &patch);
    let applied = Command::new("git")
        .args(["apply", "the.patch"])
        // A repository further up, where temporary files may lie, is none of it.
        .env("GIT_CEILING_DIRECTORIES", other.root().parent().expect("it lies in its world"))
        .current_dir(other.root())
        .stdin(Stdio::null())
        .output();
    let applied = applied.expect("git runs");
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    other.remove("the.patch");
    assert_eq!(other.files().difference(&orca.files()), "");
}

#[test]
fn diff_says_where_there_is_nothing_to_show() {
    let orca = project();
    orca.orca(["diff", "two"]).exits(4).prints(["there is no result of `two`"]);
    orca.orca(["diff", "nobody"]).exits(2);
    orca.orca(["diff"]).exits(0).prints(["nothing was edited by hand"]);
}

#[test]
fn what_a_killed_build_has_not_placed_is_named_and_is_no_drift() {
    let orca = project();
    orca.build().ran(["two"]);
    // As a kill leaves it that comes right before the file is exchanged.
    let journal = Journal::open(&orca.path(".orca")).expect("it was built");
    let (path, known) = journal.edited().expect("it can be read").pop_first().expect("one path was edited");
    let pending = Placing { before: known.base.clone(), after: known.placed.clone(), placed: known.placed.clone() };
    let killed = Provenance { placed: known.base.clone(), pending: Some(pending), ..known };
    journal.settle(&[(path, Some(killed))].into()).expect("it can be written");
    drop(journal);
    orca.write("a.txt", TEN);
    let status = json_of(&orca, ["status", "--json"]);
    assert_eq!(status["unplaced"], json!([{ "path": "a.txt", "tasks": ["two"] }]));
    assert_eq!(status["drifted_edits"], json!([]));
    orca.orca(["status"])
        .exits(0)
        .prints(["accepted, and not in place yet (`orca build` does that)", "a.txt (by two)"]);
    orca.build().ran([]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "two\n"));
    assert_eq!(json_of(&orca, ["status", "--json"])["unplaced"], json!([]));
}

#[test]
fn rebase_makes_what_lies_there_the_base() {
    let read = "[tasks.read]\nrun = 'wc -l < a.txt > n.txt'\ninputs = ['a.txt']\noutputs = ['n.txt']\n\n\
                [tasks.other]\nrun = 'echo > other.txt'\noutputs = ['other.txt']\n";
    let orca = Project::new(&with_hands(&[two("two"), read.to_owned()]));
    orca.write("a.txt", TEN).build().ran(["two", "read", "other"]);
    orca.orca(["rebase", "b.txt", "--yes"]).exits(2).prints(["no task has edited `b.txt`"]);
    orca.orca(["rebase", "n.txt", "--yes"]).exits(2).prints(["is an output of `read`"]);
    orca.append("a.txt", "eleven\n").build().ran([]);
    let planned = json_of(&orca, ["rebase", "-n", "--json"]);
    assert_eq!(planned["paths"], json!([{ "path": "a.txt", "tasks": ["two"] }]));
    let dirty: Vec<&str> =
        planned["dirty"].as_array().expect("a list").iter().filter_map(|one| one["task"].as_str()).collect();
    assert_eq!(dirty, ["read", "two"]);
    orca.build().ran([]);
    orca.orca(["rebase"]).exits(4).prints(["rebase a.txt (edited by two)", "due read", "orca rebase --yes"]);
    let before = orca.files();
    orca.orca(["rebase", "./a.txt", "--yes"]).exits(0).prints(["what lies there is the base now"]);
    assert_eq!(orca.files().difference(&before), "", "no file is touched");
    orca.orca(["diff"]).exits(0).prints(["nothing was edited by hand"]);
    orca.build().ran(["two", "read"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "two\n") + "eleven\n");
    assert_eq!(orca.read("n.txt").trim(), "11");
    orca.build().ran([]);
    orca.orca(["undo", "1", "-n"]).exits(0).prints(["run 1 wrote nothing that can be undone"]);
    orca.orca(["rebase", "--yes"]).exits(0).prints(["nothing to rebase"]);
}

#[test]
fn rebasing_without_an_edit_runs_only_who_sees_something_new() {
    let orca = Project::new(&with_hands(&[
        by_hands("one", "edits = ['src/**']", "echo one >> src/a"),
        by_hands("two", "edits = ['b']", "echo two >> b"),
    ]));
    orca.write("src/a", "a\n").write("b", "b\n").build().ran(["one", "two"]);
    let planned = json_of(&orca, ["rebase", "src", "-n", "--json"]);
    assert_eq!(planned["dirty"].as_array().map(Vec::len), Some(1), "{planned}");
    orca.orca(["rebase", "src", "--yes"]).exits(0);
    // The task is asked again for what it did once already: that is what rebasing means, and what `-n` said.
    orca.build().ran(["one"]);
    assert_eq!((orca.read("src/a"), orca.read("b")), ("a\none\none\n".to_owned(), "b\ntwo\n".to_owned()));
}

#[test]
fn what_is_rebased_without_an_agents_work_is_not_called_done() {
    let task = by_hands("one", "edits = ['a.txt']", "sed -i s/^2$/two/ a.txt");
    let orca = Project::new(&with_hands(&[task]));
    orca.write("a.txt", TEN).build().ran(["one"]);
    orca.write("a.txt", TEN);
    orca.orca(["rebase", "--yes"]).exits(0);
    assert!(orca.exists("orca.lock"), "it may be committed");
    // The result is still in the cache, and is put together with what is there now.
    orca.build().ran([]).cached(["one"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "two\n"));
}
