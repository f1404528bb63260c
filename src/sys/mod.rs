//! The one place where unix shows: what the platform does, in safe calls. A port starts here.

pub mod beneath;
pub mod confine;
pub mod glance;
pub mod inotify;
pub mod local;
pub mod namespace;
mod open;
pub mod process;
pub mod signals;
pub mod socket;
pub mod terminal;
pub mod view;

pub use open::{open_lock_file, open_to_read, symlink};
