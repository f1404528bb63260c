//! What supervisor and guardian say to each other over the control socket. Both are the same binary, so the form
//! needs no version.

use std::ffi::OsString;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::sys::confine::{Confinement, Sockets};
use crate::sys::process::Ended;
use crate::sys::socket::{self, BorrowedFd, OwnedFd, UnixStream};

/// An order: what the guardian is to start.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Spec {
    pub argv: Vec<OsString>,
    pub env: Vec<(OsString, OsString)>,
    pub cwd: OsString,
    pub confinement: Option<Confinement>,
    /// The room to run in; only in namespaces of our own.
    pub room: Option<RoomSpec>,
    /// Where what a mount tree of its own does not refuse is to be: abstract sockets of others, shared keyrings. And which
    /// sockets may be made then.
    pub hardened: Option<Sockets>,
    /// Mounts to make first; only in a mount namespace of our own.
    pub mounts: Option<Mounts>,
    pub memory_limit_bytes: Option<u64>,
    /// Whether to look at the memory of the tree all the time.
    pub watches_memory: bool,
}

/// Which room a task gets.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RoomSpec {
    /// What it sees of the machine; none where that is the same as the last task of this guardian saw.
    pub view: Option<View>,
    pub own: Own,
    /// Whether the network namespace is the room's.
    pub has_own_network: bool,
}

/// What a task sees of the machine, and where there is room for its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct View {
    /// Symbolic links: where, and what they say.
    pub links: Vec<(OsString, OsString)>,
    /// What is shown, in this order, the system's places first.
    pub shown: Vec<Shown>,
    /// Directories among the system's places that are shown empty, but for what else is shown beneath them.
    pub masks: Vec<OsString>,
    /// Directories that [`Own`] covers.
    pub places: Vec<OsString>,
}

/// What a task sees as nobody else does, in this order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Own {
    pub shown: Vec<Shown>,
}

/// Something of the machine, and where it is shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Shown {
    pub at: OsString,
    pub from: OsString,
    pub is_writable: bool,
    /// Which file it is, where another may take its place while orca runs; none where there is none, or it is the system's.
    pub identity: Option<(u64, u64)>,
    pub is_system: bool,
}

/// How the mount namespace of a Landlock task differs from the machine's.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Mounts {
    /// Directories that are shown empty, but for what the other lists name beneath them.
    pub empty: Vec<OsString>,
    /// What stays writable; everything else becomes read-only.
    pub writable: Vec<OsString>,
    /// What is shown besides.
    pub read_only: Vec<OsString>,
    /// What /tmp shows; it stays empty otherwise.
    pub tmp: Option<OsString>,
    /// Whether the network namespace is new and needs its loopback device.
    pub loopback: bool,
}

/// One byte from the supervisor. End of file means the same as [`Command::Kill`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// SIGTERM to the command's process group.
    Terminate,
    /// SIGKILL to everything, and report.
    Kill,
}

impl Command {
    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Terminate => b't',
            Self::Kill => b'k',
        }
    }

    pub(super) fn from_byte(byte: u8) -> Self {
        if byte == b't' { Self::Terminate } else { Self::Kill }
    }
}

/// A frame from the guardian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Report {
    /// The command could not be started; why. Nothing follows.
    Refused(String),
    /// The command is over; others of its tree may not be.
    Exited(Ended),
    /// The whole tree is over. Nothing follows but what is said of the next order.
    Done(Totals),
}

/// What the tree used, and why it may have been killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Totals {
    /// From the start of the command to its end.
    pub wall_us: u64,
    pub cpu_us: u64,
    /// The largest resident set of one process.
    pub peak_memory_bytes: u64,
    /// The most that the tree held at once; 0 where nobody watched.
    pub tree_memory_bytes: u64,
    /// The guardian killed it for exceeding its limit.
    pub over_limit: bool,
    /// The kernel killed something, somewhere, for want of memory while the command ran.
    pub kernel_oom: bool,
    /// Nothing of the task is left in the guardian, which takes the next order.
    pub takes_another: bool,
}

pub(super) fn send<T: Serialize>(stream: &UnixStream, message: &T) -> io::Result<()> {
    send_all(stream, [message])
}

/// Several messages in one call.
pub(super) fn send_all<T: Serialize>(mut stream: &UnixStream, messages: impl IntoIterator<Item = T>) -> io::Result<()> {
    let mut bytes = Vec::new();
    for message in messages {
        socket::push_frame(&mut bytes, &serde_json::to_vec(&message)?)?;
    }
    stream.write_all(&bytes)
}

pub(super) fn receive<T: for<'a> Deserialize<'a>>(stream: &UnixStream) -> io::Result<T> {
    Ok(serde_json::from_slice(&socket::receive_frame(stream)?)?)
}

/// Sends a spec with standard input and the log.
pub(super) fn send_order(stream: &UnixStream, files: [BorrowedFd<'_>; 2], spec: &Spec) -> io::Result<()> {
    socket::send_order(stream, files, &serde_json::to_vec(spec)?)
}

/// Receives what [`send_order`] sent; nothing once there is nobody who could.
pub(super) fn receive_order(stream: &UnixStream) -> io::Result<Option<([OwnedFd; 2], Spec)>> {
    let order = socket::receive_order(stream)?;
    order.map(|(files, spec)| Ok((files, serde_json::from_slice(&spec)?))).transpose()
}

/// Frames from the guardian, put together from whatever has arrived.
#[derive(Default)]
pub(super) struct Reports {
    bytes: Vec<u8>,
}

impl Reports {
    /// Reads what is there; says whether more can come.
    pub(super) fn fill(&mut self, control: &UnixStream) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match socket::receive_now(control, &mut buffer) {
                Ok(0) => return false,
                Ok(length) => self.bytes.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }

    pub(super) fn next(&mut self) -> Option<Report> {
        let header = self.bytes.first_chunk::<4>()?;
        let end = 4 + u32::from_le_bytes(*header) as usize;
        let report = serde_json::from_slice(self.bytes.get(4..end)?).ok();
        self.bytes.drain(..end);
        report
    }
}
