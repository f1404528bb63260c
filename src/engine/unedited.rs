//! Tasks that read a file which another task edits, and do not wait for it: they see it as it was before the edit.
//!
//! That follows from what a task sees (its sources, and what the tasks it waits for made of them), and is hardly ever what
//! somebody means who writes a test of that file. Two tasks that read what each other edits are not told of: they cannot
//! both wait, and are meant to work side by side.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::session::Session;
use crate::base::{Finding, RelPath};
use crate::graph::{Graph, TaskIx};
use crate::plan::Task;

/// What a task reads of the files that one other task edits.
struct Read {
    /// The first of those it may only read.
    first: Option<RelPath>,
    /// How many of these there are.
    files: usize,
}

impl Session {
    /// Which tasks see files as they were before another task edits them. The files have to be surveyed.
    #[must_use]
    pub fn unedited(&self) -> Vec<Finding> {
        if !self.graph.has_editors() {
            return Vec::new();
        }
        let read = self.read_of_editors();
        let before = self.graph.editing_ancestors();
        let mut behind: HashMap<TaskIx, BTreeSet<TaskIx>> = HashMap::new();
        let mut findings = Vec::new();
        for ((reader, editor), of_pair) in &read {
            let Some(first) = &of_pair.first else { continue };
            if read.contains_key(&(*editor, *reader)) || before[reader.index()].contains(editor) {
                continue;
            }
            let editor_waits =
                behind.entry(*editor).or_insert_with(|| self.graph.with_deps(&BTreeSet::from([*editor])));
            if !editor_waits.contains(reader)
                && let Some(task) = self.plan().tasks.get(self.graph.name(*reader))
            {
                findings.push(unedited_file(task, first, of_pair.files, &self.graph, *editor));
            }
        }
        findings
    }

    /// By reader and editor; each pair that shares a file.
    fn read_of_editors(&self) -> BTreeMap<(TaskIx, TaskIx), Read> {
        let mut editors: HashMap<RelPath, BTreeSet<TaskIx>> = HashMap::new();
        let mut read = BTreeMap::new();
        for reader in self.graph.tasks() {
            let name = self.graph.name(reader);
            let Some(task) = self.plan().tasks.get(name) else { continue };
            for path in self.db.sources(name).iter() {
                let of_path = editors.entry(path.clone()).or_insert_with(|| self.graph.editors(path));
                let is_only_read = task.inputs.matches(path) && !task.edits.matches(path);
                for editor in of_path.iter().filter(|editor| **editor != reader) {
                    let of_pair = read.entry((reader, *editor)).or_insert(Read { first: None, files: 0 });
                    if is_only_read {
                        of_pair.first.get_or_insert_with(|| path.clone());
                        of_pair.files += 1;
                    }
                }
            }
        }
        read
    }
}

fn unedited_file(reader: &Task, first: &RelPath, files: usize, graph: &Graph, editor: TaskIx) -> Finding {
    let (name, editor) = (&reader.name, graph.name(editor));
    let message = match files {
        1 => format!("`{name}` reads `{first}`, which `{editor}` edits, and sees it as it was before that"),
        _ => format!(
            "`{name}` reads `{first}` and {} more that `{editor}` edits, and sees them as they were before that",
            files - 1
        ),
    };
    let inputs = reader.node.child("inputs");
    let position = reader.inputs.iter().position(|pattern| !pattern.excludes() && pattern.matches(first));
    let place = position.map_or_else(|| inputs.clone(), |position| inputs.element(position));
    let help = match reader.deps.is_empty() {
        true => format!("if `{name}` is to see what `{editor}` makes of it, let it wait: deps = [\"{editor}\"]"),
        false => format!("if `{name}` is to see what `{editor}` makes of it, let it wait: add \"{editor}\" to `deps`"),
    };
    Finding::warning("orca::task::unedited_file", message, place, "read from here").help(help)
}
