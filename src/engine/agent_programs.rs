//! The programs of agents: whether they are there, before anything runs.
//!
//! A program that is missing stops a build only where its agent would have to work: what is cached, or locked, is good on
//! a machine without any agent.

use std::collections::{BTreeMap, BTreeSet};

use super::builder::Builder;
use super::host::Host;
use super::look::{Look, Looked, Prospect};
use super::resolve::{Keyed, Resolver};
use super::reviewing::Reviewer;
use super::session::{EngineError, Session};
use crate::agents;
use crate::base::{Finding, Name, Severity, TaskName};
use crate::graph::TaskIx;
use crate::plan::{AgentDef, AgentPreset, Body, Plan, Task};
use crate::sandbox;

/// The code of these findings.
pub const MISSING_PROGRAM: &str = "orca::plan::missing_program";

/// What is missing of an agent, and what to do about it.
struct Missing {
    message: String,
    help: String,
}

impl Resolver {
    /// The agent of a task with a prompt.
    #[must_use]
    pub fn agent(&self, task: TaskIx) -> Option<&AgentDef> {
        agent_of(self.plan(), self.task(task))
    }

    /// Why the agent of a task cannot be started on this machine.
    pub(super) fn missing_program(&self, host: &Host, task: TaskIx) -> Option<String> {
        told(missing(host, self.plan(), self.task(task), self.agent(task)?))
    }
}

impl Builder {
    /// Why the agent that a task is keyed for cannot be started on this machine.
    pub(super) fn missing_program(&self, task: TaskIx, keyed: &Keyed) -> Option<String> {
        let resolver = &self.resolver;
        told(missing(&self.host, resolver.plan(), resolver.task(task), resolver.agent_of(keyed)?))
    }
}

impl Builder {
    /// Why an agent that reviews for a gate cannot be started on this machine.
    pub(super) fn missing_reviewer(&self, toolchains: &[Name], agent: &AgentDef) -> Option<String> {
        told(missing_beside(&self.host, self.resolver.plan(), toolchains, agent))
    }
}

impl Session {
    /// The agents of these tasks, and those they fall back to, whose programs are not on this machine: a warning each.
    #[must_use]
    pub fn missing_programs(&self, tasks: &BTreeSet<TaskName>) -> Vec<Finding> {
        self.without_program(tasks).into_values().collect()
    }

    fn without_program(&self, tasks: &BTreeSet<TaskName>) -> BTreeMap<&Name, Finding> {
        let mut findings = BTreeMap::new();
        for task in tasks.iter().filter_map(|name| self.plan().tasks.get(name)) {
            let mut next = agent_of(self.plan(), task);
            let mut seen = BTreeSet::new();
            while let Some(agent) = next.filter(|agent| seen.insert(&agent.name)) {
                if !findings.contains_key(&agent.name)
                    && let Some(missing) = missing(&self.host, self.plan(), task, agent)
                {
                    findings.insert(&agent.name, finding(agent, missing));
                }
                next = agent.fallback.as_ref().and_then(|name| self.plan().agents.get(name));
            }
            let gates = self.plan().gates_of(task).into_iter().chain(self.plan().gates_of_plan());
            for (gate, reviewer) in gates.filter_map(|gate| Reviewer::of(&gate).map(|reviewer| (gate, reviewer))) {
                let Some(agent) = self.plan().agents.get(&reviewer.agent) else { continue };
                if !findings.contains_key(&agent.name)
                    && let Some(missing) = missing_beside(&self.host, self.plan(), &gate.toolchains, agent)
                {
                    findings.insert(&agent.name, finding(agent, missing));
                }
            }
        }
        findings
    }

    /// The agents that a build of these tasks would have to start, and cannot, as errors.
    pub(super) fn unstartable(
        &self,
        selected: &BTreeSet<TaskIx>,
        selectors: &[String],
        force: bool,
    ) -> Result<Vec<Finding>, EngineError> {
        let names = selected.iter().map(|ix| self.graph.name(*ix).clone()).collect();
        let missing = self.without_program(&names);
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        // Where each task stands is only known by a look at all of them.
        let session = Session::open(self.host.clone(), self.project.root())?;
        let Looked::Valid(look) = Look::open(session, selectors, force)? else { return Ok(Vec::new()) };
        let needed = look.tasks().filter(|ix| would_start(&look, *ix));
        let agents: BTreeSet<&Name> = needed.filter_map(|ix| Some(&look.resolver.agent(ix)?.name)).collect();
        let errors = missing.into_iter().filter(|(agent, _)| agents.contains(agent));
        Ok(errors.map(|(_, finding)| Finding { severity: Severity::Error, ..finding }).collect())
    }
}

/// Whether a build would start the agent of a task, as far as can be known before.
fn would_start(look: &Look, task: TaskIx) -> bool {
    if look.resolver.missing_program(&look.host, task).is_none() {
        return false;
    }
    match look.prospect(task) {
        Prospect::Run { .. } | Prospect::Fail { .. } => true,
        // What has been good may turn out to be good still.
        Prospect::Maybe { .. } => !look.resolver.ledger.task(look.name(task)).is_some_and(|record| record.accepted),
        Prospect::Nothing | Prospect::Restore { .. } | Prospect::Judge { .. } | Prospect::Hold { .. } => false,
    }
}

fn told(missing: Option<Missing>) -> Option<String> {
    missing.map(|Missing { message, help }| format!("{message}: {help}"))
}

fn agent_of<'p>(plan: &'p Plan, task: &Task) -> Option<&'p AgentDef> {
    match &task.body {
        Body::Prompt { agent, .. } => plan.agents.get(agent),
        Body::Run(_) => None,
    }
}

fn missing(host: &Host, plan: &Plan, task: &Task, agent: &AgentDef) -> Option<Missing> {
    missing_beside(host, plan, &task.toolchains, agent)
}

/// What is missing of an agent that works beside these toolchains.
fn missing_beside(host: &Host, plan: &Plan, toolchains: &[Name], agent: &AgentDef) -> Option<Missing> {
    let program = agents::program(agent.preset, &agent.command)?;
    let of_toolchain = || {
        toolchains.iter().any(|name| {
            let toolchain = sandbox::toolchain(name.as_str(), plan.toolchains.get(name), &host.env);
            toolchain.bin.iter().any(|bin| sandbox::resolve_tool(bin.join(program).as_os_str(), "".as_ref()).is_some())
        })
    };
    if host.program_view(program).is_none() && !of_toolchain() {
        let message = format!("`{program}`, the program of the agent `{}`, is not on PATH", agent.name);
        let help = match agents::install_hint(agent.preset).filter(|_| agent.command.is_empty()) {
            Some(hint) => format!("{hint}; or say where it is with command = [\"/path/to/{program}\"]"),
            None => "install it, or correct the agent's `command`".to_owned(),
        };
        return Some(Missing { message, help });
    }
    if agent.preset == AgentPreset::Aider && host.program_view("git").is_none() {
        let message = format!("`git`, which the agent `{}` cannot work without, is not on PATH", agent.name);
        return Some(Missing { message, help: "install git".to_owned() });
    }
    None
}

fn finding(agent: &AgentDef, missing: Missing) -> Finding {
    let key = if agent.command.is_empty() { "preset" } else { "command" };
    Finding::warning(MISSING_PROGRAM, missing.message, agent.node.child(key), "not on this machine").help(missing.help)
}
