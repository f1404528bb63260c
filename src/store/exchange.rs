//! Putting something in place of exactly what is expected there, and of nothing else: a compare-and-swap on a file.
//!
//! The new entry is made aside, then the two change places in one step of the kernel, and what came out is looked at.
//! If that is not what was expected, somebody wrote the file in the last moment, and theirs goes back. What came out stays
//! aside until the record says that the exchange was made, and is looked at once more then: an editor that had the file
//! open may have written it after it came out.
//!
//! ```text
//! stage ──> begin ──> (the record) ──> end
//!   aside: new  aside: old               aside: nothing
//! ```
//!
//! What lies aside is found by the path it is for, so that whoever comes after a kill knows how far it got
//! (`exchange_recovery`).

use std::io;
use std::os::fd::AsFd;

use super::kept::Kept;
use super::root::{TEMP_PREFIX, temp_name};
use super::{Root, StoreError};
use crate::base::{BlobDigest, Entry, RelPath};
use crate::sys::beneath;

/// How often a path is put right while somebody saves it over and over; then both versions are kept.
const SAVES_MAX: u32 = 64;

/// How an exchange went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// The new entry is in place; of staging: it is ready.
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
        let staged = self.stage_exchange(path, expected, wanted, kept, true)?;
        if staged != Exchange::Done {
            return Ok(staged);
        }
        match self.begin_exchange(path, expected, wanted)? {
            Exchange::Done => self.end_exchange(path, expected, wanted),
            other => Ok(other),
        }
    }

    /// Makes the new entry aside. If it is not `synced`, the caller has to see to it that it is on the disk before it gets
    /// its name: a person's file is not made again by any build.
    pub fn stage_exchange(
        &self,
        path: &RelPath,
        expected: Option<&Entry>,
        wanted: Option<&Entry>,
        kept: &Kept,
        synced: bool,
    ) -> Result<Exchange, StoreError> {
        if self.present(path)?.as_ref() != expected {
            return Ok(Exchange::Disturbed);
        }
        let aside = self.aside(path)?;
        self.clear(&aside, kept)?;
        let Some(wanted) = wanted.filter(|wanted| **wanted != Entry::EmptyDir) else { return Ok(Exchange::Done) };
        let Entry::File { digest, executable, .. } = wanted else {
            self.place_bare(&aside, wanted)?;
            return Ok(Exchange::Done);
        };
        if !kept.copy_to(digest, self, &aside, *executable)? {
            return Ok(Exchange::Lost);
        }
        let (file, _) = self.open_file(&aside)?;
        let failed = |source| self.error("write", path, source);
        if let Some(old) = self.stat(path)?.filter(|stat| stat.kind == beneath::FileKind::File) {
            beneath::set_mode(&file, with_executable(old.mode, *executable)).map_err(failed)?;
        }
        if synced {
            beneath::sync(&file).map_err(failed)?;
        }
        Ok(Exchange::Done)
    }

    /// Lets what was staged for `path` and what is there change places. What was there is aside then.
    pub fn begin_exchange(
        &self,
        path: &RelPath,
        expected: Option<&Entry>,
        wanted: Option<&Entry>,
    ) -> Result<Exchange, StoreError> {
        let aside = self.aside(path)?;
        let begun = match (expected, wanted) {
            (_, None) => return self.take_out(path, expected, &aside),
            (_, Some(Entry::EmptyDir)) => {
                let begun = self.take_out(path, expected, &aside)?;
                if begun == Exchange::Done {
                    self.create_dir_all(path)?;
                }
                return Ok(begun);
            }
            (None | Some(Entry::EmptyDir), Some(_)) => self.move_in(&aside, path, expected.is_some()),
            (Some(expected), Some(wanted)) => self.swap(&aside, path, expected, wanted),
        };
        if !matches!(begun, Ok(Exchange::Done)) && self.present(&aside)?.as_ref() == wanted {
            self.remove_file(&aside)?;
        }
        begun
    }

    /// Looks at what came out for a last time, and lets it go. If it was written since, it goes back.
    pub fn end_exchange(
        &self,
        path: &RelPath,
        expected: Option<&Entry>,
        wanted: Option<&Entry>,
    ) -> Result<Exchange, StoreError> {
        let aside = self.aside(path)?;
        let out = self.present(&aside)?;
        if out.is_none() || out.as_ref() == expected {
            self.remove_file(&aside)?;
            return Ok(Exchange::Done);
        }
        if self.present(path)?.as_ref() != wanted {
            // A newer version is there already.
            self.set_aside_for_good(&aside)?;
            return Ok(Exchange::Done);
        }
        self.put_back(&aside, path, wanted)?;
        Ok(Exchange::Disturbed)
    }

    /// What is at `path`; what can be no entry, such as a directory with files in it, is nothing that is expected.
    pub(super) fn present(&self, path: &RelPath) -> Result<Option<Entry>, StoreError> {
        match self.entry(path) {
            Err(StoreError::Directory { .. } | StoreError::SpecialFile { .. }) => Ok(Some(Entry::EmptyDir)),
            other => other,
        }
    }

    /// Where the other half of an exchange at `path` lies: always the same name, on the file system of `path`.
    pub(super) fn aside(&self, path: &RelPath) -> Result<RelPath, StoreError> {
        let home = exchanges();
        let device = |path: &RelPath| Ok::<_, StoreError>(self.stat(path)?.map(|stat| stat.dev));
        let of_home = match device(&home)? {
            Some(device) => device,
            None => {
                self.create_dir_all(&home)?;
                device(&home)?.unwrap_or_default()
            }
        };
        let name = BlobDigest::of(path.as_str().as_bytes()).to_string();
        let temporary = format!("{TEMP_PREFIX}{name}");
        let of_root = beneath::fstat(self.fd()).map_err(|source| StoreError::io("look at", self.path(), source))?;
        if of_root.dev != of_home {
            return Ok(RelPath::new(&temporary).expect("a plain name"));
        }
        let mut above: Vec<RelPath> = path.ancestors().collect();
        above.reverse();
        for directory in above {
            match self.stat(&directory)? {
                Some(stat) if stat.kind != beneath::FileKind::Directory => break,
                Some(stat) if stat.dev != of_home => return Ok(directory.child(&temporary)),
                Some(_) => {}
                None => break,
            }
        }
        Ok(home.child(&name))
    }

    /// Takes away what an exchange that failed left aside.
    fn clear(&self, aside: &RelPath, kept: &Kept) -> Result<(), StoreError> {
        match self.present(aside)? {
            None => Ok(()),
            Some(Entry::File { digest, .. }) if kept.has(&digest) => self.remove_file(aside).map(drop),
            Some(_) => self.set_aside_for_good(aside).map(drop),
        }
    }

    fn move_in(&self, aside: &RelPath, path: &RelPath, over_directory: bool) -> Result<Exchange, StoreError> {
        if over_directory && !self.remove_empty_dir(path)? {
            return Ok(Exchange::Disturbed);
        }
        match self.rename(aside, path) {
            Err(StoreError::Obstructed { .. }) => Ok(Exchange::Disturbed),
            other => other.map(|()| Exchange::Done),
        }
    }

    fn swap(&self, aside: &RelPath, path: &RelPath, expected: &Entry, wanted: &Entry) -> Result<Exchange, StoreError> {
        if !self.exchange_names(aside, path)? {
            return Ok(Exchange::Disturbed);
        }
        if self.present(aside)?.as_ref() == Some(expected) {
            return Ok(Exchange::Done);
        }
        // Somebody saved between the look and the exchange: theirs goes back.
        self.put_back(aside, path, Some(wanted))?;
        Ok(Exchange::Disturbed)
    }

    /// Puts what is aside back to where it came from. Where what comes out is not what went `inside`, somebody saved once
    /// more: theirs is the newer one, and goes back in its turn.
    pub(super) fn put_back(&self, aside: &RelPath, path: &RelPath, inside: Option<&Entry>) -> Result<(), StoreError> {
        let mut inside = inside.cloned();
        for _ in 0..SAVES_MAX {
            let newer = self.present(aside)?;
            if !self.exchange_names(aside, path)? {
                // They removed it since. What they had is nowhere else, so it comes back.
                match self.rename(aside, path) {
                    Err(StoreError::Obstructed { .. }) => continue,
                    other => return other,
                }
            }
            if self.present(aside)? == inside {
                return self.remove_file(aside).map(drop);
            }
            inside = newer;
        }
        self.set_aside_for_good(aside).map(drop)
    }

    /// Keeps what is aside where a person finds it, and answers where that is.
    pub(super) fn set_aside_for_good(&self, aside: &RelPath) -> Result<RelPath, StoreError> {
        let rescued = RelPath::new(".orca/replaced").expect("a plain path").child(&temp_name());
        self.rename(aside, &rescued)?;
        Ok(rescued)
    }

    /// Lets two names change places; `false` where nothing is at `path`. In three steps where the file system does not do
    /// it in one.
    fn exchange_names(&self, aside: &RelPath, path: &RelPath) -> Result<bool, StoreError> {
        let failed = |source| self.error("write", path, source);
        let in_one_step = || {
            let (of_aside, of_path) = (self.parent(aside)?, self.parent(path)?);
            let names = (aside.file_name().as_ref(), path.file_name().as_ref());
            beneath::exchange(of_aside.as_fd(), names.0, of_path.as_fd(), names.1)
        };
        match in_one_step() {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed(error)),
        }
        let between = in_between(aside);
        match self.rename(path, &between) {
            Err(error) if error.is_absence() => return Ok(false),
            other => other?,
        }
        match self.rename(aside, path) {
            // Somebody made a file in between. What was there before is theirs as well.
            Err(StoreError::Obstructed { .. }) => {
                self.set_aside_for_good(&between)?;
                return Ok(false);
            }
            other => other?,
        }
        self.rename(&between, aside).map(|()| true)
    }

    /// Takes what is at `path` aside.
    fn take_out(&self, path: &RelPath, expected: Option<&Entry>, aside: &RelPath) -> Result<Exchange, StoreError> {
        let Some(expected) = expected else { return Ok(Exchange::Done) };
        if *expected == Entry::EmptyDir {
            return Ok(if self.remove_empty_dir(path)? { Exchange::Done } else { Exchange::Disturbed });
        }
        match self.rename(path, aside) {
            Err(error) if error.is_absence() => {
                return Ok(Exchange::Disturbed);
            }
            other => other?,
        }
        if self.present(aside)?.as_ref() == Some(expected) {
            self.remove_empty_parents(path, None)?;
            return Ok(Exchange::Done);
        }
        self.put_back(aside, path, None)?;
        Ok(Exchange::Disturbed)
    }
}

/// Where the other halves of exchanges lie.
pub(super) fn exchanges() -> RelPath {
    RelPath::new(".orca/exchange").expect("a plain path")
}

/// Where the old entry is for a moment on a file system that cannot exchange two names.
pub(super) fn in_between(aside: &RelPath) -> RelPath {
    let name = format!("{}.old", aside.file_name());
    aside.parent().map_or_else(|| RelPath::new(&name).expect("a plain name"), |parent| parent.child(&name))
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
