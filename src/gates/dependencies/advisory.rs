//! An OSV record (schema 1.6), as far as it is needed, and whether a version is among those that it is about.
//!
//! `GIT` ranges are about commits, which no lock file is compared by; a record that has nothing else is about no version.

use std::cmp::Ordering;

use serde::Deserialize;

use super::cvss::is_high;
use super::package::Ecosystem;
use super::version::Order;
use crate::base::{Severity, bounded, sanitize_line};

const SUMMARY_BYTES_MAX: usize = 300;

/// A record, as it is written.
#[derive(Debug, Deserialize)]
pub(super) struct Record {
    id: String,
    #[serde(default)]
    aliases: Option<Vec<String>>,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    details: Option<String>,
    #[serde(default)]
    withdrawn: Option<String>,
    #[serde(default)]
    severity: Option<Vec<RawSeverity>>,
    #[serde(default)]
    database_specific: Option<Specific>,
    #[serde(default)]
    affected: Option<Vec<RawAffected>>,
}

#[derive(Debug, Deserialize)]
struct RawSeverity {
    score: Option<String>,
}

/// What the databases behind OSV add of their own.
#[derive(Debug, Deserialize)]
struct Specific {
    /// GitHub's: `CRITICAL`, `HIGH`, `MODERATE`, `LOW`.
    #[serde(default)]
    severity: Option<serde_json::Value>,
    /// RustSec's: `unmaintained`, `unsound`, `notice`.
    #[serde(default)]
    informational: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct RawAffected {
    package: Option<RawPackage>,
    #[serde(default)]
    severity: Option<Vec<RawSeverity>>,
    #[serde(default)]
    ranges: Option<Vec<RawRange>>,
    #[serde(default)]
    versions: Option<Vec<String>>,
    #[serde(default)]
    database_specific: Option<Specific>,
}

#[derive(Debug, Deserialize)]
struct RawPackage {
    ecosystem: String,
    name: String,
}

#[derive(Debug, Deserialize)]
struct RawRange {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    events: Option<Vec<RawEvent>>,
}

#[derive(Debug, Deserialize)]
struct RawEvent {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
    limit: Option<String>,
}

/// What a record says of one package.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Advisory {
    pub(super) id: String,
    pub(super) aliases: Vec<String>,
    pub(super) summary: String,
    pub(super) severity: Severity,
    versions: Vec<String>,
    ranges: Vec<Range>,
}

/// A package that records are about: its ecosystem, and its name in normal form.
pub(super) type Subject = (Ecosystem, String);

/// From where to where versions are affected.
#[derive(Debug, PartialEq, Eq)]
struct Range {
    order: Order,
    events: Vec<(Event, String)>,
    limits: Vec<String>,
}

/// What begins or ends at a version. At one and the same version, what begins wins: it comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Fixed,
    LastAffected,
    Introduced,
}

/// Whether an advisory is about a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    No,
    /// It is, and the first version after it that is not, where there is one.
    Yes(Option<String>),
    /// The version is none that could be compared.
    Unknown,
}

impl Record {
    /// What the record says of each package that lock files may name; nothing where it was withdrawn.
    pub(super) fn advisories(self) -> Vec<(Subject, Advisory)> {
        if self.withdrawn.is_some() {
            return Vec::new();
        }
        let aliases = self.aliases.clone().unwrap_or_default();
        let summary = self.summary.as_deref().or_else(|| self.details.as_deref()?.lines().next()).unwrap_or_default();
        let summary = bounded(sanitize_line(summary).trim(), SUMMARY_BYTES_MAX);
        let of = |affected: &RawAffected| {
            let package = affected.package.as_ref()?;
            let ecosystem = Ecosystem::of(&package.ecosystem)?;
            let ranges = affected.ranges.as_deref().unwrap_or_default();
            let advisory = Advisory {
                id: self.id.clone(),
                aliases: aliases.clone(),
                summary: summary.clone(),
                severity: self.severity(affected),
                versions: affected.versions.clone().unwrap_or_default(),
                ranges: ranges.iter().filter_map(|range| Range::of(range, ecosystem)).collect(),
            };
            Some(((ecosystem, ecosystem.normal(&package.name)), advisory))
        };
        self.affected.as_deref().unwrap_or_default().iter().filter_map(of).collect()
    }

    fn severity(&self, affected: &RawAffected) -> Severity {
        if self.id.starts_with("MAL-") {
            return Severity::Error;
        }
        let specific = [affected.database_specific.as_ref(), self.database_specific.as_ref()];
        if specific.iter().flatten().any(|one| one.informational.as_ref().is_some_and(serde_json::Value::is_string)) {
            return Severity::Advice;
        }
        let scores = [affected.severity.as_deref(), self.severity.as_deref()].into_iter().flatten().flatten();
        let by_score: Vec<bool> = scores.filter_map(|one| is_high(one.score.as_deref()?)).collect();
        let by_word = specific.iter().flatten().filter_map(|one| one.severity.as_ref()?.as_str());
        let by_word = by_word.map(|word| matches!(&*word.to_ascii_uppercase(), "CRITICAL" | "HIGH"));
        // A word is its keeper's own, from the score; without one, the score is taken.
        let is_high = by_word.reduce(|one, other| one || other).unwrap_or_else(|| by_score.contains(&true));
        if is_high { Severity::Error } else { Severity::Warning }
    }
}

impl Range {
    fn of(raw: &RawRange, ecosystem: Ecosystem) -> Option<Self> {
        let order = match &*raw.kind {
            "SEMVER" => Order::Semver,
            "ECOSYSTEM" => ecosystem.order(),
            _ => return None,
        };
        let (mut events, mut limits) = (Vec::new(), Vec::new());
        for event in raw.events.as_deref().unwrap_or_default() {
            let each = [
                (Event::Introduced, &event.introduced),
                (Event::Fixed, &event.fixed),
                (Event::LastAffected, &event.last_affected),
            ];
            events.extend(each.into_iter().filter_map(|(kind, at)| Some((kind, at.clone()?))));
            limits.extend(event.limit.clone().filter(|limit| limit != "*"));
        }
        // `0` comes before every version. An event at what is no version has no place; the sort only has to be one.
        let place = |at: &str| if at == "0" { 1 } else { 2 * u8::from(order.knows(at)) };
        events.sort_by(|(one, at), (other, other_at)| {
            let by_version = match (place(at), place(other_at)) {
                (2, 2) => order.compare(at, other_at).unwrap_or(Ordering::Equal),
                (place, other_place) => place.cmp(&other_place).then_with(|| at.cmp(other_at)),
            };
            by_version.then(one.cmp(other))
        });
        Some(Self { order, events, limits })
    }

    fn covers(&self, version: &str) -> Answer {
        if !self.order.knows(version) {
            return Answer::Unknown;
        }
        let stands = |at: &str| match at {
            "0" => Some(Ordering::Greater),
            at => self.order.compare(version, at),
        };
        let (mut is_affected, mut fixed) = (false, None);
        for (event, at) in &self.events {
            let Some(ordering) = stands(at) else { return Answer::Unknown };
            match event {
                Event::Introduced if ordering != Ordering::Less => is_affected = true,
                Event::Fixed if ordering != Ordering::Less => is_affected = false,
                Event::LastAffected if ordering == Ordering::Greater => is_affected = false,
                Event::Fixed if fixed.is_none() => fixed = Some(at.clone()),
                _ => {}
            }
        }
        let is_within = self.limits.is_empty() || self.limits.iter().any(|limit| stands(limit) == Some(Ordering::Less));
        if is_affected && is_within { Answer::Yes(fixed) } else { Answer::No }
    }
}

impl Advisory {
    /// Whether it is about this version.
    pub(super) fn covers(&self, ecosystem: Ecosystem, version: &str) -> Answer {
        let answers: Vec<Answer> = self.ranges.iter().map(|range| range.covers(version)).collect();
        let order = ecosystem.order();
        let is_named = self.versions.iter().any(|one| {
            let is_same = || order.compare(one, version) == Some(Ordering::Equal);
            one == version || is_same()
        });
        let yes = answers.iter().find(|answer| matches!(answer, Answer::Yes(_)));
        match yes {
            Some(yes) => yes.clone(),
            None if is_named => Answer::Yes(None),
            None if answers.contains(&Answer::Unknown) => Answer::Unknown,
            None => Answer::No,
        }
    }

    /// Whether both are about the same weakness.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let ids = |one: &Self| -> Vec<String> { one.aliases.iter().chain([&one.id]).cloned().collect() };
        let others = ids(other);
        ids(self).iter().any(|id| others.contains(id))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn advisory(ecosystem: &str, affected: serde_json::Value) -> Advisory {
        let mut affected = affected;
        affected["package"] = json!({ "ecosystem": ecosystem, "name": "p" });
        let record: Record = serde_json::from_value(json!({ "id": "X-1", "affected": [affected] })).expect("a record");
        record.advisories().remove(0).1
    }

    #[test]
    fn ranges_are_evaluated_as_the_schema_says() {
        let two = json!({ "ranges": [{ "type": "SEMVER", "events": [
            { "introduced": "2.0.0" }, { "fixed": "2.1.0" }, { "introduced": "0" }, { "fixed": "1.5.0" },
        ] }] });
        let last = json!({ "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }, { "last_affected": "1.2" }] }] });
        let limit =
            json!({ "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }, { "limit": "1.0.0" }] }] });
        let again = json!({ "ranges": [{ "type": "SEMVER", "events": [
            { "introduced": "0" }, { "fixed": "1.0.0" }, { "introduced": "1.0.0" }, { "fixed": "2.0.0" },
        ] }] });
        let git = json!({ "ranges": [{ "type": "GIT", "events": [{ "introduced": "0" }] }], "versions": ["1.0.0"] });
        let pseudo = json!({ "ranges": [{ "type": "SEMVER", "events": [
            { "introduced": "0" }, { "fixed": "0.0.0-20210101000000-abcdefabcdef" },
        ] }] });
        let fixed = |text: &str| Answer::Yes(Some(text.to_owned()));
        let table = [
            ("npm", &two, "1.4.9", fixed("1.5.0")),
            ("npm", &two, "1.5.0", Answer::No),
            ("npm", &two, "1.5.0-rc.1", fixed("1.5.0")),
            ("npm", &two, "2.0.0-rc.1", Answer::No),
            ("npm", &two, "2.0.5", fixed("2.1.0")),
            ("npm", &two, "2.1.0", Answer::No),
            ("npm", &two, "git+ssh://x", Answer::Unknown),
            ("PyPI", &last, "1.2.0", Answer::Yes(None)),
            ("PyPI", &last, "1.2.post1", Answer::No),
            ("PyPI", &last, "0.0.dev1", Answer::Yes(None)),
            ("Go", &limit, "v0.9.0", Answer::Yes(None)),
            ("Go", &limit, "v1.0.0", Answer::No),
            ("Go", &pseudo, "v0.0.0-20210101000000-abcdefabcdef", Answer::No),
            ("Go", &pseudo, "v0.0.0-20200101000000-abcdefabcdef", fixed("0.0.0-20210101000000-abcdefabcdef")),
            ("npm", &again, "1.0.0", fixed("2.0.0")),
            ("crates.io", &git, "1.0.0", Answer::Yes(None)),
            ("crates.io", &git, "1.0.1", Answer::No),
        ];
        for (ecosystem, affected, version, expected) in table {
            let advisory = advisory(ecosystem, affected.clone());
            let of = Ecosystem::of(ecosystem).expect("known");
            assert_eq!(advisory.covers(of, version), expected, "{ecosystem} {version}");
        }
    }

    #[test]
    fn severities() {
        let of = |record: serde_json::Value| {
            let mut record = record;
            record["affected"] =
                json!([{ "package": { "ecosystem": "npm", "name": "p" }, "database_specific": record["inner"] }]);
            let record: Record = serde_json::from_value(record).expect("a record");
            record.advisories().remove(0).1.severity
        };
        let v3 = |vector: &str| json!({ "id": "A", "severity": [{ "type": "CVSS_V3", "score": vector }] });
        assert_eq!(of(v3("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H")), Severity::Error);
        assert_eq!(of(v3("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N")), Severity::Warning);
        assert_eq!(of(json!({ "id": "A" })), Severity::Warning);
        assert_eq!(of(json!({ "id": "A", "database_specific": { "severity": "HIGH" } })), Severity::Error);
        assert_eq!(of(json!({ "id": "A", "database_specific": { "severity": "MODERATE" } })), Severity::Warning);
        assert_eq!(of(json!({ "id": "MAL-2024-1" })), Severity::Error);
        assert_eq!(of(json!({ "id": "RUSTSEC-1", "inner": { "informational": "unmaintained" } })), Severity::Advice);
        assert_eq!(of(json!({ "id": "RUSTSEC-1", "inner": { "informational": null } })), Severity::Warning);
    }
}
