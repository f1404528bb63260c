//! Scanners at work: programs of others that a check asks besides. Each runs as a command of the gate, in a fresh tree; what it
//! reports is judged by `gates`.

use super::builder::Builder;
use super::checking::Sides;
use super::gate_run::{GateCommand, GateRun};
use super::judge::Case;
use crate::base::{Pattern, RelPath};
use crate::exec::Fault;
use crate::gates::{Part, Scanner, ScannerOutput, ScannerRun, scanner};
use crate::sandbox::resolve_tool;

impl Builder {
    /// What the scanners of a gate say, one after another. `None` where a file of the tree is no longer what it was.
    pub(super) async fn scan(&self, case: &Case<'_>, sides: &Sides) -> Result<Option<Vec<Part>>, Fault> {
        let mut parts = Vec::new();
        for scanner in case.options().strings("scanners").iter().filter_map(|word| scanner(word)) {
            let Some(part) = self.scan_with(scanner, case, sides).await? else { return Ok(None) };
            parts.push(part);
        }
        Ok(Some(parts))
    }

    async fn scan_with(&self, scanner: Scanner, case: &Case<'_>, sides: &Sides) -> Result<Option<Part>, Fault> {
        let read = |path: &RelPath| self.judged_bytes(path, sides.result.get(path)?, case.workspace);
        let runs = scanner.runs(&self.judged(&case.subject, sides, &read));
        if !runs.is_empty() && resolve_tool(scanner.program().as_ref(), &self.host.path()).is_none() {
            return Ok(Some(scanner.not_installed()));
        }
        if !runs.is_empty() && scanner.needs_network() && !case.gate.network {
            return Ok(Some(scanner.without_network()));
        }
        let mut ran: Vec<(ScannerRun, GateRun)> = Vec::new();
        // Too many are refused when they are judged: none of them has to run for that.
        for run in runs.into_iter().take(Scanner::RUNS_MAX) {
            let collect = [Pattern::literal(&run.report)];
            let mut tree = self.resolver.judged_tree(case.gate, &case.subject);
            // A report that the result brought is not the scanner's.
            tree.retain(|path, _| !collect[0].matches(path));
            let command = GateCommand { collect: &collect, ..GateCommand::new(&run.argv) };
            let directory = case.directory(self, &format!("={}", scanner.name()));
            let running = self.run_in_fresh_tree(&directory, case.gate, &command, &tree, case.workspace, case.bench);
            let Some(output) = running.await? else { return Ok(None) };
            ran.push((run, output));
        }
        let outputs: Vec<ScannerOutput<'_>> = ran
            .iter()
            .map(|(run, output)| ScannerOutput {
                end: &output.exit.end,
                report: output.files.get(&run.report).map(Vec::as_slice),
                log: &output.text,
            })
            .collect();
        let judged = self.judged(&case.subject, sides, &read);
        Ok(Some(scanner.judge(&judged, case.options(), &outputs)))
    }
}
