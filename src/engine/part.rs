//! A build of a part of the plan: what changed since the last build, what depends on it, and nothing else is loaded.
//!
//! ```text
//! changes ── cold part ──> D, B ── cut texts ──> plan, graph ── survey, ledger ──> mark, run ──> what changed is appended
//!    └── whatever is not ordinary, until here: None, and the whole plan is built, as if there were no snapshot ──┘
//! ```
//!
//! D is built as ever; B is what it waits for and is there, and is accepted as it is on record. The engine is the same, over a
//! smaller plan and graph. What is a matter of the whole is not done: nothing is removed that no task makes any more (the last
//! whole build did), the stat cache stays as it is, gates of the plan make a part impossible.
//!
//! INVARIANT: nothing but what is left of workspaces is changed before the mark. After it, whatever goes wrong leaves the mark, and the next build looks at all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::beside::{Begun, Isolating};
use super::build::{BuildOptions, Built, Person};
use super::host::{Host, now_ms};
use super::ledger::Ledger;
use super::part_patch::Leaving;
use super::prepared::{Prepared, Replay, Rest};
use super::produced::Produced;
use super::project::Project;
use super::recorder::Listener;
use super::reins::Reins;
use super::resolve::Resolver;
use super::session::{EngineError, Session};
use super::trust::{Power, consented, powers};
use crate::base::{FileId, RelPath, TaskName};
use crate::graph::TaskIx;
use crate::plan::{Document, PLAN_BYTES_MAX, PlanPart, parse};
use crate::sandbox::Backend;
use crate::snapshot::{self, Changes, ColdTask, ColdView, Concerned, Hot, Overlay, Patch};
use crate::store::{Root, StatCache};

/// Parts that are appended before the snapshot is made anew.
const PARTS_MAX: usize = 256;
/// What may be appended at least, whatever the snapshot has.
const APPENDED_BYTES_MIN: u64 = 256 << 10;
/// A plan of fewer tasks than this may be built in part, however large the part is.
const TASKS_MIN: u32 = 100;
/// Sources that are hashed rather than looked up in the stat cache, which has those of the whole plan.
const HASHED_FILES_MAX: usize = 4_000;
/// The same, by their length.
const HASHED_BYTES_MAX: u64 = 64 << 20;

/// Who takes part in a build.
pub struct Parties<'a> {
    /// Who is asked.
    pub person: &'a Arc<dyn Person>,
    /// Who is told.
    pub listener: &'a Listener,
    /// Begins to listen for signals.
    pub listen: &'a dyn Fn() -> mpsc::UnboundedReceiver<i32>,
    /// Who holds it.
    pub reins: &'a Reins,
}

/// Builds what these changes concern. `None`: nothing was done, and the whole plan is to be built.
pub fn build_part(
    host: &Host,
    directory: &Path,
    hot: &Hot,
    changes: &Changes,
    options: &BuildOptions,
    parties: &Parties<'_>,
) -> Result<Option<Built>, EngineError> {
    let started_ms = now_ms();
    let Some(bytes) = cold(hot, changes) else { return Ok(None) };
    let Some(known) = Known::of(&bytes, hot, changes) else { return Ok(None) };
    let Ok(project) = Project::open(directory) else { return Ok(None) };
    let Some(documents) = known.documents(project.root()) else { return Ok(None) };
    let holder = format!("process {} (orca {})", std::process::id(), options.args.join(" "));
    let Ok(Some(_lock)) = project.lock_at_once(&holder) else { return Ok(None) };
    // Another build may have been here since the snapshot was compared.
    if !hot.is_current() {
        return Ok(None);
    }
    let begun = Begun::begin(host, &project.state(), known.names());
    let Some(session) = known.session(host, &project, documents) else { return Ok(None) };
    let isolating = Isolating::begin(&session, &known.built())?;
    let beside = (begun, isolating);
    let Some(prepared) = known.prepare(session, beside, options, started_ms, hot, changes)? else { return Ok(None) };
    let (person, listener) = (Arc::clone(parties.person), Arc::clone(parties.listener));
    prepared.run(options, person, listener, parties.listen, parties.reins).map(Some)
}

/// The cold part, where a build of a part is worth a try.
fn cold(hot: &Hot, changes: &Changes) -> Option<Vec<u8>> {
    let (length, appended) = hot.lengths();
    let is_grown = hot.parts().len() >= PARTS_MAX || appended > APPENDED_BYTES_MIN.max(length / 10);
    if is_grown || !changes.directories.is_empty() || !changes.plans.is_empty() {
        return None;
    }
    hot.cold().ok().flatten()
}

/// Whether the person has given what these tasks need. What the plan asks for was given when the whole of it was built: the plan
/// and the consent are as they were then, which the snapshot has just shown. Whether a sandbox works may be another answer.
fn is_permitted(session: &Session, built: &BTreeSet<TaskName>, backend: Backend) -> bool {
    let needed = powers(session.plan(), built, backend);
    !needed.contains(&Power::MissingSandbox)
        || needed.is_subset(&consented(&session.host.state_dir, session.project.root()))
}

/// What the snapshot says of the part.
struct Known<'b> {
    view: ColdView<'b>,
    overlay: Overlay,
    concerned: Concerned,
    /// D, with its tasks' numbers.
    dirty: Vec<(u32, ColdTask)>,
    /// B.
    beneath: Vec<ColdTask>,
}

impl<'b> Known<'b> {
    fn of(bytes: &'b [u8], hot: &Hot, changes: &Changes) -> Option<Self> {
        let view = ColdView::new(bytes).filter(ColdView::allows_parts)?;
        let mut overlay = Overlay::default();
        for part in hot.parts() {
            overlay.lay(&part.cold)?;
        }
        let concerned = view.concerned(&changes.files, &overlay)?;
        let count = u32::try_from(concerned.dirty.len()).ok()?;
        if count == 0 || count > view.task_count() / 4 && view.task_count() > TASKS_MIN {
            return None;
        }
        let task = |at: u32| {
            let task = view.task(at)?;
            let patched = overlay.task(at);
            Some(match patched {
                Some(patch) => {
                    ColdTask { key: patch.key, is_settled: patch.is_settled, saved_ms: patch.saved_ms, ..task }
                }
                None => task,
            })
        };
        let dirty = concerned.dirty.iter().map(|at| Some((*at, task(*at)?))).collect::<Option<_>>()?;
        let beneath = concerned.beneath.iter().map(|at| task(*at)).collect::<Option<_>>()?;
        Some(Self { view, overlay, concerned, dirty, beneath })
    }

    /// The plan's files with the tables of D and B only.
    fn documents(&self, root: &Path) -> Option<Vec<Document>> {
        let tasks = self.concerned.dirty.iter().chain(&self.concerned.beneath).copied();
        let root = Root::open(root).ok()?;
        let mut documents = Vec::new();
        for (file, cuts) in (0u32..).zip(self.view.cuts(tasks)?) {
            let text = String::from_utf8(root.read(&cuts.path, PLAN_BYTES_MAX).ok()?).ok()?;
            let (document, findings) = parse(FileId(file), cuts.path.clone(), cuts.of(&text)?.into());
            findings.is_empty().then(|| documents.push(document))?;
        }
        Some(documents)
    }

    /// The part as a plan with its graph, if every task of it waits for what it did.
    fn session(&self, host: &Host, project: &Project, documents: Vec<Document>) -> Option<Session> {
        let part = PlanPart {
            built: self.dirty.iter().map(|(_, task)| task.name.clone()).collect(),
            there: self.beneath.iter().map(|task| task.name.clone()).collect(),
        };
        let mut session = Session::of_part(host.clone(), project.clone(), documents, part)?;
        if session.graph.len() != self.dirty.len() + self.beneath.len() {
            return None;
        }
        for (_, task) in &self.dirty {
            let deps =
                session.graph.deps(session.graph.ix(&task.name)?).iter().map(|dep| session.graph.name(*dep).clone());
            let known =
                task.deps.iter().map(|dep| self.view.task_name(*dep)).collect::<Option<BTreeSet<TaskName>>>()?;
            if deps.collect::<BTreeSet<TaskName>>() != known {
                return None;
            }
        }
        let layers: BTreeMap<&TaskName, u32> =
            self.dirty.iter().map(|(_, task)| &task.name).zip(self.concerned.layers.iter().copied()).collect();
        Arc::make_mut(&mut session.graph).set_layers(|name| layers.get(name).copied());
        Some(session)
    }

    /// Everything up to the mark, and the mark.
    fn prepare(
        self,
        mut session: Session,
        (begun, isolating): (Begun, Isolating),
        options: &BuildOptions,
        started_ms: u64,
        hot: &Hot,
        changes: &Changes,
    ) -> Result<Option<Prepared>, EngineError> {
        let state = session.project.state();
        let (ledger, mut early) = begun.reading.end()?;
        let is_there = |task: &&ColdTask| {
            let known = ledger.task(&task.name);
            known.is_some_and(|known| known.accepted && Some(known.key) == task.key) && self.has_outputs(&ledger, task)
        };
        if !self.beneath.iter().all(|task| is_there(&task)) {
            return Ok(None);
        }
        let selected = self.selected(&session);
        let stat_cache = self.stat_cache(&session);
        let survey = session.survey_by(stat_cache, &ledger, &selected, false)?;
        let (store, warnings) = begun.opening.end();
        early.extend(warnings);
        if !session.findings.is_empty() || !early.is_empty() || !self.has_sources(&session, &selected) {
            return Ok(None);
        }
        let sandbox = isolating.end()?;
        if !is_permitted(&session, &self.built(), sandbox.backend()) {
            return Ok(None);
        }
        let project = Root::open_staged(session.project.root(), &RelPath::new(".orca/staging").expect("a plain path"))?;
        if snapshot::append(&state, &Patch::Mark).is_err() {
            return Ok(None);
        }
        let run = ledger.with_journal(|journal| journal.begin_run(&options.args, started_ms))?;
        let run = run.expect("a build has a journal");
        let host = session.host.clone();
        let resolver = Resolver::new(session, survey, ledger, store, None);
        for task in &self.beneath {
            let ix = resolver.graph.ix(&task.name).expect("it is in the part");
            resolver.accept(ix, Produced::outputs(resolver.ledger.outputs(&task.name)));
        }
        let (rest, leaving) = self.rest(hot, changes);
        Ok(Some(Prepared {
            resolver,
            project,
            host,
            sandbox,
            run,
            started_ms,
            asked: selected.clone(),
            selected,
            leavers: Vec::new(),
            early: Vec::new(),
            part: Some((rest, leaving)),
            clearing: Some(begun.clearing),
        }))
    }

    /// D and B.
    fn names(&self) -> BTreeSet<TaskName> {
        self.dirty
            .iter()
            .map(|(_, task)| &task.name)
            .chain(self.beneath.iter().map(|task| &task.name))
            .cloned()
            .collect()
    }

    fn built(&self) -> BTreeSet<TaskName> {
        self.dirty.iter().map(|(_, task)| task.name.clone()).collect()
    }

    fn selected(&self, session: &Session) -> BTreeSet<TaskIx> {
        self.dirty.iter().filter_map(|(_, task)| session.graph.ix(&task.name)).collect()
    }

    /// Whether the record has the outputs that the snapshot has.
    fn has_outputs(&self, ledger: &Ledger, task: &ColdTask) -> bool {
        let paths = task.outputs.iter().map(|file| self.view.file(*file)).collect::<Option<BTreeSet<RelPath>>>();
        paths.is_some_and(|paths| ledger.outputs(&task.name).keys().eq(paths.iter()))
    }

    /// Whether the tasks read the files that the snapshot has.
    fn has_sources(&self, session: &Session, selected: &BTreeSet<TaskIx>) -> bool {
        let reads = |task: &ColdTask| {
            let paths = task.sources.iter().map(|file| self.view.file(*file)).collect::<Option<BTreeSet<RelPath>>>();
            paths.is_some_and(|paths| *session.db.sources(&task.name) == paths)
        };
        selected.len() == self.dirty.len() && self.dirty.iter().all(|(_, task)| reads(task))
    }

    /// What is known of digests: nothing, where it is less work to hash the sources of D than to read what is known of all.
    fn stat_cache(&self, session: &Session) -> StatCache {
        let sources: BTreeSet<u32> = self.dirty.iter().flat_map(|(_, task)| &task.sources).map(|file| file.0).collect();
        let length = |file: &u32| {
            let path = self.view.file(snapshot::FileIx(*file))?;
            path.beneath(session.project.root()).symlink_metadata().ok().map(|found| found.len())
        };
        let is_little =
            sources.len() <= HASHED_FILES_MAX && sources.iter().filter_map(length).sum::<u64>() <= HASHED_BYTES_MAX;
        if is_little { StatCache::default() } else { StatCache::load(&session.project.state().join("stat")) }
    }

    /// A task outside of the part that is nothing but its log.
    fn replay(&self, name: &str, text: &str) -> Option<Replay> {
        let at = (0..self.view.task_count())
            .find(|at| self.view.task_name(*at).is_some_and(|known| known.as_str() == name))?;
        let task = self.view.task(at)?;
        let known = self.overlay.task(at);
        let (key, saved_ms) = known.map_or((task.key, task.saved_ms), |known| (known.key, known.saved_ms));
        Some(Replay { task: task.name, key, saved_ms: u64::from(saved_ms), text: text.to_owned() })
    }

    /// What the build of a part tells of the others, and what it takes to say in the end what has changed.
    fn rest(self, hot: &Hot, changes: &Changes) -> (Rest, Leaving) {
        let closing = hot.closing();
        let is_dirty = |name: &str| self.dirty.iter().any(|(_, task)| task.name.as_str() == name);
        let replayed: Vec<(String, String)> =
            closing.replayed.iter().filter(|(name, _)| !is_dirty(name)).cloned().collect();
        let rest = Rest {
            tasks: u64::from(self.view.task_count()) - self.dirty.len() as u64,
            saved_ms: self.concerned.saved_ms,
            layers: self.concerned.layers_in_all,
            replayed: replayed.iter().filter_map(|(name, text)| self.replay(name, text)).collect(),
        };
        let file = |file: &snapshot::FileIx| Some((*file, self.view.file(*file)?));
        let leaving = Leaving {
            changed: changes.files.iter().filter_map(file).collect(),
            touched: changes.touched.clone(),
            outputs: self.dirty.iter().flat_map(|(_, task)| &task.outputs).filter_map(file).collect(),
            outputs_of: self
                .dirty
                .iter()
                .map(|(_, task)| {
                    (task.name.clone(), task.outputs.iter().filter_map(|ix| self.view.file(*ix)).collect())
                })
                .collect(),
            tasks: self.dirty.into_iter().map(|(at, task)| (at, task.name)).collect(),
            count: u64::from(self.view.task_count()),
            saved_ms: self.concerned.saved_ms,
            replayed,
        };
        (rest, leaving)
    }
}
