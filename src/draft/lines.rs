//! The lines of a plan, and which of them have found a place.
//!
//! INVARIANT: a line is marked only by who puts its text into the draft. What is unmarked in the end is told.

use std::cell::RefCell;
use std::ops::Range;

/// A text by lines, each of which knows whether it was used.
#[derive(Debug)]
pub(super) struct Lines {
    text: Vec<String>,
    used: RefCell<Vec<bool>>,
    /// Lines that held what no plan can hold, and got another character for it.
    pub(super) replaced: Vec<usize>,
}

impl Lines {
    /// The lines of a text. A byte order mark goes, every line end counts, and NUL becomes U+FFFD, as in `CommonMark`.
    pub(super) fn new(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let unified = text.replace("\r\n", "\n").replace('\r', "\n");
        let replaced = (0..).zip(unified.lines()).filter(|(_, line)| line.contains('\0')).map(|(at, _)| at).collect();
        let text: Vec<String> = unified.replace('\0', "\u{fffd}").lines().map(str::to_owned).collect();
        let used = RefCell::new(vec![false; text.len()]);
        Self { text, used, replaced }
    }

    /// The whole text, for a parser that counts in bytes.
    pub(super) fn joined(&self) -> String {
        self.text.iter().map(|line| format!("{line}\n")).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    pub(super) fn line(&self, at: usize) -> &str {
        &self.text[at]
    }

    /// The lines of a range with their numbers.
    pub(super) fn range(&self, range: &Range<usize>) -> impl Iterator<Item = (usize, &str)> {
        range.clone().map(|at| (at, &*self.text[at]))
    }

    /// Says that the text of these lines is in the draft.
    pub(super) fn mark(&self, range: Range<usize>) {
        let mut used = self.used.borrow_mut();
        used[range].fill(true);
    }

    /// Takes that back.
    pub(super) fn unmark(&self, at: usize) {
        self.used.borrow_mut()[at] = false;
    }

    pub(super) fn is_used(&self, at: usize) -> bool {
        self.used.borrow()[at]
    }

    /// What nobody has used, apart from blank lines and those that are Markdown's signs alone.
    pub(super) fn unused(&self) -> impl Iterator<Item = (usize, &str)> {
        let all = self.text.iter().map(String::as_str).enumerate();
        all.filter(|(at, line)| !self.is_used(*at) && !is_only_signs(line))
    }
}

/// Whether a line is blank, a rule, a fence, or what else says nothing by itself.
pub(super) fn is_only_signs(line: &str) -> bool {
    line.chars().all(|c| c.is_whitespace() || "#*-_=+>|:`~[]".contains(c))
}

/// Lines as a text without the indent that all of them share, and without blank lines at its ends.
pub(super) fn dedented<'a>(lines: impl Iterator<Item = &'a str> + Clone) -> String {
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let shared = lines.clone().filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or(0);
    let mut text = String::new();
    let mut blank = 0;
    for line in lines {
        let line = line.get(shared..).unwrap_or_default().trim_end();
        if line.is_empty() {
            blank += usize::from(!text.is_empty());
            continue;
        }
        text.extend(std::iter::repeat_n('\n', std::mem::take(&mut blank)));
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_end_counts_and_nothing_is_used_at_first() {
        let lines = Lines::new("\u{feff}a\r\nb\rc\0\n\n---\n");
        assert_eq!(lines.len(), 5);
        assert_eq!(lines.line(2), "c\u{fffd}");
        assert_eq!(lines.replaced, [2]);
        assert_eq!(lines.unused().map(|(at, _)| at).collect::<Vec<_>>(), [0, 1, 2]);
        lines.mark(0..2);
        assert_eq!(lines.unused().map(|(at, _)| at).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn only_the_indent_that_all_share_goes() {
        assert_eq!(dedented("\n    a\n\n\n      b\n\n".lines()), "a\n\n\n  b\n");
    }
}
