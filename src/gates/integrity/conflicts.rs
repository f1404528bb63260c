//! `integrity/conflict-markers`: a merge that nobody finished, in lines that the result adds.
//!
//! ```text
//!  <<<<<<< ours      opens: seven of them, then a blank or the end of the line
//!  ||||||| base      may follow
//!  =======           alone it is an underline in many a document, and counts for nothing
//!  >>>>>>> theirs    closes
//! ```
//!
//! In documents only a whole one counts, and none in a block of code, where it is an example. In source that parses in spite of
//! them they stand in a text or a comment, and are a warning.

use std::ops::Range;

use super::content::{ending, may_be_wrong};
use super::syntax;
use crate::base::Severity;
use crate::event::GateFinding;
use crate::gates::judged::ChangedFile;
use crate::gates::locate::{LineIndex, lines};

const FINDINGS_MAX: usize = 20;
const DOCUMENTS: [&str; 7] = ["md", "markdown", "rst", "adoc", "txt", "eml", "org"];

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Opens,
    Divides,
    Closes,
}

fn mark(line: &str) -> Option<Mark> {
    let is = |mark: &str| line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    match line.as_bytes().first()? {
        b'<' if is("<<<<<<<") => Some(Mark::Opens),
        b'=' if line == "=======" => Some(Mark::Divides),
        b'>' if is(">>>>>>>") => Some(Mark::Closes),
        _ => None,
    }
}

/// What is found in one file.
pub(super) fn conflict_markers(change: &ChangedFile) -> Vec<GateFinding> {
    let Some(text) = change.after.text() else { return Vec::new() };
    let is_any = text.contains("<<<<<<<") || text.contains(">>>>>>>");
    if !is_any || may_be_wrong(&change.path) {
        return Vec::new();
    }
    let is_document = DOCUMENTS.contains(&ending(&change.path).as_str());
    let spans = spans(change, text, is_document);
    if spans.is_empty() {
        return Vec::new();
    }
    let parses = syntax::parses(&change.path, text) == Some(true);
    let (severity, message) = match parses {
        true => (Severity::Warning, "this looks like the rest of an unfinished merge, in a text or a comment"),
        false => (Severity::Error, "this is the rest of an unfinished merge"),
    };
    let index = LineIndex::new(text);
    let finding = |span: Range<usize>| {
        let finding = GateFinding::new("integrity/conflict-markers", severity, message);
        index.place(finding.help("decide what stands here, and remove the markers"), &change.path, span, None)
    };
    spans.into_iter().take(FINDINGS_MAX).map(finding).collect()
}

/// The first marker of each conflict, and those that stand alone where that is enough.
fn spans(change: &ChangedFile, text: &str, is_document: bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut open: Option<(Range<usize>, bool)> = None;
    let mut is_example = false;
    for line in lines(text) {
        if is_document && line.text.trim_start().starts_with("```") {
            is_example = !is_example;
        }
        let Some(mark) = mark(line.text).filter(|_| !is_example) else { continue };
        let is_added = change.is_added(line.number);
        match (mark, open.take()) {
            (Mark::Opens, before) => {
                found.extend(before.filter(|_| !is_document).map(|(span, _)| span));
                open = is_added.then_some((line.span, false));
            }
            (Mark::Divides, Some((span, _))) => open = Some((span, true)),
            (Mark::Divides, None) => {}
            (Mark::Closes, Some((span, is_divided))) => {
                if is_divided || !is_document {
                    found.push(span);
                }
            }
            (Mark::Closes, None) => {
                if is_added && !is_document {
                    found.push(line.span);
                }
            }
        }
    }
    found.extend(open.filter(|_| !is_document).map(|(span, _)| span));
    found
}
