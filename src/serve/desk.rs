//! What is known of the project, kept from one look until something changes.
//!
//! ```text
//!             ask ──> known from this state, and the world as then? ──> answer
//!                       │ no: decline, and
//!   changed ──> due ────┴──> the looker: state before ──> look ──> state after the same? ──> known
//! ```
//!
//! INVARIANT: what is known bears the state that was settled before its look began and still was when the
//! look was over; an answer is given only while the watcher, having taken in all events so far, still says the same.
#![expect(clippy::disallowed_methods, reason = "interest ends by the clock")]

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::environment::counts;
use super::protocol::{Answer, Ask, BODY_SIZE_MAX, GraphAsk, Reply};
use super::server::Clerk;
use crate::engine::{
    Consent, EngineError, Host, LockStanding, Look, Looked, Project, Session, Standstill, Status, World,
};

/// Forms of a graph that are kept.
const GRAPHS_MAX: usize = 4;
/// Bytes of all of them.
const GRAPHS_SIZE_MAX: usize = 64 << 20;
/// How long the project is looked at after each change, once something has asked.
const INTEREST: Duration = Duration::from_secs(600);
/// How long to wait until a change shows on the clock of a file system, and how often.
const GRAIN: Duration = Duration::from_millis(25);
const GRAINS_MAX: usize = 100;

/// A state of a project that has come to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Another state has another number.
    pub number: u64,
    /// How many tasks the watcher looks after: only if that is all of them it speaks for the project.
    pub tasks: usize,
}

/// Whoever watches the project.
pub trait Watching: Send + Sync {
    /// The state that the project's files are in, once everything is taken in that the kernel had to tell when this was
    /// called. `None` while something changes, is built or is about to be, and where changes cannot be seen. Takes no longer
    /// than a few milliseconds.
    fn settled(&self) -> Option<Settled>;
}

/// Prints what the commands print.
pub trait Printer: Send + Sync {
    /// `orca status`, now.
    fn status(&self, status: &Status) -> String;
    /// `orca status --json`.
    fn status_json(&self, status: &Status) -> String;
    /// `orca graph`.
    fn graph(&self, look: &Look, ask: &GraphAsk) -> String;
}

/// A look, and what came of it.
struct Known {
    state: Settled,
    world: World,
    still: Option<(Standstill, Arc<[u8]>)>,
    status: Status,
    status_json: Arc<[u8]>,
    graphs: Vec<(GraphAsk, Arc<[u8]>)>,
}

#[derive(Default)]
struct Shelf {
    known: Option<Arc<Known>>,
    /// The forms of a graph that were asked for, the latest last.
    wanted: Vec<GraphAsk>,
    /// When something asked.
    asked_at: Option<Duration>,
    is_due: bool,
    is_over: bool,
}

struct Room {
    host: Host,
    project: Project,
    watching: Arc<dyn Watching>,
    printer: Arc<dyn Printer>,
    shelf: Mutex<Shelf>,
    bell: Condvar,
    epoch: Instant,
}

/// Answers from what is known, and lets look what is not. Looks no more when it is dropped.
pub struct Desk {
    room: Arc<Room>,
    looker: Option<JoinHandle<()>>,
}

impl Desk {
    /// A desk for this project, in this process's environment.
    pub fn new(
        host: Host,
        project: Project,
        watching: Arc<dyn Watching>,
        printer: Arc<dyn Printer>,
    ) -> std::io::Result<Self> {
        let (shelf, bell) = (Mutex::default(), Condvar::new());
        let room = Arc::new(Room { host, project, watching, printer, shelf, bell, epoch: Instant::now() });
        let of_looker = Arc::clone(&room);
        let looker = std::thread::Builder::new().name("look".to_owned()).spawn(move || of_looker.run())?;
        Ok(Self { room, looker: Some(looker) })
    }

    /// Told when the project has come to rest in another state.
    pub fn changed(&self) {
        let now = self.room.epoch.elapsed();
        let mut shelf = self.room.shelf();
        shelf.known = None;
        if shelf.asked_at.is_some_and(|asked| now < asked + INTEREST) {
            shelf.is_due = true;
            self.room.bell.notify_all();
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.room.shelf().is_over = true;
        self.room.bell.notify_all();
        // A look that is under way ends by itself, or with the process.
        drop(self.looker.take());
    }
}

impl Clerk for Desk {
    fn answer(&self, ask: &Ask) -> Reply {
        let room = &self.room;
        let known = {
            let mut shelf = room.shelf();
            shelf.asked_at = Some(room.epoch.elapsed());
            if let Ask::Graph(graph) = ask {
                shelf.wanted.retain(|one| one != graph);
                if shelf.wanted.len() == GRAPHS_MAX {
                    shelf.wanted.remove(0);
                }
                shelf.wanted.push(graph.clone());
            }
            shelf.known.clone()
        };
        // A build that begins after this leaves events, or a journal that is not what it was.
        if room.project.building().map_or(true, |building| building.is_some()) {
            return Reply::decline("something is being built");
        }
        let Some(state) = room.watching.settled() else { return Reply::decline("something is changing") };
        let is_known = known.filter(|known| known.state == state && known.world.is_so(&room.host));
        let reply = is_known.as_ref().and_then(|known| known.answer(ask, room.printer.as_ref()));
        reply.unwrap_or_else(|| {
            let mut shelf = room.shelf();
            shelf.is_due = true;
            room.bell.notify_all();
            Reply::decline(if is_known.is_some() { "there is something to say" } else { "not looked at yet" })
        })
    }
}

impl Known {
    fn answer(&self, ask: &Ask, printer: &dyn Printer) -> Option<Reply> {
        match ask {
            Ask::Build => {
                let (still, body) = self.still.as_ref()?;
                let Standstill { cached, saved_ms, saved_micro_usd, .. } = *still;
                let answer = Answer::NothingToDo { cached, saved_ms, saved_micro_usd, body: body.len() as u64 };
                Some(Reply { answer, body: Arc::clone(body) })
            }
            Ask::Status { json: true } => Some(printed(Arc::clone(&self.status_json))),
            // It says how long ago the last run was.
            Ask::Status { json: false } => Some(printed(printer.status(&self.status).into_bytes().into())),
            Ask::Graph(graph) => {
                let drawn = self.graphs.iter().find(|(ask, _)| ask == graph)?;
                Some(printed(Arc::clone(&drawn.1)))
            }
        }
    }

    fn has_drawn(&self, wanted: &[GraphAsk]) -> bool {
        wanted.iter().all(|ask| self.graphs.iter().any(|(drawn, _)| drawn == ask))
    }
}

fn printed(body: Arc<[u8]>) -> Reply {
    Reply { answer: Answer::Printed { body: body.len() as u64 }, body }
}

impl Room {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        loop {
            let wanted = {
                let idle = |shelf: &mut Shelf| !shelf.is_due && !shelf.is_over;
                let mut shelf = self.bell.wait_while(self.shelf(), idle).unwrap_or_else(PoisonError::into_inner);
                if shelf.is_over {
                    return;
                }
                shelf.is_due = false;
                shelf.wanted.clone()
            };
            // What cannot be looked at is for the commands themselves to say.
            if let Ok(Some(known)) = self.look(&wanted) {
                self.shelf().known = Some(Arc::new(known));
            }
        }
    }

    /// Looks at the project. `None` where that came to nothing, and where what is known is still so.
    fn look(&self, wanted: &[GraphAsk]) -> Result<Option<Known>, EngineError> {
        let Some(state) = self.watching.settled() else { return Ok(None) };
        let known = self.shelf().known.clone();
        if known.is_some_and(|known| known.state == state && known.has_drawn(wanted) && known.world.is_so(&self.host)) {
            return Ok(None);
        }
        let session = Session::open(self.host.clone(), self.project.root())?;
        if session.is_invalid() || !session.variables().iter().all(|name| counts(name.as_ref())) {
            return Ok(None);
        }
        let Some(world) = self.world(&session) else { return Ok(None) };
        let consents = Consent::of(&session).is_ok_and(|consent| consent.needed.is_subset(&consent.given));
        let Looked::Valid(look) = Look::open(session, &[], false)? else { return Ok(None) };
        // What cannot be read is said on standard error, and git is asked where the lock is not in step.
        let status = look.status()?;
        let is_plain = status.tasks == state.tasks
            && look.notices.is_empty()
            && status.building.is_none()
            && matches!(status.lock, LockStanding::None | LockStanding::UpToDate);
        if !is_plain {
            return Ok(None);
        }
        let still = if consents { look.standstill(&status)? } else { None };
        let still = still.map(|still| {
            let replays = if still.replays.is_empty() { Vec::new() } else { json(&still.replays) };
            (Standstill { replays: Vec::new(), ..still }, Arc::<[u8]>::from(replays))
        });
        let mut graphs = Vec::new();
        let mut size = 0;
        for ask in wanted.iter().rev() {
            let drawn: Arc<[u8]> = self.printer.graph(&look, ask).into_bytes().into();
            size += drawn.len();
            if size <= GRAPHS_SIZE_MAX {
                graphs.push((ask.clone(), drawn));
            }
        }
        let status_json: Arc<[u8]> = self.printer.status_json(&status).into_bytes().into();
        let is_bounded = status_json.len() as u64 <= BODY_SIZE_MAX
            && still.as_ref().is_none_or(|(_, body)| body.len() as u64 <= BODY_SIZE_MAX);
        let is_so = is_bounded && world.is_so(&self.host) && self.watching.settled() == Some(state);
        Ok(is_so.then_some(Known { state, world, still, status, status_json, graphs }))
    }

    /// The world, once a change of it would show.
    fn world(&self, session: &Session) -> Option<World> {
        for _ in 0..GRAINS_MAX {
            let world = session.world()?;
            if !world.is_young() {
                return Some(world);
            }
            let shelf = self.shelf();
            let over = |shelf: &mut Shelf| !shelf.is_over;
            let (shelf, _) = self.bell.wait_timeout_while(shelf, GRAIN, over).unwrap_or_else(PoisonError::into_inner);
            if shelf.is_over {
                return None;
            }
        }
        None
    }
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("what is sent is plain data")
}
