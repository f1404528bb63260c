//! Rules that are about the shape of code alone, as queries of tree-sitter: one file a language in `queries/`. What a rule
//! finds is captured by the rule's name; other captures, which begin with `_`, serve the conditions.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use streaming_iterator::StreamingIterator as _;
use tree_sitter::{Query, QueryCursor, QueryCursorOptions, QueryCursorState, Tree};

use super::rust;
use super::table::rule;
use super::walk::Found;
use crate::gates::{LANGUAGES, Language};

/// Matches that are followed at the same time; the queries are small, and so need few.
const OPEN_MAX: u32 = 1_024;
/// Rounds of the search, for each text and for each KiB of it.
const ROUNDS: usize = 10_000;
const ROUNDS_PER_KIB: usize = 500;

static QUERIES: LazyLock<Vec<Query>> = LazyLock::new(|| {
    let compiled =
        |language: Language| Query::new(&language.grammar(), source(language)).expect("the queries fit the grammar");
    LANGUAGES.into_iter().map(compiled).collect()
});

fn source(language: Language) -> &'static str {
    match language {
        Language::Python => include_str!("queries/python.scm"),
        Language::JavaScript => concat!(include_str!("queries/javascript.scm"), include_str!("queries/jsx.scm")),
        Language::TypeScript => include_str!("queries/javascript.scm"),
        Language::Tsx => concat!(include_str!("queries/javascript.scm"), include_str!("queries/jsx.scm")),
        Language::Rust => include_str!("queries/rust.scm"),
        Language::Go => include_str!("queries/go.scm"),
        Language::Java => include_str!("queries/java.scm"),
        Language::Shell => "",
    }
}

/// What the queries find of some rules. The second says whether all of the text was searched.
pub(super) fn search(
    language: Language,
    tree: &Tree,
    text: &str,
    wanted: &BTreeSet<&'static str>,
) -> (Vec<Found>, bool) {
    let query = &QUERIES[language as usize];
    let names = query.capture_names();
    if !names.iter().any(|name| wanted.contains(name)) {
        return (Vec::new(), true);
    }
    let mut cursor = QueryCursor::new();
    cursor.set_match_limit(OPEN_MAX);
    let mut rounds = ROUNDS + text.len() / 1024 * ROUNDS_PER_KIB;
    let mut go_on = |_: &QueryCursorState| {
        rounds = rounds.saturating_sub(1);
        if rounds == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let options = QueryCursorOptions::new().progress_callback(&mut go_on);
    let mut found = Vec::new();
    let mut matches = cursor.matches_with_options(query, tree.root_node(), text.as_bytes(), options);
    while let Some(one) = matches.next() {
        for capture in one.captures() {
            let name = names[capture.index as usize];
            if let Some(rule) = rule(language, name).filter(|rule| wanted.contains(rule.id)) {
                let span = capture.node.byte_range();
                if rule.id == "rust-unsafe" && rust::is_explained(text, span.start) {
                    continue;
                }
                found.push(Found { rule: rule.id, origin: span.clone(), span, is_request: false });
            }
        }
    }
    drop(matches);
    let is_whole = !cursor.did_exceed_match_limit() && rounds > 0;
    (found, is_whole)
}
