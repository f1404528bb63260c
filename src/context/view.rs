//! Which files a task sees: `view(T)` of DESIGN section 3, as a pure function over listings and results.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::base::{Entry, Pattern, PatternSet, RelPath, Tree};
use crate::plan::Task;

/// What of the project is source: the paths found by walking, without those that some task owns as output.
///
/// Wildcards are answered from `walked` (which `.gitignore` has filtered), literals from `literal`, so that a path
/// written out is taken whatever `.gitignore` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceIndex {
    /// Files, symlinks and empty directories that wildcards may match.
    pub walked: BTreeSet<RelPath>,
    /// For each literal input that exists: itself, or where it is a directory all paths beneath it.
    pub literal: BTreeMap<RelPath, Vec<RelPath>>,
}

impl SourceIndex {
    /// Says whether a path is source, whatever was found there.
    pub fn set(&mut self, path: &RelPath, is_source: bool) {
        match is_source {
            true => drop(self.walked.insert(path.clone())),
            false => drop(self.walked.remove(path)),
        }
        for (literal, paths) in &mut self.literal {
            if path.is_within(literal) || path == literal {
                paths.retain(|known| known != path);
                paths.extend(is_source.then(|| path.clone()));
            }
        }
        if is_source {
            // Where the file is to be, nothing lies beneath it.
            self.walked.retain(|known| known == path || !known.is_within(path));
            for paths in self.literal.values_mut() {
                paths.retain(|known| known == path || !known.is_within(path));
            }
            self.literal.entry(path.clone()).or_insert_with(|| vec![path.clone()]);
        }
    }

    /// Whether a path is source.
    #[must_use]
    pub fn lists(&self, path: &RelPath) -> bool {
        let by = |literal: &RelPath| self.literal.get(literal).is_some_and(|paths| paths.contains(path));
        self.walked.contains(path) || by(path) || path.ancestors().any(|above| by(&above))
    }

    /// The source paths beneath a directory; one that is both walked and named comes twice.
    pub fn within(&self, directory: &RelPath) -> impl Iterator<Item = &RelPath> {
        let beneath = format!("{directory}/");
        let is_beneath = |path: &&RelPath| path.is_within(directory);
        let from = (Bound::Included(beneath.as_str()), Bound::Unbounded);
        let walked = self.walked.range::<str, _>(from);
        let literal = self.literal.range::<str, _>(from).take_while(move |(literal, _)| is_beneath(literal));
        let above = directory.ancestors().chain([directory.clone()]).filter_map(|above| self.literal.get(&above));
        let named = literal.map(|(_, paths)| paths).chain(above).flatten();
        walked.take_while(is_beneath).chain(named.filter(is_beneath)).collect::<Vec<_>>().into_iter()
    }

    /// The walked paths at or beneath `base`; all of them for an empty base.
    fn beneath<'a>(&'a self, base: &'a str) -> impl Iterator<Item = &'a RelPath> {
        let start = if base.is_empty() { Bound::Unbounded } else { Bound::Included(base) };
        self.walked.range::<str, _>((start, Bound::Unbounded)).take_while(move |path| path.as_str().starts_with(base))
    }

    /// Whether a wildcard matches anything that was walked.
    #[must_use]
    pub fn has_match(&self, pattern: &Pattern) -> bool {
        self.beneath(&pattern.base()).any(|path| pattern.matches(path))
    }

    fn covered_by<'a>(&'a self, pattern: &'a Pattern) -> Box<dyn Iterator<Item = RelPath> + 'a> {
        match pattern.literal_path() {
            Some(path) => Box::new(self.literal.get(path).into_iter().flatten().cloned()),
            None => {
                let base = pattern.base();
                let paths: Vec<RelPath> = self.beneath(&base).filter(|path| pattern.matches(path)).cloned().collect();
                Box::new(paths.into_iter())
            }
        }
    }
}

/// The source paths that the task's `inputs` and `edits` cover.
#[must_use]
pub fn source_paths(task: &Task, source: &SourceIndex) -> BTreeSet<RelPath> {
    let mut paths = covered_paths(&task.inputs, source);
    paths.extend(covered_paths(&task.edits, source));
    paths
}

/// The source paths that the patterns cover.
#[must_use]
pub fn covered_paths(patterns: &PatternSet, source: &SourceIndex) -> BTreeSet<RelPath> {
    let adding = patterns.iter().filter(|pattern| !pattern.excludes());
    adding.flat_map(|pattern| source.covered_by(pattern)).filter(|path| patterns.matches(path)).collect()
}

/// The Results of several tasks folded in plan order: a later task's entry replaces an earlier one's.
pub fn fold_results<'a>(results: impl Iterator<Item = &'a Tree>) -> Tree {
    let mut folded = Tree::new();
    for result in results {
        folded.extend(result.iter().map(|(path, entry)| (path.clone(), entry.clone())));
    }
    folded
}

/// `view(T)`: the source files its `inputs` and `edits` match (`source`), of the results it may see what they match
/// (`matched`), and all outputs of the tasks it names as dependencies (`whole`). Results come in plan order.
pub fn view<'a>(
    task: &Task,
    source: &Tree,
    matched: impl Iterator<Item = &'a Tree>,
    whole: impl Iterator<Item = &'a Tree>,
) -> Tree {
    let mut seen = source.clone();
    for (path, entry) in matched.flatten() {
        if task.inputs.matches(path) || task.edits.matches(path) {
            seen.insert(path.clone(), entry.clone());
        }
    }
    seen.extend(fold_results(whole));
    drop_shadowed(&mut seen);
    seen
}

/// An empty directory that has got entries is one no longer.
fn drop_shadowed(tree: &mut Tree) {
    let empty: Vec<RelPath> =
        tree.iter().filter(|(_, entry)| matches!(entry, Entry::EmptyDir)).map(|(path, _)| path.clone()).collect();
    for path in empty {
        let prefix = format!("{path}/", path = path.as_str());
        let next = tree.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded)).next();
        if next.is_some_and(|(next, _)| next.as_str().starts_with(&prefix)) {
            tree.remove(&path);
        }
    }
}
