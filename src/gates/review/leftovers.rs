//! What is left behind in added lines: `review/debug-leftover` and `review/todo-left`. Where the language is known its syntax tree is
//! walked once, so that a word in a text is no call and no comment; elsewhere lines are looked at.

use std::ops::Range;

use tree_sitter::Node;

use super::debug::{debug_in_line, debug_of};
use super::kinds::{is_code, is_generated, is_test, is_tool};
use super::unfinished::{mark_in_comment, unfinished};
use crate::base::Severity;
use crate::event::GateFinding;
use crate::gates::judged::ChangedFile;
use crate::gates::language::{Language, parse};
use crate::gates::locate::{LineIndex, lines};

/// Findings of both rules in one file.
const FINDINGS_MAX: usize = 50;

/// Something left behind: which rule, how bad, and what to say.
pub(super) struct Leftover {
    pub(super) rule: &'static str,
    pub(super) severity: Severity,
    pub(super) message: String,
    pub(super) help: &'static str,
}

/// The file around a node.
pub(super) struct Source<'t> {
    pub(super) language: Language,
    pub(super) text: &'t str,
    /// Whether it holds tests.
    pub(super) is_test: bool,
    /// Whether printing is its work.
    pub(super) prints: bool,
}

impl<'t> Source<'t> {
    /// The text of a node.
    pub(super) fn text_of(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    /// The text of a field of a node; empty where it has none.
    pub(super) fn field(&self, node: Node<'_>, field: &str) -> &'t str {
        node.child_by_field_name(field).map_or("", |child| self.text_of(child))
    }
}

/// What is found in one file.
pub(super) fn leftovers(change: &ChangedFile) -> Vec<GateFinding> {
    let Some(text) = change.after.text() else { return Vec::new() };
    if is_generated(&change.path, text) {
        return Vec::new();
    }
    let index = LineIndex::new(text);
    let found = match Language::of(&change.path, text) {
        Some(language) => of_tree(change, language, text),
        None if is_code(&change.path) => of_lines(change, text),
        None => Vec::new(),
    };
    let placed = |(span, left): (Range<usize>, Leftover)| {
        let finding = GateFinding::new(left.rule, left.severity, left.message).help(left.help);
        index.place(finding, &change.path, span, None)
    };
    found.into_iter().take(FINDINGS_MAX).map(placed).collect()
}

fn of_tree(change: &ChangedFile, language: Language, text: &str) -> Vec<(Range<usize>, Leftover)> {
    let Some(tree) = parse(language, text) else { return Vec::new() };
    let before = change.before.text().unwrap_or_default();
    let source = Source {
        language,
        text,
        is_test: is_test(&change.path),
        prints: is_tool(&change.path, text) || before.contains("console.log") || before.contains("print"),
    };
    let mut found = Vec::new();
    let mut cursor = tree.walk();
    // The way down to a node: asking it for its parent would begin at the root again.
    let mut above: Vec<Node<'_>> = Vec::new();
    loop {
        let node = cursor.node();
        let line = u32::try_from(node.start_position().row + 1).unwrap_or(u32::MAX);
        if node.is_named() && change.is_added(line) && found.len() < FINDINGS_MAX {
            let left = match node.kind().contains("comment") {
                true => comment(node, &source),
                false => debug_of(node, &above, &source)
                    .or_else(|| unfinished(node, &above, &source))
                    .map(|left| (first_line(node, text), left)),
            };
            found.extend(left);
        }
        // Nothing inside a comment or a text is of interest, and nothing in a file whose findings are full.
        let is_leaf = node.kind().contains("comment") || found.len() >= FINDINGS_MAX;
        if !is_leaf && cursor.goto_first_child() {
            above.push(node);
            continue;
        }
        while !cursor.goto_next_sibling() {
            above.pop();
            if !cursor.goto_parent() {
                return found;
            }
        }
    }
}

fn first_line(node: Node<'_>, text: &str) -> Range<usize> {
    let range = node.byte_range();
    let end = text[range.clone()].find('\n').map_or(range.end, |end| range.start + end);
    range.start..end
}

fn comment(node: Node<'_>, source: &Source<'_>) -> Option<(Range<usize>, Leftover)> {
    let start = node.start_byte();
    let (span, left) = mark_in_comment(source.text_of(node))?;
    Some((start + span.start..start + span.end, left))
}

/// Of a language without a grammar: comments that begin a line, and calls that are nothing else anywhere.
fn of_lines(change: &ChangedFile, text: &str) -> Vec<(Range<usize>, Leftover)> {
    let mut found = Vec::new();
    for line in lines(text).filter(|line| change.is_added(line.number)) {
        let trimmed = line.text.trim_start();
        let start = line.span.start + line.text.len() - trimmed.len();
        let is_comment =
            ["//", "#", "--", "/*", "*", ";", "%", "<!--", "'"].iter().any(|mark| trimmed.starts_with(mark));
        let left = match is_comment {
            true => mark_in_comment(trimmed).map(|(span, left)| (start + span.start..start + span.end, left)),
            false => debug_in_line(trimmed).map(|left| (start..line.span.end, left)),
        };
        found.extend(left);
        if found.len() >= FINDINGS_MAX {
            break;
        }
    }
    found
}
