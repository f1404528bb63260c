//! What a graph promises: how long it must take, how wide it is, and what its parallelism is worth.

use rayon::prelude::*;

use super::{Graph, TaskIx};

/// Numbers about a graph, for given durations.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// How many layers there are.
    pub layers: usize,
    /// How many tasks the widest layer has.
    pub width: usize,
    /// What all tasks take one after another.
    pub total_ms: u64,
    /// The chain of tasks that takes longest, from its first task on.
    pub critical_path: Vec<TaskIx>,
    /// What the critical path takes: no number of machines is faster.
    pub critical_ms: u64,
    /// `total_ms / critical_ms`: the most that parallelism can bring; 1 where nothing takes time.
    pub ideal_speed_up: f64,
    /// How independent tasks are; `None` for a graph too large to say exactly.
    pub parallel: Option<ParallelShare>,
    /// For every task, what the longest chain from its start to the end takes.
    pub bottom_level_ms: Vec<u64>,
}

/// How many tasks can run beside another.
///
/// Two tasks can run beside each other if neither waits for the other, directly or through others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParallelShare {
    /// The share of all pairs of tasks that can run beside each other; 1 where there is no pair.
    pub share: f64,
    /// How many others can run beside a task, on average.
    pub beside: f64,
}

/// Words of 64 bits that counting pairs may touch: a second or two of work.
const WORDS_MAX: u64 = 4_000_000_000;
/// What is less for a thread than this is counted by one.
const WORDS_PER_THREAD: u64 = 4_000_000;
/// Columns of the reachability matrix held at a time, in words.
const BLOCK_WORDS: usize = 16;

impl Graph {
    /// For every task, what the longest chain from its start to the end takes: its priority.
    #[must_use]
    pub fn bottom_levels_ms(&self, duration_ms: impl Fn(TaskIx) -> u64) -> Vec<u64> {
        let mut levels = vec![0u64; self.len()];
        for ix in self.tasks().rev() {
            let after = self.dependents(ix).iter().map(|dependent| levels[dependent.index()]).max().unwrap_or(0);
            levels[ix.index()] = after.saturating_add(duration_ms(ix));
        }
        levels
    }

    /// The numbers of this graph, where tasks take this long.
    #[must_use]
    pub fn analysis(&self, duration_ms: impl Fn(TaskIx) -> u64) -> Analysis {
        let bottom_level_ms = self.bottom_levels_ms(&duration_ms);
        let total_ms = self.tasks().fold(0u64, |sum, ix| sum.saturating_add(duration_ms(ix)));
        let critical_path = self.critical_path(&bottom_level_ms);
        let critical_ms = critical_path.first().map_or(0, |first| bottom_level_ms[first.index()]);
        let layers = self.layers();
        Analysis {
            layers: layers.len(),
            width: layers.iter().map(Vec::len).max().unwrap_or(0),
            total_ms,
            critical_ms,
            ideal_speed_up: if critical_ms == 0 { 1.0 } else { total_ms as f64 / critical_ms as f64 },
            parallel: self.parallel_share(),
            critical_path,
            bottom_level_ms,
        }
    }

    /// From the task with the longest chain on, always to the dependent with the longest; ties by plan order.
    fn critical_path(&self, levels: &[u64]) -> Vec<TaskIx> {
        let longest = |candidates: &mut dyn Iterator<Item = TaskIx>| {
            candidates.max_by_key(|ix| (levels[ix.index()], std::cmp::Reverse(*ix)))
        };
        let first = longest(&mut self.tasks());
        std::iter::successors(first, |ix| longest(&mut self.dependents(*ix).iter().copied())).collect()
    }

    /// Counts the pairs of which one waits for the other, a block of columns of the reachability matrix at a time.
    fn parallel_share(&self) -> Option<ParallelShare> {
        let tasks = self.len();
        let work = (self.edge_count() as u64).saturating_mul(tasks.div_ceil(64) as u64);
        if work > WORDS_MAX {
            return None;
        }
        let columns = BLOCK_WORDS * 64;
        let blocks = tasks.div_ceil(columns);
        let waiting: u64 = match work < WORDS_PER_THREAD {
            true => (0..blocks).map(|block| self.pairs_waiting_on(block * columns, columns)).sum(),
            false => (0..blocks).into_par_iter().map(|block| self.pairs_waiting_on(block * columns, columns)).sum(),
        };
        let pairs = tasks as u64 * (tasks as u64).saturating_sub(1) / 2;
        let share = if pairs == 0 { 1.0 } else { (pairs - waiting) as f64 / pairs as f64 };
        Some(ParallelShare { share, beside: share * tasks.saturating_sub(1) as f64 })
    }

    /// How many pairs (task, one it waits for) there are whose second lies in `from..from + columns` of plan order.
    fn pairs_waiting_on(&self, from: usize, columns: usize) -> u64 {
        let mut rows = vec![[0u64; BLOCK_WORDS]; self.len() - from];
        let mut pairs = 0;
        for ix in self.tasks().skip(from) {
            let mut row = [0u64; BLOCK_WORDS];
            for dep in self.deps(ix).iter().filter(|dep| dep.index() >= from) {
                let column = dep.index() - from;
                row.iter_mut().zip(&rows[column]).for_each(|(bits, below)| *bits |= below);
                if column < columns {
                    row[column / 64] |= 1 << (column % 64);
                }
            }
            pairs += row.iter().map(|bits| u64::from(bits.count_ones())).sum::<u64>();
            rows[ix.index() - from] = row;
        }
        pairs
    }
}
