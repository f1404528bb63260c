//! What a task's result changed, and what a person changed since: the difference of two entries, path by path, in git's form.
//! Content is read wherever it still is; where it is nowhere, the path is named and not compared.

use serde::{Serialize, Serializer};

use super::look::{Look, Seen};
use super::merging::Contents;
use super::patch::compared;
use super::session::EngineError;
use super::standing::Standing;
use crate::base::{Changes, Entry, RelPath, TaskName, Tree};
use crate::graph::TaskIx;

/// The difference of two entries at a path.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// The path.
    pub path: RelPath,
    /// `created`, `changed` or `removed`.
    pub change: &'static str,
    /// Lines that came; 0 where the difference is not one of lines.
    pub added: u64,
    /// Lines that went.
    pub removed: u64,
    /// In git's form, as bytes, since the lines are those of the files; a remark where it cannot be told in lines.
    #[serde(serialize_with = "as_text")]
    pub patch: Vec<u8>,
}

/// What a result changed.
#[derive(Debug, Clone, Serialize)]
pub struct TaskDifference {
    /// The task.
    pub task: TaskName,
    /// `accepted`: it is in the project. `candidate`: it is not, and the next build puts it there if it can. `awaits-approval`:
    /// a person must accept it first. `not-judged`: gates must judge it first. `refused`: it may not be put there: a gate is
    /// red, or a person rejected it. `earlier`: it is in the project, and the task is due again.
    pub result: &'static str,
    /// Path by path.
    pub files: Vec<Difference>,
}

fn as_text<S: Serializer>(patch: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(patch))
}

/// The difference from `old` to `new`; `None` where there is none.
pub(super) fn difference(
    contents: Contents<'_>,
    path: &RelPath,
    old: Option<&Entry>,
    new: Option<&Entry>,
) -> Result<Option<Difference>, EngineError> {
    if old == new {
        return Ok(None);
    }
    let read = |entry: Option<&Entry>| match entry {
        Some(Entry::File { digest, .. }) => contents.read(path, digest),
        _ => Ok(None),
    };
    let (before, after) = (read(old)?, read(new)?);
    let patch = compared(path, (old, before.as_deref()), (new, after.as_deref()));
    let (added, removed) = count_lines(&patch);
    let change = match (old, new) {
        (None, _) => "created",
        (_, None) => "removed",
        _ => "changed",
    };
    Ok(Some(Difference { path: path.clone(), change, added, removed, patch }))
}

/// The differences that a result makes: from the base of each of its edits, and from what `before` says of each of its outputs.
pub(super) fn differences(
    contents: Contents<'_>,
    edits: &Changes,
    outputs: &Tree,
    before: &Tree,
) -> Result<Vec<Difference>, EngineError> {
    let mut all = Vec::new();
    for (path, change) in edits {
        all.extend(difference(contents, path, change.base.as_ref(), change.result.as_ref())?);
    }
    let gone = before.keys().filter(|path| !outputs.contains_key(*path));
    for path in outputs.keys().chain(gone) {
        all.extend(difference(contents, path, before.get(path), outputs.get(path))?);
    }
    all.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(all)
}

/// The lines of a patch that came, and those that went.
fn count_lines(patch: &[u8]) -> (u64, u64) {
    let (mut added, mut removed) = (0, 0);
    let mut is_in_hunk = false;
    for line in patch.split(|byte| *byte == b'\n') {
        match line.first() {
            Some(b'@') => is_in_hunk = true,
            Some(b'd') => is_in_hunk = false,
            Some(b'+') if is_in_hunk => added += 1,
            Some(b'-') if is_in_hunk => removed += 1,
            _ => {}
        }
    }
    (added, removed)
}

impl Look {
    /// What the task's result changed: the result on record, or the one that is not in the project. `None` if there is none.
    pub fn difference(&self, ix: TaskIx) -> Result<Option<TaskDifference>, EngineError> {
        let ledger = &self.resolver.ledger;
        let name = self.name(ix);
        let of_candidate = |result: &'static str, edits: &Changes, outputs: &Tree| {
            // What the next build would replace, so that the difference is one to what is there.
            let before = ledger.published_by(name);
            self.told(ix, result, edits, outputs, &before)
        };
        match self.seen(ix) {
            Seen::Known(_, Standing::Clean(reused)) if reused.recorded => {
                return self.told(ix, "accepted", &reused.edits, &reused.outputs, &Tree::new());
            }
            Seen::Known(_, Standing::Clean(reused)) => {
                return of_candidate("candidate", &reused.edits, &reused.outputs);
            }
            Seen::Known(_, Standing::Held(reused)) => {
                return of_candidate("awaits-approval", &reused.edits, &reused.outputs);
            }
            Seen::Known(_, Standing::Judge(reused, _)) => {
                return of_candidate("not-judged", &reused.edits, &reused.outputs);
            }
            Seen::Known(keyed, standing) => {
                let result = if matches!(standing, Standing::Conflict(_)) { "candidate" } else { "refused" };
                if let Some(found) = self.resolver.cached(&keyed.key) {
                    return of_candidate(result, &found.edits, &found.outputs);
                }
            }
            Seen::Impossible(..) | Seen::Waits(_) | Seen::Hopeless(_) => {}
        }
        if !ledger.task(name).is_some_and(|record| record.accepted) {
            return Ok(None);
        }
        self.told(ix, "earlier", &ledger.changes_by(name), &ledger.outputs(name), &Tree::new())
    }

    fn told(
        &self,
        ix: TaskIx,
        result: &'static str,
        edits: &Changes,
        outputs: &Tree,
        before: &Tree,
    ) -> Result<Option<TaskDifference>, EngineError> {
        let files = differences(self.resolver.contents(), edits, outputs, before)?;
        Ok(Some(TaskDifference { task: self.name(ix).clone(), result, files }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_in_hunks_alone() {
        let patch = b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n one\n--- two\n+++ three\n+four\n";
        assert_eq!(count_lines(patch), (2, 1));
        let two =
            [&patch[..], b"diff --git a/y b/y\ndeleted file mode 100644\n--- a/y\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"];
        assert_eq!(count_lines(&two.concat()), (2, 2));
        assert_eq!(count_lines(b"\nBinary files a/x and b/x differ\n"), (0, 0));
    }
}
