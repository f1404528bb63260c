//! The words every other layer speaks: names, paths, digests, trees, patterns, findings and units.
//!
//! `base` performs no I/O, reads no clock and no environment, and knows nothing of tasks beyond their names.

mod digest;
mod failure;
mod finding;
mod name;
pub mod parallel;
mod path;
mod pattern;
mod sanitize;
mod suggest;
mod tree;
mod units;

pub use digest::{ActionKey, BlobDigest, DigestParseError, GateKey, KeyHasher};
pub use failure::FailureKind;
pub use finding::{DocPath, FileId, Finding, Label, NodeId, Segment, Severity};
pub use name::{Name, NameError, TaskName};
pub use path::{PathError, RelPath};
pub use pattern::{Pattern, PatternError, PatternSet};
pub use sanitize::{bounded, sanitize_line, sanitize_terminal};
pub use suggest::nearest;
pub use tree::{Change, Changes, Entry, Tree};
pub use units::{
    DurationMs, SizeBytes, UnitError, counted, format_count, format_duration_ms, format_micro_usd, format_size,
};
