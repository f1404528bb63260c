//! Secrets of agents: what they are worth, and that they stay where they belong. A value goes into the environment of its
//! agent and nowhere else: what is kept of an attempt is masked, and an output that holds one is refused before it is
//! stored. Values short enough to stand in ordinary text are not looked for.

use super::builder::Builder;
use crate::base::{Entry, FailureKind, RelPath, Tree};
use crate::event::Failure;
use crate::graph::TaskIx;
use crate::plan::AgentDef;
use crate::store::{Root, StoreError};

/// A secret shorter than this is not looked for: it would tear holes into ordinary text.
const SECRET_BYTES_MIN: usize = 6;
/// Longer outputs are not searched: secrets are written into notes and settings.
const SEARCHED_BYTES_MAX: u64 = 1 << 20;

/// A secret that is set.
pub(super) struct Secret {
    /// Its variable.
    pub variable: String,
    /// Its value.
    pub value: String,
}

impl Secret {
    fn is_in(&self, bytes: &[u8]) -> bool {
        self.value.len() >= SECRET_BYTES_MIN && find(bytes, self.value.as_bytes()).is_some()
    }
}

impl Builder {
    /// The secrets that an agent gets.
    pub(super) fn secrets(&self, agent: Option<&AgentDef>) -> Vec<Secret> {
        let set = |variable: &String| Some(Secret { variable: variable.clone(), value: self.host.variable(variable)? });
        agent.map_or(&[][..], |agent| &agent.secrets).iter().filter_map(set).collect()
    }

    /// Says which secrets of the task's agent are not set.
    pub(super) fn warn_of_unset_secrets(&self, task: TaskIx, agent: Option<&AgentDef>) {
        let Some(agent) = agent else { return };
        for variable in agent.secrets.iter().filter(|variable| self.host.variable(variable).is_none()) {
            let (task, agent) = (self.resolver.name(task), &agent.name);
            let message =
                format!("`{task}`: the secret `{variable}` of the agent `{agent}` is not set where orca runs");
            self.notice(true, message);
        }
    }
}

/// The failure of an attempt whose outputs hold a secret; what holds it is removed, so that it is not kept either.
pub(super) fn take_out_leaks(root: &Root, outputs: &Tree, secrets: &[Secret]) -> Result<Option<Failure>, StoreError> {
    let mut failure = None;
    if secrets.is_empty() {
        return Ok(failure);
    }
    for (path, entry) in outputs {
        let Some(secret) = held(root, path, entry, secrets)? else { continue };
        root.remove_file(path)?;
        let message = format!("an output holds the value of the secret `{}`", secret.variable);
        let failure = failure.get_or_insert(Failure {
            kind: FailureKind::UndeclaredWrite,
            message,
            exit_code: None,
            signal: None,
            details: Vec::new(),
        });
        failure.details.push(format!("{path} holds `{}`; it is not kept", secret.variable));
    }
    Ok(failure)
}

fn held<'a>(
    root: &Root,
    path: &RelPath,
    entry: &Entry,
    secrets: &'a [Secret],
) -> Result<Option<&'a Secret>, StoreError> {
    let bytes = match entry {
        Entry::File { size_bytes, .. } if *size_bytes <= SEARCHED_BYTES_MAX => root.read(path, *size_bytes)?,
        Entry::Symlink { target } => target.to_string().into_bytes(),
        Entry::File { .. } | Entry::EmptyDir => return Ok(None),
    };
    Ok(secrets.iter().find(|secret| secret.is_in(&bytes)))
}

/// The bytes with every secret replaced.
pub(super) fn masked(mut bytes: Vec<u8>, secrets: &[Secret]) -> Vec<u8> {
    for secret in secrets.iter().filter(|secret| secret.is_in(&bytes)).collect::<Vec<_>>() {
        bytes = replaced(&bytes, secret.value.as_bytes());
    }
    bytes
}

fn replaced(bytes: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = find(rest, secret) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(b"***");
        rest = &rest[at + secret.len()..];
    }
    out.extend_from_slice(rest);
    out
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_everywhere() {
        let secret = |value: &str| Secret { variable: "S".to_owned(), value: value.to_owned() };
        let secrets = [secret("hunter22"), secret("text")];
        assert_eq!(masked(b"a hunter22 b hunter22 text".to_vec(), &secrets), b"a *** b *** text");
        assert_eq!(masked(b"hunter2".to_vec(), &secrets), b"hunter2");
    }
}
