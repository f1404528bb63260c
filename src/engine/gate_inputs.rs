//! `gate/inputs-changed`: what a gate judges with is not what it was when its command began. A command that runs the judged code shares a
//! tree with it, so that code can empty the list of answers it is asked for. Changed and put back is changed: the time of an inode's
//! last change is nobody's to set.

use super::gate_run::GateRun;
use crate::base::{RelPath, Severity};
use crate::event::GateFinding;
use crate::gates::{Options, Part};

/// Findings of one run.
const FINDINGS_MAX: usize = 20;
const RULE: &str = "gate/inputs-changed";
const HELP: &str =
    "leave the gate's inputs as they are; a gate whose own command writes them can read them from a copy";

/// What follows from runs in which a gate's inputs were touched; none where they were not.
pub(super) fn inputs_changed<'r>(runs: impl IntoIterator<Item = &'r GateRun>, options: Options<'_>) -> Option<Part> {
    let mut touched: Vec<&RelPath> = runs.into_iter().flat_map(|run| &run.touched).collect();
    touched.sort();
    touched.dedup();
    let finding = |path: &RelPath| {
        let message = format!("`{path}` is what the gate judges with, and it was changed while the gate ran");
        GateFinding::new(RULE, Severity::Warning, message).at(path).help(HELP)
    };
    let findings = touched.into_iter().map(finding).filter(|finding| options.counts(finding));
    let findings: Vec<GateFinding> = findings.take(FINDINGS_MAX).collect();
    (!findings.is_empty()).then(|| Part::judged("inputs", findings))
}
