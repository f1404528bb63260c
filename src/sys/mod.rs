//! The one place where unix shows: what the platform does, in safe calls. A port starts here.

pub mod beneath;
mod open;

pub use open::open_to_read;
pub mod confine;
pub mod namespace;
pub mod process;
pub mod socket;
