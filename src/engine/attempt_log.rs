//! The output of one attempt: bounded by the sandbox, masked here, shown and kept from here.
#![expect(clippy::disallowed_methods, reason = "reads the log of an attempt")]

use std::fs;
use std::io;
use std::path::Path;

use crate::base::{BlobDigest, sanitize_terminal};
use crate::event::Failure;
use crate::gates::last_lines;

/// How much of a log is shown where it is shown at all.
const SHOWN_BYTES_MAX: usize = 64 * 1024;
/// A secret shorter than this is not masked: it would tear holes into ordinary text.
const SECRET_BYTES_MIN: usize = 6;

/// A log with secrets masked.
pub(super) struct AttemptLog {
    bytes: Vec<u8>,
}

impl AttemptLog {
    /// Reads the log of an attempt; none is an empty one.
    pub(super) fn read(path: &Path, secrets: &[String]) -> io::Result<Self> {
        let mut bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        for secret in secrets.iter().filter(|secret| secret.len() >= SECRET_BYTES_MIN) {
            bytes = masked(&bytes, secret.as_bytes());
        }
        Ok(Self { bytes })
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

    /// Whether there was no output.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The log as text.
    #[must_use]
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
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

/// Text as it is shown: sanitized, the tail of it where it is long.
#[must_use]
pub(super) fn shown(text: &str) -> String {
    let clean = sanitize_terminal(text);
    if clean.len() <= SHOWN_BYTES_MAX {
        return clean;
    }
    let mut start = clean.len() - SHOWN_BYTES_MAX;
    while !clean.is_char_boundary(start) {
        start += 1;
    }
    format!("[... {start} bytes not shown, see `orca log` ...]\n{}", &clean[start..])
}

fn masked(bytes: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(secret.len()).position(|window| window == secret) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(b"***");
        rest = &rest[at + secret.len()..];
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_everywhere() {
        assert_eq!(masked(b"a hunter22 b hunter22", b"hunter22"), b"a *** b ***");
        assert_eq!(masked(b"hunter2", b"hunter22"), b"hunter2");
    }

    #[test]
    fn long_logs_show_their_tail() {
        let text = "x".repeat(SHOWN_BYTES_MAX) + "the end";
        let shown = shown(&text);
        assert!(shown.starts_with("[... 7 bytes not shown"));
        assert!(shown.ends_with("the end"));
    }
}
