//! Semantic versions, as crates.io, npm and Go have them. Databases shorten them (`1.2`, `0`), and Go puts a `v` before; build
//! metadata, `+incompatible` among it, has no order.

use std::cmp::Ordering;

use super::number::Number;

/// A version, ready to be compared.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Semver<'a> {
    release: [Number<'a>; 3],
    before: Before<'a>,
}

/// The identifiers after the hyphen; without one a version comes after all that have one.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Before<'a> {
    Release(Vec<Identifier<'a>>),
    Final,
}

#[derive(Debug, PartialEq, Eq)]
enum Identifier<'a> {
    Number(Number<'a>),
    Text(&'a str),
}

impl Ord for Identifier<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => one.cmp(other),
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Identifier<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

pub(super) fn parse(text: &str) -> Option<Semver<'_>> {
    let text = text.trim();
    let text = text.strip_prefix(['v', 'V', '=']).unwrap_or(text);
    let text = text.split('+').next()?;
    let (release, before) = match text.split_once('-') {
        Some((release, before)) => (release, Some(before)),
        None => (text, None),
    };
    let mut numbers = [Number::ZERO; 3];
    for (nth, part) in release.split('.').enumerate() {
        *numbers.get_mut(nth)? = Number::new(part)?;
    }
    let identifier = |part| Number::new(part).map_or(Identifier::Text(part), Identifier::Number);
    let before = match before {
        Some(before) => Before::Release(before.split('.').map(identifier).collect()),
        None => Before::Final,
    };
    Some(Semver { release: numbers, before })
}

#[cfg(test)]
mod tests {
    use crate::gates::dependencies::version::Order;

    #[test]
    fn earlier_versions_come_first() {
        let sorted = [
            "0",
            "0.0.1-0",
            "v0.0.1",
            "0.9",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1-0.20190101000000-abcdefabcdef",
            "1.0.1-0.20200101000000-abcdefabcdef",
            "1.0.1",
            "1.2",
            "1.10.0",
            "2.0.0+incompatible",
            "99999999999999999999999.0.0",
        ];
        for (nth, one) in sorted.iter().enumerate() {
            for (other_nth, other) in sorted.iter().enumerate() {
                assert_eq!(Order::Semver.compare(one, other), Some(nth.cmp(&other_nth)), "{one} {other}");
            }
        }
        let equal = Order::Semver.compare("v1.2.0+build.5", "1.2");
        assert_eq!(equal, Some(std::cmp::Ordering::Equal));
        for odd in ["", "1.x", "1.2.3.4", "latest", "git+ssh://x", "-1", "1..2", "v"] {
            assert!(!Order::Semver.knows(odd), "{odd}");
        }
    }
}
