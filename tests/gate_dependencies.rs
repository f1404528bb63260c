//! The check `dependencies` in a build: where its database comes from, and when it judges again.

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
