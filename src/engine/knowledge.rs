//! What the last build of a process knows, and whether what lies in the project is still that.
//!
//! A watcher hears that something happened at a path; only content decides whether it means anything. Orca's own writes are
//! on record by the time anybody asks, so they are no news; nor is a file that was saved as it was, or made and removed
//! again. In doubt it is news: a build that finds nothing to do is harmless, one that does not happen is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::drift::placed_of;
use super::host::Host;
use super::ignored::Ignored;
use super::lock::{LOCK_NOTE, read_lock};
use super::resolve::Resolver;
use super::scan::{literals, obstacle, patterns};
use super::session::{CONTEXT_FILE_BYTES_MAX, EngineError};
use super::territory::Territory;
use crate::base::{BlobDigest, Entry, Pattern, RelPath};
use crate::db::{Lowered, OrcaDb};
use crate::gates::BASELINE_FILE;
use crate::plan::{Document, LOCK_FILE, includes};
use crate::store::Root;

/// Longest file that is compared by its text.
const TEXT_BYTES_MAX: u64 = 1 << 30;

/// What the plan asks for.
struct Shape {
    literals: BTreeSet<RelPath>,
    /// Of sources and of plan files.
    wildcards: Vec<Pattern>,
}

impl Shape {
    fn of(plan: &Lowered, documents: &[Document]) -> Self {
        let included = documents.iter().flat_map(|document| includes(document).0).map(|(pattern, _)| pattern);
        let all = patterns(&plan.plan).cloned().chain(included);
        let mut wildcards: Vec<Pattern> = all.filter(|pattern| pattern.as_literal().is_none()).collect();
        wildcards.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        wildcards.dedup_by(|a, b| a.as_str() == b.as_str());
        Self { literals: literals(&plan.plan).into_iter().collect(), wildcards }
    }

    fn names(&self, path: &RelPath) -> bool {
        self.literals.contains(path) || path.ancestors().any(|above| self.literals.contains(&above))
    }
}

/// What a build knew when it ended.
pub struct Knowledge {
    resolver: Arc<Resolver>,
    root: PathBuf,
    /// Those of the plan.
    documents: Arc<Vec<Document>>,
    territory: Arc<Territory>,
    shape: Arc<Shape>,
    read: ReadFiles,
}

/// Files that are read, are no task's, and are nowhere on record, by content: the baseline, and every `.gitignore`. To be
/// taken before the build that reads them begins.
#[derive(Debug, Clone, Default)]
pub struct ReadFiles(BTreeMap<RelPath, Option<BlobDigest>>);

impl ReadFiles {
    /// Those of a territory, in the project at `root`.
    #[must_use]
    pub fn of(root: &Path, territory: &Territory) -> Self {
        let inside = |path: PathBuf| inside(root, &path);
        let ignoring = territory.directories.keys().filter_map(|directory| inside(directory.join(".gitignore")));
        let all = ignoring.chain([RelPath::new(BASELINE_FILE).expect("a plain name")]);
        let Ok(opened) = Root::open(root) else { return Self::default() };
        Self(all.map(|path| (path.clone(), content(&opened, &path))).collect())
    }
}

fn content(root: &Root, path: &RelPath) -> Option<BlobDigest> {
    root.read(path, TEXT_BYTES_MAX).ok().map(|bytes| BlobDigest::of(&bytes))
}

/// An absolute path as one of the project, unless it is git's or orca's own, or has no name that a plan could say.
fn inside(root: &Path, path: &Path) -> Option<RelPath> {
    let inside = path.strip_prefix(root).ok()?;
    let is_hidden = |part: std::path::Component<'_>| [".git", ".orca"].iter().any(|name| part.as_os_str() == *name);
    if inside.components().any(is_hidden) {
        return None;
    }
    RelPath::from_disk(inside.to_str()?).ok()
}

impl Knowledge {
    /// What a build knows that has begun. Of the same plan what was known `before` need not be found out again.
    #[must_use]
    pub fn of(resolver: Arc<Resolver>, host: &Host, before: Option<&Self>, read: ReadFiles) -> Self {
        let documents = resolver.documents();
        let before = before.filter(|before| Arc::ptr_eq(&before.resolver.plan, &resolver.plan));
        let made = || Arc::new(Territory::of_build(&resolver, &documents, host));
        let territory = before.map_or_else(made, |before| Arc::clone(&before.territory));
        let root = resolver.root.path().to_owned();
        let known = before.map(|before| Arc::clone(&before.shape));
        let shape = known.unwrap_or_else(|| Arc::new(Shape::of(&resolver.plan, &documents)));
        Self { resolver, root, documents, territory, shape, read }
    }

    /// Takes in what a later build of a part of the plan found and made.
    pub fn take_in(&mut self, part: &Resolver, read: ReadFiles) {
        self.read = read;
        for task in part.graph.tasks() {
            let name = part.name(task);
            let sources = part.source_paths(task).into_iter();
            let states = sources.filter_map(|path| Some((path.clone(), part.known_source(&path)?))).collect();
            self.resolver.take_digests(states);
            let made = part.ledger.published_by(name);
            let before = self.resolver.ledger.published_by(name);
            let removed: Vec<RelPath> = before.into_keys().filter(|path| !made.contains_key(path)).collect();
            self.resolver.ledger.note_published(name, &made, &removed);
        }
    }

    /// Finds out once more which directories matter.
    pub fn look_around(&mut self, host: &Host) {
        self.territory = Arc::new(Territory::of_build(&self.resolver, &self.documents, host));
    }

    /// The directories that matter.
    #[must_use]
    pub fn territory(&self) -> &Arc<Territory> {
        &self.territory
    }

    /// The keys and records of that build.
    #[must_use]
    pub fn resolver(&self) -> &Arc<Resolver> {
        &self.resolver
    }

    /// Whether any of these absolute paths holds what that build did not find, or leave, there.
    pub fn is_news<'a>(&self, paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<bool, EngineError> {
        let ignored = Ignored::new(&self.root);
        for path in paths {
            if self.territory.is_of_machine(path) {
                return Ok(true);
            }
            let Some(inside) = self.relative(path) else { continue };
            if self.is_news_at(&inside, &ignored)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// As [`Knowledge::is_news`], while the build runs: of files only, and not of those where tasks write, since what lies
    /// there may be what they are just writing.
    pub fn is_news_meanwhile<'a>(&self, paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<bool, EngineError> {
        let ignored = Ignored::new(&self.root);
        let graph = &self.resolver.graph;
        for path in paths {
            let Some(inside) = self.relative(path) else { continue };
            let is_tasks = graph.owner(&inside).is_some()
                || self.resolver.ledger.published_at(&inside).is_some()
                || !graph.editors(&inside).is_empty()
                || inside.as_str() == LOCK_FILE;
            let is_directory = || path.symlink_metadata().is_ok_and(|found| found.is_dir());
            if !is_tasks && !is_directory() && self.is_news_at(&inside, &ignored)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn relative(&self, path: &Path) -> Option<RelPath> {
        inside(&self.root, path)
    }

    fn is_news_at(&self, path: &RelPath, ignored: &Ignored) -> Result<bool, EngineError> {
        if self.documents.iter().any(|document| document.path == *path) {
            return Ok(self.is_another_plan(path));
        }
        let is_read = self.read.0.get(path);
        let now = || content(&self.resolver.root, path);
        if is_read.is_some_and(|known| *known != now())
            || is_read.is_none() && path.file_name() == ".gitignore" && now().is_some()
            || path.as_str() == LOCK_FILE && self.is_another_lock()?
        {
            return Ok(true);
        }
        if let Some(known) = self.resolver.facts.texts.get(path) {
            let now = self.resolver.root.read(path, CONTEXT_FILE_BYTES_MAX).unwrap_or_default();
            if String::from_utf8_lossy(&now) != known.as_str() {
                return Ok(true);
            }
        }
        if obstacle(&self.root, path).is_some() {
            // What was a file has become something that no task can be given, or the other way round.
            return Ok(self.knows_anything_at(path));
        }
        let full = path.beneath(&self.root);
        match full.symlink_metadata() {
            Ok(found) if found.is_dir() => self.is_news_beneath(path, ignored),
            _ => Ok(self.is_news_of(path, ignored)? || self.is_anything_gone_beneath(path, ignored)?),
        }
    }

    /// Of a path that is no directory (any more): what was in it.
    fn is_anything_gone_beneath(&self, path: &RelPath, ignored: &Ignored) -> Result<bool, EngineError> {
        let known = self.resolver.known_sources_within(path);
        for known in known.into_iter().chain(self.resolver.ledger.published_within(path)) {
            if self.is_news_of(&known, ignored)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the journal is not in step with the lock, as it is with one that orca wrote.
    fn is_another_lock(&self) -> Result<bool, EngineError> {
        let noted = self.resolver.ledger.with_journal(|journal| journal.note(LOCK_NOTE))?.flatten();
        Ok(read_lock(&self.resolver.root)? != noted)
    }

    fn is_another_plan(&self, path: &RelPath) -> bool {
        let known = self.documents.iter().find(|document| document.path == *path);
        let now = std::fs::canonicalize(path.beneath(&self.root)).ok().and_then(|real| {
            let inside = RelPath::from_disk(real.strip_prefix(&self.root).ok()?.to_str()?).ok()?;
            self.resolver.root.read(&inside, TEXT_BYTES_MAX).ok()
        });
        known.map(|document| document.text.as_bytes()) != now.as_deref()
    }

    fn knows_anything_at(&self, path: &RelPath) -> bool {
        self.resolver.known_source(path).is_some_and(|known| known.is_some())
            || self.resolver.ledger.published_at(path).is_some()
    }

    /// A directory: what is in it now, and what was.
    fn is_news_beneath(&self, path: &RelPath, ignored: &Ignored) -> Result<bool, EngineError> {
        if self.is_news_of(path, ignored)? {
            return Ok(true);
        }
        let full = path.beneath(&self.root);
        let is_hidden = |entry: &ignore::DirEntry| matches!(entry.file_name().to_str(), Some(".git" | ".orca"));
        let mut walk = ignore::WalkBuilder::new(&full);
        walk.standard_filters(false).follow_links(false).filter_entry(move |entry| !is_hidden(entry));
        for entry in walk.build().filter_map(Result::ok).filter(|entry| entry.depth() > 0) {
            let Some(inside) = self.relative(entry.path()) else { continue };
            let is_dir = entry.file_type().is_some_and(|kind| kind.is_dir());
            let is_news = match is_dir {
                true => self.is_news_of(&inside, ignored)?,
                false => self.is_news_at(&inside, ignored)?,
            };
            if is_news {
                return Ok(true);
            }
        }
        self.is_anything_gone_beneath(path, ignored)
    }

    /// One path by itself.
    fn is_news_of(&self, path: &RelPath, ignored: &Ignored) -> Result<bool, EngineError> {
        let resolver = &self.resolver;
        let found = resolver.on_disk(path)?;
        if let Some(known) = resolver.ledger.provenance(path) {
            return Ok(!placed_of(&known, found.as_ref()).1);
        }
        if let Some(put) = resolver.ledger.published_at(path) {
            return Ok(resolver.found_for(path, &put.entry)?.as_ref() != Some(&put.entry));
        }
        if resolver.graph.owner(path).is_some() {
            // What will be there is the task's; what is there before is looked at when it is.
            return Ok(false);
        }
        if let Some(known) = resolver.known_source(path) {
            return Ok(known != found);
        }
        if resolver.lists(path) {
            // None of the tasks asked for needs it.
            return Ok(false);
        }
        Ok(found.is_some_and(|found| self.is_taken_in(path, &found, ignored)))
    }

    /// Whether something new is what a pattern asks for.
    fn is_taken_in(&self, path: &RelPath, found: &Entry, ignored: &Ignored) -> bool {
        if *found == Entry::EmptyDir && self.resolver.graph.provides(&Pattern::literal(path)) {
            return false;
        }
        let whole = !self.resolver.plan().gates.is_empty();
        let is_matched = || whole || self.shape.wildcards.iter().any(|pattern| pattern.matches(path));
        self.shape.names(path) || is_matched() && !ignored.matches(path)
    }
}

impl Resolver {
    /// What a source file was taken for; `None` where it is no source, or none that was needed.
    pub(super) fn known_source(&self, path: &RelPath) -> Option<Option<Entry>> {
        let db = self.db.lock().expect("no holder panics");
        if db.index().lists(path) { db.entry(path) } else { None }
    }

    /// Whether a path is source, needed or not.
    pub(super) fn lists(&self, path: &RelPath) -> bool {
        self.index().lists(path)
    }

    /// The source paths beneath a directory.
    pub(super) fn known_sources_within(&self, directory: &RelPath) -> Vec<RelPath> {
        self.index().within(directory).cloned().collect()
    }

    /// Takes the memos out, for the next build of this process. What is asked afterwards is answered from nothing.
    pub(super) fn take_memos(&self) -> OrcaDb {
        std::mem::take(&mut *self.db.lock().expect("no holder panics"))
    }
}
