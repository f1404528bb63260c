//! The complete task: everything a stateless agent or a command may know, resolved, and nothing else.
//!
//! ```text
//! Plan ─┐
//! source files ─┤→ view(T): the exact files ─┐
//! results of deps ─┘                         ├→ TaskContext → key, workspace, task.md
//! environment, tools, policy ────────────────┘
//! ```
//!
//! `context` reads no files: digests come in, a [`TaskContext`] goes out.

mod document;
mod task_context;
mod view;

pub use document::{task_json, task_markdown};
pub use task_context::{Definition, Runner, TaskContext, ToolIdentity, Toolchain, Work};
pub use view::{SourceIndex, covered_paths, fold_results, source_paths, view};
