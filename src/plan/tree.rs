//! From a text without a mistake to nodes, in one pass over the events of `toml_parser`.
//!
//! Large plans are parsed here. It is strict: at the first mistake, and at the few things that are rare in plans and intricate in
//! TOML (dotted keys between braces, dotted keys into what a header made), it gives up, and the parser of `toml` reads the text
//! from its beginning: that one recovers, and says what is wrong. So a text is never understood in two ways: what comes out here
//! is node for node what would come out there, which a property test holds it to.
//!
//! Tokens are read in chunks of whole lines, so that a large text never has all of its tokens in memory.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use toml_parser::decoder::{Encoding, ScalarKind};
use toml_parser::lexer::{Token, TokenKind};
use toml_parser::parser::{EventReceiver, RecursionGuard, ValidateWhitespace, parse_document};
use toml_parser::{ErrorSink, ParseError, Raw, Source, Span};

use super::document::{Held, Node, NodeName, Value, short};

/// How deep arrays and tables, and the parts of a key, may go; as in `toml`.
const DEPTH_MAX: u32 = 80;
/// Tokens that are read before the parser is called.
const CHUNK_TOKENS: usize = 1 << 16;
/// Tables with more children are searched by hash.
const SEARCHED_CHILDREN: u32 = 16;
const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests;

/// The nodes of a text, as [`super::syntax`] lays them out. `None`: it has a mistake, or is one of the rare ones, or has more
/// tokens than may be.
pub(super) fn read(text: &str, tokens_max: usize) -> Option<Vec<Node>> {
    let source = Source::new(text);
    let mut tree = Tree::new(text);
    let mut errors = Mistake(false);
    let mut chunk: Vec<Token> = Vec::new();
    let (mut square, mut curly, mut count) = (0i64, 0i64, 0usize);
    for token in source.lex() {
        let kind = token.kind();
        chunk.push(token);
        count += 1;
        match kind {
            TokenKind::LeftSquareBracket => square += 1,
            TokenKind::RightSquareBracket => square -= 1,
            TokenKind::LeftCurlyBracket => curly += 1,
            TokenKind::RightCurlyBracket => curly -= 1,
            _ => {}
        }
        // Outside of brackets, what ends with a line is whole; where that is not so, the parser finds the mistake.
        let is_whole = kind == TokenKind::Newline && (square, curly) == (0, 0);
        if kind == TokenKind::Eof || is_whole && chunk.len() >= CHUNK_TOKENS {
            let mut receiver = ValidateWhitespace::new(&mut tree, source);
            parse_document(&chunk, &mut RecursionGuard::new(&mut receiver, DEPTH_MAX), &mut errors);
            if errors.0 || tree.gave_up || count > tokens_max {
                return None;
            }
            chunk.clear();
        }
        if chunk.len() > tokens_max {
            return None;
        }
    }
    drop(chunk);
    tree.laid_out()
}

/// Whether there was any mistake.
struct Mistake(bool);

impl ErrorSink for Mistake {
    fn report_error(&mut self, _: ParseError) {
        self.0 = true;
    }
}

/// How a table or an array came to be, which says what may still be added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A header of its own, or the root.
    Header,
    /// A longer header.
    PartOfHeader,
    /// A dotted key.
    DottedKey,
    /// Braces.
    Braces,
    /// Brackets.
    Brackets,
    /// Headers in double brackets.
    Headers,
}

/// A node in the making. Of a table or array the value's range is `n..n`, the number of its [`Container`].
struct Made {
    node: Node,
    /// The next child of the same parent.
    next: u32,
}

/// What a table or array holds so far, as a chain of nodes.
struct Container {
    origin: Origin,
    first: u32,
    last: u32,
    count: u32,
}

struct Key {
    name: Held,
    span: Range<u32>,
}

struct Tree<'t> {
    text: &'t str,
    made: Vec<Made>,
    containers: Vec<Container>,
    /// The children of large tables, by key.
    large: HashMap<u32, HashMap<Cow<'t, str>, u32>>,
    /// The table that the last header began.
    table: u32,
    /// Arrays and tables between braces that are not closed yet.
    open: Vec<u32>,
    /// The parts of the key that was read last.
    keys: Vec<Key>,
    header_start: u32,
    gave_up: bool,
}

impl<'t> Tree<'t> {
    fn new(text: &'t str) -> Self {
        let root = Made { node: super::document::root(), next: NONE };
        let mut tree = Self {
            text,
            made: vec![root],
            containers: Vec::new(),
            large: HashMap::new(),
            table: 0,
            open: Vec::new(),
            keys: Vec::new(),
            header_start: 0,
            gave_up: false,
        };
        tree.made[0].node.value = tree.container(Origin::Header);
        tree
    }

    /// A value for a table or array without children.
    fn container(&mut self, origin: Origin) -> Value {
        let number = short(self.containers.len());
        self.containers.push(Container { origin, first: NONE, last: NONE, count: 0 });
        match origin {
            Origin::Brackets | Origin::Headers => Value::Array(number..number),
            _ => Value::Table(number..number),
        }
    }

    /// The container of a node that is a table or an array.
    fn container_of(&self, made: u32) -> Option<usize> {
        match &self.made[made as usize].node.value {
            Value::Table(number) | Value::Array(number) => Some(number.start as usize),
            _ => None,
        }
    }

    fn origin(&self, made: u32) -> Option<Origin> {
        self.container_of(made).map(|number| self.containers[number].origin)
    }

    /// Adds a child.
    fn add(&mut self, parent: u32, name: NodeName, key_span: Range<u32>, span: Range<u32>, value: Value) -> u32 {
        let at = short(self.made.len());
        let number = self.container_of(parent).expect("children are added to tables and arrays");
        let container = &mut self.containers[number];
        let last = std::mem::replace(&mut container.last, at);
        container.count += 1;
        if last == NONE {
            container.first = at;
        }
        let (count, first, origin) = (container.count, container.first, container.origin);
        if last != NONE {
            self.made[last as usize].next = at;
        }
        self.made.push(Made { node: Node { parent, name, key_span, span, value }, next: NONE });
        let is_table = !matches!(origin, Origin::Brackets | Origin::Headers | Origin::Braces);
        if is_table && count > SEARCHED_CHILDREN {
            let from = if count == SEARCHED_CHILDREN + 1 { first } else { at };
            self.index(parent, from);
        }
        at
    }

    /// Takes a chain of children into the index of their table.
    fn index(&mut self, table: u32, from: u32) {
        let mut index = self.large.remove(&table).unwrap_or_default();
        let mut at = from;
        while at != NONE {
            let made = &self.made[at as usize];
            let name = match &made.node.name {
                NodeName::Key(Held::Part(part)) => Cow::Borrowed(&self.text[part.start as usize..part.end as usize]),
                NodeName::Key(Held::Own(own)) => Cow::Owned(own.to_string()),
                NodeName::Index(_) => unreachable!("the children of a table have keys"),
            };
            index.insert(name, at);
            at = made.next;
        }
        self.large.insert(table, index);
    }

    fn find(&self, table: u32, key: &str) -> Option<u32> {
        if let Some(index) = self.large.get(&table) {
            return index.get(key).copied();
        }
        let mut at = self.containers[self.container_of(table)?].first;
        while at != NONE {
            let made = &self.made[at as usize];
            if matches!(&made.node.name, NodeName::Key(name) if name.of(self.text) == key) {
                return Some(at);
            }
            at = made.next;
        }
        None
    }

    /// Puts a value where the last key, or the array that is open, says; answers its place.
    fn put(&mut self, span: Range<u32>, value: Value) -> Option<u32> {
        if let Some(&parent) = self.open.last() {
            let container = &self.containers[self.container_of(parent)?];
            let position = container.count;
            if container.origin == Origin::Brackets {
                return Some(self.add(parent, NodeName::Index(position), 0..0, span, value));
            }
            let key = self.keys.pop()?;
            return self.keys.is_empty().then(|| self.add(parent, NodeName::Key(key.name), key.span, span, value));
        }
        let mut keys = std::mem::take(&mut self.keys);
        let last = keys.pop()?;
        let mut table = self.table;
        for key in keys.drain(..) {
            table = match self.find(table, key.name.of(self.text)) {
                Some(found) if self.origin(found) == Some(Origin::DottedKey) => found,
                Some(_) => return None,
                None => {
                    let made = self.container(Origin::DottedKey);
                    self.add(table, NodeName::Key(key.name), key.span.clone(), key.span, made)
                }
            };
        }
        // The room is used again.
        self.keys = keys;
        Some(self.add(table, NodeName::Key(last.name), last.span, span, value))
    }

    /// Begins the table, or one more table of the array, that a header names.
    fn begin(&mut self, end: u32, is_array: bool) -> Option<()> {
        let mut keys = std::mem::take(&mut self.keys);
        let last = keys.pop()?;
        let span = self.header_start..end;
        let mut table = 0;
        for key in keys.drain(..) {
            table = match self.find(table, key.name.of(self.text)) {
                None => {
                    let made = self.container(Origin::PartOfHeader);
                    self.add(table, NodeName::Key(key.name), key.span.clone(), key.span, made)
                }
                Some(found) => match self.origin(found)? {
                    Origin::Header | Origin::PartOfHeader | Origin::DottedKey => found,
                    Origin::Headers => self.containers[self.container_of(found)?].last,
                    Origin::Braces | Origin::Brackets => return None,
                },
            };
        }
        self.keys = keys;
        let found = self.find(table, last.name.of(self.text));
        if is_array {
            let array = match found {
                Some(found) if self.origin(found)? == Origin::Headers => found,
                Some(_) => return None,
                None => {
                    let made = self.container(Origin::Headers);
                    self.add(table, NodeName::Key(last.name), last.span, span.clone(), made)
                }
            };
            let position = self.containers[self.container_of(array)?].count;
            let made = self.container(Origin::Header);
            self.table = self.add(array, NodeName::Index(position), 0..0, span, made);
            return Some(());
        }
        self.table = match found {
            None => {
                let made = self.container(Origin::Header);
                self.add(table, NodeName::Key(last.name), last.span, span, made)
            }
            Some(found) if self.origin(found)? == Origin::PartOfHeader => {
                let number = self.container_of(found)?;
                self.containers[number].origin = Origin::Header;
                let node = &mut self.made[found as usize].node;
                (node.key_span, node.span) = (last.span, span);
                found
            }
            Some(_) => return None,
        };
        Some(())
    }

    fn end(&mut self, end: u32, origin: Origin) -> Option<()> {
        let closed = self.open.pop()?;
        self.made[closed as usize].node.span.end = end;
        (self.origin(closed)? == origin).then_some(())
    }

    fn or_give_up<T>(&mut self, done: Option<T>) {
        self.gave_up |= done.is_none();
    }

    fn held(&self, decoded: Cow<'t, str>, span: Span) -> Held {
        match decoded {
            Cow::Borrowed("") => Held::Part(short(span.start())..short(span.start())),
            Cow::Borrowed(part) => {
                let start = part.as_ptr() as usize - self.text.as_ptr() as usize;
                Held::Part(short(start)..short(start + part.len()))
            }
            Cow::Owned(own) => Held::Own(own.into()),
        }
    }

    fn raw(&self, span: Span, encoding: Option<Encoding>) -> Raw<'t> {
        Raw::new_unchecked(&self.text[span.start()..span.end()], encoding, span)
    }

    /// The nodes level by level, so that siblings are neighbours; those of a table sorted by key. `None` where two have one key.
    fn laid_out(self) -> Option<Vec<Node>> {
        let Self { text, mut made, containers, .. } = self;
        let total = made.len();
        let blank = || Node { name: NodeName::Index(0), ..super::document::root() };
        let mut nodes = Vec::with_capacity(total);
        let mut of: Vec<u32> = Vec::with_capacity(total);
        nodes.push(std::mem::replace(&mut made[0].node, blank()));
        of.push(0);
        let mut children: Vec<u32> = Vec::new();
        let mut at = 0;
        while at < nodes.len() {
            let (number, is_table) = match &nodes[at].value {
                Value::Table(number) => (number.start as usize, true),
                Value::Array(number) => (number.start as usize, false),
                _ => {
                    at += 1;
                    continue;
                }
            };
            children.clear();
            let mut child = containers[number].first;
            while child != NONE {
                children.push(child);
                child = made[child as usize].next;
            }
            if is_table {
                let key = |child: &u32| match &made[*child as usize].node.name {
                    NodeName::Key(name) => name.of(text),
                    NodeName::Index(_) => "",
                };
                children.sort_unstable_by(|left, right| key(left).cmp(key(right)));
                if children.windows(2).any(|pair| key(&pair[0]) == key(&pair[1])) {
                    return None;
                }
            }
            let first = short(nodes.len());
            for child in &children {
                let mut node = std::mem::replace(&mut made[*child as usize].node, blank());
                node.parent = short(at);
                nodes.push(node);
                of.push(*child);
            }
            let range = first..short(nodes.len());
            nodes[at].value = if is_table { Value::Table(range) } else { Value::Array(range) };
            at += 1;
        }
        Some(nodes)
    }
}

impl EventReceiver for Tree<'_> {
    fn std_table_open(&mut self, span: Span, _: &mut dyn ErrorSink) {
        self.header_start = short(span.start());
        self.keys.clear();
    }

    fn std_table_close(&mut self, span: Span, _: &mut dyn ErrorSink) {
        let begun = self.begin(short(span.end()), false);
        self.or_give_up(begun);
    }

    fn array_table_open(&mut self, span: Span, error: &mut dyn ErrorSink) {
        self.std_table_open(span, error);
    }

    fn array_table_close(&mut self, span: Span, _: &mut dyn ErrorSink) {
        let begun = self.begin(short(span.end()), true);
        self.or_give_up(begun);
    }

    fn inline_table_open(&mut self, span: Span, _: &mut dyn ErrorSink) -> bool {
        let made = self.container(Origin::Braces);
        let at = self.put(short(span.start())..short(span.end()), made);
        self.open.extend(at);
        self.or_give_up(at);
        true
    }

    fn inline_table_close(&mut self, span: Span, _: &mut dyn ErrorSink) {
        let ended = self.end(short(span.end()), Origin::Braces);
        self.or_give_up(ended);
    }

    fn array_open(&mut self, span: Span, _: &mut dyn ErrorSink) -> bool {
        let made = self.container(Origin::Brackets);
        let at = self.put(short(span.start())..short(span.end()), made);
        self.open.extend(at);
        self.or_give_up(at);
        true
    }

    fn array_close(&mut self, span: Span, _: &mut dyn ErrorSink) {
        let ended = self.end(short(span.end()), Origin::Brackets);
        self.or_give_up(ended);
    }

    fn simple_key(&mut self, span: Span, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        let mut decoded = Cow::Borrowed("");
        self.raw(span, encoding).decode_key(&mut decoded, error);
        let name = self.held(decoded, span);
        self.keys.push(Key { name, span: short(span.start())..short(span.end()) });
        self.gave_up |= self.keys.len() > DEPTH_MAX as usize;
    }

    fn scalar(&mut self, span: Span, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        let mut decoded = Cow::Borrowed("");
        let kind = self.raw(span, encoding).decode_scalar(&mut decoded, error);
        let value = match kind {
            ScalarKind::String => Some(Value::String(self.held(decoded, span))),
            ScalarKind::Boolean(value) => Some(Value::Boolean(value)),
            ScalarKind::Integer(radix) => Some(Value::Integer(i64::from_str_radix(&decoded, radix.value()).ok())),
            ScalarKind::Float => Some(Value::Float(decoded.parse().unwrap_or(f64::NAN))),
            ScalarKind::DateTime => {
                decoded.parse::<toml::value::Datetime>().ok().map(|date| Value::Datetime(date.to_string().into()))
            }
        };
        let put = value.and_then(|value| self.put(short(span.start())..short(span.end()), value));
        self.or_give_up(put);
    }

    fn error(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.gave_up = true;
    }
}
