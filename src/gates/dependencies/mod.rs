//! Known-vulnerable dependencies: the packages that lock files name, against a database of OSV records.
//!
//! ```text
//!  changed lock files ── lock ──> packages of the result, without those of the base ──┐ version
//!                                                                                     ├────────> findings
//!  OSV records ── Database ──> affected ranges by ecosystem and name ─────────────────┘
//! ```
//!
//! Nothing is downloaded: the database is a directory that somebody keeps. Without one, a changed lock file is skipped, and a
//! lock file or a database that cannot be read is said, never passed over.

mod advisory;
mod cvss;
mod database;
mod judge;
mod lock;
mod package;
mod version;

pub(super) use cvss::is_high;
pub use database::Database;
pub(super) use judge::{brought, dependencies};
pub(super) use lock::LockFile;
pub(super) use package::Package;
pub(super) use version::Order;
