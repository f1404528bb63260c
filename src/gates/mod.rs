//! Gates: what judges a result before it counts. A gate is a node of its own, keyed by its definition and the tree
//! it judges, so a changed gate judges again without running the task.
//!
//! ```text
//!  base + result ── Judged ──> check ──> parts with findings ──┐ level
//!                                                              ├──────> Verdict
//!  a command in a fresh tree ── exit, report ──────────────────┘
//! ```
//!
//! This layer says what a verdict is, holds the built-in checks, which are pure functions over both sides of what a result
//! changed, and says what a command's end means; running commands is `exec`'s. `docs/gates.md` has every rule.

mod baseline;
mod check;
mod data;
mod dependencies;
pub mod files;
pub mod integrity;
mod judged;
mod junit;
mod language;
mod level;
mod locate;
mod options;
mod outcome;
mod part;
mod patterns;
pub mod performance;
mod protected;
pub mod review;
pub mod reviewer;
mod sarif;
mod scanners;
pub mod schema;
pub mod scope;
mod secrets;
pub mod tdd;
mod verdict;

pub use baseline::{BASELINE_FILE, Baseline};
pub use check::{CHECKS_VERSION, CheckContext, check};
pub use dependencies::Database;
pub use judged::{ChangedFile, Content, Judged, JudgedTask};
pub use junit::junit;
pub use language::{LANGUAGES, Language, first_error, parse, syntax_error};
pub use level::{Effect, effect};
pub use locate::LineIndex;
pub use options::{Options, covers};
pub use outcome::GateOutcome;
pub use part::{Part, PartStatus};
pub use protected::Protected;
pub use sarif::{findings_of_report, sarif};
pub use scanners::{Scanner, ScannerOutput, ScannerRun, scanner};
pub use secrets::{SecretRule, secret_rules, secrets};
pub use verdict::{Verdict, VerdictKind, last_lines, verdict_of_exit, verdict_of_parts};
