//! What one project must not lose: the content of files before orca changed them, and of agents' results that are in
//! use. `.orca/kept`, a content-addressed store of the same form as the cache, but nobody else's, and never emptied by
//! size: it holds what the record of the project refers to; what nothing refers to goes after a while.

use std::collections::BTreeSet;
use std::path::Path;

use super::cas::Cas;
use super::warnings::Warnings;
use super::{Root, StoreError, clock};
use crate::base::{BlobDigest, Entry, RelPath, Tree};

/// Blobs of one project.
#[derive(Debug)]
pub struct Kept {
    cas: Cas,
    warnings: Warnings,
}

impl Kept {
    /// Opens `kept/` in the project's state directory, making it if need be.
    pub fn open(state: &Path) -> Result<Self, StoreError> {
        let kept = RelPath::new("kept").expect("a plain name");
        let above = Root::open(state)?;
        above.create_dir_all(&kept)?;
        let cas = Cas::open(Root::open(&kept.beneath(state))?, true)?;
        Ok(Self { cas, warnings: Warnings::default() })
    }

    /// Opens it to look only; `None` if there is none.
    pub fn open_readonly(state: &Path) -> Result<Option<Self>, StoreError> {
        let opened = Root::open(&state.join("kept")).and_then(|root| Cas::open(root, false));
        match opened {
            Ok(cas) => Ok(Some(Self { cas, warnings: Warnings::default() })),
            Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether it was opened to look only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.cas.is_read_only()
    }

    /// Keeps these bytes.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<BlobDigest, StoreError> {
        self.cas.put_bytes(bytes)
    }

    /// Keeps every file of `tree`, which was scanned beneath `root`; [`StoreError::Changed`] where one is not what it
    /// was then.
    pub fn ingest(&self, root: &Root, tree: &Tree) -> Result<(), StoreError> {
        self.cas.ingest(root, tree)
    }

    /// The bytes of a blob; `None` if it is not there or damaged.
    pub fn read(&self, digest: &BlobDigest) -> Result<Option<Vec<u8>>, StoreError> {
        match self.cas.has(digest) {
            true => self.cas.read(digest, &self.warnings),
            false => Ok(None),
        }
    }

    /// Copies a blob to `path` beneath `root`; `false` if it is not there or damaged, and then `path` is as it was.
    pub fn copy_to(
        &self,
        digest: &BlobDigest,
        root: &Root,
        path: &RelPath,
        executable: bool,
    ) -> Result<bool, StoreError> {
        Ok(self.cas.has(digest) && self.cas.copy_to(digest, root, path, executable, &self.warnings)?)
    }

    /// Whether a blob is there.
    #[must_use]
    pub fn has(&self, digest: &BlobDigest) -> bool {
        self.cas.has(digest)
    }

    /// Whether the content of an entry is there, where it has any.
    #[must_use]
    pub fn has_entry(&self, entry: &Entry) -> bool {
        match entry {
            Entry::File { digest, .. } => self.has(digest),
            Entry::Symlink { .. } | Entry::EmptyDir => true,
        }
    }

    /// Removes every blob that is not among `needed` and was not used for `unused_ms`; answers how many.
    pub fn retain(&self, needed: &BTreeSet<BlobDigest>, unused_ms: u64) -> Result<u64, StoreError> {
        let before_ms = clock::now_ms().saturating_sub(i64::try_from(unused_ms).unwrap_or(i64::MAX));
        let mut removed = 0;
        for (digest, used_ms) in self.cas.blobs()? {
            if !needed.contains(&digest) && used_ms <= before_ms && self.cas.remove(&digest)? {
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// What it had to say since this was last asked.
    #[must_use]
    pub fn take_warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    pub(super) fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    pub(super) fn cas(&self) -> &Cas {
        &self.cas
    }
}
