//! Plan order: topological, and among tasks that could come next the least name first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::edges::Edge;

/// The tasks in plan order. What waits in a circle, or on one, is left out.
pub(super) fn plan_order(tasks: usize, edges: &[Edge]) -> Vec<u32> {
    let dependents = Adjacency::new(tasks, edges.iter().map(|edge| (edge.dep, edge.task)));
    let mut waits_for = vec![0u32; tasks];
    edges.iter().for_each(|edge| waits_for[edge.task as usize] += 1);
    let mut free: BinaryHeap<Reverse<u32>> =
        (0u32..).zip(&waits_for).filter(|(_, count)| **count == 0).map(|(task, _)| Reverse(task)).collect();
    let mut order = Vec::with_capacity(tasks);
    while let Some(Reverse(task)) = free.pop() {
        order.push(task);
        for &dependent in dependents.of(task) {
            waits_for[dependent as usize] -= 1;
            if waits_for[dependent as usize] == 0 {
                free.push(Reverse(dependent));
            }
        }
    }
    order
}

/// For each of `n` nodes a list of others, in one piece of memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Adjacency<T = u32> {
    starts: Vec<u32>,
    targets: Vec<T>,
}

impl<T: Copy + Default + Ord> Adjacency<T> {
    /// The lists of these (node, other) pairs; each list is in the order of the pairs.
    pub(super) fn new(nodes: usize, pairs: impl Iterator<Item = (u32, T)> + Clone) -> Self {
        let mut starts = vec![0u32; nodes + 1];
        pairs.clone().for_each(|(node, _)| starts[node as usize + 1] += 1);
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        let mut targets = vec![T::default(); starts[nodes] as usize];
        for (node, target) in pairs {
            targets[next[node as usize] as usize] = target;
            next[node as usize] += 1;
        }
        Self { starts, targets }
    }

    /// The list of a node.
    pub(super) fn of(&self, node: u32) -> &[T] {
        &self.targets[self.start(node)..self.start(node + 1)]
    }

    /// Where a node's list begins among all pairs.
    pub(super) fn start(&self, node: u32) -> usize {
        self.starts[node as usize] as usize
    }
}
