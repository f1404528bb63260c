//! `review/todo-left`: marks in comments that something is still to be done, and bodies that do nothing yet.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use tree_sitter::Node;

use super::leftovers::{Leftover, Source};
use crate::base::Severity;
use crate::gates::language::Language;

/// Children of a node that are looked at: finding one takes as long as there are others before it.
const CHILDREN_MAX: u32 = 50;
const CHARS_MAX: usize = 300;

/// A mark that begins a comment or a line of one, or is followed by what it marks.
static MARK: LazyLock<Regex> = LazyLock::new(|| {
    let text =
        r"(?m)(?:^[ \t/*#;<!%'-]*@?(TODO|FIXME|XXX|HACK)(?:[:(!\s.-]|$))|\b(TODO|FIXME|XXX|HACK)(?:\([^)\n]{0,60}\))?:";
    Regex::new(text).expect("the expression is one")
});
/// That it is known elsewhere: the number of an issue, or an address.
static REFERENCE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"#\d+|https?://|\b[A-Z][A-Z0-9]+-\d+\b").expect("the expression is one"));
/// What is said where nothing is done yet.
static NOT_YET: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)^\W*(?:todo\b|fixme\b|not (?:yet )?implemented|unimplemented|implement me|not supported yet|stub\b)",
    )
    .expect("the expression is one")
});

/// The first mark in a comment.
pub(super) fn mark_in_comment(comment: &str) -> Option<(Range<usize>, Leftover)> {
    let found = MARK.captures(comment)?;
    let mark = found.get(1).or_else(|| found.get(2))?;
    let rest = comment[mark.start()..].lines().next().unwrap_or_default();
    let is_known = REFERENCE.is_match(rest);
    let left = Leftover {
        rule: "review/todo-left",
        severity: if is_known { Severity::Advice } else { Severity::Warning },
        message: format!("a comment says that something is still to be done: `{}`", mark.as_str()),
        help: "do it now, or leave it out and say so in the report",
    };
    Some((mark.start()..mark.start() + rest.len(), left))
}

fn left(severity: Severity, message: String) -> Leftover {
    Leftover { rule: "review/todo-left", severity, message, help: "write what it has to do" }
}

/// What a node is, if it does nothing yet; `above` are the nodes it is in, the outermost first.
pub(super) fn unfinished(node: Node<'_>, above: &[Node<'_>], source: &Source<'_>) -> Option<Leftover> {
    match (source.language, node.kind()) {
        (Language::Rust, "macro_invocation") => match source.field(node, "macro") {
            "todo" => Some(left(Severity::Error, "`todo!` panics: this is not written yet".to_owned())),
            "unimplemented" if !source.is_test => {
                Some(left(Severity::Warning, "`unimplemented!` panics: this is not written yet".to_owned()))
            }
            _ => None,
        },
        (Language::Python, "function_definition") => empty_function(node, above, source),
        (Language::Python, "raise_statement") => raised(node, above, source),
        (Language::JavaScript | Language::TypeScript | Language::Tsx | Language::Java, "throw_statement") => {
            thrown(node, source)
        }
        (Language::Go, "call_expression") if source.field(node, "function") == "panic" => thrown(node, source),
        _ => None,
    }
}

/// `throw new Error("not implemented")`, `panic("later")`: by the first text in it.
fn thrown(node: Node<'_>, source: &Source<'_>) -> Option<Leftover> {
    let text = beginning(source.text_of(node));
    let quotes: &[char] = &['"', '\'', '`'];
    let said = &text[text.find(quotes)? + 1..];
    (!source.is_test && NOT_YET.is_match(said))
        .then(|| left(Severity::Warning, "this is not written yet, and says so when it is reached".to_owned()))
}

/// `raise NotImplementedError("todo")` anywhere, and without a word where no subclass could do better.
fn raised(node: Node<'_>, above: &[Node<'_>], source: &Source<'_>) -> Option<Leftover> {
    let text = beginning(source.text_of(node));
    if source.is_test || !text.contains("NotImplementedError") {
        return None;
    }
    let is_method = above.iter().any(|one| one.kind() == "class_definition");
    let quotes: &[char] = &['"', '\''];
    let says = text.find(quotes).is_some_and(|at| NOT_YET.is_match(&text[at + 1..]));
    let is_whole =
        !is_method && text.trim_end_matches("()") == "raise NotImplementedError" && is_only_statement(node, above);
    (says && !is_method || is_whole)
        .then(|| left(Severity::Warning, "`NotImplementedError`: this function is not written yet".to_owned()))
}

/// Whether a statement is all that its block has, but for a docstring.
fn is_only_statement(node: Node<'_>, above: &[Node<'_>]) -> bool {
    above.last().is_some_and(|block| block.kind() == "block" && statements(*block).all(|other| other.id() == node.id()))
}

/// The statements of a block of Python, without docstring and comments.
fn statements(block: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let all = (0..CHILDREN_MAX).map_while(move |index| block.named_child(index));
    all.filter(|node| !node.is_extra()).filter(|node| !is_docstring(*node))
}

/// As much of a text as a statement of one call has.
fn beginning(text: &str) -> &str {
    let end = text.char_indices().nth(CHARS_MAX).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

fn is_docstring(node: Node<'_>) -> bool {
    node.kind() == "expression_statement" && node.named_child(0).is_some_and(|inner| inner.kind() == "string")
}

/// A function of a module, without decorators, that is only `pass` or `...`. Methods may be there to be overridden.
fn empty_function(node: Node<'_>, above: &[Node<'_>], source: &Source<'_>) -> Option<Leftover> {
    let parent = above.last()?;
    let name = source.field(node, "name");
    let is_idle = name.starts_with('_')
        || ["noop", "no_op", "nothing", "ignore", "dummy", "stub", "on_"].iter().any(|word| name.starts_with(word));
    if parent.kind() != "module" || source.is_test || is_idle {
        return None;
    }
    let body = node.child_by_field_name("body")?;
    let mut rest = statements(body);
    let only = rest.next()?;
    let is_empty = only.kind() == "pass_statement"
        || only.kind() == "expression_statement" && only.named_child(0).is_some_and(|inner| inner.kind() == "ellipsis");
    (is_empty && rest.next().is_none())
        .then(|| left(Severity::Warning, format!("the function `{name}` does nothing yet")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_told_from_words() {
        for text in [
            "// TODO",
            "# TODO: x",
            "/* FIXME(me): y */",
            "// see below. TODO: z",
            " * @TODO w",
            "# XXX why?",
            "<!-- HACK -->",
        ] {
            assert!(mark_in_comment(text).is_some(), "{text}");
        }
        for text in [
            "// the TODO list",
            "# todo",
            "// TODOs are findings",
            "// mktemp x.XXX",
            "// a HACKER",
            "// no FIXME marks",
        ] {
            assert!(mark_in_comment(text).is_none(), "{text}");
        }
        let severity = |text| mark_in_comment(text).map(|(_, left)| left.severity);
        assert_eq!(severity("// TODO(#12): x"), Some(Severity::Advice));
        assert_eq!(severity("// TODO: x"), Some(Severity::Warning));
    }
}
