//! A look at the machine: how much memory is free, and how many tasks that is good for.

/// What the machine looks like at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// Memory that can be had without swapping.
    pub available_bytes: u64,
    /// Memory that orca leaves to the rest of the machine.
    pub reserve_bytes: u64,
    /// Memory in all; 0 where it is not known, and then memory limits nothing.
    pub total_bytes: u64,
    /// Share of the last ten seconds, in percent, in which some task stalled for memory (`/proc/pressure/memory`).
    pub pressure_some_avg10: Option<f32>,
}

/// Stalls, in percent of the time, from which on fewer tasks are admitted.
const PRESSED_PERCENT: f32 = 10.0;
/// Stalls, in percent of the time, that mean thrashing where the reserve is in use, too.
const THRASHING_PERCENT: f32 = 40.0;

impl Machine {
    /// Memory that tasks may still take.
    #[must_use]
    pub fn room_bytes(&self) -> u64 {
        if self.total_bytes == 0 { u64::MAX } else { self.available_bytes.saturating_sub(self.reserve_bytes) }
    }

    /// Whether tasks stall for memory: half as many are admitted.
    #[must_use]
    pub fn is_pressed(&self) -> bool {
        self.stalls_from(PRESSED_PERCENT)
    }

    /// Whether it is about to swap: half of the reserve is gone, or the reserve is in use and tasks stall.
    #[must_use]
    pub fn is_at_the_edge(&self) -> bool {
        let below = |bytes: u64| self.total_bytes > 0 && self.available_bytes < bytes;
        below(self.reserve_bytes / 2) || below(self.reserve_bytes) && self.stalls_from(THRASHING_PERCENT)
    }

    fn stalls_from(&self, percent: f32) -> bool {
        self.pressure_some_avg10.is_some_and(|stalls| stalls >= percent)
    }
}
