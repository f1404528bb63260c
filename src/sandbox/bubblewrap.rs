//! The command line of bubblewrap: a mount tree built from nothing, in which only what is bound exists.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::launch::Launch;
use super::shim::{SHIM, stage};
use super::system_view::Place;

/// Where a task's directories appear inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inside {
    pub workspace: PathBuf,
    pub home: PathBuf,
    pub tmp: PathBuf,
}

/// Fixed places, so that a task's output does not depend on where the project lies; others only where something that
/// must be shown lies there on this machine.
pub(super) fn inside(launch: &Launch) -> Inside {
    let shown: Vec<&PathBuf> = launch.read_only.iter().chain(&launch.extra_writable).collect();
    let free = |candidates: [&str; 2]| {
        let collides = shown.iter().any(|path| path.starts_with(candidates[0]));
        PathBuf::from(candidates[usize::from(collides)])
    };
    Inside {
        workspace: free(["/workspace", "/orca/workspace"]),
        home: free(["/home/task", "/orca/home"]),
        tmp: PathBuf::from("/tmp"),
    }
}

/// The arguments, the shim's stage included. The shim is what standard output is open on (see `supervise`).
pub(super) fn arguments(launch: &Launch, places: &[Place]) -> Vec<OsString> {
    let inside = inside(launch);
    let mut line = CommandLine::default();
    line.words(&["--unshare-all", "--die-with-parent", "--new-session", "--as-pid-1", "--clearenv"]);
    line.words(&["--hostname", "task", "--cap-drop", "ALL"]);
    if launch.network {
        line.words(&["--share-net"]);
    }
    // Where bubblewrap makes directories on the way to a place by itself, nobody else may enter them.
    ["/etc", "/home", "/var"].iter().for_each(|path| line.one("--dir", Path::new(path)));
    for place in places {
        match place {
            Place::Shown(path) => line.pair("--ro-bind-try", path, path),
            Place::Link { at, target } => line.pair("--symlink", target, at),
        }
    }
    let masks: Vec<&PathBuf> = launch.hidden.iter().filter(|path| is_shown(path, places)).collect();
    masks.iter().for_each(|path| line.one("--tmpfs", path));
    line.words(&["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm"]);
    line.words(&["--dir", "/run"]);
    line.pair("--bind", &launch.tmp, &inside.tmp);
    line.pair("--bind", &launch.tmp, Path::new("/var/tmp"));
    let read_only = launch.read_only.iter().map(|path| (path, "--ro-bind-try"));
    let mut shown: Vec<_> = read_only.chain(launch.extra_writable.iter().map(|path| (path, "--bind"))).collect();
    // What lies beneath something else comes after it, or would be covered.
    shown.sort();
    shown.iter().for_each(|(path, option)| line.pair(option, path, path));
    line.pair("--bind", &launch.home, &inside.home);
    line.pair("--bind", &launch.workspace, &inside.workspace);
    masks.iter().for_each(|path| line.one("--remount-ro", path));
    line.words(&["--remount-ro", "/dev", "--remount-ro", "/"]);
    line.words(&["--chdir", "/", "--", "/proc/self/fd/1", SHIM, stage::GUARD]);
    line.0
}

fn is_shown(path: &Path, places: &[Place]) -> bool {
    places.iter().any(|place| matches!(place, Place::Shown(shown) if path.starts_with(shown)))
}

#[derive(Default)]
struct CommandLine(Vec<OsString>);

impl CommandLine {
    fn words(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(OsString::from));
    }

    fn one(&mut self, option: &str, path: &Path) {
        self.0.extend([option.into(), path.into()]);
    }

    fn pair(&mut self, option: &str, from: &Path, to: &Path) {
        self.0.extend([option.into(), from.into(), to.into()]);
    }
}
