//! What the source of tests says, whatever its language: which test cases there are, what they claim, and which marks keep
//! them from claiming it.

use std::collections::BTreeSet;
use std::ops::Range;

use tree_sitter::Node;

use crate::base::Severity;

/// Tests and marks that are kept of one file.
const TESTS_MAX: usize = 20_000;
const MARKS_MAX: usize = 2_000;
const ASSERTIONS_MAX: usize = 100_000;
/// Lines of a test that are compared where it may have got another name.
const BODY_LINES_MAX: usize = 400;
/// Nodes within nodes.
const DEEP_MAX: usize = 800;
const HEAD_BYTES_MAX: usize = 200;
/// How much of an assertion's operands is read.
const OPERAND_BYTES_MAX: usize = 2_000;

/// How much an assertion claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// Nothing: it is always true.
    Trivial,
    /// It is left to something that fails by itself: `unwrap`.
    Implicit,
    /// That something is there, or true.
    Truthy,
    /// Something of it.
    Compare,
    /// What it is.
    Equal,
}

/// One assertion.
#[derive(Debug, Clone)]
pub(super) struct Assertion {
    pub span: Range<usize>,
    pub strength: Strength,
}

/// One test case.
#[derive(Debug, Clone)]
pub(super) struct Test {
    /// With what it stands in.
    pub name: String,
    pub span: Range<usize>,
    pub assertions: Vec<Assertion>,
    /// Loops, tables and parameters: one assertion may stand for many.
    pub loops: usize,
    /// Calls of anything.
    pub calls: usize,
    pub is_skipped: bool,
    /// Whether it is to panic, or to throw.
    pub is_inverted: bool,
    /// Its lines, each once, without indentation and without the first.
    pub lines: BTreeSet<String>,
}

impl Test {
    /// Assertions that claim something and stand there as such.
    pub(super) fn claims(&self) -> usize {
        self.assertions.iter().filter(|one| one.strength > Strength::Implicit).count()
    }

    /// Assertions of one strength.
    pub(super) fn of(&self, strength: Strength) -> usize {
        self.assertions.iter().filter(|one| one.strength == strength).count()
    }

    /// Whether it can fail at all by what it says: it has a claim, or leaves it to what it calls.
    pub(super) fn says_something(&self) -> bool {
        self.is_inverted || self.assertions.iter().any(|one| one.strength > Strength::Trivial)
    }
}

/// Something that keeps tests from saying what they say.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub rule: &'static str,
    pub severity: Severity,
    pub span: Range<usize>,
    /// A second place: it is new if either is.
    pub also: Option<Range<usize>>,
    /// The test that it is in or on.
    pub test: Option<String>,
    pub message: String,
    pub help: &'static str,
}

/// All of one file.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub tests: Vec<Test>,
    pub marks: Vec<Mark>,
}

/// What a walk is within.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// The test of this number.
    Test(usize),
    /// A class, module or group of this name.
    Named(String),
    /// Something that runs only at times.
    Branch,
    /// A function.
    Function,
    /// `if __name__ == "__main__"`.
    Main,
    /// Code that is there for tests alone.
    TestCode,
    /// Where failures are swallowed: the mark that follows if an assertion stands in it.
    Swallow(usize),
}

/// Reads facts off a syntax tree.
pub(super) struct Reader<'t> {
    pub text: &'t str,
    pub is_test_file: bool,
    pub facts: Facts,
    scopes: Vec<(usize, Scope)>,
    swallows: Vec<Option<Mark>>,
    assertions: usize,
    /// Marks that are put on the next test or group: they stand before it.
    pub pending_skip: bool,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str, is_test_file: bool) -> Self {
        Self {
            text,
            is_test_file,
            facts: Facts::default(),
            scopes: Vec::new(),
            swallows: Vec::new(),
            assertions: 0,
            pending_skip: false,
        }
    }

    /// Leaves the scopes that end before a node.
    pub(super) fn arrive(&mut self, node: Node<'_>) {
        while self.scopes.last().is_some_and(|(end, _)| *end <= node.start_byte()) {
            self.scopes.pop();
        }
    }

    pub(super) fn open(&mut self, node: Node<'_>, scope: Scope) {
        self.scopes.push((node.end_byte(), scope));
    }

    /// Scopes that the walk is in, the innermost first; so many of them.
    fn around(&self) -> impl Iterator<Item = &Scope> {
        self.scopes.iter().rev().take(500).map(|(_, scope)| scope)
    }

    pub(super) fn is_in(&self, scope: &Scope) -> bool {
        self.around().any(|one| one == scope)
    }

    /// The test that the walk is in.
    pub(super) fn test(&self) -> Option<usize> {
        self.around().find_map(|scope| match scope {
            Scope::Test(at) => Some(*at),
            _ => None,
        })
    }

    fn test_mut(&mut self) -> Option<&mut Test> {
        let at = self.test()?;
        self.facts.tests.get_mut(at)
    }

    /// Whether something runs only at times: it stands in a branch that is nearer than the test, or function, it is in.
    pub(super) fn is_conditional(&self) -> bool {
        let nearest = self.around().find(|scope| matches!(scope, Scope::Branch | Scope::Test(_) | Scope::Function));
        nearest == Some(&Scope::Branch)
    }

    /// A name with those of what it stands in.
    pub(super) fn qualified(&self, name: &str) -> String {
        let outer = self.scopes.iter().filter_map(|(_, scope)| match scope {
            Scope::Named(name) => Some(name.as_str()),
            _ => None,
        });
        let mut parts: Vec<&str> = outer.take(20).collect();
        parts.push(name);
        let whole = parts.join("::");
        head(&whole, 1_000).to_owned()
    }

    /// Begins a test.
    pub(super) fn open_test(&mut self, node: Node<'_>, name: &str, span: Range<usize>) {
        if self.facts.tests.len() >= TESTS_MAX {
            return;
        }
        let body = self.text[span.clone()].lines().skip(1).map(str::trim).filter(|line| !line.is_empty());
        let test = Test {
            name: self.qualified(name),
            lines: body.take(BODY_LINES_MAX).map(|line| head(line, HEAD_BYTES_MAX).to_owned()).collect(),
            span,
            assertions: Vec::new(),
            loops: 0,
            calls: 0,
            is_skipped: std::mem::take(&mut self.pending_skip),
            is_inverted: false,
        };
        self.facts.tests.push(test);
        self.open(node, Scope::Test(self.facts.tests.len() - 1));
    }

    pub(super) fn invert(&mut self) {
        if let Some(test) = self.test_mut() {
            test.is_inverted = true;
        }
    }

    pub(super) fn count_loop(&mut self) {
        if let Some(test) = self.test_mut() {
            test.loops += 1;
        }
    }

    pub(super) fn count_call(&mut self) {
        if let Some(test) = self.test_mut() {
            test.calls += 1;
        }
    }

    /// Notes an assertion; what swallows it is a mark from now on.
    pub(super) fn assertion(&mut self, node: Node<'_>, strength: Strength) {
        self.assertions += 1;
        if self.assertions > ASSERTIONS_MAX {
            return;
        }
        if strength > Strength::Implicit {
            let swallow = self.around().find_map(|scope| match scope {
                Scope::Swallow(at) => Some(*at),
                _ => None,
            });
            if let Some(mark) = swallow.and_then(|at| self.swallows.get_mut(at)).and_then(Option::take) {
                self.push(mark);
            }
        }
        if let Some(test) = self.test_mut() {
            test.assertions.push(Assertion { span: node.byte_range(), strength });
        }
    }

    /// Says that failures in a part of a node go nowhere.
    pub(super) fn swallows(&mut self, node: Node<'_>, part: Node<'_>, handler: Option<Node<'_>>, what: &str) {
        let mark = Mark {
            rule: "tdd/swallowed-assertion",
            severity: Severity::Error,
            span: first_line(self.text, node.byte_range()),
            also: handler.map(|handler| handler.byte_range()),
            test: None,
            message: format!("{what}, so the assertion in it cannot fail"),
            help: "let the assertion's failure end the test",
        };
        self.swallows.push(Some(mark));
        self.open(part, Scope::Swallow(self.swallows.len() - 1));
    }

    /// Notes a mark at a node.
    pub(super) fn mark(
        &mut self,
        rule: &'static str,
        severity: Severity,
        node: Node<'_>,
        message: impl Into<String>,
        help: &'static str,
    ) {
        let span = first_line(self.text, node.byte_range());
        self.push(Mark { rule, severity, span, also: None, test: None, message: message.into(), help });
    }

    /// Notes that a test, or what the walk is in, is skipped.
    pub(super) fn skip(&mut self, node: Node<'_>, is_conditional: bool) {
        let what = head(self.of(node).lines().next().unwrap_or_default(), 80);
        let (severity, message) = match is_conditional {
            true => (Severity::Advice, format!("`{what}` skips a test at times")),
            false => (Severity::Error, format!("`{what}` keeps a test from running")),
        };
        self.mark(
            "tdd/skipped-test",
            severity,
            node,
            message,
            "let the test run, or say in the task that it has to go",
        );
        if let Some(test) = self.test_mut().filter(|_| !is_conditional) {
            test.is_skipped = true;
        }
    }

    fn push(&mut self, mark: Mark) {
        let test = self.test().and_then(|at| self.facts.tests.get(at)).map(|test| test.name.clone());
        if self.facts.marks.len() < MARKS_MAX {
            self.facts.marks.push(Mark { test, ..mark });
        }
    }

    /// The first bytes of a node.
    pub(super) fn of(&self, node: Node<'_>) -> &'t str {
        head(&self.text[node.byte_range()], HEAD_BYTES_MAX)
    }

    /// The text of an operand, with its spaces as one.
    pub(super) fn operand(&self, node: Node<'_>) -> String {
        let text = head(&self.text[node.byte_range()], OPERAND_BYTES_MAX);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Whether two operands are the same words, and not a call, which may say something else each time.
    pub(super) fn are_same(&self, one: Node<'_>, other: Node<'_>) -> bool {
        let length = one.byte_range().len();
        length < OPERAND_BYTES_MAX && self.operand(one) == self.operand(other) && !self.operand(one).contains('(')
    }
}

/// The start of a text, at most so many bytes.
pub(super) fn head(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The part of a range that is on its first line.
fn first_line(text: &str, range: Range<usize>) -> Range<usize> {
    let bytes = &text.as_bytes()[range.clone()];
    let length = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    range.start..range.start + length
}

/// The named children of a node, so many of them.
pub(super) fn children<'n>(node: Node<'n>) -> Vec<Node<'n>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).filter(|child| !child.is_extra()).take(64).collect()
}

/// Whether any node beneath this one is as asked; a bounded number of them is looked at.
pub(super) fn any_beneath(node: Node<'_>, is_it: impl Fn(Node<'_>) -> bool) -> bool {
    let mut cursor = node.walk();
    let mut left = 200_usize;
    loop {
        if is_it(cursor.node()) {
            return true;
        }
        left -= 1;
        if left == 0 {
            return false;
        }
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return false;
            }
        }
    }
}

/// Walks over all nodes, each before what is in it, with those that it stands in, the nearest last. A node asked for its parent
/// would look for it from the root; what is nested deeper than code ever is, is left out.
pub(super) fn walk<'n>(tree: &'n tree_sitter::Tree, mut visit: impl FnMut(Node<'n>, &[Node<'n>])) {
    let mut cursor = tree.walk();
    let mut path = Vec::new();
    loop {
        let node = cursor.node();
        visit(node, &path);
        if path.len() < DEEP_MAX && cursor.goto_first_child() {
            path.push(node);
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return;
            }
            path.pop();
        }
    }
}

/// What a node stands in: 1 is its parent.
pub(super) fn up<'n>(path: &[Node<'n>], steps: usize) -> Option<Node<'n>> {
    path.len().checked_sub(steps).map(|at| path[at])
}

/// Whether anything but comments and closing brackets follows a statement in its block.
pub(super) fn is_followed(text: &str, node: Node<'_>, block: Node<'_>) -> bool {
    let rest = head(&text[node.end_byte()..block.end_byte().max(node.end_byte())], 2_000);
    let mut lines = rest.lines().map(|line| line.trim().trim_start_matches(';').trim());
    lines.any(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("//") && !line.starts_with('}'))
}
