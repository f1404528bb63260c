//! What one side of a merge or of a comparison has at a path, with its content.

/// The state of one path. [`crate::base::Entry`] names content by its digest; this holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side<'a> {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// Its content, in whatever encoding.
        bytes: &'a [u8],
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, exactly as stored.
        target: &'a str,
    },
    /// A directory with nothing in it.
    EmptyDir,
}

/// How far into a file a NUL makes it binary: git's `buffer_is_binary` looks as far.
const BINARY_LOOK_BYTES: usize = 8000;

/// Whether these bytes are no text: a NUL near the start. Text that is not UTF-8 is text, and is merged byte by byte.
#[must_use]
pub fn is_binary(bytes: &[u8]) -> bool {
    bytes[..bytes.len().min(BINARY_LOOK_BYTES)].contains(&0)
}
