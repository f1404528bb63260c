//! The same walk as text: what `orca explain` compares.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::describe::{KeyWriter, describe};
use crate::base::{BlobDigest, bounded, sanitize_line};
use crate::context::TaskContext;

/// A value longer than this is kept as its digest, with the beginning for people.
const VALUE_BYTES_MAX: usize = 4096;

/// Every fact of a complete task, by section and name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    facts: BTreeMap<(String, String), String>,
}

/// One fact that differs between two descriptions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `file`, `env`, `argv` ...
    pub section: String,
    /// Which of them: a path, a variable, a position.
    pub name: String,
    /// The value when the task last ran; `None` if there was none.
    pub old: Option<String>,
    /// The value now; `None` if there is none.
    pub new: Option<String>,
}

impl KeyWriter for Description {
    fn field(&mut self, section: &'static str, name: &str, value: &str) {
        let kept = if value.len() <= VALUE_BYTES_MAX {
            value.to_owned()
        } else {
            format!("{} ({} bytes, {})", bounded(value, 200), value.len(), BlobDigest::of(value.as_bytes()))
        };
        self.facts.insert((section.to_owned(), name.to_owned()), kept);
    }
}

impl Description {
    /// Describes a complete task.
    #[must_use]
    pub fn of(context: &TaskContext) -> Self {
        let mut description = Self::default();
        describe(context, &mut description);
        description
    }

    /// One fact a line, each a JSON array of section, name and value.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for ((section, name), value) in &self.facts {
            out.push_str(&serde_json::json!([section, name, value]).to_string());
            out.push('\n');
        }
        out
    }

    /// Reads what [`Description::to_text`] wrote; `None` if it is something else.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut facts = BTreeMap::new();
        for line in text.lines() {
            let (section, name, value) = serde_json::from_str(line).ok()?;
            facts.insert((section, name), value);
        }
        Some(Self { facts })
    }

    /// What differs, in order of section and name.
    #[must_use]
    pub fn changes_since(&self, old: &Self) -> Vec<Change> {
        let names: std::collections::BTreeSet<_> = old.facts.keys().chain(self.facts.keys()).collect();
        names
            .into_iter()
            .filter(|name| old.facts.get(*name) != self.facts.get(*name))
            .map(|name| Change {
                section: name.0.clone(),
                name: name.1.clone(),
                old: old.facts.get(name).cloned(),
                new: self.facts.get(name).cloned(),
            })
            .collect()
    }

    /// Every fact: section, name, value.
    pub fn facts(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.facts.iter().map(|((section, name), value)| (section.as_str(), name.as_str(), value.as_str()))
    }

    /// How many files the view holds, by the description.
    #[must_use]
    pub fn file_count(&self) -> usize {
        self.facts.keys().filter(|(section, _)| section == "file").count()
    }
}

impl Change {
    /// What changed, without the values: `file src/a.c`.
    #[must_use]
    pub fn subject(&self) -> String {
        let section = if self.section == "file" { "" } else { self.section.as_str() };
        sanitize_line(format!("{section} {}", self.name).trim()).to_owned()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &str| sanitize_line(&bounded(&shortened(value), 160));
        let subject = self.subject();
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, "{subject} changed: {} -> {}", show(old), show(new)),
            (None, Some(new)) => write!(f, "{subject} is new: {}", show(new)),
            (Some(old), None) => write!(f, "{subject} is gone: it was {}", show(old)),
            (None, None) => write!(f, "{subject}"),
        }
    }
}

/// Digests cut to the twelve digits people compare.
fn shortened(value: &str) -> String {
    value
        .split(' ')
        .map(|word| if word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit()) { &word[..12] } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}
