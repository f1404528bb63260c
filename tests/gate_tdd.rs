//! Tests first, with a real runner: Python's `unittest`. Agents that do what their prompt says write the tests and the work,
//! honestly and not.

mod support;

use orca::event::{Event, GateFinding};
use support::{Build, Project, hands};

const RUN: &str = "python3 -m unittest -v tests.test_add";
const SUITE: &str = "python3 -m unittest discover -v";
const WORK: &str = "printf 'def add(a, b):\\n    return a + b\\n' > ops.py";
const TEST: &str = "printf 'import unittest\\n\\nfrom calc import add\\n\\n\\nclass Add(unittest.TestCase):\\n    \
                    def test_add(self):\\n        self.assertEqual(add(1, 2), 3)\\n' > tests/test_add.py";
const REAL: &str = "sed -i 's/return 0/return a + b/' calc.py";

/// A task that does these lines and has these tests, in a project with a calculator that cannot add.
fn project(lines: &[&str], tdd: &str) -> Project {
    let keys = format!(
        "inputs = [\"**/*.py\"]\nedits = [\"**/*.py\", \"**/*.xml\", \"**/*.info\"]\ntools = [\"python3\"]\n\
         tdd = {{ tests = [\"tests/test_add.py\"], {tdd} }}\n"
    );
    let mut orca = Project::new(&hands::plan(&hands::by_hands("add", &keys, &lines.join("\n"))));
    orca.write("calc.py", "def add(a, b):\n    return 0\n\n\ndef double(a):\n    return 2 * a\n");
    orca.write("tests/__init__.py", "");
    orca.write(
        "tests/test_double.py",
        "import unittest\n\nfrom calc import double\n\n\nclass Double(unittest.TestCase):\n    def test_double(self):\n        \
         self.assertEqual(double(2), 4)\n\n    def test_zero(self):\n        self.assertEqual(double(0), 0)\n",
    );
    hands::without_sandbox(&mut orca);
    orca
}

fn run() -> String {
    format!("run = \"{RUN}\"")
}

fn with_suite() -> String {
    format!("run = \"{RUN}\", suite = \"{SUITE}\"")
}

/// The verdict of `tdd`, its message, and its findings.
fn said(build: &Build) -> (String, String, Vec<GateFinding>) {
    let mut judged = build.events.iter().filter_map(|event| match event {
        Event::GateJudged { gate, verdict, message, findings, .. } if gate.as_str() == "tdd" => {
            Some((verdict.clone(), message.clone(), findings.clone()))
        }
        _ => None,
    });
    judged.next_back().unwrap_or_else(|| panic!("tdd has not judged\n{}", build.output.transcript()))
}

/// Asserts that a build is red for just these rules of `tdd`.
#[track_caller]
fn refused<const N: usize>(orca: &Project, rules: [&str; N]) -> Vec<GateFinding> {
    let build = orca.build_red();
    let (verdict, message, findings) = said(&build);
    let found: Vec<&str> = findings.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!((verdict.as_str(), found.as_slice()), ("failed", &rules[..]), "{message}\n{findings:#?}");
    findings
}

#[test]
fn an_honest_task_is_accepted_and_is_not_judged_twice() {
    let orca = project(&[TEST, REAL], &with_suite());
    let build = orca.build();
    let (verdict, message, findings) = said(&build);
    assert_eq!((verdict.as_str(), findings.as_slice()), ("passed", &[][..]), "{message}");
    for part in ["1 test fails without the work", "1 test on the result", "2 tests before, 3 after"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(orca.read("calc.py").contains("return a + b"));
    assert!(!orca.exists("__pycache__"), "what the runs leave is nowhere to be seen");
    let again = orca.build();
    again.ran([]);
    assert!(again.events.iter().all(|event| !matches!(event, Event::GateJudged { cached: false, .. })));
}

#[test]
fn a_module_that_is_not_there_yet_counts_and_is_told() {
    let test = TEST.replace("from calc", "from ops");
    let orca = project(&[&test, WORK], &run());
    let (verdict, _, findings) = said(&orca.build());
    let rules: Vec<&str> = findings.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!((verdict.as_str(), rules.as_slice()), ("passed", &["tdd/base-import-error"][..]));

    let strict = project(&[&test, WORK], &run());
    strict.replace("orca.toml", "tools = [\"python3\"]", "tools = [\"python3\"]\nlevel = \"strict\"");
    let build = strict.build_red();
    assert!(said(&build).2.iter().any(|finding| finding.rule == "tdd/base-broken"), "{:?}", said(&build));
}

#[test]
fn tests_that_pass_without_the_work_prove_nothing() {
    let orca = project(&[&TEST.replace("add(1, 2), 3", "add(0, 0), 0"), REAL], &run());
    let findings = refused(&orca, ["tdd/passes-on-base"]);
    assert!(findings[0].message.contains("tests.test_add.Add.test_add"), "{findings:?}");
    assert!(orca.read("calc.py").contains("return 0"), "nothing is published");
}

#[test]
fn tests_that_cannot_be_read_prove_nothing() {
    let orca = project(&["printf 'x = (\\n' > tests/test_add.py", REAL], &run());
    let build = orca.build_red();
    let rules: Vec<String> = said(&build).2.into_iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, ["tdd/base-broken", "tdd/fails-on-result"]);
}

#[test]
fn work_that_does_not_do_it_is_refused_with_the_reason() {
    let orca = project(&[TEST, "sed -i 's/return 0/return a - b/' calc.py"], &run());
    let findings = refused(&orca, ["tdd/fails-on-result"]);
    assert!(findings[0].message.contains("AssertionError: -1 != 3"), "{findings:?}");
}

#[test]
fn what_no_suite_says_is_skipped_and_red_where_it_is_strict() {
    let orca = project(&[TEST, REAL], &run());
    let (verdict, message, _) = said(&orca.build());
    assert_eq!(verdict, "passed");
    assert!(message.contains("suite skipped: the task's `tdd` names no `suite`"), "{message}");
    let strict = project(&[TEST, REAL], &run());
    strict.replace("orca.toml", "tools = [\"python3\"]", "tools = [\"python3\"]\nlevel = \"strict\"");
    let red = strict.build_red();
    assert_eq!(said(&red).0, "error");
    assert_eq!(red.failure("add").kind, orca::base::FailureKind::GateError, "another result would mend nothing");
}

#[test]
fn a_suite_that_breaks_names_what_broke() {
    let orca = project(&[TEST, REAL, "sed -i 's/2 [*] a/3 * a/' calc.py"], &with_suite());
    let findings = refused(&orca, ["tdd/suite-fails"]);
    assert!(findings[0].message.contains("tests.test_double.Double.test_double"), "{findings:?}");
}

#[test]
fn deleted_tests_are_missed() {
    let orca = project(&[TEST, REAL, "sed -i '/test_zero/,$d' tests/test_double.py"], &with_suite());
    // One came and one went: what the task itself adds makes up for nothing.
    refused(&orca, ["tdd/fewer-tests", "tdd/deleted-test"]);
    let orca = project(&[TEST, REAL, "rm tests/test_double.py"], &with_suite());
    let findings = refused(&orca, ["tdd/fewer-tests", "tdd/deleted-test"]);
    assert!(findings[0].message.contains("test_zero"), "{findings:?}");
}

#[test]
fn skipped_tests_are_missed() {
    let skip = "sed -i 's/    def test_zero/    @unittest.skip(\"slow\")\\n    def test_zero/' tests/test_double.py";
    let orca = project(&[TEST, REAL, skip], &with_suite());
    refused(&orca, ["tdd/newly-skipped", "tdd/skipped-test"]);
}

#[test]
fn an_early_exit_is_no_success() {
    let exit = "printf 'import os\\nos._exit(0)\\n' > tests/test_a.py";
    let orca = project(&[TEST, REAL, exit], &with_suite());
    refused(&orca, ["tdd/no-report", "tdd/early-exit"]);
}

/// A report that lies there already is in none of the trees that tests run in.
#[test]
fn a_report_of_the_agent_is_not_read() {
    let planted = "printf '<testsuites><testsuite><testcase classname=\"tests.test_add.Add\" name=\"test_add\"/></testsuite></testsuites>' > report.xml";
    let orca = project(&[TEST, REAL, planted], &format!("{}, report = \"*.xml\"", run()));
    refused(&orca, ["tdd/no-report"]);
}

/// A runner that writes both reports, of the functions that tests in `tests` name.
const RUNNER: &str = r#"import sys, trace, unittest
tracer = trace.Trace(count=1, trace=0)
suite = unittest.defaultTestLoader.loadTestsFromName('tests.test_add')
result = unittest.TestResult()
tracer.runfunc(suite.run, result)
hit = {line for (name, line) in tracer.results().counts if name.endswith('calc.py')}
with open('lcov.info', 'w') as out:
    out.write('SF:calc.py\n')
    for line in (1, 2, 3, 6, 7):
        out.write('DA:%d,%d\n' % (line, line in hit))
    out.write('end_of_record\n')
with open('report.xml', 'w') as out:
    bad = ''.join('<failure>%s</failure>' % text.replace('<', '') .replace('&', '') for _, text in result.failures + result.errors)
    out.write('<testsuites><testcase classname="tests.test_add.Add" name="test_add">%s</testcase></testsuites>' % bad)
sys.exit(not result.wasSuccessful())
"#;

#[test]
fn lines_that_no_test_runs_are_named() {
    let lines = [TEST, "sed -i 's/    return 0/    if a < 0:\\n        return -1\\n    return a + b/' calc.py"];
    let tdd = "run = \"python3 runner.py\", report = \"report.xml\", coverage = \"lcov.info\"";
    let orca = project(&lines, tdd);
    orca.write("runner.py", RUNNER.replace("(1, 2, 3, 6, 7)", "(1, 2, 3, 4)"));
    let findings = refused(&orca, ["tdd/uncovered", "tdd/uncovered"]);
    assert_eq!(findings[1].place().as_deref(), Some("calc.py:3:1"), "{findings:?}");
    assert!(findings[0].message.starts_with("66.7 % of 3 changed lines"), "{findings:?}");

    let enough = project(&lines, &format!("{tdd}, coverage_min = 60"));
    enough.write("runner.py", RUNNER.replace("(1, 2, 3, 6, 7)", "(1, 2, 3, 4)"));
    let (verdict, message, findings) = said(&enough.build());
    assert_eq!((verdict.as_str(), findings.len()), ("passed", 0), "{message}\n{findings:?}");

    let none = project(&lines, &format!("{}, coverage_min = 60", run()));
    refused(&none, ["tdd/no-coverage"]);
}

#[test]
fn a_command_that_is_not_there_is_an_error_and_never_green() {
    let orca = project(&[TEST, REAL], "run = \"no-such-runner\"");
    assert_eq!(said(&orca.build_red()).0, "error");
}

/// pytest is told where to write its report, and what it prints is not needed.
#[test]
fn pytest_writes_a_report_without_being_asked() {
    let orca = project(&[TEST, REAL], "run = [\"sh\", \"-c\", \"sh ./pytest tests/test_add.py\"]");
    orca.replace("orca.toml", "inputs = [\"**/*.py\"]", "inputs = [\"**/*.py\", \"pytest\"]");
    orca.write(
        "pytest",
        "#!/bin/sh\nif python3 -m unittest tests.test_add 2>/dev/null; then bad=; code=0; else bad='<failure/>'; code=1; fi\n\
         path=$(echo \"$PYTEST_ADDOPTS\" | sed 's/.*--junitxml=\\([^ ]*\\).*/\\1/')\n\
         echo \"<testsuites><testcase classname='tests.test_add.Add' name='test_add'>$bad</testcase></testsuites>\" > \"$path\"\n\
         exit $code\n",
    );
    let (verdict, message, findings) = said(&orca.build());
    assert_eq!((verdict.as_str(), findings.as_slice()), ("passed", &[][..]), "{message}");
    assert!(message.contains("1 test fails without the work; 1 test on the result"), "{message}");
    assert!(!orca.exists(".orca-tests.xml"));
}
