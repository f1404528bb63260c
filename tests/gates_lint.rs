//! What linters say is read in all their forms, and counts where a result added the line.

use orca::base::{RelPath, Tree};
use orca::gates::review::{findings_of_lint, part_of_lint};
use orca::gates::{ChangedFile, Content, Judged, PartStatus, Protected};

/// Judges output of a linter about `src/a.py`, whose lines 2 and 5 are new, and `src/new.py`, which is new.
fn with<T>(then: impl FnOnce(&Judged<'_>) -> T) -> T {
    let file = |text: &str| Content::File { bytes: text.as_bytes().into(), executable: false };
    let path = |text: &str| RelPath::new(text).expect("a path");
    let changed = vec![
        ChangedFile::new(path("src/a.py"), file("a\nc\nd\nf\n"), file("a\nb b\nc\nd\ne\nf\n")),
        ChangedFile::new(path("src/new.py"), Content::Absent, file("x\n")),
        ChangedFile::new(path("src/old.py"), file("x\n"), Content::Absent),
    ];
    let (tree, protected) = (Tree::new(), Protected::default());
    let judged =
        Judged { task: None, base: &tree, result: &tree, changed, protected: &protected, read: &|_: &RelPath| None };
    then(&judged)
}

/// The findings that are kept, as one line each, and how many are not.
fn read(output: &str) -> (Vec<String>, usize) {
    with(|judged| {
        let findings = findings_of_lint(output, Some("/work/tree"), judged);
        let line = |finding: orca::event::GateFinding| {
            format!(
                "{} {:?} {}: {}",
                finding.place().unwrap_or_default(),
                finding.severity,
                finding.rule,
                finding.message
            )
        };
        (findings.kept.into_iter().map(line).collect(), findings.dropped)
    })
}

#[test]
fn only_added_lines_count() {
    let output = "src/a.py:1:1: F401 old\n./src/a.py:2:3: F402 new\n/work/tree/src/a.py:5: error: mypy's [arg-type]\n\
                  src/b.py:2:1: F403 elsewhere\n/etc/passwd:1:1: out\n../a.py:1:1: out\nsrc/a.py:99:1: beyond\nFound 7 errors.\n";
    let kept = ["src/a.py:2:3 Error lint/F402: new", "src/a.py:5:1 Error lint/arg-type: mypy's"].map(str::to_owned);
    assert_eq!(read(output), (kept.to_vec(), 5));
    assert_eq!(read(""), (vec![], 0));
}

#[test]
fn json_of_linters_is_read() {
    let table = [
        r#"[{"filePath":"/work/tree/src/a.py","messages":[{"ruleId":"no-eval","severity":1,"message":"m","line":2,"column":1}]}]"#,
        r#"[{"filename":"/work/tree/src/a.py","code":"no-eval","message":"m","severity":"warning","location":{"row":2,"column":1},"end_location":{"row":2,"column":3}}]"#,
        r#"[{"type":"convention","path":"src/a.py","line":2,"column":0,"symbol":"no-eval","message":"m"}]"#,
        r#"{"Issues":[{"FromLinter":"no-eval","Text":"m","Severity":"warning","Pos":{"Filename":"src/a.py","Line":2,"Column":1}}]}"#,
        "{\"reason\":\"build-script-executed\"}\n{\"reason\":\"compiler-message\",\"message\":{\"level\":\"warning\",\"message\":\"m\",\"code\":{\"code\":\"no-eval\"},\"spans\":[{\"file_name\":\"x\",\"line_start\":1,\"is_primary\":false},{\"file_name\":\"src/a.py\",\"line_start\":2,\"line_end\":2,\"column_start\":1,\"is_primary\":true}]}}\n",
        "{\"file\":\"src/a.py\",\"line\":2,\"column\":0,\"message\":\"m\",\"code\":\"no-eval\",\"severity\":\"warning\"}\n{\"file\":\"src/a.py\"}\n",
    ];
    for output in table {
        assert_eq!(read(output), (vec!["src/a.py:2:1 Warning lint/no-eval: m".to_owned()], 0), "{output}");
    }
    let sarif = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"ruff"}},"results":[
        {"ruleId":"F401","level":"error","message":{"text":"m"},"locations":[{"physicalLocation":
        {"artifactLocation":{"uri":"src/a.py"},"region":{"startLine":2}}}]}]}]}"#;
    let (kept, dropped) = read(sarif);
    assert_eq!((kept.len(), dropped), (1, 0), "{kept:?}");
    assert!(kept[0].starts_with("src/a.py:2:1 Error lint/") && kept[0].contains("F401"), "{kept:?}");
}

#[test]
fn a_remark_on_a_whole_file_counts_where_the_file_is_new() {
    let output =
        r#"[{"path":"src/new.py","message":"no docstring","type":"warning"},{"path":"src/a.py","message":"m"}]"#;
    assert_eq!(read(output), (vec!["src/new.py Warning lint/finding: no docstring".to_owned()], 1));
}

#[test]
fn a_linter_that_breaks_is_not_content() {
    with(|judged| {
        let broken = part_of_lint("ruff check .", 2, "error: unexpected argument\n", None, judged);
        assert!(matches!(&broken.status, PartStatus::Broke(why) if why.contains("unexpected argument")), "{broken:?}");
        let other = part_of_lint("ruff check .", 1, "src/a.py:1:1: F401 old\n", None, judged);
        assert_eq!((other.status, other.findings.len()), (PartStatus::Judged, 0));
        assert_eq!(other.note.as_deref(), Some("1 finding on other lines"));
        assert_eq!(part_of_lint("ruff check .", 0, "All checks passed!\n", None, judged).status, PartStatus::Judged);
    });
}

#[test]
fn hostile_output_is_bounded() {
    let many = "src/a.py:2:1: F401 new\n".repeat(200_000);
    let (kept, dropped) = read(&many);
    assert_eq!((kept.len(), dropped), (1_000, 99_000));
    for output in
        ["[".repeat(1_000_000), "{\"runs\":".repeat(100_000), "src/a.py:2:".repeat(100_000), "\u{1b}[".repeat(1_000)]
    {
        let _ = read(&output);
    }
    let (kept, _) = read("src/a.py:2:1: \u{1b}[31mE1\u{202e}23 red\u{7}\n");
    assert_eq!(kept, ["src/a.py:2:1 Error lint/E123: red"]);
}
