//! Lanes: things that took time at the same time, drawn one beneath the other.

/// The lane of each interval, from 0: the first in which nothing else is at that time. Intervals of one lane never overlap;
/// there are no more lanes than there are intervals at one moment.
#[must_use]
pub(super) fn lanes(intervals: &[(u64, u64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..intervals.len()).collect();
    order.sort_by_key(|at| intervals[*at]);
    let mut ends: Vec<u64> = Vec::new();
    let mut lanes = vec![0; intervals.len()];
    for at in order {
        let (from, to) = intervals[at];
        let free = ends.iter().position(|end| *end <= from);
        let lane = free.unwrap_or(ends.len());
        match free {
            Some(lane) => ends[lane] = to,
            None => ends.push(to),
        }
        lanes[at] = lane;
    }
    lanes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_overlaps_in_a_lane(given in prop::collection::vec((0u64..40, 0u64..9), 0..30)) {
            let intervals: Vec<(u64, u64)> = given.into_iter().map(|(from, took)| (from, from + took)).collect();
            let found = lanes(&intervals);
            for (a, one) in intervals.iter().enumerate() {
                for (b, other) in intervals.iter().enumerate().skip(a + 1) {
                    prop_assert!(found[a] != found[b] || one.1 <= other.0 || other.1 <= one.0);
                }
            }
            let at_once = |at: u64| intervals.iter().filter(|(from, to)| *from <= at && at < *to.max(&(from + 1))).count();
            let most = (0..50).map(at_once).max().unwrap_or(0);
            prop_assert!(found.iter().all(|lane| *lane < most.max(1)));
        }
    }
}
