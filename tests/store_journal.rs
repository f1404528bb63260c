//! The journal: runs, events, estimates, and what orca knows of tasks and published files.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test plants files and fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use orca::base::{ActionKey, BlobDigest, Entry, RelPath, TaskName};
use orca::event::{Event, EventRecord, Outcome, RunId, SCHEMA_VERSION, Spent, Usage};
use orca::store::{Journal, TaskRecord};

fn task(name: &str) -> TaskName {
    TaskName::new(name).unwrap()
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

fn file(content: &str) -> Entry {
    Entry::File { digest: BlobDigest::of(content.as_bytes()), size_bytes: content.len() as u64, executable: false }
}

fn finished(run: RunId, name: &str, wall_ms: u64, outcome: Outcome) -> EventRecord {
    let usage = Usage { wall_ms, ..Usage::default() };
    let event = Event::TaskFinished {
        task: task(name),
        key: None,
        outcome,
        attempts: 1,
        usage,
        spent: Spent::default(),
        agent: None,
    };
    EventRecord { v: SCHEMA_VERSION, run, at_ms: 7, event }
}

fn record(description: &str) -> TaskRecord {
    TaskRecord {
        key: ActionKey::from_bytes([7; 32]),
        description: description.into(),
        accepted: true,
        outcome: "ran".into(),
        run: RunId(3),
        log: Some(BlobDigest::of(b"log")),
        is_agent: false,
        origin: orca::store::Origin::default(),
    }
}

#[test]
fn a_run_with_its_events_is_read_back_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let run = journal.begin_run(&["build".into(), "-j4".into()], 1_000).unwrap();
    let cached = Outcome::Cached { restored: 2, saved_ms: 40, saved_micro_usd: 0 };
    let events = vec![finished(run, "a", 5, Outcome::Ran), finished(run, "b[x]", 6, cached)];
    journal.append(&events[..1]).unwrap();
    journal.append(&events[1..]).unwrap();
    journal.finish_run(run, true, 2_000).unwrap();
    drop(journal);

    let journal = Journal::open(dir.path()).unwrap();
    assert_eq!(journal.events(run).unwrap(), events);
    let last = journal.last_run().unwrap().unwrap();
    assert_eq!((last.id, last.started_ms, last.ended_ms, last.ok), (run, 1_000, Some(2_000), Some(true)));
    assert_eq!(last.args, ["build", "-j4"]);
    assert_eq!(journal.take_warnings(), [""; 0]);
}

#[test]
fn runs_are_numbered_from_one_listed_newest_first_and_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    assert!(journal.last_run().unwrap().is_none());
    for at_ms in 0..205 {
        let run = journal.begin_run(&[], at_ms).unwrap();
        journal.append(&[finished(run, "a", 1, Outcome::Ran)]).unwrap();
    }
    let runs = journal.runs(1_000).unwrap();
    assert_eq!((runs.len(), runs[0].id, runs[199].id), (200, RunId(205), RunId(6)));
    assert!(journal.events(RunId(5)).unwrap().is_empty());
    assert_eq!(journal.runs(2).unwrap().len(), 2);
}

#[test]
fn an_estimate_is_the_median_of_the_last_five_runs_that_were_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let run = journal.begin_run(&[], 0).unwrap();
    assert_eq!(journal.estimate_ms(&task("a")).unwrap(), None);
    for wall_ms in [9_000, 9_000, 10, 50, 30, 20, 40] {
        journal.append(&[finished(run, "a", wall_ms, Outcome::Ran)]).unwrap();
    }
    let skipped = Outcome::Skipped { because: "no".into() };
    journal.append(&[finished(run, "a", 1, skipped), finished(run, "b", 5, Outcome::Ran)]).unwrap();
    assert_eq!(journal.estimate_ms(&task("a")).unwrap(), Some(30));
    assert_eq!(journal.all_estimates().unwrap(), BTreeMap::from([(task("a"), 30), (task("b"), 5)]));
}

#[test]
fn the_last_state_of_a_task_is_kept_with_its_description() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let long = "inputs src/main.rs 0123\n".repeat(50_000);
    journal.put_tasks(&[(task("a"), record("old")), (task("b"), record(""))]).unwrap();
    journal.put_tasks(&[(task("a"), record(&long))]).unwrap();
    assert!(journal.task(&task("a")).unwrap() == Some(record(&long)));
    assert_eq!(journal.task(&task("b")).unwrap(), Some(record("")));
    assert_eq!(journal.task(&task("c")).unwrap(), None);
    assert_eq!(journal.tasks().unwrap().len(), 2);
    assert!(std::fs::metadata(dir.path().join("journal.db")).unwrap().len() < long.len() as u64 / 4);
    journal.forget_tasks(&[task("a")]).unwrap();
    assert_eq!(journal.tasks().unwrap().into_keys().collect::<Vec<_>>(), [task("b")]);
}

#[test]
fn publishing_is_pending_until_it_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    journal
        .begin_publish(&task("a"), &[(path("x"), file("new"), None), (path("y"), file("y"), Some(file("o")))])
        .unwrap();
    drop(journal);

    let journal = Journal::open(dir.path()).unwrap();
    let pending = journal.pending().unwrap();
    assert_eq!(pending.iter().map(|p| p.path.as_str()).collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!((&pending[1].new, &pending[1].old), (&file("y"), &Some(file("o"))));
    journal.finish_publish(&task("b"), &[]).unwrap();
    assert_eq!(journal.pending().unwrap().len(), 2, "another task's end ends nothing of this one");
    journal.finish_publish(&task("a"), &[path("x")]).unwrap();
    assert!(journal.pending().unwrap().is_empty());
    let published = journal.published().unwrap();
    assert_eq!(published.keys().collect::<Vec<_>>(), [&path("y")]);
    assert!(!published[&path("y")].pending);
    journal.forget(&[path("y")]).unwrap();
    assert!(journal.published().unwrap().is_empty());
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn looking_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Journal::open_readonly(dir.path()).unwrap().is_none());
    assert!(names(dir.path()).is_empty());
    let journal = Journal::open(dir.path()).unwrap();
    let run = journal.begin_run(&[], 1).unwrap();
    let live = Journal::open_readonly(dir.path()).unwrap().unwrap();
    assert_eq!(live.last_run().unwrap().unwrap().id, run, "seen while the build has it open");
    drop((live, journal));

    let before = names(dir.path());
    let looking = Journal::open_readonly(dir.path()).unwrap().unwrap();
    assert_eq!(looking.last_run().unwrap().unwrap().id, run);
    assert_eq!(names(dir.path()), before);
    assert!(looking.begin_run(&[], 2).unwrap_err().is_unwritable());
    drop(looking);
    assert_eq!(names(dir.path()), before);
}

#[test]
fn what_is_no_journal_of_this_format_is_set_aside_with_one_warning() {
    let newer = |dir: &Path| {
        drop(Journal::open(dir).unwrap());
        let connection = rusqlite::Connection::open(dir.join("journal.db")).unwrap();
        connection.execute_batch("PRAGMA user_version = 99").unwrap();
    };
    let foreign = |dir: &Path| {
        let connection = rusqlite::Connection::open(dir.join("journal.db")).unwrap();
        connection.execute_batch("CREATE TABLE mail (body TEXT)").unwrap();
    };
    let garbage = |dir: &Path| std::fs::write(dir.join("journal.db"), "not a database at all ".repeat(500)).unwrap();
    let directory = |dir: &Path| std::fs::create_dir(dir.join("journal.db")).unwrap();
    let link = |dir: &Path| std::os::unix::fs::symlink("/nowhere/at/all", dir.join("journal.db")).unwrap();
    type Plant<'a> = (&'a str, &'a dyn Fn(&Path));
    let table: [Plant<'_>; 5] =
        [("newer", &newer), ("foreign", &foreign), ("garbage", &garbage), ("directory", &directory), ("link", &link)];
    for (what, plant) in table {
        let dir = tempfile::tempdir().unwrap();
        plant(dir.path());
        let looking = Journal::open_readonly(dir.path()).unwrap();
        assert!(looking.is_none(), "{what}");
        let journal = Journal::open(dir.path()).unwrap();
        let warnings = journal.take_warnings();
        assert_eq!(warnings.len(), 1, "{what}: {warnings:?}");
        assert!(warnings[0].contains("journal.db.set-aside-1"), "{what}: {warnings:?}");
        assert!(std::fs::symlink_metadata(dir.path().join("journal.db.set-aside-1")).is_ok(), "{what}");
        journal.begin_run(&[], 1).unwrap();
        drop(journal);
        let again = Journal::open(dir.path()).unwrap();
        assert_eq!(again.take_warnings(), [""; 0], "{what}");
        assert_eq!(again.runs(9).unwrap().len(), 1, "{what}");
    }
}

#[test]
fn a_row_that_cannot_be_read_is_left_out_with_one_warning() {
    let damages = [
        "UPDATE tasks SET key = x'00' WHERE name = 'a'",
        "UPDATE tasks SET description = x'00' WHERE name = 'a'",
        "UPDATE tasks SET accepted = 'text' WHERE name = 'a'",
        "UPDATE tasks SET outcome = CAST(x'ff' AS TEXT) WHERE name = 'a'",
        "UPDATE published SET entry = '{}' WHERE path = 'x'",
        "UPDATE published SET task = '../..' WHERE path = 'x'",
        "UPDATE published SET pending = x'00' WHERE path = 'x'",
        "UPDATE published SET path = '../../etc/passwd' WHERE path = 'x'",
        "UPDATE events SET body = '{' WHERE number = 1",
        "UPDATE events SET body = x'00' WHERE number = 1",
    ];
    for damage in damages {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path()).unwrap();
        let run = journal.begin_run(&[], 1).unwrap();
        journal.append(&[finished(run, "a", 5, Outcome::Ran), finished(run, "b", 6, Outcome::Ran)]).unwrap();
        journal.begin_publish(&task("a"), &[(path("x"), file("x"), None), (path("y"), file("y"), None)]).unwrap();
        journal.put_tasks(&[(task("a"), record("a")), (task("b"), record("b"))]).unwrap();
        let connection = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
        assert_eq!(connection.execute(damage, []).unwrap(), 1, "{damage}");
        assert_eq!(journal.task(&task("b")).unwrap(), Some(record("b")), "{damage}");
        assert!(journal.task(&task("a")).unwrap().is_none_or(|found| found == record("a")), "{damage}");
        assert!(journal.tasks().unwrap().contains_key(&task("b")), "{damage}");
        assert_eq!(journal.published().unwrap().get(&path("y")).map(|p| &p.entry), Some(&file("y")), "{damage}");
        assert!(journal.published().unwrap().keys().all(|path| ["x", "y"].contains(&path.as_str())), "{damage}");
        assert!(journal.events(run).unwrap().contains(&finished(run, "b", 6, Outcome::Ran)), "{damage}");
        assert_eq!(journal.take_warnings().len(), 1, "{damage}");
    }
}
