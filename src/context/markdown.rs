//! Markdown that its contents cannot break: whatever a text from a file, a plan or an agent holds, it ends where it was
//! meant to end, and the headings after it are headings.

use std::fmt::Write as _;

use crate::base::{sanitize_line, sanitize_terminal};

/// A code span on one line, with as many backticks around it as its text needs.
#[must_use]
pub fn code(text: &str) -> String {
    let text = sanitize_line(text);
    let ticks = "`".repeat(longest_run(&text, '`') + 1);
    match text.starts_with('`') || text.ends_with('`') {
        true => format!("{ticks} {text} {ticks}"),
        false => format!("{ticks}{text}{ticks}"),
    }
}

/// A fenced block, its fence longer than any in the text. Control characters are taken out.
#[must_use]
pub fn fenced(language: &str, text: &str) -> String {
    let text = sanitize_terminal(text);
    let fence = "`".repeat((longest_run(&text, '`') + 1).max(3));
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

/// A quotation: what somebody said, every line of it marked. Control characters are taken out.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::new();
    for line in sanitize_terminal(text).trim().lines() {
        let _ = writeln!(out, "{}", format!("> {line}").trim_end());
    }
    out
}

/// An item of a list; its further lines are indented, so that they stay in it.
#[must_use]
pub fn item(text: &str) -> String {
    let mut lines = text.trim().lines();
    let mut out = format!("- {}\n", lines.next().unwrap_or_default());
    for line in lines {
        let _ = writeln!(out, "{}", format!("  {line}").trim_end());
    }
    out
}

/// A text of its author's own Markdown, with its last fence closed.
pub(super) fn closed(text: &str) -> String {
    let text = text.trim_end();
    match open_fence(text) {
        Some(fence) => format!("{text}\n{fence}"),
        None => text.to_owned(),
    }
}

/// The fence that a text leaves open (CommonMark 4.5: the closing one is of the same character, at least as long, and
/// followed by nothing).
fn open_fence(text: &str) -> Option<String> {
    let mut open: Option<(char, usize)> = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let line = line.trim_start_matches(' ');
        let Some(mark) = line.chars().next().filter(|c| matches!(c, '`' | '~')) else { continue };
        let length = line.chars().take_while(|c| *c == mark).count();
        let rest = &line[length..];
        if length < 3 || indent > 3 {
            continue;
        }
        open = match open {
            None if mark == '`' && rest.contains('`') => None,
            None => Some((mark, length)),
            Some((opened, least)) if mark == opened && length >= least && rest.trim().is_empty() => None,
            still => still,
        };
    }
    open.map(|(mark, length)| mark.to_string().repeat(length))
}

fn longest_run(text: &str, mark: char) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == mark { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_and_spans_are_longer_than_what_they_hold() {
        assert_eq!(code("a b"), "`a b`");
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`x`"), "`` `x` ``");
        assert_eq!(code("a\nb\x1b"), "`a\\nb\\u{1b}`");
        assert_eq!(fenced("text", "a\n"), "```text\na\n```\n");
        assert_eq!(fenced("", "````\nx\x1b[31m\n````"), "`````\n````\nx\n````\n`````\n");
        assert_eq!(quoted("one\n\n## two\x07\n"), "> one\n>\n> ## two\n");
        assert_eq!(item("one\n## two\n\nthree"), "- one\n  ## two\n\n  three\n");
    }

    #[test]
    fn an_open_fence_is_closed() {
        let table = [
            ("plain", "plain"),
            ("```\na\n```", "```\na\n```"),
            ("```sh\na", "```sh\na\n```"),
            ("~~~~\n```\n~~~", "~~~~\n```\n~~~\n~~~~"),
            ("```` a\n```\n", "```` a\n```\n````"),
            ("``` a ``` b", "``` a ``` b"),
            ("    ```", "    ```"),
            ("```\na\n``` x", "```\na\n``` x\n```"),
        ];
        for (text, expected) in table {
            assert_eq!(closed(text), expected, "{text:?}");
        }
    }
}
