//! The check: packages that a result brings and that are known to be vulnerable.
//!
//! Only lock files that the result changed are judged, and in them only what the lock file of the base does not have at that
//! version: what was there before is not this result's doing.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::advisory::{Advisory, Answer};
use super::database::Database;
use super::lock::{LockFile, is_complete};
use super::package::{Ecosystem, Package};
use crate::base::{RelPath, Severity, bounded, sanitize_line};
use crate::event::GateFinding;
use crate::gates::check::CheckContext;
use crate::gates::judged::{ChangedFile, Content, Judged};
use crate::gates::locate::LineIndex;
use crate::gates::part::Part;

const NAME: &str = "dependencies";
/// Aliases that are told of one vulnerability.
const ALIASES_MAX: usize = 4;

/// Judges the lock files that a result changed.
pub(in crate::gates) fn dependencies(judged: &Judged<'_>, context: &CheckContext<'_>) -> Part {
    let changed: Vec<(LockFile, &ChangedFile)> = judged
        .changed
        .iter()
        .filter(|file| !matches!(file.after, Content::Absent | Content::EmptyDir))
        .filter_map(|file| Some((LockFile::of(&file.path)?, file)))
        .filter(|(kind, file)| *kind != LockFile::GoSum || !has_complete_go_mod(judged, &file.path))
        .collect();
    if changed.is_empty() {
        return Part::judged(NAME, Vec::new());
    }
    let database = match context.database {
        Some(Err(why)) => return Part::broke(NAME, why),
        Some(Ok(database)) => Some(database),
        None => None,
    };
    let findings = changed.par_iter().flat_map_iter(|(kind, file)| of_file(*kind, file, database)).collect();
    let part = Part::judged(NAME, findings);
    match database {
        Some(_) => part,
        None => {
            let why = "no OSV database: set `database` to a directory of OSV records";
            Part { findings: part.findings, ..Part::skipped(NAME, why) }
        }
    }
}

/// Whether the `go.mod` beside a `go.sum` says all by itself.
fn has_complete_go_mod(judged: &Judged<'_>, go_sum: &RelPath) -> bool {
    let beside = match go_sum.parent() {
        Some(parent) => parent.child("go.mod"),
        None => RelPath::new("go.mod").expect("a plain name"),
    };
    let bytes = (judged.read)(&beside);
    bytes.is_some_and(|bytes| std::str::from_utf8(&bytes).is_ok_and(is_complete))
}

/// The packages of a changed lock file that the base's does not have at that version, each once.
pub(in crate::gates) fn brought(kind: LockFile, file: &ChangedFile) -> Result<Vec<Package>, String> {
    let text = file.after.text().ok_or(match file.after {
        Content::Symlink { .. } => "it is a symbolic link",
        Content::Unread { .. } => "it is too large",
        _ => "it is no UTF-8 text",
    })?;
    let mut packages = kind.packages(text)?;
    let before = file.before.text().and_then(|text| kind.packages(text).ok()).unwrap_or_default();
    let identity = |package: &Package| (package.ecosystem, package.name.clone(), package.version.clone());
    let mut known: BTreeSet<(Ecosystem, String, String)> = before.iter().map(identity).collect();
    packages.retain(|package| known.insert(identity(package)));
    Ok(packages)
}

fn of_file(kind: LockFile, file: &ChangedFile, database: Option<&Database>) -> Vec<GateFinding> {
    let packages = match brought(kind, file) {
        Ok(packages) => packages,
        Err(why) => {
            let message = format!("the lock file cannot be read: {why}");
            let finding = GateFinding::new("dependencies/unreadable-lock", Severity::Error, message).at(&file.path);
            return vec![finding.help("write it with the program that it belongs to")];
        }
    };
    let Some(database) = database else { return Vec::new() };
    let index = LineIndex::new(file.after.text().unwrap_or_default());
    let found = packages.iter().flat_map(|package| {
        let found = of_package(package, database);
        found.into_iter().map(|finding| index.place(finding, &file.path, index.content(package.line), None))
    });
    found.collect()
}

/// One finding for each weakness, however many records there are of it.
fn of_package(package: &Package, database: &Database) -> Vec<GateFinding> {
    let mut groups: Vec<Vec<(&Advisory, Option<String>)>> = Vec::new();
    let mut is_unknown = false;
    for advisory in database.of(package.ecosystem, &package.name) {
        match advisory.covers(package.ecosystem, &package.version) {
            Answer::No => {}
            Answer::Unknown => is_unknown = true,
            Answer::Yes(fixed) => {
                match groups.iter_mut().find(|group| group.iter().any(|(one, _)| one.is_same(advisory))) {
                    Some(group) => group.push((advisory, fixed)),
                    None => groups.push(vec![(advisory, fixed)]),
                }
            }
        }
    }
    let mut findings: Vec<GateFinding> = groups.iter().map(|group| vulnerable(package, group)).collect();
    if is_unknown && findings.is_empty() {
        let message =
            format!("{} has known vulnerabilities, and whether this version has them cannot be told", shown(package));
        let finding = GateFinding::new("dependencies/unknown-version", Severity::Warning, message);
        findings.push(finding.help("use a version that was released to the registry"));
    }
    findings
}

fn vulnerable(package: &Package, group: &[(&Advisory, Option<String>)]) -> GateFinding {
    let (first, _) =
        group.iter().max_by_key(|(one, _)| (one.severity, std::cmp::Reverse(&one.id))).expect("it has one");
    let mut others: BTreeSet<&String> = group.iter().flat_map(|(one, _)| one.aliases.iter().chain([&one.id])).collect();
    others.remove(&first.id);
    let others: Vec<&str> = others.into_iter().take(ALIASES_MAX).map(String::as_str).collect();
    let ids = if others.is_empty() { first.id.clone() } else { format!("{} ({})", first.id, others.join(", ")) };
    let summary = group.iter().map(|(one, _)| &one.summary).find(|summary| !summary.is_empty());
    let said = summary.map_or_else(String::new, |summary| format!(": {summary}"));
    let order = package.ecosystem.order();
    let fixed = group.iter().filter_map(|(_, fixed)| fixed.as_ref());
    // The last of them mends all records of the weakness.
    let fixed = fixed.reduce(|one, other| match order.compare(one, other) {
        Some(std::cmp::Ordering::Less) => other,
        _ => one,
    });
    let what = if first.id.starts_with("MAL-") {
        "is known to be malicious"
    } else if first.severity == Severity::Advice {
        "has a known advisory"
    } else {
        "has a known vulnerability"
    };
    let message = sanitize_line(&bounded(&format!("{} {what}: {ids}{said}", shown(package)), 600));
    let help = match fixed {
        Some(fixed) => {
            format!("update `{}` to {fixed} or later; see https://osv.dev/vulnerability/{}", package.name, first.id)
        }
        None => format!("no version without it is known; see https://osv.dev/vulnerability/{}", first.id),
    };
    GateFinding::new("dependencies/known-vulnerability", first.severity, message)
        .help(sanitize_line(&bounded(&help, 400)))
}

fn shown(package: &Package) -> String {
    sanitize_line(&format!("`{}` {}", bounded(&package.name, 150), bounded(&package.version, 60)))
}
