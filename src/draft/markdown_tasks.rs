//! The tasks of a Markdown plan, from the lines they stand on: items with their first line taken apart, and headings with all
//! beneath them.

use std::ops::Range;

use super::blocks::Block;
use super::fields::{Line, fields};
use super::labels::plain;
use super::lines::dedented;
use super::list_tasks::{Head, head};
use super::markdown::Reader;
use super::names::shortened;
use super::reading::{Item, Status};
use super::sections::{phase_heading, task_heading};

impl Reader<'_> {
    pub(super) fn item(&mut self, block: &Block, head: Head, group: Option<usize>) {
        let range = block.lines.clone();
        let status = match head.sign {
            Some(sign) if "xX✓✔✅".contains(sign) => Status::Closed("done".to_owned()),
            Some('-') => Status::Closed("dropped".to_owned()),
            _ => Status::Open,
        };
        if let Some(sign) = head.sign.filter(|sign| "~!/>?".contains(*sign)) {
            let note = format!("`[{sign}]` is no state that is known: the task is taken for open");
            self.reading.notes.push((range.start, note));
        }
        let mut aliases: Vec<String> = head.id.iter().chain(&head.number).cloned().collect();
        aliases.extend(head.number.iter().flat_map(|number| [format!("task {number}"), format!("step {number}")]));
        aliases.push(head.title.clone());
        let tags = head.tags.iter().map(|tag| super::names::kept(tag)).filter(|tag| !tag.is_empty()).collect();
        self.push(
            range,
            head.words,
            Draw { id: head.id, title: head.title, parallel: head.parallel, status, aliases, tags, group },
        );
    }

    pub(super) fn heading_task(&mut self, at: usize, group: Option<usize>) {
        let section = &self.sections[at];
        let range = section.lines.start..section.end;
        let found = task_heading(&section.title);
        let title = found
            .as_ref()
            .map_or(&section.title, |found| if found.title.is_empty() { &section.title } else { &found.title });
        let (title, words) = (title.clone(), section.title.clone());
        let id = found.as_ref().and_then(|found| found.id.clone()).or_else(|| phase_heading(&words));
        let mut aliases = vec![words.clone(), title.clone()];
        if let Some(id) = &id {
            aliases.push(id.clone());
            aliases.push(id.replace('-', ""));
            aliases.extend(id.split_once(' ').map(|(_, number)| number.to_owned()));
        }
        let boxes: Vec<char> = self
            .lines
            .range(&range)
            .filter(|(at, _)| self.code[*at].is_none())
            .filter_map(|(_, line)| head(line).sign)
            .collect();
        let all_checked = !boxes.is_empty() && boxes.iter().all(|sign| "xX✓✔✅".contains(*sign));
        let is_done = found.is_some_and(|found| found.is_done) || all_checked;
        let status = if is_done { Status::Closed("done".to_owned()) } else { Status::Open };
        let parallel = plain(&words).contains("[p]") || plain(&words).contains("(parallel)");
        self.push(range, words, Draw { id, title, parallel, status, aliases, tags: Vec::new(), group });
    }

    /// Adds a task that stands on these lines, the first of which says `words`.
    fn push(&mut self, range: Range<usize>, words: String, draw: Draw) {
        let of_task: Vec<Line<'_>> =
            self.lines.range(&range).map(|(at, text)| Line { at, text, code: self.code[at].as_deref() }).collect();
        let mut fields = fields(&of_task);
        let label_lines: Vec<usize> = fields.acceptance_label.iter().map(|(at, _)| *at).collect();
        let stays = |at: &usize| fields.moved.binary_search(at).is_err() && !label_lines.contains(at);
        let at = self.sections.partition_point(|section| section.lines.start <= range.start).saturating_sub(1);
        let heading = &self.sections[at].heading;
        let heading_end = if heading.contains(&range.start) { heading.end } else { range.start + 1 };
        let rest = (heading_end..range.end).filter(stays).map(|at| self.lines.line(at));
        let text = format!("{words}\n{}", body(rest));
        self.lines.mark(range.clone());
        let status = match fields.status.take() {
            Some((line, word)) if draw.status == Status::Open => self.status(line, &word),
            _ => draw.status,
        };
        let Draw { id, title, parallel, aliases, tags, group, .. } = draw;
        let title = shortened(&title);
        self.reading.items.push(Item {
            id,
            title,
            text,
            line: range.start,
            end: range.end,
            group,
            parallel,
            status,
            aliases,
            fields,
            tags,
        });
    }

    fn status(&mut self, line: usize, word: &str) -> Status {
        let plain = plain(word);
        let plain = plain.trim_matches(|c: char| !c.is_alphanumeric());
        if word.contains(['✅', '☑']) || word.trim().starts_with("[x]") || word.trim().starts_with("[X]") {
            return Status::Closed("done".to_owned());
        }
        Status::of(plain).unwrap_or_else(|| {
            self.reading.notes.push((line, format!("`{word}` is no state that is known: the task is taken for open")));
            Status::Open
        })
    }
}

/// What of a task its first line tells.
struct Draw {
    id: Option<String>,
    title: String,
    parallel: bool,
    status: Status,
    aliases: Vec<String>,
    tags: Vec<String>,
    group: Option<usize>,
}

/// Lines without what all of them are indented by.
fn body<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let lines: Vec<&str> = lines.collect();
    dedented(lines.iter().copied())
}
