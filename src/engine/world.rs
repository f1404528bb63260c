//! What lies outside of the project's own files and can change what a look at it finds: consent, tools, toolchains, the
//! records that other orcas write. None of it has events, so whoever keeps a look compares this at every use.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::host::{Host, now_ms};
use super::session::Session;
use super::trust::consent_file;
use crate::base::Name;
use crate::exec::SYSTEM_PATH;
use crate::gates::BASELINE_FILE;
use crate::plan::{LOCK_FILE, ToolchainDef};
use crate::sandbox::{ToolchainView, resolve_tool, toolchain, toolchain_witnesses};
use crate::sys::local::Trace;

/// The world as it was found.
#[derive(Debug, PartialEq, Eq)]
pub struct World {
    traces: Vec<(PathBuf, Trace)>,
    databases: Vec<(PathBuf, Trace)>,
    toolchains: Vec<(Name, Option<ToolchainDef>, ToolchainView)>,
}

impl World {
    /// Whether all of it is still so.
    #[must_use]
    pub fn is_so(&self, host: &Host) -> bool {
        self.traces.iter().all(|(path, trace)| Trace::of(path) == *trace)
            && self.databases.iter().all(|(path, trace)| Trace::of_database(path) == *trace)
            && self
                .toolchains
                .iter()
                .all(|(name, def, view)| toolchain(name.as_str(), def.as_ref(), &host.env) == *view)
    }

    /// Whether something changed so shortly before that another change may not show.
    #[must_use]
    pub fn is_young(&self) -> bool {
        let now = Duration::from_millis(now_ms());
        self.traces.iter().chain(&self.databases).any(|(_, trace)| trace.is_young(now))
    }
}

impl Session {
    /// The world that this plan depends on; `None` where it depends on something that leaves no trace.
    #[must_use]
    pub fn world(&self) -> Option<World> {
        let (plan, host, root) = (self.plan(), &self.host, self.project.root());
        // A database of advisories is a directory of any depth.
        if plan.gate_defs.values().any(|gate| gate.options.contains_key("database")) {
            return None;
        }
        let search = host.path();
        let mut paths: BTreeSet<PathBuf> = std::env::split_paths(&search).filter(|path| path.is_absolute()).collect();
        paths.extend(std::env::split_paths(SYSTEM_PATH));
        let tools = plan.tasks.values().flat_map(|task| &task.tools);
        let tools: BTreeSet<&String> = tools.chain(plan.gate_defs.values().flat_map(|gate| &gate.tools)).collect();
        paths.extend(tools.into_iter().filter_map(|name| resolve_tool(name.as_ref(), &search)));
        let of_tasks = plan.tasks.values().flat_map(|task| &task.toolchains);
        let names: BTreeSet<&Name> =
            of_tasks.chain(plan.gate_defs.values().flat_map(|gate| &gate.toolchains)).collect();
        let mut toolchains = Vec::new();
        for name in names {
            let def = plan.toolchains.get(name).cloned();
            let view = toolchain(name.as_str(), def.as_ref(), &host.env);
            paths.extend(toolchain_witnesses(name.as_str(), &view, SYSTEM_PATH.as_ref()));
            toolchains.push((name.clone(), def, view));
        }
        paths.insert(consent_file(&host.state_dir, root));
        let journal = ["journal.db", "journal.db-wal"].map(|name| self.project.state().join(name));
        let actions = ["actions.db", "actions.db-wal"].map(|name| host.cache_dir.join(name));
        let databases = journal.into_iter().chain(actions).map(|path| {
            let trace = Trace::of_database(&path);
            (path, trace)
        });
        paths.extend([LOCK_FILE, BASELINE_FILE].map(|name| root.join(name)));
        let traced = |path: PathBuf| {
            let trace = Trace::of(&path);
            (path, trace)
        };
        Some(World { traces: paths.into_iter().map(traced).collect(), databases: databases.collect(), toolchains })
    }

    /// The variables that the plan names: what tasks read, and what agents are given.
    #[must_use]
    pub fn variables(&self) -> BTreeSet<&str> {
        let plan = self.plan();
        let read = plan.tasks.values().flat_map(|task| &task.pass_env);
        read.chain(plan.agents.values().flat_map(|agent| &agent.secrets)).map(String::as_str).collect()
    }
}

/// Which directory a project is, whatever leads there; `None` where it cannot be looked at.
#[must_use]
pub fn project_identity(root: &Path) -> Option<String> {
    crate::sys::local::identity(root).ok()
}
