//! What this machine can do, for tests that have to skip by name where it cannot.
#![expect(clippy::disallowed_methods, reason = "looks at the machine")]

use std::io::Write;
use std::process::{Command, Stdio};

/// Whether a program is on `PATH`; where it is not, says that `test` is skipped.
pub(crate) fn has_tool(tool: &str, test: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(tool).is_file());
    if !found {
        skipped(test, &format!("no `{tool}` on PATH"));
    }
    found
}

/// Whether bubblewrap can make its namespaces here; where it cannot, says that `test` is skipped.
pub(crate) fn bubblewrap_works(test: &str) -> bool {
    let status = Command::new("bwrap")
        .args(["--ro-bind", "/", "/", "--unshare-all", "--proc", "/proc", "--dev", "/dev", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let works = status.is_ok_and(|status| status.success());
    if !works {
        skipped(test, "bubblewrap is missing or cannot make namespaces here");
    }
    works
}

/// Whether file systems can be mounted in a namespace of one's own; where not, says that `test` is skipped.
pub(crate) fn mounts_work(test: &str) -> bool {
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", "mount -t tmpfs none /mnt"]);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let works = status.is_ok_and(|status| status.success());
    if !works {
        skipped(test, "nothing can be mounted in a namespace here");
    }
    works
}

/// Past the capture of the test runner: a skipped test is to be seen, also where all is well.
fn skipped(test: &str, why: &str) {
    let _told = writeln!(std::io::stderr(), "skipped: {test}: {why}");
}
