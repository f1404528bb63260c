//! The agents' programs, installed by `install.sh` into `target/agents`.
#![expect(clippy::disallowed_methods, reason = "looks at the machine")]

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the programs are.
#[derive(Debug, Clone)]
pub(crate) struct Agents {
    root: PathBuf,
}

impl Agents {
    /// Installs them, if they are not; where that is impossible, says that `test` is skipped.
    pub(crate) fn installed(test: &str) -> Option<Self> {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it lies in target").join("agents");
        let path = std::env::var_os("PATH").unwrap_or_default();
        for tool in ["node", "npm"] {
            if !std::env::split_paths(&path).any(|directory| directory.join(tool).is_file()) {
                return skipped(test, &format!("no `{tool}` on PATH"));
            }
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agents/install.sh");
        let output = Command::new("sh").arg(script).arg(&root).stdin(Stdio::null()).output().expect("there is a shell");
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return skipped(test, &format!("npm could not install the agents: {}", said.trim()));
        }
        Some(Self { root })
    }

    /// The directory with the programs, for `PATH`.
    pub(crate) fn bin(&self) -> PathBuf {
        self.root.join("bin")
    }

    /// The machine's `PATH` with the programs at its front.
    pub(crate) fn path(&self) -> OsString {
        let mut path: OsString = self.bin().into();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        path
    }
}

/// Past the capture of the test runner: a skipped test is to be seen, also where all is well.
fn skipped(test: &str, why: &str) -> Option<Agents> {
    let _told = writeln!(std::io::stderr(), "skipped: {test}: {why}");
    None
}
