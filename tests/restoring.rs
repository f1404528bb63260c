//! Results that are in the cache and not in the project: a second checkout, a `git clean`, a kill in the middle of it.
#![expect(clippy::disallowed_methods, reason = "reads what builds left on disk")]

mod support;

use std::fs;
use std::time::Duration;

use orca::event::{Event, Outcome};
use rustix::process::Signal;
use support::{Build, Project, wait_until};

/// So many that they are not restored all together.
const TASKS: usize = 700;

/// Many tasks that need nothing, and one that needs all of them.
fn many() -> Project {
    let mut plan = String::new();
    for number in 0..TASKS {
        plan += &format!("[tasks.t{number}]\nrun = 'echo {number} > out/{number}'\noutputs = [\"out/{number}\"]\n");
    }
    plan += "[tasks.all]\nrun = 'cat out/* | sort -n > all'\ninputs = [\"out/*\"]\noutputs = [\"all\"]\n";
    plan += "[tasks.says]\nrun = 'wc -l < all'\ninputs = [\"all\"]\n";
    let project = Project::new(&plan);
    project.build();
    project
}

fn restored(build: &Build) -> u64 {
    let files = build.events.iter().map(|event| match event {
        Event::TaskFinished { outcome: Outcome::Cached { restored, .. }, .. } => *restored,
        _ => 0,
    });
    files.sum()
}

#[test]
fn a_second_checkout_takes_everything_from_the_cache_and_says_so() {
    let first = many();
    let second = first.checkout(["out", "all"]);
    let told = second.orca(["build"]).exits(0);
    let counts = format!("done: {} cached, {} files restored in", TASKS + 2, TASKS + 1);
    told.prints([counts.as_str(), "cached t0 (1 file restored)", &format!("| {TASKS}")]);
    assert_eq!(second.tree(), first.tree());
    second.orca(["build"]).exits(0).prints([format!("nothing to do: {} cached in", TASKS + 2).as_str()]);
    second.orca(["status"]).exits(0);
    // Each is on record with what it is restored to: one that is missing again comes back alone.
    second.remove("out/7");
    assert_eq!(restored(&second.build()), 1);
    assert_eq!(second.tree(), first.tree());
}

#[test]
fn what_the_cache_has_lost_runs_again_and_the_rest_is_restored() {
    let first = many();
    let digest = blake3::hash(b"7\n").to_hex().to_string();
    fs::remove_file(first.cache().join("cas").join(&digest[..2]).join(&digest)).expect("it is in the cache");
    let second = first.checkout(["out", "all"]);
    let build = second.build();
    build.ran(["t7"]);
    assert_eq!(restored(&build), TASKS as u64, "all but one, and what is made of all");
    assert_eq!(second.tree(), first.tree());
}

#[test]
fn what_is_damaged_in_the_cache_is_never_put_into_the_project() {
    let first = many();
    let digest = blake3::hash(b"7\n").to_hex().to_string();
    let blob = first.cache().join("cas").join(&digest[..2]).join(&digest);
    fs::remove_file(&blob).expect("it is in the cache");
    fs::write(&blob, "8\n").expect("it can be damaged");
    let second = first.checkout(["out", "all"]);
    second.build().ran(["t7"]);
    assert_eq!(second.tree(), first.tree());
}

#[test]
fn what_is_in_the_way_of_one_result_does_not_hold_up_the_others() {
    let first = many();
    let second = first.checkout(["out", "all"]);
    second.write("all/a person's", "mine\n");
    second.build();
    assert_eq!(second.read("all"), first.read("all"));
    let second = first.checkout(["out", "all"]);
    second.write("out", "a person's\n");
    let red = second.build_red();
    assert_eq!(second.read("out"), "a person's\n");
    assert_eq!(restored(&red), 0);
    second.remove("out").build();
    assert_eq!(second.tree(), first.tree());
}

#[test]
fn a_kill_or_an_interrupt_in_the_middle_leaves_nothing_half_done() {
    let first = many();
    for (signal, wait_ms) in [(Signal::KILL, 0), (Signal::KILL, 5), (Signal::KILL, 15), (Signal::INT, 0)] {
        let second = first.checkout(["out", "all"]);
        let mut build = second.spawn(["build"]);
        wait_until("for the first file", || second.exists("out") || second.exists("all"));
        std::thread::sleep(Duration::from_millis(wait_ms));
        build.signal(signal);
        build.wait();
        for file in fs::read_dir(second.path("out")).into_iter().flatten() {
            let file = file.expect("an entry");
            let text = fs::read_to_string(file.path()).expect("a file");
            assert_eq!(text.trim_end(), file.file_name().to_str().expect("text"), "half a file after {signal:?}");
        }
        second.build().ran([]);
        assert_eq!(second.tree(), first.tree(), "after {signal:?}, {wait_ms} ms");
    }
}
