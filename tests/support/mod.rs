//! The harness: a project in a directory of its own, and one verb per thing that a user does to it.
//!
//! ```text
//! let orca = Fixture::open("quickstart");
//! orca.build().ran(["check", "count-harbour", "count-tide", "headline", "report"]);
//! orca.append("orca.toml", "# a comment").build().ran([]);
//! ```
//!
//! Every project has its own home, cache and configuration, and orca starts with a cleared environment, no terminal and
//! no standard input: neither the developer's machine nor another test reaches in. Nothing waits for ever: what has not
//! ended in two minutes is killed and the test fails with what was printed. `PATH` alone is the developer's, since that
//! is where declared tools are.

#![expect(dead_code, unused_imports, reason = "each test file is a crate of its own, with its own part of the harness")]

mod build;
pub(crate) mod cases;
pub(crate) mod hands;
mod machine;
mod process;
mod processes;
mod project;
mod seeds;
mod snapshot;

pub(crate) use build::Build;
pub(crate) use hands::{by_hands, with_hands};
pub(crate) use machine::{bubblewrap_works, has_tool, mounts_work};
pub(crate) use process::{Output, Running};
pub(crate) use processes::{wait_until, wait_until_nothing_runs};
pub(crate) use project::{Fixture, Project};
pub(crate) use seeds::walk_all;
pub(crate) use snapshot::{Entry, Snapshot};
