//! What became of one path, as text: a unified diff where both sides are text that is short enough.

use similar::{ChangeTag, TextDiff};

use crate::base::{Change, Entry, RelPath, format_size};

/// A longer file is not compared.
const FILE_BYTES_MAX: u64 = 128 << 10;

/// What became of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Difference {
    /// Lines.
    Lines {
        /// The unified diff, file names included.
        unified: String,
        /// Lines that are new.
        added: usize,
        /// Lines that are gone.
        removed: usize,
    },
    /// Nothing that lines could show.
    Otherwise(String),
}

/// Compares the two sides of a change. `content` answers for files.
pub(super) fn difference(
    path: &RelPath,
    change: &Change,
    content: &dyn Fn(&RelPath, &Entry) -> Option<Vec<u8>>,
) -> Difference {
    let size = |entry: &Option<Entry>| match entry {
        None => "nothing".to_owned(),
        Some(Entry::File { size_bytes, executable: false, .. }) => format_size(*size_bytes),
        Some(Entry::File { size_bytes, .. }) => format!("{} (executable)", format_size(*size_bytes)),
        Some(Entry::Symlink { target }) => format!("a link to {target}"),
        Some(Entry::EmptyDir) => "an empty directory".to_owned(),
    };
    let told = |why: &str| Difference::Otherwise(format!("{why}{} -> {}", size(&change.base), size(&change.result)));
    let is_long =
        |entry: &Option<Entry>| matches!(entry, Some(Entry::File { size_bytes, .. }) if *size_bytes > FILE_BYTES_MAX);
    let is_other = |entry: &Option<Entry>| matches!(entry, Some(Entry::Symlink { .. } | Entry::EmptyDir));
    if is_other(&change.base) || is_other(&change.result) {
        return told("");
    }
    if is_long(&change.base) || is_long(&change.result) {
        return told("too long to compare: ");
    }
    let bytes = |entry: &Option<Entry>| entry.as_ref().map_or(Some(Vec::new()), |entry| content(path, entry));
    let (Some(before), Some(after)) = (bytes(&change.base), bytes(&change.result)) else {
        return told("no longer to be had: ");
    };
    let is_binary = |bytes: &[u8]| bytes.contains(&0);
    let (Ok(old), Ok(new)) = (std::str::from_utf8(&before), std::str::from_utf8(&after)) else {
        return told("binary: ");
    };
    if is_binary(&before) || is_binary(&after) {
        return told("binary: ");
    }
    if old == new {
        return told("only its mode: ");
    }
    let diff = TextDiff::from_lines(old, new);
    let count = |tag: ChangeTag| diff.iter_all_changes().filter(|change| change.tag() == tag).count();
    let name = |entry: &Option<Entry>, side: &str| match entry {
        None => "/dev/null".to_owned(),
        Some(_) => format!("{side}/{path}"),
    };
    let (from, to) = (name(&change.base, "a"), name(&change.result, "b"));
    Difference::Lines {
        unified: diff.unified_diff().context_radius(3).header(&from, &to).to_string(),
        added: count(ChangeTag::Insert),
        removed: count(ChangeTag::Delete),
    }
}
