//! The declared test files with the tests in them, and which of them a reported case is one of.

use std::collections::{BTreeMap, BTreeSet};

use super::marks::{TestInFile, tests_in};
use super::paths::{is_in_module, means};
use super::reports::TestCase;
use crate::base::RelPath;

/// Files that are looked at.
const FILES_MAX: usize = 5_000;
/// Files that share a name of a test, or of themselves, and are still told apart.
const SAME_MAX: usize = 64;
/// Words of a case's name that may begin the name of a test.
const WORDS_MAX: usize = 64;

/// A declared test file that the result has.
pub(super) struct DeclaredFile<'a> {
    pub path: &'a RelPath,
    /// Its tests; none where its language is not known.
    pub tests: Vec<TestInFile>,
}

/// All of them.
pub(super) struct Declared<'a> {
    pub files: Vec<DeclaredFile<'a>>,
    by_test: BTreeMap<String, Vec<usize>>,
    by_stem: BTreeMap<String, Vec<usize>>,
}

impl<'a> Declared<'a> {
    pub(super) fn of(paths: impl Iterator<Item = &'a RelPath>, read: impl Fn(&RelPath) -> Option<String>) -> Self {
        let files = paths.take(FILES_MAX).map(|path| {
            let tests = read(path).and_then(|text| tests_in(path, &text)).unwrap_or_default();
            DeclaredFile { path, tests }
        });
        let files: Vec<DeclaredFile<'a>> = files.collect();
        let (mut by_test, mut by_stem) = (BTreeMap::new(), BTreeMap::new());
        let add = |to: &mut BTreeMap<String, Vec<usize>>, key: &str, at: usize| {
            let list = to.entry(key.to_owned()).or_default();
            if list.len() < SAME_MAX && list.last() != Some(&at) {
                list.push(at);
            }
        };
        for (at, file) in files.iter().enumerate() {
            add(&mut by_stem, stem(file.path.file_name()), at);
            for test in &file.tests {
                add(&mut by_test, &test.name, at);
            }
        }
        Self { files, by_test, by_stem }
    }

    /// The files that a case may be of: by the file it names, else by the module in its name; and by the names of tests.
    pub(super) fn files_of(&self, case: &TestCase) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        match &case.file {
            Some(named) => {
                let name = named.rsplit(['/', '\\']).next().unwrap_or_default();
                let same = self.by_stem.get(stem(name)).into_iter().flatten();
                found.extend(same.filter(|at| means(named, self.files[**at].path)));
            }
            None => {
                let dotted = case.id.split("::").next().unwrap_or_default();
                for part in dotted.split('.').take(WORDS_MAX) {
                    let same = self.by_stem.get(part).into_iter().flatten();
                    found.extend(same.filter(|at| is_in_module(&case.id, self.files[**at].path)));
                }
            }
        }
        let mut by_name = |name: &str| found.extend(self.by_test.get(name).into_iter().flatten());
        by_name(case.function());
        by_name(&case.id);
        // Runners of JavaScript put the names of groups before that of a test, with nothing but a space between.
        let starts = case.id.char_indices().filter(|(_, char)| matches!(char, ' ' | ':' | '>')).take(WORDS_MAX);
        for (at, char) in starts {
            by_name(case.id[at + char.len_utf8()..].trim_start());
        }
        found
    }
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}
