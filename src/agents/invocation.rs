//! From an agent of the plan to the process that is started.

use std::collections::BTreeMap;

use crate::context::Runner;
use crate::plan::AgentPreset;

/// A process to start for an agent task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Variables the agent's definition declares.
    pub env: BTreeMap<String, String>,
}

/// A preset that this version cannot drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agent preset {0:?} cannot be run by this version of orca; `command` can")]
pub struct NotYet(AgentPreset);

/// The process for this agent. The prompt goes to its standard input: an argument is limited to 128 KiB.
pub fn invocation(runner: &Runner) -> Result<Invocation, NotYet> {
    match runner.preset {
        AgentPreset::Command => {
            let argv = runner.command.iter().chain(&runner.args).cloned().collect();
            Ok(Invocation { argv, env: runner.env.clone() })
        }
        preset => Err(NotYet(preset)),
    }
}
