//! `orca gate`: gates judge the results that are there, and no task runs. And `orca baseline`: what they find is accepted.
//!
//! A verdict that is given again counts like the first: a result that is red now is not clean any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::builder::{Builder, fault};
use super::judge::Judged;
use super::produced::Produced;
use super::project::Project;
use super::resolve::{Keyed, Stood};
use super::session::{EngineError, baseline};
use super::standing::{Cause, Standing};
use crate::base::FailureKind;
use crate::base::{Changes, Name, RelPath, Tree};
use crate::event::Spent;
use crate::event::{Event, Failure, GateFinding, Outcome, Usage};
use crate::exec::{Ending, Fault};
use crate::gates::BASELINE_FILE;
use crate::graph::TaskIx;
use crate::sandbox::CancelLevel;
use crate::store::Root;

/// How gates judge again.
#[derive(Debug, Clone, Default)]
pub struct Judging {
    /// Verdicts that are known do not count.
    pub afresh: bool,
    /// The gates that judge; none is all.
    pub gates: Vec<Name>,
    /// Whether gates of the plan judge the integrated tree, too, where everything is asked for.
    pub includes_plan: bool,
}

impl Judging {
    /// Whether this gate is to judge.
    #[must_use]
    pub fn includes(&self, gate: &Name) -> bool {
        self.gates.is_empty() || self.gates.contains(gate)
    }
}

/// A result that gates can judge.
struct Candidate {
    keyed: Keyed,
    outputs: Arc<Tree>,
    edits: Arc<Changes>,
}

/// Lets the gates of these tasks judge the results that are there. A task without one is red.
pub(super) async fn judge_again(
    builder: &Arc<Builder>,
    asked: &BTreeSet<TaskIx>,
    signals: &mut mpsc::UnboundedReceiver<i32>,
) -> Ending {
    let (cancel, cancelled) = watch::channel(CancelLevel::None);
    let mut ending = Ending::default();
    let judging = judge_all(builder, asked, &cancelled);
    tokio::pin!(judging);
    loop {
        tokio::select! {
            judged = &mut judging => {
                ending.fault = judged.err();
                return ending;
            }
            Some(signal) = signals.recv() => {
                let level = if ending.interrupted_by.is_none() { CancelLevel::Graceful } else { CancelLevel::Immediate };
                ending.interrupted_by.get_or_insert(signal);
                cancel.send_replace(level);
            }
        }
    }
}

async fn judge_all(
    builder: &Arc<Builder>,
    asked: &BTreeSet<TaskIx>,
    cancel: &watch::Receiver<CancelLevel>,
) -> Result<(), Fault> {
    for ix in builder.selected.iter().copied() {
        let candidate = candidate(builder, ix)?;
        if !asked.contains(&ix) || *cancel.borrow() != CancelLevel::None {
            continue;
        }
        match candidate {
            Some(found) => {
                let result = (&*found.outputs, &*found.edits);
                if let Judged::Changed = builder.judge(ix, &found.keyed, result, None, None, cancel).await? {
                    let why = "files of its result, or of its gates, are no longer what they were";
                    builder.sink.emit(not_judged(builder, ix, why));
                }
            }
            None => builder.sink.emit(not_judged(builder, ix, "it has no result to judge")),
        }
    }
    Ok(())
}

/// The result of a task under its present key, whatever its gates said so far. What is clean is accepted, so that what depends
/// on it can be keyed.
fn candidate(builder: &Builder, ix: TaskIx) -> Result<Option<Candidate>, Fault> {
    let resolver = &builder.resolver;
    let Stood::At(keyed, standing) = resolver.stand(ix, false, &[], &|_| false).map_err(fault)? else {
        return Ok(None);
    };
    let (keyed, standing) = (*keyed, *standing);
    let (outputs, edits) = match standing {
        Standing::Clean(reused) => {
            let on_top_of = Arc::new(keyed.on_top_of.clone());
            let (outputs, edits) = (Arc::clone(&reused.outputs), Arc::clone(&reused.edits));
            resolver.accept(ix, Produced { outputs, edits, on_top_of });
            (reused.outputs, reused.edits)
        }
        Standing::Held(reused) | Standing::Judge(reused, _) => (reused.outputs, reused.edits),
        Standing::Dirty(Cause::RedGate(_)) => {
            let cached = resolver.store.as_ref().and_then(|store| store.result(&keyed.key).ok().flatten());
            let Some(cached) = cached else { return Ok(None) };
            (Arc::new(cached.outputs), Arc::new(cached.edits))
        }
        Standing::Dirty(_) | Standing::Conflict(_) => return Ok(None),
    };
    Ok(Some(Candidate { keyed, outputs, edits }))
}

fn not_judged(builder: &Builder, ix: TaskIx, why: &str) -> Event {
    let task = builder.resolver.name(ix).clone();
    let message = format!("{why}: orca build {task}");
    let failure = Failure { kind: FailureKind::Gate, message, exit_code: None, signal: None, details: Vec::new() };
    Event::TaskFinished {
        task,
        key: None,
        outcome: Outcome::Failed(failure),
        attempts: 0,
        usage: Usage::default(),
        spent: Spent::default(),
        agent: None,
    }
}

/// Writes findings into the baseline of a project, beside those it has. How
/// many were accepted.
///
/// # Errors
/// Where the baseline cannot be read or written.
pub fn accept_findings(project: &Project, found: &BTreeMap<Name, Vec<GateFinding>>) -> Result<u64, EngineError> {
    let root = Root::open_staged(project.root(), &RelPath::new(".orca/staging").expect("a plain path"))?;
    let mut baseline = baseline(&root)?;
    let mut accepted = 0;
    for (gate, findings) in found {
        accepted += baseline.accept(gate, findings);
    }
    if accepted > 0 {
        let path = RelPath::new(BASELINE_FILE).expect("a plain path");
        root.write_durably(&path, baseline.text().as_bytes())?;
    }
    Ok(accepted)
}
