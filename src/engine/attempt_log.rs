//! The output of one attempt: bounded by the sandbox, masked here, shown and kept from here.
#![expect(clippy::disallowed_methods, reason = "reads the log of an attempt")]

use std::fs;
use std::io;
use std::path::Path;

use super::secrets::{Secret, masked};
use crate::agents::{self, AgentReport};
use crate::base::{BlobDigest, sanitize_terminal};
use crate::event::Failure;
use crate::gates::last_lines;
use crate::plan::AgentPreset;
use crate::sandbox::End;

/// How much of a log is shown where it is shown at all.
const SHOWN_BYTES_MAX: usize = 64 * 1024;
/// And how many lines of it.
const SHOWN_LINES_MAX: usize = 200;

/// A log with secrets masked.
pub(super) struct AttemptLog {
    bytes: Vec<u8>,
    /// What kind of agent wrote it; none for a command.
    agent: Option<AgentPreset>,
}

impl AttemptLog {
    /// Reads the log of an attempt; none is an empty one.
    pub(super) fn read(path: &Path, secrets: &[Secret], agent: Option<AgentPreset>) -> io::Result<Self> {
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        Ok(Self { bytes: masked(bytes, secrets), agent })
    }

    /// The masked bytes.
    #[must_use]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Their digest.
    #[must_use]
    pub(super) fn digest(&self) -> BlobDigest {
        BlobDigest::of(&self.bytes)
    }

    /// Their number.
    #[must_use]
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The log as text, an agent's as a person reads it.
    #[must_use]
    pub(super) fn text(&self) -> String {
        text(&self.bytes, self.agent)
    }

    /// What an agent says of its work. `end` is how its process ended.
    #[must_use]
    pub(super) fn report(&self, end: &End) -> Option<AgentReport> {
        self.agent.map(|preset| agents::read_stream(preset, &self.bytes, end))
    }

    /// The log as it is shown: sanitized, the tail of it where it is long.
    #[must_use]
    pub(super) fn shown(&self) -> String {
        shown(&self.text())
    }

    /// What a failure teaches the next attempt.
    #[must_use]
    pub(super) fn lesson(&self, failure: &Failure) -> String {
        let details = failure.details.join("\n");
        format!("{}\n{details}\n\nThe last lines of its output:\n{}", failure.message, last_lines(&self.text()))
    }

    /// Writes the masked log over the one of the attempt, which is kept. That it is masked matters more than that it
    /// is there.
    pub(super) fn write_masked(&self, path: &Path) {
        if fs::write(path, &self.bytes).is_err() {
            let _ = fs::remove_file(path);
        }
    }
}

/// A log as text, an agent's as a person reads it.
#[must_use]
pub(super) fn text(log: &[u8], agent: Option<AgentPreset>) -> String {
    match agent {
        Some(preset) => agents::readable(preset, log),
        None => String::from_utf8_lossy(log).into_owned(),
    }
}

/// Text as it is shown: sanitized, its last whole lines where it is long.
#[must_use]
pub(super) fn shown(text: &str) -> String {
    let clean = sanitize_terminal(text);
    match tail_start(&clean) {
        0 => clean,
        start => format!("[... {start} bytes not shown; `orca log` prints all that is kept ...]\n{}", &clean[start..]),
    }
}

/// Where the part that is shown begins: at a line, unless one line alone is too long.
fn tail_start(text: &str) -> usize {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let by_lines = body.rmatch_indices('\n').nth(SHOWN_LINES_MAX - 1).map_or(0, |(at, _)| at + 1);
    let mut by_bytes = text.len().saturating_sub(SHOWN_BYTES_MAX);
    while !text.is_char_boundary(by_bytes) {
        by_bytes += 1;
    }
    if by_lines >= by_bytes {
        return by_lines;
    }
    if text[..by_bytes].ends_with('\n') {
        return by_bytes;
    }
    body[by_bytes.min(body.len())..].find('\n').map_or(by_bytes, |at| by_bytes + at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_logs_show_their_tail() {
        let text = "x".repeat(SHOWN_BYTES_MAX) + "the end";
        let shown = shown(&text);
        assert!(shown.starts_with("[... 7 bytes not shown"));
        assert!(shown.ends_with("the end"));
    }

    #[test]
    fn what_is_shown_begins_with_a_line() {
        let many: String = (0..1000).map(|number| format!("line {number}\n")).collect();
        let text = shown(&many);
        let mut lines = text.lines();
        assert!(lines.next().is_some_and(|mark| mark.contains("not shown; `orca log`")), "{text}");
        assert_eq!(lines.next(), Some("line 800"));
        assert_eq!(lines.last(), Some("line 999"));
        let wide: String = (0..150).map(|number| format!("{number} {}\n", "é".repeat(400))).collect();
        let text = shown(&wide);
        let whole = |line: &str| line.split_once(' ').is_some_and(|(_, rest)| rest.chars().count() == 400);
        assert!(text.len() <= SHOWN_BYTES_MAX + 100 && text.lines().skip(1).all(whole), "{text}");
        assert!(text.ends_with("é\n"));
        let few: String = (0..SHOWN_LINES_MAX).map(|number| format!("{number}\n")).collect();
        assert_eq!(shown(&few), few);
    }
}
