//! What attempts cost, as far as agents say it: counted for the limits of tasks, and said where a limit cannot hold.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::builder::Builder;
use super::resolve::Keyed;
use crate::agents::AgentReport;
use crate::base::{Name, format_micro_usd};
use crate::event::Spent;
use crate::graph::TaskIx;

/// What is known of money in one build.
#[derive(Debug, Default)]
pub(super) struct Money {
    /// What the attempts of each task have cost, in millionths of a dollar.
    spent: Mutex<HashMap<TaskIx, u64>>,
    /// What reviewers used for each task since it was last asked, and for the integrated tree.
    reviews: Mutex<HashMap<Option<TaskIx>, Spent>>,
    /// What reviewers of the integrated tree have cost.
    of_plan: AtomicU64,
    /// The agents of which people were told that their cost is not known yet.
    told_unknown: Mutex<BTreeSet<Name>>,
    /// And those of which they were told that they do not say it.
    told_silent: Mutex<BTreeSet<Name>>,
}

/// What a report says was used.
#[must_use]
pub(super) fn spent(report: &AgentReport) -> Spent {
    Spent {
        input_tokens: report.input_tokens,
        cached_input_tokens: report.cached_input_tokens,
        output_tokens: report.output_tokens,
        cost_micro_usd: report.cost_micro_usd.unwrap_or(0),
    }
}

impl Builder {
    /// What the next attempt of a task may cost, in millionths of a dollar, where its plan limits that.
    pub(super) fn cost_left(&self, task: TaskIx) -> Option<u64> {
        let spent = self.money.spent.lock().expect("no holder panics").get(&task).copied().unwrap_or(0);
        self.resolver.task(task).cost_micro_usd_max.map(|limit| limit.saturating_sub(spent))
    }

    /// What a reviewer may cost, in millionths of a dollar, where that is limited.
    ///
    /// # Errors
    /// Where nothing is left: which limit says so.
    pub(super) fn left_for_review(&self, task: Option<TaskIx>) -> Result<Option<u64>, String> {
        let of_tasks: u64 = self.money.spent.lock().expect("no holder panics").values().sum();
        let all = of_tasks.saturating_add(self.money.of_plan.load(Ordering::Relaxed));
        let of_plan = self.resolver.plan().limits.cost_micro_usd_max;
        let limits = [
            (of_plan, of_plan.map(|limit| limit.saturating_sub(all)), "limits.cost_usd_max"),
            match task {
                Some(task) => {
                    (self.resolver.task(task).cost_micro_usd_max, self.cost_left(task), "the task's cost_usd_max")
                }
                None => (None, None, ""),
            },
        ];
        for (limit, left, name) in limits {
            if let (Some(limit), Some(0)) = (limit, left) {
                return Err(format!("{name} of {} is used up: no reviewer is asked", format_micro_usd(limit)));
            }
        }
        Ok(limits.into_iter().filter_map(|(_, left, _)| left).min())
    }

    /// Counts what a reviewer used.
    pub(super) fn count_review(&self, task: Option<TaskIx>, agent: &Name, report: &AgentReport) {
        let used = spent(report);
        *self.money.reviews.lock().expect("no holder panics").entry(task).or_default() += used;
        match task {
            Some(task) => {
                let mut all = self.money.spent.lock().expect("no holder panics");
                let total = all.entry(task).or_default();
                *total = total.saturating_add(used.cost_micro_usd);
            }
            None => drop(self.money.of_plan.fetch_add(used.cost_micro_usd, Ordering::Relaxed)),
        }
        let plan = self.resolver.plan();
        let is_limited = plan.limits.cost_micro_usd_max.is_some()
            || task.is_some_and(|task| self.resolver.task(task).cost_micro_usd_max.is_some());
        if is_limited && report.cost_micro_usd.is_none() && is_new(&self.money.told_silent, agent) {
            let message = format!("the agent `{agent}` does not say what it costs: cost_usd_max does not limit it");
            self.notice(true, message);
        }
    }

    /// What reviewers used for a task since this was last asked.
    pub(super) fn take_reviews(&self, task: TaskIx) -> Spent {
        self.money.reviews.lock().expect("no holder panics").remove(&Some(task)).unwrap_or_default()
    }

    /// Says once for each agent that nobody knows yet what it costs, where that is limited.
    pub(super) fn warn_of_unknown_cost(&self, task: TaskIx, keyed: &Keyed) {
        let (resolver, Some(agent)) = (&self.resolver, &keyed.agent) else { return };
        let is_known = resolver.ledger.cost_of_task(resolver.name(task)).is_some()
            || resolver.ledger.cost_of_agent(agent).is_some()
            || resolver.task(task).cost_micro_usd_max.is_some();
        if resolver.plan().limits.cost_micro_usd_max.is_some() && !is_known && is_new(&self.money.told_unknown, agent) {
            let message = format!(
                "nobody knows yet what tasks of the agent `{agent}` cost: those that start before the first of them has \
                 ended are not counted against limits.cost_usd_max. To limit these, too, set cost_usd_max on each task"
            );
            self.notice(false, message);
        }
    }

    /// Counts what an attempt cost, and says where that is not known, or is more than it may.
    pub(super) fn count_cost(&self, task: TaskIx, keyed: &Keyed, report: &AgentReport) {
        let plan_task = self.resolver.task(task);
        let is_limited =
            plan_task.cost_micro_usd_max.is_some() || self.resolver.plan().limits.cost_micro_usd_max.is_some();
        let Some(cost) = report.cost_micro_usd else {
            let has_worked = report.output_tokens > 0 || report.failure.is_none();
            if let Some(agent) = keyed.agent.as_ref().filter(|_| is_limited && has_worked)
                && is_new(&self.money.told_silent, agent)
            {
                self.notice(
                    true,
                    format!("the agent `{agent}` does not say what it costs: cost_usd_max does not limit it"),
                );
            }
            return;
        };
        let total = {
            let mut spent = self.money.spent.lock().expect("no holder panics");
            let total = spent.entry(task).or_default();
            *total = total.saturating_add(cost);
            *total
        };
        if let Some(limit) = plan_task.cost_micro_usd_max.filter(|limit| total > *limit) {
            let (name, total, limit) = (&plan_task.name, format_micro_usd(total), format_micro_usd(limit));
            self.notice(true, format!("`{name}` cost {total} in this build, more than its cost_usd_max of {limit}"));
        }
    }
}

fn is_new(told: &Mutex<BTreeSet<Name>>, agent: &Name) -> bool {
    told.lock().expect("no holder panics").insert(agent.clone())
}
