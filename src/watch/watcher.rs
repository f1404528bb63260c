//! The loop: everything that happens comes in through one queue, and one thread decides what follows.
//!
//! ```text
//!            something happened            it is quiet, and it is news
//!  Waiting ---------------------> Settling ---------------------------> Building
//!     ^                              | no news                             |  news: nothing more starts, what is outdated
//!     +------------------------------+                                     |  is stopped, the rest comes to its end
//!     +--------------------------------------------------------------------+
//! ```
//!
//! INVARIANT: a directory is watched before a build reads it, or what is in it is compared afterwards. So whatever changes is
//! either what the build read, or is news when it ends.
#![expect(clippy::disallowed_methods, reason = "a watcher has a clock")]

use std::any::Any;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::eyes::{self, Eyes, Happened};
use super::outdated::{Outdated, outdated, unreadable};
use super::polling::PollingEyes;
use super::request::{Request, Requests, Standing};
use super::settle::Settle;
use super::state::{Building, Ended, Invalid, LastBuild, News, Observer, Phase, State};
use crate::base::TaskName;
use crate::engine::{
    BuildOptions, Built, EngineError, Host, Knowledge, Listener, Parties, Person, Project, ReadFiles, Reins, Resolver,
    Session, Territory, WatchLock, build_held, build_part,
};
use crate::event::EventRecord;
use crate::snapshot::{Answer, Changes, Hot, Looking};

/// The signal that ends a build which is no longer wanted.
const INTERRUPT: i32 = 2;

/// What to watch, and how.
#[derive(Debug, Clone, Default)]
pub struct WatchOptions {
    /// How each build is made. `force` is for the first one.
    pub build: BuildOptions,
    /// How long it has to be quiet before a build begins.
    pub settle: Duration,
}

/// Why nothing can be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// Another watcher is there.
    #[error("this project is watched already, by {0}; end that one first")]
    Watched(String),
    /// The project, or the first build of it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What comes in.
pub(super) enum Input {
    /// There is something to look at.
    Noticed,
    /// Somebody asks.
    Asked(Request),
    /// Of the build that runs.
    Event(Box<EventRecord>),
    /// It is over.
    Built(Box<Result<Built, EngineError>>),
    /// It broke an invariant of orca's.
    Panicked(Box<dyn Any + Send>),
    /// Which of its tasks are outdated.
    Outdated(Outdated),
    /// orca received a signal.
    Signal(i32),
}

/// A build that runs.
struct Job {
    reins: Reins,
    signals: UnboundedSender<i32>,
    thread: JoinHandle<()>,
    /// Taken before it began.
    read: ReadFiles,
    /// Whether what it knows is known here.
    is_known: bool,
    /// Whether it is being found out which of its tasks are outdated, and whether it has to be once more.
    is_asked: bool,
    asks_again: bool,
}

/// See the module.
pub struct Watcher {
    host: Host,
    project: Project,
    _lock: WatchLock,
    options: WatchOptions,
    person: Arc<dyn Person>,
    observers: Vec<Arc<dyn Observer>>,
    inbox: Receiver<Input>,
    outbox: Sender<Input>,
    eyes: Box<dyn Eyes>,
    state: State,
    started: Instant,
    settle: Settle,
    /// What the last build that began knows.
    knowledge: Option<Knowledge>,
    territory: Arc<Territory>,
    /// Where something happened that no build took in yet.
    dirty: BTreeSet<PathBuf>,
    /// Of those, what was not looked at while the build runs.
    fresh: BTreeSet<PathBuf>,
    moved_directories: bool,
    must_build: bool,
    force: Option<Vec<String>>,
    job: Option<Job>,
    ending: Option<Ended>,
}

impl Watcher {
    /// A watcher of this project. `signals` brings the numbers of signals that orca receives from now on.
    pub fn open(
        host: Host,
        directory: &Path,
        options: WatchOptions,
        person: Arc<dyn Person>,
        signals: UnboundedReceiver<i32>,
    ) -> Result<Self, WatchError> {
        let project = Project::open(directory).map_err(EngineError::from)?;
        let holder = format!("process {} (orca {})", std::process::id(), options.build.args.join(" "));
        let lock = project.lock_watch(&holder).map_err(EngineError::from)?.map_err(WatchError::Watched)?;
        let (outbox, inbox) = channel();
        let eyes = open_eyes(&outbox);
        forward(signals, outbox.clone());
        let force = options.build.force.then(Vec::new);
        let mut this = Self {
            host,
            project,
            _lock: lock,
            state: State::new(options.build.selectors.clone()),
            settle: Settle::new(options.settle),
            options,
            person,
            observers: Vec::new(),
            inbox,
            outbox,
            eyes: eyes.0,
            started: Instant::now(),
            knowledge: None,
            territory: Arc::default(),
            dirty: BTreeSet::new(),
            fresh: BTreeSet::new(),
            moved_directories: false,
            must_build: false,
            force,
            job: None,
            ending: None,
        };
        eyes.1.iter().for_each(|why| this.note(&told_polling(why)));
        Ok(this)
    }

    /// Looks with other eyes.
    #[must_use]
    pub fn with_eyes(mut self, eyes: Box<dyn Eyes>) -> Self {
        self.eyes = eyes;
        self
    }

    /// Shows it to somebody. What was worth a notice before is told again.
    pub fn show(&mut self, observer: Arc<dyn Observer>) {
        self.state.notices.iter().for_each(|notice| observer.sees(&self.state, &News::Notice(notice)));
        self.observers.push(observer);
    }

    /// To ask it.
    #[must_use]
    pub fn requests(&self) -> Requests {
        Requests(self.outbox.clone())
    }

    /// Builds, and builds again whenever something changes, until it is told to end.
    pub fn run(mut self) -> Result<Ended, WatchError> {
        // Watched before it is read.
        match Session::open(self.host.clone(), self.project.root()) {
            Ok(session) => self.watch(Arc::new(Territory::of(&session))),
            Err(EngineError::Load(error)) if error.is_of_plan() => self.watch(self.bare_territory()),
            Err(error) => return Err(error.into()),
        };
        self.start();
        loop {
            match self.next() {
                Some(Input::Noticed) => self.look(),
                Some(Input::Asked(request)) => self.take(request),
                Some(Input::Event(record)) => self.event(&record),
                Some(Input::Built(built)) => self.built(*built)?,
                Some(Input::Panicked(panic)) => resume_unwind(panic),
                Some(Input::Outdated(outdated)) => self.outdated(outdated),
                Some(Input::Signal(signal)) => self.end(Ended::Signal(signal), signal),
                None => self.settled(),
            }
            if self.job.is_none()
                && let Some(ended) = self.ending.take()
            {
                return Ok(ended);
            }
        }
    }

    /// The next thing that comes in; nothing when it is time to look at what happened.
    fn next(&self) -> Option<Input> {
        let Some(due) = self.settle.due() else {
            return Some(self.inbox.recv().expect("the watcher holds a sender itself"));
        };
        match self.inbox.recv_timeout(due.saturating_sub(self.started.elapsed())) {
            Ok(input) => Some(input),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => unreachable!("the watcher holds a sender itself"),
        }
    }

    fn tell(&self, news: &News<'_>) {
        self.observers.iter().for_each(|observer| observer.sees(&self.state, news));
    }

    fn note(&mut self, notice: &str) {
        self.state.note(notice);
        self.tell(&News::Notice(notice));
    }

    fn enter(&mut self, phase: Phase) {
        if self.state.phase != phase {
            self.state.phase = phase;
            self.tell(&News::Phase);
        }
    }

    /// The phase in which it waits.
    fn rest(&mut self) {
        let phase = match (&self.state.invalid, self.state.untrusted.is_empty()) {
            (Some(_), _) => Phase::Invalid,
            (None, false) => Phase::Untrusted,
            (None, true) => Phase::Waiting,
        };
        self.enter(phase);
    }

    // What happens in files.

    /// The territory of a plan that cannot be read: wherever it was read before.
    fn bare_territory(&self) -> Arc<Territory> {
        let mut territory = self.territory.as_ref().clone();
        territory.extend(Territory::around_plan(self.project.root()));
        Arc::new(territory)
    }

    /// Watches this territory. What was not watched before is to be compared.
    fn watch(&mut self, territory: Arc<Territory>) {
        let mut sight = self.eyes.watch(&territory);
        if let Some(why) = sight.blind.take() {
            self.note(&told_polling(&why));
            let wake = waker(&self.outbox);
            self.eyes = Box::new(PollingEyes::open(move || wake()));
            sight = self.eyes.watch(&territory);
        }
        self.territory = territory;
        self.dirty.extend(sight.added);
    }

    /// Takes note of what happened.
    fn look(&mut self) {
        let Happened { paths, moved_directories, lost } = self.eyes.look();
        let hidden = |path: &Path| [".git", ".orca"].iter().any(|name| path.file_name().is_some_and(|at| at == *name));
        let territory = Arc::clone(&self.territory);
        let paths: Vec<PathBuf> = paths.into_iter().filter(|path| territory.covers(path) && !hidden(path)).collect();
        self.moved_directories |= moved_directories || lost;
        self.must_build |= lost;
        if lost {
            self.note("too much happened at once for the kernel to tell: everything is looked at again");
        }
        if lost || !paths.is_empty() {
            if self.job.is_some() {
                self.fresh.extend(paths.iter().cloned());
            }
            self.dirty.extend(paths);
            self.settle.happens(self.started.elapsed());
            if self.job.is_none() {
                self.enter(Phase::Settling);
            }
        }
    }

    /// It was quiet for long enough, or not for too long.
    fn settled(&mut self) {
        self.look();
        self.settle.done();
        if std::mem::take(&mut self.moved_directories) {
            self.look_around();
        }
        if self.job.is_some() {
            self.look_meanwhile();
        } else if self.is_changed() {
            self.start();
        } else {
            self.dirty.clear();
            self.rest();
        }
    }

    /// Finds out anew which directories matter.
    fn look_around(&mut self) {
        let territory = match &mut self.knowledge {
            Some(knowledge) if self.job.as_ref().is_none_or(|job| job.is_known) => {
                knowledge.look_around(&self.host);
                Arc::clone(knowledge.territory())
            }
            _ => self.territory_now(),
        };
        self.watch(self.with_consent(territory));
    }

    /// The territory of the plan as it lies there, whatever is wrong with it, with that of what was built before.
    fn territory_now(&self) -> Arc<Territory> {
        match Session::open(self.host.clone(), self.project.root()) {
            Ok(session) => {
                let mut territory = Territory::of(&session);
                territory.extend(self.territory.as_ref().clone());
                Arc::new(territory)
            }
            Err(_) => self.bare_territory(),
        }
    }

    /// Where consent is awaited, that it is given matters, too.
    fn with_consent(&self, territory: Arc<Territory>) -> Arc<Territory> {
        if self.state.untrusted.is_empty() {
            return territory;
        }
        let mut territory = territory.as_ref().clone();
        territory.extend(Territory::of_consent(&self.host, self.project.root()));
        Arc::new(territory)
    }

    /// Whether a build has to look. What cannot be compared is for the build to say.
    fn is_changed(&self) -> bool {
        self.must_build
            || match &self.knowledge {
                None => !self.dirty.is_empty(),
                Some(knowledge) => knowledge.is_news(&self.dirty).unwrap_or(true),
            }
    }

    /// Something happened while a build runs.
    fn look_meanwhile(&mut self) {
        self.know();
        let Some(knowledge) = self.knowledge.as_ref().filter(|_| self.job.as_ref().is_some_and(|job| job.is_known))
        else {
            // It is only beginning; it is looked at when it runs tasks, or has ended.
            return;
        };
        let fresh = std::mem::take(&mut self.fresh);
        if knowledge.is_news_meanwhile(&fresh).unwrap_or(false) {
            self.ask_outdated(&BTreeSet::new());
        }
    }

    // A build that runs.

    fn start(&mut self) {
        let forced = self.force.take();
        let mut options = BuildOptions { force: forced.is_some(), ..self.options.build.clone() };
        options.selectors.clone_from(&self.state.selectors);
        match forced.filter(|tasks| !tasks.is_empty()) {
            // What else changed is for the build after that.
            Some(tasks) => options.selectors = tasks,
            None => {
                self.dirty.clear();
                self.must_build = false;
            }
        }
        self.fresh.clear();
        let read = ReadFiles::of(self.project.root(), &self.territory);
        let (reins, (signals, listen)) = (Reins::default(), unbounded_channel());
        let before = self.knowledge.as_ref().map(|knowledge| Arc::clone(knowledge.resolver()));
        let (host, root, person) = (self.host.clone(), self.project.root().to_owned(), Arc::clone(&self.person));
        let (outbox, held) = (self.outbox.clone(), reins.clone());
        let events = Mutex::new(self.outbox.clone());
        let listener: Listener = Arc::new(move |record: &EventRecord| {
            // A watcher that is gone hears nothing.
            let _ = events.lock().expect("no sender panics").send(Input::Event(Box::new(record.clone())));
        });
        let thread = std::thread::spawn(move || {
            let work = || build(host, &root, before, &options, person, listener, listen, &held);
            let input = match catch_unwind(AssertUnwindSafe(work)) {
                Ok(built) => Input::Built(Box::new(built)),
                Err(panic) => Input::Panicked(panic),
            };
            // See above.
            let _ = outbox.send(input);
        });
        self.job = Some(Job { reins, signals, thread, read, is_known: false, is_asked: false, asks_again: false });
        self.state.building = Some(Building::default());
        self.enter(Phase::Building);
    }

    fn event(&mut self, record: &EventRecord) {
        if let Some(building) = &mut self.state.building {
            building.take(record);
            let resolver = || self.job.as_ref()?.reins.resolver();
            building.graph = building.graph.take().or_else(|| Some(Arc::clone(&resolver()?.graph)));
        }
        self.tell(&News::Event(record));
        let begins = self.job.as_ref().is_some_and(|job| !job.is_known && job.reins.resolver().is_some());
        if begins {
            self.plan_is_valid();
            self.look_meanwhile();
        }
    }

    /// Takes over what the build that runs knows, once it does.
    fn know(&mut self) {
        let Some(job) = self.job.as_mut().filter(|job| !job.is_known) else { return };
        let Some(resolver) = job.reins.resolver() else { return };
        job.is_known = true;
        if job.reins.is_part() {
            // What was known of the whole still is.
            return;
        }
        let before = self.knowledge.take();
        self.knowledge = Some(Knowledge::of(resolver, &self.host, before.as_ref(), std::mem::take(&mut job.read)));
    }

    /// Lets nothing more start, and finds out which running tasks are outdated.
    fn ask_outdated(&mut self, known: &BTreeSet<TaskName>) {
        let Some(job) = self.job.as_mut() else { return };
        job.reins.outdate(known);
        let Some(building) = self.state.building.as_mut() else { return };
        building.is_outdated = true;
        self.must_build = true;
        if std::mem::replace(&mut job.is_asked, true) {
            job.asks_again = true;
            return;
        }
        let running: BTreeSet<TaskName> = building.running.keys().cloned().collect();
        let keys = job.reins.keys(&running);
        let (host, root, outbox) = (self.host.clone(), self.project.root().to_owned(), self.outbox.clone());
        std::thread::spawn(move || {
            // A watcher that is gone wants no answer.
            let _ = outbox.send(Input::Outdated(outdated(&host, &root, &keys)));
        });
    }

    fn outdated(&mut self, outdated: Outdated) {
        let Some(job) = self.job.as_mut() else { return };
        job.is_asked = false;
        let again = std::mem::take(&mut job.asks_again);
        match outdated {
            Outdated::Tasks(tasks) => {
                job.reins.outdate(&tasks);
                self.plan_is_valid();
            }
            Outdated::Invalid(invalid) => self.plan_is_invalid(invalid),
            Outdated::Unknown => {}
        }
        if again {
            self.ask_outdated(&BTreeSet::new());
        }
    }

    fn built(&mut self, built: Result<Built, EngineError>) -> Result<(), WatchError> {
        self.know();
        let job = self.job.take().expect("what ends was running");
        // It has sent its last word.
        let _ = job.thread.join();
        self.state.building = None;
        let is_first = self.state.builds == 0;
        self.state.builds += 1;
        match built {
            Ok(Built::Ran(report)) => {
                self.must_build |= report.outdated;
                self.plan_is_valid();
                self.state.untrusted.clear();
                let mut resolver = job.reins.resolver();
                if job.reins.is_part()
                    && let (Some(part), Some(knowledge)) = (resolver.take(), &mut self.knowledge)
                {
                    knowledge.take_in(&part, job.read);
                }
                self.state.last = Some(Arc::new(LastBuild { report, resolver }));
                self.tell(&News::Built);
            }
            Ok(Built::Invalid { findings, documents }) => {
                self.plan_is_invalid(Invalid { findings, documents, unreadable: None });
            }
            Ok(Built::Untrusted(powers)) if is_first => self.ending = Some(Ended::Untrusted(powers)),
            Ok(Built::Untrusted(powers)) => {
                if self.state.untrusted != powers {
                    self.state.untrusted = powers;
                    self.tell(&News::Untrusted);
                }
            }
            Err(EngineError::Load(error)) if error.is_of_plan() || !is_first => {
                self.plan_is_invalid(unreadable(&error));
            }
            Err(error) if is_first => return Err(error.into()),
            Err(error) => self.plan_is_invalid(Invalid {
                findings: Vec::new(),
                documents: Arc::default(),
                unreadable: Some(error.to_string()),
            }),
        }
        if self.ending.is_some() {
            return Ok(());
        }
        let territory = match &self.knowledge {
            Some(knowledge) if job.is_known => Arc::clone(knowledge.territory()),
            // What it knew was taken out for a build that did not begin.
            _ => {
                self.knowledge = None;
                self.territory_now()
            }
        };
        let territory = self.with_consent(territory);
        if territory != self.territory {
            self.watch(territory);
        }
        self.look();
        if self.force.is_some() || self.must_build && self.settle.due().is_none() {
            self.start();
        } else if self.dirty.is_empty() && !self.must_build {
            self.rest();
        } else {
            if self.settle.due().is_none() {
                self.settle.happens(self.started.elapsed());
            }
            self.enter(Phase::Settling);
        }
        Ok(())
    }

    fn plan_is_valid(&mut self) {
        if self.state.invalid.take().is_some() {
            self.tell(&News::Plan);
        }
    }

    fn plan_is_invalid(&mut self, invalid: Invalid) {
        let is_told = self.state.invalid.as_ref().is_some_and(|known| {
            let text = |one: &Invalid| one.documents.iter().map(|document| document.text.clone()).collect::<Vec<_>>();
            known.findings == invalid.findings
                && known.unreadable == invalid.unreadable
                && text(known) == text(&invalid)
        });
        if !is_told {
            self.state.invalid = Some(Arc::new(invalid));
            self.tell(&News::Plan);
        }
    }

    // Who asks.

    fn take(&mut self, request: Request) {
        match request {
            Request::Rerun => self.build_now(),
            Request::Force(tasks) => {
                self.force = Some(tasks);
                self.build_now();
            }
            Request::Filter(selectors) => {
                self.state.selectors = selectors;
                self.build_now();
            }
            Request::Quit => self.end(Ended::Quit, INTERRUPT),
            Request::Standing(answer) => {
                // Whoever asked may be gone.
                let _ = answer.send(self.standing());
            }
        }
    }

    fn build_now(&mut self) {
        match self.job {
            None => self.start(),
            // A forced one begins when this one has ended.
            Some(_) => self.must_build = true,
        }
    }

    fn standing(&mut self) -> Standing {
        self.look();
        match (&self.job, &self.state.last) {
            (Some(_), _) => Standing::Building,
            (None, Some(last)) if self.state.phase != Phase::Invalid && !self.is_changed() => {
                Standing::Unchanged(Arc::clone(last))
            }
            (None, _) => Standing::Changed,
        }
    }

    fn end(&mut self, ended: Ended, signal: i32) {
        if let Some(job) = &self.job {
            // A build that is just over does not listen any more.
            let _ = job.signals.send(signal);
        }
        self.ending.get_or_insert(ended);
    }
}

/// One build, from the plan as it lies there, with what an earlier one has in memory.
#[expect(clippy::too_many_arguments, reason = "it is the body of a thread")]
fn build(
    host: Host,
    root: &Path,
    before: Option<Arc<Resolver>>,
    options: &BuildOptions,
    person: Arc<dyn Person>,
    listener: Listener,
    signals: UnboundedReceiver<i32>,
    reins: &Reins,
) -> Result<Built, EngineError> {
    let signals = Mutex::new(Some(signals));
    let listen = || signals.lock().expect("no holder panics").take().expect("a build listens once");
    // What memory has is of a whole plan.
    if before.is_some()
        && is_whole(options)
        && let Some((hot, changes)) = changes(&host, root)
    {
        let parties = Parties { person: &person, listener: &listener, listen: &listen, reins };
        if let Some(built) = build_part(&host, root, &hot, &changes, options, &parties)? {
            return Ok(built);
        }
    }
    let session = match before {
        Some(before) => Session::open_after(host, root, &before)?,
        None => Session::open(host, root)?,
    };
    build_held(session, options, person, listener, listen, reins)
}

fn is_whole(options: &BuildOptions) -> bool {
    options.selectors.is_empty() && !options.force && !options.layers
}

/// What has changed since the last build, by its snapshot.
fn changes(host: &Host, root: &Path) -> Option<(Hot, Changes)> {
    let hot = Hot::open(root).filter(|hot| !hot.is_marked())?;
    let variable = |name: &OsStr| host.env.get(name).cloned();
    match hot.check(&Looking { root, variable: &variable, now_ns: &now_ns }) {
        Answer::Changed(changes) => Some((hot, changes)),
        Answer::Clean(_) | Answer::Unknown(_) => None,
    }
}

fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Passes signals on.
fn forward(mut signals: UnboundedReceiver<i32>, outbox: Sender<Input>) {
    std::thread::spawn(move || {
        while let Some(signal) = signals.blocking_recv()
            && outbox.send(Input::Signal(signal)).is_ok()
        {}
    });
}

fn waker(outbox: &Sender<Input>) -> Arc<dyn Fn() -> bool + Send + Sync> {
    let outbox = Mutex::new(outbox.clone());
    Arc::new(move || outbox.lock().expect("no sender panics").send(Input::Noticed).is_ok())
}

fn open_eyes(outbox: &Sender<Input>) -> (Box<dyn Eyes>, Option<String>) {
    eyes::open(waker(outbox))
}

fn told_polling(why: &str) -> String {
    format!("{why}; so every directory is looked at once a second, which costs time (fs.inotify.max_user_watches)")
}
