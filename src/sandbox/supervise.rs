//! What a supervisor does with one attempt, from its start to the end of its last process.
//!
//! It waits for output, the guardian's reports, the wish to cancel, and the clock, all at once:
//!
//! ```text
//! Running --timeout, cancel--> Stopping --grace is over--> Killing --> gone
//!    '------ command exits ------'--> Closing --pipe closed, or the wait is over--^
//! ```
#![expect(clippy::disallowed_methods, reason = "a supervisor opens files and watches the clock")]

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};

use super::backend::{Mechanism, Sandbox};
use super::bounded_log::{BoundedLog, LogSize};
use super::launch::{CancelLevel, End, Exit, Launch, Measure, SandboxError, Stdin};
use super::pool::Job;
use super::protocol::{self, Report, Reports, Spec, Totals, View};
use super::shim::{SHIM, stage};
use super::{bubblewrap, spec};
use crate::event::Usage;
use crate::sys::process::{self, Ended};
use crate::sys::socket::{self, AsFd, OwnedFd, UnixStream};

/// How long output may still come from what a command left behind.
const CLOSING_PATIENCE: Duration = Duration::from_millis(300);
/// How long the guardian may take to kill a tree and report.
const GUARDIAN_PATIENCE: Duration = Duration::from_secs(8);
/// How much is read at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// Who writes this much between two looks is worth a wider pipe.
const FULL_PIPE_BYTES: usize = 64 << 10;
/// How many chunks may wait for the listener before the task has to.
const CHUNKS_WAITING: usize = 8;
const SIGKILL: i32 = 9;

/// Runs a launch on a supervisor's thread; output and the end come back to the caller's task.
pub(super) async fn run(
    sandbox: Sandbox,
    launch: Launch,
    mut cancel: watch::Receiver<CancelLevel>,
    mut on_output: impl FnMut(&[u8]) + Send,
) -> Result<Exit, SandboxError> {
    let (chunks, mut output) = mpsc::channel(CHUNKS_WAITING);
    let (answer, end) = oneshot::channel();
    let (wish, mut wishes) = io::pipe().map_err(SandboxError::process("make a pipe"))?;
    let pool = sandbox.pool.clone();
    let job: Job = Box::new(move |guardians| {
        let listener = |chunk: Vec<u8>| chunks.blocking_send(chunk).is_ok();
        let exit = supervise(&sandbox, &launch, guardians, Some(&wish), listener);
        Box::new(move || {
            let _ = answer.send(exit);
            drop(chunks);
        })
    });
    pool.start(job).map_err(SandboxError::process("start a thread"))?;
    let mut level = *cancel.borrow_and_update();
    let mut may_change = true;
    if level > CancelLevel::None {
        tell(&mut wishes, level);
    }
    loop {
        tokio::select! {
            chunk = output.recv() => match chunk {
                Some(chunk) => on_output(&chunk),
                None => break,
            },
            changed = cancel.changed(), if may_change => {
                may_change = changed.is_ok();
                let wished = *cancel.borrow_and_update();
                if wished > level {
                    level = wished;
                    tell(&mut wishes, level);
                }
            }
        }
    }
    end.await.map_err(|_| SandboxError::GuardianLost("the supervisor ended early".to_owned()))?
}

/// Runs a launch while this thread waits, without a listener.
pub(super) fn run_here(sandbox: &Sandbox, launch: Launch) -> Result<Exit, SandboxError> {
    let (answer, end) = std::sync::mpsc::channel();
    let pool = sandbox.pool.clone();
    let sandbox = sandbox.clone();
    let job: Job = Box::new(move |guardians| {
        let exit = supervise(&sandbox, &launch, guardians, None, |_| true);
        Box::new(move || drop(answer.send(exit)))
    });
    pool.start(job).map_err(SandboxError::process("start a thread"))?;
    end.recv().map_err(|_| SandboxError::GuardianLost("the supervisor ended early".to_owned()))?
}

/// Has a supervisor start a guardian for whatever launch of the plain kind comes first.
pub(super) fn make_ready(sandbox: &Sandbox) {
    let shim = Arc::clone(&sandbox.shim);
    let job: Job = Box::new(move |guardians| {
        guardians.idle.extend(Guardian::spawn(shim_command(&shim, stage::GUARD), &shim, Some(Kind::Plain)));
        Box::new(|| {})
    });
    // Without a thread there is none to wait for, and the task finds out why.
    let _ = sandbox.pool.start(job);
}

fn tell(wishes: &mut PipeWriter, level: CancelLevel) {
    let byte = if level == CancelLevel::Immediate { b'i' } else { b'g' };
    // The supervisor may have ended in this instant, and then has no use for it.
    let _ = wishes.write_all(&[byte]);
}

fn supervise(
    sandbox: &Sandbox,
    launch: &Launch,
    guardians: &mut Guardians,
    wishes: Option<&PipeReader>,
    listener: impl FnMut(Vec<u8>) -> bool,
) -> Result<Exit, SandboxError> {
    let launch = &Launch { hidden: sandbox.hidden(launch), ..launch.clone() };
    let log = BoundedLog::create(&launch.log, launch.log_limit_bytes)
        .map_err(SandboxError::file("make room for the log", &launch.log))?;
    let begun = Instant::now();
    let (guardian, output) = start(sandbox, launch, guardians)?;
    let mut attempt = Attempt {
        launch,
        wishes,
        listener,
        log,
        begun,
        deadline: launch.timeout.and_then(|timeout| begun.checked_add(timeout)),
        phase: Phase::Running,
        listening: true,
        pipe: Some(output),
        pipe_left_open: false,
        reason: None,
        exited: None,
        ran_for: None,
        totals: None,
        reports: Reports::default(),
    };
    let followed = attempt.follow(&guardian.control, &mut guardians.buffer);
    let was_refused = matches!(attempt.reason, Some(End::NotStarted(_)));
    let is_lost = attempt.totals.is_none() && !was_refused;
    let takes_another = was_refused || attempt.totals.is_some_and(|totals| totals.takes_another);
    let diagnosis = match guardian.kind {
        Some(_) if takes_another && followed.is_ok() => {
            guardians.idle.push(guardian);
            String::new()
        }
        _ => guardian.bury(is_lost || followed.is_err()),
    };
    followed?;
    attempt.conclude(diagnosis)
}

/// What a supervisor keeps from one attempt to the next.
#[derive(Default)]
pub(super) struct Guardians {
    idle: Vec<Guardian>,
    buffer: Vec<u8>,
}

impl Drop for Guardians {
    fn drop(&mut self) {
        for guardian in self.idle.drain(..) {
            guardian.bury(false);
        }
    }
}

/// Guardians of one kind can stand in for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Confines neither itself nor what it starts by what is inherited from it.
    Plain,
    /// The first process of its namespaces, with rooms for tasks.
    InRooms { network: bool },
}

impl Kind {
    /// The kind of guardian for a launch; none where it cannot serve another: it is confined itself, or the memory of
    /// what it has started is to be known to the last orphan.
    fn of(sandbox: &Sandbox, launch: &Launch) -> Option<Self> {
        match sandbox.mechanism_for(launch) {
            Mechanism::Rooms if !launch.watches_memory => Some(Self::InRooms { network: launch.network }),
            Mechanism::None | Mechanism::Landlock if !launch.watches_memory => Some(Self::Plain),
            _ => None,
        }
    }
}

struct Guardian {
    kind: Option<Kind>,
    child: Child,
    control: UnixStream,
    diagnostics: PipeReader,
    /// What its last task saw of the machine.
    view: Option<View>,
}

impl Guardians {
    /// An idle one that lives.
    fn take(&mut self, kind: Option<Kind>) -> Option<Guardian> {
        loop {
            let found = self.idle.iter().position(|guardian| guardian.kind == kind)?;
            let guardian = self.idle.swap_remove(found);
            // It has nothing to say while it is idle, but for its end.
            match socket::wait_readable([Some(guardian.control.as_fd())], Some(Duration::ZERO)) {
                Ok([false]) => return Some(guardian),
                _ => guardian.bury(true),
            };
        }
    }
}

/// Has a guardian start a launch; the output comes through the pipe.
fn start(
    sandbox: &Sandbox,
    launch: &Launch,
    guardians: &mut Guardians,
) -> Result<(Guardian, PipeReader), SandboxError> {
    let stdin = match &launch.stdin {
        Stdin::Null => File::open("/dev/null").map_err(SandboxError::process("open /dev/null"))?,
        Stdin::File(path) => File::open(path).map_err(SandboxError::file("open", path))?,
    };
    let kind = Kind::of(sandbox, launch);
    let kept = kind.and_then(|_| guardians.take(kind));
    let attempt = || {
        let mut guardian = kept.map_or_else(|| Guardian::start(sandbox, launch, kind), Ok)?;
        let (output, output_end) = io::pipe()?;
        // A guardian that has died is found out when its first report does not come.
        let files = [stdin.as_fd(), output_end.as_fd()];
        let spec = guardian.spec(sandbox, launch);
        let _ = protocol::send_order(&guardian.control, files, &spec);
        Ok((guardian, output))
    };
    attempt().map_err(SandboxError::process("start the process that guards the task"))
}

/// Orca's own program, to be a guardian.
fn shim_command(shim: &File, stage: &str) -> Command {
    let mut command = Command::new(socket::path_of_open(shim));
    command.args([SHIM, stage]);
    command
}

impl Guardian {
    fn start(sandbox: &Sandbox, launch: &Launch, kind: Option<Kind>) -> io::Result<Self> {
        let command = match sandbox.mechanism_for(launch) {
            Mechanism::Bubblewrap { program } => {
                let mut command = Command::new(program);
                command.args(bubblewrap::arguments(launch, sandbox.places(launch.network)));
                command
            }
            Mechanism::Rooms | Mechanism::LandlockInNamespaces if launch.network => {
                shim_command(&sandbox.shim, stage::NAMESPACES)
            }
            Mechanism::Rooms | Mechanism::LandlockInNamespaces => {
                shim_command(&sandbox.shim, stage::NAMESPACES_OFFLINE)
            }
            Mechanism::Landlock | Mechanism::None => shim_command(&sandbox.shim, stage::GUARD),
        };
        Self::spawn(command, &sandbox.shim, kind)
    }

    fn spawn(mut command: Command, shim: &File, kind: Option<Kind>) -> io::Result<Self> {
        let (control, theirs) = UnixStream::pair()?;
        let (diagnostics, diagnostics_end) = io::pipe()?;
        command.env_clear().stdin(OwnedFd::from(theirs)).stdout(shim.try_clone()?).stderr(diagnostics_end);
        // A signal to orca's group is orca's to act on: who guards has to outlive it from the first instant.
        let child = process::in_own_group(&mut command).spawn()?;
        Ok(Self { kind, child, control, diagnostics, view: None })
    }

    /// What it is told; nothing that it knows.
    fn spec(&mut self, sandbox: &Sandbox, launch: &Launch) -> Spec {
        let mut spec = spec::of(sandbox, launch);
        if let Some(room) = &mut spec.room {
            if room.view == self.view {
                room.view = None;
            } else {
                self.view.clone_from(&room.view);
            }
        }
        spec
    }

    /// Waits for its end, by force if need be; what it had to say.
    fn bury(self, by_force: bool) -> String {
        let Self { mut child, control, mut diagnostics, .. } = self;
        drop(control);
        if by_force {
            process::kill_descendants(child.id());
            let _ = child.kill();
            process::kill_session(child.id());
        }
        let _ = child.wait();
        let mut text = vec![0; 4096];
        let _ = socket::set_nonblocking(diagnostics.as_fd());
        let length = diagnostics.read(&mut text).unwrap_or(0);
        String::from_utf8_lossy(&text[..length]).trim().to_owned()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Stopping { until: Instant },
    Closing { until: Instant },
    Killing { until: Instant },
}

struct Attempt<'a, L> {
    launch: &'a Launch,
    wishes: Option<&'a PipeReader>,
    listener: L,
    log: BoundedLog,
    begun: Instant,
    deadline: Option<Instant>,
    phase: Phase,
    listening: bool,
    pipe: Option<PipeReader>,
    pipe_left_open: bool,
    /// Why it ended, where that was not of itself.
    reason: Option<End>,
    exited: Option<Ended>,
    ran_for: Option<Duration>,
    totals: Option<Totals>,
    reports: Reports,
}

impl<L: FnMut(Vec<u8>) -> bool> Attempt<'_, L> {
    /// Until nothing of the task is left, or its guardian fails.
    fn follow(&mut self, control: &UnixStream, buffer: &mut Vec<u8>) -> Result<(), SandboxError> {
        if buffer.is_empty() {
            // As zeros that the kernel has: most tasks write to little of it.
            *buffer = vec![0; CHUNK_BYTES];
        }
        loop {
            let files = [
                Some(control.as_fd()),
                self.pipe.as_ref().map(AsFd::as_fd),
                self.wishes.as_ref().map(|wishes| wishes.as_fd()),
            ];
            let [reported, written, wished] =
                socket::wait_readable(files, self.time_left()).map_err(SandboxError::process("wait for the task"))?;
            if written {
                self.read_output(buffer)?;
            }
            if wished {
                self.hear_wish(control);
            }
            if reported && self.hear_reports(control) {
                return self.drain(buffer);
            }
            if self.pass_time(control) {
                return Ok(());
            }
        }
    }

    fn time_left(&self) -> Option<Duration> {
        let until = match self.phase {
            Phase::Running => self.deadline,
            Phase::Stopping { until } | Phase::Closing { until } | Phase::Killing { until } => Some(until),
        };
        until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    fn read_output(&mut self, buffer: &mut [u8]) -> Result<(), SandboxError> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        match pipe.read(buffer) {
            Ok(0) => self.pipe = None,
            Ok(length) => {
                if length >= FULL_PIPE_BYTES {
                    socket::widen_pipe(pipe.as_fd());
                }
                self.log.write(&buffer[..length]).map_err(SandboxError::file("write the log", &self.launch.log))?;
                self.listening = self.listening && (self.listener)(buffer[..length].to_vec());
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.pipe = None,
        }
        Ok(())
    }

    /// What is still in the pipe. Whoever could write more is dead, unless it has left the tree by a way we missed.
    fn drain(&mut self, buffer: &mut [u8]) -> Result<(), SandboxError> {
        let until = Instant::now() + CLOSING_PATIENCE;
        while let Some(pipe) = &self.pipe
            && Instant::now() < until
        {
            let left = until.saturating_duration_since(Instant::now());
            let readable = socket::wait_readable([Some(pipe.as_fd())], Some(left));
            if let Ok([true]) = readable {
                self.read_output(buffer)?;
            }
        }
        self.pipe_left_open |= self.pipe.is_some();
        Ok(())
    }

    /// A byte says how urgent it is; the end of the pipe says that nobody waits for this task any more.
    fn hear_wish(&mut self, control: &UnixStream) {
        let mut byte = [0];
        let heard = self.wishes.map_or(Ok(0), |mut wishes| wishes.read(&mut byte));
        if !matches!(heard, Ok(1)) {
            self.wishes = None;
        }
        if matches!(self.phase, Phase::Running | Phase::Stopping { .. }) {
            self.reason.get_or_insert(End::Cancelled);
            if matches!(heard, Ok(1)) && byte[0] == b'g' {
                self.stop(control);
            } else {
                self.kill(control);
            }
        }
    }

    /// Whether a wish to cancel has come that was not heard any more.
    fn is_unwanted(&self) -> bool {
        let wishes = self.wishes.map(|wishes| wishes.as_fd());
        socket::wait_readable([wishes], Some(Duration::ZERO)).is_ok_and(|[wished]| wished)
    }

    fn stop(&mut self, control: &UnixStream) {
        if self.phase == Phase::Running {
            say(control, protocol::Command::Terminate);
            self.phase = Phase::Stopping { until: Instant::now() + self.launch.grace };
        }
    }

    fn kill(&mut self, control: &UnixStream) {
        say(control, protocol::Command::Kill);
        self.phase = Phase::Killing { until: Instant::now() + GUARDIAN_PATIENCE };
    }

    /// Acts where the time of a phase is over; says whether the guardian's is, too.
    fn pass_time(&mut self, control: &UnixStream) -> bool {
        let now = Instant::now();
        match self.phase {
            Phase::Running if self.deadline.is_some_and(|deadline| now >= deadline) => {
                self.reason = Some(End::TimedOut);
                self.stop(control);
            }
            Phase::Stopping { until } if now >= until => self.kill(control),
            Phase::Closing { until } if now >= until || self.pipe.is_none() => {
                self.pipe_left_open = self.pipe.is_some();
                self.kill(control);
            }
            Phase::Killing { until } => return now >= until,
            _ => {}
        }
        false
    }

    /// Says whether the last report has come, or never will.
    fn hear_reports(&mut self, control: &UnixStream) -> bool {
        let open = self.reports.fill(control);
        while let Some(report) = self.reports.next() {
            match report {
                Report::Refused(reason) => self.reason = Some(End::NotStarted(reason)),
                Report::Exited(ended) => {
                    self.exited = Some(ended);
                    self.ran_for = Some(self.begun.elapsed());
                    if !matches!(self.phase, Phase::Killing { .. }) {
                        self.phase = Phase::Closing { until: Instant::now() + CLOSING_PATIENCE };
                    }
                }
                Report::Done(totals) => self.totals = Some(totals),
            }
        }
        self.totals.is_some() || matches!(self.reason, Some(End::NotStarted(_))) || !open
    }

    fn conclude(self, diagnosis: String) -> Result<Exit, SandboxError> {
        let unwanted = self.is_unwanted();
        let LogSize { total_bytes, kept_bytes } =
            self.log.finish().map_err(SandboxError::file("write the log", &self.launch.log))?;
        let totals = self.totals.unwrap_or_default();
        let end = match (self.reason, self.exited) {
            _ if totals.over_limit => End::OutOfMemory,
            (Some(reason), _) => reason,
            (None, Some(Ended::Signal(SIGKILL))) if totals.kernel_oom => End::OutOfMemory,
            (None, Some(Ended::Code(code))) if totals.kernel_oom && code == 128 + SIGKILL => End::OutOfMemory,
            (None, Some(Ended::Code(code))) => End::Code(code),
            (None, Some(Ended::Signal(signal))) => End::Signal(signal),
            (None, None) if unwanted => End::Cancelled,
            (None, None) => return Err(SandboxError::GuardianLost(diagnosis)),
        };
        let wall = self.ran_for.unwrap_or_else(|| self.begun.elapsed());
        let usage = Usage {
            wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
            cpu_ms: totals.cpu_us / 1000,
            peak_memory_bytes: totals.peak_memory_bytes,
        };
        let watched = if self.launch.watches_memory { totals.peak_memory_bytes } else { 0 };
        let measure = Measure {
            wall_us: totals.wall_us,
            cpu_us: totals.cpu_us,
            memory_bytes: totals.tree_memory_bytes.max(watched),
        };
        Ok(Exit {
            end,
            usage,
            measure,
            log_bytes_total: total_bytes,
            log_bytes_kept: kept_bytes,
            pipe_left_open: self.pipe_left_open,
        })
    }
}

fn say(mut control: &UnixStream, command: protocol::Command) {
    // A guardian that cannot be told is about to be found gone.
    let _ = control.write_all(&[command.byte()]);
}
