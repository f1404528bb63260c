//! Which tasks that run are at what is not wanted any more: a look at the plan and the files as they are now, beside the
//! build, tells their keys. Another key: to go on would bring a result that is thrown away. The same key, or none yet since
//! something before it has to run again: it goes on, since the result may be what is wanted, and minutes of an agent cost
//! money.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::state::Invalid;
use crate::base::{ActionKey, TaskName};
use crate::engine::{EngineError, Host, Look, Looked, Seen, Session};

/// What a look came to.
pub(super) enum Outdated {
    /// These tasks are outdated.
    Tasks(BTreeSet<TaskName>),
    /// The plan is invalid: it cannot be said, and nothing is stopped.
    Invalid(Invalid),
    /// It could not be looked at; the next build will say why.
    Unknown,
}

/// Compares the keys that tasks run with, by name, with those that they would have now.
pub(super) fn outdated(host: &Host, root: &Path, running: &BTreeMap<TaskName, ActionKey>) -> Outdated {
    let session = match Session::open(host.clone(), root) {
        Ok(session) if session.is_invalid() => return Outdated::Invalid(invalid(session)),
        Ok(session) => session,
        Err(EngineError::Load(error)) => return Outdated::Invalid(unreadable(&error)),
        Err(_) => return Outdated::Unknown,
    };
    let (here, gone): (Vec<&TaskName>, Vec<&TaskName>) =
        running.keys().partition(|name| session.graph.ix(name).is_some());
    let mut tasks: BTreeSet<TaskName> = gone.into_iter().cloned().collect();
    if here.is_empty() {
        return Outdated::Tasks(tasks);
    }
    let selectors: Vec<String> = here.iter().map(ToString::to_string).collect();
    let graph = Arc::clone(&session.graph);
    let look = match Look::open(session, &selectors, false) {
        Ok(Looked::Valid(look)) => look,
        Ok(Looked::Invalid(session)) => return Outdated::Invalid(invalid(*session)),
        Err(_) => return Outdated::Unknown,
    };
    for name in here {
        let ix = graph.ix(name).expect("it was just found");
        let is_another = match look.seen(ix) {
            Seen::Known(keyed, _) | Seen::Impossible(keyed, _) => keyed.first_key != running[name],
            Seen::Waits(_) | Seen::Hopeless(_) => false,
        };
        if is_another {
            tasks.insert(name.clone());
        }
    }
    Outdated::Tasks(tasks)
}

fn invalid(session: Session) -> Invalid {
    Invalid { findings: session.findings, documents: session.documents, unreadable: None }
}

pub(super) fn unreadable(error: &crate::engine::LoadError) -> Invalid {
    let text = format!("{error}; {}", error.help());
    Invalid { findings: Vec::new(), documents: Arc::default(), unreadable: Some(text) }
}
