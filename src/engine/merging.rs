//! Merging entries: what `merge` does for bytes, done for what trees and records name by digest. Answers are remembered,
//! since the same three versions meet again in the view of every task behind them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use super::git_history::GitHistory;
use super::session::EngineError;
use crate::base::{BlobDigest, Change, Entry, RelPath};
use crate::graph::TaskIx;
use crate::merge::{Conflict, Limits, Merged, Side, merge};
use crate::store::{Delta, Kept, MergeFact, Root, Store, merge_key, undelta};

/// The longest file that is read to be merged; a longer one is a conflict unless only one side changed it.
pub(super) const FILE_BYTES_MAX: u64 = 64 << 20;

/// Where content is found.
#[derive(Clone, Copy)]
pub(super) struct Contents<'a> {
    /// What the project keeps.
    pub kept: Option<&'a Kept>,
    /// The cache.
    pub store: Option<&'a Store>,
    /// The project itself, where the file may still be what is looked for.
    pub project: &'a Root,
    /// Versions that the lock has as differences, where there is a lock at hand.
    pub deltas: Option<&'a BTreeMap<BlobDigest, Delta>>,
    /// What was committed, where it may be asked for; the last resort.
    pub history: Option<&'a GitHistory>,
}

impl Contents<'_> {
    /// The bytes of a file's entry; `None` where they are nowhere to be had any more.
    pub(super) fn read(&self, path: &RelPath, digest: &BlobDigest) -> Result<Option<Vec<u8>>, EngineError> {
        if let Some(bytes) = self.read_near(path, digest)? {
            return Ok(Some(bytes));
        }
        let found = self.deltas.and_then(|deltas| deltas.get(digest)).and_then(|delta| {
            let from = self.read_near(path, &delta.from).ok().flatten();
            let from = from.or_else(|| self.history?.find(path, &delta.from))?;
            undelta(&from, &delta.zstd).filter(|bytes| BlobDigest::of(bytes) == *digest)
        });
        Ok(found.or_else(|| self.history?.find(path, digest)))
    }

    /// The bytes of a file's entry, unless only the history has them.
    fn read_near(&self, path: &RelPath, digest: &BlobDigest) -> Result<Option<Vec<u8>>, EngineError> {
        if let Some(bytes) = self.kept.map_or(Ok(None), |kept| kept.read(digest))? {
            return Ok(Some(bytes));
        }
        if let Some(store) = self.store.filter(|store| store.has(digest))
            && let Some(bytes) = store.read(digest)?
        {
            return Ok(Some(bytes));
        }
        let on_disk = self.project.read(path, FILE_BYTES_MAX).ok();
        Ok(on_disk.filter(|bytes| BlobDigest::of(bytes) == *digest))
    }
}

/// What three versions of a path come to.
#[derive(Debug, Clone)]
pub(super) enum Combined {
    /// This.
    Entry(Option<Entry>),
    /// They clash.
    Clash(Conflict),
    /// The content of one of them is nowhere to be had any more.
    Lost,
}

type Three = (Option<Entry>, Option<Entry>, Option<Entry>);

/// A task's change that cannot be put on top of what the tasks before it made of the path.
#[derive(Debug, Clone)]
pub(super) struct Clash {
    /// The task whose change it is.
    pub with: TaskIx,
    /// How the two clash.
    pub conflict: Conflict,
}

/// What became of folding changes.
#[derive(Debug, Clone)]
pub(super) enum Folded {
    /// This entry.
    Entry(Option<Entry>),
    /// One of them clashes with those before it.
    Clash(Clash),
    /// The content of a version is nowhere to be had any more.
    Lost,
}

/// Merges, and remembers.
#[derive(Debug, Default)]
pub struct Merging {
    known: Mutex<HashMap<Three, Combined>>,
    used: Mutex<HashSet<Three>>,
    /// What merges came to, by `orca.lock`: of versions whose content may be nowhere to be had.
    locked: BTreeMap<BlobDigest, Option<Entry>>,
    /// What merges came to where nothing may be written: later ones start from it.
    unwritten: Mutex<HashMap<BlobDigest, Arc<[u8]>>>,
}

impl Merging {
    /// Starts with what is on record.
    #[must_use]
    pub fn knowing(facts: Vec<MergeFact>) -> Self {
        let known = facts.into_iter().map(|fact| ((fact.base, fact.ours, fact.theirs), Combined::Entry(fact.merged)));
        Self { known: Mutex::new(known.collect()), ..Self::default() }
    }

    /// With what a lock says that merges came to, too.
    #[must_use]
    pub fn believing(self, locked: BTreeMap<BlobDigest, Option<Entry>>) -> Self {
        Self { locked, ..self }
    }

    /// What was asked for and could be merged, in a fixed order: what is to be on record.
    #[must_use]
    pub fn facts(&self) -> Vec<MergeFact> {
        let (known, used) = (self.known.lock().expect("no holder panics"), self.used.lock().expect("no holder panics"));
        let fact = |three: &Three| match &known[three] {
            Combined::Entry(merged) => {
                let (base, ours, theirs) = three.clone();
                Some(MergeFact { base, ours, theirs, merged: merged.clone() })
            }
            Combined::Clash(_) | Combined::Lost => None,
        };
        let mut facts: Vec<MergeFact> = used.iter().filter_map(fact).collect();
        facts.sort_by_cached_key(|fact| serde_json::to_string(fact).expect("plain data"));
        facts
    }

    /// What `ours` and `theirs` made of `base`. New content goes into what the project keeps; where nothing may be
    /// written, its entry is right all the same.
    pub(super) fn combine(
        &self,
        contents: Contents<'_>,
        path: &RelPath,
        [base, ours, theirs]: [Option<&Entry>; 3],
    ) -> Result<Combined, EngineError> {
        if theirs == base || ours == theirs {
            return Ok(Combined::Entry(ours.cloned()));
        }
        if ours == base {
            return Ok(Combined::Entry(theirs.cloned()));
        }
        let three = (base.cloned(), ours.cloned(), theirs.cloned());
        if let Some(known) = self.known.lock().expect("no holder panics").get(&three) {
            self.used.lock().expect("no holder panics").insert(three);
            return Ok(known.clone());
        }
        let versions = [base, ours, theirs];
        // Merged here where that is easy: then the new content is at hand as well, and not its digest alone.
        let combined = match self.locked.get(&merge_key(versions)) {
            Some(fact) => {
                match self.combine_anew(
                    &|path, digest| contents.read_near(path, digest),
                    contents.kept,
                    path,
                    versions,
                )? {
                    Combined::Lost => Combined::Entry(fact.clone()),
                    combined => combined,
                }
            }
            None => self.combine_anew(&|path, digest| contents.read(path, digest), contents.kept, path, versions)?,
        };
        if !matches!(combined, Combined::Lost) {
            self.known.lock().expect("no holder panics").insert(three.clone(), combined.clone());
            self.used.lock().expect("no holder panics").insert(three);
        }
        Ok(combined)
    }

    /// Whether a merge came to this where nothing may be written.
    pub(super) fn has_unwritten(&self, digest: &BlobDigest) -> bool {
        self.unwritten.lock().expect("no holder panics").contains_key(digest)
    }

    fn combine_anew(
        &self,
        read: Reader<'_>,
        kept: Option<&Kept>,
        path: &RelPath,
        versions: [Option<&Entry>; 3],
    ) -> Result<Combined, EngineError> {
        let mut bytes: [Vec<u8>; 3] = Default::default();
        for (bytes, entry) in bytes.iter_mut().zip(versions) {
            if let Some(Entry::File { digest, .. }) = entry {
                let unwritten =
                    self.unwritten.lock().expect("no holder panics").get(digest).map(|bytes| bytes.to_vec());
                match unwritten.map_or_else(|| read(path, digest), |bytes| Ok(Some(bytes)))? {
                    Some(found) => *bytes = found,
                    None => return Ok(Combined::Lost),
                }
            }
        }
        let [base, ours, theirs] = [0, 1, 2].map(|at| side(versions[at], &bytes[at]));
        Ok(match merge(base, ours, theirs, Limits::default()) {
            Merged::Ours => Combined::Entry(versions[1].cloned()),
            Merged::Theirs => Combined::Entry(versions[2].cloned()),
            Merged::Content { bytes, executable } => {
                let digest = match kept.filter(|kept| !kept.is_read_only()) {
                    Some(kept) => kept.put_bytes(&bytes)?,
                    None => {
                        let digest = BlobDigest::of(&bytes);
                        self.unwritten.lock().expect("no holder panics").insert(digest, Arc::from(&*bytes));
                        digest
                    }
                };
                Combined::Entry(Some(Entry::File { digest, size_bytes: bytes.len() as u64, executable }))
            }
            Merged::Conflict(conflict) => Combined::Clash(conflict),
        })
    }

    /// Folds changes of one path over each other, in the order given. `start` is what the first of them changed.
    pub(super) fn fold<'c>(
        &self,
        contents: Contents<'_>,
        path: &RelPath,
        start: Option<&Entry>,
        changes: impl Iterator<Item = (TaskIx, &'c Change)>,
    ) -> Result<Folded, EngineError> {
        let mut current = start.cloned();
        for (task, change) in changes {
            let versions = [change.base.as_ref(), current.as_ref(), change.result.as_ref()];
            match self.combine(contents, path, versions)? {
                Combined::Entry(entry) => current = entry,
                Combined::Clash(conflict) => return Ok(Folded::Clash(Clash { with: task, conflict })),
                Combined::Lost => return Ok(Folded::Lost),
            }
        }
        Ok(Folded::Entry(current))
    }

    /// As [`Merging::fold`], with what each merge on the way came to, by [`merge_key`]; as far as it gets.
    pub(super) fn steps<'c>(
        &self,
        contents: Contents<'_>,
        path: &RelPath,
        changes: impl Iterator<Item = &'c Change>,
        steps: &mut BTreeMap<BlobDigest, Option<Entry>>,
    ) -> Result<Option<Option<Entry>>, EngineError> {
        let mut current: Option<Option<Entry>> = None;
        for change in changes {
            let ours = current.unwrap_or_else(|| change.base.clone());
            let versions = [change.base.as_ref(), ours.as_ref(), change.result.as_ref()];
            let Combined::Entry(entry) = self.combine(contents, path, versions)? else { return Ok(None) };
            let [base, ours, theirs] = versions;
            if base != ours && base != theirs && ours != theirs {
                steps.insert(merge_key(versions), entry.clone());
            }
            current = Some(entry);
        }
        Ok(current)
    }
}

type Reader<'a> = &'a dyn Fn(&RelPath, &BlobDigest) -> Result<Option<Vec<u8>>, EngineError>;

fn side<'a>(entry: Option<&'a Entry>, bytes: &'a [u8]) -> Side<'a> {
    match entry {
        None => Side::Absent,
        Some(Entry::File { executable, .. }) => Side::File { bytes, executable: *executable },
        Some(Entry::Symlink { target }) => Side::Symlink { target },
        Some(Entry::EmptyDir) => Side::EmptyDir,
    }
}

/// What there is to say where no version of a file's content can be found.
pub(super) fn lost(path: &RelPath) -> String {
    format!(
        "an earlier version of `{path}` is neither in .orca/kept, nor in the cache, nor in git's history; `orca rebase` \
         makes the present one the base"
    )
}
