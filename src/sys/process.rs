//! Processes: what a guardian needs to start a tree of them, follow it, and leave none of it behind.
//!
//! Everything here speaks of the calling process and its descendants. It never signals a process that it has not
//! found beneath itself, but for [`kill_namespace`], which only the first process of a pid namespace may call.
#![expect(clippy::disallowed_methods, reason = "/proc is where a process learns about itself")]

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, close, getpgid, getppid, setpgid, setsid};
use wait4::Wait4;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Ended {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

/// What [`reap`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaped {
    /// The command is gone; the largest resident set in bytes of it and of what it waited for.
    Command(Ended, u64),
    /// Some other child is gone.
    Orphan,
    /// Children are left, and all of them run.
    StillRunning,
    /// There is no child, and so, for a subreaper, no descendant.
    NoChildren,
}

/// Reads a file that the kernel makes as it is read. It has no size, so there is room for it before: the standard library
/// begins with 32 bytes.
pub fn kernel_text(path: &str) -> io::Result<String> {
    let mut text = String::with_capacity(8 << 10);
    std::fs::File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Closes every descriptor but the standard three: whatever started orca may have left some open.
pub fn close_inherited_files() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let open: Vec<i32> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for fd in open.into_iter().filter(|fd| *fd > 2) {
        let _ = close(fd);
    }
}

/// The C library keeps these to itself.
const C_LIBRARY_SIGNALS: [i32; 2] = [32, 33];

/// Makes signals that are ignored take their default again in whatever this process starts: a signal that is handled
/// is reset by `exec`, one that is ignored is not.
pub fn unignore_signals() -> io::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0");
    let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap_or(0);
    for signal in (1..=64).filter(|signal| ignored & (1 << (signal - 1)) != 0) {
        if !signal_hook::consts::FORBIDDEN.contains(&signal) && !C_LIBRARY_SIGNALS.contains(&signal) {
            signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
        }
    }
    Ok(())
}

/// A stream that becomes readable whenever a child has ended.
pub fn child_exits() -> io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    read.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGCHLD, write)?;
    Ok(read)
}

/// Catches SIGTERM and SIGINT and does nothing: the guardian hears of the end from its control socket.
pub fn outlive_termination() -> io::Result<()> {
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}

/// A standard stream of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standard {
    /// Descriptor 0.
    Input,
    /// Descriptor 1.
    Output,
    /// Descriptor 2.
    Error,
}

/// Lets go of what a standard stream was.
pub fn point_at_null(stream: Standard) -> io::Result<()> {
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    Ok(match stream {
        Standard::Input => rustix::stdio::dup2_stdin(&null),
        Standard::Output => rustix::stdio::dup2_stdout(&null),
        Standard::Error => rustix::stdio::dup2_stderr(&null),
    }?)
}

/// Leaves the session and its terminal. Harmless where the process leads one already.
///
/// Who leads a group cannot make a session, so it joins its parent's for an instant: signals to that must not matter
/// any more.
pub fn leave_terminal() {
    if setsid().is_err()
        && let Ok(group) = getpgid(Some(getppid()))
    {
        let _ = setpgid(Pid::from_raw(0), group).and_then(|()| setsid());
    }
}

/// Files that the tree makes are readable by everyone and writable by their owner, whatever the user's umask is.
pub fn set_umask() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
}

/// Asks to be killed when the thread that started this process ends.
pub fn die_with_parent() -> io::Result<()> {
    Ok(prctl::set_pdeathsig(Signal::SIGKILL)?)
}

/// Makes orphans among the descendants children of this process.
pub fn adopt_orphans() -> io::Result<()> {
    Ok(prctl::set_child_subreaper(true)?)
}

/// Keeps processes of the same user from tracing this one or looking into its /proc entry.
pub fn forbid_tracing() -> io::Result<()> {
    Ok(prctl::set_dumpable(false)?)
}

/// Whether this process is the first of a pid namespace, so that its end is everyone's.
#[must_use]
pub fn is_namespace_init() -> bool {
    std::process::id() == 1
}

/// Sets up a command so that it leads a process group of its own.
pub fn in_own_group(command: &mut Command) -> &mut Command {
    command.process_group(0)
}

/// Lets a command see this as its own name.
pub fn named<'a>(command: &'a mut Command, name: &OsStr) -> &'a mut Command {
    command.arg0(name)
}

/// Whether this is a file that may be executed.
#[must_use]
pub fn is_program(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Becomes the command; returns only if that fails.
pub fn become_command(command: &mut Command) -> io::Error {
    command.exec()
}

/// Takes the status of one child that has ended, if there is one.
pub fn reap(command: &mut Child) -> io::Result<Reaped> {
    loop {
        let ended = match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT) {
            Ok(WaitStatus::StillAlive) => return Ok(Reaped::StillRunning),
            Ok(status) => status.pid(),
            Err(Errno::EINTR) => continue,
            Err(_) => return Ok(Reaped::NoChildren),
        };
        if ended.is_some_and(|pid| pid.as_raw().unsigned_abs() == command.id()) {
            let taken = command.wait4()?;
            let signal = taken.status.signal().map(Ended::Signal);
            let ended = signal.unwrap_or(Ended::Code(taken.status.code().unwrap_or(0)));
            return Ok(Reaped::Command(ended, taken.rusage.maxrss));
        }
        let _ = waitpid(ended, Some(WaitPidFlag::WNOHANG));
        return Ok(Reaped::Orphan);
    }
}

/// Asks a process group to end. Stopped members are woken to hear it.
pub fn terminate_group(leader: u32) {
    let group = Pid::from_raw(-leader.cast_signed());
    let _ = kill(group, Signal::SIGTERM);
    let _ = kill(group, Signal::SIGCONT);
}

/// Kills every process of the pid namespace but this one, which must be its first.
///
/// # Panics
/// If this process is not: `kill(-1)` would then reach every process of the user.
pub fn kill_namespace() {
    assert!(is_namespace_init(), "only the first process of a pid namespace may kill all others");
    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
}

/// Stops, then kills every descendant of `ancestor` found in one look at /proc; says whether it found any.
pub fn kill_descendants(ancestor: u32) -> bool {
    let mut known: Vec<u32> = Vec::new();
    for _ in 0..64 {
        let fresh: Vec<u32> = descendants(ancestor).into_iter().filter(|pid| !known.contains(pid)).collect();
        if fresh.is_empty() {
            break;
        }
        fresh.iter().for_each(|pid| signal(*pid, Signal::SIGSTOP));
        known.extend(fresh);
    }
    known.iter().for_each(|pid| signal(*pid, Signal::SIGKILL));
    !known.is_empty()
}

/// Kills every process of a session but its leader, once its leader can no longer see to that itself.
///
/// The leader must not have been waited for, or its number might belong to somebody else by now.
pub fn kill_session(leader: u32) {
    for pid in processes().filter(|pid| *pid != leader && session_of(*pid) == Some(leader)) {
        signal(pid, Signal::SIGKILL);
    }
}

fn signal(pid: u32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
}

/// The living processes beneath `ancestor`, by one reading of /proc; those that wait to be reaped are left out.
#[must_use]
pub fn descendants(ancestor: u32) -> Vec<u32> {
    let table: Vec<(u32, u32)> = processes().filter_map(|pid| Some((pid, parent_of_living(pid)?))).collect();
    let mut found = vec![ancestor];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(table.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Fields of /proc/PID/stat, counted from behind the program's name.
const STATE: usize = 0;
const PARENT: usize = 1;
const SESSION: usize = 3;

fn stat_fields<T>(pid: impl std::fmt::Display, pick: impl FnOnce(&[&str]) -> Option<T>) -> Option<T> {
    let stat = kernel_text(&format!("/proc/{pid}/stat")).ok()?;
    pick(&stat.rsplit_once(") ")?.1.split(' ').collect::<Vec<_>>())
}

fn session_of(pid: u32) -> Option<u32> {
    stat_fields(pid, |fields| fields.get(SESSION)?.parse().ok())
}

fn parent_of_living(pid: u32) -> Option<u32> {
    stat_fields(pid, |fields| match *fields.get(STATE)? {
        "Z" | "X" => None,
        _ => fields.get(PARENT)?.parse().ok(),
    })
}

/// What a child gets from this process, and another process of the same user can change in it: limits, priority, policy,
/// processors, and how readily it is killed for want of memory.
#[derive(Debug, PartialEq, Eq)]
pub struct Inheritable {
    limits: String,
    scheduling: Option<[String; 3]>,
    processors: Vec<usize>,
    killed_first: String,
    /// What it shares the processors by, and what it leaves when it crashes: the kernel lets their owner set them.
    others: [String; 2],
}

impl Inheritable {
    /// As it is now.
    #[must_use]
    pub fn now() -> Self {
        /// Counted as the fields above are.
        const NICE_PRIORITY_POLICY: [usize; 3] = [16, 37, 38];
        let scheduling = stat_fields("self", |fields| {
            let [nice, priority, policy] =
                NICE_PRIORITY_POLICY.map(|at| fields.get(at).map(|field| (*field).to_owned()));
            Some([nice?, priority?, policy?])
        });
        Self {
            limits: kernel_text("/proc/self/limits").unwrap_or_default(),
            scheduling,
            processors: processors(),
            killed_first: kernel_text("/proc/self/oom_score_adj").unwrap_or_default(),
            others: ["/proc/self/autogroup", "/proc/self/coredump_filter"]
                .map(|path| kernel_text(path).unwrap_or_default()),
        }
    }
}

fn processors() -> Vec<usize> {
    use rustix::thread::{CpuSet, sched_getaffinity};
    let set = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
    (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
}

/// What the children that were waited for used: CPU time in microseconds, largest resident set in bytes.
#[must_use]
pub fn children_usage() -> (u64, u64) {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return (0, 0) };
    let us = |time: nix::sys::time::TimeVal| time.tv_sec().unsigned_abs() * 1_000_000 + time.tv_usec().unsigned_abs();
    (us(usage.user_time()) + us(usage.system_time()), usage.max_rss().unsigned_abs() * 1024)
}

/// The memory in bytes that these processes hold together, shared pages counted once where the kernel tells.
///
/// Resident sets are cheap but count shared pages once per process; the exact number is asked for only where their
/// sum exceeds `only_above`.
#[must_use]
pub fn memory_of(pids: &[u32], only_above: u64) -> u64 {
    let resident: u64 = pids.iter().filter_map(|pid| resident_bytes(*pid)).sum();
    if resident <= only_above {
        return resident;
    }
    pids.iter().filter_map(|pid| proportional_bytes(*pid).or_else(|| resident_bytes(*pid))).sum()
}

fn resident_bytes(pid: u32) -> Option<u64> {
    kilobytes(&format!("/proc/{pid}/status"), "VmRSS:")
}

fn proportional_bytes(pid: u32) -> Option<u64> {
    kilobytes(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

fn kilobytes(file: &str, field: &str) -> Option<u64> {
    let text = kernel_text(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}

/// How many processes the kernel has killed for want of memory since it started.
#[must_use]
pub fn oom_kills() -> u64 {
    let stat = kernel_text("/proc/vmstat").unwrap_or_default();
    stat.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0)
}
