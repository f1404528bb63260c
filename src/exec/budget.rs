//! The machine's job slots, shared by every orca on it.
#![expect(clippy::disallowed_methods, reason = "makes the directory of the slot files")]
//!
//! ```text
//! <cache>/budget/slot-0 ... slot-N     whoever holds the lock of a file holds a job slot
//! <cache>/budget/waiting-0 ...         whoever wants more than it has holds the lock of one of these
//! ```
//!
//! The kernel drops a lock with its holder, so a killed orca leaves nothing behind, and there is nothing to clean.
//! Nobody ever waits for a lock: an orca without a slot still runs one task, so that none is starved and none can
//! block another for ever. One that holds more than its fair share while another waits gives back what it does not
//! use; it is never asked to stop a task.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::sys::open_lock_file;

/// How many orcas can be seen to wait.
const WAITING_MAX: u32 = 16;

/// The directory of the slots cannot be used; orca then runs without a shared budget.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}", path.display())]
pub struct BudgetError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// What one orca holds of the machine's job slots.
#[derive(Debug)]
pub struct Budget {
    directory: PathBuf,
    slots: u32,
    held: BTreeMap<u32, File>,
    waiting: Option<(u32, File)>,
}

impl Budget {
    /// The budget of a machine with this many job slots; the directory is made where it is not there. Holds nothing.
    ///
    /// Slots are taken from the last one down, so that an orca that knows of fewer leaves the others to one that
    /// knows of more.
    pub fn open(directory: &Path, slots: u32) -> Result<Self, BudgetError> {
        std::fs::create_dir_all(directory).map_err(error("create", directory))?;
        let budget =
            Self { directory: directory.to_owned(), slots: slots.max(1), held: BTreeMap::new(), waiting: None };
        budget.try_lock("slot", 0)?;
        Ok(budget)
    }

    /// Takes and gives back, so that as near as may be `wanted` slots are held, and says how many tasks' worth may run.
    ///
    /// `in_use` slots are never given back. The answer is at least 1, whoever holds the slots.
    pub fn adjust(&mut self, in_use: u32, wanted: u32) -> Result<u32, BudgetError> {
        let wanted = wanted.min(self.slots);
        let fair = self.slots.div_ceil(1 + self.others_waiting()?);
        let target = wanted.min(fair);
        while self.held() > target.max(in_use) {
            self.held.pop_first();
        }
        for slot in (0..self.slots).rev() {
            if self.held() >= target {
                break;
            }
            if !self.held.contains_key(&slot)
                && let Some(file) = self.try_lock("slot", slot)?
            {
                self.held.insert(slot, file);
            }
        }
        self.say_whether_waiting(self.held() < wanted)?;
        Ok(self.held().max(1))
    }

    /// How many slots are held.
    #[must_use]
    pub fn held(&self) -> u32 {
        u32::try_from(self.held.len()).expect("slots are counted in 32 bits")
    }

    fn others_waiting(&self) -> Result<u32, BudgetError> {
        let own = self.waiting.as_ref().map(|(number, _)| *number);
        let mut others = 0;
        for number in (0..WAITING_MAX).filter(|number| Some(*number) != own) {
            others += u32::from(self.path("waiting", number).exists() && self.try_lock("waiting", number)?.is_none());
        }
        Ok(others)
    }

    fn say_whether_waiting(&mut self, waits: bool) -> Result<(), BudgetError> {
        if !waits {
            self.waiting = None;
        }
        let mut numbers = 0..WAITING_MAX;
        while waits && self.waiting.is_none() {
            let Some(number) = numbers.next() else { break };
            self.waiting = self.try_lock("waiting", number)?.map(|file| (number, file));
        }
        Ok(())
    }

    fn path(&self, kind: &str, number: u32) -> PathBuf {
        self.directory.join(format!("{kind}-{number}"))
    }

    /// The locked file, if nobody holds it.
    fn try_lock(&self, kind: &str, number: u32) -> Result<Option<File>, BudgetError> {
        let path = self.path(kind, number);
        let file = open_lock_file(&path).map_err(error("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(error("lock", &path)(source)),
        }
    }
}

fn error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BudgetError {
    let path = path.to_owned();
    move |source| BudgetError { what, path, source }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    fn budget(directory: &Path) -> Budget {
        Budget::open(directory, 8).expect("a directory of our own")
    }

    #[test]
    fn one_orca_gets_what_it_wants_and_gives_back_what_it_does_not_use() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut budget = budget(directory.path());
        let table = [(0, 3, 3), (3, 8, 8), (8, 100, 8), (5, 2, 5), (2, 2, 2), (0, 0, 1)];
        for (in_use, wanted, granted) in table {
            assert_eq!(budget.adjust(in_use, wanted).expect("locks work"), granted, "{in_use} {wanted}");
        }
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn a_second_orca_always_runs_one_task_and_gets_its_fair_share() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut first, mut second) = (budget(directory.path()), budget(directory.path()));
        let adjust = |budget: &mut Budget, in_use, wanted| budget.adjust(in_use, wanted).expect("locks work");
        assert_eq!(adjust(&mut first, 0, 8), 8);
        assert_eq!(adjust(&mut second, 0, 8), 1, "none is free");
        assert_eq!(second.held(), 0);
        assert_eq!(adjust(&mut first, 8, 8), 8, "what is in use stays");
        assert_eq!(adjust(&mut first, 6, 8), 6, "what is not goes to whoever waits");
        assert_eq!(adjust(&mut second, 1, 8), 2);
        assert_eq!(adjust(&mut first, 2, 8), 4, "down to the fair share");
        assert_eq!(adjust(&mut second, 2, 8), 4);
        assert_eq!((adjust(&mut first, 4, 8), adjust(&mut second, 4, 8)), (4, 4), "and there it stays");
        assert_eq!(adjust(&mut second, 1, 1), 1);
        assert_eq!(adjust(&mut first, 4, 8), 7, "nobody waits: what is free is there to be used");
        drop(second);
        assert_eq!(adjust(&mut first, 4, 8), 8);
    }

    #[test]
    fn never_more_slots_are_held_than_there_are() {
        let directory = tempfile::tempdir().expect("a directory");
        let held = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for thread in 0..6u32 {
                let (held, directory) = (&held, directory.path());
                scope.spawn(move || {
                    use std::sync::atomic::Ordering::SeqCst;
                    let mut budget = budget(directory);
                    for round in 0..60u32 {
                        let before = budget.held();
                        // Counted down before slots are given back, and up after they are taken: never too high.
                        held.fetch_sub(before, SeqCst);
                        let granted = budget.adjust(0, (thread * 7 + round * 3) % 9).expect("locks work");
                        assert!(granted >= 1);
                        assert!(held.fetch_add(budget.held(), SeqCst) + budget.held() <= 8);
                    }
                    held.fetch_sub(budget.held(), SeqCst);
                });
            }
        });
    }

    /// Set for the other process of the test below: the directory whose slots it takes.
    const HOLD: &str = "ORCA_TEST_HOLD_SLOTS_IN";

    #[test]
    fn the_slots_of_a_killed_orca_are_free() {
        if let Ok(directory) = std::env::var(HOLD) {
            let mut budget = budget(Path::new(&directory));
            println!("held {}", budget.adjust(0, 8).expect("locks work"));
            std::io::stdin().lines().for_each(drop);
            return;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let mut child = Command::new(std::env::current_exe().expect("the test"))
            .args(["--exact", "exec::budget::tests::the_slots_of_a_killed_orca_are_free", "--nocapture"])
            .env(HOLD, directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the test starts again");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        assert!(lines.any(|line| line.is_ok_and(|line| line.contains("held 8"))), "the child takes all");
        let mut budget = budget(directory.path());
        assert_eq!((budget.adjust(0, 8).expect("locks work"), budget.held()), (1, 0));
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        assert_eq!(budget.adjust(1, 8).expect("locks work"), 8);
    }

    #[test]
    fn a_directory_that_cannot_be_is_an_error_that_names_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        std::fs::write(&file, "").expect("writable");
        let error = Budget::open(&file.join("budget"), 4).expect_err("a file is no directory");
        assert!(error.to_string().contains("file/budget"), "{error}");
    }
}
