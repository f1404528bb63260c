//! The complete task for programs: `.orca/task.json`, schema-versioned; docs/json.md names its fields.

use serde_json::{Value, json};

use super::dependency::{Dependency, Told};
use super::document::rules;
use super::{TaskContext, Work};
use crate::plan::{COVERAGE_MIN, GateDef, GateKind, Task};

/// Version of the form. Raised when a field changes its meaning or goes away.
const TASK_JSON_VERSION: u32 = 2;

/// The task as JSON.
#[must_use]
pub fn task_json(context: &TaskContext, task: &Task, key: &str, told: &Told<'_>) -> Value {
    let definition = &context.definition;
    let work = match &definition.work {
        Work::Run(argv) => json!({ "argv": argv }),
        Work::Prompt { runner, goal, background, acceptance, tdd } => json!({
            "goal": goal,
            "background": background,
            "acceptance": acceptance,
            "tests": tdd.as_ref().map(|tdd| json!({
                "files": tdd.tests, "argv": tdd.run, "coverage_min": tdd.coverage_min.unwrap_or(COVERAGE_MIN),
            })),
            "preset": runner.preset,
            "model": runner.model,
        }),
    };
    json!({
        "v": TASK_JSON_VERSION,
        "task": definition.task,
        "description": task.description,
        "key": key,
        "work": work,
        "outputs": definition.outputs,
        "edits": definition.edits,
        "dependencies": context.dependencies.iter().map(|it| dependency(it, told)).collect::<Vec<_>>(),
        "gates": told.gates.iter().map(gate).collect::<Vec<_>>(),
        "env": definition.env,
        "pass_env": definition.pass_env,
        "tools": definition.tools.keys().collect::<Vec<_>>(),
        "toolchains": definition.toolchains.keys().collect::<Vec<_>>(),
        "scratch": task.scratch,
        "network": definition.network,
        "sandbox": definition.sandbox,
        "timeout_ms": task.timeout.map(|timeout| timeout.ms()),
        "rules": rules(definition, task),
        "last_failure": told.failure,
        "view": context.view,
    })
}

fn dependency(dependency: &Dependency, told: &Told<'_>) -> Value {
    let said = told.words.get(&dependency.task).cloned().unwrap_or_default();
    let changes = dependency
        .changes
        .iter()
        .map(|(path, change)| json!({ "path": path, "base": change.base, "result": change.result }));
    json!({
        "task": dependency.task,
        "by": if dependency.is_agent { "agent" } else { "command" },
        "purpose": said.purpose,
        "summary": said.summary,
        "changes": changes.collect::<Vec<_>>(),
    })
}

fn gate(gate: &GateDef) -> Value {
    match &gate.kind {
        GateKind::Run(argv) => json!({ "gate": gate.name, "level": gate.level, "argv": argv }),
        GateKind::Check(check) => {
            json!({ "gate": gate.name, "level": gate.level, "check": check, "options": gate.options })
        }
        GateKind::Agent { agent, prompt } => {
            json!({ "gate": gate.name, "level": gate.level, "agent": agent, "prompt": prompt })
        }
    }
}
