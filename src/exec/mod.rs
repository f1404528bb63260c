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
