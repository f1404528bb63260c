//! What the store has to say: collected, told once, and bounded however much of the cache is broken.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Kinds of trouble that are counted and told in one sentence each, however often they happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    /// A blob whose bytes are not what its name says.
    DamagedBlob,
    /// A blob that something needs and that is not there.
    MissingBlob,
    /// A row that does not match its checksum, or cannot be read.
    DamagedRow,
}

#[derive(Debug, Default)]
pub(super) struct Warnings(Mutex<Collected>);

#[derive(Debug, Default)]
struct Collected {
    counted: BTreeMap<Trouble, (u64, String)>,
    sentences: Vec<String>,
}

impl Warnings {
    /// Counts one more of a kind; the first is named.
    pub(super) fn count(&self, trouble: Trouble, what: String) {
        self.lock().counted.entry(trouble).or_insert((0, what)).0 += 1;
    }

    /// Adds a sentence, once.
    pub(super) fn say(&self, sentence: String) {
        let mut collected = self.lock();
        if !collected.sentences.contains(&sentence) {
            collected.sentences.push(sentence);
        }
    }

    /// What there is to say, and forgets it.
    pub(super) fn take(&self) -> Vec<String> {
        let Collected { counted, mut sentences } = std::mem::take(&mut *self.lock());
        sentences.extend(counted.into_iter().map(|(trouble, (times, first))| sentence(trouble, times, &first)));
        sentences
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Collected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sentence(trouble: Trouble, times: u64, first: &str) -> String {
    let subject = |one: &str, many: &str| match times {
        1 => format!("{one} ({first})"),
        _ => format!("{times} {many} (the first: {first})"),
    };
    match trouble {
        Trouble::DamagedBlob => {
            let subject = subject("a file of the cache is damaged", "files of the cache are damaged");
            format!("{subject}; taken out, what needs it runs again")
        }
        Trouble::MissingBlob => {
            let subject = subject("a file of the cache is missing", "files of the cache are missing");
            format!("{subject}; what needs it runs again")
        }
        Trouble::DamagedRow => {
            let subject = subject("a record is damaged", "records are damaged");
            format!("{subject}; taken out, what needs it runs again")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_of_a_kind_are_one_sentence_and_told_once() {
        let warnings = Warnings::default();
        for blob in ["aa", "bb", "cc"] {
            warnings.count(Trouble::MissingBlob, blob.into());
            warnings.say("set aside".into());
        }
        let told = warnings.take();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[1].starts_with("3 files of the cache are missing (the first: aa)"), "{told:?}");
        assert!(warnings.take().is_empty());
    }
}
