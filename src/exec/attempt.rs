//! One attempt: the view materialized, the body run, what it left behind observed. Nothing is believed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::watch;

use super::repository::{self, GIT, MadeRepository};
use super::workspace::{TOOLS, Workspace, WorkspaceError};
use crate::base::{Change, Changes, Pattern, PatternSet, RelPath, Tree, parallel};
use crate::sandbox::{CancelLevel, End, Exit, Launch, Sandbox, SandboxError, Stdin};
use crate::store::{Listed, Listing, MaterializeError, Root, Source, StoreError, materialize_from};
use crate::sys::beneath::FileKind;

/// Where programs are looked for after tools and toolchains.
pub const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What one attempt needs. Everything is resolved; nothing is looked up any more.
pub struct AttemptSpec<'a> {
    /// The program and its arguments.
    pub argv: Vec<OsString>,
    /// The complete environment but HOME, TMPDIR, PWD, and PATH where it is not declared.
    pub env: BTreeMap<OsString, OsString>,
    /// The exact files to see.
    pub view: &'a Tree,
    /// Paths the task may write.
    pub outputs: &'a PatternSet,
    /// Paths it may change in place.
    pub edits: &'a PatternSet,
    /// Directories kept between attempts.
    pub scratch: Vec<RelPath>,
    /// Files orca provides beside the view, beneath `.orca/` of the workspace.
    pub provided: Vec<(&'static str, Vec<u8>)>,
    /// Standard input; none is `/dev/null`.
    pub stdin: Option<Vec<u8>>,
    /// Declared tools, by name.
    pub tools: BTreeMap<String, PathBuf>,
    /// Directories of toolchains that go on PATH, after the tools.
    pub bins: Vec<PathBuf>,
    /// Host paths shown read-only.
    pub read_only: Vec<PathBuf>,
    /// What an agent needs besides; none for a command.
    pub agent: Option<AgentSpec>,
    /// Host paths never shown, even where a system directory would.
    pub hidden: Vec<PathBuf>,
    /// Whether the network may be reached.
    pub network: bool,
    /// Whether to isolate.
    pub isolate: bool,
    /// When to stop it.
    pub timeout: Option<Duration>,
    /// How long it may take to end when asked to.
    pub grace: Duration,
    /// How much of its output is kept.
    pub log_limit_bytes: u64,
    /// Whether the memory of its whole process tree is watched.
    pub watches_memory: bool,
}

/// What an attempt of an agent needs besides.
#[derive(Debug, Clone, Default)]
pub struct AgentSpec {
    /// The git that makes the workspace a repository of its own; none where it is to be none.
    pub git: Option<PathBuf>,
    /// How the names of files at the top begin that are dropped without a word.
    pub litter: &'static [&'static str],
}

/// What an attempt left behind, as observed.
#[derive(Debug)]
pub struct Observed {
    /// How the process ended.
    pub exit: Exit,
    /// The paths beneath the workspace that `outputs` cover.
    pub outputs: Tree,
    /// What it changed of the paths that `edits` cover.
    pub edits: Changes,
    /// Declared outputs that are not there.
    pub missing: Vec<Pattern>,
    /// Paths written, changed or removed outside the declaration.
    pub undeclared: Vec<RelPath>,
    /// What can be no output: pipes, devices, names that are not UTF-8, repositories.
    pub unfit: Vec<String>,
    /// Git repositories that an agent made.
    pub repositories: Vec<MadeRepository>,
}

impl Observed {
    /// Everything that is there and belongs to the result: outputs, and what it changed in place.
    #[must_use]
    pub fn brought(&self) -> Tree {
        let edited = self.edits.iter().filter_map(|(path, change)| Some((path.clone(), change.result.clone()?)));
        self.outputs.clone().into_iter().chain(edited).collect()
    }
}

/// Why an attempt could not be made; the world's fault, not the task's.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// The workspace.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// A file of the view.
    #[error(transparent)]
    Materialize(#[from] MaterializeError),
    /// Files of the workspace.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Processes.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// Git.
    #[error("cannot make a git repository of a workspace: {0}")]
    Repository(std::io::Error),
}

/// Fills the workspace; answers its files and links as they are then, so that later changes show.
pub fn fill<'s>(
    workspace: &Workspace,
    spec: &AttemptSpec<'_>,
    source: &(dyn Fn(&RelPath, &crate::base::Entry) -> Source<'s> + Sync),
) -> Result<(Root, Listing), AttemptError> {
    let root = Root::open(&workspace.tree())?;
    let before = materialize_from(spec.view, &root, source, workspace.spares())?;
    for parent in spec.outputs.iter().filter_map(Pattern::as_literal).filter_map(|path| path.parent()) {
        root.create_dir_all(&parent)?;
    }
    workspace.link_tools(&spec.tools)?;
    for (name, bytes) in &spec.provided {
        workspace.provide(&Path::new("tree/.orca").join(name), bytes)?;
    }
    if let Some(stdin) = &spec.stdin {
        workspace.provide(Path::new("stdin"), stdin)?;
    }
    workspace.move_scratch_in(&spec.scratch)?;
    if let Some(git) = spec.agent.as_ref().and_then(|agent| agent.git.as_ref()) {
        let mut without = vec![".orca".to_owned()];
        without.extend(spec.scratch.iter().map(ToString::to_string));
        repository::create(git, &workspace.tree(), &workspace.tmp(), &without).map_err(AttemptError::Repository)?;
    }
    Ok((root, before))
}

/// Looks at the output of a body while it runs, and says when there is no use in going on.
pub type GivesUp = Box<dyn FnMut(&[u8]) -> bool + Send>;

/// Runs the body. Returns when its whole process tree is gone.
pub async fn run(
    workspace: &Workspace,
    spec: &AttemptSpec<'_>,
    sandbox: &Sandbox,
    cancel: watch::Receiver<CancelLevel>,
    gives_up: Option<GivesUp>,
) -> Result<Exit, AttemptError> {
    let mut launch = launch(workspace, spec);
    if !launch.env.contains_key(OsStr::new("PATH")) {
        let tools = sandbox.home_inside(&launch).join(TOOLS);
        launch.env.insert("PATH".into(), search_path(&tools, &spec.bins));
    }
    if spec.agent.is_some() {
        // Git looks upwards for a repository, and without a sandbox would find the user's.
        let ceiling = sandbox.workspace_inside(&launch).parent().map(Path::to_owned);
        launch.env.insert("GIT_CEILING_DIRECTORIES".into(), ceiling.unwrap_or_default().into());
    }
    match gives_up {
        None => Ok(sandbox.run(launch, cancel, |_| {}).await?),
        Some(gives_up) => run_listening(sandbox, launch, cancel, gives_up).await,
    }
}

/// Where the tree of a workspace appears to the body.
#[must_use]
pub fn tree_inside(workspace: &Workspace, spec: &AttemptSpec<'_>, sandbox: &Sandbox) -> PathBuf {
    sandbox.workspace_inside(&launch(workspace, spec))
}

fn launch(workspace: &Workspace, spec: &AttemptSpec<'_>) -> Launch {
    let mut read_only = spec.read_only.clone();
    read_only.extend(spec.tools.values().cloned());
    Launch {
        argv: spec.argv.clone(),
        env: spec.env.clone(),
        workspace: workspace.tree(),
        home: workspace.home(),
        tmp: workspace.tmp(),
        read_only,
        hidden: spec.hidden.clone(),
        extra_writable: Vec::new(),
        network: spec.network,
        isolate: spec.isolate,
        stdin: if spec.stdin.is_some() { Stdin::File(workspace.stdin()) } else { Stdin::Null },
        log: workspace.log(),
        log_limit_bytes: spec.log_limit_bytes,
        timeout: spec.timeout,
        grace: spec.grace,
        memory_limit_bytes: None,
        watches_memory: spec.watches_memory,
    }
}

/// Runs a body whose output is listened to. One that was ended for what it said failed by itself, with what it said.
async fn run_listening(
    sandbox: &Sandbox,
    launch: Launch,
    mut cancel: watch::Receiver<CancelLevel>,
    mut gives_up: GivesUp,
) -> Result<Exit, AttemptError> {
    let (stop, stopped) = watch::channel(*cancel.borrow_and_update());
    let (has_given_up, given_up) = watch::channel(false);
    let listened = stop.clone();
    let running = sandbox.run(launch, stopped, move |output| {
        if gives_up(output) {
            has_given_up.send_replace(true);
            listened.send_replace(CancelLevel::Immediate);
        }
    });
    tokio::pin!(running);
    let mut is_attended = true;
    let mut exit = loop {
        tokio::select! {
            exit = &mut running => break exit?,
            changed = cancel.changed(), if is_attended => {
                is_attended = changed.is_ok();
                let level = *cancel.borrow_and_update();
                if level != CancelLevel::None {
                    stop.send_replace(level);
                }
            }
        }
    };
    if exit.end == End::Cancelled && *given_up.borrow() && *cancel.borrow() == CancelLevel::None {
        exit.end = End::Code(1);
    }
    Ok(exit)
}

/// Observes what is in the workspace now.
pub fn observe(
    workspace: &Workspace,
    spec: &AttemptSpec<'_>,
    root: &Root,
    before: &Listing,
    exit: Exit,
) -> Result<Observed, AttemptError> {
    workspace.move_scratch_out(&spec.scratch)?;
    let found = Mutex::new(Vec::new());
    let litter = spec.agent.as_ref().map_or(&[][..], |agent| agent.litter);
    let has_own = spec.agent.as_ref().is_some_and(|agent| agent.git.is_some());
    let after = root.list(None, &|path| {
        let is_repository = path.file_name() == GIT;
        if is_repository {
            found.lock().expect("no holder panics").push(path.clone());
        }
        is_repository || is_orcas(path) || is_within_any(path, &spec.scratch) || is_litter(path, litter)
    })?;
    let was: BTreeMap<&RelPath, &Listed> = before.entries.iter().map(|listed| (&listed.path, listed)).collect();
    let mut unfit = after.unnameable.clone();
    let mut undeclared = Vec::new();
    let mut written = Vec::new();
    let mut edited = Vec::new();
    for listed in after.entries.iter().filter(|listed| listed.stat.kind != FileKind::Directory || listed.is_empty_dir) {
        match (spec.outputs.matches(&listed.path), listed.stat.kind) {
            (true, _) if is_reserved(&listed.path) => unfit.push(listed.path.to_string()),
            (true, FileKind::File | FileKind::Symlink | FileKind::Directory) => written.push(listed.path.clone()),
            (true, _) => unfit.push(listed.path.to_string()),
            (false, FileKind::Directory) => {}
            (false, kind) if was.get(&listed.path).is_none_or(|known| known.stat != listed.stat) => {
                let may_edit = spec.edits.matches(&listed.path) && !is_reserved(&listed.path);
                match kind {
                    FileKind::File | FileKind::Symlink if may_edit => edited.push(listed.path.clone()),
                    _ => undeclared.push(listed.path.clone()),
                }
            }
            (false, _) => {}
        }
    }
    // A file is gone as well where a directory is in its place now.
    let is_file = |listed: &&Listed| listed.stat.kind != FileKind::Directory;
    let is: BTreeSet<&RelPath> = after.entries.iter().filter(is_file).map(|listed| &listed.path).collect();
    let removed = before.entries.iter().filter(is_file).map(|listed| &listed.path).filter(|path| !is.contains(path));
    let (gone, wrongly): (Vec<_>, Vec<_>) =
        removed.filter(|path| !spec.outputs.matches(path)).cloned().partition(|path| spec.edits.matches(path));
    undeclared.extend(wrongly);
    let mut repositories = Vec::new();
    for path in found.into_inner().expect("no holder panics") {
        if !has_own || path.as_str() != GIT {
            match spec.outputs.matches(&path) || spec.edits.matches(&path) {
                true => unfit.push(path.to_string()),
                false => undeclared.push(path.clone()),
            }
            if spec.agent.is_some() {
                repositories.push(MadeRepository::at(&workspace.tree(), path.clone()));
            }
        }
        // Its configuration would be obeyed by whoever looks at the workspace, and nothing of it is a result.
        root.remove_tree(&path)?;
    }
    repositories.sort_by(|left, right| left.path.cmp(&right.path));
    undeclared.sort();
    let present = |pattern: &Pattern| written.iter().any(|path| pattern.matches(path));
    let missing = spec.outputs.iter().filter(|pattern| !present(pattern)).cloned().collect();
    let outputs = digest_all(root, &written)?;
    let edits = changes(spec.view, digest_all(root, &edited)?, gone);
    Ok(Observed { exit, outputs, edits, missing, undeclared, unfit, repositories })
}

/// What differs from the view: a file written with the bytes that it had is not changed.
fn changes(view: &Tree, written: Tree, gone: Vec<RelPath>) -> Changes {
    let now = written.into_iter().map(|(path, entry)| (path, Some(entry)));
    now.chain(gone.into_iter().map(|path| (path, None)))
        .map(|(path, result)| (path.clone(), Change { base: view.get(&path).cloned(), result }))
        .filter(|(_, change)| change.base != change.result)
        .collect()
}

fn is_litter(path: &RelPath, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| path.as_str().starts_with(prefix))
}

fn is_orcas(path: &RelPath) -> bool {
    path.as_str() == ".orca"
}

/// Whether the path lies in a directory that means something to git or to orca.
fn is_reserved(path: &RelPath) -> bool {
    path.as_str().split('/').any(|part| matches!(part, ".git" | ".orca"))
}

fn is_within_any(path: &RelPath, directories: &[RelPath]) -> bool {
    directories.iter().any(|directory| path.is_within(directory))
}

fn digest_all(root: &Root, paths: &[RelPath]) -> Result<Tree, StoreError> {
    let digest = |path: &RelPath| Ok(root.entry(path)?.map(|entry| (path.clone(), entry)));
    let entries: Vec<Result<Option<_>, StoreError>> = parallel::map(paths, 0, digest);
    entries.into_iter().filter_map(Result::transpose).collect()
}

/// The PATH of a task: its tools, its toolchains, then the system's directories.
fn search_path(tools: &Path, toolchain_bins: &[PathBuf]) -> OsString {
    let mut joined = tools.as_os_str().to_owned();
    for directory in toolchain_bins {
        joined.push(":");
        joined.push(directory);
    }
    joined.push(":");
    joined.push(SYSTEM_PATH);
    joined
}
