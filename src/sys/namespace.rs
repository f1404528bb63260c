//! Namespaces of our own: processes, mounts, IPC and, if wanted, the network, as root or through a user namespace.
#![expect(clippy::disallowed_methods, reason = "id maps are files of /proc")]

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SendFlags, SocketType, send, socket};
use rustix::thread::{
    CapabilitySet, capabilities, clear_ambient_capability_set, configure_capability_in_ambient_set, set_capabilities,
};

pub(super) const NO_DATA: Option<&str> = None;

/// Leaves the namespaces this process was born in. The next child is the first process of the new pid namespace.
pub fn enter(own_network: bool) -> io::Result<()> {
    let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
    let mut flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;
    flags |= CloneFlags::CLONE_NEWIPC;
    flags.set(CloneFlags::CLONE_NEWNET, own_network);
    unshare(flags)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{0} {0} 1", uid.as_raw()))?;
    std::fs::write("/proc/self/gid_map", format!("{0} {0} 1", gid.as_raw()))?;
    mount(NO_DATA, "/", NO_DATA, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NO_DATA)?;
    Ok(keep_over_exec()?)
}

/// Lets the next stage arrange the namespaces though it may not run as root, whose rights survive an `exec`.
fn keep_over_exec() -> rustix::io::Result<()> {
    let needed =
        CapabilitySet::SYS_ADMIN | CapabilitySet::NET_ADMIN | CapabilitySet::SETPCAP | CapabilitySet::SYS_CHROOT;
    let mut sets = capabilities(None)?;
    sets.inheritable |= needed;
    set_capabilities(None, sets)?;
    needed.iter().try_for_each(|capability| configure_capability_in_ambient_set(capability, true))
}

/// Gives up what [`enter`] kept for the next stage; nothing started from now on has it.
pub fn forgo_kept() {
    let _ = clear_ambient_capability_set();
    if let Ok(mut sets) = capabilities(None) {
        sets.inheritable = CapabilitySet::empty();
        let _ = set_capabilities(None, sets);
    }
}

/// Moves into an IPC namespace in which nobody has left anything.
pub fn renew_ipc() -> io::Result<()> {
    Ok(unshare(CloneFlags::CLONE_NEWIPC)?)
}

/// Moves into a network namespace in which nothing was ever sent.
pub fn renew_network() -> io::Result<()> {
    Ok(unshare(CloneFlags::CLONE_NEWNET)?)
}

/// Gives the machine another name for this process and what it starts, and shows control groups from here, where there
/// are any.
pub fn name_machine(name: &str) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWUTS)?;
    rustix::system::sethostname(name.as_bytes())?;
    let _ = unshare(CloneFlags::CLONE_NEWCGROUP);
    Ok(())
}

/// Makes every mount read-only but those at and beneath `writable`; what is `read_only` beneath that is so, too.
///
/// A mount that the machine does not let us touch stays as it is: this comes on top of other rules, for what these do
/// not cover, such as modes, owners and times.
pub fn make_read_only_but(writable: &[PathBuf], read_only: &[PathBuf]) -> io::Result<()> {
    let table = std::fs::read_to_string("/proc/self/mountinfo")?;
    for (place, flags) in table.lines().filter_map(mount_point) {
        let depth = |list: &[PathBuf]| {
            list.iter().filter(|path| place.starts_with(path)).map(|path| path.components().count()).max()
        };
        if depth(read_only) >= depth(writable) {
            let flags = flags | MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
            let _ = mount(NO_DATA, &place, NO_DATA, flags, NO_DATA);
        }
    }
    Ok(())
}

/// Place and flags of a line of mountinfo. Flags have to be repeated: taking one away is refused.
pub(super) fn mount_point(line: &str) -> Option<(PathBuf, MsFlags)> {
    let mut fields = line.split(' ').skip(4);
    let place = unescape(fields.next()?);
    let flags = fields.next()?.split(',').map(|option| match option {
        "nosuid" => MsFlags::MS_NOSUID,
        "nodev" => MsFlags::MS_NODEV,
        "noexec" => MsFlags::MS_NOEXEC,
        "noatime" => MsFlags::MS_NOATIME,
        "nodiratime" => MsFlags::MS_NODIRATIME,
        "relatime" => MsFlags::MS_RELATIME,
        "ro" => MsFlags::MS_RDONLY,
        _ => MsFlags::empty(),
    });
    Some((place, flags.collect()))
}

/// The kernel writes blanks and backslashes as three octal digits.
fn unescape(field: &str) -> PathBuf {
    let mut parts = field.split('\\');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(3).unwrap_or(("", part));
        bytes.extend(u8::from_str_radix(code, 8).ok());
        bytes.extend_from_slice(rest.as_bytes());
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// Shows the processes of this pid namespace, and no others, under /proc.
pub fn mount_proc() -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    Ok(mount(Some("proc"), "/proc", Some("proc"), flags, NO_DATA)?)
}

/// Puts an empty directory over one of the machine's, if that exists.
pub fn mount_empty(at: &Path) -> io::Result<()> {
    if !at.is_dir() {
        return Ok(());
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), at, Some("tmpfs"), flags, Some("mode=1777"))
        .map_err(|error| at_path("empty", at, error.into()))
}

/// Holds on to files and directories that are about to be covered; those that do not exist are left out.
#[must_use]
pub fn keep(paths: Vec<PathBuf>) -> Vec<(PathBuf, OwnedFd)> {
    let open = |path: &Path| rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    paths.into_iter().filter_map(|path| open(&path).ok().map(|file| (path, file))).collect()
}

/// Shows something kept at a path, which is made if it is not there.
pub fn mount_kept(kept: &OwnedFd, at: &Path) -> io::Result<()> {
    let source = super::socket::path_of_open(kept);
    let place = || {
        if source.is_dir() {
            std::fs::create_dir_all(at)?;
        } else if !at.exists() {
            std::fs::create_dir_all(at.parent().unwrap_or(at))?;
            std::fs::File::create(at)?;
        }
        io::Result::Ok(mount(Some(&source), at, NO_DATA, MsFlags::MS_BIND | MsFlags::MS_REC, NO_DATA)?)
    };
    place().map_err(|error| at_path("show", at, error))
}

fn at_path(action: &str, path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {action} {}: {error}", path.display()))
}

/// Brings up the loopback device, which a fresh network namespace has switched off, with one netlink message.
pub fn raise_loopback() -> io::Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST: u16 = 1;
    const LOOPBACK_INDEX: u32 = 1;
    const IFF_UP: u32 = 1;
    let mut message = Vec::with_capacity(32);
    message.extend(32_u32.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([0; 4]);
    message.extend(LOOPBACK_INDEX.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    let socket = socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    send(&socket, &message, SendFlags::empty())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mountinfo_names_place_and_flags() {
        let line = r"36 35 98:0 /mnt1 /a\040b\134c rw,noatime,nosuid master:1 - ext3 /dev/root rw,errors=continue";
        let expected = (PathBuf::from(r"/a b\c"), MsFlags::MS_NOATIME | MsFlags::MS_NOSUID);
        assert_eq!(mount_point(line), Some(expected));
        assert_eq!(mount_point("36 35"), None);
    }
}
