//! Patterns over project paths: what `inputs`, `outputs`, `edits` and `scratch` are made of.
//!
//! Three shapes: a literal (`src/a.c`, which also stands for everything beneath it where it is a directory), a
//! wildcard (`src/**/*.c`), and for inputs an exclusion (`!src/gen/**`). `*` and `?` stay within a component, `**`
//! as a whole component spans any number of them, `[a-z]` is a class, `{a,b}` alternatives.

use std::fmt;
use std::sync::{Arc, OnceLock};

use globset::{Glob, GlobBuilder, GlobMatcher};
use serde::{Serialize, Serializer};

use super::{PathError, RelPath};

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The path in it is no path inside the project.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The wildcard's syntax is wrong.
    #[error("the wildcard is malformed: {0}")]
    Syntax(String),
    /// `..` next to a wildcard.
    #[error("`..` and wildcards do not go together")]
    ParentInWildcard,
}

/// One pattern, normalized. Equality, order and hash are those of its text. Large plans have a million of them, most literal: one
/// of those is its path and nothing else.
#[derive(Clone)]
pub struct Pattern {
    /// A literal's path, a wildcard's text: one that could be a path.
    text: RelPath,
    excludes: bool,
    wildcard: Option<Arc<Wildcard>>,
}

/// A wildcard, compiled when it is first matched: of a large plan most patterns are only looked at, and a compiled one
/// takes several KiB.
struct Wildcard {
    glob: Glob,
    matcher: OnceLock<GlobMatcher>,
    /// The components of each of the texts that it stands for.
    alternatives: Vec<Vec<Box<str>>>,
}

impl Wildcard {
    fn is_match(&self, path: &str) -> bool {
        self.matcher.get_or_init(|| self.glob.compile_matcher()).is_match(path)
    }
}

fn has_wildcard(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'{'))
}

impl Pattern {
    /// Parses one pattern. A trailing `/` is dropped: a literal stands for a directory's content anyway.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let (excludes, body) = match text.strip_prefix('!') {
            Some(body) => (true, body),
            None => (false, text),
        };
        if !has_wildcard(body) {
            return Ok(Self { text: RelPath::new(body)?, excludes, wildcard: None });
        }
        if body.split('/').any(|part| part == "..") {
            return Err(PatternError::ParentInWildcard);
        }
        let normalized = RelPath::new(body)?;
        let glob = GlobBuilder::new(normalized.as_str())
            .literal_separator(true)
            .backslash_escape(false)
            .build()
            .map_err(|error| PatternError::Syntax(error.kind().to_string()))?;
        let alternatives = expand_braces(normalized.as_str())
            .into_iter()
            .map(|text| text.split('/').map(Into::into).collect())
            .collect();
        let wildcard = Wildcard { glob, matcher: OnceLock::new(), alternatives };
        Ok(Self { text: normalized, excludes, wildcard: Some(Arc::new(wildcard)) })
    }

    /// Whether a text is a wildcard rather than a path.
    #[must_use]
    pub fn is_wildcard(text: &str) -> bool {
        has_wildcard(text)
    }

    /// The pattern that means exactly this path and what lies beneath it.
    #[must_use]
    pub fn literal(path: &RelPath) -> Self {
        Self { text: path.clone(), excludes: false, wildcard: None }
    }

    /// The normalized text, without a leading `!`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// As [`Pattern::as_str`], to be held beside the pattern without a copy.
    #[must_use]
    pub fn text(&self) -> Arc<str> {
        self.text.text()
    }

    /// Whether it takes away rather than adds (`!x`).
    #[must_use]
    pub fn excludes(&self) -> bool {
        self.excludes
    }

    /// The path, if it has no wildcard.
    #[must_use]
    pub fn as_literal(&self) -> Option<RelPath> {
        self.literal_path().cloned()
    }

    /// As [`Pattern::as_literal`], without a copy.
    #[must_use]
    pub fn literal_path(&self) -> Option<&RelPath> {
        self.wildcard.is_none().then_some(&self.text)
    }

    /// Whether it covers the path: a literal its own path and what lies beneath, a wildcard what it matches.
    #[must_use]
    pub fn matches(&self, path: &RelPath) -> bool {
        match &self.wildcard {
            Some(wildcard) => wildcard.is_match(path.as_str()),
            None => path.is_within(&self.text),
        }
    }

    /// The components before the first wildcard: the directory a walk may start from (empty: the root).
    #[must_use]
    pub fn base(&self) -> String {
        let parts: Vec<&str> = self.as_str().split('/').take_while(|part| !has_wildcard(part)).collect();
        parts.join("/")
    }

    /// Whether some path could be covered by both. Never `false` where such a path exists.
    ///
    /// A literal may turn out to be a directory, so it is taken for its path and everything beneath.
    #[must_use]
    pub fn may_intersect(&self, other: &Pattern) -> bool {
        let parts = |pattern: &Pattern| vec![pattern.as_str().split('/').map(Into::into).collect()];
        match (&self.wildcard, &other.wildcard) {
            (None, None) => self.text.is_within(&other.text) || other.text.is_within(&self.text),
            (Some(left), None) => any_meet(&left.alternatives, &parts(other), (false, true)),
            (None, Some(right)) => any_meet(&parts(self), &right.alternatives, (true, false)),
            (Some(left), Some(right)) => any_meet(&left.alternatives, &right.alternatives, (false, false)),
        }
    }
}

/// Whether any two of these component lists can match a common path.
fn any_meet(left: &[Vec<Box<str>>], right: &[Vec<Box<str>>], (left_open, right_open): (bool, bool)) -> bool {
    left.iter().any(|left| right.iter().any(|right| components_meet(left, right, left_open, right_open)))
}

/// Whether two component lists can match a common path; an open end also matches everything beneath.
fn components_meet(left: &[Box<str>], right: &[Box<str>], left_open: bool, right_open: bool) -> bool {
    let at_end = |l: usize, r: usize| match (l == left.len(), r == right.len()) {
        (true, true) => true,
        (true, false) => left_open,
        (false, true) => right_open,
        (false, false) => false,
    };
    let run = |side: &[Box<str>], at: usize| side.get(at).is_some_and(|part| &**part == "**");
    let one = |l: usize, r: usize| match has_wildcard(&left[l]) || has_wildcard(&right[r]) {
        true => component_meets(&tokens(&left[l]), &tokens(&right[r])),
        false => left[l] == right[r],
    };
    sequences_meet((left.len(), right.len()), at_end, |l| run(left, l), |r| run(right, r), one)
}

/// Whether two sequences, in which some items stand for any run of items, can stand for a common one.
///
/// Each pair of suffixes is judged once, from the ends on, so that no pattern takes more than quadratic time.
fn sequences_meet(
    (left, right): (usize, usize),
    at_end: impl Fn(usize, usize) -> bool,
    left_is_run: impl Fn(usize) -> bool,
    right_is_run: impl Fn(usize) -> bool,
    items_meet: impl Fn(usize, usize) -> bool,
) -> bool {
    let mut after = vec![false; right + 1];
    let mut row = vec![false; right + 1];
    for l in (0..=left).rev() {
        for r in (0..=right).rev() {
            let (left_left, right_left) = (l < left, r < right);
            row[r] = at_end(l, r)
                || left_left && left_is_run(l) && (after[r] || right_left && row[r + 1])
                || right_left && right_is_run(r) && (row[r + 1] || left_left && after[r])
                || left_left && right_left && !left_is_run(l) && !right_is_run(r) && after[r + 1] && items_meet(l, r);
        }
        std::mem::swap(&mut after, &mut row);
    }
    after[0]
}

/// What one position of a component's pattern matches.
#[derive(Clone, Copy, PartialEq)]
enum Token {
    Exactly(char),
    AnyOne,
    AnyRun,
}

fn tokens(component: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut chars = component.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '*' => Token::AnyRun,
            '?' => Token::AnyOne,
            '[' => {
                let mut first = true;
                for inner in chars.by_ref() {
                    if inner == ']' && !first {
                        break;
                    }
                    first = first && matches!(inner, '!' | '^');
                }
                Token::AnyOne
            }
            c => Token::Exactly(c),
        });
    }
    out
}

fn component_meets(left: &[Token], right: &[Token]) -> bool {
    let run = |side: &[Token], at: usize| side[at] == Token::AnyRun;
    let one = |l: usize, r: usize| left[l] == right[r] || left[l] == Token::AnyOne || right[r] == Token::AnyOne;
    let ends = (left.len(), right.len());
    sequences_meet(ends, |l, r| (l, r) == ends, |l| run(left, l), |r| run(right, r), one)
}

/// The texts that a pattern with `{a,b}` stands for; beyond 64 of them, one text that matches more.
fn expand_braces(text: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut open = vec![text.to_owned()];
    while let Some(text) = open.pop() {
        let Some(start) = text.find('{') else {
            done.push(text);
            continue;
        };
        if done.len() + open.len() > 64 {
            return vec!["**".to_owned()];
        }
        let mut depth = 0usize;
        let mut cuts = vec![start];
        let mut end = None;
        for (at, c) in text.char_indices().skip_while(|(at, _)| *at < start) {
            match c {
                '{' => depth += 1,
                '}' => {
                    depth -= 1;
                    if depth == 0 {
                        cuts.push(at);
                        end = Some(at);
                        break;
                    }
                }
                ',' if depth == 1 => cuts.push(at),
                _ => {}
            }
        }
        let Some(end) = end else {
            return vec!["**".to_owned()];
        };
        for pair in cuts.windows(2) {
            open.push(format!("{}{}{}", &text[..start], &text[pair[0] + 1..pair[1]], &text[end + 1..]));
        }
    }
    done
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (self.excludes, &self.text) == (other.excludes, &other.text)
    }
}
impl Eq for Pattern {}
impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&self.text, self.excludes).cmp(&(&other.text, other.excludes))
    }
}
impl std::hash::Hash for Pattern {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.excludes, &self.text).hash(state);
    }
}
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.excludes { "!" } else { "" };
        write!(f, "{sign}{}", super::sanitize_line(self.as_str()))
    }
}
impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}
impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Several patterns in the order written. A path is covered if one that adds matches and no one that excludes does.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PatternSet(Arc<[Pattern]>);

impl PatternSet {
    /// The set of these patterns.
    #[must_use]
    pub fn new(patterns: Vec<Pattern>) -> Self {
        Self(patterns.into())
    }

    /// Whether the set covers the path.
    #[must_use]
    pub fn matches(&self, path: &RelPath) -> bool {
        let hit = |excludes: bool| self.0.iter().any(|p| p.excludes == excludes && p.matches(path));
        hit(false) && !hit(true)
    }

    /// Whether a path could be covered by the set and by `other` (exclusions that cover the whole of it count).
    #[must_use]
    pub fn may_intersect(&self, other: &Pattern) -> bool {
        let excluded = other.literal_path().is_some_and(|path| self.0.iter().any(|p| p.excludes && p.matches(path)));
        !excluded && self.0.iter().any(|p| !p.excludes && p.may_intersect(other))
    }

    /// The patterns.
    pub fn iter(&self) -> impl Iterator<Item = &Pattern> {
        self.0.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<Pattern> for PatternSet {
    fn from_iter<I: IntoIterator<Item = Pattern>>(patterns: I) -> Self {
        Self(patterns.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).expect(text)
    }

    #[test]
    fn matching() {
        let table = [
            ("src/a.c", "src/a.c", true),
            ("src", "src/a.c", true),
            ("./src/", "src/x/y", true),
            ("src", "srcs", false),
            ("src/*.c", "src/a.c", true),
            ("src/*.c", "src/x/a.c", false),
            ("src/**", "src/x/a.c", true),
            ("src/**/*.c", "src/a.c", true),
            ("{a,b}/*", "b/x", true),
            ("[ab]/?", "a/x", true),
            ("**", "any/thing", true),
        ];
        for (text, path, expected) in table {
            assert_eq!(pattern(text).matches(&RelPath::new(path).expect(path)), expected, "{text} {path}");
        }
    }

    #[test]
    fn refusals() {
        for bad in ["", "/x", "../x", "a/../../b", "a/../*", "[", "{a", "a\\*"] {
            assert!(Pattern::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn intersection() {
        let table = [
            ("a", "a", true),
            ("a", "a/b", true),
            ("a/b", "a/c", false),
            ("src/**/*.rs", "src/gen/x.rs", true),
            ("src/**/*.rs", "src/gen/*.py", false),
            ("src/**", "src", true),
            ("*.c", "*.h", false),
            ("a*c", "ab*", true),
            ("{x,y}/z", "y/*", true),
            ("{x,y}/z", "w/*", false),
            ("**/x", "a/b/**", true),
            ("a/*", "a/b/c", false),
            ("a[12].c", "a3.c", true),
        ];
        for (left, right, expected) in table {
            let (left, right) = (pattern(left), pattern(right));
            assert_eq!(left.may_intersect(&right), expected, "{left} {right}");
            assert_eq!(right.may_intersect(&left), expected, "{right} {left}");
        }
    }

    #[test]
    fn many_wildcards_take_no_exponential_time() {
        let left = pattern(&format!("{}x", "**/a*/".repeat(60)));
        let right = pattern(&format!("{}y", "**/a*/".repeat(60)));
        assert!(!left.may_intersect(&right));
        let stars = |end: &str| pattern(&format!("{}{end}", "*a".repeat(100)));
        assert!(!stars("x").may_intersect(&stars("y")));
    }

    #[test]
    fn exclusions_take_away() {
        let set = PatternSet::new(vec![pattern("src/**"), pattern("!src/gen")]);
        let path = |text| RelPath::new(text).expect("valid");
        assert!(set.matches(&path("src/a")));
        assert!(!set.matches(&path("src/gen/a")));
        assert!(!set.may_intersect(&pattern("src/gen/a")));
        assert_eq!(pattern("src/x/*.c").base(), "src/x");
    }

    proptest::proptest! {
        #[test]
        fn a_common_path_means_intersection(
            left in "[ab*?/]{1,6}", right in "[ab*?/]{1,6}", path in "[ab]{1,2}(/[ab]{1,2}){0,2}"
        ) {
            if let (Ok(left), Ok(right), Ok(path)) = (Pattern::new(&left), Pattern::new(&right), RelPath::new(&path))
                && left.matches(&path) && right.matches(&path)
            {
                proptest::prop_assert!(left.may_intersect(&right), "{left} {right} {path}");
            }
        }
    }
}
