//! Numbers for what runs at the same time: an attempt gets the lowest that is free, so that what ran beside what can be drawn
//! as lanes. They limit nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The numbers that are free.
#[derive(Debug, Default)]
pub(super) struct Workers {
    free: BinaryHeap<Reverse<u32>>,
    used: u32,
}

impl Workers {
    /// The lowest number that nobody has.
    pub(super) fn take(&mut self) -> u32 {
        self.free.pop().map_or_else(
            || {
                self.used += 1;
                self.used - 1
            },
            |Reverse(number)| number,
        )
    }

    /// A number that was taken is free again.
    pub(super) fn give_back(&mut self, number: u32) {
        self.free.push(Reverse(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_number_is_given() {
        let mut workers = Workers::default();
        assert_eq!([workers.take(), workers.take(), workers.take()], [0, 1, 2]);
        workers.give_back(1);
        workers.give_back(0);
        assert_eq!([workers.take(), workers.take(), workers.take()], [0, 1, 3]);
    }
}
