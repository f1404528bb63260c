//! What `go test` prints: `--- PASS:` and its kin with `-v`, one line a package without, and what the compiler says.

use std::sync::LazyLock;

use regex::Regex;

use super::{Lines, Outcome, TestCase, TestReport, error_kind};

static END: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\s*--- (PASS|FAIL|SKIP): (\S+) \([\d.]+s\)").expect("a pattern of ours"));
static PACKAGE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(ok|FAIL|\?)\s+(\S+)\s+(.*)$").expect("a pattern of ours"));
static COMPILE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(\S+\.go):(\d+):(?:\d+:)? (.*)$").expect("a pattern of ours"));

pub(super) fn read(text: &str) -> Option<TestReport> {
    let mut report = TestReport::default();
    let mut compiler = Vec::new();
    let mut lines = Lines::default();
    // Cases of a package come before the line that ends it.
    let mut of_package = 0_usize;
    let mut is_go = false;
    for line in text.lines() {
        if let Some(end) = END.captures(line) {
            is_go = true;
            of_package += 1;
            let outcome = match &end[1] {
                "PASS" => Outcome::Passed,
                "FAIL" => Outcome::Failed,
                _ => Outcome::Skipped(String::new()),
            };
            report.push(TestCase::new(&end[2], outcome).message(&lines.take()));
        } else if let Some(package) = PACKAGE.captures(line) {
            let told = &package[3];
            let is_build = told.contains("[build failed]") || told.contains("[setup failed]");
            let is_end = is_build || told.ends_with('s') || told.contains("(cached)") || told.starts_with('[');
            if !is_end {
                continue;
            }
            is_go = true;
            match (&package[1], is_build) {
                ("FAIL", true) => {
                    let message = compiler.join("\n");
                    let kind = error_kind(&message);
                    let case = TestCase::new(&package[2], Outcome::Errored(kind)).message(&message);
                    report.push(case);
                    compiler.clear();
                }
                ("FAIL", false) if of_package == 0 => {
                    report.push(TestCase::new(&package[2], Outcome::Failed).message(&lines.take()));
                }
                ("ok", _) if of_package == 0 && !told.contains("[no tests to run]") => {
                    report.push(TestCase::new(&package[2], Outcome::Passed));
                }
                _ => {}
            }
            of_package = 0;
        } else {
            if let Some(found) = COMPILE.captures(line).filter(|_| compiler.len() < 200) {
                compiler.push(super::bounded(&found[0], 500));
            }
            lines.push(line);
        }
    }
    if !is_go {
        return None;
    }
    TestReport::of(report.cases)
}
