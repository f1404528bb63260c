//! What the last build found, so that a build with nothing to do costs nothing and one edit costs one task.
//!
//! `docs/snapshot.md` says what is witnessed, and lays the file out. This layer knows files, fingerprints and numbers; it
//! knows no plan. `engine` says what to keep; what is kept is compared with the world here.
//!
//! ```text
//! Image ── write ──> .orca/snapshot ── Hot::open ── check ──> Answer
//!          append ──────^  (a mark, or what a part changed)
//! ```

mod bytes;
mod check;
mod cold;
mod cold_form;
mod concerned;
mod fingerprint;
mod hot;
mod image;
mod patch;
#[cfg(test)]
mod tests;
mod write;

pub use check::{Looking, SYSTEM_FILE_BYTES_MAX, beside, journal, outside, system};
pub use cold::{Cold, ColdPlan, ColdTask, FileIx, Table};
pub use cold_form::ColdView;
pub use concerned::{Concerned, Cuts};
pub use fingerprint::{Fingerprint, is_racy, names_digest};
pub use hot::Hot;
pub use image::{Answer, Changes, Closing, Directory, Image, Part, Patch, Walked, World};
pub use patch::{Overlay, TaskPatch};
pub use write::{append, forget, write};
