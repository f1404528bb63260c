//! The engine: where the pure core meets the world. It opens a plan, says where every task stands, and builds.

mod attempt_log;
mod build;
mod builder;
mod classify;
mod host;
mod ignored;
mod ledger;
mod load;
mod project;
mod publish;
mod recorder;
mod resolve;
mod scan;
mod session;
mod summary;
mod trust;

pub use build::{BuildOptions, Built, Person, Report, build};
pub use host::{Host, HostError, now_ms};
pub use ledger::Ledger;
pub use load::{LoadError, Loaded, PlanFileError, load};
pub use project::{Project, ProjectError};
pub use recorder::Listener;
pub use resolve::{Cause, Keyed, Resolver, Reused, Standing};
pub use session::{EngineError, Session, Survey};
pub use summary::{Settled, Summary};
pub use trust::{Power, TrustError, consent, consented, powers, withdraw};
