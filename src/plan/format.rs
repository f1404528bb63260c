//! The format of a plan, whole: every table and every key, once. Reader and JSON Schema both come from here.

use super::model::{AgentPreset, Check, Level, SandboxMode, Undeclared};
use super::table::tables;
use super::values::{At, Command, Count, Deferred, Jobs, Map, MicroUsd, Params, Percent, Read, Scalar, Text};
use crate::base::{DurationMs, FailureKind, SizeBytes};

tables! {
    /// A plan of orca: tasks, and what they share.
    struct RawPlan as "the plan" {
        /// More files of the same plan, as wildcards relative to this one.
        include: Vec<Text>,
        /// About the plan as a whole.
        plan: RawHeader,
        /// What every agent is told: a text, or `{ file = "docs/x.md" }`. Keys are the author's; `background`, `architecture`, `requirements`, `guidance` and `environment` are usual.
        context: Map<ContextEntry>,
        /// What the whole build may use.
        limits: RawLimits,
        /// How many tasks may hold each resource at a time.
        pools: Map<At<Count>>,
        /// The agents that tasks with a `prompt` name.
        agents: Map<RawAgent>,
        /// The gates that tasks and the plan name.
        gates: Map<RawGate>,
        /// What sandboxed tasks see read-only to find their compilers, besides the built-in `rust`, `python`, `node`, `go` and `java`.
        toolchains: Map<RawToolchain>,
        /// Shapes for tasks that are alike.
        templates: Map<Deferred<RawTask>>,
        /// The tasks.
        tasks: Map<Deferred<RawTask>>,
        /// Edges of the graph added or dropped by hand.
        overrides: RawOverrides,
    }

    /// About the plan as a whole.
    struct RawHeader as "`[plan]`" {
        /// What the plan is called in reports. Default: "plan".
        name: Text,
        /// Gates that judge the whole tree after all tasks.
        gates: Vec<Text>,
        /// How strict gates are that do not say it themselves, and whose task does not. Default: standard.
        level: At<Level>,
        /// Files that no task may touch unless it names them, besides test configuration and the like, which orca knows.
        protected: Vec<Text>,
    }

    /// What the whole build may use.
    struct RawLimits as "`[limits]`" {
        /// How many tasks run at a time: "auto" or a number. Default: "auto", by cores and free memory.
        jobs: At<Jobs>,
        /// What a task is taken to need where it does not say. Default: 256MiB.
        memory_per_task: At<SizeBytes>,
        /// What is left to the rest of the machine. Default: 1GiB.
        reserve_memory: At<SizeBytes>,
        /// What agents may cost in one build, in dollars: a task that would pass it is not started. Default: no limit.
        cost_usd_max: At<MicroUsd>,
        /// How much of one task's output is kept. Default: 16MiB.
        log_size_max: At<SizeBytes>,
        /// How long the complete task of an agent may get: what it is told, not the files it sees. Default: 1MiB.
        context_size_max: At<SizeBytes>,
    }

    /// An agent: a program that takes a prompt and changes files.
    struct RawAgent as "an agent" {
        /// The kind of agent; "command" is any program that reads the prompt from its standard input. Default: "command" where there is a `command`.
        preset: At<AgentPreset>,
        /// The program, as a string for the shell or as an array of words.
        command: Command,
        /// Words added to the command.
        args: Vec<Text>,
        /// The model it is told to use.
        model: Text,
        /// Variables set for it; part of the key.
        env: Map<Text>,
        /// Names of variables passed from orca's environment; never in the key, masked everywhere.
        secrets: Vec<Text>,
        /// The agent that takes over when this one cannot go on.
        fallback: Text,
    }

    /// A gate: what judges a result. It has `run`, or `check`, or `agent` with `prompt`.
    struct RawGate as "a gate" {
        /// A command; exit 0 is passed.
        run: Command,
        /// A built-in check.
        check: At<Check>,
        /// The agent that judges.
        agent: Text,
        /// What the agent is asked.
        prompt: Text,
        /// How strict it is. Default: what its task says, else what the plan says, else standard.
        level: At<Level>,
        /// Files of the project the gate needs besides the tree it judges.
        inputs: Vec<Text>,
        /// Variables set for it.
        env: Map<Text>,
        /// Programs it needs on PATH.
        tools: Vec<Text>,
        /// Toolchains it needs.
        toolchains: Vec<Text>,
        /// How long it may take. Default: no limit.
        timeout: At<DurationMs>,
        /// Whether it may use the network. Default: false.
        network: At<bool>,
        /// Gates with `run` and check tdd: the report that the command writes, as SARIF, JUnit XML or TAP. A path of the judged tree, or a wildcard.
        report: Text,
        /// Checks: rules that do not count, as `check/rule`; a `*` at the end stands for any.
        ignore: Vec<Text>,
        /// Checks: paths whose findings do not count.
        allow: Vec<Text>,
        /// Checks tdd and schema: the files meant.
        files: Vec<Text>,
        /// Checks tdd and performance: the command that tests or measures.
        command: Command,
        /// Check tdd: the command that runs all tests.
        suite: Command,
        /// Check tdd: the coverage report that the command writes, as LCOV, Cobertura or JaCoCo.
        coverage: Text,
        /// Check tdd: least coverage of changed lines, in percent. Default: 95.
        coverage_min: At<Percent>,
        /// Checks security and dependencies: a directory of vulnerabilities in OSV's format: a path of the project, an absolute one, or `~/...`.
        database: Text,
        /// Checks security and dependencies: programs asked besides, where they are installed: `cargo-audit`, `npm-audit`, `pip-audit`, `gitleaks`, `semgrep`.
        scanners: Vec<Text>,
        /// Check integrity: paths no task may touch unless it names them.
        protect: Vec<Text>,
        /// Check integrity: the largest file a result may bring. Default: 5MiB.
        size_max: At<SizeBytes>,
        /// Check performance: how many pairs of base and result are measured. Default: 10.
        runs: At<Count>,
        /// Check performance: runs of each side before that, which do not count. Default: 1.
        warmup: At<Count>,
        /// Check performance: how much slower than the base it may be, in percent. Default: 10.
        max_regression: At<Count>,
        /// Check performance: the wall time one measurement may take.
        budget: At<DurationMs>,
        /// Check performance: the CPU time one measurement may take.
        cpu_budget: At<DurationMs>,
        /// Check performance: the memory one measurement may take, all its processes together.
        memory_max: At<SizeBytes>,
        /// Check performance: the size of what the result brings, all files together.
        output_size_max: At<SizeBytes>,
        /// Check review: most lines changed.
        lines_max: At<Count>,
        /// Check review: most files changed.
        files_max: At<Count>,
        /// Check review: commands whose findings count where they are on changed lines.
        lint: Vec<Text>,
        /// Check review: what a new source file has to begin with, in a comment.
        licence_header: Text,
        /// Check review: the agent that reviews.
        reviewer: Text,
        /// Check review: what the reviewer looks for.
        rubric: Text,
        /// Check schema: the JSON Schema the files must satisfy.
        schema: Text,
        /// Check files: what must exist.
        require: Vec<Text>,
        /// Check files: what must not exist.
        forbid: Vec<Text>,
        /// Check files: what a file must contain, as a regular expression by path or wildcard.
        contains: Map<Text>,
        /// Check files: what a file must not contain, as a regular expression by path or wildcard.
        lacks: Map<Text>,
        /// Check files: what a file must match from beginning to end, as a regular expression by path or wildcard.
        matches: Map<Text>,
    }

    /// A toolchain: what a sandboxed task sees read-only, and the variables that lead there.
    struct RawToolchain as "a toolchain" {
        /// Directories and files shown read-only: absolute, or `~/...`.
        paths: Vec<Text>,
        /// Variables set; a leading `~/` of a value is the user's home.
        env: Map<Text>,
        /// Directories put on PATH: absolute, or `~/...`.
        path: Vec<Text>,
    }

    /// A task: `run` or `prompt`, what it reads, what it makes.
    struct RawTask as "a task" {
        /// What it is for.
        description: Text,
        /// The template it starts from; its own keys come first.
        template: Text,
        /// Of a task the values for its template; of a template the names of its parameters.
        params: Params,
        /// One instance of the task for every combination of values.
        matrix: Map<Vec<At<Scalar>>>,
        /// The command: a string for `/bin/sh -c`, or program and arguments.
        run: Command,
        /// What an agent is asked to do.
        prompt: Text,
        /// Which agent; not needed where the plan has just one.
        agent: Text,
        /// Files it may read, as paths and wildcards; `!x` takes away.
        inputs: Vec<Text>,
        /// Files it makes. A path has one owner.
        outputs: Vec<Text>,
        /// Files it may change in place: inputs and outputs at once.
        edits: Vec<Text>,
        /// Tasks it waits for.
        deps: Vec<Text>,
        /// Gates that judge its result.
        gates: Vec<Text>,
        /// What must be true of the result, in sentences for the agent.
        acceptance: Vec<Text>,
        /// How strict its gates are that do not say it themselves. Default: what the plan says.
        level: At<Level>,
        /// Protected files that it may touch, where `outputs` and `edits` do not name them letter by letter.
        may_change: Vec<Text>,
        /// Tests that must fail before and pass after.
        tdd: RawTdd,
        /// Variables set for it; part of the key.
        env: Map<Text>,
        /// Names of variables read from orca's environment; their values are part of the key.
        pass_env: Vec<Text>,
        /// Programs it needs on PATH; their content is part of the key.
        tools: Vec<Text>,
        /// Toolchains it needs.
        toolchains: Vec<Text>,
        /// Directories kept between attempts and runs; never in the key, never published.
        scratch: Vec<Text>,
        /// How long one attempt may take. Default: no limit.
        timeout: At<DurationMs>,
        /// What is tried again. Default: nothing.
        retry: RawRetry,
        /// What it holds while it runs. Default: one job slot.
        resources: RawResources,
        /// What its attempts may cost in one build together, in dollars. Default: no limit.
        cost_usd_max: At<MicroUsd>,
        /// Where it must run: auto is the strongest sandbox that works, required refuses to run without one, none is a power. Default: auto.
        sandbox: At<SandboxMode>,
        /// Whether it may use the network; a power. Default: false.
        network: At<bool>,
        /// What happens to files it wrote without declaring them: error fails the attempt, warn drops them with a warning, discard drops them. Default: error.
        undeclared: At<Undeclared>,
        /// Whether a person must accept its result. Default: false.
        approval: At<bool>,
        /// Words to select it by.
        tags: Vec<Text>,
    }

    /// Tests that must fail before and pass after.
    struct RawTdd as "`tdd`" {
        /// The test files.
        tests: Vec<Text>,
        /// The command that runs them.
        run: Command,
        /// The command that runs all tests: they still pass, and none is gone.
        suite: Command,
        /// The report that the commands write, as JUnit XML or TAP: a path or a wildcard. Not needed for what orca reads from their output.
        report: Text,
        /// The coverage report that `run` writes, as LCOV, Cobertura or JaCoCo.
        coverage: Text,
        /// Least coverage of changed lines, in percent. Default: 95.
        coverage_min: At<Percent>,
    }

    /// What is tried again.
    struct RawRetry as "`retry`" {
        /// Attempts in all. Default: 1.
        attempts: At<Count>,
        /// Which failures are tried again. Default: crash, timeout, rate-limit and gate.
        on: Vec<At<FailureKind>>,
    }

    /// What a task holds while it runs.
    struct RawResources as "`resources`" {
        /// Job slots. Default: 1.
        cpu: At<Count>,
        /// Memory it is expected to need. Default: `limits.memory_per_task`.
        memory: At<SizeBytes>,
        /// Pools it holds one unit of.
        pools: Vec<Text>,
    }

    /// Edges of the graph changed by hand.
    struct RawOverrides as "`[overrides]`" {
        /// Edges added.
        add: Vec<RawOverride>,
        /// Edges dropped.
        drop: Vec<RawOverride>,
    }

    /// One edge changed by hand, and why.
    struct RawOverride as "an override" {
        /// The task that waits.
        task: Text,
        /// The task it waits for.
        dep: Text,
        /// Why it is so; shown by `orca graph`.
        reason: Text,
    }

    /// A text in a file of the project.
    struct RawFileText as "a text from a file" {
        /// The file.
        file: Text,
    }
}

/// A text in the plan, or in a file.
#[derive(Debug, Clone)]
pub(super) enum ContextEntry {
    Text(Text),
    File(RawFileText),
}

impl Read for ContextEntry {
    fn read(place: super::document::Place, reader: &mut super::reader::Reader<'_>) -> Option<Self> {
        use super::document::Value;
        match reader.value(place) {
            Value::String(_) => Text::read(place, reader).map(Self::Text),
            Value::Table(_) => RawFileText::read(place, reader).map(Self::File),
            _ => {
                reader.wrong_type(place, "a text or `{ file = \"...\" }`", None);
                None
            }
        }
    }
}

impl schemars::JsonSchema for ContextEntry {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ContextEntry".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let file = generator.subschema_for::<RawFileText>();
        schemars::json_schema!({ "oneOf": [{ "type": "string" }, file] })
    }
}

/// The JSON Schema of a plan file, for editors.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    let schema = schemars::SchemaGenerator::default().into_root_schema_for::<RawPlan>();
    let mut schema = schema.to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".to_owned(), "orca.toml".into());
    }
    schema
}
