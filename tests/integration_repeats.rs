//! The same plan, again and again, with another order of events each time: what comes out is the same to the byte, and so
//! is what is on record.
//!
//! `ORCA_REPEATS` sets how often each number of jobs is tried (20 where it does not say).
#![expect(clippy::disallowed_methods, reason = "reads how often from the environment")]

mod support;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use orca::store::Journal;
use support::cases::CASES;
use support::hands::{TEN, attempts, edits, plan, without_sandbox};
use support::{Build, Project, Snapshot};

/// Builds at a time.
const THREADS: u64 = 4;
/// A pause of up to a tenth of a second, another one each time.
const PAUSE: &str = "sleep 0.0$(od -An -N1 -tu1 /dev/urandom | tr -d ' ')";

/// All cases, each in a directory of its own: thirty agents.
fn all_cases() -> Project {
    let mut tasks = String::new();
    for (at, case) in CASES.iter().enumerate() {
        for (who, lines) in [("one", case.one), ("two", case.two)] {
            // Named, since of two that do the same it would depend on who was first which of them ran.
            let lines = format!(": {who}\ncd c{at}\n{PAUSE}\n{lines}\n{PAUSE}");
            tasks += &edits(&format!("c{at}-{who}"), &format!("'c{at}/*', 'c{at}/d/**'"), &lines);
        }
    }
    let mut orca = Project::new(&plan(&tasks));
    without_sandbox(&mut orca);
    for at in 0..CASES.len() {
        orca.write(&format!("c{at}/a.txt"), TEN);
        orca.write(&format!("c{at}/crlf.txt"), TEN.replace('\n', "\r\n"));
    }
    orca
}

/// Everything that must not depend on who was first.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    tree: Snapshot,
    /// How each task ended, and after how many starts.
    tasks: BTreeMap<String, (String, usize)>,
    /// Where the content of every edited path comes from.
    provenance: String,
    /// What each task changed.
    changes: String,
    /// Under which keys tasks are on record, and on top of whom.
    records: String,
}

impl Outcome {
    fn of(orca: &Project, build: &Build) -> Self {
        let names = CASES.iter().enumerate().flat_map(|(at, _)| ["one", "two"].map(|who| format!("c{at}-{who}")));
        let journal = Journal::open(&orca.path(".orca")).expect("it was just written");
        let on_record = journal.tasks().expect("it can be read");
        let records: BTreeMap<_, _> = on_record
            .into_iter()
            .map(|(name, task)| (name, (task.key, task.accepted, task.origin.first_key, task.origin.on_top_of)))
            .collect();
        Self {
            tree: orca.tree(),
            tasks: names
                .map(|name| (name.clone(), (format!("{:?}", build.outcome(&name)), attempts(build, &name))))
                .collect(),
            provenance: format!("{:#?}", journal.edited().expect("it can be read")),
            changes: format!("{:#?}", journal.changes().expect("it can be read")),
            records: format!("{records:#?}"),
        }
    }

    /// Panics where two differ, and says in what.
    fn assert_same(&self, other: &Self, whose: &str) {
        let difference = self.tree.difference(&other.tree);
        assert!(difference.is_empty(), "{whose}:\n{difference}");
        assert_eq!(self.tasks, other.tasks, "{whose}");
        assert_eq!(self.provenance, other.provenance, "{whose}");
        assert_eq!(self.changes, other.changes, "{whose}");
        assert_eq!(self.records, other.records, "{whose}");
    }
}

#[test]
fn whoever_is_first_the_outcome_is_the_same_to_the_byte() {
    let repeats = std::env::var("ORCA_REPEATS").ok().and_then(|value| value.parse().ok()).unwrap_or(20u64);
    let first: Mutex<Option<Outcome>> = Mutex::new(None);
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    if turn >= 2 * repeats {
                        return;
                    }
                    let jobs = if turn.is_multiple_of(2) { "8" } else { "1" };
                    let orca = all_cases();
                    let build = orca.build_args(["-j", jobs]).green();
                    let outcome = Outcome::of(&orca, &build);
                    let mut first = first.lock().expect("nobody panicked before");
                    match first.as_ref() {
                        Some(first) => outcome.assert_same(first, &format!("turn {turn}, -j{jobs}")),
                        None => {
                            for (at, case) in CASES.iter().enumerate() {
                                let (_, runs) = &outcome.tasks[&format!("c{at}-two")];
                                assert_eq!(*runs, case.second_runs, "{}", case.name);
                                for (path, content) in case.after {
                                    let path = format!("c{at}/{path}");
                                    let found = orca.exists(&path).then(|| orca.read(&path));
                                    assert_eq!(found.as_deref(), *content, "{}: {path}", case.name);
                                }
                            }
                            orca.build().ran([]);
                            *first = Some(outcome);
                        }
                    }
                }
            });
        }
    });
}
