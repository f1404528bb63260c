//! `pip-audit`: pinned requirements against PyPI's advisories. Exit 1 is what it found. It installs nothing: `--disable-pip` needs
//! every requirement pinned, and what it could not look up stands in its report and is a finding, not a pass.

use serde::Deserialize;

use super::restrict::Brought;
use super::{ScannerRun, argument, parsed, shell};
use crate::base::{RelPath, Severity, bounded, sanitize_line};
use crate::event::GateFinding;
use crate::gates::judged::Judged;

#[derive(Deserialize)]
struct Report {
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    version: Option<String>,
    #[serde(default)]
    vulns: Vec<Vulnerability>,
    skip_reason: Option<String>,
}

#[derive(Deserialize)]
struct Vulnerability {
    id: String,
    #[serde(default)]
    fix_versions: Vec<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    description: String,
}

pub(super) fn argv(lock: Option<&RelPath>, report: &str) -> Vec<String> {
    let lock = lock.map(argument).unwrap_or_default();
    let text = "exec pip-audit --format json --progress-spinner off --disable-pip --no-deps -r \"$1\" --output \"$2\"";
    shell(text, &[&lock, report])
}

pub(super) fn findings(report: &[u8], judged: &Judged<'_>, run: &ScannerRun) -> Result<Vec<GateFinding>, String> {
    let report: Report = parsed(report)?;
    let brought = Brought::of(run, judged)?;
    let mut findings = Vec::new();
    for dependency in &report.dependencies {
        let is_meant = |version: &str| dependency.version.as_ref().is_none_or(|one| one == version);
        for package in brought.find(&dependency.name, |package| is_meant(&package.version)) {
            if let Some(why) = &dependency.skip_reason {
                let message = sanitize_line(&bounded(&format!("`{}` was not audited: {why}", package.name), 600));
                let finding = GateFinding::new("pip-audit/not-audited", Severity::Warning, message);
                findings
                    .push(brought.place(finding.help("take a version that is on PyPI, or audit it by hand"), package));
            }
            let found =
                dependency.vulns.iter().map(|vulnerability| finding(vulnerability, &package.name, &package.version));
            findings.extend(found.map(|finding| brought.place(finding, package)));
        }
    }
    Ok(findings)
}

fn finding(vulnerability: &Vulnerability, name: &str, version: &str) -> GateFinding {
    let aliases = match vulnerability.aliases.as_slice() {
        [] => String::new(),
        some => format!(" ({})", some[..some.len().min(4)].join(", ")),
    };
    let first = vulnerability.description.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let message =
        format!("`{name}` {version} has a known vulnerability: {}{aliases}: {}", vulnerability.id, bounded(first, 300));
    let help = match vulnerability.fix_versions.first() {
        Some(fixed) => format!("update `{name}` to {fixed} or later"),
        None => "no version without it is known".to_owned(),
    };
    let rule = sanitize_line(&bounded(&format!("pip-audit/{}", vulnerability.id), 100));
    let finding = GateFinding::new(rule, Severity::Warning, sanitize_line(&bounded(&message, 600)));
    finding.help(sanitize_line(&bounded(&help, 300)))
}
