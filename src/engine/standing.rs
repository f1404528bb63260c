//! The words for where a task stands: clean, to be judged, dirty, or a conflict, each with what there is to say.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{BlobDigest, Changes, FailureKind, GateKey, Name, RelPath, Tree, sanitize_line};
use crate::event::{Failure, Outcome};
use crate::key::Change;

/// Where a task stands.
#[derive(Debug, Clone)]
pub enum Standing {
    /// Its result is reused.
    Clean(Reused),
    /// Its result is there, and some of its gates have not judged it yet.
    Judge(Reused, Vec<Name>),
    /// Its result is there, every gate agrees to it, and a person must as well.
    Held(Reused),
    /// It needs to run.
    Dirty(Cause),
    /// A new result of it would meet what a person made of the last one, so it fails before it runs.
    Conflict(Conflict),
}

/// Outputs of an agent that a person changed, where a new result is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// What was changed since orca put it there.
    pub paths: Vec<RelPath>,
    /// Why the task would run; `None` where the new result is in the cache.
    pub cause: Option<Cause>,
}

impl Conflict {
    /// The conflict as a failure.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let advice = |path: &RelPath| {
            format!("{path}: move your version away, or delete it to take the new result, then build again")
        };
        Failure {
            kind: FailureKind::Conflict,
            message: "a new result is due, and would replace what was changed by hand since its last one".to_owned(),
            exit_code: None,
            signal: None,
            details: self.paths.iter().map(advice).collect(),
        }
    }
}

impl std::fmt::Display for Conflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown: Vec<String> = self.paths.iter().take(3).map(|path| format!("`{path}`")).collect();
        let more = match self.paths.len().saturating_sub(shown.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let cause = match &self.cause {
            Some(cause) => cause.to_string(),
            None => "it is in the cache".to_owned(),
        };
        write!(f, "conflict: {}{more} changed by hand, and a new result is due ({cause}); ", shown.join(", "))?;
        f.write_str("move your version away, or delete it to take the new one")
    }
}

/// A result that is reused.
#[derive(Debug, Clone)]
pub struct Reused {
    /// What it put into the project.
    pub outputs: Arc<Tree>,
    /// What it changed in place.
    pub edits: Arc<Changes>,
    /// The paths that are not in the project as they should be.
    pub stale: Vec<RelPath>,
    /// Paths of an agent's result that a person changed since: they stay.
    pub drifted: Vec<RelPath>,
    /// What the run took, in milliseconds.
    pub saved_ms: u64,
    /// What it cost, in millionths of a dollar.
    pub cost_micro_usd: u64,
    /// Its log.
    pub log: Option<BlobDigest>,
    /// The gates that are on record to have agreed to it.
    pub gates: BTreeMap<Name, GateKey>,
    /// Whether the project's record has it; otherwise it comes from the cache.
    pub recorded: bool,
}

impl Reused {
    /// How a task counts that takes it, having written so many files.
    #[must_use]
    pub fn as_cached(&self, restored: u64) -> Outcome {
        Outcome::Cached { restored, saved_ms: self.saved_ms, saved_micro_usd: self.cost_micro_usd }
    }
}

/// Why a task needs to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// It has no result here, nor in the cache.
    NeverRun,
    /// The result in `orca.lock` was made from something else; what that was is on record where it was made.
    Elsewhere,
    /// It was red the last time, and nothing changed since.
    Failed(String),
    /// This changed since it last ran.
    Changed(Vec<Change>),
    /// Nothing changed, but the cache no longer has this output.
    Lost(RelPath),
    /// Its result is there, but this gate is red.
    RedGate(Name),
    /// A person rejected its result.
    Rejected,
    /// It was asked to.
    Forced,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NeverRun => f.write_str("it has no result yet"),
            Self::Elsewhere => f.write_str("its result in orca.lock was made from something else"),
            Self::Failed(why) => write!(f, "it failed the last time: {why}"),
            Self::Changed(changes) => {
                if changes.is_empty() {
                    return f.write_str("this orca makes keys in another way than the one that last ran it");
                }
                let mut subjects: Vec<String> = Vec::new();
                for change in changes {
                    // What a dependency did to a file is in the key beside the file that comes of it.
                    let subject = match change.section.as_str() {
                        "dependency" | "dependency base" => sanitize_line(&change.name),
                        _ => change.subject(),
                    };
                    if !subjects.contains(&subject) {
                        subjects.push(subject);
                    }
                }
                let shown = &subjects[..subjects.len().min(3)];
                let more = subjects.len() - shown.len();
                write!(f, "changed: {}", shown.join(", "))?;
                if more > 0 { write!(f, " and {more} more") } else { Ok(()) }
            }
            Self::Lost(path) => write!(f, "`{path}` is gone, and the cache no longer has it"),
            Self::RedGate(gate) => write!(f, "the gate `{gate}` is red on its last result"),
            Self::Rejected => f.write_str("its last result was rejected by hand"),
            Self::Forced => f.write_str("--force"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_seen_and_came_of_a_dependency_is_named_once() {
        let change = |section: &str, name: &str| Change {
            section: section.to_owned(),
            name: name.to_owned(),
            old: None,
            new: Some("x".to_owned()),
        };
        let one = Cause::Changed(vec![change("dependency", "a.py"), change("file", "a.py")]);
        assert_eq!(one.to_string(), "changed: a.py");
        let of_both = [change("dependency base", "a"), change("dependency", "a"), change("env", "A")];
        let files = ["a", "b", "c"].map(|name| change("file", name));
        let many = Cause::Changed(of_both.into_iter().chain(files).collect());
        assert_eq!(many.to_string(), "changed: a, env A, b and 1 more");
    }
}
