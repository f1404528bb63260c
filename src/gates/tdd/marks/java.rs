//! Java: JUnit 3, 4 and 5, TestNG, AssertJ and Hamcrest.

use tree_sitter::{Node, Tree};

use super::facts::{Reader, Scope, Strength, any_beneath, children, head, is_followed, up, walk};
use crate::base::Severity;

const TESTS: [&str; 6] = ["Test", "ParameterizedTest", "RepeatedTest", "TestFactory", "TestTemplate", "Property"];
const DETECTS: &str = "let the code do the same whoever calls it";

pub(super) fn read(tree: &Tree, reader: &mut Reader<'_>) {
    // JUnit 3 tells tests by their names.
    let by_name = reader.is_test_file && reader.text.contains("extends TestCase");
    walk(tree, |node, path| {
        reader.arrive(node);
        visit(node, path, by_name, reader);
    });
}

fn visit<'n>(node: Node<'n>, path: &[Node<'n>], by_name: bool, reader: &mut Reader<'_>) {
    match node.kind() {
        "class_declaration" => {
            let name = node.child_by_field_name("name").map_or("", |name| reader.of(name));
            reader.open(node, Scope::Named(name.to_owned()));
            annotations(node, reader);
        }
        "method_declaration" => method(node, by_name, reader),
        "if_statement" | "catch_clause" | "switch_expression" | "ternary_expression" => {
            reader.open(node, Scope::Branch)
        }
        "for_statement" | "enhanced_for_statement" | "while_statement" => reader.count_loop(),
        "try_statement" | "try_with_resources_statement" => try_statement(node, reader),
        "method_invocation" => call(node, path, reader),
        "assert_statement" => {
            let is_constant = children(node).first().is_some_and(|condition| condition.kind() == "true");
            reader.assertion(node, if is_constant { Strength::Trivial } else { Strength::Compare });
        }
        "return_statement" => early_return(node, path, reader),
        "string_literal" if !reader.is_test_file => {
            let content = reader.of(node).trim_matches('"');
            let is_runner = ["org.junit", "surefire.", "org.testng"].iter().any(|start| content.starts_with(start));
            if is_runner {
                let message = format!("the code asks for `{}`: whether it is being tested", head(content, 60));
                reader.mark("tdd/detects-tests", Severity::Error, node, message, DETECTS);
            }
        }
        _ => {}
    }
}

/// Annotations of a class or method: whether it is a test, and whether a table of them.
fn annotations(node: Node<'_>, reader: &mut Reader<'_>) -> (bool, bool) {
    let (mut is_test, mut is_table) = (false, false);
    let modifiers = children(node).into_iter().find(|child| child.kind() == "modifiers");
    for annotation in modifiers.map(children).unwrap_or_default() {
        let text = reader.of(annotation);
        let name = text.trim_start_matches('@').split(['(', ' ', '\n']).next().unwrap_or_default();
        let name = name.rsplit('.').next().unwrap_or_default();
        is_test |= TESTS.contains(&name);
        is_table |= matches!(name, "ParameterizedTest" | "RepeatedTest" | "TestFactory" | "Property");
        let is_off = text.replace(' ', "").contains("enabled=false");
        if reader.is_test_file && (matches!(name, "Disabled" | "Ignore") || (TESTS.contains(&name) && is_off)) {
            reader.skip(annotation, false);
            reader.pending_skip = true;
        } else if reader.is_test_file
            && (name.starts_with("DisabledIf") || name.starts_with("DisabledOn") || name.starts_with("EnabledIf"))
        {
            reader.skip(annotation, true);
        }
    }
    (is_test, is_table)
}

fn method(node: Node<'_>, by_name: bool, reader: &mut Reader<'_>) {
    reader.pending_skip = false;
    let name = node.child_by_field_name("name").map_or("", |name| reader.of(name));
    let (is_annotated, is_table) = annotations(node, reader);
    let is_old = by_name && name.starts_with("test");
    if !reader.is_test_file || !(is_annotated || is_old) {
        reader.open(node, Scope::Function);
        return;
    }
    reader.open_test(node, name, node.byte_range());
    if is_table {
        reader.count_loop();
    }
    let modifiers = children(node).into_iter().find(|child| child.kind() == "modifiers");
    if modifiers.is_some_and(|modifiers| reader.of(modifiers).contains("expected")) {
        reader.invert();
    }
}

fn call<'n>(node: Node<'n>, path: &[Node<'n>], reader: &mut Reader<'_>) {
    let name = node.child_by_field_name("name").map_or("", |name| reader.of(name));
    let object = node.child_by_field_name("object").filter(|object| object.byte_range().len() < 100);
    let object = object.map_or("", |object| reader.of(object));
    let list = node.child_by_field_name("arguments").map(children).unwrap_or_default();
    if !reader.is_test_file {
        return;
    }
    reader.count_call();
    let first = list.first().copied();
    match name {
        "exit" | "halt" if object == "System" || object.contains("Runtime") => {
            if first.is_some_and(|code| reader.of(code) == "0") {
                let message = format!(
                    "`{}` ends the process with success, whatever is still to be tested",
                    head(reader.of(node), 60)
                );
                reader.mark("tdd/early-exit", Severity::Error, node, message, "let the runner end by itself");
            }
        }
        "assumeTrue" | "assumeFalse" | "assumeThat" => {
            let never = if name == "assumeTrue" { "false" } else { "true" };
            if first.is_some_and(|condition| reader.of(condition) == never) {
                reader.skip(node, reader.is_conditional());
            }
        }
        "assertThat" | "assertThatThrownBy" | "assertThatCode" => assert_that(node, path, &list, reader),
        _ => {
            if let Some(strength) = of_call(name, &list, reader) {
                reader.assertion(node, strength);
            }
        }
    }
}

fn is_literal(node: Node<'_>) -> bool {
    matches!(node.kind(), "true" | "false" | "decimal_integer_literal" | "string_literal" | "null_literal")
}

fn of_call(name: &str, list: &[Node<'_>], reader: &Reader<'_>) -> Option<Strength> {
    let first = list.first().copied();
    Some(match name {
        "assertEquals" | "assertSame" | "assertArrayEquals" | "assertIterableEquals" => match list {
            [one, other, ..] if reader.are_same(*one, *other) || (is_literal(*one) && is_literal(*other)) => {
                Strength::Trivial
            }
            _ => Strength::Equal,
        },
        "assertTrue" if first.is_some_and(|first| first.kind() == "true") => Strength::Trivial,
        "assertFalse" if first.is_some_and(|first| first.kind() == "false") => Strength::Trivial,
        "assertTrue" if first.is_some_and(|first| or_true(first, reader)) => Strength::Trivial,
        "assertTrue" | "assertFalse" | "assertNotNull" => Strength::Truthy,
        "fail" | "verify" | "verifyNoInteractions" | "verifyNoMoreInteractions" => Strength::Compare,
        _ if name.starts_with("assert") => Strength::Compare,
        _ if ["check", "expect", "should", "ensure", "andExpect"].iter().any(|start| name.starts_with(start)) => {
            Strength::Equal
        }
        _ => return None,
    })
}

fn or_true(node: Node<'_>, reader: &Reader<'_>) -> bool {
    let side = |name| node.child_by_field_name(name).map_or("", |side| reader.of(side));
    node.kind() == "binary_expression"
        && reader.of(node).contains("||")
        && [side("left"), side("right")].contains(&"true")
}

/// `assertThat(x)` with what is asked of it.
fn assert_that<'n>(node: Node<'n>, path: &[Node<'n>], list: &[Node<'n>], reader: &mut Reader<'_>) {
    let (mut at, mut names, mut expected) = (node, Vec::new(), None);
    for parent in path.iter().rev().take(10).copied() {
        if parent.kind() != "method_invocation" || parent.child_by_field_name("object") != Some(at) {
            break;
        }
        names.push(parent.child_by_field_name("name").map_or("", |name| reader.of(name)));
        expected = parent.child_by_field_name("arguments").map(children).and_then(|list| list.first().copied());
        at = parent;
    }
    let is_equal =
        names.iter().any(|name| name.starts_with("isEqualTo") || name.starts_with("contains") || *name == "isSameAs");
    let is_constant = list.first().is_some_and(|first| is_literal(*first)) && expected.is_none_or(is_literal);
    let is_same = list.first().zip(expected).is_some_and(|(one, other)| reader.are_same(*one, other));
    let strength = match list {
        // Hamcrest says all in one call.
        [_, _, ..] if names.is_empty() => Strength::Equal,
        _ if names.is_empty() || is_constant || (is_same && is_equal) => Strength::Trivial,
        _ if is_equal => Strength::Equal,
        _ if names
            .iter()
            .all(|name| ["isTrue", "isFalse", "isNotNull", "isNotEmpty", "isPresent", "as"].contains(name)) =>
        {
            Strength::Truthy
        }
        _ => Strength::Compare,
    };
    reader.assertion(at, strength);
}

fn try_statement(node: Node<'_>, reader: &mut Reader<'_>) {
    let Some(body) = node.child_by_field_name("body").filter(|_| reader.is_test_file) else { return };
    let clause = children(node).into_iter().filter(|child| child.kind() == "catch_clause").find(|clause| {
        let caught = reader.of(*clause).split('{').next().unwrap_or_default();
        let catches = ["Throwable", "AssertionError", "Error", "AssertionFailedError", "ComparisonFailure"]
            .iter()
            .any(|name| caught.split(|char: char| !char.is_alphanumeric()).any(|word| word == *name));
        let tells = |node: Node<'_>| {
            node.kind() == "throw_statement"
                || node.kind() == "method_invocation" && {
                    let call = reader.of(node);
                    call.starts_with("fail") || call.contains("assert") || call.contains("fail(")
                }
        };
        catches && !any_beneath(*clause, tells)
    });
    if let Some(clause) = clause {
        reader.swallows(node, body, Some(clause), "`catch` swallows what is thrown here");
    }
}

fn early_return<'n>(node: Node<'n>, path: &[Node<'n>], reader: &mut Reader<'_>) {
    let (block, method) = (up(path, 1), up(path, 2));
    let test = reader.test().and_then(|at| reader.facts.tests.get(at));
    let is_of_test = method.zip(test).is_some_and(|(method, test)| method.byte_range() == test.span);
    if is_of_test && block.is_some_and(|block| is_followed(reader.text, node, block)) {
        let message = "the test returns before its end; what follows never runs";
        reader.mark("tdd/early-exit", Severity::Error, node, message, "take the `return` out");
    }
}
