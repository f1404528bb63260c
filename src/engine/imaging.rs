//! What a build leaves for the next one: the snapshot. It is made at the end, of what the build found, and only where
//! everything that the next build would read has a witness (`witnesses`).
//!
//! INVARIANT: no fingerprint is later than what was hashed. Digests of files come with the stat data that they were taken
//! under; all else is looked at now, and counts only if it has not changed since before the build looked at it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use ignore::WalkState;
use rayon::prelude::*;

use super::attempt_log;
use super::builder::Builder;
use super::host::now_ms;
use super::part_image;
use super::resolve::Resolver;
use super::scan::{link_on_the_way, literals, outermost, patterns, walker};
use super::summary::Summary;
use super::witnesses::{self, Moments, Unwitnessed};
use crate::base::{Entry, Pattern, RelPath, TaskName};
use crate::event::Outcome;
use crate::gates::BASELINE_FILE;
use crate::graph::TaskIx;
use crate::plan::LOCK_FILE;
use crate::snapshot::{self, Closing, Directory, Fingerprint, Image, Walked, is_racy, names_digest};
use crate::store::{Root, StoreError};
use crate::sys::beneath::{self, Access};
use crate::sys::glance;

/// How long a time stamp may stand for more than one moment.
const TICK: Duration = Duration::from_millis(11);
/// Bytes of logs that a snapshot holds; where there are more, there is none.
const REPLAYED_BYTES_MAX: usize = 64 << 10;

/// Leaves a snapshot behind. The error says why there is none: then the next build looks at everything.
pub(super) fn leave(builder: &Builder, done: &Summary, is_complete: bool, started_ms: u64) -> Result<(), String> {
    if let Some(why) = witnesses::uncovered(&builder.resolver, &builder.selected) {
        return Err(why);
    }
    if builder.resolver.is_overtaken() {
        return Err("files were changed while the build ran".to_owned());
    }
    if done.notices > 0 {
        return Err("there was something to say that the next build says, too".to_owned());
    }
    let settled = builder.resolver.ledger.with_journal(|journal| journal.empty_log());
    settled.map_err(|error| error.to_string())?;
    // What was written just now looks the same after the next change of it, until the clock has moved on.
    if done.ran() > 0 || done.settled.values().any(|settled| !is_in_place(&settled.outcome)) {
        std::thread::sleep(TICK);
    }
    let image = match image(builder, done, is_complete, started_ms) {
        Err(Unwitnessed { is_racy: true, .. }) => {
            std::thread::sleep(TICK);
            image(builder, done, is_complete, started_ms)
        }
        other => other,
    };
    let image = image.map_err(|unwitnessed| unwitnessed.why)?;
    snapshot::write(&builder.state, &image).map_err(|error| format!("it cannot be written: {error}"))
}

fn is_in_place(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Cached { restored: 0, .. } | Outcome::Failed(_) | Outcome::Skipped { .. })
}

fn image(builder: &Builder, done: &Summary, is_complete: bool, started_ms: u64) -> Result<Image, Unwitnessed> {
    let resolver = &builder.resolver;
    let moments = Moments::from(started_ms);
    let walk = Walk::again(resolver)?;
    let files = files(resolver)?;
    let fingerprints: Vec<Fingerprint> = files
        .par_iter()
        .map(|(path, entry)| fingerprint(resolver, path, entry.as_ref(), moments))
        .collect::<Result<_, _>>()?;
    let unmade = unmade(resolver, &files);
    let mut directories: BTreeMap<&str, Vec<(&str, Fingerprint)>> = BTreeMap::new();
    for path in &walk.walked {
        directories.insert(path, Vec::new());
    }
    let of_unmade = unmade.iter().zip(std::iter::repeat(Fingerprint::NEVER));
    for (path, fingerprint) in files.keys().zip(fingerprints).chain(of_unmade) {
        let (parent, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
        directories.entry(parent).or_default().push((name, fingerprint));
    }
    let mut cold_files = Vec::with_capacity(files.len());
    for (path, held) in &mut directories {
        held.sort_unstable_by_key(|(name, _)| *name);
        for (name, _) in held {
            let whole = if path.is_empty() { (*name).to_owned() } else { format!("{path}/{name}") };
            let path = RelPath::from_disk(&whole).map_err(|error| Unwitnessed::new(format!("{whole}: {error}")))?;
            cold_files.push(path);
        }
    }
    let directories = directories
        .into_par_iter()
        .map(|(path, held)| {
            let walked = walk.walked.contains(path).then(|| walked(&resolver.root, path, moments)).transpose()?;
            let files = held.into_iter().map(|(name, fingerprint)| (name.into(), fingerprint)).collect();
            Ok(Directory { path: path.to_owned(), walked, files })
        })
        .collect::<Result<Vec<_>, Unwitnessed>>()?;
    let mut beside: BTreeMap<RelPath, Fingerprint> = BTreeMap::new();
    for path in [LOCK_FILE, BASELINE_FILE] {
        let path = RelPath::new(path).expect("a plain path");
        beside.insert(path.clone(), moments.beside(&resolver.root, &path, moments.started_ns)?);
    }
    for directory in walk.walked.iter().filter(|_| walk.minds_ignores).chain(&walk.ways) {
        let path = if directory.is_empty() { ".gitignore".to_owned() } else { format!("{directory}/.gitignore") };
        let path = RelPath::from_disk(&path).map_err(|error| Unwitnessed::new(error.to_string()))?;
        let found = moments.beside(&resolver.root, &path, moments.now_ns)?;
        // Of a directory that is walked the names are known.
        if found != Fingerprint::ABSENT || walk.ways.contains(directory) {
            beside.insert(path, found);
        }
    }
    for base in &walk.no_directories {
        beside.insert(base.clone(), moments.beside(&resolver.root, base, moments.now_ns)?);
    }
    let world = witnesses::world(builder, moments, beside)?;
    let (closing, saved_ms) = closing(builder, done)?;
    let cold = part_image::cold(resolver, done, cold_files, &saved_ms);
    Ok(Image { is_complete, world, directories, closing, cold })
}

/// What tasks are to make that have no result: like nothing, whatever lies there.
fn unmade(resolver: &Resolver, files: &BTreeMap<RelPath, Option<Entry>>) -> BTreeSet<RelPath> {
    let has_none = |ix: &TaskIx| resolver.result(*ix).is_none();
    let paths = resolver.graph.tasks().filter(has_none).flat_map(|ix| part_image::outputs_to_be(resolver, ix));
    paths.filter(|path| !files.contains_key(path)).collect()
}

/// Every file that a task reads or makes, with what was there; and those that tasks name and that are not there.
fn files(resolver: &Resolver) -> Result<BTreeMap<RelPath, Option<Entry>>, Unwitnessed> {
    let mut files: BTreeMap<RelPath, Option<Entry>> = BTreeMap::new();
    for task in resolver.graph.tasks() {
        let view = resolver.source_view(task);
        files.extend(view.iter().map(|(path, entry)| (path.clone(), Some(entry.clone()))));
        if let Some(result) = resolver.result(task) {
            files.extend(result.outputs.iter().map(|(path, entry)| (path.clone(), Some(entry.clone()))));
        }
    }
    let index = resolver.index();
    for literal in literals(resolver.plan()) {
        if files.contains_key(&literal) || index.literal.contains_key(&literal) {
            continue;
        }
        match resolver.root.stat(&literal) {
            Ok(None) => drop(files.insert(literal, None)),
            // It lies where a task makes its outputs, and is none: no task is shown it.
            Ok(Some(_)) if resolver.graph.owner(&literal).is_some() => {}
            _ => return Err(Unwitnessed::new(format!("`{literal}` is named and is no source"))),
        }
    }
    Ok(files)
}

/// What identifies the state in which a file was what it is to be.
fn fingerprint(
    resolver: &Resolver,
    path: &RelPath,
    entry: Option<&Entry>,
    moments: Moments,
) -> Result<Fingerprint, Unwitnessed> {
    let Some(entry) = entry else { return Ok(Fingerprint::ABSENT) };
    if let Some(known) = resolver.stat_cache.fingerprint(path, entry) {
        return Ok(known);
    }
    let other = || Unwitnessed::new(format!("`{path}` was changed while the build ran"));
    let found = resolver.found_for(path, entry).map_err(|error| Unwitnessed::new(error.to_string()))?;
    if found.as_ref() != Some(entry) {
        return Err(other());
    }
    match entry {
        Entry::File { .. } => {
            resolver.stat_cache.fingerprint(path, entry).ok_or_else(|| Unwitnessed::racy(path.as_str()))
        }
        Entry::Symlink { .. } | Entry::EmptyDir => {
            let stat = resolver.root.stat(path).ok().flatten().ok_or_else(other)?;
            if is_racy(&stat, moments.now_ns) {
                Err(Unwitnessed::racy(path.as_str()))
            } else {
                Ok(Fingerprint::of(&stat))
            }
        }
    }
}

/// What a directory is like, and the names in it.
fn walked(root: &Root, path: &str, moments: Moments) -> Result<Walked, Unwitnessed> {
    let look = || -> Result<Walked, StoreError> {
        let failed = |source| StoreError::Io { op: "list", path: root.path().join(path), source };
        let dir = match path {
            "" => beneath::open_child_dir(root.fd(), ".", Access::Read),
            path => beneath::open_dir(root.fd(), path, Access::Read),
        };
        let dir = dir.map_err(failed)?;
        let stat = beneath::fstat(&dir).map_err(failed)?;
        let names = names_digest(glance::names(dir.as_fd()).map_err(failed)?);
        let fingerprint = if is_racy(&stat, moments.now_ns) { Fingerprint::NEVER } else { Fingerprint::of(&stat) };
        Ok(Walked { fingerprint, names })
    };
    let walked = look().map_err(|error| Unwitnessed::new(error.to_string()))?;
    if walked.fingerprint == Fingerprint::NEVER { Err(Unwitnessed::racy(path)) } else { Ok(walked) }
}

/// The directories that wildcards walk, walked again: which they are, and that the same is found in them.
struct Walk {
    /// Those that are walked; the project itself is empty.
    walked: BTreeSet<String>,
    /// Those that lie on the way to them.
    ways: BTreeSet<String>,
    /// Where wildcards begin and no directory is.
    no_directories: BTreeSet<RelPath>,
    /// Whether what `.gitignore` names is left out anywhere.
    minds_ignores: bool,
}

impl Walk {
    fn again(resolver: &Resolver) -> Result<Self, Unwitnessed> {
        let (plan, root) = (resolver.plan(), resolver.root.path());
        let index = resolver.index();
        let mut all = Self {
            walked: BTreeSet::new(),
            ways: BTreeSet::new(),
            no_directories: BTreeSet::new(),
            minds_ignores: false,
        };
        let of_tasks = patterns(plan).filter(|pattern| pattern.as_literal().is_none()).map(Pattern::base);
        let of_plan = plan.includes.iter().filter(|pattern| pattern.as_literal().is_none()).map(Pattern::base);
        let bases: BTreeSet<String> = of_tasks.collect();
        let mut seen = all.walk(resolver, outermost(bases), true)?;
        seen.retain(|path, is_empty_dir| is_source(resolver, path, *is_empty_dir));
        if !seen.keys().eq(index.walked.iter()) {
            return Err(Unwitnessed::new("files came or went while the build ran".to_owned()));
        }
        for (literal, paths) in &index.literal {
            let is_dir = literal.beneath(root).symlink_metadata().is_ok_and(|found| found.is_dir());
            if !is_dir {
                continue;
            }
            let mut seen = all.walk(resolver, vec![literal.as_str().to_owned()], false)?;
            seen.retain(|path, is_empty_dir| is_source(resolver, path, *is_empty_dir));
            if !seen.keys().eq(paths.iter()) {
                return Err(Unwitnessed::new(format!("files in `{literal}` came or went while the build ran")));
            }
        }
        let included: BTreeSet<String> = of_plan.collect();
        let seen = all.walk(resolver, outermost(included), true)?;
        let is_included = |path: &&RelPath| plan.includes.iter().any(|pattern| pattern.matches(path));
        if !seen.keys().filter(is_included).all(|path| plan.files.contains(path)) {
            return Err(Unwitnessed::new("files of the plan came while the build ran".to_owned()));
        }
        Ok(all)
    }

    /// Walks to these directories and all beneath them. Answers the files, links and empty directories (`true`) in them.
    fn walk(
        &mut self,
        resolver: &Resolver,
        bases: Vec<String>,
        gitignore: bool,
    ) -> Result<BTreeMap<RelPath, bool>, Unwitnessed> {
        let root = resolver.root.path();
        let mut targets: Vec<PathBuf> = Vec::new();
        for base in bases {
            let path = RelPath::from_disk(&base).ok();
            if let Some(link) = path.as_ref().and_then(|path| link_on_the_way(root, path)) {
                return Err(Unwitnessed::new(format!("`{link}` is a link")));
            }
            let found = root.join(&base).symlink_metadata();
            if let Some(path) = path.filter(|_| !found.as_ref().is_ok_and(|found| found.is_dir())) {
                self.no_directories.insert(path);
            }
            if found.is_ok() {
                targets.push(root.join(base));
            }
        }
        if targets.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.minds_ignores |= gitignore;
        let found = Mutex::new((BTreeSet::new(), BTreeSet::new(), BTreeMap::new()));
        let wrong = Mutex::new(None);
        walker(root, targets.clone(), gitignore).build_parallel().run(|| {
            Box::new(|entry| {
                let taken = entry.map_err(|error| error.to_string()).and_then(|entry| {
                    let Some(kind) = entry.file_type() else { return Ok(()) };
                    let relative = entry.path().strip_prefix(root).map_err(|error| error.to_string())?;
                    let text = relative.to_str().ok_or("a name is not UTF-8")?;
                    let is_within = targets.iter().any(|target| entry.path().starts_with(target));
                    let is_empty = kind.is_dir() && is_empty_dir(resolver, text);
                    let mut found = found.lock().expect("no visitor panics");
                    match (kind.is_dir(), is_within) {
                        (true, true) => drop(found.0.insert(text.to_owned())),
                        (true, false) => drop(found.1.insert(text.to_owned())),
                        (false, _) => {}
                    }
                    if is_empty || kind.is_file() || kind.is_symlink() {
                        let path = RelPath::from_disk(text).map_err(|error| error.to_string());
                        // An empty project is no file of it.
                        if let Ok(path) = path {
                            found.2.insert(path, kind.is_dir());
                        }
                    }
                    Ok(())
                });
                if let Err(why) = taken {
                    wrong.lock().expect("no visitor panics").get_or_insert(why);
                }
                WalkState::Continue
            })
        });
        if let Some(why) = wrong.into_inner().expect("no visitor panics") {
            return Err(Unwitnessed::new(why));
        }
        let (walked, ways, files) = found.into_inner().expect("no visitor panics");
        self.walked.extend(walked);
        self.ways.extend(ways);
        Ok(files)
    }
}

fn is_empty_dir(resolver: &Resolver, path: &str) -> bool {
    let dir = match path {
        "" => beneath::open_child_dir(resolver.root.fd(), ".", Access::Read),
        path => beneath::open_dir(resolver.root.fd(), path, Access::Read),
    };
    dir.and_then(|dir| beneath::list(dir.as_fd())).is_ok_and(|names| names.is_empty())
}

/// Whether a path that a walk finds is source, as [`super::session::Session::survey`] has it where no file is edited in
/// place and nothing is left of earlier plans.
fn is_source(resolver: &Resolver, path: &RelPath, is_empty_dir: bool) -> bool {
    let plan = resolver.plan();
    let is_named = || patterns(plan).any(|pattern| pattern.as_literal().as_ref() == Some(path));
    let is_orcas = [LOCK_FILE, BASELINE_FILE].contains(&path.as_str()) || plan.files.contains(path) && !is_named();
    let is_made = resolver.graph.owner(path).is_some();
    !(is_orcas || is_made || is_empty_dir && resolver.graph.provides(&Pattern::literal(path)))
}

/// The numbers and logs of a build that finds everything as this one leaves it, and what each task had taken, in milliseconds.
fn closing(builder: &Builder, done: &Summary) -> Result<(Closing, BTreeMap<TaskName, u64>), Unwitnessed> {
    let resolver = &builder.resolver;
    let world = |error: StoreError| Unwitnessed::new(error.to_string());
    let estimates = resolver.ledger.with_journal(|journal| journal.all_estimates()).map_err(world)?.unwrap_or_default();
    let mut of_tasks = BTreeMap::new();
    let mut closing = Closing { cached: done.settled.len() as u64, ..Closing::default() };
    for (name, settled) in &done.settled {
        let of_cache = match settled.outcome {
            Outcome::Cached { saved_ms, .. } => saved_ms,
            _ => settled.usage.wall_ms,
        };
        let saved_ms = estimates.get(name).copied().unwrap_or(of_cache);
        closing.saved_ms += saved_ms;
        of_tasks.insert(name.clone(), saved_ms);
        if let Outcome::Cached { saved_micro_usd, .. } = settled.outcome {
            closing.saved_micro_usd = closing.saved_micro_usd.saturating_add(saved_micro_usd);
        }
    }
    let mut bytes = 0;
    for ix in resolver.graph.tasks() {
        let task = resolver.task(ix);
        if !(task.outputs.is_empty() && task.edits.is_empty()) {
            continue;
        }
        let Some(log) = resolver.ledger.record(&task.name).map_err(world)?.and_then(|record| record.log) else {
            continue;
        };
        let Some(log) = resolver.store.as_ref().and_then(|store| store.read(&log).ok().flatten()) else { continue };
        if log.is_empty() {
            continue;
        }
        let text = attempt_log::shown(&attempt_log::text(&log, None));
        bytes += text.len();
        if bytes > REPLAYED_BYTES_MAX {
            return Err(Unwitnessed::new("the logs of tasks without outputs are long".to_owned()));
        }
        closing.replayed.push((task.name.to_string(), text));
    }
    Ok((closing, of_tasks))
}

impl Moments {
    fn from(started_ms: u64) -> Self {
        let ns = |ms: u64| i64::try_from(ms.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
        Self { started_ns: ns(started_ms), now_ns: ns(now_ms()) }
    }
}
