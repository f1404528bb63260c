//! A file tree as data: what a view shows, what a result holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BlobDigest, RelPath};

/// One entry of a [`Tree`]. Owner, times and all permission bits but "executable" are not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Entry {
    /// A regular file.
    File {
        /// blake3 of its bytes.
        digest: BlobDigest,
        /// Its length in bytes.
        size_bytes: u64,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symbolic link, by the text of its target; never followed.
    Symlink {
        /// Where it points, exactly as stored.
        target: String,
    },
    /// A directory with nothing in it; a directory with entries is implied by them.
    EmptyDir,
}

/// Paths and their entries, in byte order of the paths.
pub type Tree = BTreeMap<RelPath, Entry>;
