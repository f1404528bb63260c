//! Agents: how a prompt becomes a process, and how its output is read. Each preset knows its command line, how it is told
//! what to do, and what it says.
//!
//! An agent is not believed: its exit code and words are advisory, what counts is what it wrote.

mod command;
mod invocation;
mod report;
mod stream;

pub use invocation::{Invocation, NotYet, invocation};
pub use report::{AgentFailure, AgentReport, Resets};
pub use stream::read_stream;
