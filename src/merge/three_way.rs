//! The merge of one path: what kind of thing it is, then its mode and its content, each on its own.

use std::borrow::Cow;

use super::conflict::{Conflict, ConflictKind, Made};
use super::diff3::Texts;
use super::lines;
use super::side::{Side, is_binary};

/// Texts beyond these are not merged line by line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of each of the three files.
    pub size_bytes_max: usize,
    /// Lines of each of the three files.
    pub lines_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { size_bytes_max: 16 << 20, lines_max: 500_000 }
    }
}

/// What becomes of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged<'a> {
    /// What ours has, be it nothing.
    Ours,
    /// What theirs has, be it nothing.
    Theirs,
    /// A file that neither has.
    Content {
        /// Its content; borrowed where one side changed it and the other only the mode.
        bytes: Cow<'a, [u8]>,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// The changes do not go together.
    Conflict(Conflict),
}

impl<'a> Merged<'a> {
    /// The state that the path gets, `ours` and `theirs` being those that were merged; `None` for a conflict.
    #[must_use]
    pub fn state<'b>(&'b self, ours: Side<'b>, theirs: Side<'b>) -> Option<Side<'b>> {
        match self {
            Self::Ours => Some(ours),
            Self::Theirs => Some(theirs),
            Self::Content { bytes, executable } => Some(Side::File { bytes, executable: *executable }),
            Self::Conflict(_) => None,
        }
    }
}

/// Merges what two sides made of `base`. Whether there is a conflict, and the state that comes out, do not depend on which
/// side is called ours.
#[must_use]
pub fn merge<'a>(base: Side<'a>, ours: Side<'a>, theirs: Side<'a>, limits: Limits) -> Merged<'a> {
    if ours == theirs || theirs == base {
        return Merged::Ours;
    }
    if ours == base {
        return Merged::Theirs;
    }
    let conflict = |kind| Merged::Conflict(Conflict::whole(kind));
    match (base, ours, theirs) {
        (_, Side::Absent, _) => conflict(ConflictKind::DeletedByOurs),
        (_, _, Side::Absent) => conflict(ConflictKind::DeletedByTheirs),
        (
            Side::File { bytes: base, executable: was_executable },
            Side::File { bytes: ours, executable: ours_executable },
            Side::File { bytes: theirs, executable: theirs_executable },
        ) => {
            // A bit that both changed, both changed to the same.
            let executable = if ours_executable == was_executable { theirs_executable } else { ours_executable };
            match content(base, ours, theirs, limits) {
                Ok(bytes) if *bytes == *ours && executable == ours_executable => Merged::Ours,
                Ok(bytes) if *bytes == *theirs && executable == theirs_executable => Merged::Theirs,
                Ok(bytes) => Merged::Content { bytes, executable },
                Err(found) => Merged::Conflict(found),
            }
        }
        (_, Side::File { bytes: ours, .. }, Side::File { bytes: theirs, .. }) if ours == theirs => {
            conflict(ConflictKind::Mode)
        }
        (_, Side::File { .. }, Side::File { .. }) => conflict(ConflictKind::BothCreated),
        (_, Side::Symlink { .. }, Side::Symlink { .. }) => conflict(ConflictKind::LinkTarget),
        _ => conflict(ConflictKind::Kind { ours: made(ours), theirs: made(theirs) }),
    }
}

fn made(side: Side<'_>) -> Made {
    match side {
        Side::Absent => Made::Nothing,
        Side::File { .. } => Made::File,
        Side::Symlink { .. } => Made::Link,
        Side::EmptyDir => Made::Directory,
    }
}

fn content<'a>(base: &'a [u8], ours: &'a [u8], theirs: &'a [u8], limits: Limits) -> Result<Cow<'a, [u8]>, Conflict> {
    if ours == theirs || theirs == base {
        return Ok(ours.into());
    }
    if ours == base {
        return Ok(theirs.into());
    }
    let all = [base, ours, theirs];
    if all.into_iter().any(is_binary) {
        return Err(Conflict::whole(ConflictKind::Binary));
    }
    if all.into_iter().any(|bytes| bytes.len() > limits.size_bytes_max || lines::count(bytes) > limits.lines_max) {
        return Err(Conflict::whole(ConflictKind::TooLarge));
    }
    let texts = Texts::new(base, ours, theirs);
    texts.merge().map(Cow::Owned).map_err(|clashes| {
        let kind = match (only_endings_differ(base, ours), only_endings_differ(base, theirs)) {
            (false, false) => ConflictKind::Content,
            (by_ours, by_theirs) => ConflictKind::LineEndings { by_ours, by_theirs },
        };
        Conflict::of_lines(kind, &texts, &clashes)
    })
}

/// Whether two texts that differ are equal but for `\r` before `\n`.
fn only_endings_differ(base: &[u8], side: &[u8]) -> bool {
    let bare =
        |line: &'_ [u8]| -> Vec<u8> { line.strip_suffix(b"\r\n").map_or(line.to_vec(), |text| [text, b"\n"].concat()) };
    lines::split(base).into_iter().map(bare).eq(lines::split(side).into_iter().map(bare))
}
