//! Secrets in what a result adds: keys, tokens and passwords that somebody could use.
//!
//! ```text
//!  rules ── keywords ──> one automaton      found: which keyword, where
//!                            │
//!  bytes of a file ──────────┴──> the rules of that keyword ──> shape ──> placeholder? entropy? ──> hit
//!                                                                             hit on an added line ──> finding
//! ```
//!
//! The rules are a table (`rules`), a rule is data (`rule`). Every byte is read once, by an automaton that knows the keywords
//! of all rules; a rule's own pattern is only tried where one of its keywords stands, from a fixed place on. So most of a
//! file costs a table look-up a byte, and no input makes a pattern run over the file again and again. Which lines are new
//! is asked only where something was found. What was found is never shown: excerpts are masked before they are made.

mod assignment;
mod findings;
mod placeholder;
mod rule;
mod rules;
mod scanner;
mod shape;

pub use findings::{SecretRule, secret_rules, secrets};
