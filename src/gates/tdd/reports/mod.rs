//! What a test runner wrote, read: which cases there were, and how each ended.
//!
//! ```text
//!  JUnit XML ──┐
//!  libtest ────┤
//!  TAP ────────┼── read ──> TestReport { cases, problem }
//!  unittest ───┤
//!  go test ────┘
//! ```
//!
//! The format is told by the content. A report is written by a process that runs the judged code, so nothing in it is believed
//! further than it goes: sizes are bounded, no reader recurses over what it reads, and where a report contradicts itself it says
//! so in `problem`.

mod causes;
mod gotest;
mod junit;
mod libtest;
mod tap;
mod unittest;

pub use causes::ErrorKind;
pub(super) use causes::{Missing, error_kind, missing};

/// Cases that are kept of one report.
const CASES_MAX: usize = 200_000;
/// Bytes that are read of one report.
const REPORT_BYTES_MAX: usize = 64 * 1024 * 1024;
const ID_CHARS_MAX: usize = 400;
const MESSAGE_CHARS_MAX: usize = 4_000;

/// How a test case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Passed,
    /// As a test fails: something was not as it claims.
    Failed,
    /// It could not be run to an end that says anything of what it tests.
    Errored(ErrorKind),
    /// It did not run, and why. Failures that were expected count here.
    Skipped(String),
}

/// One test case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCase {
    /// Its name with what it stands in, as the runner says it; empty where the runner only counts.
    pub id: String,
    /// The file, where the runner names it.
    pub file: Option<String>,
    /// The line in it.
    pub line: Option<u32>,
    /// How it ended.
    pub outcome: Outcome,
    /// What the runner says of that.
    pub message: String,
}

impl TestCase {
    fn new(id: impl Into<String>, outcome: Outcome) -> Self {
        Self { id: bounded(&id.into(), ID_CHARS_MAX), file: None, line: None, outcome, message: String::new() }
    }

    fn file(mut self, file: Option<&str>) -> Self {
        self.file = file.map(|file| bounded(file, ID_CHARS_MAX));
        self
    }

    fn message(mut self, message: &str) -> Self {
        self.message = bounded(message.trim(), MESSAGE_CHARS_MAX);
        self
    }

    /// The last word of its name, without the parameters of one call: what the function is called.
    #[must_use]
    pub fn function(&self) -> &str {
        let id = self.id.split(['[', '(']).next().unwrap_or_default().trim();
        let id = id.split('/').next().filter(|first| first.starts_with("Test")).unwrap_or(id);
        id.rsplit([':', '.', '>']).next().unwrap_or_default().trim()
    }

    /// Whether it ended badly.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        matches!(self.outcome, Outcome::Failed | Outcome::Errored(_))
    }

    /// Whether it was skipped.
    #[must_use]
    pub fn is_skipped(&self) -> bool {
        matches!(self.outcome, Outcome::Skipped(_))
    }
}

/// What a report says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TestReport {
    /// The cases, in order.
    pub cases: Vec<TestCase>,
    /// Where it contradicts itself, or ends early.
    pub problem: Option<String>,
}

impl TestReport {
    /// The cases that ran, those that could not be loaded included: all but the skipped.
    pub fn ran(&self) -> impl Iterator<Item = &TestCase> {
        self.cases.iter().filter(|case| !case.is_skipped())
    }

    /// Whether any case ended badly.
    #[must_use]
    pub fn is_red(&self) -> bool {
        self.cases.iter().any(TestCase::is_bad)
    }

    /// One report of several.
    #[must_use]
    pub fn join(reports: impl IntoIterator<Item = TestReport>) -> Option<TestReport> {
        let mut whole: Option<TestReport> = None;
        for report in reports {
            let to = whole.get_or_insert_default();
            to.cases.extend(report.cases);
            to.cases.truncate(CASES_MAX);
            to.problem = to.problem.take().or(report.problem);
        }
        whole
    }

    fn of(cases: Vec<TestCase>) -> Option<Self> {
        (!cases.is_empty()).then_some(Self { cases, problem: None })
    }

    fn push(&mut self, case: TestCase) {
        if self.cases.len() < CASES_MAX {
            self.cases.push(case);
        } else if self.problem.is_none() {
            self.problem = Some(format!("the report has more than {CASES_MAX} cases; the rest is not read"));
        }
    }
}

/// Reads a report of any known format; `None` where it is none.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<TestReport> {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(REPORT_BYTES_MAX)]);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('<') {
        return junit::read(text);
    }
    let clean = without_colours(text);
    let readers = [tap::read, libtest::read, unittest::read, gotest::read];
    let read = readers.into_iter().filter_map(|reader| reader(&clean));
    // The first of those that found most: lines of one format may look like a case of another here and there.
    read.fold(None, |best: Option<TestReport>, next| match best {
        Some(best) if best.cases.len() >= next.cases.len() => Some(best),
        _ => Some(next),
    })
}

/// A text without the escapes that colour a terminal, and without carriage returns.
fn without_colours(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\u{1b}' => {
                if chars.next() == Some('[') {
                    chars.by_ref().take(32).find(char::is_ascii_alphabetic);
                }
            }
            '\r' => {}
            _ => clean.push(char),
        }
    }
    clean
}

fn bounded(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some((end, _)) => text[..end].to_owned(),
    }
}

/// Lines gathered up to a bound.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn push(&mut self, line: &str) {
        if self.0.len() < MESSAGE_CHARS_MAX {
            self.0.push_str(&bounded(line, MESSAGE_CHARS_MAX));
            self.0.push('\n');
        }
    }

    fn take(&mut self) -> String {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests;
