//! The command line: parses flags, calls the engine, renders. It decides nothing about tasks.
//!
//! | exit code | means |
//! |---|---|
//! | 0 | everything asked for is good |
//! | 1 | a task or gate is red |
//! | 2 | the command line is wrong |
//! | 3 | the plan is invalid |
//! | 4 | orca or the world failed, or consent is missing |
//! | 128+n | signal n interrupted it |

mod answering;
mod approve;
mod args;
mod ask;
mod asking;
mod baseline;
mod build;
mod cache;
mod check;
mod clean;
mod closing;
mod diff;
mod dry_run;
mod explain;
mod gate;
mod generate;
mod graph;
mod history;
mod locked;
mod log;
mod opening;
mod progress;
mod rebase;
mod screen;
mod shell;
mod shortcut;
mod show;
mod signals;
mod status;
mod terminal;
mod trust;
mod undo;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

use crate::engine::{EngineError, HostError};
use crate::watch::WatchError;
use args::{Args, Command};
use opening::{look, look_at_one, open, open_beside, open_valid, open_valid_traced, project};
use shortcut::{Answered, Changed};
use terminal::Terminal;

/// Version of every form that `--json` prints, but for events, findings and graphs, which have their own.
const JSON_VERSION: u32 = 1;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Good,
    Red,
    Usage,
    Invalid,
    World,
    Signal(i32),
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Red => 1,
            Self::Usage => 2,
            Self::Invalid => 3,
            Self::World => 4,
            Self::Signal(signal) => u8::try_from(128 + signal).unwrap_or(255),
        }
    }
}

/// What a command could not go on with.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{0}")]
    Watched(WatchError),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    World(String),
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    // Who watches the project has the answer at once, if anybody does.
    if let Some(code) = asking::answered(std::env::args_os().skip(1)) {
        return code;
    }
    let (changed, mut args) = match shortcut::answer() {
        Answered::Done(code) => return code,
        Answered::Changed(changed, asked) => (Some(changed), asked.into_args()),
        Answered::Nothing => (None, Args::parse()),
    };
    let terminal = Terminal::new(args.color);
    args.directory = args.directory.take().or_else(|| opening::above(&args, &terminal));
    let exit = match run(&args, changed, &terminal) {
        Ok(exit) => exit,
        Err(error) => {
            terminal.error(&error.to_string());
            match error {
                CliError::Usage(_) | CliError::Engine(EngineError::Select(_)) => Exit::Usage,
                CliError::Engine(EngineError::Load(error)) => {
                    terminal.err(&format!("help: {}\n", error.help()));
                    if error.is_of_plan() { Exit::Invalid } else { Exit::World }
                }
                CliError::Engine(EngineError::Lock(error)) => {
                    terminal.err(&format!("help: {}\n", error.help));
                    Exit::Invalid
                }
                _ => Exit::World,
            }
        }
    };
    ExitCode::from(terminal.close(exit).code())
}

fn run(args: &Args, changed: Option<Box<Changed>>, terminal: &Terminal) -> Result<Exit, CliError> {
    match &args.command {
        Command::Build(build) => build::run(args, build, changed, terminal),
        Command::Watch(watch) => watch::run(args, &watch.build(), terminal),
        Command::Check(check) => check::run(args, check, terminal),
        Command::Graph(graph) => graph::run(args, graph, terminal),
        Command::Explain(explain) => explain::run(args, explain, terminal),
        Command::Status(status) => status::run(args, status, terminal),
        Command::Show(show) => show::run(args, show, terminal),
        Command::Log(log) => log::run(args, log, terminal),
        Command::Diff(diff) => diff::run(args, diff, terminal),
        Command::Gate(gate) => gate::run(args, gate, terminal),
        Command::Baseline(accept) => baseline::run(args, accept, terminal),
        Command::Report(report) => history::run(args, report, terminal),
        Command::Trust(trust) => trust::run(args, trust, terminal),
        Command::Approve(approve) => approve::run(args, approve, terminal),
        Command::Rebase(rebase) => rebase::run(args, rebase, terminal),
        Command::Undo(undo) => undo::run(args, undo, terminal),
        Command::Clean(clean) => clean::run(args, clean, terminal),
        Command::Cache(cache) => cache::run(cache, terminal),
        Command::Generate(generate) => generate::run(args, generate, terminal),
        Command::Init => shell::init(args, terminal),
        Command::Schema { of } => Ok(shell::schema(*of, terminal)),
        Command::Completions { shell } => Ok(shell::completions(*shell, terminal)),
        Command::Man => shell::man(terminal),
    }
}

/// A value as JSON, with the version of the form first of all.
fn versioned(value: &impl serde::Serialize) -> serde_json::Value {
    let mut value = serde_json::to_value(value).expect("what is printed is plain data");
    value["v"] = JSON_VERSION.into();
    value
}
