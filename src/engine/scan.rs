//! What source files there are: one walk over the directories that patterns may reach, and the literals.
//!
//! Wildcards skip `.git`, `.orca` and what `.gitignore` names; a literal path is always taken. Paths that a task owns
//! as output, and leftovers of earlier runs, are not source.
#![expect(clippy::disallowed_methods, reason = "walks the project")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ignore::{WalkBuilder, WalkState};

use crate::base::{Finding, NodeId, PathError, Pattern, PatternSet, RelPath};
use crate::context::SourceIndex;
use crate::plan::{ContextText, Plan};

/// A directory or file that could not be listed.
#[derive(Debug, thiserror::Error)]
#[error("cannot list {}: {message}", path.display())]
pub struct ScanError {
    path: PathBuf,
    message: String,
}

/// Every pattern of the plan that files of the project answer.
fn patterns(plan: &Plan) -> impl Iterator<Item = &Pattern> {
    let tasks = plan.tasks.values().flat_map(|task| task.inputs.iter().chain(task.edits.iter()));
    let gates = plan.gate_defs.values().flat_map(|gate| gate.inputs.iter());
    tasks.chain(gates).filter(|pattern| !pattern.excludes())
}

/// Says whether a path counts as source, where an empty directory (`true`), a file or a link (`false`) is.
pub(super) type IsSource<'a> = &'a (dyn Fn(&RelPath, bool) -> bool + Sync);

/// Lists the project as far as the plan's patterns reach; all of it if `whole`.
///
/// `is_source` says whether a path counts, and is told whether an empty directory is there.
pub(super) fn scan(root: &Path, plan: &Plan, whole: bool, is_source: IsSource<'_>) -> Result<SourceIndex, ScanError> {
    let mut bases: BTreeSet<String> =
        patterns(plan).filter(|pattern| pattern.as_literal().is_none()).map(Pattern::base).collect();
    if whole {
        bases.insert(String::new());
    }
    let literals: BTreeSet<RelPath> = patterns(plan).filter_map(Pattern::as_literal).collect();
    let mut index = SourceIndex { walked: walk(root, &outermost(bases), true, is_source)?, ..SourceIndex::default() };
    for path in literals {
        let Ok(found) = path.beneath(root).symlink_metadata() else { continue };
        let paths = if found.is_dir() {
            walk(root, &[path.as_str().to_owned()], false, is_source)?.into_iter().collect()
        } else if is_source(&path, false) {
            vec![path.clone()]
        } else {
            continue;
        };
        index.literal.insert(path, paths);
    }
    Ok(index)
}

/// Those of the directories that lie in no other of them.
fn outermost(bases: BTreeSet<String>) -> Vec<String> {
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

/// Files, symbolic links and empty directories beneath some directories of the root.
fn walk(
    root: &Path,
    bases: &[String],
    gitignore: bool,
    is_source: IsSource<'_>,
) -> Result<BTreeSet<RelPath>, ScanError> {
    let existing: Vec<PathBuf> =
        bases.iter().map(|base| root.join(base)).filter(|path| path.symlink_metadata().is_ok()).collect();
    let Some((first, rest)) = existing.split_first() else { return Ok(BTreeSet::new()) };
    let mut builder = WalkBuilder::new(first);
    for path in rest {
        builder.add(path);
    }
    builder
        .standard_filters(false)
        .git_ignore(gitignore)
        .git_exclude(false)
        .git_global(false)
        .ignore(false)
        .parents(gitignore)
        .require_git(false)
        .hidden(false)
        .follow_links(false)
        .filter_entry(|entry| !matches!(entry.file_name().to_str(), Some(".git" | ".orca")));
    let found = Mutex::new(BTreeSet::new());
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
        None => Ok(found.into_inner().expect("no visitor panics")),
    }
}

fn is_missing(error: &ignore::Error) -> bool {
    error.io_error().is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

fn visit(
    root: &Path,
    entry: &ignore::DirEntry,
    is_source: IsSource<'_>,
    found: &Mutex<BTreeSet<RelPath>>,
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
    let path = relative.to_str().ok_or(PathError::NotUtf8).and_then(RelPath::from_disk);
    match path {
        Ok(path) if is_source(&path, kind.is_dir()) => {
            found.lock().expect("no visitor panics").insert(path);
        }
        Ok(_) | Err(PathError::Empty) => {}
        Err(error) => {
            let wrong = ScanError { path: entry.path().to_owned(), message: error.to_string() };
            failed.lock().expect("no visitor panics").get_or_insert(wrong);
        }
    }
}

/// What the plan says of files that are not so: literal inputs that do not exist, wildcards that match nothing.
///
/// `provided` says whether a pattern is covered by what tasks write.
#[must_use]
pub(super) fn file_findings(
    root: &Path,
    plan: &Plan,
    index: &SourceIndex,
    provided: impl Fn(&Pattern) -> bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut check = |patterns: &PatternSet, node: &NodeId| {
        for (position, pattern) in patterns.iter().enumerate().filter(|(_, pattern)| !pattern.excludes()) {
            if provided(pattern) {
                continue;
            }
            let place = node.element(position);
            match pattern.as_literal() {
                Some(path) if !index.literal.contains_key(&path) => findings.push(missing_input(root, &path, place)),
                None if !index.has_match(pattern) => findings.push(
                    Finding::warning(
                        "orca::plan::empty_glob",
                        format!("`{pattern}` matches no file"),
                        place,
                        "nothing matches this",
                    )
                    .help("check the spelling; files that .gitignore names are not matched by wildcards"),
                ),
                _ => {}
            }
        }
    };
    for task in plan.tasks.values() {
        check(&task.inputs, &task.node.child("inputs"));
        check(&task.edits, &task.node.child("edits"));
    }
    for gate in plan.gate_defs.values() {
        check(&gate.inputs, &gate.node.child("inputs"));
    }
    for entry in plan.context.entries.values() {
        if let ContextText::File { path, node } = entry
            && !path.beneath(root).is_file()
        {
            findings.push(missing_input(root, path, node.clone()));
        }
    }
    findings
}

fn missing_input(root: &Path, path: &RelPath, place: NodeId) -> Finding {
    let finding = Finding::error(
        "orca::plan::missing_input",
        format!("`{path}` does not exist, and no task writes it"),
        place,
        "no such file",
    );
    match near_sibling(root, path) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help(format!("create `{path}`, or name it in the outputs of the task that writes it")),
    }
}

fn near_sibling(root: &Path, path: &RelPath) -> Option<String> {
    let parent = path.parent();
    let directory = parent.as_ref().map_or_else(|| root.to_owned(), |parent| parent.beneath(root));
    let names: Vec<String> = std::fs::read_dir(directory)
        .ok()?
        .take(10_000)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let near = crate::base::nearest(path.file_name(), names.iter().map(String::as_str))?;
    Some(parent.map_or_else(|| near.to_owned(), |parent| format!("{parent}/{near}")))
}
