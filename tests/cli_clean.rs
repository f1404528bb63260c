//! `orca clean` removes what builds made, lists it, and nothing else; the next build puts it back.

mod support;

use orca::base::{BlobDigest, Entry, RelPath, TaskName};
use orca::store::Journal;
use rustix::process::Signal;
use serde_json::Value;
use support::{Fixture, Project};

const PLAN: &str = r#"
[tasks.made]
run = ["sh", "-c", "mkdir -p out/deep out/empty && echo 1 > out/deep/one.txt && ln -s deep/one.txt out/link"]
outputs = ["out/**"]

[tasks.other]
run = ["sh", "-c", "echo 2 > two.txt"]
outputs = ["two.txt"]
"#;

#[test]
fn it_removes_what_it_made_and_the_next_build_restores_it() {
    let orca = Project::new(PLAN);
    orca.write("notes.txt", "mine\n");
    let before = orca.tree();
    orca.build();
    let built = orca.tree();
    let listed = orca.orca(["clean", "-n"]).exits(0).prints(["remove out/deep/one.txt", "remove two.txt"]);
    assert_eq!(orca.tree().difference(&built), "", "{}", listed.transcript());
    let removed = orca.orca(["clean", "--yes"]).exits(0);
    assert_eq!(removed.stdout, listed.stdout);
    assert_eq!(orca.tree().difference(&before), "");
    orca.orca(["status"]).exits(0).prints(["2 clean", "made: "]);
    orca.build().ran([]).cached(["made", "other"]);
    assert_eq!(orca.tree().difference(&built), "");
}

#[test]
fn without_a_cache_the_next_build_runs_again() {
    let orca = Project::new(PLAN);
    orca.build();
    let built = orca.tree();
    orca.orca(["clean", "--yes"]).exits(0);
    orca.remove("../cache/orca");
    orca.orca(["explain", "other"]).exits(0).prints(["`two.txt` is gone, and the cache no longer has it"]);
    orca.build().ran(["made", "other"]);
    assert_eq!(orca.tree().difference(&built), "");
}

#[test]
fn what_was_changed_stays_and_is_named() {
    let orca = Project::new(PLAN);
    orca.build();
    orca.append("two.txt", "mine\n").write("out/deep/mine.txt", "mine\n");
    orca.orca(["clean", "--yes"]).exits(0).prints(["keep two.txt (changed since orca wrote it)"]);
    assert_eq!(orca.read("two.txt"), "2\nmine\n");
    assert_eq!(orca.read("out/deep/mine.txt"), "mine\n");
    assert!(!orca.exists("out/deep/one.txt") && !orca.exists("out/link"));
}

#[test]
fn links_are_removed_and_never_followed() {
    let orca = Project::new(PLAN);
    orca.build();
    orca.write("../precious/one.txt", "1\n").write("../precious/inner/x", "x\n");
    orca.remove("out/deep").symlink("../../precious", "out/deep");
    orca.symlink("../../precious/inner", ".orca/failed").write("linked/target.txt", "t\n");
    orca.orca(["clean", "--all", "--yes"]).exits(0);
    assert_eq!(orca.read("../precious/one.txt"), "1\n");
    assert_eq!(orca.read("../precious/inner/x"), "x\n");
    assert!(!orca.exists("out/link"));
}

#[test]
fn one_task_alone_and_tasks_that_are_gone() {
    let orca = Project::new(PLAN);
    orca.build();
    orca.orca(["clean", "othr", "--yes"]).exits(2).prints(["did you mean `other`?"]);
    orca.orca(["clean", "other", "--yes"]).exits(0);
    assert!(!orca.exists("two.txt") && orca.exists("out/link"));
    orca.build();
    let plan = orca.read("orca.toml");
    orca.write("orca.toml", plan.split("[tasks.other]").next().expect("a first part"));
    orca.orca(["clean", "--yes"]).exits(0).prints(["remove two.txt"]);
    let output = orca.build().output;
    assert!(!output.stdout.contains("two.txt"), "it is forgotten\n{}", output.transcript());
    orca.write("orca.toml", "what is this");
    orca.orca(["clean", "--yes"]).exits(0).prints(["remove out/link"]);
}

#[test]
fn all_is_workspaces_scratch_and_replaced_files_too() {
    let orca = Project::new("[tasks.a]\nrun = [\"sh\", \"-c\", \"exit 1\"]\nscratch = [\"tmp\"]\n");
    orca.build_red();
    assert!(orca.exists(".orca/failed/a/log"));
    orca.orca(["clean", "--yes"]).exits(0).prints(["there is nothing to remove"]);
    let output = orca.orca(["clean", "--all", "--yes", "--json"]).exits(0);
    let value: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!((&value["v"], &value["dry_run"]), (&1.into(), &false.into()));
    assert!(value["state"].as_array().expect("a list").contains(&".orca/failed".into()), "{value}");
    assert!(!orca.exists(".orca/failed") && !orca.exists(".orca/scratch"));
}

#[test]
fn a_journal_that_came_with_the_repository_reaches_neither_git_nor_orca() {
    let orca = Project::new(PLAN);
    orca.write(".git/config", "[core]\n").write(".orca/lock", "");
    let journal = Journal::open(&orca.path(".orca")).expect("a journal");
    let task = TaskName::new("made").expect("a name");
    let path = |text: &str| RelPath::new(text).expect("a path");
    let config = Entry::File { digest: BlobDigest::of(b"[core]\n"), size_bytes: 7, executable: false };
    journal.begin_publish(&task, &[(path(".git/config"), config, None)]).expect("written");
    journal.finish_publish(&task, &[]).expect("written");
    let hook = Entry::Symlink { target: "../../evil.sh".to_owned() };
    journal.begin_publish(&task, &[(path(".git/hooks/pre-commit"), hook.clone(), None)]).expect("written");
    journal.begin_publish(&task, &[(path("sub/.GIT/hooks/pre-commit"), hook, None)]).expect("written");
    drop(journal);
    orca.orca(["clean", "--yes"]).exits(0).prints(["there is nothing to remove"]);
    orca.build();
    orca.orca(["clean", "--yes"]).exits(0);
    assert_eq!(orca.read(".git/config"), "[core]\n");
    assert!(!orca.exists(".git/hooks") && !orca.exists("sub"));
}

#[test]
fn in_a_fresh_project_there_is_nothing() {
    let orca = Fixture::open("quickstart");
    orca.orca(["clean", "--all", "--yes"]).exits(0).prints(["there is nothing to remove"]);
    assert!(!orca.exists(".orca"));
}

#[test]
fn it_waits_for_a_build() {
    let orca = Project::new(&format!("{PLAN}[tasks.slow]\nrun = \"sleep 60\"\ndeps = [\"made\", \"other\"]\n"));
    let mut build = orca.spawn(["build", "--json"]);
    build.wait_for("\"event\":\"task-started\",\"task\":\"slow\"");
    let mut clean = orca.spawn(["clean", "--yes"]);
    clean.wait_for("waiting for another build in this project");
    assert!(orca.exists("two.txt"));
    build.signal(Signal::INT);
    build.wait();
    clean.wait().exits(0);
    assert!(!orca.exists("two.txt"));
}

#[test]
fn without_a_terminal_and_without_yes_it_lists_and_refuses() {
    let orca = Project::new(PLAN);
    orca.build();
    let built = orca.tree();
    let refused = orca.orca(["clean"]).exits(4).prints(["remove two.txt", "orca clean --yes"]);
    assert_eq!(orca.tree().difference(&built), "", "{}", refused.transcript());
    let refused = orca.orca(["clean", "--json"]).exits(4);
    let value: Value = serde_json::from_str(&refused.stdout).expect("JSON");
    assert_eq!(value["dry_run"], true, "{value}");
    assert_eq!(orca.tree().difference(&built), "", "{}", refused.transcript());
    orca.orca(["clean", "two-is-no-task"]).exits(2);
    orca.orca(["clean", "--yes"]).exits(0).prints(["removed 4 outputs"]);
    orca.orca(["clean"]).exits(0).prints(["there is nothing to remove"]);
}
