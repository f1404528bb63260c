//! Real coding agents against a scripted model: what the tests of `opencode` and `codex` stand on.
//!
//! ```text
//! isolated("test", || ...)          the test again, in a network of its own that holds nothing but the loopback
//!   Agents::installed("test")       the programs, from npm, in target/agents
//!   ModelServer::start(script)      what they talk to
//!   Agent::run / orca build         what is tested
//! ```
//!
//! An agent starts with a cleared environment, a home of its own and a key that is none: it has nothing to tell, and nobody
//! to tell it to.

#![expect(dead_code, unused_imports, reason = "each test file is a crate of its own, with its own part of the harness")]

mod agent;
mod dialect;
mod http;
mod install;
mod isolated;
mod script;
mod server;
pub(crate) mod shop;
mod tools;

pub(crate) use agent::{Agent, Limit, Ran};
pub(crate) use dialect::{CACHED_TOKENS, Dialect, INPUT_TOKENS, OUTPUT_TOKENS};
pub(crate) use install::Agents;
pub(crate) use isolated::{is_isolated, isolated};
pub(crate) use script::{Script, Trouble, Turn};
pub(crate) use server::{Asked, ModelServer};
