//! JavaScript and TypeScript: jest, vitest, mocha, node:test, ava and their kin.

use tree_sitter::{Node, Tree};

use super::facts::{Reader, Scope, Strength, any_beneath, children, head, is_followed, up, walk};
use crate::base::Severity;

const CASES: [&str; 3] = ["it", "test", "specify"];
const GROUPS: [&str; 3] = ["describe", "suite", "context"];
const RUNNER_VARIABLES: [&str; 7] =
    ["JEST_WORKER_ID", "VITEST", "VITEST_WORKER_ID", "VITEST_POOL_ID", "NODE_TEST_CONTEXT", "MOCHA_COLORS", "AVA_PATH"];
const RUNNER_NAMES: [&str; 8] = ["jest", "describe", "it", "expect", "vi", "mocha", "beforeEach", "jasmine"];
const TRUTHY: [&str; 7] = ["toBeTruthy", "toBeDefined", "toBeFalsy", "ok", "exist", "notToBeNull", "truthy"];
const EQUAL: [&str; 14] = [
    "toBe",
    "toEqual",
    "toStrictEqual",
    "toMatchObject",
    "toBeCloseTo",
    "equal",
    "eql",
    "deepEqual",
    "strictEqual",
    "deepStrictEqual",
    "equals",
    "eq",
    "is",
    "same",
];
const DETECTS: &str = "let the code do the same whoever calls it";

pub(super) fn read(tree: &Tree, reader: &mut Reader<'_>) {
    walk(tree, |node, path| {
        reader.arrive(node);
        visit(node, path, reader);
    });
}

fn visit<'n>(node: Node<'n>, path: &[Node<'n>], reader: &mut Reader<'_>) {
    match node.kind() {
        "call_expression" => call(node, path, reader),
        "if_statement" | "ternary_expression" | "switch_statement" | "catch_clause" => reader.open(node, Scope::Branch),
        "function_declaration" | "method_definition" => reader.open(node, Scope::Function),
        "for_statement" | "for_in_statement" | "while_statement" => reader.count_loop(),
        "try_statement" => try_statement(node, reader),
        "return_statement" => early_return(node, path, reader),
        "assignment_expression" => {
            patched(node, reader);
            if !reader.is_test_file {
                return;
            }
            let side = |name| node.child_by_field_name(name).map_or("", |side| reader.of(side));
            if side("left") == "process.exitCode" && ["0", "undefined"].contains(&side("right")) {
                early_exit(node, reader);
            }
        }
        "member_expression" | "subscript_expression" if !reader.is_test_file => variable(node, reader),
        "binary_expression" if !reader.is_test_file => environment(node, reader),
        "unary_expression" if !reader.is_test_file => {
            let name = reader.of(node).strip_prefix("typeof ").unwrap_or_default();
            if RUNNER_NAMES.contains(&name.trim()) {
                detects(node, &format!("`{}`", name.trim()), Severity::Error, reader);
            }
        }
        _ => {}
    }
}

/// Whether something takes the place of an assertion: `assert.strictEqual = () => {}`.
fn patched(node: Node<'_>, reader: &mut Reader<'_>) {
    let Some(left) = node.child_by_field_name("left").filter(|left| left.kind() == "member_expression") else { return };
    let whole = reader.of(left);
    let object = whole.rsplit_once('.').map_or("", |(object, _)| object);
    if ["assert", "assert.strict", "expect", "chai.assert", "chai.expect"].contains(&object) {
        let message = format!("`{whole}` is replaced, so that tests say what this says");
        reader.mark("tdd/patched-runner", Severity::Error, node, message, "leave the test runner as it is");
    }
}

fn call<'n>(node: Node<'n>, path: &[Node<'n>], reader: &mut Reader<'_>) {
    let Some(function) = node.child_by_field_name("function") else { return };
    let arguments = node.child_by_field_name("arguments");
    let list = arguments.map(children).unwrap_or_default();
    if !reader.is_test_file {
        return;
    }
    let callee = callee(function, reader);
    let mut parts = callee.split('.');
    let base = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let plain = base.strip_prefix(['x', 'f']).unwrap_or(base);
    let (is_case, is_group) =
        (CASES.contains(&base) || CASES.contains(&plain), GROUPS.contains(&base) || GROUPS.contains(&plain));
    let modifiers = [
        "skip",
        "only",
        "todo",
        "failing",
        "fails",
        "concurrent",
        "sequential",
        "each",
        "for",
        "skipIf",
        "runIf",
        "serial",
    ];
    if (is_case || is_group) && rest.iter().all(|word| modifiers.contains(word)) {
        // `test.each(table)` is the function of the call that names the test.
        let is_function_of_call = up(path, 1).is_some_and(|parent| {
            parent.kind() == "call_expression" && parent.child_by_field_name("function") == Some(node)
        });
        if !is_function_of_call {
            case(node, base, &rest, &list, (is_case, plain != base), reader);
        }
        return;
    }
    reader.count_call();
    match callee.as_str() {
        "process.exit" | "Deno.exit" => {
            if list.first().is_none_or(|code| ["0", "undefined"].contains(&reader.of(*code))) {
                early_exit(node, reader);
            }
        }
        "this.skip" | "t.skip" | "ctx.skip" | "context.skip" | "t.todo" => reader.skip(node, reader.is_conditional()),
        "expect" => expect(node, path, list.first().copied(), reader),
        _ => {
            if let Some(strength) = of_call(base, &rest, &list, reader) {
                reader.assertion(node, strength);
            }
            let catches = rest.last() == Some(&"catch")
                || function.child_by_field_name("property").is_some_and(|name| reader.of(name) == "catch");
            let object = function.child_by_field_name("object");
            if let (true, Some(handler), Some(object)) = (catches, list.first(), object)
                && is_empty_function(*handler, reader)
            {
                reader.swallows(node, object, Some(*handler), "`catch` swallows what is thrown here");
            }
        }
    }
    if matches!(rest.last(), Some(&"forEach" | &"map")) {
        reader.count_loop();
    }
}

/// The dotted name of what is called, without the arguments of calls in it.
fn callee(function: Node<'_>, reader: &Reader<'_>) -> String {
    let mut parts = Vec::new();
    let mut at = function;
    for _ in 0..12 {
        match at.kind() {
            "member_expression" => {
                parts.push(at.child_by_field_name("property").map_or("", |name| reader.of(name)));
                let Some(object) = at.child_by_field_name("object") else { break };
                at = object;
            }
            "call_expression" => {
                let Some(inner) = at.child_by_field_name("function") else { break };
                at = inner;
            }
            _ => {
                parts.push(head(reader.of(at), 80));
                break;
            }
        }
    }
    parts.reverse();
    parts.join(".")
}

fn case(
    node: Node<'_>,
    base: &str,
    rest: &[&str],
    list: &[Node<'_>],
    (is_case, has_prefix): (bool, bool),
    reader: &mut Reader<'_>,
) {
    let function = list.iter().find(|one| matches!(one.kind(), "arrow_function" | "function_expression" | "function"));
    let is_named = list
        .first()
        .is_some_and(|first| matches!(first.kind(), "string" | "template_string" | "identifier" | "binary_expression"));
    if reader.test().is_some() && function.is_none() {
        // `test.skip()` and `test.skip(condition)` in a test.
        if rest.contains(&"skip") {
            reader.skip(node, !list.is_empty() || reader.is_conditional());
        }
        return;
    }
    if !is_named {
        return;
    }
    let name = list.first().map_or("", |first| reader.of(*first)).trim_matches(['"', '\'', '`']).to_owned();
    let option = |key: &str| {
        list.iter().filter(|one| one.kind() == "object").flat_map(|object| children(*object)).any(|pair| {
            let text = reader.of(pair).replace(' ', "");
            text.starts_with(&format!("{key}:")) && !text.ends_with(":false")
        })
    };
    let is_skipped = rest.iter().any(|word| ["skip", "failing", "fails"].contains(word))
        || (has_prefix && base.starts_with('x'))
        || option("skip");
    let is_todo = rest.contains(&"todo") || option("todo");
    let is_focused = rest.contains(&"only") || (has_prefix && base.starts_with('f')) || option("only");
    reader.pending_skip = is_skipped || is_todo;
    match is_case {
        true => reader.open_test(node, &name, node.byte_range()),
        false => {
            reader.pending_skip = false;
            reader.open(node, Scope::Named(name));
        }
    }
    if is_skipped {
        reader.skip(node, false);
    } else if is_todo {
        let message = "a test is announced here, and not written";
        reader.mark("tdd/skipped-test", Severity::Warning, node, message, "write the test");
    }
    if rest.contains(&"skipIf") || rest.contains(&"runIf") {
        reader.skip(node, true);
    }
    if is_focused {
        let message = "this keeps all other tests from running";
        reader.mark("tdd/focused-test", Severity::Error, node, message, "take the `only` out");
    }
    if rest.contains(&"each") || rest.contains(&"for") {
        reader.count_loop();
    }
}

fn is_literal(node: Node<'_>) -> bool {
    matches!(node.kind(), "true" | "false" | "number" | "string" | "null" | "undefined")
}

/// `expect(x)` with what is asked of it.
fn expect<'n>(node: Node<'n>, path: &[Node<'n>], subject: Option<Node<'n>>, reader: &mut Reader<'_>) {
    let (mut at, mut names, mut last_list) = (node, Vec::new(), Vec::new());
    for parent in path.iter().rev().take(10).copied() {
        match parent.kind() {
            "member_expression" if parent.child_by_field_name("object") == Some(at) => {
                names.push(parent.child_by_field_name("property").map_or("", |name| reader.of(name)));
            }
            "call_expression" if parent.child_by_field_name("function") == Some(at) => {
                last_list = parent.child_by_field_name("arguments").map(children).unwrap_or_default();
            }
            _ => break,
        }
        at = parent;
    }
    let expected = last_list.first().copied();
    let is_constant = subject.is_some_and(is_literal) && expected.is_none_or(is_literal);
    let is_same = match (subject, expected) {
        (Some(subject), Some(expected)) => reader.are_same(subject, expected),
        _ => false,
    };
    let is_equal = names.iter().any(|name| EQUAL.contains(name));
    let strength = match () {
        () if names.is_empty() || is_constant || (is_same && is_equal && !names.contains(&"not")) => Strength::Trivial,
        () if is_equal => Strength::Equal,
        () if names.iter().any(|name| TRUTHY.contains(name)) => Strength::Truthy,
        () => Strength::Compare,
    };
    reader.assertion(at, strength);
}

fn of_call(base: &str, rest: &[&str], list: &[Node<'_>], reader: &Reader<'_>) -> Option<Strength> {
    let last = rest.last().copied().unwrap_or_default();
    let first = list.first().copied();
    let is_assert = base == "assert" || base == "chai" || (base == "t" && !rest.is_empty());
    if is_assert {
        return Some(match list {
            [one, other, ..] if EQUAL.contains(&last) && reader.are_same(*one, *other) => Strength::Trivial,
            _ if EQUAL.contains(&last) => Strength::Equal,
            _ if base == "t"
                && ![
                    "true",
                    "truthy",
                    "false",
                    "falsy",
                    "throws",
                    "throwsAsync",
                    "not",
                    "notDeepEqual",
                    "like",
                    "regex",
                    "ok",
                    "fail",
                    "pass",
                    "rejects",
                    "match",
                    "notOk",
                ]
                .contains(&last) =>
            {
                return None;
            }
            _ if last == "pass" => Strength::Trivial,
            _ if first
                .is_some_and(|first| is_literal(first) && !matches!(first.kind(), "false" | "null" | "undefined"))
                && !last.starts_with("fail") =>
            {
                Strength::Trivial
            }
            _ if matches!(last, "" | "ok" | "truthy" | "true" | "isTrue" | "isOk" | "exists") => {
                match first.map(|first| of_condition(first, reader)) {
                    Some(strength) => strength,
                    None => Strength::Truthy,
                }
            }
            _ => Strength::Compare,
        });
    }
    if base == "expect" {
        return None;
    }
    let name = if rest.is_empty() { base } else { last };
    let is_helper =
        ["assert", "check", "verify", "ensure", "should", "expect"].iter().any(|start| name.starts_with(start));
    is_helper.then_some(Strength::Equal)
}

fn of_condition(node: Node<'_>, reader: &Reader<'_>) -> Strength {
    if node.kind() != "binary_expression" {
        return Strength::Truthy;
    }
    let operator = node.child_by_field_name("operator").map_or("", |operator| operator.kind());
    let side = |name| node.child_by_field_name(name);
    match (operator, side("left"), side("right")) {
        ("||", Some(left), Some(right)) if left.kind() == "true" || right.kind() == "true" => Strength::Trivial,
        ("==" | "===", Some(left), Some(right)) if reader.are_same(left, right) => Strength::Trivial,
        ("==" | "===", ..) => Strength::Equal,
        ("||" | "&&", ..) => Strength::Truthy,
        _ => Strength::Compare,
    }
}

fn is_empty_function(node: Node<'_>, reader: &Reader<'_>) -> bool {
    let Some(body) = node.child_by_field_name("body") else { return false };
    match body.kind() {
        "statement_block" => children(body).is_empty(),
        _ => ["undefined", "null", "{}", "void 0", "true", "false"].contains(&reader.of(body)),
    }
}

fn try_statement(node: Node<'_>, reader: &mut Reader<'_>) {
    let (Some(body), Some(handler)) = (node.child_by_field_name("body"), node.child_by_field_name("handler")) else {
        return;
    };
    let tells = |node: Node<'_>| {
        node.kind() == "throw_statement"
            || node.kind() == "call_expression" && {
                let call = reader.of(node);
                ["expect", "assert", "fail", "done", "t.", "reject", "should"].iter().any(|name| call.starts_with(name))
            }
    };
    if reader.is_test_file && !any_beneath(handler, tells) {
        reader.swallows(node, body, Some(handler), "`catch` swallows what is thrown here");
    }
}

fn early_exit(node: Node<'_>, reader: &mut Reader<'_>) {
    let message =
        format!("`{}` ends the process with success, whatever is still to be tested", head(reader.of(node), 60));
    reader.mark("tdd/early-exit", Severity::Error, node, message, "let the runner end by itself");
}

fn early_return<'n>(node: Node<'n>, path: &[Node<'n>], reader: &mut Reader<'_>) {
    let of = up(path, 2).filter(|function| matches!(function.kind(), "arrow_function" | "function_expression"));
    let call = of.and(up(path, 4));
    let test = reader.test().and_then(|at| reader.facts.tests.get(at));
    let is_of_test = call.zip(test).is_some_and(|(call, test)| call.byte_range() == test.span);
    if is_of_test && up(path, 1).is_some_and(|body| is_followed(reader.text, node, body)) {
        let message = "the test returns before its end; what follows never runs";
        reader.mark("tdd/early-exit", Severity::Error, node, message, "take the `return` out");
    }
}

fn variable(node: Node<'_>, reader: &mut Reader<'_>) {
    let name = match node.kind() {
        "member_expression" => node.child_by_field_name("property"),
        _ => node.child_by_field_name("index"),
    };
    let name = name.map_or("", |name| reader.of(name)).trim_matches(['"', '\'', '`']);
    let object = node.child_by_field_name("object").map_or("", |object| reader.of(object));
    let is_variable = object.ends_with("env") && RUNNER_VARIABLES.contains(&name);
    let is_global = ["globalThis", "global", "window"].contains(&object) && RUNNER_NAMES.contains(&name);
    if is_variable || is_global {
        detects(node, &format!("`{name}`"), Severity::Error, reader);
    }
}

fn environment(node: Node<'_>, reader: &mut Reader<'_>) {
    let side = |name| node.child_by_field_name(name).map_or("", |side| reader.of(side));
    let (left, right) = (side("left"), side("right"));
    let is_test = |text: &str| text.trim_matches(['"', '\'', '`']) == "test";
    if (left.ends_with("NODE_ENV") && is_test(right)) || (right.ends_with("NODE_ENV") && is_test(left)) {
        detects(node, "`NODE_ENV` is `test`", Severity::Warning, reader);
    }
}

fn detects(node: Node<'_>, what: &str, severity: Severity, reader: &mut Reader<'_>) {
    let message = format!("the code asks for {what}: whether it is being tested");
    reader.mark("tdd/detects-tests", severity, node, message, DETECTS);
}
