//! What gates judge: the trees before and after a result, and the key under which a verdict on them is kept.

use std::collections::BTreeMap;

use super::resolve::{Keyed, Resolver};
use super::reviewing::{Reviewer, goal_of};
use crate::base::{Changes, GateKey, Name, Tree};
use crate::context::{Runner, ToolIdentity, Toolchain};
use crate::gates::{CHECKS_VERSION, Protected, Verdict};
use crate::graph::TaskIx;
use crate::key::{GateSurroundings, gate_key};
use crate::plan::{GateDef, GateKind};

/// What the next attempt is told of a verdict that is not green.
#[must_use]
pub(super) fn lesson(gate: &GateDef, verdict: &Verdict) -> String {
    let message = format!("the gate `{}` says {}: {}", gate.name, verdict.word(), verdict.message);
    format!("{message}\n\n{}", verdict.details().join("\n"))
}

static NO_TREE: Tree = Tree::new();
static NO_CHANGES: Changes = Changes::new();

/// What is judged: a result over what its task saw, or the integrated tree.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The task; none where the integrated tree is judged.
    pub task: Option<TaskIx>,
    /// What the task saw, or the integrated tree.
    pub view: &'a Tree,
    /// What it wrote.
    pub outputs: &'a Tree,
    /// What it changed in place.
    pub edits: &'a Changes,
}

impl<'a> Subject<'a> {
    /// A task's result.
    #[must_use]
    pub fn of_task(task: TaskIx, view: &'a Tree, outputs: &'a Tree, edits: &'a Changes) -> Self {
        Self { task: Some(task), view, outputs, edits }
    }

    /// The integrated tree, or one on the way there.
    #[must_use]
    pub fn of_plan(tree: &'a Tree) -> Self {
        Self { task: None, view: tree, outputs: &NO_TREE, edits: &NO_CHANGES }
    }
}

impl Resolver {
    /// The tree a gate judges: what the task saw, what it wrote, and what the gate itself needs of the project.
    #[must_use]
    pub fn judged_tree(&self, gate: &GateDef, subject: &Subject<'_>) -> Tree {
        let mut tree = self.with_gate_files(gate, subject.view);
        tree.extend(subject.outputs.iter().map(|(path, entry)| (path.clone(), entry.clone())));
        for (path, change) in subject.edits {
            match &change.result {
                Some(entry) => drop(tree.insert(path.clone(), entry.clone())),
                None => drop(tree.remove(path)),
            }
        }
        tree
    }

    /// The tree that the result changed: what the task saw, and what the gate itself needs; of the integrated tree all
    /// source.
    #[must_use]
    pub fn base_tree(&self, gate: &GateDef, subject: &Subject<'_>) -> Tree {
        match subject.task {
            Some(_) => self.with_gate_files(gate, subject.view),
            None => self.with_gate_files(gate, &self.all_sources),
        }
    }

    fn with_gate_files(&self, gate: &GateDef, view: &Tree) -> Tree {
        let mut tree = self.gate_sources.get(&gate.name).cloned().unwrap_or_default();
        tree.extend(view.iter().map(|(path, entry)| (path.clone(), entry.clone())));
        tree
    }

    /// The key of a gate's verdict.
    #[must_use]
    pub fn gate_key(&self, gate: &GateDef, subject: &Subject<'_>) -> GateKey {
        let facts = &self.facts;
        let tool = |name: &String| (name.clone(), facts.tools.get(name).cloned().unwrap_or(ToolIdentity::Missing));
        let installed = |name: &Name| {
            let identity = *facts.toolchains.get(name).expect("the facts hold every toolchain that a gate declares");
            (name.clone(), Toolchain { def: self.plan().toolchains.get(name).cloned(), identity })
        };
        let surroundings = GateSurroundings {
            tools: gate.tools.iter().map(tool).collect(),
            toolchains: gate.toolchains.iter().map(installed).collect(),
            facts: self.gate_facts(gate, subject),
        };
        // A command sees one tree; whatever compares is keyed by both.
        let base = (!matches!(gate.kind, GateKind::Run(_))).then(|| self.base_tree(gate, subject));
        gate_key(gate, &surroundings, base.as_ref(), &self.judged_tree(gate, subject))
    }

    /// What a gate judges by besides the trees.
    fn gate_facts(&self, gate: &GateDef, subject: &Subject<'_>) -> Vec<(&'static str, String)> {
        let mut facts = vec![("baseline", self.baseline.of(&gate.name))];
        if matches!(gate.kind, GateKind::Run(_)) {
            return facts;
        }
        facts.push(("checks", CHECKS_VERSION.to_string()));
        if let Some(path) = gate.options.get("database").and_then(|path| path.as_str()) {
            let mut known = self.osv_fingerprints.lock().expect("no holder panics");
            let known =
                known.entry(path.to_owned()).or_insert_with(|| self.osv.fingerprint(path).unwrap_or_else(|why| why));
            facts.push(("database", known.clone()));
        }
        let asks_for_them = matches!(gate.kind, GateKind::Check(_));
        if let Some(task) = subject.task.filter(|_| asks_for_them).map(|task| self.task(task)) {
            facts.push(("outputs", format!("{:?}", task.outputs)));
            facts.push(("edits", format!("{:?}", task.edits)));
            facts.push(("may_change", format!("{:?}", task.may_change)));
        }
        let protected = self.protected(subject.task);
        for path in subject.outputs.keys().chain(subject.edits.keys()) {
            let ways = protected.ways(path);
            if !ways.is_empty() {
                facts.push(("protected", format!("{path} {}", ways.join(" "))));
            }
        }
        if let Some(reviewer) = Reviewer::of(gate) {
            // Who it is, and what it is told of the work besides the files.
            let runner = self.plan().agents.get(&reviewer.agent).map(Runner::of);
            facts.push(("reviewer", format!("{runner:?}")));
            if let Some(task) = subject.task.map(|task| self.task(task)) {
                facts.push(("asked", format!("{:?}", (goal_of(task), &task.acceptance))));
            }
        }
        facts
    }

    /// What no result of a task may touch, by the plan and by the gates that judge it.
    #[must_use]
    pub fn protected(&self, task: Option<TaskIx>) -> Protected {
        let mut gates = self.plan_gates();
        gates.extend(task.into_iter().flat_map(|task| self.gates(task)));
        Protected::of(self.plan(), &gates)
    }

    /// What the gates of a task have against its result in the cache, in words for who makes the next one.
    #[must_use]
    pub fn red_verdicts(&self, task: TaskIx, keyed: &Keyed) -> Option<String> {
        let result = self.store.as_ref()?.result(&keyed.key).ok().flatten()?;
        let subject = Subject::of_task(task, &keyed.context.view, &result.outputs, &result.edits);
        let said = |gate: GateDef| {
            let verdict = self.verdict(&self.gate_key(&gate, &subject))?;
            (!verdict.is_green()).then(|| lesson(&gate, &verdict))
        };
        let said: Vec<String> = self.gates(task).into_iter().filter_map(said).collect();
        (!said.is_empty()).then(|| said.join("\n\n"))
    }

    /// The keys of the gates of a task, for a result that all of them agree to.
    #[must_use]
    pub fn gate_keys(&self, task: TaskIx, keyed: &Keyed, outputs: &Tree, edits: &Changes) -> BTreeMap<Name, GateKey> {
        let subject = Subject::of_task(task, &keyed.context.view, outputs, edits);
        self.gates(task).iter().map(|gate| (gate.name.clone(), self.gate_key(gate, &subject))).collect()
    }
}
