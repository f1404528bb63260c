//! Where something of a task was written: in its own table, in a template, or within a text.
//!
//! A plan holds no template any more: its tasks are whole. Whoever has something to say about a key of a task asks here
//! for the table that holds it, so that the line shown is the line to change.

use super::document::{Document, Value};
use crate::base::{FileId, NodeId, Segment};

/// Templates that inherit from templates; longer chains are refused when a plan is lowered.
const DEPTH_MAX: usize = 64;

/// The table that gives a task this key: its own, or the nearest template of its chain. `task` is the task's table.
#[must_use]
pub fn origin(documents: &[Document], task: &NodeId, key: &str) -> Option<NodeId> {
    let mut table = task.clone();
    for _ in 0..=DEPTH_MAX {
        let document = document_of(documents, table.file)?;
        let index = index_of(document, &table)?;
        if document.child(index, key).is_some() {
            return Some(table);
        }
        let Value::String(template) = &document.node(document.child(index, "template")?).value else { return None };
        table = declared(documents, "templates", document.held(template))?;
    }
    None
}

/// A table of the plan, in whichever file comes first.
#[must_use]
pub fn table(documents: &[Document], name: &str) -> Option<NodeId> {
    let document = documents.iter().find(|document| document.child(0, name).is_some())?;
    Some(NodeId::root(document.file).child(name))
}

/// Where a table of the plan declares this name, in whichever file does first.
#[must_use]
pub fn declared(documents: &[Document], table: &str, name: &str) -> Option<NodeId> {
    documents.iter().find_map(|document| {
        let table_index = document.child(0, table)?;
        document.child(table_index, name)?;
        Some(NodeId::root(document.file).child(table).child(name))
    })
}

/// The first place within the text at `node` where `word` stands by itself, as it was typed; the key of the text where
/// it does not: a template puts texts together that nobody typed in one piece.
#[must_use]
pub fn mention(documents: &[Document], node: &NodeId, word: &str) -> NodeId {
    let typed = document_of(documents, node.file).and_then(|document| {
        let span = document.span(node);
        let text = document.text.get(span.clone())?;
        let is_free = |side: Option<char>| side.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '/')));
        let is_whole =
            |at: &usize| is_free(text[..*at].chars().next_back()) && is_free(text[at + word.len()..].chars().next());
        let at = text.match_indices(word).map(|(at, _)| at).find(is_whole)?;
        Some(NodeId::at_offset(node.file, span.start + at, span.start + at + word.len()))
    });
    typed.unwrap_or_else(|| node.as_key())
}

fn document_of(documents: &[Document], file: FileId) -> Option<&Document> {
    documents.iter().find(|document| document.file == file)
}

/// The node that a way of keys leads to.
fn index_of(document: &Document, id: &NodeId) -> Option<u32> {
    id.path.iter().try_fold(0, |index, segment| match segment {
        Segment::Key(key) => document.child(index, key),
        Segment::Index(_) | Segment::Text(_) => None,
    })
}
