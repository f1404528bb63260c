//! Tasks that have to run, the most urgent first. What waits for a full pool waits beside, so nobody scans past it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::graph::TaskIx;

use super::TaskSpec;

/// The longest chain first; ties in plan order. The flag says whether it is an agent's task.
type Urgency = (u64, Reverse<TaskIx>, bool);

/// Queued tasks: agents and commands apart, since their slots may run out apart.
#[derive(Debug)]
pub(super) struct ReadyQueue {
    agents: BinaryHeap<Urgency>,
    commands: BinaryHeap<Urgency>,
    at_pool: Vec<BinaryHeap<Urgency>>,
}

fn urgency(ix: TaskIx, spec: &TaskSpec) -> Urgency {
    (spec.priority_ms, Reverse(ix), spec.is_agent)
}

impl ReadyQueue {
    pub(super) fn new(pools: usize) -> Self {
        Self { agents: BinaryHeap::new(), commands: BinaryHeap::new(), at_pool: vec![BinaryHeap::new(); pools] }
    }

    pub(super) fn push(&mut self, ix: TaskIx, spec: &TaskSpec) {
        self.put(urgency(ix, spec));
    }

    /// The most urgent task, of agents only where commands may not start.
    pub(super) fn pop(&mut self, commands_too: bool) -> Option<TaskIx> {
        let command_first = commands_too && self.commands.peek() > self.agents.peek();
        let heap = if command_first { &mut self.commands } else { &mut self.agents };
        heap.pop().map(|(_, Reverse(ix), _)| ix)
    }

    /// Puts a task beside that waits for this pool.
    pub(super) fn park(&mut self, ix: TaskIx, spec: &TaskSpec, pool: usize) {
        self.at_pool[pool].push(urgency(ix, spec));
    }

    /// Brings the most urgent `count` tasks that wait for this pool back.
    pub(super) fn unpark(&mut self, pool: usize, count: u32) {
        for _ in 0..count {
            let Some(first) = self.at_pool[pool].pop() else { return };
            self.put(first);
        }
    }

    fn put(&mut self, task: Urgency) {
        if task.2 { self.agents.push(task) } else { self.commands.push(task) }
    }
}
