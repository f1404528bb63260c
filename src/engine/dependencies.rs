//! What a task is told of the tasks it names as dependencies: what they did to files, from their results, and what they
//! said, from wherever that is kept.

use std::collections::BTreeMap;

use super::produced::Produced;
use super::resolve::Resolver;
use crate::base::{Change, Changes, Entry, RelPath, TaskName};
use crate::context::{Dependency, TaskContext, Told, Words};
use crate::event::ActionResult;
use crate::graph::{EdgeKind, TaskIx};
use crate::plan::{Body, GateDef, Task};

/// What the telling of one task needs, gathered.
pub(super) struct Telling<'a> {
    resolver: &'a Resolver,
    gates: Vec<GateDef>,
    words: BTreeMap<TaskName, Words>,
}

impl Telling<'_> {
    /// Calls `render` with everything there is to tell; `failure` is what the last attempt failed on.
    pub(super) fn with<T>(&self, failure: Option<&str>, render: impl FnOnce(&Told<'_>) -> T) -> T {
        let content = |path: &RelPath, entry: &Entry| self.resolver.content(path, entry);
        render(&Told { gates: &self.gates, words: &self.words, failure, content: &content })
    }
}

impl Resolver {
    /// Whether a task that this one names in its `deps` changed the path: it sees all that came of those.
    pub(super) fn is_brought_by_dep(&self, task: TaskIx, path: &RelPath) -> bool {
        let is_declared = |dep: &TaskIx| !matches!(self.graph.edge(task, *dep), EdgeKind::Inferred { .. });
        let mut deps = self.graph.deps(task).iter().filter(|dep| is_declared(dep));
        deps.any(|dep| self.result(*dep).is_some_and(|result| result.edits.contains_key(path)))
    }

    /// What the direct dependencies of an agent's task did, as far as they are accepted: in plan order, only those that
    /// the plan names. Commands are told nothing, and their keys know nothing of this.
    #[must_use]
    pub(super) fn dependencies(&self, task: TaskIx) -> Vec<Dependency> {
        if !self.task(task).is_agent() {
            return Vec::new();
        }
        let is_named = |dep: &TaskIx| !matches!(self.graph.edge(task, *dep), EdgeKind::Inferred { .. });
        let named = self.graph.deps(task).iter().copied().filter(is_named);
        let dependency = |dep| {
            let result = self.result(dep)?;
            let is_agent = self.task(dep).is_agent();
            Some(Dependency { task: self.name(dep).clone(), is_agent, changes: changes(result) })
        };
        named.filter_map(dependency).collect()
    }

    /// Everything that the document of a task tells besides what is in its key.
    #[must_use]
    pub(super) fn telling(&self, task: TaskIx, context: &TaskContext) -> Telling<'_> {
        let words = context.dependencies.iter().filter_map(|dependency| {
            let dep = self.graph.ix(&dependency.task)?;
            let summary = if dependency.is_agent { self.summary(dep) } else { String::new() };
            Some((dependency.task.clone(), Words { purpose: purpose(self.task(dep)), summary }))
        });
        Telling { resolver: self, gates: self.gates(task), words: words.collect() }
    }

    /// What the agent of an accepted task said in the end; nothing where the cache no longer knows.
    fn summary(&self, task: TaskIx) -> String {
        let Some(accepted) = self.result(task) else { return String::new() };
        let Ok(keyed) = self.key_on_top(task, &accepted.on_top_of) else { return String::new() };
        // Whichever of its agents made it.
        let results: Vec<ActionResult> =
            self.for_each_agent(task, &keyed).filter_map(|keyed| self.cached(&keyed.key)).collect();
        let is_it = |result: &&ActionResult| result.outputs == *accepted.outputs && result.edits == *accepted.edits;
        let made = results.iter().find(is_it).or(results.first());
        made.map(|result| result.summary.clone()).unwrap_or_default()
    }

    /// The bytes of a file by its entry, wherever they are kept; `None` where they are no longer to be had.
    fn content(&self, path: &RelPath, entry: &Entry) -> Option<Vec<u8>> {
        let Entry::File { digest, .. } = entry else { return None };
        self.contents().read(path, digest).ok().flatten()
    }
}

/// What became of each path: what a task makes was not there before, and of what it edits its result knows both sides.
fn changes(result: &Produced) -> Changes {
    let made = |(path, entry): (&RelPath, &Entry)| (path.clone(), Change { base: None, result: Some(entry.clone()) });
    let edited = result.edits.iter().map(|(path, change)| (path.clone(), change.clone()));
    result.outputs.iter().map(made).chain(edited).collect()
}

/// What a task is for, in a line.
fn purpose(task: &Task) -> String {
    let prompt = match &task.body {
        Body::Prompt { text, .. } => text.as_str(),
        Body::Run(_) => "",
    };
    let first_line = |text: &str| text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
    task.description.as_deref().and_then(first_line).or_else(|| first_line(prompt)).unwrap_or_default()
}
