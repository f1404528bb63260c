//! Placing: what a plan of integration says is to be at which path, put there; and what a kill left of that.
//!
//! ```text
//! pending, on record ──> staged aside, on the disk ──> exchanged ──> settled, on record ──> what came out goes
//! ```
//!
//! INVARIANT: nothing that a person wrote goes before the record says that it was merged.

use std::collections::{BTreeMap, BTreeSet};

use super::builder::Builder;
use super::merging::lost;
use super::resolve::Resolver;
use super::session::EngineError;
use crate::base::RelPath;
use crate::store::{Exchange, Placing, Provenance, Root};

/// From this many files on, it is quicker to write the whole file system through to the disk than each of them.
const BATCH_FILES_MIN: usize = 16;

impl Builder {
    /// Writes the paths that are pending; answers those that are written, with the record settled for them.
    pub(super) fn place_all(&self, placing: &BTreeMap<RelPath, Provenance>) -> Result<BTreeSet<RelPath>, EngineError> {
        let resolver = &self.resolver;
        let kept = resolver.kept.as_ref().expect("a build keeps what it needs");
        let is_batch = placing.len() >= BATCH_FILES_MIN;
        let mut placed = BTreeSet::new();
        let mut settled = BTreeMap::new();
        let pending = |path: &RelPath| placing[path].pending.as_ref().expect("what is to be placed is pending");
        let staged = |path: &RelPath| {
            let Placing { before, after, .. } = pending(path);
            resolver.stat_cache.forget(path);
            self.project.stage_exchange(path, before.as_ref(), after.as_ref(), kept, !is_batch)
        };
        let mut ready = BTreeSet::new();
        for path in placing.keys() {
            match staged(path)? {
                Exchange::Done => drop(ready.insert(path)),
                Exchange::Disturbed => {}
                Exchange::Lost => return Err(EngineError::World(lost(path))),
            }
        }
        if is_batch {
            self.project.sync()?;
        }
        // What goes makes room for what comes.
        let (going, coming): (Vec<_>, Vec<_>) = placing.keys().partition(|path| pending(path).after.is_none());
        for path in going.into_iter().rev().chain(coming) {
            let Placing { before, after, .. } = pending(path);
            let begun = match ready.contains(path) {
                true => self.project.begin_exchange(path, before.as_ref(), after.as_ref())?,
                false => Exchange::Disturbed,
            };
            if begun == Exchange::Done {
                placed.insert(path.clone());
            }
            settled.insert(path.clone(), self.settled(&placing[path], begun, path));
        }
        self.settle(&settled)?;
        let mut disturbed = BTreeMap::new();
        for path in &placed {
            let Placing { before, after, .. } = pending(path);
            let ended = self.project.end_exchange(path, before.as_ref(), after.as_ref())?;
            if ended == Exchange::Disturbed {
                disturbed.insert(path.clone(), self.settled(&placing[path], ended, path));
            }
        }
        if !disturbed.is_empty() {
            self.settle(&disturbed)?;
            placed.retain(|path| !disturbed.contains_key(path));
        }
        Ok(placed)
    }

    /// The provenance of a path after an exchange.
    fn settled(&self, before: &Provenance, exchanged: Exchange, path: &RelPath) -> Option<Provenance> {
        let placed = match (&before.pending, exchanged) {
            (Some(pending), Exchange::Done) => pending.placed.clone(),
            _ => before.placed.clone(),
        };
        let is_source = placed == before.base && self.resolver.ledger.changes_at(path).is_empty();
        (!is_source).then(|| Provenance { base: before.base.clone(), placed, pending: None })
    }

    fn settle(&self, paths: &BTreeMap<RelPath, Option<Provenance>>) -> Result<(), EngineError> {
        self.resolver.ledger.with_journal(|journal| journal.settle(paths))?;
        self.resolver.ledger.note_provenance(paths);
        Ok(())
    }
}

/// What a build that was killed had begun to place: looked at, and put on record as it is. Answers what to tell.
pub(super) fn recover(resolver: &Resolver, project: &Root) -> Result<Vec<String>, EngineError> {
    let mut settled = BTreeMap::new();
    let mut rescued = Vec::new();
    for (path, known) in resolver.ledger.edited() {
        let Some(pending) = &known.pending else { continue };
        let recovered = project.recover_exchange(&path, pending.before.as_ref(), pending.after.as_ref())?;
        resolver.stat_cache.forget(&path);
        rescued.extend(recovered.rescued);
        let placed = if recovered.was_made { &pending.placed } else { &known.placed };
        let now = Provenance { base: known.base.clone(), placed: placed.clone(), pending: None };
        settled.insert(path, Some(now));
    }
    if !settled.is_empty() {
        resolver.ledger.with_journal(|journal| journal.settle(&settled))?;
        resolver.ledger.note_provenance(&settled);
    }
    let kept = resolver.kept.as_ref().expect("a build keeps what it needs");
    rescued.extend(project.clear_exchanges(kept)?);
    let told = |at: RelPath| format!("somebody saved a file while a build was killed; that version is kept as `{at}`");
    Ok(rescued.into_iter().map(told).collect())
}
