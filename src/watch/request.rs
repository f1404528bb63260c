//! What a watcher can be asked for, from any thread.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use super::state::LastBuild;
use super::watcher::Input;

/// What the watcher is asked.
pub(super) enum Request {
    Rerun,
    Force(Vec<String>),
    Filter(Vec<String>),
    Quit,
    Standing(Sender<Standing>),
}

/// Whether the last build still holds.
#[derive(Clone)]
pub enum Standing {
    /// Nothing that it depends on has changed since.
    Unchanged(Arc<LastBuild>),
    /// Something has, or the plan is invalid: a build would have to look.
    Changed,
    /// A build runs.
    Building,
}

/// Asks a watcher. When it is over, nothing is asked and nothing answered.
#[derive(Clone)]
pub struct Requests(pub(super) Sender<Input>);

impl Requests {
    /// Builds now, also if nothing changed; after the build that runs, if one does.
    pub fn rerun(&self) {
        self.send(Request::Rerun);
    }

    /// Builds now, and these tasks, or all that are watched, run whatever their key says.
    pub fn force(&self, tasks: Vec<String>) {
        self.send(Request::Force(tasks));
    }

    /// Builds these tasks from now on; all if there are none.
    pub fn filter(&self, selectors: Vec<String>) {
        self.send(Request::Filter(selectors));
    }

    /// Ends it; a build that runs is stopped as by a signal.
    pub fn quit(&self) {
        self.send(Request::Quit);
    }

    /// Whether the last build still holds, by all that was done to files before this was asked. `None` where the watcher is
    /// over.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        let (answer, answers) = channel();
        self.send(Request::Standing(answer));
        answers.recv().ok()
    }

    fn send(&self, request: Request) {
        // One that is over is asked nothing.
        let _ = self.0.send(Input::Asked(request));
    }
}
