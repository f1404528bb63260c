//! Which files each task makes, changes and is shown.
//!
//! INVARIANT: a file is made by one task. All that change it come after that one, and no task is shown what comes after it.

use std::collections::{BTreeMap, BTreeSet};

use super::edges::Edges;
use super::files::unusable;
use super::maker::Maker;
use super::model::{Found, Note};
use super::reading::Role;
use crate::base::RelPath;

/// Files made earlier that a task is shown, and exclusions from a directory.
const SHOWN_MAX: usize = 50;
/// Files at the top of a project that say how it is built; every task sees them.
const MANIFESTS: [&str; 18] = [
    "AGENTS.md",
    "CLAUDE.md",
    "CMakeLists.txt",
    "Cargo.lock",
    "Cargo.toml",
    "Makefile",
    "README.md",
    "build.gradle",
    "go.mod",
    "go.sum",
    "package-lock.json",
    "package.json",
    "pnpm-lock.yaml",
    "pom.xml",
    "pyproject.toml",
    "requirements.txt",
    "setup.py",
    "tsconfig.json",
];

/// Who makes a file, and how its path is spelled, by the path in lower case.
pub(super) type Makers = BTreeMap<String, (usize, String)>;

/// How a task names a file.
struct Named {
    role: Role,
    line: usize,
    /// Whether the task may be the one that makes it.
    is_made: bool,
}

impl Maker<'_> {
    /// Who makes and who changes which file. The first to name one that is not there makes it; later ones change it, and
    /// wait for that. Answers who makes what.
    pub(super) fn files(&mut self, edges: &mut Edges) -> Makers {
        let mut makers = Makers::new();
        for item in edges.order.clone() {
            for (path, named) in self.mentioned(item) {
                self.file(item, path, named, edges, &mut makers);
            }
        }
        makers
    }

    /// The files a task names. Where fields list files, prose makes none; and a bare name in prose is made only where the
    /// first line names it and no path of the task ends in it.
    fn mentioned(&self, item: usize) -> BTreeMap<String, Named> {
        let read = &self.reading.items[item];
        let mentions = &read.fields.mentions;
        let are_listed = mentions.iter().any(|mention| mention.is_listed && mention.role != Role::Read);
        let is_elsewhere = |name: &str| mentions.iter().any(|other| other.path.ends_with(&format!("/{name}")));
        let mut named: BTreeMap<String, Named> = BTreeMap::new();
        for mention in mentions {
            let path = &*mention.path;
            let is_plain = path.contains('/') || mention.line == read.line || MANIFESTS.contains(&path);
            let is_made = mention.is_listed || !are_listed && is_plain && (path.contains('/') || !is_elsewhere(path));
            let known =
                named.entry(path.to_owned()).or_insert(Named { role: mention.role, line: mention.line, is_made });
            known.role = known.role.min(mention.role);
            known.is_made |= is_made;
        }
        named
    }

    fn file(&mut self, item: usize, path: String, named: Named, edges: &mut Edges, makers: &mut Makers) {
        let Named { role, line, is_made } = named;
        let name = self.names[item].clone().unwrap_or_default();
        let found = match (unusable(&path), RelPath::new(&path)) {
            (Some(why), _) => Found::Unusable(why.to_owned()),
            (None, Ok(path)) => (self.options.look_up)(&path),
            (None, Err(error)) => Found::Unusable(error.to_string()),
        };
        let folded = path.to_lowercase();
        match (found, makers.get(&folded)) {
            (Found::Unusable(_), _) if role == Role::Read => {}
            (Found::Unusable(why), _) => self.note(line, format!("`{name}` names `{path}`, and it is left out: {why}")),
            (Found::File | Found::Directory, _) if role == Role::Read => self.tasks[item].inputs.push(path),
            (Found::File | Found::Directory, _) => {
                if role == Role::Create {
                    self.note(line, format!("`{name}` is to make `{path}`, which is there: it edits it"));
                }
                self.tasks[item].edits.push(path);
            }
            (Found::Nothing, Some((maker, spelled))) if *spelled == path => {
                let maker = *maker;
                if role == Role::Create {
                    let other = self.names[maker].clone().unwrap_or_default();
                    self.note(line, format!("`{other}` makes `{path}` before `{name}`, which edits it"));
                }
                edges.deps[item].insert(maker);
                let list = if role == Role::Read { &mut self.tasks[item].inputs } else { &mut self.tasks[item].edits };
                list.push(path);
            }
            (Found::Nothing, Some((_, spelled))) => {
                let why =
                    format!("`{name}` names `{path}`, and it is left out: it differs from `{spelled}` only in case");
                self.note(line, why);
            }
            (Found::Nothing, None) if role == Role::Read || !is_made => {}
            (Found::Nothing, None) => {
                let meets = |other: &&String| {
                    other.starts_with(&format!("{folded}/")) || folded.starts_with(&format!("{other}/"))
                };
                if let Some(other) = makers.keys().find(meets) {
                    let why = format!(
                        "`{name}` names `{path}`, and it is left out: another task makes `{other}`, and one would lie in the other"
                    );
                    self.note(line, why);
                    return;
                }
                if role == Role::Modify {
                    self.note(line, format!("`{name}` is to change `{path}`, which is not there: it makes it"));
                }
                makers.insert(folded, (item, path.clone()));
                self.tasks[item].outputs.push(path);
            }
        }
    }

    /// What each task is shown besides what it names: how the project is built, what was made before it, and the directories
    /// it works in.
    pub(super) fn inputs(&mut self, edges: &Edges, makers: &Makers) {
        let look_up = |path: &str| RelPath::new(path).map_or(Found::Nothing, |path| (self.options.look_up)(&path));
        let manifests: Vec<&str> = MANIFESTS.into_iter().filter(|name| look_up(name) == Found::File).collect();
        let mut before: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); self.tasks.len()];
        for item in &edges.order {
            let all = edges.deps[*item].iter().flat_map(|dep| before[*dep].iter().copied().chain([*dep])).collect();
            before[*item] = all;
        }
        for item in &edges.order {
            let item = *item;
            let task = &self.tasks[item];
            let mut inputs: BTreeSet<String> = task.inputs.iter().cloned().collect();
            inputs.extend(manifests.iter().map(|name| (*name).to_owned()));
            let indirect = before[item].iter().filter(|dep| !edges.deps[item].contains(dep));
            let made: Vec<&String> = indirect.flat_map(|dep| &self.tasks[*dep].outputs).collect();
            if made.len() > SHOWN_MAX {
                let said =
                    format!("`{}` is shown {SHOWN_MAX} of {} files that tasks before it make", task.name, made.len());
                self.notes.push(Note { line: task.line, text: String::new(), why: said });
            }
            let task = &self.tasks[item];
            inputs.extend(made.into_iter().rev().take(SHOWN_MAX).cloned());
            let own: BTreeSet<&String> = task.edits.iter().chain(&task.outputs).collect();
            inputs.retain(|path| !own.contains(path));
            let directories: BTreeSet<String> =
                own.iter().filter_map(|path| directory(path, &look_up)).filter(|_| self.options.wildcards).collect();
            let mut patterns: Vec<String> = Vec::new();
            let mut exclusions: BTreeSet<String> = BTreeSet::new();
            for directory in
                directories.iter().filter(|one| !directories.iter().any(|other| one.starts_with(&format!("{other}/"))))
            {
                let within = makers.values().filter(|(_, path)| path.starts_with(&format!("{directory}/")));
                let later: Vec<&String> = within
                    .filter(|(maker, _)| *maker != item && !before[item].contains(maker))
                    .map(|(_, path)| path)
                    .collect();
                if later.len() <= SHOWN_MAX {
                    patterns.push(format!("{directory}/**"));
                    exclusions.extend(later.into_iter().map(|path| format!("!{path}")));
                }
            }
            let task = &mut self.tasks[item];
            task.inputs = patterns.into_iter().chain(inputs).chain(exclusions).collect();
        }
    }
}

/// The nearest directory above a path that the project has, but for its root.
fn directory(path: &str, look_up: &impl Fn(&str) -> Found) -> Option<String> {
    let path = RelPath::new(path).ok()?;
    path.ancestors().map(String::from).find(|above| look_up(above) == Found::Directory)
}
