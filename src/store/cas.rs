//! Blobs by digest: `cas/ab/<64 hex digits>`, one plain read-only file each. A blob gets its name only after its bytes
//! are on the disk, and its bytes are hashed whenever they are read, so a torn, damaged or foreign file under a blob's
//! name is a miss, never content. Blobs are copied out and never linked: nothing done to a workspace reaches the cache.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;

use rayon::prelude::*;

use super::root::temp_name;
use super::warnings::{Trouble, Warnings};
use super::{Root, StoreError, clock, stream};
use crate::base::{BlobDigest, Entry, RelPath, Tree, parallel};
use crate::sys::beneath::{self, Access, FileKind, FileStat};

/// The mode of a blob: to be read, by anyone who gets into the cache at all.
const BLOB_MODE: u32 = 0o444;
/// From this many blobs on, one sync of the file system is cheaper than one per file.
const BATCH_BLOBS_MIN: usize = 16;
/// A blob's time of last use is brought up to date when it is older than this.
const TOUCH_AFTER_MS: i64 = 60 * 60 * 1000;

/// The directories of blobs and of temporary files in one cache directory.
#[derive(Debug)]
pub(super) struct Cas {
    pub(super) root: Root,
    pub(super) cas: OwnedFd,
    /// `tmp/`; `None` in a cache that is only read.
    pub(super) temp: Option<OwnedFd>,
    /// A directory in there for what this process writes, made with the first blob, and its name.
    own: OnceLock<(String, OwnedFd)>,
    pub(super) damaged: RelPath,
}

/// A blob that is written but has no name yet. Dropped without one, its bytes go away.
struct Unnamed<'a> {
    cas: &'a Cas,
    temp: String,
    /// Kept open to be synced by itself; `None` where the whole file system will be.
    file: Option<File>,
    digest: BlobDigest,
    size_bytes: u64,
    named: bool,
}

impl Drop for Unnamed<'_> {
    fn drop(&mut self) {
        if let (false, Some((_, dir))) = (self.named, self.cas.own.get()) {
            // What stays is a leftover that gc removes.
            let _ = beneath::unlink(dir.as_fd(), self.temp.as_ref());
        }
    }
}

impl Drop for Cas {
    fn drop(&mut self) {
        if let (Some(temp), Some((name, _))) = (&self.temp, self.own.get()) {
            // What stays is a leftover that gc removes.
            let _ = beneath::remove_dir(temp.as_fd(), name.as_ref());
        }
    }
}

impl Cas {
    /// Opens `cas/` and `tmp/` of a cache directory, making them where `writable`.
    pub(super) fn open(root: Root, writable: bool) -> Result<Self, StoreError> {
        let path = |text| RelPath::new(text).expect("a plain name");
        let (cas, temp) = (path("cas"), path("tmp"));
        if writable {
            root.create_dir_all(&cas)?;
            root.create_dir_all(&temp)?;
        }
        let open = |dir: &RelPath| {
            beneath::open_dir(root.fd(), dir.as_str(), Access::Read).map_err(|source| root.error("open", dir, source))
        };
        let (cas, temp) = (open(&cas)?, if writable { Some(open(&temp)?) } else { None });
        Ok(Self { root, cas, temp, own: OnceLock::new(), damaged: path("damaged") })
    }

    /// The directory for what this process writes: new, so that making a file there does not take longer for what was removed
    /// elsewhere.
    fn own_temp(&self) -> Result<&OwnedFd, StoreError> {
        let failed = |source| StoreError::io("write into", self.root.path(), source);
        let temp = self.temp.as_ref().ok_or_else(|| failed(io::ErrorKind::ReadOnlyFilesystem.into()))?;
        if let Some((_, own)) = self.own.get() {
            return Ok(own);
        }
        beneath::lay_out_apart(temp);
        let name = temp_name();
        beneath::make_private_dir(temp.as_fd(), &name).map_err(failed)?;
        let made = beneath::open_child_dir(temp.as_fd(), &name, Access::Read).map_err(failed)?;
        if self.own.set((name.clone(), made)).is_err() {
            // Another thread was faster.
            let _ = beneath::remove_dir(temp.as_fd(), name.as_ref());
        }
        Ok(&self.own.get().expect("it was set just now").1)
    }

    /// The name in `tmp/` of what this process uses.
    pub(super) fn own_temp_name(&self) -> Option<&str> {
        self.own.get().map(|(name, _)| name.as_str())
    }

    /// Whether nothing new can be put here.
    pub(super) fn is_read_only(&self) -> bool {
        self.temp.is_none()
    }

    /// Whether a file of this name is there. Its content is judged when it is read.
    pub(super) fn has(&self, digest: &BlobDigest) -> bool {
        let path = blob_path(digest);
        let Ok(shard) = self.shard(&path) else { return false };
        match beneath::lstat(shard.as_fd(), &path.name) {
            Ok(Some(stat)) if stat.kind == FileKind::File => {
                self.count_use(&shard, &path, &stat);
                true
            }
            _ => false,
        }
    }

    pub(super) fn put_bytes(&self, bytes: &[u8]) -> Result<BlobDigest, StoreError> {
        let digest = BlobDigest::of(bytes);
        if !self.has(&digest) {
            let unnamed = self.write(|mut file| file.write_all(bytes).map(|()| (digest, bytes.len() as u64)))?;
            self.sync_and_name(vec![unnamed])?;
        }
        Ok(digest)
    }

    pub(super) fn put_file(&self, from: &Root, path: &RelPath) -> Result<(BlobDigest, u64), StoreError> {
        let (file, stat) = from.open_file(path)?;
        let (digest, size_bytes) =
            stream::digest(&file, stat.size_bytes).map_err(|source| from.error("read", path, source))?;
        if self.has(&digest) {
            return Ok((digest, size_bytes));
        }
        // The copy is hashed again, as it was written: the file may have changed in between.
        let copied = self.copy_in(from, path)?;
        let answer = (copied.digest, copied.size_bytes);
        self.sync_and_name(vec![copied])?;
        Ok(answer)
    }

    /// Takes in every file of `tree` that is not here yet. A file that is not what `tree` says is
    /// [`StoreError::Changed`], and then nothing of the tree has got a name.
    pub(super) fn ingest(&self, from: &Root, tree: &Tree) -> Result<(), StoreError> {
        let mut wanted: BTreeMap<&BlobDigest, (&RelPath, u64)> = BTreeMap::new();
        for (path, entry) in tree {
            if let Entry::File { digest, size_bytes, .. } = entry {
                wanted.entry(digest).or_insert((path, *size_bytes));
            }
        }
        let wanted: Vec<(&BlobDigest, (&RelPath, u64))> = wanted.into_iter().collect();
        let is_missing = parallel::map(&wanted, 0, |(digest, _)| !self.has(digest));
        let missing: Vec<(&BlobDigest, &RelPath, u64)> = std::iter::zip(wanted, is_missing)
            .filter_map(|((digest, (path, size_bytes)), missing)| missing.then_some((digest, path, size_bytes)))
            .collect();
        let batch = missing.len() >= BATCH_BLOBS_MIN;
        let size_bytes = missing.iter().map(|(_, _, size_bytes)| size_bytes).sum();
        let copied = parallel::map(&missing, size_bytes, |(digest, path, _)| {
            let mut copied = self.copy_in(from, path)?;
            if copied.digest != **digest {
                return Err(StoreError::Changed { path: (*path).clone() });
            }
            // However many files a tree has, few are open at a time.
            copied.file = copied.file.take().filter(|_| !batch);
            Ok(copied)
        });
        self.sync_and_name(copied.into_iter().collect::<Result<_, _>>()?)
    }

    /// The bytes of a blob, if they are here and right.
    pub(super) fn read(&self, digest: &BlobDigest, warnings: &Warnings) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((mut file, size_bytes)) = self.open_blob(digest, warnings)? else { return Ok(None) };
        let mut bytes = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or(0).min(1 << 30));
        file.read_to_end(&mut bytes).map_err(|source| self.blob_error("read", digest, source))?;
        if BlobDigest::of(&bytes) == *digest {
            return Ok(Some(bytes));
        }
        self.take_out(digest, warnings)?;
        Ok(None)
    }

    /// Copies a blob to a path, hashing what was written before it gets its name. `false` is a miss.
    pub(super) fn copy_to(
        &self,
        digest: &BlobDigest,
        to: &Root,
        path: &RelPath,
        executable: bool,
        warnings: &Warnings,
    ) -> Result<bool, StoreError> {
        let Some((blob, size_bytes)) = self.open_blob(digest, warnings)? else { return Ok(false) };
        let placed = to.place(path, executable, |file| {
            let (copied, _) =
                stream::copy(&blob, file, size_bytes).map_err(|source| to.error("write", path, source))?;
            Ok(copied == *digest)
        })?;
        if !placed {
            self.take_out(digest, warnings)?;
        }
        Ok(placed)
    }

    /// Opens a blob to be read and hashed; counts its use. `None`, with a warning, if there is no such file.
    pub(super) fn open_blob(
        &self,
        digest: &BlobDigest,
        warnings: &Warnings,
    ) -> Result<Option<(File, u64)>, StoreError> {
        let path = blob_path(digest);
        let opened = self.shard(&path).and_then(|shard| {
            let (file, stat) = beneath::open_file(shard.as_fd(), &path.name)?;
            self.count_use(&shard, &path, &stat);
            Ok((file, stat.size_bytes))
        });
        match opened {
            Ok(blob) => Ok(Some(blob)),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound => {
                    warnings.count(Trouble::MissingBlob, digest.short());
                    Ok(None)
                }
                // A link, a pipe, a directory: whatever it is, it is no blob.
                io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput => {
                    self.take_out(digest, warnings)?;
                    Ok(None)
                }
                _ if beneath::is_link_refusal(&error) => {
                    self.take_out(digest, warnings)?;
                    Ok(None)
                }
                _ => Err(self.blob_error("read", digest, error)),
            },
        }
    }

    /// Dates a blob as used now, unless it was lately.
    fn count_use(&self, shard: &OwnedFd, path: &BlobPath, stat: &FileStat) {
        let last_used_ms = stat.mtime_ns / 1_000_000;
        if self.temp.is_some() && clock::now_ms().saturating_sub(last_used_ms) > TOUCH_AFTER_MS {
            // What cannot be dated keeps its old place in the order of gc, and no more.
            let _ = beneath::touch(shard.as_fd(), &path.name);
        }
    }

    /// Takes what stands under a blob's name out of the way: a file or link is removed, a directory, which orca never
    /// made, is moved to `damaged/`. In a cache that may not be written it stays, and stays a miss.
    pub(super) fn take_out(&self, digest: &BlobDigest, warnings: &Warnings) -> Result<(), StoreError> {
        warnings.count(Trouble::DamagedBlob, digest.short());
        let path = blob_path(digest);
        if self.temp.is_none() {
            return Ok(());
        }
        let removed = match self.shard(&path) {
            Ok(shard) => match beneath::unlink(shard.as_fd(), path.name.as_ref()) {
                Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                    self.move_to_damaged(shard.as_fd(), &path.name)
                }
                other => other.map(drop),
            },
            // The shard itself is no directory.
            Err(_) => self.move_to_damaged(self.cas.as_fd(), &path.shard),
        };
        match removed.map_err(|source| self.blob_error("remove", digest, source)) {
            Err(error) if !error.is_unwritable() => Err(error),
            _ => Ok(()),
        }
    }

    /// The digest of every blob, and when it was last used, in milliseconds since the epoch.
    pub(super) fn blobs(&self) -> Result<Vec<(BlobDigest, i64)>, StoreError> {
        let failed = |source| StoreError::io("list", self.root.path().join("cas"), source);
        let mut blobs = Vec::new();
        for shard in beneath::list(self.cas.as_fd()).map_err(failed)? {
            let shard = String::from_utf8_lossy(&shard).into_owned();
            let Ok(dir) = beneath::open_child_dir(self.cas.as_fd(), &shard, Access::Read) else { continue };
            for name in beneath::list(dir.as_fd()).map_err(failed)? {
                let name = String::from_utf8_lossy(&name).into_owned();
                let stat = beneath::lstat(dir.as_fd(), &name).map_err(failed)?;
                if let (Ok(digest), Some(stat)) = (name.parse(), stat) {
                    blobs.push((digest, stat.mtime_ns / 1_000_000));
                }
            }
        }
        blobs.sort_unstable();
        Ok(blobs)
    }

    /// Removes a blob; `false` if it was not there.
    pub(super) fn remove(&self, digest: &BlobDigest) -> Result<bool, StoreError> {
        let path = blob_path(digest);
        let removed = self.shard(&path).and_then(|shard| beneath::unlink(shard.as_fd(), path.name.as_ref()));
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            other => other.map_err(|source| self.blob_error("remove", digest, source)),
        }
    }

    fn move_to_damaged(&self, dir: std::os::fd::BorrowedFd<'_>, name: &str) -> io::Result<()> {
        let damaged = beneath::make_dirs(self.root.fd(), self.damaged.as_str())?;
        let aside = format!("{name}{}", temp_name());
        match beneath::rename_to_free(dir, name.as_ref(), damaged.as_fd(), aside.as_ref()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn copy_in(&self, from: &Root, path: &RelPath) -> Result<Unnamed<'_>, StoreError> {
        let (file, stat) = from.open_file(path)?;
        self.write(|temp| stream::copy(&file, temp, stat.size_bytes))
    }

    /// Writes a temporary file; `fill` answers the digest and length of what it wrote.
    fn write(&self, fill: impl FnOnce(&File) -> io::Result<(BlobDigest, u64)>) -> Result<Unnamed<'_>, StoreError> {
        let failed = |source| StoreError::io("write into", self.root.path(), source);
        let dir = self.own_temp()?;
        let temp = temp_name();
        let file = beneath::create_file(dir.as_fd(), &temp).map_err(failed)?;
        // From here on the file goes away with this value, whatever fails.
        let digest = BlobDigest::from_bytes([0; 32]);
        let mut unnamed = Unnamed { cas: self, temp, file: None, digest, size_bytes: 0, named: false };
        (unnamed.digest, unnamed.size_bytes) = fill(&file).map_err(failed)?;
        beneath::set_mode(&file, BLOB_MODE).map_err(failed)?;
        unnamed.file = Some(file);
        Ok(unnamed)
    }

    /// Makes the bytes durable, then gives the blobs their names, then makes the names durable.
    fn sync_and_name(&self, mut blobs: Vec<Unnamed<'_>>) -> Result<(), StoreError> {
        let failed = |source| StoreError::io("write into", self.root.path(), source);
        let files: Option<Vec<&File>> = blobs.iter().map(|blob| blob.file.as_ref()).collect();
        let batch = files.is_none();
        match files {
            None => beneath::sync_file_system(&self.cas),
            Some(files) if files.len() == 1 => files.into_iter().try_for_each(beneath::sync),
            Some(files) => files.into_par_iter().try_for_each(beneath::sync),
        }
        .map_err(failed)?;
        let mut shards: BTreeMap<String, OwnedFd> = BTreeMap::new();
        for blob in &mut blobs {
            let path = blob_path(&blob.digest);
            let shard = match shards.remove(&path.shard) {
                Some(shard) => shard,
                None => self.make_shard(&path)?,
            };
            let (_, dir) = self.own.get().expect("INVARIANT: a temporary file was made there");
            match beneath::rename(dir.as_fd(), blob.temp.as_ref(), shard.as_fd(), path.name.as_ref()) {
                Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                    self.move_to_damaged(shard.as_fd(), &path.name).map_err(failed)?;
                    beneath::rename(dir.as_fd(), blob.temp.as_ref(), shard.as_fd(), path.name.as_ref())
                }
                other => other,
            }
            .map_err(failed)?;
            blob.named = true;
            if !batch {
                shards.insert(path.shard, shard);
            }
        }
        if batch {
            return beneath::sync_file_system(&self.cas).map_err(failed);
        }
        shards.values().try_for_each(beneath::sync).map_err(failed)
    }

    pub(super) fn shard(&self, path: &BlobPath) -> io::Result<OwnedFd> {
        beneath::open_child_dir(self.cas.as_fd(), &path.shard, Access::Read)
    }

    fn make_shard(&self, path: &BlobPath) -> Result<OwnedFd, StoreError> {
        let failed = |source| StoreError::io("write into", self.root.path(), source);
        match self.shard(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory || beneath::is_link_refusal(&error) => {
                self.move_to_damaged(self.cas.as_fd(), &path.shard).map_err(failed)?;
            }
            other => return other.map_err(failed),
        }
        drop(beneath::make_dirs(self.cas.as_fd(), &path.shard).map_err(failed)?);
        beneath::sync(&self.cas).map_err(failed)?;
        self.shard(path).map_err(failed)
    }

    fn blob_error(&self, op: &'static str, digest: &BlobDigest, source: io::Error) -> StoreError {
        let path = blob_path(digest);
        StoreError::io(op, self.root.path().join("cas").join(path.shard).join(path.name), source)
    }
}

/// Where a blob lies within `cas/`.
pub(super) struct BlobPath {
    pub(super) shard: String,
    pub(super) name: String,
}

pub(super) fn blob_path(digest: &BlobDigest) -> BlobPath {
    let name = digest.to_hex();
    BlobPath { shard: name[..2].to_owned(), name }
}
