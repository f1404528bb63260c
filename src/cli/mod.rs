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

mod args;
mod ask;
mod build;
mod check;
mod progress;
mod signals;
mod terminal;

use std::process::ExitCode;

use clap::Parser as _;

use crate::engine::{EngineError, Host, HostError, Session};
use args::{Args, Command};
use terminal::Terminal;

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
    World(String),
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    let terminal = Terminal::new(args.color);
    let exit = match run(&args, &terminal) {
        Ok(exit) => exit,
        Err(error) => {
            terminal.error(&error.to_string());
            match error {
                CliError::Engine(EngineError::Select(_)) => Exit::Usage,
                _ => Exit::World,
            }
        }
    };
    terminal.flush();
    ExitCode::from(exit.code())
}

fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    match &args.command {
        Command::Build(build) => build::run(args, build, terminal),
        Command::Check(check) => check::run(args, check, terminal),
    }
}

/// Opens the plan that the command line names.
fn open(args: &Args) -> Result<Session, CliError> {
    Ok(Session::open(Host::from_env()?, &args.directory)?)
}

/// Opens it for a command that needs a valid one; says what is wrong otherwise.
fn open_valid(args: &Args, terminal: &Terminal) -> Result<Result<Session, Exit>, CliError> {
    let session = open(args)?;
    if session.is_invalid() {
        check::show(&session.findings, &session.documents, terminal);
        return Ok(Err(Exit::Invalid));
    }
    Ok(Ok(session))
}
