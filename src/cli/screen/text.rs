//! Text on a screen: what it is allowed to hold, how wide it is, and where it is cut.

use unicode_width::UnicodeWidthChar as _;

use crate::base::{bounded, sanitize_line, sanitize_terminal};

/// Bytes of a line that are kept: more than any terminal shows.
const LINE_SIZE_MAX: usize = 4000;

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Style {
    #[default]
    Plain,
    Bold,
    Dim,
    Good,
    Cached,
    Warn,
    Bad,
    Bar,
}

impl Style {
    /// The numbers of SGR; empty is nothing.
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Good => "32",
            Self::Cached => "36",
            Self::Warn => "33",
            Self::Bad => "1;31",
            Self::Bar => "7",
        }
    }
}

/// A row of the screen: pieces from left to right.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Row(Vec<(Style, String)>);

impl Row {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// One piece.
    pub(super) fn of(style: Style, text: impl Into<String>) -> Self {
        Self(vec![(style, text.into())])
    }

    /// And one more. Text that came from outside must have been through [`line`] before.
    pub(super) fn and(mut self, style: Style, text: impl Into<String>) -> Self {
        self.0.push((style, text.into()));
        self
    }

    /// Columns that it takes.
    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| width(text)).sum()
    }

    /// What fits into so many columns, with `…` where something is missing.
    pub(super) fn cut(mut self, columns: usize) -> Self {
        let mut left = columns;
        if self.width() <= columns {
            return self;
        }
        for place in 0..self.0.len() {
            let (_, text) = &mut self.0[place];
            let wide = width(text);
            // The mark needs a column, wherever it comes to stand.
            if wide < left {
                left -= wide;
                continue;
            }
            *text = cut(text, left);
            self.0.truncate(place + 1);
            break;
        }
        self
    }

    /// The row as plain text.
    #[cfg(test)]
    pub(super) fn text(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// The row for a terminal.
    pub(super) fn painted(&self, color: bool) -> String {
        let paint = |(style, text): &(Style, String)| match style.code() {
            // Without colours, what is selected is still to be told from the rest.
            code if !code.is_empty() && (color || *style == Style::Bar) => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.clone(),
        };
        self.0.iter().map(paint).collect()
    }
}

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// The beginning of a text that has more columns, with `…` at its end.
fn cut(text: &str, columns: usize) -> String {
    if columns == 0 {
        return String::new();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide > columns - 1 {
            break;
        }
        used += wide;
        out.push(c);
    }
    out.push('…');
    out
}

/// A text from outside on one line: nothing in it acts on a terminal, nothing in it is endless.
pub(super) fn line(text: &str) -> String {
    let clean = sanitize_line(&bounded(text, LINE_SIZE_MAX).replace('\t', "    "));
    // Marks without a width pile up on one letter.
    let mut marks = 0;
    let keep = |c: &char| {
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        marks <= 2
    };
    clean.chars().filter(keep).collect()
}

/// The first lines of a text from outside.
pub(super) fn lines(text: &str, max: usize) -> Vec<String> {
    let start = bounded(text, 64 << 10);
    sanitize_terminal(&start).lines().map(line).filter(|line| !line.trim().is_empty()).take(max).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_row_is_cut_where_its_columns_end() {
        let row = || Row::of(Style::Bold, "日本").and(Style::Dim, "abc");
        let table = [(7, "日本abc"), (6, "日本a…"), (5, "日本…"), (4, "日…"), (3, "日…"), (2, "…"), (1, "…"), (0, "")];
        for (columns, expected) in table {
            assert_eq!(row().cut(columns).text(), expected, "{columns}");
        }
    }

    #[test]
    fn nothing_from_outside_acts() {
        assert!(!line("a\x1b[2Jb\x07\tc\u{202e}").contains(['\x1b', '\x07', '\t', '\u{202e}']));
        assert_eq!(lines("\x1b[31mred\x1b[0m\r\n\n  two\nthree", 2), ["red", "  two"]);
        assert_eq!(line(&format!("e{}x", "\u{301}".repeat(100))).chars().count(), 4);
    }

    proptest! {
        #[test]
        fn a_row_is_never_wider_than_it_may_be(texts in proptest::collection::vec(".{0,30}", 0..5), columns in 0usize..40) {
            let row = texts.iter().fold(Row::new(), |row, text| row.and(Style::Good, line(text)));
            prop_assert!(row.cut(columns).width() <= columns);
        }
    }
}
