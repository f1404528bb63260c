//! Tasks that are items of lists: `- [ ] T001 [P] [US1] ...`, `1. ...`, `- [x] 2.3 ...`.

use super::blocks::{Block, Kind};
use super::labels::{after_bullet, check_box, numbered, plain};
use super::references::is_id;
use super::sections::task_heading;

/// Which items of lists are tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Those with a box to check.
    Boxes,
    /// Those with a number.
    Numbers,
    /// Any.
    Bullets,
    /// None.
    Never,
}

/// The first line of an item, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The sign in the box.
    pub(super) sign: Option<char>,
    pub(super) number: Option<String>,
    pub(super) id: Option<String>,
    pub(super) parallel: bool,
    /// What else stood in square brackets before the words: the story.
    pub(super) tags: Vec<String>,
    pub(super) title: String,
    /// The line without the sign of the list and the box.
    pub(super) words: String,
}

/// Takes the first line of an item apart.
pub(super) fn head(line: &str) -> Head {
    let text = line.trim_start();
    let number = numbered(text).map(|(number, _)| number.to_owned());
    let text = after_bullet(text).unwrap_or(text);
    let (sign, text) = check_box(text).map_or((None, text), |(sign, rest)| (Some(sign), rest));
    let mut head = Head { sign, number, words: text.trim().to_owned(), ..Head::default() };
    let mut rest = text.trim();
    if let Some(task) = task_heading(rest).filter(|task| !task.kind.is_empty()) {
        head.id = task.id;
        head.title = task.title;
    } else {
        let (first, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let id = first.trim_matches(['*', '`', '[', ']', '_']).trim_end_matches([':', '.', ')', '*']);
        let is_number = !id.is_empty() && id.chars().all(|c| c.is_ascii_digit() || c == '.');
        let is_counted = is_number
            && (id.contains('.') || first.ends_with(['.', ')']))
            && id.starts_with(|c: char| c.is_ascii_digit());
        if is_counted || is_id(id) && id.starts_with(|c: char| c.is_ascii_uppercase()) {
            head.id = Some(id.to_owned());
            rest = after.trim_start();
        }
        rest = rest.trim_start_matches([':', '–', '—']).trim_start();
        while let Some((tag, after)) = bracketed(rest) {
            match tag {
                "P" | "p" | "parallel" => head.parallel = true,
                tag => head.tags.push(tag.to_owned()),
            }
            rest = after;
        }
        head.title = rest.to_owned();
    }
    if plain(&head.title).contains("(parallel)") {
        head.parallel = true;
    }
    if head.title.trim().is_empty() {
        head.title.clone_from(&head.words);
    }
    head
}

/// `[P] rest`, and not `[words](link)`.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let (tag, rest) = text.strip_prefix('[')?.split_once(']')?;
    let fits =
        (1..=24).contains(&tag.len()) && tag.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '?' | ' '));
    (fits && (rest.is_empty() || rest.starts_with(char::is_whitespace))).then(|| (tag, rest.trim_start()))
}

/// Whether an item is a task, seen from the outermost list (`depth` 0).
pub(super) fn is_task(head: &Head, list: &Block, mode: Mode, depth: usize) -> bool {
    let has_words = head.words.chars().any(char::is_alphanumeric);
    let numbered = list.kind == Kind::List { numbered: true };
    has_words
        && match mode {
            Mode::Boxes => head.sign.is_some() && (depth == 0 || head.id.is_some()),
            Mode::Numbers => numbered && depth == 0,
            Mode::Bullets => depth == 0,
            Mode::Never => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_items() {
        let table = [
            ("- [ ] T001 [P] [US1] Create a.py", Some(' '), Some("T001"), true, "Create a.py"),
            ("- [X] **T002**: Make it", Some('X'), Some("T002"), false, "Make it"),
            ("* [ ] 1.2 Sub task", Some(' '), Some("1.2"), false, "Sub task"),
            ("- [ ]* 2. Optional", Some(' '), Some("2"), false, "Optional"),
            ("3. [link](x) here", None, None, false, "[link](x) here"),
            ("- [ ] Task 0.1 – Start", Some(' '), Some("task 0.1"), false, "Start"),
            ("- [ ] Write docs", Some(' '), None, false, "Write docs"),
            ("- [ ] 3 things to do", Some(' '), None, false, "3 things to do"),
            ("- [ ] TXXX [P] Polish", Some(' '), None, false, "TXXX [P] Polish"),
        ];
        for (line, sign, id, parallel, title) in table {
            let head = head(line);
            assert_eq!(
                (head.sign, head.id.as_deref(), head.parallel, &*head.title),
                (sign, id, parallel, title),
                "{line}"
            );
        }
    }
}
