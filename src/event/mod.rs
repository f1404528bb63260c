//! What happens in a run, as facts: one stream that progress, summary, journal and `--json` are folds over.
//!
//! An event never reaches back: nothing that listens can change what runs. The wire form is documented in
//! `docs/events.md` and versioned by [`SCHEMA_VERSION`].

mod gate_finding;
mod outcome;
mod run_event;
mod trace;

pub use gate_finding::{Excerpt, GateFinding, is_green};
pub use outcome::{ActionResult, Failure, Outcome, Spent, Usage};
pub use run_event::{Event, EventRecord, RunId, SCHEMA_VERSION};
pub use trace::{AttemptSpan, Of, Phases, Recorded, Sample, Span, Timing, Trace};
