//! Questions to the person at the terminal. Where there is none, the answer is no.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::diff::{shown, stat};
use crate::base::TaskName;
use crate::engine::{ApprovalRequest, Person, Power};
use crate::exec::Approver;

/// The person at this process's terminal.
pub(super) struct AtTerminal;

pub(super) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn say(text: &str) {
    // Nobody reads any more: there is nobody to tell.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Asks until the answer is yes or no; end of input is no.
pub(super) fn yes(question: &str) -> bool {
    loop {
        say(&format!("{question} [y/N] "));
        let mut answer = String::new();
        match io::stdin().lock().read_line(&mut answer) {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => return true,
            "" | "n" | "no" => return false,
            _ => say("please answer y or n\n"),
        }
    }
}

impl Approver for AtTerminal {
    fn approve(&self, layer: u32, tasks: &[TaskName]) -> bool {
        let names: Vec<&str> = tasks.iter().map(TaskName::as_str).collect();
        say(&format!("layer {}: {}\n", layer + 1, names.join(", ")));
        yes("run it?")
    }
}

impl Person for AtTerminal {
    fn consents(&self, powers: &BTreeSet<Power>) -> bool {
        if !is_interactive() {
            return false;
        }
        say("this plan asks for powers that a sandboxed one does not have:\n");
        for power in powers {
            say(&format!("  - {power}\n"));
        }
        yes("allow them for this project, now and later?")
    }

    fn approves(&self, request: &ApprovalRequest) -> bool {
        say(&format!("{}: its result waits for approval\n{}", request.task, stat(&request.files)));
        loop {
            say("put it into the project? [y/N/d] ");
            let mut answer = String::new();
            match io::stdin().lock().read_line(&mut answer) {
                Ok(0) | Err(_) => return false,
                Ok(_) => {}
            }
            match answer.trim().to_lowercase().as_str() {
                "y" | "yes" => return true,
                "" | "n" | "no" => return false,
                "d" | "diff" => request.files.iter().for_each(|file| say(&shown(&file.patch))),
                _ => say("please answer y, n, or d to see the difference\n"),
            }
        }
    }

    fn waits_for(&self, holder: &str) {
        say(&format!("waiting for another build in this project: {holder}\n"));
    }
}
