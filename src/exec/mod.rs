//! Running: what may start when, and on how much of the machine.
//!
//! [`scheduler`] decides and is pure: facts and the time go in, commands come out. [`admission`] looks at the machine
//! and shares it with other orcas; it is the only part here that reads the system.

pub mod admission;
pub mod scheduler;
