//! Guarantees 10 and 15: `kill -9` at any instant. The next build just works, what was accepted is not done again, no
//! file is half-written, and no process outlives the build that started it.
//!
//! `ORCA_KILL_ROUNDS` sets how often (100 where it does not say).
#![expect(clippy::disallowed_methods, reason = "kills at real instants, and looks at real files and processes")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use orca::engine::{Power, consent};
use orca::event::{Event, EventRecord, Outcome};
use support::{Project, Running, Snapshot, wait_until_nothing_runs};

/// Projects that are built and killed at a time.
const THREADS: u64 = 4;
/// Files of the task whose publishing is interrupted.
const MANY: usize = 300;

#[test]
fn a_killed_build_is_only_a_shorter_one() {
    let rounds = std::env::var("ORCA_KILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(100);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || sweep(thread, rounds / THREADS));
        }
    });
}

/// Kills as many builds of one project, at instants spread over the time that a whole build takes.
fn sweep(thread: u64, rounds: u64) {
    let mut orca = Project::new("");
    if thread.is_multiple_of(2) {
        trust(&mut orca);
    }
    let mut whole = Duration::from_millis(400);
    for round in 0..rounds {
        let salt = format!("{thread}-{round}");
        orca.write("orca.toml", twenty_tasks(&salt, orca.root()));
        // The golden ratio spreads instants evenly, however many there are.
        let share = (round as f64 * 0.618_033_988_75 + thread as f64 / THREADS as f64).fract();
        let build = orca.spawn(["build", "--json"]);
        std::thread::sleep(whole.mul_f64(share * 1.1));
        let killed = build.kill();
        wait_until_nothing_runs(orca.root());
        nothing_is_half_written(&orca);
        let before = accepted(&killed.stdout);

        let since = Instant::now();
        let after = orca.build();
        if before.is_empty() {
            whole = since.elapsed();
        }
        let again: BTreeSet<String> = after.tasks_run().intersection(&before).cloned().collect();
        assert!(again.is_empty(), "{again:?} ran again\n{}\n{}", killed.stdout, after.output.transcript());
        assert_eq!(outputs(&orca), expected(&salt), "{}", after.output.transcript());
        orca.build().ran([]);
    }
}

/// Twenty tasks in five layers. Each writes what it depends on, twice, around a pause: half of it is not an output.
fn twenty_tasks(salt: &str, marker: &Path) -> String {
    let mut plan = String::from("[plan]\nname = \"twenty\"\n");
    for number in 0..20usize {
        let deps: Vec<String> = below(number).map(|dep| format!("\"t{dep}\"")).collect();
        plan += &format!(
            "\n[tasks.t{number}]\nrun = 'echo {salt} > out/t{number}; sleep 0.02; cat out/* | wc -l >> out/t{number}'\n\
             outputs = [\"out/t{number}\"]\ndeps = [{}]\nenv = {{ MARKER = {marker:?} }}\n",
            deps.join(", "),
        );
    }
    plan
}

fn below(number: usize) -> std::ops::Range<usize> {
    let layer = number / 4 * 4;
    layer.saturating_sub(4)..layer.saturating_sub(if layer == 0 { 0 } else { 1 })
}

fn expected(salt: &str) -> Vec<(String, String)> {
    let lines = |number: usize| 1 + 2 * below(number).count();
    let all = (0..20).map(|number| (format!("out/t{number}"), format!("{salt}\n{}\n", lines(number))));
    let mut all: Vec<(String, String)> = all.collect();
    all.sort();
    all
}

/// Every file of the project but its plan.
fn outputs(orca: &Project) -> Vec<(String, String)> {
    let Snapshot(entries) = orca.tree();
    let files = entries.into_keys().filter(|path| path != "orca.toml" && orca.path(path).is_file());
    files.map(|path| (path.clone(), orca.read(&path))).collect()
}

fn nothing_is_half_written(orca: &Project) {
    for (path, text) in outputs(orca) {
        assert!(path.starts_with("out/t"), "{path} was left behind");
        assert_eq!(text.lines().count(), 2, "{path} is half-written: {text:?}");
    }
}

/// The tasks that the killed build said were done.
fn accepted(events: &str) -> BTreeSet<String> {
    let records = events.lines().filter_map(|line| serde_json::from_str::<EventRecord>(line).ok());
    let done = records.filter_map(|record| match record.event {
        Event::TaskFinished { task, outcome: Outcome::Ran | Outcome::Cached { .. }, .. } => Some(task.to_string()),
        _ => None,
    });
    done.collect()
}

fn trust(orca: &mut Project) {
    orca.set_env("ORCA_SANDBOX", "none");
    let state = orca.root().parent().expect("it lies in its world").join("state/orca");
    consent(&state, orca.root(), &BTreeSet::from([Power::MissingSandbox])).expect("consent is a file");
}

// Publishing, restoring, storing: the instants that matter most, found by what appears on disk.

fn many_files(salt: u64) -> String {
    format!(
        "[tasks.many]\nrun = 'mkdir -p many; for i in $(seq {MANY}); do printf \"%s\\n%s\\n\" {salt} {salt} > many/$i; done; ln -s nowhere-{salt} many/link'\n\
         outputs = [\"many/**\"]\n\n[tasks.other]\nrun = 'cat many/[0-9]* > all'\noutputs = [\"all\"]\ndeps = [\"many\"]\n"
    )
}

/// Kills a build as soon as `is_there`, if it has not ended by then.
fn kill_when(orca: &Project, is_there: impl Fn() -> bool) {
    let mut build: Running = orca.spawn(["build"]);
    let since = Instant::now();
    while !is_there() && !build.has_ended() {
        assert!(since.elapsed() < Duration::from_secs(60), "nothing happened:\n{}", build.so_far());
    }
    build.kill();
}

fn assert_whole(orca: &Project, salts: &[u64]) {
    for entry in fs::read_dir(orca.path("many")).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name();
        if name != "link" {
            let text = fs::read_to_string(entry.path()).expect("a file");
            let is_whole = salts.iter().any(|salt| text == format!("{salt}\n{salt}\n"));
            assert!(is_whole, "{name:?} is neither of {salts:?}: {text:?}");
        }
    }
    let names: Vec<String> = orca.tree().0.into_keys().filter(|path| !path.starts_with("many")).collect();
    assert!(names.iter().all(|name| ["orca.toml", "all"].contains(&name.as_str())), "{names:?}");
}

fn assert_right(orca: &Project, salt: u64) {
    assert_whole(orca, &[salt]);
    assert_eq!(fs::read_dir(orca.path("many")).expect("it is there").count(), MANY + 1);
    assert_eq!(fs::read_link(orca.path("many/link")).expect("a link").to_string_lossy(), format!("nowhere-{salt}"));
    assert_eq!(orca.read("all").lines().count(), 2 * MANY);
}

fn many() -> Project {
    let mut orca = Project::new(&many_files(1));
    trust(&mut orca);
    orca
}

#[test]
fn publishing_that_is_killed_is_finished() {
    let orca = many();
    orca.build();
    for salt in 2..12 {
        orca.write("orca.toml", many_files(salt));
        let file = (salt as usize * 37) % MANY + 1;
        let new = format!("{salt}\n{salt}\n");
        kill_when(&orca, || fs::read_to_string(orca.path(&format!("many/{file}"))).is_ok_and(|text| text == new));
        assert_whole(&orca, &[salt - 1, salt]);
        orca.build();
        assert_right(&orca, salt);
        orca.build().ran([]);
    }
}

#[test]
fn publishing_that_is_killed_leaves_nothing_of_a_plan_that_changed() {
    let orca = many();
    orca.build();
    for salt in 2..8 {
        orca.write("orca.toml", many_files(salt));
        let new = format!("{salt}\n{salt}\n");
        kill_when(&orca, || fs::read_to_string(orca.path("many/150")).is_ok_and(|text| text == new));
        orca.write("orca.toml", "[tasks.one]\nrun = 'echo 1 > one'\noutputs = [\"one\"]\n").build();
        assert_eq!(orca.tree().0.into_keys().collect::<Vec<_>>(), ["one", "orca.toml"]);
        orca.write("orca.toml", many_files(salt)).build();
        assert_right(&orca, salt);
    }
}

#[test]
fn restoring_that_is_killed_is_finished() {
    let orca = many();
    orca.build();
    for round in 0..10usize {
        orca.remove("many");
        kill_when(&orca, || orca.exists(&format!("many/{}", (round * 31) % MANY + 1)));
        assert_whole(&orca, &[1]);
        orca.build().ran([]);
        assert_right(&orca, 1);
    }
}

#[test]
fn a_kill_while_the_cache_is_written_leaves_a_sound_cache() {
    let orca = many();
    for salt in 1..11 {
        orca.write("orca.toml", many_files(salt));
        let blobs = |at: &Path| count_files(at);
        let before = blobs(&orca.cache().join("cas"));
        kill_when(&orca, || blobs(&orca.cache().join("cas")) > before);
        // Another checkout has the cache alone to go by.
        orca.build();
        assert_right(&orca, salt);
        let mut other = orca.checkout(["many", "all"]);
        trust(&mut other);
        other.build().ran([]);
        assert_right(&other, salt);
    }
}

fn count_files(at: &Path) -> usize {
    let entries = fs::read_dir(at).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| if entry.path().is_dir() { count_files(&entry.path()) } else { 1 }).sum()
}
