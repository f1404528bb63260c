//! SARIF 2.1.0, the format in which scanners say what they found: read from whoever wrote it, and written from verdicts.
//!
//! ```text
//!  bytes ── log (what of the format is read, bounded) ── read ──> findings
//!  outcomes ── write ──> bytes
//! ```
//!
//! A report is written by a program that saw the judged tree, so nothing in it is believed beyond its words: sizes are
//! bounded, paths stay beneath the judged root, and what cannot be read is an error, never an empty list of findings.

mod log;
mod message;
mod read;
mod uri;
mod write;

pub use read::findings_of_report;
pub use write::sarif;
