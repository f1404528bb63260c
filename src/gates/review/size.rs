//! How much a reviewer would have to read: `review/too-many-lines`, `review/too-many-files`; and what is far from all the rest:
//! `review/unusual-scope`.

use std::collections::BTreeMap;

use super::kinds::{is_generated, is_lock};
use crate::base::{Pattern, RelPath, Severity, counted};
use crate::event::GateFinding;
use crate::gates::check::CheckContext;
use crate::gates::judged::{ChangedFile, Content, Judged};

/// Lines where the gate says nothing else.
const LINES_MAX: u64 = 2_000;
/// Files where the gate says nothing else.
const FILES_MAX: u64 = 100;
/// Fewer files than this have no usual scope.
const SCOPE_FILES_MIN: usize = 4;
/// Files named where there are too many lines.
const NAMED_MAX: usize = 3;

/// The facts of a result that are told whatever is found.
pub(super) struct Size {
    /// Files that count.
    files: u64,
    /// Lines added and removed in them, by file, most first.
    lines: Vec<(u64, RelPath)>,
}

impl Size {
    /// Counts what people have to read: no lock files, nothing generated, nothing binary.
    pub(super) fn of(judged: &Judged<'_>) -> Self {
        let is_read = |change: &&ChangedFile| {
            let text = change.after.text().or_else(|| change.before.text());
            !is_lock(&change.path) && !text.is_some_and(|text| is_generated(&change.path, text))
        };
        let counted: Vec<&ChangedFile> = judged.changed.iter().filter(is_read).collect();
        let mut lines: Vec<(u64, RelPath)> =
            counted.iter().map(|change| (changed_lines(change), change.path.clone())).collect();
        lines.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
        Self { files: counted.len() as u64, lines }
    }

    fn total(&self) -> u64 {
        self.lines.iter().map(|(count, _)| count).sum()
    }

    /// One line.
    pub(super) fn note(&self) -> String {
        format!("{} in {}", counted(self.total(), "changed line"), counted(self.files, "file"))
    }

    /// What is too much. A limit of the plan's own is kept to; that of orca is a word of warning.
    pub(super) fn findings(&self, context: &CheckContext<'_>) -> Vec<GateFinding> {
        let mut findings = Vec::new();
        let mut judge = |rule: &str, count: u64, option: &str, default: u64, what: &str, more: String| {
            let own: Option<u64> = context.options.get(option);
            let max = own.unwrap_or(default);
            if count > max {
                let severity = if own.is_some() { Severity::Error } else { Severity::Warning };
                let message = format!("the result changes {}, and {max} are allowed{more}", counted(count, what));
                let help =
                    format!("make less of it, or several tasks; `{option}` of the gate says how many there may be");
                findings.push(GateFinding::new(rule, severity, message).help(help));
            }
        };
        let named: Vec<String> =
            self.lines.iter().take(NAMED_MAX).map(|(count, path)| format!("{count} in `{path}`")).collect();
        let more = format!(": {}{}", named.join(", "), if self.lines.len() > NAMED_MAX { " ..." } else { "" });
        judge("review/too-many-lines", self.total(), "lines_max", LINES_MAX, "line", more);
        judge("review/too-many-files", self.files, "files_max", FILES_MAX, "file", String::new());
        findings
    }
}

/// Lines that a change adds and removes.
fn changed_lines(change: &ChangedFile) -> u64 {
    let count = |content: &Content| match content.text() {
        Some(text) => text.lines().count() as u64,
        None => 0,
    };
    if change.after.text().is_none() && change.after.bytes().is_some() {
        return 0;
    }
    let added: u64 = change.added_lines().iter().map(|range| u64::from(range.end - range.start)).sum();
    let kept = count(&change.after).saturating_sub(added);
    added + count(&change.before).saturating_sub(kept)
}

/// Files that stand by themselves: the only one of its directory of the root, when no declaration of the task leads there.
pub(super) fn unusual_scope(judged: &Judged<'_>) -> Vec<GateFinding> {
    let Some(task) = &judged.task else { return Vec::new() };
    if judged.changed.len() < SCOPE_FILES_MIN {
        return Vec::new();
    }
    let mut groups: BTreeMap<&str, Vec<&ChangedFile>> = BTreeMap::new();
    for change in &judged.changed {
        groups.entry(top(&change.path)).or_default().push(change);
    }
    let leads_there = |path: &RelPath| {
        let leads = |pattern: &Pattern| pattern.matches(path) && !pattern.base().is_empty();
        task.outputs.iter().chain(task.edits.iter()).any(leads)
    };
    let is_alone = |files: &Vec<&ChangedFile>| files.len() == 1 && judged.changed.len() >= SCOPE_FILES_MIN;
    let alone = groups.iter().filter(|(top, files)| is_alone(files) && !is_companion(top)).map(|(_, files)| files[0]);
    let finding = |change: &ChangedFile| {
        let message = format!("`{}` is far from everything else that this result changes", change.path);
        let finding = GateFinding::new("review/unusual-scope", Severity::Advice, message).at(&change.path);
        finding.help("leave it alone unless the task is about it; a declaration that names its directory says so")
    };
    alone.filter(|change| !leads_there(&change.path)).map(finding).collect()
}

/// The first component of a path; of a file in the root its name.
fn top(path: &RelPath) -> &str {
    path.as_str().split('/').next().unwrap_or_default()
}

/// What goes with any change: tests, documents, and what lists dependencies.
fn is_companion(top: &str) -> bool {
    let name = top.to_lowercase();
    let stem = name.split('.').next().unwrap_or_default();
    matches!(
        name.as_str(),
        "test"
            | "tests"
            | "__tests__"
            | "spec"
            | "e2e"
            | "docs"
            | "doc"
            | "examples"
            | "benches"
            | "fixtures"
            | "migrations"
    ) || matches!(stem, "readme" | "changelog" | "changes" | "news" | "history" | "architecture" | "contributing")
        || matches!(
            name.as_str(),
            "cargo.toml"
                | "package.json"
                | "pyproject.toml"
                | "requirements.txt"
                | "go.mod"
                | "pom.xml"
                | "setup.cfg"
                | ".gitignore"
                | "gemfile"
        )
        || name.ends_with(".lock")
        || name == "go.sum"
        || name == "package-lock.json"
}
