//! `orca undo`: what was there before a run comes back, what a person edited since stays, whatever happens in between.
#![expect(clippy::disallowed_methods, reason = "runs orca under strace, and copies a whole project")]

mod support;

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{Project, by_hands, with_hands};

const TEN: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";

fn edit(name: &str, line: &str, text: &str) -> String {
    by_hands(name, "edits = ['a.txt']", &format!("sed -i 's/^{line}$/{text}/' a.txt"))
}

fn project(tasks: &[String]) -> Project {
    let orca = Project::new(&with_hands(tasks));
    orca.write("a.txt", TEN);
    orca
}

#[track_caller]
fn actions(orca: &Project, args: &[&str], code: i32) -> Vec<(String, String)> {
    let printed = orca.orca(args).exits(code);
    let value: Value = serde_json::from_str(&printed.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    value["paths"].as_array().expect("a list").iter().map(|one| (text(&one["path"]), text(&one["action"]))).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(path, action)| ((*path).to_owned(), (*action).to_owned())).collect()
}

#[test]
fn what_was_there_comes_back_and_building_again_costs_nothing() {
    let lines =
        "sed -i s/^2$/two/ a.txt; rm gone; chmod +x mode; mkdir -p sub/deep; echo new > sub/deep/new; echo o > o.txt";
    let all = by_hands("all", "edits = ['a.txt', 'gone', 'mode', 'sub/**']\noutputs = ['o.txt']", lines);
    let orca = project(&[all, edit("more", "9", "nine")]);
    orca.write("gone", "gone\n").write("mode", "mode\n");
    let before = orca.files();
    orca.build().ran(["all", "more"]);
    let after = orca.files();
    let planned = [
        ("a.txt", "put-back"),
        ("gone", "put-back"),
        ("mode", "put-back"),
        ("o.txt", "remove"),
        ("sub/deep/new", "remove"),
    ];
    assert_eq!(actions(&orca, &["undo", "-n", "--json"], 0), pairs(&planned));
    assert_eq!(orca.files().difference(&after), "", "-n changes nothing");
    orca.orca(["undo"]).exits(4).prints(["no terminal", "orca undo 1 --yes"]);
    assert_eq!(orca.files().difference(&after), "");
    orca.orca(["undo", "--yes"]).exits(0).prints(["took back run 1: 5 files", "not accepted any more: all, more"]);
    assert_eq!(orca.files().difference(&before), "");
    orca.orca(["undo", "--yes"]).exits(0).prints(["nothing to undo"]);
    orca.build().ran([]).cached(["all", "more"]);
    assert_eq!(orca.files().difference(&after), "");
    orca.build().ran([]);
}

#[test]
fn a_run_is_undone_on_top_of_an_earlier_one() {
    let orca = project(&[edit("one", "2", "two")]);
    orca.build().ran(["one"]);
    let first = orca.files();
    orca.write("orca.toml", with_hands(&[edit("one", "2", "zwei"), edit("two", "9", "nine")]))
        .build()
        .ran(["one", "two"]);
    orca.orca(["undo", "--yes"]).exits(0);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "two\n"));
    // With the plan of the first run its result is on record again, and nothing runs.
    orca.write("orca.toml", with_hands(&[edit("one", "2", "two")])).build().ran([]);
    assert_eq!(orca.files().difference(&first), "");
    orca.orca(["undo", "1", "--yes"]).exits(0);
    assert_eq!(orca.read("a.txt"), TEN);
}

#[test]
fn an_edit_since_is_kept_and_stays_drift() {
    let orca = project(&[edit("one", "2", "two")]);
    orca.build();
    orca.replace("a.txt", "9\n", "nine\n");
    assert_eq!(actions(&orca, &["undo", "--yes", "--json"], 0), pairs(&[("a.txt", "merge")]));
    assert_eq!(orca.read("a.txt"), TEN.replace("9\n", "nine\n"));
    let status: Value = serde_json::from_str(&orca.orca(["status", "--json"]).stdout).expect("JSON");
    assert_eq!(status["drifted_edits"][0]["path"], "a.txt");
    // It is nobody's input: the result comes back from the cache, and is merged with it.
    orca.build().ran([]).cached(["one"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "two\n").replace("9\n", "nine\n"));
}

#[test]
fn an_edit_that_clashes_stays_and_is_named() {
    let make = by_hands("make", "outputs = ['o.txt']", "echo made > o.txt");
    let orca = project(&[edit("one", "2", "two"), make]);
    orca.build();
    orca.replace("a.txt", "two\n", "two and mine\n").append("o.txt", "mine\n");
    let planned = actions(&orca, &["undo", "-n", "--json"], 0);
    assert_eq!(planned, pairs(&[("a.txt", "stay"), ("o.txt", "stay")]));
    let before = orca.files();
    let told = orca.orca(["undo", "--yes"]).exits(1);
    assert!(told.stdout.contains("two and mine"), "{}", told.transcript());
    told.prints(["these files stay as they are: a.txt, o.txt", "orca diff"]);
    assert_eq!(orca.files().difference(&before), "");
    // What is left of the run shows as an edit by hand.
    assert!(orca.orca(["diff"]).exits(0).stdout.contains("-2\n+two and mine\n"));
    // It would meet the result again, and is not written over then either. Mended, the result comes back unpaid.
    orca.build_red().failed(["one"]);
    assert_eq!(orca.files().difference(&before), "");
    orca.replace("a.txt", "two and mine\n", "2\n").build().ran([]).cached(["make", "one"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "two\n"));
}

#[test]
fn a_later_run_comes_first() {
    let orca = project(&[edit("one", "2", "two")]);
    orca.build();
    orca.write("orca.toml", with_hands(&[edit("one", "2", "two"), edit("two", "9", "nine")])).build();
    let before = orca.files();
    orca.orca(["undo", "1", "--yes"]).exits(4).prints(["a.txt: written by run 2", "orca undo 2"]);
    assert_eq!(orca.files().difference(&before), "");
    orca.orca(["undo", "2", "--yes"]).exits(0);
    orca.orca(["undo", "1", "--yes"]).exits(0);
    assert_eq!(orca.read("a.txt"), TEN);
    orca.orca(["undo", "77", "--yes"]).exits(4).prints(["no run 77"]);
}

#[test]
fn outputs_of_agents_come_back_and_those_of_commands_stay() {
    let make = |text: &str, outputs: &str| {
        by_hands(
            "make",
            &format!("outputs = [{outputs}]"),
            &format!("mkdir -p out; echo {text} > out/{text}; echo {text} > same.txt"),
        )
    };
    let run = "[tasks.cmd]\nrun = 'cat same.txt > cmd.txt'\ninputs = ['same.txt']\noutputs = ['cmd.txt']\n".to_owned();
    let orca = project(&[make("first", "'out/*', 'same.txt'"), run.clone()]);
    orca.write("same.txt", "a person's\n");
    orca.build();
    orca.write("orca.toml", with_hands(&[make("second", "'out/*', 'same.txt'"), run])).build();
    assert!(!orca.exists("out/first"));
    let planned = [("out/first", "put-back"), ("out/second", "remove"), ("same.txt", "put-back")];
    assert_eq!(actions(&orca, &["undo", "--yes", "--json"], 0), pairs(&planned));
    assert_eq!(
        (orca.read("out/first"), orca.read("same.txt"), orca.read("cmd.txt")),
        ("first\n".into(), "first\n".into(), "second\n".into())
    );
    orca.orca(["undo", "--yes"]).exits(0);
    assert_eq!(orca.read("same.txt"), "a person's\n");
    assert!(!orca.exists("out"));
    orca.build().ran([]);
    assert_eq!(orca.read("same.txt"), "second\n");
}

#[test]
fn an_output_that_others_edit_goes_back_to_what_it_was() {
    let make =
        |text: &str| by_hands("make", "outputs = ['o.txt']", &format!("seq 9 > o.txt; sed -i s/^2$/{text}/ o.txt"));
    let fix = by_hands("fix", "edits = ['o.txt']\ndeps = ['make']", "sed -i s/^8$/eight/ o.txt");
    let orca = project(&[make("two"), fix.clone()]);
    orca.build().ran(["make", "fix"]);
    let first = orca.files();
    orca.write("orca.toml", with_hands(&[make("zwei"), fix.clone()])).build().ran(["make", "fix"]);
    assert_eq!(orca.read("o.txt"), "1\nzwei\n3\n4\n5\n6\n7\neight\n9\n");
    orca.orca(["undo", "--yes"]).exits(0);
    assert_eq!(orca.read("o.txt"), "1\ntwo\n3\n4\n5\n6\n7\neight\n9\n");
    orca.write("orca.toml", with_hands(&[make("two"), fix])).build().ran([]);
    assert_eq!(orca.files().difference(&first), "");
    orca.orca(["undo", "1", "--yes"]).exits(0);
    assert!(!orca.exists("o.txt"));
}

#[test]
fn a_person_who_edits_during_the_run_gets_their_edit_back() {
    // The task takes its time; the edit comes while it runs, so it is what the run found.
    let slow = by_hands("one", "edits = ['a.txt']", "sed -i s/^2$/two/ a.txt; touch here; sleep 1; rm here");
    let orca = project(&[slow.replace("edits = ['a.txt']", "edits = ['a.txt', 'here*']")]);
    let build = orca.spawn(["build"]);
    support::wait_until("the task runs", || orca.exists(".orca/work/one/tree/here"));
    orca.replace("a.txt", "9\n", "nine\n");
    build.wait().exits(0);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "two\n").replace("9\n", "nine\n"));
    orca.orca(["undo", "--yes"]).exits(0);
    assert_eq!(orca.read("a.txt"), TEN.replace("9\n", "nine\n"));
}

/// The same project once more, with its `.orca`.
fn twin(orca: &Project) -> Project {
    let other = orca.checkout([]);
    let copied = Command::new("cp").arg("-a").arg(orca.path(".orca")).arg(other.path(".orca")).status();
    assert!(copied.expect("cp runs").success());
    other
}

fn can_trace(test: &str) -> bool {
    let possible = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let possible = possible.is_ok_and(|status| status.success());
    if !possible {
        let _told = writeln!(std::io::stderr(), "skipped: {test}: it needs strace");
    }
    possible
}

#[test]
fn killed_at_any_system_call_it_is_finished_and_no_edit_is_lost() {
    if !can_trace("killed_at_any_system_call_it_is_finished_and_no_edit_is_lost") {
        return;
    }
    let lines = "sed -i s/^2$/two/ a.txt; rm gone; echo new > new; echo o > o.txt; echo p > p.txt";
    let all = by_hands("all", "edits = ['a.txt', 'gone', 'new*']\noutputs = ['o.txt', 'p.txt']", lines);
    let orca = project(&[all]);
    orca.write("gone", "gone\n").write("p.txt", "a person's\n").build().ran(["all"]);
    orca.replace("a.txt", "9\n", "nine\n");
    std::thread::scope(|scope| {
        for call in ["renameat2", "unlinkat", "fdatasync", "fsync", "pwrite64", "write", "fchmod", "ftruncate"] {
            let orca = &orca;
            scope.spawn(move || killed_at(orca, call));
        }
    });
}

#[test]
fn a_build_that_was_killed_while_it_wrote_can_be_undone_or_built_again() {
    if !can_trace("a_build_that_was_killed_while_it_wrote_can_be_undone_or_built_again") {
        return;
    }
    let lines = "sed -i s/^2$/two/ a.txt; rm gone; echo new > new; echo o > o.txt; echo p > p.txt";
    let all = by_hands("all", "edits = ['a.txt', 'gone', 'new*']\noutputs = ['o.txt', 'p.txt']", lines);
    let orca = project(&[all]);
    orca.write("gone", "gone\n").write("p.txt", "a person's\n");
    let before = orca.files();
    orca.build().ran(["all"]);
    let after = orca.files();
    orca.orca(["undo", "--yes"]).exits(0);
    // From here on a build takes everything from the cache: it starts nothing, and only writes.
    for call in ["renameat", "renameat2", "unlinkat"] {
        for count in 1.. {
            let other = twin(&orca);
            let inject = format!("inject={call}:signal=KILL:when={count}");
            let is_over = traced(&other, &["build"], &inject, call);
            assert!(["a person's\n", "p\n"].contains(&other.read("p.txt").as_str()), "{call} {count}");
            let status: Value = serde_json::from_str(&other.orca(["status", "--json"]).exits(0).stdout).expect("JSON");
            assert_eq!(status["drifted_edits"], serde_json::json!([]), "{call} {count}");
            other.orca(["undo", "--yes"]).exits(0);
            assert_eq!(other.files().difference(&before), "", "{call} {count}");
            other.build().ran([]);
            assert_eq!(other.files().difference(&after), "", "{call} {count}");
            other.orca(["undo", "--yes"]).exits(0);
            assert_eq!(other.files().difference(&before), "", "{call} {count}");
            std::fs::remove_dir_all(other.root()).expect("it is ours");
            if is_over {
                assert!(count > 3 || call == "renameat", "{call}: no more than {count}?");
                break;
            }
        }
    }
}

/// Undoes the last run in one twin after another, killed at the first such call, the second, and so on until it is through.
fn killed_at(orca: &Project, call: &str) {
    let mine = TEN.replace("9\n", "nine\n");
    for count in 1.. {
        let other = twin(orca);
        let is_over = traced(&other, &["undo", "--yes"], &format!("inject={call}:signal=KILL:when={count}"), call);
        let text = other.read("a.txt");
        assert!(text.contains("nine\n"), "{call} {count}: an edit is lost: {text}");
        assert!(["a person's\n", "p\n"].contains(&other.read("p.txt").as_str()), "{call} {count}");
        if count % 2 == 0 && !is_over {
            // A build finishes it as well, and then brings back what is in the cache.
            other.build().ran([]);
            assert_eq!(other.read("a.txt"), mine.replace("2\n", "two\n"), "{call} {count}");
            assert_eq!((other.exists("gone"), other.read("p.txt")), (false, "p\n".to_owned()), "{call} {count}");
            other.build().ran([]);
        }
        other.orca(["undo", "--yes"]).exits(0);
        assert_eq!(other.read("a.txt"), mine, "{call} {count}");
        assert_eq!((other.read("gone"), other.read("p.txt")), ("gone\n".to_owned(), "a person's\n".to_owned()));
        let left: Vec<String> = other.files().0.into_keys().collect();
        assert_eq!(left, ["a.txt", "gone", "orca.toml", "p.txt"], "{call} {count}");
        std::fs::remove_dir_all(other.root()).expect("it is ours");
        if is_over {
            let is_rare = !["renameat2", "unlinkat", "pwrite64"].contains(&call);
            assert!(count > 3 || is_rare, "{call}: no more than {count} in an undo of five paths?");
            return;
        }
    }
}

/// Whether a command under strace came to its end.
fn traced(orca: &Project, args: &[&str], inject: &str, call: &str) -> bool {
    let mut traced = Command::new("strace");
    traced.args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", inject]);
    let untraced = orca.command();
    traced.arg(untraced.get_program()).args(args).current_dir(orca.root()).env_clear();
    traced.envs(untraced.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ended = traced.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).status();
    ended.expect("strace runs").success()
}
