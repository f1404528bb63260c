//! What nobody can review: `review/generated-file`, what a program made, and `review/binary-file`, what is no text.

use super::kinds::{build_artifact, is_generated, is_lock, is_media};
use crate::base::{Pattern, Severity};
use crate::event::GateFinding;
use crate::gates::judged::{ChangedFile, Content, Judged};

/// Where a binary file shows itself.
const HEAD_BYTES: usize = 8_000;

/// What is found about one file. What the task names is its work.
pub(super) fn artifacts(change: &ChangedFile, judged: &Judged<'_>) -> Option<GateFinding> {
    let path = &change.path;
    if matches!(change.after, Content::Absent | Content::EmptyDir | Content::Symlink { .. }) || is_lock(path) {
        return None;
    }
    let is_new = matches!(change.before, Content::Absent);
    let warning = |rule: &str, message: String, help: &str| {
        Some(GateFinding::new(rule, Severity::Warning, message).at(path).help(help))
    };
    if let Some(what) = build_artifact(path).filter(|what| is_new && !is_asked_for(change, judged, what)) {
        let message = format!("`{path}` is what a build leaves (`{what}`)");
        return warning("review/generated-file", message, "leave it out; whoever needs it builds it");
    }
    if is_named(change, judged) {
        return None;
    }
    if let Some(text) = change.after.text() {
        let was = change.before.text().is_some_and(|before| is_generated(path, before));
        if is_generated(path, text) || was {
            let verb = if is_new { "brings" } else { "changes" };
            let message = format!("the result {verb} `{path}`, which a program makes");
            let help =
                "change what it is made from, and let its task make it; name it in `outputs` if that is this one";
            return warning("review/generated-file", message, help);
        }
        return None;
    }
    let is_binary = match &change.after {
        Content::File { bytes, .. } => bytes[..bytes.len().min(HEAD_BYTES)].contains(&0),
        _ => true,
    };
    let was_binary = change.before.bytes().is_some_and(|bytes| bytes[..bytes.len().min(HEAD_BYTES)].contains(&0));
    if !is_binary || was_binary || is_media(path) && looks_like_media(&change.after) {
        return None;
    }
    let message = format!("`{path}` is binary, so nobody can see what is in it");
    warning("review/binary-file", message, "leave it out, or name it in `outputs` if the task is to make it")
}

/// Whether the task names the path letter by letter.
fn is_named(change: &ChangedFile, judged: &Judged<'_>) -> bool {
    let names = |pattern: &Pattern| pattern.as_literal().as_ref() == Some(&change.path);
    judged.task.is_some_and(|task| task.outputs.iter().chain(task.edits.iter()).any(names))
}

/// Whether a declaration of the task says the directory or the ending.
fn is_asked_for(change: &ChangedFile, judged: &Judged<'_>, what: &str) -> bool {
    let says = |pattern: &Pattern| {
        let text = pattern.as_str();
        let says = match what.strip_suffix('/') {
            Some(directory) => text.split('/').any(|part| part == directory),
            None => what.rsplit_once('.').is_some_and(|(_, ending)| text.ends_with(&format!(".{ending}"))),
        };
        says && pattern.matches(&change.path)
    };
    judged.task.is_some_and(|task| task.outputs.iter().chain(task.edits.iter()).any(says))
}

/// Whether the first bytes are those of a picture, a sound, a font or a document, and not of a program or an archive.
fn looks_like_media(content: &Content) -> bool {
    const PROGRAMS: [&[u8]; 7] =
        [b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"PK\x03\x04", b"\x1f\x8b", b"\xfd7zXZ"];
    content.bytes().is_none_or(|bytes| !PROGRAMS.iter().any(|magic| bytes.starts_with(magic)))
}
