//! Secrets on good code: this project's own, as if every line were new. And what the check must never do, whatever it is
//! given: show a secret, fall over, or miss one for where it stands.
#![expect(clippy::disallowed_methods, reason = "reads the sources of this crate")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use orca::base::{RelPath, Severity, Tree};
use orca::event::GateFinding;
use orca::gates::{ChangedFile, Content, Judged, Protected, secret_rules, secrets};
use proptest::prelude::*;

/// False alarms on `src`, `tests`, `docs`, `benches` and `fixtures` that are borne with: what stands in `docs/gates/secrets.md`.
const FALSE_ALARMS_MAX: usize = 5;

fn found(files: Vec<(&str, Vec<u8>)>) -> Vec<GateFinding> {
    let empty = Tree::new();
    let file = |(path, bytes): (&str, Vec<u8>)| {
        let after = Content::File { bytes: bytes.into(), executable: false };
        ChangedFile::new(RelPath::new(path).expect("a path"), Content::Absent, after)
    };
    let changed = files.into_iter().map(file).collect();
    secrets(&Judged {
        task: None,
        base: &empty,
        result: &empty,
        changed,
        protected: &Protected::default(),
        read: &|_| None,
    })
    .findings
}

/// A token, put together here so that it does not stand in this file.
fn token(seed: usize) -> String {
    let alphabet = b"q7Rt2vLx9Zb4Kd8Wm1HsYc5PfJn3Gg6TaXeUoBiN";
    let text: String =
        (0..36).map(|at| char::from(alphabet[(at * 7 + seed * 13 + at * at * 3) % alphabet.len()])).collect();
    ["gh", "p_", &text].concat()
}

#[test]
fn on_our_own_code_there_are_no_more_false_alarms_than_documented() {
    let mut files = Vec::new();
    for directory in ["src", "tests", "docs", "benches", "fixtures"] {
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory), &mut files);
    }
    let files: Vec<(String, Vec<u8>)> = files
        .into_iter()
        .map(|path| (path.strip_prefix(env!("CARGO_MANIFEST_DIR")).expect("ours").to_path_buf(), path))
        .map(|(name, path)| (name.to_string_lossy().into_owned(), std::fs::read(path).expect("readable")))
        .collect();
    let (count, size_bytes) = (files.len(), files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>());
    assert!(count > 400 && size_bytes > 1_000_000, "the sources were not found");
    let alarms = found(files.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect());
    println!("{} false alarms in {count} files of {size_bytes} bytes", alarms.len());
    let told: Vec<String> =
        alarms.iter().map(|one| format!("{} {}", one.rule, one.place().unwrap_or_default())).collect();
    assert!(alarms.len() <= FALSE_ALARMS_MAX, "{told:#?}");
}

fn collect(directory: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

#[test]
fn the_page_has_every_rule() {
    let page = include_str!("../docs/gates/secrets.md");
    let rules: Vec<_> = secret_rules().collect();
    for rule in &rules {
        let severity = if rule.severity == Severity::Error { "error" } else { "warning" };
        let row = format!("| `{}` | {severity} | {} |", rule.id, rule.what);
        assert!(page.contains(&row), "docs/gates/secrets.md lacks: {row}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| `secrets/")).count();
    assert_eq!(rows, rules.len() + 1, "a row for each rule, and for files that were not searched");
}

#[test]
fn every_rule_has_a_bad_case() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gates/secrets");
    let mut files = Vec::new();
    collect(&directory, &mut files);
    let mut covered: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in files {
        let text = std::fs::read_to_string(path).expect("readable");
        for case in text.split("[[case]]") {
            let value = |key: &str| {
                let line = case.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='));
                line.map(|value| value.trim().trim_matches('"').to_owned())
            };
            if let (Some(rule), Some(expect)) = (value("rule"), value("expect")) {
                covered.entry(rule).or_default().insert(expect);
            }
        }
    }
    for rule in secret_rules() {
        let has = covered.get(&rule.id).is_some_and(|expected| expected.contains("bad"));
        assert!(has, "no result in the corpus is bad by {}", rule.id);
    }
}

#[test]
fn no_secret_is_shown_not_even_one_in_the_lines_around() {
    let tokens: Vec<String> = (0..6).map(token).collect();
    let mut text = String::new();
    for (index, token) in tokens.iter().enumerate() {
        text.push_str(&format!("é{index} = \"{token}\"; again = \"{token}\"\n"));
    }
    let findings = found(vec![("a.py", text.into_bytes())]);
    assert_eq!(findings.len(), 12);
    let lines: Vec<Option<u32>> = findings.iter().map(|finding| finding.line).collect();
    assert_eq!(lines[..4], [Some(1), Some(1), Some(2), Some(2)]);
    assert_eq!(findings[0].column, Some(7));
    let said = serde_json::to_string(&findings).expect("serializable");
    for token in &tokens {
        for part in token.as_bytes().windows(12) {
            let part = std::str::from_utf8(part).expect("ascii");
            assert!(!said.contains(part), "a part of a secret is shown");
        }
    }
}

#[test]
fn only_what_the_result_adds_counts() {
    let (old, new) = (token(1), token(2));
    let before = format!("a = \"{old}\"\nb = 1\n");
    let after = format!("# new\na = \"{old}\"\nb = \"{new}\"\n");
    let content = |text: &str| Content::File { bytes: text.as_bytes().into(), executable: false };
    let change = ChangedFile::new(RelPath::new("a.py").expect("valid"), content(&before), content(&after));
    let empty = Tree::new();
    let judged = Judged {
        task: None,
        base: &empty,
        result: &empty,
        changed: vec![change],
        protected: &Protected::default(),
        read: &|_| None,
    };
    let findings = secrets(&judged).findings;
    assert_eq!(findings.iter().map(|finding| finding.line).collect::<Vec<_>>(), [Some(3)]);
    let said = serde_json::to_string(&findings).expect("serializable");
    assert!(!said.contains(&old[4..]), "what was there before is masked too");
}

#[test]
fn secrets_are_found_wherever_they_stand() {
    let token = token(3);
    let in_utf16: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain(format!("k = {token}\r\n").encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let in_bytes = [b"\x7fELF\0\0\xff\xfe".as_slice(), token.as_bytes(), b"\0\xff"].concat();
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("at the beginning", token.clone().into_bytes()),
        ("at the end", format!("x {token}").into_bytes()),
        ("in bytes", in_bytes),
        ("in utf-16", in_utf16),
        ("in a long line", format!("{}{token}{}", "f(1); ".repeat(50_000), " g(2);".repeat(50_000)).into_bytes()),
        ("in a link", format!("https://api.corp.net/?t%3D{token}%26x").into_bytes()),
    ];
    for (name, bytes) in table {
        let rules: Vec<String> = found(vec![("file", bytes)]).into_iter().map(|finding| finding.rule).collect();
        assert_eq!(rules, ["secrets/github-token"], "{name}");
    }
}

#[test]
fn the_cuts_of_a_long_file_lose_nothing() {
    let cut = 1 << 20;
    for offset in [0, 1, 2, 3, 4, 5, 20, 39, 40, 41] {
        let token = token(offset);
        let mut text = ".\n".repeat(cut);
        text.replace_range(cut - offset..cut - offset + token.len(), &token);
        let before = text.as_bytes()[cut - offset - 1];
        let findings = found(vec![("a.txt", text.into_bytes())]);
        assert_eq!(findings.len(), 1, "{offset} bytes before the cut, behind {before}");
    }
}

#[test]
fn a_flood_of_likely_ones_does_not_hide_a_certain_one() {
    let mut text = String::new();
    for index in 0..5_000 {
        text.push_str(&format!("password = \"{}{index}\"\n", &token(index)[8..20]));
    }
    text.push_str(&format!("x = \"{}\"\n", token(1)));
    let files: Vec<(&str, Vec<u8>)> = ["a.py", "b.py", "c.py", "d.py", "e.py", "f.py"]
        .into_iter()
        .map(|path| (path, text.clone().into_bytes()))
        .collect();
    let findings = found(files);
    let certain = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    assert_eq!(certain, 6);
    assert!(findings.len() <= 2_100, "{}", findings.len());
}

#[test]
fn an_unread_file_does_not_look_searched() {
    let empty = Tree::new();
    let change =
        ChangedFile::new(RelPath::new("big").expect("valid"), Content::Absent, Content::Unread { size_bytes: 9 });
    let judged = Judged {
        task: None,
        base: &empty,
        result: &empty,
        changed: vec![change],
        protected: &Protected::default(),
        read: &|_| None,
    };
    let rules: Vec<String> = secrets(&judged).findings.into_iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, ["secrets/not-searched"]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Keywords, punctuation, and any bytes between them.
    #[test]
    fn any_bytes_are_searched_without_a_panic(
        pieces in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..12)), 0..40),
        marks in prop::collection::vec(prop::sample::select(vec!["=\"", "': '", "\\", "\n", ":", "://a:", "@b", "----", "é", "%"]), 40),
    ) {
        let keywords: Vec<String> = secret_rules().flat_map(|rule| rule.keywords).collect();
        let mut bytes = Vec::new();
        for ((keyword, other), mark) in pieces.iter().zip(marks) {
            bytes.extend_from_slice(keyword.get(&keywords).as_bytes());
            bytes.extend_from_slice(mark.as_bytes());
            bytes.extend_from_slice(other);
        }
        found(vec![("a.yaml", bytes.clone()), ("a.bin", bytes)]);
    }
}

#[test]
fn a_file_that_is_made_to_be_slow_is_reported_and_not_searched_for_ever() {
    for text in ["\"kty\"", "PuTTY-User-Key-File-2: ", ":AA", "pat.", "machine "] {
        let bytes = text.repeat((1 << 20) / text.len()).into_bytes();
        let rules: Vec<String> = found(vec![("a", bytes)]).into_iter().map(|finding| finding.rule).collect();
        assert_eq!(rules, ["secrets/not-searched"], "{text}");
    }
}
