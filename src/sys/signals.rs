//! Which signals this process was told to ignore.

use std::io;

/// SIGHUP.
pub const HANGUP: i32 = 1;
/// SIGINT.
pub const INTERRUPT: i32 = 2;
/// SIGTERM.
pub const TERMINATE: i32 = 15;

/// Whether the process was started with this signal ignored (`nohup`), by `/proc/self/status`.
pub fn is_ignored(signal: i32) -> io::Result<bool> {
    let status = crate::sys::open_to_read(std::path::Path::new("/proc/self/status")).and_then(io::read_to_string)?;
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    Ok(mask & (1 << (signal - 1)) != 0)
}

/// Sends this process a signal that somebody listens to here.
pub fn raise(signal: i32) -> io::Result<()> {
    let signal = rustix::process::Signal::from_named_raw(signal).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(rustix::process::kill_process(rustix::process::getpid(), signal)?)
}
