//! False alarms on good code: orca's own sources, judged as if one result had brought all of them. `cargo test --test
//! gates_good_code -- --nocapture` prints how many there are of each rule.
#![expect(clippy::disallowed_methods, reason = "reads the sources of this crate")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use orca::base::{BlobDigest, Entry, Pattern, PatternSet, RelPath, Severity, TaskName, Tree};
use orca::event::GateFinding;
use orca::gates::{ChangedFile, CheckContext, Content, Judged, JudgedTask, Options, Protected, check};
use orca::plan::{Check, Level};

/// Every file of the project but for the corpus of bad results, and what git and cargo keep.
fn project() -> Vec<(RelPath, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(root, "", &mut files);
    files.sort();
    files
}

fn collect(directory: &Path, prefix: &str, files: &mut Vec<(RelPath, Vec<u8>)>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("readable");
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if matches!(name.as_str(), ".git" | ".orca" | "target" | "fixtures/gates") {
            continue;
        }
        let kind = entry.file_type().expect("readable");
        if kind.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else if kind.is_file() {
            files.push((RelPath::new(&name).expect("a path"), fs::read(entry.path()).expect("readable")));
        }
    }
}

/// What a check finds in the project as if all of it were new.
fn found(which: Check) -> Vec<GateFinding> {
    let files = project();
    let entry = |bytes: &[u8]| {
        let size_bytes = bytes.len() as u64;
        Entry::File { digest: BlobDigest::of(bytes), size_bytes, executable: false }
    };
    let result: Tree = files.iter().map(|(path, bytes)| (path.clone(), entry(bytes))).collect();
    let new = |bytes: Vec<u8>| Content::File { bytes: bytes.into(), executable: false };
    let changed =
        files.into_iter().map(|(path, bytes)| ChangedFile::new(path, Content::Absent, new(bytes))).collect::<Vec<_>>();
    let name = TaskName::new("all").expect("valid");
    let outputs = PatternSet::new(vec![Pattern::new("**").expect("a pattern")]);
    let none = PatternSet::default();
    let task = JudgedTask { name: &name, outputs: &outputs, edits: &none, may_change: &none };
    let (base, protected, options) = (Tree::new(), Protected::default(), BTreeMap::new());
    let read = |_: &RelPath| None;
    let judged = Judged { task: Some(task), base: &base, result: &result, changed, protected: &protected, read: &read };
    let parts = check(
        which,
        &judged,
        &CheckContext { options: Options::new(&options), level: Level::Standard, database: None },
    );
    parts.into_iter().flat_map(|part| part.findings).collect()
}

/// What is found, line by line, and how often by rule; what it is worth is for a person to say.
fn told(findings: &[GateFinding]) -> String {
    let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
    let mut text = String::new();
    for finding in findings {
        let place = finding.place().unwrap_or_default();
        let _ = writeln!(text, "{:?} {} {place}: {}", finding.severity, finding.rule, finding.message);
        *rules.entry(&finding.rule).or_default() += 1;
    }
    let _ = writeln!(text, "{} in all: {rules:?}", findings.len());
    text
}

#[test]
fn integrity_is_sure_of_nothing_but_build_files_in_good_code() {
    let findings = found(Check::Integrity);
    println!("{}", told(&findings));
    let is_sure = |finding: &&GateFinding| finding.severity == Severity::Error;
    let others: Vec<_> = findings.iter().filter(is_sure).filter(|one| one.rule.starts_with("integrity/")).collect();
    let others: Vec<_> = others.into_iter().filter(|one| one.rule != "integrity/protected").collect();
    assert!(others.is_empty(), "{others:?}");
    assert_eq!(found(Check::Scope), []);
}

#[test]
fn review_finds_nothing_left_behind_in_good_code() {
    let findings = found(Check::Review);
    println!("{}", told(&findings));
    let left = ["review/debug-leftover", "review/todo-left", "review/commented-out-code"];
    let left: Vec<_> = findings.iter().filter(|finding| left.contains(&finding.rule.as_str())).collect();
    assert!(left.is_empty(), "{left:?}");
}
