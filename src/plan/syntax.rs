//! From text to [`Document`]: all syntax errors of a text at once, and never more memory than a bound allows.
//!
//! A text without a mistake is read by [`tree`], which is several times faster. What it gives up on is the business of the parser
//! of `toml`: that one recovers from errors, so one wrong line does not hide the next. What it cannot do is stay
//! small: a text of a few megabytes may hold millions of tokens or errors. Large texts are therefore counted first,
//! without keeping anything.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml_parser::parser::RecursionGuard;

use super::document::{Document, Held, Node, NodeName, Value, root, short};
use super::tree;
use crate::base::{FileId, Finding, NodeId, RelPath, bounded};

/// The largest text of one plan file, in bytes.
pub const PLAN_BYTES_MAX: u64 = 32 << 20;
/// Tokens of one plan file; each costs the parser some fifty bytes.
const TOKENS_MAX: usize = 8_000_000;
/// Texts up to this size are parsed without counting first: their worst case is small.
const COUNT_FROM_BYTES: usize = 1 << 20;
/// Syntax errors reported of one file.
const ERRORS_MAX: usize = 100;

/// Reads one text as TOML. The document holds whatever could be understood; the findings say what could not.
#[must_use]
pub fn parse(file: FileId, path: RelPath, text: Arc<str>) -> (Document, Vec<Finding>) {
    if let Some(finding) = refuse_large(file, &text) {
        return (Document::new(file, path, "".into(), vec![root()], Vec::new()), vec![finding]);
    }
    if let Some(nodes) = tree::read(&text, TOKENS_MAX) {
        return (Document::new(file, path, text, nodes, Vec::new()), Vec::new());
    }
    if text.len() > COUNT_FROM_BYTES
        && let Some(findings) = syntax_of_large(file, &text)
    {
        let text_end = text.len();
        return (Document::new(file, path, text, vec![root()], std::iter::once(0..text_end).collect()), findings);
    }
    let (table, errors) = DeTable::parse_recoverable(&text);
    let nodes = flatten(table.into_inner());
    let mut damage = Vec::new();
    let mut findings = Vec::new();
    let mut repeated = 0..0;
    for error in errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        let is_damage = error.message() != "duplicate key";
        if is_damage {
            damage.push(span.clone());
        }
        if findings.len() >= ERRORS_MAX || repeated.contains(&span.start) {
            continue;
        }
        if is_damage {
            findings.push(syntax_error(file, &text, error.message(), span));
            continue;
        }
        let header = header_of(&text, &span);
        if header.is_some() {
            repeated = span.end..next_header(&text, span.end);
        }
        findings.push(duplicate_key(file, &text, &nodes, span, header));
    }
    (Document::new(file, path, text, nodes, damage), findings)
}

fn refuse_large(file: FileId, text: &str) -> Option<Finding> {
    let size = u64::try_from(text.len()).unwrap_or(u64::MAX);
    (size > PLAN_BYTES_MAX)
        .then(|| too_large(file, format!("the plan file has {size} bytes; {PLAN_BYTES_MAX} is the most")))
}

fn too_large(file: FileId, message: String) -> Finding {
    Finding::error("orca::plan::too_large", message, NodeId::root(file), "this file")
        .help("split the plan into files and name them in `include`")
}

/// Counts tokens and errors of a large text: `Some` findings if it is refused before a tree is built.
fn syntax_of_large(file: FileId, text: &str) -> Option<Vec<Finding>> {
    let source = toml_parser::Source::new(text);
    if source.lex().take(TOKENS_MAX + 1).count() > TOKENS_MAX {
        return Some(vec![too_large(file, format!("the plan file has more than {TOKENS_MAX} tokens"))]);
    }
    let tokens: Vec<toml_parser::lexer::Token> = source.lex().collect();
    let mut errors = FirstErrors { kept: Vec::new(), total: 0 };
    let mut ignored = |_: toml_parser::parser::Event| {};
    let mut receiver = RecursionGuard::new(&mut ignored, 80);
    toml_parser::parser::parse_document(&tokens, &mut receiver, &mut errors);
    if errors.total == 0 {
        return None;
    }
    let end = toml_parser::Span::new_unchecked(text.len(), text.len());
    let finding = |error: toml_parser::ParseError| {
        let span = error.unexpected().or(error.context()).unwrap_or(end);
        syntax_error(file, text, error.description(), span.start()..span.end())
    };
    Some(errors.kept.into_iter().map(finding).collect())
}

struct FirstErrors {
    kept: Vec<toml_parser::ParseError>,
    total: usize,
}

impl toml_parser::ErrorSink for FirstErrors {
    fn report_error(&mut self, error: toml_parser::ParseError) {
        self.total += 1;
        if self.kept.len() < ERRORS_MAX {
            self.kept.push(error);
        }
    }
}

fn syntax_error(file: FileId, text: &str, message: &str, span: Range<usize>) -> Finding {
    let node = node_at(file, text, span);
    Finding::error("orca::plan::syntax", format!("this is not TOML: {}", bounded(message, 300)), node, "here")
}

/// A node for these bytes, moved to character boundaries.
fn node_at(file: FileId, text: &str, span: Range<usize>) -> NodeId {
    let (mut start, mut end) = (span.start.min(text.len()), span.end.min(text.len()));
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    NodeId::at_offset(file, start, end)
}

fn duplicate_key(
    file: FileId,
    text: &str,
    nodes: &[Node],
    span: Range<usize>,
    header: Option<Range<usize>>,
) -> Finding {
    let key = bounded(text.get(span.clone()).unwrap_or_default().trim_matches(['"', '\'']), 100);
    let first = match header {
        Some(header) => same_header_before(text, &header, &span),
        None => same_key_before(text, nodes, &key, &span),
    };
    let message = format!("`{key}` is defined twice");
    let node = node_at(file, text, span);
    let finding = Finding::error("orca::plan::duplicate_key", message, node, "defined again here");
    match first {
        Some(first) => finding.and(node_at(file, text, first), "first defined here"),
        None => finding,
    }
}

/// The `[table]` header whose last key these bytes are, if they are one.
fn header_of(text: &str, key: &Range<usize>) -> Option<Range<usize>> {
    let line_start = text[..key.start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[key.end..].find('\n').map_or(text.len(), |newline| key.end + newline);
    let end = key.end + text[key.end..line_end].find(']')? + 1;
    let line = &text[line_start..end];
    let start = end - line.trim_start().len();
    (line.trim_start().starts_with('[') && end - start < 1000).then_some(start..end)
}

/// Where the next `[table]` begins, as far as lines tell.
fn next_header(text: &str, from: usize) -> usize {
    text[from..].find("\n[").map_or(text.len(), |found| from + found + 1)
}

/// The key of the first header with the same text.
fn same_header_before(text: &str, header: &Range<usize>, key: &Range<usize>) -> Option<Range<usize>> {
    let begins_line =
        |at: &usize| text[..*at].trim_end_matches([' ', '\t']).chars().next_back().is_none_or(|c| c == '\n');
    let first = text[..header.start].match_indices(&text[header.clone()]).map(|(at, _)| at).find(begins_line)?;
    let offset = key.start - header.start;
    Some(first + offset..first + offset + key.len())
}

/// The nearest key of the same name in the same table, as far as lines tell.
fn same_key_before(text: &str, nodes: &[Node], key: &str, span: &Range<usize>) -> Option<Range<usize>> {
    let table_start = text[..span.start].rfind("\n[").unwrap_or(0);
    let is_same = |node: &&Node| matches!(&node.name, NodeName::Key(name) if name.of(text) == key);
    let is_before = |start: &usize| (table_start..span.start).contains(start);
    let starts = nodes.iter().filter(is_same).map(|node| node.key_span.start as usize).filter(is_before);
    starts.max().map(|start| start..start + span.len())
}

/// Lays the tree out flat, level by level, so that siblings are neighbours.
pub(super) fn flatten(table: DeTable<'_>) -> Vec<Node> {
    let mut nodes = vec![root()];
    let mut open: VecDeque<(u32, DeValue<'_>)> = [(0, DeValue::Table(table))].into();
    while let Some((parent, value)) = open.pop_front() {
        let first = short(nodes.len());
        let is_table = matches!(value, DeValue::Table(_));
        for (name, key_span, value) in named_children(value) {
            let span = narrow(value.span());
            let value = match leaf(value.get_ref()) {
                Some(leaf) => leaf,
                None => {
                    open.push_back((short(nodes.len()), value.into_inner()));
                    Value::Table(0..0)
                }
            };
            nodes.push(Node { parent, name, key_span, span, value });
        }
        let children = first..short(nodes.len());
        nodes[parent as usize].value = if is_table { Value::Table(children) } else { Value::Array(children) };
    }
    nodes
}

/// The children of a table or array: name, span of the key, value.
fn named_children<'i>(
    value: DeValue<'i>,
) -> Box<dyn Iterator<Item = (NodeName, Range<u32>, Spanned<DeValue<'i>>)> + 'i> {
    match value {
        DeValue::Table(table) => Box::new(table.into_iter().map(|(key, value)| {
            let key_span = narrow(key.span());
            (NodeName::Key(Held::Own(key.into_inner().into())), key_span, value)
        })),
        DeValue::Array(array) => Box::new(
            array.into_iter().enumerate().map(|(position, value)| (NodeName::Index(short(position)), 0..0, value)),
        ),
        _ => Box::new(std::iter::empty()),
    }
}

fn narrow(span: Range<usize>) -> Range<u32> {
    short(span.start)..short(span.end)
}

/// The value of a node without children.
fn leaf(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(Held::Own(text.as_ref().into())),
        DeValue::Integer(number) => Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()),
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(date) => Value::Datetime(date.to_string().into()),
        DeValue::Array(_) | DeValue::Table(_) => return None,
    })
}
