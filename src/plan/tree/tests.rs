//! What is read in one pass is node for node what the parser of `toml` reads, spans included; and nothing that it refuses is read.
#![expect(clippy::disallowed_methods, reason = "the plans of the fixtures are read from the disk")]

use std::path::Path;

use proptest::prelude::*;
use toml::de::DeTable;

use super::read;
use crate::plan::document::{Node, NodeName, Value};
use crate::plan::syntax::flatten;

const TOKENS_MAX: usize = 8_000_000;

/// The nodes as text, whatever holds their strings.
fn shown(nodes: &[Node], text: &str) -> Vec<String> {
    let value = |value: &Value| match value {
        Value::String(held) => format!("{:?}", held.of(text)),
        other => format!("{other:?}"),
    };
    let name = |name: &NodeName| match name {
        NodeName::Key(held) => format!("{:?}", held.of(text)),
        NodeName::Index(index) => index.to_string(),
    };
    let shown = |node: &Node| {
        let Node { parent, key_span, span, .. } = node;
        format!("{parent} {} {key_span:?} {span:?} {}", name(&node.name), value(&node.value))
    };
    nodes.iter().map(shown).collect()
}

/// Compares both ways; whether the text was read in one pass.
fn is_read(text: &str) -> bool {
    let (table, errors) = DeTable::parse_recoverable(text);
    let Some(nodes) = read(text, TOKENS_MAX) else { return false };
    assert!(errors.is_empty(), "read, and refused: {text}\n{errors:?}");
    assert_eq!(shown(&nodes, text), shown(&flatten(table.into_inner()), text), "{text}");
    true
}

#[test]
fn what_plans_are_made_of_is_read_in_one_pass() {
    for text in [
        "",
        "# nothing",
        "a = 1\nb = 'x'\r\n\"c d\" = \"e\\tf\" # g\n",
        "[b]\nx = 1\n[a]\ny = [1, [2, 'z'], { v = 3, u = {} },]\n[c]\n",
        "[a.b.c]\nx = 1\n[a]\ny = 2\n[a.b]\nz = 3\n",
        "[[a]]\nx = 1\n[a.b]\ny = 2\n[[a]]\n[[a.c]]\n[[a.c]]\nz = 3\n[a.c.d]\n",
        "a.b.c = 1\na.b.d = 2\n[e]\nf.g = 1\nf.h.i = 2\n[e.f.j]\n",
        "a = \"\"\"\nx\n  \\\n  y\"\"\"\nb = '''\nz'''\nc = ''\nd = \"\"\n",
        "a = 1979-05-27T07:32:00Z\nb = 07:32:00\nc = 1979-05-27\nd = 1979-05-27 07:32:00.5+01:00\n",
        "a = 0x1F\nb = 0o17\nc = 0b11\nd = 1_000\ne = -9223372036854775808\nf = 9223372036854775808\n",
        "a = 1.5\nb = -inf\nc = nan\nd = 1e400\ne = 6.02_2e23\ng = +0.0\nh = true\ni = false\n",
        "\"\" = 1\n'x.y' = 2\n[t.\"u v\".w]\n",
        "a = [\n  1, # one\n  2,\n]\nb = {\n  c = 1, # new in 1.1\n  d = 2,\n}\n",
    ] {
        assert!(is_read(text), "{text}");
    }
}

#[test]
fn what_is_wrong_or_rare_is_left_to_the_other_parser() {
    for text in [
        "a = 1\na = 2",
        "[a]\n[a]\n",
        "[a]\nb = 1\n[a.b]\n",
        "a = []\n[[a]]\n",
        "[[a]]\n[a]\n",
        "[a]\n[[a]]\n",
        "a = { b = 1 }\n[a.c]\n",
        "a = { b = 1, b = 2 }",
        "a = { b.c = 1 }",
        "a.b = 1\n[a]\n",
        "[a.b]\n[c]\n[a]\nb.x = 1\n",
        "a = 1 b = 2",
        "a = [1, 2",
        "a = [1 }\n]\n",
        "a = { b = 1 ]\n}\n",
        "a = ]\nb = [\n",
        "a = \"x\nb = 2\n",
        "a = \"\\q\"",
        "a = 01",
        "a = 1979-13-01",
        "a\n",
        "= 1\n",
        "[a\n",
        "[]\n",
        "a = 1 # \u{1}\n",
        "a. = 1",
        "\r",
    ] {
        assert!(!is_read(text), "{text}");
        assert!(read(text, TOKENS_MAX).is_none());
    }
    let deep = format!("a = {}1{}", "[".repeat(200), "]".repeat(200));
    assert!(!is_read(&deep));
    let long_key = format!("{}a = 1", "a.".repeat(200));
    assert!(!is_read(&long_key));
    assert!(read("a = [1, 2, 3]", 3).is_none(), "more tokens than may be");
}

#[test]
fn large_tables_and_texts_of_many_chunks_are_read() {
    let mut text = String::from("[x]\n");
    for number in (0..30_000).rev() {
        text.push_str(&format!("[t.n{number}.sub]\nv = [{number}, \"a\\n\"]\n[t.n{number}]\nw = {{ k = 'x' }}\n"));
    }
    assert!(is_read(&text));
    text.push_str("[t.n7]\n");
    assert!(!is_read(&text), "a header that is there already, far above");
}

const LINES: [&str; 30] = [
    "[a]",
    "[b]",
    "[a.b]",
    "[a.b.c]",
    "[\"b\".c]",
    "[[a]]",
    "[[d]]",
    "[[d.e]]",
    "[d.f]",
    "[[a.b]]",
    "a = 1",
    "b = 2",
    "a.b = 3",
    "b.c.d = 'x'",
    "c = \"\\u0041\"",
    "\"c\" = 4",
    "d = []",
    "d = [1, 'a', [2]]",
    "e = { a = 1, b = [] }",
    "e = { a.b = 1, a.c = 2 }",
    "f = { a = 1, a = 2 }",
    "f = \"\"\"x\ny\"\"\"",
    "g = 1979-05-27",
    "g = 0x_1",
    "h = [",
    "]",
    "# x",
    "i = 1.5 # y",
    "é = 1",
    "j = }",
];

fn corpus() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open = vec![root.join("fixtures"), root.join("tests/corpus")];
    let mut texts = Vec::new();
    while let Some(directory) = open.pop() {
        let Ok(entries) = std::fs::read_dir(directory) else { continue };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                _ if entry.path().extension().is_some_and(|extension| extension == "toml") => {
                    texts.extend(std::fs::read_to_string(entry.path()));
                }
                _ => {}
            }
        }
    }
    assert!(texts.len() > 5, "the fixtures are gone");
    texts.sort();
    texts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_lines_are_read_as_the_other_parser_reads_them(lines in prop::collection::vec(0..LINES.len(), 0..9)) {
        is_read(&lines.into_iter().map(|line| format!("{}\n", LINES[line])).collect::<String>());
    }

    #[test]
    fn any_mess_is_read_as_the_other_parser_reads_it(text in "[ab.=\\[\\]{},\"'\n #1-]{0,24}") {
        is_read(&text);
    }
}

proptest! {
    #[test]
    fn damaged_plans_are_read_as_the_other_parser_reads_them(
        which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), length in 0usize..9,
        with in "[ab.=\\[\\]{},\"'\n #1]{0,4}",
    ) {
        let corpus = corpus();
        let text = which.get(&corpus);
        let mut from = at.index(text.len() + 1);
        while !text.is_char_boundary(from) { from -= 1; }
        let mut to = (from + length).min(text.len());
        while !text.is_char_boundary(to) { to += 1; }
        is_read(&format!("{}{with}{}", &text[..from], &text[to..]));
    }
}

#[test]
fn every_plan_of_the_fixtures_that_is_toml_is_read_in_one_pass() {
    for text in corpus() {
        let (_, errors) = DeTable::parse_recoverable(&text);
        assert_eq!(is_read(&text), errors.is_empty(), "{text}");
    }
}
