//! A log file that never outgrows its limit: the head goes straight to disk, the tail waits in a ring until the end.
//! Where nothing is written there is no file.
#![expect(clippy::disallowed_methods, reason = "the log is a file")]

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Output of one task, written as it comes.
pub(super) struct BoundedLog {
    path: PathBuf,
    file: Option<File>,
    head_limit_bytes: u64,
    tail: Ring,
    total_bytes: u64,
}

/// How much there was, and how much of it the file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct LogSize {
    pub total_bytes: u64,
    pub kept_bytes: u64,
}

impl BoundedLog {
    pub(super) fn create(path: &Path, limit_bytes: u64) -> io::Result<Self> {
        let head_limit_bytes = limit_bytes / 2;
        let tail_limit = usize::try_from(limit_bytes - head_limit_bytes).unwrap_or(usize::MAX);
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let tail = Ring::new(tail_limit);
        Ok(Self { path: path.to_owned(), file: None, head_limit_bytes, tail, total_bytes: 0 })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = self.head_limit_bytes.saturating_sub(self.total_bytes);
        let (head, tail) = bytes.split_at(bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
        self.total_bytes += bytes.len() as u64;
        self.tail.push(tail);
        self.append(head)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::create(&self.path)?),
        };
        file.write_all(bytes)
    }

    /// Appends the tail, after a mark where something is missing in between.
    pub(super) fn finish(mut self) -> io::Result<LogSize> {
        let head_bytes = self.total_bytes.min(self.head_limit_bytes);
        let kept_bytes = head_bytes + self.tail.len() as u64;
        let left_out = self.total_bytes - kept_bytes;
        if left_out > 0 {
            self.append(format!("\n[... {left_out} bytes left out by orca ...]\n").as_bytes())?;
        }
        for part in std::mem::replace(&mut self.tail, Ring::new(0)).parts() {
            self.append(part)?;
        }
        Ok(LogSize { total_bytes: self.total_bytes, kept_bytes })
    }
}

/// The last bytes of a stream. It grows as they come, up to its limit.
struct Ring {
    bytes: Vec<u8>,
    limit: usize,
    start: usize,
}

impl Ring {
    fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, start: 0 }
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(self.limit)..];
        let (fresh, over) = bytes.split_at(bytes.len().min(self.limit - self.bytes.len()));
        self.bytes.extend_from_slice(fresh);
        if over.is_empty() {
            return;
        }
        let to_end = over.len().min(self.limit - self.start);
        self.bytes[self.start..self.start + to_end].copy_from_slice(&over[..to_end]);
        self.bytes[..over.len() - to_end].copy_from_slice(&over[to_end..]);
        self.start = (self.start + over.len()) % self.limit;
    }

    fn parts(&self) -> [&[u8]; 2] {
        let (newer, older) = self.bytes.split_at(self.start);
        [older, newer]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(limit: u64, pieces: &[&[u8]]) -> (Vec<u8>, LogSize) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = BoundedLog::create(&path, limit).unwrap();
        pieces.iter().for_each(|piece| log.write(piece).unwrap());
        let size = log.finish().unwrap();
        (std::fs::read(path).unwrap_or_default(), size)
    }

    #[test]
    fn what_fits_is_kept_as_it_is() {
        let (text, size) = logged(8, &[b"abc", b"", b"defgh"]);
        assert_eq!(text, b"abcdefgh");
        assert_eq!(size, LogSize { total_bytes: 8, kept_bytes: 8 });
    }

    #[test]
    fn the_middle_is_left_out_with_a_mark() {
        let (text, size) = logged(8, &[b"abcdefghijkl", b"m"]);
        assert_eq!(String::from_utf8_lossy(&text), "abcd\n[... 5 bytes left out by orca ...]\njklm");
        assert_eq!(size, LogSize { total_bytes: 13, kept_bytes: 8 });
    }

    proptest::proptest! {
        #[test]
        fn head_and_tail_are_those_of_the_stream(
            limit in 0_u64..20, pieces in proptest::collection::vec(proptest::collection::vec(0_u8..255, 0..30), 0..8)
        ) {
            let whole: Vec<u8> = pieces.concat();
            let (text, size) = logged(limit, &pieces.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let head = &whole[..whole.len().min(usize::try_from(limit / 2).unwrap())];
            let kept = usize::try_from(size.kept_bytes).unwrap();
            proptest::prop_assert_eq!(kept, whole.len().min(usize::try_from(limit).unwrap()));
            proptest::prop_assert!(text.starts_with(head));
            proptest::prop_assert!(text.ends_with(&whole[whole.len() - (kept - head.len())..]));
        }
    }
}
