//! The one place where unix shows: what the platform does, in safe calls. A port starts here.

pub mod confine;
pub mod namespace;
pub mod process;
pub mod socket;
