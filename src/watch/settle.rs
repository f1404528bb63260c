//! When enough has happened: after a while of quiet, and at the latest a while after it began.

use std::time::Duration;

/// How many times the quiet is waited for at most where it does not come.
const PATIENCE: u32 = 10;

/// The times of what happened since it was last looked at. Times are those of one clock that never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settle {
    quiet: Duration,
    /// Since when, and when last.
    happened: Option<(Duration, Duration)>,
}

impl Settle {
    /// With this much quiet to wait for.
    pub(super) fn new(quiet: Duration) -> Self {
        Self { quiet, happened: None }
    }

    /// Something happened.
    pub(super) fn happens(&mut self, now: Duration) {
        let since = self.happened.map_or(now, |(since, _)| since);
        self.happened = Some((since, now));
    }

    /// When it is to be looked at, if anything happened.
    pub(super) fn due(&self) -> Option<Duration> {
        let (since, last) = self.happened?;
        Some((last + self.quiet).min(since + self.quiet * PATIENCE))
    }

    /// It was looked at.
    pub(super) fn done(&mut self) {
        self.happened = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn quiet_is_waited_for_and_not_for_ever() {
        let mut settle = Settle::new(ms(50));
        assert_eq!(settle.due(), None);
        settle.happens(ms(1000));
        assert_eq!(settle.due(), Some(ms(1050)));
        settle.happens(ms(1040));
        assert_eq!(settle.due(), Some(ms(1090)));
        (1050..2000).step_by(10).for_each(|at| settle.happens(ms(at)));
        assert_eq!(settle.due(), Some(ms(1500)));
        settle.done();
        assert_eq!(settle.due(), None);
    }

    proptest! {
        #[test]
        fn it_is_due_after_the_last_and_not_long_after_the_first(
            quiet in 0..200u64, mut at in prop::collection::vec(0..5000u64, 1..40)
        ) {
            at.sort_unstable();
            let mut settle = Settle::new(ms(quiet));
            at.iter().for_each(|at| settle.happens(ms(*at)));
            let due = settle.due().expect("something happened");
            prop_assert!(due <= ms(at[0] + 10 * quiet));
            prop_assert!(due <= ms(at[at.len() - 1] + quiet));
            prop_assert!(due == ms(at[0] + 10 * quiet) || due == ms(at[at.len() - 1] + quiet));
        }
    }
}
