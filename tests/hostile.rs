//! What a repository may bring along, what a person may do at a bad moment, and what may happen to orca's own files:
//! nothing outside is touched, nothing is done in silence, nothing hangs.
#![expect(clippy::disallowed_methods, reason = "plants files and looks at what became of them")]

mod support;

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use support::{Project, wait_until};

fn one(body: &str, more: &str) -> Project {
    Project::new(&format!("[tasks.one]\nrun = '''{body}'''\n{more}\n"))
}

fn fifo(orca: &Project, name: &str) {
    let path = orca.path(name);
    fs::create_dir_all(path.parent().expect("it lies somewhere")).expect("made");
    let _ = fs::remove_file(&path);
    assert!(Command::new("mkfifo").arg(&path).status().expect("it starts").success());
}

#[test]
fn a_lock_that_is_a_link_is_not_followed() {
    let orca = one("true", "");
    orca.write("../precious", "mine\n").write(".orca/x", "").remove(".orca/x").symlink("../../precious", ".orca/lock");
    orca.orca(["build"]).exits(4).prints([".orca/lock"]);
    assert_eq!(orca.read("../precious"), "mine\n");
    orca.remove(".orca/lock");
    orca.build().ran(["one"]);
}

#[test]
fn a_state_directory_that_is_a_link_is_not_used() {
    let orca = one("true", "");
    orca.write("../elsewhere/lock", "mine\n").symlink("../elsewhere", ".orca");
    orca.orca(["build"]).exits(4).prints([".orca: it is not a directory"]);
    assert_eq!(orca.read("../elsewhere/lock"), "mine\n");
    assert!(!orca.exists("../elsewhere/.gitignore") && !orca.exists("../elsewhere/journal.db"));
}

#[test]
fn a_gitignore_of_the_state_that_leads_nowhere_is_not_written_through() {
    let orca = one("true", "");
    orca.write(".orca/x", "").symlink("../../planted", ".orca/.gitignore");
    orca.build();
    assert!(!orca.exists("../planted"));
}

#[test]
fn a_stray_file_does_not_pass_for_a_machine_without_a_sandbox() {
    let orca = one("echo hi", "");
    orca.write(".orca/trial", "stray").build().ran(["one"]);
}

#[test]
fn pipes_in_the_place_of_orcas_files_hang_nothing() {
    for name in [".orca/lock", "../cache/orca/budget/slot-0", "../cache/orca/budget/waiting-0"] {
        let orca = one("true", "");
        fifo(&orca, name);
        let output = orca.orca(["build"]);
        assert!(matches!(output.status.code(), Some(0 | 4)), "{}", output.transcript());
    }
}

#[test]
fn a_cache_directory_must_be_absolute() {
    let mut orca = one("true", "");
    orca.set_env("ORCA_CACHE_DIR", "cache");
    orca.orca(["build"]).exits(4).prints(["ORCA_CACHE_DIR is `cache`; it must be an absolute path"]);
}

#[test]
fn no_task_brings_a_repository() {
    let orca = one("mkdir -p d/.git/hooks; echo x > d/.git/hooks/pre-commit", "outputs = [\"d/\"]");
    let red = orca.build_red();
    assert!(red.failure("one").details.iter().any(|detail| detail == "d/.git"));
    assert!(!orca.exists("d"));
}

#[test]
fn a_link_of_the_user_where_an_output_goes_is_kept() {
    let orca = one("echo new > out", "outputs = [\"out\"]");
    orca.symlink("somewhere/else", "out");
    orca.orca(["build"]).exits(0).prints(["`out` was not what orca had put there; it is kept as"]);
    assert_eq!(orca.read("out"), "new\n");
    let kept = fs::read_link(orca.path(".orca/replaced/1/out")).expect("a link");
    assert_eq!(kept.to_str(), Some("somewhere/else"));
}

#[test]
fn strangers_among_outputs_are_told_and_stay() {
    let orca = one("mkdir -p d; cp in/* d/", "inputs = [\"in/*\"]\noutputs = [\"d/\"]");
    orca.write("in/1", "1\n").write("in/2", "2\n").build();
    orca.remove("in/2").remove(".orca");
    orca.orca(["build"]).exits(0).prints(["`d/2` among the outputs of `one` did not come from it"]);
    assert!(orca.exists("d/2"));
}

#[test]
fn an_output_that_somebody_changes_meanwhile_is_no_success() {
    let orca = Project::new(
        "[tasks.a]\nrun = 'echo a > ra'\noutputs = ['ra']\n[tasks.b]\nrun = 'while ! [ -e go ]; do sleep 0.02; done; cat ra > rb'\ninputs = ['ra']\noutputs = ['rb']\nundeclared = 'discard'\n",
    );
    let build = orca.spawn(["build"]);
    wait_until("for the second task", || orca.exists(".orca/work/b/tree/ra"));
    orca.write("ra", "mine\n").write(".orca/work/b/tree/go", "");
    build.wait().exits(1).prints(["`ra` was changed by somebody else while the build ran"]);
    orca.build();
    assert_eq!((orca.read("ra"), orca.read("rb")), ("a\n".to_owned(), "a\n".to_owned()));
}

/// Nobody reads what orca prints, and the pipe is full: it hears a signal all the same.
#[test]
fn a_reader_that_does_not_read_makes_orca_deaf_to_nothing() {
    let orca = Project::new(
        "[tasks.loud]\nrun = \"head -c 5000000 /dev/zero | tr '\\\\0' '\\\\n'\"\n[tasks.long]\nrun = 'touch here; sleep 600'\nundeclared = 'discard'\n",
    );
    let mut command = orca.command();
    let mut build =
        command.args(["build", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    wait_until("for the long task", || orca.exists(".orca/work/long/tree/here"));
    std::thread::sleep(Duration::from_millis(500));
    let pid = Pid::from_child(&build);
    let started = Instant::now();
    for _ in 0..2 {
        kill_process(pid, Signal::INT).expect("it is there");
        std::thread::sleep(Duration::from_millis(100));
    }
    let status = build.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}
