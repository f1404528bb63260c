//! What one gate says of one result.

use serde::{Deserialize, Serialize};

use super::level::{Effect, effect};
use super::part::{Part, PartStatus};
use crate::base::{BlobDigest, Severity, counted, sanitize_line};
use crate::event::GateFinding;
use crate::plan::Level;
use crate::sandbox::End;

/// Last lines of a gate's output that go into its verdict.
const EXCERPT_LINES_MAX: usize = 40;
const EXCERPT_BYTES_MAX: usize = 8 * 1024;
/// Findings that are kept of one part; of the rest there is a number.
const FINDINGS_MAX: usize = 1_000;
/// Findings that are told one by one where a gate is red.
const TOLD_MAX: usize = 20;

/// The verdict proper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerdictKind {
    /// Good.
    Passed,
    /// The result is not good.
    Failed,
    /// Good enough for the level; something was found.
    Warning,
    /// There was nothing to judge with.
    Skipped,
    /// The gate itself broke; never green.
    Error,
}

/// A verdict with its evidence, as kept in the verdict cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What it says.
    pub kind: VerdictKind,
    /// One sentence.
    pub message: String,
    /// The last lines of the gate's output, sanitized.
    pub excerpt: String,
    /// The whole output, bounded; a blob.
    pub log: Option<BlobDigest>,
    /// How long the gate took, in milliseconds.
    pub wall_ms: u64,
    /// What each part of a check says, with the findings that count at the level.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// What judging cost, in millionths of a dollar: a reviewer is paid.
    #[serde(default)]
    pub cost_micro_usd: u64,
}

impl Verdict {
    /// A verdict without evidence.
    #[must_use]
    pub fn new(kind: VerdictKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            excerpt: String::new(),
            log: None,
            wall_ms: 0,
            parts: Vec::new(),
            cost_micro_usd: 0,
        }
    }

    /// The gate itself broke.
    #[must_use]
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(VerdictKind::Error, message)
    }

    /// Whether the result may count as done.
    #[must_use]
    pub fn is_green(&self) -> bool {
        matches!(self.kind, VerdictKind::Passed | VerdictKind::Warning | VerdictKind::Skipped)
    }

    /// Whether the verdict may be kept: an error is tried again.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.kind != VerdictKind::Error
    }

    /// All findings that count, in the order of the parts.
    pub fn findings(&self) -> impl Iterator<Item = &GateFinding> {
        self.parts.iter().flat_map(|part| &part.findings)
    }

    /// What a person, or the next attempt, is told line by line, where it is not green: findings, else the last lines of the
    /// output.
    #[must_use]
    pub fn details(&self) -> Vec<String> {
        if self.is_green() {
            return Vec::new();
        }
        let mut lines: Vec<String> = self.findings().take(TOLD_MAX).map(line_of).collect();
        let more = self.findings().count().saturating_sub(TOLD_MAX);
        if more > 0 {
            lines.push(format!("and {}", counted(more as u64, "more finding")));
        }
        lines.extend(self.excerpt.lines().map(str::to_owned));
        lines
    }

    /// The last lines of its output, where it is not green.
    #[must_use]
    pub fn output(&self) -> Vec<String> {
        if self.is_green() { Vec::new() } else { self.excerpt.lines().map(str::to_owned).collect() }
    }

    /// The word of the verdict.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.kind {
            VerdictKind::Passed => "passed",
            VerdictKind::Failed => "failed",
            VerdictKind::Warning => "warning",
            VerdictKind::Skipped => "skipped",
            VerdictKind::Error => "error",
        }
    }
}

/// A finding in one line: where, what, which rule, and what to do.
pub(super) fn line_of(finding: &GateFinding) -> String {
    let place = finding.place().map_or_else(String::new, |place| format!("{place}: "));
    let help = finding.help.as_ref().map_or_else(String::new, |help| format!("; {help}"));
    sanitize_line(&format!("{place}{} [{}]{help}", finding.message, finding.rule))
}

/// Folds what the parts of a check say into a verdict. What has no effect at the level is dropped.
#[must_use]
pub fn verdict_of_parts(mut parts: Vec<Part>, level: Level) -> Verdict {
    for part in &mut parts {
        part.findings.retain(|finding| effect(finding.severity, level) > Effect::Dropped);
        let more = part.findings.len().saturating_sub(FINDINGS_MAX);
        if more > 0 {
            // The worst are kept.
            part.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
            part.findings.truncate(FINDINGS_MAX);
            part.note = Some(format!("and {}", counted(more as u64, "more finding")));
        }
    }
    let worst = parts.iter().flat_map(|part| &part.findings).map(|found| effect(found.severity, level)).max();
    let broke = parts.iter().find_map(|part| match &part.status {
        PartStatus::Broke(why) => Some(format!("{}: {why}", part.name)),
        _ => None,
    });
    let skipped: Vec<String> = parts.iter().filter_map(skipped).collect();
    let kind = match worst {
        _ if broke.is_some() => VerdictKind::Error,
        Some(Effect::Fails) => VerdictKind::Failed,
        // Nobody knows: another result would change nothing about that.
        _ if !skipped.is_empty() && level == Level::Strict => VerdictKind::Error,
        Some(Effect::Warns) => VerdictKind::Warning,
        _ if skipped.len() == parts.len() && !parts.is_empty() => VerdictKind::Skipped,
        _ => VerdictKind::Passed,
    };
    let is_unjudged = kind == VerdictKind::Error;
    let message = broke.unwrap_or_else(|| match is_unjudged {
        true => format!("`strict` lets nothing pass that could not be judged: {}", skipped.join("; ")),
        false => message(&parts, &skipped),
    });
    Verdict { parts, ..Verdict::new(kind, message) }
}

fn skipped(part: &Part) -> Option<String> {
    match &part.status {
        PartStatus::Skipped(why) => Some(format!("{} skipped: {why}", part.name)),
        _ => None,
    }
}

fn message(parts: &[Part], skipped: &[String]) -> String {
    let of = |severity: Severity| {
        parts.iter().flat_map(|part| &part.findings).filter(|found| found.severity == severity).count() as u64
    };
    let counts = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Advice, "remark")];
    let mut said: Vec<String> = counts
        .iter()
        .filter(|(severity, _)| of(*severity) > 0)
        .map(|(severity, word)| counted(of(*severity), word))
        .collect();
    if said.is_empty() && skipped.len() < parts.len() {
        said.push("nothing found".to_owned());
    }
    let notes = parts.iter().filter_map(|part| part.note.clone());
    said.extend(notes);
    said.extend(skipped.iter().cloned());
    said.join("; ")
}

/// What the end of a gate's command means: exit 0 is passed, another exit is failed, anything else an error.
#[must_use]
pub fn verdict_of_exit(end: &End, log_text: &str, log: Option<BlobDigest>, wall_ms: u64) -> Verdict {
    let (kind, message) = match end {
        End::Code(0) => (VerdictKind::Passed, "exit 0".to_owned()),
        End::Code(code @ (126 | 127)) => {
            (VerdictKind::Error, format!("exit {code}: the gate's command could not be run"))
        }
        End::Code(code) => (VerdictKind::Failed, format!("exit {code}")),
        End::Signal(signal) => (VerdictKind::Error, format!("the gate was ended by signal {signal}")),
        End::TimedOut => (VerdictKind::Error, "the gate ran into its timeout".to_owned()),
        End::Cancelled => (VerdictKind::Error, "the gate was interrupted".to_owned()),
        End::OutOfMemory => (VerdictKind::Error, "the gate ran out of memory".to_owned()),
        End::NotStarted(why) => (VerdictKind::Error, format!("the gate could not be started: {why}")),
    };
    Verdict { excerpt: last_lines(log_text), log, wall_ms, ..Verdict::new(kind, message) }
}

/// The last lines of a log, sanitized and bounded.
#[must_use]
pub fn last_lines(text: &str) -> String {
    let clean = crate::base::sanitize_terminal(text);
    let lines: Vec<&str> = clean.trim_end().lines().collect();
    let kept = lines[lines.len().saturating_sub(EXCERPT_LINES_MAX)..].join("\n");
    match kept.len().checked_sub(EXCERPT_BYTES_MAX) {
        None | Some(0) => kept,
        Some(mut cut) => {
            while !kept.is_char_boundary(cut) {
                cut += 1;
            }
            format!("…{}", &kept[cut..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_decide_what_follows() {
        let found = |severity| Part::judged("p", vec![GateFinding::new("p/r", severity, "m")]);
        let skipped = || Part::skipped("p", "nothing to judge with");
        use Severity::{Advice, Error, Warning};
        use VerdictKind as V;
        let rows = [
            (found(Error), [V::Failed, V::Failed, V::Failed]),
            (found(Warning), [V::Passed, V::Warning, V::Failed]),
            (found(Advice), [V::Passed, V::Passed, V::Warning]),
            (skipped(), [V::Skipped, V::Skipped, V::Error]),
            (Part::broke("p", "no"), [V::Error, V::Error, V::Error]),
            (Part::judged("p", Vec::new()), [V::Passed, V::Passed, V::Passed]),
        ];
        for (part, kinds) in rows {
            let levels = [Level::Basic, Level::Standard, Level::Strict];
            let said = levels.map(|level| verdict_of_parts(vec![part.clone()], level).kind);
            assert_eq!(said, kinds, "{part:?}");
        }
    }
}
