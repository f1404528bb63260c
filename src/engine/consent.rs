//! The powers of a whole plan on this machine, and whether a person agreed to them: `orca trust`.

use std::collections::BTreeSet;

use super::build::detect;
use super::session::{EngineError, Session};
use super::trust::{Power, TrustError, consent, consented, powers, withdraw};

/// What a plan asks for, and what it was given.
#[derive(Debug)]
pub struct Consent {
    /// What all tasks of the plan need here.
    pub needed: BTreeSet<Power>,
    /// What a person agreed to.
    pub given: BTreeSet<Power>,
}

impl Consent {
    /// The powers of this plan. Tries which sandbox works here.
    pub fn of(session: &Session) -> Result<Self, EngineError> {
        let names = session.plan().tasks.keys().cloned().collect();
        let sandbox = detect(&session.host, session.host.state_dir.join("trial"))?;
        let needed = powers(session.plan(), &names, sandbox.backend());
        Ok(Self { needed, given: consented(&session.host.state_dir, session.project.root()) })
    }

    /// Records that a person agrees to what is needed, and to nothing else.
    pub fn give(&self, session: &Session) -> Result<(), EngineError> {
        consent(&session.host.state_dir, session.project.root(), &self.needed).map_err(world)
    }

    /// Takes back whatever was given.
    pub fn withdraw(session: &Session) -> Result<(), EngineError> {
        withdraw(&session.host.state_dir, session.project.root()).map_err(world)
    }
}

fn world(error: TrustError) -> EngineError {
    EngineError::World(error.to_string())
}
