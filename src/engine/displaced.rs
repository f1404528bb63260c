//! What a build would take from its place, for `build -n`: outputs that no task writes any more, and what a person has
//! where an output goes. The first are removed, the second are kept in `.orca/replaced`.

use serde::Serialize;

use super::look::{Look, Prospect, Seen};
use super::session::EngineError;
use super::standing::Standing;
use super::status::TaskPath;
use crate::base::{Entry, Pattern, RelPath};
use crate::graph::TaskIx;

/// What a build would take from its place.
#[derive(Debug, Default, Serialize)]
pub struct Displaced {
    /// Outputs that no task writes any more: they would be removed.
    pub removes: Vec<RelPath>,
    /// Files that orca did not put there, where an output goes: they would be kept in `.orca/replaced`.
    pub replaces: Vec<TaskPath>,
}

impl Look {
    /// What a build of the tasks looked at would take from its place.
    pub fn displaced(&self) -> Result<Displaced, EngineError> {
        let mut displaced = Displaced::default();
        for (path, entry) in self.resolver.orphans() {
            let is_taken_over = self.resolver.graph.owner(&path).is_some();
            let is_left = self.resolver.ledger.is_left_by_agent(&self.resolver.graph, &path);
            if !is_taken_over && !is_left && self.resolver.on_disk(&path)? == Some(entry) {
                displaced.removes.push(path);
            }
        }
        for ix in self.tasks() {
            for path in self.to_write(ix) {
                if self.is_a_persons(ix, &path)? {
                    displaced.replaces.push(TaskPath { task: self.name(ix).clone(), path });
                }
            }
        }
        Ok(displaced)
    }

    /// Where a build would write for this task, as far as that is known.
    fn to_write(&self, ix: TaskIx) -> Vec<RelPath> {
        match (self.seen(ix), self.prospect(ix)) {
            (_, Prospect::Nothing | Prospect::Fail { .. } | Prospect::Hold { .. }) => Vec::new(),
            (Seen::Known(_, Standing::Clean(reused) | Standing::Judge(reused, _)), _) => reused.stale.clone(),
            _ => {
                let mut paths = self.resolver.ledger.published_by(self.name(ix));
                paths.retain(|path, _| self.resolver.graph.owner(path) == Some(ix));
                let literal = self.resolver.task(ix).outputs.iter().filter_map(Pattern::as_literal);
                let new: Vec<RelPath> = literal.filter(|path| !paths.contains_key(path)).collect();
                paths.into_keys().chain(new).collect()
            }
        }
    }

    /// Whether a person's file is there, and would have to go.
    fn is_a_persons(&self, ix: TaskIx, path: &RelPath) -> Result<bool, EngineError> {
        let Some(found @ Entry::File { .. }) = self.resolver.on_disk(path)? else { return Ok(false) };
        Ok(match self.resolver.ledger.published_at(path) {
            None => true,
            // What is edited of an agent's result stays.
            Some(known) => known.entry != found && !self.resolver.task(ix).is_agent(),
        })
    }
}
