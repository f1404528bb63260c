//! The `include` patterns of one document, relative to the project. Who includes whom is for the loader to follow.

use super::document::{Document, Place};
use super::paths::join;
use super::reader::{Reader, quoted};
use super::values::{Read, Text};
use crate::base::{Finding, NodeId, Pattern, PatternError};

/// What a document includes: patterns relative to the project, each with the node that names it.
///
/// Wrong types are left to [`lower`](super::lower), which reads the same key; bad patterns are reported here.
#[must_use]
pub fn includes(document: &Document) -> (Vec<(Pattern, NodeId)>, Vec<Finding>) {
    let documents = std::slice::from_ref(document);
    let mut quiet = Reader::new(documents);
    let root = Place { file: document.file.0, index: 0 };
    let texts = quiet.child(root, "include").and_then(|place| Vec::<Text>::read(place, &mut quiet)).unwrap_or_default();
    let mut reader = Reader::new(documents);
    let mut patterns = Vec::new();
    for text in texts {
        let node = reader.id(text.at);
        let joined = join(document.path.parent(), &text.value).map_err(PatternError::from);
        match joined.and_then(|joined| Pattern::new(&joined)) {
            Ok(pattern) if !pattern.excludes() => patterns.push((pattern, node)),
            Ok(_) => reader.report(bad_include(&text, node, "`include` cannot exclude".to_owned())),
            Err(error) => reader.report(bad_include(&text, node, error.to_string())),
        }
    }
    (patterns, reader.finish())
}

fn bad_include(text: &Text, node: NodeId, why: String) -> Finding {
    let message = format!("{} cannot be included: {why}", quoted(&text.value));
    Finding::error("orca::plan::bad_include", message, node, "not a plan file of this project")
        .help("name plan files inside the project, relative to this one: \"plans/*.toml\"")
}
