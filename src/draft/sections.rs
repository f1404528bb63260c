//! A Markdown text as sections: a heading with what stands beneath it, and what its words make of it.

use std::ops::Range;

use super::blocks::{Block, Kind};
use super::labels::{Label, check_box, label, plain};
use super::lines::Lines;
use super::references::is_id;

/// A heading, or what stands before the first, and its blocks up to the next heading.
#[derive(Debug)]
pub(super) struct Section {
    /// 0 for what stands before the first heading.
    pub(super) level: u8,
    pub(super) title: String,
    pub(super) heading: Range<usize>,
    pub(super) body: Vec<Block>,
    /// Its own lines, the heading's too.
    pub(super) lines: Range<usize>,
    /// The line after its last section beneath.
    pub(super) end: usize,
    pub(super) parent: Option<usize>,
}

/// The sections of a text in order; the first is what stands before any heading.
pub(super) fn sections(blocks: Vec<Block>, lines: &Lines) -> Vec<Section> {
    let mut sections = vec![Section {
        level: 0,
        title: String::new(),
        heading: 0..0,
        body: Vec::new(),
        lines: 0..lines.len(),
        end: lines.len(),
        parent: None,
    }];
    // The sections that the next one may be in: never two of a level.
    let mut open: Vec<usize> = Vec::new();
    for block in blocks {
        let Kind::Heading(level) = block.kind else {
            sections.last_mut().expect("there is a first").body.push(block);
            continue;
        };
        let start = block.lines.start;
        sections.last_mut().expect("there is a first").lines.end = start;
        let title = title(&block, lines);
        open.retain(|at| sections[*at].level < level);
        let parent = open.last().copied();
        open.push(sections.len());
        let section = Section {
            level,
            title,
            heading: block.lines,
            body: Vec::new(),
            lines: start..lines.len(),
            end: lines.len(),
            parent,
        };
        sections.push(section);
    }
    for at in 1..sections.len() {
        let level = sections[at].level;
        let next = sections[at + 1..].iter().find(|next| next.level <= level);
        sections[at].end = next.map_or(lines.len(), |next| next.lines.start);
    }
    sections
}

/// The words of a heading, without its signs.
fn title(block: &Block, lines: &Lines) -> String {
    let is_underline = |line: &str| line.trim().chars().all(|c| c == '=' || c == '-');
    let text: Vec<&str> = lines.range(&block.lines).map(|(_, line)| line).filter(|line| !is_underline(line)).collect();
    let text = text.join(" ");
    text.trim().trim_start_matches('#').trim_end_matches('#').trim().to_owned()
}

/// A heading that is a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TaskHeading {
    /// `task`, `step`; empty for an id alone.
    pub(super) kind: String,
    pub(super) id: Option<String>,
    pub(super) title: String,
    pub(super) is_done: bool,
}

const TASK_WORDS: [&str; 8] = ["task", "step", "subtask", "ticket", "issue", "item", "todo", "chunk"];
const PHASE_WORDS: [&str; 12] =
    ["phase", "stage", "milestone", "sprint", "week", "day", "iteration", "epic", "wave", "part", "round", "layer"];
/// What stands between an id and a title.
const BETWEEN: [char; 7] = [':', '.', '-', '–', '—', ')', '|'];

/// The task that a heading is, by its words: `Task 1: x`, `T-001 x`, `TASK-7: x`, `Step 2 - x`.
pub(super) fn task_heading(heading: &str) -> Option<TaskHeading> {
    let text = heading.trim().trim_matches(['*', '_']).trim();
    let (sign, text) = check_box(text).map_or((None, text), |(sign, rest)| (Some(sign), rest));
    let bare = text.trim_start_matches(['✅', '☑', '✔', '\u{fe0f}', ' ']);
    let is_done = sign.is_some_and(|sign| "xX✓✔✅".contains(sign)) || bare.len() < text.len() || text.ends_with('✅');
    let bare = bare.trim_end_matches(['✅', ' ']);
    let (first, rest) = bare.split_once(char::is_whitespace).unwrap_or((bare, ""));
    let word = first.trim_end_matches(BETWEEN).to_lowercase();
    if TASK_WORDS.contains(&&*word) {
        let (number, title) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let number = number.trim_start_matches('#').trim_end_matches(BETWEEN);
        let counts = number.starts_with(|c: char| c.is_ascii_digit()) || is_id(number) || number.len() == 1;
        let fits =
            counts && !number.is_empty() && number.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
        return fits.then(|| TaskHeading {
            kind: word.clone(),
            id: Some(format!("{word} {number}")),
            title: title.trim_start_matches(BETWEEN).trim().to_owned(),
            is_done,
        });
    }
    let id = first.trim_matches(['*', '`', '[', ']']).trim_end_matches(BETWEEN);
    let is_separated = first.ends_with(BETWEEN) || rest.trim_start().starts_with(BETWEEN);
    let begins = id.starts_with(|c: char| c.is_ascii_uppercase()) && is_id(id) && !id.contains('.');
    let is_task = begins && (is_separated || id.starts_with("TASK") || id.starts_with('T') && id.len() > 2);
    is_task.then(|| TaskHeading {
        kind: String::new(),
        id: Some(id.to_owned()),
        title: rest.trim_start().trim_start_matches(BETWEEN).trim().to_owned(),
        is_done,
    })
}

/// What a heading that begins a phase can be called: `phase 1`.
pub(super) fn phase_heading(heading: &str) -> Option<String> {
    let text = plain(heading);
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    let mut words = text.split(char::is_whitespace);
    let (word, number) = (words.next()?, words.next()?.trim_end_matches(BETWEEN));
    let counts = number.starts_with(|c: char| c.is_ascii_digit())
        || number.len() == 1
        || ["ii", "iii", "iv", "vi"].contains(&number);
    (PHASE_WORDS.contains(&word) && counts).then(|| format!("{word} {number}"))
}

/// Whether a section says what only a task says: its files, what it waits for, what must be true of it.
pub(super) fn has_task_fields(section: &Section, lines: &Lines) -> bool {
    let is_field = lines.range(&section.heading).any(|(_, line)| label(line).is_some());
    let body = section.heading.end..if is_field { section.heading.end } else { section.lines.end };
    lines.range(&body).filter_map(|(_, line)| label(line)).any(|(label, _)| {
        matches!(label, Label::Files | Label::Creates | Label::Modifies | Label::Depends | Label::Acceptance)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_that_are_tasks() {
        let table = [
            ("Task 1: The lexer", Some(("task", "task 1", "The lexer", false))),
            ("Step 2 — Build", Some(("step", "step 2", "Build", false))),
            ("[x] Task 1.2: x", Some(("task", "task 1.2", "x", true))),
            ("T-001 — Parse", Some(("", "T-001", "Parse", false))),
            ("TASK-7: Done ✅", Some(("", "TASK-7", "Done", true))),
            ("T1: [Title] `P0`", Some(("", "T1", "[Title] `P0`", false))),
            ("Tasks", None),
            ("Task list", None),
            ("HTML5 support", None),
            ("Phase 1: Setup", None),
        ];
        for (heading, expected) in table {
            let found = task_heading(heading);
            let found = found.as_ref().map(|t| (&*t.kind, t.id.as_deref().unwrap_or_default(), &*t.title, t.is_done));
            assert_eq!(found, expected, "{heading}");
        }
        assert_eq!(phase_heading("🚀 Phase 2: Core"), Some("phase 2".to_owned()));
        assert_eq!(phase_heading("Phases"), None);
    }
}
