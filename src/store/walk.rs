//! What is beneath a [`Root`]: as a [`Tree`] with digests, or as a listing with stat data only. Level by level and in
//! parallel; each directory is opened by its path from the root, so neither depth nor a link swapped in matters.

use std::collections::BTreeSet;
use std::os::fd::AsFd;

use rayon::prelude::*;

use super::{Root, StoreError};
use crate::base::{Entry, PathError, RelPath, Tree, bounded, parallel};
use crate::sys::beneath::{self, Access, FileKind, FileStat};

/// One path that a listing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where.
    pub path: RelPath,
    /// What `lstat` said.
    pub stat: FileStat,
    /// For a directory, whether nothing at all is in it; nothing skipped either.
    pub is_empty_dir: bool,
}

/// What a listing found, in byte order of the paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Files, links, directories and special files.
    pub entries: Vec<Listed>,
    /// Names that are not UTF-8 or too long, made showable. What lies beneath such a directory is not listed.
    pub unnameable: Vec<String>,
}

/// Which paths a walk leaves out, with everything beneath them.
pub type Skip<'a> = &'a (dyn Fn(&RelPath) -> bool + Sync);

/// What one directory holds.
struct Level {
    listing: Listing,
    directories: Vec<RelPath>,
    is_empty: bool,
}

impl Level {
    /// A directory that was removed after it was found.
    fn gone() -> Self {
        Self { listing: Listing::default(), directories: Vec::new(), is_empty: false }
    }
}

impl Root {
    /// Everything beneath `under`, or beneath the root, with the digests of the files. A directory that is really
    /// empty is an entry of its own. A special file or a name that is not UTF-8 is an error.
    pub fn scan(&self, under: Option<&RelPath>, skip: Skip<'_>) -> Result<Tree, StoreError> {
        let listing = self.list(under, skip)?;
        if let Some(shown) = listing.unnameable.into_iter().next() {
            return Err(StoreError::NotUtf8 { shown });
        }
        let found: Vec<Listed> = listing
            .entries
            .into_iter()
            .filter(|listed| listed.stat.kind != FileKind::Directory || listed.is_empty_dir)
            .collect();
        let size_bytes = found.iter().map(|listed| listed.stat.size_bytes).sum();
        let found = parallel::map(&found, size_bytes, |listed| match listed.is_empty_dir {
            true => Ok(Some((listed.path.clone(), Entry::EmptyDir))),
            false => Ok(self.entry_of_kind(&listed.path, listed.stat.kind)?.map(|entry| (listed.path.clone(), entry))),
        });
        found.into_iter().filter_map(Result::transpose).collect()
    }

    /// Everything beneath `under`, or beneath the root, without reading any file. An `under` that is not there is an
    /// empty listing; one that is no directory lists itself.
    pub fn list(&self, under: Option<&RelPath>, skip: Skip<'_>) -> Result<Listing, StoreError> {
        let mut listing = Listing::default();
        if let Some(path) = under {
            let Some(stat) = self.stat(path)? else { return Ok(listing) };
            listing.entries.push(Listed { path: path.clone(), stat, is_empty_dir: false });
            if stat.kind != FileKind::Directory {
                return Ok(listing);
            }
        }
        let mut empty: BTreeSet<RelPath> = BTreeSet::new();
        let mut level = vec![under.cloned()];
        while !level.is_empty() {
            let found = parallel::map(&level, 0, |dir| self.list_directory(dir.as_ref(), skip));
            let found: Vec<Level> = found.into_iter().collect::<Result<_, _>>()?;
            let mut next = Vec::new();
            for (dir, one) in std::iter::zip(level, found) {
                listing.entries.extend(one.listing.entries);
                listing.unnameable.extend(one.listing.unnameable);
                next.extend(one.directories.into_iter().map(Some));
                empty.extend(dir.filter(|_| one.is_empty));
            }
            level = next;
        }
        for listed in listing.entries.iter_mut().filter(|listed| listed.stat.kind == FileKind::Directory) {
            listed.is_empty_dir = empty.contains(&listed.path);
        }
        listing.entries.par_sort_unstable_by(|a, b| a.path.cmp(&b.path));
        listing.unnameable.sort_unstable();
        Ok(listing)
    }

    fn list_directory(&self, dir: Option<&RelPath>, skip: Skip<'_>) -> Result<Level, StoreError> {
        let opened = match dir {
            None => None,
            Some(path) => match beneath::open_dir(self.fd(), path.as_str(), Access::Read) {
                Ok(fd) => Some(fd),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Level::gone()),
                Err(source) => return Err(self.error("list", path, source)),
            },
        };
        let fd = opened.as_ref().map_or(self.fd(), AsFd::as_fd);
        let listed = opened.as_ref().map_or_else(|| beneath::list(self.fd()), beneath::list_opened);
        let failed = |source| match dir {
            None => StoreError::io("list", self.path(), source),
            Some(path) => self.error("list", path, source),
        };
        let names = listed.map_err(failed)?;
        let mut level = Level { listing: Listing::default(), directories: Vec::new(), is_empty: names.is_empty() };
        for name in names {
            match path_of(dir, &name) {
                Err(shown) => level.listing.unnameable.push(shown),
                Ok(path) if skip(&path) => {}
                Ok(path) => {
                    let Some(stat) = beneath::lstat(fd, path.file_name()).map_err(failed)? else { continue };
                    if stat.kind == FileKind::Directory {
                        level.directories.push(path.clone());
                    }
                    level.listing.entries.push(Listed { path, stat, is_empty_dir: false });
                }
            }
        }
        Ok(level)
    }
}

/// The path of a name found on disk, or the name made showable.
fn path_of(dir: Option<&RelPath>, name: &[u8]) -> Result<RelPath, String> {
    let shown = |text: &str| match dir {
        None => bounded(text, 300),
        Some(dir) => format!("{dir}/{}", bounded(text, 300)),
    };
    let text = std::str::from_utf8(name).map_err(|_| shown(&String::from_utf8_lossy(name)))?;
    let whole = dir.map_or_else(|| text.to_owned(), |dir| format!("{}/{text}", dir.as_str()));
    RelPath::from_disk(&whole).map_err(|_: PathError| shown(text))
}
