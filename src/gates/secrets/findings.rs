//! From secrets in bytes to findings on lines: only what the result adds counts, and nothing of it is shown.

use std::borrow::Cow;

use rayon::prelude::*;

use super::rule::{Rule, Shape};
use super::scanner::{Hit, Scanner, is_generic};
use super::shape::FileKind;
use crate::base::{RelPath, Severity, counted};
use crate::event::GateFinding;
use crate::gates::judged::{ChangedFile, Content, Judged};
use crate::gates::locate::LineIndex;
use crate::gates::part::Part;

/// Findings that are made of one result; errors come first where there are more.
const FINDINGS_MAX: usize = 2_000;
/// Findings of one file, of each severity.
const OF_FILE_MAX: usize = 500;
/// Bytes at the beginning of a file that say whether it is a text.
const HEAD_BYTES: usize = 8 * 1024;

const HELP: &str =
    "revoke it where it was issued if it is real, take it out, and read it from the environment or a secret store";

/// Looks for secrets in the lines that a result adds.
#[must_use]
pub fn secrets(judged: &Judged<'_>) -> Part {
    let files: Vec<(Vec<Found<'_>>, Option<GateFinding>)> = judged.changed.par_iter().map(in_file).collect();
    let (found, unsearched): (Vec<Vec<Found<'_>>>, Vec<Option<GateFinding>>) = files.into_iter().unzip();
    let mut found: Vec<Found<'_>> = found.into_iter().flatten().collect();
    let more = found.len().saturating_sub(FINDINGS_MAX);
    if more > 0 {
        found.sort_by_key(|one| std::cmp::Reverse(one.severity));
        found.truncate(FINDINGS_MAX);
        found.sort_by(|one, other| one.file.path.cmp(&other.file.path));
    }
    let files: Vec<&[Found<'_>]> = found.chunk_by(|one, other| one.file.path == other.file.path).collect();
    let mut findings: Vec<GateFinding> = files.into_par_iter().flat_map_iter(told).collect();
    findings.extend(unsearched.into_iter().flatten());
    let part = Part::judged("secrets", findings);
    if more > 0 { part.note(format!("and {}", counted(more as u64, "more secret"))) } else { part }
}

/// A rule, as the documentation and the benchmark see it.
#[derive(Debug, Clone)]
pub struct SecretRule {
    /// Its id: `secrets/github-token`.
    pub id: String,
    /// What it finds.
    pub what: &'static str,
    /// How bad that is.
    pub severity: Severity,
    /// One of them stands where it finds something, in any case.
    pub keywords: Vec<String>,
    /// The pattern of what it finds, where that needs no name beside it.
    pub pattern: Option<&'static str>,
}

/// Every rule.
pub fn secret_rules() -> impl Iterator<Item = SecretRule> {
    let facts = |rule: &Rule| SecretRule {
        id: id(rule.name),
        what: rule.what,
        severity: rule.severity,
        keywords: rule.spellings(),
        pattern: matches!(rule.shape, Shape::Token | Shape::Within).then_some(rule.pattern),
    };
    Scanner::get().rules.iter().map(facts)
}

fn id(name: &str) -> String {
    format!("secrets/{name}")
}

/// A secret on an added line.
struct Found<'f> {
    file: &'f ChangedFile,
    hit: Hit,
    severity: Severity,
}

/// The secrets on added lines of a file, and what there is to say of a file that could not be searched to its end.
fn in_file(file: &ChangedFile) -> (Vec<Found<'_>>, Option<GateFinding>) {
    if let Content::Unread { size_bytes } = file.after {
        let why =
            format!("a file of {size_bytes} bytes was not searched for secrets: it is too large or cannot be read");
        return (Vec::new(), Some(not_searched(file, why)));
    }
    let Some(bytes) = file.after.bytes() else { return (Vec::new(), None) };
    let scanner = Scanner::get();
    let text = decoded(bytes);
    let hits = scanner.scan(&text, kind_of(&file.path, &text));
    let is_aside = is_aside(&file.path);
    let (mut line, mut counted) = (1_u32, 0);
    let (mut errors, mut others) = (0, 0);
    let mut found = Vec::new();
    for hit in hits.list {
        line = line.saturating_add(breaks(&text[counted..hit.span.start]));
        counted = hit.span.start;
        let last = line.saturating_add(breaks(&text[hit.span.clone()]));
        if file.before.bytes().is_some() && !(line..=last).any(|line| file.is_added(line)) {
            continue;
        }
        let rule = &scanner.rules[hit.rule];
        let severity = if is_aside && is_generic(rule) { Severity::Advice } else { rule.severity };
        let count = if severity == Severity::Error { &mut errors } else { &mut others };
        *count += 1;
        if *count <= OF_FILE_MAX {
            found.push(Found { file, hit, severity });
        }
    }
    let cut = hits.is_cut.then(|| {
        not_searched(file, "so much in this file looks like a secret that the rest was not looked at".to_owned())
    });
    (found, cut)
}

fn breaks(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX)
}

/// A file that was not searched must not look like one in which nothing was found.
fn not_searched(file: &ChangedFile, why: String) -> GateFinding {
    let finding = GateFinding::new("secrets/not-searched", Severity::Warning, why).at(&file.path);
    finding.help("split it, or keep it out of the result")
}

/// The findings of one file.
fn told(found: &[Found<'_>]) -> Vec<GateFinding> {
    let (Some(first), scanner) = (found.first(), Scanner::get()) else { return Vec::new() };
    let file = first.file;
    let Some(bytes) = file.after.bytes() else { return Vec::new() };
    let bytes = decoded(bytes);
    // Whatever is a secret is masked, not only the one that is told: the lines around may hold others.
    let hits = scanner.scan(&bytes, kind_of(&file.path, &bytes));
    let mut masked = bytes.to_vec();
    for byte in hits.list.iter().flat_map(|hit| hit.span.clone()) {
        if !matches!(masked[byte], b'\n' | b'\r') {
            masked[byte] = b'*';
        }
    }
    let (text, masked) = (readable(&bytes), readable(&masked));
    let (places, shown) = (LineIndex::new(&text), LineIndex::new(&masked));
    let finding = |one: &Found<'_>| {
        let rule = &scanner.rules[one.hit.rule];
        let message = format!("{} stands here in plain text", capitalized(rule.what));
        let finding = GateFinding::new(id(rule.name), one.severity, message).help(HELP);
        let mut finding = places.place(finding, &file.path, one.hit.span.clone(), Some(one.hit.span.clone()));
        finding.excerpt = finding.line.filter(|_| !hits.is_cut).map(|line| shown.excerpt(line, None));
        finding
    };
    found.iter().map(finding).collect()
}

/// UTF-16 with its mark as UTF-8; anything else as it is.
fn decoded(bytes: &[u8]) -> Cow<'_, [u8]> {
    let unit: fn([u8; 2]) -> u16 = match bytes {
        [0xFF, 0xFE, ..] => u16::from_le_bytes,
        [0xFE, 0xFF, ..] => u16::from_be_bytes,
        _ => return Cow::Borrowed(bytes),
    };
    let units = bytes[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let text: String = char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    Cow::Owned(text.into_bytes())
}

/// The same bytes as text, at the same offsets: what is no UTF-8 becomes `?`.
fn readable(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    Cow::Owned(text)
}

fn capitalized(what: &str) -> String {
    let mut chars = what.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Names of files, and ends of names, whose values need no quotes.
const SETTINGS: [&str; 34] = [
    "env",
    "yml",
    "yaml",
    "toml",
    "ini",
    "cfg",
    "conf",
    "config",
    "cnf",
    "properties",
    "props",
    "settings",
    "sh",
    "bash",
    "zsh",
    "fish",
    "ps1",
    "bat",
    "cmd",
    "mk",
    "tf",
    "tfvars",
    "hcl",
    "xml",
    "plist",
    "csproj",
    "dockerfile",
    "makefile",
    "npmrc",
    "netrc",
    "pypirc",
    "envrc",
    "service",
    "txt",
];
const LOCKS: [&str; 14] = [
    "cargo.lock",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "poetry.lock",
    "uv.lock",
    "pdm.lock",
    "pipfile.lock",
    "gemfile.lock",
    "composer.lock",
    "go.sum",
    "flake.lock",
    "bun.lock",
];

fn kind_of(path: &RelPath, bytes: &[u8]) -> FileKind {
    let name = path.as_str().rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let mut parts = name.split('.').filter(|part| !part.is_empty());
    let is_env = name.starts_with(".env") || name.ends_with(".env");
    let last = parts.next_back().unwrap_or_default();
    FileKind {
        is_binary: bytes[..bytes.len().min(HEAD_BYTES)].contains(&0),
        is_settings: is_env || SETTINGS.contains(&last) || name.starts_with("dockerfile"),
        is_lock: LOCKS.contains(&name.as_str()),
    }
}

/// Whether a file is a test, an example or a text, where values that look like secrets usually are none.
fn is_aside(path: &RelPath) -> bool {
    let path = path.as_str().to_ascii_lowercase();
    let (directories, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let known = ["test", "tests", "testdata", "__tests__", "spec", "specs", "fixtures", "mocks", "examples", "docs"];
    directories.split('/').any(|directory| known.contains(&directory))
        || name.starts_with("test_")
        || ["_test.", ".test.", "_spec.", ".spec.", "_tests."].iter().any(|part| name.contains(part))
        || [".md", ".rst", ".adoc"].iter().any(|end| name.ends_with(end))
}
