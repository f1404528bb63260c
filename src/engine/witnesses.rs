//! What the next build would read that is no file of a task: the machine, the user, the plan, orca's own files. Each with a
//! witness, or there is no snapshot.
//!
//! | what the long way reads | where | its witness |
//! |---|---|---|
//! | variables | `host`, `session` | each by value, also where it is not set |
//! | PATH for `bwrap` and declared tools | `sandbox` | every candidate up to the one that is found |
//! | whether a sandbox works | `sandbox` | the boot, the kernel's settings for namespaces, the namespaces of this process |
//! | consent | `trust` | its file |
//! | files that `[context]` names | `session` | each |
//! | the plan | `load` | every text; no link may lead to it |
//! | the journal | `ledger` | its file, with an empty log |

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use super::builder::Builder;
use super::resolve::Resolver;
use super::scan::link_on_the_way;
use super::trust::consent_file;
use crate::base::RelPath;
use crate::graph::TaskIx;
use crate::plan::ContextText;
use crate::snapshot::{self, Fingerprint, World, is_racy};
use crate::store::Root;
use crate::sys::beneath::FileStat;
use crate::sys::glance;

/// Variables that orca reads for every plan.
const VARIABLES: [&str; 6] = ["HOME", "ORCA_CACHE_DIR", "ORCA_SANDBOX", "PATH", "XDG_CACHE_HOME", "XDG_STATE_HOME"];
/// What says whether namespaces are to be had, and whether it is still this kernel that said so.
const SYSTEM: [&str; 6] = [
    "/proc/sys/kernel/random/boot_id",
    "/proc/sys/kernel/unprivileged_userns_clone",
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    "/proc/sys/user/max_user_namespaces",
    "/proc/self/ns/mnt",
    "/proc/self/ns/user",
];

/// Why there is no snapshot.
pub(super) struct Unwitnessed {
    pub why: String,
    /// Whether a moment later it could be otherwise.
    pub is_racy: bool,
}

impl Unwitnessed {
    pub(super) fn new(why: String) -> Self {
        Self { why, is_racy: false }
    }

    pub(super) fn racy(path: &str) -> Self {
        Self { why: format!("`{path}` was changed just now"), is_racy: true }
    }
}

/// What must not have changed since when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    /// When the build began.
    pub started_ns: i64,
    /// When it began to look what it leaves behind.
    pub now_ns: i64,
}

impl Moments {
    fn steady(found: Option<FileStat>, since_ns: i64, shown: &str) -> Result<Fingerprint, Unwitnessed> {
        match found {
            Some(stat) if is_racy(&stat, since_ns) => Err(Unwitnessed::racy(shown)),
            found => Ok(Fingerprint::of_found(found.as_ref())),
        }
    }

    /// A file of the project that is as it was at that moment. No link may be in the way, nor be it.
    pub(super) fn beside(self, root: &Root, path: &RelPath, since_ns: i64) -> Result<Fingerprint, Unwitnessed> {
        if let Some(link) = link_on_the_way(root.path(), path) {
            return Err(Unwitnessed::new(format!("`{link}` is a link")));
        }
        let found = root.stat(path).map_err(|error| Unwitnessed::new(error.to_string()))?;
        Self::steady(found, since_ns, path.as_str())
    }

    /// What is outside and as it was when the build began.
    fn outside(self, path: &Path) -> Result<Fingerprint, Unwitnessed> {
        let shown = path.display().to_string();
        let found = glance::follow(path).map_err(|error| Unwitnessed::new(format!("{shown}: {error}")))?;
        Self::steady(found, self.started_ns, &shown)
    }
}

/// What of the plan has no witness; nothing where all has one.
pub(super) fn uncovered(resolver: &Resolver, selected: &BTreeSet<TaskIx>) -> Option<String> {
    let plan = resolver.plan();
    if selected.len() != resolver.graph.len() {
        return Some("not all tasks were built".to_owned());
    }
    if !plan.gates_of_plan().is_empty() {
        return Some("gates judge the whole project".to_owned());
    }
    if resolver.graph.has_editors() {
        return Some("tasks edit files in place".to_owned());
    }
    let of_task = |task: &std::sync::Arc<crate::plan::Task>| {
        let name = &task.name;
        match () {
            () if task.is_agent() => Some(format!("`{name}` is an agent's")),
            () if !task.toolchains.is_empty() => Some(format!("`{name}` uses a toolchain")),
            () if task.approval => Some(format!("`{name}` wants approval")),
            () if !plan.gates_of(task).is_empty() => Some(format!("gates judge `{name}`")),
            () => None,
        }
    };
    if let Some(why) = plan.tasks.values().find_map(of_task) {
        return Some(why);
    }
    let ledger = &resolver.ledger;
    let is_leftover = |path: &RelPath| resolver.graph.owner(path).is_none();
    (!ledger.edited().is_empty() || ledger.published().keys().any(is_leftover))
        .then(|| "something is left of an earlier plan".to_owned())
}

/// What is no file of a task.
pub(super) fn world(
    builder: &Builder,
    moments: Moments,
    mut beside: BTreeMap<RelPath, Fingerprint>,
) -> Result<World, Unwitnessed> {
    let (resolver, host) = (&builder.resolver, &builder.host);
    let (plan, root) = (resolver.plan(), resolver.root.path());
    let passed = plan.tasks.values().flat_map(|task| &task.pass_env).map(String::as_str);
    let names: BTreeSet<&str> = VARIABLES.into_iter().chain(passed).collect();
    let variables: BTreeMap<OsString, Option<OsString>> =
        names.into_iter().map(|name| (name.into(), host.env.get(OsStr::new(name)).cloned())).collect();
    let mut outside: BTreeMap<PathBuf, Fingerprint> = BTreeMap::new();
    let of_tasks = plan.tasks.values().flat_map(|task| &task.tools);
    let tools: BTreeSet<&str> = of_tasks
        .chain(plan.gate_defs.values().flat_map(|gate| &gate.tools))
        .map(String::as_str)
        .chain(["bwrap"])
        .collect();
    let path = host.path();
    for tool in tools {
        for candidate in candidates(tool, &path) {
            let is_program = crate::sys::process::is_program(&candidate);
            outside.insert(candidate.clone(), moments.outside(&candidate)?);
            if is_program {
                break;
            }
        }
    }
    let consent = consent_file(&host.state_dir, root);
    outside.insert(consent.clone(), moments.outside(&consent)?);
    for text in plan.context.entries.values() {
        if let ContextText::File { path, .. } = text {
            beside.insert(path.clone(), moments.beside(&resolver.root, path, moments.started_ns)?);
        }
    }
    let mut plans = Vec::new();
    for document in resolver.documents().iter() {
        if let Some(link) = link_on_the_way(root, &document.path) {
            return Err(Unwitnessed::new(format!("`{link}` of the plan is a link")));
        }
        plans.push((document.path.clone(), std::sync::Arc::clone(&document.text)));
    }
    let program = glance::own_program().map_err(|error| Unwitnessed::new(error.to_string()))?;
    let state = crate::sys::beneath::open_root(&builder.state).map_err(|error| Unwitnessed::new(error.to_string()))?;
    let journal = snapshot::journal(state.as_fd());
    if journal == Fingerprint::NEVER {
        return Err(Unwitnessed::new("somebody else reads the journal".to_owned()));
    }
    let system = SYSTEM.map(|path| (PathBuf::from(path), snapshot::system(Path::new(path)))).into();
    Ok(World {
        root: root.to_owned(),
        program: Fingerprint::of(&program),
        user: glance::user(),
        variables,
        outside,
        system,
        beside,
        plans,
        journal,
    })
}

/// The files that a tool's name may mean, in the order in which they are tried.
fn candidates(tool: &str, path: &OsStr) -> Vec<PathBuf> {
    if tool.contains('/') {
        return vec![tool.into()];
    }
    std::env::split_paths(path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(tool))
        .collect()
}
