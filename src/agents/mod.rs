//! Agents: how a prompt becomes a process, and how its output is read. Each preset knows its command line, how it is told
//! what to do, and what it says.
//!
//! | preset | prompt | output | failures |
//! |---|---|---|---|
//! | `claude-code` | standard input | `stream-json` | `result` with `is_error` |
//! | `codex` | standard input | events | `turn.failed` |
//! | `opencode` | standard input | events | `error` with `statusCode` |
//! | `aider` | `.orca/task.md` | text | names of exceptions |
//! | `gemini` | standard input | `stream-json` | `result` with `error`, exit codes |
//! | `acp` | `session/prompt` | what orca's driver prints | stop reasons, errors |
//! | `command` | standard input | text, lines `{"orca": ...}` | what those lines say |
//!
//! An agent is not believed: its exit code and words are advisory, what counts is what it wrote.

mod acp;
mod aider;
mod claude_code;
mod codex;
mod command;
mod driver;
mod failure;
mod gemini;
mod invocation;
mod json;
mod opencode;
mod program_view;
mod report;
mod resets;
mod stream;
mod waiting;

pub use driver::driver_main;
pub use invocation::{Invocation, Occasion, Prompt, Repository, install_hint, invocation, program};
pub use program_view::{ProgramView, program_view};
pub use report::{AgentFailure, AgentReport, Resets};
pub use stream::{read_stream, readable};
pub use waiting::Waiting;
