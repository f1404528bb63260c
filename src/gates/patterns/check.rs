//! The check: files in parallel, each bounded, and of what is found only what touches a line that the result adds.

use std::collections::BTreeSet;
use std::ops::Range;

use rayon::prelude::*;

use super::query::search;
use super::table::{candidates, rule, sinks};
use super::walk::{Found, walk};
use super::{rule::Sink, shell};
use crate::base::{RelPath, Severity};
use crate::event::GateFinding;
use crate::gates::language::TEXT_BYTES_MAX;
use crate::gates::{ChangedFile, Judged, Language, LineIndex, Part, parse};

/// Findings of one file; more say nothing more.
const FINDINGS_MAX: usize = 200;

/// Looks for unsafe patterns in what a result adds.
pub(in crate::gates) fn patterns(judged: &Judged<'_>) -> Part {
    let findings: Vec<Vec<GateFinding>> = judged.changed.par_iter().map(of_file).collect();
    Part::judged("patterns", findings.into_iter().flatten().collect())
}

fn of_file(file: &ChangedFile) -> Vec<GateFinding> {
    let Some(text) = file.after.text() else { return Vec::new() };
    let Some(language) = Language::of(&file.path, text) else { return Vec::new() };
    let wanted = candidates(language, text);
    if wanted.is_empty() || file.added_lines().is_empty() {
        return Vec::new();
    }
    let lines = LineIndex::new(text);
    let Some(tree) = parse(language, text) else { return vec![not_read(&file.path, text.len(), language)] };
    let (mut found, mut is_whole) = match language {
        Language::Shell => (shell::commands(&tree, text, &wanted), true),
        _ => search(language, &tree, text, &wanted),
    };
    let wanted_sinks: Vec<&'static Sink> = sinks(language).iter().filter(|sink| wanted.contains(sink.rule)).collect();
    if !wanted_sinks.is_empty() {
        let (calls, is_walked) = walk(language, &tree, text, &wanted_sinks);
        found.extend(calls);
        is_whole &= is_walked;
    }
    let starts = Starts::of(text);
    found.retain(|one| touches(file, &starts, &one.span) || touches(file, &starts, &one.origin));
    found.sort_by_key(|one| (one.span.start, one.rule, !one.is_request));
    let mut told = BTreeSet::new();
    let mut findings: Vec<GateFinding> = found
        .into_iter()
        .filter(|one| told.insert((one.rule, starts.line(one.span.start))))
        .take(FINDINGS_MAX)
        .filter_map(|one| finding(&file.path, text, language, &lines, one))
        .collect();
    if !is_whole {
        findings.push(not_read(&file.path, text.len(), language));
    }
    findings
}

/// Where lines start. Asked for every match, so it looks at no text: a line may be as long as the file.
struct Starts(Vec<usize>);

impl Starts {
    fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// The line of a byte, from 1.
    fn line(&self, offset: usize) -> u32 {
        u32::try_from(self.0.partition_point(|start| *start <= offset)).unwrap_or(u32::MAX)
    }
}

fn touches(file: &ChangedFile, starts: &Starts, span: &Range<usize>) -> bool {
    let (first, last) = (starts.line(span.start), starts.line(span.end.saturating_sub(1).max(span.start)));
    let ranges = file.added_lines();
    let next = ranges.partition_point(|range| range.end <= first);
    ranges.get(next).is_some_and(|range| range.start <= last)
}

fn finding(path: &RelPath, text: &str, language: Language, lines: &LineIndex<'_>, one: Found) -> Option<GateFinding> {
    let rule = rule(language, one.rule)?;
    let severity = if one.is_request { Severity::Error } else { rule.severity };
    let is_test = is_test(path) || language == Language::Rust && is_in_tests(text, one.span.start);
    let severity = match severity {
        Severity::Error if is_test => Severity::Warning,
        Severity::Warning | Severity::Advice if is_test => Severity::Advice,
        severity => severity,
    };
    let from = if one.is_request && rule.severity != Severity::Error { ", and it comes from a request" } else { "" };
    let finding = GateFinding::new(format!("patterns/{}", rule.id), severity, format!("{}{from}", rule.message));
    Some(lines.place(finding.help(rule.help), path, one.span, None))
}

/// Code that could not be searched is never passed over in silence.
fn not_read(path: &RelPath, size_bytes: usize, language: Language) -> GateFinding {
    let (severity, message) = if size_bytes > TEXT_BYTES_MAX {
        (Severity::Warning, format!("{} of this size is not searched for unsafe patterns", language.name()))
    } else {
        (
            Severity::Error,
            format!("this {} takes too long to parse to be searched for unsafe patterns", language.name()),
        )
    };
    let help = "split the file, or nest it less; `allow` takes a file that is generated out of the check";
    GateFinding::new("patterns/not-searched", severity, message).help(help).at(path)
}

/// Code that only tests run: what it does wrong harms less.
fn is_test(path: &RelPath) -> bool {
    let (folder, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
    let folders = ["test", "tests", "__tests__", "spec", "testdata", "fixtures", "benches"];
    let stem = name.split('.').next().unwrap_or_default();
    folder.split('/').any(|part| folders.contains(&part))
        || stem.starts_with("test_")
        || stem.ends_with("_test")
        || stem == "conftest"
        || name.contains(".test.")
        || name.contains(".spec.")
        || name.ends_with("Test.java")
        || name.ends_with("Tests.java")
}

/// Whether a place is in the module of tests of a file of Rust, which ends with a brace at the beginning of a line.
fn is_in_tests(text: &str, at: usize) -> bool {
    let before = &text[..at];
    before.rfind("#[cfg(test)]\nmod ").is_some_and(|start| !before[start..].contains("\n}"))
}
