//! Looking at many files in little time: what a path is with its links followed, the names of a directory with their kinds,
//! parts of a file by their place, and who is asking.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::beneath::{FileKind, FileStat, stat_of};

/// What is at a path, links followed; `None` if there is nothing.
pub fn follow(path: &Path) -> io::Result<Option<FileStat>> {
    match rustix::fs::stat(path) {
        Ok(stat) => Ok(Some(stat_of(&stat))),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The program that this process runs.
pub fn own_program() -> io::Result<FileStat> {
    Ok(stat_of(&rustix::fs::stat(std::env::current_exe()?)?))
}

/// The names in an opened directory with their kinds, without `.` and `..`, in no order.
pub fn names(dir: BorrowedFd<'_>) -> io::Result<Vec<(Vec<u8>, FileKind)>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_bytes() == b"." || name.to_bytes() == b".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::RegularFile => FileKind::File,
            FileType::Directory => FileKind::Directory,
            FileType::Symlink => FileKind::Symlink,
            FileType::Fifo => FileKind::Fifo,
            FileType::Socket => FileKind::Socket,
            FileType::Unknown => match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat_of(&stat).kind,
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            },
            _ => FileKind::Device,
        };
        names.push((name.to_bytes().to_vec(), kind));
    }
    Ok(names)
}

/// Opens the regular file at `path` beneath `root` to read it. No link is followed, a pipe does not block.
pub fn open_beneath(root: BorrowedFd<'_>, path: &str) -> io::Result<(File, FileStat)> {
    match path.rsplit_once('/') {
        None => super::beneath::open_file(root, path),
        Some((parent, name)) => {
            let dir = super::beneath::open_dir(root, parent, super::beneath::Access::Resolve)?;
            super::beneath::open_file(dir.as_fd(), name)
        }
    }
}

/// Opens the file `name` of `dir` to append to it; an error if it is not there, or no regular file.
pub fn open_to_append(dir: BorrowedFd<'_>, name: &str) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(dir, name, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(Errno::INVAL.into()) }
}

/// Fills `bytes` with what the file holds from `offset` on.
pub fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(bytes, offset)
}

/// The user on whose behalf this process acts, by number.
#[must_use]
pub fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// A path as bytes, as the platform has it.
#[must_use]
pub fn path_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// Bytes as the platform's text.
#[must_use]
pub fn os_str(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

/// The path that these bytes are.
#[must_use]
pub fn path_of(bytes: &[u8]) -> PathBuf {
    OsStr::from_bytes(bytes).into()
}
