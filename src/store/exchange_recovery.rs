//! What a kill left of an exchange. Where it got to is seen by what lies aside:
//!
//! | aside | at the path | so | and then |
//! |---|---|---|---|
//! | nothing | the new entry | it was made | |
//! | nothing | anything else | it was not begun | |
//! | the new entry | anything | it was staged, or taken back | what is aside goes |
//! | the old entry | anything | it was made | what is aside goes |
//! | anything else | the new entry | a person saved in the last moment | theirs goes back: it was not made |
//! | anything else | anything else | they saved once more since | both are kept |
//!
//! Nothing else of orca's is written here: it only decides what is true.

use super::exchange::{exchanges, in_between};
use super::kept::Kept;
use super::{Root, StoreError};
use crate::base::{Entry, RelPath};

/// What is to be made of an exchange that was under way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Whether the new entry counts as placed.
    pub was_made: bool,
    /// A version of a person's that is neither at the path nor what orca knows, and where it is.
    pub rescued: Option<RelPath>,
}

impl Root {
    /// Ends an exchange at `path` of `before` for `after` that a kill interrupted at any point.
    pub fn recover_exchange(
        &self,
        path: &RelPath,
        before: Option<&Entry>,
        after: Option<&Entry>,
    ) -> Result<Recovered, StoreError> {
        let aside = self.aside(path)?;
        let mut recovered = Recovered { was_made: false, rescued: self.end_in_between(path, &aside)? };
        let found = self.present(path)?;
        let is_there = found.as_ref() == after;
        match self.present(&aside)? {
            None => {
                recovered.was_made = is_there;
                if before == Some(&Entry::EmptyDir) && found.is_none() && after.is_some() {
                    self.create_dir_all(path)?;
                }
            }
            Some(out) if Some(&out) == after && after != before => {
                self.remove_file(&aside)?;
                recovered.was_made = is_there;
            }
            Some(out) if Some(&out) == before => {
                self.remove_file(&aside)?;
                recovered.was_made = true;
                if after.is_none() {
                    self.remove_empty_parents(path, None)?;
                }
            }
            Some(_) if is_there => self.put_back(&aside, path, after)?,
            Some(_) => {
                recovered.rescued = Some(self.set_aside_for_good(&aside)?);
                recovered.was_made = true;
            }
        }
        Ok(recovered)
    }

    /// On a file system that cannot exchange two names, there are three steps to have been killed between.
    fn end_in_between(&self, path: &RelPath, aside: &RelPath) -> Result<Option<RelPath>, StoreError> {
        let between = in_between(aside);
        if self.stat(&between)?.is_none() {
            return Ok(None);
        }
        if self.stat(path)?.is_none() {
            return self.rename(&between, path).map(|()| None);
        }
        if self.stat(aside)?.is_none() {
            return self.rename(&between, aside).map(|()| None);
        }
        self.set_aside_for_good(&between).map(Some)
    }

    /// Takes away what lies aside and belongs to no exchange that is on record any more. What is not `kept` may be a
    /// person's, and goes where they find it: answers those.
    pub fn clear_exchanges(&self, kept: &Kept) -> Result<Vec<RelPath>, StoreError> {
        let home = exchanges();
        if self.stat(&home)?.is_none() {
            return Ok(Vec::new());
        }
        let mut rescued = Vec::new();
        for listed in self.list(Some(&home), &|_| false)?.entries.iter().filter(|listed| listed.path != home) {
            match self.present(&listed.path)? {
                None => {}
                Some(Entry::File { digest, .. }) if kept.has(&digest) => drop(self.remove_file(&listed.path)?),
                Some(_) => rescued.push(self.set_aside_for_good(&listed.path)?),
            }
        }
        Ok(rescued)
    }
}
