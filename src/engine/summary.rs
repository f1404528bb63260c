//! What a run came to: a fold over its events.

use std::collections::BTreeMap;

use crate::base::{ActionKey, TaskName};
use crate::event::{Event, EventRecord, Failure, Outcome, Spent, Usage, is_green};

/// How one task ended.
#[derive(Debug, Clone)]
pub struct Settled {
    /// Its key, where it got as far as having one.
    pub key: Option<ActionKey>,
    /// How it counts.
    pub outcome: Outcome,
    /// Attempts made.
    pub attempts: u32,
    /// What the last one used.
    pub usage: Usage,
    /// What all attempts together used of their agents.
    pub spent: Spent,
}

/// The state of a run, from its events so far.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Every settled task.
    pub settled: BTreeMap<TaskName, Settled>,
    /// Tasks that were not looked at, since nothing that they depend on changed: their results count as cached.
    pub untouched: u64,
    /// Gates of the plan that are not green, with what they said.
    pub red_gates: Vec<String>,
    /// How often gates let a result pass, and how often they did not.
    pub green_verdicts: u64,
    /// See there.
    pub red_verdicts: u64,
    /// Notices and warnings for people.
    pub notices: u64,
    /// What the cached results had taken, in milliseconds.
    pub saved_ms: u64,
    /// Wall time of everything that ran, one after another, in milliseconds.
    pub work_ms: u64,
    /// What agents used.
    pub spent: Spent,
    /// What the cached results had cost, in millionths of a dollar.
    pub saved_micro_usd: u64,
}

impl Summary {
    /// Takes one event into account.
    pub fn take(&mut self, record: &EventRecord) {
        match &record.event {
            Event::TaskFinished { task, key, outcome, attempts, usage, spent, .. } => {
                if let Outcome::Cached { saved_ms, saved_micro_usd, .. } = outcome {
                    self.saved_ms += saved_ms;
                    self.saved_micro_usd = self.saved_micro_usd.saturating_add(*saved_micro_usd);
                }
                self.spent += *spent;
                self.work_ms += usage.wall_ms;
                let settled =
                    Settled { key: *key, outcome: outcome.clone(), attempts: *attempts, usage: *usage, spent: *spent };
                self.settled.insert(task.clone(), settled);
            }
            Event::GateJudged { task, gate, verdict, cost_micro_usd, .. } => {
                let is_green = is_green(verdict);
                self.green_verdicts += u64::from(is_green);
                self.red_verdicts += u64::from(!is_green);
                // That of a task's gate is part of what the task spent.
                if task.is_none() {
                    self.spent.cost_micro_usd = self.spent.cost_micro_usd.saturating_add(*cost_micro_usd);
                }
                if task.is_none() && !is_green {
                    self.red_gates.push(gate.to_string());
                }
            }
            Event::Notice { .. } => self.notices += 1,
            Event::Untouched { tasks, saved_ms } => {
                self.untouched += tasks;
                self.saved_ms += saved_ms;
            }
            _ => {}
        }
    }

    /// How many tasks ended so.
    #[must_use]
    pub fn count(&self, is: impl Fn(&Outcome) -> bool) -> u64 {
        self.settled.values().filter(|settled| is(&settled.outcome)).count() as u64
    }

    /// Tasks that ran and were accepted.
    #[must_use]
    pub fn ran(&self) -> u64 {
        self.count(|outcome| matches!(outcome, Outcome::Ran))
    }

    /// Tasks whose result was in the cache.
    #[must_use]
    pub fn cached(&self) -> u64 {
        self.untouched + self.count(|outcome| matches!(outcome, Outcome::Cached { .. }))
    }

    /// Files that were put into the project from the cache.
    #[must_use]
    pub fn restored(&self) -> u64 {
        let restored = |settled: &Settled| match &settled.outcome {
            Outcome::Cached { restored, .. } => *restored,
            _ => 0,
        };
        self.settled.values().map(restored).sum()
    }

    /// Red tasks.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.count(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    /// Tasks not run because of others.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.count(|outcome| matches!(outcome, Outcome::Skipped { .. }))
    }

    /// Tasks whose result waits for a person's approval.
    #[must_use]
    pub fn awaits_approval(&self) -> u64 {
        self.count(|outcome| matches!(outcome, Outcome::AwaitsApproval { .. }))
    }

    /// Red tasks with why.
    pub fn failures(&self) -> impl Iterator<Item = (&TaskName, &Failure)> {
        self.settled.iter().filter_map(|(task, settled)| match &settled.outcome {
            Outcome::Failed(failure) => Some((task, failure)),
            _ => None,
        })
    }
}
