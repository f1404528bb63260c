//! The resolved task as data.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Dependency;
use crate::base::{BlobDigest, Name, PatternSet, RelPath, TaskName, Tree};
use crate::plan::{AgentDef, AgentPreset, Body, ContextText, Plan, SandboxMode, Task, Tdd, ToolchainDef};

/// A toolchain as far as a result can depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// Its definition, where the plan has one; otherwise it is a preset.
    pub def: Option<ToolchainDef>,
    /// What is installed.
    pub identity: BlobDigest,
}

/// What of a task does not depend on files: it changes only when the plan or the environment does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The task.
    pub task: TaskName,
    /// What is to be done.
    pub work: Work,
    /// Declared variables and their values.
    pub env: BTreeMap<String, String>,
    /// Variables passed on from orca's environment; `None` where unset there.
    pub pass_env: BTreeMap<String, Option<String>>,
    /// Declared tools.
    pub tools: BTreeMap<String, ToolIdentity>,
    /// Toolchains by name.
    pub toolchains: BTreeMap<Name, Toolchain>,
    /// `sandbox`.
    pub sandbox: SandboxMode,
    /// `network`.
    pub network: bool,
    /// `outputs`.
    pub outputs: PatternSet,
    /// `edits`.
    pub edits: PatternSet,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// A command line.
    Run(Vec<String>),
    /// A prompt.
    Prompt {
        /// Who works on it.
        runner: Box<Runner>,
        /// The goal, templates applied.
        goal: String,
        /// The plan's `[context]`, by key, files by their content.
        background: BTreeMap<String, String>,
        /// `acceptance`.
        acceptance: Vec<String>,
        /// `tdd`.
        tdd: Option<Tdd>,
    },
}

/// The agent as far as it makes a difference to the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runner {
    /// Its kind.
    pub preset: AgentPreset,
    /// Its program, where the plan says so.
    pub command: Vec<String>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its model.
    pub model: Option<String>,
    /// Its declared variables.
    pub env: BTreeMap<String, String>,
}

/// What a declared tool is, by content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolIdentity {
    /// Found on PATH; the digest of the file.
    Found(BlobDigest),
    /// Not on PATH.
    Missing,
}

/// The complete task (DESIGN: Context).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskContext {
    /// What does not depend on files.
    pub definition: Arc<Definition>,
    /// The exact files it may see.
    pub view: Tree,
    /// What the tasks it names as dependencies did, in plan order; of an agent's task only.
    pub dependencies: Vec<Dependency>,
}

impl Definition {
    /// Resolves a task of the plan. `variable` answers for orca's environment, `tool` for PATH,
    /// `toolchain` for what is installed, `text_of` for the files
    /// that `[context]` names.
    pub fn resolve(
        plan: &Plan,
        task: &Task,
        variable: impl Fn(&str) -> Option<String>,
        tool: impl Fn(&str) -> ToolIdentity,
        toolchain: impl Fn(&Name) -> BlobDigest,
        text_of: impl Fn(&RelPath) -> String,
    ) -> Self {
        let work = match &task.body {
            Body::Run(argv) => Work::Run(argv.clone()),
            Body::Prompt { text, agent } => Work::Prompt {
                runner: plan.agents.get(agent).map(Runner::of).map(Box::new).expect("lowering resolves every agent"),
                goal: text.clone(),
                background: plan
                    .context
                    .entries
                    .iter()
                    .map(|(key, entry)| match entry {
                        ContextText::Text(text) => (key.clone(), text.clone()),
                        ContextText::File { path, .. } => (key.clone(), text_of(path)),
                    })
                    .collect(),
                acceptance: task.acceptance.clone(),
                tdd: task.tdd.clone(),
            },
        };
        Self {
            task: task.name.clone(),
            work,
            env: task.env.clone(),
            pass_env: task.pass_env.iter().map(|name| (name.clone(), variable(name))).collect(),
            tools: task.tools.iter().map(|name| (name.clone(), tool(name))).collect(),
            toolchains: task
                .toolchains
                .iter()
                .map(|name| {
                    let def = plan.toolchains.get(name).cloned();
                    (name.clone(), Toolchain { def, identity: toolchain(name) })
                })
                .collect(),
            sandbox: task.sandbox,
            network: task.network,
            outputs: task.outputs.clone(),
            edits: task.edits.clone(),
        }
    }
}

impl Runner {
    /// What of an agent makes a difference.
    #[must_use]
    pub fn of(agent: &AgentDef) -> Self {
        Self {
            preset: agent.preset,
            command: agent.command.clone(),
            args: agent.args.clone(),
            model: agent.model.clone(),
            env: agent.env.clone(),
        }
    }
}
