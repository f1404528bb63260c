//! The task graph: who waits for whom, and why.
//!
//! ```text
//! Plan -> edges (declared, inferred, overridden) -> cycles broken and reported -> plan order -> Graph
//!                    |
//!               OutputIndex (which outputs a pattern may meet) -> ownership findings, Graph::owner
//! ```
//!
//! `graph` is pure: it reads no file, no clock and no result. What state a task is in comes from a callback, how long
//! it takes from another. It does not decide what runs; `exec::scheduler` does.

mod analysis;
mod cycles;
mod edges;
mod order;
mod outputs;
mod ownership;
pub mod render;
mod select;
#[cfg(test)]
pub(crate) mod sketch;
mod state;
mod task_graph;
#[cfg(test)]
mod tests;

pub use analysis::{Analysis, ParallelShare};
pub use edges::EDGES_MAX;
pub use ownership::OVERLAPS_MAX;
pub use select::SelectError;
pub use state::TaskState;
pub use task_graph::{DropCause, DroppedEdge, EdgeKind, Graph, TaskIx};
