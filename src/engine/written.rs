//! What a run writes over what, noted before it is written, with the contents kept that undoing it needs.

use std::collections::BTreeMap;

use super::merging::Combined;
use super::resolve::Resolver;
use super::session::EngineError;
use crate::base::{Entry, RelPath, TaskName, Tree};
use crate::event::RunId;
use crate::store::{FormerOutput, Provenance, Root, StoreError, Written};

impl Resolver {
    /// What the run does to a path, all of it: where it wrote the path before, what was there before that counts, together
    /// with what a person made of it in between.
    pub(super) fn written(
        &self,
        run: RunId,
        task: &TaskName,
        path: &RelPath,
        before: Option<Entry>,
        after: Option<Entry>,
    ) -> Result<Written, EngineError> {
        let task = task.clone();
        let Some(earlier) = self.ledger.with_journal(|journal| journal.written_at(run, path))?.flatten() else {
            let provenance = self.ledger.provenance(path).map(|known| Provenance { pending: None, ..known });
            let changes = self.ledger.changes_at(path);
            return Ok(Written { before, after, provenance, changes, task, output: None });
        };
        let before = match earlier.after == before {
            true => earlier.before.clone(),
            false => {
                let versions = [earlier.after.as_ref(), before.as_ref(), earlier.before.as_ref()];
                match self.merging.combine(self.contents(), path, versions)? {
                    Combined::Entry(entry) => entry,
                    // Rather too little is taken back than a person's edit.
                    Combined::Clash(_) | Combined::Lost => before,
                }
            }
        };
        Ok(Written { before, after, task, ..earlier })
    }

    /// Notes what publishing an agent's outputs does: for each path what is there, and what will be. `earlier` is what its
    /// last result had put there.
    pub(super) fn note_outputs_written(
        &self,
        run: RunId,
        project: &Root,
        task: &TaskName,
        earlier: &Tree,
        paths: impl Iterator<Item = (RelPath, Option<Entry>, Option<Entry>)>,
    ) -> Result<(), EngineError> {
        let mut written = BTreeMap::new();
        for (path, before, after) in paths {
            let former = FormerOutput { task: task.clone(), entry: earlier.get(&path).cloned() };
            let row = self.written(run, task, &path, before, after)?;
            let output = row.output.or(Some(former));
            written.insert(path, Written { output, ..row });
        }
        if written.is_empty() {
            return Ok(());
        }
        let found: Tree = written.iter().filter_map(|(path, row)| Some((path.clone(), row.before.clone()?))).collect();
        self.keep_found(project, &found)?;
        for (path, row) in &written {
            row.after.iter().try_for_each(|entry| self.keep(path, entry))?;
        }
        Ok(self.ledger.with_journal(|journal| journal.put_written(run, &written)).map(drop)?)
    }

    /// Keeps what lies in the project, before something else takes its place. What is not any more what was found there
    /// is looked at again by whoever puts something in its place.
    pub(super) fn keep_found(&self, project: &Root, found: &Tree) -> Result<(), EngineError> {
        let Some(kept) = &self.kept else { return Ok(()) };
        let missing: Tree = found
            .iter()
            .filter(|(_, entry)| !kept.has_entry(entry))
            .map(|(path, entry)| (path.clone(), entry.clone()))
            .collect();
        match kept.ingest(project, &missing) {
            Err(StoreError::Changed { .. }) => Ok(()),
            Err(error) if error.is_absence() => Ok(()),
            other => Ok(other?),
        }
    }

    /// Makes sure that an entry's content is kept, wherever it still is.
    pub(super) fn keep(&self, path: &RelPath, entry: &Entry) -> Result<(), EngineError> {
        if let (Entry::File { digest, .. }, Some(kept)) = (entry, &self.kept)
            && !kept.has(digest)
            && let Some(bytes) = self.contents().read(path, digest)?
        {
            kept.put_bytes(&bytes)?;
        }
        Ok(())
    }
}
