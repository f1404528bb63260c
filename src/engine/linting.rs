//! Lint commands of the check `review`: each runs in a tree of its own, and what it says counts on the lines that the result
//! adds. What was there before is nobody's fault now, so that the base need not be looked at.

use futures::future::join_all;

use super::builder::Builder;
use super::checking::Sides;
use super::gate_run::GateCommand;
use super::judge::Case;
use crate::base::{bounded, sanitize_line};
use crate::exec::{Fault, block_in_place};
use crate::gates::review::part_of_lint;
use crate::gates::{Judged, Part, last_lines};
use crate::sandbox::End;

/// How much of a command is in the name of its part.
const NAME_BYTES_MAX: usize = 60;

impl Builder {
    /// What the lint commands of a gate say. `None` where a file of the tree is no longer what it was.
    pub(super) async fn lint(
        &self,
        case: &Case<'_>,
        sides: &Sides,
        judged: &Judged<'_>,
    ) -> Result<Option<Vec<Part>>, Fault> {
        let commands = case.options().strings("lint");
        let runs = commands.iter().enumerate().map(|(nth, command)| self.lint_once(case, sides, judged, nth, command));
        join_all(runs).await.into_iter().collect()
    }

    async fn lint_once(
        &self,
        case: &Case<'_>,
        sides: &Sides,
        judged: &Judged<'_>,
        nth: usize,
        command: &str,
    ) -> Result<Option<Part>, Fault> {
        let argv = ["/bin/sh", "-c", command].map(str::to_owned);
        let directory = case.directory(self, &format!("=lint{nth}"));
        let gate_command = GateCommand::new(&argv);
        let running =
            self.run_in_fresh_tree(&directory, case.gate, &gate_command, &sides.result, case.workspace, case.bench);
        let Some(ran) = running.await? else { return Ok(None) };
        let mut part = block_in_place(|| part_of(command, &ran.exit.end, &ran.text, &ran.root, judged));
        part.findings.retain(|finding| case.options().counts(finding));
        Ok(Some(part))
    }
}

/// What one linter says.
fn part_of(command: &str, end: &End, output: &str, root: &str, judged: &Judged<'_>) -> Part {
    let name = format!("lint `{}`", sanitize_line(&bounded(command, NAME_BYTES_MAX)));
    let code = match end {
        End::Code(126 | 127) => {
            return Part::broke(&name, format!("it could not be run: {}", sanitize_line(last_lines(output).trim())));
        }
        End::Code(code) => *code,
        End::Signal(signal) => return Part::broke(&name, format!("ended by signal {signal}")),
        End::TimedOut => return Part::broke(&name, "it ran into the gate's timeout"),
        End::OutOfMemory => return Part::broke(&name, "it ran out of memory"),
        End::Cancelled => return Part::broke(&name, "interrupted"),
        End::NotStarted(why) => return Part::broke(&name, why.clone()),
    };
    part_of_lint(command, code, output, Some(root), judged)
}
