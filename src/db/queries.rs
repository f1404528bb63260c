//! The memos. Each is one call of a pure function from a layer below.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::inputs::{Db, Environment, Listing, PlanInput};
use crate::base::{BlobDigest, Finding, RelPath, TaskName, Tree};
use crate::context::{self, Definition, ToolIdentity};
use crate::plan::{self, Plan, Task};

/// The plan, and what there is to say about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Lowered {
    /// Without spans.
    pub plan: Plan,
    /// Of lowering; those of loading and of the graph are elsewhere.
    pub findings: Vec<Finding>,
}

/// A task's name as salsa knows it.
#[salsa::interned(debug)]
pub(super) struct TaskId<'db> {
    /// The name.
    pub name: TaskName,
}

/// Lowers the documents. A change that only moves text stops here.
#[salsa::tracked]
pub(super) fn lowered(db: &dyn Db, input: PlanInput) -> Arc<Lowered> {
    let (mut plan, findings) = plan::lower(input.documents(db));
    if let Some(part) = input.part(db) {
        plan.reduce(part);
    }
    Arc::new(Lowered { plan, findings })
}

/// One task of the plan. A change of another task stops here.
#[salsa::tracked]
pub(super) fn task<'db>(db: &'db dyn Db, input: PlanInput, id: TaskId<'db>) -> Option<Arc<Task>> {
    lowered(db, input).plan.tasks.get(id.name(db)).cloned()
}

/// The plan without its tasks: what a task's definition may refer to.
#[salsa::tracked]
fn shared(db: &dyn Db, input: PlanInput) -> Arc<Plan> {
    let plan = &lowered(db, input).plan;
    Arc::new(Plan {
        context: plan.context.clone(),
        agents: plan.agents.clone(),
        toolchains: plan.toolchains.clone(),
        ..Plan::default()
    })
}

/// What of a task's context does not depend on files.
#[salsa::tracked]
pub(super) fn definition<'db>(
    db: &'db dyn Db,
    input: PlanInput,
    environment: Environment,
    id: TaskId<'db>,
) -> Option<Arc<Definition>> {
    let task = task(db, input, id).as_ref()?;
    let facts = environment.facts(db);
    Some(Arc::new(Definition::resolve(
        shared(db, input),
        task,
        |name| facts.variables.get(name).cloned(),
        |name| facts.tools.get(name).cloned().unwrap_or(ToolIdentity::Missing),
        |name| facts.toolchains.get(name).copied().unwrap_or_else(|| BlobDigest::of(b"")),
        |path| facts.texts.get(path).cloned().unwrap_or_default(),
    )))
}

/// The source paths a task's patterns cover.
#[salsa::tracked]
pub(super) fn sources<'db>(
    db: &'db dyn Db,
    input: PlanInput,
    listing: Listing,
    id: TaskId<'db>,
) -> Arc<BTreeSet<RelPath>> {
    let paths = task(db, input, id).as_ref().map(|task| context::source_paths(task, listing.index(db)));
    Arc::new(paths.unwrap_or_default())
}

/// The source files of a task's view.
#[salsa::tracked]
pub(super) fn source_view<'db>(db: &'db dyn Db, input: PlanInput, listing: Listing, id: TaskId<'db>) -> Arc<Tree> {
    let entry = |path: &RelPath| db.file(path).and_then(|file| file.entry(db).clone());
    let paths = sources(db, input, listing, id);
    Arc::new(paths.iter().filter_map(|path| Some((path.clone(), entry(path)?))).collect())
}
