//! A shortcut past reading: path to what `lstat` said and the digest it had then. Never an authority. An entry is used
//! only where device, inode, size, mode, mtime and ctime are all as they were, and is made only where a later change
//! could not have left them so:
//!
//! - the file is stat'ed, hashed and stat'ed again, and both agree;
//! - what was changed within 10 ms before that gets no entry, because the next change could carry the same time stamp;
//!   2 s where the time stamps have no sub-second part (git calls such entries racy);
//! - what is as young as the cache file itself is forgotten when the cache is loaded.
//!
//! The file is `docs/formats.md`'s "stat cache"; torn, foreign or of another version, it is an empty cache.
#![expect(clippy::disallowed_methods, reason = "the cache file is given by its path")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rayon::prelude::*;

use super::{Root, StoreError, clock, stream};
use crate::base::{BlobDigest, Entry, RelPath, Tree, parallel};
use crate::snapshot::Fingerprint;
use crate::sys::beneath::{self, FileKind, FileStat};

const MAGIC: &[u8; 8] = b"orcastat";
const VERSION: u32 = 1;
/// Magic, version and number of entries.
const HEADER_BYTES: usize = 8 + 4 + 8;
const SEAL_BYTES: usize = 32;
/// What is younger than this when it is hashed gets no entry.
const RACY_NS: i64 = 10_000_000;
/// The same where the file system keeps whole seconds.
const RACY_COARSE_NS: i64 = 2_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;

/// What identifies one state of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatTuple {
    /// The device it is on.
    pub dev: u64,
    /// Its inode.
    pub inode: u64,
    /// Its length.
    pub size_bytes: u64,
    /// File type and permission bits.
    pub mode: u32,
    /// Last change of the content.
    pub mtime_ns: i64,
    /// Last change of the inode.
    pub ctime_ns: i64,
}

impl From<&FileStat> for StatTuple {
    fn from(stat: &FileStat) -> Self {
        let FileStat { kind: _, dev, inode, size_bytes, mode, mtime_ns, ctime_ns } = *stat;
        Self { dev, inode, size_bytes, mode, mtime_ns, ctime_ns }
    }
}

impl StatTuple {
    const fn youngest_ns(&self) -> i64 {
        if self.mtime_ns > self.ctime_ns { self.mtime_ns } else { self.ctime_ns }
    }

    /// Whether a change after `now_ns` could leave this tuple as it is.
    const fn is_racy(&self, now_ns: i64) -> bool {
        let is_coarse = self.mtime_ns % SECOND_NS == 0 && self.ctime_ns % SECOND_NS == 0;
        let margin_ns = if is_coarse { RACY_COARSE_NS } else { RACY_NS };
        self.youngest_ns() > now_ns.saturating_sub(margin_ns)
    }
}

type Entries = BTreeMap<RelPath, (StatTuple, BlobDigest)>;

/// Digests of files whose stat data has not changed. Shared by threads.
#[derive(Debug, Default)]
pub struct StatCache {
    /// Where it is loaded from when it is asked for the first time; nowhere, if it holds all there is.
    file: Option<PathBuf>,
    entries: OnceLock<RwLock<Entries>>,
    /// Whether it says something else than its file, and has to be written.
    is_unsaved: AtomicBool,
}

impl StatCache {
    /// Loads the cache file; empty if there is none that can be used.
    #[must_use]
    pub fn load(path: &Path) -> Self {
        let cache = Self::lazy(path);
        cache.entries();
        cache
    }

    /// As [`StatCache::load`], when it is asked for the first time.
    #[must_use]
    pub fn lazy(path: &Path) -> Self {
        Self { file: Some(path.to_owned()), ..Self::default() }
    }

    fn entries(&self) -> &RwLock<Entries> {
        self.entries.get_or_init(|| {
            let Some(path) = &self.file else { return RwLock::default() };
            let decoded = read_file(path).and_then(|(bytes, written_ns)| decode(&bytes, written_ns));
            let (entries, is_whole) = decoded.unwrap_or_default();
            self.is_unsaved.store(!is_whole, Ordering::Relaxed);
            RwLock::new(entries)
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries().read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.entries().write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of files it knows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether it knows no file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As [`Root::entry`], reading a file only if its stat data is not known.
    pub fn digest(&self, root: &Root, path: &RelPath) -> Result<Option<Entry>, StoreError> {
        let stat = root.stat(path)?;
        let known = known(&self.read(), path, stat.as_ref());
        match known {
            Some(entry) => Ok(Some(entry)),
            None => self.look(root, path, stat),
        }
    }

    /// The entries at these paths, in parallel; paths with nothing are left out. The first error in the order of
    /// `paths`, if any. Paths in order cost least.
    pub fn digest_many(&self, root: &Root, paths: &[RelPath]) -> Result<Tree, StoreError> {
        if paths.len() < parallel::ITEMS_MIN {
            let found = paths.iter().map(|path| self.digest(root, path).map(|entry| Some((path.clone(), entry?))));
            return found.filter_map(Result::transpose).collect();
        }
        self.digest_seen(root, paths, &[])
    }

    /// As [`StatCache::digest_many`] for paths in order, some of which were looked at just now: also in order.
    pub fn digest_seen(
        &self,
        root: &Root,
        paths: &[RelPath],
        seen: &[(RelPath, FileStat)],
    ) -> Result<Tree, StoreError> {
        let stats = stats(root, paths, seen);
        let known: Vec<Option<Entry>> = {
            let entries: &Entries = &self.read();
            let stat = |stat: &Result<Option<FileStat>, StoreError>| stat.as_ref().ok().copied().flatten();
            let answer = |(path, found)| known(entries, path, stat(found).as_ref());
            match paths.len() {
                0..parallel::ITEMS_MIN => paths.iter().zip(&stats).map(answer).collect(),
                _ => paths.par_iter().zip(&stats).map(answer).collect(),
            }
        };
        let answer = |((path, stat), known): ((&RelPath, Looked), Option<Entry>)| {
            known.map_or_else(|| self.look(root, path, stat?), |entry| Ok(Some(entry)))
        };
        let found: Vec<Result<Option<Entry>, StoreError>> = match is_little(&stats) {
            true => paths.iter().zip(stats).zip(known).map(answer).collect(),
            false => (paths.par_iter().zip(stats).zip(known)).map(answer).collect(),
        };
        let pairs = paths.iter().zip(found);
        pairs.filter_map(|(path, entry)| entry.map(|e| e.map(|e| (path.clone(), e))).transpose()).collect()
    }

    /// What is at a path whose digest is not known.
    fn look(&self, root: &Root, path: &RelPath, stat: Option<FileStat>) -> Result<Option<Entry>, StoreError> {
        let Some(stat) = stat else {
            self.forget(path);
            return Ok(None);
        };
        if stat.kind != FileKind::File {
            self.forget(path);
            return root.entry_of_kind(path, stat.kind);
        }
        match self.hash(root, path) {
            Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// The fingerprint that the file at `path` had when it was `entry`; `None` where that is not known. Reads nothing.
    #[must_use]
    pub fn fingerprint(&self, path: &RelPath, entry: &Entry) -> Option<Fingerprint> {
        let Entry::File { digest, size_bytes, executable } = entry else { return None };
        let (known, found) = self.read().get(path).copied()?;
        let StatTuple { dev, inode, size_bytes: size, mode, mtime_ns, ctime_ns } = known;
        let stat = FileStat { kind: FileKind::File, dev, inode, size_bytes: size, mode, mtime_ns, ctime_ns };
        let is_it = found == *digest && size == *size_bytes && stat.is_executable() == *executable;
        is_it.then(|| Fingerprint::of(&stat))
    }

    /// Forgets what is known of a path.
    pub fn forget(&self, path: &RelPath) {
        let known = self.read().contains_key(path);
        if known {
            self.is_unsaved.store(true, Ordering::Relaxed);
            self.write().remove(path);
        }
    }

    /// Writes the cache to `path`, where it was loaded from: whole, or as it was. Nothing to do where it says what it said then.
    pub fn save(&self, path: &Path) -> Result<(), StoreError> {
        if !self.is_unsaved.load(Ordering::Relaxed) {
            return Ok(());
        }
        let bytes = encode(&self.read());
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| RelPath::from_disk(name).ok());
        let name = name.ok_or_else(|| StoreError::NotUtf8 { shown: path.display().to_string() })?;
        // Not fsynced: torn by a power loss, it is an empty cache.
        Root::open(dir)?.write(&name, &bytes, false)
    }

    fn hash(&self, root: &Root, path: &RelPath) -> Result<Entry, StoreError> {
        let (file, before) = root.open_file(path)?;
        // The clock is read before the content: a change after this is at least this young.
        let now_ns = clock::now_ns();
        let failed = |source| root.error("read", path, source);
        let (digest, size_bytes) = stream::digest(&file, before.size_bytes).map_err(failed)?;
        let after = beneath::fstat(&file).map_err(failed)?;
        let tuple = StatTuple::from(&after);
        if before == after && !tuple.is_racy(now_ns) {
            self.is_unsaved.store(true, Ordering::Relaxed);
            let mut entries = self.write();
            entries.insert(path.clone(), (tuple, digest));
        } else {
            self.forget(path);
        }
        Ok(Entry::File { digest, size_bytes, executable: after.is_executable() })
    }
}

/// What is at these paths; where that was seen already, it is not looked at again.
fn stats(root: &Root, paths: &[RelPath], seen: &[(RelPath, FileStat)]) -> Vec<Result<Option<FileStat>, StoreError>> {
    if seen.is_empty() {
        return root.stat_many(paths);
    }
    let mut seen = seen.iter().peekable();
    let mut known: Vec<Option<FileStat>> = Vec::with_capacity(paths.len());
    for path in paths {
        while seen.next_if(|(before, _)| before < path).is_some() {}
        known.push(seen.next_if(|(same, _)| same == path).map(|(_, stat)| *stat));
    }
    let unseen: Vec<RelPath> =
        paths.iter().zip(&known).filter(|(_, known)| known.is_none()).map(|(path, _)| path.clone()).collect();
    let mut looked = root.stat_many(&unseen).into_iter();
    let stat = |known: Option<FileStat>| match known {
        Some(stat) => Ok(Some(stat)),
        None => looked.next().expect("one for each that was not seen"),
    };
    known.into_iter().map(stat).collect()
}

/// What is at a path.
type Looked = Result<Option<FileStat>, StoreError>;

/// Whether to read these files takes less than to share them among threads.
fn is_little(stats: &[Looked]) -> bool {
    let sizes = stats.iter().filter_map(|stat| stat.as_ref().ok()?.as_ref()).map(|stat| stat.size_bytes);
    stats.len() < parallel::ITEMS_MIN && sizes.sum::<u64>() < parallel::BYTES_MIN
}

/// The file that a state stands for, if its digest is known.
fn known(entries: &Entries, path: &RelPath, stat: Option<&FileStat>) -> Option<Entry> {
    let stat = stat.filter(|stat| stat.kind == FileKind::File)?;
    let (_, digest) = entries.get(path).filter(|(known, _)| *known == StatTuple::from(stat))?;
    Some(Entry::File { digest: *digest, size_bytes: stat.size_bytes, executable: stat.is_executable() })
}

/// The bytes of the cache file and when it was written; `None` if there is no such regular file.
fn read_file(path: &Path) -> Option<(Vec<u8>, i64)> {
    if !std::fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let mut file = File::open(path).ok()?;
    let stat = beneath::fstat(&file).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    Some((bytes, stat.mtime_ns))
}

fn encode(entries: &Entries) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + entries.len() * 128 + SEAL_BYTES);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(entries.len() as u64).to_le_bytes());
    for (path, (tuple, digest)) in entries {
        let path = path.as_str().as_bytes();
        // A path has at most 4095 bytes.
        out.extend_from_slice(&(path.len() as u32).to_le_bytes());
        out.extend_from_slice(path);
        for number in [tuple.dev, tuple.inode, tuple.size_bytes] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&tuple.mode.to_le_bytes());
        for number in [tuple.mtime_ns, tuple.ctime_ns] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(digest.as_bytes());
    }
    let seal = blake3::Hasher::new().update_rayon(&out).finalize();
    out.extend_from_slice(seal.as_bytes());
    out
}

/// What the bytes say, without what is as young as the file they come from, and whether there was nothing of that; `None` if
/// they are not a whole file of this version.
fn decode(bytes: &[u8], written_ns: i64) -> Option<(Entries, bool)> {
    let (body, seal) = bytes.split_at_checked(bytes.len().checked_sub(SEAL_BYTES)?)?;
    if blake3::Hasher::new().update_rayon(body).finalize().as_bytes() != seal {
        return None;
    }
    let mut rest = Reader(body);
    if rest.take::<8>()? != *MAGIC || u32::from_le_bytes(rest.take()?) != VERSION {
        return None;
    }
    let count = u64::from_le_bytes(rest.take()?);
    // In order, so that the tree is made without looking for places.
    let mut entries = Vec::new();
    for _ in 0..count {
        let (path, tuple, digest) = rest.entry()?;
        if tuple.youngest_ns() < written_ns {
            entries.push((path, (tuple, digest)));
        }
    }
    let is_whole = entries.len() as u64 == count;
    rest.0.is_empty().then(|| (entries.into_iter().collect(), is_whole))
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn entry(&mut self) -> Option<(RelPath, StatTuple, BlobDigest)> {
        let length = u32::from_le_bytes(self.take()?) as usize;
        let (path, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        let path = RelPath::from_disk(std::str::from_utf8(path).ok()?).ok()?;
        let tuple = StatTuple {
            dev: u64::from_le_bytes(self.take()?),
            inode: u64::from_le_bytes(self.take()?),
            size_bytes: u64::from_le_bytes(self.take()?),
            mode: u32::from_le_bytes(self.take()?),
            mtime_ns: i64::from_le_bytes(self.take()?),
            ctime_ns: i64::from_le_bytes(self.take()?),
        };
        Some((path, tuple, BlobDigest::from_bytes(self.take()?)))
    }
}
