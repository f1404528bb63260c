//! The options of built-in checks: which check knows which.

use std::collections::BTreeMap;

use serde_json::json;

use super::demands::expressions;
use super::document::Place;
use super::format::RawGate;
use super::model::Check;
use super::names::Names;
use super::paths::{Use, literal, pattern, patterns};
use super::reader::Reader;
use super::table::Table;
use super::values::words;
use crate::base::{Finding, nearest, sanitize_line};

/// The options of each check. Whatever is no option of a check is refused on its gate.
const OPTIONS: [(Check, &[&str]); 11] = [
    (Check::Tdd, &["files", "command", "suite", "report", "coverage", "coverage_min", "ignore", "allow"]),
    (Check::Security, &["allow", "ignore", "database", "scanners"]),
    (Check::Secrets, &["allow", "ignore"]),
    (Check::Patterns, &["allow", "ignore"]),
    (Check::Dependencies, &["allow", "ignore", "database", "scanners"]),
    (
        Check::Performance,
        &["command", "runs", "warmup", "max_regression", "budget", "cpu_budget", "memory_max", "output_size_max"],
    ),
    (Check::Review, &["lines_max", "files_max", "lint", "licence_header", "reviewer", "rubric", "allow", "ignore"]),
    (Check::Integrity, &["protect", "size_max", "allow", "ignore"]),
    (Check::Scope, &["allow", "ignore"]),
    (Check::Schema, &["schema", "files", "ignore"]),
    (Check::Files, &["require", "forbid", "contains", "lacks", "matches", "ignore"]),
];

/// The words of `scanners`, which are programs of others that a gate asks besides, each with the program that it needs.
pub const SCANNERS: [(&str, &str); 5] = [
    ("cargo-audit", "cargo-audit"),
    ("npm-audit", "npm"),
    ("pip-audit", "pip-audit"),
    ("gitleaks", "gitleaks"),
    ("semgrep", "semgrep"),
];

/// The programs of a gate's scanners: tools that it need not name.
pub(super) fn scanner_programs(raw: &RawGate) -> Vec<String> {
    let asked = |word: &str| raw.scanners.iter().flatten().any(|text| text.value == word);
    SCANNERS.iter().filter(|(word, _)| asked(word)).map(|(_, program)| (*program).to_owned()).collect()
}

/// Those of a gate that is a command.
const OPTIONS_OF_COMMANDS: &[&str] = &["report", "ignore", "allow"];

fn known(raw: &RawGate) -> &'static [&'static str] {
    let check = raw.check.as_ref().map(|check| check.value);
    match OPTIONS.iter().find(|(known, _)| Some(*known) == check) {
        Some((_, keys)) => keys,
        None if raw.run.is_some() => OPTIONS_OF_COMMANDS,
        None => &[],
    }
}

/// The options of a gate as its check takes them; those of another check are reported.
pub(super) fn check_options(
    raw: &RawGate,
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
    if let Some(percent) = &raw.max_regression {
        add("max_regression", json!(percent.value.0));
    }
    for (key, time) in [("budget", &raw.budget), ("cpu_budget", &raw.cpu_budget)] {
        if let Some(time) = time {
            add(key, json!(time.value.ms()));
        }
    }
    let sizes =
        [("memory_max", &raw.memory_max), ("output_size_max", &raw.output_size_max), ("size_max", &raw.size_max)];
    for (key, size) in sizes {
        if let Some(size) = size {
            add(key, json!(size.value.bytes()));
        }
    }
    let counts =
        [("runs", &raw.runs), ("warmup", &raw.warmup), ("lines_max", &raw.lines_max), ("files_max", &raw.files_max)];
    for (key, count) in counts {
        if let Some(count) = count {
            add(key, json!(count.value.0));
        }
    }
    for (key, list) in [("lint", &raw.lint), ("scanners", &raw.scanners), ("ignore", &raw.ignore)] {
        if let Some(list) = list {
            add(key, json!(list.iter().map(|text| &text.value).collect::<Vec<_>>()));
        }
    }
    let texts = [
        ("report", &raw.report),
        ("coverage", &raw.coverage),
        ("database", &raw.database),
        ("licence_header", &raw.licence_header),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            if ["report", "coverage"].contains(&key) {
                // Where it lies in the judged tree; what is wrong with it is reported.
                pattern(text, Use::Input, reader);
            }
            add(key, json!(text.value));
        }
    }
    for (key, map) in [("contains", &raw.contains), ("lacks", &raw.lacks), ("matches", &raw.matches)] {
        if let Some(map) = map {
            add(key, expressions(map, reader));
        }
    }
    if let Some(suite) = &raw.suite {
        add("suite", json!(suite.argv));
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
    refuse_unknown_scanners(raw, reader);
    refuse_others(raw, reader);
    require_command(raw, reader);
    options
}

/// Reports a check that has to measure, and is not told what.
fn require_command(raw: &RawGate, reader: &mut Reader<'_>) {
    let Some(check) = raw.check.as_ref().filter(|check| check.value == Check::Performance) else { return };
    let of_time = [raw.budget.is_some(), raw.cpu_budget.is_some(), raw.max_regression.is_some()];
    let of_runs = [raw.runs.is_some(), raw.warmup.is_some(), raw.memory_max.is_some()];
    let measures = raw.output_size_max.is_none() || of_time.into_iter().chain(of_runs).any(|is_given| is_given);
    if raw.command.is_none() && measures && !raw.is_broken() {
        let message = "the check `performance` has no `command` to measure".to_owned();
        let finding = Finding::error("orca::plan::missing_command", message, reader.id(check.at), "needs a command");
        let help = "add command = [\"program\", \"argument\"]; only output_size_max can be judged without one";
        reader.report(finding.help(help));
    }
}

fn refuse_unknown_scanners(raw: &RawGate, reader: &mut Reader<'_>) {
    let words = SCANNERS.map(|(word, _)| word);
    for text in raw.scanners.iter().flatten().filter(|text| !words.contains(&text.value.as_str())) {
        let message = format!("there is no scanner `{}`", sanitize_line(&text.value));
        let finding = Finding::error("orca::plan::unknown_scanner", message, reader.id(text.at), "unknown");
        reader.report(finding.help(match nearest(&text.value, words) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("the scanners: {}", words.join(", ")),
        }));
    }
}

fn refuse_others(raw: &RawGate, reader: &mut Reader<'_>) {
    let allowed = known(raw);
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
