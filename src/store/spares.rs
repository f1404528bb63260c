//! Files and directories that a workspace no longer needs, kept to be used in the next one. Thousands of workspaces a
//! minute would else make and remove an inode for every file of every view, which is most of what a small task costs: some
//! file systems search past each one that was lately removed.
//!
//! ```text
//! workspace removed ── plain, small, emptied ──> spare ── empty, mode set, no other link ──> file or directory of the next view
//!                  └── anything else ─> removed        └── not as it should be ──> removed, and one is made
//! ```
//!
//! INVARIANT: what is taken is as good as new. It is the owner's, has one link, no extended attributes, nothing in it, and
//! the mode that was asked for; whoever had it open before is gone with the processes of the task.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Root, StoreError};
use crate::base::RelPath;
use crate::sys::beneath::{self, Access, FileKind, Inode};

/// How many of each are kept: what some workspaces have, and no more than a directory finds without looking long.
const KEPT_MAX: usize = 96;
/// A larger file goes: its blocks are of more use to others.
const SIZE_BYTES_MAX: u64 = 256 << 10;

/// The directories that every workspace has. Where they are its only ones, and empty, they are kept within it.
pub const PARTS: [&str; 3] = ["tree", "home", "tmp"];

/// The place where they are kept.
#[derive(Debug)]
pub struct Spares {
    dir: OwnedFd,
    /// What is made here by this process looks like this.
    own: Inode,
    next: AtomicU64,
    files: Mutex<Vec<u64>>,
    directories: Mutex<Vec<u64>>,
    /// Workspaces with [`PARTS`] in them.
    workspaces: Mutex<Vec<u64>>,
}

impl Spares {
    /// Makes the directory, which must be nobody else's, and lie beside the workspaces.
    pub fn create(root: &Root, path: &RelPath) -> Result<Self, StoreError> {
        let made = root.make_dirs(path)?;
        let failed = |source| root.error("open", path, source);
        if let Some(workspaces) = path.parent() {
            beneath::lay_out_apart(beneath::open_dir(root.fd(), workspaces.as_str(), Access::Read).map_err(failed)?);
        }
        // What was made has to be listed later, and a directory that was there is opened to resolve names only.
        let dir = beneath::open_child_dir(made.as_fd(), ".", Access::Read).map_err(failed)?;
        let own = beneath::inode_of(&dir).map_err(failed)?;
        let (files, directories, workspaces) = (Mutex::default(), Mutex::default(), Mutex::default());
        Ok(Self { dir, own, next: AtomicU64::new(0), files, directories, workspaces })
    }

    /// An empty file `name` in `dir`, private to its owner as [`beneath::create_file`] makes it, or with this mode.
    pub(super) fn file(&self, dir: BorrowedFd<'_>, name: &str, mode: u32) -> io::Result<File> {
        match self.take(&self.files, dir, name)? {
            true => match self.as_new_file(dir, name, mode) {
                Some(file) => Ok(file),
                None => {
                    beneath::unlink(dir, name.as_ref())?;
                    beneath::create_file(dir, name)
                }
            },
            false => beneath::create_file(dir, name),
        }
    }

    /// Makes the directory `path` beneath `root`, with its parents.
    pub(super) fn make_dirs(&self, root: BorrowedFd<'_>, path: &str) -> io::Result<()> {
        let mut current: Option<OwnedFd> = None;
        for name in path.split('/') {
            let parent = current.as_ref().map_or(root, AsFd::as_fd);
            let found = beneath::open_child_dir(parent, name, Access::Resolve);
            current = Some(match found {
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.directory(parent, name, 0o755)?,
                other => other?,
            });
        }
        Ok(())
    }

    /// Makes the directory `name` in `dir`, with this mode; an error if anything of that name is there.
    fn directory(&self, dir: BorrowedFd<'_>, name: &str, mode: u32) -> io::Result<OwnedFd> {
        if self.take(&self.directories, dir, name)? {
            if let Some(made) = self.as_new_directory(dir, name, mode) {
                return Ok(made);
            }
            self.put_aside(dir, name)?;
        }
        if !beneath::make_private_dir(dir, name)? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let made = beneath::open_child_dir(dir, name, Access::Read)?;
        beneath::set_mode(&made, mode)?;
        Ok(made)
    }

    /// Makes the workspace `name` in `dir`, with [`PARTS`]; an error if anything of that name is there.
    pub fn make_workspace(&self, dir: &Path, name: &str) -> io::Result<()> {
        let dir = beneath::open_root(dir)?;
        if self.take(&self.workspaces, dir.as_fd(), name)? {
            if self.is_as_new(dir.as_fd(), name) {
                return Ok(());
            }
            self.put_aside(dir.as_fd(), name)?;
        }
        let made = self.directory(dir.as_fd(), name, 0o755)?;
        PARTS.iter().try_for_each(|part| self.directory(made.as_fd(), part, 0o755).map(drop))
    }

    /// What is there is not what was kept: what is in it goes with all workspaces.
    fn put_aside(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        let aside = format!("{}", self.next.fetch_add(1, Ordering::Relaxed));
        beneath::rename(dir, name.as_ref(), self.dir.as_fd(), aside.as_ref())
    }

    /// Whether the workspace `name` of `dir` is one that was just made; its modes are set.
    fn is_as_new(&self, dir: BorrowedFd<'_>, name: &str) -> bool {
        let Some((workspace, mut names)) = self.as_own_directory(dir, name, 0o755) else { return false };
        names.sort_unstable();
        let mut parts = PARTS.map(|part| part.as_bytes().to_vec());
        parts.sort_unstable();
        names == parts && PARTS.iter().all(|part| self.as_new_directory(workspace.as_fd(), part, 0o755).is_some())
    }

    /// Keeps the workspace `name` of `dir`, with [`PARTS`] in it, which are empty, and nothing else; `false` where there are
    /// enough, and it is still there.
    pub(super) fn keep_workspace(&self, dir: BorrowedFd<'_>, name: &std::ffi::OsStr) -> bool {
        self.keep(&self.workspaces, dir, name)
    }

    /// Keeps the file `name` of `dir`; `false` where it is none to be kept, and is still there.
    pub(super) fn keep_file(&self, dir: BorrowedFd<'_>, name: &std::ffi::OsStr) -> bool {
        let Ok(inode) = beneath::inode_at(dir, name) else { return false };
        let is_fit = inode.kind == FileKind::File && inode.is_only_link && inode.size_bytes <= SIZE_BYTES_MAX;
        // What it held goes at once: it may be what no other task is to see, and nobody is to find on the disk.
        let emptied = || beneath::open_to_rewrite(dir, name.to_str()?).and_then(|file| file.set_len(0)).ok();
        is_fit && self.is_own(&inode) && emptied().is_some() && self.keep(&self.files, dir, name)
    }

    /// Keeps the empty directory `name` of `dir`; `false` where there are enough, and it is still there.
    pub(super) fn keep_directory(&self, dir: BorrowedFd<'_>, name: &std::ffi::OsStr) -> bool {
        self.keep(&self.directories, dir, name)
    }

    fn keep(&self, all: &Mutex<Vec<u64>>, dir: BorrowedFd<'_>, name: &std::ffi::OsStr) -> bool {
        if all.lock().unwrap_or_else(PoisonError::into_inner).len() >= KEPT_MAX {
            return false;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let is_kept = beneath::rename(dir, name, self.dir.as_fd(), number.to_string().as_ref()).is_ok();
        if is_kept {
            all.lock().unwrap_or_else(PoisonError::into_inner).push(number);
        }
        is_kept
    }

    /// Moves one to `name` in `dir`; `false` where there is none.
    fn take(&self, all: &Mutex<Vec<u64>>, dir: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
        let Some(number) = all.lock().unwrap_or_else(PoisonError::into_inner).pop() else { return Ok(false) };
        match beneath::rename_to_free(self.dir.as_fd(), number.to_string().as_ref(), dir, name.as_ref()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            moved => Ok(moved.is_ok()),
        }
    }

    fn as_new_file(&self, dir: BorrowedFd<'_>, name: &str, mode: u32) -> Option<File> {
        let file = beneath::open_to_rewrite(dir, name).ok()?;
        let inode = beneath::inode_of(&file).ok()?;
        let is_plain = inode.kind == FileKind::File && inode.is_only_link && self.is_own(&inode);
        if !is_plain || beneath::has_attributes(&file) {
            return None;
        }
        // It was emptied when it was kept; to empty it once more would cost as much again.
        if inode.size_bytes > 0 {
            file.set_len(0).ok()?;
        }
        if inode.permissions != mode {
            beneath::set_mode(&file, 0o600).ok()?;
        }
        Some(file)
    }

    fn as_new_directory(&self, dir: BorrowedFd<'_>, name: &str, mode: u32) -> Option<OwnedFd> {
        let (made, names) = self.as_own_directory(dir, name, mode)?;
        names.is_empty().then_some(made)
    }

    /// Opens a directory that is as this process makes them but for what is in it; its mode is set.
    fn as_own_directory(&self, dir: BorrowedFd<'_>, name: &str, mode: u32) -> Option<(OwnedFd, Vec<Vec<u8>>)> {
        let made = beneath::open_child_dir(dir, name, Access::Read).ok()?;
        let inode = beneath::inode_of(&made).ok()?;
        if !self.is_own(&inode) || beneath::has_attributes(&made) {
            return None;
        }
        let names = beneath::list_opened(&made).ok()?;
        if inode.permissions != mode {
            beneath::set_mode(&made, mode).ok()?;
        }
        Some((made, names))
    }

    fn is_own(&self, inode: &Inode) -> bool {
        (inode.dev, inode.user, inode.group) == (self.own.dev, self.own.user, self.own.group)
    }
}
