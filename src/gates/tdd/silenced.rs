//! Tests that still stand in their files, and no longer run: `load_tests` leaves them out, their class is something else by the end of
//! the module, a filter in a configuration passes them by. As many new ones in other files hide that from who counts.

use std::collections::BTreeSet;

use super::declared::Declared;
use super::judge::{Case, names};
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
    let is_named = |path: &&RelPath| {
        gone.iter().any(|one| is_in_module(&one.id, path) || one.file.as_deref().is_some_and(|file| means(file, path)))
    };
    let files = case.judged.result.keys().filter(is_test).filter(is_named);
    let read = |path: &RelPath| String::from_utf8((case.judged.read)(path)?.to_vec()).ok();
    let sources = Declared::of(files, read);
    let still_stands = |one: &&TestCase| {
        let mut tests = sources.files_of(one).into_iter().flat_map(|at| &sources.files[at].tests);
        tests.any(|test| test.name == one.function())
    };
    let silent: Vec<&str> = gone.iter().copied().filter(still_stands).map(|one| one.id.as_str()).collect();
    if silent.is_empty() {
        return None;
    }
    let message =
        format!("ran on the base, still stands in its file, and does not run on the result: {}", names(silent));
    let finding = GateFinding::new("tdd/fewer-tests", Severity::Error, message);
    Some(finding.help("let the runner find the test again, or delete it where it is no longer right"))
}
