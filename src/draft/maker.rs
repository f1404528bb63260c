//! From what was read to a draft: names, edges, files, gates. What a text says becomes what a plan can hold; where the two
//! differ, it is told.

use std::collections::{BTreeMap, BTreeSet};

use super::commands::gate_words;
use super::edges::edges;
use super::lines::Lines;
use super::model::{Draft, DraftError, DraftOptions, Drafted, ITEMS_MAX, LeftOut, Note, TASKS_MAX};
use super::names::{Names, shortened};
use super::reading::{Item, Reading, Status};
use super::render::{Parts, render};
use super::{markdown, task_master};
use crate::base::sanitize_line;

/// What a group says in the prompts of its tasks, in bytes; more goes to the background.
const GROUP_BYTES_MAX: usize = 4 << 10;

/// Drafts a plan from a text.
pub fn draft(text: &str, options: &DraftOptions<'_>) -> Result<Draft, DraftError> {
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Err(DraftError::Empty);
    }
    if is_json(text, options.source) {
        let text = text.trim_start_matches('\u{feff}');
        let value = serde_json::from_str(text).map_err(|error| json_error(&error))?;
        let reading = within_limits(task_master::read(text, &value))?;
        return Ok(Maker::new(reading, None, options).draft());
    }
    let lines = Lines::new(text);
    let reading = within_limits(markdown::read(&lines))?;
    Ok(Maker::new(reading, Some(&lines), options).draft())
}

/// A reading with tasks that are to be done, and not too many.
fn within_limits(reading: Reading) -> Result<Reading, DraftError> {
    let open = reading.items.iter().filter(|item| item.status == Status::Open).count();
    match (reading.items.len(), open) {
        (0, _) => Err(DraftError::NoTasks),
        (all, _) if open > TASKS_MAX || all > ITEMS_MAX => Err(DraftError::TooMany(all)),
        (all, 0) => Err(DraftError::AllDone(all)),
        _ => Ok(reading),
    }
}

fn is_json(text: &str, source: &str) -> bool {
    let name = source.to_ascii_lowercase();
    let is_markdown = [".md", ".markdown", ".txt"].iter().any(|ending| name.ends_with(ending));
    name.ends_with(".json") || !is_markdown && text.trim_start_matches('\u{feff}').trim_start().starts_with('{')
}

fn json_error(error: &serde_json::Error) -> DraftError {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default().to_owned();
    DraftError::Json { line: error.line().max(1), column: error.column().max(1), message }
}

pub(super) struct Maker<'a> {
    pub(super) reading: Reading,
    lines: Option<&'a Lines>,
    pub(super) options: &'a DraftOptions<'a>,
    /// The name of each item that is open.
    pub(super) names: Vec<Option<String>>,
    pub(super) tasks: Vec<Drafted>,
    gates: BTreeMap<String, String>,
    pub(super) notes: Vec<Note>,
}

impl<'a> Maker<'a> {
    fn new(reading: Reading, lines: Option<&'a Lines>, options: &'a DraftOptions<'a>) -> Self {
        let mut given = Names::default();
        let names = reading.items.iter().enumerate().map(|(at, item)| {
            let otherwise = format!("task-{}", at + 1);
            (item.status == Status::Open).then(|| given.give(item.id.as_deref(), &item.title, &otherwise))
        });
        let names = names.collect();
        Self { reading, lines, options, names, tasks: Vec::new(), gates: BTreeMap::new(), notes: Vec::new() }
    }

    fn draft(mut self) -> Draft {
        let mut edges = edges(&mut self.reading, &self.names);
        self.large_groups();
        self.tasks = (0..self.reading.items.len()).map(|item| self.task(item)).collect();
        let files = self.files(&mut edges);
        self.inputs(&edges, &files);
        for (item, deps) in edges.deps.iter().enumerate() {
            self.tasks[item].deps = deps.iter().filter_map(|dep| self.names[*dep].clone()).collect();
            self.tasks[item].remarks.append(&mut edges.remarks[item]);
        }
        let plan_gates = self.gates();
        self.finish(plan_gates)
    }

    /// What a group with tasks says has its place in their prompts, unless it is long.
    fn large_groups(&mut self) {
        let open = (0..self.names.len()).filter(|item| self.names[*item].is_some());
        let with_tasks: BTreeSet<usize> = open.flat_map(|item| self.chain(item)).collect();
        for group in 0..self.reading.groups.len() {
            if !with_tasks.contains(&group) {
                continue;
            }
            if let Some(lines) = self.lines {
                self.reading.groups[group].lines.iter().for_each(|at| lines.mark(*at..at + 1));
            }
            if self.reading.groups[group].text.len() > GROUP_BYTES_MAX {
                let title = format!("{}\n", self.reading.groups[group].title);
                let text = std::mem::replace(&mut self.reading.groups[group].text, title);
                self.reading.add_context("background", &text);
            }
        }
        for group in 0..self.reading.groups.len() {
            let has_tasks = with_tasks.contains(&group);
            let read = &self.reading.groups[group];
            if !has_tasks && self.lines.is_some() {
                for at in &read.lines {
                    self.reading.why.insert(*at, "stands above tasks that are done");
                }
            } else if !has_tasks {
                self.reading.unplaced.push((
                    0,
                    read.text.trim_end_matches('\n').to_owned(),
                    "stands above tasks that are done",
                ));
            }
        }
    }

    /// The groups of an item, outermost first.
    fn chain(&self, item: usize) -> Vec<usize> {
        let groups = std::iter::successors(self.reading.items[item].group, |group| self.reading.groups[*group].parent);
        let mut chain: Vec<usize> = groups.collect();
        chain.reverse();
        chain
    }

    fn task(&self, at: usize) -> Drafted {
        let item = &self.reading.items[at];
        let chain = self.chain(at);
        let mut prompt = item.text.clone();
        let about: Vec<&str> = chain
            .iter()
            .map(|group| &*self.reading.groups[*group].text)
            .filter(|text| !text.trim().is_empty())
            .collect();
        if !about.is_empty() {
            prompt.push_str("\nThis is a part of:\n");
            about.iter().for_each(|text| {
                prompt.push('\n');
                prompt.push_str(text);
            });
        }
        let mut tags: BTreeSet<String> = item.tags.iter().cloned().collect();
        let phases = chain.iter().filter(|group| self.reading.groups[**group].phase);
        tags.extend(
            phases
                .filter_map(|group| super::sections::phase_heading(&self.reading.groups[*group].title))
                .map(|phase| super::names::kept(&phase)),
        );
        let label = item.fields.acceptance_label.iter().map(|(at, text)| (*at, text.clone()));
        Drafted {
            name: self.names[at].clone().unwrap_or_default(),
            title: item.title.clone(),
            line: item.line + 1,
            prompt,
            acceptance: item.fields.acceptance.clone(),
            tags: tags.into_iter().filter(|tag| crate::base::Name::new(tag).is_ok()).collect(),
            remarks: label.collect(),
            heading: chain.first().map(|group| self.reading.groups[*group].title.clone()),
            ..Drafted::default()
        }
    }

    pub(super) fn note(&mut self, line: usize, why: String) {
        self.notes.push(Note { line: line + 1, text: String::new(), why });
    }

    /// Gates for the commands that tasks name, and for the whole: the names of the latter.
    fn gates(&mut self) -> Vec<String> {
        let mut names = Names::default();
        let mut by_command: BTreeMap<String, String> = BTreeMap::new();
        let mut gate = |command: &String, gates: &mut BTreeMap<String, String>| {
            let name = by_command.entry(command.clone()).or_insert_with(|| {
                let (program, rest) = gate_words(command);
                let name = names.give(Some(&program), &rest, "test");
                gates.insert(name.clone(), command.clone());
                name
            });
            name.clone()
        };
        for (item, task) in
            self.reading.items.iter().zip(&mut self.tasks).filter(|(item, _)| item.status == Status::Open)
        {
            let found: Vec<String> =
                item.fields.commands.iter().map(|command| gate(command, &mut self.gates)).collect();
            found.into_iter().for_each(|name| {
                if !task.gates.contains(&name) {
                    task.gates.push(name);
                }
            });
        }
        let mut of_plan: Vec<String> = Vec::new();
        for command in &self.reading.commands {
            let name = gate(command, &mut self.gates);
            if !of_plan.contains(&name) {
                of_plan.push(name);
            }
        }
        of_plan
    }

    fn finish(mut self, plan_gates: Vec<String>) -> Draft {
        let read = |(line, why): &(usize, String)| Note { line: line + 1, text: String::new(), why: why.clone() };
        let mut notes: Vec<Note> = self.reading.notes.iter().map(read).chain(std::mem::take(&mut self.notes)).collect();
        let open = || self.names.iter().zip(&self.tasks).filter(|(name, _)| name.is_some()).map(|(_, task)| task);
        for task in open().filter(|task| task.outputs.is_empty() && task.edits.is_empty()) {
            let why = format!("`{}` names no file that it makes or changes: add `outputs` or `edits`", task.name);
            notes.push(Note { line: task.line, text: String::new(), why });
        }
        let mut unplaced: Vec<Note> = Vec::new();
        if let Some(lines) = self.lines {
            let replaced = lines.replaced.iter().map(|at| (*at, "a NUL character became U+FFFD".to_owned()));
            notes.extend(replaced.map(|place| read(&place)));
            let why = |at: usize| self.reading.why.get(&at).copied().unwrap_or("belongs to no task");
            unplaced.extend(lines.unused().map(|(at, text)| Note {
                line: at + 1,
                text: text.trim().to_owned(),
                why: why(at).to_owned(),
            }));
        }
        let further = self.reading.unplaced.iter();
        unplaced.extend(further.map(|(line, text, why)| Note {
            line: line + 1,
            text: text.clone(),
            why: (*why).to_owned(),
        }));
        unplaced.sort();
        notes.sort();
        notes.dedup();
        let closed = |item: &Item| match &item.status {
            Status::Open => None,
            Status::Closed(status) => {
                let id = item.id.as_ref().map(|id| format!("{id} ")).unwrap_or_default();
                let title = format!("{id}{}", item.title);
                Some(LeftOut { line: item.line + 1, end_line: item.end, title, status: status.clone() })
            }
        };
        let mut draft = Draft {
            format: self.reading.format,
            plan: String::new(),
            files: BTreeMap::new(),
            tasks: open().cloned().collect(),
            gates: std::mem::take(&mut self.gates),
            left_out: self.reading.items.iter().filter_map(closed).collect(),
            unplaced,
            notes,
        };
        for (key, text) in &self.reading.context {
            if text.len() > self.options.context_bytes_max {
                draft.files.insert(format!("orca-{key}.md"), text.clone());
            }
        }
        let title = self.reading.title.as_deref().map(shortened).map(|title| sanitize_line(&title));
        let parts = Parts {
            options: self.options,
            title,
            context: std::mem::take(&mut self.reading.context),
            plan_gates,
            draft: &draft,
        };
        draft.plan = render(&parts);
        draft
    }
}
