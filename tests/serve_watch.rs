//! The real orca that watches, asked by real commands: the same answers, and never an old one.
#![expect(clippy::disallowed_methods, reason = "real processes, sockets and clocks")]

mod support;

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::process::Signal;
use support::{Project, Running, wait_until};

const PLAN: &str = r#"
[tasks.one]
run = "cat a.txt > one.txt"
inputs = ["a.txt"]
outputs = ["one.txt"]

[tasks.two]
run = "cat one.txt > two.txt"
inputs = ["one.txt"]
outputs = ["two.txt"]

[tasks.lint]
run = "echo looked at it"
inputs = ["a.txt"]
"#;

struct Watched {
    project: Project,
    watcher: Running,
}

impl Watched {
    /// A project that is watched and built.
    fn new(plan: &str) -> Self {
        let project = Project::new(plan);
        project.write("a.txt", "0\n");
        let watcher = project.spawn(["watch", "--settle", "20"]);
        let watched = Self { project, watcher };
        watched.rests();
        watched
    }

    fn rests(&self) {
        wait_until("that it is built", || self.watcher.so_far().contains("waiting for changes"));
    }

    /// How many questions it has answered; nothing where it does not listen.
    fn answered(&self) -> Option<u64> {
        let mut stream = UnixStream::connect(self.project.path(".orca/watch.sock")).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let mut length = [0; 4];
        stream.read_exact(&mut length).ok()?;
        let mut hello = vec![0; u32::from_le_bytes(length) as usize];
        stream.read_exact(&mut hello).ok()?;
        serde_json::from_slice::<serde_json::Value>(&hello).ok()?["answered"].as_u64()
    }

    /// Runs a command until its answer came over the socket; answers its output.
    #[track_caller]
    fn over_socket<const N: usize>(&self, args: [&str; N]) -> support::Output {
        let mut output = None;
        wait_until("an answer over the socket", || {
            let before = self.answered();
            output = Some(self.project.orca(args));
            let is_answered = before.is_some() && self.answered() > before;
            if !is_answered {
                std::thread::sleep(Duration::from_millis(50));
            }
            is_answered
        });
        output.expect("it was just asked")
    }

    fn end(mut self) {
        self.watcher.signal(Signal::TERM);
        assert_eq!(self.watcher.wait().status.code(), Some(143));
        assert!(!self.project.exists(".orca/watch.sock"));
    }
}

/// Without what differs from run to run: the time a build took, and how long ago the last one was.
fn timeless(text: &str) -> String {
    let line = |line: &str| match line.split_once(" in ").filter(|(head, _)| head.starts_with("nothing to do")) {
        Some((head, tail)) => format!("{head} in TIME{}", tail.split_once(',').map_or("", |(_, tail)| tail)),
        None => {
            line.rsplit_once(", ").filter(|_| line.starts_with("last run")).map_or(line, |(head, _)| head).to_owned()
        }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn answers_are_to_the_byte_what_the_commands_print() {
    let watched = Watched::new(PLAN);
    let commands: [&[&str]; 7] = [
        &["build"],
        &["status"],
        &["status", "--json"],
        &["graph"],
        &["graph", "--json"],
        &["graph", "--format", "dot", "--layers"],
        &["graph", "--critical-path", "--color", "always"],
    ];
    let told: Vec<support::Output> = commands
        .iter()
        .map(|command| {
            let args: Vec<&str> = command.to_vec();
            match args.as_slice() {
                [a] => watched.over_socket([a]),
                [a, b] => watched.over_socket([a, b]),
                [a, b, c] => watched.over_socket([a, b, c]),
                [a, b, c, d] => watched.over_socket([a, b, c, d]),
                _ => unreachable!(),
            }
        })
        .collect();
    // The same without it. The build comes last: it is another last run.
    let Watched { project, watcher } = watched;
    watcher.kill();
    for (command, told) in commands.iter().zip(&told).rev() {
        let own = project.orca(command.iter());
        assert_eq!(told.status.code(), own.status.code(), "{command:?}");
        assert_eq!(timeless(&told.stdout), timeless(&own.stdout), "{command:?}");
        assert_eq!(timeless(&told.stderr), timeless(&own.stderr), "{command:?}");
    }
}

#[test]
fn no_edit_is_ever_missed() {
    let watched = Watched::new(PLAN);
    watched.over_socket(["build"]);
    for round in 1..40 {
        // Sometimes it is known, sometimes it is still being looked at, sometimes it builds.
        if round % 3 == 0 {
            watched.over_socket(["build"]);
        }
        watched.project.write("a.txt", format!("{round}\n"));
        watched.project.orca(["build"]).exits(0);
        assert_eq!(watched.project.read("two.txt"), format!("{round}\n"), "after `orca build` {round}");
        if round % 2 == 0 {
            // An output that somebody spoils is put right.
            watched.project.write("one.txt", "spoilt\n");
            watched.project.orca(["build"]).exits(0);
            assert_eq!(watched.project.read("one.txt"), format!("{round}\n"));
        }
    }
    watched.end();
}

#[test]
fn red_is_red_and_an_invalid_plan_is_invalid() {
    let watched = Watched::new(PLAN);
    watched.over_socket(["build"]);
    watched.project.replace("orca.toml", "echo looked at it", "echo no good; false");
    for _ in 0..5 {
        let output = watched.project.orca(["build"]);
        output.exits(1).prints(["FAILED lint", "no good"]);
        std::thread::sleep(Duration::from_millis(100));
    }
    // A status says so over the socket as well.
    assert!(watched.over_socket(["status"]).stdout.contains("failed"));
    watched.project.append("orca.toml", "[tasks.one]\n");
    for _ in 0..3 {
        watched.project.orca(["build"]).exits(3);
        watched.project.orca(["status"]).exits(3);
        std::thread::sleep(Duration::from_millis(100));
    }
    watched.project.write("orca.toml", PLAN);
    watched.project.orca(["build"]).exits(0);
    watched.over_socket(["build"]);
    watched.end();
}

#[test]
fn killed_it_is_missed_by_nobody() {
    let watched = Watched::new(PLAN);
    watched.over_socket(["build"]);
    let Watched { project, watcher } = watched;
    watcher.kill();
    assert!(project.exists(".orca/watch.sock"), "nobody was left to remove it");
    project.write("a.txt", "new\n");
    project.orca(["build"]).exits(0);
    assert_eq!(project.read("two.txt"), "new\n");
    // The next one takes its place.
    let watcher = project.spawn(["watch", "--settle", "20"]);
    let again = Watched { project, watcher };
    again.rests();
    again.over_socket(["build"]);
    again.end();
}

#[test]
fn what_the_environment_changes_is_asked_by_whom_it_is_changed_for() {
    let mut watched = Watched::new(&PLAN.replace("[tasks.lint]", "[tasks.lint]\npass_env = [\"MODE\"]"));
    watched.over_socket(["build"]);
    watched.project.set_env("MODE", "fast");
    let before = watched.answered();
    let output = watched.project.orca(["build"]);
    output.exits(0).prints(["ran lint"]);
    assert_eq!(watched.answered(), before);
    watched.end();
}

#[test]
fn crowds_leave_the_watcher_as_it_was() {
    let watched = Watched::new(PLAN);
    watched.over_socket(["build"]);
    let process = format!("/proc/{}", watched.watcher.pid());
    let number = |field: &str| -> u64 {
        let status = std::fs::read_to_string(format!("{process}/status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a field of Linux");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    let files = || std::fs::read_dir(format!("{process}/fd")).expect("it runs").count();
    let before = (number("Threads:"), files());
    let memory = number("VmRSS:");
    for _ in 0..10_000 {
        let stream = UnixStream::connect(watched.project.path(".orca/watch.sock")).expect("it listens");
        stream.set_nonblocking(true).expect("a socket can be");
        let _ = std::io::Write::write(&mut &stream, b"\xff\x00\x00\x00garbage");
    }
    // A thread or two of its own may have come or gone.
    wait_until("that all are gone", || number("Threads:") <= before.0 + 4 && files() <= before.1 + 4);
    let grown = number("VmRSS:").saturating_sub(memory);
    assert!(grown < 8 << 10, "{grown} KiB more");
    watched.project.write("a.txt", "new\n");
    wait_until("that it builds as ever", || watched.project.read("two.txt") == "new\n");
    watched.over_socket(["build"]);
    watched.end();
}
