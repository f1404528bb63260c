//! The check `review`, as far as nothing has to be run for it: how much there is to read, what nobody can read, what was left
//! behind. What linters say is read by [`findings_of_lint`]; running them, and asking a reviewer, is done elsewhere.

mod artifacts;
mod commented_out;
mod debug;
mod kinds;
mod leftovers;
mod licence;
mod lint;
mod size;
mod unfinished;

use rayon::prelude::*;

use super::check::CheckContext;
use super::judged::{ChangedFile, Judged};
use super::part::Part;
use crate::event::GateFinding;
use size::Size;

pub use lint::{LintFindings, findings_of_lint, part_of_lint};

/// What this check can find by itself. What a linter says is `lint/...`.
pub const RULES: &[&str] = &[
    "review/too-many-lines",
    "review/too-many-files",
    "review/unusual-scope",
    "review/generated-file",
    "review/binary-file",
    "review/debug-leftover",
    "review/todo-left",
    "review/licence-header",
    "review/commented-out-code",
];

/// Judges a result, its files in parallel.
pub(super) fn review(judged: &Judged<'_>, context: &CheckContext<'_>) -> Vec<Part> {
    let header: Option<String> = context.options.get("licence_header");
    let of_file = |change: &ChangedFile| -> Vec<GateFinding> {
        let artifact = artifacts::artifacts(change, judged);
        // What a program made is not read line by line.
        if artifact.is_some() {
            return artifact.into_iter().collect();
        }
        let mut findings = leftovers::leftovers(change);
        findings.extend(commented_out::commented_out(change));
        findings.extend(header.as_ref().and_then(|header| licence::licence_header(change, header)));
        findings
    };
    let size = Size::of(judged);
    let mut findings = size.findings(context);
    findings.extend(size::unusual_scope(judged));
    findings.extend(judged.changed.par_iter().flat_map_iter(of_file).collect::<Vec<_>>());
    vec![Part::judged("static", findings).note(size.note())]
}
