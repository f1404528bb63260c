//! What a build leaves for the next one, as data: what there was, and what it came to.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use super::Fingerprint;
use crate::base::RelPath;

/// A snapshot about to be written.
#[derive(Debug, Clone)]
pub struct Image {
    /// Whether every task was accepted. If not, the answer is never "nothing to do".
    pub is_complete: bool,
    /// What is no file that a task reads or makes.
    pub world: World,
    /// Ascending by path, with their files ascending by name: together they are the order of [`super::FileIx`].
    pub directories: Vec<Directory>,
    /// What the build came to.
    pub closing: Closing,
    /// What is only read where something changed, as [`super::Cold`] is encoded; `None` where there is none.
    pub cold: Option<Vec<u8>>,
}

/// A directory, with the files in it that tasks read or make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Its path; the project itself is empty.
    pub path: String,
    /// Where a wildcard walks it: what it was like.
    pub walked: Option<Walked>,
    /// The files by name; also absent ones.
    pub files: Vec<(Box<str>, Fingerprint)>,
}

/// What a directory was like that a wildcard walks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// The directory itself.
    pub fingerprint: Fingerprint,
    /// Its names and their kinds, by [`super::names_digest`].
    pub names: u64,
}

/// What is no file that a task reads or makes. Where any of it differs, but for a plan's text, nothing is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// The project's directory, absolute and without links.
    pub root: PathBuf,
    /// Orca's own program.
    pub program: Fingerprint,
    /// The user, by number.
    pub user: u32,
    /// Variables, also those that are not set.
    pub variables: BTreeMap<OsString, Option<OsString>>,
    /// Paths outside the project, links followed.
    pub outside: BTreeMap<PathBuf, Fingerprint>,
    /// Paths outside the project of which it only matters what is there, links followed: [`super::kind`].
    pub kinds: BTreeMap<PathBuf, u8>,
    /// Small files of the system that have no times worth the name, by what they hold; `None` cannot be read.
    pub system: BTreeMap<PathBuf, Option<Vec<u8>>>,
    /// Files of the project beside those of tasks: the lock, the baseline, every `.gitignore`.
    pub beside: BTreeMap<RelPath, Fingerprint>,
    /// The files of the plan and their texts, root first.
    pub plans: Vec<(RelPath, Arc<str>)>,
    /// `.orca/journal.db` and its log.
    pub journal: Fingerprint,
}

/// What a build came to, where there is nothing to do any more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Closing {
    /// The tasks.
    pub cached: u64,
    /// What they took when they ran, in milliseconds.
    pub saved_ms: u64,
    /// What they cost, in millionths of a dollar.
    pub saved_micro_usd: u64,
    /// Logs that a build shows again, with their tasks: of those without outputs.
    pub replayed: Vec<(String, String)>,
}

/// Something appended to a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patch {
    /// A build began; unless a [`Patch::Part`] follows, nothing is known.
    Mark,
    /// A build of a part ended, all is as the snapshot says but for this.
    Part(Part),
}

/// What a build of a part changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Whether every task of the plan is accepted now.
    pub is_complete: bool,
    /// Files, by their number.
    pub files: Vec<(u32, Fingerprint)>,
    /// Directories that a wildcard walks and whose names are what they were, by their number.
    pub directories: Vec<(u32, Fingerprint)>,
    /// `.orca/journal.db` and its log.
    pub journal: Fingerprint,
    /// What it came to.
    pub closing: Closing,
    /// What changed of the cold part, as whoever encodes that likes it.
    pub cold: Vec<u8>,
}

/// How the world compares with a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// All is as it was, and was good.
    Clean(Closing),
    /// The world is the same; of the project this differs. Or nothing does, and the last build was not complete.
    Changed(Changes),
    /// Nothing is known, and why.
    Unknown(String),
}

/// What of the project is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Whether every task was accepted.
    pub is_complete: bool,
    /// Files, ascending.
    pub files: Vec<super::FileIx>,
    /// Directories that a wildcard walks and that hold other names, or are no directories any more.
    pub directories: Vec<String>,
    /// Those whose names are the same at another time: by their number, with what they are like now.
    pub touched: Vec<(u32, Fingerprint)>,
    /// Files of the plan with another text, by their place in [`World::plans`].
    pub plans: Vec<u32>,
}
