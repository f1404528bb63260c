//! Changes that do not go together: why, and the lines that clash, bounded, as data and as text.

use std::fmt::Write as _;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::diff3::{Clash, Texts};
use crate::base::{bounded, counted, sanitize_line};

/// Hunks that a conflict shows.
const HUNKS_MAX: usize = 8;
/// Lines that a hunk shows of each side.
const LINES_MAX: usize = 30;
/// Bytes that are shown of a line.
const LINE_BYTES_MAX: usize = 300;

/// Why two changes of a path do not go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictKind {
    /// Both changed the same lines, or lines next to each other, differently.
    Content,
    /// One side or both changed nothing but the line endings, and the other edited lines.
    LineEndings {
        /// Ours is the base with other line endings.
        by_ours: bool,
        /// Theirs is the base with other line endings.
        by_theirs: bool,
    },
    /// Both changed a file that is not text.
    Binary,
    /// Both changed a file that is too large to be merged line by line.
    TooLarge,
    /// Ours deleted what theirs changed.
    DeletedByOurs,
    /// Theirs deleted what ours changed.
    DeletedByTheirs,
    /// Both put a file where none was, with different content. There is nothing to merge it over.
    BothCreated,
    /// Both put the same file where none was; one made it executable.
    Mode,
    /// Both made a link, to different targets.
    LinkTarget,
    /// They made different kinds of things of it.
    Kind {
        /// What ours has.
        ours: Made,
        /// What theirs has.
        theirs: Made,
    },
}

/// A kind of thing at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Made {
    /// Nothing is there.
    Nothing,
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// An empty directory.
    Directory,
}

impl Made {
    fn words(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::File => "a file",
            Self::Link => "a symbolic link",
            Self::Directory => "an empty directory",
        }
    }
}

/// A conflict, with the lines that clash where it is about lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Why.
    pub kind: ConflictKind,
    /// The first places, from the top; none where the conflict is about the whole file.
    pub hunks: Vec<ConflictHunk>,
    /// Places that are not among `hunks`.
    pub hunks_left_out: usize,
}

/// One place where the sides clash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictHunk {
    /// What both started from.
    pub base: Excerpt,
    /// What ours made of it.
    pub ours: Excerpt,
    /// What theirs made of it.
    pub theirs: Excerpt,
}

/// Some lines of one of the three files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// The first line, counted from 1; where there are none, the line before which they would stand.
    pub first_line: usize,
    /// How many lines there are.
    pub line_count: usize,
    /// The first of them, without their endings, each cut at a length, what is no UTF-8 replaced. As found in the file: not
    /// made safe for a terminal.
    pub lines: Vec<String>,
    /// Whether its last line is the last of a file that does not end in a newline.
    pub lacks_newline: bool,
}

impl Conflict {
    pub(super) fn whole(kind: ConflictKind) -> Self {
        Self { kind, hunks: Vec::new(), hunks_left_out: 0 }
    }

    pub(super) fn of_lines(kind: ConflictKind, texts: &Texts<'_>, clashes: &[Clash]) -> Self {
        let hunk = |clash: &Clash| ConflictHunk {
            base: Excerpt::of(&texts.base, &clash.base),
            ours: Excerpt::of(&texts.ours, &clash.ours),
            theirs: Excerpt::of(&texts.theirs, &clash.theirs),
        };
        Self {
            kind,
            hunks: clashes.iter().take(HUNKS_MAX).map(hunk).collect(),
            hunks_left_out: clashes.len().saturating_sub(HUNKS_MAX),
        }
    }

    /// Why, in one line.
    #[must_use]
    pub fn reason(&self, ours_name: &str, theirs_name: &str) -> String {
        let (ours, theirs) = (sanitize_line(ours_name), sanitize_line(theirs_name));
        match self.kind {
            ConflictKind::Content => format!("{ours} and {theirs} changed the same or neighbouring lines differently"),
            ConflictKind::LineEndings { by_ours: true, by_theirs: true } => {
                format!("{ours} and {theirs} converted different line endings")
            }
            ConflictKind::LineEndings { by_ours: true, .. } => {
                format!("{ours} converted the line endings of a file in which {theirs} edited lines")
            }
            ConflictKind::LineEndings { .. } => {
                format!("{theirs} converted the line endings of a file in which {ours} edited lines")
            }
            ConflictKind::Binary => format!("{ours} and {theirs} changed this binary file differently"),
            ConflictKind::TooLarge => {
                format!("{ours} and {theirs} changed this file differently, and it is too large to merge")
            }
            ConflictKind::DeletedByOurs => format!("{ours} deleted what {theirs} changed"),
            ConflictKind::DeletedByTheirs => format!("{theirs} deleted what {ours} changed"),
            ConflictKind::BothCreated => {
                format!(
                    "{ours} and {theirs} both created this file, with different content and no common base to merge over"
                )
            }
            ConflictKind::Mode => {
                format!("{ours} and {theirs} both created this file, and only one of them made it executable")
            }
            ConflictKind::LinkTarget => format!("{ours} and {theirs} made a link of it, to different targets"),
            ConflictKind::Kind { ours: here, theirs: there } => {
                format!("{ours} made {} of it and {theirs} {}", here.words(), there.words())
            }
        }
    }

    /// The conflict as a person reads it: the reason, and each hunk with the markers of diff3. Some 200 KiB at most, without
    /// control characters.
    #[must_use]
    pub fn to_text(&self, path: &str, ours_name: &str, theirs_name: &str) -> String {
        let mut out = format!("{}: {}\n", sanitize_line(path), self.reason(ours_name, theirs_name));
        for hunk in &self.hunks {
            let _ = writeln!(out, "<<<<<<< {}, {}", sanitize_line(ours_name), hunk.ours.place());
            hunk.ours.write(&mut out);
            let _ = writeln!(out, "||||||| before, {}", hunk.base.place());
            hunk.base.write(&mut out);
            out.push_str("=======\n");
            hunk.theirs.write(&mut out);
            let _ = writeln!(out, ">>>>>>> {}, {}", sanitize_line(theirs_name), hunk.theirs.place());
        }
        if self.hunks_left_out > 0 {
            let _ = writeln!(out, "and {} more", counted(self.hunks_left_out as u64, "place"));
        }
        out
    }
}

impl Excerpt {
    fn of(lines: &[&[u8]], range: &Range<usize>) -> Self {
        let all = &lines[range.clone()];
        let shown = all.iter().take(LINES_MAX).map(|line| {
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            // Cut before it is decoded: a line may be megabytes long. A character has at most four bytes.
            bounded(&String::from_utf8_lossy(&text[..text.len().min(LINE_BYTES_MAX + 4)]), LINE_BYTES_MAX)
        });
        Self {
            first_line: range.start + 1,
            line_count: all.len(),
            lines: shown.collect(),
            lacks_newline: all.last().is_some_and(|last| !last.ends_with(b"\n")),
        }
    }

    fn place(&self) -> String {
        match self.line_count {
            0 => format!("nothing before line {}", self.first_line),
            1 => format!("line {}", self.first_line),
            count => format!("lines {} to {}", self.first_line, self.first_line + count - 1),
        }
    }

    fn write(&self, out: &mut String) {
        for line in &self.lines {
            // Tabs belong to code; a carriage return is shown, since it may be all that differs.
            out.extend(line.split('\t').map(sanitize_line).collect::<Vec<_>>().join("\t").chars().chain(['\n']));
        }
        let left_out = self.line_count - self.lines.len();
        if left_out > 0 {
            let _ = writeln!(out, "... {} more", counted(left_out as u64, "line"));
        } else if self.lacks_newline {
            out.push_str("\\ No newline at end of file\n");
        }
    }
}
