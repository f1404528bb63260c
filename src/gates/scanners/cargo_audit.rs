//! `cargo audit`: a lock file of Cargo against RustSec's database. Exit 1 is what it found.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::restrict::Brought;
use super::{ScannerRun, argument, parsed, shell};
use crate::base::{RelPath, Severity, bounded, sanitize_line};
use crate::event::GateFinding;
use crate::gates::dependencies::is_high;
use crate::gates::judged::Judged;

#[derive(Deserialize)]
struct Report {
    vulnerabilities: Vulnerabilities,
    #[serde(default)]
    warnings: BTreeMap<String, Vec<Entry>>,
}

#[derive(Deserialize)]
struct Vulnerabilities {
    list: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    package: Package,
    advisory: Option<Advisory>,
    versions: Option<Versions>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct Advisory {
    id: String,
    title: String,
    cvss: Option<String>,
    url: Option<String>,
}

#[derive(Deserialize)]
struct Versions {
    #[serde(default)]
    patched: Vec<String>,
}

pub(super) fn argv(lock: Option<&RelPath>, report: &str) -> Vec<String> {
    let lock = lock.map(argument).unwrap_or_default();
    shell("exec cargo-audit audit --json --file \"$1\" > \"$2\"", &[&lock, report])
}

pub(super) fn findings(report: &[u8], judged: &Judged<'_>, run: &ScannerRun) -> Result<Vec<GateFinding>, String> {
    let report: Report = parsed(report)?;
    let brought = Brought::of(run, judged)?;
    let vulnerable = report.vulnerabilities.list.iter().map(|entry| (entry, None));
    let warned =
        report.warnings.iter().flat_map(|(kind, all)| all.iter().map(move |entry| (entry, Some(kind.as_str()))));
    let mut findings = Vec::new();
    for (entry, kind) in vulnerable.chain(warned) {
        let named = brought.find(&entry.package.name, |package| package.version == entry.package.version);
        findings.extend(named.into_iter().map(|package| brought.place(finding(entry, kind), package)));
    }
    Ok(findings)
}

fn finding(entry: &Entry, kind: Option<&str>) -> GateFinding {
    let Package { name, version } = &entry.package;
    let advisory = entry.advisory.as_ref();
    let rule = advisory.map(|advisory| advisory.id.as_str()).or(kind).unwrap_or("advisory");
    let severity = match (kind, advisory.and_then(|advisory| advisory.cvss.as_deref()).and_then(is_high)) {
        (Some(_), _) => Severity::Advice,
        (None, Some(true)) => Severity::Error,
        (None, _) => Severity::Warning,
    };
    let said =
        advisory.map_or_else(|| format!("it is {}", kind.unwrap_or("reported")), |advisory| advisory.title.clone());
    let message = sanitize_line(&bounded(&format!("`{name}` {version}: {said}"), 600));
    let rule = sanitize_line(&bounded(&format!("cargo-audit/{rule}"), 100));
    let patched =
        entry.versions.as_ref().map(|versions| versions.patched.join(", ")).filter(|patched| !patched.is_empty());
    let update = patched.map(|patched| format!("update `{name}` to {patched}"));
    let see = advisory.and_then(|advisory| advisory.url.as_ref()).map(|url| format!("see {url}"));
    let help: Vec<String> = update.into_iter().chain(see).collect();
    let finding = GateFinding::new(rule, severity, message);
    if help.is_empty() { finding } else { finding.help(sanitize_line(&bounded(&help.join("; "), 400))) }
}
