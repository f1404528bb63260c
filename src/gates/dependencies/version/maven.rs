//! Versions of Maven artifacts, after Maven's version order: numbers and qualifiers, separated by dots, hyphens, or where digits
//! meet letters, with zeros and `final` at an end meaning nothing.

use std::cmp::Ordering;

use super::number::Number;

/// A version, taken apart.
#[derive(Debug)]
pub(super) struct Maven<'a>(Vec<Token<'a>>);

#[derive(Debug)]
struct Token<'a> {
    hyphen: bool,
    value: Value<'a>,
}

#[derive(Debug)]
enum Value<'a> {
    Number(Number<'a>),
    Qualifier(String),
}

/// Qualifiers in their order; the empty one is the release itself.
const QUALIFIERS: [&str; 7] = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];

impl Token<'_> {
    fn is_nothing(&self) -> bool {
        match &self.value {
            Value::Number(number) => number.is_zero(),
            Value::Qualifier(qualifier) => qualifier.is_empty(),
        }
    }

    /// Where tokens of different kinds stand to each other: a qualifier, `-1`, `.1`.
    fn rank(&self) -> u8 {
        match (&self.value, self.hyphen) {
            (Value::Qualifier(_), _) => 0,
            (Value::Number(_), true) => 1,
            (Value::Number(_), false) => 2,
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (&self.value, &other.value) {
            (Value::Number(one), Value::Number(two)) if self.hyphen == other.hyphen => one.cmp(two),
            (Value::Qualifier(one), Value::Qualifier(two)) => place(one).cmp(&place(two)),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    /// What stands where the other version has nothing.
    fn nothing_like(&self) -> Self {
        let value = match self.value {
            Value::Number(_) => Value::Number(Number::ZERO),
            Value::Qualifier(_) => Value::Qualifier(String::new()),
        };
        Self { hyphen: self.hyphen, value }
    }
}

/// Known qualifiers by their place, unknown ones after them by their letters.
fn place(qualifier: &str) -> (usize, &str) {
    match QUALIFIERS.iter().position(|known| *known == qualifier) {
        Some(at) => (at, ""),
        None => (QUALIFIERS.len(), qualifier),
    }
}

impl Maven<'_> {
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        for nth in 0..self.0.len().max(other.0.len()) {
            let ordering = match (self.0.get(nth), other.0.get(nth)) {
                (Some(one), Some(two)) => one.compare(two),
                (Some(one), None) => one.compare(&one.nothing_like()),
                (None, Some(two)) => two.nothing_like().compare(two),
                (None, None) => Ordering::Equal,
            };
            if ordering != Ordering::Equal {
                return ordering;
            }
        }
        Ordering::Equal
    }
}

pub(super) fn parse(text: &str) -> Option<Maven<'_>> {
    let text = text.trim();
    if !text.is_ascii() || !text.starts_with(|char: char| char.is_ascii_alphanumeric()) {
        return None;
    }
    if text.contains(|char: char| char.is_whitespace() || "[](),${}".contains(char)) {
        return None;
    }
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let (mut rest, mut hyphen) = (text, false);
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest.bytes().take_while(|byte| !byte.is_ascii_digit() && !b".-_".contains(byte)).count();
        let (word, after) = rest.split_at(digits.max(letters));
        let before_digit = after.starts_with(|char: char| char.is_ascii_digit());
        let value = match Number::new(word) {
            Some(number) => Value::Number(number),
            None if word.is_empty() => Value::Number(Number::ZERO),
            None => Value::Qualifier(qualifier(word, before_digit)),
        };
        tokens.push(Token { hyphen, value });
        let Some(separator) = after.chars().next() else { break };
        // Where digits meet letters, the separator is left out, and stands for a hyphen.
        let is_separator = matches!(separator, '.' | '-' | '_');
        hyphen = separator != '.';
        rest = if is_separator { &after[1..] } else { after };
    }
    Some(Maven(trimmed(tokens)))
}

fn qualifier(word: &str, before_digit: bool) -> String {
    match word.to_ascii_lowercase().as_str() {
        "a" if before_digit => "alpha".to_owned(),
        "b" if before_digit => "beta".to_owned(),
        "m" if before_digit => "milestone".to_owned(),
        "cr" => "rc".to_owned(),
        "final" | "ga" | "release" => String::new(),
        other => other.to_owned(),
    }
}

/// Leaves out what means nothing at the end, and before every hyphen.
fn trimmed(tokens: Vec<Token<'_>>) -> Vec<Token<'_>> {
    let mut kept: Vec<Token<'_>> = Vec::new();
    for token in tokens {
        if token.hyphen {
            drop_nothings(&mut kept);
        }
        kept.push(token);
    }
    drop_nothings(&mut kept);
    kept
}

fn drop_nothings(tokens: &mut Vec<Token<'_>>) {
    while tokens.last().is_some_and(Token::is_nothing) {
        tokens.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::dependencies::version::Order;

    #[test]
    fn earlier_versions_come_first() {
        let sorted = [
            "0",
            "1-alpha-1",
            "1-alpha2",
            "1-beta-2",
            "1-milestone-1",
            "1-rc-1",
            "1-SNAPSHOT",
            "1.0",
            "1-sp",
            "1-abc",
            "1-xyz",
            "1-1",
            "1.1-alpha",
            "1.1",
            "1.2",
            "1.10",
            "2.0.0.RC1",
            "2.0.1",
            "2.9.10.3",
            "2.9.10.4",
            "31.1-android",
            "31.1-jre",
        ];
        for (nth, one) in sorted.iter().enumerate() {
            for (other_nth, other) in sorted.iter().enumerate() {
                assert_eq!(Order::Maven.compare(one, other), Some(nth.cmp(&other_nth)), "{one} {other}");
            }
        }
    }

    #[test]
    fn spellings_of_one_version_are_equal() {
        let table = [
            ("1", "1.0.0"),
            ("1.0-ga", "1"),
            ("1.0.Final", "1.0.0"),
            ("1-a1", "1-alpha-1"),
            ("1-cr1", "1-rc1"),
            ("1.0-RELEASE", "1"),
            ("1.0.0-0.0", "1"),
            ("1-1.foo-bar1baz-.1", "1-1.foo-bar-1-baz-0.1"),
        ];
        for (one, other) in table {
            assert_eq!(Order::Maven.compare(one, other), Some(Ordering::Equal), "{one} {other}");
        }
        for odd in ["", "${version}", "[1.0,2.0)", "1 2", "é", "-1"] {
            assert!(!Order::Maven.knows(odd), "{odd}");
        }
    }
}
