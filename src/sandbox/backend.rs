//! Which isolation this machine can give, found by running a command in it once.
#![expect(clippy::disallowed_methods, reason = "to know what works is to try it, and that takes directories")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::launch::{CancelLevel, End, Exit, Launch, SandboxError, Stdin};
use super::pool::Pool;
use super::system_view::{self, Place};
use super::{bubblewrap, supervise};

/// What isolates a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// A mount tree, pid, network and IPC namespaces of its own, made by orca itself.
    Namespaces,
    /// The same, made by bubblewrap.
    Bubblewrap,
    /// File rules of the kernel, with namespaces where they can be had.
    Landlock,
    /// Nothing; only the processes are controlled.
    None,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Namespaces => "namespaces",
            Self::Bubblewrap => "bubblewrap",
            Self::Landlock => "landlock",
            Self::None => "none",
        })
    }
}

/// How to look for a backend.
#[derive(Debug, Clone)]
pub struct DetectOptions<'a> {
    /// Where to look for `bwrap`.
    pub path: &'a OsStr,
    /// Try no other than this one.
    pub only: Option<Backend>,
    /// Whether orca may make namespaces itself.
    pub namespaces: bool,
    /// Orca's binary.
    pub shim: PathBuf,
    /// A directory for the trial; it is left empty.
    pub scratch: PathBuf,
}

impl<'a> DetectOptions<'a> {
    /// Look for the strongest.
    #[must_use]
    pub fn new(path: &'a OsStr, shim: PathBuf, scratch: PathBuf) -> Self {
        Self { path, only: None, namespaces: true, shim, scratch }
    }
}

/// How a task is started, by the backend found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mechanism {
    Rooms,
    Bubblewrap { program: PathBuf },
    LandlockInNamespaces,
    Landlock,
    None,
}

/// What is to be hidden, and what that is without links.
type Hidden = (Vec<PathBuf>, Vec<PathBuf>);

/// The isolation of this machine, found once and used for every task.
#[derive(Debug, Clone)]
pub struct Sandbox {
    pub(super) mechanism: Mechanism,
    /// Open, so that a build that replaces orca's own binary does not pull it from under its tasks.
    pub(super) shim: Arc<File>,
    pub(super) pool: Pool,
    system: Arc<[OnceLock<Vec<Place>>; 2]>,
    hidden: Arc<Mutex<Option<Hidden>>>,
    why: String,
}

impl Sandbox {
    /// Finds the strongest isolation that works here.
    pub fn detect(options: &DetectOptions<'_>) -> Result<Self, SandboxError> {
        let mut sandbox = Self::none(&options.shim)?;
        let wanted = |backend| options.only.is_none_or(|only| only == backend);
        let mut reasons = Vec::new();
        let mut candidates = Vec::new();
        if wanted(Backend::Namespaces) && options.namespaces {
            candidates.push(Ok(Mechanism::Rooms));
        }
        if wanted(Backend::Bubblewrap) {
            match super::resolve_tool(OsStr::new("bwrap"), options.path) {
                Some(program) => candidates.push(Ok(Mechanism::Bubblewrap { program })),
                None => candidates.push(Err("bubblewrap: `bwrap` is not on PATH".to_owned())),
            }
        }
        if wanted(Backend::Landlock) {
            candidates.extend(options.namespaces.then_some(Ok(Mechanism::LandlockInNamespaces)));
            candidates.push(Ok(Mechanism::Landlock));
        }
        for candidate in candidates {
            let tried = candidate.and_then(|candidate| {
                sandbox.mechanism = candidate;
                let tried = sandbox.try_once(&options.scratch);
                tried.map_err(|reason| format!("{}: {reason}", sandbox.mechanism.describe()))
            });
            match tried {
                Ok(()) => {
                    sandbox.why = reasons.join("; ");
                    return Ok(sandbox);
                }
                Err(reason) => reasons.push(reason),
            }
        }
        sandbox.mechanism = Mechanism::None;
        sandbox.why = reasons.join("; ");
        Ok(sandbox)
    }

    /// No isolation, and nothing is tried: for commands that ask for none.
    pub fn none(shim: &Path) -> Result<Self, SandboxError> {
        let shim = File::open(shim).map_err(SandboxError::file("open", shim))?;
        Ok(Self {
            mechanism: Mechanism::None,
            shim: Arc::new(shim),
            pool: Pool::default(),
            system: Arc::default(),
            hidden: Arc::default(),
            why: String::new(),
        })
    }

    /// What was found.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match self.mechanism {
            Mechanism::Rooms => Backend::Namespaces,
            Mechanism::Bubblewrap { .. } => Backend::Bubblewrap,
            Mechanism::LandlockInNamespaces | Mechanism::Landlock => Backend::Landlock,
            Mechanism::None => Backend::None,
        }
    }

    /// Why nothing stronger works; empty if nothing is.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// Where the workspace of this launch appears to the task.
    #[must_use]
    pub fn workspace_inside(&self, launch: &Launch) -> PathBuf {
        self.inside(launch).workspace
    }

    /// Where the home of this launch appears to the task.
    #[must_use]
    pub fn home_inside(&self, launch: &Launch) -> PathBuf {
        self.inside(launch).home
    }

    /// Runs one command to its end. Its output is handed over as it comes, and bounded in the log file.
    ///
    /// Dropping the future kills the command and its tree.
    pub async fn run(
        &self,
        launch: Launch,
        cancel: watch::Receiver<CancelLevel>,
        on_output: impl FnMut(&[u8]) + Send,
    ) -> Result<Exit, SandboxError> {
        supervise::run(self.clone(), launch, cancel, on_output).await
    }

    /// Starts what guards a task that is not isolated, so that the first one need not wait for it. Where that fails, it is
    /// started with the task.
    pub fn make_ready(&self) {
        supervise::make_ready(self);
    }

    /// The mechanism for a launch, which may ask for none.
    pub(super) fn mechanism_for(&self, launch: &Launch) -> &Mechanism {
        if launch.isolate { &self.mechanism } else { &Mechanism::None }
    }

    pub(super) fn inside(&self, launch: &Launch) -> bubblewrap::Inside {
        match self.mechanism_for(launch) {
            Mechanism::Rooms | Mechanism::Bubblewrap { .. } => bubblewrap::inside(launch),
            _ => bubblewrap::Inside {
                workspace: launch.workspace.clone(),
                home: launch.home.clone(),
                tmp: launch.tmp.clone(),
            },
        }
    }

    /// What a task sees of the system, as it was when the first one ran.
    pub(super) fn places(&self, network: bool) -> &[Place] {
        self.system[usize::from(network)].get_or_init(|| system_view::places(network))
    }

    /// What is hidden from a launch, without links. It is the same for all of a project's, and long to find out.
    pub(super) fn hidden(&self, launch: &Launch) -> Vec<PathBuf> {
        if *self.mechanism_for(launch) == Mechanism::None {
            return Vec::new();
        }
        let mut known = self.hidden.lock().expect("no holder panics");
        if let Some((_, hidden)) = known.iter().find(|(given, _)| *given == launch.hidden) {
            return hidden.clone();
        }
        let found: Vec<_> = launch.hidden.iter().map(|path| path.canonicalize()).collect();
        let are_there = found.iter().all(Result::is_ok);
        let hidden =
            found.into_iter().zip(&launch.hidden).map(|(found, given)| found.unwrap_or_else(|_| given.clone()));
        let hidden: Vec<PathBuf> = hidden.filter(|path| system_view::can_hide(path)).collect();
        if are_there {
            *known = Some((launch.hidden.clone(), hidden.clone()));
        }
        hidden
    }

    fn try_once(&self, scratch: &Path) -> Result<(), String> {
        let root = scratch.join(format!("sandbox-trial-{}", std::process::id()));
        let result = self.try_in(&root);
        let _ = std::fs::remove_dir_all(&root);
        result
    }

    fn try_in(&self, root: &Path) -> Result<(), String> {
        let launch = trial(root);
        for directory in [&launch.workspace, &launch.home, &launch.tmp] {
            std::fs::create_dir_all(directory).map_err(|error| error.to_string())?;
        }
        let log = launch.log.clone();
        let exit = supervise::run_here(self, launch).map_err(|error| match error {
            SandboxError::GuardianLost(diagnosis) if !diagnosis.is_empty() => diagnosis,
            other => other.to_string(),
        })?;
        match exit.end {
            End::Code(0) => Ok(()),
            End::NotStarted(reason) => Err(reason),
            _ => Err(std::fs::read_to_string(log).unwrap_or_default().trim().to_owned()),
        }
    }
}

fn trial(root: &Path) -> Launch {
    Launch {
        argv: ["/bin/sh", "-c", "exit 0"].map(Into::into).to_vec(),
        env: BTreeMap::new(),
        workspace: root.join("workspace"),
        home: root.join("home"),
        tmp: root.join("tmp"),
        read_only: Vec::new(),
        extra_writable: Vec::new(),
        hidden: Vec::new(),
        network: false,
        isolate: true,
        stdin: Stdin::Null,
        log: root.join("log"),
        log_limit_bytes: 4096,
        timeout: Some(Duration::from_secs(5)),
        grace: Duration::ZERO,
        memory_limit_bytes: None,
        watches_memory: false,
    }
}

impl Mechanism {
    fn describe(&self) -> &'static str {
        match self {
            Self::Rooms => "namespaces",
            Self::Bubblewrap { .. } => "bubblewrap",
            Self::LandlockInNamespaces => "Landlock with namespaces",
            Self::Landlock => "Landlock",
            Self::None => "none",
        }
    }
}
