//! Reading a SARIF log into findings.
//!
//! | of the format | what follows |
//! |---|---|
//! | `level`, else the rule's `defaultConfiguration.level`, else `warning` | error: Error, warning: Warning, note and none: Advice; another word: Error |
//! | `kind` | pass and notApplicable are no findings; open is a warning, review and informational are advice |
//! | `suppressions` | `external` and accepted: no finding; `inSource`: a finding, since who wrote the source wrote those |
//! | `baselineState: absent` | no finding |
//! | `executionSuccessful: false`, a run without `results` | an error: the tool did not judge |

use std::collections::BTreeMap;

use super::log::{Artifact, Component, Invocation, Log, Region, Rule, Run, RunResult, Suppression};
use super::message::{message_of, one_line, text_of};
use super::uri::Bases;
use crate::base::{RelPath, Severity, bounded, format_size, sanitize_line};
use crate::event::GateFinding;

/// Bytes of one report.
const REPORT_BYTES_MAX: usize = 32 << 20;
const HELP_BYTES_MAX: usize = 500;
const RULE_BYTES_MAX: usize = 200;

/// What a report says that a command wrote to `path`. `root` is where the judged tree lay for the command: absolute paths
/// beneath it are paths of the tree.
pub fn findings_of_report(path: &str, bytes: &[u8], root: Option<&str>) -> Result<Vec<GateFinding>, String> {
    let name = sanitize_line(&bounded(path, 200));
    if bytes.len() > REPORT_BYTES_MAX {
        let max = format_size(REPORT_BYTES_MAX as u64);
        return Err(format!("the report `{name}` is larger than {max}"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // A list would be taken for the fields of a log in their order.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(format!("the report `{name}` is no SARIF log: it does not begin with a brace"));
    }
    let log: Log = serde_json::from_slice(bytes)
        .map_err(|error| format!("the report `{name}` is no SARIF log: {}", one_line(&error.to_string(), 300)))?;
    match log.version.as_deref() {
        Some(version) if version.starts_with("2.1.0") => {}
        Some(other) => {
            let other = one_line(other, 40);
            return Err(format!("the report `{name}` is of version `{other}` of SARIF, and only 2.1.0 is read"));
        }
        None => return Err(format!("the report `{name}` is no SARIF log: it has no `version`")),
    }
    let runs = log.runs.unwrap_or_default();
    if runs.is_empty() {
        return Err(format!("the report `{name}` has no run: nothing has judged"));
    }
    let mut findings = Vec::new();
    for run in runs.iter() {
        findings.extend(of_run(run, root).map_err(|why| format!("the report `{name}`: {why}"))?);
    }
    Ok(findings)
}

fn of_run(run: &Run, root: Option<&str>) -> Result<Vec<GateFinding>, String> {
    let driver = run.tool.as_ref().and_then(|tool| tool.driver.as_ref());
    let tool = driver.and_then(|driver| driver.name.as_deref()).unwrap_or("sarif");
    let shown = one_line(tool, 60);
    if let Some(broken) = run.invocations.iter().find(|one| one.execution_successful == Some(false)) {
        return Err(format!("`{shown}` says that it did not succeed{}", because(broken)));
    }
    if run.external_property_file_references.as_ref().is_some_and(|files| files.results.is_some()) {
        return Err(format!("the results of `{shown}` lie in other files, which are not read"));
    }
    let results = run.results.as_ref().ok_or_else(|| format!("`{shown}` has no `results`: it did not judge"))?;
    let bases = Bases { named: &run.original_uri_base_ids.0, root };
    let reading = Reading { run, group: group(tool), bases, components: Rules::of(run) };
    Ok(results.iter().filter_map(|result| reading.finding(result)).collect())
}

fn because(broken: &Invocation) -> String {
    let all = broken.tool_execution_notifications.iter().chain(broken.tool_configuration_notifications.iter());
    let errors = all.filter(|note| note.level.as_deref() == Some("error"));
    let said = errors.filter_map(|note| note.message.as_ref().and_then(text_of)).next();
    said.map_or_else(String::new, |said| format!(": {}", one_line(&said, 300)))
}

struct Reading<'a> {
    run: &'a Run,
    group: String,
    bases: Bases<'a>,
    /// The driver, then the extensions.
    components: Vec<Rules<'a>>,
}

/// The rules of a component, in their order and by id.
struct Rules<'a> {
    all: &'a [Rule],
    by_id: BTreeMap<&'a str, &'a Rule>,
}

impl<'a> Rules<'a> {
    fn of(run: &'a Run) -> Vec<Self> {
        let of_component = |component: Option<&'a Component>| {
            let all = component.map_or(&[][..], |component| &component.rules);
            Self { all, by_id: all.iter().filter_map(|rule| Some((rule.id.as_deref()?, rule))).collect() }
        };
        let Some(tool) = &run.tool else { return Vec::new() };
        std::iter::once(tool.driver.as_ref()).chain(tool.extensions.iter().map(Some)).map(of_component).collect()
    }
}

impl Reading<'_> {
    fn finding(&self, result: &RunResult) -> Option<GateFinding> {
        let rule = self.rule(result);
        let severity = severity(result, rule)?;
        let is_suppressed = !result.suppressions.is_empty() && result.suppressions.iter().all(is_honoured);
        if is_suppressed || result.baseline_state.as_deref() == Some("absent") {
            return None;
        }
        let id = result.rule_id.as_deref().or(result.rule.as_ref().and_then(|one| one.id.as_deref()));
        let id = id.or(rule.and_then(|rule| rule.id.as_deref())).unwrap_or("finding");
        let message = message_of(result.message.as_ref(), rule).unwrap_or_else(|| format!("`{}`", one_line(id, 100)));
        let mut finding = GateFinding::new(self.rule_name(id), severity, message);
        finding.help = help(result, rule);
        let attached =
            result.attachments.0.as_ref().and_then(|attached| attached.artifact_location.as_ref()?.uri.as_deref());
        finding.evidence = attached.map(|uri| one_line(&super::uri::decoded(uri).unwrap_or_default(), HELP_BYTES_MAX));
        let place = result.locations.0.as_ref().and_then(|location| location.physical_location.as_ref());
        let Some(place) = place else { return Some(finding) };
        let Some(location) = place.artifact_location.as_ref().map(|location| self.artifact(location)) else {
            return Some(finding);
        };
        match self.bases.path(location) {
            Some(path) => Some(placed(finding, &path, place.region.as_ref())),
            // It is told where that is, and stays a finding: outside of the tree it may well be meant.
            None => {
                let elsewhere = location.uri.as_deref().map(|uri| one_line(uri, HELP_BYTES_MAX));
                finding.evidence = finding.evidence.or(elsewhere);
                Some(finding)
            }
        }
    }

    /// A location of its own, or the one of `artifacts` that it names.
    fn artifact<'l>(&'l self, location: &'l Artifact) -> &'l Artifact {
        let index = location.index.and_then(|index| usize::try_from(index).ok());
        let listed = index.and_then(|index| self.run.artifacts.get(index)).and_then(|entry| entry.location.as_ref());
        match location.uri {
            Some(_) => location,
            None => listed.unwrap_or(location),
        }
    }

    fn rule(&self, result: &RunResult) -> Option<&Rule> {
        let reference = result.rule.as_ref();
        let extension = reference.and_then(|one| one.tool_component.as_ref()?.index);
        let extension = extension.and_then(|index| usize::try_from(index).ok());
        let rules = self.components.get(extension.map_or(0, |index| index.saturating_add(1)))?;
        let index = result.rule_index.or(reference.and_then(|one| one.index));
        if let Some(rule) = index.and_then(|index| rules.all.get(usize::try_from(index).ok()?)) {
            return Some(rule);
        }
        let id = result.rule_id.as_deref().or(reference.and_then(|one| one.id.as_deref()))?;
        // `CA1000/1` is a case of the rule `CA1000`.
        let stem = || id.rsplit_once('/').map(|(stem, _)| stem);
        let found = rules.by_id.get(id).or_else(|| rules.by_id.get(stem()?));
        found.copied()
    }

    /// `semgrep/python.eval`. What this project wrote keeps its names.
    fn rule_name(&self, id: &str) -> String {
        let id: String = id.chars().map(|char| if char.is_whitespace() { '-' } else { char }).collect();
        let id = one_line(&id, RULE_BYTES_MAX);
        let is_named = self.group == "orca" && id.contains('/') || id.starts_with(&format!("{}/", self.group));
        if is_named { id } else { format!("{}/{id}", self.group) }
    }
}

/// A tool's name as the group of its rules: `Semgrep OSS` is `semgrep-oss`.
fn group(tool: &str) -> String {
    let kept = |char: char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' };
    let text: String = tool.chars().take(40).map(kept).collect();
    let text = text.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    if text.is_empty() { "sarif".to_owned() } else { text }
}

/// How bad a result is; `None` where it is none.
fn severity(result: &RunResult, rule: Option<&Rule>) -> Option<Severity> {
    match result.kind.as_deref() {
        None | Some("fail") => {}
        Some("pass" | "notApplicable") => return None,
        Some("review" | "informational") => return Some(Severity::Advice),
        Some("open") => return Some(Severity::Warning),
        // Not of the format: told, as whoever wrote it may have meant anything.
        Some(_) => return Some(Severity::Error),
    }
    let default = || rule?.default_configuration.as_ref()?.level.as_deref();
    Some(match result.level.as_deref().or_else(default).unwrap_or("warning") {
        "warning" => Severity::Warning,
        "note" | "none" => Severity::Advice,
        _ => Severity::Error,
    })
}

fn is_honoured(suppression: &Suppression) -> bool {
    suppression.kind.as_deref() == Some("external") && matches!(suppression.status.as_deref(), None | Some("accepted"))
}

fn help(result: &RunResult, rule: Option<&Rule>) -> Option<String> {
    let own = result.properties.help.clone();
    let fix = || text_of(result.fixes.0.as_ref()?.description.as_ref()?);
    // The first paragraph: helps are whole pages with some.
    let of_rule = || {
        let text = text_of(rule?.help.as_ref()?)?;
        text.split("\n\n").map(str::trim).find(|paragraph| !paragraph.is_empty()).map(str::to_owned)
    };
    let page = || Some(format!("see {}", rule?.help_uri.as_deref()?));
    own.or_else(fix).or_else(of_rule).or_else(page).map(|text| one_line(&text, HELP_BYTES_MAX))
}

fn placed(finding: GateFinding, path: &RelPath, region: Option<&Region>) -> GateFinding {
    let number = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok()).filter(|value| *value > 0);
    let finding = finding.at(path);
    let Some(line) = region.and_then(|region| number(region.start_line)) else { return finding };
    let region = region.expect("it has a line");
    let end_line = number(region.end_line).filter(|end| *end > line);
    let column = number(region.start_column);
    let end_column = number(region.end_column).filter(|end| end_line.is_some() || column.is_some_and(|at| *end >= at));
    GateFinding { line: Some(line), column, end_line, end_column, ..finding }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(log: &Value) -> Result<Vec<GateFinding>, String> {
        findings_of_report("out.sarif", log.to_string().as_bytes(), Some("/judged"))
    }

    fn run(run: Value) -> Result<Vec<GateFinding>, String> {
        read(&json!({ "version": "2.1.0", "runs": [run] }))
    }

    fn one(result: Value) -> Option<GateFinding> {
        let rules = json!([
            { "id": "R1", "defaultConfiguration": { "level": "error" }, "help": { "text": "do it\nso\n\nmore" },
              "messageStrings": { "default": { "text": "bad {0}" } }, "shortDescription": { "text": "short" } },
            { "id": "R2", "helpUri": "https://example.org/R2" },
        ]);
        let extension =
            json!({ "name": "ext", "rules": [{ "id": "E1", "defaultConfiguration": { "level": "note" } }] });
        let tool = json!({ "driver": { "name": "Some Tool", "rules": rules }, "extensions": [extension] });
        let artifacts = json!([{ "location": { "uri": "src/a.py" } }]);
        let found = run(json!({ "tool": tool, "artifacts": artifacts, "results": [result] })).expect("a log");
        found.into_iter().next()
    }

    #[test]
    fn rules_levels_and_words() {
        let table = [
            (json!({ "ruleId": "R1", "message": { "text": "m" } }), Some(("some-tool/R1", Severity::Error, "m"))),
            (
                json!({ "ruleIndex": 0, "message": { "id": "default", "arguments": ["x"] } }),
                Some(("some-tool/R1", Severity::Error, "bad x")),
            ),
            (json!({ "ruleId": "R1/2" }), Some(("some-tool/R1/2", Severity::Error, "short"))),
            (json!({ "ruleId": "R2", "message": { "text": "m" } }), Some(("some-tool/R2", Severity::Warning, "m"))),
            (json!({ "ruleId": "R1", "level": "note" }), Some(("some-tool/R1", Severity::Advice, "short"))),
            (json!({ "ruleId": "R9", "level": "critical" }), Some(("some-tool/R9", Severity::Error, "`R9`"))),
            (
                json!({ "rule": { "id": "E1", "toolComponent": { "index": 0 } }, "message": { "text": "m" } }),
                Some(("some-tool/E1", Severity::Advice, "m")),
            ),
            (
                json!({ "ruleIndex": -1, "message": { "markdown": "m" } }),
                Some(("some-tool/finding", Severity::Warning, "m")),
            ),
            (json!({ "ruleId": "R1", "kind": "pass" }), None),
            (json!({ "ruleId": "R1", "kind": "open" }), Some(("some-tool/R1", Severity::Warning, "short"))),
            (json!({ "ruleId": "R1", "kind": "review" }), Some(("some-tool/R1", Severity::Advice, "short"))),
            (json!({ "ruleId": "R1", "baselineState": "absent" }), None),
            (json!({ "ruleId": "R1", "suppressions": [] }), Some(("some-tool/R1", Severity::Error, "short"))),
            (json!({ "ruleId": "R1", "suppressions": [{ "kind": "external" }] }), None),
            (
                json!({ "ruleId": "R1", "suppressions": [{ "kind": "external", "status": "rejected" }] }),
                Some(("some-tool/R1", Severity::Error, "short")),
            ),
            (
                json!({ "ruleId": "R1", "suppressions": [{ "kind": "inSource" }] }),
                Some(("some-tool/R1", Severity::Error, "short")),
            ),
        ];
        for (result, expected) in table {
            let found = one(result.clone());
            let found = found.as_ref().map(|found| (found.rule.as_str(), found.severity, found.message.as_str()));
            assert_eq!(found, expected, "{result}");
        }
        let help = |result| one(result).and_then(|found| found.help);
        assert_eq!(help(json!({ "ruleId": "R1" })).as_deref(), Some("do it so"));
        assert_eq!(help(json!({ "ruleId": "R2" })).as_deref(), Some("see https://example.org/R2"));
        let fix = json!({ "ruleId": "R1", "fixes": [{ "description": { "text": "use b" } }] });
        assert_eq!(help(fix).as_deref(), Some("use b"));
        let odd = json!({ "ruleId": "R2", "properties": { "help": { "x": [1, null] }, "tags": ["a"] } });
        assert_eq!(help(odd).as_deref(), Some("see https://example.org/R2"));
    }

    #[test]
    fn places() {
        let at = |physical: Value| one(json!({ "ruleId": "R1", "locations": [{ "physicalLocation": physical }] }));
        let region = json!({ "startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 9 });
        let found = at(json!({ "artifactLocation": { "index": 0 }, "region": region })).expect("a finding");
        assert_eq!(found.place().as_deref(), Some("src/a.py:3:5"));
        assert_eq!((found.end_line, found.end_column), (None, Some(9)));
        let found = at(json!({ "artifactLocation": { "uri": "file:///judged/b.py" } })).expect("a finding");
        assert_eq!(found.place().as_deref(), Some("b.py"));
        let region = json!({ "startLine": -3, "startColumn": 5 });
        let found = at(json!({ "artifactLocation": { "uri": "b.py" }, "region": region })).expect("a finding");
        assert_eq!((found.line, found.column), (None, None));
        let found = at(json!({ "artifactLocation": { "uri": "file:///etc/passwd" } })).expect("a finding");
        assert_eq!((found.file, found.evidence.as_deref()), (None, Some("file:///etc/passwd")));
    }

    #[test]
    fn what_did_not_judge_is_an_error() {
        let tool = json!({ "driver": { "name": "t" } });
        let note = json!({ "level": "error", "message": { "text": "no memory" } });
        let broken = json!({ "executionSuccessful": false, "toolExecutionNotifications": [note] });
        let table = [
            (
                run(json!({ "tool": tool, "results": [], "invocations": [broken] })),
                "`t` says that it did not succeed: no memory",
            ),
            (run(json!({ "tool": tool })), "`t` has no `results`"),
            (run(json!({ "tool": tool, "results": null })), "`t` has no `results`"),
            (
                run(json!({ "results": [], "externalPropertyFileReferences": { "results": [{}] } })),
                "lie in other files",
            ),
            (run(json!({ "results": [{ "level": 3 }] })), "no SARIF log"),
            (run(json!({ "results": vec![json!({}); 20_001] })), "a list of more than 20000"),
            (read(&json!({ "version": "2.1.0", "runs": [] })), "has no run"),
            (read(&json!({ "version": "1.0.0", "runs": [] })), "version `1.0.0`"),
            (read(&json!({ "runs": [] })), "has no `version`"),
            (read(&json!([])), "no SARIF log"),
            (read(&json!(["2.1.0", [{ "results": [] }]])), "no SARIF log"),
            (findings_of_report("x", b"", None), "no SARIF log"),
            (findings_of_report("x", "[".repeat(100_000).as_bytes(), None), "no SARIF log"),
        ];
        for (said, part) in table {
            assert!(said.as_ref().is_err_and(|why| why.contains(part)), "{part}: {said:?}");
        }
        assert_eq!(run(json!({ "tool": tool, "results": [] })), Ok(Vec::new()));
        let with_mark = b"\xef\xbb\xbf{\"version\":\"2.1.0\",\"runs\":[{\"results\":[]}]}";
        assert_eq!(findings_of_report("x", with_mark, None), Ok(Vec::new()));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(log in "\\{\"version\":\"2.1.0\",\"runs\":\\[\\{\"results\":\\[\\{(\"(ruleId|level|kind|locations|suppressions|ruleIndex)\":(\"[a-z%/]{0,4}\"|-?[0-9]{1,20}|null|\\[\\{?\\}?\\]),?){0,3}\\}\\]\\}\\]\\}") {
            let _ = findings_of_report("x", log.as_bytes(), None);
        }
    }
}
