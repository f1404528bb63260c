//! `integrity/syntax-error`: source and data that do not parse. Known are the languages of the checks, JSON, TOML and XML.
//!
//! Files that are there to be wrong, which lie among fixtures, and templates, are left alone; so is what did not parse before.
//! A grammar that does not know all of its language would be wrong about good code. Where that happens, which was tried with
//! the standard libraries and packages of these languages, an error inside of something that is whole is a warning:
//!
//! ```text
//!  Python, Go, JSON, TOML, XML         an error
//!  Rust, JavaScript, TypeScript, Java  an error where a bracket is missing, or at the root; else a warning
//!  shell                               a warning
//! ```

use std::ops::Range;

use tree_sitter::Tree;

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
    /// Here, and so; and whether that is certain.
    At(Range<usize>, String, bool),
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
    let severity = match &found {
        Wrong::At(_, _, true) => Severity::Error,
        _ => Severity::Warning,
    };
    Some(match found {
        Wrong::At(span, what, _) => {
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
        return data_error(path, text).map(|(span, what)| Wrong::At(span, what, true));
    };
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let body = &text[mark..];
    if body.len() > PARSED_BYTES_MAX {
        return None;
    }
    let Some(tree) = parse(language, body) else { return Some(Wrong::TooHard) };
    let (span, what) = first_error(&tree, body)?;
    let is_certain = match language {
        Language::Python | Language::Go => true,
        Language::Shell => false,
        _ => is_gross(&tree),
    };
    Some(Wrong::At(span.start + mark..span.end + mark, what, is_certain))
}

/// Whether a tree is broken at its root, or a bracket is missing in it: no gap of a grammar, but text that was cut or is no
/// source at all.
fn is_gross(tree: &Tree) -> bool {
    let root = tree.root_node();
    let mut cursor = tree.walk();
    if root.is_error() || root.children(&mut cursor).any(|child| child.is_error()) {
        return true;
    }
    let mut cursor = tree.walk();
    loop {
        if cursor.node().is_missing() && matches!(cursor.node().kind(), "}" | ")" | "]") {
            return true;
        }
        if cursor.node().has_error() && cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return false;
            }
        }
    }
}
