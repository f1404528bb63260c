//! Red first: the declared tests, on the tree without the work, have to fail, and fail as tests.
//!
//! ```text
//!                                      basic     standard              strict
//!  a test case fails                   counts    counts                counts
//!  what the result brings is missing   counts    counts, with advice   does not
//!  anything else is broken             counts    does not              does not
//!  it fails and nothing says why       counts    counts, with advice   does not
//! ```

use super::brought::Brought;
use super::judge::{Case, Run, first_line, names};
use super::marks::tests_in;
use super::paths::{is_in_module, means};
use super::reports::{ErrorKind, Missing, Outcome, TestCase, error_kind, missing};
use crate::base::{RelPath, Severity};
use crate::event::GateFinding;
use crate::gates::part::Part;
use crate::plan::Level;

const NAME: &str = "red first";
const WRITE_FIRST: &str = "write a test that fails without the work, in a file that holds nothing but tests";

/// Judges the run of the declared tests on the base.
pub(super) fn red_first(case: &Case<'_>) -> Part {
    if case.files.is_empty() {
        return match case.evidence.base {
            None => Part::skipped(NAME, "the declared tests did not run on the base"),
            Some(_) => {
                let finding =
                    GateFinding::new("tdd/no-tests", Severity::Error, "the result has none of the declared test files");
                Part::judged(NAME, vec![finding.help("write the tests that the task declares")])
            }
        };
    }
    let Some(run) = &case.evidence.base else {
        return Part::skipped(NAME, "the declared tests did not run on the base");
    };
    if let Some(why) = run.broke() {
        let is_broken_anyway = case.evidence.result.as_ref().is_some_and(|result| result.broke().is_some());
        if is_broken_anyway {
            return Part::broke(NAME, why);
        }
        let broken =
            (case.first.level != Level::Basic).then(|| broken(&format!("on the base the tests end with: {why}")));
        return Part::judged(NAME, broken.into_iter().collect());
    }
    if run.is_green() {
        return Part::judged(NAME, vec![passes(run, None)]);
    }
    let mut findings = why_red(case, run);
    if !findings.iter().any(|finding| finding.severity == Severity::Error) {
        findings.extend(passing(case, run));
    }
    let failed = run.cases().iter().filter(|case| case.outcome == Outcome::Failed).count();
    let part = Part::judged(NAME, findings);
    match failed {
        0 => part,
        1 => part.note("1 test fails without the work"),
        _ => part.note(format!("{failed} tests fail without the work")),
    }
}

fn passes(run: &Run, path: Option<&RelPath>) -> GateFinding {
    let passed = run.cases().iter().filter(|case| case.outcome == Outcome::Passed && !case.id.is_empty());
    let passed = passed.filter(|case| path.is_none_or(|path| is_of(case, path, None)));
    let names = names(passed.map(|case| case.id.as_str()));
    let which = match names.as_str() {
        "" => String::new(),
        _ => format!(": {names}"),
    };
    let message = match path {
        None => format!("the declared tests pass without the work{which}"),
        Some(path) => format!("the tests of `{path}` pass without the work{which}"),
    };
    let finding = GateFinding::new("tdd/passes-on-base", Severity::Error, message).help(WRITE_FIRST);
    match path {
        Some(path) => finding.at(path),
        None => finding,
    }
}

fn broken(message: &str) -> GateFinding {
    let help = "let the test fail because of what is not there yet, and nothing else";
    GateFinding::new("tdd/base-broken", Severity::Error, message).help(help)
}

/// Whether the run is red for a reason that counts.
fn why_red(case: &Case<'_>, run: &Run) -> Vec<GateFinding> {
    let level = case.first.level;
    if level == Level::Basic {
        return Vec::new();
    }
    let failed = run.cases().iter().any(|case| case.outcome == Outcome::Failed);
    let mut errors: Vec<TestCase> =
        run.cases().iter().filter(|case| matches!(case.outcome, Outcome::Errored(_))).cloned().collect();
    if run.cases().is_empty() {
        // No report: the output may still say what is wrong.
        let kind = error_kind(&run.text);
        if kind == ErrorKind::Collection {
            let severity = if level == Level::Strict { Severity::Error } else { Severity::Advice };
            let message = format!("the declared tests fail on the base ({}), and no report says how", run.ended());
            let help = "let the command write a report: JUnit XML, TAP, or what libtest, unittest or go test print";
            return vec![GateFinding::new("tdd/no-report", severity, message).help(help)];
        }
        errors.push(TestCase {
            id: String::new(),
            file: None,
            line: None,
            outcome: Outcome::Errored(kind),
            message: run.text.clone(),
        });
    }
    if errors.is_empty() {
        return Vec::new();
    }
    if level == Level::Strict {
        if failed {
            return Vec::new();
        }
        let message =
            format!("no test case fails on the base; they cannot be loaded: {}", first_line(&errors[0].message));
        return vec![case.place(broken(&message), &errors[0])];
    }
    let brought = Brought::of(case);
    let mut findings = Vec::new();
    let mut counts = failed;
    for error in &errors {
        let names = missing(&error.message);
        let is_syntax = error.outcome == Outcome::Errored(ErrorKind::Syntax);
        if is_syntax {
            findings
                .push(case.place(broken(&format!("the tests cannot be read: {}", first_line(&error.message))), error));
        } else if names.iter().any(|name| brought.has(name)) {
            counts = true;
        } else if let Some(name) = names.first() {
            let what = match name {
                Missing::Module(name) | Missing::Name(name) => name,
            };
            let message = format!("on the base the tests miss `{what}`, which the result does not bring");
            findings.push(case.place(broken(&message), error));
        }
    }
    if !findings.is_empty() {
        return findings;
    }
    if !counts {
        let message = format!("on the base the tests cannot be loaded: {}", first_line(&errors[0].message));
        return vec![case.place(broken(&message), &errors[0])];
    }
    if failed && errors.iter().all(|error| error.outcome == Outcome::Errored(ErrorKind::Other)) {
        return Vec::new();
    }
    // The tests said nothing themselves, so what they would say is read.
    let empty = claims_nothing(case);
    if !empty.is_empty() {
        return empty;
    }
    let message = "on the base the tests miss what the result brings, so no test case failed there by itself";
    let finding = GateFinding::new("tdd/base-import-error", Severity::Advice, message);
    vec![finding.help("an empty function in the base would let the tests run, and fail")]
}

/// Declared tests that could not fail for what they say.
fn claims_nothing(case: &Case<'_>) -> Vec<GateFinding> {
    let mut findings = Vec::new();
    for path in &case.files {
        let tests = case.text(path).and_then(|text| tests_in(path, &text)).unwrap_or_default();
        for test in tests.iter().filter(|test| !test.says_something).take(20) {
            let message = format!("`{}` claims nothing, and did not fail by itself on the base", test.name);
            let finding =
                GateFinding::new("tdd/empty-test", Severity::Error, message).help("say what has to be true").at(path);
            findings.push(GateFinding { line: Some(test.line), ..finding });
        }
    }
    findings
}

/// Whether a case is one of a file: by the file it names, by the module in its name, or by the names of the tests there.
pub(super) fn is_of(case: &TestCase, path: &RelPath, names: Option<&[String]>) -> bool {
    let by_file = case.file.as_deref().map(|file| means(file, path));
    by_file == Some(true)
        || (by_file.is_none() && is_in_module(&case.id, path))
        || names
            .is_some_and(|names| names.iter().any(|name| name == case.function() || case.id.ends_with(name.as_str())))
}

/// Files none of whose tests fails, and tests that are new and pass.
fn passing(case: &Case<'_>, run: &Run) -> Vec<GateFinding> {
    let mut findings = Vec::new();
    let not_loaded = run.cases().iter().any(|case| matches!(case.outcome, Outcome::Errored(_)));
    for path in &case.files {
        let Some(text) = case.text(path) else { continue };
        let tests = tests_in(path, &text).unwrap_or_default();
        let of_names: Vec<String> = tests.iter().map(|test| test.name.clone()).collect();
        let of_file: Vec<&TestCase> =
            run.cases().iter().filter(|one| !one.id.is_empty() && is_of(one, path, Some(&of_names))).collect();
        let passed = of_file.iter().filter(|one| one.outcome == Outcome::Passed).count();
        if passed > 0 && passed == of_file.len() && !not_loaded {
            findings.push(passes(run, Some(path)));
            continue;
        }
        let change = case.judged.changed.iter().find(|change| change.path == **path);
        let Some(change) = change else { continue };
        let before = change.before.text().and_then(|text| tests_in(path, text)).unwrap_or_default();
        let is_new = |name: &str| {
            tests
                .iter()
                .any(|test| test.name == name && !before.iter().any(|old| old.name == name && old.text == test.text))
        };
        let new: Vec<&str> = of_file
            .iter()
            .filter(|one| one.outcome == Outcome::Passed && is_new(one.function()))
            .map(|one| one.id.as_str())
            .collect();
        if !new.is_empty() {
            let message = format!("passes without the work: {}", names(new.iter().copied()));
            let finding = GateFinding::new("tdd/passes-on-base", Severity::Warning, message);
            findings.push(
                finding.help("such a test says nothing of the work; let it fail first, or do without it").at(path),
            );
        }
    }
    findings
}
