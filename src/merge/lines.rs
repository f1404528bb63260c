//! Bytes as lines, and lines as numbers that are equal where the lines are.

use std::collections::HashMap;

/// The lines of `bytes`, each with its ending. Only `\n` ends a line, so `\r\n` stays with its line; a last line without an
/// ending differs from the same words with one.
pub(super) fn split(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

/// How many lines [`split`] would give.
pub(super) fn count(bytes: &[u8]) -> usize {
    let ended = bytes.iter().filter(|byte| **byte == b'\n').count();
    ended + usize::from(bytes.last().is_some_and(|last| *last != b'\n'))
}

/// Gives equal lines the same number. The numbers follow the order of first sight: no hash decides anything, so that the
/// diffs over them are the same in every process.
#[derive(Default)]
pub(super) struct Interner<'a> {
    numbers: HashMap<&'a [u8], u32>,
}

impl<'a> Interner<'a> {
    pub(super) fn numbers(&mut self, lines: &[&'a [u8]]) -> Vec<u32> {
        lines
            .iter()
            .map(|line| {
                let next = u32::try_from(self.numbers.len()).expect("the caller bounds the number of lines");
                *self.numbers.entry(line).or_insert(next)
            })
            .collect()
    }
}
