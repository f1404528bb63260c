//! Reports: findings as text for people and as data for programs.
//!
//! `report` reads plans and events; it cannot reach whatever runs.

mod critical;
mod diagnostics;
mod excerpt;
mod gate_findings;
mod json;
mod lanes;
pub mod page;
mod profile;

pub use critical::critical_path;
pub use diagnostics::{RenderOptions, render};
pub use gate_findings::render_gate_findings;
pub use json::{FINDINGS_SCHEMA_VERSION, to_json};
pub use profile::{ProfileHeader, profile};
