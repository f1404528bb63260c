//! Tests first: the check `tdd`. The tests that a task declares have to fail on the tree it was given, and fail as tests; on its
//! result they have to pass, with all others, none deleted, skipped or emptied on the way, and what it changed has to be run.
//!
//! ```text
//!  base + declared tests ── command ──> report ──┐
//!  base ───────────────────── suite ──> report ──┤
//!  result ───────────────── command ──> report ──┼── judge ──> red first, green, suite, tests, coverage
//!  result ─────────────────── suite ──> report ──┤
//!  both sides of the sources ──────────> marks ──┘
//! ```
//!
//! Nothing here runs anything: `engine` runs the commands and hands over what they wrote.

mod brought;
mod coverage;
mod declared;
mod judge;
mod marks;
mod paths;
mod red;
mod reports;
mod silenced;
mod suite;
mod xml;

pub use coverage::{Coverage, Measured};
pub use judge::{Evidence, Run, RunEnd, TestsFirst, judge};
pub use marks::tests_weakened;
pub use paths::{Family, family, is_test_path};
pub use reports::{ErrorKind, Outcome, TestCase, TestReport, read as read_report};
