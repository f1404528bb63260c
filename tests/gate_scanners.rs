//! Scanners of others in a build: a program of that name on PATH is run in the judged tree, and one that is not there is skipped
//! by name. The scanner here is a script that says what gitleaks would; what real ones say is read in `gates::scanners`.

mod support;

use orca::event::{Event, GateFinding};
use support::{Build, Project, by_hands, with_hands};

const GATE: &str = "[gates.security]\ncheck = \"security\"\nscanners = [\"gitleaks\"]\n";

/// A gitleaks that finds the word `leak`, wherever it stands.
const FAKE: &str = r#"#!/bin/sh
while [ $# -gt 0 ]; do if [ "$1" = --report-path ]; then report=$2; fi; shift; done
printf '[' > "$report"
grep -rn leak --include='*.txt' . | sed 's,^\./,,' | while IFS=: read -r file line _; do
  printf '%s{"RuleID":"word","Description":"the word leak","File":"%s","StartLine":%s}' "$comma" "$file" "$line" >> "$report"
  comma=,
done
printf ']' >> "$report"
"#;

fn project(script: Option<&str>) -> Project {
    let task = by_hands("one", "edits = ['a.txt']", "echo 'a leak' >> a.txt");
    let mut orca = Project::new(&with_hands(&[GATE.to_owned(), task]));
    orca.write("a.txt", "an old leak\n");
    if let Some(script) = script {
        let programs = orca.root().parent().expect("it lies in its world").join("programs");
        orca.write("../programs/gitleaks", script).chmod("../programs/gitleaks", 0o755);
        let path = std::env::var("PATH").expect("a path");
        orca.set_env("PATH", &format!("{}:{path}", programs.display()));
    }
    orca
}

fn security(build: &Build) -> (String, String, Vec<GateFinding>) {
    let found = build.events.iter().find_map(|event| match event {
        Event::GateJudged { gate, verdict, message, findings, .. } if gate.as_str() == "security" => {
            Some((verdict.clone(), message.clone(), findings.clone()))
        }
        _ => None,
    });
    found.expect("the gate judged")
}

#[test]
fn a_scanner_that_is_installed_is_run_and_only_what_is_new_counts() {
    let red = project(Some(FAKE)).build_red();
    let (verdict, message, findings) = security(&red);
    assert_eq!(verdict, "failed", "{message}");
    let found: Vec<_> = findings.iter().map(|found| (found.rule.as_str(), found.line)).collect();
    assert_eq!(found, [("gitleaks/word", Some(2))], "the leak of line 1 was there before");
}

#[test]
fn a_scanner_that_is_not_installed_is_skipped_by_name() {
    let (verdict, message, _) = security(&project(None).build());
    assert_eq!(verdict, "passed");
    assert!(message.contains("gitleaks skipped: `gitleaks` is not installed"), "{message}");
}

#[test]
fn a_scanner_that_breaks_is_never_green() {
    for script in ["#!/bin/sh\nexit 3\n", "#!/bin/sh\nexit 0\n", "#!/bin/sh\necho '{' > .orca-scan-gitleaks-0.json\n"] {
        let (verdict, message, _) = security(&project(Some(script)).build_red());
        assert_eq!(verdict, "error", "{script}: {message}");
        assert!(message.contains("gitleaks"), "{message}");
    }
}
