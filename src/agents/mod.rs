//! Agents: how a prompt becomes a process. Each preset knows its command line and how it is told what to do.
//!
//! An agent is not believed: its exit code and words are advisory, what counts is what it wrote.

mod command;

pub use command::{Invocation, NotYet, invocation};
