//! What follows from a finding: the level decides.
//!
//! ```text
//!              basic     standard   strict
//!  error       fails     fails      fails
//!  warning     is told   warns      fails
//!  advice      dropped   is told    warns
//!  skipped     skipped   skipped    is an error of a part that had nothing to judge with: another result mends nothing
//! ```

use crate::base::Severity;
use crate::plan::Level;

/// What follows, from nothing to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It is as if it had not been found.
    Dropped,
    /// It is shown to whoever asks.
    Told,
    /// The verdict is a warning, which is green.
    Warns,
    /// The verdict is red.
    Fails,
}

/// What follows from a finding of this severity.
#[must_use]
pub fn effect(severity: Severity, level: Level) -> Effect {
    match (severity, level) {
        (_, Level::Disabled) | (Severity::Advice, Level::Basic) => Effect::Dropped,
        (Severity::Error, _) | (Severity::Warning, Level::Strict) => Effect::Fails,
        (Severity::Warning, Level::Standard) | (Severity::Advice, Level::Strict) => Effect::Warns,
        (Severity::Warning, Level::Basic) | (Severity::Advice, Level::Standard) => Effect::Told,
    }
}
