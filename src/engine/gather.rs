//! What a task needs of versions that lie neither in the project nor in what it keeps: in a fresh clone, of bases, that
//! only git's history has. Brought in before it is needed, so that whoever copies files knows nothing of history.

use super::builder::Builder;
use super::integrate::conflict;
use super::merging::lost;
use super::resolve::Keyed;
use super::session::EngineError;
use crate::base::{Entry, RelPath, Tree};
use crate::event::Failure;
use crate::graph::TaskIx;

impl Builder {
    /// Makes sure that the content of edited files in a tree is at hand. Answers the first path whose content is nowhere.
    pub(super) fn gather(&self, tree: &Tree) -> Result<Option<RelPath>, EngineError> {
        let resolver = &self.resolver;
        let edited = tree.iter().filter(|(path, _)| resolver.ledger.provenance(path).is_some());
        let mut lost = None;
        for (path, entry) in edited {
            if resolver.on_disk(path)?.as_ref() != Some(entry) && !self.bring(path, entry)? {
                lost.get_or_insert_with(|| path.clone());
            }
        }
        Ok(lost)
    }

    /// Why a task cannot run, or should not be paid for.
    pub(super) fn out_of_reach(&self, task: TaskIx, keyed: &Keyed) -> Result<Option<Failure>, EngineError> {
        match self.gather(&keyed.context.view)? {
            Some(path) => Ok(Some(conflict(lost(&path), Vec::new()))),
            None => self.hopeless(task),
        }
    }

    /// Why a task should not be paid for: what others made of a file that it changes, too, is nowhere to be had, so that
    /// its new result could not be put together with theirs.
    fn hopeless(&self, task: TaskIx) -> Result<Option<Failure>, EngineError> {
        let resolver = &self.resolver;
        let name = resolver.name(task);
        for path in resolver.ledger.changes_by(name).keys() {
            let others = resolver.ledger.changes_at(path).into_iter().filter(|(other, _)| other != name);
            for (_, change) in others {
                for entry in [change.base, change.result].into_iter().flatten() {
                    if !self.bring(path, &entry)? {
                        return Ok(Some(conflict(lost(path), Vec::new())));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Whether the content of an entry is at hand, now if not before.
    fn bring(&self, path: &RelPath, entry: &Entry) -> Result<bool, EngineError> {
        let kept = self.resolver.kept.as_ref().expect("a build keeps what it needs");
        let Entry::File { digest, .. } = entry else { return Ok(true) };
        if kept.has(digest) {
            return Ok(true);
        }
        match self.resolver.contents().read(path, digest)? {
            Some(bytes) => kept.put_bytes(&bytes).map(|_| true).map_err(EngineError::from),
            None => Ok(false),
        }
    }
}
