//! Where the screen stands while the watcher works: it goes up with the first thing there is to show, and until then
//! questions are asked as anywhere. While it is up nobody can be asked, and what would have been printed is shown.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::live::{Request, Screen};
use super::view::Doing;
use crate::base::{TaskName, counted};
use crate::cli::ask::AtTerminal;
use crate::engine::{ApprovalRequest, Person, Power};
use crate::exec::Approver;
use crate::graph::Graph;
use crate::report::{RenderOptions, render};
use crate::sys::signals::{INTERRUPT, raise};
use crate::watch::{Invalid, News, Observer, Phase, Requests, State};

/// Columns that findings are drawn for where the terminal does not say.
const WIDTH: usize = 100;

/// The person at the terminal, and what is shown there.
pub(in crate::cli) struct Stage {
    place: String,
    color: bool,
    /// What to do where no screen can be put up.
    otherwise: Arc<dyn Observer>,
    requests: OnceLock<Requests>,
    up: Mutex<Up>,
}

#[derive(Default)]
struct Up {
    screen: Option<Screen>,
    /// It was tried, and is not to be again.
    is_impossible: bool,
    /// The graph that is shown.
    graph: Option<Arc<Graph>>,
}

impl Stage {
    /// A stage for a project. Where the terminal cannot be taken, `otherwise` sees everything.
    pub(in crate::cli) fn new(place: &str, color: bool, otherwise: Arc<dyn Observer>) -> Self {
        Self { place: place.to_owned(), color, otherwise, requests: OnceLock::new(), up: Mutex::default() }
    }

    /// Whom keys are for.
    pub(in crate::cli) fn listens_to(&self, requests: Requests) {
        let _ = self.requests.set(requests);
    }

    /// Gives the terminal back.
    pub(in crate::cli) fn take_down(&self) {
        let screen = {
            let mut up = self.up();
            up.is_impossible = true;
            up.screen.take()
        };
        drop(screen);
    }

    fn up(&self) -> MutexGuard<'_, Up> {
        self.up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_up(&self) -> bool {
        self.up().screen.is_some()
    }

    fn open(&self, up: &mut Up) {
        let Some(requests) = self.requests.get().cloned() else { return };
        let ask = move |request| match request {
            Request::Rerun => requests.rerun(),
            Request::Force => requests.force(Vec::new()),
            Request::Quit => requests.quit(),
            // As if the terminal had said it: the second time is at once.
            Request::Interrupt => {
                if raise(INTERRUPT).is_err() {
                    requests.quit();
                }
            }
        };
        match Screen::open(&self.place, self.color, ask) {
            Ok(screen) => up.screen = Some(screen),
            Err(_) => up.is_impossible = true,
        }
    }
}

impl Observer for Stage {
    fn sees(&self, state: &State, news: &News<'_>) {
        let mut up = self.up();
        if up.screen.is_none() && !up.is_impossible && matches!(news, News::Event(_) | News::Plan) {
            self.open(&mut up);
        }
        let up = &mut *up;
        let Some(screen) = &up.screen else { return self.otherwise.sees(state, news) };
        let graph = state.building.as_ref().and_then(|building| building.graph.as_ref());
        if let Some(graph) = graph.filter(|graph| up.graph.as_ref().is_none_or(|shown| !Arc::ptr_eq(shown, graph))) {
            screen.plan(Arc::clone(graph));
            up.graph = Some(Arc::clone(graph));
        }
        match news {
            News::Event(record) => screen.event(record),
            News::Built => {
                if let Some(fault) = state.last.as_ref().and_then(|last| last.report.fault.as_ref()) {
                    screen.notice(true, fault);
                }
            }
            News::Plan => screen.findings(&state.invalid.as_deref().map(told).unwrap_or_default()),
            News::Untrusted => {
                let powers = counted(state.untrusted.len() as u64, "power");
                screen.notice(true, &format!("the plan asks for {powers} that you have not given; type `orca trust`"));
            }
            News::Notice(notice) => screen.notice(false, notice),
            News::Phase => {}
        }
        screen.doing(match state.phase {
            Phase::Waiting => Doing::Idle,
            Phase::Settling => Doing::Settling,
            Phase::Building => Doing::Building,
            Phase::Invalid => Doing::Invalid,
            Phase::Untrusted => Doing::Untrusted,
        });
    }
}

/// What is wrong with a plan.
fn told(invalid: &Invalid) -> String {
    let width = crate::sys::terminal::columns().unwrap_or(WIDTH);
    match &invalid.unreadable {
        Some(why) => format!("error: {why}"),
        None => render(&invalid.findings, &invalid.documents, RenderOptions { color: false, width, unicode: true }),
    }
}

impl Approver for Stage {
    fn approve(&self, layer: u32, tasks: &[TaskName]) -> bool {
        !self.is_up() && AtTerminal.approve(layer, tasks)
    }
}

impl Person for Stage {
    fn consents(&self, powers: &BTreeSet<Power>) -> bool {
        !self.is_up() && AtTerminal.consents(powers)
    }

    fn approves(&self, request: &ApprovalRequest) -> bool {
        !self.is_up() && AtTerminal.approves(request)
    }

    fn waits_for(&self, holder: &str) {
        match &self.up().screen {
            Some(screen) => screen.notice(false, &format!("waiting for another build in this project: {holder}")),
            None => AtTerminal.waits_for(holder),
        }
    }
}
