//! A [`Tree`] put on disk: parents once, then everything in parallel, each file hashed as it was written. The place is
//! a fresh workspace: what is there already is never replaced, only directories are shared.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd};

use rayon::prelude::*;

use super::root::{Parent, file_mode};
use super::{Kept, Listed, Listing, Root, Spares, Store, StoreError, stream};
use crate::base::{BlobDigest, Entry, RelPath, Tree};
use crate::sys::beneath::{self, Access, FileStat};

/// Where the bytes of a file come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// The file of the same path beneath this root, which must still be what the tree says.
    Project(&'a Root),
    /// The cache.
    Cas(&'a Store),
    /// What the project keeps.
    Kept(&'a Kept),
}

/// Why a tree could not be put on disk. What was made so far stays; the caller removes the workspace.
#[derive(Debug, thiserror::Error)]
pub enum MaterializeError {
    /// A file of the project is not what it was when the tree was made.
    #[error("`{path}` changed while it was copied")]
    Changed {
        /// The path.
        path: RelPath,
    },
    /// A blob is not in the cache, or damaged.
    #[error("the content of `{path}` is not in the cache")]
    Missing {
        /// The path that needs it.
        path: RelPath,
        /// The blob.
        digest: BlobDigest,
    },
    /// The disk's fault.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Says for a file of the tree where its bytes are.
pub type SourceOf<'a, 's> = &'a (dyn Fn(&RelPath, &Entry) -> Source<'s> + Sync);

/// Files of one directory that one thread makes: the directory is opened once for them.
const FILES_PER_UNIT: usize = 64;

/// A smaller tree is made by the thread that wants it: the pool is not woken for a handful of files.
const SEVERAL_THREADS_MIN: usize = 32;
/// Unless they hold this much.
const SEVERAL_THREADS_BYTES_MIN: u64 = 1 << 20;

/// Puts every entry of `tree` beneath `root`.
pub fn materialize(tree: &Tree, root: &Root, source: SourceOf<'_, '_>) -> Result<(), MaterializeError> {
    materialize_from(tree, root, source, None).map(drop)
}

/// As [`materialize`], with files and directories of workspaces that are gone. Answers the files and links as they are now, by
/// path: to look at them again would take as long as to make them.
pub fn materialize_from(
    tree: &Tree,
    root: &Root,
    source: SourceOf<'_, '_>,
    spares: Option<&Spares>,
) -> Result<Listing, MaterializeError> {
    let mut directories: BTreeSet<RelPath> = BTreeSet::new();
    let mut entries: BTreeMap<Option<RelPath>, Vec<(&RelPath, &Entry)>> = BTreeMap::new();
    for (path, entry) in tree {
        if *entry == Entry::EmptyDir {
            directories.insert(path.clone());
        } else {
            entries.entry(path.parent()).or_default().push((path, entry));
        }
    }
    directories.extend(entries.keys().flatten().cloned());
    let mut directories = directories.into_iter().peekable();
    while let Some(directory) = directories.next() {
        // What lies in it brings it along.
        if !directories.peek().is_some_and(|next| next.is_within(&directory)) {
            match spares {
                None => root.create_dir_all(&directory)?,
                Some(spares) => spares
                    .make_dirs(root.fd(), directory.as_str())
                    .map_err(|error| root.error("make the directory", &directory, error))?,
            }
        }
    }
    let units: Vec<_> = entries
        .iter()
        .flat_map(|(directory, all)| all.chunks(FILES_PER_UNIT).map(move |some| (directory, some)))
        .collect();
    let make = |(directory, some): &(&Option<RelPath>, &[(&RelPath, &Entry)])| {
        make_unit(root, directory.as_ref(), some, source, spares)
    };
    let made: Vec<Result<Vec<Listed>, MaterializeError>> =
        match tree.len() < SEVERAL_THREADS_MIN && size_of(tree) < SEVERAL_THREADS_BYTES_MIN {
            true => units.iter().map(make).collect(),
            false => units.par_iter().map(make).collect(),
        };
    let made: Vec<Vec<Listed>> = made.into_iter().collect::<Result<_, _>>()?;
    let mut entries: Vec<Listed> = made.into_iter().flatten().collect();
    entries.sort_unstable_by(|left, right| left.path.cmp(&right.path));
    Ok(Listing { entries, unnameable: Vec::new() })
}

fn size_of(tree: &Tree) -> u64 {
    let size = |entry: &Entry| if let Entry::File { size_bytes, .. } = entry { *size_bytes } else { 0 };
    tree.values().map(size).sum()
}

fn make_unit(
    root: &Root,
    directory: Option<&RelPath>,
    entries: &[(&RelPath, &Entry)],
    source: SourceOf<'_, '_>,
    spares: Option<&Spares>,
) -> Result<Vec<Listed>, MaterializeError> {
    let opened = match directory {
        None => None,
        Some(path) => Some(
            beneath::open_dir(root.fd(), path.as_str(), Access::Resolve)
                .map_err(|error| root.error("write into", path, error))?,
        ),
    };
    let dir = opened.as_ref().map_or(root.fd(), AsFd::as_fd);
    let mut from = SourceDirectory::default();
    let make = |(path, entry): &(&RelPath, &Entry)| {
        let stat = make_entry(root, dir, (path, entry), (source, &mut from), spares)?;
        Ok(stat.map(|stat| Listed { path: (*path).clone(), stat, is_empty_dir: false }))
    };
    entries.iter().map(make).filter_map(Result::transpose).collect()
}

/// Where the files of one unit come from in the project: opened with the first of them.
#[derive(Default)]
struct SourceDirectory<'a>(Option<(&'a Root, Parent<'a>)>);

impl<'a> SourceDirectory<'a> {
    fn of(&mut self, project: &'a Root, path: &RelPath) -> Result<BorrowedFd<'_>, StoreError> {
        if self.0.as_ref().is_none_or(|(known, _)| !std::ptr::eq(*known, project)) {
            let opened = project.parent(path).map_err(|error| project.error("read", path, error))?;
            self.0 = Some((project, opened));
        }
        Ok(self.0.as_ref().expect("it was opened just now").1.as_fd())
    }
}

fn make_entry<'s>(
    root: &Root,
    dir: BorrowedFd<'_>,
    (path, entry): (&RelPath, &Entry),
    (source, from_project): (SourceOf<'_, 's>, &mut SourceDirectory<'s>),
    spares: Option<&Spares>,
) -> Result<Option<FileStat>, MaterializeError> {
    match entry {
        Entry::EmptyDir => Ok(None),
        Entry::Symlink { target } => beneath::make_symlink(target, dir, path.file_name())
            .and_then(|()| beneath::lstat(dir, path.file_name()))
            .map_err(|error| root.error("make the link", path, error).into()),
        Entry::File { digest, executable, .. } => {
            let failed = |error| root.error("write", path, error);
            let missing = || MaterializeError::Missing { path: path.clone(), digest: *digest };
            let changed = || MaterializeError::Changed { path: path.clone() };
            let source = source(path, entry);
            let (from, size_bytes) = match source {
                Source::Cas(store) => store.cas().open_blob(digest, store.warnings())?.ok_or_else(missing)?,
                Source::Kept(kept) => kept.cas().open_blob(digest, kept.warnings())?.ok_or_else(missing)?,
                Source::Project(project) => {
                    open_source(project, from_project, path, *executable)?.ok_or_else(changed)?
                }
            };
            let mode = file_mode(*executable);
            let file = match spares {
                None => beneath::create_file(dir, path.file_name()),
                Some(spares) => spares.file(dir, path.file_name(), mode),
            }
            .map_err(failed)?;
            let (copied, _) = stream::copy(&from, &file, size_bytes).map_err(failed)?;
            let mut stat = beneath::fstat(&file).map_err(failed)?;
            if stat.permissions() != mode {
                beneath::set_mode(&file, mode).map_err(failed)?;
                stat = beneath::fstat(&file).map_err(failed)?;
            }
            match source {
                _ if copied == *digest => Ok(Some(stat)),
                Source::Project(_) => Err(changed()),
                Source::Cas(store) => {
                    store.cas().take_out(digest, store.warnings())?;
                    Err(missing())
                }
                Source::Kept(kept) => {
                    kept.cas().take_out(digest, kept.warnings())?;
                    Err(missing())
                }
            }
        }
    }
}

/// Opens the project's file; `None` where it is no such file any more.
fn open_source<'s>(
    project: &'s Root,
    directory: &mut SourceDirectory<'s>,
    path: &RelPath,
    executable: bool,
) -> Result<Option<(std::fs::File, u64)>, MaterializeError> {
    let opened = directory.of(project, path).and_then(|directory| {
        beneath::open_file(directory, path.file_name()).map_err(|error| project.error("read", path, error))
    });
    match opened {
        Ok((file, stat)) if stat.is_executable() == executable => Ok(Some((file, stat.size_bytes))),
        Ok(_) | Err(StoreError::ThroughSymlink { .. } | StoreError::Obstructed { .. }) => Ok(None),
        Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::InvalidInput => Ok(None),
        Err(error) => Err(error.into()),
    }
}
