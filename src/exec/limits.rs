//! Agents whose service says "later": how long they pause, and when that is too long to wait.

use std::collections::{BTreeMap, BTreeSet};

use super::scheduler::AgentIx;
use super::work::limited_ms;
use crate::base::{Name, format_duration_ms};
use crate::event::Failure;

/// How long a task waits for rate limits at most, one after the other: what takes longer is for a person to know.
const WAIT_MS_MAX: u64 = 6 * 3_600_000;
/// A service that says "at once" is not asked more often than this.
const WAIT_MS_MIN: u64 = 1_000;
/// A pause that another answer makes longer by less than this is no news.
const NEWS_MS: u64 = 1_000;

/// What follows from a rate limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The agent pauses.
    Wait {
        /// Until then, by the loop's clock.
        until_ms: u64,
        /// Whether that was not known.
        is_news: bool,
    },
    /// It would pause for this time, and nobody waits so long.
    TooLong {
        /// In milliseconds.
        wait_ms: u64,
    },
}

/// Agents that hit limits, in one run.
#[derive(Debug, Default)]
pub(super) struct Limits {
    until_ms: BTreeMap<AgentIx, u64>,
    strikes: BTreeMap<AgentIx, u32>,
    stopped: BTreeSet<AgentIx>,
}

impl Limits {
    /// An attempt of a task hit a limit. `since_ms` is when the task hit the first of several in a row.
    pub(super) fn hit(
        &mut self,
        name: &Name,
        agent: AgentIx,
        now_ms: u64,
        since_ms: u64,
        resets_in_ms: Option<u64>,
    ) -> Verdict {
        let known_ms = self.until_ms.get(&agent).copied().unwrap_or(0);
        let is_paused = known_ms > now_ms;
        let strikes = self.strikes.entry(agent).or_default();
        // Those that ran beside each other hit one limit.
        *strikes += u32::from(!is_paused || *strikes == 0);
        let wait_ms = resets_in_ms.unwrap_or_else(|| limited_ms(name, *strikes)).max(WAIT_MS_MIN);
        let until_ms = now_ms.saturating_add(wait_ms);
        if until_ms.saturating_sub(since_ms) > WAIT_MS_MAX {
            return Verdict::TooLong { wait_ms };
        }
        self.until_ms.insert(agent, until_ms.max(known_ms));
        Verdict::Wait {
            until_ms: until_ms.max(known_ms),
            is_news: until_ms >= known_ms.saturating_add(NEWS_MS) || !is_paused,
        }
    }

    /// An attempt of the agent came to a result.
    pub(super) fn worked(&mut self, agent: AgentIx) {
        self.strikes.remove(&agent);
    }

    /// Whether the agent went on until now.
    pub(super) fn stops(&mut self, agent: AgentIx) -> bool {
        self.stopped.insert(agent)
    }
}

/// The failure of a task whose agent would pause for too long: when to come back.
pub(super) fn too_long(failure: Failure, at_ms: u64, wait_ms: u64) -> Failure {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(at_ms).unwrap_or(i64::MAX)).ok();
    let at = at.map_or_else(String::new, |at| {
        format!(" after {}", at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M"))
    });
    let message = format!(
        "{}; the limit ends in {}, and a build waits for at most {}: build again{at}",
        failure.message,
        format_duration_ms(wait_ms),
        format_duration_ms(WAIT_MS_MAX)
    );
    Failure { message, ..failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    fn hit(limits: &mut Limits, now_ms: u64, since_ms: u64, resets_in_ms: Option<u64>) -> Verdict {
        limits.hit(&Name::new("x").expect("a name"), 0, now_ms, since_ms, resets_in_ms)
    }

    #[test]
    fn a_pause_lasts_until_the_latest_end_that_was_said() {
        let mut limits = Limits::default();
        assert_eq!(hit(&mut limits, 0, 0, Some(60_000)), Verdict::Wait { until_ms: 60_000, is_news: true });
        assert_eq!(hit(&mut limits, 100, 100, Some(60_000)), Verdict::Wait { until_ms: 60_100, is_news: false });
        assert_eq!(hit(&mut limits, 200, 200, Some(5_000)), Verdict::Wait { until_ms: 60_100, is_news: false });
        assert_eq!(hit(&mut limits, 300, 300, Some(90_000)), Verdict::Wait { until_ms: 90_300, is_news: true });
        assert_eq!(hit(&mut limits, 95_000, 0, Some(0)), Verdict::Wait { until_ms: 96_000, is_news: true });
    }

    #[test]
    fn limits_without_an_end_are_waited_for_longer_until_something_works() {
        let mut limits = Limits::default();
        let mut now_ms = 0;
        let mut wait = |limits: &mut Limits| match hit(limits, now_ms, now_ms, None) {
            Verdict::Wait { until_ms, .. } => until_ms - std::mem::replace(&mut now_ms, until_ms),
            Verdict::TooLong { .. } => panic!("it is minutes"),
        };
        let first = wait(&mut limits);
        assert!(wait(&mut limits) > first);
        limits.worked(0);
        assert_eq!(wait(&mut limits), first);
    }

    #[test]
    fn nobody_waits_for_more_than_six_hours_in_all() {
        let mut limits = Limits::default();
        assert_eq!(hit(&mut limits, 0, 0, Some(7 * HOUR_MS)), Verdict::TooLong { wait_ms: 7 * HOUR_MS });
        assert!(matches!(hit(&mut limits, 0, 0, Some(4 * HOUR_MS)), Verdict::Wait { .. }));
        let again = hit(&mut limits, 4 * HOUR_MS, 0, Some(3 * HOUR_MS));
        assert_eq!(again, Verdict::TooLong { wait_ms: 3 * HOUR_MS });
    }
}
