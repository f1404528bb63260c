//! What stays: the shared cache, the project's journal, and every file orca reads, places or removes.
//!
//! ```text
//!  Root ──scan──> Tree ──ingest──> Store: blobs by digest, results and verdicts by key
//!   ^                                │
//!   └────────── materialize, copy_to ┘        Journal: runs, tasks, what was published
//! ```
//!
//! Nothing here trusts what it finds. Blobs are hashed whenever they are read, records carry checksums, and what is
//! damaged, missing or of an unknown format is a miss or set aside, with one warning, never an error and never content.
//! Everything beneath a [`Root`] is reached without following a link. `docs/formats.md` has every format.
//!
//! The store knows nothing of plans and tasks beyond their names, decides nothing about what is up to date, and runs
//! nothing.

mod action_cache;
mod approval;
mod cache;
mod cas;
mod clock;
mod database;
mod delta;
mod error;
mod exchange;
mod exchange_recovery;
mod gc;
mod journal;
mod kept;
mod ledger;
mod lockfile;
mod lockfile_reader;
mod materialize;
mod provenance;
mod remove;
mod root;
mod spares;
mod stat_cache;
mod stream;
mod take_in;
mod walk;
mod warnings;
mod writes;

pub use approval::{Approval, Decision};
pub use cache::Store;
pub use delta::{DELTA_OF_BYTES_MAX, delta, undelta};
pub use error::StoreError;
pub use exchange::Exchange;
pub use exchange_recovery::Recovered;
pub use gc::{CacheStats, GRACE_MS, GcReport, VerifyReport};
pub use journal::{Costs, Journal, RunRecord};
pub use kept::Kept;
pub use ledger::{Ended, Origin, PendingPublish, Published, TaskRecord, TaskSummary, ToPublish, may_be_output};
pub use lockfile::{Delta, LOCK_VERSION, Lock, LockedTask, merge_key};
pub use lockfile_reader::LockError;
pub use materialize::{MaterializeError, Source, SourceOf, materialize, materialize_from};
pub use provenance::{Acceptance, MergeFact, Placing, Provenance};
pub use remove::Ours;
pub use root::{Root, TEMP_PREFIX};
pub use spares::{PARTS, Spares};
pub use stat_cache::{StatCache, StatTuple};
pub use take_in::TakeIn;
pub use walk::{Listed, Listing, Skip};
pub use writes::{FormerOutput, TakenBack, Written};
