//! Files beneath a directory that was opened once. No call here follows a symbolic link, neither on the way nor at the
//! end, so whatever is planted or swapped in meanwhile, nothing outside the directory is read, written or removed.
//!
//! Where the kernel has `openat2` it resolves a whole path in one call; elsewhere every component is opened by itself.
//! Both answer the same: `ELOOP` where a link is in the way, `ENOTDIR` where something else is.
//!
//! Paths are relative, `/`-separated and without `.` and `..`; a name is one component.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Timespec, Timestamps};
use rustix::io::Errno;

/// Room for the entries of a directory; the longest name takes 280 bytes of it.
#[cfg(target_os = "linux")]
const LIST_BUFFER_BYTES: usize = 8 << 10;

/// What a directory entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character or block device, or what this platform does not name.
    Device,
}

/// What `lstat` says of a file: enough to see that it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    /// What it is.
    pub kind: FileKind,
    /// The device it is on.
    pub dev: u64,
    /// Its inode.
    pub inode: u64,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// File type and permission bits.
    pub mode: u32,
    /// Last change of the content, in nanoseconds since the epoch.
    pub mtime_ns: i64,
    /// Last change of the inode, in nanoseconds since the epoch.
    pub ctime_ns: i64,
}

impl FileStat {
    /// Whether its owner may execute it.
    #[must_use]
    pub const fn is_executable(&self) -> bool {
        self.mode & 0o100 != 0
    }

    /// Its permission bits.
    #[must_use]
    pub const fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }
}

/// What tells an inode that is as good as new from one that is not, besides its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inode {
    /// What it is.
    pub kind: FileKind,
    /// The device it is on.
    pub dev: u64,
    /// Whether it has no other name.
    pub is_only_link: bool,
    /// Its owner.
    pub user: u32,
    /// Its group.
    pub group: u32,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its permission bits.
    pub permissions: u32,
}

/// What an opened file or directory is, as an inode.
pub fn inode_of(file: impl AsFd) -> io::Result<Inode> {
    Ok(inode(&rustix::fs::fstat(file)?))
}

/// What `name` in `dir` is, as an inode.
pub fn inode_at(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<Inode> {
    Ok(inode(&rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?))
}

fn inode(stat: &rustix::fs::Stat) -> Inode {
    let known = stat_of(stat);
    let FileStat { kind, dev, size_bytes, .. } = known;
    let permissions = known.permissions();
    Inode {
        kind,
        dev,
        is_only_link: stat.st_nlink == 1,
        user: stat.st_uid,
        group: stat.st_gid,
        size_bytes,
        permissions,
    }
}

/// Whether an opened file or directory carries anything besides content, owner and mode: an access list, a label, a note
/// of some program, a flag such as "never changes" or "write at once". Where that cannot be told, it does.
#[must_use]
pub fn has_attributes(file: impl AsFd) -> bool {
    let mut names = [0_u8; 1];
    let is_named = match rustix::fs::flistxattr(&file, &mut names[..]) {
        Ok(length) => length > 0,
        Err(Errno::NOTSUP) => false,
        Err(_) => true,
    };
    is_named || has_flags(file)
}

/// Whether an inode has a flag that a new one has not. How a file system lays it out is none of them.
fn has_flags(file: impl AsFd) -> bool {
    /// `FS_INDEX_FL`, `FS_EXTENT_FL` and `FS_INLINE_DATA_FL` of Linux.
    const OF_LAYOUT: u32 = 0x1000 | 0x8_0000 | 0x1000_0000;
    match rustix::fs::ioctl_getflags(file) {
        Ok(flags) => flags.bits() & !OF_LAYOUT != 0,
        Err(Errno::NOTTY | Errno::NOTSUP) => false,
        Err(_) => true,
    }
}

/// Asks that each directory made in this one be laid out apart from the others, with what is made in it (`chattr +T`). Some
/// file systems place all that lies beneath a directory close together, and making a file then takes as long as there are
/// many nearby that were lately removed. Where that is not known it does nothing, and nothing is lost.
pub fn lay_out_apart(dir: impl AsFd) {
    #[cfg(target_os = "linux")]
    if let Ok(flags) = rustix::fs::ioctl_getflags(&dir) {
        let apart = flags | rustix::fs::IFlags::TOPDIR;
        if apart != flags {
            // A file system that has no such flag refuses it.
            let _ = rustix::fs::ioctl_setflags(&dir, apart);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = dir;
}

/// Opens the regular file `name` of `dir` to read and write it. A link is refused, a pipe does not block.
pub fn open_to_rewrite(dir: BorrowedFd<'_>, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        // Its owner may have taken the right to write from it.
        Err(Errno::ACCESS) => {
            let path_only =
                rustix::fs::openat(dir, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
            let link = format!("/proc/self/fd/{}", path_only.as_raw_fd());
            rustix::fs::chmod(link, Mode::from_raw_mode(0o600))?;
            Ok(File::from(rustix::fs::openat(dir, name, flags, Mode::empty())?))
        }
        other => Ok(File::from(other?)),
    }
}

/// What an opened directory is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A place to resolve names in; needs no read permission.
    Resolve,
    /// To be listed, synced or given a mode.
    Read,
}

impl Access {
    const fn flags(self) -> OFlags {
        let base = OFlags::DIRECTORY.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);
        match self {
            Self::Resolve => base.union(OFlags::PATH),
            Self::Read => base,
        }
    }
}

/// Opens the directory everything else happens beneath. Links in `path` itself are followed: it comes from the user.
pub fn open_root(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// Makes the directory a user named for orca's own, with its parents; what is made is private to its owner.
pub fn make_private_dirs(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens the directory `path` beneath `root`.
pub fn open_dir(root: BorrowedFd<'_>, path: &str, access: Access) -> io::Result<OwnedFd> {
    static KERNEL_HAS_OPENAT2: AtomicBool = AtomicBool::new(true);
    if KERNEL_HAS_OPENAT2.load(Ordering::Relaxed) {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(root, path, access.flags(), Mode::empty(), resolve) {
            // Old seccomp filters answer a call they do not know with EPERM, which this call never gives by itself.
            Err(Errno::NOSYS | Errno::PERM) => KERNEL_HAS_OPENAT2.store(false, Ordering::Relaxed),
            Err(Errno::NOTDIR) => return open_dir_by_component(root, path, access),
            other => return Ok(other?),
        }
    }
    open_dir_by_component(root, path, access)
}

/// As [`open_dir`], one component at a time, for kernels without `openat2`.
pub fn open_dir_by_component(root: BorrowedFd<'_>, path: &str, access: Access) -> io::Result<OwnedFd> {
    let mut parts = path.split('/').peekable();
    let mut current: Option<OwnedFd> = None;
    while let Some(name) = parts.next() {
        if matches!(name, "" | "." | "..") {
            return Err(Errno::XDEV.into());
        }
        let step = if parts.peek().is_some() { Access::Resolve } else { access };
        let parent = current.as_ref().map_or(root, AsFd::as_fd);
        current = Some(open_child_dir(parent, name, step)?);
    }
    current.ok_or_else(|| Errno::NOENT.into())
}

/// Opens the directory `name` of `dir`.
pub fn open_child_dir(dir: BorrowedFd<'_>, name: impl AsRef<OsStr>, access: Access) -> io::Result<OwnedFd> {
    let name = name.as_ref();
    match rustix::fs::openat(dir, name, access.flags(), Mode::empty()) {
        Err(Errno::NOTDIR) if is_symlink(dir, name) => Err(Errno::LOOP.into()),
        other => Ok(other?),
    }
}

fn is_symlink(dir: BorrowedFd<'_>, name: &OsStr) -> bool {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
    stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

/// Makes the directory `path` beneath `root` with all its parents, each with exactly mode 0755 whatever the umask, and
/// opens it. What is already there keeps its mode.
pub fn make_dirs(root: BorrowedFd<'_>, path: &str) -> io::Result<OwnedFd> {
    let mut current: Option<OwnedFd> = None;
    for name in path.split('/') {
        let parent = current.as_ref().map_or(root, AsFd::as_fd);
        current = Some(match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
            Ok(()) => {
                let made = open_child_dir(parent, name, Access::Read)?;
                rustix::fs::fchmod(&made, Mode::from_raw_mode(0o755))?;
                made
            }
            Err(Errno::EXIST) => open_child_dir(parent, name, Access::Resolve)?,
            Err(error) => return Err(error.into()),
        });
    }
    current.ok_or_else(|| Errno::NOENT.into())
}

/// Makes the single directory `name` in `dir`, private to its owner; `false` if something of that name is there.
pub fn make_private_dir(dir: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
    match rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o700)) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Opens the regular file `name` of `dir` to read it. A pipe or device put in its place does not block and is refused
/// with `EINVAL`, a link with `ELOOP`.
pub fn open_file(dir: BorrowedFd<'_>, name: &str) -> io::Result<(File, FileStat)> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, name, flags, Mode::empty())?;
    let stat = stat_of(&rustix::fs::fstat(&fd)?);
    match stat.kind {
        FileKind::File => Ok((File::from(fd), stat)),
        FileKind::Directory => Err(Errno::ISDIR.into()),
        _ => Err(Errno::INVAL.into()),
    }
}

/// Creates the file `name` in `dir`, private to its owner; an error if anything of that name is there.
pub fn create_file(dir: BorrowedFd<'_>, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o600))?))
}

/// Opens the file `name` of `dir` for a lock, creating it if need be.
pub fn open_lock_file(dir: BorrowedFd<'_>, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o600))?))
}

/// What `name` in `dir` is; `None` if there is nothing.
pub fn lstat(dir: BorrowedFd<'_>, name: &str) -> io::Result<Option<FileStat>> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat_of(&stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What an opened file is.
pub fn fstat(file: impl AsFd) -> io::Result<FileStat> {
    Ok(stat_of(&rustix::fs::fstat(file)?))
}

/// The target of the link `name` in `dir`, as bytes.
pub fn read_link(dir: BorrowedFd<'_>, name: &str) -> io::Result<Vec<u8>> {
    Ok(rustix::fs::readlinkat(dir, name, Vec::new())?.into_bytes())
}

/// Creates the link `name` in `dir`; an error if anything of that name is there.
pub fn make_symlink(target: &str, dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    Ok(rustix::fs::symlinkat(target, dir, name)?)
}

/// Removes the file or link `name` of `dir`; `false` if there is nothing.
pub fn unlink(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<bool> {
    absent_is_false(rustix::fs::unlinkat(dir, name, AtFlags::empty()))
}

/// Removes the empty directory `name` of `dir`; `false` if there is nothing.
pub fn remove_dir(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<bool> {
    absent_is_false(rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR))
}

fn absent_is_false(removed: rustix::io::Result<()>) -> io::Result<bool> {
    match removed {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Moves a name, replacing what the new name stood for.
pub fn rename(from: BorrowedFd<'_>, name: &OsStr, to: BorrowedFd<'_>, new: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::renameat(from, name, to, new)?)
}

/// Moves a name; an error if the new name is taken.
pub fn rename_to_free(from: BorrowedFd<'_>, name: &OsStr, to: BorrowedFd<'_>, new: &OsStr) -> io::Result<()> {
    match rustix::fs::renameat_with(from, name, to, new, RenameFlags::NOREPLACE) {
        Err(Errno::NOSYS | Errno::INVAL) => Ok(rustix::fs::renameat(from, name, to, new)?),
        other => Ok(other?),
    }
}

/// Lets two names change places in one step; `false` on a file system that cannot.
pub fn exchange(left: BorrowedFd<'_>, name: &OsStr, right: BorrowedFd<'_>, other: &OsStr) -> io::Result<bool> {
    match rustix::fs::renameat_with(left, name, right, other, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The names in an opened directory, without `.` and `..`, in no order.
pub fn list(dir: BorrowedFd<'_>) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

/// As [`list`], in fewer calls: for a directory that was opened to be listed, by nobody else. However often it was listed
/// before, it is from its beginning.
pub fn list_opened(dir: &OwnedFd) -> io::Result<Vec<Vec<u8>>> {
    #[cfg(target_os = "linux")]
    {
        rustix::fs::seek(dir, rustix::fs::SeekFrom::Start(0))?;
        let mut names = Vec::new();
        let mut buffer = Vec::with_capacity(LIST_BUFFER_BYTES);
        let mut entries = rustix::fs::RawDir::new(dir, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(name);
            }
        }
        Ok(names)
    }
    #[cfg(not(target_os = "linux"))]
    list(dir.as_fd())
}

/// A name as the calls here take it.
#[must_use]
pub fn name_of(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

/// Gives an opened file or directory exactly these permission bits.
pub fn set_mode(file: impl AsFd, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?)
}

/// Gives the directory `name` of `dir` to its owner again, whatever mode a task left it in.
pub fn make_accessible(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    let fd = rustix::fs::openat(dir, name, Access::Resolve.flags(), Mode::empty())?;
    // A path-only descriptor takes no fchmod; its /proc link names exactly this inode.
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    Ok(rustix::fs::chmod(link, Mode::from_raw_mode(0o700))?)
}

/// Marks `name` in `dir` as used now.
pub fn touch(dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let now = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    Ok(rustix::fs::utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Shares the blocks of `from` with the empty file `to`; `false` where the file system cannot.
#[must_use]
pub fn reflink(from: &File, to: &File) -> bool {
    #[cfg(target_os = "linux")]
    return rustix::fs::ioctl_ficlone(to, from).is_ok();
    #[cfg(not(target_os = "linux"))]
    return false;
}

/// Writes an opened file or directory through to the disk.
pub fn sync(file: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::fsync(file)?)
}

/// Writes everything of the file system through to the disk: cheaper than [`sync`] for many files.
pub fn sync_file_system(any: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::syncfs(any)?)
}

/// Whether a call here refused to follow a symbolic link.
#[must_use]
pub fn is_link_refusal(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

pub(super) fn stat_of(stat: &rustix::fs::Stat) -> FileStat {
    let ns = |seconds: i64, ns: i64| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
    FileStat {
        kind: match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => FileKind::File,
            FileType::Directory => FileKind::Directory,
            FileType::Symlink => FileKind::Symlink,
            FileType::Fifo => FileKind::Fifo,
            FileType::Socket => FileKind::Socket,
            _ => FileKind::Device,
        },
        dev: stat.st_dev,
        inode: stat.st_ino,
        size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
        mode: stat.st_mode,
        mtime_ns: ns(stat.st_mtime, stat.st_mtime_nsec as i64),
        ctime_ns: ns(stat.st_ctime, stat.st_ctime_nsec as i64),
    }
}
