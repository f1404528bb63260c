//! The gates of the plan at work: they judge the integrated tree, and where one is red, the fold is bisected for the task
//! that broke it (the idea is `git bisect`'s; the history is the plan order).
//!
//! ```text
//!  base ── a ── b ── c ── d        each step: one more result in the tree, those that change nothing left out
//!  green       green  red   red    so c broke it
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::builder::{Builder, fault};
use super::judge::{Case, is_paid};
use super::resolve::Resolver;
use super::subject::Subject;
use crate::base::Tree;
use crate::event::Event;
use crate::exec::{Bench, Fault};
use crate::gates::{Verdict, VerdictKind};
use crate::graph::TaskIx;
use crate::plan::GateDef;
use crate::sandbox::CancelLevel;

/// Lets the gates of the plan judge the integrated tree: all source, and all results, with what a person edited of them.
/// The signal that interrupted them, if one did.
pub(super) async fn judge_plan(
    builder: &Arc<Builder>,
    signals: &mut mpsc::UnboundedReceiver<i32>,
) -> Result<Option<i32>, Fault> {
    let resolver = &builder.resolver;
    if resolver.plan_gates().is_empty() {
        return Ok(None);
    }
    let tree = resolver.integrated().map_err(fault)?;
    let (cancel, cancelled) = watch::channel(CancelLevel::None);
    let mut interrupted_by = None;
    let is_asked = |gate: &&GateDef| builder.judging.as_ref().is_none_or(|judging| judging.includes(&gate.name));
    let mut gates: Vec<GateDef> = resolver.plan_gates().into_iter().filter(|gate| is_asked(&gate)).collect();
    // Nobody is paid for a look at what is red anyway, nor to find out by whom: a reviewer points at lines.
    gates.sort_by_key(is_paid);
    let mut is_red = false;
    for gate in &gates {
        if is_red && is_paid(gate) {
            break;
        }
        let judging = async {
            let verdict = builder.judge_plan_gate(gate, &tree, &cancelled).await?;
            let is_green = verdict.is_green();
            // Of a gate that broke nobody is to blame.
            let is_red = verdict.kind == VerdictKind::Failed;
            if is_red && !is_paid(gate) && *cancelled.borrow() == CancelLevel::None {
                blame(builder, gate, &cancelled).await?;
            }
            Ok::<bool, Fault>(is_green)
        };
        tokio::pin!(judging);
        loop {
            tokio::select! {
                judged = &mut judging => break is_red |= !judged?,
                Some(signal) = signals.recv() => {
                    let level = if interrupted_by.is_none() { CancelLevel::Graceful } else { CancelLevel::Immediate };
                    interrupted_by.get_or_insert(signal);
                    cancel.send_replace(level);
                }
            }
        }
        if interrupted_by.is_some() {
            break;
        }
    }
    Ok(interrupted_by)
}

/// Finds the task with whose result the gate turned red, and says so. Verdicts are kept, so a second build with the same
/// results finds it without judging.
async fn blame(builder: &Arc<Builder>, gate: &GateDef, cancel: &watch::Receiver<CancelLevel>) -> Result<(), Fault> {
    let resolver = &builder.resolver;
    let steps = steps(resolver);
    let mut judged = 0_u64;
    // `None` where the gate breaks on such a tree: it needs something that is not there yet, and says nothing of it.
    let mut is_green = async |results: usize| {
        let end = steps.get(results).copied().unwrap_or(TaskIx(u32::MAX));
        let tree = resolver.integrated_up_to(end).map_err(fault)?;
        judged += 1;
        builder.is_green(gate, &tree, cancel).await
    };
    let is_stopped = || *cancel.borrow() != CancelLevel::None;
    let said = |task: Option<TaskIx>, by_hand: bool, judged: u64| {
        if *cancel.borrow() == CancelLevel::None {
            let task = task.map(|task| resolver.name(task).clone());
            builder.sink.emit(Event::GateBlamed { gate: gate.name.clone(), task, by_hand, judged });
        }
    };
    // What a person edited is in the tree that is red, and in none of those that are tried here.
    let is_edited =
        resolver.integrated().map_err(fault)? != resolver.integrated_up_to(TaskIx(u32::MAX)).map_err(fault)?;
    if is_edited && is_green(steps.len()).await? == Some(true) {
        said(None, true, judged);
        return Ok(());
    }
    // INVARIANT: with `green` results the gate is green, with `red` of them it is not.
    let (mut first, mut red) = (None, steps.len());
    for results in 0..steps.len() {
        first = is_green(results).await?.map(|is_green| (results, is_green));
        if is_stopped() {
            return Ok(());
        }
        if first.is_some() {
            break;
        }
    }
    let Some((mut green, true)) = first else {
        said(None, false, judged);
        return Ok(());
    };
    'search: while red - green > 1 {
        let middle = usize::midpoint(green, red);
        for results in (middle..red).chain((green + 1..middle).rev()) {
            let known = is_green(results).await?;
            if is_stopped() {
                return Ok(());
            }
            match known {
                Some(true) => green = results,
                Some(false) => red = results,
                None => continue,
            }
            continue 'search;
        }
        // Nothing between them can be judged: the last of these results made it red, or one that it came with.
        break;
    }
    said(Some(steps[red - 1]), false, judged);
    Ok(())
}

/// The tasks whose results put anything into the tree, in plan order.
fn steps(resolver: &Resolver) -> Vec<TaskIx> {
    let brings = |ix: &TaskIx| {
        resolver.result(*ix).is_some_and(|produced| !produced.outputs.is_empty() || !produced.edits.is_empty())
    };
    resolver.graph.tasks().filter(brings).collect()
}

impl Builder {
    /// Whether a gate of the plan lets a tree pass that is not the integrated one; `None` where it breaks. Nothing is reported.
    async fn is_green(
        &self,
        gate: &GateDef,
        tree: &Tree,
        cancel: &watch::Receiver<CancelLevel>,
    ) -> Result<Option<bool>, Fault> {
        let bench = &Bench::new(cancel.clone(), self.lender.clone());
        let case = Case { gate, subject: Subject::of_plan(tree), workspace: None, bench };
        let (verdict, _) = self.verdict_on(&case).await?;
        Ok(verdict.filter(Verdict::is_final).map(|verdict| verdict.is_green()))
    }
}

/// What a person made of edited files, laid over a tree: for what is to be judged as it lies there.
pub(super) fn with_drift(resolver: &Resolver, tree: &mut Tree) {
    let edited = resolver.ledger.edited().into_iter().map(|(path, known)| (path, known.placed));
    let agents = resolver.graph.tasks().filter(|ix| resolver.task(*ix).is_agent());
    let outputs = agents.filter_map(|ix| resolver.result(ix)).flat_map(|produced| produced.outputs.iter());
    let outputs = outputs.map(|(path, entry)| (path.clone(), Some(entry.clone())));
    for (path, placed) in outputs.chain(edited).collect::<BTreeMap<_, _>>() {
        let Ok(found) = resolver.on_disk(&path) else { continue };
        if found == placed {
            continue;
        }
        match found {
            Some(entry) => drop(tree.insert(path, entry)),
            None => drop(tree.remove(&path)),
        }
    }
}
