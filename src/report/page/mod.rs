//! One run as one HTML page that needs nothing else: no network, no script to be read, no file beside it.
//!
//! ```text
//! RunPage ──> overview, failures, timeline, layers, tasks, gates ──> body ──> document with its nonce
//! ```
//!
//! The page is pure: `engine` fills a [`RunPage`] from the journal, and [`html`] draws it. Everything that comes from a plan, a
//! task or an agent is escaped by `markup::Html`, which takes nothing else raw but literals of this source; the page's
//! Content-Security-Policy allows no address at all, and of styles and scripts only those with its nonce. What is drawn is
//! bounded, whatever the run was: 10,000 tasks are aggregated where a screen could not show them anyway.

mod document;
mod failures;
mod gates;
mod layers;
mod markup;
mod model;
mod overview;
mod tasks;
#[cfg(test)]
mod tests;
mod timeline;

pub use document::html;
pub use model::{Attempt, AttemptEnded, Failed, Noted, RunEnd, RunPage, TaskRow, TaskState, Verdict};
