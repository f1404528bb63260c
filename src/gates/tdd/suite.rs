//! Green: the declared tests pass on the result, all others still do, and none went missing.

use std::collections::{BTreeMap, BTreeSet};

use super::judge::{Case, Run, RunEnd, first_line, names};
use super::paths::is_test_path;
use super::reports::{Outcome, TestCase, TestReport};
use super::silenced::silenced;
use crate::base::{Severity, counted};
use crate::event::GateFinding;
use crate::gates::part::Part;

/// Findings that name one failing case each.
const FAILURES_MAX: usize = 20;

/// Judges the run of the declared tests on the result.
pub(super) fn green(case: &Case<'_>) -> Part {
    const NAME: &str = "green";
    let Some(run) = &case.evidence.result else {
        return Part::skipped(NAME, "the declared tests did not run on the result");
    };
    if let Some(why) = run.broke() {
        return Part::broke(NAME, why);
    }
    if !run.is_green() {
        return Part::judged(NAME, failures(case, run, "tdd/fails-on-result", |_| true));
    }
    let mut findings = disagreement(run);
    match &run.report {
        None if case.first.writes_report => {
            let message = "the tests ended with success and wrote no report that can be read";
            let finding = GateFinding::new("tdd/no-report", Severity::Error, message);
            findings.push(finding.help("the command has to write it where `report` says, as JUnit XML or TAP"));
        }
        None => {}
        Some(report) => {
            let not_run = not_run(case, report);
            if not_run.is_empty() {
                findings.extend(went_missing(case, report));
            }
            findings.extend(not_run);
        }
    }
    let part = Part::judged(NAME, findings);
    match &run.report {
        Some(report) => part.note(format!("{} on the result", counted(report.ran().count() as u64, "test"))),
        None => part.note("the tests pass; no report names them"),
    }
}

fn disagreement(run: &Run) -> Vec<GateFinding> {
    let problem = run.report.as_ref().and_then(|report| report.problem.as_ref());
    let finding = |problem: &String| {
        let finding = GateFinding::new(
            "tdd/report-disagrees",
            Severity::Warning,
            format!("the report does not add up: {problem}"),
        );
        finding.help("let nothing but the runner write into its report")
    };
    problem.map(finding).into_iter().collect()
}

/// The cases that ended badly and are asked for, else that the command did.
fn failures(case: &Case<'_>, run: &Run, rule: &str, asked: impl Fn(&TestCase) -> bool) -> Vec<GateFinding> {
    let bad: Vec<&TestCase> =
        run.cases().iter().filter(|one| one.is_bad() && !one.id.is_empty() && asked(one)).collect();
    let help = "mend the work, not the test";
    if bad.is_empty() {
        let message = format!("the tests fail on the result: {}", run.ended());
        return vec![GateFinding::new(rule, Severity::Error, message).help(help)];
    }
    let more = bad.len().saturating_sub(FAILURES_MAX);
    let mut findings: Vec<GateFinding> = bad
        .iter()
        .take(FAILURES_MAX)
        .map(|one| {
            let told = first_line(&one.message);
            let message = match told.as_str() {
                "" => format!("`{}` fails", one.id),
                _ => format!("`{}` fails: {told}", one.id),
            };
            case.place(GateFinding::new(rule, Severity::Error, message).help(help), one)
        })
        .collect();
    if let (true, Some(last)) = (more > 0, findings.last_mut()) {
        last.message = format!("{}; and {more} more fail", last.message);
    }
    findings
}

/// Declared files none of whose tests ran.
fn not_run(case: &Case<'_>, report: &TestReport) -> Vec<GateFinding> {
    let error = |message: String| {
        let finding = GateFinding::new("tdd/no-tests-ran", Severity::Error, message);
        finding.help("let the command run the declared tests, and none of them be skipped")
    };
    if report.ran().next().is_none() {
        return vec![error("no test case ran on the result".to_owned())];
    }
    if report.cases.iter().any(|one| one.id.is_empty()) {
        return Vec::new();
    }
    let names_files = report.cases.iter().any(|one| one.file.is_some());
    let ran: BTreeSet<usize> = report.ran().flat_map(|one| case.declared.files_of(one)).collect();
    let mut findings = Vec::new();
    for (_, file) in case.declared.files.iter().enumerate().filter(|(at, _)| !ran.contains(at)) {
        // What cannot be read for its tests is known by its path alone; a name with places for values is another each time.
        let is_known = match file.tests.is_empty() {
            true => names_files && is_test_path(file.path) && !is_support(file.path.file_name()),
            false => !file.tests.iter().any(|test| test.name.contains(['%', '$', '{'])),
        };
        if is_known && findings.len() < FAILURES_MAX {
            findings.push(error(format!("no test case of `{}` ran on the result", file.path)).at(file.path));
        }
    }
    findings
}

/// Files that patterns for tests cover and that hold none.
fn is_support(name: &str) -> bool {
    matches!(name, "__init__.py" | "conftest.py" | "mod.rs")
        || name.rsplit_once('.').is_none_or(|(_, extension)| extension.is_empty())
}

/// Cases that failed on the base and did not run on the result.
fn went_missing(case: &Case<'_>, report: &TestReport) -> Vec<GateFinding> {
    let Some(base) = case.evidence.base.as_ref() else { return Vec::new() };
    if report.cases.iter().any(|one| one.id.is_empty()) {
        return Vec::new();
    }
    let now: BTreeMap<&str, bool> = report.cases.iter().map(|one| (one.id.as_str(), one.is_skipped())).collect();
    let red = || base.cases().iter().filter(|one| one.outcome == Outcome::Failed && !one.id.is_empty());
    // Parameters may be other ones on the result; a name without them is not.
    let stems: BTreeSet<&str> = report.cases.iter().map(|one| stem(&one.id)).collect();
    let skipped: Vec<&str> =
        red().filter(|one| now.get(one.id.as_str()) == Some(&true)).map(|one| one.id.as_str()).collect();
    let gone: Vec<&str> = red().filter(|one| !stems.contains(stem(&one.id))).map(|one| one.id.as_str()).collect();
    let mut findings = Vec::new();
    if !skipped.is_empty() {
        let message = format!("fails on the base, and is skipped on the result: {}", names(skipped));
        findings
            .push(GateFinding::new("tdd/newly-skipped", Severity::Error, message).help("let the test run, and pass"));
    }
    if !gone.is_empty() {
        let message = format!("fails on the base, and does not run on the result: {}", names(gone));
        findings.push(GateFinding::new("tdd/fewer-tests", Severity::Error, message).help("let the test run, and pass"));
    }
    findings
}

/// The name of a case without the parameters of one call.
pub(super) fn stem(id: &str) -> &str {
    id.split(['[', '(']).next().unwrap_or_default().trim_end()
}

/// Judges whether all other tests still pass.
pub(super) fn suite(case: &Case<'_>) -> Part {
    const NAME: &str = "suite";
    if !case.first.has_suite {
        return Part::skipped(NAME, "the task's `tdd` names no `suite`");
    }
    if case.evidence.result.as_ref().is_some_and(|run| !run.is_green()) {
        return Part::skipped(NAME, "the declared tests fail on the result");
    }
    let Some(run) = &case.evidence.suite_result else {
        return Part::skipped(NAME, "the suite did not run on the result");
    };
    if let Some(why) = run.broke() {
        return Part::broke(NAME, why);
    }
    let base = case.evidence.suite_base.as_ref();
    if run.is_green() {
        let mut findings = disagreement(run);
        if run.report.is_none() && base.is_some_and(|base| base.report.is_some()) {
            let message = "the suite ended with success and no report, where it wrote one on the base";
            let finding = GateFinding::new("tdd/no-report", Severity::Error, message);
            findings.push(finding.help("let the runner end by itself"));
        }
        return Part::judged(NAME, findings);
    }
    let Some(base) = base else {
        return Part::judged(NAME, failures(case, run, "tdd/suite-fails", |_| true));
    };
    let was_bad: BTreeSet<&str> = base.cases().iter().filter(|one| one.is_bad()).map(|one| one.id.as_str()).collect();
    let is_new = |one: &TestCase| !was_bad.contains(one.id.as_str());
    let any_new = run.cases().iter().any(|one| one.is_bad() && !one.id.is_empty() && is_new(one));
    if any_new || base.is_green() {
        return Part::judged(NAME, failures(case, run, "tdd/suite-fails", is_new));
    }
    let named = run.cases().iter().any(|one| one.is_bad() && !one.id.is_empty());
    match named && base.end != RunEnd::Exit(0) {
        true => Part::judged(NAME, Vec::new()).note("what fails in the suite failed before"),
        false => Part::skipped(NAME, "the suite failed before already, and no report says which tests"),
    }
}

/// Compares how many tests there are, and which are skipped, before and after.
pub(super) fn counts(case: &Case<'_>, part: &mut Part) {
    let reports = (
        case.evidence.suite_base.as_ref().and_then(|run| run.report.as_ref()),
        case.evidence.suite_result.as_ref().and_then(|run| run.report.as_ref()),
    );
    let (Some(base), Some(result)) = reports else {
        part.note = Some("tests are not counted: there are no reports of a suite on both sides".to_owned());
        return;
    };
    let (had, has) = (base.ran().count(), result.ran().count());
    let on_result: BTreeMap<&str, bool> = result.cases.iter().map(|one| (one.id.as_str(), one.is_skipped())).collect();
    let named = |one: &&TestCase| !one.id.is_empty();
    let skipped: Vec<&str> = base
        .ran()
        .filter(named)
        .filter(|one| on_result.get(one.id.as_str()) == Some(&true))
        .map(|one| one.id.as_str())
        .collect();
    if !skipped.is_empty() {
        let message = format!("ran on the base, and is skipped on the result: {}", names(skipped.iter().copied()));
        let finding = GateFinding::new("tdd/newly-skipped", Severity::Error, message);
        part.findings.push(finding.help("let the test run"));
    }
    let gone: Vec<&TestCase> =
        base.ran().filter(named).filter(|one| !on_result.contains_key(one.id.as_str())).collect();
    // A test that is skipped has a finding of its own.
    if has + skipped.len() < had || lacks(case, &gone, base, result) {
        let which = match names(gone.iter().map(|one| one.id.as_str())) {
            names if names.is_empty() => String::new(),
            names => format!(": {names}"),
        };
        let message = format!(
            "on the base {had} ran, on the result {has}, and some of the former do not{which}",
            had = counted(had as u64, "test")
        );
        let finding = GateFinding::new("tdd/fewer-tests", Severity::Error, message);
        part.findings.push(finding.help("put the tests back that no longer run"));
    } else {
        part.findings.extend(silenced(case, base, result));
    }
    part.note = Some(format!("{} before, {has} after", counted(had as u64, "test")));
}

/// Whether more tests went than came: of the declared files, or of all others. The tests that a task is there to write make up for
/// none that it takes away elsewhere.
fn lacks(case: &Case<'_>, gone: &[&TestCase], base: &TestReport, result: &TestReport) -> bool {
    if gone.is_empty() {
        return false;
    }
    let before: BTreeSet<&str> = base.cases.iter().map(|one| one.id.as_str()).collect();
    let is_declared = |one: &TestCase| !case.declared.files_of(one).is_empty();
    let came = result.ran().filter(|one| !one.id.is_empty() && !before.contains(one.id.as_str()));
    let (came_declared, came_else): (Vec<&TestCase>, Vec<&TestCase>) = came.partition(|one| is_declared(one));
    let gone_declared = gone.iter().filter(|one| is_declared(one)).count();
    gone_declared > came_declared.len() || gone.len() - gone_declared > came_else.len()
}
