//! What is known of an expression without running it: whether it is constant, put together from parts, or comes from a
//! request. It is followed through the variables of a function and those around it, no further.

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use tree_sitter::Node;

use super::dialect::{Dialect, Shape};

/// How deep an expression is looked into, and at how many of its nodes.
const DEPTH_MAX: usize = 24;
const NODES_MAX: usize = 400;
/// Nodes that are looked at in any text, and one more for each of its bytes.
const NODES_OF_TEXT: usize = 100_000;
/// Bytes of a path such as `a.b.c`; a longer one is no rule's.
const PATH_BYTES_MAX: usize = 200;
const PATH_PARTS_MAX: usize = 16;

static SQL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)\b(?:select\s[\s\S]*?\bfrom\b|insert\s+(?:or\s+\w+\s+)?into\s|update\s+\S+\s+set\s|delete\s+from\b",
        r"|(?:drop|alter|truncate|create)\s+(?:table|database|user|index|view)\b|replace\s+into\s|where\s+\S+\s*(?:=|like|in)\s*)",
    ))
    .expect("valid")
});
static CLEANER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)escape|quote|sanitiz|sanitis|purify|basename|allowlist|whitelist|placeholder").expect("valid")
});
/// A verb that lets text through, in the formats of Python, C and Rust.
static TEXT_VERB: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"%[-+#0-9.$]*[svqrSw]|%\(|\{").expect("valid"));

/// Whether a text is SQL, as far as its words say.
pub(super) fn reads_like_sql(text: &str) -> bool {
    SQL.is_match(text)
}

/// How much of an expression is not the author's own, from nothing to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A constant, or made of constants and numbers.
    Constant,
    /// It may be anything.
    Unknown,
    /// A string with something in it that is no constant.
    Built,
    /// From a request.
    Request,
}

/// What is known of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) kind: Kind,
    /// Whether it is text, as far as can be seen.
    pub(super) is_text: bool,
    /// Whether some part of it reads like SQL.
    pub(super) is_sql: bool,
    /// Where it was put together or read.
    pub(super) origin: Range<usize>,
}

impl Value {
    fn new(kind: Kind, node: Node<'_>) -> Self {
        Self { kind, is_text: false, is_sql: false, origin: node.byte_range() }
    }

    /// Either of two.
    fn or(self, other: Self) -> Self {
        let (is_text, is_sql) = (self.is_text || other.is_text, self.is_sql || other.is_sql);
        let worst = if other.kind > self.kind { other } else { self };
        Self { is_text, is_sql, ..worst }
    }

    /// Both, one after the other, as text.
    fn and(self, other: Self, whole: Node<'_>) -> Self {
        let is_text = self.is_text || other.is_text;
        let kind = match self.kind.max(other.kind) {
            Kind::Unknown if is_text => Kind::Built,
            kind => kind,
        };
        let origin = if kind == Kind::Request { self.clone().or(other.clone()).origin } else { whole.byte_range() };
        Self { kind, is_text, is_sql: self.is_sql || other.is_sql, origin }
    }
}

#[derive(Debug)]
struct Bound {
    value: Value,
    /// The text it was bound to.
    source: Range<usize>,
    /// How deep in the tree that was.
    depth: u32,
}

/// The variables that can be seen where the walk is.
#[derive(Debug)]
pub(super) struct Scopes<'t> {
    pub(super) text: &'t str,
    pub(super) dialect: &'static Dialect,
    /// The innermost last; the first is the file's.
    scopes: Vec<HashMap<&'t str, Bound>>,
    /// Other names of things from elsewhere.
    pub(super) aliases: HashMap<String, String>,
    /// The functions that are being walked through, the innermost last.
    functions: Vec<Range<usize>>,
    /// Nodes of expressions that may yet be looked at in this text: calls in calls in calls are looked at again and again.
    nodes_left: Cell<usize>,
}

impl<'t> Scopes<'t> {
    pub(super) fn new(text: &'t str, dialect: &'static Dialect) -> Self {
        Self {
            text,
            dialect,
            scopes: vec![HashMap::new()],
            aliases: HashMap::new(),
            functions: Vec::new(),
            nodes_left: Cell::new(NODES_OF_TEXT + text.len()),
        }
    }

    pub(super) fn enter(&mut self, function: Node<'_>) {
        self.scopes.push(HashMap::new());
        self.functions.push(function.byte_range());
    }

    pub(super) fn leave(&mut self) {
        self.scopes.pop();
        self.functions.pop();
    }

    /// The text of the function that is being walked through.
    pub(super) fn function(&self) -> Option<&'t str> {
        self.text.get(self.functions.last()?.clone())
    }

    pub(super) fn source(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    /// The text that a name was last bound to.
    pub(super) fn bound_source(&self, name: &str) -> Option<&'t str> {
        let bound = self.scopes.iter().rev().find_map(|scope| scope.get(name))?;
        self.text.get(bound.source.clone())
    }

    /// Binds a name. What is bound in a branch may or may not be there afterwards: the worse of the two is kept.
    pub(super) fn bind(&mut self, name: &'t str, value: Value, source: Range<usize>, depth: u32) {
        let scope = self.scopes.last_mut().expect("the file's scope is never left");
        let value = match scope.remove(name) {
            Some(old) if depth > old.depth => value.or(old.value),
            _ => value,
        };
        scope.insert(name, Bound { value, source, depth });
    }

    /// Adds to what a name is bound to.
    pub(super) fn extend(&mut self, name: &'t str, node: Node<'_>, value: Value, depth: u32) {
        let old = self.lookup(name);
        let value = match old {
            Some(old) => old.and(value, node),
            None => value,
        };
        self.scopes
            .last_mut()
            .expect("the file's scope is never left")
            .insert(name, Bound { value, source: node.byte_range(), depth });
    }

    fn lookup(&self, name: &str) -> Option<Value> {
        // Few functions stand in so many others.
        self.scopes.iter().rev().take(16).find_map(|scope| scope.get(name)).map(|bound| bound.value.clone())
    }

    /// Whether there was more in the text than may be looked at.
    pub(super) fn is_exhausted(&self) -> bool {
        self.nodes_left.get() == 0
    }

    /// What is known of an expression.
    pub(super) fn value(&self, node: Node<'_>) -> Value {
        let given = NODES_MAX.min(self.nodes_left.get());
        let mut nodes_left = given;
        let value = self.look(node, DEPTH_MAX, &mut nodes_left);
        self.nodes_left.set(self.nodes_left.get() - (given - nodes_left));
        value
    }

    fn look(&self, node: Node<'_>, depth: usize, nodes_left: &mut usize) -> Value {
        let unknown = Value::new(Kind::Unknown, node);
        if depth == 0 || *nodes_left == 0 {
            return unknown;
        }
        *nodes_left -= 1;
        let (dialect, kind) = (self.dialect, node.kind());
        let is = |list: &[&str]| list.contains(&kind);
        if is(dialect.constants) {
            return Value::new(Kind::Constant, node);
        }
        if is(dialect.strings) {
            return self.string(node, depth, nodes_left);
        }
        if is(dialect.binaries) {
            return self.binary(node, depth, nodes_left);
        }
        if is(dialect.transparent) {
            let inner = u32::try_from(node.named_child_count().saturating_sub(1)).unwrap_or(0);
            return node.named_child(inner).map_or(unknown, |inner| self.look(inner, depth - 1, nodes_left));
        }
        if ["as_expression", "satisfies_expression", "non_null_expression", "type_cast_expression"].contains(&kind) {
            return node.named_child(0).map_or(unknown, |inner| self.look(inner, depth - 1, nodes_left));
        }
        if is(dialect.choices) {
            return self.any(node, Value::new(Kind::Constant, node), depth, nodes_left);
        }
        if is(dialect.lists) {
            let inner = match node.child_by_field_name("body") {
                Some(body) => self.look(body, depth - 1, nodes_left),
                None => self.any(node, Value::new(Kind::Constant, node), depth, nodes_left),
            };
            return Value { is_text: false, ..inner };
        }
        if let Some(shape) = dialect.calls.iter().find(|shape| shape.kind == kind) {
            return self.call(node, *shape, depth, nodes_left);
        }
        if ["identifier", "shorthand_property_identifier"].contains(&kind) {
            return self.name(node);
        }
        let object = dialect.members.iter().chain(dialect.indexes).find(|shape| shape.kind == kind);
        match object {
            Some(_) if self.is_request(node) => Value { is_text: true, ..Value::new(Kind::Request, node) },
            Some(shape) => self.part_of(node, *shape, depth, nodes_left),
            None => unknown,
        }
    }

    /// A member of what came from a request did, too; so is one of a constant, which is named in capitals.
    fn part_of(&self, node: Node<'_>, shape: Shape, depth: usize, nodes_left: &mut usize) -> Value {
        let unknown = Value::new(Kind::Unknown, node);
        let last = node.child_by_field_name(shape.second);
        if last.is_some_and(|last| is_constant_name(self.source(last))) {
            return Value { is_text: true, ..Value::new(Kind::Constant, node) };
        }
        let object = node.child_by_field_name(shape.first).or_else(|| node.named_child(0));
        match object.map(|object| self.look(object, depth - 1, nodes_left)) {
            Some(value) if value.kind == Kind::Request || value.kind == Kind::Constant => value,
            _ => unknown,
        }
    }

    fn name(&self, node: Node<'_>) -> Value {
        let name = self.source(node);
        if let Some(value) = self.lookup(name) {
            return value;
        }
        let is_constant = is_constant_name(name) || name == "undefined";
        Value { is_text: is_constant, ..Value::new(if is_constant { Kind::Constant } else { Kind::Unknown }, node) }
    }

    /// The worst of the named children.
    fn any(&self, node: Node<'_>, start: Value, depth: usize, nodes_left: &mut usize) -> Value {
        let mut cursor = node.walk();
        let mut value = start;
        for child in node.named_children(&mut cursor) {
            if *nodes_left == 0 {
                break;
            }
            if child.kind() != "comment" {
                value = value.or(self.look(child, depth - 1, nodes_left));
            }
        }
        value
    }

    fn string(&self, node: Node<'_>, depth: usize, nodes_left: &mut usize) -> Value {
        let is_sql = SQL.is_match(self.source(node));
        let mut value = Value { is_text: true, is_sql, ..Value::new(Kind::Constant, node) };
        let mut cursor = node.walk();
        for child in node.named_children(&mut cursor) {
            let inner = if self.dialect.interpolations.contains(&child.kind()) {
                child.named_child(0).map(|inner| self.look(inner, depth - 1, nodes_left))
            } else if self.dialect.strings.contains(&child.kind()) {
                Some(self.look(child, depth - 1, nodes_left))
            } else {
                None
            };
            if let Some(inner) = inner {
                value = value.and(inner, node);
            }
            if *nodes_left == 0 {
                break;
            }
        }
        value
    }

    /// Operands from the left, without going down a long chain by recursion.
    fn binary(&self, node: Node<'_>, depth: usize, nodes_left: &mut usize) -> Value {
        let (mut operands, mut left) = (Vec::new(), node);
        while self.dialect.binaries.contains(&left.kind()) && operands.len() < NODES_MAX {
            let operator = left.child_by_field_name("operator").map_or("", |operator| self.source(operator));
            let (Some(first), Some(second)) = (left.child_by_field_name("left"), left.child_by_field_name("right"))
            else {
                return Value::new(Kind::Unknown, node);
            };
            match operator {
                "+" | "||" | "??" | "or" => operands.push(second),
                // `"..." % x` puts together; `7 % x` does not, and is no text.
                "%" => {
                    let format = self.source(first);
                    if !TEXT_VERB.is_match(format) && self.dialect.strings.contains(&first.kind()) {
                        return Value { is_text: true, ..Value::new(Kind::Constant, node) };
                    }
                    operands.push(second);
                }
                // Text times a number.
                "*" => return self.look(first, depth - 1, nodes_left),
                "/" if self.dialect.strings.contains(&second.kind()) || !operands.is_empty() => operands.push(second),
                "/" => {
                    return self.look(first, depth - 1, nodes_left).or(self.look(second, depth - 1, nodes_left));
                }
                _ => return Value::new(Kind::Constant, node),
            }
            left = first;
        }
        let mut value = self.look(left, depth - 1, nodes_left);
        for operand in operands.into_iter().rev() {
            value = value.and(self.look(operand, depth - 1, nodes_left), node);
        }
        value
    }

    fn call(&self, node: Node<'_>, shape: Shape, depth: usize, nodes_left: &mut usize) -> Value {
        let unknown = Value::new(Kind::Unknown, node);
        if shape.second.is_empty() {
            return self.macro_call(node);
        }
        if self.is_request(node) {
            return Value { is_text: true, ..Value::new(Kind::Request, node) };
        }
        let Some(call) = super::call::Call::of(self, node) else { return unknown };
        if CLEANER.is_match(call.name) || call.is(self.dialect.cleaners) {
            return Value { is_text: true, ..Value::new(Kind::Constant, node) };
        }
        let arguments = |nodes_left: &mut usize| {
            let mut all = Value::new(Kind::Constant, node);
            for argument in &call.arguments {
                all = all.or(self.look(argument.node, depth - 1, nodes_left));
            }
            all
        };
        if call.is(self.dialect.formats) {
            let first = call.arguments.first().map(|argument| argument.node);
            let start = call.receiver.filter(|_| !is_type_name(self, call.receiver)).or(first);
            let lead = start.map_or_else(|| unknown.clone(), |start| self.look(start, depth - 1, nodes_left));
            let is_literal = start.is_some_and(|start| self.dialect.strings.contains(&start.kind()));
            let brings_text = !is_literal
                || !["Sprintf", "format", "formatted"].contains(&call.name)
                || start.is_some_and(|start| TEXT_VERB.is_match(self.source(start)));
            let rest = arguments(nodes_left);
            let rest = if brings_text { rest } else { Value::new(Kind::Constant, node) };
            return Value { is_text: true, ..lead }.and(rest, node);
        }
        match call.name {
            // Text of text: `", ".join(names)`, `names.map(...).join(", ")`.
            "join" | "map" | "fill" | "repeat" => {
                let receiver = call.receiver.map(|receiver| self.look(receiver, depth - 1, nodes_left));
                let inner = match call.arguments.first().map(|argument| argument.node) {
                    Some(function) if self.dialect.functions.contains(&function.kind()) => {
                        match function.child_by_field_name("body") {
                            Some(body) => return self.look(body, depth - 1, nodes_left),
                            None => unknown,
                        }
                    }
                    _ => arguments(nodes_left),
                };
                receiver.map_or(inner.clone(), |receiver| receiver.or(inner))
            }
            // What is read as a number is one.
            "parse" | "parseInt" | "parse_int" if call.receiver.is_some() => Value::new(Kind::Constant, node),
            _ => match call.receiver.map(|receiver| self.look(receiver, depth - 1, nodes_left)) {
                // What is made of a request's text is a request's still: `request.args.get("a").strip()`.
                Some(value) if value.kind != Kind::Unknown => value,
                _ if [
                    "String::from",
                    "str",
                    "String",
                    "string",
                    "Some",
                    "Ok",
                    "[]byte",
                    "bytes",
                    "Path",
                    "PathBuf::from",
                ]
                .contains(&call.path.as_str()) =>
                {
                    arguments(nodes_left)
                }
                _ => unknown,
            },
        }
    }

    /// The arguments of a macro are tokens: its text says whether it puts something together.
    fn macro_call(&self, node: Node<'_>) -> Value {
        let name = node.child_by_field_name("macro").map_or("", |name| self.source(name));
        if !["format", "std::format", "format_args", "concat"].contains(&name) {
            return Value::new(Kind::Unknown, node);
        }
        let source = self.source(node);
        let is_sql = SQL.is_match(source);
        let has_hole = source.replace("{{", "").contains('{');
        let mut value = Value { is_text: true, is_sql, ..Value::new(Kind::Constant, node) };
        if name == "concat" || !has_hole {
            return value;
        }
        value.kind = Kind::Built;
        // Names among the tokens, and in the holes.
        for word in source.split(|char: char| !(char.is_alphanumeric() || char == '_')).take(200) {
            if let Some(Value { kind: Kind::Request, origin, .. }) = self.lookup(word) {
                (value.kind, value.origin) = (Kind::Request, origin);
            }
        }
        value
    }

    /// Whether a path begins with one that a request brings.
    fn is_request(&self, node: Node<'_>) -> bool {
        let Some(path) = self.path(node) else { return false };
        let is_prefix = |start: &&str| {
            path.strip_prefix(*start)
                .is_some_and(|rest| start.ends_with(')') || rest.is_empty() || rest.starts_with(['.', '[', '(', '?']))
        };
        self.dialect.requests.iter().any(is_prefix)
    }

    /// `a.b().c` for what reads so, with names from elsewhere by their full names; nothing for other expressions.
    pub(super) fn path(&self, node: Node<'_>) -> Option<String> {
        let (mut parts, mut node) = (Vec::new(), node);
        let root = loop {
            if parts.len() > PATH_PARTS_MAX {
                return None;
            }
            let kind = node.kind();
            if let Some(shape) = self.dialect.calls.iter().find(|shape| shape.kind == kind) {
                if kind == "method_invocation" {
                    let name = node.child_by_field_name("name")?;
                    parts.push(format!("{}()", self.source(name)));
                    match node.child_by_field_name("object") {
                        Some(object) => node = object,
                        None => break String::new(),
                    }
                    continue;
                }
                if shape.second.is_empty() {
                    return None;
                }
                parts.push("()".to_owned());
                node = node.child_by_field_name(shape.first)?;
            } else if let Some(shape) = self.dialect.members.iter().find(|shape| shape.kind == kind) {
                if shape.first.is_empty() {
                    break self.source(node).to_owned();
                }
                parts.push(self.source(node.child_by_field_name(shape.second)?).to_owned());
                match node.child_by_field_name(shape.first) {
                    Some(object) => node = object,
                    None => break String::new(),
                }
            } else if let Some(shape) = self.dialect.indexes.iter().find(|shape| shape.kind == kind) {
                parts.push("[]".to_owned());
                node = node.child_by_field_name(shape.first).or_else(|| node.named_child(0))?;
            } else if ["generic_function", "generic_type", "non_null_expression", "await_expression", "try_expression"]
                .contains(&kind)
                || self.dialect.transparent.contains(&kind)
            {
                node = node.named_child(0)?;
            } else if kind == "scoped_identifier" {
                // `std::process::Command::new` is `Command::new`, however much of it is written.
                let mut last = self.source(node).rsplitn(3, "::");
                let (name, owner) = (last.next()?, last.next().unwrap_or_default());
                break if owner.is_empty() { name.to_owned() } else { format!("{owner}::{name}") };
            } else if ["identifier", "type_identifier", "this", "self", "super", "import", "scoped_type_identifier"]
                .contains(&kind)
            {
                let name = self.source(node);
                break self.aliases.get(name).cloned().unwrap_or_else(|| name.to_owned());
            } else {
                return None;
            }
        };
        let mut path = root;
        for part in parts.iter().rev() {
            let is_suffix = part == "()" || part == "[]";
            if !is_suffix && !path.is_empty() {
                path.push('.');
            }
            path.push_str(part);
            if path.len() > PATH_BYTES_MAX {
                return None;
            }
        }
        Some(path)
    }
}

/// Whether the receiver of a call is a type: then what is formatted is the first argument.
fn is_type_name(scopes: &Scopes<'_>, node: Option<Node<'_>>) -> bool {
    let Some(node) = node.filter(|node| node.kind().ends_with("identifier")) else { return false };
    let name = scopes.source(node);
    name.starts_with(char::is_uppercase) || ["fmt", "strings", "util"].contains(&name)
}

/// `TABLE_NAMES`: written by the author, once.
fn is_constant_name(name: &str) -> bool {
    name.len() > 1
        && name.starts_with(|char: char| char.is_ascii_uppercase() || char == '_')
        && name.chars().all(|char| char.is_ascii_uppercase() || char.is_ascii_digit() || char == '_')
        && name.chars().any(|char| char.is_ascii_uppercase())
}
