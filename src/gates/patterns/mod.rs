//! Unsafe patterns: code that runs what it is given, puts SQL and commands together, trusts paths from requests, switches
//! verification off. Rules are about syntax trees, not about text.
//!
//! ```text
//!  text ── words ──> rules that may hold ──> tree ──┬── walk: calls × values ──┐
//!          (most files end here)                    ├── queries ───────────────┼──> lines that the result adds
//!                                                   └── commands, of shell ────┘
//! ```
//!
//! Values are followed through the variables of one function: a string put together from parts is `Built`, what a request
//! brings is `Request`, and a call that gets it is an error where it would be a warning else. Calls into other functions are
//! not followed. No comment in the judged files switches a rule off.

mod call;
mod check;
mod dialect;
mod go;
mod imports;
mod java;
mod javascript;
mod parameters;
mod python;
mod query;
mod rule;
mod rust;
mod shell;
mod table;
mod value;
mod walk;
mod words;

pub(super) use check::patterns;

#[cfg(test)]
mod tests;
