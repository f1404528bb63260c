//! What a result brings: whether something that tests missed on the base is its work.

use std::collections::BTreeSet;

use super::judge::Case;
use super::paths::is_test_path;
use super::reports::Missing;
use crate::gates::judged::{Content, Judged};

/// Words that are kept of the lines a result adds.
const WORDS_MAX: usize = 500_000;

/// Parts of the paths that are new, and words on the lines that are, tests left out.
pub(super) struct Brought {
    paths: BTreeSet<String>,
    words: BTreeSet<String>,
}

impl Brought {
    pub(super) fn of(case: &Case<'_>) -> Self {
        Self::of_files(case.judged, |path| case.first.files.matches(path))
    }

    fn of_files(judged: &Judged<'_>, is_declared: impl Fn(&crate::base::RelPath) -> bool) -> Self {
        let (mut paths, mut words) = (BTreeSet::new(), BTreeSet::new());
        for file in judged.changed.iter().filter(|file| !is_declared(&file.path)) {
            if file.before == Content::Absent && file.after != Content::Absent {
                for part in file.path.as_str().split('/') {
                    paths.insert(part.to_owned());
                    paths.extend(part.rsplit_once('.').map(|(stem, _)| stem.to_owned()));
                }
            }
            let Some(text) = file.after.text().filter(|_| !is_test_path(&file.path)) else { continue };
            let lines = (1_u32..).zip(text.lines()).filter(|(line, _)| file.is_added(*line));
            let added = lines.flat_map(|(_, line)| line.split(|char: char| !char.is_alphanumeric() && char != '_'));
            let added = added.filter(|word| !word.is_empty() && word.len() <= 200);
            words.extend(added.take(WORDS_MAX.saturating_sub(words.len())).map(str::to_owned));
        }
        Self { paths, words }
    }

    /// Whether it is the result's work that something is there.
    pub(super) fn has(&self, missing: &Missing) -> bool {
        match missing {
            // Rust's paths end in names, and its crates are no files.
            Missing::Module(module) if module.contains("::") => {
                let last = module.rsplit("::").next().unwrap_or_default();
                self.words.contains(last) || self.paths.contains(last)
            }
            Missing::Module(module) => {
                let file = module.rsplit('/').next().unwrap_or_default();
                if module.contains('/') {
                    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
                    return self.paths.contains(file) || self.paths.contains(stem);
                }
                module.rsplit('.').next().is_some_and(|last| self.paths.contains(last)) || self.paths.contains(module)
            }
            Missing::Name(name) => {
                let last = name.rsplit(['.', ':']).next().unwrap_or_default();
                let last = last.split(['(', '<']).next().unwrap_or_default().trim();
                self.words.contains(last) || self.paths.contains(last)
            }
        }
    }
}
