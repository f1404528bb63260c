//! The orca that watches answers for others: `docs/serve.md` says when, what, and over which wire.
//!
//! ```text
//! client ── question ──> server ──> desk ──> watching: settled at which state?
//!                                     └────> a look kept from that state, and the world as it was then ──> answer
//! ```
//!
//! It cannot build, and it cannot say more than a look has found: whatever is in doubt is "ask yourself". It knows nothing of
//! how the project is watched, and nothing of how things are printed: both are traits that the layer above fills in.

mod client;
mod connection;
mod desk;
mod environment;
mod protocol;
mod server;

pub use client::{Answered, ask};
pub use desk::{Desk, Printer, Settled, Watching};
pub use environment::{counts, environment};
pub use protocol::{Answer, Ask, FORM, GraphAsk, GraphForm, Hello, Question, Reply, SOCKET};
pub use server::{Clerk, Identity, Server};
