//! Who holds what: job slots, pools and memory, and whether one more task fits.
//!
//! Memory is what the machine says is free, less the reserve, less what young tasks have declared: a task that just
//! started has not touched its memory yet, so the sample does not show it.

use std::collections::{BTreeMap, VecDeque};

use crate::graph::TaskIx;

use super::{Jobs, TaskSpec};
use crate::exec::admission::Machine;

/// How long a task's declared memory is counted besides what the machine shows.
const YOUNG_MS: u64 = 10_000;

/// Whether a task can start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    Now,
    /// Job slots or memory.
    LacksRoom,
    LacksPool(usize),
}

/// What one running task holds.
#[derive(Debug)]
struct Holding {
    slots: u32,
    is_agent: bool,
    pools: Box<[usize]>,
    /// Declared memory while the task is young, then 0.
    promised_bytes: u64,
    /// Which start it was, counted from 1.
    start: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Pool {
    capacity: u32,
    held: u32,
}

/// The account of all that running tasks hold.
#[derive(Debug)]
pub(super) struct Ledger {
    jobs: Jobs,
    /// What the machine's shared budget grants.
    granted: u32,
    slots_held: u32,
    command_slots_held: u32,
    /// Slots among these that gates have borrowed.
    lent: u32,
    pools: Vec<Pool>,
    machine: Option<Machine>,
    promised_bytes: u128,
    young: VecDeque<(u64, TaskIx, u64)>,
    running: BTreeMap<TaskIx, Holding>,
    /// Running tasks that nobody asked to stop, by when they started.
    by_start: BTreeMap<u64, TaskIx>,
    starts: u64,
}

impl Ledger {
    pub(super) fn new(jobs: Jobs, pools: &[u32]) -> Self {
        let jobs = Jobs { all: jobs.all.max(1), commands: jobs.commands.clamp(1, jobs.all.max(1)) };
        Self {
            jobs,
            granted: jobs.all,
            slots_held: 0,
            command_slots_held: 0,
            lent: 0,
            pools: pools.iter().map(|capacity| Pool { capacity: (*capacity).max(1), held: 0 }).collect(),
            machine: None,
            promised_bytes: 0,
            young: VecDeque::new(),
            running: BTreeMap::new(),
            by_start: BTreeMap::new(),
            starts: 0,
        }
    }

    pub(super) fn set_slots(&mut self, granted: u32) {
        self.granted = granted.clamp(1, self.jobs.all);
    }

    /// A new look at the machine. What is no longer young is in it.
    pub(super) fn sampled(&mut self, now_ms: u64, machine: Machine) {
        self.machine = Some(machine);
        while let Some((started_ms, ix, start)) = self.young.front().copied()
            && started_ms.saturating_add(YOUNG_MS) <= now_ms
        {
            self.young.pop_front();
            if self.running.get(&ix).is_some_and(|holding| holding.start == start) {
                self.forget_promise(ix);
            }
        }
    }

    pub(super) fn has_free_slot(&self) -> bool {
        self.slots_held < self.limit()
    }

    pub(super) fn has_free_command_slot(&self) -> bool {
        self.command_slots_held < self.command_limit()
    }

    pub(super) fn pool_room(&self, pool: usize) -> u32 {
        let pool = self.pools[pool];
        pool.capacity - pool.held
    }

    pub(super) fn slots_held(&self) -> u32 {
        self.slots_held
    }

    pub(super) fn slots_wanted(&self, queued: u64) -> u32 {
        let wanted = u64::from(self.slots_held).saturating_add(queued);
        u32::try_from(wanted).unwrap_or(u32::MAX).min(self.jobs.all)
    }

    /// Whether the task could start now. Where nothing runs, anything can: one task always runs.
    pub(super) fn fit(&self, spec: &TaskSpec) -> Fit {
        if self.running.is_empty() {
            return Fit::Now;
        }
        if let Some(pool) = spec.pools.iter().find(|pool| self.pool_room(**pool) == 0) {
            return Fit::LacksPool(*pool);
        }
        let slots = self.slots_for(spec);
        let all_fit = self.slots_held + slots <= self.limit();
        let commands_fit = spec.is_agent || self.command_slots_held + slots <= self.command_limit();
        if all_fit && commands_fit && u128::from(spec.memory_bytes) <= self.memory_room_bytes() {
            Fit::Now
        } else {
            Fit::LacksRoom
        }
    }

    pub(super) fn take(&mut self, now_ms: u64, ix: TaskIx, spec: &TaskSpec) {
        let slots = self.slots_for(spec);
        self.slots_held += slots;
        self.command_slots_held += if spec.is_agent { 0 } else { slots };
        spec.pools.iter().for_each(|pool| self.pools[*pool].held += 1);
        self.promised_bytes += u128::from(spec.memory_bytes);
        self.starts += 1;
        self.young.push_back((now_ms, ix, self.starts));
        self.by_start.insert(self.starts, ix);
        let holding = Holding {
            slots,
            is_agent: spec.is_agent,
            pools: spec.pools.as_slice().into(),
            promised_bytes: spec.memory_bytes,
            start: self.starts,
        };
        self.running.insert(ix, holding);
    }

    /// Whether the task holds anything.
    pub(super) fn holds(&self, ix: TaskIx) -> bool {
        self.running.contains_key(&ix)
    }

    pub(super) fn release(&mut self, ix: TaskIx) {
        self.forget_promise(ix);
        let holding = self.running.remove(&ix).expect("only what runs is released");
        self.slots_held -= holding.slots;
        self.command_slots_held -= if holding.is_agent { 0 } else { holding.slots };
        holding.pools.iter().for_each(|pool| self.pools[*pool].held -= 1);
        self.by_start.remove(&holding.start);
    }

    /// The task that started last, if another one goes on without it. It is not named again.
    pub(super) fn preempt_youngest(&mut self) -> Option<TaskIx> {
        if self.by_start.len() < 2 {
            return None;
        }
        self.by_start.pop_last().map(|(_, ix)| ix)
    }

    /// Lends a slot to a gate, if one is free that a command could have.
    pub(super) fn lend(&mut self) -> bool {
        // Where nothing runs, whoever asked is gone.
        let is_wanted = !self.running.is_empty();
        let has_slot = self.has_free_slot() && self.has_free_command_slot();
        let is_free = is_wanted && has_slot && self.memory_room_bytes() > 0;
        if is_free {
            self.lent += 1;
            self.slots_held += 1;
            self.command_slots_held += 1;
        }
        is_free
    }

    pub(super) fn take_back(&mut self) {
        assert!(self.lent > 0, "only what was lent comes back");
        self.lent -= 1;
        self.slots_held -= 1;
        self.command_slots_held -= 1;
    }

    /// Job slots that a task holds while it runs.
    pub(super) fn slots_for(&self, spec: &TaskSpec) -> u32 {
        spec.cpu.min(if spec.is_agent { self.jobs.all } else { self.jobs.commands })
    }

    /// Slots that may be held: half of them while tasks stall for memory.
    fn limit(&self) -> u32 {
        let halved = self.machine.is_some_and(|machine| machine.is_pressed());
        if halved { (self.granted / 2).max(1) } else { self.granted }
    }

    fn command_limit(&self) -> u32 {
        self.jobs.commands.min(self.limit())
    }

    fn memory_room_bytes(&self) -> u128 {
        self.machine.map_or(u128::MAX, |machine| u128::from(machine.room_bytes()).saturating_sub(self.promised_bytes))
    }

    fn forget_promise(&mut self, ix: TaskIx) {
        if let Some(holding) = self.running.get_mut(&ix) {
            self.promised_bytes -= u128::from(std::mem::take(&mut holding.promised_bytes));
        }
    }
}
