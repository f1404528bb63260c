//! What `.gitignore` names: files a task may leave behind without a word.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::base::RelPath;

/// Answers for the `.gitignore` files of one project.
pub(super) struct Ignored {
    root: PathBuf,
    by_directory: Mutex<HashMap<PathBuf, Option<Arc<Gitignore>>>>,
}

impl Ignored {
    /// For the project at `root`.
    #[must_use]
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), by_directory: Mutex::default() }
    }

    /// Whether git would ignore the path: the nearest `.gitignore` with an opinion decides.
    #[must_use]
    pub(super) fn matches(&self, path: &RelPath) -> bool {
        let full = path.beneath(&self.root);
        let directories = full.ancestors().skip(1).take_while(|directory| directory.starts_with(&self.root));
        for directory in directories {
            let Some(rules) = self.rules(directory) else { continue };
            match rules.matched_path_or_any_parents(&full, false) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => {}
            }
        }
        false
    }

    fn rules(&self, directory: &Path) -> Option<Arc<Gitignore>> {
        let mut known = self.by_directory.lock().expect("no holder panics");
        known.entry(directory.to_owned()).or_insert_with(|| read(directory)).clone()
    }
}

fn read(directory: &Path) -> Option<Arc<Gitignore>> {
    let file = directory.join(".gitignore");
    if !file.is_file() {
        return None;
    }
    let mut builder = GitignoreBuilder::new(directory);
    // A line that is no pattern is skipped, as git does.
    let _ = builder.add(&file);
    builder.build().ok().map(Arc::new)
}
