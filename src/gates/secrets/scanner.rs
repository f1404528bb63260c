//! The rules, compiled: one automaton over the keywords of all, and a pattern each, made when it is first needed.
//!
//! A long file is cut into pieces that are scanned at the same time. A keyword belongs to the piece that its last byte is
//! in, and what stands around it is read from the whole file, so that the cuts lose nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use aho_corasick::automaton::{Automaton, OverlappingState};
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored, Input, MatchKind, StartKind};
use rayon::prelude::*;
use regex::bytes::Regex;

use super::rule::{Rule, Shape};
use super::rules::rules;
use super::shape::{FileKind, compile, secret};
use crate::base::Severity;

/// Bytes that one thread scans at a time.
const PIECE_BYTES: usize = 1 << 20;
/// Secrets of one file that are looked at, of each severity: those that were there before count too.
const HITS_MAX: usize = 10_000;

/// A secret in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hit {
    /// Which rule found it, by its place in the table: where two overlap, the earlier one counts.
    pub(super) rule: usize,
    /// Where it is.
    pub(super) span: Range<usize>,
}

/// What was found in a file.
#[derive(Debug, Default)]
pub(super) struct Hits {
    /// In order; none overlaps another.
    pub(super) list: Vec<Hit>,
    /// Whether there are more.
    pub(super) is_cut: bool,
}

/// The compiled rules.
pub(super) struct Scanner {
    pub(super) rules: Vec<Rule>,
    automaton: DFA,
    /// The rules of each keyword.
    rules_of: Vec<Vec<usize>>,
    regexes: Vec<OnceLock<Regex>>,
    keyword_bytes_max: usize,
}

impl Scanner {
    /// The scanner of all rules.
    pub(super) fn get() -> &'static Self {
        static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new(rules()));
        &SCANNER
    }

    fn new(rules: Vec<Rule>) -> Self {
        let mut rules_by_keyword: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, rule) in rules.iter().enumerate() {
            for keyword in rule.spellings().into_iter().collect::<BTreeSet<_>>() {
                rules_by_keyword.entry(keyword).or_default().push(index);
            }
        }
        let keywords: Vec<&String> = rules_by_keyword.keys().collect();
        let automaton = DFA::builder()
            .match_kind(MatchKind::Standard)
            .start_kind(StartKind::Unanchored)
            .ascii_case_insensitive(true)
            .build(&keywords)
            .expect("the keywords make a small automaton");
        Self {
            automaton,
            regexes: rules.iter().map(|_| OnceLock::new()).collect(),
            keyword_bytes_max: keywords.iter().map(|keyword| keyword.len()).max().unwrap_or(0),
            rules_of: rules_by_keyword.into_values().collect(),
            rules,
        }
    }

    /// Every secret in the bytes of a file.
    pub(super) fn scan(&self, bytes: &[u8], kind: FileKind) -> Hits {
        if bytes.len() <= PIECE_BYTES {
            let (hits, is_cut) = self.piece(bytes, 0..bytes.len(), kind);
            return self.settled(hits, is_cut);
        }
        let pieces: Vec<Range<usize>> =
            (0..bytes.len()).step_by(PIECE_BYTES).map(|start| start..bytes.len().min(start + PIECE_BYTES)).collect();
        let (hits, cuts): (Vec<Vec<Hit>>, Vec<bool>) =
            pieces.into_par_iter().map(|piece| self.piece(bytes, piece, kind)).unzip();
        self.settled(hits.into_iter().flatten().collect(), cuts.contains(&true))
    }

    fn piece(&self, bytes: &[u8], piece: Range<usize>, kind: FileKind) -> (Vec<Hit>, bool) {
        let start = piece.start.saturating_sub(self.keyword_bytes_max);
        let input = Input::new(bytes).span(start..piece.end).anchored(Anchored::No);
        let mut state = OverlappingState::start();
        let mut found = Found::default();
        loop {
            self.automaton.try_find_overlapping(&input, &mut state).expect("the automaton is made for such searches");
            let Some(matched) = state.get_match() else { break };
            let keyword = matched.start()..matched.end();
            if keyword.end <= piece.start && piece.start > 0 {
                continue;
            }
            for rule in &self.rules_of[matched.pattern().as_usize()] {
                self.try_rule(*rule, bytes, &keyword, kind, &mut found);
            }
        }
        let is_cut = found.attempts.iter().any(|(rule, attempts)| *attempts > self.rules[*rule].attempts_max);
        (found.hits, is_cut)
    }

    fn try_rule(&self, index: usize, bytes: &[u8], keyword: &Range<usize>, kind: FileKind, found: &mut Found) {
        let rule = &self.rules[index];
        let count = if rule.severity == Severity::Error { &mut found.errors } else { &mut found.others };
        let is_inside = found.hits.iter().rev().take(4).any(|hit| hit.rule == index && hit.span.end >= keyword.end);
        if is_inside || *count > HITS_MAX {
            return;
        }
        let attempts = &mut found.attempts;
        let regex = || {
            let attempts = attempts.entry(index).or_default();
            *attempts += 1;
            (*attempts <= rule.attempts_max).then(|| self.regexes[index].get_or_init(|| compile(rule)))
        };
        if let Some(span) = secret(rule, regex, bytes, keyword, kind) {
            *count += 1;
            found.hits.push(Hit { rule: index, span });
        }
    }

    /// Of two rules that found the same, the one that says more about it.
    fn better(&self, one: usize, other: usize) -> usize {
        let rank = |index: usize| {
            let rule = &self.rules[index];
            (std::cmp::Reverse(rule.severity), is_generic(rule), index)
        };
        if rank(one) <= rank(other) { one } else { other }
    }

    /// In order, bounded, and each place once.
    fn settled(&self, mut hits: Vec<Hit>, is_cut: bool) -> Hits {
        hits.sort_unstable_by_key(|hit| (hit.span.start, hit.rule));
        let mut list: Vec<Hit> = Vec::with_capacity(hits.len());
        for hit in hits {
            match list.last_mut() {
                Some(last) if hit.span.start < last.span.end => {
                    // The whole stretch is masked, whichever rule is told.
                    let span = last.span.start..last.span.end.max(hit.span.end);
                    *last = Hit { rule: self.better(last.rule, hit.rule), span };
                }
                _ => list.push(hit),
            }
        }
        let (mut errors, mut others) = (0, 0);
        let all = list.len();
        list.retain(|hit| {
            let count = if self.rules[hit.rule].severity == Severity::Error { &mut errors } else { &mut others };
            *count += 1;
            *count <= HITS_MAX
        });
        Hits { is_cut: is_cut || list.len() < all, list }
    }
}

#[derive(Default)]
struct Found {
    hits: Vec<Hit>,
    /// How often the pattern of a rule was tried: bounded, whatever the file is made of.
    attempts: BTreeMap<usize, u32>,
    errors: usize,
    others: usize,
}

/// Whether a rule judges by what a value looks like alone.
pub(super) fn is_generic(rule: &Rule) -> bool {
    matches!(rule.shape, Shape::GenericKey | Shape::GenericPassword)
}
