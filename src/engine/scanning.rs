//! Scanners of others at work: each that is installed runs in a tree of its own, and its report is read from what it leaves
//! there. One that is not installed is named as skipped.

use futures::future::join_all;

use super::builder::Builder;
use super::checking::Sides;
use super::gate_run::{GateCommand, GateRun};
use super::judge::Case;
use crate::base::{Pattern, RelPath};
use crate::exec::{Fault, block_in_place};
use crate::gates::{Judged, Part, Scanner, ScannerOutput, ScannerRun, Verdict, scanner};
use crate::plan::Check;

impl Builder {
    /// A check with `scanners`: its own parts, and one for each of them. `None` where a file of the tree is no longer what it was.
    pub(super) async fn judge_with_scanners(&self, case: &Case<'_>, check: Check) -> Result<Option<Verdict>, Fault> {
        let sides = block_in_place(|| self.sides(case.gate, &case.subject, case.workspace));
        let Some(sides) = sides else { return Ok(None) };
        let mut parts = block_in_place(|| self.check(case.gate, check, &case.subject, &sides, case.workspace));
        let read = |path: &RelPath| self.judged_bytes(path, sides.result.get(path)?, case.workspace);
        let judged = self.judged(&case.subject, &sides, &read);
        let words = case.options().strings("scanners");
        let scanners = words.iter().filter_map(|word| scanner(word));
        let asked = scanners.map(|scanner| self.ask_scanner(case, scanner, &sides, &judged));
        for part in join_all(asked).await {
            let Some(part) = part? else { return Ok(None) };
            parts.push(part);
        }
        Ok(Some(self.fold(case, parts)))
    }

    async fn ask_scanner(
        &self,
        case: &Case<'_>,
        scanner: Scanner,
        sides: &Sides,
        judged: &Judged<'_>,
    ) -> Result<Option<Part>, Fault> {
        let runs = scanner.runs(judged);
        if runs.is_empty() {
            return Ok(Some(scanner.judge(judged, case.options(), &[])));
        }
        if self.host.program_view(scanner.program()).is_none() {
            return Ok(Some(scanner.not_installed()));
        }
        if scanner.needs_network() && !case.gate.network {
            return Ok(Some(scanner.without_network()));
        }
        let mut ran: Vec<GateRun> = Vec::new();
        // Too many are refused when they are judged: not one of the rest has to run for that.
        for (nth, run) in runs.iter().take(Scanner::RUNS_MAX).enumerate() {
            match self.scan(case, scanner, nth, run, sides).await? {
                Some(one) => ran.push(one),
                None => return Ok(None),
            }
        }
        let outputs: Vec<ScannerOutput<'_>> = std::iter::zip(&runs, &ran)
            .map(|(run, ran)| ScannerOutput {
                end: &ran.exit.end,
                report: ran.files.get(&run.report).map(Vec::as_slice),
                log: &ran.text,
            })
            .collect();
        Ok(Some(block_in_place(|| scanner.judge(judged, case.options(), &outputs))))
    }

    async fn scan(
        &self,
        case: &Case<'_>,
        scanner: Scanner,
        nth: usize,
        run: &ScannerRun,
        sides: &Sides,
    ) -> Result<Option<GateRun>, Fault> {
        let mut tree = sides.result.clone();
        // A report that the result brought is not the scanner's.
        let report = [Pattern::literal(&run.report)];
        tree.retain(|path, _| !path.is_within(&run.report));
        let view = self.host.program_view(scanner.program());
        let command = GateCommand { collect: &report, view, ..GateCommand::new(&run.argv) };
        let directory = case.directory(self, &format!("={}{nth}", scanner.name()));
        self.run_in_fresh_tree(&directory, case.gate, &command, &tree, case.workspace, case.bench).await
    }
}
