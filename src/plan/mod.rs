//! Plans: what `orca.toml` and its includes say, parsed and lowered into values without spans.
//!
//! `plan` reads no files: texts come in, a [`Plan`] and findings go out.
//!
//! ```text
//! text --parse--> Document (tree, spans) --lower--> Plan (no spans) + findings (nodes)
//!                     |                                                    |
//!                     +------------------ spans join at rendering ---------+
//! ```
//!
//! `format` holds the format of a plan, once: reader and JSON Schema come from the same definition.

mod definitions;
mod demands;
mod document;
mod environment;
mod format;
mod implied;
mod includes;
mod lower;
mod model;
mod names;
mod options;
mod origin;
mod part;
mod paths;
mod reader;
mod scope;
mod syntax;
mod table;
mod task_tables;
mod tasks;
mod templates;
mod tree;
mod values;

pub use document::Document;
pub use format::json_schema;
pub use implied::word;
pub use includes::includes;
pub use lower::lower;
pub use model::{
    AgentDef, AgentPreset, Body, COVERAGE_MIN, Check, Context, ContextText, EdgeChange, GateDef, GateKind, Level,
    Limits, Override, Plan, Resources, Retry, SandboxMode, Task, Tdd, ToolchainDef, Undeclared,
};
pub use options::SCANNERS;
pub use origin::{declared, mention, origin, table};
pub use part::PlanPart;
pub use paths::LOCK_FILE;
pub use syntax::{PLAN_BYTES_MAX, parse};
pub use task_tables::task_tables;
