//! Tests first, at work: the declared tests run on the tree that the task was given and on its result, and, where they pass there,
//! so does the suite on both. Each run has a tree of its own, and reports that were there before are in none of them.
//!
//! ```text
//!  base + declared tests ──┐                       ┌── suite on base ────┐
//!                          ├── green on result? ───┤                     ├──> judge
//!  result ─────────────────┘                       └── suite on result ──┘
//! ```
//!
//! What follows from the reports is `gates::tdd`'s to say.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::try_join;

use super::builder::Builder;
use super::checking::Sides;
use super::gate_inputs::inputs_changed;
use super::gate_run::{GateCommand, GateRun};
use super::judge::Case;
use crate::base::{BlobDigest, Entry, Pattern, PatternSet, RelPath, Tree};
use crate::exec::{Fault, block_in_place};
use crate::gates::tdd::{Coverage, Evidence, Run, RunEnd, TestReport, TestsFirst, judge, read_report};
use crate::gates::{Verdict, VerdictKind, last_lines};
use crate::sandbox::End;

/// Where pytest is told to write its report, where the plan does not say.
const PYTEST_REPORT: &str = ".orca-tests.xml";
/// How much of a run's output is looked at where no report says why it is red.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// What a plan says of the runs.
struct Asked {
    command: Vec<String>,
    suite: Vec<String>,
    report: Option<Pattern>,
    /// Whether the plan itself names the report.
    is_named: bool,
    coverage: Option<Pattern>,
    collect: Vec<Pattern>,
}

impl Asked {
    fn of(case: &Case<'_>) -> Self {
        let options = case.options();
        let pattern = |key: &str| options.get::<String>(key).and_then(|text| Pattern::new(&text).ok());
        let (command, suite) = (options.strings("command"), options.strings("suite"));
        let named = pattern("report");
        let is_named = named.is_some();
        let automatic = || {
            let path = RelPath::new(PYTEST_REPORT).expect("a path of ours");
            (is_pytest(&command) || is_pytest(&suite)).then(|| Pattern::literal(&path))
        };
        let report = named.or_else(automatic);
        let coverage = pattern("coverage");
        let collect = report.iter().chain(&coverage).cloned().collect();
        Self { command, suite, report, is_named, coverage, collect }
    }

    /// The variables of a command: pytest writes a report where it is told so in one.
    fn env(&self, argv: &[String], case: &Case<'_>) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        if is_pytest(argv) && !self.is_named {
            let known = case.gate.env.get("PYTEST_ADDOPTS").map_or_else(String::new, |known| format!("{known} "));
            let options = format!("{known}--junitxml={PYTEST_REPORT} -p no:cacheprovider");
            env.insert("PYTEST_ADDOPTS".to_owned(), options);
        }
        env
    }
}

/// Whether a command is pytest: by its name, as a module of Python, or in a line of shell.
fn is_pytest(argv: &[String]) -> bool {
    let is_name = |word: &str| matches!(word.rsplit('/').next(), Some("pytest" | "py.test"));
    let by_module = argv.windows(2).any(|pair| pair[0] == "-m" && pair[1] == "pytest");
    let in_shell = || match argv {
        [_, option, line, ..] if option.starts_with('-') && option.ends_with('c') => {
            line.split(|char: char| char.is_whitespace() || ";&|()".contains(char)).any(is_name)
        }
        _ => false,
    };
    argv.first().is_some_and(|first| is_name(first)) || by_module || in_shell()
}

impl Builder {
    /// Judges a result by its tests. `None` where a file of the tree is no longer what it was.
    pub(super) async fn judge_tests_first(&self, case: &Case<'_>) -> Result<Option<Verdict>, Fault> {
        let asked = Asked::of(case);
        let files = case.options().patterns("files");
        if asked.command.is_empty() || files.is_empty() {
            let message = "it has no tests to run: the check `tdd` takes `files` and `command`, or a task's `tdd`";
            return Ok(Some(Verdict::error(message)));
        }
        let Some(sides) = block_in_place(|| self.sides(case.gate, &case.subject, case.workspace)) else {
            return Ok(None);
        };
        let is_report = |path: &RelPath| asked.collect.iter().any(|pattern| pattern.matches(path));
        let without_reports = |tree: &Tree| -> Tree {
            tree.iter()
                .filter(|(path, _)| !is_report(path))
                .map(|(path, entry)| (path.clone(), entry.clone()))
                .collect()
        };
        let (base, result) = (without_reports(&sides.base), without_reports(&sides.result));
        let with_tests = with_declared(&base, &result, &files);
        if let Err(why) = block_in_place(|| self.keep_declared(case, &sides, &with_tests)) {
            return Ok(Some(Verdict::error(why)));
        }
        let run = async |part: &str, argv: &[String], tree: &Tree| -> Result<Option<GateRun>, Fault> {
            let command = GateCommand { env: asked.env(argv, case), collect: &asked.collect, ..GateCommand::new(argv) };
            let directory = case.directory(self, part);
            // What the task has left is the result, and nothing of it is the base.
            let left = case.workspace.filter(|_| part.ends_with("result"));
            self.run_in_fresh_tree(&directory, case.gate, &command, tree, left, case.bench).await
        };
        let first =
            try_join(run("=base", &asked.command, &with_tests), run("=result", &asked.command, &result)).await?;
        let (Some(on_base), Some(on_result)) = first else { return Ok(None) };
        let runs = Runs { on_base, on_result, suite: None };
        if runs.on_result.exit.end != End::Code(0) || asked.suite.is_empty() || case.bench.is_cancelled() {
            return Ok(Some(self.tests_verdict(case, &sides, &asked, &runs)));
        }
        let suites = try_join(run("=suite-base", &asked.suite, &base), run("=suite-result", &asked.suite, &result));
        let (Some(suite_base), Some(suite_result)) = suites.await? else { return Ok(None) };
        let runs = Runs { suite: Some((suite_base, suite_result)), ..runs };
        Ok(Some(self.tests_verdict(case, &sides, &asked, &runs)))
    }

    /// Puts the declared tests of the result into the cache, from where they come into the base; why that cannot be done.
    fn keep_declared(&self, case: &Case<'_>, sides: &Sides, with_tests: &Tree) -> Result<(), String> {
        let brought = with_tests.iter().filter(|(path, entry)| sides.base.get(*path) != Some(*entry));
        for (path, entry) in brought {
            let Some(bytes) = self.judged_bytes(path, entry, case.workspace) else { continue };
            let store = self.resolver.store.as_ref().ok_or("without a cache, no test can be put on the base")?;
            store.put_bytes(&bytes).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn tests_verdict(&self, case: &Case<'_>, sides: &Sides, asked: &Asked, runs: &Runs) -> Verdict {
        if case.bench.is_cancelled() {
            return Verdict::error("the gate was interrupted");
        }
        block_in_place(|| {
            let mut first = TestsFirst::of(&case.options(), case.level());
            // pytest was told to write a report: where it did so once, it has to each time.
            let wrote = |run: &GateRun| run.files.keys().any(|path| asked.is_report(path));
            first.writes_report |= asked.report.is_some() && runs.all().any(wrote);
            let evidence = runs.evidence(asked, first.writes_report);
            let read = |path: &RelPath| self.judged_bytes(path, sides.result.get(path)?, case.workspace);
            let read: &(dyn Fn(&RelPath) -> Option<Arc<[u8]>> + Sync) = &read;
            let judged = self.judged(&case.subject, sides, read);
            let mut parts = judge(&judged, &first, case.options(), &evidence);
            parts.extend(inputs_changed(runs.all(), case.options()));
            let verdict = self.fold(case, parts);
            let shown = runs.shown();
            let excerpt = if verdict.kind == VerdictKind::Failed { last_lines(&shown.text) } else { String::new() };
            let wall_ms = runs.all().map(|run| run.exit.usage.wall_ms).sum();
            Verdict { excerpt, log: shown.log, wall_ms, ..verdict }
        })
    }
}

impl Asked {
    fn is_report(&self, path: &RelPath) -> bool {
        self.report.as_ref().is_some_and(|report| report.matches(path))
    }
}

/// What ran.
struct Runs {
    on_base: GateRun,
    on_result: GateRun,
    /// The suite on the base and on the result.
    suite: Option<(GateRun, GateRun)>,
}

impl Runs {
    fn all(&self) -> impl Iterator<Item = &GateRun> {
        let suites = self.suite.iter().flat_map(|(base, result)| [base, result]);
        [&self.on_base, &self.on_result].into_iter().chain(suites)
    }

    /// The run whose output tells most: the suite on the result where that is red, else the declared tests there.
    fn shown(&self) -> &GateRun {
        match &self.suite {
            Some((_, result)) if result.exit.end != End::Code(0) => result,
            _ => &self.on_result,
        }
    }

    fn evidence(&self, asked: &Asked, writes_report: bool) -> Evidence {
        let run = |run: &GateRun| self::run(run, asked, writes_report);
        let on_result = std::iter::once(&self.on_result).chain(self.suite.iter().map(|(_, result)| result));
        let of_coverage = on_result.flat_map(|run| &run.files);
        let of_coverage = of_coverage.filter(|(path, _)| asked.coverage.as_ref().is_some_and(|one| one.matches(path)));
        let coverage = of_coverage.filter_map(|(_, bytes)| Coverage::read(bytes)).reduce(|mut one, other| {
            one.merge(other);
            one
        });
        Evidence {
            base: Some(run(&self.on_base)),
            result: Some(run(&self.on_result)),
            suite_base: self.suite.as_ref().map(|(base, _)| run(base)),
            suite_result: self.suite.as_ref().map(|(_, result)| run(result)),
            coverage,
        }
    }
}

/// A run with its report: from the files it wrote, else from what it printed. A run that ended with success and did not write
/// the report it was to write has none.
fn run(run: &GateRun, asked: &Asked, writes_report: bool) -> Run {
    let files = run.files.iter().filter(|(path, _)| asked.is_report(path));
    let written = TestReport::join(files.filter_map(|(_, bytes)| read_report(bytes)));
    let may_be_printed = !writes_report || run.exit.end != End::Code(0);
    let report = written.or_else(|| may_be_printed.then(|| read_report(run.text.as_bytes())).flatten());
    let end = match &run.exit.end {
        End::Code(code) => RunEnd::Exit(*code),
        End::Signal(signal) => RunEnd::Died(format!("the tests were ended by signal {signal}")),
        End::TimedOut => RunEnd::Died("the tests ran into the timeout".to_owned()),
        End::Cancelled => RunEnd::Died("the tests were interrupted".to_owned()),
        End::OutOfMemory => RunEnd::Died("the tests ran out of memory".to_owned()),
        End::NotStarted(why) => RunEnd::Died(format!("the tests could not be started: {why}")),
    };
    let mut from = run.text.len().saturating_sub(TEXT_BYTES_MAX);
    while !run.text.is_char_boundary(from) {
        from += 1;
    }
    Run { end, report, text: run.text[from..].to_owned() }
}

/// The base with the declared tests as the result has them, and with the empty `__init__.py` that make packages of the directories
/// they lie in.
fn with_declared(base: &Tree, result: &Tree, files: &PatternSet) -> Tree {
    let mut tree: Tree = base.iter().filter(|(path, _)| !files.matches(path)).map(cloned).collect();
    let declared: Vec<(&RelPath, &Entry)> = result.iter().filter(|(path, _)| files.matches(path)).collect();
    let empty = BlobDigest::of(b"");
    for (path, _) in &declared {
        for directory in path.ancestors() {
            let marker = directory.child("__init__.py");
            let is_empty = |entry: &&Entry| matches!(entry, Entry::File { digest, .. } if *digest == empty);
            if let Some(entry) = result.get(&marker).filter(is_empty) {
                tree.entry(marker).or_insert_with(|| entry.clone());
            }
        }
    }
    tree.extend(declared.into_iter().map(cloned));
    tree
}

fn cloned((path, entry): (&RelPath, &Entry)) -> (RelPath, Entry) {
    (path.clone(), entry.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pytest_is_known_by_its_name() {
        let table = [
            (vec!["pytest", "-q"], true),
            (vec!["/usr/bin/python3", "-m", "pytest"], true),
            (vec!["sh", "-c", "cd a && pytest -q tests"], true),
            (vec!["uv", "run", "-m", "pytest"], true),
            (vec!["python3", "-m", "unittest"], false),
            (vec!["sh", "-c", "python3 tests/pytester.py"], false),
            (vec![], false),
        ];
        for (argv, expected) in table {
            let argv: Vec<String> = argv.into_iter().map(str::to_owned).collect();
            assert_eq!(is_pytest(&argv), expected, "{argv:?}");
        }
    }

    #[test]
    fn the_base_gets_the_declared_tests_and_nothing_else() {
        let file = |text: &str| Entry::File {
            digest: BlobDigest::of(text.as_bytes()),
            size_bytes: text.len() as u64,
            executable: false,
        };
        let tree = |files: &[(&str, &str)]| -> Tree {
            files.iter().map(|(path, text)| (RelPath::new(path).expect("valid"), file(text))).collect()
        };
        let base = tree(&[("calc.py", "old"), ("tests/test_a.py", "old"), ("tests/test_gone.py", "old")]);
        let result = tree(&[
            ("calc.py", "new"),
            ("more.py", "new"),
            ("tests/test_a.py", "new"),
            ("tests/__init__.py", ""),
            ("tests/data", "new"),
        ]);
        let files = PatternSet::new(vec![Pattern::new("tests/test_*.py").expect("valid")]);
        let expected = tree(&[("calc.py", "old"), ("tests/__init__.py", ""), ("tests/test_a.py", "new")]);
        assert_eq!(with_declared(&base, &result, &files), expected);
    }
}
