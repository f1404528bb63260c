//! A person at work in the files that agents change, while a build runs: nothing that they saved is lost, whatever their
//! editor does to save it, and what goes together is put together.
#![expect(clippy::disallowed_methods, reason = "saves real files at real instants")]

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use orca::base::FailureKind;
use orca::event::Event;
use rustix::process::{Pid, Signal};
use support::hands::{TEN, attempts, edits, edits_with, plan, without_sandbox};
use support::{Build, Project, Running, wait_until, wait_until_nothing_runs};

fn project(tasks: &[String]) -> Project {
    let mut project = Project::new(&plan(&tasks.concat()));
    without_sandbox(&mut project);
    project.write("a.txt", TEN);
    project
}

/// An agent that changes the second line half-way through, and takes its time before and after.
fn slow() -> Vec<String> {
    vec![edits("one", "'a.txt'", "sleep 0.25\nsed -i s/^2$/two/ a.txt\nsleep 0.25")]
}

const OF_AGENT: &str = "1\ntwo\n3\n4\n5\n6\n7\n8\n9\n10\n";

/// Builds, and lets a person act when the agent has been at work for so long.
fn build_while(orca: &Project, after: Duration, act: impl FnOnce()) -> Build {
    let mut build = orca.spawn(["build", "--json"]);
    build.wait_for("task-started");
    std::thread::sleep(after);
    act();
    Build::read(build.wait())
}

/// Before the agent's write, and after it.
const INSTANTS: [Duration; 2] = [Duration::from_millis(80), Duration::from_millis(380)];

#[test]
fn an_edit_in_another_place_of_the_file_is_merged() {
    for after in INSTANTS {
        let orca = project(&slow());
        let built = build_while(&orca, after, || {
            orca.replace("a.txt", "9\n", "nine\n");
        });
        built.green().ran(["one"]);
        assert_eq!(orca.read("a.txt"), OF_AGENT.replace("9\n", "nine\n"));
        orca.build().ran([]);
        assert_eq!(orca.read("a.txt"), OF_AGENT.replace("9\n", "nine\n"));
    }
}

#[test]
fn an_edit_of_the_same_line_is_a_conflict_and_stays() {
    for after in INSTANTS {
        let orca = project(&slow());
        let built = build_while(&orca, after, || {
            orca.replace("a.txt", "2\n", "zwei\n");
        });
        let built = built.red();
        assert_eq!(built.failure("one").kind, FailureKind::Conflict);
        assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "zwei\n"));
        // Taken back, what was paid for is there.
        orca.write("a.txt", TEN);
        orca.build().cached(["one"]);
        assert_eq!(orca.read("a.txt"), OF_AGENT);
    }
}

#[test]
fn an_edit_of_a_file_that_was_only_read_makes_the_task_start_over() {
    let reads = edits_with("one", "'a.txt'", "sleep 0.3\ncat b.txt >> a.txt", "inputs = ['b.txt']");
    let orca = project(&[reads]);
    orca.write("b.txt", "old\n");
    let built = build_while(&orca, INSTANTS[0], || {
        orca.write("b.txt", "new\n");
    });
    assert!(built.output.stdout.contains("it starts over"), "{}", built.output.transcript());
    built.green().ran(["one"]);
    assert_eq!(orca.read("a.txt"), format!("{TEN}new\n"));
    orca.build().ran([]);
}

#[test]
fn what_is_no_file_any_more_is_a_conflict_and_stays() {
    type Act = fn(&Project);
    type Look = fn(&Project) -> bool;
    let acts: [(&str, Act, Look); 4] = [
        (
            "deleted",
            |orca| {
                orca.remove("a.txt");
            },
            |orca| !orca.exists("a.txt"),
        ),
        (
            "a directory",
            |orca| {
                orca.remove("a.txt").write("a.txt/mine", "mine\n");
            },
            |orca| orca.read("a.txt/mine") == "mine\n",
        ),
        (
            "an empty directory",
            |orca| {
                orca.remove("a.txt");
                fs::create_dir(orca.path("a.txt")).expect("it is free");
            },
            |orca| orca.path("a.txt").is_dir(),
        ),
        (
            "a link",
            |orca| {
                orca.write("mine", TEN).symlink("mine", "a.txt");
            },
            |orca| fs::read_link(orca.path("a.txt")).is_ok_and(|target| target == Path::new("mine")),
        ),
    ];
    for (what, act, is_as_left) in acts {
        for after in INSTANTS {
            let orca = project(&slow());
            let built = build_while(&orca, after, || act(&orca)).red();
            assert_eq!(built.failure("one").kind, FailureKind::Conflict, "{what}");
            assert!(is_as_left(&orca), "{what}: {:?}", orca.tree());
            if orca.exists("a.txt") {
                orca.remove("a.txt");
            }
            orca.write("a.txt", TEN);
            orca.build().cached(["one"]);
            assert_eq!(orca.read("a.txt"), OF_AGENT, "{what}");
            orca.build().ran([]);
        }
    }
}

#[test]
fn a_mode_that_a_person_sets_meanwhile_is_kept() {
    for (mode, kept) in [(0o755, 0o755), (0o640, 0o640), (0o444, 0o444), (0o600, 0o600)] {
        let orca = project(&slow());
        let built = build_while(&orca, INSTANTS[1], || {
            orca.chmod("a.txt", mode);
        });
        built.green().ran(["one"]);
        assert_eq!(orca.read("a.txt"), OF_AGENT);
        let found = fs::metadata(orca.path("a.txt")).expect("it is there").permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&found) & 0o777, kept);
        orca.build().ran([]);
    }
}

#[test]
fn drift_stays_drift_and_is_merged_into_what_comes_next() {
    let orca = project(&[edits("one", "'a.txt'", "sed -i s/^2$/two/ a.txt")]);
    orca.build();
    orca.replace("a.txt", "9\n", "nine\n");
    orca.build().ran([]);
    orca.write("orca.toml", plan(&edits("one", "'a.txt'", "sed -i s/^2$/zwei/ a.txt")));
    orca.build().ran(["one"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "zwei\n").replace("9\n", "nine\n"));
    // Deleted since: a new version clashes with that; an old one is as good as none.
    orca.remove("a.txt");
    orca.build().ran([]);
    assert!(!orca.exists("a.txt"));
    orca.write("orca.toml", plan(&edits("one", "'a.txt'", "sed -i s/^2$/deux/ a.txt")));
    let built = orca.build_red();
    assert_eq!((built.failure("one").kind, attempts(&built, "one")), (FailureKind::Conflict, 1));
    assert!(!orca.exists("a.txt"));
    orca.write("a.txt", TEN.replace("2\n", "zwei\n"));
    orca.build().cached(["one"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "deux\n"));
}

// In the very instant.

/// How an editor saves.
#[derive(Debug, Clone, Copy)]
enum Saving {
    /// Writes beside, and renames.
    Rename,
    /// Moves the old file to a backup, and writes a new one.
    Backup,
    /// Empties the file, and writes it.
    Truncate,
    /// Opens the file without emptying it, waits, and then writes over what is there.
    InPlace,
}

impl Saving {
    fn save(self, path: &Path, text: &str) {
        match self {
            Self::Rename => {
                let beside = path.with_extension("swp");
                fs::write(&beside, text).expect("it can be written");
                fs::rename(&beside, path).expect("it can be renamed");
            }
            Self::Backup => {
                let backup = path.with_extension("bak");
                let _gone = fs::rename(path, &backup);
                fs::write(path, text).expect("it can be written");
            }
            Self::Truncate => fs::write(path, text).expect("it can be written"),
            Self::InPlace => {
                let mut file = fs::File::options().write(true).create(true).truncate(false).open(path).expect("a file");
                file.write_all(text.as_bytes()).expect("it can be written");
                file.set_len(text.len() as u64).expect("it can be cut");
            }
        }
    }
}

/// Builds over and over, with a new prompt each time, while a person saves all the time, with a number that grows. The
/// last that they saved is there.
fn save_all_the_time(saving: Saving, rounds: u64, build: impl Fn(&Project) -> Running) -> Project {
    let orca = project(&[edits("one", "'a.txt'", "sed -i s/^2$/two/ a.txt")]);
    let path = orca.path("a.txt");
    for round in 0..rounds {
        let word = format!("two-{round}");
        orca.write("orca.toml", plan(&edits("one", "'a.txt'", &format!("sed -i 's/^2.*$/{word}/' a.txt"))));
        let stop = AtomicBool::new(false);
        let (output, last) = std::thread::scope(|scope| {
            let saver = scope.spawn(|| {
                let mut count = 0u64;
                while !stop.load(Ordering::Relaxed) {
                    count += 1;
                    saving.save(&path, &TEN.replace("9\n", &format!("person {round}-{count}\n")));
                    // Sometimes long enough for a look and an exchange, sometimes not.
                    std::thread::sleep(Duration::from_micros(count * 7919 % 2_500));
                }
                count
            });
            let output = build(&orca).wait();
            stop.store(true, Ordering::Relaxed);
            (output, saver.join().expect("a person does not panic"))
        });
        let found = fs::read_to_string(&path).unwrap_or_default();
        let wanted = format!("\n8\nperson {round}-{last}\n10\n");
        assert!(found.ends_with(&wanted), "{saving:?}: {wanted:?} is lost: {found:?}\n{}", output.transcript());
        // Between the old file's going and the new one's coming there is none that a plan could name.
        let is_gone = matches!(saving, Saving::Backup) && output.stderr.contains("does not exist");
        assert!(is_gone || matches!(output.status.code(), Some(0 | 1)), "{}", output.transcript());
    }
    // And then, in peace, it is merged.
    orca.build_args([]);
    orca
}

#[test]
fn the_last_that_a_person_saves_is_there() {
    std::thread::scope(|scope| {
        for saving in [Saving::Rename, Saving::Backup, Saving::Truncate, Saving::InPlace] {
            scope.spawn(move || {
                let orca = save_all_the_time(saving, 12, |orca| orca.spawn(["build", "--json"]));
                assert!(!orca.exists(".orca/replaced"), "{saving:?}: versions were put aside");
            });
        }
    });
}

/// Whether system calls can be traced here, and held up.
fn can_trace(test: &str) -> bool {
    let possible = Command::new("strace").args(["-f", "-b", "execve", "-o", "/dev/null", "true"]).output();
    let can = possible.is_ok_and(|output| output.status.success());
    if !can {
        let _told = writeln!(std::io::stderr(), "skipped: {test} needs strace");
    }
    can
}

/// A build whose renames take their time.
fn held_up(orca: &Project, inject: &str) -> Running {
    let plain = orca.command();
    let mut command = Command::new("strace");
    command.args(["-f", "-q", "-b", "execve", "-o", "/dev/null", "-e", "trace=renameat2", "-e", inject]);
    command.arg(plain.get_program()).args(["build", "--json"]);
    command.current_dir(orca.root()).env_clear().stdin(Stdio::null());
    for (name, value) in plain.get_envs() {
        command.env(name, value.expect("nothing is unset"));
    }
    Running::start(&mut command, format!("strace {inject}"))
}

#[test]
fn the_last_that_a_person_saves_is_there_however_long_an_exchange_takes() {
    if !can_trace("the_last_that_a_person_saves_is_there_however_long_an_exchange_takes") {
        return;
    }
    std::thread::scope(|scope| {
        for saving in [Saving::Rename, Saving::Backup, Saving::Truncate, Saving::InPlace] {
            scope.spawn(move || {
                let inject = "inject=renameat2:delay_enter=3000:delay_exit=3000";
                drop(save_all_the_time(saving, 6, |orca| held_up(orca, inject)));
            });
        }
    });
}

#[test]
fn what_is_saved_in_the_last_moment_survives_a_kill_right_after() {
    if !can_trace("what_is_saved_in_the_last_moment_survives_a_kill_right_after") {
        return;
    }
    for _ in 0..3 {
        let orca = project(&[edits("one", "'a.txt'", "sed -i s/^2$/two/ a.txt")]);
        let build = held_up(&orca, "inject=renameat2:delay_enter=700000:delay_exit=700000");
        let staged = orca.path(".orca/exchange");
        wait_until("that the new version is made", || fs::read_dir(&staged).is_ok_and(|mut all| all.next().is_some()));
        std::thread::sleep(Duration::from_millis(100));
        Saving::Rename.save(&orca.path("a.txt"), &TEN.replace("9\n", "nine\n"));
        wait_until("the exchange", || orca.read("a.txt") == OF_AGENT);
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", build.pid())).expect("it has one");
        let orca_itself: i32 = children.split_whitespace().next().expect("it has one").parse().expect("a number");
        let pid = Pid::from_raw(orca_itself).expect("no zero");
        rustix::process::kill_process(pid, Signal::KILL).expect("it still runs");
        let killed = build.wait();
        wait_until_nothing_runs(orca.root());
        assert_eq!(orca.read("a.txt"), OF_AGENT, "it was killed after the exchange\n{}", killed.transcript());
        let built = orca.build();
        assert_eq!(attempts(&built, "one"), 0, "{}", built.output.transcript());
        assert_eq!(orca.read("a.txt"), OF_AGENT.replace("9\n", "nine\n"), "{}", built.output.transcript());
        assert!(!orca.exists(".orca/replaced"));
        orca.build().ran([]);
    }
}

#[test]
fn a_file_that_a_person_makes_where_one_is_about_to_be_made_stays() {
    if !can_trace("a_file_that_a_person_makes_where_one_is_about_to_be_made_stays") {
        return;
    }
    let orca = project(&[edits("one", "'n*.txt'", "echo agent > new.txt")]);
    let build = held_up(&orca, "inject=renameat2:delay_enter=500000");
    let staged = orca.path(".orca/exchange");
    wait_until("that the new version is made", || fs::read_dir(&staged).is_ok_and(|mut all| all.next().is_some()));
    orca.write("new.txt", "person\n");
    let built = Build::read(build.wait()).red();
    assert_eq!(built.failure("one").kind, FailureKind::Conflict);
    assert_eq!(orca.read("new.txt"), "person\n");
    assert_eq!(fs::read_dir(&staged).expect("a directory").count(), 0);
    orca.remove("new.txt");
    orca.build().cached(["one"]);
    assert_eq!(orca.read("new.txt"), "agent\n");
    orca.build().ran([]);
}

#[test]
fn what_a_person_saves_where_a_file_is_about_to_go_stays() {
    if !can_trace("what_a_person_saves_where_a_file_is_about_to_go_stays") {
        return;
    }
    for saving in [Saving::Rename, Saving::Truncate] {
        let orca = project(&[edits("one", "'a.txt'", "rm a.txt")]);
        let build = held_up(&orca, "inject=renameat2:delay_enter=500000");
        wait_until("that the change is on record", || {
            orca.path(".orca/journal.db").exists() && orca.path(".orca/exchange").exists()
        });
        std::thread::sleep(Duration::from_millis(100));
        saving.save(&orca.path("a.txt"), "person\n");
        let built = Build::read(build.wait()).red();
        assert_eq!(built.failure("one").kind, FailureKind::Conflict);
        assert_eq!(orca.read("a.txt"), "person\n");
        orca.write("a.txt", TEN);
        orca.build().cached(["one"]);
        assert!(!orca.exists("a.txt"));
        orca.build().ran([]);
    }
}

/// On a file system that cannot exchange two names there are three renames to be killed between.
#[test]
fn a_file_system_that_cannot_exchange_names_is_no_hindrance() {
    if !can_trace("a_file_system_that_cannot_exchange_names_is_no_hindrance") {
        return;
    }
    let tasks = [edits("one", "'a.txt', 'new.txt', 'gone.txt'", "sed -i s/^2$/two/ a.txt\nrm gone.txt")];
    let fresh = || {
        let orca = project(&tasks);
        orca.write("gone.txt", "gone\n").write("new.txt", "");
        orca
    };
    let orca = fresh();
    let built = Build::read(held_up(&orca, "inject=renameat2:error=EINVAL").wait()).green();
    built.ran(["one"]);
    assert_eq!((orca.read("a.txt"), orca.exists("gone.txt")), (OF_AGENT.to_owned(), false));
    orca.build().ran([]);
    let _saved = save_all_the_time(Saving::Rename, 3, |orca| held_up(orca, "inject=renameat2:error=EINVAL"));
    let started = |event: &Event| matches!(event, Event::TaskStarted { .. });
    assert_eq!(built.events.iter().filter(|event| started(event)).count(), 1);
}
