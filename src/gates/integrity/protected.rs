//! `integrity/protected`: the plan, orca's own files, what the gates judge with, and what says how tests run, may not be
//! created, changed or removed by a result. `integrity/verdict-forged`: nor may a result bring what only orca and its gates write.

use super::defaults::{why_protected, why_protected_directory};
use super::sections::changed_sections;
use crate::base::{PatternSet, RelPath, Severity};
use crate::event::GateFinding;
use crate::gates::judged::{ChangedFile, Content, Judged};

/// Files of orca in the project's root, which nobody may declare.
const OWN_FILES: [&str; 2] = ["orca.lock", "orca.baseline.json"];
const STATE: &str = ".orca";

/// What a change does, in words.
pub(super) fn verb(change: &ChangedFile) -> &'static str {
    match (&change.before, &change.after) {
        (Content::Absent, _) => "is new",
        (_, Content::Absent) => "is removed",
        (_, Content::Symlink { .. }) => "is now a link",
        _ => "is changed",
    }
}

/// What is found about one path.
pub(super) fn protected(change: &ChangedFile, judged: &Judged<'_>, protect: &PatternSet) -> Vec<GateFinding> {
    let path = &change.path;
    if let Some(finding) = forged(change, judged) {
        return vec![finding];
    }
    // Judged without a task, nobody knows who was allowed what: each result was judged by itself.
    let Some(task) = &judged.task else { return Vec::new() };
    if let Some(why) = why_never(path, judged) {
        let help = "leave it as it is: no task may write it";
        return vec![finding(change, why).help(help)];
    }
    if task.may_touch_protected(path) {
        return Vec::new();
    }
    let why = why_declared(change, judged, protect).or_else(|| why_protected(path.as_str())).or_else(|| {
        let is_link = matches!(change.after, Content::Symlink { .. });
        is_link.then(|| why_protected_directory(path.as_str())).flatten()
    });
    match why {
        Some(why) => vec![finding(change, why).help(HELP)],
        None => changed_sections(change),
    }
}

/// What to do about a file that a task may be allowed to touch.
pub(super) const HELP: &str = "leave it as it is; if it is the task's work, name it letter by letter in `outputs` or `edits`, or cover it with `may_change`";

fn finding(change: &ChangedFile, why: &str) -> GateFinding {
    let message = format!("`{}` {why}; it {} in this result, and the task may not touch it", change.path, verb(change));
    GateFinding::new("integrity/protected", Severity::Error, message).at(&change.path)
}

/// Why no task at all may write a path.
fn why_never(path: &RelPath, judged: &Judged<'_>) -> Option<&'static str> {
    let is_own = OWN_FILES.iter().any(|own| path.as_str().eq_ignore_ascii_case(own));
    if is_own {
        return Some("is kept by orca");
    }
    let protected = judged.protected;
    let is_plan = protected.plan.contains(path)
        || protected.includes.matches(path)
        || protected.plan.iter().any(|file| file.is_within(path));
    if is_plan {
        return Some("is a part of the plan");
    }
    path.as_str().split('/').any(|part| part.eq_ignore_ascii_case(".git")).then_some("is git's own")
}

/// Why this plan or its gates protect a path.
fn why_declared(change: &ChangedFile, judged: &Judged<'_>, protect: &PatternSet) -> Option<&'static str> {
    let (path, protected) = (&change.path, judged.protected);
    if protected.inputs.iter().any(|inputs| inputs.matches(path)) {
        return Some("is what a gate judges with");
    }
    if protected.programs.contains(path) {
        return Some("is run by a gate");
    }
    (protected.declared.matches(path) || protect.matches(path)).then_some("is protected by the plan")
}

/// What only orca and its gates write.
fn forged(change: &ChangedFile, judged: &Judged<'_>) -> Option<GateFinding> {
    let path = &change.path;
    let is_state = path.as_str().split('/').any(|part| part.eq_ignore_ascii_case(STATE));
    let is_declared = judged.task.is_none_or(|task| task.may_touch_protected(path));
    let is_report = !is_declared && judged.protected.reports.matches(path) && !matches!(change.after, Content::Absent);
    let why = match (is_state, is_report) {
        (true, _) => "lies where orca keeps its verdicts and results",
        (false, true) => "is the report that a gate writes",
        (false, false) => return None,
    };
    let message = format!("`{path}` {why}; it {} in this result", verb(change));
    let finding = GateFinding::new("integrity/verdict-forged", Severity::Error, message).at(path);
    Some(finding.help("remove it from the result: only orca and its gates write it"))
}
