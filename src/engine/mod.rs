//! The engine: where the pure core meets the world.

mod load;

pub use load::{LoadError, Loaded, PlanFileError, load};
