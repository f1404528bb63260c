//! Plans: what `orca.toml` and its includes say, parsed and lowered into values without spans.
//!
//! `plan` reads no files: texts come in, a [`Plan`] and findings go out.

mod model;

pub use model::{
    AgentDef, AgentPreset, Body, Check, Context, ContextText, EdgeChange, GateDef, GateKind, Level, Limits, Override,
    Plan, Resources, Retry, SandboxMode, Task, Tdd, ToolchainDef, Undeclared,
};
