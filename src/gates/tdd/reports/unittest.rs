//! What Python's `unittest` prints, with `-v` or with dots. Without `-v` only what went wrong has a name; the rest is counted.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::{CASES_MAX, Lines, Outcome, TestCase, TestReport, error_kind};

static VERBOSE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^([\w.]+) \(([\w.<>]+)\)(?: \.\.\. ?(.*))?$").expect("a pattern of ours"));
static ENDED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^.* \.\.\. (ok|FAIL|ERROR|skipped .*|expected failure|unexpected success)$")
        .expect("a pattern of ours")
});
static HEAD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(ERROR|FAIL): ([\w.]+)(?: \(([\w.<>]+)\))?(.*)$").expect("a pattern of ours"));
static RAN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^Ran (\d+) tests? in ").expect("a pattern of ours"));
static COUNT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(failures|errors|skipped|expected failures|unexpected successes)=(\d+)").expect("a pattern of ours")
});

/// One run: up to its `Ran N tests` and the line after.
#[derive(Default)]
struct Run {
    cases: Vec<TestCase>,
    by_id: BTreeMap<String, usize>,
    ran: usize,
    summary: String,
}

pub(super) fn read(text: &str) -> Option<TestReport> {
    let mut report = TestReport::default();
    let mut run = Run::default();
    let mut pending: Option<String> = None;
    let mut block: Option<(TestCase, Lines)> = None;
    let mut is_over = false;
    let mut runs = 0_usize;
    for line in text.lines() {
        if is_over {
            if line.trim().is_empty() {
                continue;
            }
            is_over = false;
            if line.starts_with("OK") || line.starts_with("FAILED") || line.starts_with("NO TESTS RAN") {
                line.clone_into(&mut run.summary);
            }
            finish(std::mem::take(&mut run), &mut report);
            continue;
        }
        if let Some(ran) = RAN.captures(line) {
            end_block(&mut block, &mut run);
            (run.ran, is_over, runs) = (ran[1].parse().unwrap_or(0), true, runs + 1);
        } else if let Some(head) = HEAD.captures(line) {
            end_block(&mut block, &mut run);
            let id = id(&head[2], head.get(3).map_or("", |class| class.as_str()));
            let outcome = match &head[1] {
                "FAIL" => Outcome::Failed,
                _ => Outcome::Errored(super::ErrorKind::Other),
            };
            let id = format!("{id}{}", head[4].trim_end());
            block = Some((TestCase::new(id, outcome), Lines::default()));
        } else if let Some((_, lines)) = &mut block {
            lines.push(line);
        } else if let Some(found) = VERBOSE.captures(line) {
            let id = id(&found[1], &found[2]);
            match found.get(3).and_then(|word| outcome(word.as_str())) {
                Some(outcome) => run.add(TestCase::new(id, outcome)),
                None => pending = Some(id),
            }
        } else if let Some(id) = pending.take() {
            // The first line of its docstring, or what it printed, stands before its end.
            let word = ENDED.captures(line).and_then(|found| Some(found.get(1)?.as_str())).unwrap_or(line.trim());
            match outcome(word) {
                Some(outcome) => run.add(TestCase::new(id, outcome)),
                None => pending = Some(id),
            }
        }
    }
    if is_over {
        finish(run, &mut report);
    }
    (runs > 0).then_some(report)
}

impl Run {
    /// Adds a case; what is told of one again stands in the place of what was told before.
    fn add(&mut self, case: TestCase) {
        match self.by_id.get(&case.id) {
            Some(at) => self.cases[*at] = case,
            None if self.cases.len() < CASES_MAX => {
                self.by_id.insert(case.id.clone(), self.cases.len());
                self.cases.push(case);
            }
            None => {}
        }
    }
}

fn id(name: &str, class: &str) -> String {
    match class {
        // What could not be imported is the module of this name.
        _ if class.contains("_FailedTest") => name.to_owned(),
        "" => name.to_owned(),
        // Newer versions repeat the name of the method.
        _ if class.rsplit('.').next() == Some(name) => class.to_owned(),
        _ => format!("{class}.{name}"),
    }
}

fn outcome(word: &str) -> Option<Outcome> {
    match word.trim() {
        "ok" => Some(Outcome::Passed),
        "FAIL" | "unexpected success" => Some(Outcome::Failed),
        "ERROR" => Some(Outcome::Errored(super::ErrorKind::Other)),
        "expected failure" => Some(Outcome::Skipped("expected failure".to_owned())),
        other => other.strip_prefix("skipped ").map(|why| Outcome::Skipped(why.trim_matches(['\'', '"']).to_owned())),
    }
}

fn end_block(block: &mut Option<(TestCase, Lines)>, run: &mut Run) {
    let Some((case, mut lines)) = block.take() else { return };
    let message = lines.take();
    let mut case = case.message(&message);
    if matches!(case.outcome, Outcome::Errored(_)) {
        let is_load = message.contains("Failed to import test module") || message.contains("_FailedTest");
        case.outcome = match is_load {
            true => Outcome::Errored(error_kind(&message)),
            // An exception that the tested code lets out is a failing test.
            false if case.id.contains("setUpClass") || case.id.contains("setUpModule") => {
                Outcome::Errored(super::ErrorKind::Other)
            }
            false => Outcome::Failed,
        };
    }
    run.add(case);
}

/// Adds what is only counted, and compares the counts.
fn finish(run: Run, report: &mut TestReport) {
    let of = |word: &str| -> usize {
        COUNT
            .captures_iter(&run.summary)
            .filter(|found| &found[1] == word)
            .filter_map(|found| found[2].parse::<usize>().ok())
            .sum()
    };
    let is_verbose = run.cases.iter().any(|case| matches!(case.outcome, Outcome::Passed | Outcome::Skipped(_)));
    let bad = of("failures") + of("errors");
    let skipped = of("skipped") + of("expected failures");
    let told = run.cases.iter().filter(|case| case.is_bad()).count();
    if told < bad || (bad == 0 && told > 0) {
        report.problem = Some(format!("the runner counts {bad} bad tests, and {told} are told"));
    }
    let anonymous =
        |count: usize, outcome: Outcome| std::iter::repeat_n(TestCase::new("", outcome), count.min(CASES_MAX));
    let mut more = Vec::new();
    if !is_verbose {
        let passed = run.ran.saturating_sub(bad + skipped + of("unexpected successes"));
        more.extend(anonymous(passed, Outcome::Passed));
        more.extend(anonymous(skipped, Outcome::Skipped(String::new())));
        more.extend(anonymous(of("unexpected successes"), Outcome::Failed));
    } else if run.cases.len() < run.ran {
        report.problem = Some(format!("the runner counts {} tests, and {} are told", run.ran, run.cases.len()));
    }
    for case in run.cases.into_iter().chain(more) {
        report.push(case);
    }
}
