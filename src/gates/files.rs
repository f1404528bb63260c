//! The check `files`: what must be there and what must not, and what files must hold. It looks at the whole tree, changed or not.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;
use regex::bytes::{Regex, RegexBuilder};

use super::check::CheckContext;
use super::judged::{Content, Judged};
use super::locate::LineIndex;
use super::part::Part;
use crate::base::{Entry, Pattern, RelPath, Severity, sanitize_line};
use crate::event::GateFinding;

/// What this check can find.
pub const RULES: &[&str] =
    &["files/missing", "files/forbidden", "files/lacking", "files/unwanted", "files/no-match", "files/unreadable"];

/// Findings of one expression in one file.
const FINDINGS_MAX: usize = 20;
/// A longer match is shown by its beginning.
const SHOWN_BYTES: usize = 200;

/// What an expression asks of a file.
#[derive(Clone, Copy, PartialEq)]
enum Demand {
    /// It matches somewhere.
    Contains,
    /// It matches nowhere.
    Lacks,
    /// It matches the whole, but for the end of the last line.
    Matches,
}

const DEMANDS: [(&str, Demand); 3] =
    [("contains", Demand::Contains), ("lacks", Demand::Lacks), ("matches", Demand::Matches)];

/// Compiles an expression as this check does: for `contains` and `lacks` by lines, for `matches` from the beginning of the file
/// to its end.
///
/// # Errors
/// What is wrong with it, where it is no expression.
pub fn expression(key: &str, text: &str) -> Result<Regex, String> {
    // By itself first: a bracket too many must not be taken for the one around it.
    Regex::new(text).map_err(|error| error.to_string())?;
    let is_whole = key == "matches";
    let text = if is_whole { format!(r"\A(?:{text})\r?\n?\z") } else { text.to_owned() };
    let built = RegexBuilder::new(&text).multi_line(!is_whole).build();
    built.map_err(|error| error.to_string())
}

/// Judges a tree.
pub(super) fn files(judged: &Judged<'_>, context: &CheckContext<'_>) -> Vec<Part> {
    const PART: &str = "files";
    let mut findings = Vec::new();
    for pattern in context.options.patterns("require").iter() {
        if !judged.result.keys().any(|path| pattern.matches(path)) {
            findings.push(missing(pattern));
        }
    }
    let forbid = context.options.patterns("forbid");
    let forbidden = judged.result.keys().filter(|path| forbid.matches(path));
    findings.extend(forbidden.map(|path| {
        let message = format!("`{path}` is there, and must not be");
        GateFinding::new("files/forbidden", Severity::Error, message).at(path).help("remove it")
    }));
    for (key, demand) in DEMANDS {
        let wanted: BTreeMap<String, String> = context.options.get(key).unwrap_or_default();
        for (pattern, text) in &wanted {
            let pattern = match Pattern::new(pattern) {
                Ok(pattern) => pattern,
                Err(error) => return vec![Part::broke(PART, format!("`{key}`: {}: {error}", sanitize_line(pattern)))],
            };
            let regex = match expression(key, text) {
                Ok(regex) => regex,
                Err(error) => return vec![Part::broke(PART, format!("`{key}`: {}", sanitize_line(&error)))],
            };
            findings.extend(of_expression(judged, &pattern, demand, (text, &regex)));
        }
    }
    vec![Part::judged(PART, findings)]
}

fn missing(pattern: &Pattern) -> GateFinding {
    let (message, help) = match pattern.as_literal() {
        Some(path) => (format!("`{path}` is not there"), "write it"),
        None => (format!("nothing matches `{pattern}`"), "write a file of such a name"),
    };
    let finding = GateFinding::new("files/missing", Severity::Error, message).help(help);
    match pattern.as_literal() {
        Some(path) => finding.at(&path),
        None => finding,
    }
}

fn of_expression(
    judged: &Judged<'_>,
    pattern: &Pattern,
    demand: Demand,
    (text, regex): (&str, &Regex),
) -> Vec<GateFinding> {
    let is_file = |entry: &Entry| !matches!(entry, Entry::EmptyDir);
    let paths: Vec<&RelPath> = judged
        .result
        .iter()
        .filter(|(path, entry)| pattern.matches(path) && is_file(entry))
        .map(|(path, _)| path)
        .collect();
    if paths.is_empty() && demand != Demand::Lacks && pattern.as_literal().is_some() {
        return vec![missing(pattern)];
    }
    paths.into_par_iter().flat_map_iter(|path| of_file(judged, path, demand, (text, regex))).collect()
}

fn of_file(judged: &Judged<'_>, path: &RelPath, demand: Demand, (text, regex): (&str, &Regex)) -> Vec<GateFinding> {
    let change = judged.change(path).map(|change| &change.after);
    let bytes: Option<Arc<[u8]>> = match change {
        Some(Content::File { bytes, .. }) => Some(bytes.clone()),
        Some(_) => None,
        None => (judged.read)(path),
    };
    let Some(bytes) = bytes else {
        let what = match judged.result.get(path) {
            Some(Entry::Symlink { .. }) => "is a link",
            _ => "is too large to be read, or no longer there",
        };
        let message = format!("`{path}` {what}, so that what it holds is not known");
        return vec![GateFinding::new("files/unreadable", Severity::Error, message).at(path)];
    };
    let expression: String = sanitize_line(text).chars().take(SHOWN_BYTES).collect();
    match demand {
        Demand::Contains if !regex.is_match(&bytes) => {
            let message = format!("`{path}` has nothing that matches `{expression}`");
            vec![GateFinding::new("files/lacking", Severity::Error, message).at(path).help("add it")]
        }
        Demand::Matches if !regex.is_match(&bytes) => {
            let message = format!("`{path}` as a whole does not match `{expression}`");
            vec![GateFinding::new("files/no-match", Severity::Error, message).at(path).help("write it as it has to be")]
        }
        Demand::Lacks => unwanted(path, &bytes, regex, &expression),
        Demand::Contains | Demand::Matches => Vec::new(),
    }
}

fn unwanted(path: &RelPath, bytes: &[u8], regex: &Regex, expression: &str) -> Vec<GateFinding> {
    let mut matches = regex.find_iter(bytes).take(FINDINGS_MAX).peekable();
    if matches.peek().is_none() {
        return Vec::new();
    }
    let index = std::str::from_utf8(bytes).ok().map(LineIndex::new);
    let finding = |found: regex::bytes::Match<'_>| {
        let message = format!("`{path}` has what matches `{expression}`, and must not");
        let finding = GateFinding::new("files/unwanted", Severity::Error, message).at(path).help("remove it");
        match &index {
            Some(index) => {
                index.place(finding, path, found.start()..found.end().min(found.start() + SHOWN_BYTES), None)
            }
            None => finding,
        }
    };
    matches.map(finding).collect()
}
