//! What the orca that watches answers for others: the same text as the commands print, by the same functions. Here the
//! watcher and the server, which know nothing of each other, are joined.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::args::GraphFormat;
use super::{graph, status};
use crate::engine::{Host, Look, Project, Status};
use crate::serve::{Clerk, Desk, GraphAsk, GraphForm, Printer, Server, Settled, Watching, environment};
use crate::watch::{LastBuild, News, Observer, Phase, Requests, Standing, State};

/// Prints as the commands do.
pub(super) struct AsCommands;

impl Printer for AsCommands {
    fn status(&self, status: &Status) -> String {
        status::told(status)
    }

    fn status_json(&self, status: &Status) -> String {
        status::in_json(status)
    }

    fn graph(&self, look: &Look, ask: &GraphAsk) -> String {
        let format = match ask.format {
            GraphForm::Tree => GraphFormat::Tree,
            GraphForm::Dot => GraphFormat::Dot,
            GraphForm::Mermaid => GraphFormat::Mermaid,
            GraphForm::Json => GraphFormat::Json,
        };
        let GraphAsk { layers, critical_path, width, .. } = *ask;
        graph::drawn(look, &graph::Drawing { format, layers, critical_path, width })
    }
}

/// The server of a watcher, until it is dropped.
pub(super) struct Serving {
    desk: Arc<Desk>,
    _server: Server,
}

/// Begins to answer for the project that is watched. `None` where changes of its files could go unseen.
pub(super) fn serve(host: &Host, project: Project, watcher: Arc<OfWatcher>) -> std::io::Result<Option<Serving>> {
    let own = environment(host.env.clone());
    let root = project.root().to_owned();
    let desk = Arc::new(Desk::new(host.clone(), project, watcher, Arc::new(AsCommands))?);
    let clerk: Arc<dyn Clerk> = Arc::clone(&desk) as Arc<dyn Clerk>;
    Ok(Server::start(&root, own, clerk)?.map(|server| Serving { desk, _server: server }))
}

impl Serving {
    /// What tells the desk that the project has come to rest.
    pub(super) fn observer(&self, watcher: Arc<OfWatcher>) -> Arc<dyn Observer> {
        Arc::new(Resting { desk: Arc::clone(&self.desk), watcher })
    }
}

struct Resting {
    desk: Arc<Desk>,
    watcher: Arc<OfWatcher>,
}

impl Observer for Resting {
    fn sees(&self, state: &State, news: &News<'_>) {
        match news {
            News::Built => state.last.iter().for_each(|last| self.watcher.built(last)),
            News::Phase if state.phase == Phase::Waiting => self.desk.changed(),
            _ => {}
        }
    }
}

/// A watcher, as whoever answers for it sees it.
pub(super) struct OfWatcher {
    requests: Requests,
    /// Tasks of the last build that was not of a part of what is known.
    tasks: AtomicUsize,
}

impl OfWatcher {
    pub(super) fn new(requests: Requests) -> Self {
        Self { requests, tasks: AtomicUsize::new(0) }
    }

    /// A build of a few changed files leaves the rest of what is known as it was, and has no keys of its own.
    fn built(&self, last: &LastBuild) {
        if last.resolver.is_some() {
            self.tasks.store(last.report.summary.settled.len(), Ordering::SeqCst);
        }
    }
}

impl Watching for OfWatcher {
    fn settled(&self) -> Option<Settled> {
        match self.requests.standing()? {
            Standing::Unchanged(last) => {
                let tasks = self.tasks.load(Ordering::SeqCst);
                Some(Settled { number: last.report.run.0, tasks })
            }
            Standing::Changed | Standing::Building => None,
        }
    }
}
