//! What a gate has to say beyond the types of its keys: the options that its check cannot do without, expressions that
//! compile, rules that its check could find, and that what is always judged is judged.
//!
//! Which rules there are is the checks' to say, which this layer does not know: here the group of a rule is looked at, the
//! part before its `/`.

use regex::Regex;
use serde_json::{Value, json};

use super::document::Place;
use super::format::RawGate;
use super::implied::{ALWAYS, word};
use super::model::{Check, GateKind, Level};
use super::paths::{Use, patterns};
use super::reader::{Reader, quoted, shown};
use super::table::Table;
use super::values::{Map, Text};
use crate::base::{Finding, Name, nearest};

/// Groups of rules that each check can find; `lint` is what linters say, those behind are scanners of others.
fn groups(check: Check) -> &'static [&'static str] {
    match check {
        Check::Tdd => &["tdd"],
        Check::Security => {
            &["secrets", "patterns", "dependencies", "cargo-audit", "npm-audit", "pip-audit", "gitleaks", "semgrep"]
        }
        Check::Secrets => &["secrets"],
        Check::Patterns => &["patterns"],
        Check::Dependencies => &["dependencies", "cargo-audit", "npm-audit", "pip-audit"],
        Check::Performance => &["performance"],
        Check::Review => &["review", "lint", "reviewer"],
        Check::Integrity => &["integrity"],
        Check::Scope => &["scope"],
        Check::Schema => &["schema"],
        Check::Files => &["files"],
    }
}

/// Options that a check cannot do without: all of a row, or where the row is a choice, one of it.
enum Needs {
    All(&'static [(&'static str, &'static str)]),
    One(&'static [&'static str]),
    Nothing,
}

/// What a check needs to be told. A gate called `tdd` may stand in for the one of each task, whose table says it.
fn needs(check: Check, name: &str) -> Needs {
    match check {
        Check::Tdd if name != word(Check::Tdd) => {
            Needs::All(&[("files", "files = [\"tests/**\"]"), ("command", "command = \"run the tests\"")])
        }
        Check::Schema => {
            Needs::All(&[("schema", "schema = \"data.schema.json\""), ("files", "files = [\"data/*.json\"]")])
        }
        Check::Files => Needs::One(&["require", "forbid", "contains", "lacks", "matches"]),
        _ => Needs::Nothing,
    }
}

/// Reports what a gate lacks, and what it says that cannot be.
pub(super) fn check_gate(at: Place, raw: &RawGate, name: &Name, kind: Option<&GateKind>, reader: &mut Reader<'_>) {
    let Some(kind) = kind.filter(|_| !raw.is_broken()) else { return };
    check_always(at, raw, name, kind, reader);
    let GateKind::Check(check) = kind else { return };
    check_rules(raw, *check, reader);
    let is_missing = |key: &str, reader: &Reader<'_>| reader.child(raw.at(), key).is_none();
    let (lacking, help) = match needs(*check, name.as_str()) {
        Needs::All(keys) => {
            let missing: Vec<_> = keys.iter().filter(|(key, _)| is_missing(key, reader)).collect();
            let names: Vec<String> = missing.iter().map(|(key, _)| format!("`{key}`")).collect();
            let help: Vec<&str> = missing.iter().map(|(_, example)| *example).collect();
            (names.join(" and "), help.join(", "))
        }
        Needs::One(keys) if keys.iter().all(|key| is_missing(key, reader)) => {
            let names: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
            (format!("anything to look for: {}", names.join(", ")), format!("{} = [\"README.md\"]", keys[0]))
        }
        _ => return,
    };
    if !lacking.is_empty() {
        let message = format!("the gate `{}` has no {lacking}, and cannot judge", shown(name.as_str()));
        let node = raw.check.as_ref().map_or_else(|| reader.key_id(at), |check| reader.id(check.at));
        let finding = Finding::error("orca::plan::missing_option", message, node, "needs more");
        reader.report(finding.help(format!("add {help}")));
    }
}

/// Reports what would switch off a check that is always on.
fn check_always(at: Place, raw: &RawGate, name: &Name, kind: &GateKind, reader: &mut Reader<'_>) {
    let stands_for = ALWAYS.into_iter().find(|check| word(*check) == name.as_str());
    let is = ALWAYS.into_iter().find(|check| *kind == GateKind::Check(*check));
    let Some(always) = stands_for.or(is) else { return };
    let word = word(always);
    let mut report = |place: Place, label: &str, help: &str| {
        let node = reader.id(place);
        let message =
            format!("`{word}` is always on: every agent's result, and every change in place, is judged by it");
        reader.report(Finding::error("orca::plan::always_on", message, node, label).help(help));
    };
    if stands_for.is_some() && stands_for != is {
        let body = raw.run.as_ref().map(|run| run.at).or(raw.check.as_ref().map(|check| check.at));
        let place = body.or(raw.agent.as_ref().map(|agent| agent.at)).unwrap_or(at);
        report(place, "stands in its place", "give this gate another name");
        return;
    }
    if let Some(level) = raw.level.as_ref().filter(|level| level.value == Level::Disabled) {
        report(level.at, "would switch it off", "remove it; `ignore` and `allow` name what does not count");
    }
    let is_all = |rule: &str| rule == "*" || rule.strip_suffix("/*") == Some(word) || rule == format!("{word}*");
    for text in raw.ignore.iter().flatten().filter(|text| is_all(&text.value)) {
        report(text.at, "would switch it off", "name the rules that do not count, one by one");
    }
}

/// Reports rules of `ignore` that the check never finds.
fn check_rules(raw: &RawGate, check: Check, reader: &mut Reader<'_>) {
    let groups = groups(check);
    for text in raw.ignore.iter().flatten() {
        let (group, rest) =
            text.value.split_once('/').map_or((text.value.as_str(), None), |(group, rest)| (group, Some(rest)));
        let is_known = match group.strip_suffix('*') {
            Some(start) if rest.is_none() => groups.iter().any(|known| known.starts_with(start)),
            _ => groups.contains(&group) && rest.is_some_and(|rest| !rest.is_empty()),
        };
        if is_known {
            continue;
        }
        let message = format!("{} is no rule of this check", quoted(&text.value));
        let finding = Finding::error("orca::plan::unknown_rule", message, reader.id(text.at), "never found");
        let near = nearest(group, groups.iter().copied()).unwrap_or(groups[0]);
        let meant = match rest.filter(|rest| !rest.is_empty()) {
            Some(rest) => format!("did you mean \"{near}/{}\"?", shown(rest)),
            None => format!("write it as \"{near}/rule\"; \"{near}/*\" stands for all"),
        };
        reader.report(finding.help(meant));
    }
}

/// A table of expressions by path or wildcard, as the check takes it; what is wrong is reported and left out.
pub(super) fn expressions(map: &Map<Text>, reader: &mut Reader<'_>) -> Value {
    let mut options = serde_json::Map::new();
    for (at, text) in &map.0 {
        if let Err(error) = Regex::new(&text.value) {
            let said = error.to_string();
            let why = said.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            let message = format!("this is no regular expression: {}", shown(&why));
            let finding = Finding::error("orca::plan::bad_expression", message, reader.id(text.at), "does not compile");
            let help = "the syntax is that of the Rust crate regex: no look-around, no back-references";
            reader.report(finding.help(help));
        }
        let path = Text { at: *at, value: reader.key(*at).to_owned() };
        for pattern in patterns(Some(&vec![path]), Use::Input, reader).iter() {
            options.insert(pattern.as_str().to_owned(), json!(text.value));
        }
    }
    Value::Object(options)
}
