//! The options of built-in checks: which check knows which.

use std::collections::BTreeMap;

use serde_json::json;

use super::document::Place;
use super::format::RawGate;
use super::model::Check;
use super::names::Names;
use super::paths::{Use, literal, patterns};
use super::reader::Reader;
use super::values::words;
use crate::base::Finding;

/// The options of each check. Whatever is no option of a check is refused on its gate.
const OPTIONS: [(Check, &[&str]); 9] = [
    (Check::Tdd, &["files", "command", "coverage_min"]),
    (Check::Security, &["allow"]),
    (Check::Secrets, &["allow"]),
    (Check::Performance, &["command", "runs", "budget", "slower_max"]),
    (Check::Review, &["lines_max", "files_max", "lint", "reviewer", "rubric"]),
    (Check::Integrity, &["protect", "allow"]),
    (Check::Scope, &["allow"]),
    (Check::Schema, &["schema", "files"]),
    (Check::Files, &["require", "forbid"]),
];

fn known(check: Option<Check>) -> &'static [&'static str] {
    OPTIONS.iter().find(|(known, _)| Some(*known) == check).map_or(&[], |(_, keys)| keys)
}

/// The options of a gate as its check takes them; those of another check are reported.
pub(super) fn check_options(
    raw: &RawGate,
    check: Option<Check>,
    agents: &Names,
    reader: &mut Reader<'_>,
) -> BTreeMap<String, serde_json::Value> {
    let mut options = BTreeMap::new();
    let mut add = |key: &str, value: serde_json::Value| {
        options.insert(key.to_owned(), value);
    };
    let lists = [
        ("files", &raw.files),
        ("allow", &raw.allow),
        ("protect", &raw.protect),
        ("require", &raw.require),
        ("forbid", &raw.forbid),
    ];
    for (key, list) in lists.into_iter().filter(|(_, list)| list.is_some()) {
        add(key, json!(patterns(list.as_ref(), Use::Input, reader)));
    }
    if let Some(command) = &raw.command {
        add("command", json!(command.argv));
    }
    if let Some(percent) = &raw.coverage_min {
        add("coverage_min", json!(percent.value.0));
    }
    if let Some(percent) = &raw.slower_max {
        add("slower_max", json!(percent.value.0));
    }
    if let Some(budget) = &raw.budget {
        add("budget", json!(budget.value.ms()));
    }
    for (key, count) in [("runs", &raw.runs), ("lines_max", &raw.lines_max), ("files_max", &raw.files_max)] {
        if let Some(count) = count {
            add(key, json!(count.value.0));
        }
    }
    if let Some(lint) = &raw.lint {
        add("lint", json!(lint.iter().map(|text| &text.value).collect::<Vec<_>>()));
    }
    if let Some(name) = raw.reviewer.as_ref().and_then(|text| agents.resolve(text, reader)) {
        add("reviewer", json!(name));
    }
    if let Some(rubric) = &raw.rubric {
        add("rubric", json!(rubric.value));
    }
    if let Some(path) = raw.schema.as_ref().and_then(|text| literal(text, Use::Input, reader)) {
        add("schema", json!(path));
    }
    refuse_others(raw, check, reader);
    options
}

fn refuse_others(raw: &RawGate, check: Option<Check>, reader: &mut Reader<'_>) {
    use super::table::Table;
    let allowed = known(check);
    let all: Vec<&str> = OPTIONS.iter().flat_map(|(_, keys)| keys.iter().copied()).collect();
    let present: Vec<(&str, Place)> =
        all.iter().filter_map(|key| reader.child(raw.at(), key).map(|place| (*key, place))).collect();
    for (key, place) in present.into_iter().filter(|(key, _)| !allowed.contains(key)) {
        let owners: Vec<String> = OPTIONS
            .iter()
            .zip(words::<Check>())
            .filter(|((_, keys), _)| keys.contains(&key))
            .map(|(_, name)| name)
            .collect();
        let (message, help) = match (&raw.check, allowed) {
            (None, _) => (
                format!("`{key}` is an option of built-in checks only"),
                format!("it goes with check = \"{}\"", owners[0]),
            ),
            (Some(_), keys) => {
                (format!("this check has no option `{key}`"), format!("its options: {}", keys.join(", ")))
            }
        };
        let finding = Finding::error("orca::plan::unknown_option", message, reader.key_id(place), "not an option here");
        let finding = finding.help(help);
        reader.report(match &raw.check {
            Some(check) => finding.and(reader.id(check.at), "of this check"),
            None => finding,
        });
    }
}
