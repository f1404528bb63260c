//! Watching: a build that begins again by itself when what it read changes. `docs/watch.md` says why it is as it is.
//!
//! ```text
//! kernel ──> Eyes ──> Watcher: one thread, one queue ──> build on a thread of its own
//!                        │  ^                                   │
//!  Requests ─────────────┘  └── events, how it ended ───────────┘
//!                        └──> every Observer: the state, and what is new
//! ```
//!
//! [`Watcher`] owns everything and decides alone; it prints nothing and knows neither terminal nor socket. Two seams are for
//! whoever shows it or speaks to it:
//!
//! - an [`Observer`] is called on the watcher's thread with the whole [`State`] and with [`News`] about it, in order, and must
//!   not block. Lines, a live screen and a socket are observers; each keeps what it needs of the state.
//! - [`Requests`] can be cloned and handed to any thread: rerun, force, another filter, quit, and [`Requests::standing`],
//!   which is answered after everything that happened in the files before the question was asked was taken note of.
//!
//! It cannot change a file, and decides nothing about tasks: whether what happened means anything is what
//! [`Knowledge`](crate::engine::Knowledge) says, and what is to run, the engine.

mod eyes;
mod outdated;
mod polling;
mod request;
mod settle;
mod state;
mod watcher;

pub use eyes::{Eyes, Happened, KernelEyes, Sight};
pub use polling::PollingEyes;
pub use request::{Requests, Standing};
pub use state::{Building, Ended, Invalid, LastBuild, News, Observer, Phase, RunningTask, State};
pub use watcher::{WatchError, WatchOptions, Watcher};
