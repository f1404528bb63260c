//! Asking. Whatever is not a whole answer in time is none.
#![expect(clippy::disallowed_methods, reason = "the server is given a time on the clock")]

use crate::sys::socket::AsFd as _;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use super::protocol::{
    Answer, Ask, BODY_SIZE_MAX, FORM, FRAME_SIZE_MAX, Framed, Hello, Question, SOCKET, frame, framed,
};
use super::server::Identity;
use crate::sys::local::{Until, connect, is_there, wait};
use crate::sys::socket::UnixStream;

/// How long the server may take to say who it is.
const FOR_HELLO: Duration = Duration::from_millis(100);
/// How long it may take to answer.
const FOR_ANSWER: Duration = Duration::from_millis(250);
/// How long it may take for each part of a body.
const FOR_PART: Duration = Duration::from_secs(1);
/// Bytes of such a part.
const PART: usize = 1 << 20;

/// What the server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// A build would find nothing to do.
    NothingToDo {
        /// Tasks.
        cached: u64,
        /// What they had taken, in milliseconds.
        saved_ms: u64,
        /// What they had cost, in millionths of a dollar.
        saved_micro_usd: u64,
        /// The logs that it would show again.
        replays: Vec<(String, String)>,
    },
    /// This is what the command prints.
    Printed(Vec<u8>),
}

/// Asks the orca that watches the project at `root`. `None`: ask yourself. `environment` is only worked out where
/// somebody listens.
#[must_use]
pub fn ask(root: &Path, environment: impl FnOnce() -> String, ask: Ask) -> Option<Answered> {
    let directory = root.join(".orca");
    if !is_there(&directory, SOCKET) {
        return None;
    }
    let mut socket = connect(&directory, SOCKET).ok()?;
    converse(&mut socket, root, environment, ask).ok().flatten()
}

fn converse(
    socket: &mut UnixStream,
    root: &Path,
    environment: impl FnOnce() -> String,
    ask: Ask,
) -> io::Result<Option<Answered>> {
    let identity = Identity::of(root)?;
    let Some(hello) = receive::<Hello>(socket, FOR_HELLO)? else { return Ok(None) };
    if hello.v != FORM || hello.orca != identity.orca || hello.project != identity.project {
        return Ok(None);
    }
    // A fresh connection has room for more than a frame.
    socket.write_all(&frame(&Question { environment: environment(), ask }))?;
    let Some(answer) = receive::<Answer>(socket, FOR_ANSWER)? else { return Ok(None) };
    if answer.body_size() > BODY_SIZE_MAX {
        return Ok(None);
    }
    let body = receive_body(socket, usize::try_from(answer.body_size()).unwrap_or(usize::MAX))?;
    Ok(match answer {
        Answer::Decline { .. } => None,
        Answer::Printed { .. } => Some(Answered::Printed(body)),
        Answer::NothingToDo { cached, saved_ms, saved_micro_usd, .. } => {
            let replays = if body.is_empty() { Vec::new() } else { serde_json::from_slice(&body)? };
            Some(Answered::NothingToDo { cached, saved_ms, saved_micro_usd, replays })
        }
    })
}

/// One frame; `None` where it is none.
fn receive<T: for<'de> serde::Deserialize<'de>>(socket: &mut UnixStream, within: Duration) -> io::Result<Option<T>> {
    let until = Instant::now() + within;
    let mut bytes = vec![0; 4];
    fill(socket, &mut bytes, until)?;
    let length = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
    if length > FRAME_SIZE_MAX {
        return Ok(None);
    }
    bytes.resize(4 + length, 0);
    fill(socket, &mut bytes[4..], until)?;
    Ok(match framed(&bytes) {
        Framed::Whole(value) => Some(value),
        Framed::Partial | Framed::Garbage => None,
    })
}

/// The body grows as it comes: what is announced is not believed.
fn receive_body(socket: &mut UnixStream, size: usize) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() < size {
        let start = body.len();
        body.resize(size.min(start + PART), 0);
        fill(socket, &mut body[start..], Instant::now() + FOR_PART)?;
    }
    Ok(body)
}

fn fill(socket: &mut UnixStream, mut room: &mut [u8], until: Instant) -> io::Result<()> {
    while !room.is_empty() {
        match socket.read(room) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => room = &mut room[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                wait(&[(socket.as_fd(), Until::Readable)], Some(left))?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
