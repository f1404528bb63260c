//! One walk over a syntax tree, with a cursor and so without recursion: what names are bound to is kept for the scopes the walk
//! is in, and each call is held against the rules.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use tree_sitter::{Node, Tree, TreeCursor};

use super::call::Call;
use super::dialect::Dialect;
use super::imports::aliases;
use super::parameters::is_from_request;
use super::rule::Sink;
use super::value::{Kind, Scopes, Value};
use crate::gates::{LANGUAGES, Language};

/// Names that one pattern binds.
const NAMES_MAX: usize = 32;

/// A rule that holds somewhere.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) rule: &'static str,
    pub(super) span: Range<usize>,
    /// Where what is wrong with it comes from.
    pub(super) origin: Range<usize>,
    pub(super) is_request: bool,
}

/// What a kind of node is to the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Other,
    Call,
    /// Bound once its value has been walked through.
    Binding(usize),
    /// Bound before the rest is.
    Loop(usize),
    Function,
    Import,
}

/// The classes of a grammar's kinds, by their numbers.
static CLASSES: LazyLock<Vec<Vec<Class>>> = LazyLock::new(|| LANGUAGES.into_iter().map(classes).collect());

fn classes(language: Language) -> Vec<Class> {
    let Some(dialect) = Dialect::of(language) else { return Vec::new() };
    let grammar = language.grammar();
    let class = |kind: &str| {
        if dialect.calls.iter().any(|shape| shape.kind == kind) {
            Class::Call
        } else if let Some(at) = dialect.bindings.iter().position(|shape| shape.kind == kind) {
            if kind.contains("for") || kind == "range_clause" { Class::Loop(at) } else { Class::Binding(at) }
        } else if dialect.functions.contains(&kind) {
            Class::Function
        } else if ["import_statement", "import_from_statement", "import_spec", "use_as_clause"].contains(&kind) {
            Class::Import
        } else {
            Class::Other
        }
    };
    let kinds = 0..u16::try_from(grammar.node_kind_count()).unwrap_or(u16::MAX);
    kinds.map(|id| grammar.node_kind_for_id(id).map_or(Class::Other, class)).collect()
}

/// Holds every call of a tree against some sinks. The second says whether all of them could be.
pub(super) fn walk(language: Language, tree: &Tree, text: &str, sinks: &[&'static Sink]) -> (Vec<Found>, bool) {
    let Some(dialect) = Dialect::of(language) else { return (Vec::new(), true) };
    let mut walk = Walk {
        scopes: Scopes::new(text, dialect),
        classes: &CLASSES[language as usize],
        by_name: HashMap::new(),
        found: Vec::new(),
        finds_html: sinks.iter().any(|sink| sink.rule == "javascript-html"),
    };
    for sink in sinks {
        for callee in sink.callees {
            let name = callee.rsplit(['.', ':', ' ']).next().unwrap_or_default();
            let of_name = walk.by_name.entry(name).or_default();
            if !of_name.iter().any(|known| std::ptr::eq(*known, *sink)) {
                of_name.push(sink);
            }
        }
    }
    walk.run(tree.walk());
    (walk.found, !walk.scopes.is_exhausted())
}

struct Walk<'t> {
    scopes: Scopes<'t>,
    classes: &'static [Class],
    /// Sinks by the last word of what they call.
    by_name: HashMap<&'static str, Vec<&'static Sink>>,
    found: Vec<Found>,
    /// Whether what is assigned to `innerHTML` matters.
    finds_html: bool,
}

impl<'t> Walk<'t> {
    fn run(&mut self, mut cursor: TreeCursor<'t>) {
        // The cursor would count its way up each time.
        let mut depth = 0_u32;
        loop {
            self.enter(cursor.node(), depth);
            if cursor.goto_first_child() {
                depth += 1;
                continue;
            }
            loop {
                self.leave(cursor.node(), depth);
                if cursor.goto_next_sibling() {
                    break;
                }
                if !cursor.goto_parent() {
                    return;
                }
                depth -= 1;
            }
        }
    }

    fn class(&self, node: Node<'_>) -> Class {
        self.classes.get(usize::from(node.kind_id())).copied().unwrap_or(Class::Other)
    }

    fn enter(&mut self, node: Node<'t>, depth: u32) {
        match self.class(node) {
            Class::Call => self.call(node),
            Class::Loop(shape) => self.bind(node, shape, depth),
            Class::Function => {
                self.scopes.enter(node);
                self.parameters(node, depth);
            }
            Class::Import => aliases(&mut self.scopes, node),
            Class::Binding(_) | Class::Other => {}
        }
    }

    fn leave(&mut self, node: Node<'t>, depth: u32) {
        match self.class(node) {
            Class::Binding(shape) => self.bind(node, shape, depth),
            Class::Function => self.scopes.leave(),
            _ => {}
        }
    }

    fn call(&mut self, node: Node<'t>) {
        let Some(call) = Call::of(&self.scopes, node) else { return };
        let last = call.path.rsplit(['.', ':', ' ']).next().unwrap_or_default();
        let of_name =
            self.by_name.get(call.name).into_iter().chain(self.by_name.get(last).filter(|_| last != call.name));
        for sink in of_name.flatten() {
            if !call.is(sink.callees) {
                continue;
            }
            if let Some(value) = sink.when.holds(&call, &self.scopes) {
                let is_request = value.kind == Kind::Request;
                self.found.push(Found { rule: sink.rule, span: node.byte_range(), origin: value.origin, is_request });
            }
        }
    }

    fn bind(&mut self, node: Node<'t>, shape: usize, depth: u32) {
        let shape = self.scopes.dialect.bindings[shape];
        let Some(left) = node.child_by_field_name(shape.first) else { return };
        let Some(right) = node.child_by_field_name(shape.second) else { return };
        super::imports::required(&mut self.scopes, left, right);
        if left.kind() == "member_expression" && self.finds_html {
            if let Some(value) = super::javascript::html_assigned(&self.scopes, left, right) {
                let is_request = value.kind == Kind::Request;
                let rule = "javascript-html";
                self.found.push(Found { rule, span: node.byte_range(), origin: value.origin, is_request });
            }
            return;
        }
        let operator = node.child_by_field_name("operator").map_or("=", |operator| self.scopes.source(operator));
        let is_added = node.kind().starts_with("augmented") || node.kind().starts_with("compound") || operator == "+=";
        let names = names(left);
        if let ([name], true) = (names.as_slice(), is_added) {
            let value = self.scopes.value(right);
            self.scopes.extend(self.scopes.source(*name), node, value, depth);
            return;
        }
        let each = self.each(right, names.len());
        let whole = self.scopes.value(right);
        for (index, name) in names.iter().enumerate() {
            let (value, source) = match each.get(index) {
                Some(one) => (self.scopes.value(*one), one.byte_range()),
                None if names.len() == 1 || whole.kind == Kind::Request => (whole.clone(), right.byte_range()),
                None => (unknown(*name), right.byte_range()),
            };
            self.scopes.bind(self.scopes.source(*name), value, source, depth);
        }
    }

    /// The parts of a value that is bound to as many names.
    fn each(&self, right: Node<'t>, count: usize) -> Vec<Node<'t>> {
        let is_list = ["expression_list", "tuple"].contains(&right.kind());
        if !is_list || right.named_child_count() != count {
            return Vec::new();
        }
        let mut cursor = right.walk();
        right.named_children(&mut cursor).collect()
    }

    /// What a function is passed is not what the same names mean outside.
    fn parameters(&mut self, function: Node<'t>, depth: u32) {
        let Some(list) = ["parameters", "parameter"].iter().find_map(|field| function.child_by_field_name(field))
        else {
            return;
        };
        let mut cursor = list.walk();
        let parameters: Vec<Node<'t>> = match list.kind() {
            "identifier" => vec![list],
            _ => list.named_children(&mut cursor).take(NAMES_MAX).collect(),
        };
        for parameter in parameters {
            let is_request = is_from_request(&self.scopes, function, parameter);
            let field = ["pattern", "name", "left"].iter().find_map(|field| parameter.child_by_field_name(field));
            let pattern = field.or_else(|| parameter.named_child(0)).unwrap_or(parameter);
            for name in names(if parameter.kind() == "identifier" { parameter } else { pattern }) {
                let kind = if is_request { Kind::Request } else { Kind::Unknown };
                let value = Value { kind, is_text: is_request, ..unknown(name) };
                self.scopes.bind(self.scopes.source(name), value, parameter.byte_range(), depth);
            }
        }
    }
}

fn unknown(node: Node<'_>) -> Value {
    Value { kind: Kind::Unknown, is_text: false, is_sql: false, origin: node.byte_range() }
}

/// The names that a pattern binds.
fn names(pattern: Node<'_>) -> Vec<Node<'_>> {
    let is_name = |node: Node<'_>| ["identifier", "shorthand_property_identifier_pattern"].contains(&node.kind());
    let is_pattern = |node: Node<'_>| {
        let kind = node.kind();
        kind.ends_with("pattern")
            || ["expression_list", "pattern_list", "tuple", "pair_pattern", "left"].contains(&kind)
    };
    let (mut names, mut open) = (Vec::new(), vec![pattern]);
    let mut budget = NAMES_MAX * 2;
    while let Some(node) = open.pop().filter(|_| names.len() < NAMES_MAX && budget > 0) {
        budget -= 1;
        if is_name(node) {
            names.push(node);
        } else if is_pattern(node) {
            let mut cursor = node.walk();
            let mut children: Vec<_> = node.named_children(&mut cursor).take(NAMES_MAX).collect();
            // `Query(params)`: what it is made of is no name.
            if node.kind() == "tuple_struct_pattern" && !children.is_empty() {
                children.remove(0);
            }
            open.extend(children.into_iter().rev());
        }
    }
    names
}
