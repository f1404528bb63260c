//! An agent that reviews: what it is told, what it may answer, and what of its answer counts.
//!
//! ```text
//!  task, rubric, diff ──> brief ──> reviewer ──> text ──> answer ──> claims checked against the diff ──> Part
//! ```
//!
//! A reviewer is believed no more than an author is. Its answer has to have a form, and what it says against a result counts
//! only where it points at a line that the result is about. Running it is `engine`'s.

mod answer;
mod brief;
mod claims;
mod instructions;
mod schema;

pub use answer::{Answer, Claim, Says, Unanswered, answer};
pub use brief::{Asked, RUBRIC, brief};
pub use claims::{DiffLines, review};
pub use instructions::{instructs_agents, reviewer_tree};
pub use schema::{VERDICT_FILE, verdict_schema};
