//! Random walks over many seeds, a few at a time. A failing walk names its seed; `ORCA_WALK_SEED` repeats just that one,
//! `ORCA_WALK_SEEDS` and `ORCA_WALK_STEPS` make more of them, and longer ones.
#![expect(clippy::disallowed_methods, reason = "how long to walk is said by variables")]

use std::sync::atomic::{AtomicU64, Ordering};

/// Walks `seeds` times `steps` where nothing else is asked for, `threads` at a time; every walk that fails says why.
pub(crate) fn walk_all(threads: u64, seeds: u64, steps: u64, walk: impl Fn(u64, u64) -> Result<(), String> + Sync) {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let (first, count) = match number("ORCA_WALK_SEED") {
        Some(seed) => (seed, 1),
        None => (0, number("ORCA_WALK_SEEDS").unwrap_or(seeds)),
    };
    let steps = number("ORCA_WALK_STEPS").unwrap_or(steps);
    let next = AtomicU64::new(first);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let walker = || {
            let mut failures = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + count {
                    return failures;
                }
                failures.extend(walk(seed, steps).err());
            }
        };
        let walkers: Vec<_> = (0..threads).map(|_| scope.spawn(walker)).collect();
        walkers.into_iter().flat_map(|walker| walker.join().expect("a walk's panic is caught")).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
