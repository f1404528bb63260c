//! The salsa database: thin memos over pure functions, so that an edit re-computes what depends on it and no more.
//!
//! ```text
//! PlanInput ── lowered ─┬─ task(T) ──┬─ definition(T) ─┐
//!                       └─ shared ───┘                 ├─ key, at dispatch, with results of deps
//! Environment ───────────────────────┘                 │
//! Listing ── sources(T) ── source_view(T) ─────────────┘
//! SourceFile (one per path) ──┘
//! ```
//!
//! Values hold no spans (`toml::Spanned` ignores its span in `==`), so a comment stops at `lowered`. Setters never
//! compare, so [`OrcaDb`] compares before it sets. Keys are combined outside, since an input may be another task's
//! output that does not exist yet. `db` reads no files.

mod inputs;
mod queries;

pub use inputs::{Facts, OrcaDb};
pub use queries::Lowered;
