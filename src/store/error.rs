//! What can go wrong between orca and the disk. A miss is not among it: a damaged or absent blob is an answer.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::{RelPath, sanitize_line};
use crate::sys::beneath::{FileKind, is_link_refusal};

/// An operation of the store that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk or the quota is full.
    #[error("cannot {op} `{}`: no space is left", shown(.path))]
    NoSpace {
        /// What was tried.
        op: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The place may not be written, or what is there may not be read.
    #[error("cannot {op} `{}`: {source}", shown(.path))]
    ReadOnly {
        /// What was tried.
        op: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Any other answer of the system.
    #[error("cannot {op} `{}`: {source}", shown(.path))]
    Io {
        /// What was tried.
        op: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A symbolic link is in the way, and orca follows none beneath a root.
    #[error("cannot {op} `{}`: a symbolic link is in the way, and it is not followed", shown(.path))]
    ThroughSymlink {
        /// What was tried.
        op: &'static str,
        /// On what.
        path: PathBuf,
    },
    /// Something else is where a file or directory has to be.
    #[error("cannot {op} `{}`: {found} is in the way", shown(.path))]
    Obstructed {
        /// What was tried.
        op: &'static str,
        /// On what.
        path: PathBuf,
        /// What is there, with its article.
        found: &'static str,
    },
    /// A directory with entries, where one entry was asked for.
    #[error("`{path}` is a directory")]
    Directory {
        /// The path.
        path: RelPath,
    },
    /// A pipe, socket or device: nothing that can be an input or an output.
    #[error("`{path}` is {}, which can be neither input nor output", described(*.kind))]
    SpecialFile {
        /// The path.
        path: RelPath,
        /// What it is.
        kind: FileKind,
    },
    /// A name or link target that is not UTF-8.
    #[error("`{}` is not UTF-8; orca names files in UTF-8 only", sanitize_line(.shown))]
    NotUtf8 {
        /// The path, with its odd bytes replaced.
        shown: String,
    },
    /// Clearing the way would have removed something that orca did not put there.
    #[error("`{path}` is in the way of an output, and orca did not make it")]
    NotOurs {
        /// The path.
        path: RelPath,
    },
    /// A file was changed while it was read, so its recorded digest is not what was stored.
    #[error("`{path}` changed while it was read")]
    Changed {
        /// The path.
        path: RelPath,
    },
    /// Another orca is using the cache.
    #[error("the cache `{}` is in use by another orca", shown(.path))]
    InUse {
        /// The cache.
        path: PathBuf,
    },
    /// The database said no.
    #[error("cannot {op} `{}`: {source}", shown(.path))]
    Database {
        /// What was tried.
        op: &'static str,
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

impl StoreError {
    /// The error of an operation on a path, by what the system said.
    pub(super) fn io(op: &'static str, path: impl AsRef<Path>, source: io::Error) -> Self {
        let path = path.as_ref().to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { op, path, source },
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly { op, path, source },
            _ if is_link_refusal(&source) => Self::ThroughSymlink { op, path },
            io::ErrorKind::NotADirectory => Self::Obstructed { op, path, found: "a file" },
            io::ErrorKind::IsADirectory => Self::Obstructed { op, path, found: "a directory" },
            io::ErrorKind::AlreadyExists => Self::Obstructed { op, path, found: "something" },
            _ => Self::Io { op, path, source },
        }
    }

    /// The error of a database, by what SQLite said.
    pub(super) fn database(op: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::NoSpace { op, path, source: io::Error::other(source) },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                Self::ReadOnly { op, path, source: io::Error::other(source) }
            }
            _ => Self::Database { op, path, source },
        }
    }

    /// Whether a file was not there: of one that was seen just before, that somebody took it away.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }

    /// Whether the place as such cannot take more, so that a build can go on without storing there.
    #[must_use]
    pub fn is_unwritable(&self) -> bool {
        use rusqlite::ErrorCode::{CannotOpen, SystemIoFailure};
        match self {
            Self::NoSpace { .. } | Self::ReadOnly { .. } => true,
            // What SQLite says where it cannot make or grow the files beside its database.
            Self::Database { source, .. } => matches!(source.sqlite_error_code(), Some(CannotOpen | SystemIoFailure)),
            _ => false,
        }
    }
}

/// A path as a message may show it, whatever is in its name.
fn shown(path: &Path) -> String {
    sanitize_line(&path.to_string_lossy())
}

/// A kind of file with its article, as messages name it.
pub(super) const fn described(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "a file",
        FileKind::Directory => "a directory",
        FileKind::Symlink => "a symbolic link",
        FileKind::Fifo => "a named pipe",
        FileKind::Socket => "a socket",
        FileKind::Device => "a device",
    }
}
