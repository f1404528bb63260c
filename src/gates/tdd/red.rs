//! Red first: the declared tests, on the tree without the work, have to fail, and fail as tests.
//!
//! ```text
//!                                      basic     standard              strict
//!  a test case fails                   counts    counts                counts
//!  what the result brings is missing   counts    counts, with advice   does not
//!  anything else is broken             counts    does not              does not
//!  it fails and nothing says why       counts    counts, with advice   does not
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::brought::Brought;
use super::judge::{Case, Run, first_line, names};
use super::marks::{TestInFile, tests_in};
use super::reports::{ErrorKind, Missing, Outcome, TestCase, error_kind, missing};
use crate::base::{RelPath, Severity};
use crate::event::GateFinding;
use crate::gates::part::Part;
use crate::plan::Level;

const NAME: &str = "red first";
const WRITE_FIRST: &str = "write a test that fails without the work, in a file that holds nothing but tests";

/// Judges the run of the declared tests on the base.
pub(super) fn red_first(case: &Case<'_>) -> Part {
    if case.declared.files.is_empty() {
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
        return Part::judged(NAME, vec![passes(run.cases().iter(), None)]);
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

fn passes<'c>(cases: impl Iterator<Item = &'c TestCase>, path: Option<&RelPath>) -> GateFinding {
    let passed = cases.filter(|case| case.outcome == Outcome::Passed && !case.id.is_empty());
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
    for file in &case.declared.files {
        let (path, tests) = (file.path, &file.tests);
        for test in tests.iter().filter(|test| !test.says_something).take(20) {
            let message = format!("`{}` claims nothing, and did not fail by itself on the base", test.name);
            let finding =
                GateFinding::new("tdd/empty-test", Severity::Error, message).help("say what has to be true").at(path);
            findings.push(GateFinding { line: Some(test.line), ..finding });
        }
    }
    findings
}

/// Files none of whose tests fails, and tests that are new and pass.
fn passing(case: &Case<'_>, run: &Run) -> Vec<GateFinding> {
    let mut findings = Vec::new();
    let not_loaded = run.cases().iter().any(|case| matches!(case.outcome, Outcome::Errored(_)));
    let mut of_files: BTreeMap<usize, Vec<&TestCase>> = BTreeMap::new();
    for one in run.cases().iter().filter(|one| !one.id.is_empty()) {
        for at in case.declared.files_of(one) {
            of_files.entry(at).or_default().push(one);
        }
    }
    for (at, of_file) in of_files {
        let (path, tests) = (case.declared.files[at].path, &case.declared.files[at].tests);
        let all_passed = of_file.iter().all(|one| one.outcome == Outcome::Passed);
        if all_passed && !not_loaded {
            findings.push(passes(of_file.iter().copied(), Some(path)));
            continue;
        }
        let change = case.judged.changed.iter().find(|change| change.path == *path);
        let Some(change) = change else { continue };
        let before = change.before.text().and_then(|text| tests_in(path, text)).unwrap_or_default();
        let before: BTreeSet<(&str, &str)> =
            before.iter().map(|test| (test.name.as_str(), test.text.as_str())).collect();
        let is_new = |test: &&TestInFile| !before.contains(&(test.name.as_str(), test.text.as_str()));
        let new: BTreeSet<&str> = tests.iter().filter(is_new).map(|test| test.name.as_str()).collect();
        let passed = of_file.iter().filter(|one| one.outcome == Outcome::Passed && new.contains(one.function()));
        let passed: Vec<&str> = passed.map(|one| one.id.as_str()).collect();
        if !passed.is_empty() {
            let message = format!("passes without the work: {}", names(passed));
            let finding = GateFinding::new("tdd/passes-on-base", Severity::Warning, message);
            let help = "such a test says nothing of the work; let it fail first, or do without it";
            findings.push(finding.help(help).at(path));
        }
    }
    findings
}
