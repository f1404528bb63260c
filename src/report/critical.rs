//! The critical path of what happened: the chain of tasks, each waiting for the one before, that took longest.

/// The places of the tasks on it, the first first. `deps` of a task are places before its own; `took` is what each took. Of
/// several chains that took the same it is the one through the earlier tasks. Tasks that took nothing begin no chain.
#[must_use]
pub fn critical_path(deps: &[Vec<u32>], took: &[u64]) -> Vec<usize> {
    let mut longest: Vec<u64> = Vec::with_capacity(took.len());
    let mut before: Vec<Option<usize>> = Vec::with_capacity(took.len());
    for (ix, took) in took.iter().enumerate() {
        let of_dep = |dep: &u32| Some(*dep as usize).filter(|dep| *dep < ix);
        let best = deps.get(ix).into_iter().flatten().filter_map(of_dep).max_by(|a, b| {
            let earlier = b.cmp(a);
            longest[*a].cmp(&longest[*b]).then(earlier)
        });
        let best = best.filter(|dep| longest[*dep] > 0);
        longest.push(took.saturating_add(best.map_or(0, |dep| longest[dep])));
        before.push(best);
    }
    let end = (0..longest.len()).rev().max_by_key(|ix| longest[*ix]).filter(|ix| longest[*ix] > 0);
    let mut path: Vec<usize> = std::iter::successors(end, |ix| before[*ix]).collect();
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_chain_is_found_over_edges_not_over_layers() {
        // a(5) - c(1) - d(1);  b(2) - d;  e(6) stands alone.
        let deps = vec![vec![], vec![], vec![0], vec![1, 2], vec![]];
        assert_eq!(critical_path(&deps, &[5, 2, 1, 1, 6]), [0, 2, 3]);
        assert_eq!(critical_path(&deps, &[5, 2, 1, 1, 8]), [4]);
        assert_eq!(critical_path(&deps, &[0, 0, 0, 0, 0]), Vec::<usize>::new());
        assert_eq!(critical_path(&[], &[]), Vec::<usize>::new());
    }

    proptest! {
        #[test]
        fn no_chain_is_longer(took in prop::collection::vec(0u64..50, 1..9), bits in any::<u64>()) {
            let deps: Vec<Vec<u32>> = (0..took.len())
                .map(|ix| (0..ix).filter(|dep| bits >> (ix * 7 + dep) & 1 == 1).map(|dep| dep as u32).collect())
                .collect();
            let path = critical_path(&deps, &took);
            for pair in path.windows(2) {
                prop_assert!(deps[pair[1]].contains(&(pair[0] as u32)));
            }
            // Every chain there is, one by one.
            let mut most = 0;
            let mut open: Vec<(usize, u64)> = (0..took.len()).map(|ix| (ix, took[ix])).collect();
            while let Some((ix, sum)) = open.pop() {
                most = most.max(sum);
                open.extend(deps[ix].iter().map(|dep| (*dep as usize, sum + took[*dep as usize])));
            }
            prop_assert_eq!(path.iter().map(|ix| took[*ix]).sum::<u64>(), most);
        }
    }
}
