//! Namespaces of our own: processes, mounts, IPC and, if wanted, the network, as root or through a user namespace.
#![expect(clippy::disallowed_methods, reason = "id maps are files of /proc")]

use std::io;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::net::{AddressFamily, SendFlags, SocketType, send, socket};
use rustix::thread::{
    CapabilitySet, capabilities, clear_ambient_capability_set, configure_capability_in_ambient_set, set_capabilities,
};

const NO_DATA: Option<&str> = None;

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
    let needed = CapabilitySet::SYS_ADMIN | CapabilitySet::NET_ADMIN | CapabilitySet::SETPCAP;
    let mut sets = capabilities(None)?;
    sets.inheritable |= needed;
    set_capabilities(None, sets)?;
    needed.iter().try_for_each(|capability| configure_capability_in_ambient_set(capability, true))
}

/// Gives up what [`enter`] kept for the next stage; nothing started from now on has it.
pub fn forgo_ambient() {
    let _ = clear_ambient_capability_set();
}

/// Shows the processes of this pid namespace, and no others, under /proc.
pub fn mount_proc() -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    Ok(mount(Some("proc"), "/proc", Some("proc"), flags, NO_DATA)?)
}

/// Puts an empty directory over one of the machine's.
pub fn mount_empty(at: &Path, mode: &str) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    Ok(mount(Some("tmpfs"), at, Some("tmpfs"), flags, Some(format!("mode={mode}").as_str()))?)
}

/// Shows one directory at the place of another.
pub fn mount_over(directory: &Path, at: &Path) -> io::Result<()> {
    Ok(mount(Some(directory), at, NO_DATA, MsFlags::MS_BIND, NO_DATA)?)
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
