//! What a failed attempt had changed, as a patch beside its kept workspace: what it wrote against what it was given.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use similar::TextDiff;

use crate::base::{Entry, RelPath, Tree};
use crate::store::{Root, StoreError};

/// A file longer than this is named, not compared.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The whole patch.
const PATCH_BYTES_MAX: usize = 16 << 20;

/// The unified diff from `given` to what the workspace holds at these paths. `original` answers for the content of a
/// file that was given.
pub(super) fn patch(
    given: &Tree,
    workspace: &Root,
    paths: BTreeSet<&RelPath>,
    original: impl Fn(&RelPath, &Entry) -> Option<Vec<u8>>,
) -> String {
    let mut out = String::new();
    for path in paths {
        let old = given.get(path);
        let new = workspace.entry(path);
        if out.len() > PATCH_BYTES_MAX {
            out.push_str("the rest is left out: the patch is too long\n");
            break;
        }
        one(&mut out, path, old, new, workspace, &original);
    }
    out
}

fn one(
    out: &mut String,
    path: &RelPath,
    old: Option<&Entry>,
    new: Result<Option<Entry>, StoreError>,
    workspace: &Root,
    original: &impl Fn(&RelPath, &Entry) -> Option<Vec<u8>>,
) {
    let Ok(new) = new else {
        let _ = writeln!(out, "{path}: cannot be read");
        return;
    };
    if old == new.as_ref() {
        return;
    }
    let before = old.map_or(Some(Vec::new()), |entry| content(entry, || original(path, entry)));
    let after =
        new.as_ref().map_or(Some(Vec::new()), |entry| content(entry, || workspace.read(path, FILE_BYTES_MAX).ok()));
    let text = |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let (from, to) = (
        old.map_or_else(|| "/dev/null".to_owned(), |_| format!("a/{path}")),
        new.as_ref().map_or_else(|| "/dev/null".to_owned(), |_| format!("b/{path}")),
    );
    match (text(before), text(after)) {
        (Some(before), Some(after)) if before != after => {
            let diff = TextDiff::from_lines(&before, &after);
            let _ = write!(out, "{}", diff.unified_diff().context_radius(3).header(&from, &to));
        }
        (Some(_), Some(_)) => {
            let _ = writeln!(out, "--- {from}\n+++ {to}\n{path}: empty, or only its mode or kind changed");
        }
        _ => {
            let _ = writeln!(out, "Binary files {from} and {to} differ");
        }
    }
}

/// What of an entry can be compared as text.
fn content(entry: &Entry, read: impl FnOnce() -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    match entry {
        Entry::File { size_bytes, .. } if *size_bytes <= FILE_BYTES_MAX => read(),
        Entry::File { .. } => None,
        Entry::Symlink { target } => Some(format!("symlink to {target}\n").into_bytes()),
        Entry::EmptyDir => Some(Vec::new()),
    }
}
