//! `semgrep`: patterns in sources, with the rules of its registry. Comments that would silence one (`nosemgrep`) are not heeded.

use serde::Deserialize;

use super::{parsed, shell};
use crate::base::{RelPath, Severity, bounded, sanitize_line};
use crate::event::GateFinding;

#[derive(Deserialize)]
struct Report {
    results: Vec<Found>,
    #[serde(default)]
    errors: Vec<Trouble>,
}

#[derive(Deserialize)]
struct Found {
    check_id: String,
    path: String,
    start: Place,
    end: Place,
    extra: Extra,
}

#[derive(Deserialize)]
struct Place {
    line: u32,
    col: u32,
}

#[derive(Deserialize)]
struct Extra {
    #[serde(default)]
    message: String,
    #[serde(default)]
    severity: String,
    fix: Option<String>,
}

#[derive(Deserialize)]
struct Trouble {
    #[serde(default)]
    level: String,
    #[serde(default)]
    message: String,
}

pub(super) fn argv(report: &str) -> Vec<String> {
    let text = "exec semgrep scan --config p/default --metrics off --json --output \"$1\" --disable-nosem --no-git-ignore \
                --disable-version-check --quiet .";
    shell(text, &[report])
}

pub(super) fn findings(report: &[u8]) -> Result<Vec<GateFinding>, String> {
    let report: Report = parsed(report)?;
    // A file that it cannot parse is of the level `warn`.
    if let Some(trouble) = report.errors.iter().find(|trouble| trouble.level == "error") {
        return Err(sanitize_line(&bounded(&trouble.message, 300)));
    }
    Ok(report.results.into_iter().map(finding).collect())
}

fn finding(found: Found) -> GateFinding {
    let severity = match &*found.extra.severity {
        "ERROR" | "HIGH" | "CRITICAL" => Severity::Error,
        "INFO" | "LOW" | "INVENTORY" | "EXPERIMENT" => Severity::Advice,
        _ => Severity::Warning,
    };
    let rule = sanitize_line(&bounded(&format!("semgrep/{}", found.check_id), 200));
    let words: Vec<&str> = found.extra.message.split_whitespace().collect();
    let said = if words.is_empty() { found.check_id.clone() } else { words.join(" ") };
    let finding = GateFinding {
        file: RelPath::from_disk(&found.path).ok(),
        line: Some(found.start.line).filter(|line| *line > 0),
        column: Some(found.start.col).filter(|column| *column > 0),
        end_line: Some(found.end.line).filter(|end| *end > found.start.line),
        end_column: Some(found.end.col).filter(|column| *column > 0),
        ..GateFinding::new(rule, severity, sanitize_line(&bounded(&said, 600)))
    };
    match found.extra.fix.filter(|fix| !fix.trim().is_empty()) {
        Some(fix) => finding.help(format!("write `{}`", sanitize_line(&bounded(fix.trim(), 300)))),
        None => finding,
    }
}
