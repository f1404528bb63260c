//! Earlier versions of a file in the project's git history: the last place where the content of a base may be.
//!
//! A fresh clone has `orca.lock`, which knows versions by digest, and no cache. Where such a version was committed, git
//! still has it. It is asked with commands that only read, and that run nothing of the repository's or of anybody's
//! configuration: no hook, no fsmonitor, no signature check, no fetch. What it answers is believed by digest alone, and
//! effort is bounded: a version that is not found is one that is lost.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::host::Host;
use crate::base::{BlobDigest, RelPath};
use crate::sandbox::resolve_tool;

/// Commits that changed a path and are looked at, newest first.
const COMMITS_MAX: usize = 1_000;
/// The longest version that is read.
const VERSION_BYTES_MAX: u64 = 64 << 20;
/// What all versions of one path may have together.
const TOTAL_BYTES_MAX: u64 = 256 << 20;
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Settings that make git run nothing but itself. Later ones win over every file.
const SETTINGS: [&str; 5] = [
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "log.showSignature=false",
    "log.mailmap=false",
    "protocol.allow=never",
];

/// The history that a project lies in, if it lies in one.
#[derive(Debug)]
pub(super) struct GitHistory {
    root: PathBuf,
    search_path: OsString,
    home: Option<OsString>,
    versions: Mutex<HashMap<RelPath, Arc<HashMap<BlobDigest, String>>>>,
}

impl GitHistory {
    /// The history of the project at `root`. Nothing is asked before a version is looked for.
    pub(super) fn new(root: PathBuf, host: &Host) -> Self {
        let home = host.env.get(std::ffi::OsStr::new("HOME")).cloned();
        Self { root, search_path: host.path(), home, versions: Mutex::default() }
    }

    /// The bytes that a path had in some commit, by their digest.
    pub(super) fn find(&self, path: &RelPath, digest: &BlobDigest) -> Option<Vec<u8>> {
        let object = self.versions_of(path).get(digest)?.clone();
        let bytes = self.git(&["cat-file", "blob", &object], Vec::new(), VERSION_BYTES_MAX)?;
        (BlobDigest::of(&bytes) == *digest).then_some(bytes)
    }

    /// Every version of a path, with the name that git has for it.
    fn versions_of(&self, path: &RelPath) -> Arc<HashMap<BlobDigest, String>> {
        if let Some(known) = self.versions.lock().expect("no holder panics").get(path) {
            return Arc::clone(known);
        }
        let found = Arc::new(self.look_up(path).unwrap_or_default());
        self.versions.lock().expect("no holder panics").insert(path.clone(), Arc::clone(&found));
        found
    }

    fn look_up(&self, path: &RelPath) -> Option<HashMap<BlobDigest, String>> {
        // A name with a newline in it would be two questions.
        if path.as_str().contains('\n') {
            return None;
        }
        let count = format!("--max-count={COMMITS_MAX}");
        let log = ["log", "--all", "--full-history", "--format=%H", &count, "--", path.as_str()];
        let commits = String::from_utf8(self.git(&log, Vec::new(), 1 << 20)?).ok()?;
        let questions: String = commits.lines().map(|commit| format!("{commit}:./{path}\n")).collect();
        let format = "--batch-check=%(objectname) %(objecttype) %(objectsize)";
        let answers = self.git(&["cat-file", format], questions.into_bytes(), 1 << 20)?;
        let mut objects: Vec<(String, u64)> = Vec::new();
        let mut total = 0;
        for answer in String::from_utf8(answers).ok()?.lines() {
            let mut words = answer.split(' ');
            let (Some(object), Some("blob"), Some(size)) = (words.next(), words.next(), words.next()) else { continue };
            let Ok(size) = size.parse::<u64>() else { continue };
            let is_known = objects.iter().any(|(known, _)| known == object);
            if is_known || size > VERSION_BYTES_MAX || total + size > TOTAL_BYTES_MAX {
                continue;
            }
            total += size;
            objects.push((object.to_owned(), size));
        }
        let questions: String = objects.iter().map(|(object, _)| format!("{object}\n")).collect();
        let limit = total + 200 * (objects.len() as u64 + 1);
        let answers = self.git(&["cat-file", "--batch"], questions.into_bytes(), limit)?;
        let mut versions = HashMap::new();
        let mut rest = &answers[..];
        for (object, size) in objects {
            let header = rest.iter().position(|byte| *byte == b'\n')? + 1;
            let size = usize::try_from(size).ok()?;
            let content = rest.get(header..header + size)?;
            versions.insert(BlobDigest::of(content), object);
            rest = rest.get(header + size + 1..)?;
        }
        Some(versions)
    }

    /// What a git command prints; `None` where there is no git, no repository, too much, or no end.
    fn git(&self, args: &[&str], input: Vec<u8>, limit: u64) -> Option<Vec<u8>> {
        let program = resolve_tool("git".as_ref(), &self.search_path)?;
        let mut command = Command::new(program);
        command.arg("--no-pager").arg("--literal-pathspecs").arg("--no-replace-objects");
        command.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        command.args(args).current_dir(&self.root).env_clear();
        // HOME, since that is where it says which directories of others are trusted.
        command.env("PATH", &self.search_path).envs(self.home.as_ref().map(|home| ("HOME", home)));
        for (name, value) in [("GIT_OPTIONAL_LOCKS", "0"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_NO_LAZY_FETCH", "1")] {
            command.env(name, value);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let (mut stdin, stdout) = (child.stdin.take()?, child.stdout.take()?);
        std::thread::spawn(move || stdin.write_all(&input));
        let (answer, answered) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.take(limit + 1).read_to_end(&mut bytes);
            answer.send(read.ok().map(|_| bytes))
        });
        let bytes = answered.recv_timeout(PATIENCE).ok().flatten().filter(|bytes| bytes.len() as u64 <= limit);
        if bytes.is_none() {
            let _ = child.kill();
        }
        let ended = child.wait().ok()?;
        bytes.filter(|_| ended.success())
    }
}
