//! One client, as far as it has got. Whatever it sends or does not read costs a few kilobytes for a second or two.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use super::protocol::{FRAME_SIZE_MAX, Framed, Question, Reply, frame, framed};
use crate::sys::local::Until;
use crate::sys::socket::UnixStream;

/// How long a client may take to ask.
const TO_ASK: Duration = Duration::from_secs(1);
/// How long it may go without reading anything of its answer.
const TO_READ: Duration = Duration::from_secs(1);
/// How long all of it may take.
const IN_ALL: Duration = Duration::from_secs(30);

/// A client.
pub(super) struct Connection {
    socket: UnixStream,
    /// What came so far; nothing is taken after the question.
    input: Vec<u8>,
    output: VecDeque<Arc<[u8]>>,
    /// How much of the first of these is sent.
    sent: usize,
    has_asked: bool,
    /// When it is cut: if it does nothing, and whatever it does.
    until: Duration,
    end: Duration,
}

/// What became of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Went {
    /// It goes on.
    On,
    /// It is over, one way or another.
    Over,
}

impl Connection {
    /// A client that has just connected, and is told who is here. Times are those of one clock.
    pub(super) fn new(socket: UnixStream, hello: Arc<[u8]>, now: Duration) -> Self {
        let output = VecDeque::from([hello]);
        Self { socket, input: Vec::new(), output, sent: 0, has_asked: false, until: now + TO_ASK, end: now + IN_ALL }
    }

    pub(super) fn socket(&self) -> &UnixStream {
        &self.socket
    }

    pub(super) fn until(&self) -> Duration {
        self.until
    }

    /// What it waits for.
    pub(super) fn waits(&self) -> Until {
        if self.output.is_empty() { Until::Readable } else { Until::Writable }
    }

    /// Sends and takes what there is, without waiting. `answer` is called at most once.
    pub(super) fn go_on(&mut self, now: Duration, answer: impl FnOnce(&Question) -> Reply) -> Went {
        if self.send(now).is_err() {
            return Went::Over;
        }
        if !self.output.is_empty() {
            return Went::On;
        }
        if self.has_asked {
            return Went::Over;
        }
        match self.take() {
            Err(_) | Ok(Framed::Garbage) => Went::Over,
            Ok(Framed::Partial) => Went::On,
            Ok(Framed::Whole(question)) => {
                let Reply { answer, body } = answer(&question);
                self.has_asked = true;
                self.input = Vec::new();
                self.until = now + TO_READ;
                self.output.push_back(frame(&answer));
                if !body.is_empty() {
                    self.output.push_back(body);
                }
                let is_sent = self.send(now).is_err() || self.output.is_empty();
                if is_sent { Went::Over } else { Went::On }
            }
        }
    }

    fn send(&mut self, now: Duration) -> io::Result<()> {
        while let Some(part) = self.output.front() {
            match self.socket.write(&part[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.sent += count;
                    if self.has_asked {
                        self.until = self.end.min(now + TO_READ);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.output.front().is_some_and(|part| part.len() == self.sent) {
                self.output.pop_front();
                self.sent = 0;
            }
        }
        Ok(())
    }

    fn take(&mut self) -> io::Result<Framed<Question>> {
        let mut chunk = [0; FRAME_SIZE_MAX + 4];
        loop {
            let room = FRAME_SIZE_MAX + 4 - self.input.len();
            match self.socket.read(&mut chunk[..room]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.input.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Framed::Partial),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            match framed(&self.input) {
                Framed::Partial if self.input.len() < FRAME_SIZE_MAX + 4 => {}
                Framed::Partial => return Ok(Framed::Garbage),
                read => return Ok(read),
            }
        }
    }
}
