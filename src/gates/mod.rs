//! Gates: what judges a result before it counts. A gate is a node of its own, keyed by its definition and the tree
//! it judges, so a changed gate judges again without running the task.
//!
//! This layer says what a verdict is and what a command's end means; running the command is `exec`'s.

mod verdict;

pub use verdict::{Verdict, VerdictKind, last_lines, verdict_of_exit};
