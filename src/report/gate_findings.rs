//! What gates found, as text: drawn like findings about a plan, over the lines that a finding carries with it.

use std::fmt;

use miette::{Diagnostic, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use super::diagnostics::{RenderOptions, handler};
use crate::base::{Severity, bounded, counted, sanitize_line, sanitize_terminal};
use crate::event::{Excerpt, GateFinding};

/// Findings drawn; the rest is counted.
const FINDINGS_MAX: usize = 20;
const MESSAGE_BYTES_MAX: usize = 1000;
const HELP_BYTES_MAX: usize = 2000;

/// The findings as text, the worst first, at most 20 of them. Nothing in it acts on a terminal but colours.
#[must_use]
pub fn render_gate_findings<'f>(findings: impl IntoIterator<Item = &'f GateFinding>, options: RenderOptions) -> String {
    let mut findings: Vec<&GateFinding> = findings.into_iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let handler = handler(options);
    let mut text = String::new();
    for finding in findings.iter().take(FINDINGS_MAX) {
        let drawing = Drawing::new(finding);
        handler.render_report(&mut text, &drawing).expect("writing to a string cannot fail");
        text.push('\n');
    }
    let more = findings.len().saturating_sub(FINDINGS_MAX);
    if more > 0 {
        text.push_str(&format!("and {}\n", counted(more as u64, "more finding")));
    }
    text
}

/// One finding as miette takes it.
#[derive(Debug)]
struct Drawing<'f> {
    finding: &'f GateFinding,
    message: String,
    help: Option<String>,
    lines: Option<Lines>,
}

/// The lines of a finding, with their real file and numbers.
#[derive(Debug)]
struct Lines {
    file: String,
    first_line: usize,
    text: String,
    span: SourceSpan,
}

impl<'f> Drawing<'f> {
    fn new(finding: &'f GateFinding) -> Self {
        let lines = Lines::of(finding);
        let place = match (&lines, finding.place()) {
            (None, Some(place)) => format!("{place}: "),
            _ => String::new(),
        };
        let message = sanitize_line(&bounded(&format!("{place}{}", finding.message), MESSAGE_BYTES_MAX));
        let evidence = finding.evidence.as_ref().map(|evidence| format!("see {evidence}"));
        let help: Vec<&str> = finding.help.iter().chain(&evidence).map(String::as_str).collect();
        let help = (!help.is_empty()).then(|| sanitize_terminal(&bounded(&help.join("\n"), HELP_BYTES_MAX)));
        Self { finding, message, help, lines }
    }
}

impl Lines {
    fn of(finding: &GateFinding) -> Option<Self> {
        let (file, excerpt, line) = (finding.file.as_ref()?, finding.excerpt.as_ref()?, finding.line?);
        let nth = line.checked_sub(excerpt.first_line)? as usize;
        let start = offset(excerpt, nth)?;
        let shown = excerpt.text[start..].lines().next().unwrap_or_default();
        let column = |column: Option<u32>| {
            let chars = column.unwrap_or(1).saturating_sub(1) as usize;
            shown.char_indices().nth(chars).map_or(shown.len(), |(at, _)| at)
        };
        let from = column(finding.column);
        let to = match (finding.end_line, finding.end_column) {
            (None, Some(end)) => column(Some(end)).max(from),
            _ if finding.column.is_none() => shown.len(),
            _ => shown.len().max(from),
        };
        Some(Self {
            file: sanitize_line(file.as_str()),
            first_line: excerpt.first_line as usize,
            text: excerpt.text.clone(),
            span: SourceSpan::from((start + from, to - from)),
        })
    }
}

/// Where the nth line of an excerpt begins.
fn offset(excerpt: &Excerpt, nth: usize) -> Option<usize> {
    let starts = excerpt.text.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(starts).nth(nth)
}

impl SourceCode for Lines {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let found = self.text.read_span(span, before, after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.file.clone(),
            found.data(),
            *found.span(),
            found.line() + self.first_line - 1,
            found.column(),
            found.line_count(),
        )))
    }
}

impl fmt::Display for Drawing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
impl std::error::Error for Drawing<'_> {}

impl Diagnostic for Drawing<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.finding.rule))
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
        self.lines.as_ref().map(|lines| lines as &dyn SourceCode)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let lines = self.lines.as_ref()?;
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(None, lines.span))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::RelPath;

    #[test]
    fn findings_show_their_lines_with_the_real_numbers() {
        let finding = GateFinding {
            line: Some(41),
            column: Some(5),
            end_column: Some(12),
            excerpt: Some(Excerpt { first_line: 40, text: "def f(x):\n    eval(x)\n    return 1".to_owned() }),
            ..GateFinding::new("patterns/python-eval", Severity::Error, "`eval` of what is no literal")
                .at(&RelPath::new("a.py").expect("valid"))
                .help("use ast.literal_eval")
        };
        let options = RenderOptions { unicode: false, ..RenderOptions::default() };
        let bare = GateFinding::new("review/too-many-files", Severity::Warning, "31 files are changed");
        insta::assert_snapshot!(render_gate_findings([&bare, &finding], options), @r"
        patterns/python-eval

          x `eval` of what is no literal
            ,-[a.py:41:5]
         40 | def f(x):
         41 |     eval(x)
            :     ^^^^^^^
         42 |     return 1
            `----
          help: use ast.literal_eval

        review/too-many-files

          ! 31 files are changed
        ");
    }
}
