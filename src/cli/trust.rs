//! `orca trust`: a person agrees to the powers of a plan, or takes that back.

use std::collections::BTreeSet;

use serde_json::json;

use super::args::{Args, TrustArgs};
use super::ask::{is_interactive, yes};
use super::terminal::Terminal;
use super::{CliError, Exit, JSON_VERSION, open_valid};
use crate::engine::{Consent, Power};

pub(super) fn run(args: &Args, trust: &TrustArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let session = match open_valid(args, terminal)? {
        Ok(session) => session,
        Err(exit) => return Ok(exit),
    };
    if trust.revoke {
        Consent::withdraw(&session)?;
        tell(trust, terminal, "every power is taken back", &BTreeSet::new(), &BTreeSet::new());
        return Ok(Exit::Good);
    }
    let consent = Consent::of(&session)?;
    if consent.needed.is_empty() {
        tell(trust, terminal, "this plan needs no powers", &consent.needed, &consent.given);
        return Ok(Exit::Good);
    }
    // Data is for programs, which answer no questions.
    if trust.list || trust.json && !trust.yes {
        tell(trust, terminal, "this plan asks for these powers:", &consent.needed, &consent.given);
        return Ok(Exit::Good);
    }
    if consent.needed.is_subset(&consent.given) {
        // What the plan no longer asks for is no longer given.
        consent.give(&session)?;
        tell(trust, terminal, "these powers are given already:", &consent.needed, &consent.given);
        return Ok(Exit::Good);
    }
    if !trust.yes {
        terminal.err(&format!("this plan asks for these powers:\n{}", list(&consent.needed, &consent.given)));
        if !is_interactive() {
            terminal.error("there is no terminal to ask at; look at the plan, then type `orca trust --yes`");
            return Ok(Exit::World);
        }
        if !yes("give them to this project?") {
            terminal.err("nothing is given\n");
            return Ok(Exit::World);
        }
    }
    consent.give(&session)?;
    tell(trust, terminal, "these powers are given to this project:", &consent.needed, &consent.needed);
    Ok(Exit::Good)
}

fn tell(args: &TrustArgs, terminal: &Terminal, what: &str, needed: &BTreeSet<Power>, given: &BTreeSet<Power>) {
    if args.json {
        terminal.line(&json!({ "v": JSON_VERSION, "needed": needed, "given": given }).to_string());
    } else {
        terminal.out(&format!("{what}\n{}", list(needed, given)));
    }
}

fn list(needed: &BTreeSet<Power>, given: &BTreeSet<Power>) -> String {
    let line = |power: &Power| {
        let mark = if given.contains(power) { " (given)" } else { "" };
        format!("  - {power}{mark}\n")
    };
    needed.iter().map(line).collect()
}
