//! What stays: the shared cache, the project's journal, and every file orca reads, places or removes.

mod action_cache;
mod cache;
mod cas;
mod clock;
mod database;
mod error;
mod gc;
mod journal;
mod ledger;
mod materialize;
mod remove;
mod root;
mod stat_cache;
mod stream;
mod walk;
mod warnings;

pub use cache::Store;
pub use error::StoreError;
pub use gc::{CacheStats, GRACE_MS, GcReport, VerifyReport};
pub use journal::{Journal, RunRecord};
pub use ledger::{PendingPublish, Published, TaskRecord, TaskSummary};
pub use materialize::{MaterializeError, Source, SourceOf, materialize};
pub use remove::Ours;
pub use root::{Root, TEMP_PREFIX};
pub use stat_cache::{StatCache, StatTuple};
pub use walk::{Listed, Listing, Skip};
