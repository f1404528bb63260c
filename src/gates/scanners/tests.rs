//! What the scanners say, and what is made of it. Of the reports, those of `npm audit` without a service and of `pip-audit` without
//! an index are as the programs wrote them; the others follow their documentation, shortened.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::base::{Severity, Tree};
use crate::gates::{ChangedFile, Part, PartStatus, Protected};

/// A result: files with what was there before and what is there now.
fn judged<'a>(files: &[(&str, &str, &str)], tree: &'a Tree, protected: &'a Protected) -> Judged<'a> {
    let content = |text: &str| match text {
        "" => Content::Absent,
        text => Content::File { bytes: Arc::from(text.as_bytes()), executable: false },
    };
    let path = |text: &str| RelPath::new(text).expect("a path");
    let changed =
        files.iter().map(|(name, before, after)| ChangedFile::new(path(name), content(before), content(after)));
    Judged { task: None, base: tree, result: tree, changed: changed.collect(), protected, read: &|_| None }
}

/// What a scanner makes of a report on these files.
fn part(word: &str, files: &[(&str, &str, &str)], code: i32, report: Option<&str>) -> Part {
    let (tree, protected) = (Tree::new(), Protected::default());
    let judged = judged(files, &tree, &protected);
    let end = End::Code(code);
    let output = ScannerOutput { end: &end, report: report.map(str::as_bytes), log: "first\nthe last words\n" };
    let scanner = scanner(word).expect("a scanner");
    let runs = scanner.runs(&judged).len();
    scanner.judge(&judged, Options::new(&BTreeMap::new()), &vec![output; runs])
}

/// Rule, severity and place of each finding.
fn found(part: &Part) -> Vec<(&str, Severity, String)> {
    assert_eq!(part.status, PartStatus::Judged, "{part:?}");
    let of = |finding: &'_ GateFinding| finding.place().unwrap_or_default();
    part.findings.iter().map(|finding| (finding.rule.as_str(), finding.severity, of(finding))).collect()
}

#[track_caller]
fn broke(part: &Part, why: &str) {
    assert!(matches!(&part.status, PartStatus::Broke(said) if said.contains(why)), "{why}: {part:?}");
}

const CARGO: &str = "version = 4\n\n[[package]]\nname = \"old\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\n\n\
    [[package]]\nname = \"time\"\nversion = \"0.1.43\"\nsource = \"registry+x\"\n";

fn cargo_report(packages: &[(&str, &str)]) -> Value {
    let entry = |(name, version): &(&str, &str)| {
        json!({
            "advisory": {
                "id": "RUSTSEC-2020-0071", "package": name, "title": "Potential segfault in the time crate", "description": "...",
                "date": "2020-11-18", "aliases": ["CVE-2020-26235"], "cvss": "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:N/I:N/A:H",
                "informational": null, "url": "https://github.com/time-rs/time/issues/293", "withdrawn": null,
            },
            "versions": { "patched": [">=0.2.23"], "unaffected": ["=0.2.0"] },
            "affected": { "arch": [], "os": [], "functions": {} },
            "package": { "name": name, "version": version, "source": "registry+x", "checksum": null, "dependencies": [] },
        })
    };
    let list: Vec<Value> = packages.iter().map(entry).collect();
    let yanked = json!({ "kind": "yanked", "package": { "name": "old", "version": "1.0.0" }, "advisory": null, "versions": null });
    json!({
        "database": { "advisory-count": 600 }, "lockfile": { "dependency-count": 2 }, "settings": {},
        "vulnerabilities": { "found": !list.is_empty(), "count": list.len(), "list": list },
        "warnings": { "yanked": [yanked] },
    })
}

#[test]
fn cargo_audit() {
    let report = cargo_report(&[("time", "0.1.43")]).to_string();
    let new = part("cargo-audit", &[("Cargo.lock", "", CARGO)], 1, Some(&report));
    let expected = [
        ("cargo-audit/yanked", Severity::Advice, "Cargo.lock:4:1".to_owned()),
        ("cargo-audit/RUSTSEC-2020-0071", Severity::Warning, "Cargo.lock:9:1".to_owned()),
    ];
    assert_eq!(found(&new), expected);
    let help = new.findings[1].help.as_deref();
    assert_eq!(help, Some("update `time` to >=0.2.23; see https://github.com/time-rs/time/issues/293"));
    let same = part("cargo-audit", &[("Cargo.lock", CARGO, &format!("{CARGO}\n# more\n"))], 1, Some(&report));
    assert_eq!(found(&same), [], "what was there before is not this result's");
    assert_eq!(
        found(&part("cargo-audit", &[("a.rs", "", "x")], 1, None)),
        [],
        "it has nothing to read, and does not run"
    );
    broke(&part("cargo-audit", &[("Cargo.lock", "", CARGO)], 1, Some("")), "it wrote no report: the last words");
    broke(&part("cargo-audit", &[("Cargo.lock", "", CARGO)], 2, Some(&report)), "it ended with exit 2: the last words");
    broke(&part("cargo-audit", &[("Cargo.lock", "", CARGO)], 0, Some("{}")), "its report cannot be read");
    broke(&part("cargo-audit", &[("Cargo.lock", "", "x =")], 1, Some(&report)), "`Cargo.lock` cannot be read");
}

#[test]
fn npm_audit() {
    let lock = |version: &str| {
        let packages = json!({ "": {}, "node_modules/lodash": { "version": version } });
        serde_json::to_string_pretty(&json!({ "lockfileVersion": 3, "packages": packages })).expect("JSON")
    };
    let via = json!({
        "source": 1_106_913, "name": "lodash", "dependency": "lodash", "title": "Command Injection in lodash",
        "url": "https://github.com/advisories/GHSA-35jh-r3h4-6jhm", "severity": "high", "cwe": ["CWE-77"],
        "cvss": { "score": 7.2, "vectorString": "CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H" }, "range": "<4.17.21",
    });
    let report = json!({
        "auditReportVersion": 2,
        "vulnerabilities": {
            "lodash": { "name": "lodash", "severity": "high", "isDirect": true, "via": [via], "effects": ["a"], "range": "<=4.17.20",
                        "nodes": ["node_modules/lodash"], "fixAvailable": true },
            "a": { "name": "a", "severity": "high", "isDirect": false, "via": ["lodash"], "effects": [], "range": "*", "nodes": [], "fixAvailable": false },
        },
        "metadata": {},
    })
    .to_string();
    let judge = |before: &str, after: &str, code, report: &str| {
        part("npm-audit", &[("web/package-lock.json", before, after)], code, Some(report))
    };
    let expected = [("npm-audit/GHSA-35jh-r3h4-6jhm", Severity::Error, "web/package-lock.json:5:5".to_owned())];
    assert_eq!(found(&judge("", &lock("4.17.20"), 1, &report)), expected);
    assert_eq!(found(&judge(&lock("4.17.15"), &lock("4.17.21"), 1, &report)), []);
    assert_eq!(found(&judge(&lock("4.17.20"), &format!("{}\n", lock("4.17.20")), 1, &report)), []);
    // As npm 11 writes it where the registry does not know the question.
    let refused = r#"{
  "message": "405 Method Not Allowed - POST https://registry.npmjs.org/-/npm/v1/security/advisories/bulk",
  "method": "POST",
  "uri": "https://registry.npmjs.org/-/npm/v1/security/advisories/bulk",
  "headers": { "allow": [ "GET,HEAD" ] },
  "statusCode": 405,
  "body": "",
  "error": { "summary": "", "detail": "" }
}"#;
    broke(&judge("", &lock("4.17.20"), 1, refused), "405 Method Not Allowed");
    let locked =
        r#"{ "error": { "code": "ENOLOCK", "summary": "This command requires an existing lockfile.", "detail": "" } }"#;
    broke(&judge("", &lock("4.17.20"), 1, locked), "requires an existing lockfile");
    broke(
        &judge("", &lock("4.17.20"), 0, r#"{ "auditReportVersion": 3, "vulnerabilities": {} }"#),
        "version that is not known",
    );
}

#[test]
fn pip_audit() {
    let files = [("requirements.txt", "flask==3.0.0\n", "flask==3.0.0\nrequests==2.30.0\n")];
    let report = json!({
        "dependencies": [
            { "name": "flask", "version": "3.0.0", "vulns": [{ "id": "PYSEC-1", "fix_versions": [], "aliases": [], "description": "d" }] },
            { "name": "requests", "version": "2.30.0", "vulns": [
                { "id": "PYSEC-2023-74", "fix_versions": ["2.31.0"], "aliases": ["CVE-2023-32681", "GHSA-j8r2-6x86-q33q"], "description": "Leaks.\nMore." },
            ] },
        ],
        "fixes": [],
    })
    .to_string();
    let judged = part("pip-audit", &files, 1, Some(&report));
    assert_eq!(found(&judged), [("pip-audit/PYSEC-2023-74", Severity::Warning, "requirements.txt:2:1".to_owned())]);
    assert_eq!(judged.findings[0].help.as_deref(), Some("update `requests` to 2.31.0 or later"));
    // As pip-audit 2 writes it where the index does not answer; it calls that `No known vulnerabilities found` and exits 0.
    let skipped = r#"{"dependencies": [{"name": "requests", "skip_reason": "Dependency not found on PyPI and could not be audited: requests (2.30.0)"}, {"name": "flask", "skip_reason": "Dependency not found on PyPI and could not be audited: flask (3.0.0)"}], "fixes": []}"#;
    let judged = part("pip-audit", &files, 0, Some(skipped));
    assert_eq!(found(&judged), [("pip-audit/not-audited", Severity::Warning, "requirements.txt:2:1".to_owned())]);
}

#[test]
fn gitleaks() {
    let leak = |file: &str, line: u32| {
        json!({
            "RuleID": "generic-api-key", "Description": "Detected a Generic API Key", "StartLine": line, "EndLine": line, "StartColumn": 2,
            "EndColumn": 40, "Match": "REDACTED", "Secret": "REDACTED", "File": file, "SymlinkFile": "", "Commit": "", "Entropy": 3.9,
            "Author": "", "Email": "", "Date": "", "Message": "", "Tags": [], "Fingerprint": format!("{file}:generic-api-key:{line}"),
        })
    };
    let report = json!([leak("a.py", 1), leak("a.py", 2), leak("./b.py", 1), leak("unchanged.py", 1)]).to_string();
    let files = [("a.py", "one = 1\n", "one = 1\nkey = 'value-of-it'\n"), ("b.py", "", "k = 1\n")];
    let judged = part("gitleaks", &files, 0, Some(&report));
    let expected = [
        ("gitleaks/generic-api-key", Severity::Error, "a.py:2".to_owned()),
        ("gitleaks/generic-api-key", Severity::Error, "b.py:1".to_owned()),
    ];
    assert_eq!(found(&judged), expected);
    let excerpt = judged.findings[0].excerpt.as_ref().expect("shown");
    assert_eq!(excerpt.text, format!("one = 1\n{}", "*".repeat(19)), "what it found is not shown");
    let two = json!([leak("a.py", 2), leak("b.py", 1)]).to_string();
    assert_eq!(found(&part("gitleaks", &files, 0, Some(&two))).len(), 2);
    for nothing in ["[]", "null"] {
        assert_eq!(found(&part("gitleaks", &files, 0, Some(nothing))), []);
    }
    broke(&part("gitleaks", &files, 1, Some("[]")), "exit 1");
    broke(&part("gitleaks", &files, 0, None), "it wrote no report");
}

#[test]
fn semgrep() {
    let result = |line: u32, end: u32, severity: &str| {
        json!({
            "check_id": "python.lang.security.audit.eval-detected", "path": "a.py",
            "start": { "line": line, "col": 1, "offset": 0 }, "end": { "line": end, "col": 9, "offset": 8 },
            "extra": { "message": "Detected the use of\n eval().", "metadata": {}, "severity": severity, "fix": "literal_eval(x)", "lines": "requires login" },
        })
    };
    let report = |results: Vec<Value>, errors: Value| {
        json!({ "version": "1.90.0", "results": results, "errors": errors, "paths": { "scanned": ["a.py"] } })
            .to_string()
    };
    let files = [("a.py", "eval(a)\nx = 1\n", "eval(a)\nx = 1\neval(b)\ny = 2\n")];
    let all = report(
        vec![result(1, 1, "ERROR"), result(3, 3, "ERROR"), result(2, 3, "WARNING"), result(4, 4, "INFO")],
        json!([]),
    );
    let judged = part("semgrep", &files, 0, Some(&all));
    let name = "semgrep/python.lang.security.audit.eval-detected";
    let expected = [
        (name, Severity::Warning, "a.py:2:1".to_owned()),
        (name, Severity::Error, "a.py:3:1".to_owned()),
        (name, Severity::Advice, "a.py:4:1".to_owned()),
    ];
    assert_eq!(found(&judged), expected);
    assert_eq!(judged.findings[0].message, "Detected the use of eval().");
    assert_eq!(judged.findings[0].help.as_deref(), Some("write `literal_eval(x)`"));
    let warned = json!([{ "code": 3, "level": "warn", "type": "Syntax error", "message": "b.py" }]);
    assert_eq!(found(&part("semgrep", &files, 0, Some(&report(Vec::new(), warned)))), []);
    let failed =
        json!([{ "code": 2, "level": "error", "type": "SemgrepError", "message": "Failed to download config" }]);
    broke(&part("semgrep", &files, 0, Some(&report(Vec::new(), failed))), "Failed to download config");
    broke(&part("semgrep", &files, 7, Some(&report(Vec::new(), json!([])))), "exit 7");
}

#[test]
fn sarif_is_taken_from_any_of_them() {
    let at = |uri: &str, line: u32| json!([{ "physicalLocation": { "artifactLocation": { "uri": uri }, "region": { "startLine": line } } }]);
    let results = json!([
        { "ruleId": "r", "level": "error", "message": { "text": "m" }, "locations": at("a.py", 2) },
        { "ruleId": "r", "level": "error", "message": { "text": "m" }, "locations": at("a.py", 1) },
        { "ruleId": "r", "level": "error", "message": { "text": "m" }, "locations": at("other.py", 1) },
    ]);
    let run = json!({ "tool": { "driver": { "name": "Semgrep OSS" } }, "results": results });
    let report = json!({ "version": "2.1.0", "runs": [run] }).to_string();
    let judged = part("semgrep", &[("a.py", "x = 1\n", "x = 1\ny = 2\n")], 0, Some(&report));
    assert_eq!(found(&judged), [("semgrep/r", Severity::Error, "a.py:2".to_owned())]);
}

#[test]
fn what_runs() {
    let (tree, protected) = (Tree::new(), Protected::default());
    let files = [("-odd/Cargo.lock", "", CARGO), ("Cargo.lock", "", CARGO), ("gone/Cargo.lock", CARGO, "")];
    let judged = judged(&files, &tree, &protected);
    let runs = scanner("cargo-audit").expect("one").runs(&judged);
    let argv: Vec<Vec<&str>> = runs.iter().map(|run| run.argv.iter().map(String::as_str).collect()).collect();
    let text = "exec cargo-audit audit --json --file \"$1\" > \"$2\"";
    let expected = [
        vec!["sh", "-c", text, "sh", "./-odd/Cargo.lock", ".orca-scan-cargo-audit-0.json"],
        vec!["sh", "-c", text, "sh", "./Cargo.lock", ".orca-scan-cargo-audit-1.json"],
    ];
    assert_eq!(argv, expected);
    assert_eq!(scanner("gitleaks").expect("one").runs(&judged).len(), 1);
    assert_eq!(scanner("npm-audit").expect("one").runs(&judged), []);
    let names: BTreeMap<&str, bool> =
        SCANNERS.iter().map(|(word, _)| (*word, scanner(word).expect("one").needs_network())).collect();
    assert_eq!(names.values().filter(|needs| !**needs).count(), 1);
    assert_eq!(scanner("no-such"), None);
    assert!(
        SCANNERS
            .iter()
            .all(|(word, program)| scanner(word).is_some_and(|one| (one.name(), one.program()) == (*word, *program)))
    );
    let skipped = scanner("npm-audit").expect("one").not_installed();
    assert_eq!(skipped.status, PartStatus::Skipped("`npm` is not installed".to_owned()));
}

#[test]
fn more_than_it_can_read_is_no_pass() {
    let names: Vec<String> = (0..21).map(|nth| format!("d{nth}/Cargo.lock")).collect();
    let files: Vec<(&str, &str, &str)> = names.iter().map(|name| (name.as_str(), "", CARGO)).collect();
    broke(&part("cargo-audit", &files, 0, Some(&cargo_report(&[]).to_string())), "more than 20 files");
    let (tree, protected) = (Tree::new(), Protected::default());
    let judged = judged(&files[..2], &tree, &protected);
    broke(
        &scanner("cargo-audit").expect("one").judge(&judged, Options::new(&BTreeMap::new()), &[]),
        "did not run on every file",
    );
}

proptest::proptest! {
    #[test]
    fn no_report_makes_it_panic(report in "[\\[{\"a-zA-Z:,0-9}\\] ]{0,60}") {
        let files = [("Cargo.lock", "", CARGO), ("requirements.txt", "", "a==1\n"), ("package-lock.json", "", "{\"packages\":{}}")];
        for (word, _) in SCANNERS {
            let _ = part(word, &files, 0, Some(&report));
        }
    }
}
