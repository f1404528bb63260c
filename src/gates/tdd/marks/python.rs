//! Python: pytest and unittest.

use tree_sitter::{Node, Tree};

use super::facts::{Reader, Scope, Strength, any_beneath, children, head, is_followed, up, walk};
use crate::base::Severity;

/// Variables that test runners set.
const RUNNER_VARIABLES: [&str; 5] =
    ["PYTEST_CURRENT_TEST", "PYTEST_VERSION", "PYTEST_XDIST_WORKER", "PYTEST_RUN_CONFIG", "COVERAGE_RUN"];
const RUNNERS: [&str; 5] = ["pytest", "_pytest", "unittest", "nose", "py.test"];
const STACKS: [&str; 6] = [
    "inspect.stack",
    "inspect.currentframe",
    "sys._getframe",
    "traceback.extract_stack",
    "traceback.walk_stack",
    "traceback.format_stack",
];
/// How far conditions are followed into what they are made of.
const CONDITIONS_DEEP_MAX: usize = 12;
/// What a runner of `unittest` does with a failure.
const RUNNER_PARTS: [&str; 12] = [
    "run",
    "__call__",
    "fail",
    "failureException",
    "addError",
    "addFailure",
    "addSubTest",
    "addSkip",
    "wasSuccessful",
    "debug",
    "runTests",
    "_callTestMethod",
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
        "class_definition" => {
            let name = node.child_by_field_name("name").map_or("", |name| reader.of(name));
            reader.open(node, Scope::Named(name.to_owned()));
            reader.pending_skip = false;
        }
        "function_definition" => function(node, path, reader),
        "decorator" => decorator(node, reader),
        "if_statement" => {
            let condition = node.child_by_field_name("condition");
            let is_main = condition.is_some_and(|condition| reader.of(condition).contains("__name__"));
            reader.open(node, if is_main { Scope::Main } else { Scope::Branch });
        }
        "except_clause" | "elif_clause" | "else_clause" | "conditional_expression" => reader.open(node, Scope::Branch),
        "for_statement" | "while_statement" | "list_comprehension" | "generator_expression" => reader.count_loop(),
        "try_statement" => try_statement(node, reader),
        "with_statement" => with_statement(node, reader),
        "assert_statement" => {
            let strength =
                children(node).first().map_or(Strength::Trivial, |condition| of_condition(*condition, reader));
            reader.assertion(node, strength);
        }
        "call" => call(node, path, reader),
        "raise_statement" => raise(node, reader),
        "return_statement" => early_return(node, path, reader),
        "assignment" => assignment(node, reader),
        "string" => string(node, path, reader),
        _ => {}
    }
}

fn function<'n>(node: Node<'n>, path: &[Node<'n>], reader: &mut Reader<'_>) {
    let name = node.child_by_field_name("name").map_or("", |name| reader.of(name));
    let is_inner = reader.is_in(&Scope::Function) || reader.test().is_some();
    if reader.is_test_file && name.starts_with("test") && !is_inner {
        let from = up(path, 1).filter(|parent| parent.kind() == "decorated_definition").unwrap_or(node);
        let is_table = from != node
            && any_beneath(from, |node| node.kind() == "decorator" && reader.of(node).contains("parametrize"));
        reader.open_test(node, name, node.byte_range());
        if is_table {
            reader.count_loop();
        }
    } else {
        reader.open(node, Scope::Function);
    }
    reader.pending_skip = false;
}

fn decorator(node: Node<'_>, reader: &mut Reader<'_>) {
    if !reader.is_test_file {
        return;
    }
    let text = reader.of(node).trim_start_matches('@').trim();
    let name = text.split('(').next().unwrap_or_default().trim();
    match name.rsplit('.').next().unwrap_or_default() {
        "skip" | "expectedFailure" => skip(node, false, reader),
        "xfail" | "skipif" | "skipIf" | "skipUnless" => {
            let call = children(node).into_iter().find(|child| child.kind() == "call");
            let first = call
                .and_then(|call| call.child_by_field_name("arguments"))
                .and_then(|list| children(list).first().copied());
            let is_reason = first
                .is_none_or(|first| first.kind() == "keyword_argument" && !reader.of(first).starts_with("condition"));
            let condition = first.map_or("", |first| reader.of(first));
            let is_constant = match name.ends_with("skipUnless") {
                true => ["False", "0", "None", "\"\""].contains(&condition),
                false => is_true(condition),
            };
            let is_always = is_constant || (name.ends_with("xfail") && is_reason);
            skip(node, !is_always, reader);
        }
        _ => {}
    }
}

fn skip(node: Node<'_>, is_conditional: bool, reader: &mut Reader<'_>) {
    reader.skip(node, is_conditional);
    reader.pending_skip |= !is_conditional;
}

fn is_true(text: &str) -> bool {
    let text = text.trim();
    ["True", "1", "\"True\"", "'True'", "not False", "1 == 1", "condition=True"].contains(&text)
}

/// How much a condition claims.
fn of_condition(node: Node<'_>, reader: &Reader<'_>) -> Strength {
    condition(node, CONDITIONS_DEEP_MAX, reader)
}

/// The same, going down so far; what is nested deeper is taken for something that may be false.
fn condition(node: Node<'_>, left: usize, reader: &Reader<'_>) -> Strength {
    let inner = children(node);
    match node.kind() {
        _ if left == 0 => Strength::Truthy,
        "parenthesized_expression" => {
            inner.first().map_or(Strength::Trivial, |inner| condition(*inner, left - 1, reader))
        }
        "true" | "string" | "integer" | "float" | "lambda" => Strength::Trivial,
        // `assert (x == 1, "why")` is true of any x.
        "tuple" | "list" | "dictionary" if !inner.is_empty() => Strength::Trivial,
        "boolean_operator" => {
            let operator = node.child_by_field_name("operator").map_or("", |operator| operator.kind());
            let sides = inner.iter().take(2).map(|side| condition(*side, left - 1, reader));
            let (least, most) = sides
                .fold((Strength::Equal, Strength::Trivial), |(least, most), side| (least.min(side), most.max(side)));
            if operator == "or" { least } else { most }
        }
        "not_operator" => match inner.first().map(|inner| inner.kind()) {
            Some("false" | "none") => Strength::Trivial,
            _ => Strength::Truthy,
        },
        "comparison_operator" => comparison(node, &inner, reader),
        _ => Strength::Truthy,
    }
}

fn comparison(node: Node<'_>, sides: &[Node<'_>], reader: &Reader<'_>) -> Strength {
    let operator = reader.text[node.byte_range()].get(sides.first().map_or(0, |side| side.byte_range().len())..);
    let operator = operator.unwrap_or_default().trim_start();
    let [one, other, ..] = sides else { return Strength::Truthy };
    let is_literal =
        |side: &Node<'_>| matches!(side.kind(), "integer" | "string" | "true" | "false" | "none" | "float");
    let is_equality = operator.starts_with("==") || operator.starts_with("is") && !operator.starts_with("is not");
    if is_equality && (reader.are_same(*one, *other)) {
        return Strength::Trivial;
    }
    if is_literal(one) && is_literal(other) {
        return Strength::Trivial;
    }
    // Nothing is shorter than nothing.
    if operator.starts_with(">=") && reader.of(*one).starts_with("len(") && reader.of(*other) == "0" {
        return Strength::Trivial;
    }
    match () {
        () if operator.starts_with("==") => Strength::Equal,
        () if operator.starts_with("is not") && other.kind() == "none" => Strength::Truthy,
        () => Strength::Compare,
    }
}

fn call<'n>(node: Node<'n>, path: &[Node<'n>], reader: &mut Reader<'_>) {
    let Some(function) = node.child_by_field_name("function") else { return };
    reader.count_call();
    let name = match function.kind() {
        "attribute" => function.child_by_field_name("attribute").map_or("", |name| reader.of(name)),
        _ => reader.of(function),
    };
    let whole = if function.byte_range().len() < 100 { reader.of(function) } else { name };
    let arguments = node.child_by_field_name("arguments").map(children).unwrap_or_default();
    let first = arguments.first().copied();
    match whole {
        "pytest.skip" | "pytest.xfail" | "self.skipTest" | "unittest.skip"
            if reader.is_test_file && up(path, 1).is_none_or(|parent| parent.kind() != "decorator") =>
        {
            reader.skip(node, reader.is_conditional());
        }
        "setattr" if arguments.len() == 3 => {
            let name = reader.of(arguments[1]).trim_matches(['"', '\'']);
            patched(node, reader.of(arguments[0]), name, reader);
        }
        "sys.exit" | "os._exit" | "pytest.exit" | "exit" | "quit" => exit(node, whole, first, reader),
        _ if reader.is_test_file => {
            if let Some(strength) = of_call(name, whole, &arguments, reader) {
                reader.assertion(node, strength);
            }
        }
        _ if STACKS.contains(&whole) && looks_for_tests(path, reader) => {
            reader.mark(
                "tdd/detects-tests",
                Severity::Error,
                node,
                "the code looks at who calls it, and asks for tests",
                DETECTS,
            );
        }
        _ => {}
    }
}

/// Whether a function, or what stands nearest around a node, has a text with `test` in it.
fn looks_for_tests(path: &[Node<'_>], reader: &Reader<'_>) -> bool {
    let function = path.iter().rev().take(12).find(|node| node.kind() == "function_definition").or(path.last());
    let is_word = |node: Node<'_>| node.kind() == "string" && reader.of(node).to_ascii_lowercase().contains("test");
    function.is_some_and(|function| any_beneath(*function, is_word))
}

fn of_call(name: &str, whole: &str, arguments: &[Node<'_>], reader: &Reader<'_>) -> Option<Strength> {
    let first = arguments.first();
    Some(match name {
        "assertTrue" | "assertIsNotNone" | "assertFalse" | "assert_" => {
            match first.map(|first| of_condition(*first, reader)) {
                Some(Strength::Trivial) if name != "assertFalse" => Strength::Trivial,
                _ if name == "assertFalse" && first.is_some_and(|first| first.kind() == "false") => Strength::Trivial,
                Some(inner @ Strength::Equal) => inner,
                _ => Strength::Truthy,
            }
        }
        "assertEqual" | "assertEquals" | "assertIs" | "assertListEqual" | "assertDictEqual" => match arguments {
            [one, other, ..] if reader.are_same(*one, *other) => Strength::Trivial,
            _ => Strength::Equal,
        },
        "raises" | "warns" | "deprecated_call" | "assertRaises" | "assertRaisesRegex" => Strength::Compare,
        "fail" if whole == "self.fail" || whole == "pytest.fail" => Strength::Compare,
        _ if name.starts_with("assert") => Strength::Equal,
        _ => {
            let name = name.trim_start_matches('_');
            let is_helper =
                ["check", "expect", "verify", "ensure", "should", "must"].iter().any(|start| name.starts_with(start));
            // What a helper asserts is not seen here.
            return is_helper.then_some(Strength::Equal);
        }
    })
}

fn exit(node: Node<'_>, name: &str, first: Option<Node<'_>>, reader: &mut Reader<'_>) {
    let code = first.map_or("", |first| reader.of(first)).trim_start_matches("returncode=");
    let is_good = match name {
        "pytest.exit" => true,
        _ => ["", "0", "None", "False"].contains(&code),
    };
    if !is_good || reader.is_in(&Scope::Main) {
        return;
    }
    let at_top = !reader.is_in(&Scope::Function) && reader.test().is_none();
    if reader.is_test_file {
        early_exit(node, Severity::Error, reader);
        return;
    }
    let while_imported = name == "sys.exit" && at_top && !reader.is_conditional() && !reader.text.starts_with("#!");
    if name == "os._exit" || while_imported {
        early_exit(node, Severity::Warning, reader);
    }
}

fn early_exit(node: Node<'_>, severity: Severity, reader: &mut Reader<'_>) {
    let message =
        format!("`{}` ends the process with success, whatever is still to be tested", head(reader.of(node), 60));
    reader.mark("tdd/early-exit", severity, node, message, "let the runner end by itself");
}

fn raise(node: Node<'_>, reader: &mut Reader<'_>) {
    reader.count_call();
    let text = reader.of(node).trim_start_matches("raise").trim();
    if !reader.is_test_file {
        return;
    }
    if text.starts_with("unittest.SkipTest") || text.starts_with("SkipTest") {
        reader.skip(node, reader.is_conditional());
    } else if ["SystemExit", "SystemExit()", "SystemExit(0)", "SystemExit(None)"].contains(&text)
        && !reader.is_in(&Scope::Main)
    {
        early_exit(node, Severity::Error, reader);
    }
}

fn early_return<'n>(node: Node<'n>, path: &[Node<'n>], reader: &mut Reader<'_>) {
    let is_of_test = up(path, 2).is_some_and(|function| {
        let at = reader.test().and_then(|at| reader.facts.tests.get(at));
        function.kind() == "function_definition" && at.is_some_and(|test| test.span.end == function.end_byte())
    });
    if is_of_test && up(path, 1).is_some_and(|body| is_followed(reader.text, node, body)) {
        let message = "the test returns before its end; what follows never runs";
        reader.mark("tdd/early-exit", Severity::Error, node, message, "take the `return` out");
    }
    // `finally: return` drops what was raised.
    let is_finally = up(path, 2).is_some_and(|clause| clause.kind() == "finally_clause");
    if is_finally && reader.test().is_some() {
        let message = "`return` in `finally` drops the failure of whatever it follows";
        reader.mark("tdd/swallowed-assertion", Severity::Error, node, message, "take the `return` out");
    }
}

fn try_statement(node: Node<'_>, reader: &mut Reader<'_>) {
    let Some(body) = node.child_by_field_name("body") else { return };
    let swallowing = children(node).into_iter().filter(|child| child.kind() == "except_clause").find(|clause| {
        let caught = reader.of(*clause);
        let caught =
            caught.split(':').next().unwrap_or_default().trim_start_matches("except").trim_start_matches('*').trim();
        let catches = caught.is_empty()
            || ["Exception", "BaseException", "AssertionError"].iter().any(|name| {
                caught.split(|char: char| !char.is_alphanumeric() && char != '_').any(|word| word == *name)
            });
        let tells = |node: Node<'_>| {
            matches!(node.kind(), "raise_statement" | "assert_statement")
                || node.kind() == "call" && {
                    let call = reader.of(node);
                    ["self.fail", "pytest.fail", "self.assert", "pytest.skip", "self.skipTest"]
                        .iter()
                        .any(|name| call.starts_with(name))
                }
        };
        catches && !any_beneath(*clause, tells)
    });
    if let Some(clause) = swallowing.filter(|_| reader.is_test_file) {
        reader.swallows(node, body, Some(clause), "`except` swallows what is raised here");
    }
}

fn with_statement(node: Node<'_>, reader: &mut Reader<'_>) {
    let line = reader.of(node).lines().next().unwrap_or_default();
    let suppresses = line.contains("suppress(")
        && [
            "suppress(Exception",
            "suppress(BaseException",
            "suppress(AssertionError",
            ", AssertionError",
            ", Exception",
        ]
        .iter()
        .any(|end| line.contains(end));
    if let Some(body) = node.child_by_field_name("body").filter(|_| suppresses && reader.is_test_file) {
        reader.swallows(node, body, None, "`suppress` swallows what is raised here");
    }
}

/// Whether something takes the place of an assertion, or of what the runner does with one.
fn patched(node: Node<'_>, object: &str, name: &str, reader: &mut Reader<'_>) {
    let is_own = matches!(object, "self" | "cls");
    let is_assertion =
        name.strip_prefix("assert").is_some_and(|rest| rest.starts_with(|first: char| first.is_uppercase()));
    let of_runner = ["TestCase", "TestResult", "TextTestRunner", "TestProgram"];
    let is_runner = of_runner.contains(&object.rsplit('.').next().unwrap_or_default()) && RUNNER_PARTS.contains(&name);
    if !is_own && (is_assertion || is_runner) {
        let what = head(&format!("{object}.{name}"), 80).to_owned();
        let message = format!("`{what}` is replaced, so that tests say what this says");
        reader.mark("tdd/patched-runner", Severity::Error, node, message, "leave the test runner as it is");
    }
}

fn assignment(node: Node<'_>, reader: &mut Reader<'_>) {
    let left = node.child_by_field_name("left").map_or("", |left| reader.of(left));
    if let Some((object, name)) = left.rsplit_once('.') {
        patched(node, object, name, reader);
    }
    if !reader.is_test_file {
        return;
    }
    let side = |name| node.child_by_field_name(name).map_or("", |side| reader.of(side));
    match side("left") {
        "pytestmark" => {
            let marks = side("right");
            let is_skip = marks.contains("mark.skip") || marks.contains("mark.xfail");
            if is_skip {
                reader.skip(node, marks.contains("skipif") && !marks.contains("skipif(True"));
            }
        }
        "__test__" if side("right") == "False" => reader.skip(node, false),
        "collect_ignore" | "collect_ignore_glob" => reader.skip(node, false),
        _ => {}
    }
}

fn string<'n>(node: Node<'n>, path: &[Node<'n>], reader: &mut Reader<'_>) {
    if reader.is_test_file {
        return;
    }
    let content = reader.of(node).trim_start_matches(['b', 'r', 'f', 'u']).trim_matches(['"', '\'']);
    let is_docstring = up(path, 1).is_some_and(|parent| parent.kind() == "expression_statement");
    if is_docstring {
        return;
    }
    let asks_modules = || {
        let around = path.iter().rev().take(3).map(|around| reader.of(*around));
        around.into_iter().any(|text| text.contains("sys.modules") || text.contains("sys.argv"))
    };
    if RUNNER_VARIABLES.contains(&content) || (RUNNERS.contains(&content) && asks_modules()) {
        let message = format!("the code asks whether `{content}` is there: whether it is being tested");
        reader.mark("tdd/detects-tests", Severity::Error, node, message, DETECTS);
    }
}
