//! `integrity/syntax-error`: source and data that no parser takes. Known are the languages of the checks, JSON and TOML.
//!
//! Files that are there to be wrong, which lie among fixtures, and templates, are left alone.

use crate::base::{RelPath, Severity};
use crate::event::GateFinding;
use crate::gates::judged::ChangedFile;
use crate::gates::locate::LineIndex;

/// Directories in which files may be wrong on purpose.
const ON_PURPOSE: [&str; 12] = [
    "fixtures",
    "fixture",
    "__fixtures__",
    "testdata",
    "test-data",
    "test_data",
    "corpus",
    "invalid",
    "malformed",
    "broken",
    "templates",
    "template",
];
/// JSON files whose readers take comments, by what their names begin with.
const WITH_COMMENTS: [&str; 14] = [
    "tsconfig",
    "jsconfig",
    ".eslintrc",
    ".babelrc",
    "babel.config",
    ".swcrc",
    "devcontainer",
    ".devcontainer",
    "api-extractor",
    "tslint",
    "turbo",
    "renovate",
    "deno",
    "language-configuration",
];

/// A syntax error: where, and what the parser says.
struct Wrong {
    line: u32,
    column: u32,
    message: String,
}

/// What is found in one file.
pub(super) fn syntax_error(change: &ChangedFile) -> Option<GateFinding> {
    let text = change.after.text()?;
    let path = change.path.as_str();
    if path.split('/').any(|part| ON_PURPOSE.contains(&part) || part.contains("{{")) {
        return None;
    }
    let wrong = error_in(&change.path, text)??;
    // What was wrong already is not the result's doing; then it may not be parsed at all by what is known here.
    if change.before.text().is_some_and(|before| matches!(error_in(&change.path, before), Some(Some(_)))) {
        return None;
    }
    let message = format!("`{}` does not parse: {}", change.path, wrong.message);
    let finding = GateFinding::new("integrity/syntax-error", Severity::Error, message).help("mend the syntax");
    let index = LineIndex::new(text);
    let line = index.line(wrong.line);
    let start = text[line.clone()]
        .char_indices()
        .nth(wrong.column.saturating_sub(1) as usize)
        .map_or(line.end, |(at, _)| line.start + at);
    Some(index.place(finding, &change.path, start..line.end.max(start), None))
}

/// Whether a text parses as what its name says; `None` where that is not known.
pub(super) fn parses(path: &RelPath, text: &str) -> Option<bool> {
    error_in(path, text).map(|wrong| wrong.is_none())
}

/// The first error; `None` where nothing is known of the language.
fn error_in(path: &RelPath, text: &str) -> Option<Option<Wrong>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match super::content::ending(path).as_str() {
        "json" => Some(json(path, text)),
        "toml" => Some(toml(text)),
        _ => None,
    }
}

fn json(path: &RelPath, text: &str) -> Option<Wrong> {
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
    let is_lenient = WITH_COMMENTS.iter().any(|start| path.file_name().starts_with(start))
        || path.as_str().starts_with(".vscode/")
        || path.as_str().contains("/.vscode/");
    if is_lenient || error.to_string().starts_with("recursion limit") {
        return None;
    }
    let number = |count: usize| u32::try_from(count.max(1)).unwrap_or(u32::MAX);
    let said = error.to_string();
    let message = said.split(" at line ").next().unwrap_or_default().to_owned();
    Some(Wrong { line: number(error.line()), column: number(error.column()), message })
}

fn toml(text: &str) -> Option<Wrong> {
    let error = toml::from_str::<toml::Table>(text).err()?;
    let (line, column) = LineIndex::new(text).position(error.span().map_or(0, |span| span.start));
    Some(Wrong { line, column, message: error.message().lines().next().unwrap_or_default().to_owned() })
}
