//! From an agent of the plan to the process that is started.

use std::collections::BTreeMap;

use super::{acp, aider, claude_code, codex, command, gemini, opencode};
use crate::context::Runner;
use crate::plan::AgentPreset;

/// The variable that tells a program its model.
const MODEL: &str = "ORCA_MODEL";

/// What of one task bears on its agent's command line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Occasion<'a> {
    /// Whether a sandbox surrounds the process.
    pub is_isolated: bool,
    /// `cost_usd_max` of the task, in millionths of a dollar.
    pub cost_micro_usd_max: Option<u64>,
    /// Files that the task may change or has to write, as far as they have names.
    pub may_change: &'a [String],
    /// Orca's own program, as it is seen inside.
    pub orca: &'a str,
}

/// A process to start for an agent task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Where in `argv` the agent's own program stands.
    pub program_at: usize,
    /// Variables set for it: those that keep it quiet, and those its definition declares.
    pub env: BTreeMap<String, String>,
    /// How it is told what to do.
    pub prompt: Prompt,
    /// Whether it works in a git repository.
    pub repository: Repository,
    /// How the names of files begin that it makes for itself at the top of its workspace; they are dropped silently.
    pub litter: &'static [&'static str],
}

/// How an agent is told what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    /// The complete task on standard input: an argument is limited to 128 KiB.
    Stdin,
    /// It reads `.orca/task.md`.
    File,
}

/// Whether an agent works in a git repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repository {
    /// It does not need one, and may not make one.
    None,
    /// It gets a fresh one of its own, and may commit to it.
    Own,
}

/// The process for this agent.
#[must_use]
pub fn invocation(runner: &Runner, occasion: &Occasion<'_>) -> Invocation {
    match runner.preset {
        AgentPreset::ClaudeCode => claude_code::invocation(runner, occasion),
        AgentPreset::Codex => codex::invocation(runner, occasion),
        AgentPreset::Opencode => opencode::invocation(runner),
        AgentPreset::Aider => aider::invocation(runner, occasion),
        AgentPreset::Gemini => gemini::invocation(runner),
        AgentPreset::Acp => acp::invocation(runner, occasion),
        AgentPreset::Command => command::invocation(runner),
    }
}

impl Invocation {
    /// The agent's program with the preset's arguments, then those of its definition; its variables go before the
    /// preset's. `command` of the definition stands in place of the program.
    pub(super) fn of(
        runner: &Runner,
        program: &str,
        args: Vec<String>,
        quiet: &[(&str, &str)],
        prompt: Prompt,
    ) -> Self {
        let mut argv = if runner.command.is_empty() { vec![program.to_owned()] } else { runner.command.clone() };
        argv.extend(args);
        argv.extend(runner.args.iter().cloned());
        let mut env: BTreeMap<String, String> =
            quiet.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        env.extend(runner.env.clone());
        Self { argv, program_at: 0, env, prompt, repository: Repository::None, litter: &[] }
    }

    /// Tells the model to a program whose flags are not known.
    pub(super) fn with_model(mut self, runner: &Runner) -> Self {
        if let Some(model) = &runner.model {
            self.env.entry(MODEL.to_owned()).or_insert_with(|| model.clone());
        }
        self
    }
}

/// How to get the program of a preset; nothing for those that have no program of their own.
#[must_use]
pub fn install_hint(preset: AgentPreset) -> Option<&'static str> {
    Some(match preset {
        AgentPreset::ClaudeCode => "npm install -g @anthropic-ai/claude-code",
        AgentPreset::Codex => "npm install -g @openai/codex",
        AgentPreset::Opencode => "npm install -g opencode-ai",
        AgentPreset::Aider => "python -m pip install aider-install && aider-install",
        AgentPreset::Gemini => "npm install -g @google/gemini-cli",
        AgentPreset::Acp | AgentPreset::Command => return None,
    })
}

/// The program of this agent, as the plan or its preset names it. `None` where there is no name.
#[must_use]
pub fn program(preset: AgentPreset, command: &[String]) -> Option<&str> {
    command.first().map(String::as_str).or(match preset {
        AgentPreset::ClaudeCode => Some("claude"),
        AgentPreset::Codex => Some("codex"),
        AgentPreset::Opencode => Some("opencode"),
        AgentPreset::Aider => Some("aider"),
        AgentPreset::Gemini => Some("gemini"),
        AgentPreset::Acp | AgentPreset::Command => None,
    })
}
