//! Files of which only a part says how code is built, tested and checked: `package.json`, `pyproject.toml`, `setup.cfg`,
//! `Cargo.toml`. Who adds a dependency may; who changes how the tests run may not.
//!
//! A file that cannot be parsed has no parts; that it cannot be parsed is `integrity/syntax-error`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::protected::HELP;
use crate::base::Severity;
use crate::event::GateFinding;
use crate::gates::data::{keys, span_in_json, span_in_toml, toml_value};
use crate::gates::judged::{ChangedFile, Content};
use crate::gates::locate::LineIndex;

/// Parts of one kind of file.
struct Manifest {
    name: &'static str,
    syntax: Syntax,
    /// Ways to what decides; a last key that ends in `*` stands for all that begin so, and `[]` for every element of a list.
    parts: &'static [&'static [&'static str]],
    /// Whether a new file of this name counts: one that is found from the directories above it, or searched for from those below.
    counts_when_new: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Syntax {
    Json,
    Toml,
    Ini,
}

const MANIFESTS: [Manifest; 6] = [
    Manifest {
        name: "package.json",
        syntax: Syntax::Json,
        parts: &[
            &["scripts"],
            &["jest"],
            &["mocha"],
            &["ava"],
            &["vitest"],
            &["nyc"],
            &["c8"],
            &["tap"],
            &["eslintConfig"],
            &["husky"],
            &["lint-staged"],
        ],
        counts_when_new: false,
    },
    Manifest { name: "composer.json", syntax: Syntax::Json, parts: &[&["scripts"]], counts_when_new: false },
    Manifest {
        name: "deno.json",
        syntax: Syntax::Json,
        parts: &[&["tasks"], &["test"], &["lint"]],
        counts_when_new: false,
    },
    Manifest {
        name: "pyproject.toml",
        syntax: Syntax::Toml,
        parts: &[
            &["tool", "pytest*"],
            &["tool", "coverage*"],
            &["tool", "tox*"],
            &["tool", "nox*"],
            &["tool", "ruff"],
            &["tool", "mypy"],
            &["tool", "pyright"],
            &["tool", "pylint*"],
            &["tool", "flake8"],
            &["tool", "bandit"],
            &["tool", "poe"],
            &["tool", "taskipy"],
            &["tool", "hatch", "envs"],
            &["tool", "pdm", "scripts"],
            &["project", "entry-points", "pytest11"],
            &["tool", "poetry", "plugins", "pytest11"],
        ],
        counts_when_new: true,
    },
    Manifest {
        name: "setup.cfg",
        syntax: Syntax::Ini,
        parts: &[
            &["tool:pytest"],
            &["pytest"],
            &["coverage*"],
            &["tox*"],
            &["flake8*"],
            &["mypy*"],
            &["pylint*"],
            &["aliases"],
        ],
        counts_when_new: true,
    },
    Manifest {
        name: "cargo.toml",
        syntax: Syntax::Toml,
        parts: &[
            &["lib", "test"],
            &["lib", "harness"],
            &["lib", "doctest"],
            &["bin", "[]", "test"],
            &["bin", "[]", "harness"],
            &["test"],
            &["profile", "test"],
            &["lints"],
            &["workspace", "lints"],
            &["workspace", "exclude"],
            &["workspace", "default-members"],
            &["package", "autotests"],
        ],
        counts_when_new: false,
    },
];

/// The parts of a file that a result changed and may not.
pub(super) fn changed_sections(change: &ChangedFile) -> Vec<GateFinding> {
    let name = change.path.file_name().to_lowercase();
    let Some(manifest) = MANIFESTS.iter().find(|manifest| manifest.name == name) else { return Vec::new() };
    if matches!(change.after, Content::Symlink { .. }) {
        let message =
            format!("`{}` is now a link, and may say how tests run; the task may not touch that", change.path);
        return vec![finding(change, message)];
    }
    let is_new = matches!(change.before, Content::Absent | Content::EmptyDir);
    if is_new && !manifest.counts_when_new {
        return Vec::new();
    }
    let (before, after) = (parsed(&change.before, manifest.syntax), parsed(&change.after, manifest.syntax));
    let is_broken = after.is_none() && !matches!(change.after, Content::Absent);
    if is_broken {
        return Vec::new();
    }
    let (before, after) = (before.unwrap_or(Value::Null), after.unwrap_or(Value::Null));
    let mut findings = Vec::new();
    for part in manifest.parts {
        for way in ways(part, &before, &after) {
            let (one, other) = (at(&before, &way), at(&after, &way));
            if one == other || is_harmless(&way, one, other) {
                continue;
            }
            let shown = way.join(".");
            let verb = match (one, other) {
                (None, _) => "new",
                (_, None) => "gone",
                _ => "changed",
            };
            let what = if shown.starts_with("scripts") || shown.starts_with("tasks") {
                "what commands of the build do"
            } else {
                "how code is tested or checked"
            };
            let message = format!(
                "`{shown}` in `{}` says {what}; it is {verb} in this result, and the task may not touch it",
                change.path
            );
            findings.push(placed(finding(change, message), change, manifest.syntax, &way));
        }
    }
    findings
}

fn finding(change: &ChangedFile, message: String) -> GateFinding {
    GateFinding::new("integrity/protected", Severity::Error, message).at(&change.path).help(HELP)
}

fn placed(finding: GateFinding, change: &ChangedFile, syntax: Syntax, way: &[String]) -> GateFinding {
    let Some(text) = change.after.text() else { return finding };
    let steps: Vec<&str> = way.iter().take_while(|key| *key != "[]").map(String::as_str).collect();
    let span = match syntax {
        Syntax::Json => (1..=steps.len()).rev().find_map(|length| span_in_json(text, &keys(&steps[..length]))),
        Syntax::Toml => span_in_toml(text, &keys(&steps)),
        Syntax::Ini => text.find(&format!("[{}]", steps[0])).map(|start| start..start + steps[0].len() + 2),
    };
    match span {
        Some(span) => LineIndex::new(text).place(finding, &change.path, span, None),
        None => finding,
    }
}

/// A new script of its own name changes nothing that was run before; one that npm runs by itself, or that is a test, does.
fn is_harmless(way: &[String], before: Option<&Value>, after: Option<&Value>) -> bool {
    if way.len() != 1 || !matches!(way[0].as_str(), "scripts" | "tasks") {
        return false;
    }
    let none = serde_json::Map::new();
    let before = match before {
        None => &none,
        Some(Value::Object(before)) => before,
        Some(_) => return false,
    };
    let Some(Value::Object(after)) = after else { return false };
    let decides =
        |name: &str| ["pre", "post", "test", "lint", "check", "install"].iter().any(|start| name.starts_with(start));
    let all_kept = before.iter().all(|(name, script)| after.get(name) == Some(script));
    all_kept && after.keys().filter(|name| !before.contains_key(*name)).all(|name| !decides(name))
}

/// The ways that a part of the table stands for in these two files.
fn ways(part: &[&str], before: &Value, after: &Value) -> Vec<Vec<String>> {
    let Some((last, parents)) = part.split_last() else { return Vec::new() };
    let parents: Vec<String> = parents.iter().map(|key| (*key).to_owned()).collect();
    let Some(start) = last.strip_suffix('*') else {
        return vec![parents.into_iter().chain([(*last).to_owned()]).collect()];
    };
    let mut names = std::collections::BTreeSet::new();
    for side in [before, after] {
        if let Some(Value::Object(table)) = at(side, &parents) {
            names.extend(table.keys().filter(|key| key.starts_with(start)).cloned());
        }
    }
    names.into_iter().map(|name| parents.iter().cloned().chain([name]).collect()).collect()
}

/// What a way leads to. Of a list all elements: the table of what they say, by their names.
fn at<'v>(value: &'v Value, way: &[String]) -> Option<&'v Value> {
    way.iter().try_fold(value, |value, key| value.get(key))
}

fn parsed(content: &Content, syntax: Syntax) -> Option<Value> {
    let text = content.text()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match syntax {
        Syntax::Json => serde_json::from_str(text).ok(),
        Syntax::Toml => {
            toml::from_str::<toml::Table>(text).ok().map(|table| by_name(toml_value(toml::Value::Table(table))))
        }
        Syntax::Ini => Some(ini(text)),
    }
}

/// Under `[]` of a list of tables: what each of them says of a key, by its name.
fn by_name(mut root: Value) -> Value {
    let Some(Value::Array(bins)) = root.get("bin") else { return root };
    let mut keys = serde_json::Map::new();
    for key in ["test", "harness"] {
        let said = bins.iter().filter_map(|bin| Some((bin.get("name")?.as_str()?.to_owned(), bin.get(key)?.clone())));
        let said: serde_json::Map<String, Value> = said.collect();
        if !said.is_empty() {
            keys.insert(key.to_owned(), Value::Object(said));
        }
    }
    root["bin"] = serde_json::json!({ "[]": keys });
    root
}

/// The sections of an INI file, without comments, blanks and order.
fn ini(text: &str) -> Value {
    let mut sections: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut current = None;
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            current = Some(name.0.trim().to_owned());
            sections.entry(name.0.trim().to_owned()).or_default();
        } else if let Some(lines) = current.as_ref().and_then(|name| sections.get_mut(name)) {
            lines.push(line.to_owned());
        }
    }
    serde_json::json!(sections)
}
