//! Taking things away beneath a [`Root`]: never through a link, never more than was named, and never what orca did not
//! make where that is asked for.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{Root, Spares, StoreError, root::temp_name, spares::PARTS};
use crate::base::{Entry, RelPath};
use crate::sys::beneath::{self, Access, FileKind};

/// Says whether orca put this entry at this path, so that it may be replaced.
pub type Ours<'a> = &'a dyn Fn(&RelPath, &Entry) -> bool;

impl Root {
    /// Removes the file or link at `path`, itself and not what it points to; `false` if there is nothing. A directory
    /// is an error.
    pub fn remove_file(&self, path: &RelPath) -> Result<bool, StoreError> {
        match self.parent(path) {
            Ok(parent) => beneath::unlink(parent.as_fd(), path.file_name().as_ref())
                .map_err(|source| self.error("remove", path, source)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(self.error("remove", path, source)),
        }
    }

    /// Removes the directory at `path` if it is empty; `false` if it is not there or holds anything.
    pub fn remove_empty_dir(&self, path: &RelPath) -> Result<bool, StoreError> {
        match self.parent(path) {
            Ok(parent) => match beneath::remove_dir(parent.as_fd(), path.file_name().as_ref()) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
                other => other.map_err(|source| self.error("remove", path, source)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(self.error("remove", path, source)),
        }
    }

    /// Removes the parents of `path` that are empty now, nearest first, but not `stop` or anything above it.
    pub fn remove_empty_parents(&self, path: &RelPath, stop: Option<&RelPath>) -> Result<(), StoreError> {
        for parent in path.ancestors() {
            if stop == Some(&parent) {
                break;
            }
            if !self.remove_empty_dir(&parent)? && self.stat(&parent)?.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Removes whatever is at `path` with everything beneath it; `false` if there is nothing. For what is orca's as a
    /// whole: a workspace, a staging directory.
    pub fn remove_tree(&self, path: &RelPath) -> Result<bool, StoreError> {
        self.remove_tree_into(path, None)
    }

    /// As [`Root::remove_tree`]; what is fit for it is kept for the next workspace. No process may have anything of it
    /// open any more.
    pub fn remove_tree_into(&self, path: &RelPath, spares: Option<&Spares>) -> Result<bool, StoreError> {
        let Some(stat) = self.stat(path)? else { return Ok(false) };
        if stat.kind != FileKind::Directory {
            return self.remove_file(path);
        }
        let failed = |source| self.error("remove", path, source);
        let parent = self.parent(path).map_err(failed)?;
        let name = path.file_name().as_ref();
        let top = open_whatever_mode(parent.as_fd(), name).map_err(failed)?;
        if let Some(spares) = spares
            && empty_parts(&top, spares).map_err(failed)?
            && spares.keep_workspace(parent.as_fd(), name)
        {
            return Ok(true);
        }
        empty_directory(&top, spares).map_err(failed)?;
        match spares {
            Some(spares) if spares.keep_directory(parent.as_fd(), name) => Ok(true),
            _ => beneath::remove_dir(parent.as_fd(), name).map_err(failed),
        }
    }

    /// Makes `path` free for a file or link of a task: a file or link that stands where a parent directory has to be,
    /// and a directory that stands at `path` itself, are removed, but only if every entry in them is `ours`; the first
    /// that is not is named in [`StoreError::NotOurs`], and then nothing has been removed. A file or link at `path` is
    /// left: placing one replaces it. Answers what was removed.
    pub fn make_way(&self, path: &RelPath, ours: Ours<'_>) -> Result<Vec<RelPath>, StoreError> {
        if let Some(obstacle) = self.obstacle_above(path)? {
            return self.remove_obstacle(obstacle, ours);
        }
        match self.stat(path)? {
            Some(stat) if stat.kind == FileKind::Directory => self.remove_directory_of_ours(path, ours),
            _ => Ok(Vec::new()),
        }
    }

    /// As [`Root::make_way`], for a directory: one that is there already is left with what is in it, and a file or link
    /// at `path` is removed if it is `ours`.
    pub fn make_way_for_dir(&self, path: &RelPath, ours: Ours<'_>) -> Result<Vec<RelPath>, StoreError> {
        if let Some(obstacle) = self.obstacle_above(path)? {
            return self.remove_obstacle(obstacle, ours);
        }
        match self.stat(path)? {
            Some(stat) if stat.kind != FileKind::Directory => self.remove_obstacle(path.clone(), ours),
            _ => Ok(Vec::new()),
        }
    }

    fn remove_obstacle(&self, obstacle: RelPath, ours: Ours<'_>) -> Result<Vec<RelPath>, StoreError> {
        self.refuse_unless_ours(&obstacle, ours)?;
        self.remove_file(&obstacle)?;
        Ok(vec![obstacle])
    }

    /// The highest ancestor of `path` that is there and is no directory.
    fn obstacle_above(&self, path: &RelPath) -> Result<Option<RelPath>, StoreError> {
        let mut ancestors: Vec<RelPath> = path.ancestors().collect();
        ancestors.reverse();
        for ancestor in ancestors {
            match self.stat(&ancestor)? {
                None => return Ok(None),
                Some(stat) if stat.kind != FileKind::Directory => return Ok(Some(ancestor)),
                Some(_) => {}
            }
        }
        Ok(None)
    }

    fn refuse_unless_ours(&self, path: &RelPath, ours: Ours<'_>) -> Result<(), StoreError> {
        match self.entry(path) {
            Ok(Some(entry)) if ours(path, &entry) => Ok(()),
            Ok(None) => Ok(()),
            Ok(Some(_)) | Err(StoreError::SpecialFile { .. } | StoreError::NotUtf8 { .. }) => {
                Err(StoreError::NotOurs { path: path.clone() })
            }
            Err(error) => Err(error),
        }
    }

    fn remove_directory_of_ours(&self, path: &RelPath, ours: Ours<'_>) -> Result<Vec<RelPath>, StoreError> {
        let listing = self.list(Some(path), &|_| false)?;
        if !listing.unnameable.is_empty() {
            return Err(StoreError::NotOurs { path: path.clone() });
        }
        for listed in listing.entries.iter().filter(|listed| listed.stat.kind != FileKind::Directory) {
            self.refuse_unless_ours(&listed.path, ours)?;
        }
        let mut removed = Vec::new();
        // Children come after their parents in the listing. A directory into which something was put meanwhile is not
        // empty, stays, and is then in the way of its parent and of the entry: an error, not a loss.
        for listed in listing.entries.into_iter().rev() {
            let gone = match listed.stat.kind {
                FileKind::Directory => self.remove_empty_dir(&listed.path)?,
                _ => self.remove_file(&listed.path)?,
            };
            if gone {
                removed.push(listed.path);
            }
        }
        Ok(removed)
    }
}

/// Empties the directories that every workspace has; whether they are there, and nothing else is now.
fn empty_parts(top: &OwnedFd, spares: &Spares) -> io::Result<bool> {
    let (mut parts, mut others) = (0, 0);
    for name in beneath::list_opened(top)? {
        let name = beneath::name_of(&name);
        match open_whatever_mode(top.as_fd(), name) {
            Ok(part) if PARTS.iter().any(|known| *known == name) => {
                empty_directory(&part, Some(spares))?;
                parts += 1;
            }
            Ok(_) => others += 1,
            // A file; whatever else it may be is found out when it stays.
            Err(_) if spares.keep_file(top.as_fd(), name) => {}
            Err(_) => others += 1,
        }
    }
    Ok(parts == PARTS.len() && others == 0)
}

/// Removes everything in `top`. A directory found deeper is first moved up into `top`, so any depth a task can make,
/// beyond the longest path and the most open files, takes the same few descriptors and no recursion.
fn empty_directory(opened: &OwnedFd, spares: Option<&Spares>) -> io::Result<()> {
    let mut waiting: Vec<OsString> = remove_files(opened, spares)?;
    let top = opened.as_fd();
    while let Some(name) = waiting.pop() {
        // Most are empty by now, or were all the time.
        if spares.is_none() && beneath::remove_dir(top, &name).is_ok() {
            continue;
        }
        let dir = open_whatever_mode(top, &name)?;
        for child in remove_files(&dir, spares)? {
            let hoisted = OsString::from(temp_name());
            move_whatever_mode(dir.as_fd(), &child, top, &hoisted)?;
            waiting.push(hoisted);
        }
        if !spares.is_some_and(|spares| spares.keep_directory(top, &name)) {
            beneath::remove_dir(top, &name)?;
        }
    }
    Ok(())
}

/// Unlinks every entry of `dir` that is no directory, and answers the directories.
fn remove_files(opened: &OwnedFd, spares: Option<&Spares>) -> io::Result<Vec<OsString>> {
    let (dir, mut directories) = (opened.as_fd(), Vec::new());
    for name in beneath::list_opened(opened)? {
        let name = beneath::name_of(&name);
        if spares.is_some_and(|spares| spares.keep_file(dir, name)) {
            continue;
        }
        match beneath::unlink(dir, name) {
            Ok(_) => {}
            // Linux says EISDIR, POSIX allows EPERM.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => directories.push(name.to_owned()),
            Err(error) => return Err(error),
        }
    }
    Ok(directories)
}

fn open_whatever_mode(dir: BorrowedFd<'_>, name: &std::ffi::OsStr) -> io::Result<OwnedFd> {
    let open = || beneath::open_child_dir(dir, name, Access::Read);
    let opened = match open() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            beneath::make_accessible(dir, name)?;
            open()?
        }
        other => other?,
    };
    let mode = beneath::fstat(&opened)?.mode;
    if mode & 0o700 != 0o700 {
        beneath::set_mode(&opened, 0o700)?;
    }
    Ok(opened)
}

fn move_whatever_mode(
    from: BorrowedFd<'_>,
    name: &std::ffi::OsStr,
    to: BorrowedFd<'_>,
    new: &std::ffi::OsStr,
) -> io::Result<()> {
    match beneath::rename_to_free(from, name, to, new) {
        // A directory that may not be written cannot be moved either: its `..` changes.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            beneath::make_accessible(from, name)?;
            beneath::rename_to_free(from, name, to, new)
        }
        other => other,
    }
}
