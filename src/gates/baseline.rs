//! The baseline: findings that a person has accepted, so that a check tells only what is new.
//!
//! `orca.baseline.json`, at the root of the project and committed with it:
//!
//! ```json
//! { "version": 1, "gates": { "security": [{ "rule": "secrets/x", "file": "a.py", "line_text": "<digest>", "count": 1, "message": "..." }] } }
//! ```
//!
//! A finding is told from others by its rule, its file and the text of its line, not by the line's number, so that lines
//! above it may come and go. `count` is how many such findings are accepted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{BlobDigest, Name};
use crate::event::GateFinding;

/// The file, at the root of a project.
pub const BASELINE_FILE: &str = "orca.baseline.json";
const VERSION: u32 = 1;

/// Accepted findings by gate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baseline {
    gates: BTreeMap<Name, BTreeMap<Fingerprint, Accepted>>,
}

/// What tells a finding from others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fingerprint {
    pub(super) rule: String,
    pub(super) file: String,
    pub(super) line_text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Accepted {
    count: u32,
    message: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BaselineFile {
    version: u32,
    gates: BTreeMap<Name, Vec<Row>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    rule: String,
    file: String,
    line_text: String,
    count: u32,
    message: String,
}

impl Fingerprint {
    pub(super) fn of(finding: &GateFinding) -> Self {
        let line = finding.excerpt.as_ref().zip(finding.line).and_then(|(excerpt, line)| {
            let nth = line.checked_sub(excerpt.first_line)?;
            excerpt.text.lines().nth(nth as usize)
        });
        let text = line.unwrap_or(&finding.message).trim();
        Self {
            rule: finding.rule.clone(),
            file: finding.file.as_ref().map_or_else(String::new, ToString::to_string),
            line_text: match &finding.fingerprint {
                Some(fingerprint) => fingerprint.clone(),
                None => BlobDigest::of(text.as_bytes()).short(),
            },
        }
    }
}

impl Baseline {
    /// Reads the file's text.
    ///
    /// # Errors
    /// Where it is no baseline, or one of another version.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: BaselineFile = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if file.version != VERSION {
            return Err(format!("it has version {}, and this orca knows {VERSION}", file.version));
        }
        let row = |row: Row| {
            let key = Fingerprint { rule: row.rule, file: row.file, line_text: row.line_text };
            (key, Accepted { count: row.count, message: row.message })
        };
        let gates = file.gates.into_iter().map(|(gate, rows)| (gate, rows.into_iter().map(row).collect()));
        Ok(Self { gates: gates.collect() })
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> String {
        let row = |(key, accepted): (&Fingerprint, &Accepted)| Row {
            rule: key.rule.clone(),
            file: key.file.clone(),
            line_text: key.line_text.clone(),
            count: accepted.count,
            message: accepted.message.clone(),
        };
        let gates = self.gates.iter().filter(|(_, rows)| !rows.is_empty());
        let gates = gates.map(|(gate, rows)| (gate.clone(), rows.iter().map(row).collect()));
        let file = BaselineFile { version: VERSION, gates: gates.collect() };
        let text = serde_json::to_string_pretty(&file).expect("a baseline is plain data");
        text + "\n"
    }

    /// Accepts findings of a gate beside those it has. How many were not accepted before.
    pub fn accept<'f>(&mut self, gate: &Name, findings: impl IntoIterator<Item = &'f GateFinding>) -> u64 {
        let rows = self.gates.entry(gate.clone()).or_default();
        let mut new = 0;
        for finding in findings {
            let accepted = rows
                .entry(Fingerprint::of(finding))
                .or_insert_with(|| Accepted { count: 0, message: finding.message.clone() });
            accepted.count = accepted.count.saturating_add(1);
            new += 1;
        }
        new
    }

    /// Forgets what is accepted of a gate.
    pub fn forget(&mut self, gate: &Name) {
        self.gates.remove(gate);
    }

    /// Takes the accepted findings of a gate out of some; how many there were.
    pub fn take_out(&self, gate: &Name, findings: &mut Vec<GateFinding>) -> u64 {
        let Some(rows) = self.gates.get(gate) else { return 0 };
        let mut left: BTreeMap<Fingerprint, u32> = BTreeMap::new();
        let mut taken = 0;
        findings.retain(|finding| {
            let key = Fingerprint::of(finding);
            let Some(accepted) = rows.get(&key) else { return true };
            let left = left.entry(key).or_insert(accepted.count);
            let is_accepted = *left > 0;
            *left -= u32::from(is_accepted);
            taken += u64::from(is_accepted);
            !is_accepted
        });
        taken
    }

    /// What is accepted of a gate, as one text, for its key; empty where there is nothing.
    #[must_use]
    pub fn of(&self, gate: &Name) -> String {
        let rows = self.gates.get(gate).into_iter().flatten();
        rows.map(|(key, accepted)| format!("{} {} {} {}\n", key.rule, key.file, key.line_text, accepted.count))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{RelPath, Severity};
    use crate::gates::LineIndex;

    fn finding(text: &str, what: &str) -> GateFinding {
        let at = text.find(what).expect("there");
        let file = RelPath::new("a.py").expect("valid");
        let found = GateFinding::new("p/r", Severity::Error, "m");
        LineIndex::new(text).place(found, &file, at..at + what.len(), None)
    }

    #[test]
    fn accepted_findings_are_known_again_when_they_move_and_not_when_they_change() {
        let gate = Name::new("security").expect("valid");
        let mut baseline = Baseline::default();
        baseline.accept(&gate, [&finding("eval(x)\n", "eval")]);
        let baseline = Baseline::parse(&baseline.text()).expect("its own text");
        let left = |text: &str, what: &str| {
            let mut findings = vec![finding(text, what), finding(text, what)];
            (baseline.take_out(&gate, &mut findings), findings.len())
        };
        assert_eq!(left("# more\n\neval(x)\n", "eval"), (1, 1), "as often as it was accepted, and no more");
        assert_eq!(left("eval(y)\n", "eval"), (0, 2));
        assert!(Baseline::parse("{}").is_err());
        assert!(Baseline::parse("{\"version\": 2, \"gates\": {}}").is_err());
    }
}
