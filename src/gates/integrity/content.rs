//! What a file may not hold: more bytes than a result should bring, bytes that are no text where text is due, and characters
//! that make code read differently from what it does.

use crate::base::{RelPath, Severity, SizeBytes};
use crate::event::GateFinding;
use crate::gates::judged::{ChangedFile, Content};
use crate::gates::locate::{Line, LineIndex, lines};

/// The largest file where the gate says nothing else.
pub(super) const SIZE_BYTES_MAX: u64 = 5 * 1024 * 1024;
/// Findings of one rule in one file.
const FINDINGS_MAX: usize = 20;
/// Where a file says how it is encoded.
const DECLARATION_BYTES: usize = 400;

/// Endings of source code, besides languages that are parsed.
const CODE: &str = "\
    py pyi js jsx mjs cjs ts tsx mts cts rs go java sh bash zsh fish c h cc cpp cxx hpp hh m mm cs fs vb kt kts \
    scala groovy gradle rb php pl pm lua swift dart ex exs erl hs ml mli clj cljs jl r nim zig sol vue svelte sql \
    ps1 bat cmake tf nix";
/// Endings of other files that are text.
const TEXT: &str = "\
    md markdown rst adoc txt json jsonc json5 jsonl ndjson toml yaml yml ini cfg conf properties env xml html htm \
    xhtml svg css scss sass less csv tsv graphql proto lock mk";

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

fn is_among(words: &str, word: &str) -> bool {
    words.split(' ').any(|one| one == word)
}

/// The ending of a name, in small letters; empty where there is none.
pub(super) fn ending(path: &RelPath) -> String {
    path.file_name().rsplit_once('.').map(|(_, ending)| ending.to_lowercase()).unwrap_or_default()
}

/// Whether a file is source code by its name.
pub(super) fn is_code(path: &RelPath) -> bool {
    is_among(CODE, &ending(path)) || matches!(path.file_name(), "Makefile" | "Dockerfile" | "justfile" | "Jenkinsfile")
}

/// Whether a file lies where files are wrong on purpose, or is a template of one.
pub(super) fn may_be_wrong(path: &RelPath) -> bool {
    path.as_str().split('/').any(|part| ON_PURPOSE.contains(&part) || part.contains("{{"))
}

/// `integrity/file-too-large`.
pub(super) fn too_large(change: &ChangedFile, size_bytes_max: u64) -> Option<GateFinding> {
    let size = |content: &Content| match content {
        Content::File { bytes, .. } => bytes.len() as u64,
        Content::Unread { size_bytes } => *size_bytes,
        _ => 0,
    };
    let (before, after) = (size(&change.before), size(&change.after));
    if after <= size_bytes_max || after <= before {
        return None;
    }
    let shown = |bytes| SizeBytes::new(bytes).to_string();
    let message = format!("`{}` has {}, and {} are allowed", change.path, shown(after), shown(size_bytes_max));
    let finding = GateFinding::new("integrity/file-too-large", Severity::Error, message).at(&change.path);
    Some(finding.help("leave it out or make it smaller; `size_max` of the gate says how large a file may be"))
}

/// `integrity/invalid-utf8`: bytes that are not UTF-8, or a NUL, in what has to be text.
pub(super) fn invalid_utf8(change: &ChangedFile) -> Option<GateFinding> {
    let bytes = change.after.bytes()?;
    let is_other = is_among(TEXT, &ending(&change.path)) && !may_be_wrong(&change.path);
    let is_text = is_code(&change.path) || is_other;
    let offset = first_wrong(bytes)?;
    if !is_text || change.before.bytes().is_some_and(|before| first_wrong(before).is_some()) {
        return None;
    }
    let line = bytes[..offset].iter().filter(|byte| **byte == b'\n').count() + 1;
    let what = if bytes[offset] == 0 { "a NUL byte" } else { "bytes that are not UTF-8" };
    let (severity, help) = match declares_encoding(bytes) {
        true => (Severity::Warning, "write it as UTF-8: what is encoded otherwise, no other check can read"),
        false => (Severity::Error, "write the file as UTF-8"),
    };
    let message = format!("`{}` is text by its name and holds {what}", change.path);
    let finding = GateFinding::new("integrity/invalid-utf8", severity, message).at(&change.path).help(help);
    Some(GateFinding { line: u32::try_from(line).ok(), ..finding })
}

fn first_wrong(bytes: &[u8]) -> Option<usize> {
    let nul = bytes.iter().position(|byte| *byte == 0);
    let invalid = std::str::from_utf8(bytes).err().map(|error| error.valid_up_to());
    [nul, invalid].into_iter().flatten().min()
}

/// Whether a file says by itself that it is encoded in another way.
fn declares_encoding(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(DECLARATION_BYTES)]).to_lowercase();
    let marks = ["coding:", "coding=", "charset=", "encoding="];
    let said = marks.iter().filter_map(|mark| Some(head.split_once(mark)?.1.trim_start_matches([' ', '"', '\''])));
    said.into_iter().any(|name| {
        name.starts_with(|first: char| first.is_ascii_alphabetic())
            && !name.starts_with("utf-8")
            && !name.starts_with("utf8")
    })
}

/// `integrity/bidi-control`: characters in added lines of code that make it look other than it is.
pub(super) fn bidi_controls(change: &ChangedFile) -> Vec<GateFinding> {
    let Some(text) = change.after.text().filter(|_| is_code(&change.path)) else { return Vec::new() };
    // All of them begin with this byte in UTF-8; few texts have it at all.
    if !text.as_bytes().contains(&0xE2) {
        return Vec::new();
    }
    let index = LineIndex::new(text);
    let is_control = |(_, char): &(usize, char)| matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let first = |line: Line<'_>| {
        let (at, char) = line.text.char_indices().find(is_control)?;
        change.is_added(line.number).then_some((line.span.start + at, char))
    };
    let finding = |(at, char): (usize, char)| {
        let message = format!(
            "this line holds U+{:04X}, which lets code be shown in another order than it is run in",
            u32::from(char)
        );
        let finding = GateFinding::new("integrity/bidi-control", Severity::Error, message);
        let finding = finding.help("remove it; in a text that needs it, write it as an escape");
        index.place(finding, &change.path, at..at + char.len_utf8(), None)
    };
    lines(text).filter_map(first).take(FINDINGS_MAX).map(finding).collect()
}
