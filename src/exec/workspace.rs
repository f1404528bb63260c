//! The private directory of one attempt, made fresh each time.
//!
//! ```text
//! .orca/work/<task>/   tree/   the view, and what the task writes; its current directory
//!                      home/   HOME; in `.local/bin` links to declared tools, first on PATH
//!                      tmp/    TMPDIR
//!                      log     output, bounded
//!                      stdin   the prompt, for agent tasks
//! .orca/work/.spares/    what removed workspaces left, for the next ones
//! .orca/scratch/<task>/<path>  kept between attempts and runs, moved in and out
//! ```
//!
//! One attempt of a task runs at a time in a project, so the path is the task's name: it is the same in every run.
#![expect(clippy::disallowed_methods, reason = "makes and removes the directories of attempts")]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::RelPath;
use crate::store::{PARTS, Root, Spares, StoreError};
use crate::sys;

/// Where in HOME the links to tools are.
pub(super) const TOOLS: &str = ".local/bin";

/// What went wrong while making, filling or clearing a workspace.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {}: {source}", path.display())]
pub struct WorkspaceError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn at<T>(operation: &'static str, path: &Path, result: io::Result<T>) -> Result<T, WorkspaceError> {
    result.map_err(|source| WorkspaceError { operation, path: path.to_owned(), source })
}

/// The directories of one attempt.
#[derive(Debug)]
pub struct Workspace {
    directory: PathBuf,
    scratch: PathBuf,
    /// What other workspaces left, where that is kept.
    spares: Option<Arc<Spares>>,
}

impl Workspace {
    /// Makes a fresh one beneath the project's state directory, of spares where there are any. What was there of an
    /// earlier attempt is removed.
    pub fn create(state: &Path, name: &str, spares: Option<&Arc<Spares>>) -> Result<Self, WorkspaceError> {
        let work = state.join("work");
        let directory = work.join(name);
        let workspace = Self { scratch: state.join("scratch").join(name), directory, spares: spares.cloned() };
        let directory = &workspace.directory;
        let made = spares.map(|spares| spares.make_workspace(&work, name));
        if let Some(Ok(())) = made {
            return Ok(workspace);
        }
        remove_tree(directory)?;
        for part in PARTS {
            let part = directory.join(part);
            at("make the directory", &part, fs::create_dir_all(&part))?;
        }
        Ok(workspace)
    }

    /// What other workspaces left.
    pub(super) fn spares(&self) -> Option<&Spares> {
        self.spares.as_deref()
    }

    /// Where the task works.
    #[must_use]
    pub fn tree(&self) -> PathBuf {
        self.directory.join("tree")
    }

    /// Its HOME.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.directory.join("home")
    }

    /// Its TMPDIR.
    #[must_use]
    pub fn tmp(&self) -> PathBuf {
        self.directory.join("tmp")
    }

    /// Links to its declared tools.
    #[must_use]
    pub fn bin(&self) -> PathBuf {
        self.home().join(TOOLS)
    }

    /// Its bounded output.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// Its standard input, if it has one.
    #[must_use]
    pub fn stdin(&self) -> PathBuf {
        self.directory.join("stdin")
    }

    /// Links the declared tools into `bin`.
    pub fn link_tools(&self, tools: &BTreeMap<String, PathBuf>) -> Result<(), WorkspaceError> {
        if !tools.is_empty() {
            at("make the directory", &self.bin(), fs::create_dir_all(self.bin()))?;
        }
        for (name, target) in tools {
            let link = self.bin().join(name);
            at("link the tool", &link, sys::symlink(target, &link))?;
        }
        Ok(())
    }

    /// Writes a file that orca provides (`.orca/task.md`), or standard input.
    pub fn provide(&self, path: &Path, bytes: &[u8]) -> Result<(), WorkspaceError> {
        let path = self.directory.join(path);
        if let Some(parent) = path.parent() {
            at("make the directory", parent, fs::create_dir_all(parent))?;
        }
        at("write", &path, fs::write(&path, bytes))
    }

    /// Moves what was kept of the scratch directories in.
    pub fn move_scratch_in(&self, scratch: &[RelPath]) -> Result<(), WorkspaceError> {
        for path in scratch {
            let inside = path.beneath(&self.tree());
            let kept = self.scratch.join(path.as_str().replace('/', "="));
            if let Some(parent) = inside.parent() {
                at("make the directory", parent, fs::create_dir_all(parent))?;
            }
            if kept.symlink_metadata().is_ok() {
                at("move scratch", &kept, fs::rename(&kept, &inside))?;
            } else if inside.symlink_metadata().is_err() {
                at("make the directory", &inside, fs::create_dir_all(&inside))?;
            }
        }
        Ok(())
    }

    /// Moves the scratch directories out, to be kept. A symbolic link in their place is dropped.
    pub fn move_scratch_out(&self, scratch: &[RelPath]) -> Result<(), WorkspaceError> {
        for path in scratch {
            let inside = path.beneath(&self.tree());
            let kept = self.scratch.join(path.as_str().replace('/', "="));
            if inside.symlink_metadata().is_ok_and(|found| found.is_dir()) {
                at("make the directory", &self.scratch, fs::create_dir_all(&self.scratch))?;
                remove_tree(&kept)?;
                at("move scratch", &inside, fs::rename(&inside, &kept))?;
            }
        }
        Ok(())
    }

    /// Moves tree and log to `.orca/failed/<task>`, replacing what an earlier failure left there.
    pub fn keep_as_failed(self, state: &Path, name: &str) -> Result<PathBuf, WorkspaceError> {
        let failed = state.join("failed");
        at("make the directory", &failed, fs::create_dir_all(&failed))?;
        let kept = failed.join(name);
        remove_tree(&kept)?;
        at("move the failed workspace", &kept, fs::rename(&self.directory, &kept))?;
        Ok(kept)
    }

    /// Removes it all.
    pub fn remove(self) -> Result<(), WorkspaceError> {
        remove_tree_into(&self.directory, self.spares.as_deref())
    }
}

/// Removes what a task may have made hard to remove: read-only directories, any depth. Links are not followed.
pub fn remove_tree(path: &Path) -> Result<(), WorkspaceError> {
    remove_tree_into(path, None)
}

fn remove_tree_into(path: &Path, spares: Option<&Spares>) -> Result<(), WorkspaceError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    if !parent.exists() {
        return Ok(());
    }
    let failed = |error: StoreError| WorkspaceError {
        operation: "remove",
        path: path.to_owned(),
        source: io::Error::other(error),
    };
    let name = RelPath::from_disk(name).expect("one component of a path of orca's own");
    Root::open(parent).and_then(|root| root.remove_tree_into(&name, spares)).map(|_| ()).map_err(failed)
}
