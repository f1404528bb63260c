//! The plan as a value: every name resolved, every default filled in, no span anywhere.
//!
//! Two plans that differ only in comments, order or layout are equal. That is what lets salsa stop there.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::{DurationMs, FailureKind, Name, NodeId, Pattern, PatternSet, RelPath, SizeBytes, TaskName};

/// What the plan's files say, lowered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// `plan.name`; where it is not given, "plan".
    pub name: String,
    /// `plan.gates`: judged on the integrated tree after all tasks.
    pub gates: Vec<Name>,
    /// `plan.level`: of gates that do not say it, and whose task does not.
    pub level: Option<Level>,
    /// `plan.protected`: files that no task may touch unless it names them.
    pub protected: PatternSet,
    /// `[context]`: embedded in every agent task.
    pub context: Context,
    /// `[limits]`.
    pub limits: Limits,
    /// `[pools]`: how many tasks may hold each at a time.
    pub pools: BTreeMap<Name, u32>,
    /// `[agents]`.
    pub agents: BTreeMap<Name, AgentDef>,
    /// `[gates]`.
    pub gate_defs: BTreeMap<Name, GateDef>,
    /// `[toolchains]`; the presets are not in here.
    pub toolchains: BTreeMap<Name, ToolchainDef>,
    /// `[tasks]`, templates applied and matrices expanded.
    pub tasks: BTreeMap<TaskName, Arc<Task>>,
    /// `[overrides]`, in a fixed order.
    pub overrides: Vec<Override>,
    /// The plan files themselves, root first: no task may write them.
    pub files: Vec<RelPath>,
    /// What `include` covers: a file that is made there is the plan's from then on.
    pub includes: PatternSet,
}

impl Plan {
    /// An agent, and those that take over when it cannot go on, in order.
    pub fn with_fallbacks<'p>(&'p self, agent: &'p Name) -> impl Iterator<Item = &'p AgentDef> {
        let next = |def: &&'p AgentDef| self.agents.get(def.fallback.as_ref()?);
        std::iter::successors(self.agents.get(agent), next).take(self.agents.len())
    }
}

/// `[context]`: what every agent is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Context {
    /// Every entry by its key: `background`, `architecture`, `requirements`, `guidance`, `environment` ...
    pub entries: BTreeMap<String, ContextText>,
}

/// A text given in the plan or by the name of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ContextText {
    /// In the plan.
    Text(String),
    /// In a file of the project.
    File {
        /// The file.
        path: RelPath,
        /// Where the plan names it.
        node: NodeId,
    },
}

/// `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// `jobs`: `None` is "auto".
    pub jobs: Option<u32>,
    /// `memory_per_task`: what a task is taken to need where it does not say.
    pub memory_per_task: Option<SizeBytes>,
    /// `reserve_memory`: what orca leaves to the rest of the machine.
    pub reserve_memory: Option<SizeBytes>,
    /// `cost_usd_max`, in millionths of a dollar.
    pub cost_micro_usd_max: Option<u64>,
    /// `log_size_max`: how much of a task's output is kept.
    pub log_size_max: Option<SizeBytes>,
    /// `context_size_max`: how long the document that an agent gets may be.
    pub context_size_max: Option<SizeBytes>,
}

/// The kinds of agent orca knows how to drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AgentPreset {
    /// Claude Code.
    ClaudeCode,
    /// Codex.
    Codex,
    /// opencode.
    Opencode,
    /// aider.
    Aider,
    /// Gemini CLI.
    Gemini,
    /// Any agent that speaks the Agent Client Protocol.
    Acp,
    /// Any program: the prompt on its standard input.
    Command,
}

/// `[agents.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentDef {
    /// Its name in the plan.
    pub name: Name,
    /// `preset`.
    pub preset: AgentPreset,
    /// `command` (preset `command`) or an override of a preset's binary: argv, the program first.
    pub command: Vec<String>,
    /// `args`: appended to the command line.
    pub args: Vec<String>,
    /// `model`.
    pub model: Option<String>,
    /// `env`: declared variables, in the key.
    pub env: BTreeMap<String, String>,
    /// `secrets`: names of variables passed to the agent; never in the key, masked everywhere.
    pub secrets: Vec<String>,
    /// `fallback`: the agent that takes over when this one cannot go on.
    pub fallback: Option<Name>,
    /// Where it was written.
    pub node: NodeId,
}

/// The built-in checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// Tests first.
    Tdd,
    /// All of the security checks.
    Security,
    /// Secrets in added lines.
    Secrets,
    /// Unsafe patterns and unsanitized input.
    Patterns,
    /// Known-vulnerable dependencies.
    Dependencies,
    /// Measured speed and size.
    Performance,
    /// Scope, size, lint, a reviewer.
    Review,
    /// Protected files and escapes.
    Integrity,
    /// Declared files only.
    Scope,
    /// Outputs against a JSON Schema.
    Schema,
    /// Files that must exist, match or not.
    Files,
}

/// How strict a gate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Not judged.
    Disabled,
    /// Only what is certain.
    Basic,
    /// The default.
    Standard,
    /// Warnings fail, too.
    Strict,
}

/// `[gates.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateDef {
    /// Its name in the plan.
    pub name: Name,
    /// What judges.
    pub kind: GateKind,
    /// `level`, where it says one.
    pub level: Option<Level>,
    /// The options of a check, as JSON; `report`, `ignore` and `allow` of a command.
    pub options: BTreeMap<String, serde_json::Value>,
    /// `inputs`: files of the base the gate itself needs, besides the judged tree.
    pub inputs: PatternSet,
    /// `env`.
    pub env: BTreeMap<String, String>,
    /// `tools`.
    pub tools: Vec<String>,
    /// `toolchains`.
    pub toolchains: Vec<Name>,
    /// `timeout`.
    pub timeout: Option<DurationMs>,
    /// `network`.
    pub network: bool,
    /// Where it was written.
    pub node: NodeId,
}

/// What judges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateKind {
    /// A command: exit 0 is passed.
    Run(Vec<String>),
    /// A built-in check.
    Check(Check),
    /// An agent with a rubric.
    Agent {
        /// Which agent.
        agent: Name,
        /// What it is asked.
        prompt: String,
    },
}

/// `[toolchains.NAME]`: what a sandboxed task sees read-only, and the variables that lead there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolchainDef {
    /// Its name in the plan.
    pub name: Name,
    /// `paths`: absolute, or `~/...`.
    pub paths: Vec<String>,
    /// `env`: variables to set; a leading `~/` of a value is the user's home.
    pub env: BTreeMap<String, String>,
    /// `path`: directories put on PATH.
    pub bin: Vec<String>,
    /// Where it was written.
    pub node: NodeId,
}

/// `[overrides]`: an edge added or dropped by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Added or dropped.
    pub change: EdgeChange,
    /// The task that waits.
    pub task: TaskName,
    /// The task it waits for.
    pub dep: TaskName,
    /// Why; shown by `orca graph`.
    pub reason: String,
    /// Where it was written.
    pub node: NodeId,
}

/// What an override does to an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeChange {
    /// `[[overrides.add]]`
    Add,
    /// `[[overrides.drop]]`
    Drop,
}

/// What a task does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A command line as argv; a plain string in the plan is `["/bin/sh", "-c", string]`.
    Run(Vec<String>),
    /// A prompt for an agent, templates applied.
    Prompt {
        /// The rendered text.
        text: String,
        /// `agent`: where it is not given and the plan has just one agent, that one.
        agent: Name,
    },
}

/// Where a task must run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, Default)]
#[serde(rename_all = "lowercase")]
pub enum SandboxMode {
    /// The strongest that works.
    #[default]
    Auto,
    /// Refuse to run without one.
    Required,
    /// Without; this is a power that wants consent.
    None,
}

/// What happens to files a task wrote that it did not declare (ignored ones are always dropped quietly).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, Default)]
#[serde(rename_all = "lowercase")]
pub enum Undeclared {
    /// The attempt fails.
    #[default]
    Error,
    /// They are dropped with a warning.
    Warn,
    /// They are dropped.
    Discard,
}

/// `retry`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// Which failures are tried again.
    pub on: Vec<FailureKind>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 1,
            on: vec![FailureKind::Crash, FailureKind::Timeout, FailureKind::RateLimit, FailureKind::Gate],
        }
    }
}

/// `resources`: what a running task holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resources {
    /// Job slots; at least 1.
    pub cpu: u32,
    /// Memory it is expected to need; `None`: `limits.memory_per_task`.
    pub memory: Option<SizeBytes>,
    /// Pools it holds one unit of.
    pub pools: Vec<Name>,
}

impl Default for Resources {
    fn default() -> Self {
        Self { cpu: 1, memory: None, pools: Vec::new() }
    }
}

/// Least coverage of changed lines where a plan does not say it, in percent.
pub const COVERAGE_MIN: u8 = 95;

/// `tdd`: the tests that must fail before and pass after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tdd {
    /// The test files.
    pub tests: Vec<Pattern>,
    /// The command that runs them.
    pub run: Vec<String>,
    /// The command that runs all tests.
    pub suite: Option<Vec<String>>,
    /// Where the commands write their report.
    pub report: Option<String>,
    /// Where `run` writes its coverage report.
    pub coverage: Option<String>,
    /// Least coverage of changed lines, in percent, where it says one.
    pub coverage_min: Option<u8>,
}

/// One declared unit of work, templates applied and matrix expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its name; `login[linux]` for an instance of a matrix.
    pub name: TaskName,
    /// `description`; not in the key.
    pub description: Option<String>,
    /// `run` or `prompt`.
    pub body: Body,
    /// `inputs`.
    pub inputs: PatternSet,
    /// `outputs`.
    pub outputs: PatternSet,
    /// `edits`.
    pub edits: PatternSet,
    /// `deps`, resolved (a dep on a matrix's stem is a dep on all its instances), sorted.
    pub deps: Vec<TaskName>,
    /// `gates`.
    pub gates: Vec<Name>,
    /// `acceptance`.
    pub acceptance: Vec<String>,
    /// `level`: of its gates that do not say it.
    pub level: Option<Level>,
    /// `may_change`: protected files that it may touch.
    pub may_change: PatternSet,
    /// `tdd`.
    pub tdd: Option<Tdd>,
    /// `env`.
    pub env: BTreeMap<String, String>,
    /// `pass_env`: names read from orca's environment; their values are in the key.
    pub pass_env: Vec<String>,
    /// `tools`: resolved on PATH; their digests are in the key.
    pub tools: Vec<String>,
    /// `toolchains`.
    pub toolchains: Vec<Name>,
    /// `scratch`: directories kept between attempts and runs.
    pub scratch: Vec<RelPath>,
    /// `timeout`.
    pub timeout: Option<DurationMs>,
    /// `retry`.
    pub retry: Retry,
    /// `resources`.
    pub resources: Resources,
    /// `cost_usd_max`: what its attempts may cost in one build together, in millionths of a dollar.
    pub cost_micro_usd_max: Option<u64>,
    /// `sandbox`.
    pub sandbox: SandboxMode,
    /// `network`.
    pub network: bool,
    /// `undeclared`.
    pub undeclared: Undeclared,
    /// `approval`: a person must accept its result.
    pub approval: bool,
    /// `tags`.
    pub tags: Vec<Name>,
    /// Where it was written: the table `[tasks.NAME]`.
    pub node: NodeId,
}

impl Task {
    /// Whether its body is a prompt.
    #[must_use]
    pub fn is_agent(&self) -> bool {
        matches!(self.body, Body::Prompt { .. })
    }
}
