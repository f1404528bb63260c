//! The check `performance` at work: the command is run on the base and on the result in turn, each in a tree of its own.
//!
//! ```text
//! warm-up: base, result;  pairs: base, result | result, base | base, result | ...
//! ```
//!
//! The order of a pair changes every time, so that a machine that grows slower or faster does so for both sides. One command
//! is measured at a time, after the other gates of its result; job slots that are free are kept free meanwhile, so that orca
//! starts nothing beside it. What runs already is not stopped. A tree is made once for each side, so that what the warm-up left
//! there helps every run alike; where a command touches files that were there, the tree is made anew before each run.

use std::time::Duration;

use super::builder::Builder;
use super::gate_run::{GateCommand, GateRun, GateTree};
use super::judge::Case;
use crate::base::{BlobDigest, Entry, Tree};
use crate::exec::{Fault, Slot};
use crate::gates::performance::{Broken, Limits, Measured, Run, Side, performance};
use crate::gates::{Verdict, last_lines};
use crate::sandbox::End;
use crate::store::Root;

/// How long a free slot may take to be lent.
const LENDING: Duration = Duration::from_millis(250);
/// Most slots that are kept free.
const SLOTS_MAX: usize = 256;

/// One side while it is measured.
struct Bay<'a> {
    /// A name for its directory.
    directory: String,
    tree: &'a Tree,
    /// Where the task has just left files of it.
    workspace: Option<&'a Root>,
    made: Option<GateTree<'a>>,
    runs: Vec<Run>,
    broken: Option<(Broken, Option<BlobDigest>)>,
}

impl<'a> Bay<'a> {
    fn new(directory: String, tree: &'a Tree, workspace: Option<&'a Root>) -> Self {
        Self { directory, tree, workspace, made: None, runs: Vec::new(), broken: None }
    }

    fn side(&self) -> Side {
        match &self.broken {
            Some((broken, _)) => Side::Failed(broken.clone()),
            None => Side::Runs(self.runs.clone()),
        }
    }
}

impl Builder {
    /// Measures a result, and judges the measurements. `None` where a file of a tree is no longer what it was.
    pub(super) async fn judge_performance(&self, case: &Case<'_>) -> Result<Option<Verdict>, Fault> {
        let limits = Limits::of(case.options());
        let base = self.resolver.base_tree(case.gate, &case.subject);
        let result = self.resolver.judged_tree(case.gate, &case.subject);
        let output_size_bytes = size_bytes_of_new(&base, &result);
        let Some(argv) = &limits.command else {
            let absent = || Side::Absent("there is no `command` to measure".to_owned());
            let measured = Measured { base: absent(), result: absent(), output_size_bytes };
            return Ok(Some(self.fold(case, vec![performance(&measured, &limits)])));
        };
        let mut bays = [
            Bay::new(case.directory(self, "=base"), &base, None),
            Bay::new(case.directory(self, "=result"), &result, case.workspace),
        ];
        let command = GateCommand { watches_memory: limits.memory_bytes_max.is_some(), ..GateCommand::new(argv) };
        let is_whole = self.measure(case, &limits, &command, &mut bays).await?;
        for bay in &mut bays {
            bay.made.take().map_or(Ok(()), GateTree::remove)?;
        }
        if case.bench.is_cancelled() {
            return Ok(Some(Verdict::error("the measurement was interrupted")));
        }
        if !is_whole {
            return Ok(None);
        }
        let [base, result] = &bays;
        let measured = Measured { base: base.side(), result: result.side(), output_size_bytes };
        let mut verdict = self.fold(case, vec![performance(&measured, &limits)]);
        if let Some((broken, log)) = &result.broken {
            (verdict.excerpt, verdict.log) = (broken.log.clone(), *log);
        }
        Ok(Some(verdict))
    }

    /// Makes all runs. Whether every tree could be made.
    async fn measure(
        &self,
        case: &Case<'_>,
        limits: &Limits,
        command: &GateCommand<'_>,
        bays: &mut [Bay<'_>; 2],
    ) -> Result<bool, Fault> {
        let _alone = self.measuring.lock().await;
        let _free = keep_free(case).await;
        for round in 0..limits.warmup.saturating_add(limits.runs) {
            let counts = round >= limits.warmup;
            let is_turned = counts && (round - limits.warmup) % 2 == 1;
            for at in if is_turned { [1, 0] } else { [0, 1] } {
                let bay = &mut bays[at];
                if bay.broken.is_some() {
                    continue;
                }
                if !self.run_once(case, command, bay, counts).await? {
                    return Ok(false);
                }
                if case.bench.is_cancelled() {
                    return Ok(true);
                }
            }
            // A result that fails is judged by that, and without a base there may be nothing to compare with.
            if bays[1].broken.is_some() || bays[0].broken.is_some() && !limits.has_budgets() {
                break;
            }
        }
        Ok(true)
    }

    /// One run of one side. Whether its tree could be made.
    async fn run_once<'a>(
        &self,
        case: &Case<'_>,
        command: &GateCommand<'_>,
        bay: &mut Bay<'a>,
        counts: bool,
    ) -> Result<bool, Fault> {
        if let Some(used) = bay.made.take_if(|made| made.is_touched().unwrap_or(true)) {
            used.remove()?;
        }
        if bay.made.is_none() {
            bay.made = self.gate_tree(&bay.directory, case.gate, bay.tree, bay.workspace)?;
        }
        let Some(tree) = &bay.made else { return Ok(false) };
        let ran = self.run_in(tree, case.gate, command, case.bench).await?;
        match broken(&ran) {
            Some(broken) => bay.broken = Some((broken, ran.log)),
            None if counts => bay.runs.push(ran.exit.measure.into()),
            None => {}
        }
        Ok(true)
    }
}

/// Borrows the job slots that are free, so that nothing new starts in them.
async fn keep_free<'c>(case: &'c Case<'_>) -> Vec<Slot<'c>> {
    let mut slots = Vec::new();
    while slots.len() < SLOTS_MAX
        && let Ok(slot) = tokio::time::timeout(LENDING, case.bench.slot()).await
    {
        slots.push(slot);
    }
    // The gate's own is where its command runs.
    slots.retain(|slot| matches!(slot, Slot::Lent(_)));
    slots
}

/// How a command did not do what it should.
fn broken(ran: &GateRun) -> Option<Broken> {
    let (how, has_run) = match &ran.exit.end {
        End::Code(0) => return None,
        End::Code(code @ (126 | 127)) => (format!("exit {code}: it could not be run"), false),
        End::Code(code) => (format!("exit {code}"), true),
        End::Signal(signal) => (format!("ended by signal {signal}"), true),
        End::TimedOut => ("it ran into the gate's timeout".to_owned(), true),
        End::OutOfMemory => ("it ran out of memory".to_owned(), true),
        End::Cancelled => ("interrupted".to_owned(), true),
        End::NotStarted(why) => (why.clone(), false),
    };
    Some(Broken { how, log: last_lines(&ran.text), has_run })
}

/// The size of all files that a result brings.
fn size_bytes_of_new(base: &Tree, result: &Tree) -> u64 {
    let new = result.iter().filter(|(path, entry)| base.get(*path) != Some(entry));
    let sizes = new.map(|(_, entry)| match entry {
        Entry::File { size_bytes, .. } => *size_bytes,
        Entry::Symlink { .. } | Entry::EmptyDir => 0,
    });
    sizes.fold(0, u64::saturating_add)
}
