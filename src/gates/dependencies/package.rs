//! A package as a lock file names it.

use super::version::Order;

/// Where a package comes from, as OSV names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::gates) enum Ecosystem {
    CratesIo,
    Npm,
    PyPi,
    Go,
    Maven,
}

impl Ecosystem {
    /// The one of this name in an OSV record, which may have a suffix: `Maven:https://repo.example.org`.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name.split(':').next()? {
            "crates.io" => Some(Self::CratesIo),
            "npm" => Some(Self::Npm),
            "PyPI" => Some(Self::PyPi),
            "Go" => Some(Self::Go),
            "Maven" => Some(Self::Maven),
            _ => None,
        }
    }

    /// How its versions are ordered.
    pub(super) fn order(self) -> Order {
        match self {
            Self::CratesIo | Self::Npm | Self::Go => Order::Semver,
            Self::PyPi => Order::Pep440,
            Self::Maven => Order::Maven,
        }
    }

    /// A name in the form that equal ones share.
    pub(in crate::gates) fn normal(self, name: &str) -> String {
        match self {
            Self::PyPi => {
                let parts: Vec<&str> = name.split(['-', '_', '.']).filter(|part| !part.is_empty()).collect();
                parts.join("-").to_ascii_lowercase()
            }
            _ => name.to_owned(),
        }
    }
}

/// A package at a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::gates) struct Package {
    pub(in crate::gates) ecosystem: Ecosystem,
    /// In its normal form.
    pub(in crate::gates) name: String,
    pub(in crate::gates) version: String,
    /// The line that names it, from 1.
    pub(in crate::gates) line: u32,
}

impl Package {
    pub(super) fn new(ecosystem: Ecosystem, name: &str, version: &str, line: u32) -> Self {
        Self { ecosystem, name: ecosystem.normal(name), version: version.trim().to_owned(), line }
    }
}
