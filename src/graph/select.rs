//! Selectors: which tasks a person means.
//!
//! `name`, the stem of a matrix (all its instances), `test-*` (`*` and `?` over whole names), `tag:x`; each with a
//! leading `+` for what it waits for, and a trailing `+` for what waits for it.

use std::collections::BTreeSet;

use crate::base::{RelPath, bounded, nearest, sanitize_line};

use super::{Graph, TaskIx};

/// A selector that selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// No task of this name.
    #[error("there is no task `{asked}`{}", did_you_mean(.nearest))]
    UnknownTask {
        /// What was asked for.
        asked: String,
        /// The task that may be meant.
        nearest: Option<String>,
    },
    /// The name of a file that a task writes.
    #[error("there is no task `{asked}`; the task `{task}` writes this file")]
    Output {
        /// What was asked for.
        asked: String,
        /// The task that writes it.
        task: String,
    },
    /// No task has this tag.
    #[error("no task has the tag `{asked}`{}", did_you_mean(.nearest))]
    UnknownTag {
        /// What was asked for.
        asked: String,
        /// The tag that may be meant.
        nearest: Option<String>,
    },
    /// No name matches the wildcard.
    #[error("no task matches `{asked}`")]
    NoMatch {
        /// What was asked for.
        asked: String,
    },
    /// Nothing but `+` or blanks.
    #[error("`{asked}` names no task")]
    Empty {
        /// What was asked for.
        asked: String,
    },
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default()
}

impl Graph {
    /// The tasks these selectors select; without any, all.
    pub fn select(&self, selectors: &[String]) -> Result<BTreeSet<TaskIx>, SelectError> {
        if selectors.is_empty() {
            return Ok(self.tasks().collect());
        }
        let mut selected = BTreeSet::new();
        for selector in selectors {
            selected.extend(self.select_one(selector)?);
        }
        Ok(selected)
    }

    /// These tasks and everything they wait for.
    #[must_use]
    pub fn with_deps(&self, tasks: &BTreeSet<TaskIx>) -> BTreeSet<TaskIx> {
        self.closure(tasks, Self::deps)
    }

    /// These tasks and everything that waits for them.
    #[must_use]
    pub fn with_dependents(&self, tasks: &BTreeSet<TaskIx>) -> BTreeSet<TaskIx> {
        self.closure(tasks, Self::dependents)
    }

    fn closure(&self, tasks: &BTreeSet<TaskIx>, next: fn(&Self, TaskIx) -> &[TaskIx]) -> BTreeSet<TaskIx> {
        let mut seen = vec![false; self.len()];
        let mut open: Vec<TaskIx> = tasks.iter().copied().collect();
        while let Some(ix) = open.pop() {
            if !std::mem::replace(&mut seen[ix.index()], true) {
                open.extend(next(self, ix).iter().filter(|ix| !seen[ix.index()]));
            }
        }
        self.tasks().filter(|ix| seen[ix.index()]).collect()
    }

    fn select_one(&self, selector: &str) -> Result<BTreeSet<TaskIx>, SelectError> {
        let text = selector.trim();
        let (text, deps) = text.strip_prefix('+').map_or((text, false), |rest| (rest, true));
        let (text, dependents) = text.strip_suffix('+').map_or((text, false), |rest| (rest, true));
        if text.is_empty() {
            return Err(SelectError::Empty { asked: shown(selector) });
        }
        let core = self.select_core(text)?;
        let mut selected = core.clone();
        if deps {
            selected.extend(self.with_deps(&core));
        }
        if dependents {
            selected.extend(self.with_dependents(&core));
        }
        Ok(selected)
    }

    fn select_core(&self, text: &str) -> Result<BTreeSet<TaskIx>, SelectError> {
        if let Some(tag) = text.strip_prefix("tag:") {
            let tagged = self.having(|ix| self.tags(ix).iter().any(|known| known.as_str() == tag));
            let tags = self.tasks().flat_map(|ix| self.tags(ix)).map(|tag| tag.as_str()).collect::<BTreeSet<_>>();
            let error =
                || SelectError::UnknownTag { asked: shown(tag), nearest: nearest(tag, tags).map(str::to_owned) };
            return tagged.ok_or_else(error);
        }
        if let Some(ix) = self.ix_of(text) {
            return Ok(BTreeSet::from([ix]));
        }
        if let Some(instances) = self.having(|ix| self.name(ix).stem() == text) {
            return Ok(instances);
        }
        if text.contains(['*', '?']) {
            let matching = self.having(|ix| wildcard_matches(text.as_bytes(), self.name(ix).as_str().as_bytes()));
            return matching.ok_or_else(|| SelectError::NoMatch { asked: shown(text) });
        }
        if let Some(owner) = RelPath::new(text).ok().and_then(|path| self.owner(&path)) {
            return Err(SelectError::Output { asked: shown(text), task: self.name(owner).to_string() });
        }
        let known = self.tasks().flat_map(|ix| [self.name(ix).as_str(), self.name(ix).stem()]);
        Err(SelectError::UnknownTask { asked: shown(text), nearest: nearest(text, known).map(str::to_owned) })
    }

    fn having(&self, holds: impl Fn(TaskIx) -> bool) -> Option<BTreeSet<TaskIx>> {
        let found: BTreeSet<TaskIx> = self.tasks().filter(|ix| holds(*ix)).collect();
        (!found.is_empty()).then_some(found)
    }
}

fn shown(text: &str) -> String {
    bounded(&sanitize_line(text), 200)
}

/// Whether `*` (any run) and `?` (any one) of the pattern can be filled to give the name. Linear but for the last `*`.
fn wildcard_matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, n));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[n] => (p, n) = (p + 1, n + 1),
            _ => match &mut retry {
                Some((after, from)) => {
                    *from += 1;
                    (p, n) = (*after, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::wildcard_matches;

    #[test]
    fn wildcards() {
        let table = [
            ("test-*", "test-a", true),
            ("test-*", "lint", false),
            ("*", "x", true),
            ("a*b*c", "aXbYbc", true),
            ("a*b*c", "aXbYb", false),
            ("t[?]", "t[1]", true),
            ("?", "", false),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(wildcard_matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
