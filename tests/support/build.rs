//! A build that has ended, as its `--json` events tell it.

use std::collections::BTreeSet;

use orca::event::{Event, EventRecord, Failure, Outcome, SCHEMA_VERSION};

use super::Output;

/// One `orca build --json` that has ended.
pub(crate) struct Build {
    /// What the process left behind.
    pub(crate) output: Output,
    /// Its events, in order.
    pub(crate) events: Vec<Event>,
}

impl Build {
    /// Reads the events; every line of standard output has to be one.
    #[track_caller]
    pub(crate) fn read(output: Output) -> Self {
        let events = output.stdout.lines().map(|line| event(line, &output)).collect();
        Self { output, events }
    }

    /// Asserts that everything asked for is good, and that orca said so.
    #[track_caller]
    pub(crate) fn green(self) -> Self {
        assert_eq!(self.output.status.code(), Some(0), "{}", self.output.transcript());
        let said = matches!(self.events.last(), Some(Event::RunFinished { ok: true, .. }));
        assert!(said, "the last event is no `run-finished` with ok\n{}", self.output.transcript());
        self
    }

    /// Asserts that a task or a gate is red, and that orca said so.
    #[track_caller]
    pub(crate) fn red(self) -> Self {
        assert_eq!(self.output.status.code(), Some(1), "{}", self.output.transcript());
        let said = matches!(self.events.last(), Some(Event::RunFinished { ok: false, .. }));
        assert!(said, "the last event is no `run-finished` without ok\n{}", self.output.transcript());
        self
    }

    /// Asserts that just these tasks ran and were accepted.
    #[track_caller]
    pub(crate) fn ran<const N: usize>(&self, tasks: [&str; N]) -> &Self {
        self.expect("ran", tasks, |outcome| matches!(outcome, Outcome::Ran))
    }

    /// Asserts that the results of just these tasks were in the cache, or that there was no reason to look at them.
    #[track_caller]
    pub(crate) fn cached<const N: usize>(&self, tasks: [&str; N]) -> &Self {
        let expected = BTreeSet::from(tasks.map(str::to_owned));
        let found = self.tasks(|outcome| matches!(outcome, Outcome::Cached { .. }));
        let untouched =
            self.events.iter().map(|event| if let Event::Untouched { tasks, .. } = event { *tasks } else { 0 });
        let is_all = found.is_subset(&expected) && (expected.len() - found.len()) as u64 == untouched.sum::<u64>();
        assert!(is_all, "cached are {found:?}, expected {expected:?}\n{}", self.output.transcript());
        self
    }

    /// Asserts that just these tasks are red.
    #[track_caller]
    pub(crate) fn failed<const N: usize>(&self, tasks: [&str; N]) -> &Self {
        self.expect("failed", tasks, |outcome| matches!(outcome, Outcome::Failed(_)))
    }

    /// Asserts that just these tasks were skipped.
    #[track_caller]
    pub(crate) fn skipped<const N: usize>(&self, tasks: [&str; N]) -> &Self {
        self.expect("were skipped", tasks, |outcome| matches!(outcome, Outcome::Skipped { .. }))
    }

    /// The tasks that ran and were accepted.
    pub(crate) fn tasks_run(&self) -> BTreeSet<String> {
        self.tasks(|outcome| matches!(outcome, Outcome::Ran))
    }

    /// How a task ended.
    #[track_caller]
    pub(crate) fn outcome(&self, name: &str) -> &Outcome {
        let found = self.outcomes().find(|(task, _)| *task == name);
        found.unwrap_or_else(|| panic!("`{name}` was not settled\n{}", self.output.transcript())).1
    }

    /// How a task ended; `None` where the build had no reason to look at it, and said of how many that is so.
    #[track_caller]
    pub(crate) fn settled(&self, name: &str) -> Option<&Outcome> {
        let found = self.outcomes().find(|(task, _)| *task == name).map(|(_, outcome)| outcome);
        let untouched = || self.events.iter().any(|event| matches!(event, Event::Untouched { tasks: 1.., .. }));
        assert!(found.is_some() || untouched(), "`{name}` was not settled\n{}", self.output.transcript());
        found
    }

    /// Why a task is red.
    #[track_caller]
    pub(crate) fn failure(&self, name: &str) -> &Failure {
        match self.outcome(name) {
            Outcome::Failed(failure) => failure,
            other => panic!("`{name}` is not red but {other:?}"),
        }
    }

    /// Why a task had to run.
    #[track_caller]
    pub(crate) fn because(&self, name: &str) -> &str {
        let mut reasons = self.events.iter().filter_map(|event| match event {
            Event::TaskDirty { task, because, .. } if task.as_str() == name => Some(because.as_str()),
            _ => None,
        });
        reasons.next_back().unwrap_or_else(|| panic!("`{name}` was not dirty\n{}", self.output.transcript()))
    }

    fn outcomes(&self) -> impl Iterator<Item = (&str, &Outcome)> {
        self.events.iter().filter_map(|event| match event {
            Event::TaskFinished { task, outcome, .. } => Some((task.as_str(), outcome)),
            _ => None,
        })
    }

    fn tasks(&self, which: impl Fn(&Outcome) -> bool) -> BTreeSet<String> {
        self.outcomes().filter(|(_, outcome)| which(outcome)).map(|(task, _)| task.to_owned()).collect()
    }

    #[track_caller]
    fn expect<const N: usize>(&self, verb: &str, tasks: [&str; N], which: impl Fn(&Outcome) -> bool) -> &Self {
        let expected = BTreeSet::from(tasks.map(str::to_owned));
        let found = self.tasks(which);
        assert_eq!(found, expected, "left {verb}, right were expected to\n{}", self.output.transcript());
        self
    }
}

#[track_caller]
fn event(line: &str, output: &Output) -> Event {
    let record: EventRecord = serde_json::from_str(line)
        .unwrap_or_else(|error| panic!("a line is no event ({error}): {line}\n{}", output.transcript()));
    assert_eq!(record.v, SCHEMA_VERSION, "{line}");
    record.event
}
