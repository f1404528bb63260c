//! What a gate found, as a fact that needs nothing else: rule, place, words, and the lines it points at, so that it can be
//! shown long after the judged tree is gone.

use serde::{Deserialize, Serialize};

use crate::base::{RelPath, Severity};

/// Whether a verdict, by its word, lets a result pass.
#[must_use]
pub fn is_green(verdict: &str) -> bool {
    matches!(verdict, "passed" | "warning" | "skipped")
}

/// Lines of a judged file around a finding, bounded, with what must not be shown masked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Excerpt {
    /// The number of the first line, from 1.
    pub first_line: u32,
    /// The lines, without a newline at the end.
    pub text: String,
}

/// One thing that a gate found. Lines and columns count from 1, columns in characters; `end_column` is the first one after
/// the finding. The shape follows SARIF 2.1.0's `result`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GateFinding {
    /// The rule, with the check it belongs to: `secrets/github-token`.
    pub rule: String,
    /// How bad it is; what follows from that is the level's to say.
    pub severity: Severity,
    /// The file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<RelPath>,
    /// The first line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The first column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The last line, where it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_line: Option<u32>,
    /// The column after the last character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_column: Option<u32>,
    /// One sentence.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The lines it points at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Excerpt>,
    /// Eight digits that tell its line from others where what the lines show is masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Where more of it can be read: a file of the judged tree, or of the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

impl GateFinding {
    /// A finding without a place.
    #[must_use]
    pub fn new(rule: impl Into<String>, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            severity,
            file: None,
            line: None,
            column: None,
            end_line: None,
            end_column: None,
            message: message.into(),
            help: None,
            excerpt: None,
            fingerprint: None,
            evidence: None,
        }
    }

    /// The same about a file.
    #[must_use]
    pub fn at(mut self, file: &RelPath) -> Self {
        self.file = Some(file.clone());
        self
    }

    /// The same with help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// `file:line:column`, as far as it is known.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        let file = self.file.as_ref()?;
        Some(match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{file}:{line}:{column}"),
            (Some(line), None) => format!("{file}:{line}"),
            (None, _) => file.to_string(),
        })
    }
}
