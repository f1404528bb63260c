//! Writing verdicts as a SARIF log: a run per gate, an invocation per result that it judged.
//!
//! ```text
//!  gate `lint` ──── run ── invocations: one per task, red ones with what went wrong
//!                       └─ results: the findings, each with the invocation it is from
//! ```
//!
//! Paths are relative to `SRCROOT`, which is left to the reader. A gate that failed without a finding, as commands do, has
//! one result that says so; one that broke has an invocation that did not succeed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::uri::encoded;
use crate::base::{BlobDigest, Name, Severity, bounded};
use crate::event::GateFinding;
use crate::gates::baseline::Fingerprint;
use crate::gates::outcome::GateOutcome;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const ROOT: &str = "SRCROOT";
/// The rule of a gate that failed without a finding.
const FAILED_RULE: &str = "gate/failed";
const DETAILS_BYTES_MAX: usize = 4_000;

/// The log as text.
#[must_use]
pub fn sarif(outcomes: &[GateOutcome]) -> String {
    let mut gates: BTreeMap<&Name, Vec<&GateOutcome>> = BTreeMap::new();
    for outcome in outcomes {
        gates.entry(&outcome.gate).or_default().push(outcome);
    }
    let runs: Vec<Value> = gates.into_iter().map(|(gate, outcomes)| run(gate, &outcomes)).collect();
    let log = json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": runs });
    let text = serde_json::to_string_pretty(&log).expect("a log is plain data");
    text + "\n"
}

fn run(gate: &Name, outcomes: &[&GateOutcome]) -> Value {
    let invocations: Vec<Value> = outcomes.iter().map(|outcome| invocation(outcome)).collect();
    let failed: Vec<Option<GateFinding>> = outcomes.iter().map(|outcome| failed(outcome)).collect();
    let all = || {
        let each = outcomes.iter().zip(&failed).enumerate();
        each.flat_map(|(nth, (outcome, failed))| {
            outcome.findings.iter().chain(failed).map(move |finding| (nth, *outcome, finding))
        })
    };
    let rules: BTreeSet<&str> = all().map(|(_, _, finding)| finding.rule.as_str()).collect();
    let rules: Vec<&str> = rules.into_iter().collect();
    let mut seen: BTreeMap<Fingerprint, u64> = BTreeMap::new();
    let results: Vec<Value> = all()
        .map(|(nth, outcome, finding)| {
            let rule = rules.binary_search(&finding.rule.as_str()).expect("all rules are listed");
            let same = seen.entry(Fingerprint::of(finding)).or_default();
            *same += 1;
            result(finding, outcome, nth, rule, *same)
        })
        .collect();
    let rules: Vec<Value> = rules.iter().map(|rule| json!({ "id": rule })).collect();
    json!({
        "tool": { "driver": {
            "name": "orca",
            "version": env!("CARGO_PKG_VERSION"),
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "rules": rules,
        } },
        "automationDetails": { "id": format!("orca/{gate}/"), "description": { "text": format!("the gate {gate}") } },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": { ROOT: { "description": { "text": "the root of the project" } } },
        "invocations": invocations,
        "results": results,
    })
}

/// What stands for a gate that failed and names no finding.
fn failed(outcome: &GateOutcome) -> Option<GateFinding> {
    let is_bare = outcome.verdict == "failed" && outcome.findings.is_empty();
    let said = || {
        let said = std::iter::once(outcome.message.as_str()).chain(outcome.details.iter().map(String::as_str));
        bounded(&said.collect::<Vec<_>>().join("\n"), DETAILS_BYTES_MAX)
    };
    is_bare.then(|| GateFinding::new(FAILED_RULE, Severity::Error, said()))
}

fn invocation(outcome: &GateOutcome) -> Value {
    let mut one = json!({
        "executionSuccessful": outcome.verdict != "error",
        "properties": {
            "task": outcome.task.as_ref().map(ToString::to_string),
            "verdict": outcome.verdict,
            "wallMs": outcome.wall_ms,
            "cached": outcome.cached,
        },
    });
    let level = match &*outcome.verdict {
        "error" => "error",
        "skipped" => "warning",
        _ => "note",
    };
    let said = std::iter::once(outcome.message.as_str());
    let said = said.chain(outcome.details.iter().filter(|_| level == "error").map(String::as_str));
    let text = bounded(&said.collect::<Vec<_>>().join("\n"), DETAILS_BYTES_MAX);
    if !text.is_empty() {
        one["toolExecutionNotifications"] = json!([{ "level": level, "message": { "text": text } }]);
    }
    one
}

fn result(finding: &GateFinding, outcome: &GateOutcome, invocation: usize, rule: usize, nth: u64) -> Value {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Advice => "note",
    };
    let print = Fingerprint::of(finding);
    let identity = format!("{}\0{}\0{}\0{nth}", print.rule, print.file, print.line_text);
    let mut one = json!({
        "ruleId": finding.rule,
        "ruleIndex": rule,
        "level": level,
        "message": { "text": finding.message },
        "partialFingerprints": { "orcaFinding/v1": BlobDigest::of(identity.as_bytes()).to_hex() },
        "provenance": { "invocationIndex": invocation },
    });
    if let Some(location) = location(finding) {
        one["locations"] = json!([{ "physicalLocation": location }]);
    }
    if let Some(evidence) = &finding.evidence {
        one["attachments"] = json!([{ "artifactLocation": { "uri": encoded(evidence) } }]);
    }
    let mut properties = Map::new();
    if let Some(help) = &finding.help {
        properties.insert("help".to_owned(), json!(help));
    }
    if let Some(task) = &outcome.task {
        properties.insert("task".to_owned(), json!(task));
    }
    if !properties.is_empty() {
        one["properties"] = Value::Object(properties);
    }
    one
}

fn location(finding: &GateFinding) -> Option<Value> {
    let file = finding.file.as_ref()?;
    let mut place = json!({ "artifactLocation": { "uri": encoded(file.as_str()), "uriBaseId": ROOT } });
    let Some(line) = finding.line.filter(|line| *line > 0) else { return Some(place) };
    let mut region = json!({ "startLine": line });
    let ends = [("startColumn", finding.column), ("endLine", finding.end_line), ("endColumn", finding.end_column)];
    for (key, number) in ends {
        if let Some(number) = number.filter(|number| *number > 0) {
            region[key] = json!(number);
        }
    }
    place["region"] = region;
    if let Some(excerpt) = &finding.excerpt {
        let last = u64::from(excerpt.first_line) + excerpt.text.lines().count().saturating_sub(1) as u64;
        let context = json!({
            "startLine": excerpt.first_line.max(1),
            "endLine": last.max(1),
            "snippet": { "text": excerpt.text },
        });
        place["contextRegion"] = context;
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::{RelPath, TaskName};
    use crate::event::Excerpt;
    use crate::gates::findings_of_report;

    fn outcome(task: &str, gate: &str, verdict: &str, findings: Vec<GateFinding>) -> GateOutcome {
        GateOutcome {
            task: Some(TaskName::new(task).expect("valid")),
            gate: Name::new(gate).expect("valid"),
            verdict: verdict.to_owned(),
            message: "exit 1".to_owned(),
            findings,
            details: vec!["last words".to_owned()],
            wall_ms: 5,
            cached: false,
        }
    }

    fn written(outcomes: &[GateOutcome]) -> Value {
        serde_json::from_str(&sarif(outcomes)).expect("JSON")
    }

    fn finding(line: u32, text: &str) -> GateFinding {
        let file = RelPath::new("src/é b.py").expect("valid");
        let excerpt = Excerpt { first_line: line, text: text.to_owned() };
        let finding = GateFinding::new("secrets/token", Severity::Error, "a token").at(&file);
        GateFinding { line: Some(line), excerpt: Some(excerpt), ..finding }
    }

    #[test]
    fn a_run_per_gate_with_an_invocation_per_task() {
        let log = written(&[
            outcome("a", "lint", "failed", Vec::new()),
            outcome("b", "lint", "passed", Vec::new()),
            outcome("a", "security", "error", Vec::new()),
        ]);
        let runs = log["runs"].as_array().expect("runs");
        assert_eq!(runs.len(), 2);
        assert_eq!(runs[0]["automationDetails"]["id"], "orca/lint/");
        assert_eq!(runs[0]["invocations"][1]["properties"]["task"], "b");
        let result = &runs[0]["results"][0];
        assert_eq!(
            (&result["ruleId"], &result["message"]["text"]),
            (&json!("gate/failed"), &json!("exit 1\nlast words"))
        );
        assert_eq!(runs[1]["invocations"][0]["executionSuccessful"], false);
        assert_eq!(runs[1]["results"], json!([]));
        assert!(findings_of_report("x", sarif(&[outcome("a", "g", "error", Vec::new())]).as_bytes(), None).is_err());
    }

    #[test]
    fn fingerprints_outlive_lines_that_move_and_tell_twins_apart() {
        let prints = |findings: Vec<GateFinding>| -> Vec<String> {
            let log = written(&[outcome("a", "g", "failed", findings)]);
            let results = log["runs"][0]["results"].as_array().expect("results").clone();
            results.iter().map(|one| one["partialFingerprints"]["orcaFinding/v1"].to_string()).collect()
        };
        let first = prints(vec![finding(3, "t = 'x'"), finding(9, "t = 'x'"), finding(20, "u = 'x'")]);
        let moved = prints(vec![finding(13, "  t = 'x'"), finding(19, "t = 'x'"), finding(30, "u = 'x'")]);
        assert_eq!(first, moved);
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 3);
    }

    #[test]
    fn no_absolute_path_is_written() {
        let log = written(&[outcome("a", "g", "failed", vec![finding(3, "x")])]);
        let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"], json!({ "uri": "src/%C3%A9%20b.py", "uriBaseId": "SRCROOT" }));
        assert_eq!(place["contextRegion"]["snippet"]["text"], "x");
        assert!(!log.to_string().contains("file:"));
    }

    fn any_finding() -> impl Strategy<Value = GateFinding> {
        let severity = prop_oneof![Just(Severity::Error), Just(Severity::Warning), Just(Severity::Advice)];
        let place = proptest::option::of((
            "[a-zé% #?:.]{1,8}(/[a-z]{1,4}){0,2}",
            proptest::option::of((1u32..99, 1u32..99, 0u32..9, 0u32..9)),
        ));
        let words = "[!-~é](\\w| \\w){0,12}";
        (
            severity,
            "[a-z]{1,6}/[a-z-]{1,9}",
            place,
            words,
            proptest::option::of(words),
            proptest::option::of("[!-~é]{1,9}"),
        )
            .prop_map(|(severity, rule, place, message, help, evidence)| {
                let mut finding = GateFinding { help, evidence, ..GateFinding::new(rule, severity, message) };
                if let Some((path, at)) = place
                    && let Ok(path) = RelPath::from_disk(&path)
                {
                    finding = finding.at(&path);
                    if let Some((line, column, lines, columns)) = at {
                        finding.line = Some(line);
                        finding.column = Some(column);
                        finding.end_line = (lines > 0).then_some(line + lines);
                        finding.end_column = Some(column + columns);
                    }
                }
                finding
            })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(findings in proptest::collection::vec(any_finding(), 1..6)) {
            let text = sarif(&[outcome("a", "g", "failed", findings.clone())]);
            prop_assert_eq!(findings_of_report("x.sarif", text.as_bytes(), None), Ok(findings));
        }
    }
}
