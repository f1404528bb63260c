//! A view: a mount tree made from nothing, in which only what is put exists. It is made of *trees*, pieces of the machine's
//! files that are taken while they can be reached and then belong to nowhere, until they are put somewhere.
//!
//! A process in a mount namespace of its own may go back and forth between views; [`Place`] is where it was.
#![expect(clippy::disallowed_methods, reason = "places of a view are made, and the kernel tells of mounts in /proc")]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use rustix::fs::{CWD, FileType, StatVfsMountFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use super::namespace::{NO_DATA, mount_point};

/// A mount namespace that this process has been in.
#[derive(Debug)]
pub struct Place(OwnedFd);

impl Place {
    /// Where this process is.
    pub fn here() -> io::Result<Self> {
        Ok(Self(File::open("/proc/self/ns/mnt")?.into()))
    }

    /// Moves this process there, to its root.
    pub fn go(&self) -> io::Result<()> {
        Ok(setns(&self.0, CloneFlags::CLONE_NEWNS)?)
    }

    /// Moves this process into a copy of where it is.
    pub fn copy() -> io::Result<Self> {
        unshare(CloneFlags::CLONE_NEWNS)?;
        Self::here()
    }
}

/// Files, with everything mounted beneath them, that are shown nowhere.
#[derive(Debug)]
pub struct Tree(OwnedFd);

impl Tree {
    /// Takes what is at a path, following links.
    pub fn of(path: &Path) -> io::Result<Self> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
        Ok(Self(open_tree(CWD, path, flags).map_err(|error| at_path("show", path, error.into()))?))
    }

    /// An empty directory in memory.
    pub fn empty(mode: &str) -> io::Result<Self> {
        Self::made("tmpfs", &[("mode", mode)], MountAttrFlags::MOUNT_ATTR_NODEV)
    }

    /// The processes of this pid namespace.
    pub fn processes() -> io::Result<Self> {
        Self::made("proc", &[], MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC)
    }

    /// Terminals that nobody else has.
    pub fn terminals() -> io::Result<Self> {
        let options = [("newinstance", ""), ("ptmxmode", "0666"), ("mode", "620")];
        Self::made("devpts", &options, MountAttrFlags::MOUNT_ATTR_NOEXEC)
    }

    fn made(kind: &str, options: &[(&str, &str)], flags: MountAttrFlags) -> io::Result<Self> {
        let make = || {
            let making = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
            for (option, value) in options {
                match *value {
                    "" => fsconfig_set_flag(&making, *option)?,
                    value => fsconfig_set_string(&making, *option, value)?,
                }
            }
            fsconfig_create(&making)?;
            fsmount(&making, FsMountFlags::FSMOUNT_CLOEXEC, flags | MountAttrFlags::MOUNT_ATTR_NOSUID)
        };
        Ok(Self(make().map_err(|error| io::Error::other(format!("cannot make a {kind}: {error}")))?))
    }

    /// Puts it somewhere, which is made if it is not there.
    pub fn put(&self, at: &Path) -> io::Result<()> {
        let is_directory = FileType::from_raw_mode(rustix::fs::fstat(&self.0)?.st_mode) == FileType::Directory;
        let put = || {
            if is_directory {
                std::fs::create_dir_all(at)?;
            } else if !at.exists() {
                std::fs::create_dir_all(at.parent().unwrap_or(at))?;
                File::create(at)?;
            }
            io::Result::Ok(move_mount(self.0.as_fd(), "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
        };
        put().map_err(|error| at_path("show", at, error))
    }

    /// Puts it somewhere as files of a task: without devices and programs that give rights, and, if asked, read-only.
    pub fn put_as_files(&self, at: &Path, read_only: bool) -> io::Result<()> {
        let kept = rustix::fs::fstatvfs(&self.0)?.f_flag;
        self.put(at)?;
        let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        flags.set(MsFlags::MS_RDONLY, read_only || kept.contains(StatVfsMountFlags::RDONLY));
        for (flag, name) in [
            (StatVfsMountFlags::NOEXEC, MsFlags::MS_NOEXEC),
            (StatVfsMountFlags::NOATIME, MsFlags::MS_NOATIME),
            (StatVfsMountFlags::NODIRATIME, MsFlags::MS_NODIRATIME),
            (StatVfsMountFlags::RELATIME, MsFlags::MS_RELATIME),
        ] {
            flags.set(name, kept.contains(flag));
        }
        mount(NO_DATA, at, NO_DATA, flags, NO_DATA).map_err(|error| at_path("restrict", at, error.into()))
    }

    /// Makes it the root of this mount namespace; everything else is gone from there.
    pub fn become_root(&self) -> io::Result<()> {
        // A directory that every machine has; it is covered only until the root is.
        let stand = Path::new("/proc");
        self.put(stand)?;
        std::env::set_current_dir(stand)?;
        nix::unistd::pivot_root(".", ".")?;
        // The old root lies on the new one now.
        umount2(".", MntFlags::MNT_DETACH)?;
        std::env::set_current_dir("/")
    }
}

/// Which file or directory is at a path, following links: a view that is kept shows the one it was made with.
#[must_use]
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    rustix::fs::stat(path).ok().map(|stat| (stat.st_dev, stat.st_ino))
}

/// Takes away what was put at a path, and all that was put beneath it.
pub fn take_away(at: &Path) -> io::Result<()> {
    umount2(at, MntFlags::MNT_DETACH).map_err(|error| at_path("take away", at, error.into()))
}

/// How a view is restricted, by the nearest directory above each of its mounts.
#[derive(Debug, Default)]
pub struct Restriction {
    /// What stays writable.
    pub writable: Vec<PathBuf>,
    /// What does not, beneath that.
    pub read_only: Vec<PathBuf>,
    /// Where devices work.
    pub devices: Vec<PathBuf>,
}

impl Restriction {
    /// Restricts every mount of the view that can be reached. Unlike [`super::namespace::make_read_only_but`] this is a
    /// wall, not a second line: what cannot be restricted is an error.
    pub fn apply(&self) -> io::Result<()> {
        let table = std::fs::read_to_string("/proc/self/mountinfo")?;
        // Of two mounts at one place, the later covers the other.
        let mounts: std::collections::BTreeMap<PathBuf, MsFlags> = table.lines().filter_map(mount_point).collect();
        for (place, flags) in mounts {
            let depth = |list: &[PathBuf]| {
                list.iter().filter(|path| place.starts_with(path)).map(|path| path.components().count()).max()
            };
            let mut flags = flags | MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_NOSUID;
            if depth(&self.devices).is_none() {
                flags |= MsFlags::MS_NODEV;
            }
            if depth(&self.read_only) >= depth(&self.writable) {
                flags |= MsFlags::MS_RDONLY;
            }
            match mount(NO_DATA, &place, NO_DATA, flags, NO_DATA) {
                // Something was put above it: nobody gets there.
                Err(nix::errno::Errno::ENOENT | nix::errno::Errno::EINVAL) if is_covered(&place) => {}
                restricted => restricted.map_err(|error| at_path("restrict", &place, error.into()))?,
            }
        }
        Ok(())
    }
}

/// Whether what is at a path is no mount, so that the one which the kernel lists there cannot be reached by it.
fn is_covered(place: &Path) -> bool {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    match statx(CWD, place, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE) {
        Ok(seen) => !seen.stx_attributes.contains(rustix::fs::StatxAttributes::MOUNT_ROOT),
        Err(_) => true,
    }
}

fn at_path(action: &str, path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {action} {}: {error}", path.display()))
}
