//! Tasks that have to run and cannot, whatever room there is: their agent is paused or stopped, or the money does not do.
//!
//! The queue is not searched for them: each is put aside when its turn comes, and queued again when that is over.

use crate::graph::TaskIx;

use super::purse::Afford;
use super::{AgentIx, Command, CostEstimate, Phase, Scheduler};

/// An agent that is paused.
#[derive(Debug, Default)]
pub(super) struct Pause {
    pub(super) until_ms: u64,
    /// Its tasks whose turn had come.
    pub(super) held: Vec<TaskIx>,
}

impl Scheduler {
    /// How many tasks of an agent wait to run.
    #[must_use]
    pub fn waiting_for_agent(&self, agent: AgentIx) -> usize {
        let waits = |phase| matches!(phase, Phase::Queued | Phase::Held | Phase::Delayed);
        self.tasks.iter().filter(|task| task.spec.agent == Some(agent) && waits(task.phase)).count()
    }

    pub(super) fn hired(&mut self, ix: TaskIx, agent: Option<AgentIx>, cost: CostEstimate) {
        assert_eq!(self.phase(ix), Phase::Resolving, "an agent is found while a task resolves");
        let spec = &mut self.tasks[ix.index()].spec;
        (spec.agent, spec.cost) = (agent, cost);
    }

    pub(super) fn pause(&mut self, agent: AgentIx, until_ms: u64) {
        if !self.stopped.contains(&agent) {
            let pause = self.paused.entry(agent).or_default();
            pause.until_ms = pause.until_ms.max(until_ms);
        }
    }

    /// What is held for the agent is queued again, and sent back to be resolved when its turn comes.
    pub(super) fn stop_agent(&mut self, agent: AgentIx) {
        self.stopped.insert(agent);
        let held = self.paused.remove(&agent).map(|pause| pause.held);
        held.into_iter().flatten().for_each(|ix| self.enqueue(ix));
    }

    pub(super) fn resume_agents(&mut self, now_ms: u64) {
        while let Some(agent) = self.paused.iter().find(|(_, pause)| pause.until_ms <= now_ms).map(|(agent, _)| *agent)
        {
            let pause = self.paused.remove(&agent).expect("it was just found");
            pause.held.into_iter().for_each(|ix| self.enqueue(ix));
        }
    }

    /// Puts a queued task aside that cannot start whatever room there is: its agent stopped or is paused, or there is no
    /// money for it. What was kept for it is free then.
    pub(super) fn is_put_aside(&mut self, ix: TaskIx, out: &mut Vec<Command>) -> bool {
        let agent = self.tasks[ix.index()].spec.agent;
        if agent.is_some_and(|agent| self.stopped.contains(&agent)) {
            self.enter(ix, Phase::Resolving);
            out.push(Command::Resolve(ix));
        } else if let Some(pause) = agent.and_then(|agent| self.paused.get_mut(&agent)) {
            pause.held.push(ix);
            self.enter(ix, Phase::Held);
        } else {
            match self.purse.affords(ix, &self.tasks[ix.index()].spec) {
                Afford::Now => return false,
                Afford::Later => {
                    self.awaiting_money.push(ix);
                    self.enter(ix, Phase::Held);
                }
                Afford::Never(because) => {
                    out.push(Command::Refuse { task: ix, because });
                    self.failed(ix, out);
                }
            }
        }
        self.reserved = self.reserved.filter(|reserved| *reserved != ix);
        self.wake_waiters_of(ix);
        true
    }

    /// A running task ended, and what it had reserved is free: whoever waits for money tries again.
    pub(super) fn retry_those_without_money(&mut self) {
        std::mem::take(&mut self.awaiting_money).into_iter().for_each(|ix| self.enqueue(ix));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::scheduler::tests::{Desk, config, graph};
    use crate::exec::scheduler::{Ended, Input, SchedulerConfig};

    const NOTHING: [&str; 0] = [];

    /// A desk whose tasks are the agents' with the number that their names end in.
    fn desk(graph: &crate::graph::Graph, config: SchedulerConfig) -> Desk<'_> {
        Desk::new(graph, config, |name, spec| {
            spec.is_agent = true;
            spec.agent = name.bytes().last().map(|digit| usize::from(digit - b'0'));
        })
    }

    #[test]
    fn a_pause_ends_at_the_latest_time_that_was_said() {
        let graph = graph(&["a0", "b0", "c1"]);
        let mut desk = desk(&graph, config(1));
        desk.step(Input::Start);
        assert_eq!(desk.dirty("a0"), ["run a0"]);
        desk.dirty("b0");
        desk.step(Input::AgentPaused { agent: 0, until_ms: 500 });
        desk.step(Input::AgentPaused { agent: 0, until_ms: 100 });
        assert_eq!(desk.ended("a0", Ended::Requeue { after_ms: 0 }), NOTHING);
        assert_eq!((desk.scheduler.waiting_for_agent(0), desk.scheduler.slots_wanted()), (2, 0));
        assert_eq!(desk.dirty("c1"), ["run c1"]);
        assert_eq!(desk.ended("c1", Ended::Accepted), NOTHING);
        assert_eq!(desk.scheduler.next_wakeup_ms(), Some(500));
        desk.now_ms = 499;
        assert_eq!(desk.step(Input::Tick), NOTHING);
        desk.now_ms = 500;
        assert_eq!(desk.step(Input::Tick), ["run a0"]);
    }

    #[test]
    fn an_interrupt_ends_a_pause() {
        let graph = graph(&["a0"]);
        let mut desk = desk(&graph, config(1));
        desk.step(Input::Start);
        desk.dirty("a0");
        desk.step(Input::AgentPaused { agent: 0, until_ms: 500 });
        desk.ended("a0", Ended::Requeue { after_ms: 0 });
        assert_eq!(desk.step(Input::Interrupt), ["skip a0", "layer 0", "done"]);
        desk.now_ms = 500;
        assert_eq!(desk.step(Input::Tick), NOTHING);
    }

    #[test]
    fn tasks_of_a_stopped_agent_are_resolved_anew_until_another_one_takes_them() {
        let graph = graph(&["a0", "b0", "c0"]);
        let mut desk = desk(&graph, config(1));
        desk.step(Input::Start);
        desk.dirty("a0");
        desk.dirty("b0");
        desk.step(Input::AgentPaused { agent: 0, until_ms: 500 });
        assert_eq!(desk.ended("a0", Ended::Requeue { after_ms: 0 }), NOTHING);
        assert_eq!(desk.step(Input::AgentStopped(0)), ["resolve a0", "resolve b0"]);
        assert_eq!(desk.dirty("c0"), ["resolve c0"], "its answer was under way");
        assert_eq!(desk.dirty("a0"), ["resolve a0"]);
        let task = desk.ix("b0");
        desk.step(Input::Hired { task, agent: Some(1), cost: CostEstimate::default() });
        assert_eq!(desk.dirty("b0"), ["run b0"]);
    }

    #[test]
    fn a_reserved_task_that_is_held_keeps_nothing_for_itself() {
        let graph = graph(&["big0", "s1", "t1", "u1"]);
        let mut desk = Desk::new(&graph, SchedulerConfig { pools: vec![1], ..config(4) }, |name, spec| {
            spec.is_agent = true;
            spec.agent = Some(usize::from(name != "big0"));
            spec.pools = if name == "u1" { vec![] } else { vec![0] };
            spec.priority_ms = if name == "big0" { 99 } else { 1 };
        });
        desk.step(Input::Start);
        assert_eq!(desk.dirty("s1"), ["run s1"]);
        desk.dirty("big0");
        desk.dirty("t1");
        // It was at the full pool; now the pool is free, its agent is not, and the next one at the pool starts.
        desk.step(Input::AgentPaused { agent: 0, until_ms: 500 });
        assert_eq!(desk.ended("s1", Ended::Accepted), ["run t1"]);
        assert_eq!(desk.scheduler.phase(desk.ix("big0")), Phase::Held);
    }

    fn paid(desk: &mut Desk<'_>, name: &str, micro_usd: u64) -> Vec<String> {
        let task = desk.ix(name);
        desk.step(Input::Spent { task, micro_usd });
        desk.ended(name, Ended::Accepted)
    }

    fn priced(graph: &crate::graph::Graph, limit: u64, keep_going: bool) -> Desk<'_> {
        let config = SchedulerConfig { cost_micro_usd_max: Some(limit), keep_going, ..config(4) };
        Desk::new(graph, config, |name, spec| {
            spec.is_agent = name != "run";
            spec.agent = (name != "run").then_some(0);
            spec.cost.of_task = name.bytes().last().filter(u8::is_ascii_digit).map(|digit| u64::from(digit - b'0'));
        })
    }

    #[test]
    fn money_that_running_tasks_may_leave_is_waited_for() {
        let graph = graph(&["a4", "b4", "c2", "run"]);
        let mut desk = priced(&graph, 7, true);
        desk.step(Input::Start);
        assert_eq!(desk.dirty("a4"), ["run a4"]);
        assert_eq!(desk.dirty("b4"), NOTHING, "4 + 4 is more than 7");
        assert_eq!(desk.dirty("c2"), ["run c2"], "4 + 2 is not");
        assert_eq!(desk.dirty("run"), ["run run"], "commands are free");
        assert_eq!(paid(&mut desk, "a4", 1), ["run b4"], "1 + 2 + 4 is 7");
        assert_eq!(paid(&mut desk, "c2", 2), NOTHING);
    }

    #[test]
    fn money_that_is_spent_makes_tasks_red_and_no_others() {
        let graph = graph(&["a4", "b4", "c2", "below: deps b4", "unknown", "run"]);
        let mut desk = priced(&graph, 7, true);
        desk.step(Input::Start);
        desk.dirty("a4");
        desk.dirty("b4");
        let refused = ["refuse b4", "skip below (below b4)", "layer 1"];
        assert_eq!(paid(&mut desk, "a4", 5), refused, "5 + 4 is more than 7 whatever happens");
        assert_eq!(desk.dirty("c2"), ["run c2"]);
        assert_eq!(desk.dirty("unknown"), ["refuse unknown"], "it is taken to cost what others did in this run");
        assert_eq!(desk.dirty("run"), ["run run"]);
    }

    #[test]
    fn without_keep_going_a_refusal_stops_the_run() {
        let graph = graph(&["a4", "b1"]);
        let mut desk = priced(&graph, 3, false);
        assert_eq!(desk.step(Input::Start), ["resolve a4", "resolve b1"]);
        assert_eq!(desk.dirty("a4"), ["refuse a4"]);
        assert_eq!(desk.dirty("b1"), ["skip b1", "layer 0", "done"]);
    }
}
