//! What surrounds a body besides its files: command line, environment, tools, toolchains, limits.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::builder::Builder;
use super::resolve::Keyed;
use crate::agents::{self, Invocation, Occasion, ProgramView, Prompt, Repository};
use crate::base::Name;
use crate::context::{Runner, Work, task_json, task_markdown};
use crate::exec::{AgentSpec, AttemptSpec};
use crate::graph::TaskIx;
use crate::plan::SandboxMode;
use crate::sandbox::{self, Backend};

/// How long a task may take to end when it is asked to.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// How much of a task's output is kept where the plan does not say.
const LOG_LIMIT_BYTES: u64 = 16 << 20;

impl Builder {
    /// Everything that one attempt needs.
    pub(super) fn spec<'a>(&self, task: TaskIx, keyed: &'a Keyed, lesson: Option<&str>) -> AttemptSpec<'a> {
        let plan_task = Arc::clone(self.resolver.task(task));
        let context = &keyed.context;
        let definition = &context.definition;
        let mut env: BTreeMap<String, String> = BTreeMap::new();
        let (markdown, json) = match plan_task.is_agent() {
            true => self.resolver.telling(task, context).with(lesson, |told| {
                let json = task_json(context, &plan_task, &keyed.key.to_hex(), told);
                (task_markdown(context, &plan_task, told).into_bytes(), json.to_string().into_bytes())
            }),
            false => (Vec::new(), Vec::new()),
        };
        let mut seen = ProgramView::default();
        let (argv, stdin, agent) = match &definition.work {
            Work::Run(argv) => (argv.clone(), None, None),
            Work::Prompt { runner, .. } => {
                let invocation = self.invocation(keyed, runner, self.cost_left(task));
                seen = self.host.program_view(&invocation.argv[invocation.program_at]).unwrap_or_default();
                if invocation.program_at > 0 {
                    seen.read_only.push(self.host.program.clone());
                }
                env.extend(invocation.env);
                let stdin = (invocation.prompt == Prompt::Stdin).then(|| markdown.clone());
                let git = (invocation.repository == Repository::Own)
                    .then(|| sandbox::resolve_tool("git".as_ref(), &self.host.path()))
                    .flatten();
                (invocation.argv, stdin, Some(AgentSpec { git, litter: invocation.litter }))
            }
        };
        env.extend(definition.env.clone());
        env.extend(definition.pass_env.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))));
        env.extend(
            self.secrets(self.resolver.agent_of(keyed)).into_iter().map(|secret| (secret.variable, secret.value)),
        );
        let provided = vec![("task.md", markdown), ("task.json", json)];
        let provided = if plan_task.is_agent() { provided } else { Vec::new() };
        let mut surroundings = self.surroundings(&plan_task.toolchains, &plan_task.tools, env);
        surroundings.add(seen);
        AttemptSpec {
            argv: argv.into_iter().map(OsString::from).collect(),
            env: surroundings.env,
            view: &context.view,
            outputs: &definition.outputs,
            edits: &definition.edits,
            scratch: plan_task.scratch.clone(),
            provided,
            stdin,
            tools: surroundings.tools,
            bins: surroundings.bins,
            read_only: surroundings.read_only,
            agent,
            hidden: self.hidden(),
            network: definition.network,
            isolate: definition.sandbox != SandboxMode::None,
            timeout: plan_task.timeout.map(|timeout| Duration::from_millis(timeout.ms())),
            grace: GRACE,
            log_limit_bytes: self.log_limit_bytes(),
            watches_memory: false,
        }
    }

    /// The process for the agent of a task.
    fn invocation(&self, keyed: &Keyed, runner: &Runner, cost_micro_usd_max: Option<u64>) -> Invocation {
        let definition = &keyed.context.definition;
        let may_change = definition.edits.iter().chain(definition.outputs.iter());
        let may_change: BTreeSet<String> = may_change
            .flat_map(|pattern| {
                let seen = keyed.context.view.keys().filter(|path| pattern.matches(path)).map(ToString::to_string);
                pattern.as_literal().map(|path| path.to_string()).into_iter().chain(seen).collect::<Vec<_>>()
            })
            .collect();
        let may_change: Vec<String> = may_change.into_iter().collect();
        let is_isolated = definition.sandbox != SandboxMode::None && self.sandbox.backend() != Backend::None;
        let orca = self.host.program.to_string_lossy();
        agents::invocation(runner, &Occasion { is_isolated, cost_micro_usd_max, may_change: &may_change, orca: &orca })
    }

    pub(super) fn log_limit_bytes(&self) -> u64 {
        self.resolver.plan().limits.log_size_max.map_or(LOG_LIMIT_BYTES, |limit| limit.bytes())
    }

    /// What no task may see even where a system directory would show it.
    pub(super) fn hidden(&self) -> Vec<PathBuf> {
        let home = self.host.variable("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        let mut hidden =
            vec![self.resolver.root.path().to_owned(), self.host.cache_dir.clone(), self.host.state_dir.clone()];
        hidden.extend(home);
        hidden
    }

    /// Tools, toolchains and the environment they make.
    pub(super) fn surroundings(
        &self,
        toolchains: &[Name],
        tools: &[String],
        declared: BTreeMap<String, String>,
    ) -> Surroundings {
        let path = self.host.path();
        // The file itself: of a link's way only its end is sure to be there inside.
        let find = |name: &String| sandbox::resolve_tool(name.as_ref(), &path)?.canonicalize().ok();
        let tools: BTreeMap<String, PathBuf> =
            tools.iter().filter_map(|name| Some((name.clone(), find(name)?))).collect();
        let mut env: BTreeMap<OsString, OsString> = BTreeMap::new();
        let mut read_only = Vec::new();
        let mut bins = Vec::new();
        for name in toolchains {
            let def = self.resolver.plan().toolchains.get(name);
            let toolchain = sandbox::toolchain(name.as_str(), def, &self.host.env);
            env.extend(toolchain.env.into_iter().map(|(name, value)| (OsString::from(name), value)));
            read_only.extend(toolchain.read_only);
            bins.extend(toolchain.bin);
        }
        env.extend(declared.into_iter().map(|(name, value)| (name.into(), value.into())));
        Surroundings { env, read_only, bins, tools }
    }
}

impl Surroundings {
    /// Adds what a program needs. What the task declares goes first.
    pub(super) fn add(&mut self, program: ProgramView) {
        for (name, file) in program.tools {
            self.tools.entry(name).or_insert(file);
        }
        for (name, value) in program.env {
            self.env.entry(name.into()).or_insert(value);
        }
        self.read_only.extend(program.read_only);
    }
}

/// What surrounds a process besides its files.
pub(super) struct Surroundings {
    /// The environment.
    pub env: BTreeMap<OsString, OsString>,
    /// Paths of the host that are shown.
    pub read_only: Vec<PathBuf>,
    /// Directories of toolchains that go on PATH.
    pub bins: Vec<PathBuf>,
    /// Declared tools.
    pub tools: BTreeMap<String, PathBuf>,
}
