//! `kill -9` while changes are put into the project: at every step of every kind, by a tracer, and at random instants. No
//! file is torn, nothing of a person's is lost, nothing is paid twice, and the next build ends where an undisturbed one
//! does, with a person's edit in it.
//!
//! `ORCA_KILL_ROUNDS` sets how many random rounds there are (60 where it does not say), `ORCA_KILL_STEPS` how many steps
//! of each kind the tracer tries at most, spread over all that there are (8; 0 for every one).
#![expect(clippy::disallowed_methods, reason = "kills at real instants, and looks at real files")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use orca::event::{Event, EventRecord, Outcome};
use support::hands::{attempts, edits, edits_with, plan, without_sandbox};
use support::{Build, Entry, Project, Running, Snapshot, wait_until_nothing_runs};

/// Projects that are built and killed at a time.
const THREADS: u64 = 4;
/// Lines of the long file: its writing takes more than one call.
const LONG: usize = 20_000;

fn twenty() -> String {
    (1..=20).map(|line| format!("{line}\n")).collect()
}

/// Two agents whose changes overlap, one after them with an output, a delete, a create, a mode, a directory that becomes a
/// file, a long file, and a formatter.
fn tasks() -> String {
    let files = "'m.txt', 'long.txt', 'tool.sh', 'gone.txt', 'new/**', 'd', 'd/**'";
    [
        edits(
            "a",
            files,
            "sed -i 's/^2$/two/; s/^5$/five/' m.txt
             sed -i 's/^10$/ten/' long.txt
             chmod +x tool.sh
             rm gone.txt
             rm -r d
             echo file > d",
        ),
        edits(
            "b",
            files,
            "sed -i 's/^9$/nine/; s/^\\(5\\|five\\)$/& of b/' m.txt
             sed -i 's/^19990$/end/' long.txt
             mkdir -p new
             echo new > new/file.txt
             ln -s file.txt new/link",
        ),
        edits_with(
            "c",
            "'tool.sh'",
            "echo 'echo c' >> tool.sh
             sed -n 2p m.txt > out.txt",
            "inputs = ['m.txt']\noutputs = ['out.txt']\ndeps = ['a']",
        ),
        "[tasks.format]\nrun = \"sed -i 's/^echo/  echo/' tool.sh\"\nedits = ['tool.sh']\ndeps = ['c']\n".to_owned(),
    ]
    .concat()
}

fn fresh() -> Project {
    let mut orca = Project::new(&plan(&tasks()));
    without_sandbox(&mut orca);
    orca.write("m.txt", twenty()).write("side.txt", "side\n").write("gone.txt", "gone\n").write("d/x", "x\n");
    orca.write("tool.sh", "#!/bin/sh\necho one\n").chmod("tool.sh", 0o644);
    orca.write("long.txt", long());
    orca
}

fn long() -> String {
    (1..=LONG).map(|line| format!("{line}\n")).collect()
}

/// What a person does right after the kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Person {
    Nothing,
    /// Changes a line that no agent changes, in a file that they do change.
    Line,
    /// Changes what an agent deletes.
    Deleted,
}

const PERSONS: [Person; 4] = [Person::Nothing, Person::Line, Person::Nothing, Person::Deleted];

impl Person {
    /// Edits, and answers whether there is anything that an agent's change can clash with.
    fn edits(self, orca: &Project) -> bool {
        if self == Self::Nothing {
            return false;
        }
        save(orca, "m.txt", &orca.read("m.txt").replace("\n15\n", "\nfifteen\n"));
        orca.write("side.txt", "side of a person\n");
        if self == Self::Deleted && orca.exists("gone.txt") {
            orca.write("gone.txt", "gone, says a person\n");
            return true;
        }
        false
    }

    /// An undisturbed tree, with the edit in it.
    fn expects(self, mut tree: Snapshot) -> Snapshot {
        if self == Self::Nothing {
            return tree;
        }
        tree.0.remove("orca.lock");
        tree.0.insert("side.txt".to_owned(), Entry::File(0o644, b"side of a person\n".to_vec()));
        let Some(Entry::File(_, bytes)) = tree.0.get_mut("m.txt") else { panic!("m.txt is a file") };
        *bytes = String::from_utf8_lossy(bytes).replace("\n15\n", "\nfifteen\n").into_bytes();
        tree
    }
}

/// Saves as an editor does: writes beside, and renames.
fn save(orca: &Project, name: &str, text: &str) {
    let beside = orca.path(&format!(".{name}.swp"));
    fs::write(&beside, text).expect("it can be written");
    fs::rename(&beside, orca.path(name)).expect("it can be renamed");
}

/// Every path holds one of the versions that it may have: torn is none.
fn nothing_is_torn(orca: &Project) {
    let m = twenty();
    let of_a = m.replace("\n2\n", "\ntwo\n").replace("\n5\n", "\nfive\n");
    let of_both = of_a.replace("\nfive\n", "\nfive of b\n").replace("\n9\n", "\nnine\n");
    is_one_of(orca, "m.txt", &[&m, &of_a, &of_both]);
    let long = long();
    let of_a = long.replace("\n10\n", "\nten\n");
    is_one_of(orca, "long.txt", &[&long, &of_a, &of_a.replace("\n19990\n", "\nend\n")]);
    let tool = "#!/bin/sh\necho one\n";
    let of_c = format!("{tool}echo c\n");
    is_one_of(orca, "tool.sh", &[tool, &of_c, &of_c.replace("echo", "  echo")]);
    for (name, text) in
        [("gone.txt", "gone\n"), ("d/x", "x\n"), ("d", "file\n"), ("new/file.txt", "new\n"), ("out.txt", "two\n")]
    {
        if orca.path(name).is_file() {
            is_one_of(orca, name, &[text]);
        }
    }
    let known = [
        "m.txt",
        "long.txt",
        "tool.sh",
        "gone.txt",
        "side.txt",
        "d",
        "d/x",
        "new",
        "new/file.txt",
        "new/link",
        "out.txt",
        "orca.toml",
        "orca.lock",
    ];
    for path in orca.tree().0.keys() {
        assert!(known.contains(&path.as_str()), "{path} was left behind");
    }
}

fn is_one_of(orca: &Project, name: &str, versions: &[&str]) {
    let found = orca.read(name);
    assert!(versions.contains(&found.as_str()), "{name} is torn: {} bytes", found.len());
}

/// The tasks that a killed build said were done.
fn done(events: &str) -> BTreeSet<String> {
    let records = events.lines().filter_map(|line| serde_json::from_str::<EventRecord>(line).ok());
    let done = records.filter_map(|record| match record.event {
        Event::TaskFinished { task, outcome: Outcome::Ran | Outcome::Cached { .. }, .. } => Some(task.to_string()),
        _ => None,
    });
    done.collect()
}

/// What has to hold after a kill, whenever that was.
fn the_next_build_just_works(orca: &Project, killed: &str, person: Person, undisturbed: &Snapshot) {
    nothing_is_torn(orca);
    let may_clash = person.edits(orca);
    let before = done(killed);
    let built = orca.build_args([]);
    if may_clash && built.output.status.code() == Some(1) {
        assert_eq!(orca.read("gone.txt"), "gone, says a person\n", "{}", built.output.transcript());
        orca.remove("gone.txt");
        is_as_undisturbed(orca, orca.build(), &before, person, undisturbed, killed);
    } else {
        is_as_undisturbed(orca, built.green(), &before, person, undisturbed, killed);
    }
}

fn is_as_undisturbed(
    orca: &Project,
    built: Build,
    before: &BTreeSet<String>,
    person: Person,
    undisturbed: &Snapshot,
    killed: &str,
) {
    let told = || format!("{person:?}\n{killed}\n{}", built.output.transcript());
    let again: Vec<&String> = before.iter().filter(|task| attempts(&built, task) > 0).collect();
    assert!(again.is_empty(), "{again:?} ran again: {}", told());
    let mut here = orca.tree();
    if person != Person::Nothing {
        // What a person made of a file is in the lock as well.
        here.0.remove("orca.lock");
    }
    let difference = here.difference(&person.expects(undisturbed.clone()));
    assert!(difference.is_empty(), "here != undisturbed:\n{difference}{}", told());
    let second = orca.build();
    assert!(second.tasks_run().is_empty(), "{}\nsecond: {}", told(), second.output.transcript());
    for directory in ["staging", "exchange"] {
        let left = fs::read_dir(orca.path(".orca").join(directory)).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{directory}: {}", told());
    }
    assert!(!orca.exists(".orca/replaced"), "{}", told());
}

fn undisturbed() -> Snapshot {
    let orca = fresh();
    orca.build();
    orca.build().ran([]);
    assert_eq!(orca.read("out.txt"), "two\n");
    orca.tree()
}

// By a tracer, at every step.

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

/// Whether system calls can be traced here, and a process killed at a chosen one.
fn can_trace(test: &str) -> bool {
    let possible = Command::new("strace").args(["-f", "-b", "execve", "-o", "/dev/null", "true"]).output();
    let can = possible.is_ok_and(|output| output.status.success());
    if !can {
        let _told = writeln!(std::io::stderr(), "skipped: {test} needs strace");
    }
    can
}

/// A build under a tracer that does not follow into other programs, with as few threads as there can be.
fn traced(orca: &Project, options: &[&str]) -> Running {
    let plain = orca.command();
    let mut command = Command::new("strace");
    command.args(["-f", "-q", "-b", "execve"]).args(options).arg(plain.get_program()).args(["build", "--json"]);
    command.current_dir(orca.root()).env_clear().env("RAYON_NUM_THREADS", "1").stdin(Stdio::null());
    for (name, value) in plain.get_envs() {
        command.env(name, value.expect("nothing is unset"));
    }
    Running::start(&mut command, format!("strace {}", options.join(" ")))
}

/// The steps to be killed at, as many of each kind as are asked for; 0 for all.
fn steps(orca: &Project, per_call: u64) -> Vec<(&'static str, u64)> {
    let mut steps = Vec::new();
    for (call, count) in counts(orca, &CALLS) {
        let chosen = if per_call == 0 { count } else { count.min(per_call) };
        // From the last one backwards: the later ones are those of publishing.
        steps.extend((0..chosen).map(|at| (call, count - at * count / chosen.max(1))));
    }
    steps
}

/// How often the busiest thread of a build makes each call.
fn counts(orca: &Project, calls: &[&'static str]) -> Vec<(&'static str, u64)> {
    let trace = orca.root().with_file_name("trace");
    let out = trace.to_str().expect("a plain name");
    let filter = format!("trace={}", calls.join(","));
    let built = traced(orca, &["-o", out, "-e", &filter]).wait();
    assert_eq!(built.status.code(), Some(0), "{}", built.transcript());
    let text = fs::read_to_string(&trace).expect("strace wrote it");
    let most = |call: &str| {
        let mut by_thread = std::collections::BTreeMap::<&str, u64>::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let thread = words.next().unwrap_or_default();
            if words.next().is_some_and(|word| word.strip_prefix(call).is_some_and(|rest| rest.starts_with('('))) {
                *by_thread.entry(thread).or_default() += 1;
            }
        }
        by_thread.into_values().max().unwrap_or(0)
    };
    calls.iter().map(|call| (*call, most(call))).collect()
}

const CALLS: [&str; 13] = [
    "renameat2",
    "renameat",
    "unlinkat",
    "pwrite64",
    "write",
    "fsync",
    "fdatasync",
    "syncfs",
    "openat",
    "openat2",
    "mkdirat",
    "fchmod",
    "symlinkat",
];

#[test]
fn killed_at_every_step_the_next_build_just_works() {
    if !can_trace("killed_at_every_step_the_next_build_just_works") {
        return;
    }
    let undisturbed = undisturbed();
    let steps = steps(&fresh(), number("ORCA_KILL_STEPS", 8));
    let killed = AtomicU64::new(0);
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed) as usize;
                    let Some((call, when)) = steps.get(at) else { return };
                    let orca = fresh();
                    let inject = format!("inject={call}:signal=KILL:when={when}");
                    let filter = format!("trace={call}");
                    let ended = traced(&orca, &["-o", "/dev/null", "-e", &filter, "-e", &inject]).wait();
                    killed.fetch_add(u64::from(!ended.status.success()), Ordering::Relaxed);
                    wait_until_nothing_runs(orca.root());
                    let told = format!("{inject}\n{}", ended.stdout);
                    the_next_build_just_works(&orca, &told, PERSONS[at % PERSONS.len()], &undisturbed);
                }
            });
        }
    });
    let killed = killed.into_inner();
    let _told = writeln!(std::io::stderr(), "{killed} of {} builds were killed", steps.len());
    assert!(killed * 2 > steps.len() as u64, "{killed} of {}", steps.len());
}

// With a person's edits in what is replaced.

/// Everything was built once, a person edited an edited file and an agent's output since, and every prompt is another.
fn to_be_merged() -> Project {
    let version = |word: &str| {
        let a = edits("a", "'m.txt'", &format!("sed -i 's/^2$/{word}/' m.txt"));
        let b = edits("b", "'m.txt'", &format!("sed -i 's/^\\(2\\|{word}\\)$/& and b/; s/^9$/{word}/' m.txt"));
        let c = format!("[tasks.c]\nprompt = '$ seq 20 | sed s/^2$/{word}/ > out.txt'\noutputs = ['out.txt']\n");
        plan(&[a, b, c].concat())
    };
    let mut orca = Project::new(&version("one"));
    without_sandbox(&mut orca);
    orca.write("m.txt", twenty());
    orca.build();
    orca.replace("m.txt", "\n15\n", "\nfifteen\n").replace("out.txt", "\n15\n", "\nfifteen\n");
    orca.build().ran([]);
    orca.write("orca.toml", version("two"));
    orca
}

#[test]
fn killed_while_a_persons_edits_are_merged_the_next_build_merges_them() {
    if !can_trace("killed_while_a_persons_edits_are_merged_the_next_build_merges_them") {
        return;
    }
    let steps = steps(&to_be_merged(), number("ORCA_KILL_STEPS", 4));
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((call, when)) = steps.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    let orca = to_be_merged();
                    let inject = format!("inject={call}:signal=KILL:when={when}");
                    let filter = format!("trace={call}");
                    let ended = traced(&orca, &["-o", "/dev/null", "-e", &filter, "-e", &inject]).wait();
                    wait_until_nothing_runs(orca.root());
                    let told = format!("{inject}\n{}", ended.stdout);
                    for name in ["m.txt", "out.txt"] {
                        let text = orca.read(name);
                        assert!(text.lines().count() == 20 && text.contains("\nfifteen\n"), "{name}: {text:?}\n{told}");
                    }
                    let before = done(&ended.stdout);
                    let built = orca.build();
                    let told = format!("{told}\n{}", built.output.transcript());
                    let again: Vec<&String> = before.iter().filter(|task| attempts(&built, task) > 0).collect();
                    assert!(again.is_empty(), "{again:?} ran again: {told}");
                    let twenty = twenty().replace("\n15\n", "\nfifteen\n");
                    let out = twenty.replace("\n2\n", "\ntwo\n");
                    let m = twenty.replace("\n2\n", "\ntwo and b\n").replace("\n9\n", "\ntwo\n");
                    assert_eq!((orca.read("m.txt"), orca.read("out.txt")), (m, out), "{told}");
                    orca.build().ran([]);
                    let files: Vec<String> = orca.tree().0.into_keys().collect();
                    assert_eq!(files, ["m.txt", "orca.lock", "orca.toml", "out.txt"], "{told}");
                }
            });
        }
    });
}

// At random instants.

#[test]
fn killed_at_any_instant_the_next_build_just_works() {
    let undisturbed = undisturbed();
    let rounds = number("ORCA_KILL_ROUNDS", 60);
    let typical = Mutex::new(Duration::from_millis(300));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (undisturbed, typical) = (&undisturbed, &typical);
            scope.spawn(move || {
                for round in 0..rounds / THREADS {
                    let orca = fresh();
                    // The golden ratio spreads instants evenly, however many there are.
                    let share = (round as f64 * 0.618_033_988_75 + thread as f64 / THREADS as f64).fract();
                    let build = orca.spawn(["build", "--json"]);
                    let whole = *typical.lock().expect("no holder panics");
                    std::thread::sleep(whole.mul_f64(share));
                    let killed = build.kill();
                    wait_until_nothing_runs(orca.root());
                    let told = format!("killed after {:?} of {whole:?}\n{}", whole.mul_f64(share), killed.stdout);
                    let person = PERSONS[(round + thread) as usize % PERSONS.len()];
                    let since = std::time::Instant::now();
                    the_next_build_just_works(&orca, &told, person, undisturbed);
                    if done(&killed.stdout).is_empty() {
                        let now = since.elapsed() / 2;
                        let mut typical = typical.lock().expect("no holder panics");
                        *typical = (*typical + now) / 2;
                    }
                }
            });
        }
    });
}
