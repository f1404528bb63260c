//! Guarantee 1: whatever happened to a project, `orca build` gives what a clean build with an empty cache gives.
//!
//! A random walk. After every step the project is built, then once more, which must run nothing, and then compared,
//! byte for byte, with a fresh copy of the sources built by an orca that knows nothing. `ORCA_WALK_SEEDS` and
//! `ORCA_WALK_STEPS` make it longer, `ORCA_WALK_SEED` walks one seed alone; the seed of a walk that fails is printed.

mod support;
mod walk;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use orca::engine::{Power, consent};
use orca::event::{Event, Outcome};
use support::{Build, Entry, Project, walk_all};
use walk::Life;

/// Walks at a time.
const THREADS: u64 = 3;
/// One walk in this many is inside the real sandbox, which takes longer.
const ISOLATED_EVERY: u64 = 4;

#[test]
fn incremental_builds_equal_clean_ones() {
    walk_all(THREADS, 6, 14, walk);
}

fn walk(seed: u64, steps: u64) -> Result<(), String> {
    let prepare = if seed.is_multiple_of(ISOLATED_EVERY) { isolated } else { trusted };
    let mut life = Life::new(seed, prepare);
    let walked = catch_unwind(AssertUnwindSafe(|| {
        check(&mut life, prepare);
        for step in 0..steps {
            life.trace.push(format!("-- step {step}"));
            let before = life.model.clone();
            life.step();
            if check(&mut life, prepare) == Some(3) {
                // Whatever made the plan invalid is taken back.
                life.trace.push("(invalid: taken back)".to_owned());
                let now: BTreeSet<String> = life.model.sources.keys().cloned().collect();
                life.model = before;
                now.iter().chain(before_only(&life, &now).iter()).for_each(|path| life.model.put(&life.here, path));
                life.model.put_plan(&life.here);
                check(&mut life, prepare);
            } else {
                life.remember_plan();
            }
            if step % 7 == 6 {
                life.move_on(prepare);
                check(&mut life, prepare);
            }
        }
    }));
    walked.map_err(|panic| {
        let said = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned());
        let from = life.trace.len().saturating_sub(30);
        format!("ORCA_WALK_SEED={seed}:\n{}\n{said}\nplan:\n{}", life.trace[from..].join("\n"), life.model.plan())
    })
}

fn before_only(life: &Life, now: &BTreeSet<String>) -> Vec<String> {
    life.model.sources.keys().filter(|path| !now.contains(*path)).cloned().collect()
}

/// Without a sandbox, which is quicker.
fn trusted(project: &mut Project) {
    project.set_env("ORCA_SANDBOX", "none");
    let state = project.root().parent().expect("it lies in its world").join("state/orca");
    consent(&state, project.root(), &BTreeSet::from([Power::MissingSandbox])).expect("consent is a file");
}

fn isolated(_: &mut Project) {}

/// Builds here and in a fresh copy, and compares. The exit code, where that is not 0 or 1.
fn check(life: &mut Life, prepare: fn(&mut Project)) -> Option<i32> {
    let built = build(life);
    let mut fresh = Project::empty();
    prepare(&mut fresh);
    life.model.put_all(&mut fresh);
    let clean = fresh.build_args(["-k"]);
    let (code, expected) = (built.output.status.code(), clean.output.status.code());
    assert_eq!(code, expected, "{}\n\nclean: {}", built.output.transcript(), clean.output.transcript());
    if !matches!(code, Some(0 | 1)) {
        return code;
    }
    assert_eq!(not_accepted(&built), not_accepted(&clean), "other tasks are red\n{}", built.output.transcript());
    life.is_green = not_accepted(&clean).is_empty();
    compare(life, &fresh, &not_accepted(&clean), &built);

    let again = life.here.build_args(["-k"]);
    assert!(again.tasks_run().is_empty(), "the second build ran something\n{}", again.output.transcript());
    assert_eq!(restored(&again), 0, "the second build wrote something\n{}", again.output.transcript());
    life.collect_planted();
    None
}

/// One build, or two at the same time.
fn build(life: &mut Life) -> Build {
    if !life.random.once_in(8) {
        return life.here.build_args(["-k"]);
    }
    life.trace.push("two builds at a time".to_owned());
    let other = life.here.spawn(["build", "-k"]);
    let one = life.here.build_args(["-k"]);
    let other = other.wait();
    assert_eq!(other.status.code(), one.output.status.code(), "{}", other.transcript());
    one
}

fn not_accepted(build: &Build) -> BTreeSet<String> {
    let finished = build.events.iter().filter_map(|event| match event {
        Event::TaskFinished { task, outcome, .. } if !outcome.is_accepted() => Some(task.to_string()),
        _ => None,
    });
    finished.collect()
}

fn restored(build: &Build) -> u64 {
    let each = build.events.iter().map(|event| match event {
        Event::TaskFinished { outcome: Outcome::Cached { restored, .. }, .. } => *restored,
        _ => 0,
    });
    each.sum()
}

/// What the lock says of tasks that are accepted; of one that is red it says what was accepted before.
fn locked(project: &Project, not_accepted: &BTreeSet<String>) -> Vec<String> {
    if !project.exists("orca.lock") {
        return Vec::new();
    }
    let is_red = |line: &str| not_accepted.iter().any(|name| line.starts_with(&format!("task.{name}.")));
    let text = project.read("orca.lock");
    text.lines().filter(|line| line.starts_with("task.") && !is_red(line)).map(str::to_owned).collect()
}

/// Every path of both trees is the same, but for what tasks that are red here and there own.
fn compare(life: &Life, fresh: &Project, not_accepted: &BTreeSet<String>, built: &Build) {
    let (mut here, mut there) = (life.here.tree(), fresh.tree());
    for path in &life.planted {
        assert_eq!(here.0.remove(path), Some(Entry::File(0o644, b"a person's\n".to_vec())), "{path} is a person's");
    }
    assert_eq!(locked(&life.here, not_accepted), locked(fresh, not_accepted), "{}", built.output.transcript());
    for tree in [&mut here, &mut there] {
        tree.0.remove("orca.lock");
    }
    let red = || life.model.tasks.iter().filter(|task| not_accepted.contains(&task.name));
    for tree in [&mut here, &mut there] {
        tree.0.retain(|path, _| !red().any(|task| task.concerns(path)));
    }
    let difference = here.difference(&there);
    assert!(difference.is_empty(), "{}\nhere != clean:\n{difference}", built.output.transcript());
}
