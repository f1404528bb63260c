//! Built-in checks at work: both sides of what a result changed are read, in parallel, and handed to a pure function.

use std::collections::BTreeSet;
use std::sync::Arc;

use rayon::prelude::*;

use super::builder::Builder;
use super::subject::Subject;
use crate::base::{BlobDigest, Entry, RelPath, Tree};
use crate::gates::{ChangedFile, CheckContext, Content, Judged, JudgedTask, Options, Part, Protected, check};
use crate::plan::{Check, GateDef, Level};
use crate::store::Root;

/// A larger file is not read: `integrity` refuses it long before.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Both sides of a result.
pub(super) struct Sides {
    /// The tree that the result changed.
    pub base: Tree,
    /// The tree with the result.
    pub result: Tree,
    /// Where they differ, read.
    pub changed: Vec<ChangedFile>,
    /// What no result may touch.
    pub protected: Protected,
}

impl Builder {
    /// Reads both sides of a result. `None` where a file of the result is no longer what it was.
    pub(super) fn sides(&self, gate: &GateDef, subject: &Subject<'_>, workspace: Option<&Root>) -> Option<Sides> {
        let base = self.resolver.base_tree(gate, subject);
        let result = self.resolver.judged_tree(gate, subject);
        let paths: BTreeSet<&RelPath> = base.keys().chain(result.keys()).collect();
        let differ: Vec<&RelPath> = paths.into_iter().filter(|path| base.get(*path) != result.get(*path)).collect();
        let side = |path: &RelPath, entry: Option<&Entry>| {
            let read = || self.judged_bytes(path, entry?, workspace);
            Content::of(entry, FILE_BYTES_MAX, read)
        };
        let read: Option<Vec<ChangedFile>> = differ
            .par_iter()
            .map(|path| {
                let after = side(path, result.get(*path));
                let is_lost = matches!(after, Content::Unread { size_bytes } if size_bytes <= FILE_BYTES_MAX);
                (!is_lost).then(|| ChangedFile::new((*path).clone(), side(path, base.get(*path)), after))
            })
            .collect();
        let changed = read?;
        let protected = self.resolver.protected(subject.task);
        Some(Sides { base, result, changed, protected })
    }

    /// Judges what can be judged without running anything.
    pub(super) fn check(
        &self,
        gate: &GateDef,
        which: Check,
        subject: &Subject<'_>,
        sides: &Sides,
        workspace: Option<&Root>,
    ) -> Vec<Part> {
        let read = |path: &RelPath| self.judged_bytes(path, sides.result.get(path)?, workspace);
        let judged = self.judged(subject, sides, &read);
        let level = gate.level.unwrap_or(Level::Standard);
        let options = Options::new(&gate.options);
        let database = options.get::<String>("database").map(|path| self.resolver.osv.get(&path));
        let database = database.as_ref().map(|found| found.as_deref().map_err(String::as_str));
        let mut parts = check(which, &judged, &CheckContext { options, level, database });
        // Where `tdd` judges as well, it is the one that speaks of tests.
        let speaks_twice =
            which == Check::Integrity && subject.task.is_some_and(|task| self.resolver.task(task).tdd.is_some());
        parts.retain(|part| !speaks_twice || part.name != "tests");
        parts
    }

    /// A result as checks see it.
    pub(super) fn judged<'a>(
        &'a self,
        subject: &Subject<'_>,
        sides: &'a Sides,
        read: &'a (dyn Fn(&RelPath) -> Option<Arc<[u8]>> + Sync),
    ) -> Judged<'a> {
        let task = subject.task.map(|ix| {
            let task = self.resolver.task(ix);
            JudgedTask {
                name: self.resolver.name(ix),
                outputs: &task.outputs,
                edits: &task.edits,
                may_change: &task.may_change,
            }
        });
        let Sides { base, result, changed, protected } = sides;
        Judged { task, base, result, changed: changed.clone(), protected, read }
    }

    /// The bytes of a judged file, from where the task has just left them, else from where they are kept.
    pub(super) fn judged_bytes(&self, path: &RelPath, entry: &Entry, workspace: Option<&Root>) -> Option<Arc<[u8]>> {
        let Entry::File { digest, size_bytes, .. } = entry else { return None };
        let fresh = workspace.and_then(|root| root.read(path, *size_bytes).ok());
        let fresh = fresh.filter(|bytes| BlobDigest::of(bytes) == *digest);
        fresh.or_else(|| self.content(path, entry)).map(Arc::from)
    }
}
