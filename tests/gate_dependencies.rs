//! The check `dependencies` in a build: where its database comes from, and when it judges again.
#![expect(clippy::disallowed_methods, reason = "puts a scanner of its own on PATH")]

mod support;

use orca::base::FailureKind;
use orca::event::Event;
use support::{Build, Project};

const LOCK: &str = "version = 4\n\n[[package]]\nname = \"time\"\nversion = \"0.1.43\"\nsource = \"registry+x\"\n";
const RECORD: &str = r#"{"id": "RUSTSEC-2020-0071", "summary": "A segfault",
    "affected": [{"package": {"ecosystem": "crates.io", "name": "time"},
                  "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "0.2.23"}]}]}]}"#;

/// A task that locks a vulnerable crate; warnings fail.
fn project(database: &str) -> Project {
    let plan = format!(
        "[gates.deps]\ncheck = \"dependencies\"\nlevel = \"strict\"\n{database}\n\
         [tasks.lock]\nrun = \"cat wanted > Cargo.lock\"\ninputs = [\"wanted\"]\noutputs = [\"Cargo.lock\"]\ngates = [\"deps\"]\n"
    );
    let orca = Project::new(&plan);
    orca.write("wanted", LOCK);
    orca
}

/// The verdict of the gate, and its sentence.
fn said(build: &Build) -> Vec<(String, String, bool)> {
    let judged = build.events.iter().filter_map(|event| match event {
        Event::GateJudged { gate, verdict, message, cached, .. } if gate.as_str() == "deps" => {
            Some((verdict.clone(), message.clone(), *cached))
        }
        _ => None,
    });
    judged.collect()
}

#[test]
fn a_known_vulnerability_is_found_and_a_database_that_changed_judges_again() {
    let orca = project("database = \"osv\"");
    orca.write("osv/crates.io/RUSTSEC-2020-0071.json", RECORD);
    let red = orca.build_red();
    assert_eq!(red.failure("lock").kind, FailureKind::Gate);
    let finding = red.events.iter().find_map(|event| match event {
        Event::GateJudged { findings, .. } => {
            findings.iter().find(|one| one.rule == "dependencies/known-vulnerability")
        }
        _ => None,
    });
    let finding = finding.expect("found");
    assert_eq!(finding.place().as_deref(), Some("Cargo.lock:4:1"));
    assert!(!orca.exists("Cargo.lock"));

    let mended = RECORD.replace("0.2.23", "0.1.40");
    orca.write("osv/crates.io/RUSTSEC-2020-0071.json", mended);
    let green = orca.build();
    assert_eq!(said(&green).iter().map(|one| one.0.as_str()).collect::<Vec<_>>(), ["passed"]);
    orca.build().ran([]);

    // The verdict was good with the old records, and is looked at with the new ones; no task runs.
    orca.write("osv/crates.io/RUSTSEC-2020-0071.json", RECORD);
    orca.build_red().ran([]);
}

#[test]
fn without_a_database_it_is_skipped_and_a_broken_one_is_an_error() {
    let orca = project("");
    let said_without = said(&orca.build_red());
    assert!(said_without[0].1.contains("no OSV database"), "strict takes skipped for failed: {said_without:?}");

    let orca = project("database = \"nowhere\"");
    let (verdict, message, _) = said(&orca.build_red())[0].clone();
    assert_eq!(verdict, "error");
    assert!(message.contains("the OSV database `nowhere`: cannot read the directory"), "{message}");

    let orca = project("database = \"~/osv\"");
    orca.write("x", "x");
    let (verdict, message, _) = said(&orca.build_red())[0].clone();
    assert_eq!(verdict, "error", "{message}");
}

/// A scanner that tells whatever the test has it tell.
fn with_scanner(orca: &mut Project, script: &str) {
    orca.write("bin/gitleaks", format!("#!/bin/sh\n{script}\n")).chmod("bin/gitleaks", 0o755);
    let path = std::env::var("PATH").expect("there is a PATH");
    let bin = orca.path("bin").to_string_lossy().into_owned();
    orca.set_env("PATH", format!("{bin}:{path}"));
}

const LEAKS: &str = r#"for last; do case $last in *.json) report=$last ;; esac; done
cat > "$report" <<'END'
[{"RuleID": "some-key", "Description": "A key", "StartLine": 1, "EndLine": 1, "StartColumn": 1, "EndColumn": 9, "File": "made.txt"},
 {"RuleID": "some-key", "Description": "A key", "StartLine": 1, "EndLine": 1, "StartColumn": 1, "EndColumn": 9, "File": "in"}]
END"#;

fn scanned() -> Project {
    let orca = Project::new(
        "[gates.deps]\ncheck = \"dependencies\"\nscanners = [\"gitleaks\", \"npm-audit\"]\n\
         [tasks.make]\nrun = \"cat in > made.txt\"\ninputs = [\"in\"]\noutputs = [\"made.txt\"]\ngates = [\"deps\"]\n",
    );
    orca.write("in", "key = 1\n");
    orca
}

#[test]
fn a_scanner_is_asked_and_only_what_the_result_brought_counts() {
    let mut orca = scanned();
    with_scanner(&mut orca, LEAKS);
    let red = orca.build_red();
    assert_eq!(said(&red)[0].0, "failed", "{:?}", said(&red));
    let findings = red.events.iter().find_map(|event| match event {
        Event::GateJudged { gate, findings, .. } if gate.as_str() == "deps" => Some(findings.clone()),
        _ => None,
    });
    let places: Vec<_> = findings.expect("judged").iter().map(|one| (one.rule.clone(), one.place())).collect();
    assert_eq!(places, [("gitleaks/some-key".to_owned(), Some("made.txt:1".to_owned()))]);

    // Another version of the program judges again.
    with_scanner(&mut orca, &LEAKS.replace("made.txt", "other.txt"));
    assert_eq!(said(&orca.build())[0].0, "passed");
    orca.build().ran([]);
}

#[test]
fn a_scanner_that_breaks_is_an_error() {
    for (script, why) in [
        ("exit 3", "it ended with exit 3"),
        ("true", "it wrote no report"),
        ("echo [ > \"$8\"", "its report cannot be read"),
    ] {
        let mut orca = scanned();
        with_scanner(&mut orca, script);
        let (verdict, message, _) = said(&orca.build_red())[0].clone();
        assert_eq!(verdict, "error", "{message}");
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn a_scanner_that_is_not_installed_is_skipped() {
    let mut orca = scanned();
    orca.set_env("PATH", "/nowhere");
    let (verdict, message, _) = said(&orca.build())[0].clone();
    assert_eq!(verdict, "passed", "{message}");
    assert!(message.contains("gitleaks skipped: `gitleaks` is not installed"), "{message}");
}
