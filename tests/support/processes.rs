//! The processes of this machine, as far as they belong to a project under test.
#![expect(clippy::disallowed_methods, reason = "reads /proc and the clock")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long something awaited may take.
const WAIT_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(3);

/// Waits until `is_so`.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < WAIT_MAX, "waited in vain: {what}");
        std::thread::sleep(POLL);
    }
}

/// Waits until no process has the project's path in its command line or environment.
#[track_caller]
pub(crate) fn wait_until_nothing_runs(root: &Path) {
    wait_until("that no process outlives its build", || processes_of(root).is_empty());
}

/// The processes with the project's path in their command line or environment.
pub(crate) fn processes_of(root: &Path) -> Vec<PathBuf> {
    let marker = root.to_str().expect("temporary directories have plain names").as_bytes();
    let holds =
        |file: PathBuf| fs::read(file).is_ok_and(|bytes| bytes.windows(marker.len()).any(|part| part == marker));
    let entries = fs::read_dir("/proc").expect("Linux").filter_map(Result::ok).map(|entry| entry.path());
    let is_process = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes()[0].is_ascii_digit());
    entries.filter(is_process).filter(|path| holds(path.join("environ")) || holds(path.join("cmdline"))).collect()
}
