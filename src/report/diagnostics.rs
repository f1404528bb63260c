//! Findings as text: miette draws them, orca bounds them.

use std::fmt;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode, ThemeCharacters, ThemeStyles,
};

use super::excerpt::Excerpts;
use crate::base::{Finding, Severity, bounded, sanitize_line, sanitize_terminal};
use crate::plan::Document;

/// Findings drawn; the rest is counted.
const FINDINGS_MAX: usize = 50;
/// The longest text, with what follows the last finding.
const TEXT_BYTES_MAX: usize = 64 << 10;
const MESSAGE_BYTES_MAX: usize = 1000;
const HELP_BYTES_MAX: usize = 2000;

/// How findings are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenderOptions {
    /// With ANSI colours.
    pub color: bool,
    /// Columns of the terminal.
    pub width: usize,
    /// With box-drawing characters rather than ASCII.
    pub unicode: bool,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { color: false, width: 100, unicode: true }
    }
}

/// The findings as text, at most 50 of them and at most 64 KiB. Nothing in it acts on a terminal but colours.
#[must_use]
pub fn render(findings: &[Finding], documents: &[Document], options: RenderOptions) -> String {
    let handler = handler(options);
    let mut text = String::new();
    let mut shown = 0;
    for finding in findings.iter().take(FINDINGS_MAX) {
        let drawn = draw(finding, documents, &handler);
        if text.len() + drawn.len() > TEXT_BYTES_MAX - 200 {
            break;
        }
        text.push_str(&drawn);
        shown += 1;
    }
    match findings.len() - shown {
        0 => {}
        1 => text.push_str("and 1 more finding\n"),
        left => text.push_str(&format!("and {left} more findings\n")),
    }
    text
}

pub(super) fn handler(options: RenderOptions) -> GraphicalReportHandler {
    let theme = GraphicalTheme {
        characters: if options.unicode { ThemeCharacters::unicode() } else { ThemeCharacters::ascii() },
        styles: if options.color { ThemeStyles::ansi() } else { ThemeStyles::none() },
    };
    GraphicalReportHandler::new_themed(theme)
        .with_width(options.width.clamp(40, 500))
        .with_links(false)
        .with_word_separator(textwrap::WordSeparator::AsciiSpace)
        .without_syntax_highlighting()
        .with_context_lines(1)
}

fn draw(finding: &Finding, documents: &[Document], handler: &GraphicalReportHandler) -> String {
    let drawing = Drawing {
        finding,
        message: sanitize_line(&bounded(&finding.message, MESSAGE_BYTES_MAX)),
        help: finding.help.as_ref().map(|help| sanitize_terminal(&bounded(help, HELP_BYTES_MAX))),
        excerpts: Excerpts::new(&finding.labels, documents),
    };
    let mut text = String::new();
    handler.render_report(&mut text, &drawing).expect("writing to a string cannot fail");
    text.push('\n');
    text
}

/// One finding as miette takes it.
#[derive(Debug)]
struct Drawing<'f> {
    finding: &'f Finding,
    message: String,
    help: Option<String>,
    excerpts: Excerpts,
}

impl fmt::Display for Drawing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
impl std::error::Error for Drawing<'_> {}

impl Diagnostic for Drawing<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.finding.code))
    }
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.finding.severity {
            Severity::Advice => miette::Severity::Advice,
            Severity::Warning => miette::Severity::Warning,
            Severity::Error => miette::Severity::Error,
        })
    }
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.excerpts)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.excerpts.labels()))
    }
}
