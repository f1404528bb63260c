//! Why a test could not be run: from what a compiler, an interpreter or a runner says to a kind, and to the names of what
//! is missing.

use std::sync::LazyLock;

use regex::Regex;

/// Names that are kept of one message.
const MISSING_MAX: usize = 50;

/// What kept a test from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// Something it needs is not there: a module, a file, a name.
    Import,
    /// It is no program of its language.
    Syntax,
    /// It could not be collected or compiled for another reason.
    Collection,
    /// Something else broke: a fixture, a hook.
    Other,
}

/// Something that a message says is not there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::gates::tdd) enum Missing {
    /// A module, package or file, as it is written: `calc.ops`, `./ops`, `crate::ops`.
    Module(String),
    /// A name in one.
    Name(String),
}

static SYNTAX: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?m)\b(SyntaxError|IndentationError|TabError)\b|Unexpected token|error: (expected (one of|expression|identifier|item|pattern|type|`|')|unexpected closing delimiter|this file contains an unclosed delimiter|mismatched closing delimiter|unterminated|unknown start of token)|: syntax error:|error: (';'|'\)'|class, interface|illegal start|reached end of file|not a statement|unclosed string)|TS1\d{3}:",
    )
});

static IMPORT: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"\bModuleNotFoundError\b|\bImportError\b|[Cc]annot find (module|package)|ERR_MODULE_NOT_FOUND|does not provide an export named|error\[E(0432|0433|0583|0463)\]",
    )
});

/// Each with what its first group names.
static MISSING: LazyLock<Vec<(Regex, bool)>> = LazyLock::new(|| {
    let modules = [
        r"No module named '([^'\n]+)'",
        r"[Cc]annot find (?:module|package) '([^'\n]+)'",
        r"Failed to resolve import \W([^'\n\x22]+)\W",
        r"unresolved import `([^`\n]+)`",
        r"file not found for module `([^`\n]+)`",
        r"use of (?:undeclared|unresolved)[a-z ]* `([^`\n]+)`",
        r"can't find crate for `([^`\n]+)`",
        r"no required module provides package ([^\s;]+)",
        r"package ([^\s;]+) is not in (?:std|GOROOT)",
        r#"cannot find package "([^"\n]+)""#,
        r"error: package ([\w.]+) does not exist",
        r"No such file or directory: '([^'\n]+)'",
        r"couldn't read `([^`\n]+)`",
        r"ENOENT[^'\n]*'([^'\n]+)'",
    ];
    let names = [
        r"cannot import name '([^'\n]+)'",
        r"module '[^'\n]+' has no attribute '([^'\n]+)'",
        r"type object '[^'\n]+' has no attribute '([^'\n]+)'",
        r"name '([^'\n]+)' is not defined",
        r"does not provide an export named '([^'\n]+)'",
        r"has no exported member(?: named)? '([^'\n]+)'",
        r"\bCannot find name '([^'\n]+)'",
        r"Property '([^'\n]+)' does not exist",
        r"(?:^|\n)(?:ReferenceError: )?([A-Za-z_$][\w$]*) is not defined",
        r"cannot find [a-z, ]+ `([^`\n]+)` in",
        r"no (?:method|function or associated item|associated item|variant|field|variant or associated item|associated function or constant)[a-z ]* (?:named )?`([^`\n]+)`",
        r"(?:struct|variant) `[^`\n]+` has no field named `([^`\n]+)`",
        r"(?:function|method|associated function|tuple struct|enum variant) takes \d+ [^\n]+\n(?:[^\n]*\n){0,12}?[^\n]*\b(?:fn|struct) (\w+)",
        r"undefined: (?:\w+\.)?(\w+)",
        r"\.(\w+) undefined \(type",
        r"unknown field (\w+) in struct literal",
        r"symbol:\s+(?:method|class|variable|constructor) (\w+)",
    ];
    let modules = modules.into_iter().map(|pattern| (regex(pattern), true));
    modules.chain(names.into_iter().map(|pattern| (regex(pattern), false))).collect()
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern of ours")
}

/// The kind of what a message tells.
pub(in crate::gates::tdd) fn error_kind(message: &str) -> ErrorKind {
    if IMPORT.is_match(message) {
        return ErrorKind::Import;
    }
    if SYNTAX.is_match(message) {
        return ErrorKind::Syntax;
    }
    match missing(message).is_empty() {
        true => ErrorKind::Collection,
        false => ErrorKind::Import,
    }
}

/// What a message says is missing, each once.
pub(in crate::gates::tdd) fn missing(message: &str) -> Vec<Missing> {
    let mut found = Vec::new();
    for (pattern, is_module) in MISSING.iter() {
        for captures in pattern.captures_iter(message).take(MISSING_MAX) {
            let Some(name) = captures.get(1) else { continue };
            let name = name.as_str().to_owned();
            found.push(if *is_module { Missing::Module(name) } else { Missing::Name(name) });
        }
    }
    found.sort();
    found.dedup();
    found.truncate(MISSING_MAX);
    found
}
