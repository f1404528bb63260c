//! Where a side differs from the base, on the safe side.
//!
//! A diff answers with one shortest way from one text to the other, and often there are several: of three equal lines any
//! may be the one deleted, and of two blocks that changed places either may be the one that moved. A merge that trusts
//! one of these ways puts the other side's edit beside a line that its author never saw as changed. So a line counts as
//! untouched, is an *anchor*, only if it stays in every shortest way; what lies between two anchors is one change.
//!
//! ```text
//!  base   a x x b        the x that is left may be either: the change covers both
//!  side   a x b          anchors: a, b
//! ```
//!
//! All shortest ways are in one table of distances ([`super::every_way`]), which is as large as the text is long and the
//! edit is large. Past a bound on that, a line is an anchor if two diffs agree on it, one made from the front and one from
//! the back, and no insertion or deletion could as well stand where it is.
//!
//! The diffs are Myers' with the cut-offs that git uses (`similar`): shortest on what people write, and near linear on
//! what they do not, because a search that gets expensive is ended after a number of steps. Never after a time: that would
//! make the result depend on the machine. Histogram and patience give nicer hunks, but follow rare lines past shorter ways.

use std::ops::Range;

use similar::algorithms::{Capture, diff_slices};
use similar::{Algorithm, DiffOp};

use super::every_way;

/// A place where a side differs from the base, in lines counted from 0. Between two changes lies at least one line that
/// both have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) base: Range<usize>,
    pub(super) side: Range<usize>,
}

/// The changes from `base` to `side`, from the top.
pub(super) fn changes(base: &[u32], side: &[u32]) -> Vec<Change> {
    let pairs = matches(base, side);
    let anchors = every_way::anchors(base, side, pairs.len()).unwrap_or_else(|| agreed(pairs, base, side));
    between(&anchors, base.len(), side.len())
}

/// The pairs that a diff from the front, which found `pairs`, and one from the back agree on.
fn agreed(pairs: Vec<(usize, usize)>, base: &[u32], side: &[u32]) -> Vec<(usize, usize)> {
    let backwards = |lines: &[u32]| lines.iter().rev().copied().collect::<Vec<_>>();
    let (base_back, side_back) = (backwards(base), backwards(side));
    let mut from_the_back: Vec<_> = settled(matches(&base_back, &side_back), &base_back, &side_back)
        .into_iter()
        .map(|(at, there)| (base.len() - 1 - at, side.len() - 1 - there))
        .collect();
    from_the_back.reverse();
    let mut others = from_the_back.iter().peekable();
    let mut anchors = settled(pairs, base, side);
    anchors.retain(|pair| {
        while others.next_if(|other| *other < pair).is_some() {}
        others.peek() == Some(&pair)
    });
    anchors
}

/// Those of a diff's pairs that none of its changes could reach by moving.
fn settled(mut pairs: Vec<(usize, usize)>, base: &[u32], side: &[u32]) -> Vec<(usize, usize)> {
    let found = between(&pairs, base.len(), side.len());
    let spread: Vec<Range<usize>> = (0..found.len())
        .map(|at| {
            let above = at.checked_sub(1).map_or(0, |at| found[at].base.end);
            let below = found.get(at + 1).map_or(base.len(), |next| next.base.start);
            spread(&found[at], base, side, above..below)
        })
        .collect();
    let mut spread = spread.iter().peekable();
    pairs.retain(|(at, _)| {
        while spread.next_if(|range| range.end <= *at).is_some() {}
        spread.peek().is_none_or(|range| *at < range.start)
    });
    pairs
}

/// Pairs of equal lines, in order, that a diff takes for the same line.
fn matches(base: &[u32], side: &[u32]) -> Vec<(usize, usize)> {
    let mut capture = Capture::new();
    let Ok(()) = diff_slices(Algorithm::Myers, &mut capture, base, side);
    let mut pairs = Vec::new();
    for op in capture.ops() {
        if let DiffOp::Equal { old_index, new_index, len } = *op {
            pairs.extend((old_index..old_index + len).zip(new_index..new_index + len));
        }
    }
    pairs
}

/// What lies between the anchors.
fn between(anchors: &[(usize, usize)], base_len: usize, side_len: usize) -> Vec<Change> {
    let mut changes = Vec::new();
    let (mut base_at, mut side_at) = (0, 0);
    for &(base, side) in anchors.iter().chain([&(base_len, side_len)]) {
        if base_at < base || side_at < side {
            changes.push(Change { base: base_at..base, side: side_at..side });
        }
        (base_at, side_at) = (base + 1, side + 1);
    }
    changes
}

/// The lines of the base that a change takes up, a pure insertion or deletion those of all the places within `room` where
/// it could stand as well.
fn spread(change: &Change, base: &[u32], side: &[u32], room: Range<usize>) -> Range<usize> {
    let (moving, block) = match (change.base.is_empty(), change.side.is_empty()) {
        (true, _) => (side, &change.side),
        (_, true) => (base, &change.base),
        _ => return change.base.clone(),
    };
    // The block moves up by one where the line above it equals its last, and down where the line below equals its first.
    let up = (1..=change.base.start - room.start)
        .take_while(|by| moving[block.start - by] == moving[block.end - by])
        .count();
    let down =
        (0..room.end - change.base.end).take_while(|by| moving[block.end + by] == moving[block.start + by]).count();
    change.base.start - up..change.base.end + down
}
