//! `orca watch`: what is edited runs again by itself, and the tree ends as a plain build would have left it.
#![expect(clippy::disallowed_methods, reason = "the files, processes and times of tests are real")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use orca::event::{Event, EventRecord, Outcome};
use rustix::process::Signal;
use support::{Output, Project, Running, wait_until, wait_until_nothing_runs};

/// Two tasks in a row, and one by itself.
const CHAIN: &str = r#"
[tasks.first]
run = "cat src/one > out/first"
inputs = ["src/one"]
outputs = ["out/first"]
[tasks.second]
run = "cat out/first src/two > out/second"
inputs = ["out/first", "src/two"]
outputs = ["out/second"]
[tasks.list]
run = "find more -type f | sort > list"
inputs = ["more/**"]
outputs = ["list"]
"#;

fn chain() -> Project {
    let project = Project::new(CHAIN);
    project.write("src/one", "1\n").write("src/two", "2\n").write("more/a", "").write("more/deep/b", "");
    project
}

/// One run, by its events.
struct Run(Vec<Event>);

impl Run {
    fn which(&self, is: impl Fn(&Outcome) -> bool) -> BTreeSet<String> {
        let ended = self.0.iter().filter_map(|event| match event {
            Event::TaskFinished { task, outcome, .. } if is(outcome) => Some(task.to_string()),
            _ => None,
        });
        ended.collect()
    }

    fn ran(&self) -> Vec<String> {
        self.which(|outcome| matches!(outcome, Outcome::Ran)).into_iter().collect()
    }
}

/// A watcher that runs with `--json`.
struct Watching {
    orca: Running,
    runs: usize,
}

impl Watching {
    fn start<const N: usize>(project: &Project, args: [&str; N]) -> Self {
        let args: Vec<&str> = ["watch", "--json"].into_iter().chain(args).collect();
        Self { orca: project.spawn(args), runs: 0 }
    }

    fn events(&self) -> Vec<Event> {
        let text = self.orca.so_far();
        // A line that is being written is no event yet.
        let records = text.lines().filter_map(|line| serde_json::from_str::<EventRecord>(line).ok());
        records.map(|record| record.event).collect()
    }

    fn runs_so_far(&self) -> usize {
        self.events().iter().filter(|event| matches!(event, Event::RunFinished { .. })).count()
    }

    /// The next run that comes to its end.
    #[track_caller]
    fn next(&mut self) -> Run {
        let since = Instant::now();
        while self.runs_so_far() <= self.runs {
            let is_late = since.elapsed() > Duration::from_secs(60);
            assert!(!is_late && !self.orca.has_ended(), "no run {}:\n{}", self.runs + 1, self.orca.so_far());
            std::thread::sleep(Duration::from_millis(5));
        }
        let events = self.events();
        let is_end = |event: &Event| matches!(event, Event::RunFinished { .. });
        let run = events.split_inclusive(is_end).nth(self.runs).expect("it was counted").to_vec();
        self.runs += 1;
        Run(run)
    }

    /// Runs until no more come; what ran in them.
    #[track_caller]
    fn settles(&mut self) -> Vec<String> {
        let mut ran: BTreeSet<String> = self.next().ran().into_iter().collect();
        while self.comes_within(Duration::from_millis(400)) {
            ran.extend(self.next().ran());
        }
        ran.into_iter().collect()
    }

    fn comes_within(&self, time: Duration) -> bool {
        let since = Instant::now();
        while since.elapsed() < time {
            if self.runs_so_far() > self.runs {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    #[track_caller]
    fn stays_quiet(&self) {
        assert!(!self.comes_within(Duration::from_millis(600)), "it built again:\n{}", self.orca.so_far());
    }

    fn end(mut self) -> Output {
        self.orca.signal(Signal::INT);
        self.orca.wait().exits(130)
    }

    /// Ends it; the tree has to be what a plain build leaves, here and from nothing.
    #[track_caller]
    fn ends_as_a_plain_build(self, project: &Project) {
        self.end();
        let before = project.files();
        project.build().ran([]);
        assert_eq!(project.files().difference(&before), "", "a plain build changes something");
        let room = project.clean_room(["out", "list", "orca.lock"]);
        room.build();
        assert_eq!(room.files().difference(&before), "", "a build from nothing makes something else");
    }
}

#[test]
fn what_is_edited_runs_again_and_nothing_else() {
    let project = chain();
    let mut watch = Watching::start(&project, []);
    assert_eq!(watch.next().ran(), ["first", "list", "second"]);
    watch.stays_quiet();
    project.write("src/two", "22\n");
    assert_eq!(watch.next().ran(), ["second"]);
    project.write("src/one", "11\n");
    assert_eq!(watch.next().ran(), ["first", "second"]);
    project.replace("orca.toml", "cat src/one", "cat src/one src/one");
    assert_eq!(watch.next().ran(), ["first", "second"]);
    project.append("orca.toml", "# a comment\n");
    assert_eq!(watch.next().ran(), [""; 0]);
    project.write("more/c", "");
    assert_eq!(watch.next().ran(), ["list"]);
    project.write(".gitignore", "more/c\n");
    assert_eq!(watch.next().ran(), [""; 0], "that list is in the cache");
    assert!(!project.read("list").contains("more/c"));
    project.remove("more/c");
    watch.stays_quiet();
    assert_eq!(project.read("out/second"), "11\n11\n22\n");
    watch.ends_as_a_plain_build(&project);
}

#[test]
fn includes_templates_and_context_files_count() {
    let plan = r#"
include = ["plans/*.toml"]
[context]
rules = { file = "docs/rules.md" }
[templates.copy]
params = ["from"]
run = "cat {{ from }} > out/{{ from }}"
[tasks.a]
template = "copy"
params = { from = "a" }
inputs = ["a"]
outputs = ["out/a"]
"#;
    let project = Project::new(plan);
    project.write("a", "a\n").write("docs/rules.md", "be good\n");
    let mut watch = Watching::start(&project, []);
    assert_eq!(watch.next().ran(), ["a"]);
    project.replace("orca.toml", "cat {{", "cat -n {{");
    assert_eq!(watch.next().ran(), ["a"]);
    project.write("plans/b.toml", "[tasks.b]\nrun = \"echo b > plans/b\"\noutputs = [\"b\"]\n");
    assert_eq!(watch.next().ran(), ["b"]);
    project.replace("plans/b.toml", "echo b", "echo bb");
    assert_eq!(watch.next().ran(), ["b"]);
    project.remove("plans/b.toml");
    assert_eq!(watch.next().ran(), [""; 0]);
    assert!(!project.exists("plans/b"), "no task writes it any more");
    // No agent is there to read it; that it was looked at is enough.
    project.write("docs/rules.md", "be better\n");
    assert_eq!(watch.next().ran(), [""; 0]);
    watch.ends_as_a_plain_build(&project);
}

#[test]
fn declared_tools_count() {
    let mut project = Project::new(
        "[tasks.t]\nrun = \"greet > greeting\"\ntools = [\"greet\"]\noutputs = [\"greeting\"]\nsandbox = \"none\"\n",
    );
    let bin = project.path("../bin");
    fs::create_dir(&bin).expect("it is new");
    let path = std::env::var("PATH").expect("a path");
    project.set_env("PATH", format!("{}:{path}", bin.display()));
    let greet = |word: &str| {
        fs::write(bin.join("new"), format!("#!/bin/sh\necho {word}\n")).expect("a file");
        fs::set_permissions(bin.join("new"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("ours");
        fs::rename(bin.join("new"), bin.join("greet")).expect("ours");
    };
    greet("hello");
    project.trust();
    let mut watch = Watching::start(&project, []);
    assert_eq!(watch.next().ran(), ["t"]);
    watch.stays_quiet();
    greet("goodbye");
    assert_eq!(watch.next().ran(), ["t"]);
    assert_eq!(project.read("greeting"), "goodbye\n");
    watch.end();
}

#[test]
fn what_was_made_comes_back_and_what_is_the_same_is_no_news() {
    let project = chain();
    let mut watch = Watching::start(&project, []);
    watch.next();
    project.remove("out/second");
    assert_eq!(watch.next().ran(), [""; 0]);
    assert!(project.exists("out/second"));
    project.write("out/first", "by hand\n");
    watch.next();
    assert_eq!(project.read("out/first"), "1\n");
    project.remove("out");
    watch.next();
    assert_eq!(project.read("out/second"), "1\n2\n");
    watch.stays_quiet();
    // Saved as it was, touched, made and removed again: nothing to build.
    project.write("src/one", "1\n").chmod("src/one", 0o600).write("more/new", "").remove("more/new");
    project.write("src/other", "nobody reads it\n").write("src/deep/other", "nor this\n");
    watch.stays_quiet();
    watch.ends_as_a_plain_build(&project);
}

#[test]
fn all_ways_to_save_a_file_are_seen() {
    let project = chain();
    let mut watch = Watching::start(&project, []);
    watch.next();
    // Written beside it, then renamed over it.
    project.write("src/.one.swp", "a\n").rename("src/.one.swp", "src/one");
    assert_eq!(watch.next().ran(), ["first", "second"]);
    // Renamed away, then written anew.
    project.rename("src/one", "src/one~").write("src/one", "b\n");
    assert_eq!(watch.settles(), ["first", "second"]);
    // As vim does: a probe, a backup, the file, and the backup is gone.
    project.write("src/4913", "").remove("src/4913").rename("src/one", "src/one~").write("src/one", "c\n");
    project.remove("src/one~");
    assert_eq!(watch.settles(), ["first", "second"]);
    // Cut off, then written in pieces.
    project.write("src/one", "").append("src/one", "d\n").append("src/one", "e\n");
    assert_eq!(watch.settles(), ["first", "second"]);
    // Replaced by a link, and back.
    project.write("src/other", "x\n").symlink("other", "src/one");
    watch.settles();
    project.remove("src/one").write("src/one", "f\n");
    watch.settles();
    assert_eq!(project.read("out/second"), "f\n2\n");
    watch.ends_as_a_plain_build(&project);
}

#[test]
fn directories_come_and_go() {
    let project = chain();
    let mut watch = Watching::start(&project, []);
    watch.next();
    project.rename("more/deep", "more/deeper");
    assert_eq!(watch.settles(), ["list"]);
    project.rename("more/deeper", "elsewhere");
    watch.settles();
    assert_eq!(project.read("list"), "more/a\n");
    project.rename("elsewhere", "more/deeper");
    watch.settles();
    assert_eq!(project.read("list"), "more/a\nmore/deeper/b\n");
    project.write("more/deeper/c", "");
    assert_eq!(watch.settles(), ["list"]);
    project.remove("more");
    watch.settles();
    project.write("more/x/y/z", "");
    assert_eq!(watch.settles(), ["list"]);
    assert_eq!(project.read("list"), "more/x/y/z\n");
    project.write("more/x/y/zz", "");
    assert_eq!(watch.settles(), ["list"]);
    project.rename("src", "gone").rename("gone", "src").write("src/two", "3\n");
    assert_eq!(watch.settles(), ["second"]);
    project.write("src/two", "4\n");
    assert_eq!(watch.settles(), ["second"]);
    watch.ends_as_a_plain_build(&project);
}

fn git(project: &Project, args: &[&str]) {
    let mut git = Command::new("git");
    git.current_dir(project.root()).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    git.env("HOME", project.root()).args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]);
    let output = git.args(args).output().expect("git can be started");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_checkout_of_five_hundred_files_is_one_change() {
    let project = chain();
    for at in 0..500 {
        project.write(&format!("more/{}/{at}", at % 7), "old\n");
    }
    project.write(".gitignore", "/out\n/list\n/orca.lock\n");
    git(&project, &["init", "-q", "-b", "main"]);
    git(&project, &["add", "."]);
    git(&project, &["commit", "-q", "-m", "old"]);
    git(&project, &["checkout", "-q", "-b", "other"]);
    for at in 0..500 {
        match at % 3 {
            0 => project.remove(&format!("more/{}/{at}", at % 7)),
            1 => project.write(&format!("more/{}/{at}", at % 7), "new\n"),
            _ => project.write(&format!("more/new-{}/{at}", at % 5), "new\n"),
        };
    }
    project.write("src/one", "other\n");
    git(&project, &["add", "."]);
    git(&project, &["commit", "-q", "-m", "new"]);
    let mut watch = Watching::start(&project, []);
    watch.next();
    for branch in ["main", "other", "main"] {
        git(&project, &["checkout", "-q", branch]);
        watch.settles();
    }
    watch.stays_quiet();
    assert_eq!(project.read("out/first"), "1\n");
    assert_eq!(project.read("list").lines().count(), 502);
    watch.ends_as_a_plain_build(&project);
}

/// A task that takes as long as `gate` is not there can be held up; here it takes its time.
fn slow(name: &str) -> String {
    format!(
        "[tasks.{name}]\nrun = \"cat src/{name} > out/{name}; sleep 3\"\ninputs = [\"src/{name}\"]\noutputs = [\"out/{name}\"]\n"
    )
}

#[test]
fn an_edit_during_a_build_stops_what_is_outdated_and_keeps_the_rest() {
    let after =
        "[tasks.after]\nrun = \"cat out/kept > out/after\"\ninputs = [\"out/kept\"]\noutputs = [\"out/after\"]\n";
    let project = Project::new(&[slow("kept"), slow("stopped"), after.to_owned()].concat());
    project.write("src/kept", "1\n").write("src/stopped", "1\n");
    let mut watch = Watching::start(&project, ["-j", "4"]);
    let starts = |watch: &Watching, name: &str| {
        let is = |event: &&Event| matches!(event, Event::TaskStarted { task, .. } if task.as_str() == name);
        watch.events().iter().filter(is).count()
    };
    wait_until("that both run", || starts(&watch, "kept") == 1 && starts(&watch, "stopped") == 1);
    std::thread::sleep(Duration::from_millis(300));
    project.write("src/stopped", "2\n");
    let first = watch.next();
    assert_eq!(first.ran(), ["kept"], "{}", watch.orca.so_far());
    assert!(matches!(first.0.last(), Some(Event::RunFinished { ok: false, .. })));
    assert_eq!(watch.next().ran(), ["after", "stopped"], "{}", watch.orca.so_far());
    assert_eq!((starts(&watch, "kept"), starts(&watch, "stopped")), (1, 2), "{}", watch.orca.so_far());
    assert_eq!(project.read("out/stopped"), "2\n");
    watch.end();
    project.build().ran([]);
}

#[test]
fn a_plan_that_breaks_during_a_build_starts_nothing_and_stops_nothing() {
    let after =
        "[tasks.after]\nrun = \"cat out/kept > out/after\"\ninputs = [\"out/kept\"]\noutputs = [\"out/after\"]\n";
    let project = Project::new(&[slow("kept"), after.to_owned()].concat());
    project.write("src/kept", "1\n");
    let mut watch = Watching::start(&project, []);
    wait_until("that it runs", || watch.orca.so_far().contains("task-started"));
    std::thread::sleep(Duration::from_millis(300));
    project.append("orca.toml", "oops = \n");
    watch.orca.wait_for("the plan is invalid");
    let run = watch.next();
    assert_eq!(run.ran(), ["kept"], "{}", watch.orca.so_far());
    watch.stays_quiet();
    project.replace("orca.toml", "oops = \n", "");
    assert_eq!(watch.next().ran(), ["after"]);
    watch.end();
}

#[test]
fn a_plan_that_is_invalid_is_shown_once_and_watched_on() {
    let project = chain();
    project.append("orca.toml", "[tasks.bad]\nrum = \"echo\"\n");
    let mut watch = Watching::start(&project, []);
    watch.orca.wait_for("orca::plan::unknown_key");
    project.write("src/one", "11\n");
    watch.stays_quiet();
    assert_eq!(watch.orca.so_far().matches("the plan is invalid").count(), 1, "{}", watch.orca.so_far());
    project.replace("orca.toml", "rum", "run");
    watch.orca.wait_for("the plan is good again");
    assert_eq!(watch.next().ran(), ["bad", "first", "list", "second"]);
    project.rename("orca.toml", "away.toml");
    watch.orca.wait_for("there is no such file");
    project.rename("away.toml", "orca.toml");
    assert_eq!(watch.next().ran(), [""; 0]);
    project.write("src/one", "111\n");
    assert_eq!(watch.next().ran(), ["first", "second"]);
    watch.end();
}

#[test]
fn what_a_task_leaves_beside_its_inputs_is_no_reason_to_run_again() {
    let project = Project::empty();
    let plan = r#"
[tasks.messy]
run = "cat src/in > out; cd ROOT/src; echo > tmp; rm tmp; touch .; echo log >> log"
inputs = ["src/in"]
outputs = ["out"]
sandbox = "none"
[tasks.walker]
run = "ls src > listed"
inputs = ["src/*.txt"]
outputs = ["listed"]
"#;
    project.write("orca.toml", plan.replace("ROOT", project.root().to_str().expect("a plain name")));
    project.write("src/in", "1\n").write("src/a.txt", "").trust();
    let mut watch = Watching::start(&project, []);
    watch.next();
    watch.stays_quiet();
    for text in ["2\n", "3\n"] {
        project.write("src/in", text);
        watch.next();
        watch.stays_quiet();
    }
    assert_eq!(project.read("out"), "3\n");
    assert_eq!(project.read("src/log").lines().count(), 3);
    watch.end();
}

#[test]
fn it_ends_when_it_is_told_to_and_nothing_outlives_it() {
    let project = Project::new(&slow("a"));
    project.write("src/a", "1\n");
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let mut watch = Watching::start(&project, []);
        wait_until("that it runs", || watch.orca.so_far().contains("task-started"));
        let since = Instant::now();
        watch.orca.signal(signal);
        watch.orca.wait().exits(code);
        assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
        wait_until_nothing_runs(project.root());
    }
    let mut watch = Watching::start(&project, []);
    watch.next();
    let since = Instant::now();
    watch.end();
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    let build = project.spawn(["build", "--watch", "--json"]);
    let mut watch = Watching { orca: build, runs: 0 };
    assert_eq!(watch.next().ran(), [""; 0]);
    watch.end();
}

#[test]
fn there_is_one_watcher_and_builds_beside_it() {
    let project = chain();
    let mut watch = Watching::start(&project, []);
    watch.next();
    project.orca(["watch"]).exits(4).prints(["this project is watched already, by process", "end that one first"]);
    project.build().ran([]);
    project.build_args(["--force", "list"]).green().ran(["list"]);
    // What somebody else built is looked at, and found to be right.
    if watch.comes_within(Duration::from_millis(500)) {
        assert_eq!(watch.next().ran(), [""; 0]);
    }
    project.write("src/two", "3\n");
    assert_eq!(watch.settles(), ["second"]);
    let killed = watch.orca.kill();
    assert!(!killed.status.success());
    let mut again = Watching::start(&project, []);
    assert_eq!(again.next().ran(), [""; 0]);
    again.end();
}

#[test]
fn options_of_a_build_are_those_of_every_build() {
    let project = chain();
    project.append("orca.toml", "[tasks.red]\nrun = \"exit 1\"\ninputs = [\"src/two\"]\n");
    let mut watch = Watching::start(&project, ["-j", "1", "-k", "second", "red"]);
    let run = watch.next();
    assert_eq!(run.ran(), ["first", "second"]);
    assert!(matches!(run.0[0], Event::RunStarted { jobs: 1, tasks: 3, .. }), "{:?}", run.0[0]);
    project.write("src/two", "3\n");
    assert_eq!(watch.next().ran(), ["second"]);
    watch.end();
    assert!(!project.exists("list"), "it was not asked for");
    project.orca(["watch", "no-such-task"]).exits(2);
    project.orca(["build", "--watch", "--dry-run"]).exits(2);
    project.orca(["build", "--settle", "10"]).exits(2);
}

#[test]
fn consent_is_asked_for_and_awaited() {
    let project = chain();
    let power = "[tasks.free]\nrun = \"echo free > free\"\noutputs = [\"free\"]\nsandbox = \"none\"\n";
    project.append("orca.toml", power);
    project.orca(["watch"]).exits(4).prints(["runs without a sandbox", "orca trust"]);
    project.replace("orca.toml", power, "");
    let mut watch = Watching::start(&project, []);
    watch.next();
    project.append("orca.toml", power);
    watch.orca.wait_for("type `orca trust`");
    assert!(!project.exists("free"));
    project.trust();
    assert_eq!(watch.next().ran(), ["free"]);
    watch.end();
}

fn count(of: &Path) -> usize {
    fs::read_dir(of).expect("it runs").count()
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("Linux");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("Linux").split_whitespace().collect();
    fields[11].parse::<u64>().expect("a number") + fields[12].parse::<u64>().expect("a number")
}

#[test]
fn it_stays_small_and_sleeps() {
    let rebuilds = std::env::var("ORCA_TEST_REBUILDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let project = chain();
    let mut watch = Watching::start(&project, ["--settle", "5"]);
    watch.next();
    let pid = watch.orca.pid();
    let proc = |part: &str| count(Path::new(&format!("/proc/{pid}/{part}")));
    let mut known = None;
    for round in 0..rebuilds {
        // At once: with so short a quiet a file that is cut off first would be built as it is then.
        project.write("src/new", format!("{round} and on\n")).rename("src/new", "src/two");
        assert_eq!(watch.next().ran(), ["second"], "{}", watch.orca.so_far());
        if round == 9 {
            std::thread::sleep(Duration::from_millis(300));
            known = Some((proc("fd"), proc("task"), resident_kib(pid)));
        }
    }
    std::thread::sleep(Duration::from_millis(300));
    let (fds, threads, kib) = known.expect("there were more than ten");
    let now = (proc("fd"), proc("task"), resident_kib(pid));
    assert_eq!((now.0, now.1), (fds, threads), "descriptors and threads");
    assert!(now.2 < kib + 16 * 1024, "{kib} KiB became {} KiB", now.2);
    let before = ticks(pid);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(ticks(pid), before, "it does not sleep");
    watch.end();
}

#[test]
fn what_the_kernel_could_not_tell_is_looked_for() {
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("Linux");
    let limit: usize = limit.trim().parse().expect("a number");
    let project = chain();
    let mut watch = Watching::start(&project, []);
    watch.next();
    watch.orca.signal(Signal::STOP);
    for at in 0..limit / 2 + 10 {
        let path = project.path(&format!("src/noise-{}", at % 100));
        fs::write(&path, "").expect("a file");
        fs::remove_file(&path).expect("a file");
    }
    project.write("src/two", "lost\n").write("more/new/file", "");
    watch.orca.signal(Signal::CONT);
    watch.orca.wait_for("everything is looked at again");
    assert_eq!(watch.settles(), ["list", "second"]);
    project.write("more/new/other", "");
    assert_eq!(watch.settles(), ["list"]);
    watch.ends_as_a_plain_build(&project);
}

#[test]
fn without_watches_it_looks_every_second() {
    let project = chain();
    let orca = env!("CARGO_BIN_EXE_orca");
    let script = format!("echo 3 > /proc/sys/user/max_inotify_watches && exec {orca} watch --json");
    let command = project.command();
    let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value.map(Into::into));
    let path: std::ffi::OsString = path.expect("a path");
    let mut inside = Command::new("unshare");
    inside.args(["--user", "--map-root-user", "sh", "-c", &script]).current_dir(project.root());
    inside.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("PATH", path);
    let probe = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", "echo 3 > /proc/sys/user/max_inotify_watches"])
        .output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        // A machine without user namespaces cannot try it; `watch` tries it with eyes of its own.
        return;
    }
    let mut watch = Watching { orca: Running::start(&mut inside, "unshare orca watch".to_owned()), runs: 0 };
    watch.orca.wait_for("no more inotify watches");
    watch.next();
    project.write("src/two", "3\n");
    assert_eq!(watch.settles(), ["second"]);
    project.write("more/far/away", "");
    assert_eq!(watch.settles(), ["list"]);
    project.remove("more/far");
    watch.settles();
    assert!(!project.read("list").contains("far"));
    assert_eq!(project.read("out/second"), "1\n3\n");
    watch.end();
}

#[test]
fn what_it_says_may_be_written_into_the_project() {
    let project = Project::new("[tasks.one]\nrun = \"cat *.txt > one\"\ninputs = [\"*.txt\"]\noutputs = [\"one\"]\n");
    project.write("a.txt", "1\n");
    let log = fs::File::create(project.path("watch.log")).expect("it is made");
    let mut watch = project.command();
    let mut watch = watch.arg("watch").stdin(std::process::Stdio::null()).stderr(log).spawn().expect("it starts");
    let said = || project.read("watch.log").matches("waiting for changes").count();
    wait_until("for the first build", || said() > 0);
    std::thread::sleep(Duration::from_millis(1_000));
    assert_eq!(said(), 1, "{}", project.read("watch.log"));
    project.write("a.txt", "2\n");
    wait_until("for the second build", || said() > 1);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(said(), 2, "{}", project.read("watch.log"));
    watch.kill().expect("it is ours");
    watch.wait().expect("it ends");
}
