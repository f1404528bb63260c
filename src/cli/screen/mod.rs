//! What `orca watch` shows on a terminal: the whole of a build at a glance, as large as the terminal is, redrawn when something
//! has changed and never otherwise.
//!
//! ```text
//! events, states of the watcher ──> View ──> rows (a pure function of view, size and time) ──> the rows that differ
//!            keys ───────────────────┘ └──> requests: rerun, force, quit
//! ```
//!
//! Whatever comes from tasks is made harmless where it enters the view; rows are cut to the terminal's width as people see it.

mod draw;
mod keys;
mod live;
mod stage;
#[cfg(test)]
mod tests;
mod text;
mod view;

pub(super) use live::Screen;
pub(super) use stage::Stage;
