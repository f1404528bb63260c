//! Large plans: ten thousand tasks stay within seconds and 500 MB, a chain of fifty thousand overflows no stack.
//!
//! The tasks of these plans all have the same key, so building them takes one run of the body: what is tried here is
//! everything around it.

#![expect(clippy::disallowed_methods, reason = "bounds how long a command takes")]

mod support;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use support::Project;

/// What ten thousand tasks may take in a debug build on a loaded machine; in a release build it is a tenth of it.
const PATIENCE: Duration = Duration::from_secs(60);
const MEMORY_KIB_MAX: i64 = 500 * 1024;

/// Layers of `width` tasks, each waiting for two of the layer before, behind one task that all wait for.
fn layered(tasks: usize, width: usize) -> String {
    let mut plan = String::from("[tasks.first]\nrun = \"true\"\ninputs = [\"input.txt\"]\n");
    for task in 0..tasks - 1 {
        let deps = match task.checked_sub(width) {
            None => "\"first\"".to_owned(),
            Some(above) => format!("\"t{above}\", \"t{}\"", above / width * width + (above + 1) % width),
        };
        let _ = write!(plan, "[tasks.t{task}]\nrun = \"true\"\ninputs = [\"input.txt\"]\ndeps = [{deps}]\n");
    }
    plan
}

fn chain(tasks: usize) -> String {
    let mut plan = String::from("[tasks.t0]\nrun = \"true\"\n");
    for task in 1..tasks {
        let _ = write!(plan, "[tasks.t{task}]\nrun = \"true\"\ndeps = [\"t{}\"]\n", task - 1);
    }
    plan
}

#[track_caller]
fn within_patience(orca: &Project, args: &[&str]) -> String {
    let started = Instant::now();
    let output = orca.orca(args);
    let took = started.elapsed();
    let output = output.exits(0);
    let peak_kib = getrusage(UsageWho::RUSAGE_CHILDREN).expect("known").max_rss();
    assert!(took < PATIENCE, "{args:?} took {took:?}");
    assert!(peak_kib < MEMORY_KIB_MAX, "{args:?} took {peak_kib} KiB");
    output.stdout
}

#[test]
fn ten_thousand_tasks() {
    let orca = Project::new(&layered(10_000, 100));
    orca.write("input.txt", "input\n");
    assert!(within_patience(&orca, &["check"]).contains("10000 tasks"));
    within_patience(&orca, &["build"]);
    let graph = within_patience(&orca, &["graph", "--format", "json"]);
    assert!(graph.contains("t9998"));
    let again = within_patience(&orca, &["build", "--json"]);
    assert!(again.contains("\"ran\":0,\"cached\":10000"), "{}", again.lines().last().unwrap_or_default());
    orca.write("input.txt", "other\n");
    assert!(within_patience(&orca, &["build", "-n"]).contains("first"));
}

#[test]
fn a_chain_of_fifty_thousand() {
    let orca = Project::new(&chain(50_000));
    assert!(within_patience(&orca, &["check"]).contains("50000 tasks"));
    assert!(within_patience(&orca, &["graph", "--format", "json", "--critical-path"]).contains("t49999"));
    assert!(within_patience(&orca, &["explain", "t49999"]).contains("t0: never-run"));
    assert!(within_patience(&orca, &["build", "-n", "t49999"]).contains("t0"));
}
