//! What the last build found, so that a build with nothing to do costs nothing and one edit costs one task.
//!
//! `docs/snapshot.md` says what is witnessed, and lays the file out. This layer knows files, fingerprints and numbers; it
//! knows no plan. `engine` says what to keep; what is kept is compared with the world here.

mod cold;

pub use cold::{Cold, ColdFile, ColdTask, FileIx, Table};
