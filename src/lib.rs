//! Orca: a declarative, incremental build engine whose targets are development tasks.
//!
//! A plan in TOML declares tasks; orca turns the plan into a graph, the graph into keyed actions, and actions into
//! results it never has to compute twice. The modules stand in that order, and imports only point left:
//!
//! ```text
//! sys <- base <- snapshot <- plan, event <- graph, context, report, merge, draft <- key <- db, store, sandbox
//!     <- agents, gates <- exec <- engine <- watch, serve <- cli
//! ```
//!
//! `tests/tidy.rs` reads the imports and fails where one points right.

pub mod agents;
pub mod base;
pub mod cli;
pub mod context;
pub mod db;
pub mod draft;
pub mod engine;
pub mod event;
pub mod exec;
pub mod gates;
pub mod graph;
pub mod key;
pub mod merge;
pub mod plan;
pub mod report;
pub mod sandbox;
pub mod serve;
pub mod snapshot;
pub mod store;
pub mod sys;
pub mod watch;
