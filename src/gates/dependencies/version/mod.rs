//! The orders of versions: which of two is the later one depends on whose they are.

mod maven;
mod number;
mod pep440;
mod semver;

use std::cmp::Ordering;

/// Bytes of a version that is compared; a longer one is none.
const VERSION_BYTES_MAX: usize = 512;

/// How versions are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gates) enum Order {
    Semver,
    Pep440,
    Maven,
}

impl Order {
    /// How two versions stand to each other; `None` where one of them is no version of this order.
    pub(in crate::gates) fn compare(self, one: &str, other: &str) -> Option<Ordering> {
        if one.len().max(other.len()) > VERSION_BYTES_MAX {
            return None;
        }
        match self {
            Self::Semver => Some(semver::parse(one)?.cmp(&semver::parse(other)?)),
            Self::Pep440 => Some(pep440::parse(one)?.cmp(&pep440::parse(other)?)),
            Self::Maven => Some(maven::parse(one)?.compare(&maven::parse(other)?)),
        }
    }

    /// Whether a text is a version of this order.
    pub(super) fn knows(self, version: &str) -> bool {
        self.compare(version, version).is_some()
    }
}
