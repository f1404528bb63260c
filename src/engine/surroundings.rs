//! What surrounds a body besides its files: command line, environment, tools, toolchains, limits.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::builder::{Builder, fault};
use super::resolve::Keyed;
use crate::agents;
use crate::base::Name;
use crate::context::{Work, task_json, task_markdown};
use crate::exec::{AttemptSpec, Fault};
use crate::graph::TaskIx;
use crate::plan::SandboxMode;
use crate::sandbox;

/// How long a task may take to end when it is asked to.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// How much of a task's output is kept where the plan does not say.
const LOG_LIMIT_BYTES: u64 = 16 << 20;

impl Builder {
    /// Everything that one attempt needs.
    pub(super) fn spec<'a>(
        &self,
        task: TaskIx,
        keyed: &'a Keyed,
        lesson: Option<&str>,
    ) -> Result<AttemptSpec<'a>, Fault> {
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
        let (argv, stdin) = match &definition.work {
            Work::Run(argv) => (argv.clone(), None),
            Work::Prompt { runner, .. } => {
                let invocation = agents::invocation(runner).map_err(fault)?;
                env.extend(invocation.env);
                (invocation.argv, Some(markdown.clone()))
            }
        };
        env.extend(definition.env.clone());
        env.extend(definition.pass_env.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))));
        env.extend(self.secrets(task).into_iter().map(|secret| (secret.variable, secret.value)));
        let provided = vec![("task.md", markdown), ("task.json", json)];
        let provided = if plan_task.is_agent() { provided } else { Vec::new() };
        let surroundings = self.surroundings(&plan_task.toolchains, &plan_task.tools, env);
        Ok(AttemptSpec {
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
            hidden: self.hidden(),
            network: definition.network,
            isolate: definition.sandbox != SandboxMode::None,
            timeout: plan_task.timeout.map(|timeout| Duration::from_millis(timeout.ms())),
            grace: GRACE,
            log_limit_bytes: self.log_limit_bytes(),
        })
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
