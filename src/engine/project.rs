//! A project on disk: its root, its state directory, and the lock that lets one build in at a time.
#![expect(clippy::disallowed_methods, reason = "makes the state directory and its lock")]

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::base::sanitize_line;

/// What of the project's directory cannot be worked with.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {}: {source}", path.display())]
pub struct ProjectError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn at<T>(operation: &'static str, path: &Path, result: io::Result<T>) -> Result<T, ProjectError> {
    result.map_err(|source| ProjectError { operation, path: path.to_owned(), source })
}

/// A directory with an `orca.toml`.
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
}

/// Held while a build runs in the project. The lock dies with its holder.
#[derive(Debug)]
pub struct BuildLock {
    _file: File,
}

impl Project {
    /// The project in this directory.
    pub fn open(directory: &Path) -> Result<Self, ProjectError> {
        let root = at("open the project", directory, directory.canonicalize())?;
        Ok(Self { root })
    }

    /// Its root, absolute and without symbolic links.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `.orca`, which may not exist yet.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join(".orca")
    }

    /// Makes `.orca` and takes its lock. Where another build holds it, `waits_for` is told whom this one waits for.
    pub fn lock(&self, holder: &str, waits_for: impl FnOnce(&str)) -> Result<BuildLock, ProjectError> {
        let state = self.state();
        at("make the directory", &state, fs::create_dir_all(&state))?;
        let ignore = state.join(".gitignore");
        if !ignore.exists() {
            at("write", &ignore, fs::write(&ignore, "*\n"))?;
        }
        let path = state.join("lock");
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = at("open the lock", &path, open)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut other = String::new();
                let _ = (&file).take(200).read_to_string(&mut other);
                waits_for(sanitize_line(other.trim()).as_str());
                at("lock", &path, file.lock())?;
            }
            Err(TryLockError::Error(error)) => return at("lock", &path, Err(error)),
        }
        let record = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{holder}"));
        at("write the lock", &path, record)?;
        Ok(BuildLock { _file: file })
    }
}
