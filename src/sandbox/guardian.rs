//! The guardian: starts commands, one after the other, follows the whole tree of each, and leaves nothing of it behind.
//!
//! It is either the first process of a pid namespace, where its end is everyone's, or a subreaper, to which every
//! orphan of the tree falls. Both ways, "no child left" means "no process of the task left". It listens to one thing
//! only, the control socket, and the end of that is the order to kill.
//!
//! INVARIANT: it takes the next order only when no process of the last one is left, and nothing about itself has been
//! changed that the next command would inherit.
#![expect(clippy::disallowed_methods, reason = "programs are looked up, and time is measured, where they are started")]

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::protocol::{self, Mounts, Report, Spec, Totals};
use super::room::Room;
use super::shim::{SELF, SHIM, stage};
use crate::sys::process::{Ended, Inheritable, Reaped};
use crate::sys::socket::{AsFd, OwnedFd, UnixStream};
use crate::sys::{confine, namespace, process, socket};

const MEMORY_POLL: Duration = Duration::from_millis(250);
/// How often the memory is looked at where it is to be known.
const MEMORY_WATCH: Duration = Duration::from_millis(10);
/// How long to try.
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
    let mut guardian = Guardian {
        exits: process::child_exits()?,
        control,
        born_as: Inheritable::now(),
        oom_kills: OomKills::now(),
        room: None,
    };
    while let Some(([stdin, log], spec)) = protocol::receive_order(&guardian.control)? {
        guardian.oom_kills.refresh();
        if let Err(error) = guardian.furnish(&spec) {
            let reason = format!("cannot make the task's view: {error}");
            return protocol::send(&guardian.control, &Report::Refused(reason));
        }
        match start(&spec, stdin, log) {
            Ok((command, begun)) => {
                if !guardian.follow(Watched::new(command, begun, &spec))? {
                    break;
                }
            }
            Err(reason) => protocol::send(&guardian.control, &Report::Refused(reason))?,
        }
        if let Some(room) = &mut guardian.room {
            room.clear()?;
        }
    }
    Ok(())
}

/// Starts the command; since when it runs.
fn start(spec: &Spec, stdin: OwnedFd, log: OwnedFd) -> Result<(Child, Instant), String> {
    if let Some(mounts) = &spec.mounts {
        arrange(mounts).map_err(|error| format!("cannot arrange the mount namespace: {error}"))?;
        namespace::forgo_kept();
    }
    if let Some(sockets) = spec.hardened {
        confine::harden(sockets);
    }
    match &spec.confinement {
        Some(_) if !process::is_namespace_init() => start_confined(spec, stdin, log),
        confinement => {
            confinement.as_ref().map_or(Ok(()), confine::confine).map_err(|error| error.to_string())?;
            let mut command = command_of(spec, Stdio::from(stdin), log)?;
            let begun = Instant::now();
            let child = process::in_own_group(&mut command).spawn();
            child.map(|child| (child, begun)).map_err(|error| start_error(spec, &error))
        }
    }
}

/// Starts the stage that confines itself, so that this process stays out of the command's reach.
fn start_confined(spec: &Spec, stdin: OwnedFd, log: OwnedFd) -> Result<(Child, Instant), String> {
    let attempt = || {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(SELF);
        command.args([SHIM, stage::ENTER]).env_clear();
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(log.try_clone()?);
        let child = process::in_own_group(&mut command).spawn()?;
        drop(command);
        protocol::send_order(&ours, [stdin.as_fd(), log.as_fd()], spec)?;
        let refusal = match protocol::receive::<Report>(&ours) {
            Ok(Report::Refused(reason)) => Some(reason),
            _ => None,
        };
        io::Result::Ok((child, refusal))
    };
    match attempt().map_err(|error| format!("cannot confine the command: {error}"))? {
        (mut child, Some(reason)) => {
            let _ = child.wait();
            Err(reason)
        }
        // It has let go of its socket in becoming the command.
        (child, None) => Ok((child, Instant::now())),
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
    /// What every command inherits, as it was before the first.
    born_as: Inheritable,
    oom_kills: OomKills,
    /// What it shows to its tasks, where it is the first process of its namespaces and serves more than one.
    room: Option<Room>,
}

/// A command and what is known of its tree.
struct Watched {
    command: Child,
    begun: Instant,
    ran_for: Duration,
    exited: Option<Ended>,
    limit: Option<u64>,
    over_limit: bool,
    /// The most memory that the tree held at any look; none where nobody wants to know.
    held: Option<u64>,
    /// CPU time, and largest resident set, of all children that had ended before.
    used_before: (u64, u64),
    peak_memory_bytes: u64,
}

impl Watched {
    fn new(command: Child, begun: Instant, spec: &Spec) -> Self {
        Self {
            command,
            begun,
            ran_for: Duration::ZERO,
            exited: None,
            limit: spec.memory_limit_bytes,
            over_limit: false,
            held: spec.watches_memory.then_some(0),
            used_before: process::children_usage(),
            peak_memory_bytes: 0,
        }
    }

    /// Takes note of all that has ended; says whether nothing is left.
    fn reap_all(&mut self) -> io::Result<bool> {
        loop {
            match process::reap(&mut self.command)? {
                Reaped::Command(ended, peak_memory_bytes) => {
                    self.ran_for = self.begun.elapsed();
                    self.exited = Some(ended);
                    self.peak_memory_bytes = peak_memory_bytes;
                }
                Reaped::Orphan => {}
                Reaped::StillRunning => return Ok(false),
                Reaped::NoChildren => return Ok(true),
            }
        }
    }

    /// How long to wait for news before the memory is looked at again.
    fn patience(&self) -> Option<Duration> {
        match self.held {
            Some(_) => Some(MEMORY_WATCH),
            None => self.limit.map(|_| MEMORY_POLL),
        }
    }

    fn watch_memory(&mut self) {
        if let Some(most) = self.held {
            let tree = process::descendants(std::process::id());
            self.held = Some(most.max(process::memory_of(&tree, most)));
        }
    }

    fn exceeds_memory(&mut self) -> bool {
        let Some(limit) = self.limit else { return false };
        let tree = process::descendants(std::process::id());
        self.over_limit = process::memory_of(&tree, limit) > limit;
        self.over_limit
    }

    /// Of a process that nobody of the tree waited for, the largest resident set shows only where no earlier child had a
    /// larger one: the kernel keeps but one number for all of them.
    fn usage(&self) -> (u64, u64) {
        let (cpu_us, peak_memory_bytes) = process::children_usage();
        let (cpu_us_before, peak_before) = self.used_before;
        let of_orphans = if peak_memory_bytes > peak_before { peak_memory_bytes } else { 0 };
        (cpu_us.saturating_sub(cpu_us_before), self.peak_memory_bytes.max(of_orphans))
    }

    /// Whether it was killed the way the kernel does it for want of memory.
    fn looks_killed(&self) -> bool {
        const SIGKILL: i32 = 9;
        matches!(self.exited, Some(Ended::Signal(SIGKILL))) || self.exited == Some(Ended::Code(128 + SIGKILL))
    }
}

impl Guardian {
    fn furnish(&mut self, spec: &Spec) -> io::Result<()> {
        let Some(wanted) = &spec.room else { return Ok(()) };
        let room = match self.room.take() {
            Some(room) => room,
            None => Room::open(wanted.has_own_network)?,
        };
        self.room.insert(room).furnish(wanted.view.as_ref(), &wanted.own)
    }

    /// Until the tree is gone: reap, obey, watch the memory. A supervisor that cannot be told is gone, and the next
    /// look at the control socket says so. Says whether another order can be taken.
    fn follow(&mut self, mut watched: Watched) -> io::Result<bool> {
        let mut has_told = false;
        let mut is_gone = true;
        while !watched.reap_all()? {
            if let (Some(ended), false) = (watched.exited, has_told) {
                let _ = protocol::send(&self.control, &Report::Exited(ended));
                has_told = true;
            }
            let files = [Some(self.control.as_fd()), Some(self.exits.as_fd())];
            let [spoken, ended] = socket::wait_readable(files, watched.patience())?;
            if ended {
                let _ = self.exits.read(&mut [0; 64]);
            }
            watched.watch_memory();
            if spoken && self.obey(&watched) == protocol::Command::Kill || watched.exceeds_memory() {
                is_gone = self.kill_tree(&mut watched)?;
                break;
            }
        }
        let (cpu_us, peak_memory_bytes) = watched.usage();
        let totals = Totals {
            wall_us: u64::try_from(watched.ran_for.as_micros()).unwrap_or(u64::MAX),
            cpu_us,
            peak_memory_bytes,
            tree_memory_bytes: watched.held.unwrap_or(0),
            over_limit: watched.over_limit,
            kernel_oom: watched.looks_killed() && self.oom_kills.have_risen(),
            takes_another: is_gone && Inheritable::now() == self.born_as,
        };
        let exited = watched.exited.filter(|_| !has_told).map(Report::Exited);
        protocol::send_all(&self.control, exited.into_iter().chain([Report::Done(totals)]))?;
        Ok(totals.takes_another)
    }

    fn obey(&self, watched: &Watched) -> protocol::Command {
        let mut byte = [0];
        let command = match (&self.control).read(&mut byte) {
            Ok(1) => protocol::Command::from_byte(byte[0]),
            _ => protocol::Command::Kill,
        };
        if command == protocol::Command::Terminate && watched.exited.is_none() {
            process::terminate_group(watched.command.id());
        }
        command
    }

    /// Says whether nothing is left; what could not be killed sits in the kernel, or belongs to somebody else.
    fn kill_tree(&mut self, watched: &mut Watched) -> io::Result<bool> {
        let begun = Instant::now();
        while begun.elapsed() < KILL_PATIENCE {
            if process::is_namespace_init() {
                process::kill_namespace();
            } else {
                process::kill_descendants(std::process::id());
            }
            if watched.reap_all()? {
                return Ok(true);
            }
            let _ = socket::wait_readable([Some(self.exits.as_fd())], Some(Duration::from_millis(5)));
            let _ = self.exits.read(&mut [0; 64]);
        }
        Ok(false)
    }
}

/// The kernel's count of processes killed for want of memory, from shortly before a command started.
struct OomKills {
    count: u64,
    seen: Instant,
}

impl OomKills {
    /// The count is long to read, and one this old is as good: it says little about who was killed anyway.
    const FRESH: Duration = Duration::from_millis(100);

    fn now() -> Self {
        Self { count: process::oom_kills(), seen: Instant::now() }
    }

    fn refresh(&mut self) {
        if self.seen.elapsed() > Self::FRESH {
            *self = Self::now();
        }
    }

    /// Whether there was one since; what is found is not found again.
    fn have_risen(&mut self) -> bool {
        let before = std::mem::replace(self, Self::now());
        self.count > before.count
    }
}
