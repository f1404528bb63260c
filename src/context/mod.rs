//! The complete task: everything a stateless agent or a command may know, resolved, and nothing else.
//!
//! ```text
//! Plan ─┐
//! source files ─┤→ view(T): the exact files ─┐
//! results of deps ─┘                         ├→ TaskContext → key, workspace, task.md
//! environment, tools, policy ────────────────┘                               ↑
//! what deps said, gates, the last failure ─────────────── Told ──────────────┘ (never in the key)
//! ```
//!
//! `context` reads no files: digests come in, a [`TaskContext`] goes out.

mod commands;
mod dependency;
mod dependency_section;
mod diff;
mod document;
mod gap_findings;
mod gaps;
mod listing;
mod markdown;
mod outline;
mod references;
mod task_context;
mod task_json;
mod view;

pub use dependency::{Dependency, Told, Words};
pub use dependency_section::merged_changes;
pub use document::{Section, document_sections, section_title, task_markdown, unbounded_size_bytes};
pub use gap_findings::{gap_findings, no_background};
pub use gaps::{Found, Gap, ProjectFiles, gaps};
pub use markdown::{code, fenced, item, quoted};
pub use references::{Reference, references};
pub use task_context::{Definition, Runner, TaskContext, ToolIdentity, Toolchain, Work};
pub use task_json::task_json;
pub use view::{SourceIndex, covered_paths, fold_results, source_paths, view};
