//! What linters say, as far as it is about lines that a result adds. Nothing is run here.
//!
//! ```text
//!  text of a linter ── read (text, JSON, SARIF) ──> remarks ── on an added line? ──> findings
//!                                                                └── no: counted, and let go
//! ```

mod json;
mod text;

use crate::base::{RelPath, Severity, bounded, counted, sanitize_line, sanitize_terminal};
use crate::event::GateFinding;
use crate::gates::judged::{ChangedFile, Judged};
use crate::gates::locate::LineIndex;
use crate::gates::part::Part;
use crate::gates::sarif::findings_of_report;

/// Bytes of a linter's output that are read.
const OUTPUT_BYTES_MAX: usize = 16 << 20;
/// Remarks of one linter.
const REMARKS_MAX: usize = 100_000;
/// Findings of one linter.
const FINDINGS_MAX: usize = 1_000;
const MESSAGE_BYTES_MAX: usize = 500;
const RULE_BYTES_MAX: usize = 100;

/// What a linter says at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Remark {
    file: String,
    line: u32,
    column: Option<u32>,
    end_line: Option<u32>,
    severity: Severity,
    rule: Option<String>,
    message: String,
}

/// The remarks of a linter, sorted out.
#[derive(Debug, Default)]
pub struct LintFindings {
    /// Those on lines that the result adds.
    pub kept: Vec<GateFinding>,
    /// How many are about other lines and files.
    pub dropped: usize,
}

/// Reads what a linter wrote, in whatever of its forms: `file:line:column: message` and what is like it, the listings of rustc,
/// eslint and tsc, JSON of eslint, ruff, pylint, mypy, golangci-lint and cargo, and SARIF. `root` is where the judged tree lay for
/// it: absolute paths beneath it are paths of the tree.
#[must_use]
pub fn findings_of_lint(output: &str, root: Option<&str>, judged: &Judged<'_>) -> LintFindings {
    let mut end = output.len().min(OUTPUT_BYTES_MAX);
    while !output.is_char_boundary(end) {
        end -= 1;
    }
    let output = sanitize_terminal(&output[..end]);
    let mut findings = LintFindings::default();
    for remark in remarks(&output, root) {
        let is_room = findings.kept.len() < FINDINGS_MAX;
        match is_room.then(|| of_remark(&remark, root, judged)).flatten() {
            Some(finding) => findings.kept.push(finding),
            None => findings.dropped += 1,
        }
    }
    findings
}

/// The part of a verdict that is one linter's. One that fails and says nothing that could be read is broken, not content.
#[must_use]
pub fn part_of_lint(command: &str, exit_code: i32, output: &str, root: Option<&str>, judged: &Judged<'_>) -> Part {
    const SHOWN: usize = 60;
    let name = format!("lint `{}`", sanitize_line(&bounded(command, SHOWN)));
    let findings = findings_of_lint(output, root, judged);
    let read = findings.kept.len() + findings.dropped;
    if exit_code != 0 && read == 0 {
        let last = output.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing");
        let said = sanitize_line(&bounded(last, 200));
        return Part::broke(&name, format!("it ended with {exit_code}, and no finding could be read: {said}"));
    }
    let note = format!("{} on other lines", counted(findings.dropped as u64, "finding"));
    Part::judged(&name, findings.kept).note(note)
}

fn remarks(output: &str, root: Option<&str>) -> Vec<Remark> {
    let trimmed = output.trim();
    let mut remarks = match trimmed.as_bytes().first() {
        Some(b'{') if trimmed.contains("\"runs\"") => {
            let found = findings_of_report("lint", trimmed.as_bytes(), root).unwrap_or_default();
            found.into_iter().filter_map(of_sarif).collect()
        }
        Some(b'{' | b'[') => json::remarks(trimmed),
        _ => Vec::new(),
    };
    if remarks.is_empty() {
        remarks = text::remarks(output);
    }
    remarks.truncate(REMARKS_MAX);
    remarks
}

fn of_sarif(finding: GateFinding) -> Option<Remark> {
    Some(Remark {
        file: finding.file.as_ref()?.as_str().to_owned(),
        line: finding.line.unwrap_or(0),
        column: finding.column,
        end_line: finding.end_line,
        severity: finding.severity,
        rule: Some(finding.rule),
        message: finding.message,
    })
}

/// A remark as a finding, if it is about a line that the result adds; one without a line, if it is about a new file.
fn of_remark(remark: &Remark, root: Option<&str>, judged: &Judged<'_>) -> Option<GateFinding> {
    let path = path_of(&remark.file, root)?;
    let change = judged.change(&path)?;
    if !is_about_added(remark, change) {
        return None;
    }
    let rule = remark.rule.as_deref().map(|rule| sanitize_line(&bounded(rule.trim(), RULE_BYTES_MAX)));
    let rule = rule.filter(|rule| !rule.is_empty()).unwrap_or_else(|| "finding".to_owned());
    let message = sanitize_line(&bounded(remark.message.trim(), MESSAGE_BYTES_MAX));
    let finding = GateFinding::new(format!("lint/{rule}"), remark.severity, message).at(&path);
    let Some(text) = change.after.text().filter(|_| remark.line > 0) else { return Some(finding) };
    let index = LineIndex::new(text);
    let line = index.line(remark.line);
    let skipped = remark.column.unwrap_or(1).saturating_sub(1) as usize;
    let start = text[line.clone()].char_indices().nth(skipped).map_or(line.start, |(at, _)| line.start + at);
    Some(index.place(finding, &path, start..line.end, None))
}

fn is_about_added(remark: &Remark, change: &ChangedFile) -> bool {
    if remark.line == 0 {
        return change.before.bytes().is_none();
    }
    // A remark on a whole function is about whoever changed its head.
    const LINES_MAX: u32 = 50;
    let end = remark.end_line.unwrap_or(remark.line).clamp(remark.line, remark.line.saturating_add(LINES_MAX));
    (remark.line..=end).any(|line| change.is_added(line))
}

fn path_of(file: &str, root: Option<&str>) -> Option<RelPath> {
    let file = file.trim();
    let inner = match root {
        Some(root) if file.starts_with('/') => file.strip_prefix(root.trim_end_matches('/'))?.trim_start_matches('/'),
        _ => file,
    };
    RelPath::from_disk(inner).ok()
}

/// What linters call how bad something is; where they do not say it, what they were asked to find is there.
fn severity_of(word: &str) -> Severity {
    match word.to_ascii_lowercase().as_str() {
        "warning" | "warn" | "w" | "1" | "convention" | "refactor" => Severity::Warning,
        "note" | "info" | "information" | "style" | "help" | "hint" | "suggestion" => Severity::Advice,
        _ => Severity::Error,
    }
}
