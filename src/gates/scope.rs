//! The check `scope`: a result changes what its task declared, and nothing else. Orca takes nothing else from a workspace in
//! the first place; this looks again at what was put together.

use super::judged::{Content, Judged};
use super::part::Part;
use crate::base::Severity;
use crate::event::GateFinding;

/// What this check can find.
pub const RULES: &[&str] = &["scope/undeclared"];

/// Judges a result. Without a task nothing was declared, and there is nothing to say.
pub(super) fn scope(judged: &Judged<'_>) -> Vec<Part> {
    let Some(task) = &judged.task else {
        return vec![Part::skipped("scope", "the whole tree is judged, and no task's declarations hold for it")];
    };
    let outside = judged.changed.iter().filter(|change| !task.declares(&change.path));
    let finding = |change: &super::judged::ChangedFile| {
        let verb = match (&change.before, &change.after) {
            (Content::Absent, _) => "makes",
            (_, Content::Absent) => "removes",
            _ => "changes",
        };
        let message = format!("the result {verb} `{}`, which `{}` does not declare", change.path, task.name);
        let finding = GateFinding::new("scope/undeclared", Severity::Error, message).at(&change.path);
        finding.help("leave it alone, or declare it in `outputs` or `edits`")
    };
    vec![Part::judged("scope", outside.map(finding).collect())]
}
