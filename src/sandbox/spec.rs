//! From a launch to what the guardian is told: environment, working directory, and the rules of Landlock.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::backend::{Mechanism, Sandbox};
use super::launch::Launch;
use super::protocol::{Mounts, Spec};
use super::system_view::{self, Place};
use crate::sys::confine::Confinement;

/// Devices that any program may expect.
const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// The spec of a launch.
pub(super) fn of(sandbox: &Sandbox, launch: &Launch) -> Spec {
    let inside = sandbox.inside(launch);
    let mut env = launch.env.clone();
    for (name, path) in [("HOME", &inside.home), ("TMPDIR", &inside.tmp), ("PWD", &inside.workspace)] {
        env.insert(name.into(), path.into());
    }
    let mechanism = sandbox.mechanism_for(launch);
    let in_namespaces = *mechanism == Mechanism::LandlockInNamespaces;
    let confined = in_namespaces || *mechanism == Mechanism::Landlock;
    Spec {
        argv: launch.argv.clone(),
        env: env.into_iter().collect(),
        cwd: inside.workspace.into(),
        confinement: confined.then(|| confinement(launch, in_namespaces)),
        hardened: matches!(mechanism, Mechanism::Bubblewrap { .. }),
        mounts: in_namespaces.then(|| mounts(launch)),
        memory_limit_bytes: launch.memory_limit_bytes,
        watches_memory: launch.watches_memory,
    }
}

fn confinement(launch: &Launch, in_namespaces: bool) -> Confinement {
    let mut read = vec![OsString::from("/proc")];
    for place in system_view::places(launch.network) {
        let (Place::Shown(path) | Place::Link { at: path, .. }) = place;
        read.extend(system_view::without_hidden(&resolved(&path), &launch.hidden).into_iter().map(OsString::from));
    }
    read.extend(launch.read_only.iter().map(OsString::from));
    let mut write: Vec<OsString> = own_directories(launch).map(OsString::from).collect();
    if in_namespaces {
        write.push("/dev/shm".into());
    }
    Confinement {
        read,
        write,
        devices: DEVICES.map(OsString::from).to_vec(),
        // A network namespace does it better: what is inside can still talk to itself.
        sockets: launch.network || in_namespaces,
        local_sockets: launch.network || in_namespaces,
    }
}

fn mounts(launch: &Launch) -> Mounts {
    let empty = system_view::private_directories().into_iter().chain(launch.hidden.iter().cloned());
    Mounts {
        empty: empty.map(OsString::from).collect(),
        writable: own_directories(launch).map(OsString::from).collect(),
        read_only: launch.read_only.iter().map(OsString::from).collect(),
        tmp: tmp_is_free(launch).then(|| launch.tmp.clone().into()),
        loopback: !launch.network,
    }
}

/// Whether /tmp can be the task's own. What has to be shown beneath it would otherwise become writable with it.
fn tmp_is_free(launch: &Launch) -> bool {
    !own_directories(launch).chain(&launch.read_only).any(|path| path.starts_with("/tmp"))
}

fn own_directories(launch: &Launch) -> impl Iterator<Item = &PathBuf> {
    [&launch.workspace, &launch.home, &launch.tmp].into_iter().chain(&launch.extra_writable)
}

/// A link at the top of the system view leads to the directory that is meant.
fn resolved(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
