//! Gates at work: each judges a result in a fresh tree of its own, that no task can reach any more.
//!
//! A verdict is kept under the gate's key, so the same gate never judges the same tree twice. A gate that breaks is
//! never green, and its word is not kept.

use std::ffi::OsString;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::block_in_place;

use super::attempt_log::AttemptLog;
use super::builder::{Builder, fault};
use super::resolve::Keyed;
use super::surroundings::GRACE;
use crate::base::{Changes, Entry, FailureKind, GateKey, Name, PatternSet, RelPath, TaskName, Tree};
use crate::event::{Event, Failure};
use crate::exec::{self, AttemptError, AttemptSpec, Fault, Workspace, cancelled};
use crate::gates::{Verdict, VerdictKind, verdict_of_exit};
use crate::graph::TaskIx;
use crate::plan::{GateDef, GateKind};
use crate::sandbox::CancelLevel;
use crate::store::{MaterializeError, Root, Source};

/// How often the tree of a gate is made anew because the cache had lost a file of it.
const TREES_MAX: u32 = 3;

/// What the gates of a task say together.
pub(super) enum Judged {
    /// All are green.
    Green,
    /// The first that is not, and what the next attempt is told: nothing, where the gate itself broke.
    Red(Failure, String),
    /// A file that they need changed meanwhile.
    Changed,
}

impl Builder {
    /// Lets the task's gates judge a result: all of them, or those named.
    pub(super) async fn judge(
        &self,
        task: TaskIx,
        keyed: &Keyed,
        (outputs, edits): (&Tree, &Changes),
        workspace: Option<&Root>,
        only: Option<&[Name]>,
        cancel: &watch::Receiver<CancelLevel>,
    ) -> Result<Judged, Fault> {
        let name = self.resolver.name(task);
        let mut judged = Judged::Green;
        for gate in &self.resolver.gates(task) {
            if only.is_some_and(|only| !only.contains(&gate.name)) {
                continue;
            }
            let tree = self.resolver.judged_tree(gate, &keyed.context.view, outputs, edits);
            let key = self.resolver.gate_key(gate, &keyed.context.view, outputs, edits);
            let Some(verdict) = self.verdict(Some(name), gate, &key, &tree, workspace, cancel).await? else {
                return Ok(Judged::Changed);
            };
            if *cancel.borrow() != CancelLevel::None {
                return Ok(Judged::Red(cancelled(), String::new()));
            }
            if !verdict.is_green() && matches!(judged, Judged::Green) {
                judged = red(gate, &verdict);
            }
        }
        Ok(judged)
    }

    /// Lets one gate of the plan judge the integrated tree; whether it is green.
    pub(super) async fn judge_plan_gate(
        &self,
        gate: &GateDef,
        tree: &Tree,
        cancel: &watch::Receiver<CancelLevel>,
    ) -> Result<bool, Fault> {
        let key = self.resolver.gate_key(gate, tree, &Tree::new(), &Changes::new());
        let Some(verdict) = self.verdict(None, gate, &key, tree, None, cancel).await? else {
            let message = format!("files changed while the gate `{}` was to judge them; build again", gate.name);
            return Err(Fault(message));
        };
        Ok(verdict.is_green())
    }

    /// The verdict of a gate, reported. `None` where a file of the tree changed.
    async fn verdict(
        &self,
        task: Option<&TaskName>,
        gate: &GateDef,
        key: &GateKey,
        tree: &Tree,
        workspace: Option<&Root>,
        cancel: &watch::Receiver<CancelLevel>,
    ) -> Result<Option<Verdict>, Fault> {
        let (Some(verdict), cached) = self.verdict_on(task, gate, key, tree, workspace, cancel).await? else {
            return Ok(None);
        };
        self.sink.emit(Event::GateJudged {
            task: task.cloned(),
            gate: gate.name.clone(),
            verdict: verdict.word().to_owned(),
            cached,
            wall_ms: verdict.wall_ms,
            message: verdict.message.clone(),
            details: verdict.details(),
        });
        Ok(Some(verdict))
    }

    /// The verdict of a gate: the one it gave already, else a new one, which is kept; and whether it was known.
    pub(super) async fn verdict_on(
        &self,
        task: Option<&TaskName>,
        gate: &GateDef,
        key: &GateKey,
        tree: &Tree,
        workspace: Option<&Root>,
        cancel: &watch::Receiver<CancelLevel>,
    ) -> Result<(Option<Verdict>, bool), Fault> {
        let known = self.resolver.verdict(key);
        let cached = known.is_some();
        let verdict = match known {
            Some(verdict) => verdict,
            None => {
                let owner = task.map_or_else(|| "plan".to_owned(), TaskName::file_name);
                let Some(verdict) = self.run_gate(&owner, gate, tree, workspace, cancel).await? else {
                    return Ok((None, false));
                };
                verdict
            }
        };
        if verdict.is_final() && !cached {
            self.keep_verdict(key, &verdict);
        }
        Ok((Some(verdict), cached))
    }

    fn keep_verdict(&self, key: &GateKey, verdict: &Verdict) {
        let text = serde_json::to_string(verdict).expect("a verdict is plain data");
        if let Some(Err(error)) = self.resolver.store.as_ref().map(|store| store.put_verdict(key, &text)) {
            self.notice(true, format!("the verdict is not kept: {error}"));
        }
    }

    /// Runs one command gate in a fresh tree. `None` where a file of the tree is no longer what it was.
    async fn run_gate(
        &self,
        owner: &str,
        gate: &GateDef,
        tree: &Tree,
        result: Option<&Root>,
        cancel: &watch::Receiver<CancelLevel>,
    ) -> Result<Option<Verdict>, Fault> {
        let GateKind::Run(argv) = &gate.kind else {
            return Err(fault(format!("the gate `{}` cannot be run by this version of orca", gate.name)));
        };
        let directory = format!("{owner}=gate={}", gate.name);
        let source = |path: &RelPath, entry: &Entry| match result {
            Some(root) if root.stat(path).is_ok_and(|found| found.is_some()) => Source::Project(root),
            _ => self.source(path, entry),
        };
        let no_outputs = PatternSet::default();
        block_in_place(|| self.gather(tree)).map_err(fault)?;
        for _ in 0..TREES_MAX {
            let workspace = block_in_place(|| Workspace::create(&self.state, &directory)).map_err(fault)?;
            let spec = self.gate_spec(gate, argv, tree, &no_outputs);
            match block_in_place(|| exec::fill(&workspace, &spec, &source)) {
                Ok(_) => {}
                // The cache has found out just now, and does not claim to have it any more.
                Err(AttemptError::Materialize(MaterializeError::Missing { .. })) => continue,
                Err(AttemptError::Materialize(MaterializeError::Changed { .. })) => {
                    block_in_place(|| workspace.remove()).map_err(fault)?;
                    return Ok(None);
                }
                Err(error) => return Err(fault(error)),
            }
            let exit = exec::run(&workspace, &spec, &self.sandbox, cancel.clone(), None).await.map_err(fault)?;
            let log = block_in_place(|| AttemptLog::read(&workspace.log(), &[], None)).map_err(fault)?;
            let stored = self.resolver.store.as_ref().and_then(|store| store.put_bytes(log.bytes()).ok());
            block_in_place(|| workspace.remove()).map_err(fault)?;
            return Ok(Some(verdict_of_exit(&exit.end, &log.text(), stored, exit.usage.wall_ms)));
        }
        Ok(None)
    }

    fn gate_spec<'a>(
        &self,
        gate: &GateDef,
        argv: &[String],
        tree: &'a Tree,
        no_outputs: &'a PatternSet,
    ) -> AttemptSpec<'a> {
        let surroundings = self.surroundings(&gate.toolchains, &gate.tools, gate.env.clone());
        AttemptSpec {
            argv: argv.iter().map(OsString::from).collect(),
            env: surroundings.env,
            view: tree,
            outputs: no_outputs,
            edits: no_outputs,
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
        }
    }
}

fn red(gate: &GateDef, verdict: &Verdict) -> Judged {
    let failure = Failure {
        kind: FailureKind::Gate,
        message: format!("the gate `{}` says {}: {}", gate.name, verdict.word(), verdict.message),
        exit_code: None,
        signal: None,
        details: verdict.details(),
    };
    let lesson = match verdict.kind {
        VerdictKind::Failed => format!("{}\n\n{}", failure.message, verdict.excerpt),
        _ => String::new(),
    };
    Judged::Red(failure, lesson)
}
