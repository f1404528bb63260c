//! The machine and the user as orca finds them: the one place where the environment is read.
#![expect(clippy::disallowed_methods, reason = "the environment enters here and nowhere else")]

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::agents::{ProgramView, program_view};
use crate::event::Trace;
use crate::exec::SYSTEM_PATH;
use crate::sandbox::Backend;

/// Where orca keeps things, and what it was started with.
#[derive(Debug, Clone)]
pub struct Host {
    /// orca's environment, complete.
    pub env: BTreeMap<OsString, OsString>,
    /// The shared cache: `ORCA_CACHE_DIR`, else `$XDG_CACHE_HOME/orca`, else `~/.cache/orca`.
    pub cache_dir: PathBuf,
    /// What is kept outside projects and is no cache (consent): `$XDG_STATE_HOME/orca`, else `~/.local/state/orca`.
    pub state_dir: PathBuf,
    /// orca's own program.
    pub program: PathBuf,
    /// A sandbox asked for by `ORCA_SANDBOX` (`namespaces`, `bubblewrap`, `landlock`, `none`).
    pub sandbox_only: Option<Backend>,
    /// Takes down what takes how long; off unless somebody turned it on.
    pub trace: Trace,
}

/// What of the environment cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Neither a cache directory nor a home is known.
    #[error("no place for the cache: none of ORCA_CACHE_DIR, XDG_CACHE_HOME and HOME is set to an absolute path")]
    NoHome,
    /// `ORCA_CACHE_DIR` is relative, or empty.
    #[error("ORCA_CACHE_DIR is `{0}`; it must be an absolute path")]
    CacheDir(String),
    /// `ORCA_SANDBOX` says something else.
    #[error("ORCA_SANDBOX is `{0}`; it can be `namespaces`, `bubblewrap`, `landlock` or `none`")]
    Sandbox(String),
    /// orca does not know its own path.
    #[error("orca cannot find its own program: {0}")]
    Program(#[from] std::io::Error),
}

impl Host {
    /// Reads the environment.
    pub fn from_env() -> Result<Self, HostError> {
        let env: BTreeMap<OsString, OsString> = env::vars_os().collect();
        let absolute = |name: &str| env.get(OsStr::new(name)).map(PathBuf::from).filter(|path| path.is_absolute());
        if let Some(given) = env.get(OsStr::new("ORCA_CACHE_DIR")).filter(|given| !Path::new(given).is_absolute()) {
            return Err(HostError::CacheDir(given.to_string_lossy().into_owned()));
        }
        let beneath_home = |rest: &str| absolute("HOME").map(|home| home.join(rest));
        let cache_dir = absolute("ORCA_CACHE_DIR")
            .or_else(|| absolute("XDG_CACHE_HOME").map(|dir| dir.join("orca")))
            .or_else(|| beneath_home(".cache/orca"))
            .ok_or(HostError::NoHome)?;
        let state_dir = absolute("XDG_STATE_HOME")
            .map(|dir| dir.join("orca"))
            .or_else(|| beneath_home(".local/state/orca"))
            .unwrap_or_else(|| cache_dir.join("state"));
        let sandbox_only = match env.get(OsStr::new("ORCA_SANDBOX")).map(|value| value.to_string_lossy().into_owned()) {
            None => None,
            Some(value) if value.is_empty() || value == "auto" => None,
            Some(value) => Some(backend(&value).ok_or(HostError::Sandbox(value))?),
        };
        Ok(Self { cache_dir, state_dir, program: env::current_exe()?, sandbox_only, env, trace: Trace::default() })
    }

    /// A variable, where it is set and UTF-8.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        self.env.get(OsStr::new(name)).and_then(|value| value.to_str()).map(str::to_owned)
    }

    /// A program as it is found from orca's PATH, and what of the machine it needs.
    #[must_use]
    pub fn program_view(&self, program: &str) -> Option<ProgramView> {
        let home = self.variable("HOME").map(PathBuf::from);
        let mut path = self.path();
        path.push(":");
        path.push(SYSTEM_PATH);
        program_view(program, &path, home.as_deref())
    }

    /// orca's PATH.
    #[must_use]
    pub fn path(&self) -> OsString {
        self.env.get(OsStr::new("PATH")).cloned().unwrap_or_default()
    }
}

fn backend(word: &str) -> Option<Backend> {
    match word {
        "namespaces" => Some(Backend::Namespaces),
        "bubblewrap" => Some(Backend::Bubblewrap),
        "landlock" => Some(Backend::Landlock),
        "none" => Some(Backend::None),
        _ => None,
    }
}

/// Milliseconds since the Unix epoch.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds of a clock that never goes back; only differences mean anything.
#[must_use]
pub(super) fn monotonic_ms() -> u64 {
    monotonic_us() / 1000
}

/// Microseconds of the same clock, from when it was first looked at.
#[must_use]
pub fn monotonic_us() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let elapsed = START.get_or_init(std::time::Instant::now).elapsed();
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}
