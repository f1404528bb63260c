//! What a built-in check judges: both sides of what a result changed, already read. Checks are pure functions over it.

#![expect(clippy::single_range_in_vec_init, reason = "a range of lines is one element of a list of such")]

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::protected::Protected;
use crate::base::{Entry, PatternSet, RelPath, TaskName, Tree};

/// Lines of a file that is compared line by line; in a longer one every line counts as added.
const LINES_MAX: usize = 200_000;

/// A result, as checks see it.
pub struct Judged<'a> {
    /// The task whose result it is; none where the integrated tree is judged.
    pub task: Option<JudgedTask<'a>>,
    /// What was there before.
    pub base: &'a Tree,
    /// What is there now: the base with the result.
    pub result: &'a Tree,
    /// Where they differ, in byte order of the paths.
    pub changed: Vec<ChangedFile>,
    /// What no result may touch, as the plan and its gates say.
    pub protected: &'a Protected,
    /// Reads a file of `result`; `None` where it cannot be had.
    pub read: &'a (dyn Fn(&RelPath) -> Option<Arc<[u8]>> + Sync),
}

impl Judged<'_> {
    /// The change of a path, if it is changed.
    #[must_use]
    pub fn change(&self, path: &RelPath) -> Option<&ChangedFile> {
        let at = self.changed.binary_search_by(|change| change.path.cmp(path)).ok()?;
        Some(&self.changed[at])
    }
}

/// What a task had declared.
#[derive(Debug, Clone, Copy)]
pub struct JudgedTask<'a> {
    /// Its name.
    pub name: &'a TaskName,
    /// `outputs`.
    pub outputs: &'a PatternSet,
    /// `edits`.
    pub edits: &'a PatternSet,
    /// `may_change`: protected files that it may touch.
    pub may_change: &'a PatternSet,
}

impl JudgedTask<'_> {
    /// Whether the task may write to a path at all.
    #[must_use]
    pub fn declares(&self, path: &RelPath) -> bool {
        self.outputs.matches(path) || self.edits.matches(path)
    }

    /// Whether it names the path letter by letter in `outputs` or `edits`, or `may_change` covers it: then it is its work
    /// even where it is protected.
    #[must_use]
    pub fn may_touch_protected(&self, path: &RelPath) -> bool {
        let is_named = |patterns: &PatternSet| patterns.iter().any(|one| one.as_literal().as_ref() == Some(path));
        is_named(self.outputs) || is_named(self.edits) || self.may_change.matches(path)
    }
}

/// One side of a changed path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing is there.
    Absent,
    /// A file.
    File {
        /// What it holds.
        bytes: Arc<[u8]>,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A file that is too large to be read, or whose bytes are no longer to be had.
    Unread {
        /// Its length in bytes.
        size_bytes: u64,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: String,
    },
    /// A directory with nothing in it.
    EmptyDir,
}

impl Content {
    /// An entry with its bytes; `read` answers for files of at most `size_bytes_max`.
    pub fn of(entry: Option<&Entry>, size_bytes_max: u64, read: impl FnOnce() -> Option<Arc<[u8]>>) -> Self {
        match entry {
            None => Self::Absent,
            Some(Entry::EmptyDir) => Self::EmptyDir,
            Some(Entry::Symlink { target }) => Self::Symlink { target: target.clone() },
            Some(Entry::File { size_bytes, executable, .. }) if *size_bytes <= size_bytes_max => match read() {
                Some(bytes) => Self::File { bytes, executable: *executable },
                None => Self::Unread { size_bytes: *size_bytes },
            },
            Some(Entry::File { size_bytes, .. }) => Self::Unread { size_bytes: *size_bytes },
        }
    }

    /// The bytes of a file.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::File { bytes, .. } => Some(bytes),
            _ => None,
        }
    }

    /// The text of a file that is one: UTF-8 without a NUL byte.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes()?).ok().filter(|text| !text.as_bytes().contains(&0))
    }
}

/// A path whose two sides differ.
#[derive(Debug, Clone)]
pub struct ChangedFile {
    /// Where.
    pub path: RelPath,
    /// What was there.
    pub before: Content,
    /// What is there.
    pub after: Content,
    added: OnceLock<Vec<Range<u32>>>,
}

impl ChangedFile {
    /// A change.
    #[must_use]
    pub fn new(path: RelPath, before: Content, after: Content) -> Self {
        Self { path, before, after, added: OnceLock::new() }
    }

    /// The lines of `after` that `before` does not have, as ranges of line numbers from 1, ends excluded, in order.
    pub fn added_lines(&self) -> &[Range<u32>] {
        self.added.get_or_init(|| match (self.before.bytes(), self.after.bytes()) {
            (_, None) => Vec::new(),
            (None, Some(after)) => whole(after),
            (Some(before), Some(after)) => added(before, after),
        })
    }

    /// Whether a line, numbered from 1, is one that the result brought.
    pub fn is_added(&self, line: u32) -> bool {
        let ranges = self.added_lines();
        let next = ranges.partition_point(|range| range.end <= line);
        ranges.get(next).is_some_and(|range| range.contains(&line))
    }
}

fn whole(text: &[u8]) -> Vec<Range<u32>> {
    let lines = text.split_inclusive(|byte| *byte == b'\n').count();
    if lines == 0 { Vec::new() } else { vec![1..number(lines) + 1] }
}

fn added(before: &[u8], after: &[u8]) -> Vec<Range<u32>> {
    let split = |bytes| -> Vec<&[u8]> { <[u8]>::split_inclusive(bytes, |byte| *byte == b'\n').collect() };
    let (before, lines) = (split(before), split(after));
    if before.len() + lines.len() > LINES_MAX {
        return whole(after);
    }
    let ops = capture_diff_slices(Algorithm::Myers, &before, &lines);
    let new = ops.into_iter().filter_map(|op| match op {
        DiffOp::Equal { .. } | DiffOp::Delete { .. } => None,
        DiffOp::Insert { new_index, new_len, .. } | DiffOp::Replace { new_index, new_len, .. } => {
            Some(number(new_index) + 1..number(new_index + new_len) + 1)
        }
    });
    new.collect()
}

fn number(lines: usize) -> u32 {
    u32::try_from(lines).unwrap_or(u32::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Content {
        Content::File { bytes: text.as_bytes().into(), executable: false }
    }

    #[test]
    fn added_lines_are_those_the_base_does_not_have() {
        let table: [(Content, &str, &[Range<u32>]); 5] = [
            (Content::Absent, "a\nb\n", &[1..3]),
            (Content::Absent, "", &[]),
            (file("a\nb\nc\n"), "a\nx\nb\nc\ny", &[2..3, 5..6]),
            (file("a\nb\n"), "a\n", &[]),
            (file("a"), "a\n", &[1..2]),
        ];
        for (before, after, expected) in table {
            let change = ChangedFile::new(RelPath::new("f").expect("valid"), before, file(after));
            assert_eq!(change.added_lines(), expected, "{after:?}");
        }
        let change = ChangedFile::new(RelPath::new("f").expect("valid"), file("a\nb\n"), file("a\nx\nb\ny\n"));
        let is: Vec<bool> = (0..6).map(|line| change.is_added(line)).collect();
        assert_eq!(is, [false, false, true, false, true, false]);
    }
}
