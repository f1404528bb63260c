//! Running: the pure scheduler, admission, one attempt in its workspace, and the loop that drives them.
//!
//! What a task is and what becomes of its result is asked of [`Tasks`], which `engine` implements.

mod attempt;
mod executor;
mod work;
mod workspace;

pub use attempt::{AttemptError, AttemptSpec, Observed, fill, observe, run, search_path};
pub use executor::{Approver, Ending, Executor};
pub use work::{AttemptEnd, BoxFuture, EventSink, Fault, Resolved, Tasks, Worked, cancelled};
pub use workspace::{Workspace, WorkspaceError, remove_tree};
//! Running: what may start when, and on how much of the machine.
//!
//! [`scheduler`] decides and is pure: facts and the time go in, commands come out. [`admission`] looks at the machine
//! and shares it with other orcas; it is the only part here that reads the system.

pub mod admission;
pub mod scheduler;
