//! The live screen of `orca watch`, at a real pseudo-terminal: what a person sees there, and what the keys do.
#![expect(clippy::disallowed_methods, reason = "plays the terminal")]

mod support;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use support::{Project, has_tool};

/// How long something may take to be seen.
const PATIENCE: Duration = Duration::from_secs(60);

fn at_least_one(number: u16) -> NonZero<u16> {
    NonZero::new(number).expect("a terminal has a size")
}

/// A terminal with a program in it.
struct Terminal {
    keyboard: File,
    screen: Arc<Mutex<vt100::Parser>>,
    program: Child,
}

impl Terminal {
    /// `orca ARGS` in a terminal of this size; `None` where there is nothing that gives it one of its own.
    fn open(test: &str, orca: &Project, args: &[&str], (rows, columns): (u16, u16)) -> Option<Self> {
        if !has_tool("setsid", test) {
            return None;
        }
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("there are terminals");
        grantpt(&ours).expect("it can be used");
        unlockpt(&ours).expect("it can be used");
        let name = ptsname(&ours, Vec::new()).expect("it has a name").into_string().expect("text");
        let theirs = File::options().read(true).write(true).open(name).expect("it opens");
        let keyboard = File::from(ours);
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&keyboard, size).expect("it has a size");
        let plain = orca.command();
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(plain.get_program()).args(args).current_dir(orca.root()).env_clear();
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("TERM", "xterm").env_remove("COLUMNS");
        let end = || Stdio::from(theirs.try_clone().expect("it can be shared"));
        let program = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("it starts");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(at_least_one(rows), at_least_one(columns), 0)));
        let (mut output, shown) = (keyboard.try_clone().expect("it can be shared"), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shown.lock().expect("no holder panics").process(&bytes[..count]);
            }
        });
        Some(Self { keyboard, screen, program })
    }

    fn text(&self) -> String {
        self.screen.lock().expect("no holder panics").screen().contents()
    }

    /// Waits until the screen is as it should be.
    #[track_caller]
    fn sees(&self, what: &str, is: impl Fn(&str) -> bool) -> String {
        let since = Instant::now();
        loop {
            let text = self.text();
            if is(&text) {
                return text;
            }
            assert!(since.elapsed() < PATIENCE, "the screen never showed {what}:\n{text}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[track_caller]
    fn shows(&self, part: &str) -> String {
        self.sees(part, |text| text.contains(part))
    }

    fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("it listens");
    }

    /// The exit code, and what stands on the screen then.
    #[track_caller]
    fn ends(mut self) -> (Option<i32>, String) {
        let since = Instant::now();
        loop {
            if let Some(status) = self.program.try_wait().expect("it can be asked") {
                std::thread::sleep(Duration::from_millis(50));
                return (status.code(), self.text());
            }
            assert!(since.elapsed() < PATIENCE, "it does not end:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn two() -> Project {
    let project = Project::new(
        "[plan]\nname = \"shop\"\n[tasks.first]\nrun = 'if grep -q BAD in; then echo it is bad; exit 3; fi; cp in one'\n\
         inputs = [\"in\"]\noutputs = [\"one\"]\n[tasks.second]\nrun = 'date +%s%N > two; cat one >> two'\n\
         inputs = [\"one\"]\noutputs = [\"two\"]\n",
    );
    project.write("in", "1\n");
    project
}

#[test]
fn a_person_sees_layers_failures_and_what_the_keys_do() {
    let project = two();
    let test = "a_person_sees_layers_failures_and_what_the_keys_do";
    let Some(mut terminal) = Terminal::open(test, &project, &["watch"], (24, 80)) else { return };
    terminal.shows("done: 2 ran");
    let text = terminal.text();
    assert!(text.contains("shop") && text.contains("layer"), "{text}");

    project.write("in", "BAD\n");
    let text = terminal.shows("failed");
    assert!(text.contains("first") && terminal.shows("it is bad").contains("exit 3"), "{text}");
    project.write("in", "2\n");
    terminal.sees("that it is mended", |text| text.contains("done: 2 ran") && !text.contains("it is bad"));

    let made = project.read("two");
    terminal.types("f");
    terminal.sees("that everything ran", |_| project.read("two") != made && !project.read("two").is_empty());
    terminal.shows("done: 2 ran");

    terminal.types("r");
    terminal.shows("nothing to do: 2 cached");

    terminal.types("?");
    terminal.shows("this page");
    terminal.types("?");
    terminal.sees("that the help is gone", |text| !text.contains("this page"));

    terminal.types("q");
    let (code, text) = terminal.ends();
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn a_filter_shows_only_what_it_names() {
    let project = two();
    project.write("in", "BAD\n");
    let test = "a_filter_shows_only_what_it_names";
    let Some(mut terminal) = Terminal::open(test, &project, &["watch"], (24, 80)) else { return };
    terminal.shows("it is bad");
    terminal.types("/second\r");
    terminal.sees("only what is called so", |text| text.contains("second") && !text.contains("it is bad"));
    terminal.types("/\x15\r");
    terminal.shows("it is bad");
    terminal.types("\x03");
    let (code, text) = terminal.ends();
    assert_eq!(code, Some(130), "{text}");
}

#[test]
fn the_terminal_is_given_back_as_it_was() {
    let project = two();
    let test = "the_terminal_is_given_back_as_it_was";
    for (keys, size) in [("q", (24, 80)), ("\x04", (5, 20)), ("\x03", (1, 4))] {
        let Some(mut terminal) = Terminal::open(test, &project, &["watch"], size) else { return };
        let is_taken =
            |terminal: &Terminal| terminal.screen.lock().expect("no holder panics").screen().alternate_screen();
        terminal.sees("anything", |_| is_taken(&terminal));
        let before = rustix::termios::tcgetattr(&terminal.keyboard).expect("a terminal");
        assert!(!before.local_modes.contains(rustix::termios::LocalModes::ICANON), "keys are read one by one");
        terminal.types(keys);
        let keyboard = terminal.keyboard.try_clone().expect("it can be shared");
        let screen = Arc::clone(&terminal.screen);
        let (code, text) = terminal.ends();
        assert_eq!(code, Some(if keys == "\x03" { 130 } else { 0 }), "{text}");
        let after = rustix::termios::tcgetattr(&keyboard).expect("a terminal");
        assert!(after.local_modes.contains(rustix::termios::LocalModes::ICANON), "lines are edited again");
        let screen = screen.lock().expect("no holder panics");
        assert!(!screen.screen().alternate_screen() && !screen.screen().hide_cursor(), "{text}");
    }
}
