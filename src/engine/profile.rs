//! `orca build --profile FILE`: finds out beforehand whether the file can be written, and writes it however the build ended.
#![expect(clippy::disallowed_methods, reason = "tries whether a file outside of .orca can be written")]

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::generate::write_whole_file;
use crate::event::Trace;
use crate::report::{ProfileHeader, profile};

/// Where a profile goes.
#[derive(Debug)]
pub struct ProfileFile(PathBuf);

impl ProfileFile {
    /// The file, once it is clear that it can be made: what is there is no directory and no device, and a new file can be put
    /// beside it. What is there already stays until the new one is whole.
    pub fn at(path: &Path) -> io::Result<Self> {
        let Some(name) = path.file_name() else { return Err(io::Error::other("it is not a file")) };
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::other("it is not a file"));
        }
        let mut probe = name.to_owned();
        probe.push(format!(".orca-{}", std::process::id()));
        let probe = path.with_file_name(probe);
        OpenOptions::new().write(true).create_new(true).open(&probe)?;
        fs::remove_file(&probe)?;
        Ok(Self(path.to_owned()))
    }

    /// Writes what the trace was told.
    pub fn write(&self, trace: &Trace, header: &ProfileHeader<'_>) -> io::Result<()> {
        let recorded = trace.take().unwrap_or_default();
        write_whole_file(&self.0, &profile(&recorded, header))
    }
}
