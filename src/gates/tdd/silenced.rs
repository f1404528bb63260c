//! Tests that still stand in their files, and no longer run: `load_tests` leaves them out, their class is something else by the end of
//! the module, a filter in a configuration passes them by. New tests in the same result may make up for their number.

use std::collections::BTreeSet;

use super::judge::{Case, names};
use super::marks::tests_in;
use super::paths::{is_in_module, is_test_path, means};
use super::reports::{TestCase, TestReport};
use super::suite::stem;
use crate::base::{RelPath, Severity};
use crate::event::GateFinding;

/// Tests that are looked for in files.
const LOOKED_FOR_MAX: usize = 200;

/// Finds tests that ran on the base, do not run on the result under any name that is new there, and are still to be read in the file
/// that their names say. Parameters may be other ones.
pub(super) fn silenced(case: &Case<'_>, base: &TestReport, result: &TestReport) -> Option<GateFinding> {
    let before: BTreeSet<&str> = base.cases.iter().map(|one| stem(&one.id)).collect();
    let after: BTreeSet<&str> = result.cases.iter().map(|one| stem(&one.id)).collect();
    let moved: BTreeSet<&str> =
        result.cases.iter().filter(|one| !before.contains(stem(&one.id))).map(TestCase::function).collect();
    let is_gone =
        |one: &&TestCase| !one.id.is_empty() && !after.contains(stem(&one.id)) && !moved.contains(one.function());
    let gone: Vec<&TestCase> = base.ran().filter(is_gone).take(LOOKED_FOR_MAX).collect();
    if gone.is_empty() {
        return None;
    }
    let is_test = |path: &&RelPath| is_test_path(path) || case.first.files.matches(path);
    let files: Vec<&RelPath> = case.judged.result.keys().filter(is_test).collect();
    let still_there = |one: &&TestCase| {
        let is_of = |path: &RelPath| match &one.file {
            Some(named) => means(named, path),
            None => is_in_module(&one.id, path),
        };
        let mut own = files.iter().filter(|path| is_of(path));
        own.any(|path| stands_in(case, path, one.function()))
    };
    let silent: Vec<&str> = gone.into_iter().filter(still_there).map(|one| one.id.as_str()).collect();
    if silent.is_empty() {
        return None;
    }
    let message =
        format!("ran on the base, still stands in its file, and does not run on the result: {}", names(silent));
    let finding = GateFinding::new("tdd/fewer-tests", Severity::Error, message);
    Some(finding.help("let the runner find the test again, or delete it where it is no longer right"))
}

fn stands_in(case: &Case<'_>, path: &RelPath, function: &str) -> bool {
    let text = (case.judged.read)(path).and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    let tests = text.and_then(|text| tests_in(path, &text)).unwrap_or_default();
    tests.iter().any(|test| test.name == function)
}
