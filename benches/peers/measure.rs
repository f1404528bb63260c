//! One run of a tool: wall time, and the most memory that one of its processes held.
//!
//! The bench starts itself anew around each run (`RUN`), since the kernel tells the memory of children as a maximum over all
//! that a process has ever had.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};

/// The argument that makes this program a stopwatch.
pub(crate) const RUN: &str = "--run-one";

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// Wall time in microseconds.
    pub(crate) wall_us: u64,
    /// The largest resident set of one process, in KiB.
    pub(crate) memory_kib: u64,
}

/// A command line to run in a directory.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// The program and its arguments.
    pub(crate) argv: Vec<String>,
    /// Where.
    pub(crate) directory: PathBuf,
    /// Variables besides those of the bench.
    pub(crate) env: Vec<(String, String)>,
}

impl Run {
    /// Runs it; `None` where it fails or takes longer than `limit_s` seconds.
    pub(crate) fn measure(&self, limit_s: u64) -> Option<Taken> {
        let own = std::env::current_exe().expect("a program knows itself");
        let mut command = Command::new("timeout");
        command.arg(limit_s.to_string()).arg(own).arg(RUN).args(&self.argv).current_dir(&self.directory);
        command.envs(self.env.iter().cloned()).stdin(Stdio::null()).stderr(Stdio::null());
        let output = command.output().expect("`timeout` starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let mut numbers = text.split_whitespace().map(str::parse);
        match (output.status.success(), numbers.next(), numbers.next()) {
            (true, Some(Ok(wall_us)), Some(Ok(memory_kib))) => Some(Taken { wall_us, memory_kib }),
            _ => None,
        }
    }
}

/// Runs the rest of the command line, and prints what it took.
pub(crate) fn stopwatch(argv: &[String]) -> ExitCode {
    let begun = Instant::now();
    let status = Command::new(&argv[0]).args(&argv[1..]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let wall_us = begun.elapsed().as_micros();
    if !status.is_ok_and(|status| status.success()) {
        return ExitCode::FAILURE;
    }
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the kernel tells");
    println!("{wall_us} {}", used.max_rss());
    ExitCode::SUCCESS
}

/// The middle one.
pub(crate) fn median(mut numbers: Vec<u64>) -> Option<u64> {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied()
}
