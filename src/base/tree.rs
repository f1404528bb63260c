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

/// What a result did to one path of its `edits`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Change {
    /// What its task was given there; `None`: nothing.
    pub base: Option<Entry>,
    /// What it left; `None`: it removed what was there.
    pub result: Option<Entry>,
}

/// Paths that a result changed in place, in byte order.
pub type Changes = BTreeMap<RelPath, Change>;

/// Paths and their entries, in byte order of the paths.
pub type Tree = BTreeMap<RelPath, Entry>;
