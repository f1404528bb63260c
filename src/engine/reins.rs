//! The reins of a build that runs: how whoever watches the project looks into it, and tells it that files have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::mpsc;

use super::builder::Builder;
use super::resolve::Resolver;
use crate::base::{ActionKey, TaskName};
use crate::graph::TaskIx;

/// Held by a watcher while the build holds the other end. A build that has not begun to run tasks, or is over, hears
/// nothing.
#[derive(Clone, Default)]
pub struct Reins(Arc<Mutex<Option<Held>>>);

struct Held {
    builder: Weak<Builder>,
    resolver: Arc<Resolver>,
    is_part: bool,
    outdated: mpsc::UnboundedSender<BTreeSet<TaskIx>>,
}

impl Reins {
    /// Hands a build over, of the whole plan or a part of it; answers where it hears which of its tasks are outdated.
    pub(super) fn hand_over(&self, builder: &Arc<Builder>, is_part: bool) -> mpsc::UnboundedReceiver<BTreeSet<TaskIx>> {
        let (outdated, hears) = mpsc::unbounded_channel();
        let (builder, resolver) = (Arc::downgrade(builder), Arc::clone(&builder.resolver));
        *self.0.lock().expect("no holder panics") = Some(Held { builder, resolver, is_part, outdated });
        hears
    }

    /// The keys and records of the build, once it has them; also when it is over.
    #[must_use]
    pub fn resolver(&self) -> Option<Arc<Resolver>> {
        self.0.lock().expect("no holder panics").as_ref().map(|held| Arc::clone(&held.resolver))
    }

    /// Whether the build is of a part of the plan, once that is known.
    #[must_use]
    pub fn is_part(&self) -> bool {
        self.0.lock().expect("no holder panics").as_ref().is_some_and(|held| held.is_part)
    }

    /// The keys of those of these tasks that are between their key and their end: as the plan has it, whoever stands in for
    /// its agent, and on top of whatever they run.
    #[must_use]
    pub fn keys(&self, tasks: &BTreeSet<TaskName>) -> BTreeMap<TaskName, ActionKey> {
        let held = self.0.lock().expect("no holder panics");
        let Some((held, builder)) = held.as_ref().and_then(|held| Some((held, held.builder.upgrade()?))) else {
            return BTreeMap::new();
        };
        let pending = builder.pending.lock().expect("no holder panics");
        let key = |name: &TaskName| Some(pending.get(&held.resolver.graph.ix(name)?)?.keyed.first_key);
        tasks.iter().filter_map(|name| Some((name.clone(), key(name)?))).collect()
    }

    /// Tells the build that files have changed: it starts nothing more, stops what runs of these tasks, and lets the rest
    /// come to its end. Whether anybody listens.
    pub fn outdate(&self, tasks: &BTreeSet<TaskName>) -> bool {
        let held = self.0.lock().expect("no holder panics");
        let Some(held) = held.as_ref() else { return false };
        let tasks = tasks.iter().filter_map(|name| held.resolver.graph.ix(name)).collect();
        held.outdated.send(tasks).is_ok()
    }
}
