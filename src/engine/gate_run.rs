//! Commands of gates: each runs in a tree that is made for it, sandboxed like a task, and what it writes reaches nobody.
//!
//! ```text
//! tree ── materialize ──> GateTree ── run, run again ──> exit, log, the files that are asked for
//! ```

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use super::attempt_log::AttemptLog;
use super::builder::{Builder, fault};
use super::surroundings::GRACE;
use crate::agents::ProgramView;
use crate::base::{BlobDigest, Entry, Pattern, PatternSet, RelPath, Tree};
use crate::exec::{self, AttemptError, AttemptSpec, Bench, Fault, Workspace, block_in_place};
use crate::plan::GateDef;
use crate::sandbox::Exit;
use crate::store::{Listing, MaterializeError, Root, Source};
use crate::sys::beneath::FileKind;

/// How often the tree of a gate is made anew because the cache had lost a file of it.
const TREES_MAX: u32 = 3;
/// The largest report that is read.
const REPORT_BYTES_MAX: u64 = 64 << 20;
/// Most reports that are read of one run.
const REPORTS_MAX: usize = 1_000;

/// A workspace with its files.
pub(super) struct Filled {
    /// It.
    pub workspace: Workspace,
    /// Its tree.
    pub root: Root,
    /// What is in the tree.
    pub before: Listing,
}

/// A tree that commands of a gate run in.
pub(super) struct GateTree<'a> {
    workspace: Workspace,
    root: Root,
    before: Listing,
    tree: &'a Tree,
}

/// How a command of a gate ended, and what it said.
pub(super) struct GateRun {
    /// The end of its process tree, and what that used.
    pub exit: Exit,
    /// Its output as text, bounded.
    pub text: String,
    /// Its output in the cache, where that could be stored.
    pub log: Option<BlobDigest>,
    /// Where the tree lay for the command.
    pub root: String,
    /// The files that were asked for, by path.
    pub files: BTreeMap<RelPath, Vec<u8>>,
    /// The inputs of the gate that were changed meanwhile, where the tree was its own.
    pub touched: Vec<RelPath>,
}

/// A command of a gate.
pub(super) struct GateCommand<'a> {
    /// The program and its arguments.
    pub argv: &'a [String],
    /// Variables besides those of the gate.
    pub env: BTreeMap<String, String>,
    /// Which files it writes are wanted: paths and wildcards beneath the tree.
    pub collect: &'a [Pattern],
    /// Whether the memory of its whole process tree is watched.
    pub watches_memory: bool,
    /// What its program needs of the machine, where the plan does not say.
    pub view: Option<ProgramView>,
}

impl<'a> GateCommand<'a> {
    /// A command that is judged by its end alone.
    #[must_use]
    pub(super) fn new(argv: &'a [String]) -> Self {
        Self { argv, env: BTreeMap::new(), collect: &[], watches_memory: false, view: None }
    }
}

impl GateTree<'_> {
    /// Whether a command has touched a file that was there from the beginning.
    pub(super) fn is_touched(&self) -> Result<bool, Fault> {
        Ok(!self.touched(|_| true)?.is_empty())
    }

    /// Which of the files that were there from the beginning, of those asked for, a command has touched.
    fn touched(&self, is_asked: impl Fn(&RelPath) -> bool) -> Result<Vec<RelPath>, Fault> {
        block_in_place(|| {
            let now = self.root.list(None, &|_| false).map_err(fault)?;
            let now: BTreeMap<&RelPath, _> = now.entries.iter().map(|listed| (&listed.path, &listed.stat)).collect();
            let files = self.before.entries.iter().filter(|listed| listed.stat.kind != FileKind::Directory);
            let files = files.filter(|listed| is_asked(&listed.path));
            let touched = files.filter(|listed| now.get(&listed.path).is_none_or(|stat| **stat != listed.stat));
            Ok(touched.map(|listed| listed.path.clone()).collect())
        })
    }

    /// Removes it.
    pub(super) fn remove(self) -> Result<(), Fault> {
        block_in_place(|| self.workspace.remove()).map_err(fault)
    }
}

impl Builder {
    /// Makes a tree for commands of a gate. `directory` names it among those of the build: two of the same name may not
    /// exist at a time. `result` is where a task has just left files. `None` where a file is no longer what it was.
    pub(super) fn gate_tree<'a>(
        &self,
        directory: &str,
        gate: &GateDef,
        tree: &'a Tree,
        result: Option<&Root>,
    ) -> Result<Option<GateTree<'a>>, Fault> {
        let nothing = PatternSet::default();
        let spec = self.gate_spec(gate, &GateCommand::new(&[]), tree, &nothing);
        let filled = self.filled(directory, &spec, result, &[])?;
        Ok(filled.map(|Filled { workspace, root, before }| GateTree { workspace, root, before, tree }))
    }

    /// Makes a workspace for something that judges, and fills it. As for [`Builder::gate_tree`]; the files `of_base` are not
    /// taken from the result, even where it has them.
    pub(super) fn filled(
        &self,
        directory: &str,
        spec: &AttemptSpec<'_>,
        result: Option<&Root>,
        of_base: &[RelPath],
    ) -> Result<Option<Filled>, Fault> {
        let is_there = |root: &Root, path: &RelPath| root.stat(path).is_ok_and(|found| found.is_some());
        let source = |path: &RelPath, entry: &Entry| match result {
            Some(root) if !of_base.contains(path) && is_there(root, path) => Source::Project(root),
            _ => self.source(path, entry),
        };
        block_in_place(|| {
            self.gather(spec.view).map_err(fault)?;
            for _ in 0..TREES_MAX {
                let workspace = Workspace::create(&self.state, directory, self.spares.as_ref()).map_err(fault)?;
                match exec::fill(&workspace, spec, &source) {
                    Ok((root, before)) => return Ok(Some(Filled { workspace, root, before })),
                    // The cache has found out just now, and does not claim to have it any more.
                    Err(AttemptError::Materialize(MaterializeError::Missing { .. })) => {}
                    Err(AttemptError::Materialize(MaterializeError::Changed { .. })) => {
                        workspace.remove().map_err(fault)?;
                        return Ok(None);
                    }
                    Err(error) => return Err(fault(error)),
                }
            }
            Ok(None)
        })
    }

    /// Runs a command in a tree, when there is a job slot for it. Returns when its whole process tree is gone. What an
    /// earlier run left in the tree is still there.
    pub(super) async fn run_in(
        &self,
        tree: &GateTree<'_>,
        gate: &GateDef,
        command: &GateCommand<'_>,
        bench: &Bench,
    ) -> Result<GateRun, Fault> {
        let _slot = bench.slot().await;
        let nothing = PatternSet::default();
        let spec = self.gate_spec(gate, command, tree.tree, &nothing);
        let exit =
            exec::run(&tree.workspace, &spec, &self.sandbox, bench.cancel().clone(), None).await.map_err(fault)?;
        block_in_place(|| {
            let log = AttemptLog::read(&tree.workspace.log(), &[], None).map_err(fault)?;
            let stored = self.resolver.store.as_ref().and_then(|store| store.put_bytes(log.bytes()).ok());
            let files = collect(&tree.root, command.collect)?;
            let root = exec::tree_inside(&tree.workspace, &spec, &self.sandbox).to_string_lossy().into_owned();
            Ok(GateRun { exit, text: log.text(), log: stored, root, files, touched: Vec::new() })
        })
    }

    /// Makes a tree, runs one command in it, and removes it. `None` where a file is no longer what it was.
    pub(super) async fn run_in_fresh_tree(
        &self,
        directory: &str,
        gate: &GateDef,
        command: &GateCommand<'_>,
        tree: &Tree,
        result: Option<&Root>,
        bench: &Bench,
    ) -> Result<Option<GateRun>, Fault> {
        let Some(tree) = self.gate_tree(directory, gate, tree, result)? else { return Ok(None) };
        let mut ran = self.run_in(&tree, gate, command, bench).await?;
        if gate.inputs.iter().next().is_some() {
            ran.touched = tree.touched(|path| gate.inputs.matches(path))?;
        }
        tree.remove()?;
        Ok(Some(ran))
    }

    fn gate_spec<'a>(
        &self,
        gate: &GateDef,
        command: &GateCommand<'_>,
        tree: &'a Tree,
        nothing: &'a PatternSet,
    ) -> AttemptSpec<'a> {
        let mut env = gate.env.clone();
        env.extend(command.env.clone());
        let mut surroundings = self.surroundings(&gate.toolchains, &gate.tools, env);
        surroundings.add(command.view.clone().unwrap_or_default());
        AttemptSpec {
            argv: command.argv.iter().map(OsString::from).collect(),
            env: surroundings.env,
            view: tree,
            outputs: nothing,
            edits: nothing,
            scratch: Vec::new(),
            provided: Vec::new(),
            stdin: None,
            tools: surroundings.tools,
            bins: surroundings.bins,
            read_only: surroundings.read_only,
            agent: None,
            hidden: self.hidden(),
            network: gate.network,
            isolate: true,
            timeout: gate.timeout.map(|timeout| Duration::from_millis(timeout.ms())),
            grace: GRACE,
            log_limit_bytes: self.log_limit_bytes(),
            watches_memory: command.watches_memory,
        }
    }
}

/// The files beneath a tree that patterns cover. What is too large, or no file, is left out.
fn collect(root: &Root, patterns: &[Pattern]) -> Result<BTreeMap<RelPath, Vec<u8>>, Fault> {
    let mut files = BTreeMap::new();
    if patterns.is_empty() {
        return Ok(files);
    }
    let listing = root.list(None, &|_| false).map_err(fault)?;
    let wanted = listing.entries.into_iter().filter(|listed| {
        listed.stat.kind == FileKind::File && patterns.iter().any(|pattern| pattern.matches(&listed.path))
    });
    for listed in wanted.take(REPORTS_MAX) {
        if let Ok(bytes) = root.read(&listed.path, REPORT_BYTES_MAX) {
            files.insert(listed.path, bytes);
        }
    }
    Ok(files)
}
