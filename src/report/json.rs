//! Findings as data: the same as the text, with numbers instead of drawings.

use serde_json::{Value, json};

use crate::base::{Finding, Label};
use crate::plan::Document;

/// Version of the form of [`to_json`]. Raised when a field changes its meaning or goes away.
pub const FINDINGS_SCHEMA_VERSION: u32 = 1;

/// The findings with file, line and column of every place; lines and columns count from 1.
///
/// `file`, `line`, `column` and `end` of a finding are those of its first label; `end` is the place after the last
/// character.
#[must_use]
pub fn to_json(findings: &[Finding], documents: &[Document]) -> Value {
    let findings: Vec<Value> = findings.iter().map(|finding| finding_json(finding, documents)).collect();
    json!({ "v": FINDINGS_SCHEMA_VERSION, "findings": findings })
}

fn finding_json(finding: &Finding, documents: &[Document]) -> Value {
    let labels: Vec<Value> = finding.labels.iter().filter_map(|label| label_json(label, documents)).collect();
    let first = |key: &str| labels.first().map_or(Value::Null, |label| label[key].clone());
    json!({
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.message,
        "file": first("file"),
        "line": first("line"),
        "column": first("column"),
        "end": first("end"),
        "labels": labels,
        "help": finding.help,
    })
}

fn label_json(label: &Label, documents: &[Document]) -> Option<Value> {
    let document = documents.iter().find(|document| document.file == label.node.file)?;
    let span = document.span(&label.node);
    let (line, column) = document.position(span.start);
    let (end_line, end_column) = document.position(span.end);
    Some(json!({
        "file": document.path,
        "line": line,
        "column": column,
        "end": { "line": end_line, "column": end_column },
        "text": label.text,
    }))
}
