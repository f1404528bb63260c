//! What is clean is settled before the executor starts, layer by layer, on all cores: in a large plan that is nearly all of it,
//! and going through the executor's loop one by one costs more than looking.
//!
//! Only what needs nothing is settled here: a result that is on record, in place, and agreed to. Everything else the executor
//! resolves in its turn. Plans with tasks that edit files in place go the other way altogether: there turns matter.

use rayon::prelude::*;

use super::builder::{Builder, Reuse, fault};
use super::resolve::Stood;
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

impl Builder {
    /// Settles what is clean; [`Tasks::known`](crate::exec::Tasks::known) answers for it from then on.
    pub(super) fn settle_clean(&self) -> Result<(), Fault> {
        if self.resolver.turns_matter() {
            return Ok(());
        }
        // A few are asked about in their turn: to start threads takes longer.
        if self.selected.len() >= parallel::ITEMS_MIN {
            self.resolver.read_ahead(&self.selected);
        }
        for layer in by_layer(&self.resolver.graph, self.selected.iter().copied()) {
            let settled = for_layer(&layer, |task| {
                let _timing = self.host.trace.span("key", || Of::Key(self.resolver.name(task).clone()));
                self.if_clean(task)
            });
            let mut clean = self.clean.lock().expect("no holder panics");
            for (task, resolved) in layer.into_iter().zip(settled) {
                clean.extend(resolved?.map(|resolved| (task, resolved)));
            }
        }
        Ok(())
    }

    /// Accepts a task if nothing needs to be done for that.
    fn if_clean(&self, task: TaskIx) -> Result<Option<Resolved>, Fault> {
        if self.forced.contains(&task) || self.resolver.absent(task).next().is_some() {
            return Ok(None);
        }
        let is_open = |ix| self.is_open(ix);
        let Stood::At(keyed, standing) = self.resolver.stand(task, false, &[], &is_open).map_err(fault)? else {
            return Ok(None);
        };
        let Standing::Clean(reused) = *standing else { return Ok(None) };
        if !reused.recorded || !reused.stale.is_empty() || self.impossible(&keyed).is_some() {
            return Ok(None);
        }
        let outcome = |restored| reused.as_cached(restored);
        Ok(match self.reuse(task, &keyed, &reused, &outcome)? {
            Reuse::Resolved(resolved) => Some(resolved),
            Reuse::OnTop => None,
        })
    }
}
