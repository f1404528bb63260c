//! The room of a task: what a guardian that is the first process of its namespaces shows to one task after the other.
//!
//! ```text
//! base (the machine's files) --take--> own directories --put--> the view: root, system, toolchains; kept for the next
//!                                                                '-- taken away again when the task has ended
//! ```
//!
//! The guardian goes back to the machine's files only to take pieces of them, and commands start from the view. Between
//! two tasks everything is made anew that outlives processes and can be written: mounts of the task's own, /dev/shm, what
//! System V and POSIX message queues leave behind, the numbering of processes, and the network if anything was ever sent
//! in it. The rest of the view cannot be written by anybody.
//!
//! A task has no capability here and cannot trace the guardian, so it can change none of this itself.
#![expect(clippy::disallowed_methods, reason = "the state of namespaces is told and set through files of /proc")]

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::protocol::{Own, View};
use super::spec::DEVICES;
use crate::sys::confine::{self, Sockets};
use crate::sys::namespace::Numbering;
use crate::sys::view::{Place, Restriction, Tree, take_away};
use crate::sys::{namespace, process};

/// Links in /dev, and where they lead.
const DEVICE_LINKS: [(&str, &str); 6] = [
    ("/proc/kcore", "/dev/core"),
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];
/// What of /proc sets the machine.
const SETTINGS: [&str; 4] = ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"];
const SHARED_MEMORY: &str = "/dev/shm";
/// Where terminals are, which are no other task's either.
const TERMINALS: &str = "/dev/pts";

/// See the module.
pub(super) struct Room {
    /// Where the machine's files are.
    base: Place,
    view: Option<Place>,
    /// Where the numbering of processes is set; none where the kernel does not let us.
    last_pid: Option<Numbering>,
    /// What has gone through the network namespace, where that is the room's own.
    traffic: Option<String>,
    /// What the present task was given, in this order.
    put: Vec<PathBuf>,
}

impl Room {
    /// Gives up, for good and for all commands to come, what none of them needs.
    pub(super) fn open(has_own_network: bool) -> io::Result<Self> {
        namespace::name_machine("task")?;
        let traffic = has_own_network.then(raise_network).transpose()?;
        namespace::forgo_kept();
        confine::forgo_rights_of_children();
        confine::harden(if has_own_network { Sockets::Namespace } else { Sockets::All });
        Ok(Self { base: Place::here()?, view: None, last_pid: None, traffic, put: Vec::new() })
    }

    /// Makes the room ready for a task; where the view is none, it is as it was for the last.
    pub(super) fn furnish(&mut self, view: Option<&View>, own: &Own) -> io::Result<()> {
        self.base.go()?;
        if let Some(view) = view {
            self.view = None;
            let place = Place::copy()?;
            self.last_pid = build(view)?;
            self.view = Some(place);
            self.base.go()?;
        }
        let trees: Vec<(Tree, &OsString, bool)> = own
            .shown
            .iter()
            .map(|shown| Ok((Tree::of(Path::new(&shown.from))?, &shown.at, !shown.is_writable)))
            .collect::<io::Result<_>>()?;
        self.view.as_ref().ok_or_else(|| io::Error::other("there is no view yet"))?.go()?;
        self.put(&Tree::empty("1777")?, Path::new(SHARED_MEMORY), None)?;
        self.put(&Tree::terminals()?, Path::new(TERMINALS), None)?;
        for (tree, at, read_only) in trees {
            self.put(&tree, Path::new(at), Some(read_only))?;
        }
        if let Some(last_pid) = &self.last_pid {
            last_pid.restart()?;
        }
        Ok(())
    }

    fn put(&mut self, tree: &Tree, at: &Path, read_only: Option<bool>) -> io::Result<()> {
        match read_only {
            None => tree.put(at)?,
            Some(read_only) => tree.put_as_files(at, read_only)?,
        }
        // What lies beneath something that was put goes with it.
        if !self.put.iter().any(|above| at.starts_with(above)) {
            self.put.push(at.to_owned());
        }
        Ok(())
    }

    /// Takes away what was the last task's. None of its processes is left.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        for at in self.put.drain(..).rev() {
            take_away(&at)?;
        }
        namespace::renew_ipc()?;
        if let Some(before) = &self.traffic
            && traffic()? != *before
        {
            namespace::renew_network()?;
            self.traffic = Some(raise_network()?);
        }
        Ok(())
    }
}

/// Switches on the loopback device of a new network namespace; what has gone through it so far.
fn raise_network() -> io::Result<String> {
    namespace::raise_loopback()?;
    traffic()
}

/// Counts of everything ever sent and received. Only what was sent outlives its processes: connections that wait for
/// stragglers, and hold a port.
fn traffic() -> io::Result<String> {
    process::kernel_text("/proc/self/net/dev")
}

/// Builds a view around this process, which is in a mount namespace that nobody else is in.
fn build(view: &View) -> io::Result<Option<Numbering>> {
    let take = |path: &OsString| match Tree::of(Path::new(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        tree => tree.map(Some),
    };
    let shown: Vec<Option<Tree>> = view.shown.iter().map(|shown| take(&shown.from)).collect::<io::Result<_>>()?;
    let devices: Vec<(PathBuf, Tree)> = DEVICES
        .iter()
        .filter_map(|name| {
            let path = PathBuf::from(name);
            Tree::of(&path).ok().map(|tree| (path, tree))
        })
        .collect();
    // Only where a complete /proc can be seen may there be another.
    let processes = Tree::processes()?;
    Tree::empty("755")?.become_root()?;
    for (at, target) in &view.links {
        let at = Path::new(at);
        std::fs::create_dir_all(at.parent().unwrap_or(at))?;
        crate::sys::symlink(Path::new(target), at)?;
    }
    let masks: Vec<PathBuf> = view.masks.iter().map(PathBuf::from).collect();
    let mut has_masks = false;
    for (shown, tree) in view.shown.iter().zip(&shown) {
        if !shown.is_system && !has_masks {
            mask(&masks)?;
            has_masks = true;
        }
        if let Some(tree) = tree {
            tree.put_as_files(Path::new(&shown.at), !shown.is_writable)?;
        }
    }
    if !has_masks {
        mask(&masks)?;
    }
    processes.put(Path::new("/proc"))?;
    Tree::empty("755")?.put(Path::new("/dev"))?;
    for (path, tree) in &devices {
        tree.put(path)?;
    }
    for (target, at) in DEVICE_LINKS {
        crate::sys::symlink(Path::new(target), Path::new(at))?;
    }
    let of_each_task = [Path::new(SHARED_MEMORY), Path::new(TERMINALS), Path::new("/run")];
    for place in view.places.iter().map(Path::new).chain(of_each_task) {
        std::fs::create_dir_all(place)?;
    }
    let last_pid = Numbering::open().ok();
    for path in SETTINGS.iter().map(Path::new).filter(|path| path.exists()) {
        Tree::of(path)?.put(path)?;
    }
    let paths = |writable: bool| {
        let wanted = view.shown.iter().filter(move |shown| shown.is_writable == writable);
        wanted.map(|shown| PathBuf::from(&shown.at))
    };
    // A device on a mount that is read-only can be written, and its mode, owner and times cannot: they are the machine's.
    let devices: Vec<PathBuf> = devices.into_iter().map(|(path, _)| path).collect();
    Restriction {
        writable: paths(true).chain(["/proc".into()]).collect(),
        read_only: paths(false).chain(SETTINGS.map(PathBuf::from)).collect(),
        devices,
    }
    .apply()?;
    Ok(last_pid)
}

/// Puts an empty directory over what is not to be seen. What is shown all the same comes on top.
fn mask(hidden: &[PathBuf]) -> io::Result<()> {
    hidden.iter().filter(|path| path.is_dir()).try_for_each(|path| Tree::empty("755")?.put(path))
}
