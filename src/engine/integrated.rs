//! The tree that gates of the plan judge: all of the project as it is to be, from source and results.

use std::collections::BTreeMap;

use super::judge_plan::with_drift;
use super::merging::{Folded, lost};
use super::resolve::Resolver;
use crate::base::{Change, RelPath, Tree};
use crate::graph::TaskIx;
use crate::plan::GateDef;

impl Resolver {
    /// The gates of the plan, without those that are switched off.
    pub fn plan_gates(&self) -> Vec<GateDef> {
        self.plan().gates_of_plan()
    }

    /// The tree that gates of the plan judge: all source and all results, with what a person made of edited files since.
    /// `Err` before every task is accepted.
    pub fn integrated(&self) -> Result<Tree, String> {
        let mut tree = self.integrated_up_to(TaskIx(u32::MAX))?;
        with_drift(self, &mut tree);
        Ok(tree)
    }

    /// As [`Resolver::integrated`], with the results of the tasks before `end` in plan order only.
    pub fn integrated_up_to(&self, end: TaskIx) -> Result<Tree, String> {
        let mut tree = self.all_sources.clone();
        let mut edits: BTreeMap<&RelPath, Vec<(TaskIx, &Change)>> = BTreeMap::new();
        for ix in self.graph.tasks().take_while(|ix| *ix < end) {
            let produced = self.result(ix).ok_or_else(|| format!("`{}` is not accepted", self.name(ix)))?;
            tree.extend(produced.outputs.iter().map(|(path, entry)| (path.clone(), entry.clone())));
            for (path, change) in produced.edits.iter() {
                edits.entry(path).or_default().push((ix, change));
            }
        }
        for (path, changes) in edits {
            let folded = self.fold(path, changes.into_iter()).map_err(|error| error.to_string())?;
            let Folded::Entry(entry) = folded else { return Err(lost(path)) };
            match entry {
                Some(entry) => drop(tree.insert(path.clone(), entry)),
                None => drop(tree.remove(path)),
            }
        }
        Ok(tree)
    }
}
