//! Git, as far as attempts meet it: a repository of its own for an agent that wants one, and those that an agent made.
//!
//! The one that is made here holds the view in one commit, and has nothing of the user's: no configuration, no hooks, no
//! identity. Nothing of what an agent makes is read through git, which would obey its configuration; the subject of a
//! commit stands in the reflog as text.
#![expect(clippy::disallowed_methods, reason = "starts git, and reads what agents left")]

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::base::{RelPath, bounded, sanitize_line};

/// The directory of a repository.
pub(super) const GIT: &str = ".git";
/// When everything in an attempt's repository happened: the same tree is the same commit.
const DATE: &str = "2000-01-01T00:00:00Z";
/// How much of a reflog's end is read.
const REFLOG_BYTES_MAX: u64 = 4 << 10;

/// A repository that was not there when the attempt began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeRepository {
    /// Its `.git`.
    pub path: RelPath,
    /// The subject of its last commit, if there is one.
    pub subject: Option<String>,
}

impl MadeRepository {
    pub(super) fn at(tree: &Path, path: RelPath) -> Self {
        let subject = last_subject(&path.beneath(tree));
        Self { path, subject }
    }
}

/// Makes a repository of what is in the tree, but for the directories in `without`.
pub(super) fn create(git: &Path, tree: &Path, home: &Path, without: &[String]) -> io::Result<()> {
    let run = |args: &[&str], paths: &[String]| {
        let mut command = Command::new(git);
        command.current_dir(tree).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
        command.env("PATH", super::SYSTEM_PATH).env("HOME", home).env("LC_ALL", "C");
        command.envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_TERMINAL_PROMPT", "0")]);
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "orca").env(format!("GIT_{who}_EMAIL"), "orca@localhost");
            command.env(format!("GIT_{who}_DATE"), DATE);
        }
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        let output = command.args(args).args(paths).output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = sanitize_line(&bounded(said.trim(), 300));
        Err(io::Error::other(format!("git {}: {said}", args.first().unwrap_or(&""))))
    };
    run(&["init", "--quiet", "--template="], &[])?;
    let excluded: Vec<String> = without.iter().map(|path| format!(":(exclude,top,literal){path}")).collect();
    // What .gitignore names is in the view because the plan says so.
    run(&["add", "--all", "--force", "--", "."], &excluded)?;
    run(&["commit", "--quiet", "--allow-empty", "--no-verify", "-m", "the files of this task"], &[])?;
    // Who commits here is asked for a name, and what is left out above stays out.
    run(&["config", "user.name", "agent"], &[])?;
    run(&["config", "user.email", "agent@localhost"], &[])?;
    let info = tree.join(GIT).join("info");
    std::fs::create_dir_all(&info)?;
    std::fs::write(info.join("exclude"), without.iter().map(|path| format!("/{path}\n")).collect::<String>())
}

const SETTINGS: [&str; 9] = [
    "init.defaultBranch=main",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.autocrlf=false",
    "core.safecrlf=false",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.addEmbeddedRepo=false",
];

/// The subject of the last commit that the reflog of HEAD tells of.
fn last_subject(git: &Path) -> Option<String> {
    let path = git.join("logs/HEAD");
    if !path.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let mut file = File::open(path).ok()?;
    let start = file.metadata().ok()?.len().saturating_sub(REFLOG_BYTES_MAX);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.take(REFLOG_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let (_, said) = text.trim_end().lines().next_back()?.split_once('\t')?;
    let (_, subject) = said.split_once(": ")?;
    Some(sanitize_line(&bounded(subject, 200)))
}
