//! Reports as runners write them, and as those write them who want them misread.

use super::*;

/// The cases of a report, one a line: `+` passed, `-` failed, `!` errored with its kind, `~` skipped.
fn told(text: &str) -> Vec<String> {
    let report = read(text.as_bytes()).unwrap_or_else(|| panic!("no report: {text}"));
    let line = |case: &TestCase| {
        let mark = match &case.outcome {
            Outcome::Passed => "+".to_owned(),
            Outcome::Failed => "-".to_owned(),
            Outcome::Errored(kind) => format!("!{kind:?}"),
            Outcome::Skipped(_) => "~".to_owned(),
        };
        let file = case.file.as_ref().map_or_else(String::new, |file| format!(" @{file}"));
        let place = case.line.map_or_else(String::new, |line| format!(":{line}"));
        format!("{mark} {}{file}{place}", case.id)
    };
    report.cases.iter().map(line).collect()
}

fn problem(text: &str) -> Option<String> {
    read(text.as_bytes()).expect("a report").problem
}

#[test]
fn junit_of_pytest() {
    let text = r#"<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest" errors="1" failures="1" skipped="2" tests="5">
<testcase classname="tests.test_calc.TestAdd" name="test_two[1-2]" time="0.001" />
<testcase classname="tests.test_calc" name="test_three" time="0.001"><failure message="assert 1 == 2">def test_three():
&gt;   assert 1 == 2
E   assert 1 == 2</failure></testcase>
<testcase classname="tests.test_calc" name="test_skip"><skipped type="pytest.skip" message="later">x</skipped></testcase>
<testcase classname="tests.test_calc" name="test_x"><skipped type="pytest.xfail" message="" /></testcase>
<testcase classname="" name="tests.test_new"><error message="collection failure">ImportError while importing test module '/w/tests/test_new.py'.
E   ModuleNotFoundError: No module named 'calc'</error></testcase>
<testcase classname="" name="tests.test_bad"><error message="collection failure">E     File "/w/tests/test_bad.py", line 1
E   SyntaxError: invalid syntax</error></testcase>
<testcase classname="tests.test_calc" name="test_fixture"><error message="failed on setup with &quot;RuntimeError: no&quot;">RuntimeError: no</error></testcase>
</testsuite></testsuites>"#;
    let expected = [
        "+ tests.test_calc.TestAdd::test_two[1-2]",
        "- tests.test_calc::test_three",
        "~ tests.test_calc::test_skip",
        "~ tests.test_calc::test_x",
        "!Import tests.test_new",
        "!Syntax tests.test_bad",
        "!Collection tests.test_calc::test_fixture",
    ];
    assert_eq!(told(text), expected);
    let report = read(text.as_bytes()).expect("a report");
    assert_eq!(missing(&report.cases[4].message), [Missing::Module("calc".into())]);
    assert_eq!(report.cases[0].function(), "test_two");
}

#[test]
fn junit_of_others() {
    let nextest = r#"<testsuites name="nextest-run" tests="2"><testsuite name="calc::add" tests="2"><testcase name="ops::adds" classname="calc::add" time="0.004"><flakyFailure/></testcase><testcase name="fails" classname="calc::add"><failure type="test failure">thread panicked</failure></testcase></testsuite></testsuites>"#;
    assert_eq!(told(nextest), ["+ calc::add::ops::adds", "- calc::add::fails"]);
    let jest = r#"<testsuites name="jest tests"><testsuite name="ops" file="src/ops.test.js"><testcase classname="ops adds" name="ops adds" time="0"></testcase><testcase classname="Test suite failed to run" name="src/ops.test.js"><failure>  ● Test suite failed to run

    Cannot find module './ops' from 'src/ops.test.js'</failure></testcase></testsuite></testsuites>"#;
    assert_eq!(
        told(jest),
        ["+ ops adds::ops adds @src/ops.test.js", "!Import Test suite failed to run::src/ops.test.js @src/ops.test.js"]
    );
    let go = r#"<testsuites><testsuite tests="1" name="example.com/calc"><testcase classname="example.com/calc" name="TestMain"><failure message="Failed" type="">FAIL	example.com/calc [build failed]
./add_test.go:6:5: undefined: Add</failure></testcase></testsuite></testsuites>"#;
    assert_eq!(told(go), ["!Import example.com/calc::TestMain"]);
    let nested = r#"<testsuites><testsuite name="a"><testsuite name="b" file="x.rb"><testcase name="t"/></testsuite></testsuite></testsuites>"#;
    assert_eq!(told(nested), ["+ t @x.rb"]);
}

#[test]
fn libtest_of_several_binaries() {
    let text = "     Running unittests src/lib.rs (target/debug/deps/calc-1)\n\nrunning 3 tests\ntest ops::adds ... ok\n\
        test ops::old ... ignored, slow\ntest ops::loud ... hello\nFAILED\n\nfailures:\n\n---- ops::loud stdout ----\nthread panicked at src/lib.rs:3:5\n\n\
        failures:\n    ops::loud\n\ntest result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out\n\n\
        \u{20}    Running tests/add.rs (target/debug/deps/add-1)\n\nrunning 1 test\ntest panics - should panic ... ok\n\n\
        test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured\n\n   Doc-tests calc\n\nrunning 1 test\n\
        test src/lib.rs - add (line 3) ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored\n";
    let expected = [
        "+ ops::adds @src/lib.rs",
        "~ ops::old @src/lib.rs",
        "- ops::loud @src/lib.rs",
        "+ panics @tests/add.rs",
        "+ src/lib.rs - add (line 3) @src/lib.rs",
    ];
    assert_eq!(told(text), expected);
    assert_eq!(problem(text), None);
    assert!(read(text.as_bytes()).expect("a report").cases[2].message.contains("src/lib.rs:3:5"));
    let forged =
        "running 1 test\ntest a ... ok\ntest forged ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored\n";
    assert_eq!(problem(forged), Some("the runner counts 1 tests, and 2 are told".to_owned()));
}

#[test]
fn libtest_that_does_not_compile() {
    let text = "error[E0425]: cannot find function `add` in crate `calc`\n --> tests/add.rs:3:22\n  |\n3 | assert_eq!(calc::add(1, 2), 3);\n\n\
        error[E0432]: unresolved import `calc::Sum`\n --> tests/add.rs:1:5\n\nerror: expected one of `!` or `::`, found `x`\n --> tests/b.rs:1:4\n\n\
        error: could not compile `calc` (test \"add\") due to 2 previous errors\n";
    assert_eq!(
        told(text),
        ["!Import compile @tests/add.rs:3", "!Import compile @tests/add.rs:1", "!Syntax compile @tests/b.rs:1"]
    );
    let report = read(text.as_bytes()).expect("a report");
    assert_eq!(missing(&report.cases[0].message), [Missing::Name("add".into())]);
    assert_eq!(missing(&report.cases[1].message), [Missing::Module("calc::Sum".into())]);
}

#[test]
fn tap_with_subtests_and_directives() {
    let text = "TAP version 13\n# Subtest: sums\n    # Subtest: adds\n    ok 1 - adds\n      ---\n      duration_ms: 0.5\n      ...\n\
        \u{20}   not ok 2 - takes\n      ---\n      location: '/w/test/ops.test.js:9:3'\n      error: 'Expected 1'\n      ...\n    1..2\nnot ok 1 - sums\n\
        ok 2 - later # SKIP no network\nnot ok 3 # TODO write it\nok 4\n1..4\n";
    let expected = ["+ sums > adds", "- sums > takes @/w/test/ops.test.js:9", "~ later", "~ ", "+ "];
    assert_eq!(told(text), expected);
    assert_eq!(problem(text), None);
    assert_eq!(problem("1..3\nok 1 - a\nok 2 - b\n"), Some("3 tests were planned, and 2 are told".to_owned()));
    assert_eq!(told("ok 1 - a\nBail out! no database\n1..2\n"), ["+ a", "!Collection bail out"]);
    assert_eq!(told("1..0 # SKIP not here\n"), ["~ all"]);
}

#[test]
fn tap_of_a_file_that_does_not_load() {
    let text = "TAP version 13\n# node:internal/modules/esm/resolve\n# Error [ERR_MODULE_NOT_FOUND]: Cannot find module '/w/src/ops.mjs' imported from /w/test/ops.test.mjs\n\
        # Subtest: /w/test/ops.test.mjs\nnot ok 1 - /w/test/ops.test.mjs\n  ---\n  exitCode: 1\n  error: 'test failed'\n  ...\n1..1\n";
    assert_eq!(told(text), ["!Import /w/test/ops.test.mjs @/w/test/ops.test.mjs"]);
}

#[test]
fn unittest_verbose_and_with_dots() {
    let verbose = "tests.test_new (unittest.loader._FailedTest.tests.test_new) ... ERROR\ntest_a (tests.test_y.T.test_a)\nA docstring. ... FAIL\n\
        test_b (tests.test_y.T) ... ok\ntest_e (tests.test_y.T.test_e) ... expected failure\ntest_s (tests.test_y.T.test_s) ... skipped 'w'\n\n\
        ======\nERROR: tests.test_new (unittest.loader._FailedTest.tests.test_new)\n------\nImportError: Failed to import test module: tests.test_new\n\
        ModuleNotFoundError: No module named 'calc'\n\n======\nFAIL: test_a (tests.test_y.T.test_a)\nA docstring.\n------\nAssertionError: 1 != 2\n\n\
        ------\nRan 5 tests in 0.001s\n\nFAILED (failures=1, errors=1, skipped=1, expected failures=1)\n";
    let expected = [
        "!Import tests.test_new",
        "- tests.test_y.T.test_a",
        "+ tests.test_y.T.test_b",
        "~ tests.test_y.T.test_e",
        "~ tests.test_y.T.test_s",
    ];
    assert_eq!(told(verbose), expected);
    assert_eq!(problem(verbose), None);
    let dots = "E.s\n======\nERROR: test_err (tests.test_y.T.test_err)\n------\nTraceback\nValueError\n\n------\nRan 3 tests in 0.001s\n\nFAILED (errors=1, skipped=1)\n";
    assert_eq!(told(dots), ["- tests.test_y.T.test_err", "+ ", "~ "]);
    assert_eq!(told("..\n------\nRan 2 tests in 0.000s\n\nOK\n"), ["+ ", "+ "]);
    assert_eq!(read(b"\n------\nRan 0 tests in 0.000s\n\nOK\n").expect("a report").cases, []);
    let unseen = "test_b (t.T.test_b) ... ok\n\n------\nRan 2 tests in 0.001s\n\nOK\n";
    assert_eq!(problem(unseen), Some("the runner counts 2 tests, and 1 are told".to_owned()));
}

#[test]
fn go_test_with_and_without_names() {
    let verbose = "=== RUN   TestAdd\n--- PASS: TestAdd (0.00s)\n=== RUN   TestSub\n    add_test.go:9: got 1\n--- FAIL: TestSub (0.00s)\n    --- SKIP: TestSub/slow (0.00s)\nFAIL\nFAIL\texample.com/calc\t0.002s\nFAIL\n";
    assert_eq!(told(verbose), ["+ TestAdd", "- TestSub", "~ TestSub/slow"]);
    let build = "# example.com/calc [example.com/calc.test]\n./add_test.go:6:5: undefined: Add\nFAIL\texample.com/calc [build failed]\nFAIL\n";
    assert_eq!(told(build), ["!Import example.com/calc"]);
    assert_eq!(
        told("ok  \texample.com/calc\t0.002s\nok  \texample.com/b\t(cached)\n"),
        ["+ example.com/calc", "+ example.com/b"]
    );
}

#[test]
fn what_is_no_report_is_none() {
    for text in [
        "",
        "hello\n",
        "<html></html>",
        "<testsuite",
        "1. first\n2. second\n",
        "ok\n",
        "\u{1b}[",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><testsuites/>",
    ] {
        assert_eq!(read(text.as_bytes()), None, "{text}");
    }
    assert_eq!(told("\u{1b}[1mTAP version 13\u{1b}[0m\r\nok 1 - a\r\n1..1\r\n"), ["+ a"]);
}

#[test]
fn hostile_reports_end() {
    let many = 100_000;
    let texts = [
        "<testsuites>".repeat(many),
        format!("<testsuites>{}", "<testcase name='a'>".repeat(many)),
        "    ".repeat(many) + "ok 1",
        format!("TAP version 13\n{}", "# Subtest: a\n".repeat(many)),
        (0..2_000).map(|depth| " ".repeat(depth) + "# Subtest: x\n").collect(),
        "test_a (a.B.test_a)\n".repeat(many) + "Ran 1 test in 0s\n",
        (0..many).map(|at| format!("ERROR: t{at} (a.B)\n")).collect::<String>() + "Ran 1 test in 0s\n",
        "running 1 test\n".repeat(many),
        "test a ... \n".repeat(many),
        format!("error[E0425]: {}\nerror: could not compile", "`".repeat(many)),
        "\u{1b}[".repeat(many),
        format!("1..1\nok 1 {}", "# ".repeat(many)),
        "--- FAIL: ".repeat(many),
    ];
    for text in texts {
        let _ = read(text.as_bytes());
    }
    let _ = read(&[0xff; 1_000]);
}
