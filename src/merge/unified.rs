//! The difference of two states of a path in git's extended unified form, which `git apply` takes.
//!
//! What a patch cannot say stays a remark between patches, which `git apply` and `patch` pass over: that a binary file
//! differs, that a directory is empty, that a difference is too long. So one such path never makes the others' patches
//! useless. For the same reason a difference is left out whole or not at all.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};

use super::lines::{Interner, count, split};
use super::side::{Side, is_binary};
use crate::base::sanitize_line;

/// Lines around a change.
const CONTEXT_LINES: usize = 3;

/// What is too long to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiffLimits {
    /// Bytes of either file.
    pub size_bytes_max: usize,
    /// Bytes of the difference of one path.
    pub diff_bytes_max: usize,
}

impl Default for DiffLimits {
    fn default() -> Self {
        Self { size_bytes_max: 1 << 20, diff_bytes_max: 4 << 20 }
    }
}

/// The difference from `old` to `new` at `path`, as bytes, since its lines are those of the files; nothing where they are
/// equal. Ends in a newline. Not made safe for a terminal.
#[must_use]
pub fn unified_diff(path: &str, old: Side<'_>, new: Side<'_>, limits: DiffLimits) -> Vec<u8> {
    if old == new {
        return Vec::new();
    }
    match (Blob::of(old), Blob::of(new)) {
        (None, None) => directory_remark(path, new),
        (before, after) => {
            let mut out = match (&before, &after) {
                // git has no patch that turns one kind of thing into another: it goes, and the other comes.
                (Some(gone), Some(come)) if gone.is_link() != come.is_link() => {
                    let gone = blobs(path, Some(gone), None, limits);
                    let come = blobs(path, None, Some(come), limits);
                    // Half of it would be worse than nothing: it comes where it has not gone.
                    if is_remark(&gone) {
                        gone
                    } else if is_remark(&come) {
                        come
                    } else {
                        [gone, come].concat()
                    }
                }
                (before, after) => blobs(path, before.as_ref(), after.as_ref(), limits),
            };
            if Side::EmptyDir == old || Side::EmptyDir == new {
                out.extend(directory_remark(path, new));
            }
            out
        }
    }
}

/// What git keeps of a state: a mode and bytes, those of a link being its target.
struct Blob<'a> {
    mode: &'static str,
    bytes: &'a [u8],
}

impl<'a> Blob<'a> {
    fn of(side: Side<'a>) -> Option<Self> {
        match side {
            Side::Absent | Side::EmptyDir => None,
            Side::File { bytes, executable } => {
                Some(Self { mode: if executable { "100755" } else { "100644" }, bytes })
            }
            Side::Symlink { target } => Some(Self { mode: "120000", bytes: target.as_bytes() }),
        }
    }

    fn is_link(&self) -> bool {
        self.mode == "120000"
    }
}

fn directory_remark(path: &str, new: Side<'_>) -> Vec<u8> {
    let what = if new == Side::EmptyDir { "now an empty directory" } else { "no empty directory any more" };
    remark(&format!("{}: {what}", sanitize_line(path)))
}

/// A line that is in no patch. The empty line before it keeps it apart from a patch without hunks, of which `git apply`
/// would take a remark on binary files to be the body.
fn remark(text: &str) -> Vec<u8> {
    format!("\n{text}\n").into_bytes()
}

fn is_remark(part: &[u8]) -> bool {
    part.starts_with(b"\n")
}

fn blobs(path: &str, old: Option<&Blob<'_>>, new: Option<&Blob<'_>>, limits: DiffLimits) -> Vec<u8> {
    let (before, after) = (old.map_or(&b""[..], |blob| blob.bytes), new.map_or(&b""[..], |blob| blob.bytes));
    let from = old.map_or(Cow::from("/dev/null"), |_| quoted("a/", path));
    let to = new.map_or(Cow::from("/dev/null"), |_| quoted("b/", path));
    let modes = match (old, new) {
        (Some(old), Some(new)) if old.mode != new.mode => format!("old mode {}\nnew mode {}\n", old.mode, new.mode),
        (Some(old), None) => format!("deleted file mode {}\n", old.mode),
        (None, Some(new)) => format!("new file mode {}\n", new.mode),
        _ => String::new(),
    };
    let header = format!("diff --git {} {}\n{modes}", quoted("a/", path), quoted("b/", path));
    if before == after {
        return header.into_bytes();
    }
    if is_binary(before) || is_binary(after) {
        let mode = modes.trim_end().replace('\n', ", ");
        let mode = if mode.is_empty() { mode } else { format!(" ({mode})") };
        return remark(&format!("Binary files {from} and {to} differ{mode}"));
    }
    if before.len().max(after.len()) > limits.size_bytes_max {
        return remark(&format!("Files {from} and {to} differ; they are too long to be compared"));
    }
    // A name with a space ends in a tab, or its end could not be told from a time stamp.
    let tab = |name: &str| if name.contains(' ') { "\t" } else { "" };
    let mut out = format!("{header}--- {from}{}\n+++ {to}{}\n", tab(&from), tab(&to)).into_bytes();
    hunks(&mut out, before, after);
    if out.len() > limits.diff_bytes_max {
        let (gone, come) = (count(before), count(after));
        return remark(&format!(
            "Files {from} ({gone} lines) and {to} ({come} lines) differ; the difference is too long"
        ));
    }
    out
}

fn hunks(out: &mut Vec<u8>, before: &[u8], after: &[u8]) {
    let (old, new) = (split(before), split(after));
    let mut interner = Interner::default();
    let ops = capture_diff_slices(Algorithm::Myers, &interner.numbers(&old), &interner.numbers(&new));
    for group in group_diff_ops(ops, CONTEXT_LINES) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let from = span(first.old_range().start..last.old_range().end);
        let to = span(first.new_range().start..last.new_range().end);
        out.extend(format!("@@ -{from} +{to} @@\n").into_bytes());
        for op in &group {
            if let DiffOp::Equal { .. } = op {
                lines(out, b' ', &old[op.old_range()]);
            } else {
                lines(out, b'-', &old[op.old_range()]);
                lines(out, b'+', &new[op.new_range()]);
            }
        }
    }
}

fn lines(out: &mut Vec<u8>, mark: u8, lines: &[&[u8]]) {
    for line in lines {
        out.push(mark);
        out.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            out.extend_from_slice(b"\n\\ No newline at end of file\n");
        }
    }
}

/// Lines as a hunk's header counts them: from 1, and where there are none, the line before.
fn span(range: Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start + 1),
        count => format!("{},{count}", range.start + 1),
    }
}

/// A name as git writes it: in quotes, with escapes, where it holds a quote, a backslash or a control character.
fn quoted(prefix: &str, path: &str) -> Cow<'static, str> {
    if !path.chars().any(|c| matches!(c, '"' | '\\') || c.is_control()) {
        return format!("{prefix}{path}").into();
    }
    let mut out = format!("\"{prefix}");
    for c in path.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                for byte in c.to_string().bytes() {
                    let _ = write!(out, "\\{byte:03o}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out.into()
}
