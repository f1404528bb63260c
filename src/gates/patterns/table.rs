//! The rules of each language, and which of them a text can be about at all.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::rule::{Rule, Sink};
use super::{go, java, javascript, python, rust, shell};
use crate::gates::{LANGUAGES, Language};

/// The rules of a language.
pub(super) fn rules(language: Language) -> &'static [Rule] {
    match language {
        Language::Python => python::RULES,
        Language::JavaScript | Language::TypeScript | Language::Tsx => javascript::RULES,
        Language::Rust => rust::RULES,
        Language::Go => go::RULES,
        Language::Java => java::RULES,
        Language::Shell => shell::RULES,
    }
}

/// The calls that its rules are about.
pub(super) fn sinks(language: Language) -> &'static [Sink] {
    match language {
        Language::Python => python::SINKS,
        Language::JavaScript | Language::TypeScript | Language::Tsx => javascript::SINKS,
        Language::Rust => rust::SINKS,
        Language::Go => go::SINKS,
        Language::Java => java::SINKS,
        Language::Shell => &[],
    }
}

/// A rule by its name.
pub(super) fn rule(language: Language, id: &str) -> Option<&'static Rule> {
    rules(language).iter().find(|rule| rule.id == id)
}

/// The words of a language's rules, found in one pass.
struct Words {
    finder: AhoCorasick,
    words: Vec<&'static str>,
}

static WORDS: LazyLock<Vec<Words>> = LazyLock::new(|| LANGUAGES.into_iter().map(words).collect());

fn words(language: Language) -> Words {
    let all: BTreeSet<&'static str> =
        rules(language).iter().flat_map(|rule| rule.words).flat_map(|list| list.iter().copied()).collect();
    let words: Vec<&'static str> = all.into_iter().collect();
    let finder = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .build(&words)
        .expect("few short words");
    Words { finder, words }
}

/// The rules that a text has the words of.
pub(super) fn candidates(language: Language, text: &str) -> BTreeSet<&'static str> {
    let Words { finder, words } = &WORDS[language as usize];
    let (mut seen, mut left) = (vec![false; words.len()], words.len());
    for found in finder.find_overlapping_iter(text) {
        let index = found.pattern().as_usize();
        left -= usize::from(!seen[index]);
        seen[index] = true;
        if left == 0 {
            break;
        }
    }
    let has = |word: &&str| words.binary_search(word).is_ok_and(|index| seen[index]);
    let holds = |rule: &&Rule| rule.words.iter().all(|list| list.iter().any(has));
    rules(language).iter().filter(holds).map(|rule| rule.id).collect()
}
