//! The shared cache: blobs, results and verdicts in one directory that every project and every orca of a user shares.
//!
//! ```text
//! format         what this directory is, in one line
//! lock           flock: shared by every orca that has the cache open, exclusive for gc
//! cas/ab/<hex>   blobs
//! tmp/           blobs without a name yet
//! actions.db     results and verdicts
//! damaged/       what stood in a blob's place and was no file
//! ```
//!
//! A cache directory of a format this orca does not know is set aside, within itself, with one warning. A cache that
//! may not be written is read, and refuses to store with [`StoreError::ReadOnly`].

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use super::action_cache::ActionCache;
use super::cas::Cas;
use super::warnings::Warnings;
use super::{Root, StoreError};
use crate::base::{ActionKey, BlobDigest, GateKey, RelPath, Tree};
use crate::event::ActionResult;
use crate::sys::beneath;

/// What `format` says. Raised whenever anything in the directory changes its meaning.
const FORMAT: &str = "orca cache 1\n";
/// What a cache directory may hold of orca's: what is set aside where the format is not known.
const OURS: [&str; 7] = ["format", "cas", "tmp", "damaged", "actions.db", "actions.db-wal", "actions.db-shm"];

/// The shared cache. Clones are the same open cache.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    cas: Cas,
    actions: ActionCache,
    warnings: Warnings,
    /// Holds the shared lock; `None` in a cache that is only read.
    lock: Option<File>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Only the order of gc is lost if this fails.
        let _ = self.actions.flush(&self.warnings);
        if let Some(lock) = &self.lock {
            // Closing alone would leave it to a child that another thread has just forked and not yet executed.
            let _ = lock.unlock();
        }
    }
}

impl Store {
    /// Opens the cache at `dir`, making it if need be.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let warnings = Warnings::default();
        let (root, lock) = match open_to_write(dir, &warnings) {
            Ok((root, lock)) => (root, Some(lock)),
            Err(error) if error.is_unwritable() && is_of_known_format(dir) => (Root::open(dir)?, None),
            Err(error) => return Err(error),
        };
        Self::assemble(root, lock, warnings)
    }

    /// Opens the cache at `dir` to look only: writes nothing, makes nothing. `None` if there is none of this format.
    pub fn open_readonly(dir: &Path) -> Result<Option<Self>, StoreError> {
        if !is_of_known_format(dir) {
            return Ok(None);
        }
        match Self::assemble(Root::open(dir)?, None, Warnings::default()) {
            // Killed while it was made: there is nothing in it yet.
            Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    fn assemble(root: Root, lock: Option<File>, warnings: Warnings) -> Result<Self, StoreError> {
        let actions = ActionCache::open(&root.path().join("actions.db"), lock.is_some(), &warnings)?;
        let cas = Cas::open(root, lock.is_some())?;
        Ok(Self(Arc::new(Inner { cas, actions, warnings, lock })))
    }

    /// Where the cache is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.cas.root.path()
    }

    /// Whether the cache takes nothing new: its place may not be written, or it was opened to look only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.0.lock.is_none()
    }

    /// Stores these bytes.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<BlobDigest, StoreError> {
        self.0.cas.put_bytes(bytes)
    }

    /// Stores the file at `path`; answers the digest and length of what was stored.
    pub fn put_file(&self, root: &Root, path: &RelPath) -> Result<(BlobDigest, u64), StoreError> {
        self.0.cas.put_file(root, path)
    }

    /// Stores every file of `tree`, which was scanned beneath `root`; [`StoreError::Changed`] where one is not what it
    /// was then.
    pub fn ingest(&self, root: &Root, tree: &Tree) -> Result<(), StoreError> {
        self.0.cas.ingest(root, tree)
    }

    /// The bytes of a blob; `None` if it is not there or damaged.
    pub fn read(&self, digest: &BlobDigest) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.cas.read(digest, &self.0.warnings)
    }

    /// Copies a blob to `path` beneath `root`, replacing a file or link there; `false` if the blob is not there or
    /// damaged, and then `path` is as it was.
    pub fn copy_to(
        &self,
        digest: &BlobDigest,
        root: &Root,
        path: &RelPath,
        executable: bool,
    ) -> Result<bool, StoreError> {
        self.0.cas.copy_to(digest, root, path, executable, &self.0.warnings)
    }

    /// Whether a blob is there. Whether it is sound shows when it is read.
    #[must_use]
    pub fn has(&self, digest: &BlobDigest) -> bool {
        self.0.cas.has(digest)
    }

    /// The result stored under this key.
    pub fn result(&self, key: &ActionKey) -> Result<Option<ActionResult>, StoreError> {
        self.0.actions.result(key, &self.0.warnings)
    }

    /// Stores a result. Its blobs come first.
    pub fn put_result(&self, key: &ActionKey, result: &ActionResult) -> Result<(), StoreError> {
        self.put_results(&[(*key, result.clone())])
    }

    /// Stores results, all or none of them, in one transaction.
    pub fn put_results(&self, results: &[(ActionKey, ActionResult)]) -> Result<(), StoreError> {
        self.0.actions.put_results(results, &self.0.warnings)
    }

    /// The verdict stored under this key, as JSON.
    pub fn verdict(&self, key: &GateKey) -> Result<Option<String>, StoreError> {
        self.0.actions.verdict(key, &self.0.warnings)
    }

    /// Stores a verdict.
    pub fn put_verdict(&self, key: &GateKey, verdict: &str) -> Result<(), StoreError> {
        self.put_verdicts(&[(*key, verdict.to_owned())])
    }

    /// Stores verdicts, all or none of them, in one transaction.
    pub fn put_verdicts(&self, verdicts: &[(GateKey, String)]) -> Result<(), StoreError> {
        self.0.actions.put_verdicts(verdicts, &self.0.warnings)
    }

    /// What the cache had to say since this was last asked.
    #[must_use]
    pub fn take_warnings(&self) -> Vec<String> {
        self.0.warnings.take()
    }

    /// Leaves what is written of results in the database's log, where that is short.
    pub fn leave_log(&self) -> Result<(), StoreError> {
        self.0.actions.leave_log()
    }

    pub(super) fn cas(&self) -> &Cas {
        &self.0.cas
    }

    pub(super) fn actions(&self) -> &ActionCache {
        &self.0.actions
    }

    pub(super) fn warnings(&self) -> &Warnings {
        &self.0.warnings
    }

    pub(super) fn lock(&self) -> Option<&File> {
        self.0.lock.as_ref()
    }
}

fn format_path() -> RelPath {
    RelPath::new("format").expect("a plain name")
}

fn is_of_known_format(dir: &Path) -> bool {
    Root::open(dir).is_ok_and(|root| matches!(read_format(&root), Ok(Some(text)) if text == FORMAT.as_bytes()))
}

/// What the directory says it is; `None` if it says nothing.
fn read_format(root: &Root) -> Result<Option<Vec<u8>>, StoreError> {
    match root.stat(&format_path())? {
        None => Ok(None),
        Some(stat) if stat.kind != beneath::FileKind::File || stat.size_bytes > 1024 => Ok(Some(Vec::new())),
        Some(_) => root.read(&format_path(), 1024).map(Some),
    }
}

/// Makes sure that the directory is a cache of this format, and takes the shared lock.
fn open_to_write(dir: &Path, warnings: &Warnings) -> Result<(Root, File), StoreError> {
    beneath::make_private_dirs(dir).map_err(|source| StoreError::io("make", dir, source))?;
    let root = Root::open(dir)?;
    let open_lock =
        |name| beneath::open_lock_file(root.fd().as_fd(), name).map_err(|e| StoreError::io("lock", dir.join(name), e));
    let making = open_lock("make.lock")?;
    making.lock().map_err(|source| StoreError::io("lock", dir, source))?;
    match read_format(&root)? {
        Some(text) if text == FORMAT.as_bytes() => {}
        found => {
            if let Some(aside) = set_aside(&root)? {
                let what = if found.is_some() { "has a format this orca does not know" } else { "names no format" };
                warnings.say(format!("the cache `{}` {what}; its content was moved to `{aside}`", dir.display()));
            }
            beneath::lay_out_apart(root.fd());
            root.write_durably(&format_path(), FORMAT.as_bytes())?;
        }
    }
    let lock = open_lock("lock")?;
    lock.lock_shared().map_err(|source| StoreError::io("lock", dir, source))?;
    Ok((root, lock))
}

/// Moves what is orca's in the directory, and nothing else, into a directory of its own; answers its name.
fn set_aside(root: &Root) -> Result<Option<String>, StoreError> {
    let path = |text: &str| RelPath::new(text).expect("a plain name");
    let mut found = Vec::new();
    for name in OURS {
        if root.stat(&path(name))?.is_some() {
            found.push(name);
        }
    }
    if found.is_empty() {
        return Ok(None);
    }
    let mut number = 1u32;
    let aside = loop {
        let aside = path(&format!("set-aside-{number}"));
        if root.stat(&aside)?.is_none() {
            break aside;
        }
        number += 1;
    };
    let into = root.make_dirs(&aside)?;
    for name in found {
        beneath::rename(root.fd(), name.as_ref(), into.as_fd(), name.as_ref())
            .map_err(|source| root.error("set aside", &path(name), source))?;
    }
    Ok(Some(aside.as_str().to_owned()))
}
