//! Merging: two changes of one path over the state both started from, and the difference of two states as a patch.
//!
//! ```text
//!  base ──┬── ours ────┐
//!         │            ├── merge ──> ours | theirs | new content | conflict, with the lines that clash
//!         └── theirs ──┘
//! ```
//!
//! Bytes in, bytes out: no file is touched, no clock is read, no name of a task is known, and the same three states give
//! the same answer on every machine. Of the two ways to be wrong, a conflict that a person would have waved through costs
//! another attempt, a merge nobody meant costs a bug; so wherever a text can be read in two ways, it is a conflict.
//! `docs/merge.md` has every case.

mod alignment;
mod conflict;
mod diff3;
mod every_way;
mod lines;
mod side;
mod three_way;
mod unified;

pub use conflict::{Conflict, ConflictHunk, ConflictKind, Excerpt, Made};
pub use side::{Side, is_binary};
pub use three_way::{Limits, Merged, merge};
pub use unified::{DiffLimits, unified_diff};
