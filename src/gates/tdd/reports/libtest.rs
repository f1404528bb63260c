//! What Rust's test harness prints, of one binary or of several, documentation tests included, and what cargo prints where
//! the tests do not compile.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::{ErrorKind, Lines, Outcome, TestCase, TestReport, error_kind};

/// Compile errors that are kept.
const ERRORS_MAX: usize = 200;
/// Lines of one compile error.
const ERROR_LINES_MAX: usize = 40;

static RUNNING: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\s*Running (?:unittests )?(\S+\.rs) \(").expect("a pattern of ours"));
static TEST: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^test (.+?)(?: - should panic)? \.\.\. ?(.*)$").expect("a pattern of ours"));
static RESULT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored").expect("a pattern of ours")
});
static ERROR: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^error(\[E\d+\])?: ").expect("a pattern of ours"));

pub(super) fn read(text: &str) -> Option<TestReport> {
    let mut report = TestReport::default();
    let mut file: Option<&str> = None;
    let mut pending: Option<usize> = None;
    let mut of_binary = 0_usize;
    let mut seen = false;
    for line in text.lines() {
        if let Some(running) = RUNNING.captures(line) {
            file = running.get(1).map(|path| path.as_str());
        } else if line.trim_start().starts_with("Doc-tests ") {
            file = None;
        } else if let Some(found) = TEST.captures(line) {
            let outcome = outcome(&found[2]);
            pending = outcome.is_none().then_some(report.cases.len());
            of_binary += 1;
            let case = TestCase::new(&found[1], outcome.unwrap_or(Outcome::Errored(ErrorKind::Other)));
            let of_doc = found[1].split_once(" - ").map(|(path, _)| path).filter(|path| path.ends_with(".rs"));
            report.push(case.file(of_doc.or(file)));
        } else if let Some(total) = RESULT.captures(line) {
            seen = true;
            let counted: usize = (1..=3).filter_map(|group| total[group].parse::<usize>().ok()).sum();
            if counted != of_binary {
                report.problem = Some(format!("the runner counts {counted} tests, and {of_binary} are told"));
            }
            (of_binary, pending) = (0, None);
        } else if line.starts_with("running ") {
            (seen, of_binary) = (true, 0);
        } else if let Some(case) = pending.and_then(|at| report.cases.get_mut(at)) {
            // What a test prints itself stands between its name and its end.
            if let Some(outcome) = outcome(line) {
                case.outcome = outcome;
                pending = None;
            }
        }
    }
    messages(text, &mut report);
    for error in compile_errors(text) {
        report.push(error);
        seen = true;
    }
    (seen && !report.cases.is_empty()).then_some(report)
}

fn outcome(word: &str) -> Option<Outcome> {
    let word = word.trim();
    let (first, rest) = word.split_at(word.find([' ', ',']).unwrap_or(word.len()));
    match first {
        "ok" => Some(Outcome::Passed),
        "FAILED" => Some(Outcome::Failed),
        "ignored" => Some(Outcome::Skipped(rest.trim_start_matches([',', ' ']).to_owned())),
        _ => None,
    }
}

/// What failing tests printed: `---- name stdout ----`, up to the next.
fn messages(text: &str, report: &mut TestReport) {
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    let (mut name, mut lines) = (None::<String>, Lines::default());
    for line in text.lines() {
        let next = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"));
        if next.is_some() || line == "failures:" || line.starts_with("test result: ") {
            if let Some(name) = name.take() {
                told.entry(name).or_insert(lines.take());
            }
            name = next.map(str::to_owned);
            lines.take();
        } else if name.is_some() {
            lines.push(line);
        }
    }
    for case in report.cases.iter_mut().filter(|case| case.outcome == Outcome::Failed) {
        if let Some(message) = told.get(&case.id) {
            case.message.clone_from(message);
        }
    }
}

/// The errors of a crate that does not compile, one case each.
fn compile_errors(text: &str) -> Vec<TestCase> {
    if !text.contains("error: could not compile") {
        return Vec::new();
    }
    let mut cases = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if !ERROR.is_match(line) || line.starts_with("error: could not compile") || line.starts_with("error: aborting")
        {
            continue;
        }
        let mut message = Lines::default();
        message.push(line);
        let mut place = None;
        for _ in 0..ERROR_LINES_MAX {
            let Some(next) = lines.next_if(|next| !next.trim().is_empty() && !ERROR.is_match(next)) else { break };
            if let (None, Some(at)) = (place, next.trim_start().strip_prefix("--> ")) {
                let mut parts = at.splitn(3, ':');
                place = parts.next().map(|file| (file, parts.next().and_then(|line| line.parse().ok())));
            }
            message.push(next);
        }
        let message = message.take();
        let kind = error_kind(&message);
        let (file, line) = place.map_or((None, None), |(file, line)| (Some(file), line));
        let case = TestCase::new("compile", Outcome::Errored(kind)).file(file).message(&message);
        cases.push(TestCase { line, ..case });
        if cases.len() == ERRORS_MAX {
            break;
        }
    }
    cases
}
