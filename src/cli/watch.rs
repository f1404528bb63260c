//! `orca watch` and `orca build --watch`: on a screen of its own before a person, elsewhere as lines, one build after the other.
#![expect(clippy::disallowed_methods, reason = "TERM is the terminal's")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::answering::OfWatcher;
use super::args::{Args, BuildArgs, Volume};
use super::ask::AtTerminal;
use super::build::{closing_line, options, untrusted};
use super::progress::Progress;
use super::screen::{Screen, Stage};
use super::terminal::Terminal;
use super::{CliError, Exit, answering, check, project, signals};
use crate::base::{counted, sanitize_terminal};
use crate::engine::{Host, Person};
use crate::watch::{Ended, News, Observer, Phase, State, WatchError, WatchOptions, Watcher};

pub(super) fn run(args: &Args, build: &BuildArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    // Who looks at a screen that is drawn again and again cannot be asked meanwhile.
    let shows = !build.json && Screen::is_possible(std::env::var("TERM").ok().as_deref());
    let asks = terminal.is_interactive() && !build.json && !shows;
    let options = WatchOptions { build: options(build, asks), settle: Duration::from_millis(build.settle) };
    let host = Host::from_env()?;
    let lines = Arc::new(Lines {
        json: build.json,
        volume: build.volume(),
        color: args.color,
        asks: options.build.asks,
        progress: Mutex::new(None),
        has_spoken: AtomicBool::new(true),
    });
    let project = project(args)?;
    let place = project.root().display().to_string();
    let stage =
        shows.then(|| Arc::new(Stage::new(&place, terminal.color_out(), Arc::clone(&lines) as Arc<dyn Observer>)));
    let person: Arc<dyn Person> = match &stage {
        Some(stage) => Arc::clone(stage) as Arc<dyn Person>,
        None => Arc::new(AtTerminal),
    };
    let mut watcher =
        Watcher::open(host.clone(), args.directory(), options, person, signals::listen()).map_err(failed)?;
    let requests = watcher.requests();
    match &stage {
        Some(stage) => {
            stage.listens_to(requests.clone());
            watcher.show(Arc::clone(stage) as Arc<dyn Observer>);
        }
        None => watcher.show(lines),
    }
    let of_watcher = Arc::new(OfWatcher::new(requests));
    let serving = answering::serve(&host, project, Arc::clone(&of_watcher));
    match &serving {
        Ok(Some(serving)) => watcher.show(serving.observer(of_watcher)),
        Ok(None) => terminal.err("note: no answers for other commands: the kernel may not tell of all changes here\n"),
        Err(error) => terminal.err(&format!("note: no answers for other commands: {error}\n")),
    }
    let ended = watcher.run();
    stage.iter().for_each(|stage| stage.take_down());
    Ok(match ended.map_err(failed)? {
        Ended::Quit => Exit::Good,
        Ended::Signal(signal) => Exit::Signal(signal),
        Ended::Untrusted(powers) => untrusted(&powers, terminal),
    })
}

fn failed(error: WatchError) -> CliError {
    match error {
        WatchError::Engine(error) => CliError::Engine(error),
        other => CliError::Watched(other),
    }
}

/// What it is at, as lines.
struct Lines {
    json: bool,
    volume: Volume,
    color: super::args::ColorChoice,
    asks: bool,
    /// Of the build that runs.
    progress: Mutex<Option<Progress>>,
    /// Whether anything was said since it was last said that it waits. What is said may be written into the project, and be
    /// looked at there: said each time, it would never end.
    has_spoken: AtomicBool,
}

impl Observer for Lines {
    fn sees(&self, state: &State, news: &News<'_>) {
        let terminal = Terminal::new(self.color);
        let mut progress = self.progress.lock().expect("progress does not panic");
        if !matches!(news, News::Phase) {
            self.has_spoken.store(true, Ordering::Relaxed);
        }
        match news {
            News::Event(record) => {
                let new = || Progress::new(self.json, self.volume, self.asks, &terminal);
                progress.get_or_insert_with(new).take(record);
            }
            News::Built => {
                if let Some(mut progress) = progress.take() {
                    progress.finish();
                }
                let Some(last) = &state.last else { return };
                if !self.json {
                    terminal.err(&closing_line(&last.report, &terminal));
                }
                last.report.fault.iter().for_each(|fault| terminal.error(fault));
            }
            News::Plan => match state.invalid.as_deref() {
                None => terminal.err("the plan is good again\n"),
                Some(invalid) => match &invalid.unreadable {
                    Some(why) => terminal.error(why),
                    None => check::refuse(&invalid.findings, &invalid.documents, &terminal),
                },
            },
            News::Untrusted => {
                let powers = counted(state.untrusted.len() as u64, "power");
                terminal.error(&format!("the plan asks for {powers} that you have not given; type `orca trust`"));
            }
            News::Notice(notice) => terminal.err(&format!("note: {}\n", sanitize_terminal(notice))),
            News::Phase if matches!(state.phase, Phase::Waiting | Phase::Invalid | Phase::Untrusted) => {
                if state.builds > 0 && !self.json && self.has_spoken.swap(false, Ordering::Relaxed) {
                    terminal.err("waiting for changes\n");
                }
            }
            News::Phase => {}
        }
    }
}
