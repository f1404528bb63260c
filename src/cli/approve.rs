//! `orca approve`: a person agrees to the results of tasks that want it, or rejects them. Runs nothing, and puts nothing into the
//! project: the next build does.

use serde_json::json;

use super::args::{ApproveArgs, Args};
use super::terminal::Terminal;
use super::{CliError, Exit, JSON_VERSION, look};
use crate::base::counted;
use crate::engine::{Decided, Decision};

pub(super) fn run(args: &Args, approve: &ApproveArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let look = match look(args, &approve.tasks, false, terminal)? {
        Ok(look) => look,
        Err(exit) => return Ok(exit),
    };
    let decision = if approve.reject { Decision::Rejected } else { Decision::Approved };
    let word = if approve.reject { "rejected" } else { "approved" };
    let (mut decided, mut refused) = (Vec::new(), Vec::new());
    for ix in &look.asked {
        let name = look.name(*ix);
        let tell = |text: &str| terminal.err(&format!("{name}: {text}\n"));
        match look.decide(*ix, decision)? {
            Decided::Noted(files) => {
                let then = match approve.reject {
                    false => "`orca build` puts it into the project".to_owned(),
                    true => format!("the next build runs `{name}` again, which costs what it costs"),
                };
                if !approve.json {
                    tell(&format!("{word} ({}); {then}", counted(files, "file")));
                }
                decided.push(name);
            }
            Decided::Already if approve.json => decided.push(name),
            Decided::Already => tell("it is approved already; `orca build` puts it into the project"),
            Decided::Accepted if !approve.reject => tell("its result is in the project already"),
            Decided::Accepted => {
                refused.push(format!("the result of `{name}` is in the project; `orca undo` takes a run back"));
            }
            Decided::NothingWaits => {
                refused.push(format!(
                    "no result of `{name}` waits for approval; `orca explain {name}` says how it stands"
                ));
            }
        }
    }
    if approve.json {
        terminal.line(&json!({ "v": JSON_VERSION, "decision": word, "tasks": decided }).to_string());
    }
    match refused.is_empty() {
        true => Ok(Exit::Good),
        false => Err(CliError::World(refused.join("\n"))),
    }
}
