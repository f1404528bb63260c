//! A directory opened once, and everything beneath it by [`RelPath`]. A `Root` never follows a symbolic link beneath
//! itself: a link at the end of a path is a thing of its own, a link on the way is an error. So no plan, task output
//! or link planted during a build makes orca read, write or remove anything outside.
//!
//! Files appear whole: written under a temporary name, then renamed. A file has mode 0755 or 0644 and a directory made
//! here 0755, whatever the umask; set-id and sticky bits are never given.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::{StoreError, stream};
use crate::base::{BlobDigest, Entry, RelPath, bounded};
use crate::sys::beneath::{self, Access, FileKind, FileStat};

/// What a temporary file's name starts with, wherever a [`Root`] makes one.
pub const TEMP_PREFIX: &str = ".orca-tmp.";

/// How many files one thread looks at before it takes more.
const STATS_AT_ONCE: usize = 256;
/// How much room is made at once for a file that says it is as long.
const EXPECTED_BYTES_MAX: usize = 16 << 20;

/// A directory, and the files beneath it.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    path: PathBuf,
    /// Where temporary files are made, if not beside their target.
    staging: Option<OwnedFd>,
}

/// The directory that a path lies in.
pub(super) enum Parent<'a> {
    Root(BorrowedFd<'a>),
    Opened(OwnedFd),
}

impl AsFd for Parent<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Root(fd) => *fd,
            Self::Opened(fd) => fd.as_fd(),
        }
    }
}

impl Root {
    /// Opens the directory. Links in `path` itself are followed.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let fd = beneath::open_root(path).map_err(|source| StoreError::io("open", path, source))?;
        Ok(Self { fd, path: path.to_owned(), staging: None })
    }

    /// As [`Root::open`], with temporary files made in the directory `staging` beneath the root, which is created if
    /// need be, so that a kill leaves none among the user's files. What an earlier process left there is removed, so
    /// the caller holds the project's lock.
    pub fn open_staged(path: &Path, staging: &RelPath) -> Result<Self, StoreError> {
        let mut root = Self::open(path)?;
        root.remove_tree(staging)?;
        root.staging = Some(root.make_dirs(staging)?);
        Ok(root)
    }

    /// Where it was opened: for messages, and for programs that take a path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is at `path`, without reading it; `None` if there is nothing.
    pub fn stat(&self, path: &RelPath) -> Result<Option<FileStat>, StoreError> {
        match self.parent(path) {
            Ok(parent) => beneath::lstat(parent.as_fd(), path.file_name()).map_err(|e| self.error("look at", path, e)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Ok(None),
            Err(error) => Err(self.error("look at", path, error)),
        }
    }

    /// [`Root::stat`] of each, in parallel. Neighbours in the list that lie in one directory cost one opening of it.
    #[must_use]
    pub fn stat_many(&self, paths: &[RelPath]) -> Vec<Result<Option<FileStat>, StoreError>> {
        let of_chunk = |chunk: &[RelPath]| -> Vec<Result<Option<FileStat>, StoreError>> {
            let mut opened: Option<(&str, Parent<'_>)> = None;
            let mut stats = Vec::with_capacity(chunk.len());
            for path in chunk {
                let directory = path.parent_str();
                if opened.as_ref().is_none_or(|(known, _)| *known != directory) {
                    opened = self.parent(path).ok().map(|parent| (directory, parent));
                }
                stats.push(match &opened {
                    Some((_, parent)) => {
                        beneath::lstat(parent.as_fd(), path.file_name()).map_err(|e| self.error("look at", path, e))
                    }
                    None => self.stat(path),
                });
            }
            stats
        };
        match paths.len() {
            0..=STATS_AT_ONCE => of_chunk(paths),
            _ => paths.par_chunks(STATS_AT_ONCE).flat_map_iter(of_chunk).collect(),
        }
    }

    /// The entry at `path`, a file with its digest; `None` if there is nothing. A directory is one only if it is
    /// empty, else [`StoreError::Directory`]; pipes, sockets and devices are [`StoreError::SpecialFile`].
    pub fn entry(&self, path: &RelPath) -> Result<Option<Entry>, StoreError> {
        match self.stat(path)? {
            None => Ok(None),
            Some(stat) => self.entry_of_kind(path, stat.kind),
        }
    }

    /// As [`Root::entry`], for a path whose kind was just seen. `None` if it has gone since.
    pub(super) fn entry_of_kind(&self, path: &RelPath, kind: FileKind) -> Result<Option<Entry>, StoreError> {
        let entry = match kind {
            FileKind::File => self.file_entry(path),
            FileKind::Symlink => self.link_target(path).map(|target| Entry::Symlink { target }),
            FileKind::Directory if self.names_in(Some(path))?.is_empty() => Ok(Entry::EmptyDir),
            FileKind::Directory => Err(StoreError::Directory { path: path.clone() }),
            kind => Err(StoreError::SpecialFile { path: path.clone(), kind }),
        };
        match entry {
            Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    fn file_entry(&self, path: &RelPath) -> Result<Entry, StoreError> {
        let (file, stat) = self.open_file(path)?;
        let (digest, size_bytes) =
            stream::digest(&file, stat.size_bytes).map_err(|source| self.error("read", path, source))?;
        Ok(Entry::File { digest, size_bytes, executable: stat.is_executable() })
    }

    /// Opens a regular file to read it.
    pub(super) fn open_file(&self, path: &RelPath) -> Result<(File, FileStat), StoreError> {
        let parent = self.parent(path).map_err(|source| self.error("read", path, source))?;
        beneath::open_file(parent.as_fd(), path.file_name()).map_err(|source| self.error("read", path, source))
    }

    /// The bytes of the file at `path`, at most `size_bytes_max` of them; more is an error.
    pub fn read(&self, path: &RelPath, size_bytes_max: u64) -> Result<Vec<u8>, StoreError> {
        use std::io::Read;
        let (file, stat) = self.open_file(path)?;
        let expected = usize::try_from(stat.size_bytes.min(size_bytes_max)).unwrap_or(0);
        // One more, or the end is looked for with a longer buffer.
        let mut bytes = Vec::with_capacity(expected.min(EXPECTED_BYTES_MAX) + 1);
        file.take(size_bytes_max.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|source| self.error("read", path, source))?;
        if bytes.len() as u64 > size_bytes_max {
            return Err(self.error("read", path, std::io::ErrorKind::FileTooLarge.into()));
        }
        Ok(bytes)
    }

    /// The target of the link at `path`.
    pub fn link_target(&self, path: &RelPath) -> Result<String, StoreError> {
        let parent = self.parent(path).map_err(|source| self.error("read", path, source))?;
        let target =
            beneath::read_link(parent.as_fd(), path.file_name()).map_err(|source| self.error("read", path, source))?;
        String::from_utf8(target).map_err(|error| StoreError::NotUtf8 {
            shown: format!("{path} -> {}", bounded(&String::from_utf8_lossy(error.as_bytes()), 200)),
        })
    }

    /// Makes the directory and its parents.
    pub fn create_dir_all(&self, path: &RelPath) -> Result<(), StoreError> {
        self.make_dirs(path).map(drop)
    }

    /// Writes a file whole, replacing a file or link of that name. Parents are made.
    pub fn write(&self, path: &RelPath, bytes: &[u8], executable: bool) -> Result<(), StoreError> {
        self.place(path, executable, |mut file| {
            file.write_all(bytes).map_err(|source| self.error("write", path, source))?;
            Ok(true)
        })
        .map(drop)
    }

    /// As [`Root::write`], and durable: the bytes are on the disk before they get the name, and the name after.
    pub fn write_durably(&self, path: &RelPath, bytes: &[u8]) -> Result<(), StoreError> {
        let failed = |source| self.error("write", path, source);
        self.place(path, false, |mut file| {
            file.write_all(bytes).and_then(|()| beneath::sync(file)).map_err(failed)?;
            Ok(true)
        })?;
        let parent = match path.parent() {
            None => return beneath::sync(&self.fd).map_err(failed),
            Some(parent) => beneath::open_dir(self.fd(), parent.as_str(), Access::Read).map_err(failed)?,
        };
        beneath::sync(parent).map_err(failed)
    }

    /// Copies the file at `from` beneath `source` to `path`, replacing a file or link of that name, and answers the
    /// digest of what was written. Parents are made.
    pub fn copy_from(
        &self,
        source: &Root,
        from: &RelPath,
        path: &RelPath,
        executable: bool,
    ) -> Result<BlobDigest, StoreError> {
        let (file, stat) = source.open_file(from)?;
        let mut digest = BlobDigest::of(b"");
        self.place(path, executable, |to| {
            (digest, _) = stream::copy(&file, to, stat.size_bytes).map_err(|e| self.error("write", path, e))?;
            Ok(true)
        })?;
        Ok(digest)
    }

    /// As [`Root::copy_from`], but only if what was written has this digest; else `false`, and `path` is as it was.
    pub fn copy_exact(
        &self,
        source: &Root,
        from: &RelPath,
        path: &RelPath,
        executable: bool,
        digest: &BlobDigest,
    ) -> Result<bool, StoreError> {
        let (file, stat) = source.open_file(from)?;
        self.place(path, executable, |to| {
            let (copied, _) =
                stream::copy(&file, to, stat.size_bytes).map_err(|error| self.error("write", path, error))?;
            Ok(copied == *digest)
        })
    }

    /// Moves the file at `from` beneath `source` to `path`, replacing a file or link of that name, if it holds what has this
    /// digest. `false`, and nothing has happened, where that cannot be, or a copy would be another file than this one: it has
    /// other names or attributes, is not ours, or lies on another file system. Parents are made. Nobody may have it open.
    pub fn take_exact(
        &self,
        source: &Root,
        from: &RelPath,
        path: &RelPath,
        executable: bool,
        digest: &BlobDigest,
    ) -> Result<bool, StoreError> {
        let parent = source.parent(from).map_err(|error| source.error("read", from, error))?;
        let (file, stat) =
            beneath::open_file(parent.as_fd(), from.file_name()).map_err(|error| source.error("read", from, error))?;
        let failed = |error| self.error("write", path, error);
        let target = self.make_parent(path)?;
        let (inode, ours) = (beneath::inode_of(&file).map_err(failed)?, beneath::inode_of(&target).map_err(failed)?);
        let is_ours = (inode.dev, inode.user, inode.group) == (ours.dev, ours.user, ours.group);
        if !inode.is_only_link || !is_ours || beneath::has_attributes(&file) {
            return Ok(false);
        }
        if stream::digest(&file, stat.size_bytes).map_err(failed)?.0 != *digest {
            return Ok(false);
        }
        beneath::set_mode(&file, file_mode(executable)).map_err(failed)?;
        beneath::rename(parent.as_fd(), from.file_name().as_ref(), target.as_fd(), path.file_name().as_ref())
            .map_err(failed)?;
        Ok(true)
    }

    /// Makes a link, replacing a file or link of that name. Parents are made.
    pub fn symlink(&self, path: &RelPath, target: &str) -> Result<(), StoreError> {
        let parent = self.make_parent(path)?;
        let failed = |source| self.error("make the link", path, source);
        let temp = temp_name();
        let staging = self.staging_for(&parent);
        beneath::make_symlink(target, staging, &temp).map_err(failed)?;
        let moved = beneath::rename(staging, temp.as_ref(), parent.as_fd(), path.file_name().as_ref());
        moved.map_err(|source| {
            self.discard(staging, &temp);
            failed(source)
        })
    }

    /// Places an entry that needs no content: a link or an empty directory. `false` for a file, which does.
    pub fn place_bare(&self, path: &RelPath, entry: &Entry) -> Result<bool, StoreError> {
        match entry {
            Entry::Symlink { target } => self.symlink(path, target)?,
            Entry::EmptyDir => self.create_dir_all(path)?,
            Entry::File { .. } => return Ok(false),
        }
        Ok(true)
    }

    /// Moves what is at `from` to `to`, which must be free. Parents are made.
    pub fn rename(&self, from: &RelPath, to: &RelPath) -> Result<(), StoreError> {
        let parent = self.parent(from).map_err(|source| self.error("move", from, source))?;
        let target = self.make_parent(to)?;
        let names = (from.file_name().as_ref(), to.file_name().as_ref());
        beneath::rename_to_free(parent.as_fd(), names.0, target.as_fd(), names.1)
            .map_err(|source| self.error("move to", to, source))
    }

    /// Writes everything placed so far through to the disk.
    pub fn sync(&self) -> Result<(), StoreError> {
        beneath::sync_file_system(&self.fd).map_err(|source| StoreError::io("write through", &self.path, source))
    }

    /// Makes a temporary file, lets `fill` write it, and renames it to `path` if `fill` says so.
    pub(super) fn place(
        &self,
        path: &RelPath,
        executable: bool,
        fill: impl FnOnce(&File) -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        let parent = self.make_parent(path)?;
        let failed = |source| self.error("write", path, source);
        let temp = temp_name();
        let staging = self.staging_for(&parent);
        let file = beneath::create_file(staging, &temp).map_err(failed)?;
        let placed = fill(&file).and_then(|filled| {
            if filled {
                beneath::set_mode(&file, file_mode(executable)).map_err(failed)?;
                beneath::rename(staging, temp.as_ref(), parent.as_fd(), path.file_name().as_ref()).map_err(failed)?;
            }
            Ok(filled)
        });
        if !matches!(placed, Ok(true)) {
            self.discard(staging, &temp);
        }
        placed
    }

    /// Where to make what is then renamed into `parent`: nothing can be renamed from one file system to another.
    fn staging_for<'a>(&'a self, parent: &'a Parent<'_>) -> BorrowedFd<'a> {
        let device = |fd: BorrowedFd<'_>| beneath::fstat(fd).map(|stat| stat.dev).ok();
        match &self.staging {
            Some(staging) if device(staging.as_fd()) == device(parent.as_fd()) => staging.as_fd(),
            _ => parent.as_fd(),
        }
    }

    /// Removes a temporary file after something else went wrong; that is what gets reported.
    fn discard(&self, staging: BorrowedFd<'_>, temp: &str) {
        let _ = beneath::unlink(staging, temp.as_ref());
    }

    /// The directory itself, for looks that the calls here do not take.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn parent(&self, path: &RelPath) -> std::io::Result<Parent<'_>> {
        match path.parent_str() {
            "" => Ok(Parent::Root(self.fd())),
            parent => beneath::open_dir(self.fd(), parent, Access::Resolve).map(Parent::Opened),
        }
    }

    pub(super) fn make_parent(&self, path: &RelPath) -> Result<Parent<'_>, StoreError> {
        match self.parent(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => match path.parent() {
                Some(parent) => self.make_dirs(&parent).map(Parent::Opened),
                None => Err(self.error("write", path, error)),
            },
            other => other.map_err(|source| self.error("write", path, source)),
        }
    }

    pub(super) fn make_dirs(&self, path: &RelPath) -> Result<OwnedFd, StoreError> {
        beneath::make_dirs(self.fd(), path.as_str()).map_err(|source| self.error("make the directory", path, source))
    }

    /// The names in a directory of the root, or in the root itself, in byte order.
    pub(super) fn names_in(&self, path: Option<&RelPath>) -> Result<Vec<Vec<u8>>, StoreError> {
        let listed = match path {
            None => beneath::list(self.fd()),
            Some(path) => {
                beneath::open_dir(self.fd(), path.as_str(), Access::Read).and_then(|dir| beneath::list(dir.as_fd()))
            }
        };
        let mut names = listed.map_err(|source| match path {
            None => StoreError::io("list", &self.path, source),
            Some(path) => self.error("list", path, source),
        })?;
        names.sort_unstable();
        Ok(names)
    }

    pub(super) fn error(&self, op: &'static str, path: &RelPath, source: std::io::Error) -> StoreError {
        StoreError::io(op, path.beneath(&self.path), source)
    }
}

/// The mode of a file orca makes.
pub(super) const fn file_mode(executable: bool) -> u32 {
    if executable { 0o755 } else { 0o644 }
}

/// A name that no other thread or process uses now.
pub(super) fn temp_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nonce = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), std::process::id());
    format!("{TEMP_PREFIX}{}.{}.{nonce:016x}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
