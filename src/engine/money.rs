//! What attempts cost, as far as agents say it: counted for the limits of tasks, and said where a limit cannot hold.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

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
