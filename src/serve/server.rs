//! The thread that listens. It waits in one place for all of its clients, and for the word to stop.
#![expect(clippy::disallowed_methods, reason = "clients are given a time on the clock")]

use crate::sys::socket::AsFd as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::connection::{Connection, Went};
use super::protocol::{Answer, Ask, FORM, Hello, Question, Reply, SOCKET, frame};
use crate::sys::local::{Listener, Until, identity, running_program, sees_every_change, wait};
use crate::sys::socket::UnixStream;

/// Clients at a time; more wait in the kernel.
const CLIENTS_MAX: usize = 32;
/// How long nobody is let in after that has failed: out of open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Knows the answers. Is asked by one at a time, and takes a millisecond or declines.
pub trait Clerk: Send + Sync {
    /// The answer to a question of somebody whose environment is the server's.
    fn answer(&self, ask: &Ask) -> Reply;
}

/// Who answers for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Version and program.
    pub orca: String,
    /// The project's directory.
    pub project: String,
}

impl Identity {
    /// This program, in this project.
    pub fn of(root: &Path) -> io::Result<Self> {
        let orca = format!("{} {}", env!("CARGO_PKG_VERSION"), running_program()?);
        Ok(Self { orca, project: identity(root)? })
    }
}

/// Answers until it is dropped.
pub struct Server {
    stop: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Begins to answer for the project at `root`, which nobody else watches; `None` where changes of files could go
    /// unseen. `environment` is the digest of this process's.
    pub fn start(root: &Path, environment: String, clerk: Arc<dyn Clerk>) -> io::Result<Option<Self>> {
        let directory = root.join(".orca");
        if !sees_every_change(root) {
            return Ok(None);
        }
        let identity = Identity::of(root)?;
        let listener = Listener::bind(&directory, SOCKET)?;
        let (stop, stopped) = UnixStream::pair()?;
        let desk = Counter { clerk, identity, environment, answered: 0, epoch: Instant::now() };
        let thread =
            std::thread::Builder::new().name("serve".to_owned()).spawn(move || desk.run(&listener, &stopped))?;
        Ok(Some(Self { stop, thread: Some(thread) }))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stop.write_all(b".");
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Counter {
    clerk: Arc<dyn Clerk>,
    identity: Identity,
    environment: String,
    answered: u64,
    epoch: Instant,
}

impl Counter {
    fn run(mut self, listener: &Listener, stopped: &UnixStream) {
        let mut clients: Vec<Connection> = Vec::new();
        let mut closed_until = Duration::ZERO;
        loop {
            let now = self.epoch.elapsed();
            clients.retain(|client| client.until() > now);
            let is_open = clients.len() < CLIENTS_MAX && closed_until <= now;
            let mut files = vec![(stopped.as_fd(), Until::Readable)];
            files.extend(clients.iter().map(|client| (client.socket().as_fd(), client.waits())));
            if is_open {
                files.push((listener.as_fd(), Until::Readable));
            }
            let next = clients.iter().map(Connection::until).chain((closed_until > now).then_some(closed_until)).min();
            let Ok(ready) = wait(&files, next.map(|until| until.saturating_sub(now))) else { return };
            if ready[0] {
                return;
            }
            let is_knocking = is_open && ready.last() == Some(&true);
            let now = self.epoch.elapsed();
            let mut place = 0;
            clients.retain_mut(|client| {
                place += 1;
                !ready[place] || client.go_on(now, |question| self.answer(question)) == Went::On
            });
            while is_knocking && clients.len() < CLIENTS_MAX {
                match listener.accept() {
                    Ok(Some(socket)) => {
                        let mut client = Connection::new(socket, self.hello(), now);
                        if client.go_on(now, |question| self.answer(question)) == Went::On {
                            clients.push(client);
                        }
                    }
                    Ok(None) => break,
                    Err(_) => {
                        closed_until = now + PAUSE;
                        break;
                    }
                }
            }
        }
    }

    fn hello(&self) -> Arc<[u8]> {
        let Identity { orca, project } = self.identity.clone();
        frame(&Hello { v: FORM, orca, project, answered: self.answered })
    }

    fn answer(&mut self, question: &Question) -> Reply {
        if question.environment != self.environment {
            return Reply::decline("another environment");
        }
        let reply = self.clerk.answer(&question.ask);
        self.answered += u64::from(!matches!(reply.answer, Answer::Decline { .. }));
        reply
    }
}
