//! A [`Tree`] put on disk: parents once, then everything in parallel, each file hashed as it was written. The place is
//! a fresh workspace: what is there already is never replaced, only directories are shared.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd};

use rayon::prelude::*;

use super::root::file_mode;
use super::{Kept, Root, Spares, Store, StoreError, stream};
use crate::base::{BlobDigest, Entry, RelPath, Tree};
use crate::sys::beneath::{self, Access};

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
    materialize_from(tree, root, source, None)
}

/// As [`materialize`], with files and directories of workspaces that are gone.
pub fn materialize_from(
    tree: &Tree,
    root: &Root,
    source: SourceOf<'_, '_>,
    spares: Option<&Spares>,
) -> Result<(), MaterializeError> {
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
    if tree.len() < SEVERAL_THREADS_MIN && size_of(tree) < SEVERAL_THREADS_BYTES_MIN {
        return units
            .iter()
            .try_for_each(|(directory, some)| make_unit(root, directory.as_ref(), some, source, spares));
    }
    let made: Vec<Result<(), MaterializeError>> = units
        .into_par_iter()
        .map(|(directory, some)| make_unit(root, directory.as_ref(), some, source, spares))
        .collect();
    made.into_iter().collect()
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
) -> Result<(), MaterializeError> {
    let opened = match directory {
        None => None,
        Some(path) => Some(
            beneath::open_dir(root.fd(), path.as_str(), Access::Resolve)
                .map_err(|error| root.error("write into", path, error))?,
        ),
    };
    let dir = opened.as_ref().map_or(root.fd(), AsFd::as_fd);
    entries.iter().try_for_each(|(path, entry)| make_entry(root, dir, (path, entry), source, spares))
}

fn make_entry(
    root: &Root,
    dir: BorrowedFd<'_>,
    (path, entry): (&RelPath, &Entry),
    source: SourceOf<'_, '_>,
    spares: Option<&Spares>,
) -> Result<(), MaterializeError> {
    match entry {
        Entry::EmptyDir => Ok(()),
        Entry::Symlink { target } => beneath::make_symlink(target, dir, path.file_name())
            .map_err(|error| root.error("make the link", path, error).into()),
        Entry::File { digest, executable, .. } => {
            let failed = |error| root.error("write", path, error);
            let missing = || MaterializeError::Missing { path: path.clone(), digest: *digest };
            let changed = || MaterializeError::Changed { path: path.clone() };
            let source = source(path, entry);
            let (from, size_bytes) = match source {
                Source::Cas(store) => store.cas().open_blob(digest, store.warnings())?.ok_or_else(missing)?,
                Source::Kept(kept) => kept.cas().open_blob(digest, kept.warnings())?.ok_or_else(missing)?,
                Source::Project(project) => open_source(project, path, *executable)?.ok_or_else(changed)?,
            };
            let file = match spares {
                None => beneath::create_file(dir, path.file_name()),
                Some(spares) => spares.file(dir, path.file_name()),
            }
            .map_err(failed)?;
            let (copied, _) = stream::copy(&from, &file, size_bytes).map_err(failed)?;
            beneath::set_mode(&file, file_mode(*executable)).map_err(failed)?;
            match source {
                _ if copied == *digest => Ok(()),
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
fn open_source(
    project: &Root,
    path: &RelPath,
    executable: bool,
) -> Result<Option<(std::fs::File, u64)>, MaterializeError> {
    match project.open_file(path) {
        Ok((file, stat)) if stat.is_executable() == executable => Ok(Some((file, stat.size_bytes))),
        Ok(_) | Err(StoreError::ThroughSymlink { .. } | StoreError::Obstructed { .. }) => Ok(None),
        Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::InvalidInput => Ok(None),
        Err(error) => Err(error.into()),
    }
}
