//! From what the runs of the tests wrote to what follows: five parts, each of which says what it could not judge and why.

use super::coverage::Coverage;
use super::declared::Declared;
use super::marks::tests_weakened_with;
use super::paths::{family, is_test_path};
use super::red::red_first;
use super::reports::{TestCase, TestReport};
use super::suite::{counts, green, suite};
use crate::base::{PatternSet, RelPath, Severity};
use crate::event::GateFinding;
use crate::gates::check::settle;
use crate::gates::judged::Judged;
use crate::gates::options::Options;
use crate::gates::part::Part;
use crate::plan::{COVERAGE_MIN, Level};

/// Names that one finding tells.
const NAMES_MAX: usize = 5;

/// What the check was told to do.
#[derive(Debug, Clone)]
pub struct TestsFirst {
    /// The test files that the task declares.
    pub files: PatternSet,
    /// Whether a command for all tests is declared.
    pub has_suite: bool,
    /// Whether the commands are to write a report into a file.
    pub writes_report: bool,
    /// Whether they are to write a coverage report.
    pub writes_coverage: bool,
    /// Least coverage of changed lines in percent, where the plan says one.
    pub coverage_min: Option<u8>,
    /// How strict it is.
    pub level: Level,
}

impl TestsFirst {
    /// From the options of the gate.
    #[must_use]
    pub fn of(options: &Options<'_>, level: Level) -> Self {
        Self {
            files: options.patterns("files"),
            has_suite: !options.strings("suite").is_empty(),
            writes_report: options.get::<String>("report").is_some(),
            writes_coverage: options.get::<String>("coverage").is_some(),
            coverage_min: options.get("coverage_min"),
            level,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    /// With this exit code.
    Exit(i32),
    /// Not by itself, and how.
    Died(String),
}

/// One run of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// How it ended.
    pub end: RunEnd,
    /// What it reported, where that can be read.
    pub report: Option<TestReport>,
    /// The last lines of its output.
    pub text: String,
}

impl Run {
    /// Whether it could be run at all; else why not.
    pub(super) fn broke(&self) -> Option<String> {
        match &self.end {
            RunEnd::Exit(code @ (126 | 127)) => Some(format!("exit {code}: the command could not be run")),
            RunEnd::Exit(_) => None,
            RunEnd::Died(how) => Some(how.clone()),
        }
    }

    /// Whether it says that all is well: by its exit, and by its report, which may say more than a command that hides it.
    pub(super) fn is_green(&self) -> bool {
        self.end == RunEnd::Exit(0) && !self.report.as_ref().is_some_and(TestReport::is_red)
    }

    /// What it reported of each case.
    pub(super) fn cases(&self) -> &[TestCase] {
        self.report.as_ref().map_or(&[], |report| &report.cases)
    }

    /// How it ended, in words.
    pub(super) fn ended(&self) -> String {
        match &self.end {
            RunEnd::Exit(code) => format!("exit {code}"),
            RunEnd::Died(how) => how.clone(),
        }
    }
}

/// What the runs brought; what did not run is not there.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The declared tests on the base.
    pub base: Option<Run>,
    /// The declared tests on the result.
    pub result: Option<Run>,
    /// All tests on the base.
    pub suite_base: Option<Run>,
    /// All tests on the result.
    pub suite_result: Option<Run>,
    /// Coverage of the result.
    pub coverage: Option<Coverage>,
}

/// What the parts of the check share.
pub(super) struct Case<'a> {
    pub judged: &'a Judged<'a>,
    pub first: &'a TestsFirst,
    pub evidence: &'a Evidence,
    /// The declared test files that the result has.
    pub declared: Declared<'a>,
}

impl Case<'_> {
    /// The file of the result that a case names, where it names one.
    pub(super) fn place(&self, finding: GateFinding, case: &TestCase) -> GateFinding {
        let Some(named) = &case.file else { return finding };
        let path = RelPath::new(named).ok().and_then(|path| self.judged.result.get_key_value(&path));
        let known = path.map(|(path, _)| path).or_else(|| {
            let declared = self.declared.files_of(case).into_iter().map(|at| self.declared.files[at].path);
            declared.into_iter().find(|path| super::paths::means(named, path))
        });
        match known {
            Some(path) => GateFinding { line: case.line.filter(|line| *line > 0), ..finding.at(path) },
            None => finding,
        }
    }
}

/// Judges a result by what the runs brought.
#[must_use]
pub fn judge(judged: &Judged<'_>, first: &TestsFirst, options: Options<'_>, evidence: &Evidence) -> Vec<Part> {
    let read = |path: &RelPath| String::from_utf8((judged.read)(path)?.to_vec()).ok();
    let declared = Declared::of(judged.result.keys().filter(|path| first.files.matches(path)), read);
    let case = Case { judged, first, evidence, declared };
    let mut tests = tests_weakened_with(judged, &first.files);
    counts(&case, &mut tests);
    let mut parts = vec![red_first(&case), green(&case), suite(&case), tests, coverage(&case)];
    settle(&mut parts, options);
    parts
}

fn coverage(case: &Case<'_>) -> Part {
    const NAME: &str = "coverage";
    let (first, judged) = (case.first, case.judged);
    let missing = |why: &str| {
        if first.coverage_min.is_none() {
            return Part::skipped(NAME, why);
        }
        let finding = GateFinding::new("tdd/no-coverage", Severity::Error, format!("coverage cannot be told: {why}"));
        Part::judged(
            NAME,
            vec![finding.help("let the command write LCOV, Cobertura or JaCoCo, and name it in `coverage`")],
        )
    };
    if !first.writes_coverage {
        return missing("the plan names no `coverage` report");
    }
    if case.evidence.result.is_none() {
        return Part::skipped(NAME, "the tests did not run on the result");
    }
    let Some(coverage) = &case.evidence.coverage else {
        let message = "the command wrote no coverage report that can be read";
        let finding = GateFinding::new("tdd/no-coverage", Severity::Error, message);
        return Part::judged(NAME, vec![finding.help("it has to be LCOV, Cobertura or JaCoCo, where `coverage` says")]);
    };
    let measured = coverage.measure(judged, &first.files);
    let min = first.coverage_min.unwrap_or(COVERAGE_MIN);
    let Some(percent) = measured.percent() else {
        let changes_code = judged
            .changed
            .iter()
            .any(|file| family(&file.path).is_some() && !is_test_path(&file.path) && !file.added_lines().is_empty());
        return match changes_code {
            true => missing("the report tells of no line that the task changed"),
            false => Part::judged(NAME, Vec::new()).note("no source line is changed"),
        };
    };
    let note = format!("{percent:.1} % of {} changed lines are covered", measured.lines);
    // Compared in whole numbers: 94.96 % is not 95 %.
    let is_enough = measured.covered * 100 >= usize::from(min) * measured.lines;
    let mut findings = measured.findings;
    match is_enough {
        true => findings.clear(),
        false => {
            let message = format!("{note}; at least {min} % have to be");
            let whole = GateFinding::new("tdd/uncovered", Severity::Error, message);
            findings.insert(0, whole.help("add tests that run the lines below"));
        }
    }
    Part::judged(NAME, findings).note(note)
}

/// Names, the first of them told.
pub(super) fn names<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
    let more = names.len().saturating_sub(NAMES_MAX);
    let shown: Vec<String> = names.iter().take(NAMES_MAX).map(|name| format!("`{name}`")).collect();
    let shown = shown.join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// The line of a message that says what went wrong, shortened.
pub(super) fn first_line(message: &str) -> String {
    let line = message.lines().map(str::trim).rfind(|line| line.contains("Error: ") || line.starts_with("error"));
    // An exception without words is the last line there is; lines that are drawn say nothing.
    let says = |line: &&str| line.chars().any(char::is_alphanumeric);
    let line = line.or_else(|| message.lines().map(str::trim).rfind(says)).unwrap_or_default();
    crate::base::sanitize_line(&line.chars().take(200).collect::<String>())
}
