//! `npm audit`: a lock file of npm against the registry's advisories, as npm 7 and later report them. Exit 1 is what it found, or
//! that the registry did not answer, which the report says.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::restrict::Brought;
use super::{ScannerRun, argument, parsed, shell};
use crate::base::{RelPath, Severity, bounded, sanitize_line};
use crate::event::GateFinding;
use crate::gates::dependencies::Order;
use crate::gates::judged::Judged;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    audit_report_version: Option<u32>,
    vulnerabilities: Option<BTreeMap<String, Vulnerability>>,
    message: Option<String>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Vulnerability {
    #[serde(default)]
    via: Vec<Value>,
}

/// An element of `via` that is an advisory; others are names of packages that bring it.
#[derive(Deserialize)]
struct Via {
    name: String,
    title: String,
    url: Option<String>,
    severity: String,
    range: String,
}

pub(super) fn argv(lock: Option<&RelPath>, report: &str) -> Vec<String> {
    let parent = lock.and_then(RelPath::parent);
    let directory = parent.as_ref().map_or_else(|| ".".to_owned(), argument);
    let text =
        "report=\"$PWD/$2\"; cd \"$1\" && exec npm audit --json --package-lock-only --ignore-scripts > \"$report\"";
    shell(text, &[&directory, report])
}

pub(super) fn findings(report: &[u8], judged: &Judged<'_>, run: &ScannerRun) -> Result<Vec<GateFinding>, String> {
    let report: Report = parsed(report)?;
    if report.error.is_some() || report.vulnerabilities.is_none() {
        let said = report.message.or_else(|| report.error?.get("summary")?.as_str().map(str::to_owned));
        let said =
            said.filter(|said| !said.is_empty()).unwrap_or_else(|| "its report has no `vulnerabilities`".to_owned());
        return Err(sanitize_line(&bounded(&said, 300)));
    }
    if report.audit_report_version != Some(2) {
        return Err("its report is of a version that is not known; npm 7 or later writes version 2".to_owned());
    }
    let brought = Brought::of(run, judged)?;
    let mut findings = Vec::new();
    for vulnerability in report.vulnerabilities.iter().flat_map(BTreeMap::values) {
        for via in vulnerability.via.iter().filter(|via| via.is_object()) {
            let via: Via =
                serde_json::from_value(via.clone()).map_err(|error| format!("its report cannot be read: {error}"))?;
            let is_meant = |version: &str| satisfies(version, &via.range).unwrap_or(true);
            for package in brought.find(&via.name, |package| is_meant(&package.version)) {
                findings.push(brought.place(finding(&via, &package.version), package));
            }
        }
    }
    Ok(findings)
}

fn finding(via: &Via, version: &str) -> GateFinding {
    let id =
        via.url.as_deref().and_then(|url| url.rsplit('/').next()).filter(|id| !id.is_empty()).unwrap_or("advisory");
    let severity = match &*via.severity {
        "critical" | "high" => Severity::Error,
        "info" | "none" => Severity::Advice,
        _ => Severity::Warning,
    };
    let message = format!("`{}` {version}: {} (affected: {})", via.name, via.title, via.range);
    let rule = sanitize_line(&bounded(&format!("npm-audit/{id}"), 100));
    let finding = GateFinding::new(rule, severity, sanitize_line(&bounded(&message, 600)));
    let see = via.url.as_ref().map_or_else(String::new, |url| format!("; see {url}"));
    finding.help(sanitize_line(&bounded(&format!("update `{}` out of the range{see}", via.name), 400)))
}

/// Whether a version is in a range of npm: comparators, all of which hold, and `||` between such. `None` where the range has
/// another form.
fn satisfies(version: &str, range: &str) -> Option<bool> {
    let mut is_within = false;
    for set in range.split("||") {
        let set = set.trim();
        let mut all = true;
        if let Some((low, high)) = set.split_once(" - ") {
            all &= Order::Semver.compare(version, low.trim())? != Ordering::Less;
            all &= Order::Semver.compare(version, high.trim())? != Ordering::Greater;
        } else if set != "*" {
            for word in set.split_whitespace() {
                let number = word.trim_start_matches(['<', '>', '=']);
                let ordering = Order::Semver.compare(version, number)?;
                all &= match &word[..word.len() - number.len()] {
                    "<" => ordering == Ordering::Less,
                    "<=" => ordering != Ordering::Greater,
                    ">" => ordering == Ordering::Greater,
                    ">=" => ordering != Ordering::Less,
                    "" | "=" => ordering == Ordering::Equal,
                    _ => return None,
                };
            }
        }
        is_within |= all;
    }
    Some(is_within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let table = [
            ("4.17.15", "<4.17.19", Some(true)),
            ("4.17.19", "<4.17.19", Some(false)),
            ("4.17.20", "<=4.17.20", Some(true)),
            ("3.0.0", ">=3.7.0 <4.17.19", Some(false)),
            ("2.0.0", "1.0.0 - 2.0.0", Some(true)),
            ("9.0.0", "<1.0.0 || >=8.0.0 <9.1.0", Some(true)),
            ("1.2.3", "1.2.3", Some(true)),
            ("1.2.3", "*", Some(true)),
            ("1.2.3", "^1.0.0", None),
        ];
        for (version, range, expected) in table {
            assert_eq!(satisfies(version, range), expected, "{version} {range}");
        }
    }
}
