//! The merge of three texts, line by line *(Khanna, Kunal, Pierce: A Formal Investigation of Diff3)*.
//!
//! ```text
//!  base     1 2 3 4 5 6 7 8
//!  ours         ^           one side only: its lines
//!  theirs             ^ ^   one side only: its lines
//!  both     ^               same lines: once; else: a conflict
//! ```
//!
//! Changes of the two sides that overlap or touch are one place, as in git: without a line between them that both sides
//! left alone, neither can be known to hold beside the other.

use std::ops::Range;

use super::alignment::{Change, changes};
use super::lines::{Interner, split};

/// A place where the sides clash, in lines counted from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clash {
    pub(super) base: Range<usize>,
    pub(super) ours: Range<usize>,
    pub(super) theirs: Range<usize>,
}

/// Three texts cut into lines.
pub(super) struct Texts<'a> {
    pub(super) base: Vec<&'a [u8]>,
    pub(super) ours: Vec<&'a [u8]>,
    pub(super) theirs: Vec<&'a [u8]>,
}

impl<'a> Texts<'a> {
    pub(super) fn new(base: &'a [u8], ours: &'a [u8], theirs: &'a [u8]) -> Self {
        Self { base: split(base), ours: split(ours), theirs: split(theirs) }
    }

    /// The merged text, or every clash.
    pub(super) fn merge(&self) -> Result<Vec<u8>, Vec<Clash>> {
        let mut interner = Interner::default();
        let base = interner.numbers(&self.base);
        let ours = changes(&base, &interner.numbers(&self.ours));
        let theirs = changes(&base, &interner.numbers(&self.theirs));
        let mut merged = Vec::new();
        let mut clashes = Vec::new();
        let mut done = 0;
        for place in places(&ours, &theirs) {
            append(&mut merged, &self.base[done..place.base.start]);
            done = place.base.end;
            let of_ours = place.ours.map(|range| (range.clone(), &self.ours[range]));
            let of_theirs = place.theirs.map(|range| (range.clone(), &self.theirs[range]));
            match (of_ours, of_theirs) {
                (Some((ours, here)), Some((theirs, there))) if here != there => {
                    clashes.push(self.narrowed(Clash { base: place.base, ours, theirs }));
                }
                (Some((_, lines)), _) | (None, Some((_, lines))) => append(&mut merged, lines),
                (None, None) => unreachable!("a place is where one side changed something"),
            }
        }
        append(&mut merged, &self.base[done..]);
        if clashes.is_empty() { Ok(merged) } else { Err(clashes) }
    }

    /// Without the lines at its edges that all three have: they are there because a change could as well stand there.
    fn narrowed(&self, mut clash: Clash) -> Clash {
        let room = |clash: &Clash| clash.base.len().min(clash.ours.len()).min(clash.theirs.len());
        while room(&clash) > 0
            && self.base[clash.base.start] == self.ours[clash.ours.start]
            && self.base[clash.base.start] == self.theirs[clash.theirs.start]
        {
            clash.base.start += 1;
            clash.ours.start += 1;
            clash.theirs.start += 1;
        }
        while room(&clash) > 0
            && self.base[clash.base.end - 1] == self.ours[clash.ours.end - 1]
            && self.base[clash.base.end - 1] == self.theirs[clash.theirs.end - 1]
        {
            clash.base.end -= 1;
            clash.ours.end -= 1;
            clash.theirs.end -= 1;
        }
        clash
    }
}

fn append(merged: &mut Vec<u8>, lines: &[&[u8]]) {
    for line in lines {
        merged.extend_from_slice(line);
    }
}

/// A stretch of the base that changes, and what stands there on the sides that changed it.
struct Place {
    base: Range<usize>,
    ours: Option<Range<usize>>,
    theirs: Option<Range<usize>>,
}

/// The changes of both sides, those that touch taken together.
fn places(ours: &[Change], theirs: &[Change]) -> Vec<Place> {
    let (mut ours, mut theirs) = (ours, theirs);
    let mut places = Vec::new();
    while let Some(start) = ours.first().into_iter().chain(theirs.first()).map(|change| change.base.start).min() {
        let (mut end, mut of_ours, mut of_theirs) = (start, 0, 0);
        // INVARIANT: the changes of one side never touch each other, so a place grows by turns and ends.
        loop {
            let touches = |change: &&Change| change.base.start <= end;
            if let Some(change) = ours.get(of_ours).filter(touches) {
                (of_ours, end) = (of_ours + 1, end.max(change.base.end));
            } else if let Some(change) = theirs.get(of_theirs).filter(touches) {
                (of_theirs, end) = (of_theirs + 1, end.max(change.base.end));
            } else {
                break;
            }
        }
        places.push(Place {
            base: start..end,
            ours: stretch(&ours[..of_ours], start..end),
            theirs: stretch(&theirs[..of_theirs], start..end),
        });
        (ours, theirs) = (&ours[of_ours..], &theirs[of_theirs..]);
    }
    places
}

/// The lines of a side that stand where `base` stood.
fn stretch(changes: &[Change], base: Range<usize>) -> Option<Range<usize>> {
    let (first, last) = (changes.first()?, changes.last()?);
    Some(first.side.start - (first.base.start - base.start)..last.side.end + (base.end - last.base.end))
}
