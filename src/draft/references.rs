//! What dependencies name: ids, ranges of them, titles, groups. `T001-T003`, `Task 2`, `step 1.2`, `the parser`, `none`.

use std::collections::BTreeMap;

use super::labels::plain;

/// What a reference leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Item(usize),
    Group(usize),
}

/// Everything that can be named, by what it can be called.
#[derive(Debug, Default)]
pub(super) struct Index(BTreeMap<String, Target>);

/// What a text of references comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) targets: Vec<Target>,
    /// Parts that name nothing.
    pub(super) unknown: Vec<String>,
    /// It says that there is nothing to wait for.
    pub(super) nothing: bool,
    /// All tasks before.
    pub(super) all_before: bool,
    /// The task before.
    pub(super) one_before: bool,
}

const NOTHING: [&str; 14] = [
    "none",
    "nothing",
    "no dependencies",
    "no dependency",
    "no",
    "n/a",
    "na",
    "-",
    "—",
    "–",
    "",
    "null",
    "independent",
    "[]",
];
const ALL_BEFORE: [&str; 10] = [
    "all",
    "all previous tasks",
    "all previous",
    "all above",
    "everything above",
    "all tasks above",
    "all prior tasks",
    "all tasks",
    "all earlier tasks",
    "all previous steps",
];
const ONE_BEFORE: [&str; 6] =
    ["previous", "previous task", "previous step", "the previous task", "the previous step", "above"];
/// Words in front of a number that say what it numbers.
const KINDS: [&str; 15] = [
    "task", "tasks", "step", "steps", "subtask", "subtasks", "story", "issue", "ticket", "item", "number", "no.", "id",
    "ids", "part",
];
/// Longest range that is taken apart.
const RANGE_MAX: u32 = 500;

impl Index {
    /// Adds a name for a target; the first to have a name keeps it.
    pub(super) fn add(&mut self, alias: &str, target: Target) -> bool {
        let alias = key(alias);
        if alias.is_empty() {
            return true;
        }
        *self.0.entry(alias).or_insert(target) == target
    }

    /// What one reference leads to.
    pub(super) fn one(&self, text: &str) -> Option<Target> {
        let wanted = key(text);
        let bare = without_kind(&wanted);
        if let Some(found) = self.exactly(&wanted) {
            return Some(found);
        }
        // `T003: the models` and `Task 1 (setup)`: an id, then words about it.
        let head = bare.split([':', ' ']).next().unwrap_or_default().trim_matches(['.', ',']);
        let is_id = head.chars().any(|c| c.is_ascii_digit());
        if let Some(found) = self.0.get(head).filter(|_| is_id) {
            return Some(*found);
        }
        let first_two = bare.splitn(3, [' ', ':']).take(2).collect::<Vec<_>>().join(" ");
        if let Some(found) = self.0.get(&first_two).filter(|found| matches!(found, Target::Group(_))) {
            return Some(*found);
        }
        self.beginning_with(bare)
    }

    /// What is called just this, whatever kind it is said to be.
    fn exactly(&self, wanted: &str) -> Option<Target> {
        self.0.get(wanted).or_else(|| self.0.get(without_kind(wanted))).copied()
    }

    /// The one target whose title begins like this.
    fn beginning_with(&self, text: &str) -> Option<Target> {
        if text.len() < 4 || is_id(text) {
            return None;
        }
        let mut found =
            self.0.range(text.to_owned()..).take_while(|(alias, _)| alias.starts_with(text)).map(|(_, to)| *to);
        let first = found.next()?;
        found.all(|other| other == first).then_some(first)
    }

    /// What a list of references leads to.
    pub(super) fn all(&self, text: &str) -> Resolved {
        let mut resolved = Resolved::default();
        let whole = key(&without_remarks(text));
        if NOTHING.contains(&&*whole) {
            resolved.nothing = true;
            return resolved;
        }
        resolved.all_before = ALL_BEFORE.contains(&&*whole);
        resolved.one_before = ONE_BEFORE.contains(&&*whole);
        if resolved.all_before || resolved.one_before {
            return resolved;
        }
        if let Some(found) = self.0.get(&whole) {
            resolved.targets.push(*found);
            return resolved;
        }
        for part in without_remarks(text).split([',', ';', '\n', '+', '&', '|']) {
            self.part(part, &mut resolved);
        }
        resolved.targets.sort_unstable();
        resolved.targets.dedup();
        resolved.nothing = resolved.targets.is_empty() && resolved.unknown.is_empty();
        resolved
    }

    fn part(&self, part: &str, resolved: &mut Resolved) {
        let part = key(part);
        if NOTHING.contains(&&*part) {
            return;
        }
        let range = range(&part);
        if !range.is_empty() {
            let found: Vec<Target> = range.iter().filter_map(|id| self.one(id)).collect();
            if !found.is_empty() {
                resolved.targets.extend(found);
                return;
            }
        }
        if let Some(found) = self.exactly(&part) {
            resolved.targets.push(found);
            return;
        }
        let pieces: Vec<&str> = part.split(" and ").flat_map(|piece| piece.split('/')).map(str::trim).collect();
        if pieces.len() > 1 {
            let pieces = pieces.into_iter().filter(|piece| !piece.is_empty());
            let (known, unknown): (Vec<_>, Vec<_>) =
                pieces.map(|piece| (piece, self.one(piece))).partition(|(_, to)| to.is_some());
            if !known.is_empty() {
                resolved.targets.extend(known.into_iter().filter_map(|(_, to)| to));
                resolved.unknown.extend(unknown.into_iter().map(|(piece, _)| piece.to_owned()));
                return;
            }
        }
        match self.one(&part) {
            Some(found) => resolved.targets.push(found),
            None => resolved.unknown.push(part),
        }
    }

    /// The ids in a text, as far as they are known, in the order they stand in; ranges count as all they span.
    pub(super) fn ids_in(&self, text: &str) -> Vec<Target> {
        let mut found = Vec::new();
        let mut kind = "";
        for word in without_remarks_kept(text).split_whitespace().flat_map(|word| word.split([',', '/', '(', ')', ';']))
        {
            let word = key(word);
            let word = word.trim_matches(['.', ':', '!', '?']);
            if KINDS.contains(&word) || word == "phase" {
                kind = if word == "phase" { "phase" } else { "task" };
                continue;
            }
            let is_counted = is_id(word) || (!kind.is_empty() && word.starts_with(|c: char| c.is_ascii_digit()));
            if !is_counted {
                if !["and", "or", "to", "&", "y", "e", ""].contains(&word) {
                    kind = "";
                }
                continue;
            }
            let range = range(word);
            let ids = if range.is_empty() { vec![word.to_owned()] } else { range };
            for id in ids {
                let named = if kind == "phase" { format!("phase {id}") } else { id };
                found.extend(self.0.get(&named).copied());
            }
        }
        found
    }
}

/// How a reference is compared.
fn key(text: &str) -> String {
    let text = plain(text);
    let text = text
        .trim_matches(|c: char| c.is_whitespace() || matches!(c, '[' | ']' | '"' | '\'' | '“' | '”' | '.' | '(' | ')'));
    text.trim_start_matches('#').trim().to_owned()
}

/// Whether a word is an id by its looks: letters and digits, or numbers with dots.
pub(super) fn is_id(word: &str) -> bool {
    let has_digit = word.contains(|c: char| c.is_ascii_digit());
    let letters = word.len() - word.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
    let rest = word[letters..].trim_start_matches(['-', '_']);
    let is_dotted = letters == 0 && word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit());
    let tail_fits = rest.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '–'));
    has_digit
        && tail_fits
        && ((1..=8).contains(&letters) && rest.starts_with(|c: char| c.is_ascii_digit()) || is_dotted)
}

fn without_kind(text: &str) -> &str {
    match text.split_once(' ') {
        Some((kind, rest)) if KINDS.contains(&kind) => rest.trim_start_matches('#').trim(),
        _ => text,
    }
}

/// A text without what stands in round brackets, unless that is all of it.
fn without_remarks(text: &str) -> String {
    let mut kept = String::new();
    let mut depth = 0usize;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            c if depth == 0 => kept.push(c),
            _ => {}
        }
    }
    if kept.trim().is_empty() { text.to_owned() } else { kept }
}

/// A text in which dashes between ids join them.
fn without_remarks_kept(text: &str) -> String {
    text.replace(" – ", "–").replace(" to ", "–").replace(" through ", "–")
}

/// The ids that `T001-T004`, `1.1–1.3` or `tasks 2 to 5` stand for; none where it is no range.
fn range(text: &str) -> Vec<String> {
    let text = without_kind(text);
    let cut = ["–", "—", "..", " to ", " through ", "-"].iter().find_map(|dash| text.split_once(dash));
    let Some((first, last)) = cut.map(|(first, last)| (first.trim(), without_kind(last.trim_matches(['.', ' ']))))
    else {
        return Vec::new();
    };
    let split = |id: &str| -> Option<(String, String, u32)> {
        let digits = id.len() - id.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (stem, number) = id.split_at(id.len() - digits);
        Some((stem.to_owned(), number.to_owned(), number.parse().ok()?))
    };
    let (Some((stem, digits, from)), Some((last_stem, _, to))) = (split(first), split(last)) else { return Vec::new() };
    if !(last_stem.is_empty() || last_stem == stem) || to < from || to - from > RANGE_MAX {
        return Vec::new();
    }
    (from..=to).map(|number| format!("{stem}{number:0width$}", width = digits.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let mut index = Index::default();
        let items =
            [("T001", "Create the lexer"), ("T002", "Create the parser"), ("T003", "Design and build"), ("1.2", "x")];
        for (at, (id, title)) in (0..).zip(items) {
            index.add(id, Target::Item(at));
            index.add(title, Target::Item(at));
        }
        index.add("phase 1", Target::Group(0));
        index
    }

    #[test]
    fn lists_of_references() {
        use Target::{Group, Item};
        let table: [(&str, &[Target], &[&str]); 11] = [
            ("T001, T002", &[Item(0), Item(1)], &[]),
            ("T001-T003", &[Item(0), Item(1), Item(2)], &[]),
            ("`T001`–`T002`", &[Item(0), Item(1)], &[]),
            ("[T002] (the parser), T009", &[Item(1)], &["t009"]),
            ("Design and build", &[Item(2)], &[]),
            ("T001 and T002", &[Item(0), Item(1)], &[]),
            ("Create the lexer", &[Item(0)], &[]),
            ("Task 1.2", &[Item(3)], &[]),
            ("Phase 1 (setup)", &[Group(0)], &[]),
            ("T001/T002", &[Item(0), Item(1)], &[]),
            ("the moon", &[], &["the moon"]),
        ];
        for (text, targets, unknown) in table {
            let resolved = index().all(text);
            assert_eq!(
                (&*resolved.targets, &*resolved.unknown),
                (targets, &*unknown.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()),
                "{text}"
            );
        }
        assert!(
            index().all("None").nothing && index().all("—").nothing && index().all("all previous tasks").all_before
        );
        assert_eq!(index().ids_in("waits for T001–T003, but not for 3 or Node 20"), [Item(0), Item(1), Item(2)]);
    }
}
