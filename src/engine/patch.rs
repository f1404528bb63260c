//! What a failed attempt had changed, as a patch beside its kept workspace: what it wrote against what it was given.

use std::collections::BTreeSet;

use crate::base::{Entry, RelPath, Tree, sanitize_line};
use crate::merge::{DiffLimits, Side, unified_diff};
use crate::store::{Root, StoreError};

/// A file longer than this is named, not compared.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The whole patch.
const PATCH_BYTES_MAX: usize = 16 << 20;

/// The difference from `given` to what the workspace holds at these paths, for `git apply`. `original` answers for the
/// content of a file that was given.
pub(super) fn patch(
    given: &Tree,
    workspace: &Root,
    paths: BTreeSet<&RelPath>,
    original: impl Fn(&RelPath, &Entry) -> Option<Vec<u8>>,
) -> Vec<u8> {
    let mut out = Vec::new();
    for path in paths {
        if out.len() > PATCH_BYTES_MAX {
            out.extend_from_slice(b"\nthe rest is left out: the patch is too long\n");
            break;
        }
        out.extend(one(path, given.get(path), workspace.entry(path), workspace, &original));
    }
    out
}

fn one(
    path: &RelPath,
    old: Option<&Entry>,
    new: Result<Option<Entry>, StoreError>,
    workspace: &Root,
    original: &impl Fn(&RelPath, &Entry) -> Option<Vec<u8>>,
) -> Vec<u8> {
    let Ok(new) = new else {
        return format!("\n{path}: cannot be read\n").into_bytes();
    };
    if old == new.as_ref() {
        return Vec::new();
    }
    let before = content(old, |entry| original(path, entry));
    let after = content(new.as_ref(), |_| workspace.read(path, FILE_BYTES_MAX).ok());
    compared(path, (old, before.as_deref()), (new.as_ref(), after.as_deref()))
}

/// The difference of two entries, each with its content where it is a file's and still to be had.
pub(super) fn compared(
    path: &RelPath,
    (old, before): (Option<&Entry>, Option<&[u8]>),
    (new, after): (Option<&Entry>, Option<&[u8]>),
) -> Vec<u8> {
    let limits = DiffLimits { size_bytes_max: FILE_BYTES_MAX as usize, ..DiffLimits::default() };
    match (side(old, before), side(new, after)) {
        (Some(before), Some(after)) => unified_diff(path.as_str(), before, after, limits),
        _ => {
            let path = sanitize_line(path.as_str());
            format!("\n{path}: changed; too long to be compared, or its content is no longer there\n").into_bytes()
        }
    }
}

/// The bytes of a file that is short enough.
fn content(entry: Option<&Entry>, read: impl FnOnce(&Entry) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    entry
        .filter(|entry| matches!(entry, Entry::File { size_bytes, .. } if *size_bytes <= FILE_BYTES_MAX))
        .and_then(read)
}

/// An entry with its content; `None` where that is missing.
fn side<'a>(entry: Option<&'a Entry>, content: Option<&'a [u8]>) -> Option<Side<'a>> {
    Some(match entry {
        None => Side::Absent,
        Some(Entry::File { executable, .. }) => Side::File { bytes: content?, executable: *executable },
        Some(Entry::Symlink { target }) => Side::Symlink { target },
        Some(Entry::EmptyDir) => Side::EmptyDir,
    })
}
