//! Plans for tests, in a line per task: `"link: deps compile; in src/**; out app"`.

use std::sync::Arc;

use crate::base::{FileId, NodeId, Pattern, PatternSet, TaskName};
use crate::plan::{Body, EdgeChange, Override, Plan, Resources, Retry, SandboxMode, Task, Undeclared};

/// A task that does nothing and needs nothing.
pub(crate) fn task(name: &str) -> Task {
    let task_name = TaskName::new(name).expect("a test names its tasks well");
    Task {
        node: NodeId::root(FileId(0)).child("tasks").child(task_name.stem()),
        name: task_name,
        description: None,
        body: Body::Run(vec!["true".to_owned()]),
        inputs: PatternSet::default(),
        outputs: PatternSet::default(),
        edits: PatternSet::default(),
        deps: Vec::new(),
        gates: Vec::new(),
        acceptance: Vec::new(),
        level: None,
        may_change: PatternSet::default(),
        tdd: None,
        env: Default::default(),
        pass_env: Vec::new(),
        tools: Vec::new(),
        toolchains: Vec::new(),
        scratch: Vec::new(),
        timeout: None,
        retry: Retry::default(),
        resources: Resources::default(),
        cost_micro_usd_max: None,
        sandbox: SandboxMode::Auto,
        network: false,
        undeclared: Undeclared::Error,
        approval: false,
        tags: Vec::new(),
    }
}

/// The plan that these lines say: a name, then after a colon `deps`, `in`, `out`, `edits` or `tags` with words.
pub(crate) fn plan(lines: &[&str]) -> Plan {
    let mut plan = Plan { name: "sketch".to_owned(), ..Plan::default() };
    for line in lines {
        let (name, rest) = line.split_once(':').unwrap_or((line, ""));
        let mut task = task(name);
        for clause in rest.split(';').map(str::trim).filter(|clause| !clause.is_empty()) {
            let (key, words) = clause.split_once(' ').unwrap_or((clause, ""));
            let words = words.split(' ').filter(|word| !word.is_empty());
            match key {
                "deps" => task.deps = words.map(|word| TaskName::new(word).expect("a name")).collect(),
                "tags" => task.tags = words.map(|word| word.parse().expect("a name")).collect(),
                "in" => task.inputs = patterns(words),
                "out" => task.outputs = patterns(words),
                "edits" => task.edits = patterns(words),
                other => panic!("a sketch has no {other}"),
            }
        }
        plan.tasks.insert(task.name.clone(), Arc::new(task));
    }
    plan
}

/// Adds an override to that plan, at a place of its own.
pub(crate) fn override_edge(plan: &mut Plan, change: EdgeChange, task: &str, dep: &str, reason: &str) {
    let name = |text: &str| TaskName::new(text).expect("a name");
    let node = NodeId::root(FileId(0)).child("overrides").element(plan.overrides.len());
    plan.overrides.push(Override { change, task: name(task), dep: name(dep), reason: reason.to_owned(), node });
}

fn patterns<'a>(words: impl Iterator<Item = &'a str>) -> PatternSet {
    words.map(|word| Pattern::new(word).expect("a pattern")).collect()
}
