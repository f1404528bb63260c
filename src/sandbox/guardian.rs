//! The guardian: starts the command, follows its whole tree, and leaves nothing of it behind.
//!
//! It is either the first process of a pid namespace, where its end is everyone's, or a subreaper, to which every
//! orphan of the tree falls. Both ways, "no child left" means "no process of the task left". It listens to one thing
//! only, the control socket, and the end of that is the order to kill.
#![expect(clippy::disallowed_methods, reason = "programs are looked up, and time is measured, where they are started")]

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::protocol::{self, Mounts, Report, Spec, Totals};
use super::shim::{SELF, SHIM, stage};
use crate::sys::process::{Ended, Reaped};
use crate::sys::socket::{AsFd, OwnedFd, UnixStream};
use crate::sys::{confine, namespace, process, socket};

const MEMORY_POLL: Duration = Duration::from_millis(250);
/// How often the memory is looked at where it is to be known.
const MEMORY_WATCH: Duration = Duration::from_millis(10);
/// What is not dead this long after SIGKILL sits in the kernel, or belongs to somebody else.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn guard() -> io::Result<()> {
    let control = socket::adopt_stdin()?;
    process::unignore_signals()?;
    process::outlive_termination()?;
    process::leave_terminal();
    process::set_umask();
    process::forbid_tracing()?;
    if process::is_namespace_init() {
        process::die_with_parent()?;
    } else {
        process::adopt_orphans()?;
    }
    let exits = process::child_exits()?;
    let [stdin, log] = socket::receive_files(&control)?;
    let spec: Spec = protocol::receive(&control)?;
    let oom_kills = process::oom_kills();
    match start(&spec, stdin, log) {
        Ok((command, begun)) => {
            let guardian = Guardian {
                control,
                exits,
                command,
                begun,
                ran_for: Duration::ZERO,
                exited: None,
                limit: spec.memory_limit_bytes,
                over_limit: false,
                watched: spec.watches_memory.then_some(0),
                oom_kills,
            };
            guardian.follow()
        }
        Err(reason) => protocol::send(&control, &Report::Refused(reason)),
    }
}

/// Starts the command; its number, and since when it runs.
fn start(spec: &Spec, stdin: OwnedFd, log: OwnedFd) -> Result<(u32, Instant), String> {
    if let Some(mounts) = &spec.mounts {
        arrange(mounts).map_err(|error| format!("cannot arrange the mount namespace: {error}"))?;
    }
    namespace::forgo_kept();
    if spec.hardened {
        confine::harden();
    }
    match &spec.confinement {
        Some(_) if !process::is_namespace_init() => start_confined(spec, stdin, log),
        confinement => {
            confinement.as_ref().map_or(Ok(()), confine::confine).map_err(|error| error.to_string())?;
            let mut command = command_of(spec, Stdio::from(stdin), log)?;
            let begun = Instant::now();
            let child = process::in_own_group(&mut command).spawn();
            child.map(|child| (child.id(), begun)).map_err(|error| start_error(spec, &error))
        }
    }
}

/// Starts the stage that confines itself, so that this process stays out of the command's reach.
fn start_confined(spec: &Spec, stdin: OwnedFd, log: OwnedFd) -> Result<(u32, Instant), String> {
    let attempt = || {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(SELF);
        command.args([SHIM, stage::ENTER]).env_clear();
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(log.try_clone()?);
        let child = process::in_own_group(&mut command).spawn()?;
        drop(command);
        socket::send_files(&ours, [stdin.as_fd(), log.as_fd()])?;
        protocol::send(&ours, spec)?;
        let refusal = match protocol::receive::<Report>(&ours) {
            Ok(Report::Refused(reason)) => Some(reason),
            _ => None,
        };
        io::Result::Ok((child.id(), refusal))
    };
    match attempt().map_err(|error| format!("cannot confine the command: {error}"))? {
        (_, Some(reason)) => Err(reason),
        // It has let go of its socket in becoming the command.
        (command, None) => Ok((command, Instant::now())),
    }
}

fn arrange(mounts: &Mounts) -> io::Result<()> {
    if mounts.loopback {
        namespace::raise_loopback()?;
    }
    let paths = |list: &[OsString]| list.iter().map(PathBuf::from).collect::<Vec<_>>();
    let (writable, read_only) = (paths(&mounts.writable), paths(&mounts.read_only));
    let mut kept = namespace::keep([writable.clone(), read_only.clone()].concat());
    let tmp = namespace::keep(mounts.tmp.iter().map(PathBuf::from).collect());
    for directory in paths(&mounts.empty) {
        namespace::mount_empty(&directory)?;
    }
    for (_, directory) in &tmp {
        namespace::mount_kept(directory, Path::new("/tmp"))?;
    }
    kept.sort_by(|(left, _), (right, _)| left.cmp(right));
    for (path, file) in &kept {
        namespace::mount_kept(file, path)?;
    }
    let tmp = tmp.iter().map(|_| PathBuf::from("/tmp"));
    let writable: Vec<PathBuf> = writable.into_iter().chain(tmp).chain(["/dev/shm".into()]).collect();
    namespace::make_read_only_but(&writable, &read_only)?;
    namespace::mount_proc()
}

/// The command of a spec, ready to start.
pub(super) fn command_of(spec: &Spec, stdin: Stdio, log: OwnedFd) -> Result<Command, String> {
    let name = spec.argv.first().ok_or("there is no command")?;
    if !Path::new(&spec.cwd).is_dir() {
        return Err(format!("the working directory {} is not there", Path::new(&spec.cwd).display()));
    }
    let mut command = Command::new(find_program(name, spec)?);
    let second = log.try_clone().map_err(|error| error.to_string())?;
    process::named(&mut command, name).args(&spec.argv[1..]).env_clear();
    command.envs(spec.env.iter().map(|(name, value)| (name, value))).current_dir(&spec.cwd);
    command.stdin(stdin).stdout(Stdio::from(log)).stderr(Stdio::from(second));
    Ok(command)
}

pub(super) fn start_error(spec: &Spec, error: &io::Error) -> String {
    let name = spec.argv.first().map(|name| Path::new(name).display().to_string()).unwrap_or_default();
    let hint = match error.kind() {
        io::ErrorKind::NotFound => " (its interpreter or loader may be missing)",
        _ => "",
    };
    format!("cannot start `{name}`: {error}{hint}")
}

fn find_program(name: &OsStr, spec: &Spec) -> Result<PathBuf, String> {
    let shown = Path::new(name).display();
    if name.as_encoded_bytes().contains(&b'/') {
        let path = Path::new(&spec.cwd).join(name);
        return if path.exists() { Ok(path) } else { Err(format!("`{shown}` does not exist in the task's view")) };
    }
    let path = spec.env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
    let path: OsString = path.unwrap_or_default();
    super::resolve_tool(name, &path)
        .ok_or_else(|| format!("`{shown}` is not on the task's PATH ({})", Path::new(&path).display()))
}

struct Guardian {
    control: UnixStream,
    exits: UnixStream,
    command: u32,
    begun: Instant,
    ran_for: Duration,
    exited: Option<Ended>,
    limit: Option<u64>,
    over_limit: bool,
    /// The most memory that the tree held at any look; none where nobody wants to know.
    watched: Option<u64>,
    oom_kills: u64,
}

impl Guardian {
    /// Until the tree is gone: reap, obey, watch the memory. A supervisor that cannot be told is gone, and the next
    /// look at the control socket says so.
    fn follow(mut self) -> io::Result<()> {
        while !self.reap_all() {
            let files = [Some(self.control.as_fd()), Some(self.exits.as_fd())];
            let [spoken, ended] = socket::wait_readable(files, self.patience())?;
            if ended {
                let _ = self.exits.read(&mut [0; 64]);
            }
            self.watch_memory();
            if spoken && self.obey() == protocol::Command::Kill || self.exceeds_memory() {
                self.kill_tree();
                break;
            }
        }
        let (cpu_us, peak_memory_bytes) = process::children_usage();
        let totals = Totals {
            wall_us: u64::try_from(self.ran_for.as_micros()).unwrap_or(u64::MAX),
            cpu_us,
            peak_memory_bytes,
            tree_memory_bytes: self.watched.unwrap_or(0),
            over_limit: self.over_limit,
            kernel_oom: process::oom_kills() > self.oom_kills,
        };
        protocol::send(&self.control, &Report::Done(totals))
    }

    /// Takes note of all that has ended; says whether nothing is left.
    fn reap_all(&mut self) -> bool {
        loop {
            match process::reap() {
                Reaped::Child(pid, ended) if pid == self.command => {
                    self.ran_for = self.begun.elapsed();
                    self.exited = Some(ended);
                    let _ = protocol::send(&self.control, &Report::Exited(ended));
                }
                Reaped::Child(..) => {}
                Reaped::StillRunning => return false,
                Reaped::NoChildren => return true,
            }
        }
    }

    fn obey(&mut self) -> protocol::Command {
        let mut byte = [0];
        let command = match self.control.read(&mut byte) {
            Ok(1) => protocol::Command::from_byte(byte[0]),
            _ => protocol::Command::Kill,
        };
        if command == protocol::Command::Terminate && self.exited.is_none() {
            process::terminate_group(self.command);
        }
        command
    }

    /// How long to wait for news before the memory is looked at again.
    fn patience(&self) -> Option<Duration> {
        match self.watched {
            Some(_) => Some(MEMORY_WATCH),
            None => self.limit.map(|_| MEMORY_POLL),
        }
    }

    fn watch_memory(&mut self) {
        if let Some(most) = self.watched {
            let tree = process::descendants(std::process::id());
            self.watched = Some(most.max(process::memory_of(&tree, most)));
        }
    }

    fn exceeds_memory(&mut self) -> bool {
        let Some(limit) = self.limit else { return false };
        let tree = process::descendants(std::process::id());
        self.over_limit = process::memory_of(&tree, limit) > limit;
        self.over_limit
    }

    fn kill_tree(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < KILL_PATIENCE {
            if process::is_namespace_init() {
                process::kill_namespace();
            } else {
                process::kill_descendants(std::process::id());
            }
            if self.reap_all() {
                return;
            }
            let _ = socket::wait_readable([Some(self.exits.as_fd())], Some(Duration::from_millis(5)));
            let _ = self.exits.read(&mut [0; 64]);
        }
    }
}
