//! Places in a judged text: from a byte offset to line and column, and to the lines that a reader is shown.

use std::ops::Range;

use crate::base::{BlobDigest, RelPath, sanitize_line};
use crate::event::{Excerpt, GateFinding};

/// Lines shown before and after the one that is meant.
const AROUND: usize = 1;
const LINE_CHARS_MAX: usize = 160;

/// A text with the offsets of its lines.
#[derive(Debug)]
pub struct LineIndex<'t> {
    text: &'t str,
    starts: Vec<usize>,
    /// Then a column is counted without looking at the line, however long that is.
    is_ascii: bool,
}

impl<'t> LineIndex<'t> {
    /// Finds the lines of a text.
    #[must_use]
    pub fn new(text: &'t str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(ends).collect(), is_ascii: text.is_ascii() }
    }

    /// Line and column of a byte, both from 1; columns in characters.
    #[must_use]
    pub fn position(&self, offset: usize) -> (u32, u32) {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= offset);
        let before = &self.text.as_bytes()[self.starts[line - 1]..offset];
        let column = match self.is_ascii {
            true => before.len() + 1,
            false => before.iter().filter(|byte| (**byte & 0xC0) != 0x80).count() + 1,
        };
        (number(line), number(column))
    }

    /// The line of a byte, from 1; quicker than its position where a line is long.
    #[must_use]
    pub fn line_of(&self, offset: usize) -> u32 {
        number(self.starts.partition_point(|start| *start <= offset.min(self.text.len())))
    }

    /// The bytes of a line, numbered from 1, without its end.
    #[must_use]
    pub fn line(&self, line: u32) -> Range<usize> {
        let index = (line as usize).clamp(1, self.starts.len()) - 1;
        let end = self.starts.get(index + 1).map_or(self.text.len(), |next| next - 1);
        self.starts[index]..end
    }

    /// What a line holds, without the blanks around it.
    #[must_use]
    pub fn content(&self, line: u32) -> Range<usize> {
        let range = self.line(line);
        let text = &self.text[range.clone()];
        let start = range.start + (text.len() - text.trim_start().len());
        start..(range.start + text.trim_end().len()).max(start)
    }

    /// Puts a finding at some bytes of the text, with the lines around. What `masked` covers is not shown.
    #[must_use]
    pub fn place(
        &self,
        finding: GateFinding,
        file: &RelPath,
        span: Range<usize>,
        masked: Option<Range<usize>>,
    ) -> GateFinding {
        let (line, column) = self.position(span.start);
        let (end_line, end_column) = self.position(span.end.max(span.start));
        GateFinding {
            file: Some(file.clone()),
            line: Some(line),
            column: Some(column),
            end_line: (end_line != line).then_some(end_line),
            end_column: Some(end_column),
            fingerprint: masked.as_ref().map(|_| self.fingerprint(line)),
            excerpt: Some(self.excerpt(line, masked)),
            ..finding
        }
    }

    /// Tells a line from others without showing it: a few digits say nothing of a secret that is worth one.
    fn fingerprint(&self, line: u32) -> String {
        let digest = BlobDigest::of(self.text[self.line(line)].trim().as_bytes());
        digest.short()[..8].to_owned()
    }

    /// The lines around one, bounded; `masked` is shown as stars.
    #[must_use]
    pub fn excerpt(&self, line: u32, masked: Option<Range<usize>>) -> Excerpt {
        let line = (line as usize).clamp(1, self.starts.len());
        let first = line.saturating_sub(AROUND).max(1);
        let last = (line + AROUND).min(self.starts.len());
        let shown = (first..=last).map(|line| self.shown(number(line), masked.as_ref()));
        Excerpt { first_line: number(first), text: shown.collect::<Vec<_>>().join("\n").trim_end().to_owned() }
    }

    fn shown(&self, line: u32, masked: Option<&Range<usize>>) -> String {
        let range = self.line(line);
        let start = range.start;
        let chars = self.text[range].char_indices().take(LINE_CHARS_MAX);
        let is_masked = |at: usize| masked.is_some_and(|masked| masked.contains(&(start + at)));
        let text: String = chars.map(|(at, char)| if is_masked(at) { '*' } else { char }).collect();
        sanitize_line(&text)
    }
}

/// A line of a text with its number, from 1.
pub(super) struct Line<'t> {
    pub(super) number: u32,
    pub(super) text: &'t str,
    pub(super) span: Range<usize>,
}

/// The lines of a text.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut at = 0;
    text.split_inclusive('\n').zip(1_u32..).map(move |(whole, number)| {
        let line = whole.trim_end_matches(['\n', '\r']);
        let span = at..at + line.len();
        at += whole.len();
        Line { number, text: line, span }
    })
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Severity;

    #[test]
    fn places_count_from_one_and_masks_hide() {
        let text = "first\nkéy = 's3cret'\nlast";
        let at = text.find("s3cret").expect("there");
        let index = LineIndex::new(text);
        let file = RelPath::new("a").expect("valid");
        let span = at..at + 6;
        let finding = index.place(GateFinding::new("r", Severity::Error, "m"), &file, span.clone(), Some(span));
        assert_eq!(
            (finding.line, finding.column, finding.end_line, finding.end_column),
            (Some(2), Some(8), None, Some(14))
        );
        let excerpt = finding.excerpt.expect("shown");
        assert_eq!((excerpt.first_line, excerpt.text.as_str()), (1, "first\nkéy = '******'\nlast"));
        assert_eq!(index.position(text.len()), (3, 5));
        assert_eq!(LineIndex::new("").position(0), (1, 1));
    }
}
