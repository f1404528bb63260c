//! The gates of a task: those it names, and those that come by themselves. Whoever changes files in place, and every agent,
//! is judged by `integrity` and `scope`; agents by `security` and `review` besides, and whoever has a `tdd` table by `tdd`.
//!
//! A gate of the plan that has one of these names stands in its place, whatever it is; `level = "disabled"` switches it off,
//! but for `integrity` and `scope`.

use std::collections::BTreeMap;

use serde_json::json;

use super::model::{Check, GateDef, GateKind, Level, Plan, Task, Tdd};
use crate::base::{Name, NodeId, PatternSet};

/// Judged however strict the plan is: a level of `disabled` is `standard` for them.
pub(super) const ALWAYS: [Check; 2] = [Check::Integrity, Check::Scope];

impl Plan {
    /// The gates that judge a task's result, with their levels settled and without those that are switched off: first those
    /// that come by themselves, then those it names.
    #[must_use]
    pub fn gates_of(&self, task: &Task) -> Vec<GateDef> {
        let implied = self.implied(task);
        let is_implied = |name: &Name| implied.iter().any(|gate| gate.name == *name);
        let named = task.gates.iter().filter(|name| !is_implied(name)).filter_map(|name| self.gate_defs.get(name));
        let named: Vec<GateDef> = named.map(|gate| self.settled(gate, task.level)).collect();
        implied.into_iter().chain(named).filter(|gate| gate.level != Some(Level::Disabled)).collect()
    }

    /// The gates that judge the integrated tree, with their levels settled and without those that are switched off.
    #[must_use]
    pub fn gates_of_plan(&self) -> Vec<GateDef> {
        let gates = self.gates.iter().filter_map(|name| self.gate_defs.get(name));
        gates.map(|gate| self.settled(gate, None)).filter(|gate| gate.level != Some(Level::Disabled)).collect()
    }

    fn implied(&self, task: &Task) -> Vec<GateDef> {
        let mut checks = Vec::new();
        if task.is_agent() || !task.edits.is_empty() {
            checks.extend(ALWAYS);
        }
        if task.is_agent() {
            checks.extend([Check::Security, Check::Review]);
        }
        if task.tdd.is_some() {
            checks.push(Check::Tdd);
        }
        checks.into_iter().map(|check| self.settled(&self.standing_in(check, task), task.level)).collect()
    }

    /// The gate of the plan that is named like the check, else the check as it is; with what the task says for it.
    fn standing_in(&self, check: Check, task: &Task) -> GateDef {
        let name = Name::new(word(check)).expect("the words of checks are names");
        let mut gate = self.gate_defs.get(&name).cloned().unwrap_or_else(|| builtin(name, check, task));
        if let (GateKind::Check(Check::Tdd), Some(tdd)) = (&gate.kind, &task.tdd) {
            for (key, value) in options_of(tdd) {
                gate.options.insert(key.to_owned(), value);
            }
            // Its commands are the task's, and find what the task finds.
            gate.env.extend(task.env.iter().map(|(name, value)| (name.clone(), value.clone())));
            gate.tools.extend(task.tools.iter().filter(|tool| !gate.tools.contains(tool)).cloned().collect::<Vec<_>>());
            let more = task.toolchains.iter().filter(|toolchain| !gate.toolchains.contains(toolchain));
            gate.toolchains.extend(more.cloned().collect::<Vec<_>>());
            gate.timeout = gate.timeout.or(task.timeout);
        }
        gate
    }

    fn settled(&self, gate: &GateDef, of_task: Option<Level>) -> GateDef {
        let level = gate.level.or(of_task).or(self.level).unwrap_or(Level::Standard);
        let is_always = matches!(&gate.kind, GateKind::Check(check) if ALWAYS.contains(check));
        let level = if is_always && level == Level::Disabled { Level::Standard } else { level };
        GateDef { level: Some(level), ..gate.clone() }
    }
}

fn builtin(name: Name, check: Check, task: &Task) -> GateDef {
    GateDef {
        name,
        kind: GateKind::Check(check),
        level: None,
        options: BTreeMap::new(),
        inputs: PatternSet::default(),
        env: BTreeMap::new(),
        tools: Vec::new(),
        toolchains: Vec::new(),
        timeout: None,
        network: false,
        node: match check {
            Check::Tdd => task.node.child("tdd"),
            _ => NodeId { key: true, ..task.node.clone() },
        },
    }
}

fn options_of(tdd: &Tdd) -> impl Iterator<Item = (&'static str, serde_json::Value)> {
    let all = [
        ("files", Some(json!(tdd.tests))),
        ("command", Some(json!(tdd.run))),
        ("suite", tdd.suite.as_ref().map(|suite| json!(suite))),
        ("report", tdd.report.as_ref().map(|report| json!(report))),
        ("coverage", tdd.coverage.as_ref().map(|coverage| json!(coverage))),
        ("coverage_min", tdd.coverage_min.map(|percent| json!(percent))),
    ];
    all.into_iter().filter_map(|(key, value)| Some((key, value?)))
}

/// All checks.
pub(super) const CHECKS: [Check; 11] = [
    Check::Tdd,
    Check::Security,
    Check::Secrets,
    Check::Patterns,
    Check::Dependencies,
    Check::Performance,
    Check::Review,
    Check::Integrity,
    Check::Scope,
    Check::Schema,
    Check::Files,
];

/// The check's word in a plan, which is the name of the gate that it is by itself.
#[must_use]
pub fn word(check: Check) -> &'static str {
    match check {
        Check::Tdd => "tdd",
        Check::Security => "security",
        Check::Secrets => "secrets",
        Check::Patterns => "patterns",
        Check::Dependencies => "dependencies",
        Check::Performance => "performance",
        Check::Review => "review",
        Check::Integrity => "integrity",
        Check::Scope => "scope",
        Check::Schema => "schema",
        Check::Files => "files",
    }
}
