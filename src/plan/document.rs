//! One of the plan's files: its text, and what the text says as a tree with spans.
//!
//! Spans live here and nowhere else. The tree is flat (children of a node lie side by side in one list), so that it
//! is small, walks without recursion and gives every value a [`Place`]: two numbers that stay valid as long as the
//! document does. A document reads no files; its text is handed in.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::base::{FileId, NodeId, RelPath, Segment};

/// One file of the plan, parsed. Equal where path and text are.
#[derive(Debug, Clone)]
pub struct Document {
    /// Which of the plan's files.
    pub file: FileId,
    /// Where it lies in the project.
    pub path: RelPath,
    /// What it says.
    pub text: Arc<str>,
    nodes: Arc<Vec<Node>>,
    damage: Arc<[Range<usize>]>,
    line_starts: Arc<OnceLock<Vec<u32>>>,
}

/// Columns beyond this are counted in bytes.
const COUNTED_BYTES_MAX: usize = 1 << 20;

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        (self.file, &self.path, &self.text) == (other.file, &other.path, &other.text)
    }
}
impl Eq for Document {}

/// A value of a document, as its parent names it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) parent: u32,
    pub(super) name: NodeName,
    pub(super) key_span: Range<u32>,
    pub(super) span: Range<u32>,
    pub(super) value: Value,
}

/// The node that every document begins with.
pub(super) fn root() -> Node {
    Node { parent: 0, name: NodeName::Index(0), key_span: 0..0, span: 0..0, value: Value::Table(1..1) }
}

/// A place in a text, or among the nodes of one.
pub(super) fn short(number: usize) -> u32 {
    u32::try_from(number).expect("a plan file is smaller than 4 GiB")
}

/// What a string says: a part of the document's text, or where that is written otherwise (`"a\tb"`), its own.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Held {
    Part(Range<u32>),
    Own(Box<str>),
}

impl Held {
    /// The string; `text` is the document's.
    pub(super) fn of<'t>(&'t self, text: &'t str) -> &'t str {
        match self {
            Self::Part(part) => &text[part.start as usize..part.end as usize],
            Self::Own(own) => own,
        }
    }
}

/// How the parent calls a node.
#[derive(Debug)]
pub(super) enum NodeName {
    Key(Held),
    Index(u32),
}

/// What a node holds. Children are indices into the document's nodes; those of a table are sorted by key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    String(Held),
    /// `None`: more than 64 bits.
    Integer(Option<i64>),
    Float(f64),
    Boolean(bool),
    Datetime(Box<str>),
    Array(Range<u32>),
    Table(Range<u32>),
}

impl Value {
    /// The kind with its article, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Boolean(_) => "a boolean",
            Self::Datetime(_) => "a date",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}

/// A value of one of the plan's documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) file: u32,
    pub(super) index: u32,
}

impl Document {
    pub(super) fn new(
        file: FileId,
        path: RelPath,
        text: Arc<str>,
        nodes: Vec<Node>,
        damage: Vec<Range<usize>>,
    ) -> Self {
        Self { file, path, text, nodes: nodes.into(), damage: damage.into(), line_starts: Arc::default() }
    }

    /// Where the text is no TOML; what lies there was guessed.
    pub(super) fn damage(&self) -> &[Range<usize>] {
        &self.damage
    }

    pub(super) fn node(&self, index: u32) -> &Node {
        &self.nodes[index as usize]
    }

    /// What a string of the document says.
    pub(super) fn held<'d>(&'d self, held: &'d Held) -> &'d str {
        held.of(&self.text)
    }

    /// The key that names the node; empty for an element of an array.
    pub(super) fn key(&self, index: u32) -> &str {
        match &self.node(index).name {
            NodeName::Key(key) => self.held(key),
            NodeName::Index(_) => "",
        }
    }

    /// The child of this name, if the node is a table that has it.
    pub(super) fn child(&self, index: u32, key: &str) -> Option<u32> {
        let Value::Table(children) = &self.node(index).value else {
            return None;
        };
        let slice = &self.nodes[children.start as usize..children.end as usize];
        let found = slice.binary_search_by(|node| match &node.name {
            NodeName::Key(name) => self.held(name).cmp(key),
            NodeName::Index(_) => std::cmp::Ordering::Less,
        });
        found.ok().map(|offset| children.start + u32::try_from(offset).expect("an index of a node is 32 bits"))
    }

    /// The lasting name of a node: its way through the document.
    pub(super) fn node_id(&self, mut index: u32) -> NodeId {
        // Room for a task's: `tasks.NAME`.
        let mut path = Vec::with_capacity(2);
        while index != 0 {
            let node = self.node(index);
            path.push(match &node.name {
                NodeName::Key(key) => Segment::Key(self.held(key).into()),
                NodeName::Index(position) => Segment::Index(*position),
            });
            index = node.parent;
        }
        path.reverse();
        NodeId { path, ..NodeId::root(self.file) }
    }

    /// The bytes of the text that a node stands for; those of its nearest ancestor where it does not exist.
    #[must_use]
    pub fn span(&self, id: &NodeId) -> Range<usize> {
        if let Some((start, end)) = id.offset {
            let start = start.min(self.text.len());
            return start..end.clamp(start, self.text.len());
        }
        let mut index = 0u32;
        let mut exact = true;
        for segment in &id.path {
            let next = match (segment, &self.node(index).value) {
                (Segment::Key(key), _) => self.child(index, key),
                (Segment::Index(position), Value::Array(children)) => {
                    children.start.checked_add(*position).filter(|child| child < &children.end)
                }
                (Segment::Text(text), Value::Array(children)) => {
                    let is_it = |child: &u32| matches!(&self.node(*child).value, Value::String(held) if self.held(held) == &**text);
                    children.clone().find(is_it)
                }
                _ => None,
            };
            match next {
                Some(child) => index = child,
                None => {
                    exact = false;
                    break;
                }
            }
        }
        let node = self.node(index);
        let names_key = (id.key || !exact || matches!(node.value, Value::Table(_))) && !node.key_span.is_empty();
        let span = if names_key && !self.is_inline(node) || id.key && !node.key_span.is_empty() {
            &node.key_span
        } else {
            &node.span
        };
        span.start as usize..span.end as usize
    }

    /// Whether the node is written between braces, where its span is what a reader would point at.
    fn is_inline(&self, node: &Node) -> bool {
        matches!(node.value, Value::Table(_)) && self.text.as_bytes().get(node.span.start as usize) == Some(&b'{')
    }

    /// Line and column of a byte of the text, both from 1. Columns count characters (in a line of more than a
    /// megabyte bytes, so that a position costs the same everywhere).
    #[must_use]
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let starts = self.line_starts();
        let line = starts.partition_point(|start| *start as usize <= offset);
        let before = &self.text.as_bytes()[starts[line - 1] as usize..offset];
        let column = match before.len() {
            0..COUNTED_BYTES_MAX => before.iter().filter(|byte| (**byte & 0xC0) != 0x80).count(),
            bytes => bytes,
        };
        (line, column + 1)
    }

    /// The bytes of a line, numbered from 1, without its end; empty where there is no such line.
    #[must_use]
    pub fn line(&self, number: usize) -> Range<usize> {
        let starts = self.line_starts();
        let Some(start) = number.checked_sub(1).and_then(|index| starts.get(index)) else {
            return self.text.len()..self.text.len();
        };
        let start = *start as usize;
        let end = starts.get(number).map_or(self.text.len(), |next| *next as usize - 1);
        let end = if self.text[start..end].ends_with('\r') { end - 1 } else { end };
        start..end
    }

    /// How many lines the text has.
    #[must_use]
    pub fn line_count(&self) -> usize {
        self.line_starts().len()
    }

    fn line_starts(&self) -> &[u32] {
        self.line_starts.get_or_init(|| {
            let newlines = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            let after = newlines.filter_map(|(at, _)| u32::try_from(at + 1).ok());
            [0].into_iter().chain(after).collect()
        })
    }
}
