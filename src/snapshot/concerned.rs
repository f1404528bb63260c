//! Which part of a plan some changed files concern, found by one pass over the numbers of a cold part.
//!
//! D is every task whose sources or outputs changed, every task that is not settled, and all that wait for one of those. B is
//! what D waits for directly, and is not in D: results that are there, and are taken as they are on record.

use std::ops::Range;

use super::cold::{ColdPlan, FileIx};
use super::cold_form::ColdView;
use super::patch::Overlay;
use crate::base::RelPath;

/// A part of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Concerned {
    /// D: the tasks to look at, in plan order.
    pub dirty: Vec<u32>,
    /// The layer of each of them in the whole graph, from 0.
    pub layers: Vec<u32>,
    /// B: what they wait for, in plan order.
    pub beneath: Vec<u32>,
    /// How many layers the whole graph has.
    pub layers_in_all: u32,
    /// What the tasks that are not looked at had taken, in milliseconds.
    pub saved_ms: u64,
}

/// Whether a task was met that a changed file concerns.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Met(bool);

/// A file of the plan, and what to leave out of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cuts {
    /// Where it is.
    pub path: RelPath,
    /// Ranges of bytes, ascending; neighbours are one.
    pub ranges: Vec<Range<usize>>,
    digest: u128,
}

impl Cuts {
    /// The text without what is to be left out; `None` where it is not the text that the cuts were made for.
    #[must_use]
    pub fn of(&self, text: &str) -> Option<String> {
        if ColdPlan::digest_of(text) != self.digest {
            return None;
        }
        let cut: usize = self.ranges.iter().map(ExactSizeIterator::len).sum();
        let mut left = String::with_capacity(text.len().saturating_sub(cut));
        let mut from = 0;
        for range in &self.ranges {
            left.push_str(text.get(from..range.start)?);
            from = range.end;
        }
        left.push_str(text.get(from..)?);
        Some(left)
    }
}

impl ColdView<'_> {
    /// The part that these files concern; `None` where one of them concerns no task, or the bytes are not what an orca wrote.
    #[must_use]
    pub fn concerned(&self, changed: &[FileIx], overlay: &Overlay) -> Option<Concerned> {
        let mut is_changed = vec![None; self.file_count() as usize];
        for file in changed {
            *is_changed.get_mut(file.0 as usize)? = Some(Met(false));
        }
        let tasks = self.task_count();
        let mut is_dirty = vec![false; tasks as usize];
        let mut is_beneath = vec![false; tasks as usize];
        let mut layer = vec![0u32; tasks as usize];
        let mut part = Concerned::default();
        for at in 0..tasks {
            let refs = self.refs(at)?;
            let known = overlay.task(at);
            let mut dirty = !known.map_or(refs.is_settled, |known| known.is_settled);
            for file in refs.sources.iter().chain(refs.outputs) {
                if let Some(met) = is_changed.get_mut(u32::from_le_bytes(*file) as usize)? {
                    (dirty, *met) = (true, Met(true));
                }
            }
            let deps = || refs.deps.iter().map(|dep| u32::from_le_bytes(*dep));
            for dep in deps() {
                // Plan order: what a task waits for stands before it.
                if dep >= at {
                    return None;
                }
                dirty |= is_dirty[dep as usize];
                layer[at as usize] = layer[at as usize].max(layer[dep as usize] + 1);
            }
            part.layers_in_all = part.layers_in_all.max(layer[at as usize] + 1);
            if dirty {
                is_dirty[at as usize] = true;
                part.dirty.push(at);
                part.layers.push(layer[at as usize]);
                deps().for_each(|dep| is_beneath[dep as usize] = true);
            } else {
                part.saved_ms += u64::from(known.map_or(refs.saved_ms, |known| known.saved_ms));
            }
        }
        let beneath = (0..tasks).filter(|at| is_beneath[*at as usize] && !is_dirty[*at as usize]);
        part.beneath = beneath.collect();
        is_changed.iter().all(|met| *met != Some(Met(false))).then_some(part)
    }

    /// What to leave out of the text of each of the plan's files, root first, so that of the tasks' tables only those of these
    /// tasks are left.
    #[must_use]
    pub fn cuts(&self, tasks: impl Iterator<Item = u32>) -> Option<Vec<Cuts>> {
        let mut is_kept = vec![false; self.stem_count()];
        for stem in tasks.filter_map(|at| self.stem(at)) {
            *is_kept.get_mut(stem as usize)? = true;
        }
        let mut all = Vec::new();
        for plan in self.plans()? {
            let mut ranges: Vec<Range<usize>> = Vec::new();
            for (stem, start, end) in plan.pieces() {
                if *is_kept.get(stem as usize)? {
                    continue;
                }
                let (start, end) = (start as usize, end as usize);
                match ranges.last_mut() {
                    Some(last) if last.end == start => last.end = end,
                    Some(last) if last.end > start => return None,
                    _ => ranges.push(start..end),
                }
            }
            all.push(Cuts { path: plan.path, ranges, digest: plan.digest });
        }
        Some(all)
    }
}
