//! A call, as the rules see it.

use tree_sitter::Node;

use super::value::{Scopes, Value};

/// Arguments that are looked at.
const ARGUMENTS_MAX: usize = 32;

/// One argument.
#[derive(Debug, Clone, Copy)]
pub(super) struct Argument<'t> {
    /// What it is named in the call.
    pub(super) name: Option<&'t str>,
    pub(super) node: Node<'t>,
}

/// A call with the path of what is called.
#[derive(Debug)]
pub(super) struct Call<'t> {
    pub(super) node: Node<'t>,
    /// `subprocess.run`, `self.cursor.execute`, `new Function`; empty where it is no path.
    pub(super) path: String,
    /// The last word of it.
    pub(super) name: &'t str,
    /// What a method is called on.
    pub(super) receiver: Option<Node<'t>>,
    pub(super) arguments: Vec<Argument<'t>>,
}

impl<'t> Call<'t> {
    /// The call that a node is.
    pub(super) fn of(scopes: &Scopes<'t>, node: Node<'t>) -> Option<Self> {
        let shape = scopes.dialect.calls.iter().find(|shape| shape.kind == node.kind())?;
        if shape.second.is_empty() {
            return None;
        }
        let mut callee = node.child_by_field_name(shape.first)?;
        while ["generic_function", "generic_type", "parenthesized_expression"].contains(&callee.kind()) {
            callee = callee.named_child(0)?;
        }
        let member = scopes.dialect.members.iter().find(|shape| shape.kind == callee.kind());
        let (name, receiver) = match member {
            _ if node.kind() == "method_invocation" => (callee, node.child_by_field_name("object")),
            Some(member) => (callee.child_by_field_name(member.second)?, callee.child_by_field_name(member.first)),
            None => (callee, None),
        };
        let mut path = match node.kind() {
            "method_invocation" => scopes.path(node).map(|path| path.trim_end_matches("()").to_owned()),
            _ => scopes.path(callee),
        }
        .unwrap_or_default();
        if ["new_expression", "object_creation_expression"].contains(&node.kind()) {
            path = format!("new {}", path.rsplit('.').next().unwrap_or_default());
        }
        let name = scopes.source(name).rsplit("::").next().unwrap_or_default();
        let arguments = match node.child_by_field_name(shape.second) {
            Some(list) => arguments(scopes, list),
            None => Vec::new(),
        };
        Some(Self { node, path, name, receiver, arguments })
    }

    /// Whether it is one of these: `a.b` for a path, `*.b` for the method of anything.
    pub(super) fn is(&self, callees: &[&str]) -> bool {
        callees.iter().any(|callee| match callee.strip_prefix("*.") {
            Some(method) => self.receiver.is_some() && self.name == method,
            None => self.path == *callee,
        })
    }

    /// An argument by its place.
    pub(super) fn argument(&self, index: usize) -> Option<Node<'t>> {
        let argument = self.arguments.get(index)?;
        argument.name.is_none().then_some(argument.node)
    }

    /// An argument by its name.
    pub(super) fn named(&self, name: &str) -> Option<Node<'t>> {
        self.arguments.iter().find(|argument| argument.name == Some(name)).map(|argument| argument.node)
    }

    /// The source of an argument.
    pub(super) fn source(&self, scopes: &Scopes<'t>, index: usize) -> &'t str {
        self.argument(index).map_or("", |node| scopes.source(node))
    }

    /// The source of all that is passed.
    pub(super) fn passed(&self, scopes: &Scopes<'t>) -> &'t str {
        let first = self.arguments.first().map(|argument| argument.node.start_byte());
        let last = self.arguments.last().map(|argument| argument.node.end_byte());
        first.zip(last).and_then(|(first, last)| scopes.text.get(first..last)).unwrap_or_default()
    }

    /// What is known of an argument.
    pub(super) fn value(&self, scopes: &Scopes<'t>, index: usize) -> Option<Value> {
        Some(scopes.value(self.argument(index)?))
    }

    /// The calls of a chain, from this one to where it begins: `a.b().c()` has `c` and `b`.
    pub(super) fn chain(&self, scopes: &Scopes<'t>) -> Vec<Call<'t>> {
        let mut calls: Vec<Call<'t>> = Vec::new();
        let mut receiver = self.receiver;
        while let Some(node) = receiver.filter(|_| calls.len() < ARGUMENTS_MAX) {
            match Call::of(scopes, node) {
                Some(call) => {
                    receiver = call.receiver;
                    calls.push(call);
                }
                None if scopes.dialect.transparent.contains(&node.kind()) => receiver = node.named_child(0),
                None => break,
            }
        }
        calls
    }
}

fn arguments<'t>(scopes: &Scopes<'t>, list: Node<'t>) -> Vec<Argument<'t>> {
    if ["generator_expression", "template_string"].contains(&list.kind()) {
        return vec![Argument { name: None, node: list }];
    }
    let is_list = list.kind().starts_with("argument");
    if !is_list {
        return vec![Argument { name: None, node: list }];
    }
    let mut cursor = list.walk();
    let all = list.named_children(&mut cursor).filter(|node| !node.kind().ends_with("comment"));
    let argument = |node: Node<'t>| match (node.kind(), node.child_by_field_name("name")) {
        ("keyword_argument", Some(name)) => {
            Argument { name: Some(scopes.source(name)), node: node.child_by_field_name("value").unwrap_or(node) }
        }
        _ => Argument { name: None, node },
    };
    all.take(ARGUMENTS_MAX).map(argument).collect()
}
