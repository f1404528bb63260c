//! A look at the machine: how much memory is free, whether tasks stall for it, and how many tasks that is good for.
#![expect(clippy::disallowed_methods, reason = "reads /proc/pressure/memory, which sysinfo does not")]

use std::sync::OnceLock;

use super::scheduler::Jobs;

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

/// Looks at the machine again and again; sysinfo's own state is kept in between.
#[derive(Debug, Default)]
pub struct Sampler(sysinfo::System);

impl Sampler {
    /// The machine now. Within a container what the container may use is what there is; page cache counts as free
    /// there, as it does outside, since the kernel gives it back when asked.
    pub fn sample(&mut self, reserve_bytes: u64) -> Machine {
        self.0.refresh_memory();
        let whole = (self.0.available_memory(), self.0.total_memory());
        let (available_bytes, total_bytes) = match self.0.cgroup_limits() {
            Some(limits) if limits.total_memory < whole.1 => {
                (limits.total_memory.saturating_sub(limits.rss).min(whole.0), limits.total_memory)
            }
            _ => whole,
        };
        let pressure = std::fs::read_to_string("/proc/pressure/memory").ok();
        let pressure_some_avg10 = pressure.as_deref().and_then(some_avg10);
        Machine { available_bytes, reserve_bytes, total_bytes, pressure_some_avg10 }
    }

    /// How busy all cores together were since this was last asked, in percent; 0 the first time.
    pub fn cpu_percent(&mut self) -> f32 {
        self.0.refresh_cpu_usage();
        self.0.global_cpu_usage()
    }
}

/// The figure after `some avg10=`, in percent.
fn some_avg10(text: &str) -> Option<f32> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split(' ').find_map(|field| field.strip_prefix("avg10="))?.parse().ok()
}

/// How many cores this process may use, as it was when this was first asked; 1 where nobody knows.
#[must_use]
pub fn cores() -> u32 {
    static CORES: OnceLock<u32> = OnceLock::new();
    *CORES.get_or_init(|| {
        let found = std::thread::available_parallelism();
        found.map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
    })
}

/// Commands beyond the cores, where there are several: each waits now and then, for the disk or for a process of its own to
/// begin or end, and another one fills the gap.
const BEYOND_CORES: u32 = 2;

/// `jobs = "auto"`: twice the cores for agents, which mostly wait, and a few more than the cores for commands; fewer where
/// memory for so many is not there. At least 1.
#[must_use]
pub fn auto_jobs(cores: u32, machine: &Machine, memory_per_task_bytes: u64, has_agents: bool) -> Jobs {
    let by_memory = machine.room_bytes() / memory_per_task_bytes.max(1);
    let at_most = u32::try_from(by_memory).unwrap_or(u32::MAX).max(1);
    let beyond = if cores > 1 { BEYOND_CORES } else { 0 };
    let commands = cores.saturating_add(beyond).clamp(1, at_most);
    let all = if has_agents { cores.saturating_mul(2).clamp(commands, at_most) } else { commands };
    Jobs { all, commands }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn machine(available_bytes: u64, stalls: Option<f32>) -> Machine {
        Machine { available_bytes, reserve_bytes: GIB, total_bytes: 16 * GIB, pressure_some_avg10: stalls }
    }

    #[test]
    fn jobs_follow_cores_and_memory() {
        let table = [
            (4, 9 * GIB, true, (8, 6)),
            (4, 9 * GIB, false, (6, 6)),
            (4, 4 * GIB, true, (6, 6)),
            (4, 2 * GIB, true, (2, 2)),
            (2, 9 * GIB, true, (4, 4)),
            (1, 9 * GIB, true, (2, 1)),
            (4, 0, true, (1, 1)),
            (0, 9 * GIB, true, (1, 1)),
        ];
        for (cores, available, has_agents, (all, commands)) in table {
            let jobs = auto_jobs(cores, &machine(available, None), GIB / 2, has_agents);
            assert_eq!(jobs, Jobs { all, commands }, "{cores} cores, {available} bytes");
        }
        let unknown = Machine { total_bytes: 0, ..machine(0, None) };
        assert_eq!(auto_jobs(4, &unknown, GIB, true).all, 8);
    }

    #[test]
    fn the_edge_is_half_the_reserve_or_the_reserve_and_stalls() {
        let table = [
            (2 * GIB, None, false),
            (GIB / 2 - 1, None, true),
            (GIB - 1, None, false),
            (GIB - 1, Some(50.0), true),
            (2 * GIB, Some(99.0), false),
        ];
        for (available, stalls, expected) in table {
            assert_eq!(machine(available, stalls).is_at_the_edge(), expected, "{available} {stalls:?}");
        }
        assert!(!Machine { total_bytes: 0, ..machine(0, Some(99.0)) }.is_at_the_edge());
    }

    #[test]
    fn pressure_is_read_from_the_line_of_some() {
        let text = "some avg10=12.34 avg60=0.00 avg300=0.00 total=1\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(some_avg10(text), Some(12.34));
        assert_eq!(some_avg10("full avg10=1.00\n"), None);
        assert_eq!(some_avg10("some avg10=x\n"), None);
    }

    #[test]
    fn this_machine_has_memory() {
        let machine = Sampler::default().sample(GIB);
        assert!(machine.total_bytes > 0 && machine.available_bytes <= machine.total_bytes, "{machine:?}");
        assert!(cores() >= 1);
    }
}
