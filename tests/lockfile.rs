//! `orca.lock`: a fresh clone is up to date, nothing that is lost but the files makes an agent run again, and a lock that
//! came from elsewhere never costs a person's file.
#![expect(clippy::disallowed_methods, reason = "the files and processes of tests are real")]

mod support;

use std::process::Command;

use support::{Output, Project};

/// A plan with an agent that runs the lines of its prompt that begin with `$`.
fn plan(tasks: &[String]) -> String {
    let agent = r#"
[agents.hands]
preset = "command"
command = ["/bin/sh", "-c", "sed -n 's/^[$] //p' > \"$TMPDIR/todo\" && sh -eu \"$TMPDIR/todo\""]

"#;
    format!("{agent}{}", tasks.concat())
}

/// An agent's task that runs these shell lines; `rest` are more lines of its table.
fn task(name: &str, rest: &str, lines: &str) -> String {
    let todo: String = lines.lines().map(|line| format!("$ {}\n", line.trim())).collect();
    format!("[tasks.{name}]\nprompt = '''\nDo this:\n{todo}'''\n{rest}\n\n")
}

const TEN: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";

/// Two agents in one file, one on top of the other in another, one with an output, and a command behind them.
fn shop() -> Project {
    let project = Project::new(&plan(&[
        task("one", "edits = ['a.txt']\ngates = ['short']", "sed -i s/^2$/two/ a.txt"),
        task("two", "edits = ['a.txt', 'b.txt']", "sed -i s/^9$/nine/ a.txt\nsed -i s/^5$/five/ b.txt"),
        task("three", "edits = ['b.txt']", "sed -i 's/^\\(5\\|five\\)$/& and more/' b.txt"),
        task("four", "inputs = ['a.txt']\ndeps = ['one']\noutputs = ['out/four.txt']", "mkdir -p out\nhead -3 a.txt > out/four.txt"),
        "[gates.short]\nrun = \"test $(wc -l < a.txt) -lt 20\"\n\n".to_owned(),
        "[tasks.count]\nrun = \"wc -l a.txt > count.txt\"\ninputs = ['a.txt']\ndeps = ['one', 'two']\noutputs = ['count.txt']\n".to_owned(),
    ]));
    project.write("a.txt", TEN).write("b.txt", TEN).write(".gitignore", "count.txt\n");
    project
}

/// Runs git in the project, with no one's configuration.
#[track_caller]
fn git(project: &Project, args: &[&str]) -> String {
    let settings = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"];
    let mut command = Command::new("git");
    command.args(settings).args(args).current_dir(project.root()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("GIT_CONFIG_NOSYSTEM", "1");
    let done = command.output().expect("git runs");
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "git {args:?}: {text}");
    text
}

#[track_caller]
fn commit(project: &Project, message: &str) {
    git(project, &["add", "-A"]);
    git(project, &["commit", "-qm", message]);
}

#[test]
fn a_fresh_clone_without_any_cache_runs_no_agent() {
    let orca = shop();
    orca.build().ran(["one", "two", "three", "four", "count"]);
    let tree = orca.tree();
    let fresh = orca.clean_room(["count.txt"]);
    let built = fresh.build();
    built.ran(["count"]).cached(["one", "two", "three", "four"]);
    assert_eq!(fresh.tree(), tree);
    fresh.build().ran([]);
}

#[test]
fn explain_says_what_came_from_the_lock_and_counts_edits() {
    let orca = shop();
    orca.build().ran(["one", "two", "three", "four", "count"]);
    orca.orca(["explain", "one"]).exits(0).prints(["recorded in this project: 1 file edited, which had taken "]);
    orca.orca(["explain", "four"]).exits(0).prints(["recorded in this project: 1 file, which had taken "]);
    let fresh = orca.clean_room(["count.txt"]);
    for _ in 0..2 {
        let said = fresh.orca(["explain", "one"]).exits(0);
        said.prints(["last     its result was taken from orca.lock", "result   taken from orca.lock: 1 file edited\n"]);
        fresh.build();
    }
}

#[test]
fn in_a_clone_one_of_those_who_share_a_file_runs_again_alone() {
    let orca = shop();
    git(&orca, &["init", "-q"]);
    commit(&orca, "before");
    orca.build();
    commit(&orca, "after");
    let fresh = clone(&orca);
    fresh.replace("orca.toml", "s/^9$/nine/", "s/^9$/NINE/");
    fresh.build().ran(["two", "count"]).cached(["one", "three", "four"]);
    assert_eq!(fresh.read("a.txt"), orca.read("a.txt").replace("nine", "NINE"));
    fresh.build().ran([]);
}

#[test]
fn deleting_the_lock_or_orcas_own_state_costs_nothing_and_writes_the_same_lock_again() {
    let orca = shop();
    orca.build();
    let lock = orca.read("orca.lock");
    orca.remove("orca.lock").build().ran([]);
    assert_eq!(orca.read("orca.lock"), lock);
    orca.remove(".orca").build().ran([]);
    assert_eq!(orca.read("orca.lock"), lock);
    let fresh = orca.clean_room([]);
    fresh.build().ran(["count"]);
    assert_eq!(fresh.read("orca.lock"), lock);
    fresh.remove("orca.lock").build().ran([]);
    assert_eq!(fresh.read("orca.lock"), lock);
}

#[test]
fn the_lock_is_the_same_whatever_the_number_of_jobs() {
    let lock = |jobs: &str| {
        let orca = shop();
        orca.build_args(["-j", jobs]).green();
        orca.read("orca.lock")
    };
    let first = lock("1");
    assert_eq!(lock("8"), first);
    assert_eq!(lock("3"), first);
}

/// A clone of what is committed, with a home, a cache and a journal of its own: somebody else's machine.
#[track_caller]
fn clone(project: &Project) -> Project {
    let other = Project::empty();
    git(&other, &["clone", "-q", &project.root().display().to_string(), "."]);
    other
}

/// One agent and one file, committed with what it made of it.
fn committed() -> Project {
    let project = Project::new(&plan(&[task("one", "edits = ['a.txt']", "sed -i s/^2$/two/ a.txt")
        .trim_end()
        .to_owned()
        + "\n"]));
    project.write("a.txt", TEN).write(".gitignore", "");
    git(&project, &["init", "-q"]);
    commit(&project, "before");
    project.build().ran(["one"]);
    commit(&project, "after");
    project
}

#[test]
fn what_others_pulled_runs_nothing() {
    let orca = committed();
    let other = clone(&orca);
    other.build().ran([]);
    orca.replace("orca.toml", "two/", "TWO/").build().ran(["one"]);
    commit(&orca, "again");
    git(&other, &["pull", "-q"]);
    other.build().ran([]).cached(["one"]);
    assert_eq!(git(&other, &["status", "--short"]), "");
    assert_eq!(other.read("a.txt"), TEN.replace("2\n", "TWO\n"));
}

#[test]
fn a_lock_without_its_files_makes_its_task_run_and_with_them_it_counts_again() {
    let orca = committed();
    let other = clone(&orca);
    other.build().ran([]);
    orca.replace("orca.toml", "two/", "TWO/").build().ran(["one"]);
    commit(&orca, "again");
    git(&other, &["fetch", "-q"]);
    git(&other, &["checkout", "origin/main", "--", "orca.lock", "orca.toml"]);
    let asked = other.orca(["build", "-n"]).exits(0).prints(["run one"]);
    assert!(
        asked.stderr.contains("orca.lock has a result of `one` whose files are not here: `a.txt`"),
        "{}",
        asked.stderr
    );
    git(&other, &["checkout", "origin/main", "--", "a.txt"]);
    other.build().ran([]);
    git(&other, &["checkout", "HEAD", "--", "a.txt"]);
    other.remove(".orca").build().ran([]).cached(["one"]);
    let third = clone(&orca);
    git(&third, &["checkout", "HEAD~2", "--", "a.txt"]);
    assert_eq!(third.read("a.txt"), TEN);
    third.build().ran(["one"]);
    assert_eq!(third.read("a.txt"), TEN.replace("2\n", "TWO\n"));
}

#[test]
fn files_without_their_lock_are_a_persons_until_the_task_has_run() {
    let orca = committed();
    let other = clone(&orca);
    other.build().ran([]);
    orca.replace("orca.toml", "two/", "TWO/").build().ran(["one"]);
    commit(&orca, "again");
    git(&other, &["fetch", "-q"]);
    git(&other, &["checkout", "origin/main", "--", "a.txt", "orca.toml"]);
    other.append("a.txt", "mine\n");
    other.build().ran(["one"]);
    assert_eq!(other.read("a.txt"), TEN.replace("2\n", "TWO\n") + "mine\n");
    other.build().ran([]);
}

#[test]
fn a_person_who_edits_a_clone_keeps_the_edit_and_the_base_comes_from_git() {
    let orca = committed();
    let other = clone(&orca);
    other.replace("a.txt", "9\n", "nine, mine\n");
    commit(&other, "mine");
    other.build().ran([]);
    // A program of the repository's that git would run, if it were let.
    for setting in ["core.fsmonitor", "core.sshCommand", "gpg.program", "diff.external", "core.pager"] {
        git(&other, &["config", setting, "touch pwned; false"]);
    }
    git(&other, &["config", "log.showSignature", "true"]);
    let before = git(&other, &["count-objects", "-v"]) + &other.read(".git/HEAD") + &other.read(".git/config");
    let index = std::fs::read(other.path(".git/index")).expect("there is one");
    other.replace("orca.toml", "two/", "TWO/").build().ran(["one"]);
    assert_eq!(other.read("a.txt"), TEN.replace("2\n", "TWO\n").replace("9\n", "nine, mine\n"));
    let after = git(&other, &["count-objects", "-v"]) + &other.read(".git/HEAD") + &other.read(".git/config");
    assert_eq!(after, before);
    assert_eq!(std::fs::read(other.path(".git/index")).expect("there is one"), index);
    assert!(!other.exists("pwned") && !other.exists(".git/pwned"));
}

#[test]
fn a_base_that_is_nowhere_is_told_before_anything_is_paid_for() {
    let orca = committed();
    let fresh = orca.clean_room([".git"]);
    fresh.build().ran([]);
    let built = fresh.replace("orca.toml", "two/", "TWO/").build_red();
    built.ran([]).failed(["one"]);
    let message = &built.failure("one").message;
    assert!(message.contains("`a.txt`") && message.contains("orca rebase"), "{message}");
    assert_eq!(fresh.read("a.txt"), TEN.replace("2\n", "two\n"));
}

#[test]
fn another_branch_has_other_results_and_coming_back_costs_nothing() {
    let orca = committed();
    git(&orca, &["checkout", "-q", "-b", "side", "HEAD~1"]);
    assert!(!orca.exists("orca.lock"));
    orca.write("a.txt", TEN.replace("7\n", "seven\n"));
    commit(&orca, "side");
    // The file is another here, so the result is, too.
    orca.build().ran(["one"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("7\n", "seven\n").replace("2\n", "two\n"));
    commit(&orca, "side, built");
    git(&orca, &["checkout", "-q", "main"]);
    orca.build().ran([]);
    assert_eq!(git(&orca, &["status", "--short"]), "");
    git(&orca, &["checkout", "-q", "side"]);
    orca.build().ran([]);
    assert_eq!(git(&orca, &["status", "--short"]), "");
    git(&orca, &["checkout", "-q", "--detach", "main~1"]);
    orca.build().ran([]).cached(["one"]);
    assert_eq!(git(&orca, &["diff", "main", "--", "a.txt"]), "");
}

#[test]
fn a_changed_gate_judges_in_a_clone_what_no_agent_makes_again() {
    let orca = committed();
    orca.append("orca.toml", "gates = ['short']\n[gates.short]\nrun = \"test $(wc -l < a.txt) -lt 20\"\n");
    orca.build().ran([]);
    commit(&orca, "with a gate");
    let fresh = clone(&orca);
    fresh.build().ran([]);
    fresh.replace("orca.toml", "-lt 20", "-lt 30");
    let built = fresh.build();
    built.ran([]).cached(["one"]);
    assert_eq!(built.because("one"), "`short` must judge its result");
    assert_ne!(fresh.read("orca.lock"), orca.read("orca.lock"));
    let judged = fresh.clean_room([]);
    assert!(judged.build().events.iter().all(|event| !matches!(event, orca::event::Event::GateJudged { .. })));
    let red = clone(&orca);
    red.replace("orca.toml", "-lt 20", "-lt 2").build_red().failed(["one"]);
    assert_eq!((red.read("a.txt"), red.read("orca.lock")), (orca.read("a.txt"), orca.read("orca.lock")));
}

#[test]
fn two_branches_that_are_merged_run_nothing_again() {
    let tasks = [
        task("one", "edits = ['a.txt']\ntags = ['left']", "sed -i s/^2$/two/ a.txt"),
        task("two", "edits = ['a.txt']\ntags = ['right']", "sed -i s/^9$/nine/ a.txt"),
    ];
    let orca = Project::new(&plan(&tasks));
    orca.write("a.txt", TEN);
    git(&orca, &["init", "-q"]);
    commit(&orca, "before");
    git(&orca, &["checkout", "-q", "-b", "right"]);
    orca.build_args(["tag:right"]).green().ran(["two"]);
    commit(&orca, "right");
    git(&orca, &["checkout", "-q", "main"]);
    orca.build_args(["tag:left"]).green().ran(["one"]);
    commit(&orca, "left");
    // Both wrote the file from nothing: git cannot know, and both sides are right.
    std::fs::write(orca.path(".git/info/attributes"), "orca.lock merge=union\n").expect("it can be written");
    git(&orca, &["merge", "-q", "--no-edit", "right"]);
    let merged = TEN.replace("2\n", "two\n").replace("9\n", "nine\n");
    assert_eq!(orca.read("a.txt"), merged);
    commit_all_of(&orca, "merged");
    let fresh = clone(&orca);
    fresh.build().ran([]).cached(["one", "two"]);
    orca.build().ran([]).cached(["one", "two"]);
    assert_eq!(fresh.read("a.txt"), merged);
    assert_eq!(fresh.read("orca.lock"), orca.read("orca.lock"));
    // What the two come to is on record now, so the next clone needs no history for it.
    fresh.clean_room([".git"]).build().ran([]);
}

/// Commits where there may be nothing to commit.
#[track_caller]
fn commit_all_of(project: &Project, message: &str) {
    git(project, &["add", "-A"]);
    git(project, &["commit", "-q", "--allow-empty", "-m", message]);
}

#[test]
fn a_lock_that_cannot_be_read_is_told_with_its_place_and_nothing_runs() {
    let orca = committed();
    let good = orca.read("orca.lock");
    let line =
        |start: &str| good.lines().find(|line| line.starts_with(start)).expect("there is such a line").to_owned();
    let cases: [(String, &str, &str); 9] = [
        (good.replace("task.one.key", "<<<<<<< HEAD\ntask.one.key"), "10:1", "the marks of a conflict are in it"),
        (good.replace("version = 1", "version = 2"), "2:11", "this lock is of version 2"),
        (good.replace("version = 1\n", ""), "1:1", "does not say `version = 1`"),
        (good.replace("version = 1", "version ="), "2:10", "this is not TOML"),
        (format!("{good}{}\n", line("task.one.key")), "12:10", "`task.one.key` is there twice"),
        (good.replace("size = 21", "size = 22"), "4:17", "the lines of `one` do not belong together"),
        (good.replace(&line("task.one.seal"), ""), "5:6", "`one` has no seal"),
        (good.replace("edits.\"a.txt\"", "edits.\"../a.txt\""), "11:16", "is no path"),
        (format!("{good}task.one.mood = 3\n"), "12:10", "`mood` is nothing that a lock says of a task"),
    ];
    for (text, place, says) in &cases {
        let before = orca.write("orca.lock", text).tree();
        for command in [
            ["build"].as_slice(),
            &["build", "-n"],
            &["build", "--locked"],
            &["status"],
            &["check"],
            &["explain", "one"],
        ] {
            let output: Output = orca.orca(command).exits(3);
            assert!(output.stderr.contains(&format!("orca.lock:{place}: ")), "{place} {says}\n{}", output.transcript());
            assert!(
                output.stderr.contains(says) && output.stderr.contains("help: "),
                "{says}\n{}",
                output.transcript()
            );
        }
        assert_eq!(orca.tree(), before);
    }
    orca.write("orca.lock", good.replace('\n', "\r\n")).build().ran([]);
    assert_eq!(orca.read("orca.lock"), good.replace('\n', "\r\n"));
    orca.write("orca.lock", b"version = 1\n# \xff\n");
    let output = orca.orca(["build"]).exits(3);
    assert!(output.stderr.contains("orca.lock:2:1: this is not UTF-8 text"), "{}", output.transcript());
}

#[test]
fn locked_lets_nothing_run_and_writes_nothing() {
    let orca = shop();
    orca.build();
    orca.orca(["build", "--locked"]).exits(0);
    let refused = |project: &Project, says: &[&str]| {
        let (before, had_state) = (project.tree(), project.exists(".orca"));
        let output = project.orca(["build", "--locked"]).exits(1);
        assert!(says.iter().all(|says| output.stderr.contains(says)), "{says:?}\n{}", output.transcript());
        let as_json = project.orca(["build", "--locked", "--json"]).exits(1);
        let told: serde_json::Value = serde_json::from_str(&as_json.stdout).expect("one object");
        assert_eq!((&told["v"], &told["locked"]), (&1.into(), &false.into()));
        assert!(!told["obstacles"].as_array().expect("a list").is_empty());
        assert_eq!((project.tree(), project.exists(".orca")), (before, had_state));
    };
    refused(&orca.clean_room([]), &["run count: it has no result yet"]);
    refused(&orca.clean_room(["orca.lock"]), &["run one: ", "maybe four: it depends on what `one` brings"]);
    let agents_only = orca.clean_room([]);
    agents_only.orca(["build", "--locked", "three", "four"]).exits(0);
    let edited = agents_only.clean_room([]);
    edited.replace("orca.toml", "s/^2$/two/", "s/^2$/TWO/");
    refused(&edited, &["run one: its result in orca.lock was made from something else"]);
    let gate = orca.checkout([]);
    gate.replace("orca.toml", "-lt 20", "-lt 30");
    refused(&gate, &["judge one: `short` must judge its result"]);
    orca.remove("orca.lock");
    refused(&orca, &["write the lock: there is no orca.lock"]);
    orca.build().ran([]);
    let left = orca.checkout([]);
    left.build();
    left.replace("orca.toml", "[tasks.three]", "[tasks.trois]");
    refused(&left, &["write the lock: orca.lock says something else of `three`"]);
}

#[test]
fn a_plan_without_agents_has_no_lock_and_takes_none_away() {
    let orca = Project::new("[tasks.a]\nrun = \"echo a > a\"\noutputs = [\"a\"]\n");
    orca.build().ran(["a"]);
    assert!(!orca.exists("orca.lock"));
    let others = committed().read("orca.lock");
    orca.write("orca.lock", &others).build().ran([]);
    assert_eq!(orca.read("orca.lock"), others);
    orca.orca(["build", "--locked"]).exits(0);
}

#[test]
fn no_task_sees_the_lock_or_writes_it() {
    let orca = Project::new(&plan(&[
        task("all", "inputs = ['**']\nedits = ['src/**']", "test ! -e orca.lock\necho x >> src/x"),
        task("bad", "edits = ['**']", "echo 'version = 1' > orca.lock"),
    ]));
    orca.write("src/x", "x\n");
    orca.build_args(["all"]).green().ran(["all"]);
    assert!(orca.exists("orca.lock"));
    orca.build_args(["all"]).green().ran([]);
    let lock = orca.read("orca.lock");
    let built = orca.build_red();
    built.failed(["bad"]);
    assert!(built.failure("bad").details.concat().contains("orca.lock is the plan's"), "{:?}", built.failure("bad"));
    assert_eq!(orca.read("orca.lock"), lock);
    orca.orca(["clean", "--yes", "--all"]).exits(0);
    assert_eq!(orca.read("orca.lock"), lock);
}

#[test]
fn a_task_that_left_keeps_its_part_of_a_shared_file_in_every_clone() {
    let tasks = |with: bool| {
        let two = task("two", "edits = ['a.txt']", "sed -i s/^9$/nine/ a.txt");
        let one = task("one", "edits = ['a.txt']", "sed -i s/^2$/two/ a.txt");
        if with { plan(&[one, two]) } else { plan(&[two]) }
    };
    let orca = Project::new(&tasks(true));
    orca.write("a.txt", TEN);
    orca.build().ran(["one", "two"]);
    let merged = orca.read("a.txt");
    orca.write("orca.toml", tasks(false)).build().ran([]);
    let lock = orca.read("orca.lock");
    let fresh = orca.clean_room([]);
    fresh.build().ran([]);
    assert_eq!((fresh.read("a.txt"), fresh.read("orca.lock")), (merged, lock));
}

#[test]
fn an_older_lock_that_is_put_back_takes_nothing_back() {
    let orca = committed();
    let older = orca.read("orca.lock");
    orca.replace("orca.toml", "two/", "TWO/").build().ran(["one"]);
    let lock = orca.read("orca.lock");
    orca.write("orca.lock", &older).build().ran([]);
    assert_eq!(orca.read("orca.lock"), lock);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "TWO\n"));
}

#[test]
fn a_lock_makes_no_file_orcas_that_the_plan_does_not() {
    let orca = Project::new(&plan(&[task(
        "one",
        "outputs = ['out/**']\nedits = ['a.txt']",
        "mkdir -p out\necho a > out/a\necho b > out/b",
    )]));
    orca.write("a.txt", TEN);
    orca.build().ran(["one"]);
    let other = orca.clean_room([]);
    other.replace("orca.toml", "out/**", "out/a").replace("orca.toml", "echo b > out/b", "true");
    other.orca(["build", "-n"]).exits(0);
    other.build().ran(["one"]);
    assert_eq!(other.read("out/b"), "b\n", "it came with the clone, and no journal says that orca made it");
}

#[test]
fn the_status_says_how_it_stands_with_the_lock() {
    let orca = committed();
    let state = || {
        let told = orca.orca(["status", "--json"]).exits(0).stdout;
        let told: serde_json::Value = serde_json::from_str(&told).expect("one object");
        told["lock"].clone()
    };
    assert_eq!(state(), serde_json::json!({ "state": "up-to-date" }));
    let lock = orca.read("orca.lock");
    orca.write("orca.lock", lock.replace("task.one.agent = \"hands\"\n", ""));
    assert_eq!(state(), serde_json::json!({ "state": "outdated", "tasks": ["one"] }));
    orca.orca(["status"])
        .exits(0)
        .prints(["orca.lock:\n  a build writes it anew: it does not say what is on record of one"]);
    orca.remove("orca.lock");
    assert_eq!(state(), serde_json::json!({ "state": "missing" }));
}
