//! Markdown read as a plan: which sections and items are tasks, which are groups of them, and what the rest is good for.
//!
//! | in the text | becomes |
//! |---|---|
//! | a heading `Task 1`, `T-001`, `Step 2`, or one with files, dependencies or criteria beneath it | a task, with all that stands beneath |
//! | an item with a box to check, outside of those | a task; one within another only if it has an id |
//! | without any of these: numbered items, then items under a heading such as "Steps", then phases | tasks |
//! | a heading with tasks beneath | a group: its words go into the prompt of each |
//! | a heading whose words say "architecture", "constraints", ... | a text of `[context]` |
//! | what stands before the first task | the background |
//! | anything else | told as not placed |

use std::collections::{BTreeMap, BTreeSet};

use super::blocks::{Block, Kind, blocks};
use super::labels::{Label, Topic, label, plain, topic};
use super::lines::{Lines, dedented, is_only_signs};
use super::list_tasks::{Head, Mode, head, is_task};
use super::model::ITEMS_MAX;
use super::names::shortened;
use super::reading::{Format, Group, Need, Reading, Told};
use super::references::{Index, Target};
use super::sections::{Section, has_task_fields, phase_heading, sections, task_heading};

/// Reads a Markdown plan. The lines of groups are not marked: whether they find a place is not known yet.
pub(super) fn read(lines: &Lines) -> Reading {
    let blocks = blocks(lines);
    let mut code: Vec<Option<String>> = vec![None; lines.len()];
    let mut machinery = Vec::new();
    for block in &blocks {
        block.walk(&mut |block| match &block.kind {
            Kind::Code(language) => code[block.lines.clone()].fill(Some(language.clone())),
            Kind::Machinery => machinery.extend(block.lines.clone()),
            _ => {}
        });
    }
    let sections = sections(blocks, lines);
    let mut reader = Reader {
        lines,
        code,
        tasks: task_sections(&sections, lines),
        sections,
        with_tasks: Vec::new(),
        mode: Mode::Boxes,
        reading: Reading::new(Format::Markdown),
    };
    for mode in [Mode::Boxes, Mode::Numbers, Mode::Bullets, Mode::Never] {
        reader.mode = mode;
        if mode == Mode::Never {
            reader.tasks = reader.sections.iter().map(|section| phase_heading(&section.title).is_some()).collect();
        }
        reader.with_tasks = reader.with_tasks();
        if reader.with_tasks.contains(&true) {
            break;
        }
    }
    for line in machinery {
        reader.reading.why.insert(line, "no text for an agent");
    }
    reader.run()
}

/// Which sections are tasks by their heading or their fields.
fn task_sections(sections: &[Section], lines: &Lines) -> Vec<bool> {
    let headings: Vec<_> = sections.iter().map(|section| task_heading(&section.title)).collect();
    let mut is_task: Vec<bool> = (0..sections.len())
        .map(|at| {
            let section = &sections[at];
            let by_fields =
                section.level > 1 && phase_heading(&section.title).is_none() && topic(&section.title) == Topic::Other;
            headings[at].is_some() || by_fields && has_task_fields(section, lines)
        })
        .collect();
    // A task of steps is one task; a step or a heading of tasks is a group of them.
    for at in 0..sections.len() {
        let kind = |at: usize| headings[at].as_ref().map_or("", |heading| &*heading.kind);
        let beneath = (at + 1..sections.len()).take_while(|below| sections[*below].level > sections[at].level);
        let mut inner = beneath.filter(|below| headings[*below].is_some());
        if is_task[at] && inner.any(|below| kind(below) != "step" || kind(at) == "step") {
            is_task[at] = false;
        }
    }
    is_task
}

pub(super) struct Reader<'a> {
    pub(super) lines: &'a Lines,
    /// For every line in code, the language.
    pub(super) code: Vec<Option<String>>,
    pub(super) sections: Vec<Section>,
    /// Which sections are tasks.
    tasks: Vec<bool>,
    /// Which sections have tasks in them or beneath them.
    with_tasks: Vec<bool>,
    mode: Mode,
    pub(super) reading: Reading,
}

impl Reader<'_> {
    fn run(mut self) -> Reading {
        let mut groups: Vec<Option<usize>> = vec![None; self.sections.len()];
        let mut after_tasks = false;
        let mut told = Vec::new();
        for at in 0..self.sections.len() {
            if self.owner(at).is_some() {
                continue;
            }
            let parent = self.sections[at].parent.and_then(|parent| groups[parent]);
            if self.tasks[at] {
                self.heading_task(at, parent);
                after_tasks = true;
            } else if self.with_tasks[at] {
                groups[at] = self.group(at, parent);
                let lists: Vec<Block> = self.task_lists(at).cloned().collect();
                for list in &lists {
                    self.list(list, groups[at], 0);
                    after_tasks = true;
                }
            } else if self.is_about_order(at) {
                told.push(at);
            } else {
                self.prose(at, parent, after_tasks);
            }
        }
        if self.reading.items.len() > ITEMS_MAX {
            return self.reading;
        }
        self.number_groups();
        self.reading.format = if self.is_spec_kit() { Format::SpecKit } else { Format::Markdown };
        told.into_iter().for_each(|at| self.dependencies(at));
        self.reading
    }

    /// Whether the section, or one it is in, is about dependencies.
    fn is_about_order(&self, at: usize) -> bool {
        let mut chain = std::iter::successors(Some(at), |at| self.sections[*at].parent);
        chain.any(|at| self.sections[at].level > 1 && topic(&self.sections[at].title) == Topic::Dependencies)
    }

    /// The task section that this one is a part of.
    fn owner(&self, at: usize) -> Option<usize> {
        std::iter::successors(self.sections[at].parent, |at| self.sections[*at].parent).find(|at| self.tasks[*at])
    }

    fn is_spec_kit(&self) -> bool {
        let is_t = |id: &str| {
            id.strip_prefix('T').is_some_and(|rest| rest.len() >= 3 && rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        self.mode == Mode::Boxes && self.reading.items.iter().any(|item| item.id.as_deref().is_some_and(is_t))
    }

    /// For every section, whether there are tasks in it or beneath it.
    fn with_tasks(&self) -> Vec<bool> {
        let mut found = vec![false; self.sections.len()];
        for at in 0..self.sections.len() {
            let has_own = self.tasks[at] || self.owner(at).is_none() && self.task_lists(at).next().is_some();
            if has_own {
                let chain = std::iter::successors(Some(at), |at| self.sections[*at].parent);
                chain.for_each(|at| found[at] = true);
            }
        }
        found
    }

    /// The lists of a section, outside of other blocks, in which there are tasks.
    fn task_lists(&self, at: usize) -> impl Iterator<Item = &Block> {
        let section = &self.sections[at];
        let words = plain(&section.title);
        let subject = topic(&section.title);
        let fits = match self.mode {
            Mode::Boxes => subject != Topic::Criteria,
            Mode::Numbers => subject == Topic::Other,
            Mode::Bullets => {
                let is_work = ["task", "step", "todo", "to do", "to-do", "implementation", "work", "plan"];
                phase_heading(&section.title).is_some()
                    || subject == Topic::Other && is_work.iter().any(|word| words.contains(word))
            }
            Mode::Never => false,
        };
        section.body.iter().filter(move |block| fits && self.is_task_list(block, 0))
    }

    fn is_task_list(&self, list: &Block, depth: usize) -> bool {
        matches!(list.kind, Kind::List { .. })
            && list
                .children
                .iter()
                .any(|item| is_task(&self.head(item), list, self.mode, depth) || self.has_nested(item, depth))
    }

    /// Whether there are tasks in the lists of an item.
    fn has_nested(&self, item: &Block, depth: usize) -> bool {
        let depth = if self.head(item).sign.is_some() { depth + 1 } else { depth };
        self.mode == Mode::Boxes && item.children.iter().any(|list| self.is_task_list(list, depth))
    }

    fn head(&self, item: &Block) -> Head {
        head(self.lines.line(item.lines.start))
    }

    fn list(&mut self, list: &Block, group: Option<usize>, depth: usize) {
        for item in &list.children {
            let head = self.head(item);
            let is_task = is_task(&head, list, self.mode, depth);
            if self.has_nested(item, depth) {
                let nested: Vec<&Block> =
                    item.children.iter().filter(|list| matches!(list.kind, Kind::List { .. })).collect();
                let below = if head.sign.is_some() { depth + 1 } else { depth };
                let nested: Vec<&Block> = nested.into_iter().filter(|list| self.is_task_list(list, below)).collect();
                let own =
                    item.lines.clone().filter(|line| !nested.iter().any(|list| list.lines.contains(line))).collect();
                let number = self.add_group(group, head.title.clone(), own, head.id.clone());
                nested.into_iter().for_each(|list| self.list(list, Some(number), below));
            } else if is_task {
                self.item(item, head, group);
            }
        }
    }

    /// Takes a heading of the first level for the plan's title, if it is the first with words.
    fn title(&mut self, at: usize) -> bool {
        let section = &self.sections[at];
        let is_title =
            section.level == 1 && self.reading.title.is_none() && section.title.chars().any(char::is_alphanumeric);
        if is_title {
            self.reading.title = Some(section.title.clone());
        }
        is_title
    }

    /// A group for a section with tasks in or beneath it. The first level is the plan itself, and what stands before all
    /// headings belongs to no group.
    fn group(&mut self, at: usize, parent: Option<usize>) -> Option<usize> {
        let section = &self.sections[at];
        let mut in_task = vec![false; section.lines.len()];
        for list in self.task_lists(at) {
            for item in &list.children {
                if self.has_nested(item, 0) || is_task(&self.head(item), list, self.mode, 0) {
                    let from = item.lines.start - section.lines.start;
                    in_task[from..from + item.lines.len()].fill(true);
                }
            }
        }
        let prose: Vec<usize> =
            section.lines.clone().zip(in_task).filter(|(_, in_task)| !in_task).map(|(at, _)| at).collect();
        let alias = phase_heading(&section.title);
        let is_apart = alias.is_none() && self.task_lists(at).next().is_none();
        if let (Topic::Context(key), true, true) = (topic(&section.title), is_apart, section.level > 1) {
            self.background(key, &prose);
            return parent;
        }
        if section.level == 0 || section.level == 1 && alias.is_none() {
            self.title(at);
            self.background("background", &prose);
            return None;
        }
        let (title, is_phase) = (section.title.clone(), alias.is_some());
        let number = self.add_group(parent, title, prose, alias);
        self.reading.groups[number].phase = is_phase;
        Some(number)
    }

    fn add_group(&mut self, parent: Option<usize>, title: String, lines: Vec<usize>, alias: Option<String>) -> usize {
        let lines: Vec<usize> = lines.into_iter().filter(|at| !self.is_machinery(*at)).collect();
        let first = lines.first().map(|at| head(self.lines.line(*at).trim_start().trim_start_matches('#')).words);
        let rest = lines.iter().skip(1).map(|at| self.lines.line(*at));
        let text = format!("{}\n{}", first.unwrap_or_default(), prose(rest));
        let mut needs: Option<Vec<Need>> = None;
        for at in &lines {
            match label(self.lines.line(*at)) {
                Some((Label::Depends, rest)) if !rest.is_empty() && self.code[*at].is_none() => {
                    needs.get_or_insert_default().push(Need { text: rest.to_owned(), line: *at });
                }
                _ => self.commands_in(*at),
            }
        }
        let mut aliases = vec![title.clone()];
        aliases.extend(alias.iter().cloned());
        aliases.extend(title.split_once([':', '-', '—', '–']).map(|(_, words)| words.to_owned()));
        self.reading.groups.push(Group { parent, title: shortened(&title), text, lines, phase: false, aliases, needs });
        self.reading.groups.len() - 1
    }

    fn commands_in(&mut self, at: usize) {
        let found: Vec<String> = match self.code[at].as_deref() {
            Some("sh" | "bash" | "shell" | "console") => {
                super::commands::test_command(self.lines.line(at)).into_iter().collect()
            }
            Some(_) => return,
            None => super::commands::in_line(self.lines.line(at)).collect(),
        };
        self.reading.commands.extend(found);
    }

    /// A section without tasks.
    fn prose(&mut self, at: usize, parent: Option<usize>, after_tasks: bool) {
        let section = &self.sections[at];
        let own: Vec<usize> = section.lines.clone().collect();
        if own.iter().all(|at| is_only_signs(self.lines.line(*at))) {
            return;
        }
        let above = std::iter::successors(section.parent, |at| self.sections[*at].parent);
        let topics: Vec<Topic> = std::iter::once(at).chain(above).map(|at| topic(&self.sections[at].title)).collect();
        let found = topics.iter().copied().find(|topic| *topic != Topic::Other).unwrap_or(Topic::Other);
        let is_title = self.title(at);
        match found {
            Topic::Legend => self.because(&own, "says how to read the plan"),
            _ if parent.is_some() => {
                let group = parent.expect("just asked");
                let lines: Vec<usize> = own.into_iter().filter(|at| !self.is_machinery(*at)).collect();
                let text = prose(lines.iter().map(|at| self.lines.line(*at)));
                lines.iter().for_each(|at| self.commands_in(*at));
                let group = &mut self.reading.groups[group];
                group.text.push_str(&text);
                group.lines.extend(lines);
            }
            Topic::Context(key) if !is_title => self.background(key, &own),
            Topic::Criteria => self.background("requirements", &own),
            _ if !after_tasks => self.background("background", &own),
            _ => self.because(&own, "stands after the tasks, and under no heading that says what it is for"),
        }
    }

    /// Puts lines into `[context]`.
    fn background(&mut self, key: &'static str, lines: &[usize]) {
        let lines: Vec<usize> = lines.iter().copied().filter(|at| !self.is_machinery(*at)).collect();
        let text = prose(lines.iter().map(|at| self.lines.line(*at)));
        if !text.chars().any(char::is_alphanumeric) {
            return;
        }
        self.reading.add_context(key, &text);
        for at in lines {
            self.lines.mark(at..at + 1);
            self.commands_in(at);
        }
    }

    fn is_machinery(&self, at: usize) -> bool {
        self.reading.why.contains_key(&at)
    }

    fn because(&mut self, lines: &[usize], why: &'static str) {
        for at in lines {
            self.reading.why.entry(*at).or_insert(why);
        }
    }

    /// Edges that a section about dependencies tells, clause by clause.
    fn dependencies(&mut self, at: usize) {
        let own = self.sections[at].lines.clone();
        let mut index = Index::default();
        for (at, item) in self.reading.items.iter().enumerate() {
            item.id.iter().for_each(|id| _ = index.add(id, Target::Item(at)));
        }
        for at in own.clone() {
            let line = self.lines.line(at);
            if self.code[at].is_some() {
                continue;
            }
            let told = super::edges::told(line, &index);
            if told.is_empty() {
                continue;
            }
            let text = super::labels::after_markers(line).to_owned();
            self.lines.mark(at..at + 1);
            self.reading.told.extend(told.into_iter().map(|(item, dep)| Told {
                item,
                dep,
                line: at,
                text: text.clone(),
            }));
        }
        self.because(&own.collect::<Vec<_>>(), "tells of an order, and names no tasks that it is between");
    }

    /// Where items `1.1` and `1.2` stand beside an item `1`, that one is a group of them.
    fn number_groups(&mut self) {
        if self.mode != Mode::Boxes {
            return;
        }
        let is_dotted = |id: &str| !id.is_empty() && id.chars().all(|c| c.is_ascii_digit() || c == '.');
        let above = |id: &str| id.rsplit_once('.').map(|(above, _)| above.to_owned());
        let ids = self.reading.items.iter().filter_map(|item| item.id.clone()).filter(|id| is_dotted(id));
        let parents: BTreeSet<String> =
            ids.flat_map(|id| std::iter::successors(above(&id), |id| above(id)).collect::<Vec<_>>()).collect();
        let mut groups: BTreeMap<String, usize> = BTreeMap::new();
        for mut item in std::mem::take(&mut self.reading.items) {
            let id = item.id.clone().filter(|id| is_dotted(id)).unwrap_or_default();
            let mut over = std::iter::successors(above(&id), |id| above(id));
            if let Some(group) = over.find_map(|id| groups.get(&id)) {
                item.group = Some(*group);
            }
            if !parents.contains(&id) || groups.contains_key(&id) {
                self.reading.items.push(item);
                continue;
            }
            let labels = item.fields.acceptance_label.iter().map(|(_, text)| text);
            let criteria = labels.chain(&item.fields.acceptance).map(|text| format!("{text}\n"));
            let group = Group {
                parent: item.group,
                title: item.title,
                text: std::iter::once(item.text).chain(criteria).collect(),
                lines: (item.line..item.end).collect(),
                phase: false,
                aliases: item.aliases,
                needs: item.fields.needs,
            };
            self.reading.groups.push(group);
            groups.insert(id, self.reading.groups.len() - 1);
        }
        // What is a group now is placed only if a task of it is.
        for group in groups.into_values() {
            let lines = self.reading.groups[group].lines.clone();
            lines.into_iter().for_each(|at| self.lines.unmark(at));
        }
    }
}

/// What a heading says, from lines that others were taken out of: without rules at its ends, and gaps no wider than a line.
fn prose<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let is_gap = |line: &&str| is_only_signs(line);
    let lines: Vec<&str> = lines.collect();
    let end = lines.iter().rposition(|line| !is_gap(line)).map_or(0, |at| at + 1);
    // What is under a title is not a rule.
    let is_underline = |line: &&&str| !line.trim().is_empty() && line.trim().chars().all(|c| c == '=');
    let kept = lines[..end].iter().chain(lines[end..].iter().take(1).filter(is_underline)).copied();
    let mut text: Vec<&str> = Vec::new();
    for line in kept {
        if !(line.trim().is_empty() && text.last().is_some_and(|last| last.trim().is_empty())) {
            text.push(line);
        }
    }
    dedented(text.into_iter().skip_while(|line| is_gap(line)).collect::<Vec<_>>().into_iter())
}
