//! Consent: a sandboxed plan needs none; powers do (DESIGN section 8).
//!
//! Consent is a file outside the project, named by the digest of the project's path, listing exactly the powers a
//! person agreed to. A plan that asks for one more needs a new answer.
#![expect(clippy::disallowed_methods, reason = "reads and writes the consent file")]

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::reviewing::Reviewer;
use crate::base::{BlobDigest, Name, TaskName};
use crate::plan::{AgentDef, Body, Plan, SandboxMode};
use crate::sandbox::Backend;

/// Something a plan may do only with consent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "power", rename_all = "kebab-case")]
pub enum Power {
    /// A task reaches the network.
    Network {
        /// The task, or `gate NAME`.
        task: String,
    },
    /// A task runs without a sandbox because the plan says so.
    NoSandbox {
        /// The task.
        task: String,
    },
    /// An agent is given a secret.
    Secret {
        /// The agent.
        agent: String,
        /// The variable.
        variable: String,
    },
    /// This machine has no sandbox: everything runs with the user's rights.
    MissingSandbox,
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network { task } => write!(f, "`{task}` reaches the network"),
            Self::NoSandbox { task } => write!(f, "`{task}` runs without a sandbox, with all your rights"),
            Self::Secret { agent, variable } => write!(f, "the agent `{agent}` is given the secret `{variable}`"),
            Self::MissingSandbox => f.write_str("no sandbox works on this machine: tasks run with all your rights"),
        }
    }
}

/// Why consent cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}", path.display())]
pub struct TrustError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The powers that these tasks of the plan need on this machine.
#[must_use]
pub fn powers(plan: &Plan, tasks: &BTreeSet<TaskName>, backend: Backend) -> BTreeSet<Power> {
    let mut powers = BTreeSet::new();
    let mut sandboxed = false;
    let of_plan = plan.gates_of_plan();
    for task in tasks.iter().filter_map(|name| plan.tasks.get(name)) {
        if task.network {
            powers.insert(Power::Network { task: task.name.to_string() });
        }
        match task.sandbox {
            SandboxMode::None => {
                powers.insert(Power::NoSandbox { task: task.name.to_string() });
            }
            SandboxMode::Auto => sandboxed = true,
            SandboxMode::Required => {}
        }
        if let Body::Prompt { agent, .. } = &task.body {
            powers.extend(secrets(plan, agent));
        }
        for gate in plan.gates_of(task).iter().chain(&of_plan) {
            if gate.network {
                powers.insert(Power::Network { task: format!("gate {}", gate.name) });
            }
            if let Some(reviewer) = Reviewer::of(gate) {
                powers.extend(secrets(plan, &reviewer.agent));
            }
        }
    }
    if sandboxed && backend == Backend::None {
        powers.insert(Power::MissingSandbox);
    }
    powers
}

/// The secrets that an agent is given, and those that stand in for it.
fn secrets(plan: &Plan, agent: &Name) -> Vec<Power> {
    let of = |def: &AgentDef| {
        let power = |variable: &String| Power::Secret { agent: def.name.to_string(), variable: variable.clone() };
        def.secrets.iter().map(power).collect::<Vec<_>>()
    };
    plan.with_fallbacks(agent).flat_map(of).collect()
}

/// Where consent for a project is kept.
pub(super) fn consent_file(state_dir: &Path, project: &Path) -> PathBuf {
    let digest = BlobDigest::of(project.as_os_str().as_encoded_bytes());
    state_dir.join("trust").join(format!("{}.json", digest.to_hex()))
}

/// The powers a person has agreed to for this project. A file that cannot be understood is no consent.
#[must_use]
pub fn consented(state_dir: &Path, project: &Path) -> BTreeSet<Power> {
    fs::read(consent_file(state_dir, project))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

/// Records consent to exactly these powers.
pub fn consent(state_dir: &Path, project: &Path, powers: &BTreeSet<Power>) -> Result<(), TrustError> {
    let path = consent_file(state_dir, project);
    let parent = path.parent().expect("it lies in `trust`");
    let at = |operation, result: io::Result<()>| {
        result.map_err(|source| TrustError { operation, path: path.clone(), source })
    };
    at("make the directory of", fs::create_dir_all(parent))?;
    let text = serde_json::to_vec_pretty(powers).expect("powers are plain data");
    let temporary = path.with_extension("tmp");
    at("write", fs::write(&temporary, text))?;
    at("write", fs::rename(&temporary, &path))
}

/// Takes consent back.
pub fn withdraw(state_dir: &Path, project: &Path) -> Result<(), TrustError> {
    let path = consent_file(state_dir, project);
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(TrustError { operation: "remove", path, source })
        }
        _ => Ok(()),
    }
}
