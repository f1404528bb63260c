//! Rust: the harness that comes with it, and the attributes of those that build on it.

use tree_sitter::{Node, Tree};

use super::facts::{Reader, Scope, Strength, head, is_followed, up, walk};
use crate::base::Severity;

/// Variables that test runners set.
const RUNNER_VARIABLES: [&str; 5] =
    ["RUST_TEST_THREADS", "NEXTEST", "NEXTEST_RUN_ID", "NEXTEST_EXECUTION_MODE", "RUST_TEST_NOCAPTURE"];
const OPERANDS_MAX: usize = 2_000;
const DETECTS: &str = "let the code do the same whoever calls it";

/// Attributes that stand before the next item.
#[derive(Default)]
struct Pending<'n> {
    is_test: bool,
    is_table: bool,
    should_panic: bool,
    /// Where it is ignored, and whether only at times.
    ignored: Option<(Node<'n>, bool)>,
    /// `cfg(test)`, or with more besides.
    for_tests: Option<Node<'n>>,
    /// `cfg(test)` alone.
    only_in_tests: bool,
    /// `cfg(not(test))`.
    not_for_tests: Option<Node<'n>>,
}

pub(super) fn read(tree: &Tree, reader: &mut Reader<'_>) {
    let mut pending = Pending::default();
    walk(tree, |node, path| {
        reader.arrive(node);
        visit(node, path, &mut pending, reader);
    });
}

fn visit<'n>(node: Node<'n>, path: &[Node<'n>], pending: &mut Pending<'n>, reader: &mut Reader<'_>) {
    let parent = up(path, 1).map_or("", |parent| parent.kind());
    if path.iter().rev().take(6).any(|node| node.kind() == "attribute_item") || node.is_extra() {
        return;
    }
    if node.kind() == "attribute_item" {
        attribute(node, pending, reader);
        return;
    }
    let is_place = matches!(
        parent,
        "source_file" | "declaration_list" | "block" | "match_block" | "enum_variant_list" | "field_declaration_list"
    );
    let before = if is_place && node.is_named() { std::mem::take(pending) } else { Pending::default() };
    detects_by_cfg(node, parent, &before, reader);
    match node.kind() {
        "mod_item" => {
            let name = node.child_by_field_name("name").map_or("", |name| reader.of(name));
            reader.open(node, Scope::Named(name.to_owned()));
            if before.for_tests.is_some() {
                reader.open(node, Scope::TestCode);
            }
        }
        "function_item" => function(node, &before, reader),
        "macro_invocation" => macro_call(node, reader),
        "call_expression" => call(node, path, reader),
        "let_declaration" | "struct_item" | "enum_item" => reader.count_call(),
        "try_expression" => reader.assertion(node, Strength::Implicit),
        "if_expression" | "match_arm" => reader.open(node, Scope::Branch),
        "for_expression" | "while_expression" | "loop_expression" => reader.count_loop(),
        "return_expression" => early_return(node, path, reader),
        "string_literal" if !is_test_code(reader) => {
            let content = reader.of(node).trim_matches('"');
            let is_argument = matches!(parent, "arguments" | "token_tree");
            if is_argument && RUNNER_VARIABLES.contains(&content) {
                let message = format!("the code asks whether `{content}` is there: whether it is being tested");
                reader.mark("tdd/detects-tests", Severity::Error, node, message, DETECTS);
            }
        }
        _ => {}
    }
}

fn is_test_code(reader: &Reader<'_>) -> bool {
    reader.is_test_file || reader.is_in(&Scope::TestCode) || reader.test().is_some()
}

fn attribute<'n>(node: Node<'n>, pending: &mut Pending<'n>, reader: &Reader<'_>) {
    let text: String = reader.of(node).chars().filter(|char| !char.is_whitespace()).collect();
    let text = text.trim_start_matches("#[").trim_end_matches(']');
    let name = text.split(['(', '=']).next().unwrap_or_default();
    match name.rsplit("::").next().unwrap_or_default() {
        "test" | "proptest" | "quickcheck" | "wasm_bindgen_test" => pending.is_test = true,
        "rstest" | "test_case" | "case" | "values" | "parameterized" => {
            (pending.is_test, pending.is_table) = (true, true)
        }
        "should_panic" => pending.should_panic = true,
        "ignore" => pending.ignored = Some((node, false)),
        "cfg" => match text {
            "cfg(test)" => (pending.for_tests, pending.only_in_tests) = (Some(node), true),
            "cfg(not(test))" => pending.not_for_tests = Some(node),
            "cfg(any())" | "cfg(not(all()))" | "cfg(FALSE)" | "cfg(false)" => pending.ignored = Some((node, false)),
            _ if text.starts_with("cfg(all(test,") => pending.for_tests = Some(node),
            _ => {}
        },
        "cfg_attr" if text.ends_with(",ignore)") || text.contains(",ignore=") => {
            pending.ignored = Some((node, !text.starts_with("cfg_attr(all(),")));
        }
        _ => {}
    }
}

/// Code that is another in tests: whole statements of a function, or twins of an item.
fn detects_by_cfg(node: Node<'_>, parent: &str, before: &Pending<'_>, reader: &mut Reader<'_>) {
    if is_test_code(reader) {
        return;
    }
    let is_item = node.kind().ends_with("_item")
        || matches!(node.kind(), "use_declaration" | "macro_definition" | "extern_crate_declaration");
    if let Some(attribute) =
        before.for_tests.filter(|_| before.only_in_tests && parent == "block" && !is_item && !asserts(node, reader))
    {
        let message = "this part of the code runs in tests only";
        reader.mark("tdd/detects-tests", Severity::Error, attribute, message, DETECTS);
    }
    if let Some(attribute) =
        before.not_for_tests.filter(|_| !matches!(node.kind(), "use_declaration" | "mod_item" | "macro_definition"))
    {
        let message = "this part of the code is another in tests";
        reader.mark("tdd/detects-tests", Severity::Warning, attribute, message, DETECTS);
    }
}

/// Whether a statement only asserts: a check that is built into tests changes nothing of what the code does.
fn asserts(node: Node<'_>, reader: &Reader<'_>) -> bool {
    reader
        .of(node)
        .trim_start_matches(['{', ' ', '\n', '\r', '\t'])
        .split(['!', '('])
        .next()
        .is_some_and(|name| name.contains("assert"))
}

fn function(node: Node<'_>, before: &Pending<'_>, reader: &mut Reader<'_>) {
    let name = node.child_by_field_name("name").map_or("", |name| reader.of(name));
    if !before.is_test {
        // What is only compiled says something, too.
        reader.count_call();
        if before.for_tests.is_some() {
            reader.open(node, Scope::TestCode);
        }
        reader.open(node, Scope::Function);
        return;
    }
    let skip = before.ignored;
    reader.pending_skip = skip.is_some_and(|(_, is_conditional)| !is_conditional);
    reader.open_test(node, name, node.byte_range());
    if let Some((attribute, is_conditional)) = skip {
        reader.skip(attribute, is_conditional);
    }
    if before.should_panic {
        reader.invert();
    }
    if before.is_table {
        reader.count_loop();
    }
}

fn macro_call(node: Node<'_>, reader: &mut Reader<'_>) {
    let name = node.child_by_field_name("macro").map_or("", |name| reader.of(name));
    let name = name.rsplit("::").next().unwrap_or_default();
    let text = head(&reader.text[node.byte_range()], OPERANDS_MAX);
    let inside = text.find(['(', '[', '{']).map_or("", |at| text[at + 1..].trim_end_matches([')', ']', '}', ';']));
    if name == "cfg" && !is_test_code(reader) {
        let condition: String = inside.chars().filter(|char| !char.is_whitespace()).collect();
        if condition == "test" || condition == "not(test)" {
            let message = "the code asks whether it is built for tests";
            reader.mark("tdd/detects-tests", Severity::Error, node, message, DETECTS);
        }
        return;
    }
    if !is_test_code(reader) {
        return;
    }
    reader.count_call();
    let strength = match name {
        "assert" | "debug_assert" | "prop_assert" => of_condition(inside),
        "assert_eq" | "debug_assert_eq" | "prop_assert_eq" | "assert_ne" | "prop_assert_ne" => {
            let operands = operands(inside);
            match operands.as_slice() {
                [one, other, ..] if one == other && !one.contains('(') && name.ends_with("eq") => Strength::Trivial,
                [one, other, ..] if is_literal(one) && is_literal(other) => Strength::Trivial,
                _ if name.ends_with("eq") => Strength::Equal,
                _ => Strength::Compare,
            }
        }
        "panic" | "unreachable" | "bail" => Strength::Compare,
        "proptest" | "quickcheck" => {
            reader.count_loop();
            Strength::Compare
        }
        _ if name.starts_with("assert") => Strength::Equal,
        _ if name.starts_with("check") || name.starts_with("expect") => Strength::Equal,
        _ => return,
    };
    reader.assertion(node, strength);
}

/// The operands of a macro: what stands between commas that are in no bracket and no text.
fn operands(inside: &str) -> Vec<String> {
    let (mut depth, mut in_text, mut is_escaped) = (0_i32, false, false);
    let mut operands = vec![String::new()];
    for char in inside.chars() {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' if in_text => is_escaped = true,
            '"' => in_text = !in_text,
            '(' | '[' | '{' if !in_text => depth += 1,
            ')' | ']' | '}' if !in_text => depth -= 1,
            ',' if !in_text && depth == 0 => {
                operands.push(String::new());
                continue;
            }
            _ => {}
        }
        operands.last_mut().expect("there is one").push(char);
    }
    operands.iter().map(|operand| operand.trim().to_owned()).collect()
}

fn is_literal(text: &str) -> bool {
    let is_text = text.len() > 1 && text.starts_with('"') && text.find('"') != text.rfind('"') && text.ends_with('"');
    text == "true"
        || text == "false"
        || is_text
        || (!text.is_empty() && text.chars().all(|char| char.is_ascii_digit() || char == '_'))
}

fn of_condition(inside: &str) -> Strength {
    let operands = operands(inside);
    let condition = operands.first().map_or("", String::as_str);
    let or_true = condition.split("||").any(|part| part.trim() == "true");
    match condition {
        "true" | "!false" => Strength::Trivial,
        _ if or_true && !condition.contains('"') => Strength::Trivial,
        _ if condition.contains(".is_ok() ||") && condition.contains(".is_err()") => Strength::Trivial,
        _ => match condition.split_once("==") {
            Some((one, other)) if one.trim() == other.trim() && !one.contains('(') => Strength::Trivial,
            Some((one, other)) if is_literal(one.trim()) && is_literal(other.trim()) => Strength::Trivial,
            Some(_) => Strength::Equal,
            None if condition.contains(['<', '>', '='])
                || condition.contains("matches!")
                || condition.contains("contains") =>
            {
                Strength::Compare
            }
            None => Strength::Truthy,
        },
    }
}

fn call<'n>(node: Node<'n>, path: &[Node<'n>], reader: &mut Reader<'_>) {
    let Some(function) = node.child_by_field_name("function") else { return };
    let name = match function.kind() {
        "field_expression" => function.child_by_field_name("field").map_or("", |name| reader.of(name)),
        "scoped_identifier" if function.byte_range().len() < 100 => reader.of(function),
        "identifier" => reader.of(function),
        _ => "",
    };
    let last = name.rsplit("::").next().unwrap_or_default();
    if !is_test_code(reader) {
        if name == "libc::_exit" {
            early_exit(node, Severity::Warning, reader);
        }
        return;
    }
    reader.count_call();
    let argument = node.child_by_field_name("arguments").map_or("", |list| reader.of(list));
    match last {
        "unwrap" | "expect" | "unwrap_err" | "expect_err" => reader.assertion(node, Strength::Implicit),
        "exit" if argument == "(0)" => early_exit(node, Severity::Error, reader),
        // A child that was forked has to end so.
        "_exit" if argument == "(0)" => early_exit(node, Severity::Warning, reader),
        "catch_unwind" => {
            let parent = up(path, 1).map_or("", |parent| parent.kind());
            let is_dropped = parent == "expression_statement"
                || up(path, 1).is_some_and(|parent| {
                    parent.kind() == "let_declaration" && reader.of(parent).starts_with("let _ =")
                });
            if is_dropped {
                reader.swallows(node, node, None, "`catch_unwind` swallows what panics here");
            }
        }
        _ if last.starts_with("assert") => reader.assertion(node, Strength::Equal),
        _ if ["check", "expect", "verify", "ensure", "should"].iter().any(|start| last.starts_with(start)) => {
            reader.assertion(node, Strength::Equal);
        }
        "for_each" => reader.count_loop(),
        _ => {}
    }
}

fn early_exit(node: Node<'_>, severity: Severity, reader: &mut Reader<'_>) {
    let message =
        format!("`{}` ends the process with success, whatever is still to be tested", head(reader.of(node), 60));
    reader.mark("tdd/early-exit", severity, node, message, "let the runner end by itself");
}

fn early_return<'n>(node: Node<'n>, path: &[Node<'n>], reader: &mut Reader<'_>) {
    let (statement, block, function) = (up(path, 1), up(path, 2), up(path, 3));
    let test = reader.test().and_then(|at| reader.facts.tests.get(at));
    let is_of_test = function.zip(test).is_some_and(|(function, test)| function.byte_range() == test.span);
    let is_followed = statement.zip(block).is_some_and(|(statement, block)| is_followed(reader.text, statement, block));
    if is_of_test && is_followed {
        let message = "the test returns before its end; what follows never runs";
        reader.mark("tdd/early-exit", Severity::Error, node, message, "take the `return` out");
    }
}
