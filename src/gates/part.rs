//! What one part of a check says: `security` has three, `tdd` five. Parts are folded into a verdict by the level.

use serde::{Deserialize, Serialize};

use crate::event::GateFinding;

/// How far a part got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", content = "why", rename_all = "lowercase")]
pub enum PartStatus {
    /// It has judged; what it found says how well.
    Judged,
    /// It had nothing to judge with, and why. Never the same as passed.
    Skipped(String),
    /// It broke, and how. Never green.
    Broke(String),
}

/// What one part of a check says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name: `secrets`.
    pub name: String,
    /// How far it got.
    #[serde(flatten)]
    pub status: PartStatus,
    /// What it found, in order of file and line.
    #[serde(default)]
    pub findings: Vec<GateFinding>,
    /// One line of numbers or facts that belong to the verdict, whatever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Part {
    /// A part that has judged.
    #[must_use]
    pub fn judged(name: &str, findings: Vec<GateFinding>) -> Self {
        Self { name: name.to_owned(), status: PartStatus::Judged, findings, note: None }
    }

    /// A part that could not judge, for want of something.
    #[must_use]
    pub fn skipped(name: &str, why: impl Into<String>) -> Self {
        Self { status: PartStatus::Skipped(why.into()), ..Self::judged(name, Vec::new()) }
    }

    /// A part that broke.
    #[must_use]
    pub fn broke(name: &str, why: impl Into<String>) -> Self {
        Self { status: PartStatus::Broke(why.into()), ..Self::judged(name, Vec::new()) }
    }

    /// The same with a note.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}
