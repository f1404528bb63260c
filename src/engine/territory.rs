//! Where it matters what happens: the directories that a build of a plan looks into. A watcher watches these and no others.
//!
//! Every directory that a wildcard walks, with what `.gitignore` names left out as the walk does; those of literal inputs,
//! of outputs, of the plan's files and of context files; and all that lie on the way to them from the project's root, also
//! where they are not there yet, since whoever makes them makes them there. Outside of the project the directories that are
//! searched for tools, for the names of the tools only. `.git` and `.orca` are never among them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::host::Host;
use super::resolve::Resolver;
use super::scan::{literals, obstacle, patterns, walker};
use super::session::Session;
use super::trust::consent_file;
use crate::base::{Pattern, RelPath};
use crate::plan::{ContextText, Document, Plan, includes};
use crate::sandbox::resolve_tool;

/// The entries of a directory that matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// All of them.
    All,
    /// These.
    These(BTreeSet<OsString>),
}

/// The directories that matter, absolute, also those that are not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Territory {
    /// With what matters in each.
    pub directories: BTreeMap<PathBuf, Names>,
    /// Files of the machine: tools, wherever they are, and consent.
    machine: BTreeSet<PathBuf>,
}

/// What a territory is found out from.
struct Ground<'a> {
    root: &'a Path,
    plan: &'a Plan,
    documents: &'a [Document],
}

impl Ground<'_> {
    fn territory(&self, host: &Host) -> Territory {
        let mut this = Territory::default();
        this.all(self.root.to_owned());
        this.plan_files(self.root, self.documents);
        this.sources(self.root, self.plan);
        this.outputs(self.root, self.plan);
        this.tools(self.plan, host);
        this
    }
}

impl Territory {
    /// Of an opened plan, also of an invalid one.
    #[must_use]
    pub fn of(session: &Session) -> Self {
        let ground = Ground { root: session.project.root(), plan: session.plan(), documents: &session.documents };
        ground.territory(&session.host)
    }

    /// Of the plan of a build, with what it and earlier ones put into the project.
    #[must_use]
    pub(super) fn of_build(resolver: &Resolver, documents: &[Document], host: &Host) -> Self {
        let ground = Ground { root: resolver.root.path(), plan: resolver.plan(), documents };
        let mut this = ground.territory(host);
        let is_made = |path: &RelPath| resolver.graph.owner(path).is_some();
        let made = resolver.ledger.published().into_keys().filter(is_made);
        for path in made.chain(resolver.ledger.edited().into_keys()) {
            this.around(ground.root, &path);
        }
        this
    }

    /// Of a plan that cannot be read: where it should be.
    #[must_use]
    pub fn around_plan(root: &Path) -> Self {
        Self { directories: BTreeMap::from([(root.to_owned(), Names::All)]), machine: BTreeSet::new() }
    }

    /// Of the file that keeps consent for a project.
    #[must_use]
    pub fn of_consent(host: &Host, root: &Path) -> Self {
        let mut this = Self::default();
        let file = consent_file(&host.state_dir, root);
        let mut way = vec![file.as_path()];
        // Whoever gives it makes the directories on the way, where they are not there.
        way.extend(file.ancestors().skip(1).take_while(|directory| !directory.exists()));
        way.into_iter().for_each(|path| this.names(path));
        this
    }

    /// Takes in another one as well.
    pub fn extend(&mut self, other: Self) {
        self.machine.extend(other.machine);
        for (directory, names) in other.directories {
            match (self.directories.get_mut(&directory), names) {
                (Some(Names::These(known)), Names::These(more)) => known.extend(more),
                (Some(Names::All), Names::These(_)) => {}
                (_, names) => drop(self.directories.insert(directory, names)),
            }
        }
    }

    /// Whether something that happened at this path may matter.
    #[must_use]
    pub fn covers(&self, path: &Path) -> bool {
        let Some((directory, name)) = path.parent().zip(path.file_name()) else { return false };
        match self.directories.get(directory) {
            Some(Names::All) => true,
            Some(Names::These(names)) => names.contains(name),
            None => self.directories.contains_key(path),
        }
    }

    /// Whether a path is that of a tool, or of what is on the way to consent: whatever happens to it may matter.
    #[must_use]
    pub fn is_of_machine(&self, path: &Path) -> bool {
        self.machine.contains(path)
    }

    fn all(&mut self, directory: PathBuf) {
        self.directories.insert(directory, Names::All);
    }

    /// A directory of the project and all on the way to it.
    fn way_to(&mut self, root: &Path, directory: &Path) {
        let mut at = directory;
        while at.starts_with(root) && at != root && !matches!(self.directories.get(at), Some(Names::All)) {
            self.all(at.to_owned());
            let Some(above) = at.parent() else { return };
            at = above;
        }
    }

    /// The directory that a path of the project lies in.
    fn around(&mut self, root: &Path, path: &RelPath) {
        if let Some(directory) = path.parent() {
            self.way_to(root, &directory.beneath(root));
        }
    }

    /// A file outside, or one that may be.
    fn names(&mut self, file: &Path) {
        let Some((directory, name)) = file.parent().zip(file.file_name()) else { return };
        // What PATH says may lead over `..` and over links.
        let Ok(directory) = directory.canonicalize() else { return };
        self.machine.insert(directory.join(name));
        if let Names::These(names) = self.directories.entry(directory).or_insert_with(|| Names::These(BTreeSet::new()))
        {
            names.insert(name.to_owned());
        }
    }

    fn plan_files(&mut self, root: &Path, documents: &[Document]) {
        for document in documents {
            self.around(root, &document.path);
            // A plan file may be a link to another one of the project.
            if let Ok(real) = document.path.beneath(root).canonicalize()
                && let Some(directory) = real.parent()
            {
                self.way_to(root, directory);
            }
            for (pattern, _) in includes(document).0 {
                self.pattern(root, &pattern);
            }
        }
    }

    fn sources(&mut self, root: &Path, plan: &Plan) {
        if !plan.gates.is_empty() {
            self.walk(root, &[root.to_owned()], true);
        }
        let bases: BTreeSet<String> =
            patterns(plan).filter(|pattern| pattern.as_literal().is_none()).map(Pattern::base).collect();
        let mut targets = Vec::new();
        for base in bases {
            targets.push(root.join(&base));
            self.way_to(root, &root.join(base));
        }
        self.walk(root, &targets, true);
        for path in literals(plan) {
            self.around(root, &path);
            let full = path.beneath(root);
            if obstacle(root, &path).is_none() && full.symlink_metadata().is_ok_and(|found| found.is_dir()) {
                self.way_to(root, &full);
                self.walk(root, &[full], false);
            }
        }
        for entry in plan.context.entries.values() {
            if let ContextText::File { path, .. } = entry {
                self.around(root, path);
            }
        }
    }

    fn pattern(&mut self, root: &Path, pattern: &Pattern) {
        match pattern.as_literal() {
            Some(path) => self.around(root, &path),
            None => {
                let base = root.join(pattern.base());
                self.way_to(root, &base);
                self.walk(root, &[base], true);
            }
        }
    }

    /// The directories beneath some, as far as a walk for files goes.
    fn walk(&mut self, root: &Path, targets: &[PathBuf], gitignore: bool) {
        let targets: Vec<PathBuf> =
            targets.iter().filter(|path| path.symlink_metadata().is_ok_and(|found| found.is_dir())).cloned().collect();
        if targets.is_empty() {
            return;
        }
        // What cannot be listed is said by the build; there is nothing to watch.
        for entry in walker(root, targets, gitignore).build().filter_map(Result::ok) {
            if entry.file_type().is_some_and(|kind| kind.is_dir()) {
                self.all(entry.into_path());
            }
        }
    }

    fn outputs(&mut self, root: &Path, plan: &Plan) {
        for task in plan.tasks.values() {
            for pattern in task.outputs.iter().chain(task.edits.iter()).filter(|pattern| !pattern.excludes()) {
                match pattern.as_literal() {
                    Some(path) => self.around(root, &path),
                    None => self.way_to(root, &root.join(pattern.base())),
                }
            }
        }
    }

    fn tools(&mut self, plan: &Plan, host: &Host) {
        let of_tasks = plan.tasks.values().flat_map(|task| &task.tools);
        let tools: BTreeSet<&String> = of_tasks.chain(plan.gate_defs.values().flat_map(|gate| &gate.tools)).collect();
        let path = host.path();
        for tool in tools {
            let found = resolve_tool(tool.as_ref(), &path);
            for directory in std::env::split_paths(&path).filter(|directory| directory.is_absolute()) {
                let file = directory.join(tool);
                self.names(&file);
                if found.as_ref() == Some(&file) {
                    break;
                }
            }
            if let Some(real) = found.and_then(|file| file.canonicalize().ok()) {
                self.names(&real);
            }
        }
    }
}
