//! The same work for many things: by several threads where that pays, by this one where it does not. Handing a handful of
//! small files to the pool costs more than the files do, and wakes threads that then look for work and find none.

use rayon::prelude::*;

/// From this many things on, several threads share the work.
pub const ITEMS_MIN: usize = 16;
/// Or from this many bytes on.
pub const BYTES_MIN: u64 = 1 << 20;

/// Answers for each of `items`, in their order. `size_bytes` is what they hold all together, where that is known.
pub fn map<'t, T: Sync, R: Send>(items: &'t [T], size_bytes: u64, work: impl Fn(&'t T) -> R + Sync + Send) -> Vec<R> {
    if items.len() >= ITEMS_MIN || (items.len() > 1 && size_bytes >= BYTES_MIN) {
        items.par_iter().map(work).collect()
    } else {
        items.iter().map(work).collect()
    }
}

/// As [`map`], of things that the work takes.
pub fn map_owned<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
    if items.len() >= ITEMS_MIN {
        items.into_par_iter().map(work).collect()
    } else {
        items.into_iter().map(work).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    /// The threads that took part, and the answers.
    fn threads(count: usize, size_bytes: u64) -> (usize, Vec<usize>) {
        let items: Vec<usize> = (0..count).collect();
        let seen = Mutex::new(BTreeSet::new());
        let answers = map(&items, size_bytes, |item| {
            seen.lock().expect("no holder panics").insert(rayon::current_thread_index());
            item * 2
        });
        let on_pool = seen.into_inner().expect("no holder panics").into_iter().flatten().count();
        (on_pool, answers)
    }

    #[test]
    fn answers_are_in_order_either_way_and_few_small_things_stay_on_their_thread() {
        for (count, size_bytes, is_on_pool) in
            [(0, 0, false), (15, 0, false), (16, 0, true), (2, 1 << 20, true), (1, 1 << 30, false)]
        {
            let (on_pool, answers) = threads(count, size_bytes);
            assert_eq!(on_pool > 0, is_on_pool, "{count} things of {size_bytes} bytes");
            assert_eq!(answers, (0..count).map(|item| item * 2).collect::<Vec<_>>());
        }
    }
}
