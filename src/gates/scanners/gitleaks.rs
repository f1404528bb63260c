//! `gitleaks`: secrets in the files of the tree. Its report has them struck out, and comments that allow one are not heeded.

use serde::Deserialize;

use super::{parsed, shell};
use crate::base::{RelPath, Severity, bounded, sanitize_line};
use crate::event::GateFinding;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Leak {
    #[serde(rename = "RuleID")]
    rule_id: String,
    #[serde(default)]
    description: String,
    file: String,
    start_line: u32,
    #[serde(default)]
    end_line: u32,
}

pub(super) fn argv(report: &str) -> Vec<String> {
    let text = "exec gitleaks detect --no-git --source . --report-format json --report-path \"$1\" --redact --no-banner \
                --exit-code 0 --ignore-gitleaks-allow";
    shell(text, &[report])
}

pub(super) fn findings(report: &[u8]) -> Result<Vec<GateFinding>, String> {
    // Nothing found is `[]`, of older versions `null`.
    let leaks: Option<Vec<Leak>> = parsed(report)?;
    let finding = |leak: Leak| {
        let rule = sanitize_line(&bounded(&format!("gitleaks/{}", leak.rule_id), 100));
        let said = if leak.description.is_empty() { "a secret" } else { &leak.description };
        let finding = GateFinding::new(rule, Severity::Error, sanitize_line(&bounded(said, 400)));
        let finding =
            finding.help("take it out of the file, and replace it where it is in use: it may be known already");
        GateFinding {
            file: RelPath::from_disk(&leak.file).ok(),
            line: Some(leak.start_line).filter(|line| *line > 0),
            end_line: Some(leak.end_line).filter(|end| *end > leak.start_line),
            ..finding
        }
    };
    Ok(leaks.unwrap_or_default().into_iter().map(finding).collect())
}
