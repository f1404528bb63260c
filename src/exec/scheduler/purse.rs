//! The money of a run: what agents have cost, what running ones are expected to cost, and whether one more is affordable.

use std::collections::{BTreeMap, HashMap};

use crate::graph::TaskIx;

use super::{AgentIx, TaskSpec, TooDear};

/// Whether an attempt is affordable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Afford {
    Now,
    /// Once a running task turns out to cost less than expected, perhaps.
    Later,
    Never(TooDear),
}

/// What attempts of one task, or of one agent, have cost in this run.
#[derive(Debug, Default, Clone, Copy)]
struct Account {
    micro_usd: u64,
    attempts: u64,
}

impl Account {
    fn add(&mut self, micro_usd: u64) {
        self.micro_usd = self.micro_usd.saturating_add(micro_usd);
        self.attempts += 1;
    }

    fn mean(self) -> Option<u64> {
        (self.micro_usd > 0).then(|| self.micro_usd / self.attempts)
    }
}

/// The account of all that agents cost. All in millionths of a dollar.
#[derive(Debug, Default)]
pub(super) struct Purse {
    limit: Option<u64>,
    spent: u64,
    reserved: u64,
    by_task: HashMap<TaskIx, Account>,
    by_agent: BTreeMap<AgentIx, Account>,
    running: HashMap<TaskIx, u64>,
}

impl Purse {
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Whether an attempt keeps within the limits: its own, and that of the run.
    pub(super) fn affords(&self, ix: TaskIx, spec: &TaskSpec) -> Afford {
        if spec.agent.is_none() {
            return Afford::Now;
        }
        let of_task = self.by_task.get(&ix).copied().unwrap_or_default();
        if let Some(limit) = spec.cost_micro_usd_max {
            let estimate = spec.cost.of_task.or(of_task.mean()).unwrap_or(0);
            if is_passed(limit, of_task.micro_usd, estimate) {
                return Afford::Never(TooDear {
                    is_of_task: true,
                    limit_micro_usd: limit,
                    spent_micro_usd: of_task.micro_usd,
                    estimate_micro_usd: estimate,
                });
            }
        }
        let Some(limit) = self.limit else { return Afford::Now };
        let estimate = self.estimate(ix, spec);
        if is_passed(limit, self.spent, estimate) {
            return Afford::Never(TooDear {
                is_of_task: false,
                limit_micro_usd: limit,
                spent_micro_usd: self.spent,
                estimate_micro_usd: estimate,
            });
        }
        let is_later = self.reserved > 0 && is_passed(limit, self.spent.saturating_add(self.reserved), estimate);
        if is_later { Afford::Later } else { Afford::Now }
    }

    /// Keeps what an attempt that starts is expected to cost.
    pub(super) fn reserve(&mut self, ix: TaskIx, spec: &TaskSpec) {
        if spec.agent.is_some() && self.limit.is_some() {
            let estimate = self.estimate(ix, spec);
            self.reserved = self.reserved.saturating_add(estimate);
            self.running.insert(ix, estimate);
        }
    }

    /// An attempt ended. Whether what it kept may help others.
    pub(super) fn release(&mut self, ix: TaskIx) -> bool {
        let kept = self.running.remove(&ix);
        self.reserved = self.reserved.saturating_sub(kept.unwrap_or(0));
        kept.is_some()
    }

    pub(super) fn spend(&mut self, ix: TaskIx, agent: Option<AgentIx>, micro_usd: u64) {
        self.spent = self.spent.saturating_add(micro_usd);
        self.by_task.entry(ix).or_default().add(micro_usd);
        if let Some(agent) = agent {
            self.by_agent.entry(agent).or_default().add(micro_usd);
        }
    }

    /// By the task's history, else by its agent's, else by this run, else all that the task may cost.
    fn estimate(&self, ix: TaskIx, spec: &TaskSpec) -> u64 {
        let of_task = || self.by_task.get(&ix).and_then(|account| account.mean());
        let of_agent = || self.by_agent.get(&spec.agent?)?.mean();
        let known = spec.cost.of_task.or_else(of_task).or(spec.cost.of_agent).or_else(of_agent);
        known.or(spec.cost_micro_usd_max).unwrap_or(0)
    }
}

/// A limit that is reached is passed by whatever comes next.
fn is_passed(limit: u64, spent: u64, estimate: u64) -> bool {
    spent >= limit || spent.saturating_add(estimate) > limit
}
