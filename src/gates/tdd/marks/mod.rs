//! Tests that say less than they did: deleted, emptied, weakened, skipped, swallowed, ended early; and code that asks whether
//! it is being tested. Nothing runs for this: both sides of a change are parsed and compared.
//!
//! ```text
//!  before ── parse ──> Facts ──┐
//!                              ├── compare ──> findings, for lines that the result brought and tests that are gone
//!  after ─── parse ──> Facts ──┘
//! ```
//!
//! It knows Python, JavaScript, TypeScript, Rust, Go and Java. Of test files in other languages only the deletion is seen.

mod compare;
mod facts;
mod go;
mod java;
mod javascript;
mod python;
mod rust;

use rayon::prelude::*;

use self::compare::Sides;
use self::facts::{Facts, Reader};
use super::paths::is_test_path;
use crate::base::{PatternSet, RelPath};
use crate::gates::judged::{Content, Judged};
use crate::gates::language::{Language, parse};
use crate::gates::part::Part;

/// The name of the part.
const NAME: &str = "tests";

/// Judges what a result did to the tests that were there, and what the tests it brought are worth.
#[must_use]
pub fn tests_weakened(judged: &Judged<'_>) -> Part {
    tests_weakened_with(judged, &PatternSet::default())
}

/// The same, where files that a plan calls tests are tests, whatever they are called.
#[must_use]
pub(super) fn tests_weakened_with(judged: &Judged<'_>, declared: &PatternSet) -> Part {
    let sides: Vec<Sides<'_>> = judged
        .changed
        .par_iter()
        .map(|file| {
            let is_test = is_test_path(&file.path) || declared.matches(&file.path);
            let of = |content: &Content| content.text().and_then(|text| facts(&file.path, text, is_test));
            Sides { file, is_test, before: of(&file.before), after: of(&file.after) }
        })
        .collect();
    Part::judged(NAME, compare::compare(judged, &sides))
}

/// The names of the tests in a file, with whether each claims anything; none where the language is not known.
pub(super) fn tests_in(path: &RelPath, text: &str) -> Option<Vec<TestInFile>> {
    let facts = facts(path, text, true)?;
    let tests = facts.tests.into_iter().map(|test| TestInFile {
        line: 1 + u32::try_from(text[..test.span.start].matches('\n').count()).unwrap_or(u32::MAX - 1),
        says_something: test.says_something(),
        text: text[test.span].to_owned(),
        name: test.name.rsplit("::").next().unwrap_or_default().to_owned(),
    });
    Some(tests.collect())
}

/// A test case, as it stands in its file.
#[derive(Debug, Clone)]
pub(super) struct TestInFile {
    /// Its own name.
    pub name: String,
    /// Where it begins.
    pub line: u32,
    /// Whether it claims anything that could be wrong.
    pub says_something: bool,
    /// Its source.
    pub text: String,
}

fn facts(path: &RelPath, text: &str, is_test: bool) -> Option<Facts> {
    let language = Language::of(path, text)?;
    if language == Language::Shell {
        return None;
    }
    let tree = parse(language, text)?;
    let mut reader = Reader::new(text, is_test);
    match language {
        Language::Python => python::read(&tree, &mut reader),
        Language::JavaScript | Language::TypeScript | Language::Tsx => javascript::read(&tree, &mut reader),
        Language::Rust => rust::read(&tree, &mut reader),
        Language::Go => go::read(&tree, &mut reader),
        Language::Java => java::read(&tree, &mut reader),
        Language::Shell => {}
    }
    Some(reader.facts)
}

#[cfg(test)]
mod tests;
