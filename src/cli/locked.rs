//! `orca build --locked`: says what stands against it, and lets the build begin only where nothing does.

use std::fmt::Write as _;

use serde::Serialize;

use super::args::{Args, BuildArgs};
use super::terminal::Terminal;
use super::{CliError, Exit, look, versioned};
use crate::base::{bounded, counted, sanitize_line};
use crate::engine::Obstacle;

#[derive(Serialize)]
struct Refusal {
    locked: bool,
    obstacles: Vec<Obstacle>,
}

/// How it ends where something would run, or the lock would change; `None` where nothing would. Writes nothing.
pub(super) fn refuse(args: &Args, build: &BuildArgs, terminal: &Terminal) -> Result<Option<Exit>, CliError> {
    let look = match look(args, &build.tasks, false, terminal)? {
        Ok(look) => look,
        Err(exit) => return Ok(Some(exit)),
    };
    let obstacles = look.obstacles()?;
    if obstacles.is_empty() {
        return Ok(None);
    }
    if build.json {
        terminal.line(&versioned(&Refusal { locked: false, obstacles }).to_string());
    } else {
        terminal.error(&told(&obstacles));
    }
    Ok(Some(Exit::Red))
}

fn told(obstacles: &[Obstacle]) -> String {
    let mut out = String::new();
    for Obstacle { task, would, because } in obstacles {
        let what = task.as_ref().map_or("the lock", |task| task.as_str());
        let _ = writeln!(out, "{would:>7} {what}: {}", sanitize_line(&bounded(because, 300)));
    }
    let tasks = obstacles.iter().filter(|obstacle| obstacle.task.is_some()).count() as u64;
    let what = match tasks {
        0 => "orca.lock is not up to date".to_owned(),
        tasks => format!(
            "{} not up to date",
            if tasks == 1 { "1 task is".to_owned() } else { format!("{} are", counted(tasks, "task")) }
        ),
    };
    format!(
        "--locked: {what}, so nothing was run and nothing was written\n{out}help: `orca build` brings all up to date; commit what it changes, orca.lock too"
    )
}
