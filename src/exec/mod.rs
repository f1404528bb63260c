//! Running: the pure scheduler, admission, one attempt in its workspace, and the loop that drives them.
//!
//! [`scheduler`] decides and is pure: facts and the time go in, commands come out. [`admission`] looks at the machine
//! and [`budget`] shares it with other orcas. The [`Executor`] performs what the one decides on what the other found. What a task
//! is and what becomes of its result is asked of [`Tasks`], which `engine` implements.

pub mod admission;
mod attempt;
mod blocking;
pub mod budget;
mod executor;
mod limits;
mod loans;
mod repository;
pub mod scheduler;
mod work;
mod workers;
mod workspace;

pub use attempt::{
    AgentSpec, AttemptError, AttemptSpec, GivesUp, Observed, SYSTEM_PATH, fill, observe, run, tree_inside,
};
pub use blocking::{block_in_place, has_one_thread};
pub use executor::{Approver, Ending, Executor};
pub use loans::{Bench, Lender, Loans, Slot, loans};
pub use repository::MadeRepository;
pub use work::{AttemptEnd, Attempted, BodyEnded, BoxFuture, EventSink, Fault, Hired, Resolved, Tasks, cancelled};
pub use workspace::{Workspace, WorkspaceError, remove_tree};
