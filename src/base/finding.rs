//! What orca has to say about a plan: values that name nodes of the document and never hold spans.
//!
//! `toml::Spanned` ignores its span in `==`, so a memoized value with spans in it goes stale when text merely moves.
//! A finding therefore names a node by its path in the document; the span is looked up when the finding is rendered.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How bad a finding is. Only errors stop a build; `orca check --strict` takes all of them for errors, but for what the
/// version cannot do yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Advice,
    /// Probably not meant.
    Warning,
    /// Nothing runs until it is mended.
    Error,
}

/// Which of the plan's files, as an index into the list of loaded documents; 0 is the root `orca.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// One step into a TOML document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A key of a table.
    Key(Box<str>),
    /// An element of an array.
    Index(u32),
    /// The element of an array of strings that has this text, wherever it stands.
    Text(Box<str>),
}

/// The way from the root of a TOML document to one of its nodes: `tasks.login.inputs[2]`.
pub type DocPath = Vec<Segment>;

/// A node of one of the plan's documents: the value at a path, or the key that names it.
///
/// Rendering falls back to the nearest ancestor that exists, so a node that went away still has a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// The document.
    pub file: FileId,
    /// The way to the value.
    pub path: DocPath,
    /// Whether the key itself is meant rather than its value.
    pub key: bool,
    /// Byte offsets in the document, only for what has no node: a syntax error.
    pub offset: Option<(usize, usize)>,
}

impl NodeId {
    /// The root of a document.
    #[must_use]
    pub fn root(file: FileId) -> Self {
        Self { file, path: Vec::new(), key: false, offset: None }
    }

    /// A place in the text that no node stands for.
    #[must_use]
    pub fn at_offset(file: FileId, start: usize, end: usize) -> Self {
        Self { offset: Some((start, end)), ..Self::root(file) }
    }

    /// The value under `key` of this table.
    #[must_use]
    pub fn child(&self, key: &str) -> Self {
        let mut path = self.path.clone();
        path.push(Segment::Key(key.into()));
        Self { file: self.file, path, key: false, offset: None }
    }

    /// The element at `index` of this array.
    #[must_use]
    pub fn element(&self, index: usize) -> Self {
        let mut path = self.path.clone();
        path.push(Segment::Index(u32::try_from(index).unwrap_or(u32::MAX)));
        Self { file: self.file, path, key: false, offset: None }
    }

    /// The element of this array of strings that has this text.
    #[must_use]
    pub fn element_with(&self, text: &str) -> Self {
        let mut path = self.path.clone();
        path.push(Segment::Text(text.into()));
        Self { file: self.file, path, key: false, offset: None }
    }

    /// The key that names this value.
    #[must_use]
    pub fn as_key(&self) -> Self {
        Self { key: true, ..self.clone() }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.path.iter().enumerate() {
            match segment {
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Text(text) => write!(f, "[{text}]")?,
            }
        }
        Ok(())
    }
}

/// A place and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Label {
    /// Where.
    pub node: NodeId,
    /// What, in a few words.
    pub text: String,
}

/// One thing to say about a plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Finding {
    /// Stable and documented in `docs/errors/`: `orca::plan::unknown_task`.
    pub code: &'static str,
    /// Whether it stops a build.
    pub severity: Severity,
    /// One sentence.
    pub message: String,
    /// The culprit first, then other places involved.
    pub labels: Vec<Label>,
    /// What to type.
    pub help: Option<String>,
}

impl Finding {
    /// An error with the culprit's place.
    #[must_use]
    pub fn error(code: &'static str, message: impl Into<String>, node: NodeId, label: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: vec![Label { node, text: label.into() }],
            help: None,
        }
    }

    /// A warning with the culprit's place.
    #[must_use]
    pub fn warning(code: &'static str, message: impl Into<String>, node: NodeId, label: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message, node, label) }
    }

    /// Advice with the culprit's place.
    #[must_use]
    pub fn advice(code: &'static str, message: impl Into<String>, node: NodeId, label: impl Into<String>) -> Self {
        Self { severity: Severity::Advice, ..Self::error(code, message, node, label) }
    }

    /// The same with one more place.
    #[must_use]
    pub fn and(mut self, node: NodeId, label: impl Into<String>) -> Self {
        self.labels.push(Label { node, text: label.into() });
        self
    }

    /// The same with help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
