//! What one gate says of one result.

use serde::{Deserialize, Serialize};

use crate::base::BlobDigest;
use crate::sandbox::End;

/// Last lines of a gate's output that go into its verdict.
const EXCERPT_LINES_MAX: usize = 40;
const EXCERPT_BYTES_MAX: usize = 8 * 1024;

/// The verdict proper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerdictKind {
    /// Good.
    Passed,
    /// The result is not good.
    Failed,
    /// The gate itself broke; never green.
    Error,
    /// Switched off.
    Skipped,
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
}

impl Verdict {
    /// Whether the result may count as done.
    #[must_use]
    pub fn is_green(&self) -> bool {
        matches!(self.kind, VerdictKind::Passed | VerdictKind::Skipped)
    }

    /// Whether the verdict may be kept: an error is tried again.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self.kind, VerdictKind::Passed | VerdictKind::Failed)
    }

    /// The verdict of a gate that is switched off.
    #[must_use]
    pub fn skipped() -> Self {
        Self {
            kind: VerdictKind::Skipped,
            message: "level = \"disabled\"".to_owned(),
            excerpt: String::new(),
            log: None,
            wall_ms: 0,
        }
    }

    /// The last lines of the gate's output, where it is not green.
    #[must_use]
    pub fn details(&self) -> Vec<String> {
        if self.is_green() { Vec::new() } else { self.excerpt.lines().map(str::to_owned).collect() }
    }

    /// The word of the verdict.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.kind {
            VerdictKind::Passed => "passed",
            VerdictKind::Failed => "failed",
            VerdictKind::Error => "error",
            VerdictKind::Skipped => "skipped",
        }
    }
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
    Verdict { kind, message, excerpt: last_lines(log_text), log, wall_ms }
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
