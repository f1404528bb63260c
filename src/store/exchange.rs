//! Putting something in place of exactly what is expected there, and of nothing else: a compare-and-swap on a file.
//!
//! The new entry is made beside, then the two change places in one step of the kernel, and what came out is looked at.
//! If that is not what was expected, somebody wrote the file in the last moment, and theirs goes back.

use std::io;
use std::os::fd::AsFd;

use super::kept::Kept;
use super::root::temp_name;
use super::{Root, StoreError};
use crate::base::{Entry, RelPath};
use crate::sys::beneath;

/// How an exchange went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// The new entry is in place.
    Done,
    /// Something else than expected was there, and is.
    Disturbed,
    /// The content of the new entry is not kept, or damaged; nothing was touched.
    Lost,
}

impl Root {
    /// Puts `wanted` at `path` if `expected` is there; `None` stands for nothing on either side. Content comes from
    /// `kept`. Permissions of a file that is replaced stay as they are, but for the executable bit.
    pub fn exchange(
        &self,
        path: &RelPath,
        expected: Option<&Entry>,
        wanted: Option<&Entry>,
        kept: &Kept,
    ) -> Result<Exchange, StoreError> {
        if self.present(path)?.as_ref() != expected {
            return Ok(Exchange::Disturbed);
        }
        let Some(wanted) = wanted else { return self.remove_expected(path, expected) };
        if *wanted == Entry::EmptyDir {
            self.create_dir_all(path)?;
            return Ok(Exchange::Done);
        }
        self.make_parent(path)?;
        let aside = self.aside(path);
        if !self.stage(&aside, path, wanted, kept)? {
            return Ok(Exchange::Lost);
        }
        let exchanged = match expected {
            None | Some(Entry::EmptyDir) => self.move_in(&aside, path, expected.is_some()),
            Some(expected) => self.swap(&aside, path, expected, wanted),
        };
        if !matches!(exchanged, Ok(Exchange::Done)) && self.present(&aside)?.as_ref() == Some(wanted) {
            self.remove_file(&aside)?;
        }
        exchanged
    }

    /// What is at `path`; what can be no entry, such as a directory with files in it, is nothing that is expected.
    fn present(&self, path: &RelPath) -> Result<Option<Entry>, StoreError> {
        match self.entry(path) {
            Err(StoreError::Directory { .. } | StoreError::SpecialFile { .. }) => Ok(Some(Entry::EmptyDir)),
            other => other,
        }
    }

    /// A free name on the file system of `path`.
    fn aside(&self, path: &RelPath) -> RelPath {
        let staging = RelPath::new(".orca/staging").expect("a plain path");
        let device = |path: &RelPath| self.stat(path).ok().flatten().map(|stat| stat.dev);
        let beside = path.parent();
        let here = beside.as_ref().map_or_else(|| beneath::fstat(self.fd()).ok().map(|stat| stat.dev), device);
        match device(&staging) {
            Some(dev) if here == Some(dev) => staging.child(&temp_name()),
            _ => match beside {
                Some(parent) => parent.child(&temp_name()),
                None => RelPath::new(&temp_name()).expect("a plain name"),
            },
        }
    }

    fn stage(&self, aside: &RelPath, path: &RelPath, wanted: &Entry, kept: &Kept) -> Result<bool, StoreError> {
        let Entry::File { digest, executable, .. } = wanted else { return self.place_bare(aside, wanted) };
        if !kept.copy_to(digest, self, aside, *executable)? {
            return Ok(false);
        }
        let (file, _) = self.open_file(aside)?;
        let failed = |source| self.error("write", path, source);
        if let Some(old) = self.stat(path)?.filter(|stat| stat.kind == beneath::FileKind::File) {
            beneath::set_mode(&file, with_executable(old.mode, *executable)).map_err(failed)?;
        }
        // A person's file is not made again by any build: its new content is on the disk before it has the name.
        beneath::sync(&file).map_err(failed)?;
        Ok(true)
    }

    fn move_in(&self, aside: &RelPath, path: &RelPath, over_directory: bool) -> Result<Exchange, StoreError> {
        if over_directory && !self.remove_empty_dir(path)? {
            return Ok(Exchange::Disturbed);
        }
        match self.rename(aside, path) {
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                Ok(Exchange::Disturbed)
            }
            other => other.map(|()| Exchange::Done),
        }
    }

    fn swap(&self, aside: &RelPath, path: &RelPath, expected: &Entry, wanted: &Entry) -> Result<Exchange, StoreError> {
        match self.exchange_names(aside, path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Exchange::Disturbed),
            other => other.map_err(|source| self.error("write", path, source))?,
        }
        if self.present(aside)?.as_ref() == Some(expected) {
            self.remove_file(aside)?;
            return Ok(Exchange::Done);
        }
        // Somebody saved between the look and the exchange: theirs goes back. If they removed it since, it is gone.
        match self.exchange_names(aside, path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.rename(aside, path)?,
            Err(source) => return Err(self.error("write", path, source)),
        }
        if let Some(found) = self.present(aside)?.filter(|found| found != wanted) {
            // Saved once more, in between the two exchanges: both versions are kept.
            let rescued = RelPath::new(".orca/replaced").expect("a plain path").child(&temp_name());
            let _ = found;
            self.rename(aside, &rescued)?;
        }
        Ok(Exchange::Disturbed)
    }

    fn exchange_names(&self, left: &RelPath, right: &RelPath) -> io::Result<()> {
        let (of_left, of_right) = (self.parent(left)?, self.parent(right)?);
        let (left, right) = (left.file_name().as_ref(), right.file_name().as_ref());
        beneath::exchange(of_left.as_fd(), left, of_right.as_fd(), right)
    }

    fn remove_expected(&self, path: &RelPath, expected: Option<&Entry>) -> Result<Exchange, StoreError> {
        let Some(expected) = expected else { return Ok(Exchange::Done) };
        if *expected == Entry::EmptyDir {
            return Ok(if self.remove_empty_dir(path)? { Exchange::Done } else { Exchange::Disturbed });
        }
        let aside = self.aside(path);
        self.rename(path, &aside)?;
        if self.present(&aside)?.as_ref() == Some(expected) {
            self.remove_file(&aside)?;
            self.remove_empty_parents(path, None)?;
            return Ok(Exchange::Done);
        }
        self.rename(&aside, path)?;
        Ok(Exchange::Disturbed)
    }
}

/// The permissions `mode` with the executable bit as wanted: for whoever may read, if at all.
const fn with_executable(mode: u32, executable: bool) -> u32 {
    let mode = mode & 0o777;
    if executable { mode | (mode & 0o444) >> 2 | 0o100 } else { mode & !0o111 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_stay_but_for_the_executable_bit() {
        assert_eq!(with_executable(0o100_640, true), 0o750);
        assert_eq!(with_executable(0o100_755, false), 0o644);
        assert_eq!(with_executable(0o100_600, false), 0o600);
    }
}
