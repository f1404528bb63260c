//! A random walk through the life of a project: a model of its sources and its plan, and everything that can happen to
//! them and to what was built from them.
//!
//! The model knows the sources only. What is to be built is never computed here: a second orca, in a fresh copy of the
//! sources and with an empty cache, is what the walk is compared with.

mod life;
mod model;
mod random;
mod tasks;

pub(crate) use life::Life;
pub(crate) use model::{Model, Source};
pub(crate) use random::Random;
pub(crate) use tasks::{Kind, Task};
