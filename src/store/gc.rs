//! Keeping the cache small and sound. `gc` drops what was not used for longest until the cache fits, `verify` reads
//! everything and drops what is not what its name says; both drop records whose blobs are gone, so that a record never
//! promises what cannot be restored. Neither touches what orca did not make.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::TryLockError;
use std::os::fd::{AsFd, OwnedFd};

use rayon::prelude::*;

use super::action_cache::{Row, Table};
use super::root::TEMP_PREFIX;
use super::{Store, StoreError, clock, stream};
use crate::base::BlobDigest;
use crate::event::ActionResult;
use crate::sys::beneath::{self, Access, FileKind};

/// What was used within this time is never removed by `gc`: a build that just ended may still be followed by one that
/// needs it.
pub const GRACE_MS: u64 = 10 * 60 * 1000;

/// What the cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheStats {
    /// Blobs.
    pub blobs: u64,
    /// Their length in all.
    pub blob_size_bytes: u64,
    /// Results.
    pub results: u64,
    /// Verdicts.
    pub verdicts: u64,
    /// Length of the records in all.
    pub record_size_bytes: u64,
}

/// What a garbage collection did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GcReport {
    /// Blobs removed.
    pub blobs: u64,
    /// Results and verdicts removed.
    pub records: u64,
    /// Files left over from killed builds that were removed.
    pub leftovers: u64,
    /// Blobs that stay although there are too many, for they were used a short while ago.
    pub spared: u64,
    /// Bytes freed: of blobs, records and leftovers.
    pub freed_size_bytes: u64,
    /// What the cache holds now: blobs and records, as [`CacheStats`] counts them.
    pub remaining_size_bytes: u64,
}

/// What a verification found, and took out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// Blobs read.
    pub blobs: u64,
    /// Bytes read.
    pub blob_size_bytes: u64,
    /// Blobs that were damaged.
    pub damaged_blobs: Vec<BlobDigest>,
    /// Records read.
    pub records: u64,
    /// Records that were damaged.
    pub damaged_records: u64,
    /// Sound records that need a blob that is not there.
    pub incomplete_records: u64,
    /// Names within `cas/` that are no blob's; they are left alone.
    pub foreign: Vec<String>,
}

impl VerifyReport {
    /// Whether everything was as it should be.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damaged_blobs.is_empty() && self.damaged_records == 0 && self.incomplete_records == 0
    }
}

/// A blob as a walk over `cas/` found it.
#[derive(Debug, Clone, Copy)]
struct Found {
    digest: BlobDigest,
    size_bytes: u64,
    used_ms: i64,
    is_file: bool,
}

/// What a walk over `cas/`, or a part of it, found.
#[derive(Debug, Default)]
struct Walked {
    blobs: Vec<Found>,
    /// Names that are no blob's.
    foreign: Vec<String>,
}

/// Something that can be dropped to make room.
struct Droppable<'a> {
    used_ms: i64,
    size_bytes: u64,
    what: What<'a>,
}

enum What<'a> {
    Blob(BlobDigest),
    Verdict(&'a [u8]),
}

impl Store {
    /// Counts what is there.
    pub fn stats(&self) -> Result<CacheStats, StoreError> {
        let Walked { blobs, .. } = self.walk_blobs()?;
        let rows = self.actions().rows(self.warnings())?;
        let of = |table| rows.iter().filter(|row| row.table == table).count() as u64;
        Ok(CacheStats {
            blobs: blobs.len() as u64,
            blob_size_bytes: blobs.iter().map(|blob| blob.size_bytes).sum(),
            results: of(Table::Results),
            verdicts: of(Table::Verdicts),
            record_size_bytes: rows.iter().map(|row| row.size_bytes).sum(),
        })
    }

    /// Removes what was not used for longest until at most `size_bytes_max` are left, leftovers of killed builds, and
    /// records that are damaged or whose blobs are gone. What was used within `grace_ms` stays ([`GRACE_MS`] unless
    /// there is a reason). [`StoreError::InUse`] while another orca has the cache open; clones of this store must not
    /// be in use either.
    pub fn gc(&self, size_bytes_max: u64, grace_ms: u64) -> Result<GcReport, StoreError> {
        self.exclusively(|| self.collect(size_bytes_max, grace_ms))
    }

    /// Reads every blob and every record, and takes out what is damaged and records that lack a blob. Safe beside
    /// builds that run.
    pub fn verify(&self) -> Result<VerifyReport, StoreError> {
        let Walked { blobs, foreign } = self.walk_blobs()?;
        let checked: Vec<Result<Option<BlobDigest>, StoreError>> =
            blobs.par_iter().map(|blob| Ok((!self.is_sound(blob)?).then_some(blob.digest))).collect();
        let damaged: Vec<Option<BlobDigest>> = checked.into_iter().collect::<Result<_, _>>()?;
        let damaged_blobs: Vec<BlobDigest> = damaged.into_iter().flatten().collect();
        for digest in &damaged_blobs {
            self.cas().take_out(digest, self.warnings())?;
        }
        let rows = self.actions().rows(self.warnings())?;
        // Asked of the disk again: a build beside this one may have stored both blob and record meanwhile.
        let lacks_blob = |row: &Row| blobs_of(row).any(|digest| !self.has(digest));
        let (damaged, sound): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| !row.is_sound);
        let incomplete: Vec<&Row> = sound.into_iter().filter(|row| lacks_blob(row)).collect();
        let doomed: Vec<_> = damaged.iter().chain(&incomplete).map(|row| (row.table, row.key.as_slice())).collect();
        self.remove_rows(&doomed)?;
        Ok(VerifyReport {
            blobs: blobs.len() as u64,
            blob_size_bytes: blobs.iter().map(|blob| blob.size_bytes).sum(),
            damaged_blobs,
            records: rows.len() as u64,
            damaged_records: damaged.len() as u64,
            incomplete_records: incomplete.len() as u64,
            foreign,
        })
    }

    fn is_sound(&self, blob: &Found) -> Result<bool, StoreError> {
        if !blob.is_file {
            return Ok(false);
        }
        let path = super::cas::blob_path(&blob.digest);
        let failed =
            |source| StoreError::io("read", self.path().join("cas").join(&path.shard).join(&path.name), source);
        let opened = self.cas().shard(&path).and_then(|shard| beneath::open_file(shard.as_fd(), &path.name));
        let (file, _) = match opened {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
            other => other.map_err(failed)?,
        };
        let (digest, _) = stream::digest(&file, blob.size_bytes).map_err(failed)?;
        Ok(digest == blob.digest)
    }

    fn exclusively<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let failed = |source| StoreError::io("lock", self.path(), source);
        let lock = self.lock().ok_or_else(|| failed(std::io::ErrorKind::ReadOnlyFilesystem.into()))?;
        let done = match lock.try_lock() {
            Ok(()) => work(),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: self.path().to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        };
        // Trying may have cost the shared lock, too.
        lock.lock_shared().map_err(failed)?;
        done
    }

    fn collect(&self, size_bytes_max: u64, grace_ms: u64) -> Result<GcReport, StoreError> {
        let mut report = GcReport::default();
        self.remove_leftovers(&mut report)?;
        let Walked { blobs, .. } = self.walk_blobs()?;
        let rows = self.actions().rows(self.warnings())?;
        let mut remaining: BTreeSet<BlobDigest> = blobs.iter().map(|blob| blob.digest).collect();
        let mut doomed: Vec<(Table, &[u8])> = Vec::new();
        let mut total: u64 =
            blobs.iter().map(|blob| blob.size_bytes).chain(rows.iter().map(|row| row.size_bytes)).sum();
        let young_ms = clock::now_ms().saturating_sub_unsigned(grace_ms);
        let droppable = by_last_use(&blobs, &rows);
        for (at, one) in droppable.iter().enumerate() {
            if total <= size_bytes_max {
                break;
            }
            if grace_ms > 0 && one.used_ms > young_ms {
                report.spared = droppable[at..].iter().filter(|one| matches!(one.what, What::Blob(_))).count() as u64;
                break;
            }
            match &one.what {
                What::Blob(digest) => {
                    if !self.cas().remove(digest)? {
                        continue;
                    }
                    remaining.remove(digest);
                    report.blobs += 1;
                }
                What::Verdict(key) => doomed.push((Table::Verdicts, key)),
            }
            total -= one.size_bytes;
            report.freed_size_bytes += one.size_bytes;
        }
        let is_doomed = |row: &&Row| !row.is_sound || blobs_of(row).any(|digest| !remaining.contains(digest));
        doomed.extend(rows.iter().filter(is_doomed).map(|row| (row.table, row.key.as_slice())));
        let results: u64 = rows.iter().filter(is_doomed).map(|row| row.size_bytes).sum();
        report.records = self.remove_rows(&doomed)?;
        report.freed_size_bytes += results;
        report.remaining_size_bytes = total.saturating_sub(results);
        Ok(report)
    }

    fn remove_rows(&self, doomed: &[(Table, &[u8])]) -> Result<u64, StoreError> {
        if doomed.is_empty() {
            return Ok(0);
        }
        self.actions().remove(doomed, self.warnings())
    }

    /// Removes temporary files. Nobody writes one now: the lock is held exclusively.
    fn remove_leftovers(&self, report: &mut GcReport) -> Result<(), StoreError> {
        let Some(temp) = &self.cas().temp else { return Ok(()) };
        let failed = |source| StoreError::io("clear", self.path().join("tmp"), source);
        let own = self.cas().own_temp_name();
        for name in beneath::list(temp.as_fd()).map_err(failed)? {
            let Some(name) = beneath::name_of(&name).to_str() else { continue };
            if !name.starts_with(TEMP_PREFIX) || own == Some(name) {
                continue;
            }
            match beneath::open_child_dir(temp.as_fd(), name, Access::Read) {
                // Of a process that was killed.
                Ok(dir) => {
                    for name in beneath::list(dir.as_fd()).map_err(failed)? {
                        remove_leftover(&dir, beneath::name_of(&name), report).map_err(failed)?;
                    }
                    beneath::remove_dir(temp.as_fd(), name.as_ref()).map_err(failed)?;
                }
                Err(_) => remove_leftover(temp, name.as_ref(), report).map_err(failed)?,
            }
        }
        Ok(())
    }

    fn walk_blobs(&self) -> Result<Walked, StoreError> {
        let cas = &self.cas().cas;
        let failed = |source| StoreError::io("list", self.path().join("cas"), source);
        let mut shards = beneath::list(cas.as_fd()).map_err(failed)?;
        shards.sort_unstable();
        let listed: Vec<Walked> =
            shards.par_iter().map(|shard| walk_shard(cas, shard)).collect::<Result<_, _>>().map_err(failed)?;
        Ok(listed.into_iter().fold(Walked::default(), |mut all, some| {
            all.blobs.extend(some.blobs);
            all.foreign.extend(some.foreign);
            all
        }))
    }
}

fn remove_leftover(dir: &OwnedFd, name: &OsStr, report: &mut GcReport) -> std::io::Result<()> {
    let found = name.to_str().and_then(|name| beneath::lstat(dir.as_fd(), name).ok().flatten());
    if beneath::unlink(dir.as_fd(), name)? {
        report.leftovers += 1;
        report.freed_size_bytes += found.map_or(0, |stat| stat.size_bytes);
    }
    Ok(())
}

fn walk_shard(cas: &OwnedFd, shard: &[u8]) -> std::io::Result<Walked> {
    let shard = String::from_utf8_lossy(shard).into_owned();
    let mut walked = Walked::default();
    let Ok(dir) = beneath::open_child_dir(cas.as_fd(), &shard, Access::Read) else {
        walked.foreign.push(shard);
        return Ok(walked);
    };
    let mut names = beneath::list(dir.as_fd())?;
    names.sort_unstable();
    for name in names {
        let name = String::from_utf8_lossy(&name).into_owned();
        let digest = name.parse::<BlobDigest>().ok().filter(|_| name.starts_with(&shard) && shard.len() == 2);
        match (digest, beneath::lstat(dir.as_fd(), &name)?) {
            (Some(digest), Some(stat)) => walked.blobs.push(Found {
                digest,
                size_bytes: stat.size_bytes,
                used_ms: stat.mtime_ns / 1_000_000,
                is_file: stat.kind == FileKind::File,
            }),
            (None, Some(_)) => walked.foreign.push(format!("{shard}/{name}")),
            (_, None) => {}
        }
    }
    Ok(walked)
}

/// The blobs a record needs.
fn blobs_of(row: &Row) -> impl Iterator<Item = &BlobDigest> {
    use crate::base::Entry;
    let digests = row.result.iter().flat_map(ActionResult::entries).filter_map(|entry| match entry {
        Entry::File { digest, .. } => Some(digest),
        _ => None,
    });
    digests.chain(row.result.iter().map(|result| &result.log))
}

/// Everything that can be dropped, longest unused first. A blob is used whenever a result that needs it is.
fn by_last_use<'a>(blobs: &[Found], rows: &'a [Row]) -> Vec<Droppable<'a>> {
    let mut used_ms: BTreeMap<&BlobDigest, i64> = BTreeMap::new();
    for row in rows {
        for digest in blobs_of(row) {
            let known = used_ms.entry(digest).or_insert(row.used_ms);
            *known = row.used_ms.max(*known);
        }
    }
    let blobs = blobs.iter().filter(|blob| blob.is_file).map(|blob| Droppable {
        used_ms: blob.used_ms.max(used_ms.get(&blob.digest).copied().unwrap_or(i64::MIN)),
        size_bytes: blob.size_bytes,
        what: What::Blob(blob.digest),
    });
    let verdicts = rows.iter().filter(|row| row.table == Table::Verdicts && row.is_sound).map(|row| Droppable {
        used_ms: row.used_ms,
        size_bytes: row.size_bytes,
        what: What::Verdict(&row.key),
    });
    let mut all: Vec<Droppable<'a>> = blobs.chain(verdicts).collect();
    all.sort_by_key(|one| one.used_ms);
    all
}
