//! The lines of the plan's files that a finding shows, as miette's source code.
//!
//! A finding may point into several files, and a line may have 32 MiB. So every excerpt is cut out beforehand: the
//! lines around its labels, long ones cut around the label, control characters replaced. Excerpts lie one after the
//! other in a made-up text with gaps between, whose offsets miette sees; file names and line numbers are the real ones.

use std::ops::Range;

use miette::{LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use crate::base::{Label, bounded, sanitize_line};
use crate::plan::Document;

/// A longer line is cut around its label.
const LINE_BYTES_MAX: usize = 240;
/// What is shown of a cut line before the label.
const LEAD_BYTES: usize = 60;
/// Labels shown of one finding.
const LABELS_MAX: usize = 16;
const LABEL_BYTES_MAX: usize = 200;

/// All excerpts of one finding.
#[derive(Debug, Default)]
pub(super) struct Excerpts {
    excerpts: Vec<Excerpt>,
    labels: Vec<Placed>,
}

/// Some neighbouring lines of one file.
#[derive(Debug)]
struct Excerpt {
    file: String,
    /// Of the first line shown, from 1.
    first_line: usize,
    /// Where the excerpt begins in the made-up text.
    base: usize,
    text: String,
    lines: Vec<ShownLine>,
}

/// One line of an excerpt: which of its bytes are shown, and where.
#[derive(Debug)]
struct ShownLine {
    source: Range<usize>,
    /// Where in the excerpt's text `source` begins.
    at: usize,
}

/// A label and where it shows.
#[derive(Debug)]
struct Placed {
    span: Range<usize>,
    line: usize,
    column: usize,
    text: String,
}

/// A label found in its document.
struct Found<'d> {
    document: &'d Document,
    span: Range<usize>,
    line: usize,
    text: &'d str,
}

impl Excerpts {
    /// Cuts out what the labels point at.
    pub(super) fn new(labels: &[Label], documents: &[Document]) -> Self {
        let found: Vec<Found<'_>> = labels.iter().take(LABELS_MAX).filter_map(|label| find(label, documents)).collect();
        let mut excerpts = Self::default();
        let mut is_done = vec![false; found.len()];
        for index in 0..found.len() {
            if !is_done[index] {
                let group = neighbours(&found, index);
                group.iter().for_each(|member| is_done[*member] = true);
                excerpts.add(group.iter().map(|member| &found[*member]).collect());
            }
        }
        excerpts
    }

    fn add(&mut self, group: Vec<&Found<'_>>) {
        let document = group[0].document;
        let base = self.excerpts.last().map_or(0, |last| last.base + last.text.len() + 16);
        let mut excerpt = Excerpt {
            file: sanitize_line(document.path.as_str()),
            first_line: group.iter().map(|found| found.line).min().unwrap_or(1).saturating_sub(1).max(1),
            base,
            text: String::new(),
            lines: Vec::new(),
        };
        let last_line = group.iter().map(|found| found.line).max().unwrap_or(1) + 1;
        for line in excerpt.first_line..=last_line.min(document.line_count()) {
            let label = group.iter().find(|found| found.line == line).map(|found| found.span.clone());
            excerpt.push_line(&document.text, document.line(line), label);
        }
        for found in group {
            let (line, column) = document.position(found.span.start);
            let span = excerpt.place(found.span.start, found.line)..excerpt.place(found.span.end, found.line);
            let text = sanitize_line(&bounded(found.text, LABEL_BYTES_MAX));
            self.labels.push(Placed { span, line, column, text });
        }
        self.excerpts.push(excerpt);
    }

    /// The labels as miette takes them, the culprit first.
    pub(super) fn labels(&self) -> impl Iterator<Item = LabeledSpan> {
        self.labels.iter().enumerate().map(|(index, label)| {
            let span = SourceSpan::from((label.span.start, label.span.len()));
            match index {
                0 => LabeledSpan::new_primary_with_span(Some(label.text.clone()), span),
                _ => LabeledSpan::new_with_span(Some(label.text.clone()), span),
            }
        })
    }
}

/// Where a label points, cut to one line; nothing for a document that is not there.
fn find<'d>(label: &'d Label, documents: &'d [Document]) -> Option<Found<'d>> {
    let document = documents.iter().find(|document| document.file == label.node.file)?;
    let span = document.span(&label.node);
    let (line, _) = document.position(span.start);
    let end = document.line(line).end.max(span.start).min(span.end);
    Some(Found { document, span: span.start..end, line, text: &label.text })
}

/// The labels that show in the same excerpt as this one: those that lie a few lines from each other.
fn neighbours(found: &[Found<'_>], first: usize) -> Vec<usize> {
    let mut group = vec![first];
    loop {
        let near = |index: &usize| {
            !group.contains(index)
                && group.iter().any(|member| {
                    let (one, other) = (&found[*member], &found[*index]);
                    one.document.file == other.document.file && one.line.abs_diff(other.line) <= 3
                })
        };
        let Some(next) = (0..found.len()).find(near) else { return group };
        group.push(next);
    }
}

impl Excerpt {
    fn push_line(&mut self, text: &str, line: Range<usize>, label: Option<Range<usize>>) {
        if !self.text.is_empty() || !self.lines.is_empty() {
            self.text.push('\n');
        }
        let shown = window(text, &line, label);
        if shown.start > line.start {
            self.text.push('…');
        }
        self.lines.push(ShownLine { source: shown.clone(), at: self.text.len() });
        self.text.extend(text[shown.clone()].chars().map(harmless));
        if shown.end < line.end {
            self.text.push('…');
        }
    }

    /// Where a byte of the document shows in the made-up text.
    fn place(&self, offset: usize, line: usize) -> usize {
        let shown = &self.lines[line - self.first_line];
        self.base + shown.at + offset.clamp(shown.source.start, shown.source.end) - shown.source.start
    }

    fn holds(&self, span: &SourceSpan) -> bool {
        span.offset() >= self.base && span.offset() + span.len() <= self.base + self.text.len()
    }
}

/// Which bytes of a line are shown.
fn window(text: &str, line: &Range<usize>, label: Option<Range<usize>>) -> Range<usize> {
    if line.len() <= LINE_BYTES_MAX {
        return line.clone();
    }
    let focus = label.map_or(line.start, |label| label.start);
    let mut start = focus.saturating_sub(LEAD_BYTES).max(line.start);
    let mut end = (start + LINE_BYTES_MAX).min(line.end);
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    start..end
}

/// The character, or one of the same length that no terminal acts on.
fn harmless(c: char) -> char {
    let is_direction = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    match c.len_utf8() {
        _ if c == '\t' || !(c.is_control() || is_direction) => c,
        1 => '?',
        2 => '·',
        _ => '\u{fffd}',
    }
}

impl SourceCode for Excerpts {
    /// Around a label the whole excerpt; for a bare label its real line and column.
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        _: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let excerpt = self.excerpts.iter().find(|excerpt| excerpt.holds(span)).ok_or(MietteError::OutOfBounds)?;
        let label = self.labels.iter().find(|label| label.span.start == span.offset()).filter(|_| lines_before == 0);
        let (line, column) = label.map_or((excerpt.first_line, 1), |label| (label.line, label.column));
        Ok(Box::new(MietteSpanContents::new_named(
            excerpt.file.clone(),
            excerpt.text.as_bytes(),
            SourceSpan::from((excerpt.base, excerpt.text.len())),
            line - 1,
            column - 1,
            excerpt.lines.len(),
        )))
    }
}
