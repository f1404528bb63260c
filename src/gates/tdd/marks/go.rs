//! Go: package `testing`, and testify's assertions.

use tree_sitter::{Node, Tree};

use super::facts::{Reader, Scope, Strength, children, head, is_followed, up, walk};
use crate::base::Severity;

const FAILS: [&str; 6] = ["Error", "Errorf", "Fatal", "Fatalf", "Fail", "FailNow"];
const DETECTS: &str = "let the code do the same whoever calls it";

pub(super) fn read(tree: &Tree, reader: &mut Reader<'_>) {
    walk(tree, |node, path| {
        reader.arrive(node);
        visit(node, path, reader);
    });
}

fn visit<'n>(node: Node<'n>, path: &[Node<'n>], reader: &mut Reader<'_>) {
    match node.kind() {
        "function_declaration" => {
            let name = node.child_by_field_name("name").map_or("", |name| reader.of(name));
            let is_test = ["Test", "Fuzz", "Example", "Benchmark"]
                .iter()
                .any(|start| name.strip_prefix(start).is_some_and(|rest| !rest.starts_with(char::is_lowercase)));
            match reader.is_test_file && is_test && name != "TestMain" {
                true => {
                    reader.open_test(node, name, node.byte_range());
                    // Its claim is the comment at its end.
                    if name.starts_with("Example") || name.starts_with("Benchmark") {
                        reader.assertion(node, Strength::Compare);
                    }
                }
                false => reader.open(node, Scope::Function),
            }
        }
        "if_statement" | "expression_case" | "type_case" => reader.open(node, Scope::Branch),
        "for_statement" => reader.count_loop(),
        "call_expression" => call(node, path, reader),
        "return_statement" => early_return(node, path, reader),
        "comment" if reader.is_test_file => {
            let text = reader.of(node);
            if let Some(constraint) = text.strip_prefix("//go:build ") {
                let is_never = constraint.trim() == "ignore" || constraint.trim() == "never";
                reader.skip(node, !is_never);
            }
        }
        _ => {}
    }
}

fn call<'n>(node: Node<'n>, path: &[Node<'n>], reader: &mut Reader<'_>) {
    let Some(function) = node.child_by_field_name("function") else { return };
    let name = if function.byte_range().len() < 100 { reader.of(function) } else { "" };
    let list = node.child_by_field_name("arguments").map(children).unwrap_or_default();
    let (base, last) = name.rsplit_once('.').unwrap_or(("", name));
    if !reader.is_test_file {
        let argument = list.iter().map(|one| reader.of(*one)).collect::<Vec<_>>().join(",");
        let asks = name == "testing.Testing"
            || (name == "flag.Lookup" && argument.starts_with("\"test."))
            || (argument.contains("os.Args[0]") && argument.contains(".test"));
        if asks {
            let message = "the code asks whether it is being tested";
            reader.mark("tdd/detects-tests", Severity::Error, node, message, DETECTS);
        }
        return;
    }
    reader.count_call();
    let is_t = ["t", "b", "tb", "tt", "f", "s.T()", "suite.T()"].contains(&base);
    match last {
        "Skip" | "Skipf" | "SkipNow" if is_t => {
            let is_conditional = reader.is_conditional() && !is_constant(path, reader);
            reader.skip(node, is_conditional);
        }
        "Exit" if base == "os" && list.first().is_some_and(|code| reader.of(*code) == "0") => {
            let message = "`os.Exit(0)` ends the process with success, whatever is still to be tested";
            reader.mark("tdd/early-exit", Severity::Error, node, message, "end with what `m.Run` returns");
        }
        "Run" if is_t => reader.assertion(node, Strength::Implicit),
        _ if is_t && FAILS.contains(&last) => {
            let strength = if is_constant(path, reader) { Strength::Trivial } else { condition(path, reader) };
            reader.assertion(node, strength);
        }
        _ if ["assert", "require", "s", "suite", "is", "qt", "c"].contains(&base) => {
            if let Some(strength) = of_call(base, last, &list, reader) {
                reader.assertion(node, strength);
            }
        }
        _ => {
            let name = last.to_ascii_lowercase();
            if ["assert", "check", "expect", "verify", "must", "require", "ensure"]
                .iter()
                .any(|start| name.starts_with(start))
            {
                reader.assertion(node, Strength::Equal);
            }
        }
    }
}

/// The nearest `if` around, and its condition.
fn nearest_if<'n>(path: &[Node<'n>]) -> Option<Node<'n>> {
    let near = path.iter().rev().take(6).find(|node| matches!(node.kind(), "if_statement" | "func_literal"))?;
    (near.kind() == "if_statement").then(|| near.child_by_field_name("condition"))?
}

fn is_constant(path: &[Node<'_>], reader: &Reader<'_>) -> bool {
    nearest_if(path).is_some_and(|condition| match condition.kind() {
        "true" | "false" => true,
        "binary_expression" => {
            let side = |name| condition.child_by_field_name(name);
            side("left").zip(side("right")).is_some_and(|(left, right)| reader.are_same(left, right))
        }
        _ => false,
    })
}

fn condition(path: &[Node<'_>], reader: &Reader<'_>) -> Strength {
    let Some(condition) = nearest_if(path) else { return Strength::Compare };
    let operator = condition.child_by_field_name("operator").map_or("", |operator| operator.kind());
    let against_nil = condition.child_by_field_name("right").is_some_and(|right| reader.of(right) == "nil");
    match operator {
        "==" | "!=" if against_nil => Strength::Truthy,
        "!=" => Strength::Equal,
        _ => Strength::Compare,
    }
}

fn of_call(base: &str, name: &str, list: &[Node<'_>], reader: &Reader<'_>) -> Option<Strength> {
    // The first is `t`, but for those of a suite.
    let values =
        if list.first().is_some_and(|first| matches!(reader.of(*first), "t" | "b" | "tb")) { &list[1..] } else { list };
    Some(match (name, values) {
        ("Equal" | "EqualValues" | "Exactly" | "Same", [one, other, ..]) if reader.are_same(*one, *other) => {
            Strength::Trivial
        }
        ("True", [first, ..]) if first.kind() == "true" => Strength::Trivial,
        ("False", [first, ..]) if first.kind() == "false" => Strength::Trivial,
        ("NotNil" | "True" | "False" | "NotEmpty" | "NoError" | "Nil", _) => Strength::Truthy,
        _ if name.starts_with("Equal") || name == "JSONEq" || name == "ErrorIs" || name == "Len" => Strength::Equal,
        _ if matches!(base, "assert" | "require" | "is" | "qt") => Strength::Compare,
        _ if ["Contains", "Error", "Panics", "Greater", "Less", "Not", "Regexp", "ElementsMatch"]
            .iter()
            .any(|start| name.starts_with(start)) =>
        {
            Strength::Compare
        }
        _ => return None,
    })
}

fn early_return<'n>(node: Node<'n>, path: &[Node<'n>], reader: &mut Reader<'_>) {
    // The statements of a block may stand in a list of their own.
    let blocks = path.iter().rev().take(3).find(|node| node.kind() == "block");
    let function = path.iter().rev().take(3).find(|node| node.kind() == "function_declaration");
    let test = reader.test().and_then(|at| reader.facts.tests.get(at));
    let is_of_test = function.zip(test).is_some_and(|(function, test)| function.byte_range() == test.span);
    let is_direct = up(path, 1).is_some_and(|parent| matches!(parent.kind(), "block" | "statement_list"));
    if is_of_test && is_direct && blocks.is_some_and(|block| is_followed(reader.text, node, *block)) {
        let message = format!("`{}` ends the test before its end; what follows never runs", head(reader.of(node), 40));
        reader.mark("tdd/early-exit", Severity::Error, node, message, "take the `return` out");
    }
}
