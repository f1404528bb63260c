//! A plan opened: loaded, lowered, its graph built, its files surveyed. Every command starts here; nothing is written.
#![expect(clippy::disallowed_methods, reason = "declared tools lie outside the project")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::git_history::GitHistory;
use super::host::Host;
use super::input_findings::input_findings;
use super::ledger::Ledger;
use super::load::{LoadError, load};
use super::lock::take_lock;
use super::merging::Contents;
use super::project::{Project, ProjectError};
use super::reconcile::Sides;
use super::resolve::Resolver;
use super::scan::{ScanError, patterns, scan};
use crate::base::{BlobDigest, Change, Finding, Name, Pattern, RelPath, Severity, TaskName, Tree};
use crate::context::{ToolIdentity, covered_paths};
use crate::db::{Facts, Lowered, OrcaDb};
use crate::exec::SYSTEM_PATH;
use crate::gates::{BASELINE_FILE, Baseline};
use crate::graph::{Graph, SelectError, TaskIx};
use crate::plan::{ContextText, Document, LOCK_FILE, Plan, PlanPart};
use crate::sandbox::{resolve_tool, toolchain, toolchain_identity};
use crate::store::{Journal, Kept, LockError, Root, StatCache, Store, StoreError};

/// Fewer tasks than this are looked at one after another: that takes less than to start threads.
const THREADS_FROM_TASKS: usize = 64;
/// The code of a finding about a task that is not in the plan.
const UNKNOWN_TASK: &str = "orca::plan::unknown_task";
/// Longest text of a file that `[context]` names.
pub(super) const CONTEXT_FILE_BYTES_MAX: u64 = 16 << 20;

/// Why a plan could not be opened or worked with: the world's fault.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The project's directory.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The plan's files.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The project's files.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The cache, the journal, or files of the project.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was asked for is not in the plan.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// `orca.lock` cannot be read.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Anything else of the machine.
    #[error("{0}")]
    World(String),
}

/// An opened plan.
pub struct Session {
    /// The machine.
    pub host: Host,
    /// The project.
    pub project: Project,
    /// The memos.
    pub db: OrcaDb,
    /// The plan and the findings of lowering it.
    pub lowered: Arc<Lowered>,
    /// Who waits for whom.
    pub graph: Arc<Graph>,
    /// The plan's documents, for rendering.
    pub documents: Arc<Vec<Document>>,
    /// Everything there is to say about the plan, so far.
    pub findings: Vec<Finding>,
    /// What was loaded already.
    stat_cache: OnceLock<StatCache>,
    /// What was read already.
    pub(super) record: Option<Result<Ledger, StoreError>>,
}

/// What a person has accepted of what gates found.
pub(super) fn baseline(root: &Root) -> Result<Baseline, EngineError> {
    const SIZE_BYTES_MAX: u64 = 64 << 20;
    let path = RelPath::new(BASELINE_FILE).expect("a path");
    if root.stat(&path)?.is_none() {
        return Ok(Baseline::default());
    }
    let unusable = |why: String| {
        EngineError::World(format!(
            "{BASELINE_FILE} cannot be used: {why}; mend it, or delete it and run `orca baseline`"
        ))
    };
    let text =
        String::from_utf8(root.read(&path, SIZE_BYTES_MAX)?).map_err(|_| unusable("it is not UTF-8".to_owned()))?;
    Baseline::parse(&text).map_err(unusable)
}

/// The project's files as far as the plan reaches them.
pub struct Survey {
    /// The project's root, for work beneath it.
    pub root: Root,
    /// What digests are known of which file states.
    pub stat_cache: StatCache,
    /// All source files of the project, where the whole of it was asked for.
    pub sources: Tree,
    /// The source files that each gate's `inputs` cover.
    pub gate_sources: BTreeMap<Name, Tree>,
    /// Findings that a person has accepted.
    pub baseline: Baseline,
}

impl Session {
    /// Opens the plan in this directory. An invalid plan is a session with findings, not an error.
    pub fn open(host: Host, directory: &Path) -> Result<Self, EngineError> {
        Self::open_with(host, directory, OrcaDb::default())
    }

    /// As [`Session::open`], after a build of the same process, which is over: what it has in memory is taken over.
    pub fn open_after(host: Host, directory: &Path, before: &Resolver) -> Result<Self, EngineError> {
        Self::open_with(host, directory, before.take_memos())
    }

    /// As [`Session::open`], with the memos of an earlier session of the project: what did not change is not computed again.
    pub(super) fn open_with(host: Host, directory: &Path, mut db: OrcaDb) -> Result<Self, EngineError> {
        let project = Project::open(directory)?;
        let mut phases = host.trace.phases();
        phases.next("load");
        let loaded = load(project.root())?;
        let mut findings = loaded.findings;
        phases.next("lower");
        db.set_documents(loaded.documents);
        let lowered = db.lowered();
        findings.extend(lowered.findings.iter().cloned());
        phases.next("graph");
        let (graph, of_graph) = Graph::build(&lowered.plan);
        findings.extend(of_graph);
        let documents = db.documents();
        drop(phases);
        Ok(Self {
            host,
            project,
            db,
            lowered,
            graph: Arc::new(graph),
            documents,
            findings,
            stat_cache: OnceLock::new(),
            record: None,
        })
    }

    /// Opens a part of a plan from what is left of its texts. `None` where there is anything to say about it: there was nothing
    /// to say about the whole. What the tasks that are there wait for is not in the part, and not missed.
    pub(super) fn of_part(host: Host, project: Project, documents: Vec<Document>, part: PlanPart) -> Option<Self> {
        let mut db = OrcaDb::default();
        db.set_documents(documents);
        db.set_part(part);
        let lowered = db.lowered();
        let (graph, of_graph) = Graph::build(&lowered.plan);
        let of_plan = lowered.findings.iter().filter(|finding| finding.code != UNKNOWN_TASK);
        let documents = db.documents();
        let is_silent = of_graph.is_empty() && of_plan.count() == 0;
        is_silent.then(|| Self {
            host,
            project,
            db,
            lowered,
            graph: Arc::new(graph),
            documents,
            findings: Vec::new(),
            stat_cache: OnceLock::new(),
            record: None,
        })
    }

    /// Takes what was loaded meanwhile.
    pub(super) fn hold(&mut self, stat_cache: StatCache) {
        self.stat_cache = OnceLock::from(stat_cache);
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.lowered.plan
    }

    /// Whether the body of a task is a prompt.
    #[must_use]
    pub fn is_agent(&self, task: TaskIx) -> bool {
        self.plan().tasks.get(self.graph.name(task)).is_some_and(|task| task.is_agent())
    }

    /// Whether something must be mended before anything runs.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// Whether parts of the plan could not be read at all, so that what seems to be missing may only be unread.
    #[must_use]
    pub fn is_partly_unread(&self) -> bool {
        const UNREAD: [&str; 5] = ["bad_include", "bad_text", "missing_include", "syntax", "too_large"];
        let unread = |code: &str| code.strip_prefix("orca::plan::").is_some_and(|code| UNREAD.contains(&code));
        self.findings.iter().any(|finding| unread(finding.code))
    }

    /// The tasks asked for and everything they need.
    pub fn select(&self, selectors: &[String]) -> Result<BTreeSet<TaskIx>, EngineError> {
        Ok(self.graph.with_deps(&self.graph.select(selectors)?))
    }

    /// The record of earlier runs for commands that only look. One that cannot be read is as good as none, which
    /// `notices` are told: the next build sets it aside.
    pub fn ledger(&mut self, notices: &mut Vec<String>) -> Result<Ledger, EngineError> {
        let read = || Journal::open_readonly(&self.project.state()).and_then(Ledger::read);
        let mut ledger = match self.record.take().unwrap_or_else(read) {
            Ok(ledger) => ledger,
            Err(error) => {
                notices.push(format!("the journal is taken for empty: {error}"));
                Ledger::read(None)?
            }
        };
        let kept = Kept::open_readonly(&self.project.state()).ok().flatten();
        let store = Store::open_readonly(&self.host.cache_dir).ok().flatten();
        notices.extend(self.take_lock(&mut ledger, (kept.as_ref(), store.as_ref()), false)?);
        Ok(ledger)
    }

    /// Brings a ledger in step with `orca.lock`; `writes` says whether the journal is, too. Answers what to tell.
    pub(super) fn take_lock(
        &self,
        ledger: &mut Ledger,
        (kept, store): (Option<&Kept>, Option<&Store>),
        writes: bool,
    ) -> Result<Vec<String>, EngineError> {
        let root = Root::open(self.project.root())?;
        let stat_cache = self.stat_cache.get_or_init(|| StatCache::lazy(&self.project.state().join("stat")));
        let history = GitHistory::new(self.project.root().to_owned(), &self.host);
        let deltas = BTreeMap::new();
        let contents = Contents { kept, store, project: &root, deltas: Some(&deltas), history: Some(&history) };
        let sides = Sides { plan: self.plan(), graph: &self.graph, root: &root, stat_cache, contents };
        take_lock(ledger, writes, &sides)
    }

    /// Finds what files there are and what they hold, as far as these tasks need it, and tells the memos.
    ///
    /// What is said about missing files joins the findings.
    pub fn survey(&mut self, ledger: &Ledger, tasks: &BTreeSet<TaskIx>, whole: bool) -> Result<Survey, EngineError> {
        let loaded = self.stat_cache.take();
        let stat_cache = loaded.unwrap_or_else(|| StatCache::lazy(&self.project.state().join("stat")));
        self.survey_by(stat_cache, ledger, tasks, whole)
    }

    /// As [`Session::survey`], knowing these digests.
    pub(super) fn survey_by(
        &mut self,
        stat_cache: StatCache,
        ledger: &Ledger,
        tasks: &BTreeSet<TaskIx>,
        whole: bool,
    ) -> Result<Survey, EngineError> {
        let root_path = self.project.root().to_owned();
        let root = Root::open(&root_path)?;
        self.db.set_facts(self.facts(&root)?);
        let graph = Arc::clone(&self.graph);
        // What orca put there for a task that no longer writes it is about to be removed; unless a person changed it.
        let is_leftover = |path: &RelPath| {
            let put = ledger.published_at(path).filter(|_| !ledger.is_left_by_agent(&graph, path));
            put.is_some_and(|put| stat_cache.digest(&root, path).is_ok_and(|found| found == Some(put.entry)))
        };
        // Where outputs go, a directory is empty because they are not there yet, or not any more.
        let awaits_outputs = |path: &RelPath| graph.provides(&Pattern::literal(path));
        // The lock changes with every accepted result, the baseline with what a person accepts, the plan with every word about
        // any task: who asks for all files does not mean them, and would have to run again. The plan can be named.
        let mut files: BTreeSet<&RelPath> = self.plan().files.iter().collect();
        for named in patterns(self.plan()).filter_map(Pattern::literal_path) {
            files.remove(named);
        }
        let is_orcas = |path: &RelPath| [LOCK_FILE, BASELINE_FILE].contains(&path.as_str()) || files.contains(path);
        let is_source = |path: &RelPath, is_empty_dir: bool| {
            let is_made = graph.owner(path).is_some() || is_leftover(path);
            !(is_orcas(path) || is_made || is_empty_dir && awaits_outputs(path))
        };
        let mut scanned = scan(&root, self.plan(), whole, &is_source)?;
        // Of what orca edited the base is the source, whatever lies there now.
        let mut bases = ledger.edited();
        bases.retain(|path, _| graph.owner(path).is_none() && !are_gone(&ledger.changes_at(path), &graph));
        for (path, known) in &bases {
            scanned.index.set(path, known.base.is_some());
        }
        // A path that is on record is one of the plan's, also while what lies there was taken away, or half put there.
        let is_on_record = |pattern: &Pattern| {
            let literal = pattern.literal_path();
            literal.is_some_and(|literal| bases.keys().any(|path| path.is_within(literal)))
        };
        let provided = |pattern: &Pattern| graph.provides(pattern) || is_on_record(pattern);
        self.findings.extend(input_findings(&root_path, self.plan(), &scanned, whole, provided));
        let index = scanned.index;
        self.db.set_listing(index.clone());

        let names: Vec<&TaskName> = tasks.iter().map(|ix| self.graph.name(*ix)).collect();
        let mut paths: Vec<RelPath> = match names.len() {
            0..THREADS_FROM_TASKS => names.iter().flat_map(|name| self.db.sources(name).as_ref().clone()).collect(),
            _ => names
                .par_iter()
                .map_with(self.db.clone(), |db, name| db.sources(name))
                .flat_map_iter(|sources| sources.iter().cloned().collect::<Vec<_>>())
                .collect(),
        };
        let gate_paths: BTreeMap<Name, BTreeSet<RelPath>> = self
            .plan()
            .gate_defs
            .values()
            .map(|gate| (gate.name.clone(), covered_paths(&gate.inputs, &index)))
            .collect();
        paths.extend(gate_paths.values().flatten().cloned());
        if whole {
            paths.extend(index.walked.iter().cloned());
        }
        paths.par_sort_unstable();
        paths.dedup();
        let edited: Vec<RelPath> = paths.iter().filter(|path| bases.contains_key(*path)).cloned().collect();
        let mut entries = match edited.is_empty() {
            true => stat_cache.digest_seen(&root, &paths, &scanned.seen)?,
            false => {
                let plain: Vec<RelPath> = paths.iter().filter(|path| !bases.contains_key(*path)).cloned().collect();
                stat_cache.digest_many(&root, &plain)?
            }
        };
        entries.extend(edited.into_iter().filter_map(|path| Some((path.clone(), bases[&path].base.clone()?))));
        let gate_sources = gate_paths
            .into_iter()
            .map(|(gate, paths)| {
                let files = paths.into_iter().filter_map(|path| Some((path.clone(), entries.get(&path)?.clone())));
                (gate, files.collect())
            })
            .collect();
        self.db.set_files(paths.into_iter().map(|path| (path.clone(), entries.get(&path).cloned())));
        let sources = if whole { entries } else { Tree::new() };
        let baseline = baseline(&root)?;
        Ok(Survey { root, stat_cache, sources, gate_sources, baseline })
    }

    /// What of the machine the plan refers to.
    fn facts(&self, root: &Root) -> Result<Facts, EngineError> {
        let plan = self.plan();
        let names: BTreeSet<&String> = plan.tasks.values().flat_map(|task| &task.pass_env).collect();
        let of_tasks = plan.tasks.values().flat_map(|task| &task.tools);
        let tools: BTreeSet<&String> = of_tasks.chain(plan.gate_defs.values().flat_map(|gate| &gate.tools)).collect();
        let path = self.host.path();
        let identify = |name: &String| match resolve_tool(name.as_ref(), &path) {
            Some(found) => digest_tool(&found).map(|digest| (name.clone(), ToolIdentity::Found(digest))),
            None => Ok((name.clone(), ToolIdentity::Missing)),
        };
        let mut texts = BTreeMap::new();
        for entry in plan.context.entries.values() {
            if let ContextText::File { path, .. } = entry
                && let Ok(bytes) = root.read(path, CONTEXT_FILE_BYTES_MAX)
            {
                texts.insert(path.clone(), String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        let declared: BTreeSet<&Name> = plan
            .tasks
            .values()
            .flat_map(|task| &task.toolchains)
            .chain(plan.gate_defs.values().flat_map(|gate| &gate.toolchains))
            .collect();
        let installed = |name: &&Name| {
            let view = toolchain(name.as_str(), plan.toolchains.get(*name), &self.host.env);
            ((*name).clone(), toolchain_identity(name.as_str(), &view, SYSTEM_PATH.as_ref()))
        };
        let variable = |name: &&String| Some(((*name).clone(), self.host.variable(name)?));
        Ok(Facts {
            variables: names.iter().filter_map(variable).collect(),
            tools: tools.into_iter().map(identify).collect::<Result<_, _>>()?,
            toolchains: declared.iter().map(installed).collect(),
            texts,
        })
    }
}

/// Whether all who changed a path left the plan: then it is source as it lies there, from this build on.
fn are_gone(changers: &BTreeMap<TaskName, Change>, graph: &Graph) -> bool {
    !changers.is_empty() && changers.keys().all(|name| graph.ix(name).is_none())
}

/// The identity of a declared tool: the digest of its file.
pub(super) fn digest_tool(path: &Path) -> Result<BlobDigest, EngineError> {
    let mut hasher = blake3::Hasher::new();
    let hashed = std::fs::File::open(path).and_then(|file| hasher.update_reader(file).map(|_| ()));
    hashed.map_err(|error| EngineError::World(format!("cannot read the tool {}: {error}", path.display())))?;
    Ok(BlobDigest::from_bytes(*hasher.finalize().as_bytes()))
}
