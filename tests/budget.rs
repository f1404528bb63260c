//! Several builds on one machine share its job slots: together they run as many tasks at a time as one would alone, and
//! at most one more, since every build may always run one.

mod support;

use std::fmt::Write as _;

use orca::event::Event;
use support::{Build, Project};

const TASKS: usize = 12;

/// Tasks that take a moment and differ, so that none is another's cached result.
fn plan(salt: &str) -> String {
    let mut plan = String::new();
    for task in 0..TASKS {
        let _ = write!(
            plan,
            "[tasks.t{task}]\nrun = \"date +%s%N; sleep 0.4; date +%s%N\"\nenv = {{ SALT = \"{salt} {task}\" }}\n"
        );
    }
    plan
}

/// When a body began or ended by its own clock, and +1 or -1: what is stored and published needs no slot.
fn changes(build: &Build) -> Vec<(u64, i32)> {
    let text = |event: &Event| match event {
        Event::TaskOutput { text, .. } => Some(text.clone()),
        _ => None,
    };
    let texts: Vec<String> = build.events.iter().filter_map(text).collect();
    assert_eq!(texts.len(), TASKS, "every body says when it ran");
    let at = |text: &str, change| (text.trim().parse().expect("a time"), change);
    let spans = texts.iter().map(|text| text.trim().split_once('\n').expect("two times"));
    spans.flat_map(|(begun, ended)| [at(begun, 1), at(ended, -1)]).collect()
}

fn most_at_a_time(builds: &[&Build]) -> i32 {
    let mut all: Vec<(u64, i32)> = builds.iter().flat_map(|build| changes(build)).collect();
    all.sort_unstable();
    let running = all.iter().scan(0, |running, (_, change)| {
        *running += change;
        Some(*running)
    });
    running.max().unwrap_or(0)
}

#[test]
fn two_builds_share_the_machine() {
    let first = Project::new(&plan("first"));
    let second = first.checkout([]);
    second.write("orca.toml", plan("second"));
    let cores = i32::try_from(std::thread::available_parallelism().expect("known").get()).expect("few");
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| second.build());
        (first.build(), other.join().expect("it is green"))
    });
    assert_eq!((one.tasks_run().len(), other.tasks_run().len()), (TASKS, TASKS));
    let most = most_at_a_time(&[&one, &other]);
    // Two commands more than cores, and one that every build may always run.
    assert!(most <= cores + 3, "{most} tasks at a time on {cores} cores");
    assert!(most_at_a_time(&[&one]) >= 1 && most_at_a_time(&[&other]) >= 1);
}
