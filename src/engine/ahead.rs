//! What is clean is settled before the executor starts, layer by layer, on all cores: in a large plan that is nearly all of it,
//! and going through the executor's loop one by one costs more than looking.
//!
//! Only what needs nothing is settled here: a result that is on record, in place, and agreed to, or a small one that only has
//! to be [restored](super::restoring). Everything else the executor resolves in its turn. Plans with tasks that edit files in place go the other way altogether: there turns matter.

use rayon::prelude::*;

use super::builder::{Builder, Reuse, fault};
use super::resolve::Stood;
use super::restoring::{Missing, Restoring};
use super::standing::Standing;
use crate::base::parallel;
use crate::event::Of;
use crate::exec::{Fault, Resolved};
use crate::graph::{Graph, TaskIx};

/// Layers with fewer tasks are not worth a second thread.
const SHARED_FROM: usize = 8;

/// Tasks by layer, each in plan order.
pub(super) fn by_layer(graph: &Graph, tasks: impl IntoIterator<Item = TaskIx>) -> Vec<Vec<TaskIx>> {
    let mut layers: Vec<Vec<TaskIx>> = Vec::new();
    for task in tasks {
        let layer = graph.layer(task) as usize;
        if layers.len() <= layer {
            layers.resize_with(layer + 1, Vec::new);
        }
        layers[layer].push(task);
    }
    layers
}

/// Does something with each task of a layer, on several threads where they are many; answers in order.
pub(super) fn for_layer<T: Send>(layer: &[TaskIx], act: impl Fn(TaskIx) -> T + Sync) -> Vec<T> {
    match layer.len() < SHARED_FROM {
        true => layer.iter().map(|task| act(*task)).collect(),
        false => layer.par_iter().map(|task| act(*task)).collect(),
    }
}

/// What a look at a task found, before the executor starts.
enum Ahead {
    /// Clean, and settled.
    Settled(Resolved),
    /// Clean, but its result is not all in the project, or not on record.
    Missing(Box<Missing>),
    /// The executor's.
    Open,
}

impl Builder {
    /// Settles what is clean; [`Tasks::known`](crate::exec::Tasks::known) answers for it from then on. `is_interrupted` ends it
    /// early: what is not settled then is the executor's.
    pub(super) fn settle_clean(&self, is_interrupted: &dyn Fn() -> bool) -> Result<(), Fault> {
        if self.resolver.turns_matter() {
            return Ok(());
        }
        // A few are asked about in their turn: to start threads takes longer.
        if self.selected.len() >= parallel::ITEMS_MIN {
            self.resolver.read_ahead(&self.selected);
        }
        let mut restoring = Restoring::new(self, is_interrupted);
        for layer in by_layer(&self.resolver.graph, self.selected.iter().copied()) {
            let looked = for_layer(&layer, |task| {
                let _timing = self.host.trace.span("key", || Of::Key(self.resolver.name(task).clone()));
                self.look_ahead(task)
            });
            let (mut settled, mut missing) = (Vec::new(), Vec::new());
            for (task, looked) in layer.into_iter().zip(looked) {
                match looked? {
                    Ahead::Settled(resolved) => settled.push((task, resolved)),
                    Ahead::Missing(found) => missing.push(*found),
                    Ahead::Open => {}
                }
            }
            settled.extend(restoring.restore(missing)?);
            self.clean.lock().expect("no holder panics").extend(settled);
        }
        Ok(())
    }

    /// Accepts a task if nothing needs to be done for that.
    fn look_ahead(&self, task: TaskIx) -> Result<Ahead, Fault> {
        if self.forced.contains(&task) || self.resolver.absent(task).next().is_some() {
            return Ok(Ahead::Open);
        }
        let is_open = |ix| self.is_open(ix);
        let Stood::At(keyed, standing) = self.resolver.stand(task, false, &[], &is_open).map_err(fault)? else {
            return Ok(Ahead::Open);
        };
        let Standing::Clean(reused) = *standing else { return Ok(Ahead::Open) };
        if self.impossible(&keyed).is_some() {
            return Ok(Ahead::Open);
        }
        if !reused.recorded || !reused.stale.is_empty() {
            let missing = Missing { task, keyed, reused };
            return Ok(if missing.is_small(self) { Ahead::Missing(Box::new(missing)) } else { Ahead::Open });
        }
        let outcome = |restored| reused.as_cached(restored);
        Ok(match self.reuse(task, &keyed, &reused, &outcome)? {
            Reuse::Resolved(resolved) => Ahead::Settled(resolved),
            Reuse::OnTop => Ahead::Open,
        })
    }
}
