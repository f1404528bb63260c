//! What a plan may say that no build can do so far: parsed and checked like the rest, and named before anything runs.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Check, GateKind, Plan};
use crate::base::{Finding, Name, NodeId, Severity, TaskName};

/// The code of all these findings.
pub const NOT_YET: &str = "orca::plan::not_yet";

/// What the selected tasks would need and a build does not have yet, one finding per place.
///
/// The findings are advice: looking at such a plan is fine. A build that selects the tasks must refuse.
#[must_use]
pub fn not_yet(plan: &Plan, selected: &BTreeSet<TaskName>) -> Vec<Finding> {
    let mut findings: BTreeMap<NodeId, Finding> = BTreeMap::new();
    let mut add = |node: NodeId, what: String, help: &str| {
        findings.entry(node.clone()).or_insert_with(|| finding(what, node, help));
    };
    let mut gates: BTreeSet<&Name> = BTreeSet::new();
    for task in selected.iter().filter_map(|name| plan.tasks.get(name)) {
        gates.extend(&task.gates);
    }
    if !selected.is_empty() {
        gates.extend(&plan.gates);
    }
    for gate in gates.into_iter().filter_map(|name| plan.gate_defs.get(name)) {
        match &gate.kind {
            GateKind::Run(_) | GateKind::Check(Check::Tdd) => {}
            GateKind::Check(..) => {
                add(gate.node.child("check"), "built-in checks cannot judge yet".to_owned(), "use run = \"...\"");
            }
            GateKind::Agent { .. } => {
                add(gate.node.child("agent"), "agents cannot judge yet".to_owned(), "use run = \"...\"");
            }
        }
    }
    findings.into_values().collect()
}

fn finding(message: String, node: NodeId, help: &str) -> Finding {
    let finding = Finding::error(NOT_YET, message, node, "not there yet");
    Finding { severity: Severity::Advice, ..finding }.help(help)
}
