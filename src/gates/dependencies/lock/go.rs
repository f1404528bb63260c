//! Go's: `go.mod`, which names every module of the build since Go 1.17, and `go.sum`, which may name versions besides.

use std::collections::BTreeMap;

use super::number;
use crate::gates::dependencies::package::{Ecosystem, Package};

/// A module, at a version or at any.
type Module<'t> = (&'t str, Option<&'t str>);

/// The statement of a line of `go.mod`: its word and the words after it, blocks taken apart, comments left out.
fn statements(text: &str) -> Vec<(u32, &str, Vec<&str>)> {
    let mut statements = Vec::new();
    let mut block: Option<&str> = None;
    for (nth, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split("//").next().unwrap_or_default().split_whitespace().collect();
        match (block, words.as_slice()) {
            (_, []) => {}
            (Some(_), [")", ..]) => block = None,
            (Some(word), rest) => statements.push((number(nth), word, rest.to_vec())),
            (None, [word, "("]) => block = Some(*word),
            (None, [word, rest @ ..]) => statements.push((number(nth), *word, rest.to_vec())),
        }
    }
    statements
}

pub(super) fn go_mod(text: &str) -> Vec<Package> {
    let statements = statements(text);
    let mut replaced: BTreeMap<Module<'_>, Module<'_>> = BTreeMap::new();
    for (_, word, rest) in &statements {
        let arrow = rest.iter().position(|one| *one == "=>").filter(|_| *word == "replace");
        if let Some((from, [_, to @ ..])) = arrow.map(|at| rest.split_at(at))
            && let (Some(module), Some(other)) = (from.first(), to.first())
        {
            replaced.insert((unquoted(module), from.get(1).copied()), (unquoted(other), to.get(1).copied()));
        }
    }
    let required = statements.iter().filter(|(_, word, _)| *word == "require");
    let package = |(line, _, rest): &(u32, &str, Vec<&str>)| {
        let [module, version, ..] = rest.as_slice() else { return None };
        let module = unquoted(module);
        let other = replaced.get(&(module, Some(*version))).or_else(|| replaced.get(&(module, None)));
        match other {
            None => Some(Package::new(Ecosystem::Go, module, version, *line)),
            Some((module, Some(version))) => Some(Package::new(Ecosystem::Go, module, version, *line)),
            // A directory.
            Some((_, None)) => None,
        }
    };
    required.filter_map(package).collect()
}

/// Whether a `go.mod` names all modules of the build, so that `go.sum` adds nothing.
pub(in crate::gates::dependencies) fn is_complete(text: &str) -> bool {
    let statements = statements(text);
    let version = statements.iter().find(|(_, word, _)| *word == "go").and_then(|(_, _, rest)| rest.first().copied());
    let mut parts = version.unwrap_or_default().split('.').map(|part| {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        part[..digits].parse::<u32>().unwrap_or(0)
    });
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (1, 17)
}

/// Modules whose code is in the build have a line of their own beside that of their `go.mod`.
pub(super) fn go_sum(text: &str) -> Result<Vec<Package>, String> {
    let mut packages = Vec::new();
    for (nth, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [_, version, _] if version.ends_with("/go.mod") => {}
            [module, version, _] => packages.push(Package::new(Ecosystem::Go, module, version, number(nth))),
            _ => return Err(format!("line {}: a line has three words", nth + 1)),
        }
    }
    Ok(packages)
}

fn unquoted(word: &str) -> &str {
    word.trim_matches(['"', '`'])
}
