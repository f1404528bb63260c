//! The fields among the lines of a task: files, dependencies, criteria, commands. A field is a label with what follows it on
//! its line, or with the list beneath it.

use super::commands::{in_line, test_command};
use super::files::{mentions, role_of};
use super::labels::{Label, after_bullet, after_markers, check_box, label};
use super::reading::{Fields, Need};

/// One line of a task.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) at: usize,
    pub(super) text: &'a str,
    /// Inside of code; the language is known where a fence names it.
    pub(super) code: Option<&'a str>,
}

/// The field that is open, and how far its label is indented.
struct Open {
    label: Label,
    indent: usize,
    /// Whether a blank line came after the label.
    apart: bool,
}

const SHELLS: [&str; 7] = ["sh", "bash", "shell", "zsh", "console", "shell-session", "terminal"];

/// Reads the fields. The first line is the task's own and has no label.
pub(super) fn fields(lines: &[Line<'_>]) -> Fields {
    let mut fields = Fields::default();
    let mut open: Option<Open> = None;
    let mut commands_before = 0;
    for (position, line) in lines.iter().enumerate() {
        if let Some(language) = line.code {
            if SHELLS.contains(&language) {
                fields.commands.extend(test_command(line.text));
            }
            continue;
        }
        if line.text.trim().is_empty() {
            if let Some(open) = &mut open {
                open.apart = true;
            }
            continue;
        }
        if is_expected_to_fail(line.text) {
            fields.commands.truncate(commands_before);
        }
        commands_before = fields.commands.len();
        let indent = line.text.len() - line.text.trim_start().len();
        match label(line.text).filter(|_| position > 0) {
            Some((label, "")) => {
                if label == Label::Acceptance {
                    fields.acceptance_label.push((line.at, line.text.trim().to_owned()));
                }
                open = Some(Open { label, indent, apart: false });
            }
            Some((label, rest)) => {
                add(label, rest, line, false, &mut fields);
                // `Files:` with `- Create: x` beneath stays open for plain items.
                open = open.filter(|open| indent > open.indent || open.label == Label::Files);
            }
            None => {
                let item = after_bullet(line.text);
                let continues = open.as_ref().is_some_and(|open| match item {
                    Some(_) => indent >= open.indent,
                    None => indent > open.indent || !open.apart,
                });
                match open.as_ref().filter(|_| continues && !line.text.trim_start().starts_with('#')) {
                    Some(Open { label, .. }) => {
                        let rest = item.unwrap_or(line.text.trim());
                        let rest = check_box(rest).map_or(rest, |(_, rest)| rest);
                        add(*label, rest, line, item.is_none(), &mut fields);
                    }
                    None => {
                        open = None;
                        free(line, &mut fields);
                    }
                }
            }
        }
    }
    let first = fields.acceptance_label.first().map(|(at, _)| *at);
    let moved_any = first.is_some_and(|first| fields.moved.last().is_some_and(|moved| *moved > first));
    if !moved_any {
        fields.acceptance_label.clear();
    }
    fields
}

/// A line of a field. `continued`: it goes on with what the line before began.
fn add(label: Label, rest: &str, line: &Line<'_>, continued: bool, fields: &mut Fields) {
    match label {
        Label::Depends => {
            let need = Need { text: rest.to_owned(), line: line.at };
            fields.needs.get_or_insert_default().push(need);
        }
        Label::Blocks => fields.blocks.push(Need { text: rest.to_owned(), line: line.at }),
        Label::Acceptance => {
            let is_own_line = super::labels::label(line.text).is_none();
            match fields.acceptance.last_mut().filter(|_| continued) {
                Some(last) => {
                    last.push('\n');
                    last.push_str(rest);
                }
                None if rest.chars().any(char::is_alphanumeric) => fields.acceptance.push(rest.to_owned()),
                None => return,
            }
            fields.commands.extend(in_line(rest));
            if is_own_line {
                fields.moved.push(line.at);
            }
        }
        Label::Run => fields.commands.extend(command(rest)),
        Label::Tests => {
            let commands = command(rest);
            if commands.is_empty() {
                fields.mentions.extend(mentions(rest, line.at, role_of(label)));
            }
            fields.commands.extend(commands);
        }
        Label::Status => fields.status = Some((line.at, rest.to_owned())),
        Label::Files | Label::Creates | Label::Modifies | Label::Reads => {
            fields.mentions.extend(mentions(rest, line.at, role_of(label)));
        }
    }
}

/// A line that is no field: files, commands and dependencies stand anywhere in it.
fn free(line: &Line<'_>, fields: &mut Fields) {
    let text = after_markers(line.text);
    fields.mentions.extend(mentions(text, line.at, None));
    fields.commands.extend(in_line(text));
    if let Some((_, rest)) = split_at_words(text, &["done when:", "acceptance:"]) {
        fields.acceptance.push(rest.trim().to_owned());
    }
    if let Some(rest) = told_needs(text) {
        fields.needs.get_or_insert_default().push(Need { text: rest.to_owned(), line: line.at });
    }
}

/// Whether the command on the line before is run to see it fail: no gate wants that.
fn is_expected_to_fail(line: &str) -> bool {
    let line = after_markers(line).trim_start_matches(['*', '_']).to_ascii_lowercase();
    line.starts_with("expected") && line.contains("fail")
}

fn command(text: &str) -> Vec<String> {
    let quoted: Vec<String> = in_line(text).collect();
    if quoted.is_empty() && !text.contains('`') { test_command(text).into_iter().collect() } else { quoted }
}

/// What follows one of these words, which stand in the text in any case.
fn split_at_words<'a>(text: &'a str, words: &[&str]) -> Option<(&'a str, &'a str)> {
    let lower = text.to_ascii_lowercase();
    words.iter().find_map(|word| lower.find(word).map(|at| (&text[..at], &text[at + word.len()..])))
}

/// The ids after "depends on" or "after" within a sentence: `(depends on T012, T013)`, `after step 2`.
fn told_needs(text: &str) -> Option<&str> {
    const WORDS: [&str; 8] =
        ["depends on ", "depend on ", "depends: ", "deps: ", "depende de ", "blocked by ", "requires ", "after "];
    let (_, rest) = split_at_words(text, &WORDS)?;
    let end = rest.find([')', ';', ']']).unwrap_or(rest.len());
    let rest = &rest[..end];
    let mut words =
        rest.split([' ', ',']).filter(|word| !word.is_empty()).map(|word| word.trim_matches(['`', '*', '[', '#', '(']));
    let first = words.next()?.to_ascii_lowercase();
    let is_kind = ["task", "tasks", "step", "steps", "phase"].contains(&&*first);
    let names = match is_kind {
        true => words.next()?.starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase()),
        false => super::references::is_id(first.trim_end_matches(['.', ':', ','])),
    };
    names.then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Fields {
        let lines: Vec<Line<'_>> = (0..).zip(text.lines()).map(|(at, text)| Line { at, text, code: None }).collect();
        fields(&lines)
    }

    #[test]
    fn fields_with_lists_beneath() {
        let found = read(
            "### Task 1\n**Files:**\n- Create: `a.py`\n- Modify: `b.py:1-3`\n- c.py\n\n**Acceptance criteria:**\n- [ ] one\n- two\n  \
             goes on\n\n**Depends on:** T1, T2\nRun: `pytest -q`\n\nThen see docs/d.md.\n",
        );
        let files: Vec<&str> = found.mentions.iter().map(|mention| &*mention.path).collect();
        assert_eq!(files, ["a.py", "b.py", "c.py", "docs/d.md"]);
        assert_eq!(found.acceptance, ["one", "two\ngoes on"]);
        assert_eq!(found.moved, [7, 8, 9]);
        assert_eq!(found.commands, ["pytest -q"]);
        assert_eq!(found.needs.expect("told").iter().map(|need| &*need.text).collect::<Vec<_>>(), ["T1, T2"]);
    }

    #[test]
    fn dependencies_within_a_sentence_are_ids() {
        assert_eq!(told_needs("Implement it (depends on T012, T013) now"), Some("T012, T013"));
        assert_eq!(told_needs("Do this after step 2"), Some("step 2"));
        assert_eq!(told_needs("runs after the server starts"), None);
        assert_eq!(told_needs("requires Python 3.12"), None);
    }
}
