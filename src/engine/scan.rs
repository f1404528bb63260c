//! What source files there are: one walk over the directories that patterns may reach, and the literals.
//!
//! Wildcards skip `.git`, `.orca` and what `.gitignore` names; a literal path is always taken. Paths that a task owns
//! as output, and leftovers of earlier runs, are not source. No path leads through a symbolic link: neither a wildcard
//! nor a literal reaches what a directory that is a link shows. Nothing here says what is wrong with a plan; that is
//! `input_findings`.
#![expect(clippy::disallowed_methods, reason = "walks the project")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ignore::{WalkBuilder, WalkState};
use rayon::prelude::*;

use crate::base::{PathError, Pattern, RelPath, parallel};
use crate::context::SourceIndex;
use crate::plan::Plan;
use crate::store::{Root, StoreError};
use crate::sys::beneath::{FileKind, FileStat};

/// A directory or file that could not be listed.
#[derive(Debug, thiserror::Error)]
#[error("cannot list {}: {message}", path.display())]
pub struct ScanError {
    path: PathBuf,
    message: String,
}

/// Every pattern of the plan that files of the project answer.
pub(super) fn patterns(plan: &Plan) -> impl Iterator<Item = &Pattern> {
    let tasks = plan.tasks.values().flat_map(|task| task.inputs.iter().chain(task.edits.iter()));
    let gates = plan.gate_defs.values().flat_map(|gate| gate.inputs.iter());
    tasks.chain(gates).filter(|pattern| !pattern.excludes())
}

/// The paths that the plan's tasks and gates name letter by letter, in order.
pub(super) fn literals(plan: &Plan) -> Vec<RelPath> {
    let mut literals: Vec<RelPath> = patterns(plan).filter_map(Pattern::as_literal).collect();
    literals.par_sort_unstable();
    literals.dedup();
    literals
}

/// Says whether a path counts as source, where an empty directory (`true`), a file or a link (`false`) is.
pub(super) type IsSource<'a> = &'a (dyn Fn(&RelPath, bool) -> bool + Sync);

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// What is source.
    pub index: SourceIndex,
    /// What of it was looked at already, in order.
    pub seen: Vec<(RelPath, FileStat)>,
    /// Names that are not UTF-8, as far as they can be read: no task can be given them.
    pub unnameable: BTreeSet<RelPath>,
}

/// Why no task can be given what is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// This part of the path is a symbolic link.
    Link(RelPath),
    /// It is neither a file, a directory nor a link.
    NotAFile,
}

/// What stands in the way to a path of the project; nothing where nothing is there.
pub(super) fn obstacle(root: &Path, path: &RelPath) -> Option<Obstacle> {
    let ancestors: Vec<RelPath> = std::iter::successors(path.parent(), RelPath::parent).collect();
    let kind = |path: &RelPath| path.beneath(root).symlink_metadata().ok().map(|found| found.file_type());
    let link = ancestors.into_iter().rev().find(|ancestor| kind(ancestor).is_some_and(|kind| kind.is_symlink()));
    if let Some(link) = link {
        return Some(Obstacle::Link(link));
    }
    let is_special = kind(path).is_some_and(|kind| !(kind.is_file() || kind.is_dir() || kind.is_symlink()));
    is_special.then_some(Obstacle::NotAFile)
}

/// The part of a path, itself included, that is a symbolic link.
pub(super) fn link_on_the_way(root: &Path, path: &RelPath) -> Option<RelPath> {
    match obstacle(root, path) {
        Some(Obstacle::Link(link)) => Some(link),
        _ => path.beneath(root).is_symlink().then(|| path.clone()),
    }
}

/// Lists the project as far as the plan's patterns reach; all of it if `whole`.
///
/// `is_source` says whether a path counts, and is told whether an empty directory is there.
pub(super) fn scan(beneath: &Root, plan: &Plan, whole: bool, is_source: IsSource<'_>) -> Result<Scanned, ScanError> {
    let root = beneath.path();
    let mut bases: BTreeSet<String> =
        patterns(plan).filter(|pattern| pattern.literal_path().is_none()).map(Pattern::base).collect();
    bases.retain(|base| RelPath::from_disk(base).map_or(true, |base| link_on_the_way(root, &base).is_none()));
    if whole {
        bases.insert(String::new());
    }
    let mut found = Scanned::default();
    found.index.walked = walk(root, &outermost(bases), true, is_source, &mut found.unnameable)?;
    let literals = literals(plan);
    // A path that leads through a link cannot be looked at, and is none that a plan could name.
    let stats = beneath.stat_many(&literals);
    let answer = |(path, stat): (&RelPath, Result<Option<FileStat>, StoreError>)| match stat.ok().flatten() {
        Some(stat) if stat.kind == FileKind::Directory => Answer::Directory,
        Some(stat) if matches!(stat.kind, FileKind::File | FileKind::Symlink) && is_source(path, false) => {
            Answer::Source(stat)
        }
        _ => Answer::Nothing,
    };
    let answers: Vec<Answer> = match literals.len() {
        0..parallel::ITEMS_MIN => literals.iter().zip(stats).map(answer).collect(),
        _ => literals.par_iter().zip(stats).map(answer).collect(),
    };
    let mut literal = Vec::with_capacity(literals.len());
    for (path, answer) in literals.into_iter().zip(answers) {
        let paths = match answer {
            Answer::Nothing => continue,
            Answer::Source(stat) => {
                found.seen.push((path.clone(), stat));
                vec![path.clone()]
            }
            Answer::Directory => {
                let beneath = walk(root, &[path.as_str().to_owned()], false, is_source, &mut found.unnameable)?;
                beneath.into_iter().collect()
            }
        };
        literal.push((path, paths));
    }
    found.index.literal = literal.into_iter().collect();
    Ok(found)
}

/// What is at a path that the plan names.
enum Answer {
    Nothing,
    Source(FileStat),
    Directory,
}

/// Those of the directories that lie in no other of them.
pub(super) fn outermost(bases: BTreeSet<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for base in bases {
        let within = |outer: &String| {
            outer.is_empty() || base.strip_prefix(outer.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        if !kept.iter().any(within) {
            kept.push(base);
        }
    }
    kept
}

/// A walk to these files and directories and all beneath them, without `.git` and `.orca`, links not followed.
///
/// It leads from the root down, so that the root's `.gitignore` counts, and none above it: a project is the same
/// wherever it lies.
pub(super) fn walker(root: &Path, targets: Vec<PathBuf>, gitignore: bool) -> WalkBuilder {
    let leads_to_a_target =
        move |path: &Path| targets.iter().any(|target| target.starts_with(path) || path.starts_with(target));
    let mut builder = WalkBuilder::new(root);
    builder.standard_filters(false).git_ignore(gitignore).require_git(false).follow_links(false).filter_entry(
        move |entry| !matches!(entry.file_name().to_str(), Some(".git" | ".orca")) && leads_to_a_target(entry.path()),
    );
    builder
}

/// Files, symbolic links and empty directories beneath some directories of the root.
fn walk(
    root: &Path,
    bases: &[String],
    gitignore: bool,
    is_source: IsSource<'_>,
    unnameable: &mut BTreeSet<RelPath>,
) -> Result<BTreeSet<RelPath>, ScanError> {
    let targets: Vec<PathBuf> =
        bases.iter().map(|base| root.join(base)).filter(|path| path.symlink_metadata().is_ok()).collect();
    if targets.is_empty() {
        return Ok(BTreeSet::new());
    }
    let builder = walker(root, targets, gitignore);
    let found = Mutex::new(Visited::default());
    let failed = Mutex::new(None);
    builder.build_parallel().run(|| {
        Box::new(|entry| {
            match entry {
                Ok(entry) => visit(root, &entry, is_source, &found, &failed),
                Err(error) if is_missing(&error) => {}
                Err(error) => {
                    let wrong = ScanError { path: root.to_owned(), message: error.to_string() };
                    failed.lock().expect("no visitor panics").get_or_insert(wrong);
                }
            }
            WalkState::Continue
        })
    });
    match failed.into_inner().expect("no visitor panics") {
        Some(error) => Err(error),
        None => {
            let visited = found.into_inner().expect("no visitor panics");
            unnameable.extend(visited.unnameable);
            Ok(visited.sources)
        }
    }
}

fn is_missing(error: &ignore::Error) -> bool {
    error.io_error().is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// What the visitors of one walk share.
#[derive(Default)]
struct Visited {
    sources: BTreeSet<RelPath>,
    unnameable: BTreeSet<RelPath>,
}

fn visit(
    root: &Path,
    entry: &ignore::DirEntry,
    is_source: IsSource<'_>,
    found: &Mutex<Visited>,
    failed: &Mutex<Option<ScanError>>,
) {
    let Some(kind) = entry.file_type() else { return };
    if kind.is_dir() {
        let is_empty = std::fs::read_dir(entry.path()).is_ok_and(|mut entries| entries.next().is_none());
        if !is_empty {
            return;
        }
    } else if !(kind.is_file() || kind.is_symlink()) {
        return;
    }
    let Ok(relative) = entry.path().strip_prefix(root) else { return };
    let is_text = relative.to_str().is_some();
    match RelPath::from_disk(&relative.to_string_lossy()) {
        Ok(path) if !is_text => {
            found.lock().expect("no visitor panics").unnameable.insert(path);
        }
        Ok(path) if is_source(&path, kind.is_dir()) => {
            found.lock().expect("no visitor panics").sources.insert(path);
        }
        Ok(_) | Err(PathError::Empty) => {}
        Err(error) => {
            let wrong = ScanError { path: entry.path().to_owned(), message: error.to_string() };
            failed.lock().expect("no visitor panics").get_or_insert(wrong);
        }
    }
}
