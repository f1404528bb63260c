//! Drafts: from an implementation plan that people wrote to an `orca.toml`, by rules alone.
//!
//! `draft` reads no files and asks no model: a text comes in, with a look-up of what the project holds; a plan as text
//! goes out, and a list of all that found no place in it. The same text gives the same plan, byte for byte.
//!
//! ```text
//! Markdown --blocks--> sections --tasks--.
//!                                        Reading (tasks, groups, prose) --edges, files--> Draft --render--> orca.toml
//! tasks.json ----------------------------'            |
//!                                                     '--> what was not placed, with its lines
//! ```
//!
//! Nothing is dropped: every line of the plan is in a prompt, a context or a comment of the draft, or in that list.

mod blocks;
mod commands;
mod edges;
mod fields;
mod files;
mod labels;
mod lines;
mod list_tasks;
mod maker;
mod markdown;
mod markdown_tasks;
mod model;
mod names;
mod pointers;
mod reading;
mod references;
mod render;
mod sections;
mod shares;
mod task_master;

pub use maker::draft;
pub use model::{Draft, DraftError, DraftOptions, Drafted, Found, LeftOut, Note, SOURCE_BYTES_MAX};
pub use reading::Format;
