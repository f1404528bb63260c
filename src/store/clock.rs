//! The wall clock, for two things only: when a blob or record was last used, and whether a file is too young for its
//! time stamps to be trusted. No answer of the store depends on it otherwise.
#![expect(clippy::disallowed_methods, reason = "the store dates what it keeps")]

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since the epoch; 0 for a clock set before it.
pub(super) fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Milliseconds since the epoch.
pub(super) fn now_ms() -> i64 {
    now_ns() / 1_000_000
}
