//! JUnit XML, as pytest, nextest, jest-junit, gotestsum, Maven and others write it: `testcase` elements anywhere below
//! `testsuites` or `testsuite`, each with at most one `failure`, `error` or `skipped`.

use roxmltree::Node;

use super::{CASES_MAX, Outcome, TestCase, TestReport, error_kind};

/// How many suites a case is looked up through for its file.
const SUITES_DEEP_MAX: usize = 32;
/// What jest says of a file that it could not load, and Go of a package that does not compile.
const NOT_LOADED: [&str; 4] = ["Test suite failed to run", "[build failed]", "[setup failed]", "initializationError"];

pub(super) fn read(text: &str) -> Option<TestReport> {
    let document = crate::gates::tdd::xml::parse(text)?;
    let root = document.root_element();
    if !matches!(root.tag_name().name(), "testsuites" | "testsuite") {
        return None;
    }
    let mut report = TestReport::default();
    for node in root.descendants().filter(|node| node.has_tag_name("testcase")).take(CASES_MAX + 1) {
        report.push(case(node));
    }
    let declared = root.attribute("tests").and_then(|tests| tests.parse::<usize>().ok());
    if declared.is_some_and(|declared| declared > 0) && report.cases.is_empty() {
        report.problem = Some("the report counts tests and names none".to_owned());
    }
    Some(report)
}

fn case(node: Node<'_, '_>) -> TestCase {
    let class = node.attribute("classname").unwrap_or_default();
    let name = node.attribute("name").unwrap_or_default();
    let outcome_of = |node: &Node<'_, '_>| match node.tag_name().name() {
        "failure" => Some(Outcome::Failed),
        "error" => Some(Outcome::Errored(error_kind(&told(*node)))),
        "skipped" => Some(Outcome::Skipped(node.attribute("message").unwrap_or_default().to_owned())),
        _ => None,
    };
    // The worst counts, whatever their order.
    let ends = || node.children().filter_map(|child| Some((outcome_of(&child)?, child)));
    let end = ends().find(|(outcome, _)| !matches!(outcome, Outcome::Skipped(_))).or_else(|| ends().next());
    let (mut outcome, message) = match end {
        Some((outcome, child)) => (outcome, told(child)),
        None => (Outcome::Passed, String::new()),
    };
    if outcome == Outcome::Failed && NOT_LOADED.iter().any(|mark| message.contains(mark) || name == *mark) {
        outcome = Outcome::Errored(error_kind(&message));
    }
    let id = match class {
        "" => name.to_owned(),
        _ => format!("{class}::{name}"),
    };
    let line = node.attribute("line").and_then(|line| line.parse().ok());
    TestCase { line, ..TestCase::new(id, outcome).file(file(node, class).as_deref()).message(&message) }
}

fn told(node: Node<'_, '_>) -> String {
    let message = node.attribute("message").unwrap_or_default();
    let text = node.text().unwrap_or_default();
    format!("{message}\n{text}")
}

/// The file that a case, or the suite around it, names.
fn file(node: Node<'_, '_>, class: &str) -> Option<String> {
    let of = |node: Node<'_, '_>| node.attribute("file").or_else(|| node.attribute("filepath")).map(str::to_owned);
    let named = node.ancestors().take(SUITES_DEEP_MAX).find_map(of);
    let looks_like_one = class.contains('/') && class.rsplit('/').next().is_some_and(|end| end.contains('.'));
    named.or_else(|| looks_like_one.then(|| class.to_owned()))
}
