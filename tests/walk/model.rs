//! The sources and the plan as values, and a fresh project made of them.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "writes the sources of real projects")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::tasks::{AGENT, Task};
use super::{Kind, Random};
use crate::support::Project;

/// One source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file.
    File {
        /// What it says.
        text: String,
        /// Whether it may be executed.
        is_executable: bool,
    },
    /// A symbolic link.
    Link(String),
}

/// The sources of a project, its plan among them.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) sources: BTreeMap<String, Source>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) comment: u64,
    /// The value of `WALK` in orca's environment.
    pub(crate) walk: String,
    next: usize,
}

impl Source {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::File { text: text.into(), is_executable: false }
    }
}

impl Model {
    /// A project of some files and tasks.
    pub(crate) fn random(random: &mut Random) -> Self {
        let mut sources = BTreeMap::new();
        for path in ["s/a/keep.txt", "s/b/keep.txt", "orca.notes", "s/a/x1.txt", "s/a/f1.txt", "s/b/f2.txt"] {
            sources.insert(path.to_owned(), Source::text(format!("this is {path}\n")));
        }
        let tool = Source::File { text: "#!/bin/sh\n".to_owned(), is_executable: true };
        sources.insert("s/b/tool.sh".to_owned(), tool);
        sources.insert("s/a/link".to_owned(), Source::Link("f1.txt".to_owned()));
        let mut model = Self { sources, tasks: Vec::new(), comment: 0, walk: "one".to_owned(), next: 0 };
        for _ in 0..12 + random.below(6) {
            model.add_task(random);
        }
        model
    }

    /// One more task, at the end.
    pub(crate) fn add_task(&mut self, random: &mut Random) {
        self.tasks.push(Task::random(random, self.next, &self.tasks));
        self.next += 1;
    }

    /// A number that was not used in a name before.
    pub(crate) fn fresh(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    /// Takes a task away, and every mention of it.
    pub(crate) fn remove_task(&mut self, at: usize) {
        let gone = self.tasks.remove(at);
        for task in &mut self.tasks {
            task.deps.retain(|dep| *dep != gone.name);
            if let Some(output) = gone.owns() {
                task.inputs.retain(|input| !input.starts_with(output));
            }
            if task.inputs.is_empty() {
                task.inputs.push("orca.notes".to_owned());
            }
        }
    }

    /// Gives a task another output, also where others take it.
    pub(crate) fn move_output(&mut self, at: usize, to: &str) {
        let from = std::mem::replace(&mut self.tasks[at].output, to.to_owned());
        for input in self.tasks.iter_mut().flat_map(|task| &mut task.inputs) {
            if let Some(rest) = input.strip_prefix(&from)
                && (rest.is_empty() || rest.starts_with('/'))
            {
                *input = format!("{to}{rest}");
            }
        }
    }

    /// Renames a task, also where others wait for it.
    pub(crate) fn rename_task(&mut self, at: usize, to: &str) {
        let from = std::mem::replace(&mut self.tasks[at].name, to.to_owned());
        for dep in self.tasks.iter_mut().flat_map(|task| &mut task.deps).filter(|dep| **dep == from) {
            *dep = to.to_owned();
        }
    }

    /// The tasks that a person may damage the outputs of: an agent's changed output is kept, not restored.
    pub(crate) fn damageable(&self) -> Vec<Task> {
        let commands = self.tasks.iter().filter(|task| !matches!(task.kind, Kind::Agent | Kind::Check));
        commands.cloned().collect()
    }

    /// The plan's text.
    pub(crate) fn plan(&self) -> String {
        let mut text = format!("# comment {}\n[plan]\nname = \"walk\"\n{AGENT}", self.comment);
        self.tasks.iter().for_each(|task| task.toml(&mut text));
        text
    }

    /// Writes one source as the model has it; where it has none, removes it.
    pub(crate) fn put(&self, project: &Project, path: &str) {
        if project.exists(path) {
            project.remove(path);
        }
        match self.sources.get(path) {
            None => {}
            Some(Source::Link(target)) => {
                fs::create_dir_all(project.path(path).parent().expect("a file lies somewhere")).unwrap();
                project.symlink(target, path);
            }
            Some(Source::File { text, is_executable }) => {
                project.write(path, text);
                fs::set_permissions(
                    project.path(path),
                    fs::Permissions::from_mode(if *is_executable { 0o755 } else { 0o644 }),
                )
                .unwrap();
            }
        }
    }

    /// Writes the plan.
    pub(crate) fn put_plan(&self, project: &Project) {
        project.write("orca.toml", self.plan());
    }

    /// Writes everything.
    pub(crate) fn put_all(&self, project: &mut Project) {
        self.sources.keys().for_each(|path| self.put(project, path));
        self.put_plan(project);
        project.set_env("WALK", self.walk.clone());
    }
}
