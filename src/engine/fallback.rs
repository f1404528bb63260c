//! Agents that stand in for others. A result of any of them is as good as one of the agent that the plan names, so that
//! nothing is paid twice when that one works again; and who works on a task is the first of them that can go on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::resolve::{Keyed, Resolver};
use super::session::EngineError;
use super::standing::{Cause, Standing};
use crate::base::{ActionKey, Name};
use crate::context::{Runner, TaskContext, Work};
use crate::event::Failure;
use crate::graph::TaskIx;
use crate::key::action_key;
use crate::plan::{AgentDef, AgentPreset, Body};

/// The agents that cannot go on in this build, and why.
#[derive(Debug, Default)]
pub(super) struct StoppedAgents(Mutex<BTreeMap<Name, Failure>>);

impl StoppedAgents {
    /// It cannot go on.
    pub(super) fn add(&self, agent: Name, failure: Failure) {
        self.0.lock().expect("no holder panics").insert(agent, failure);
    }

    /// Why it cannot go on, if so.
    #[must_use]
    pub(super) fn why(&self, agent: &Name) -> Option<Failure> {
        self.0.lock().expect("no holder panics").get(agent).cloned()
    }
}

impl Resolver {
    /// The agent that a key is for.
    #[must_use]
    pub fn agent_of(&self, keyed: &Keyed) -> Option<&AgentDef> {
        self.plan().agents.get(keyed.agent.as_ref()?)
    }

    /// The preset of the agent that made what is on record of a task; where none is, of its agent.
    #[must_use]
    pub(super) fn preset_on_record(&self, task: TaskIx) -> Option<AgentPreset> {
        let maker = self.ledger.task(self.name(task)).and_then(|record| record.origin.agent.as_ref());
        let maker = maker.and_then(|maker| self.plan().agents.get(maker));
        let agent = self.agent(task)?;
        Some(maker.unwrap_or(agent).preset)
    }

    /// The task keyed for the agent that works on it now: the first that can go on; where none can, the plan's own.
    #[must_use]
    pub(super) fn hire(&self, task: TaskIx, keyed: &Keyed) -> Keyed {
        let can_go_on = |agent: &&AgentDef| self.stopped.why(&agent.name).is_none();
        match self.agents(task).find(can_go_on).or_else(|| self.agents(task).next()) {
            Some(agent) => keyed_for(keyed, Some(agent)),
            None => keyed.clone(),
        }
    }

    /// Where a task stands, whoever made its result. What is on record goes first, so that nothing moves in the project
    /// while nothing changed.
    pub(super) fn among_agents(
        &self,
        task: TaskIx,
        keyed: Keyed,
        forced: bool,
    ) -> Result<(Keyed, Standing), EngineError> {
        if self.agents(task).nth(1).is_none() {
            let standing = self.standing(task, &keyed, forced)?;
            return Ok((keyed, standing));
        }
        if forced {
            let standing = self.standing(task, &keyed, forced)?;
            return Ok((self.hire(task, &keyed), standing));
        }
        let maker = self.ledger.task(self.name(task)).and_then(|record| record.origin.agent.as_ref());
        let mut candidates: Vec<Keyed> = self.for_each_agent(task, &keyed).collect();
        candidates.sort_by_key(|candidate| candidate.agent.as_ref() != maker);
        let mut of_first = None;
        for candidate in candidates {
            let standing = self.standing(task, &candidate, false)?;
            if matches!(standing, Standing::Clean(_) | Standing::Judge(..)) {
                return Ok((candidate, standing));
            }
            of_first.get_or_insert(standing);
        }
        Ok((self.hire(task, &keyed), of_first.unwrap_or(Standing::Dirty(Cause::NeverRun))))
    }

    /// Whether this holds for the key of any of the agents.
    pub(super) fn has_key(&self, task: TaskIx, keyed: &Keyed, is: &dyn Fn(&ActionKey) -> bool) -> bool {
        is(&keyed.key) || self.for_each_agent(task, keyed).any(|keyed| is(&keyed.key))
    }

    /// The task as it is keyed for its agent, and for each that stands in for it.
    pub(super) fn for_each_agent<'r>(&'r self, task: TaskIx, keyed: &'r Keyed) -> impl Iterator<Item = Keyed> + 'r {
        self.agents(task).map(|agent| keyed_for(keyed, Some(agent)))
    }

    /// The agent of a task, and those that stand in for it; none for a command.
    fn agents(&self, task: TaskIx) -> impl Iterator<Item = &AgentDef> {
        let named = match &self.task(task).body {
            Body::Prompt { agent, .. } => Some(agent),
            Body::Run(_) => None,
        };
        named.into_iter().flat_map(|agent| self.plan().with_fallbacks(agent))
    }
}

/// The task as it is keyed for another agent.
pub(super) fn keyed_for(keyed: &Keyed, agent: Option<&AgentDef>) -> Keyed {
    let Some(agent) = agent.filter(|agent| keyed.agent.as_ref() != Some(&agent.name)) else { return keyed.clone() };
    let mut context: TaskContext = keyed.context.as_ref().clone();
    if let Work::Prompt { runner, .. } = &mut Arc::make_mut(&mut context.definition).work {
        **runner = Runner::of(agent);
    }
    let key = action_key(&context);
    Keyed { context: Arc::new(context), key, agent: Some(agent.name.clone()), ..keyed.clone() }
}
