//! Which outputs can a pattern meet? An index, because asking every task about every input is quadratic.
//!
//! Two patterns can only meet where the literal text in front of one's first wildcard is a prefix of the other's. So
//! outputs are sorted by that text. What a pattern may meet is then: outputs whose text is a prefix of its own (found
//! by a hash look-up for each length that can occur) and outputs whose text begins with its own (one range).
//! [`Pattern::may_intersect`] has the last word on each candidate.

use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::base::{Pattern, RelPath};

/// One `outputs` pattern of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Output {
    /// How much of the pattern's text is in front of its first wildcard.
    prefix_bytes: u32,
    /// The task, by whatever index the builder of the index uses.
    pub(super) task: u32,
    /// Which of the task's `outputs`.
    pub(super) at: u32,
    literal: bool,
    /// The pattern.
    pub(super) pattern: Pattern,
}

impl Output {
    fn new((task, at, pattern): (u32, u32, Pattern)) -> Self {
        let (prefix, literal) = literal_prefix(&pattern);
        let prefix_bytes = u32::try_from(prefix.len()).expect("a path has a few KiB at most");
        Self { prefix_bytes, task, at, literal, pattern }
    }

    fn prefix(&self) -> &str {
        &self.pattern.as_str()[..self.prefix_bytes as usize]
    }
}

/// How many wildcards may be compared for one plan: a second or two of work. Plans that mean well stay far below.
pub(super) const COMPARISONS_MAX: u32 = 3_000_000;

/// How many more wildcards may be compared before the plan is refused as too broad.
#[derive(Debug)]
pub(super) struct Effort(u32);

impl Effort {
    pub(super) fn new() -> Self {
        Self(COMPARISONS_MAX)
    }

    /// One of so many equal parts of it.
    pub(super) fn share_of(parts: usize) -> Self {
        Self(COMPARISONS_MAX / u32::try_from(parts).unwrap_or(u32::MAX).max(1))
    }

    /// Whether it was more than may be, and answers are not complete.
    pub(super) fn is_spent(&self) -> bool {
        self.0 == 0
    }

    fn spend(&mut self) -> bool {
        self.0 = self.0.saturating_sub(1);
        !self.is_spent()
    }
}

/// All outputs of a plan, by the literal text they begin with.
#[derive(Debug, Clone, Default)]
pub(super) struct OutputIndex {
    outputs: Vec<Output>,
    exactly: Texts,
    beneath: Texts,
    wildcard_lengths: Vec<usize>,
}

/// Neighbours among the outputs by a text that all of them begin with. The text itself is that of the first of them.
#[derive(Debug, Clone, Default)]
struct Texts {
    table: HashTable<Run>,
    /// Of its own for each process, so that no plan can be written to be slow.
    seed: u64,
}

#[derive(Debug, Clone)]
struct Run {
    outputs: Range<u32>,
    text_bytes: u32,
}

impl Run {
    fn text<'o>(&self, outputs: &'o [Output]) -> &'o str {
        &outputs[self.outputs.start as usize].pattern.as_str()[..self.text_bytes as usize]
    }
}

impl Texts {
    fn new(seed: u64) -> Self {
        Self { table: HashTable::new(), seed }
    }

    /// Takes in that the output at this position begins with so much text. Positions come in ascending order.
    fn extend(&mut self, outputs: &[Output], position: u32, text_bytes: usize) {
        let text = &outputs[position as usize].pattern.as_str()[..text_bytes];
        let hash = |text: &str| xxh3_64_with_seed(text.as_bytes(), self.seed);
        let entry = self.table.entry(hash(text), |run| run.text(outputs) == text, |run| hash(run.text(outputs)));
        let alone = || Run { outputs: position..position, text_bytes: text_bytes as u32 };
        entry.or_insert_with(alone).into_mut().outputs.end = position + 1;
    }

    fn get(&self, outputs: &[Output], text: &str) -> Option<Range<u32>> {
        let hash = xxh3_64_with_seed(text.as_bytes(), self.seed);
        self.table.find(hash, |run| run.text(outputs) == text).map(|run| run.outputs.clone())
    }
}

/// The text that everything the pattern matches begins with, and whether the pattern is nothing but that text.
///
/// `a/**` matches `a` too, so its slash is not part of it.
fn literal_prefix(pattern: &Pattern) -> (&str, bool) {
    let text = pattern.as_str();
    let Some(first) = text.find(['*', '?', '[', '{']) else {
        return (text, true);
    };
    let prefix = &text[..first];
    match text[first..].strip_prefix("**") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => (prefix.strip_suffix('/').unwrap_or(prefix), false),
        _ => (prefix, false),
    }
}

fn slashes(text: &str) -> impl Iterator<Item = usize> + '_ {
    text.bytes().enumerate().filter(|(_, byte)| *byte == b'/').map(|(at, _)| at)
}

impl OutputIndex {
    /// The index of these outputs: task, position among the task's `outputs`, pattern.
    pub(super) fn new(outputs: impl Iterator<Item = (u32, u32, Pattern)>) -> Self {
        let mut outputs: Vec<Output> = outputs.map(Output::new).collect();
        outputs.sort_unstable_by(|a, b| (a.prefix(), a.task, a.at).cmp(&(b.prefix(), b.task, b.at)));
        let seed = RandomState::new().hash_one(outputs.len());
        let mut index = Self { exactly: Texts::new(seed), beneath: Texts::new(seed), ..Self::default() };
        for (position, output) in (0u32..).zip(&outputs) {
            index.exactly.extend(&outputs, position, output.prefix().len());
            slashes(output.prefix()).for_each(|at| index.beneath.extend(&outputs, position, at));
            if !output.literal {
                index.wildcard_lengths.push(output.prefix().len());
            }
        }
        index.wildcard_lengths.sort_unstable();
        index.wildcard_lengths.dedup();
        index.outputs = outputs;
        index
    }

    /// The same outputs, where the task that was `n` is `task(n)`.
    pub(super) fn renumbered(mut self, task: impl Fn(u32) -> u32) -> Self {
        self.outputs.iter_mut().for_each(|output| output.task = task(output.task));
        // Where a text is that of several, their places among themselves may be others now; the texts stay where they are.
        for same in self.outputs.chunk_by_mut(|a, b| a.prefix() == b.prefix()) {
            same.sort_unstable_by_key(|output| (output.task, output.at));
        }
        self
    }

    /// The output at a position that [`OutputIndex::meeting`] returned.
    pub(super) fn get(&self, position: u32) -> &Output {
        &self.outputs[position as usize]
    }

    /// All outputs with their positions, in the index's order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Output)> {
        (0u32..).zip(&self.outputs)
    }

    /// Calls `each` for every output that could cover a path that `pattern` covers, until it returns `false` or the
    /// effort is spent.
    pub(super) fn meeting(&self, pattern: &Pattern, effort: &mut Effort, mut each: impl FnMut(u32, &Output) -> bool) {
        let (prefix, literal) = literal_prefix(pattern);
        for position in self.candidates(prefix, literal).flatten() {
            let output = self.get(position);
            let meets = if literal && output.literal {
                one_within_the_other(prefix, output.prefix())
            } else {
                effort.spend() && output.pattern.may_intersect(pattern)
            };
            if effort.is_spent() || meets && !each(position, output) {
                return;
            }
        }
    }

    /// The outputs that cover this path.
    pub(super) fn covering<'a>(&'a self, path: &'a RelPath) -> impl Iterator<Item = &'a Output> {
        self.prefixes(path.as_str())
            .flatten()
            .map(|position| self.get(position))
            .filter(|output| output.pattern.matches(path))
    }

    fn candidates<'a>(&'a self, prefix: &'a str, literal: bool) -> impl Iterator<Item = Range<u32>> + 'a {
        let longer = if literal {
            self.beneath.get(&self.outputs, prefix).unwrap_or(0..0)
        } else {
            let start = self.outputs.partition_point(|output| output.prefix() <= prefix);
            let length = self.outputs[start..].partition_point(|output| output.prefix().starts_with(prefix));
            start as u32..(start + length) as u32
        };
        self.prefixes(prefix).chain(std::iter::once(longer))
    }

    /// Ranges of the outputs whose literal text is a prefix of `text` at a length that can matter.
    fn prefixes<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Range<u32>> + 'a {
        let components = slashes(text).chain(std::iter::once(text.len()));
        let wildcards = self.wildcard_lengths.iter().copied().filter(move |length| {
            *length < text.len() && text.is_char_boundary(*length) && text.as_bytes()[*length] != b'/'
        });
        components.chain(wildcards).filter_map(|length| self.exactly.get(&self.outputs, &text[..length]))
    }
}

fn one_within_the_other(left: &str, right: &str) -> bool {
    let (shorter, longer) = if left.len() < right.len() { (left, right) } else { (right, left) };
    longer.strip_prefix(shorter).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn index(patterns: &[Pattern]) -> OutputIndex {
        OutputIndex::new((0u32..).zip(patterns).map(|(task, pattern)| (task, 0, pattern.clone())))
    }

    #[test]
    fn prefixes_of_patterns() {
        let table = [
            ("a/b", ("a/b", true)),
            ("a/**", ("a", false)),
            ("**", ("", false)),
            ("a/**/c", ("a", false)),
            ("a/b*", ("a/b", false)),
            ("a/**b", ("a/", false)),
            ("a/*", ("a/", false)),
        ];
        for (text, expected) in table {
            assert_eq!(literal_prefix(&Pattern::new(text).expect(text)), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn finds_what_asking_everyone_would_find(
            texts in prop::collection::vec("[ab*?/]{1,6}|[ab]/\\*\\*|[ab]{1,2}/[ab]{1,2}|\\{a,b\\}/[ab*]", 1..12),
            asked in "[ab*?/]{1,6}|[ab]/\\*\\*(/[ab])?",
            path in "[ab]{1,2}(/[ab]{1,2}){0,2}",
        ) {
            let patterns: Vec<Pattern> = texts.iter().filter_map(|text| Pattern::new(text).ok()).collect();
            let Ok(asked) = Pattern::new(&asked) else { return Ok(()) };
            // Numbered backwards first: what is renumbered finds the same.
            let last = patterns.len() as u32;
            let backwards = (0u32..).zip(&patterns).map(|(task, pattern)| (last - task, 0, pattern.clone()));
            let index = OutputIndex::new(backwards).renumbered(|task| last - task);
            prop_assert_eq!(&index.outputs, &self::index(&patterns).outputs);
            let mut found = Vec::new();
            index.meeting(&asked, &mut Effort::new(), |_, output| { found.push(output.task); true });
            found.sort_unstable();
            let naive: Vec<u32> = (0u32..).zip(&patterns).filter(|(_, p)| p.may_intersect(&asked)).map(|(t, _)| t).collect();
            prop_assert_eq!(found, naive);

            let path = RelPath::new(&path).expect("generated");
            let mut owners: Vec<u32> = index.covering(&path).map(|output| output.task).collect();
            owners.sort_unstable();
            let naive: Vec<u32> = (0u32..).zip(&patterns).filter(|(_, p)| p.matches(&path)).map(|(t, _)| t).collect();
            prop_assert_eq!(owners, naive);
        }
    }
}
