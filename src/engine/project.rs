//! A project on disk: its root, its state directory, and the lock that lets one build in at a time.
#![expect(clippy::disallowed_methods, reason = "makes the state directory and its lock")]

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::load::ROOT_PLAN;
use crate::base::sanitize_line;
use crate::snapshot;
use crate::sys::{beneath, open_lock_file, open_to_read};

/// What of the project's directory cannot be worked with.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}", path.display())]
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

/// Held while the project is watched. The lock dies with its holder.
#[derive(Debug)]
pub struct WatchLock {
    _file: File,
}

impl Project {
    /// The project in this directory.
    pub fn open(directory: &Path) -> Result<Self, ProjectError> {
        let root = at("open the project", directory, directory.canonicalize())?;
        Ok(Self { root })
    }

    /// The nearest directory above this one that has a plan; `None` where this one has one.
    #[must_use]
    pub fn above(directory: &Path) -> Option<PathBuf> {
        let directory = directory.canonicalize().ok()?;
        let found = directory.ancestors().find(|one| one.join(ROOT_PLAN).symlink_metadata().is_ok())?;
        (found != directory).then(|| found.to_owned())
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

    /// The build that holds the project's lock now, as it calls itself. Writes nothing.
    pub fn building(&self) -> Result<Option<String>, ProjectError> {
        let path = self.state().join("lock");
        let mut file = match open_to_read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => at("open the lock", &path, opened)?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(written_by(&mut file))),
            Err(TryLockError::Error(error)) => at("look at the lock", &path, Err(error)),
        }
    }

    /// Makes `.orca` and takes the lock of whoever watches the project: there is one at a time. Where it is taken, answers
    /// by whom.
    pub fn lock_watch(&self, holder: &str) -> Result<Result<WatchLock, String>, ProjectError> {
        make_state_directory(&self.state())?;
        let path = self.state().join("watch");
        let mut file = at("open the lock", &path, open_lock_file(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Err(written_by(&mut file))),
            Err(TryLockError::Error(error)) => return at("lock", &path, Err(error)),
        }
        let record = write_holder(&mut file, holder);
        at("write the lock", &path, record)?;
        Ok(Ok(WatchLock { _file: file }))
    }

    /// Takes the lock, if nobody has it.
    pub(super) fn lock_at_once(&self, holder: &str) -> Result<Option<BuildLock>, ProjectError> {
        let path = self.state().join("lock");
        let mut file = at("open the lock", &path, open_lock_file(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return at("lock", &path, Err(error)),
        }
        let record = write_holder(&mut file, holder);
        at("write the lock", &path, record)?;
        Ok(Some(BuildLock { _file: file }))
    }

    /// Makes `.orca` and takes its lock. Where another build holds it, `waits_for` is told whom this one waits for; then
    /// what was read before may not be so any more.
    pub fn lock(&self, holder: &str, waits_for: impl FnOnce(&str)) -> Result<BuildLock, ProjectError> {
        let state = self.state();
        make_state_directory(&state)?;
        let path = state.join("lock");
        let mut file = at("open the lock", &path, open_lock_file(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waits_for(&written_by(&mut file));
                at("lock", &path, file.lock())?;
            }
            Err(TryLockError::Error(error)) => return at("lock", &path, Err(error)),
        }
        let record = write_holder(&mut file, holder);
        at("write the lock", &path, record)?;
        Ok(BuildLock { _file: file })
    }

    /// As [`Project::lock`], for whatever goes on to change something: what the snapshot says holds no longer from here on,
    /// however this process ends.
    pub fn lock_to_change(&self, holder: &str, waits_for: impl FnOnce(&str)) -> Result<BuildLock, ProjectError> {
        let lock = self.lock(holder, waits_for)?;
        at("remove the snapshot in", &self.state(), snapshot::forget(&self.state()))?;
        Ok(lock)
    }
}

/// Makes `.orca` where it is not there, with a `.gitignore` that hides it. A link in its place is not followed: a
/// repository may bring one along.
fn make_state_directory(state: &Path) -> Result<(), ProjectError> {
    if state.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
        let wrong = io::Error::other("it is not a directory of the project; remove it");
        return at("keep state in", state, Err(wrong));
    }
    at("make the directory", state, fs::create_dir_all(state))?;
    let ignore = state.join(".gitignore");
    match OpenOptions::new().write(true).create_new(true).open(&ignore) {
        Ok(mut file) => {
            if let Ok(new) = beneath::open_root(state) {
                beneath::lay_out_apart(new);
            }
            at("write", &ignore, file.write_all(b"*\n"))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => at("write", &ignore, Err(error)),
    }
}

/// Writes who holds a lock into it, over who did: to cut it off first would free a block, and take another.
fn write_holder(file: &mut File, holder: &str) -> io::Result<()> {
    let text = format!("{holder}\n");
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

/// What the holder of a lock wrote into it; not much where it is writing just now.
fn written_by(file: &mut File) -> String {
    let mut text = Vec::new();
    let _ = file.take(200).read_to_end(&mut text);
    sanitize_line(String::from_utf8_lossy(&text).trim())
}
