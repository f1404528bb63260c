//! `review/debug-leftover`: breakpoints, and prints that only whoever wrote them wants to see.
//!
//! A breakpoint is one wherever it stands. A print is judged by what it prints, since many a program prints for a living: `here`,
//! `DEBUG: ...`, `>>> ...`, or a bare value without a word about it.

use std::sync::LazyLock;

use regex::Regex;
use tree_sitter::Node;

use super::leftovers::{Leftover, Source};
use crate::base::Severity;
use crate::gates::language::Language;

/// What nobody prints for others to read, at the beginning of a text.
static TALK: LazyLock<Regex> = LazyLock::new(|| {
    let text = r"(?i)^[\W_]*(?:debug(?:ging)?\b|dbg\b|here\W*$|here \d|(?:i am|i'm|we are|got) here|reached\b.{0,20}$|xxx+\b|asdf|wtf|checkpoint ?\d|test(?:ing)? ?\d+\W*$)|^\s*(?:[#*=>!<-])(?:[#*=>!<-]){2,}\s*\w";
    Regex::new(text).expect("the expression is one")
});
/// Only a value, without a word: `{:?}`, `{x:?}`, `{x=}`, `%v`, `%+v`.
static BARE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\W*(?:\{\w*:#?\?\}|\{\w+ ?= ?\}|%[+#]?v)(?:\\n)?\W*$").expect("the expression is one")
});

/// Children of a node that are looked at.
const CHILDREN_MAX: u32 = 20;

/// What stops a program for a debugger.
const BREAKPOINTS: [&str; 14] = [
    "breakpoint",
    "pdb.set_trace",
    "ipdb.set_trace",
    "pudb.set_trace",
    "pdb.post_mortem",
    "code.interact",
    "IPython.embed",
    "runtime.Breakpoint",
    "debugpy.breakpoint",
    "debugpy.wait_for_client",
    "celery.contrib.rdb.set_trace",
    "rdb.set_trace",
    "web_pdb.set_trace",
    "wdb.set_trace",
];

fn breakpoint(what: &str) -> Leftover {
    Leftover {
        rule: "review/debug-leftover",
        severity: Severity::Error,
        message: format!("`{what}` stops the program for a debugger"),
        help: "remove it",
    }
}

fn print(what: &str) -> Leftover {
    Leftover {
        rule: "review/debug-leftover",
        severity: Severity::Warning,
        message: format!("`{what}` looks like a print of whoever looked for a mistake"),
        help: "remove it, or log it as the program logs",
    }
}

/// What a node of a syntax tree is, if it is left from debugging; `above` are the nodes it is in, the outermost first.
pub(super) fn debug_of(node: Node<'_>, above: &[Node<'_>], source: &Source<'_>) -> Option<Leftover> {
    match (source.language, node.kind()) {
        (Language::Python, "call") => call(node, source, "function"),
        (Language::JavaScript | Language::TypeScript | Language::Tsx, "debugger_statement") => {
            Some(breakpoint("debugger"))
        }
        (Language::JavaScript | Language::TypeScript | Language::Tsx | Language::Go, "call_expression") => {
            call(node, source, "function")
        }
        (Language::Rust, "macro_invocation") => rust_macro(node, above, source),
        (Language::Java, "method_invocation") => java(node, source),
        _ => None,
    }
}

fn call(node: Node<'_>, source: &Source<'_>, field: &str) -> Option<Leftover> {
    let name = source.field(node, field);
    if BREAKPOINTS.contains(&name) {
        return Some(breakpoint(name));
    }
    let is_print = match source.language {
        Language::Python => matches!(name, "print" | "pprint" | "pprint.pprint" | "ic"),
        Language::Go => {
            matches!(
                name,
                "fmt.Println"
                    | "fmt.Printf"
                    | "fmt.Print"
                    | "println"
                    | "print"
                    | "log.Println"
                    | "log.Printf"
                    | "spew.Dump"
            )
        }
        _ => matches!(
            name,
            "console.log"
                | "console.debug"
                | "console.trace"
                | "console.dir"
                | "console.table"
                | "console.error"
                | "alert"
        ),
    };
    if !is_print {
        return None;
    }
    // These print for nobody else, wherever they stand.
    let is_tracing = matches!(name, "ic" | "spew.Dump" | "console.trace") && !source.is_test;
    let arguments = node.child_by_field_name("arguments")?;
    let first = argument(arguments)?;
    let is_talk =
        string_of(first, source).is_some_and(|text| TALK.is_match(text) || !prints(source) && BARE.is_match(text));
    let is_bare = name == "console.log" && !prints(source) && is_only_values(arguments);
    (is_tracing || is_talk || is_bare).then(|| print(name))
}

/// Whether printing is what the file is for.
fn prints(source: &Source<'_>) -> bool {
    source.prints || source.is_test
}

fn argument(arguments: Node<'_>) -> Option<Node<'_>> {
    named(arguments).find(|node| !node.is_extra())
}

/// The first named children: finding one takes as long as there are others before it.
fn named(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    (0..CHILDREN_MAX).map_while(move |index| node.named_child(index))
}

/// Whether all that is printed are names and what hangs on them: `console.log(user, order.id)`.
fn is_only_values(arguments: Node<'_>) -> bool {
    let is_value = |node: Node<'_>| matches!(node.kind(), "identifier" | "member_expression" | "subscript_expression");
    named(arguments).count() > 0 && named(arguments).all(is_value)
}

/// The text of a literal, or of the one that a sum of texts begins with, without its quotes.
fn string_of<'t>(node: Node<'_>, source: &Source<'t>) -> Option<&'t str> {
    let mut node = node;
    for _ in 0..CHILDREN_MAX {
        match node.child_by_field_name("left").filter(|_| node.kind().contains("binary")) {
            Some(left) => node = left,
            None => break,
        }
    }
    let is_text = node.kind().contains("string");
    let quotes: &[char] = &['"', '\'', '`'];
    is_text.then(|| source.text_of(node).trim_start_matches(['f', 'r', 'b', 'F', 'R']).trim_matches(quotes))
}

fn rust_macro(node: Node<'_>, above: &[Node<'_>], source: &Source<'_>) -> Option<Leftover> {
    let name = source.field(node, "macro");
    match name {
        "dbg" | "std::dbg" => {
            Some(Leftover { message: "`dbg!` prints for whoever looks for a mistake".to_owned(), ..print("dbg!") })
        }
        "println" | "eprintln" | "print" | "eprint" => {
            // The arguments of a macro are tokens: the first of them, if it is a text.
            let tokens = named(node).find(|child| child.kind() == "token_tree")?;
            let text = string_of(argument(tokens)?, source)?;
            let in_tests =
                above.iter().any(|one| one.kind() == "mod_item" && source.field(*one, "name").starts_with("test"));
            let is_left = TALK.is_match(text) || !prints(source) && !in_tests && BARE.is_match(text);
            is_left.then(|| print(&format!("{name}!")))
        }
        _ => None,
    }
}

fn java(node: Node<'_>, source: &Source<'_>) -> Option<Leftover> {
    let (object, name) = (source.field(node, "object"), source.field(node, "name"));
    let is_print = matches!(object, "System.out" | "System.err") && matches!(name, "println" | "print" | "printf");
    if object == "Thread" && name == "dumpStack" {
        return Some(print("Thread.dumpStack"));
    }
    let text = string_of(argument(node.child_by_field_name("arguments")?)?, source)?;
    (is_print && TALK.is_match(text)).then(|| print(&format!("{object}.{name}")))
}

/// The same in a line of a language without a grammar.
pub(super) fn debug_in_line(line: &str) -> Option<Leftover> {
    const STOPS: [&str; 6] = ["binding.pry", "binding.irb", "byebug", "xdebug_break(", "debugger;", "IEx.pry"];
    const DUMPS: [&str; 4] = ["var_dump(", "print_r(", "dd(", "dump("];
    let starts = |word: &str| line.starts_with(word);
    let stop = STOPS.iter().find(|word| starts(word)).map(|word| breakpoint(word.trim_end_matches(['(', ';'])));
    stop.or_else(|| DUMPS.iter().find(|word| starts(word)).map(|word| print(word.trim_end_matches('('))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn talk_is_told_from_words_for_others() {
        for text in
            ["here", "HERE!!", "here 2", "DEBUG: x", "[debug] user", ">>> start", "=== after", "got here", "test 1"]
        {
            assert!(TALK.is_match(text), "{text}");
        }
        for text in [
            "here is the report",
            "debugger attached",
            "listening on 8080",
            "--help",
            "- item",
            "testing the water",
            "===",
            "usage: x",
        ] {
            assert!(!TALK.is_match(text), "{text}");
        }
        for text in ["{:?}", "{x:#?}", "{user=}", "%+v\\n"] {
            assert!(BARE.is_match(text), "{text}");
        }
        assert!(!BARE.is_match("{}") && !BARE.is_match("user {:?}"));
    }
}
