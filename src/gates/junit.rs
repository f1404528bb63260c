//! Verdicts as JUnit XML, for what shows test results: a suite per task, and one for the plan; a case per gate.
//!
//! ```text
//!  passed, warning   a case that passed; what was found stands in its output
//!  failed            <failure>
//!  error             <error>
//!  skipped           <skipped>
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::outcome::GateOutcome;
use super::verdict::line_of;

/// Bytes of the output of one case.
const OUTPUT_BYTES_MAX: usize = 256 << 10;

/// The document.
#[must_use]
pub fn junit(outcomes: &[GateOutcome]) -> String {
    let mut suites: BTreeMap<&str, Vec<&GateOutcome>> = BTreeMap::new();
    for outcome in outcomes {
        suites.entry(outcome.subject()).or_default().push(outcome);
    }
    let all: Vec<&GateOutcome> = outcomes.iter().collect();
    let mut out = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"orca\" {}>\n", counts(&all));
    for (name, cases) in suites {
        let _ = writeln!(out, "  <testsuite name=\"{}\" {}>", escaped(name), counts(&cases));
        cases.into_iter().for_each(|outcome| case(outcome, &mut out));
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn counts(cases: &[&GateOutcome]) -> String {
    let of = |verdict: &str| cases.iter().filter(|one| one.verdict == verdict).count();
    let wall_ms = cases.iter().fold(0u64, |sum, one| sum.saturating_add(one.wall_ms));
    format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\"",
        cases.len(),
        of("failed"),
        of("error"),
        of("skipped"),
        seconds(wall_ms)
    )
}

fn case(outcome: &GateOutcome, out: &mut String) {
    let (suite, gate) = (escaped(outcome.subject()), escaped(outcome.gate.as_str()));
    let time = seconds(outcome.wall_ms);
    let _ = writeln!(out, "    <testcase classname=\"{suite}\" name=\"{gate}\" time=\"{time}\">");
    let message = escaped(&outcome.message);
    let is_red = matches!(&*outcome.verdict, "failed" | "error");
    let found = outcome.findings.iter().map(line_of);
    let details: Vec<String> = found.chain(outcome.details.iter().filter(|_| is_red).cloned()).collect();
    let details = details.join("\n");
    let details = escaped_text(&crate::base::bounded(&details, OUTPUT_BYTES_MAX));
    let _ = match &*outcome.verdict {
        "failed" => writeln!(out, "      <failure message=\"{message}\" type=\"failed\">{details}</failure>"),
        "error" => writeln!(out, "      <error message=\"{message}\" type=\"error\">{details}</error>"),
        "skipped" => writeln!(out, "      <skipped message=\"{message}\"/>"),
        _ => Ok(()),
    };
    let mut said = vec![format!("{}: {}", outcome.verdict, outcome.message)];
    said.extend(outcome.cached.then(|| "the verdict was known already".to_owned()));
    let mut said = escaped_text(&said.join("\n"));
    if !is_red && !details.is_empty() {
        said = format!("{said}\n{details}");
    }
    let _ = writeln!(out, "      <system-out>{said}</system-out>\n    </testcase>");
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// The text of an attribute.
fn escaped(text: &str) -> String {
    escaped_text(text).replace('\n', "&#10;").replace('\t', "&#9;")
}

/// Text between tags. What XML cannot say is left out, and sequences that move a cursor with it.
fn escaped_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in crate::base::sanitize_terminal(text).chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => {}
            char => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use roxmltree::{Document, Node};

    use super::*;
    use crate::base::{Name, RelPath, Severity, TaskName};
    use crate::event::GateFinding;

    fn outcome(task: Option<&str>, verdict: &str, text: &str) -> GateOutcome {
        let finding = GateFinding::new("a/b", Severity::Error, text).at(&RelPath::new("x.py").expect("valid"));
        GateOutcome {
            task: task.map(|name| TaskName::new(name).expect("valid")),
            gate: Name::new("lint").expect("valid"),
            verdict: verdict.to_owned(),
            message: text.to_owned(),
            findings: vec![finding],
            details: vec![text.to_owned()],
            wall_ms: 1_050,
            cached: true,
        }
    }

    fn children<'a>(node: Node<'a, 'a>, name: &'a str) -> Vec<Node<'a, 'a>> {
        node.children().filter(|child| child.has_tag_name(name)).collect()
    }

    #[test]
    fn each_verdict_has_its_element() {
        let words = ["passed", "warning", "failed", "error", "skipped"];
        let outcomes: Vec<GateOutcome> = words.iter().map(|word| outcome(Some("one"), word, "so & so")).collect();
        let text = junit(&[outcomes, vec![outcome(None, "failed", "m")]].concat());
        let document = Document::parse(&text).expect("well-formed");
        let root = document.root_element();
        let of = |name| root.attribute(name).expect("there");
        assert_eq!((of("tests"), of("failures"), of("errors"), of("skipped")), ("6", "2", "1", "1"));
        assert_eq!(of("time"), "6.300");
        let suites = children(root, "testsuite");
        let names: Vec<_> = suites.iter().map(|suite| suite.attribute("name")).collect();
        assert_eq!(names, [Some("(plan)"), Some("one")]);
        let cases = children(suites[1], "testcase");
        let said: Vec<Vec<&str>> = cases
            .iter()
            .map(|case| case.children().filter(Node::is_element).map(|child| child.tag_name().name()).collect())
            .collect();
        let expected: [&[&str]; 5] = [
            &["system-out"],
            &["system-out"],
            &["failure", "system-out"],
            &["error", "system-out"],
            &["skipped", "system-out"],
        ];
        assert_eq!(said, expected);
        assert_eq!(children(cases[2], "failure")[0].attribute("message"), Some("so & so"));
        let out = children(cases[1], "system-out")[0].text().expect("text");
        assert!(out.contains("x.py: so & so [a/b]") && out.contains("known already"), "{out}");
    }

    proptest! {
        #[test]
        fn it_is_well_formed_whatever_is_said(text in any::<String>(), odd in "[\\x00-\\x20<>&\"'\\]\u{fffe}\u{ffff}\u{85}]{0,20}") {
            let text = format!("{text}{odd}]]>");
            for word in ["passed", "failed", "error", "skipped"] {
                let xml = junit(&[outcome(None, word, &text)]);
                prop_assert!(Document::parse(&xml).is_ok(), "{xml:?}");
            }
        }
    }
}
