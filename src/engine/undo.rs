//! `orca undo`: a run taken back. `docs/integration.md` says what that means, path by path.
//!
//! ```text
//! plan ──> note, durable ──> each path exchanged ──> record put back, note gone: one transaction
//!            └── killed after this: the next undo, or the next build, finishes it from the note
//! ```
//!
//! INVARIANT: whatever a person saved, be it between two of these steps, is either still there or merged into what is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ledger::Ledger;
use super::lock::forget_in_lock;
use super::merging::{Combined, Contents, Merging};
use super::project::Project;
use super::resolve::on_disk;
use super::session::EngineError;
use crate::base::{Change, Entry, RelPath, TaskName};
use crate::event::RunId;
use crate::store::{
    Approval, Decision, Exchange, Journal, Kept, Provenance, Root, StatCache, Store, TakenBack, Written, may_be_output,
};

/// How often one path is looked at anew because somebody writes it.
const TRIES_MAX: u32 = 8;

/// What there is to undo.
#[derive(Debug)]
pub enum Undoing {
    /// Nothing: no run wrote anything that can be undone.
    Nothing,
    /// The journal does not have this run.
    Unknown(u64),
    /// The run wrote nothing that can be undone.
    WroteNothing(u64),
    /// Later runs wrote some of its paths: they have to be undone first.
    Later(u64, BTreeMap<RelPath, u64>),
    /// This.
    Run(Undo),
}

/// A run to be taken back, or one that was.
#[derive(Debug, Serialize)]
pub struct Undo {
    /// The run.
    pub run: u64,
    /// Whether it was begun before, and interrupted.
    pub resumed: bool,
    /// What becomes of each path.
    pub paths: Vec<UndonePath>,
    /// The tasks whose results are not accepted any more.
    pub tasks: BTreeSet<TaskName>,
    #[serde(skip)]
    intent: Intent,
}

/// What becomes of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UndonePath {
    /// The path.
    pub path: RelPath,
    /// `put-back`: what was there before the run. `remove`: nothing was there. `merge`: what was there, with what a person edited
    /// since. `nothing`: it is as it was. `stay`: it stays as it is, for it cannot be taken back without losing an edit.
    pub action: &'static str,
    /// Why it stays.
    pub because: Option<String>,
}

/// An undo as it is noted before anything is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Intent {
    run: RunId,
    paths: BTreeMap<RelPath, Step>,
    tasks: BTreeSet<TaskName>,
}

impl Intent {
    /// Reads a note. A journal may come with a repository, and then says what its author likes: one that names a path that
    /// no task can have written is no undo.
    fn read(noted: &str) -> Option<Self> {
        let intent: Self = serde_json::from_str(noted).ok()?;
        intent.paths.keys().all(may_be_output).then_some(intent)
    }
}

/// One path of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Step {
    /// What is there.
    found: Option<Entry>,
    /// What will be.
    wanted: Option<Entry>,
    /// Why it stays as it is, where it does.
    stays: Option<String>,
    /// What the run did.
    written: Written,
}

impl Step {
    fn action(&self) -> &'static str {
        match (&self.stays, &self.wanted) {
            (Some(_), _) => "stay",
            _ if self.found == self.wanted => "nothing",
            (None, None) => "remove",
            (None, wanted) if *wanted == self.written.before => "put-back",
            _ => "merge",
        }
    }
}

/// What an undo works with.
struct Place {
    journal: Journal,
    kept: Option<Kept>,
    store: Option<Store>,
    root: Root,
    merging: Merging,
}

impl Undo {
    /// What undoing this run, or the last one that wrote anything, would do. Changes nothing.
    pub fn plan(project: &Project, cache: &Path, run: Option<u64>) -> Result<Undoing, EngineError> {
        let Some(journal) = Journal::open_readonly(&project.state())? else {
            return Ok(run.map_or(Undoing::Nothing, Undoing::Unknown));
        };
        let place = Place {
            journal,
            kept: Kept::open_readonly(&project.state())?,
            // Without a cache there is less to merge with, and that is said of each path.
            store: Store::open_readonly(cache).ok().flatten(),
            root: Root::open(project.root())?,
            merging: Merging::default(),
        };
        place.plan(run)
    }

    /// Takes the run back, as it stands once the project is locked. What is [`Undoing::Run`] then is done.
    pub fn perform(
        project: &Project,
        cache: &Path,
        run: Option<u64>,
        waits_for: impl FnOnce(&str),
    ) -> Result<Undoing, EngineError> {
        let holder = format!("process {} (orca undo)", std::process::id());
        let _lock = project.lock_to_change(&holder, waits_for)?;
        let place = Place::open(project, Journal::open(&project.state())?, cache)?;
        if let Some(begun) = place.begun()? {
            let (begun_run, steps, tasks) = (begun.run.0, place.finish(begun.clone())?, begun.tasks.clone());
            if run.is_none_or(|run| run == begun_run) {
                let paths = told(&steps);
                return Ok(Undoing::Run(Self { run: begun_run, resumed: true, paths, tasks, intent: begun }));
            }
        }
        match place.plan(run)? {
            Undoing::Run(undo) => {
                let noted = serde_json::to_string(&undo.intent).expect("plain data");
                place.journal.begin_undo(&noted)?;
                let steps = place.finish(undo.intent.clone())?;
                Ok(Undoing::Run(Self { paths: told(&steps), ..undo }))
            }
            other => Ok(other),
        }
    }

    /// Whether something stays that could not be taken back.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.paths.iter().any(|path| path.action == "stay")
    }
}

/// The run whose undo was interrupted.
pub(super) fn interrupted(ledger: &Ledger) -> Result<Option<u64>, EngineError> {
    let noted = ledger.with_journal(|journal| journal.undo_begun())?.flatten();
    Ok(noted.and_then(|noted| Intent::read(&noted)).map(|intent| intent.run.0))
}

/// Finishes an undo that was interrupted; answers what to tell. Only with the project's lock.
pub(super) fn finish_interrupted(
    project: &Project,
    journal: Journal,
    cache: &Path,
) -> Result<(Journal, Option<String>), EngineError> {
    if journal.undo_begun()?.is_none() {
        return Ok((journal, None));
    }
    let place = Place::open(project, journal, cache)?;
    let mut told = None;
    if let Some(begun) = place.begun()? {
        told = Some(format!("undoing run {} was interrupted; it is finished now", begun.run));
        place.finish(begun)?;
    }
    Ok((place.journal, told))
}

impl Place {
    fn open(project: &Project, journal: Journal, cache: &Path) -> Result<Self, EngineError> {
        let state = project.state();
        Ok(Self {
            journal,
            kept: Some(Kept::open(&state)?),
            store: Store::open(cache).ok(),
            root: Root::open_staged(project.root(), &RelPath::new(".orca/staging").expect("a plain path"))?,
            merging: Merging::default(),
        })
    }

    fn contents(&self) -> Contents<'_> {
        Contents {
            kept: self.kept.as_ref(),
            store: self.store.as_ref(),
            project: &self.root,
            deltas: None,
            history: None,
        }
    }

    /// What is at a path now: hashed anew, whatever its times say.
    fn found(&self, path: &RelPath) -> Result<Option<Entry>, EngineError> {
        Ok(on_disk(&StatCache::default(), &self.root, path)?)
    }

    /// The undo that was interrupted. A note that cannot be read is of no use to anybody.
    fn begun(&self) -> Result<Option<Intent>, EngineError> {
        Ok(self.journal.undo_begun()?.and_then(|noted| Intent::read(&noted)))
    }

    fn plan(&self, run: Option<u64>) -> Result<Undoing, EngineError> {
        if let Some(begun) = self.begun()?.filter(|begun| run.is_none_or(|run| run == begun.run.0)) {
            let (run, tasks, paths) = (begun.run.0, begun.tasks.clone(), told(&begun.paths));
            return Ok(Undoing::Run(Undo { run, resumed: true, paths, tasks, intent: begun }));
        }
        let last = self.journal.last_writers()?;
        let Some(run) = run.or_else(|| last.values().map(|run| run.0).max()) else { return Ok(Undoing::Nothing) };
        let written = self.journal.written(RunId(run))?;
        if written.is_empty() {
            let is_known = self.journal.runs(usize::MAX)?.iter().any(|known| known.id.0 == run);
            return Ok(if is_known { Undoing::WroteNothing(run) } else { Undoing::Unknown(run) });
        }
        let later: BTreeMap<RelPath, u64> = written
            .keys()
            .filter_map(|path| Some((path.clone(), last.get(path).filter(|last| last.0 > run)?.0)))
            .collect();
        if !later.is_empty() {
            return Ok(Undoing::Later(run, later));
        }
        let mut paths = BTreeMap::new();
        let mut tasks = BTreeSet::new();
        let changes = self.changes_now()?;
        for (path, written) in written {
            tasks.insert(written.task.clone());
            tasks.extend(written.output.iter().map(|output| output.task.clone()));
            let now = changes.get(&path);
            let differs = |task: &&TaskName| now.and_then(|now| now.get(*task)) != written.changes.get(*task);
            let concerned = now.into_iter().flat_map(BTreeMap::keys).chain(written.changes.keys());
            tasks.extend(concerned.filter(differs).cloned());
            paths.insert(path.clone(), self.step(&path, written)?);
        }
        let intent = Intent { run: RunId(run), paths, tasks: tasks.clone() };
        Ok(Undoing::Run(Undo { run, resumed: false, paths: told(&intent.paths), tasks, intent }))
    }

    /// Who has changed each path, by the record.
    fn changes_now(&self) -> Result<BTreeMap<RelPath, BTreeMap<TaskName, Change>>, EngineError> {
        let mut by_path: BTreeMap<RelPath, BTreeMap<TaskName, Change>> = BTreeMap::new();
        for (task, changes) in self.journal.changes()? {
            for (path, change) in changes {
                by_path.entry(path).or_default().insert(task.clone(), change);
            }
        }
        Ok(by_path)
    }

    /// What is to be done with a path as it is now.
    fn step(&self, path: &RelPath, written: Written) -> Result<Step, EngineError> {
        let found = self.found(path)?;
        let versions = [written.after.as_ref(), found.as_ref(), written.before.as_ref()];
        let lost = || Some("what it was before is neither in .orca/kept nor in the cache".to_owned());
        let (wanted, stays) = match () {
            () if found == written.before => (found.clone(), None),
            () => match self.merging.combine(self.contents(), path, versions)? {
                Combined::Entry(wanted) if self.is_there(path, wanted.as_ref())? => (wanted, None),
                Combined::Entry(_) | Combined::Lost => (found.clone(), lost()),
                Combined::Clash(clash) => {
                    (found.clone(), Some(clash.to_text(path.as_str(), "you", &format!("undoing `{}`", written.task))))
                }
            },
        };
        Ok(Step { found, wanted, stays, written })
    }

    /// Whether the content of an entry is kept, or can be.
    fn is_there(&self, path: &RelPath, entry: Option<&Entry>) -> Result<bool, EngineError> {
        let (Some(entry @ Entry::File { digest, .. }), Some(kept)) = (entry, &self.kept) else { return Ok(true) };
        if kept.has_entry(entry) || self.merging.has_unwritten(digest) {
            return Ok(true);
        }
        let Some(bytes) = self.contents().read(path, digest)? else { return Ok(false) };
        if !kept.is_read_only() {
            kept.put_bytes(&bytes)?;
        }
        Ok(true)
    }

    /// Does what is noted, as far as it is not done yet, and puts the record back. Answers what became of each path.
    fn finish(&self, intent: Intent) -> Result<BTreeMap<RelPath, Step>, EngineError> {
        let kept = self.kept.as_ref().expect("only a look has none");
        let mut done = BTreeMap::new();
        // What goes makes room for what comes: files for directories, and the other way round.
        let (going, coming): (Vec<_>, Vec<_>) = intent.paths.into_iter().partition(|(_, step)| step.wanted.is_none());
        for (path, mut step) in going.into_iter().rev().chain(coming) {
            for tried in 0.. {
                let now = self.found(&path)?;
                if now == step.wanted || step.stays.is_some() {
                    break;
                }
                if now != step.found {
                    // Somebody saved it since.
                    step = self.step(&path, step.written)?;
                }
                if tried >= TRIES_MAX {
                    step.stays = Some("somebody else writes it all the time, or something is in its way".to_owned());
                } else if step.stays.is_none()
                    && self.root.exchange(&path, step.found.as_ref(), step.wanted.as_ref(), kept)? == Exchange::Lost
                {
                    step.stays = Some("what it was before is not in .orca/kept any more".to_owned());
                }
            }
            done.insert(path, step);
        }
        for task in &intent.tasks {
            // Who takes a result back does not agree to it any more.
            if let Some(said) = self.journal.approval(task)?.filter(|said| said.decision == Decision::Approved) {
                self.journal.put_approval(task, &Approval { decision: Decision::Waiting, ..said })?;
            }
        }
        // As long as the undo is on record as begun, whoever comes next finishes this, too.
        forget_in_lock(&self.root, &self.journal, &intent.tasks, &[])?;
        self.journal.take_back(&self.record(intent.run, intent.tasks, &done)?)?;
        Ok(done)
    }

    /// What the record says once the run is taken back.
    fn record(
        &self,
        run: RunId,
        tasks: BTreeSet<TaskName>,
        done: &BTreeMap<RelPath, Step>,
    ) -> Result<TakenBack, EngineError> {
        let mut taken =
            TakenBack { run, provenance: BTreeMap::new(), changes: BTreeMap::new(), outputs: BTreeMap::new(), tasks };
        for (path, Step { stays, written, .. }) in done {
            let Written { before, provenance, changes, output, .. } = written;
            taken.changes.insert(path.clone(), changes.clone());
            // What a person made of a file that was plain source stays their edit of that source, and makes nothing dirty.
            let is_as_it_was = self.found(path)? == *before;
            let plain = Provenance { base: before.clone(), placed: before.clone(), pending: None };
            let of_source = || (!is_as_it_was && output.is_none()).then_some(plain);
            taken.provenance.insert(path.clone(), provenance.clone().or_else(of_source));
            if let (Some(output), None) = (output, stays) {
                let entry = output.entry.clone().map(|entry| (output.task.clone(), entry));
                taken.outputs.insert(path.clone(), entry);
            }
        }
        Ok(taken)
    }
}

fn told(steps: &BTreeMap<RelPath, Step>) -> Vec<UndonePath> {
    let one = |(path, step): (&RelPath, &Step)| UndonePath {
        path: path.clone(),
        action: step.action(),
        because: step.stays.clone(),
    };
    steps.iter().map(one).collect()
}
