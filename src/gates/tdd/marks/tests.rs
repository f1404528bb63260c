//! Sources that are made to be hard to read.

use std::sync::Arc;

use super::*;
use crate::base::Tree;
use crate::gates::judged::ChangedFile;
use crate::gates::protected::Protected;

fn judge(files: Vec<(String, String, String)>) -> Part {
    let content = |text: String| match text.is_empty() {
        true => Content::Absent,
        false => Content::File { bytes: text.into_bytes().into(), executable: false },
    };
    let changed = files
        .into_iter()
        .map(|(path, before, after)| {
            ChangedFile::new(RelPath::new(&path).expect("valid"), content(before), content(after))
        })
        .collect();
    let (base, result, protected) = (Tree::new(), Tree::new(), Protected::default());
    let read = |_: &RelPath| -> Option<Arc<[u8]>> { None };
    tests_weakened(&Judged { task: None, base: &base, result: &result, changed, protected: &protected, read: &read })
}

#[test]
fn deep_and_wide_sources_end() {
    let many = 60_000;
    let texts = [
        ("test_a.py", "try:\n assert 1\nexcept: pass\n".repeat(many / 4)),
        ("test_b.py", (0..400).map(|depth| " ".repeat(depth) + "try:\n").collect::<String>()),
        ("test_c.py", format!("def test_a():\n    assert {}1{}", "(".repeat(many), ")".repeat(many))),
        ("test_d.py", "def test_a(): assert f(1) == 2\n".repeat(many / 4)),
        ("test_e.py", format!("x = [{}]", "'pytest',".repeat(many))),
        ("e.py", format!("x = [{}]", "'PYTEST_CURRENT_TEST',".repeat(many))),
        ("a.test.js", "it('a', () => { return; expect(1) })\n".repeat(many / 8)),
        ("b.test.js", format!("{}x", "expect(x).not.".repeat(many / 8))),
        ("c.test.js", "it('a', () => {".repeat(many / 8)),
        ("d.js", "process.env.VITEST;".repeat(many / 4)),
        ("tests/a.rs", "#[test]\nfn a() { return; assert!(x) }\n".repeat(many / 8)),
        ("tests/b.rs", format!("#[test]\nfn a() {{ assert!({}) }}", "true || ".repeat(many))),
        ("tests/c.rs", "#[ignore]\n".repeat(many)),
        ("a_test.go", "func TestA(t *testing.T) { t.Skip() }\n".repeat(many / 8)),
        ("ATest.java", format!("class A {{ {} }}", "@Test void a() { assertTrue(true); }".repeat(many / 8))),
        ("BTest.java", "assertThat(x).".repeat(many / 8)),
    ];
    let files: Vec<_> = texts.into_iter().map(|(path, text)| (path.to_owned(), String::new(), text)).collect();
    let count = files.len();
    let part = judge(files);
    // So many of marks and so many of tests in each file, and not one for each line.
    assert!((1_000..=count * 400).contains(&part.findings.len()), "{}", part.findings.len());
}

#[test]
fn many_tests_that_are_gone_and_many_that_are_new_end() {
    let tests = |name: &str| -> String {
        (0..8_000).map(|at| format!("def test_{name}{at}():\n    x = f({at})\n    assert x == {at}\n\n")).collect()
    };
    let part = judge(vec![("test_a.py".to_owned(), tests("a"), tests("b"))]);
    assert!(part.findings.iter().any(|finding| finding.rule == "tdd/deleted-test"), "{}", part.findings.len());
}

#[test]
fn bytes_that_are_no_text_are_no_test() {
    let part =
        judge(vec![("test_a.py".to_owned(), "def test_a():\n    assert f() == 1\n".to_owned(), "\0".to_owned())]);
    let found: Vec<&str> = part.findings.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!(found, ["tdd/deleted-test"]);
    assert!(part.findings[0].message.contains("can no longer be read"));
}
