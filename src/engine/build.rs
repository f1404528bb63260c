//! `orca build`: from an opened plan to right results.
//!
//! ```text
//! lock -> survey -> findings? -> consent? -> finish what a kill left -> run -> gates of the plan -> record
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use super::approval::ApprovalRequest;
use super::builder::Builder;
use super::host::{Host, now_ms};
use super::imaging;
use super::integrate::adopt_leavers;
use super::judge_again::Judging;
use super::ledger::Ledger;
use super::part_patch::Leaving;
use super::placing::recover;
use super::prepared::Prepared;
use super::publish::Publisher;
use super::recorder::{Listener, Recorder};
use super::reins::Reins;
use super::resolve::Resolver;
use super::session::{EngineError, Session};
use super::summary::Summary;
use super::trust::{Power, consent, consented, powers};
use super::undo::finish_interrupted;
use crate::base::{BlobDigest, Entry, Finding, RelPath, TaskName, parallel};
use crate::event::{Event, Outcome, RunId};
use crate::exec::{Approver, Ending, EventSink, remove_tree};
use crate::graph::{Graph, TaskIx};
use crate::plan::{Document, SandboxMode, Task};
use crate::sandbox::{DetectOptions, Sandbox};
use crate::store::{Journal, Kept, Root, StatCache, Store};

/// How long the project keeps content that nothing on record refers to: two weeks.
const KEPT_UNUSED_MS: u64 = 14 * 24 * 60 * 60 * 1000;

/// How to build.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// The tasks asked for; none is all.
    pub selectors: Vec<String>,
    /// `-j`.
    pub jobs: Option<u32>,
    /// `-k`.
    pub keep_going: bool,
    /// `--force`: the tasks asked for run whatever their key says.
    pub force: bool,
    /// `--step`.
    pub step: bool,
    /// Whether somebody is there to be asked for approval.
    pub asks: bool,
    /// `--schedule layers`.
    pub layers: bool,
    /// `--locked`: nothing may run, and the lock stays as it is.
    pub locked: bool,
    /// Gates judge the results that are there, and no task runs.
    pub judging: Option<Judging>,
    /// The command line, for the journal.
    pub args: Vec<String>,
}

/// Asks the person at the terminal, if there is one.
pub trait Person: Approver {
    /// Whether these powers are given. `false` also where nobody can be asked.
    fn consents(&self, powers: &BTreeSet<Power>) -> bool;
    /// Whether this result may be put into the project. May block.
    fn approves(&self, request: &ApprovalRequest) -> bool;
    /// Told while another build holds the project's lock.
    fn waits_for(&self, holder: &str);
}

/// How a build ended.
pub enum Built {
    /// The plan must be mended first; nothing ran.
    Invalid {
        /// What is wrong.
        findings: Vec<Finding>,
        /// The documents it is about.
        documents: Arc<Vec<Document>>,
    },
    /// These powers were not given; nothing ran.
    Untrusted(BTreeSet<Power>),
    /// It ran.
    Ran(Report),
}

impl Built {
    fn invalid(session: Session) -> Self {
        Self::Invalid { findings: session.findings, documents: session.documents }
    }
}

/// What a build came to.
pub struct Report {
    /// The run.
    pub run: RunId,
    /// The fold over its events.
    pub summary: Summary,
    /// Whether everything asked for is good.
    pub ok: bool,
    /// Wall time in milliseconds.
    pub wall_ms: u64,
    /// The world's failure, if there was one.
    pub fault: Option<String>,
    /// The signal that interrupted it.
    pub interrupted_by: Option<i32>,
    /// Whether it ended early since files changed: another build has to follow.
    pub outdated: bool,
    /// Why it leaves no snapshot, so that the next build looks at everything.
    pub unwitnessed: Option<String>,
}

/// The tasks that a build is about.
struct Asked {
    /// Those named, or all.
    asked: BTreeSet<TaskIx>,
    /// Those and all they need.
    selected: BTreeSet<TaskIx>,
}

impl Asked {
    fn of(session: &Session, options: &BuildOptions) -> Result<Self, EngineError> {
        let asked = session.graph.select(&options.selectors)?;
        let selected = session.graph.with_deps(&asked);
        Ok(Self { asked, selected })
    }
}

/// Builds. Blocks until done. `listen` is called when the build really begins; its channel brings the numbers of
/// signals orca receives from then on.
pub fn build(
    session: Session,
    options: &BuildOptions,
    person: Arc<dyn Person>,
    listener: Listener,
    listen: impl FnOnce() -> mpsc::UnboundedReceiver<i32>,
) -> Result<Built, EngineError> {
    build_held(session, options, person, listener, listen, &Reins::default())
}

/// As [`build`], held by these reins: they hear of it when it runs tasks.
pub fn build_held(
    mut session: Session,
    options: &BuildOptions,
    person: Arc<dyn Person>,
    listener: Listener,
    listen: impl FnOnce() -> mpsc::UnboundedReceiver<i32>,
    reins: &Reins,
) -> Result<Built, EngineError> {
    let started_ms = now_ms();
    let trace = session.host.trace.clone();
    let mut phases = trace.phases();
    phases.next("select");
    let mut tasks = Asked::of(&session, options)?;
    if session.is_invalid() {
        return Ok(Built::invalid(session));
    }
    let holder = format!("process {} (orca {})", std::process::id(), options.args.join(" "));
    let mut waited = false;
    phases.next("lock");
    let _lock = session.project.lock_to_change(&holder, |other| {
        waited = true;
        person.waits_for(other);
    })?;
    if waited {
        let root = session.project.root().to_owned();
        session = Session::open_with(session.host, &root, session.db)?;
        tasks = Asked::of(&session, options)?;
    }
    let Asked { asked, selected } = tasks;
    if session.is_invalid() {
        return Ok(Built::invalid(session));
    }
    if options.judging.is_none() {
        let unstartable = session.unstartable(&selected, &options.selectors, options.force)?;
        session.findings.extend(unstartable);
    }
    if session.is_invalid() {
        return Ok(Built::invalid(session));
    }
    phases.next("ledger");
    let state = session.project.state();
    let journal = Journal::open(&state)?;
    let mut early = journal.take_warnings();
    let (journal, finished) = finish_interrupted(&session.project, journal, &session.host.cache_dir)?;
    early.extend(finished);
    let stat_path = state.join("stat");
    let (ledger, stat_cache) = rayon::join(|| Ledger::read(Some(journal)), || StatCache::load(&stat_path));
    let mut ledger = ledger?;
    session.hold(stat_cache);
    let store = open_store(&session.host.cache_dir, &mut early);
    let kept = Kept::open(&state)?;
    early.extend(session.take_lock(&mut ledger, (Some(&kept), store.as_ref()), true)?);
    let whole = !session.plan().gates.is_empty();
    let selected = with_those_beneath(&session.graph, &ledger, selected);
    let names: BTreeSet<TaskName> = selected.iter().map(|ix| session.graph.name(*ix).clone()).collect();
    phases.next("survey");
    let trying = asks_for_isolation(&session, &names).then(|| {
        // What isolates is tried while files are looked at.
        let (host, state) = (session.host.clone(), state.clone());
        std::thread::spawn(move || detect_in(&host, &state))
    });
    let surveyed = session.survey(&ledger, &selected, whole);
    phases.next("sandbox");
    let sandbox = match trying {
        Some(trying) => trying.join().expect("trying what isolates does not panic"),
        None => no_sandbox(&session.host),
    };
    let survey = surveyed?;
    let oversized = session.oversized(&selected);
    session.findings.extend(oversized);
    if session.is_invalid() {
        return Ok(Built::invalid(session));
    }
    let sandbox = sandbox?;
    let needed = powers(session.plan(), &names, sandbox.backend());
    if !permitted(&session, &needed, person.as_ref())? {
        return Ok(Built::Untrusted(needed));
    }
    phases.next("recover");
    let project = Root::open_staged(session.project.root(), &RelPath::new(".orca/staging").expect("a plain path"))?;
    remove_tree(&state.join("work")).map_err(|error| EngineError::World(error.to_string()))?;
    let host = session.host.clone();
    let findings: Vec<Finding> = session.findings.clone();
    let begun = ledger.with_journal(|journal| journal.begin_run(&options.args, started_ms))?;
    let run = begun.expect("a build has a journal");
    let mut resolver = Resolver::new(session, survey, ledger, store, Some(kept));
    early.extend(recover(&resolver, &project)?);
    let leavers = adopt_leavers(&resolver, &mut early)?;
    early.extend(Publisher { resolver: &resolver, project: &project, run }.recover()?);
    if options.judging.is_none() {
        let (orphans, notices) = Publisher { resolver: &resolver, project: &project, run }.remove_orphans()?;
        resolver.ledger.forget(&orphans);
        early.extend(notices);
    }
    early.extend(findings.iter().map(|finding| finding.message.clone()));
    let prepared = Prepared {
        resolver,
        project,
        host,
        sandbox,
        run,
        started_ms,
        asked,
        selected,
        leavers,
        early,
        part: None,
        clearing: None,
    };
    prepared.run(options, person, listener, listen, reins)
}

/// The tasks, and those on top of which the record says that they have to be made.
pub(super) fn with_those_beneath(graph: &Graph, ledger: &Ledger, selected: BTreeSet<TaskIx>) -> BTreeSet<TaskIx> {
    let mut all = selected;
    loop {
        let recorded = all.iter().filter_map(|ix| ledger.task(graph.name(*ix))).flat_map(|task| &task.origin.on_top_of);
        let more: BTreeSet<TaskIx> =
            recorded.filter_map(|name| graph.ix(name)).filter(|ix| !all.contains(ix)).collect();
        if more.is_empty() {
            return all;
        }
        all.extend(graph.with_deps(&more));
    }
}

/// Whether any of these tasks is to be isolated, or any of the gates that judge them.
pub(super) fn asks_for_isolation(session: &Session, names: &BTreeSet<TaskName>) -> bool {
    let plan = session.plan();
    let asks = |task: &Arc<Task>| task.sandbox != SandboxMode::None || !plan.gates_of(task).is_empty();
    !plan.gates.is_empty() || names.iter().filter_map(|name| plan.tasks.get(name)).any(asks)
}

/// No isolation: where none of the tasks asks for it, nothing is tried.
pub(super) fn no_sandbox(host: &Host) -> Result<Sandbox, EngineError> {
    Sandbox::none(&host.program).map_err(|error| EngineError::World(error.to_string()))
}

/// What isolates, tried in the project's own directory.
pub(super) fn detect_in(host: &Host, state: &Path) -> Result<Sandbox, EngineError> {
    let trial = state.join("trial");
    remove_tree(&trial).map_err(|error| EngineError::World(error.to_string()))?;
    detect(host, trial)
}

/// What isolates on this machine; `scratch` is where that is tried.
pub(super) fn detect(host: &Host, scratch: PathBuf) -> Result<Sandbox, EngineError> {
    let path = host.path();
    let options = DetectOptions::new(&path, host.program.clone(), scratch);
    let options = DetectOptions { only: host.sandbox_only, ..options };
    Sandbox::detect(&options).map_err(|error| EngineError::World(error.to_string()))
}

/// Whether the person has given, or now gives, all of these powers.
fn permitted(session: &Session, needed: &BTreeSet<Power>, person: &dyn Person) -> Result<bool, EngineError> {
    let root = session.project.root();
    let given = consented(&session.host.state_dir, root);
    if needed.is_subset(&given) {
        return Ok(true);
    }
    if !person.consents(needed) {
        return Ok(false);
    }
    let all = needed.union(&given).cloned().collect();
    consent(&session.host.state_dir, root, &all).map_err(|error| EngineError::World(error.to_string()))?;
    Ok(true)
}

/// A cache that cannot be opened makes a build slower, not impossible.
pub(super) fn open_store(cache_dir: &Path, warnings: &mut Vec<String>) -> Option<Store> {
    match Store::open(cache_dir) {
        Ok(store) => {
            warnings.extend(store.take_warnings());
            Some(store)
        }
        Err(error) => {
            warnings.push(format!("building without a cache: {error}"));
            None
        }
    }
}

/// Outputs that this build published and that are not what it published any more. An agent's may be: what a person
/// makes of them stays.
fn disturbed(resolver: &Resolver, done: &Summary) -> Result<Vec<RelPath>, EngineError> {
    let published = |outcome: &Outcome| match outcome {
        Outcome::Ran => true,
        Outcome::Cached { restored, .. } => *restored > 0,
        Outcome::AwaitsApproval { .. } | Outcome::Failed(_) | Outcome::Skipped { .. } => false,
    };
    let mut results = Vec::new();
    for (name, _) in done.settled.iter().filter(|(_, settled)| published(&settled.outcome)) {
        let task = resolver.graph.ix(name).expect("a settled task is of the plan");
        results.extend(resolver.result(task).filter(|_| !resolver.task(task).is_agent()));
    }
    let outputs = results.iter().flat_map(|result| result.outputs.iter());
    let outputs: Vec<_> = outputs.filter(|(path, _)| resolver.ledger.provenance(path).is_none()).collect();
    let found = parallel::map(&outputs, 0, |(path, entry)| resolver.found_for(path, entry));
    let mut disturbed = Vec::new();
    for ((path, entry), found) in outputs.into_iter().zip(found) {
        if found?.as_ref() != Some(entry) {
            disturbed.push(path.clone());
        }
    }
    Ok(disturbed)
}

/// What there is to say of a person's edits: without it, a file that was put back would look as if nobody had noticed.
fn told_drift(resolver: &Resolver) -> Result<Option<String>, EngineError> {
    let drift = resolver.drift()?;
    let Some(first) = drift.first() else { return Ok(None) };
    let others = match drift.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let path = &first.path;
    Ok(Some(format!("`{path}`{others} was edited by hand since a task wrote it, and stays so (`orca diff`)")))
}

/// Removes what the project keeps, that nothing refers to, and that was not used for long: results that were never
/// integrated stay for a while.
fn drop_unreferenced(resolver: &Resolver) -> Result<(), EngineError> {
    let Some(kept) = resolver.kept.as_ref() else { return Ok(()) };
    let digest = |entry: Entry| match entry {
        Entry::File { digest, .. } => Some(digest),
        Entry::Symlink { .. } | Entry::EmptyDir => None,
    };
    if resolver.graph.tasks().any(|ix| resolver.task(ix).is_agent() || resolver.graph.is_editor(ix)) {
        let needed: BTreeSet<BlobDigest> = resolver.ledger.referenced()?.into_iter().filter_map(digest).collect();
        kept.retain(&needed, KEPT_UNUSED_MS)?;
    }
    Ok(())
}

pub(super) fn finish(
    builder: &Builder,
    recorder: &Recorder,
    summary: &Mutex<Summary>,
    started_ms: u64,
    leaving: Option<Leaving>,
    ending: Ending,
) -> Result<Built, EngineError> {
    let Ending { fault, interrupted_by, outdated } = ending;
    let fault = fault.map(|fault| fault.0);
    let resolver = &builder.resolver;
    builder.write_lock();
    for message in resolver.store.iter().flat_map(Store::take_warnings) {
        recorder.emit(Event::Notice { warning: true, message });
    }
    let facts = resolver.merging.facts();
    if facts != resolver.ledger.merges() {
        resolver.ledger.with_journal(|journal| journal.put_merges(&facts))?;
    }
    if let Some(message) = told_drift(resolver)? {
        recorder.emit(Event::Notice { warning: false, message });
    }
    if let Err(error) = drop_unreferenced(resolver) {
        recorder.emit(Event::Notice { warning: true, message: format!("what is not needed any more stays: {error}") });
    }
    let done = summary.lock().expect("no holder panics").clone();
    let disturbed = disturbed(resolver, &done)?;
    for path in &disturbed {
        let message = format!("`{path}` was changed by somebody else while the build ran: build again");
        recorder.emit(Event::Notice { warning: true, message });
    }
    // What a part of the plan reads is not all that is known of files.
    if leaving.is_none()
        && let Err(error) = resolver.stat_cache.save(&builder.state.join("stat"))
    {
        recorder.emit(Event::Notice { warning: true, message: format!("the next build will hash again: {error}") });
    }
    // Where no task runs, the verdicts are what there is.
    let judged = builder.judging.is_none() || done.red_verdicts == 0;
    let accepted = judged && done.settled.values().all(|settled| settled.outcome.is_accepted());
    let ok =
        accepted && disturbed.is_empty() && done.red_gates.is_empty() && fault.is_none() && interrupted_by.is_none();
    let ok = ok && !outdated;
    let wall_ms = now_ms().saturating_sub(started_ms);
    recorder.emit(Event::RunFinished {
        ok,
        ran: done.ran(),
        cached: done.cached(),
        failed: done.failed(),
        skipped: done.skipped(),
        awaits_approval: done.awaits_approval(),
        wall_ms,
        saved_ms: done.saved_ms,
        spent: done.spent,
        saved_micro_usd: done.saved_micro_usd,
        interrupted_by,
    });
    recorder.flush();
    resolver.ledger.with_journal(|journal| journal.finish_run(builder.run, ok, now_ms()))?;
    let is_settled =
        fault.is_none() && interrupted_by.is_none() && !outdated && disturbed.is_empty() && builder.judging.is_none();
    let left = match (is_settled, leaving) {
        (true, None) => imaging::leave(builder, &done, ok, started_ms),
        // Where it cannot, the mark stays, and the next build looks at everything.
        (true, Some(leaving)) => leaving.leave(builder, &done, ok),
        (false, _) => Err("the build did not come to its end".to_owned()),
    };
    let unwitnessed = left.err();
    let run = builder.run;
    Ok(Built::Ran(Report { run, summary: done, ok, wall_ms, fault, interrupted_by, outdated, unwitnessed }))
}
