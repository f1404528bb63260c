//! From a launch to what the guardian is told: environment, working directory, and the rules of Landlock.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::backend::{Mechanism, Sandbox};
use super::launch::Launch;
use super::protocol::{Mounts, Own, RoomSpec, Shown, Spec, View};
use super::system_view::{self, Place};
use crate::sys::confine::{Confinement, Sockets};
use crate::sys::view;

/// Devices that any program may expect.
pub(super) const DEVICES: [&str; 6] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

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
        room: (*mechanism == Mechanism::Rooms).then(|| room(sandbox, launch)),
        hardened: matches!(mechanism, Mechanism::Bubblewrap { .. }).then(|| sockets_in_namespace(launch.network)),
        mounts: in_namespaces.then(|| mounts(launch)),
        memory_limit_bytes: launch.memory_limit_bytes,
        watches_memory: launch.watches_memory,
    }
}

/// The same as the arguments of bubblewrap say.
fn room(sandbox: &Sandbox, launch: &Launch) -> RoomSpec {
    let inside = sandbox.inside(launch);
    let places = sandbox.places(launch.network);
    let mut links = Vec::new();
    let mut system = Vec::new();
    for place in places {
        match place {
            Place::Link { at, target } => links.push((at.into(), target.into())),
            Place::Shown(path) => {
                system.push(Shown {
                    at: path.into(),
                    from: path.into(),
                    is_writable: false,
                    identity: None,
                    is_system: true,
                });
            }
        }
    }
    let is_shown = |path: &Path| places.iter().any(|place| matches!(place, Place::Shown(at) if path.starts_with(at)));
    // One that is made later is another view then.
    let masks: Vec<&PathBuf> = launch.hidden.iter().filter(|path| is_shown(path) && path.is_dir()).collect();
    // A tool of the system is there anyway.
    let is_missing = |path: &&PathBuf| !is_shown(path) || masks.iter().any(|mask| path.starts_with(mask));
    let shown = |path: &PathBuf, is_writable| Shown {
        at: path.into(),
        from: path.into(),
        is_writable,
        identity: view::identity(path),
        is_system: false,
    };
    let read_only = launch.read_only.iter().filter(is_missing).map(|path| shown(path, false));
    let mut declared: Vec<Shown> =
        read_only.chain(launch.extra_writable.iter().map(|path| shown(path, true))).collect();
    // What lies beneath something else comes after it, or would be covered.
    declared.sort();
    let own = [
        (&launch.tmp, &inside.tmp),
        (&launch.tmp, &PathBuf::from("/var/tmp")),
        (&launch.home, &inside.home),
        (&launch.workspace, &inside.workspace),
    ];
    let is_beneath_own = |shown: &Shown| own.iter().any(|(_, at)| Path::new(&shown.at).starts_with(at));
    let (later, declared): (Vec<Shown>, Vec<Shown>) = declared.into_iter().partition(is_beneath_own);
    let of_task = own.iter().map(|(from, at)| Shown {
        at: at.as_os_str().into(),
        from: from.as_os_str().into(),
        is_writable: true,
        identity: None,
        is_system: false,
    });
    // What is to be read and is not there is left out, as in the view.
    let later = later.into_iter().filter(|shown| shown.is_writable || shown.identity.is_some());
    RoomSpec {
        view: Some(View {
            links,
            shown: system.into_iter().chain(declared).collect(),
            masks: masks.into_iter().map(OsString::from).collect(),
            places: own.iter().map(|(_, at)| at.as_os_str().into()).collect(),
        }),
        own: Own { shown: of_task.chain(later).collect() },
        has_own_network: !launch.network,
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
        sockets: match in_namespaces {
            true => sockets_in_namespace(launch.network),
            false if launch.network => Sockets::All,
            false => Sockets::Kernel,
        },
    }
}

/// Which sockets a task may make that is in a network namespace of its own, unless it may use the network.
fn sockets_in_namespace(network: bool) -> Sockets {
    if network { Sockets::All } else { Sockets::Namespace }
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
