//! Versions of Python packages (PEP 440): epochs, pre-, post- and development releases, and local versions, in all spellings
//! that the standard makes one of.

use super::number::Number;

/// A version in the form in which its parts compare one after another.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pep440<'a> {
    epoch: Number<'a>,
    /// Without the zeros at its end.
    release: Vec<Number<'a>>,
    before: Before<'a>,
    after: Option<Number<'a>>,
    development: Development<'a>,
    local: Vec<Local<'a>>,
}

/// The pre-release. A development release of the version itself comes before any.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Before<'a> {
    Development,
    Letter(u8, Number<'a>),
    Final,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Development<'a> {
    Number(Number<'a>),
    None,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Local<'a> {
    Text(String),
    Number(Number<'a>),
}

pub(super) fn parse(text: &str) -> Option<Pep440<'_>> {
    let text = text.trim();
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let (public, local) = match text.split_once('+') {
        Some((public, local)) => (public, self::local(local)?),
        None => (text, Vec::new()),
    };
    let (epoch, rest) = match public.split_once('!') {
        Some((epoch, rest)) => (Number::new(epoch)?, rest),
        None => (Number::ZERO, public),
    };
    let (release, rest) = release(rest)?;
    let mut reading = Reading { rest };
    let before = reading.labelled(&[
        ("alpha", b'a'),
        ("beta", b'b'),
        ("preview", b'c'),
        ("pre", b'c'),
        ("rc", b'c'),
        ("a", b'a'),
        ("b", b'b'),
        ("c", b'c'),
    ]);
    let after =
        reading.labelled(&[("post", 0), ("rev", 0), ("r", 0)]).map(|(_, number)| number).or_else(|| reading.bare());
    let development = reading.labelled(&[("dev", 0)]).map(|(_, number)| number);
    if !reading.rest.is_empty() {
        return None;
    }
    let before = match (before, after, development) {
        (Some((letter, number)), _, _) => Before::Letter(letter, number),
        (None, None, Some(_)) => Before::Development,
        (None, _, _) => Before::Final,
    };
    let development = development.map_or(Development::None, Development::Number);
    Some(Pep440 { epoch, release, before, after, development, local })
}

/// The numbers at the beginning, and what follows.
fn release(text: &str) -> Option<(Vec<Number<'_>>, &str)> {
    let mut numbers = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
        numbers.push(Number::new(&rest[..end])?);
        rest = &rest[end..];
        match rest.strip_prefix('.').filter(|next| next.starts_with(|char: char| char.is_ascii_digit())) {
            Some(next) => rest = next,
            None => break,
        }
    }
    while numbers.last().is_some_and(|number| number.is_zero()) {
        numbers.pop();
    }
    Some((numbers, rest))
}

fn local(text: &str) -> Option<Vec<Local<'_>>> {
    let part = |part: &'_ str| {
        let is_word = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_word.then(|| part.to_ascii_lowercase())
    };
    text.split(['.', '-', '_'])
        .map(|word| match Number::new(word) {
            Some(number) => Some(Local::Number(number)),
            None => part(word).map(Local::Text),
        })
        .collect()
}

struct Reading<'a> {
    rest: &'a str,
}

impl<'a> Reading<'a> {
    /// `.rc-1` and the like: one of the labels with its number, 0 where it has none.
    fn labelled(&mut self, labels: &[(&str, u8)]) -> Option<(u8, Number<'a>)> {
        let start = without_separator(self.rest);
        let (label, which) = labels
            .iter()
            .find(|(label, _)| start.get(..label.len()).is_some_and(|head| head.eq_ignore_ascii_case(label)))?;
        let rest = &start[label.len()..];
        let digits = without_separator(rest);
        let end = digits.find(|char: char| !char.is_ascii_digit()).unwrap_or(digits.len());
        let (number, rest) = match Number::new(&digits[..end]) {
            Some(number) => (number, &digits[end..]),
            None => (Number::ZERO, rest),
        };
        self.rest = rest;
        Some((*which, number))
    }

    /// `-1`, which is a post-release.
    fn bare(&mut self) -> Option<Number<'a>> {
        let digits = self.rest.strip_prefix('-')?;
        let end = digits.find(|char: char| !char.is_ascii_digit()).unwrap_or(digits.len());
        let number = Number::new(&digits[..end])?;
        self.rest = &digits[end..];
        Some(number)
    }
}

fn without_separator(text: &str) -> &str {
    text.strip_prefix(['.', '-', '_']).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use crate::gates::dependencies::version::Order;

    #[test]
    fn earlier_versions_come_first() {
        let sorted = [
            "0",
            "1.0.dev456",
            "1.0a1",
            "1.0a2.dev456",
            "1.0a12.dev456",
            "1.0a12",
            "1.0b1.dev456",
            "1.0b2",
            "1.0b2.post345.dev456",
            "1.0b2.post345",
            "1.0rc1.dev456",
            "1.0rc1",
            "1.0",
            "1.0+abc.5",
            "1.0+abc.7",
            "1.0+5",
            "1.0.post456.dev34",
            "1.0.post456",
            "1.0.15",
            "1.1.dev1",
            "1.10",
            "2024.1",
            "1!0.1",
        ];
        for (nth, one) in sorted.iter().enumerate() {
            for (other_nth, other) in sorted.iter().enumerate() {
                assert_eq!(Order::Pep440.compare(one, other), Some(nth.cmp(&other_nth)), "{one} {other}");
            }
        }
    }

    #[test]
    fn spellings_of_one_version_are_equal() {
        let table = [
            ("1.0", "1"),
            ("1.0.0", "v1"),
            ("1.0a1", "1.0-alpha_1"),
            ("1.0rc1", "1.0.PREVIEW1"),
            ("1.0c1", "1.0pre1"),
            ("1.0.post1", "1.0-1"),
            ("1.0.post0", "1.0post"),
            ("1.0.r4", "1.0rev4"),
            ("1.0+ubuntu-1", "1.0+ubuntu.1"),
            ("01.0", "1.00"),
        ];
        for (one, other) in table {
            assert_eq!(Order::Pep440.compare(one, other), Some(Ordering::Equal), "{one} {other}");
        }
        for odd in ["", "1.0-x", "french toast", "1.0+", "1.0+a..b", "1.*", "1.0.", "!1", "é"] {
            assert!(!Order::Pep440.knows(odd), "{odd}");
        }
    }
}
