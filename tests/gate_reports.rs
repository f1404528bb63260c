//! Reports of gates as files for other programs: SARIF 2.1.0 and JUnit XML, from what a run left in the journal.
//!
//! `tests/sarif_schema.json` is this project's own, and holds what of SARIF 2.1.0 is written here, to the letter: every
//! property, its type, and nothing besides.
#![expect(clippy::disallowed_methods, reason = "reads the schema")]

mod support;

use orca::gates::findings_of_report;
use serde_json::Value;
use support::Project;

const PLAN: &str = "[gates.lint]\nrun = [\"sh\", \"lint.sh\"]\ninputs = [\"lint.sh\"]\n\
    [gates.broken]\nrun = \"exit 127\"\n[gates.whole]\nrun = \"true\"\n\
    [tasks.one]\nrun = 'echo 1 > one'\noutputs = [\"one\"]\ngates = [\"lint\"]\n\
    [tasks.two]\nrun = 'echo 2 > two'\noutputs = [\"two\"]\ngates = [\"lint\", \"broken\"]\n";

/// `one` is good, `two` is refused by one gate and another one breaks on it.
fn project() -> Project {
    let orca = Project::new(PLAN);
    orca.write("lint.sh", "if [ -e two ]; then echo 'two <is> \"bad\" & ]]>'; exit 1; fi");
    assert_eq!(orca.build_args(["-k"]).output.status.code(), Some(1));
    orca
}

fn schema() -> jsonschema::Validator {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sarif_schema.json");
    let text = std::fs::read_to_string(path).expect("the schema is there");
    jsonschema::validator_for(&serde_json::from_str(&text).expect("JSON")).expect("a schema")
}

#[track_caller]
fn assert_valid(log: &Value) {
    let wrong: Vec<String> =
        schema().iter_errors(log).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}\n{log:#}");
}

#[test]
fn sarif_says_what_each_gate_said() {
    let orca = project();
    let output = orca.orca(["report", "--sarif"]).exits(0);
    let log: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_valid(&log);
    let runs = log["runs"].as_array().expect("runs");
    let ids: Vec<&str> = runs.iter().map(|run| run["automationDetails"]["id"].as_str().expect("an id")).collect();
    assert_eq!(ids, ["orca/broken/", "orca/lint/"]);
    assert_eq!(runs[0]["invocations"][0]["executionSuccessful"], false);
    let lint = &runs[1];
    let verdicts = lint["invocations"].as_array().expect("invocations").iter();
    let verdicts: Vec<_> =
        verdicts.map(|one| (one["properties"]["task"].as_str(), one["properties"]["verdict"].as_str())).collect();
    assert_eq!(verdicts, [(Some("one"), Some("passed")), (Some("two"), Some("failed"))]);
    let results = lint["results"].as_array().expect("results");
    assert_eq!((results.len(), &results[0]["provenance"]["invocationIndex"]), (1, &1.into()));
    let text = results[0]["message"]["text"].as_str().expect("text");
    assert!(text.contains("two <is> \"bad\" & ]]>"), "{text}");
    assert!(!output.stdout.contains(&*orca.root().to_string_lossy()), "no path of this machine");
}

#[test]
fn junit_is_what_readers_of_it_take() {
    let orca = project();
    let output = orca.orca(["report", "--junit"]).exits(0);
    let document = roxmltree::Document::parse(&output.stdout).expect("well-formed");
    let root = document.root_element();
    let counts = ["tests", "failures", "errors", "skipped"].map(|name| root.attribute(name).expect("a count"));
    assert_eq!((root.tag_name().name(), counts), ("testsuites", ["3", "1", "1", "0"]));
    let cases: Vec<_> = root.descendants().filter(|node| node.has_tag_name("testcase")).collect();
    let said: Vec<_> = cases
        .iter()
        .map(|case| {
            let red = case.children().find(|child| child.has_tag_name("failure") || child.has_tag_name("error"));
            let of = |name| case.attribute(name).expect("there");
            (of("classname"), of("name"), red.map(|red| red.tag_name().name()))
        })
        .collect();
    let expected = [("one", "lint", None), ("two", "broken", Some("error")), ("two", "lint", Some("failure"))];
    assert_eq!(said, expected);
    let failure = root.descendants().find(|node| node.has_tag_name("failure")).and_then(|node| node.text());
    assert_eq!(failure, Some("two <is> \"bad\" & ]]>"));
}

#[test]
fn a_file_is_written_whole_and_nothing_besides() {
    let orca = project();
    let printed = orca.orca(["report", "--sarif", "-"]).exits(0).stdout;
    orca.write("out.sarif", "something older");
    assert_eq!(orca.orca(["report", "--sarif", "out.sarif"]).exits(0).stdout, "");
    assert_eq!(orca.read("out.sarif"), printed);
    orca.orca(["report", "--junit", "junit.xml", "--run", "1"]).exits(0);
    assert!(orca.read("junit.xml").ends_with("</testsuites>\n"));
    let names: Vec<String> = std::fs::read_dir(orca.root())
        .expect("readable")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains("sarif") || name.contains("junit"))
        .collect();
    assert_eq!(names.len(), 2, "no temporary file stays: {names:?}");
}

#[test]
fn what_cannot_be_written_is_said() {
    let orca = project();
    orca.orca(["report", "--sarif", "no/such/dir.sarif"]).exits(4);
    let output = orca.orca(["report", "--junit", "."]).exits(4);
    assert!(output.stderr.contains("it is not a file"), "{}", output.stderr);
    orca.orca(["report", "--sarif", "--junit"]).exits(2);
    orca.orca(["report", "--sarif", "--json"]).exits(2);
    orca.orca(["report", "--junit", "--json"]).exits(2);
}

#[test]
fn the_last_word_of_a_gate_counts() {
    let orca = Project::new(
        "[gates.second]\nrun = \"grep -q 2 out\"\n[tasks.one]\nrun = 'echo x >> .tries/n; wc -l < .tries/n > out'\n\
         outputs = [\"out\"]\nscratch = [\".tries\"]\ngates = [\"second\"]\nretry = { attempts = 2, on = [\"gate\"] }\n",
    );
    orca.build();
    let log: Value = serde_json::from_str(&orca.orca(["report", "--sarif"]).exits(0).stdout).expect("JSON");
    assert_valid(&log);
    let invocations = log["runs"][0]["invocations"].as_array().expect("invocations");
    assert_eq!((invocations.len(), invocations[0]["properties"]["verdict"].as_str()), (1, Some("passed")));
    let text = serde_json::to_string(&log).expect("JSON");
    assert_eq!(findings_of_report("x", text.as_bytes(), None), Ok(Vec::new()));
}

/// A finding with everything that one can have.
#[test]
fn findings_with_places_are_valid_too() {
    use orca::base::{Name, RelPath, Severity};
    use orca::event::{Excerpt, GateFinding};
    use orca::gates::{GateOutcome, sarif};
    let full = GateFinding {
        line: Some(3),
        column: Some(2),
        end_line: Some(4),
        end_column: Some(9),
        excerpt: Some(Excerpt { first_line: 2, text: "a\nb\nc".to_owned() }),
        evidence: Some("reports/out put.txt".to_owned()),
        ..GateFinding::new("a/b", Severity::Warning, "m").at(&RelPath::new("src/a b.py").expect("valid")).help("h")
    };
    let bare = GateFinding::new("a/c", Severity::Advice, "m");
    let outcome = GateOutcome {
        task: None,
        gate: Name::new("g").expect("valid"),
        verdict: "warning".to_owned(),
        message: String::new(),
        findings: vec![full, bare],
        details: Vec::new(),
        wall_ms: 1,
        cached: true,
    };
    let text = sarif(&[outcome]);
    assert_valid(&serde_json::from_str(&text).expect("JSON"));
    // The schema is no rubber stamp.
    for (from, to) in [
        ("\"level\": \"warning\"", "\"level\": \"severe\""),
        ("\"startLine\": 3", "\"startLine\": 0"),
        ("src/", "/src/"),
        ("\"ruleId\"", "\"rule_id\""),
    ] {
        let wrong = serde_json::from_str(&text.replacen(from, to, 1)).expect("JSON");
        assert!(!schema().is_valid(&wrong), "{to}");
    }
}
