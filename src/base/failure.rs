//! The classes of failure, as `retry.on` names them (DESIGN section 5).

use serde::{Deserialize, Serialize};

/// The failure classes that `retry.on` can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// Non-zero exit or a signal.
    Crash,
    /// `timeout` passed.
    Timeout,
    /// Killed for memory.
    Oom,
    /// The agent's service said: later.
    RateLimit,
    /// The agent's service said: not you.
    Auth,
    /// The program could not be started.
    Spawn,
    /// A declared output is not there.
    MissingOutput,
    /// Something was written that is not declared.
    UndeclaredWrite,
    /// A gate is red.
    Gate,
    /// A gate broke, and says nothing of the result. The result is kept; nothing is gained by making another.
    #[schemars(skip)]
    GateError,
    /// The result meets changes it cannot be merged with.
    Conflict,
    /// Stopped on request.
    Cancelled,
    /// It was not started, since a limit of cost would be passed. Nothing that can be tried again.
    #[schemars(skip)]
    Cost,
}
