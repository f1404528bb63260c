//! The files of a view as lines: each by name and size, and beyond a bound counted by directory.

use std::collections::BTreeMap;

use super::markdown::code;
use crate::base::{Entry, RelPath, Tree, counted, format_size};

/// How long the lines may get together; what comes after is counted.
const LISTING_BYTES_MAX: usize = 96 << 10;
/// Directories named of what is only counted.
const DIRECTORIES_MAX: usize = 60;

/// One line for each entry, in order of paths.
pub(super) fn listing(view: &Tree) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut room = LISTING_BYTES_MAX;
    let mut entries = view.iter();
    for (path, entry) in entries.by_ref() {
        let line = line(path, entry);
        let is_last = line.len() > room;
        room = room.saturating_sub(line.len());
        lines.push(line);
        if is_last {
            break;
        }
    }
    lines.extend(counts(entries));
    lines
}

fn line(path: &RelPath, entry: &Entry) -> String {
    match entry {
        Entry::File { size_bytes, executable: false, .. } => {
            format!("{} ({})", code(path.as_str()), format_size(*size_bytes))
        }
        Entry::File { size_bytes, .. } => {
            format!("{} ({}, executable)", code(path.as_str()), format_size(*size_bytes))
        }
        Entry::Symlink { target } => format!("{} -> {}", code(path.as_str()), code(target)),
        Entry::EmptyDir => format!("{} (empty)", code(&format!("{path}/"))),
    }
}

/// What is not listed, by the two outermost directories.
fn counts<'a>(rest: impl Iterator<Item = (&'a RelPath, &'a Entry)>) -> Vec<String> {
    let mut by_directory: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut files = 0;
    for (path, entry) in rest {
        let parts: Vec<&str> = path.as_str().split('/').collect();
        let directory = parts[..parts.len().saturating_sub(1).min(2)].join("/");
        let counted = by_directory.entry(directory).or_default();
        counted.0 += 1;
        counted.1 += if let Entry::File { size_bytes, .. } = entry { *size_bytes } else { 0 };
        files += 1;
    }
    if files == 0 {
        return Vec::new();
    }
    let mut lines = vec![format!("and {} more, not listed here:", counted(files, "file"))];
    let line = |(directory, (files, size)): (&String, &(u64, u64))| {
        let place = if directory.is_empty() {
            "at the top".to_owned()
        } else {
            format!("in {}", code(&format!("{directory}/")))
        };
        format!("{} {place} ({})", counted(*files, "file"), format_size(*size))
    };
    lines.extend(by_directory.iter().take(DIRECTORIES_MAX).map(line));
    if by_directory.len() > DIRECTORIES_MAX {
        lines.push(format!("and {} more directories", by_directory.len() - DIRECTORIES_MAX));
    }
    lines
}
