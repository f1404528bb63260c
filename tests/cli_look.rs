//! Commands that look: they run nothing, write nothing, anywhere, and agree with what a build then does.
#![expect(clippy::disallowed_methods, reason = "reads the whole world of a project, state and cache included")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use orca::event::Outcome;
use rustix::process::Signal;
use serde_json::Value;
use support::{Fixture, Project};

/// Every command that looks, as a user types it.
const LOOKS: [&[&str]; 24] = [
    &["build", "-n"],
    &["build", "-n", "--json", "--force"],
    &["check"],
    &["check", "--json", "--strict"],
    &["graph"],
    &["graph", "--format", "dot", "+report"],
    &["graph", "--format", "mermaid", "--layers"],
    &["graph", "--json", "--critical-path"],
    &["explain", "report", "--key"],
    &["explain", "count-tide", "--json"],
    &["status"],
    &["status", "--json"],
    &["show", "headline"],
    &["show", "report", "--json"],
    &["log", "check"],
    &["log", "check", "--failed", "--json"],
    &["diff", "check"],
    &["diff", "--json"],
    &["report"],
    &["report", "--json"],
    &["rebase", "-n"],
    &["undo", "-n"],
    &["clean", "-n", "--all"],
    &["cache", "stats"],
];

/// Inode, mode, times of change, and content.
type State = (u64, u32, i64, i64, Vec<u8>);

/// Everything there is about the files beneath a directory, access times left out.
fn world(root: &Path) -> BTreeMap<String, State> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let meta = fs::symlink_metadata(&path).expect("listed, so there");
        let bytes = if meta.is_file() { fs::read(&path).expect("a file can be read") } else { Vec::new() };
        if meta.is_dir() {
            open.extend(fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()));
        }
        let times =
            (meta.mtime() * 1_000_000_000 + meta.mtime_nsec(), meta.ctime() * 1_000_000_000 + meta.ctime_nsec());
        let name = path.display().to_string();
        found.insert(name, (meta.ino(), meta.mode(), times.0, times.1, bytes));
    }
    found
}

/// Runs every look and asserts that nothing at all is different afterwards.
#[track_caller]
fn looks_leave_no_trace(orca: &Project) {
    let everything = orca.root().parent().expect("it lies in its world");
    for look in LOOKS {
        let before = world(everything);
        let output = orca.orca(look);
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 4)), "{}", output.transcript());
        assert!(!output.stderr.contains("panicked"), "{}", output.transcript());
        let after = world(everything);
        let differing: Vec<&String> = before
            .keys()
            .chain(after.keys().filter(|path| !before.contains_key(*path)))
            .filter(|path| before.get(*path) != after.get(*path))
            .collect();
        assert!(differing.is_empty(), "`orca {}` left a trace: {differing:?}", look.join(" "));
    }
}

#[test]
fn looking_at_a_project_that_was_never_built_leaves_no_trace() {
    looks_leave_no_trace(&Fixture::open("quickstart"));
}

#[test]
fn looking_at_a_project_that_was_built_leaves_no_trace() {
    let orca = Fixture::open("quickstart");
    orca.build();
    looks_leave_no_trace(&orca);
    orca.append("texts/tide.txt", "more\n").remove("build/report.md");
    looks_leave_no_trace(&orca);
}

#[test]
fn looking_after_a_kill_leaves_no_trace() {
    let orca = Project::new(
        "[tasks.a]\nrun = 'sh -c \"echo a > a.txt\"'\noutputs = [\"a.txt\"]\n\
         [tasks.b]\nrun = 'sh -c \"touch up; sleep 60\"'\ndeps = [\"a\"]\n",
    );
    let mut build = orca.spawn(["build", "--json"]);
    build.wait_for("\"event\":\"task-started\",\"task\":\"b\"");
    for _ in 0..2_000 {
        if orca.exists(".orca/work/b/tree/up") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    build.signal(Signal::KILL);
    build.wait();
    let everything = orca.root().parent().expect("it lies in its world");
    for look in [["status", "--json"], ["explain", "a"], ["build", "-n"], ["report", "--json"]] {
        let before = world(everything);
        let output = orca.orca(look).exits(0);
        // A journal that was not closed is read through SQLite's shared memory, which is scratch paper; and where root
        // looks, SQLite gives the log beside it the owner it has. What they hold is what it was.
        let differs = |(path, now): &(String, State)| match before.get(path) {
            _ if path.ends_with("-shm") => false,
            Some(then) if path.ends_with("-wal") => then.4 != now.4,
            then => then != Some(now),
        };
        let differing: Vec<String> = world(everything).into_iter().filter(differs).map(|(path, _)| path).collect();
        assert!(differing.is_empty(), "{differing:?}\n{}", output.transcript());
    }
    orca.orca(["explain", "a"]).exits(0).prints(["a is clean"]);
    orca.orca(["report"]).exits(0).prints(["did not end"]);
}

#[test]
fn looking_works_where_nothing_may_be_written() {
    let orca = Fixture::open("quickstart");
    orca.build();
    let world = orca.root().parent().expect("it lies in its world");
    let mut directories = vec![world.to_owned()];
    let mut all = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.is_symlink() {
                directories.push(path);
            }
        }
        all.push(directory);
    }
    let set = |mode| {
        for directory in &all {
            fs::set_permissions(directory, fs::Permissions::from_mode(mode)).expect("they are ours");
        }
    };
    set(0o555);
    let outputs: Vec<_> = LOOKS.iter().map(|look| orca.orca(*look)).collect();
    set(0o755);
    for output in outputs {
        assert!(matches!(output.status.code(), Some(0 | 4)), "{}", output.transcript());
    }
}

#[test]
fn a_dry_run_says_what_a_build_then_does() {
    let orca = Fixture::open("quickstart");
    let dry = |expected: &[(&str, &str)]| {
        let output = orca.orca(["build", "-n", "--json"]).exits(0);
        let value: Value = serde_json::from_str(&output.stdout).expect("JSON");
        assert_eq!(value["v"], 1);
        let tasks = value["tasks"].as_array().expect("a list");
        let found: BTreeMap<&str, &str> = tasks
            .iter()
            .map(|task| (task["task"].as_str().expect("a name"), task["would"].as_str().expect("a word")))
            .collect();
        assert_eq!(found, expected.iter().copied().collect(), "{}", output.transcript());
    };
    dry(&[
        ("count-tide", "run"),
        ("count-harbour", "run"),
        ("report", "maybe"),
        ("headline", "maybe"),
        ("check", "maybe"),
    ]);
    orca.build();
    let nothing = ["count-tide", "count-harbour", "report", "headline", "check"].map(|task| (task, "nothing"));
    dry(&nothing);
    orca.append("texts/tide.txt", "The boats wait.\n").remove("build/harbour.counts");
    dry(&[
        ("count-tide", "run"),
        ("count-harbour", "restore"),
        ("report", "maybe"),
        ("headline", "maybe"),
        ("check", "maybe"),
    ]);
    assert!(!orca.exists("build/harbour.counts"), "a dry run restores nothing");
    orca.build().ran(["check", "count-tide", "headline", "report"]).cached(["count-harbour"]);
    orca.orca(["build", "-n"]).exits(0).prints(["0 would run, 0 may, 5 are up to date"]);
    orca.orca(["build", "-n", "--force", "report"]).exits(0).prints(["run report: --force"]);
}

#[test]
fn after_any_edit_a_dry_run_and_the_build_agree() {
    let mut orca = Fixture::open("docs-pipeline");
    let edits: [fn(&mut Project); 9] = [
        |_| {},
        |_| {},
        |orca| {
            orca.append("pages/en/intro.md", "\nMore.\n");
        },
        |orca| {
            orca.append("tools/index.sh", "# more\n");
        },
        |orca| {
            orca.append("orca.toml", "# more\n");
        },
        |orca| {
            orca.orca(["clean", "--yes"]).exits(0);
        },
        |orca| {
            orca.remove("pages/de/usage.md").write("pages/de/usage.md", "# Neu\n");
        },
        |orca| {
            orca.orca(["clean", "--yes"]).exits(0);
            orca.append("tools/render.sh", "# more\n");
        },
        |orca| {
            orca.remove("../cache/orca").remove(".orca");
        },
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        edit(&mut orca);
        let dry: Value = serde_json::from_str(&orca.orca(["build", "-n", "--json"]).exits(0).stdout).expect("JSON");
        let build = orca.build();
        for task in dry["tasks"].as_array().expect("a list") {
            let name = task["task"].as_str().expect("a name");
            let restored = match build.settled(name) {
                Some(Outcome::Cached { restored, .. }) => Some(*restored),
                Some(_) => None,
                // Of what it did not look at, nothing had to be done.
                None => Some(0),
            };
            match task["would"].as_str().expect("a word") {
                "run" => assert_eq!(restored, None, "edit {number}: `{name}` was to run"),
                "nothing" => assert_eq!(restored, Some(0), "edit {number}: nothing was to be done for `{name}`"),
                "restore" => assert_eq!(restored, task["files"].as_u64(), "edit {number}: `{name}` was to be restored"),
                "maybe" => {}
                other => panic!("edit {number}: `{name}` would {other}"),
            }
        }
    }
}

#[test]
fn a_dry_run_of_an_invalid_plan_is_invalid() {
    let orca = Project::new("[tasks.a]\nrun = \"true\"\ndeps = [\"b\"]\n");
    orca.orca(["build", "-n"]).exits(3).prints(["unknown_task"]);
    let orca = Project::new("[tasks.a]\nrun = \"true\"\ninputs = [\"gone.txt\"]\n");
    orca.orca(["build", "-n"]).exits(3).prints(["missing_input"]);
    orca.orca(["explain", "a"]).exits(3).prints(["missing_input"]);
}

#[test]
fn status_counts_and_names() {
    let orca = Fixture::open("quickstart");
    orca.orca(["status"]).exits(0).prints(["5 tasks: 2 never-run, 3 waits"]);
    orca.build();
    orca.orca(["status"]).exits(0).prints(["5 tasks: 5 clean", "run 1", "good"]);
    orca.append("build/headline.txt", "by hand\n").append("tools/check.sh", "exit 3\n").remove("build/tide.counts");
    let output = orca.orca(["status"]).exits(0).prints(["tools/check.sh", "build/headline.txt (of headline)"]);
    assert!(output.stdout.contains("count-tide: 1 file\n"), "{}", output.transcript());
    orca.build_red();
    let output = orca.orca(["status", "--json"]).exits(0);
    let value: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(value["v"], 1);
    assert_eq!(value["counts"]["failed"], 1, "{value}");
    assert_eq!(value["last_run"]["ok"], false);
    assert_eq!(value["drifted"][0]["path"], "build/headline.txt");
    assert_eq!(value["building"], Value::Null);
}

#[test]
fn a_damaged_journal_is_taken_for_empty() {
    let orca = Fixture::open("quickstart");
    orca.build();
    let mut bytes = fs::read(orca.path(".orca/journal.db")).expect("a journal");
    bytes.iter_mut().skip(4096).step_by(61).for_each(|byte| *byte ^= 0x5a);
    for damaged in [bytes.as_slice(), &bytes[..6000], b"no journal at all", b""] {
        orca.write(".orca/journal.db", damaged);
        for look in [["status"].as_slice(), &["check"], &["graph", "--json"], &["build", "-n"], &["explain", "check"]] {
            let output = orca.orca(look).exits(0);
            assert!(!output.stderr.contains("error"), "{}", output.transcript());
        }
        assert_eq!(fs::read(orca.path(".orca/journal.db")).expect("a journal"), damaged, "looking changes nothing");
    }
    orca.build();
    orca.orca(["status"]).exits(0).prints(["5 clean"]);
}

#[test]
fn status_says_who_is_building() {
    let orca = Project::new("[tasks.slow]\nrun = \"sleep 60\"\n");
    let mut build = orca.spawn(["build", "--json"]);
    build.wait_for("task-started");
    let pid = build.pid();
    orca.orca(["status"]).exits(0).prints([&format!("building now: process {pid} (orca build)"), "began"]);
    orca.orca(["report"]).exits(0).prints(["not done yet"]);
    build.signal(Signal::INT);
    build.wait();
    orca.orca(["report"]).exits(0).prints(["interrupted by signal 2"]);
    let output = orca.orca(["status"]).exits(0);
    assert!(!output.stdout.contains("building now"), "{}", output.transcript());
}

#[test]
fn a_misspelt_task_is_a_wrong_command_line() {
    let orca = Fixture::open("quickstart");
    for command in ["explain", "show", "log"] {
        orca.orca([command, "reprot"]).exits(2).prints(["no task `reprot`", "did you mean `report`?"]);
        orca.orca([command, "count-*"]).exits(2).prints(["names several tasks: count-harbour, count-tide"]);
    }
    orca.orca(["graph", "tag:tset"]).exits(2).prints(["did you mean `test`?"]);
    orca.orca(["frobnicate"]).exits(2);
    orca.orca(["help"]).exits(0).prints(["Usage", "explain"]);
}

#[test]
fn a_dry_run_says_what_would_be_removed_and_what_put_aside() {
    let orca = Project::new(
        "[tasks.a]\nrun = 'echo a > a.txt'\noutputs = [\"a.txt\"]\n\
         [tasks.b]\nrun = 'echo b > b.txt; echo c > c.txt'\noutputs = [\"b.txt\", \"c.txt\"]\n",
    );
    orca.write("a.txt", "mine\n");
    orca.orca(["build", "-n"]).exits(0).prints(["replace a.txt (of a)"]);
    orca.build();
    let quiet = orca.orca(["build", "-n"]).exits(0);
    assert!(!quiet.stdout.contains("replace") && !quiet.stdout.contains("remove"), "{}", quiet.transcript());

    orca.write("orca.toml", "[tasks.a]\nrun = 'echo a > a.txt'\noutputs = [\"a.txt\"]\n");
    orca.write("a.txt", "mine\n").write("c.txt", "mine too\n");
    let dry = orca.orca(["build", "-n"]).exits(0).prints(["restore a", "remove b.txt:", "replace a.txt (of a)"]);
    assert!(!dry.stdout.contains("c.txt"), "what was changed stays\n{}", dry.transcript());
    let value: Value = serde_json::from_str(&orca.orca(["build", "-n", "--json"]).exits(0).stdout).expect("JSON");
    assert_eq!(value["removes"], serde_json::json!(["b.txt"]));
    assert_eq!(value["replaces"], serde_json::json!([{ "task": "a", "path": "a.txt" }]));
    orca.build();
    assert!(orca.exists("a.txt") && !orca.exists("b.txt") && orca.exists("c.txt"));
}

#[test]
fn a_task_that_cannot_start_would_fail_and_has_no_log() {
    let orca = Project::new("[tasks.a]\nrun = 'true'\ntools = ['no-such-tool']\n[tasks.b]\nrun = 'true'\n");
    orca.orca(["build", "-n"]).exits(0).prints(["fail a:", "1 would run, 0 may, 1 would fail, 0 are up to date"]);
    orca.build_args(["-k"]).red();
    orca.orca(["log", "a"]).exits(4).prints(["there is no log of `a`: it did not start: the tool `no-such-tool`"]);
}

#[test]
fn without_its_cache_and_its_journal_a_project_knows_what_it_has() {
    let orca = Project::new(
        "[tasks.a]\nrun = 'sleep 0.1; echo a; echo a > a.txt'\noutputs = [\"a.txt\"]\n\
        [tasks.test]\nrun = 'echo tested'\n",
    );
    let saved = || match orca.build().outcome("a") {
        Outcome::Cached { saved_ms, .. } => *saved_ms,
        other => panic!("{other:?}"),
    };
    orca.build();
    orca.remove(".orca");
    let first = saved();
    assert!(first >= 100, "{first}");
    assert_eq!(saved(), first, "what was saved once is saved again");
    orca.orca(["explain", "a"]).exits(0).prints(["its result was taken from the cache, in run 1"]);

    fs::remove_dir_all(orca.cache()).expect("it is there");
    let told = orca.orca(["build"]).exits(0).prints(["nothing to do"]);
    assert!(!told.stderr.contains("warning"), "{}", told.transcript());
}
