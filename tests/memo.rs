//! Which salsa queries run after which edit: a comment stops at lowering, a prompt concerns its own task alone, a file
//! the tasks that see it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use orca::base::{BlobDigest, Entry, FileId, RelPath, TaskName};
use orca::context::SourceIndex;
use orca::db::OrcaDb;
use orca::plan;

const PLAN: &str = r#"
[agents.a]
preset = "command"
command = ["agent"]

[tasks.one]
prompt = "first"
inputs = ["src/*.txt"]

[tasks.two]
prompt = "second"
inputs = ["two.txt"]

[tasks.three]
run = "true"
"#;

struct Memo {
    db: OrcaDb,
    executed: Arc<Mutex<Vec<String>>>,
}

impl Memo {
    fn new(text: &str) -> Self {
        let executed: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&executed);
        let observer = move |query| log.lock().expect("no panic").push(query);
        let mut memo = Self { db: OrcaDb::with_observer(Some(Box::new(observer))), executed };
        memo.list(&["src/a.txt", "src/b.txt"]);
        for name in ["src/a.txt", "src/b.txt", "two.txt"] {
            memo.file(name, "1");
        }
        memo.plan(text).ask();
        memo
    }

    fn plan(&mut self, text: &str) -> &mut Self {
        let (document, findings) = plan::parse(FileId(0), path("orca.toml"), text.into());
        assert!(findings.is_empty(), "{findings:?}");
        self.db.set_documents(vec![document]);
        self
    }

    fn list(&mut self, walked: &[&str]) -> &mut Self {
        let literal = [(path("two.txt"), vec![path("two.txt")])].into();
        self.db.set_listing(SourceIndex { walked: walked.iter().map(|name| path(name)).collect(), literal });
        self
    }

    fn file(&mut self, name: &str, text: &str) -> &mut Self {
        let digest = BlobDigest::of(text.as_bytes());
        let entry = Entry::File { digest, size_bytes: text.len() as u64, executable: false };
        self.db.set_files([(path(name), Some(entry))]);
        self
    }

    /// Asks everything that a key needs, of every task, and answers which queries had to run.
    fn ask(&mut self) -> BTreeSet<String> {
        self.executed.lock().expect("no panic").clear();
        let names: Vec<TaskName> = self.db.lowered().plan.tasks.keys().cloned().collect();
        for name in &names {
            assert!(self.db.definition(name).is_some());
            let _ = self.db.source_view(name);
        }
        let log = self.executed.lock().expect("no panic");
        log.iter().map(|query| query.split('(').next().unwrap_or(query).to_owned()).collect()
    }

    /// How often a query ran in the last round.
    fn times(&self, query: &str) -> usize {
        let log = self.executed.lock().expect("no panic");
        log.iter().filter(|key| key.split('(').next() == Some(query)).count()
    }
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).expect("a path")
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn nothing_changed_runs_nothing() {
    let mut memo = Memo::new(PLAN);
    assert_eq!(memo.ask(), set(&[]));
    assert_eq!(memo.plan(PLAN).ask(), set(&[]), "the same text is no change");
}

#[test]
fn a_comment_reruns_nothing_below_lowering() {
    let mut memo = Memo::new(PLAN);
    assert_eq!(memo.plan(&format!("# a comment\n\n{PLAN}\n# and one more")).ask(), set(&["lowered"]));
}

#[test]
fn a_prompt_rekeys_its_task_alone() {
    let mut memo = Memo::new(PLAN);
    memo.plan(&PLAN.replace("first", "another")).ask();
    assert_eq!(memo.times("definition"), 1);
    assert_eq!(memo.times("sources"), 1, "its patterns might have changed, too");
    assert_eq!(memo.times("source_view"), 0, "they have not");
}

#[test]
fn a_file_concerns_the_tasks_that_see_it() {
    let mut memo = Memo::new(PLAN);
    assert_eq!(memo.file("two.txt", "2").ask(), set(&["source_view"]));
    assert_eq!(memo.times("source_view"), 1);
    assert_eq!(memo.file("two.txt", "2").ask(), set(&[]), "the same content is no change");
}

#[test]
fn a_new_file_is_listed_for_all_and_seen_by_one() {
    let mut memo = Memo::new(PLAN);
    memo.file("src/c.txt", "1").list(&["src/a.txt", "src/b.txt", "src/c.txt"]);
    assert_eq!(memo.ask(), set(&["source_view", "sources"]));
    assert_eq!(memo.times("source_view"), 1);
}
