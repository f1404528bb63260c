//! `integrity/syntax-error`: source and data that do not parse. Known are the languages of the checks, JSON, TOML and XML.
//!
//! Files that are there to be wrong, which lie among fixtures, and templates, are left alone; so is what did not parse before.
//! Shell has no grammar that knows every script, so there it is a warning.

use std::ops::Range;

use super::content::{ending, may_be_wrong};
use crate::base::{RelPath, Severity};
use crate::event::GateFinding;
use crate::gates::judged::ChangedFile;
use crate::gates::language::{Language, first_error, parse, syntax_error as data_error};
use crate::gates::locate::LineIndex;

/// A longer text of a language is not parsed by anybody.
const PARSED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How a text is wrong.
enum Wrong {
    /// Here, and so.
    At(Range<usize>, String),
    /// The parser gave up on it.
    TooHard,
}

/// What is found in one file.
pub(super) fn syntax_error(change: &ChangedFile) -> Option<GateFinding> {
    let (path, text) = (&change.path, change.after.text()?);
    if may_be_wrong(path) {
        return None;
    }
    let found = wrong(path, text)?;
    if change.before.text().is_some_and(|before| wrong(path, before).is_some()) {
        return None;
    }
    let severity = match (&found, Language::of(path, text)) {
        (Wrong::TooHard, _) | (_, Some(Language::Shell)) => Severity::Warning,
        _ => Severity::Error,
    };
    Some(match found {
        Wrong::At(span, what) => {
            let message = format!("`{path}` does not parse: {what}");
            let finding = GateFinding::new("integrity/syntax-error", severity, message).help("mend the syntax");
            LineIndex::new(text).place(finding, path, span, None)
        }
        Wrong::TooHard => {
            let message = format!("`{path}` is so hard to parse that no check can read it");
            let help = "write it with less nesting, or in several files";
            GateFinding::new("integrity/syntax-error", severity, message).at(path).help(help)
        }
    })
}

/// Whether a text parses as what its name says; `None` where that is not known.
pub(super) fn parses(path: &RelPath, text: &str) -> Option<bool> {
    let is_data = ["json", "toml", "xml"].contains(&ending(path).as_str());
    (is_data || Language::of(path, text).is_some()).then(|| wrong(path, text).is_none())
}

fn wrong(path: &RelPath, text: &str) -> Option<Wrong> {
    let Some(language) = Language::of(path, text) else {
        return data_error(path, text).map(|(span, what)| Wrong::At(span, what));
    };
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let body = &text[mark..];
    if body.len() > PARSED_BYTES_MAX {
        return None;
    }
    let Some(tree) = parse(language, body) else { return Some(Wrong::TooHard) };
    let (span, what) = first_error(&tree, body)?;
    Some(Wrong::At(span.start + mark..span.end + mark, what))
}
