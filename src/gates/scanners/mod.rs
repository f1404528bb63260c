//! Scanners of others that a gate may ask besides: what to run for each, and what its report says of what a result changed.
//!
//! ```text
//!  `scanners` ── Scanner::runs ──> commands, run in the judged tree by `engine`
//!                                      └── report, end ── Scanner::judge ──> a part with findings
//! ```
//!
//! Of a report only what the result brought counts: packages that the base's lock file does not have, and added lines. Comments
//! in the source that would silence a scanner are switched off where the scanner can. A report that is missing or cannot be read
//! is a part that broke, and a scanner that is not installed one that was skipped.

mod cargo_audit;
mod gitleaks;
mod npm_audit;
mod pip_audit;
mod restrict;
mod semgrep;

use super::check::settle;
use super::dependencies::LockFile;
use super::judged::{Content, Judged};
use super::options::Options;
use super::part::{Part, PartStatus};
use super::sarif::findings_of_report;
use crate::base::{RelPath, bounded, sanitize_line};
use crate::event::GateFinding;
use crate::plan::SCANNERS;
use crate::sandbox::End;

const REPORT_BYTES_MAX: usize = 32 << 20;

/// A program that a gate may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scanner(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    CargoAudit,
    NpmAudit,
    PipAudit,
    Gitleaks,
    Semgrep,
}

/// One command of a scanner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannerRun {
    /// The program and its arguments; it runs at the root of the judged tree.
    pub argv: Vec<String>,
    /// The file in the tree that it writes, which has to be collected.
    pub report: RelPath,
    /// The lock file that it is about; `None` for a scanner of sources.
    pub about: Option<RelPath>,
}

/// What came of a run.
#[derive(Debug, Clone, Copy)]
pub struct ScannerOutput<'a> {
    /// How it ended.
    pub end: &'a End,
    /// What stands in its report, where it wrote one.
    pub report: Option<&'a [u8]>,
    /// What it printed, for where something went wrong.
    pub log: &'a str,
}

/// The scanner of a word of `scanners`.
#[must_use]
pub fn scanner(word: &str) -> Option<Scanner> {
    let kinds = [Kind::CargoAudit, Kind::NpmAudit, Kind::PipAudit, Kind::Gitleaks, Kind::Semgrep];
    kinds.into_iter().map(Scanner).find(|scanner| scanner.name() == word)
}

impl Scanner {
    /// Runs on one result; one that would take more is not judged.
    pub const RUNS_MAX: usize = 20;

    /// Its word in a plan, which is the name of its part and the group of its rules.
    #[must_use]
    pub fn name(self) -> &'static str {
        SCANNERS[self.0 as usize].0
    }

    /// The program that has to be installed.
    #[must_use]
    pub fn program(self) -> &'static str {
        SCANNERS[self.0 as usize].1
    }

    /// Whether it asks a service, or fetches its rules or its database.
    #[must_use]
    pub fn needs_network(self) -> bool {
        self.0 != Kind::Gitleaks
    }

    /// Its part where its program is not there.
    #[must_use]
    pub fn not_installed(self) -> Part {
        Part::skipped(self.name(), format!("`{}` is not installed", self.program()))
    }

    /// Its part where the gate may not use the network, and it has to.
    #[must_use]
    pub fn without_network(self) -> Part {
        Part::skipped(self.name(), "it needs the network: set `network = true` on its gate")
    }

    /// What to run on a result. Nothing, where it changed nothing that the scanner reads.
    #[must_use]
    pub fn runs(self, judged: &Judged<'_>) -> Vec<ScannerRun> {
        let mut changed = judged.changed.iter().filter(|file| matches!(file.after, Content::File { .. }));
        match self.0 {
            Kind::Gitleaks | Kind::Semgrep => changed.next().map(|_| self.run(0, None)).into_iter().collect(),
            _ => {
                let locks = changed.filter(|file| self.reads(&file.path)).enumerate();
                locks.map(|(nth, file)| self.run(nth, Some(&file.path))).collect()
            }
        }
    }

    fn reads(self, path: &RelPath) -> bool {
        match self.0 {
            Kind::CargoAudit => LockFile::of(path) == Some(LockFile::Cargo),
            Kind::NpmAudit => LockFile::of(path) == Some(LockFile::Npm),
            Kind::PipAudit => LockFile::of(path) == Some(LockFile::Requirements),
            Kind::Gitleaks | Kind::Semgrep => false,
        }
    }

    fn run(self, nth: usize, about: Option<&RelPath>) -> ScannerRun {
        let report = format!(".orca-scan-{}-{nth}.json", self.name());
        let words = match self.0 {
            Kind::CargoAudit => cargo_audit::argv(about, &report),
            Kind::NpmAudit => npm_audit::argv(about, &report),
            Kind::PipAudit => pip_audit::argv(about, &report),
            Kind::Gitleaks => gitleaks::argv(&report),
            Kind::Semgrep => semgrep::argv(&report),
        };
        let report = RelPath::new(&report).expect("a plain name");
        ScannerRun { argv: words, report, about: about.cloned() }
    }

    /// What all runs say together; one output for each of [`Scanner::runs`], in their order. What `allow` and `ignore` of the gate's
    /// options name is not among it.
    #[must_use]
    pub fn judge(self, judged: &Judged<'_>, options: Options<'_>, outputs: &[ScannerOutput<'_>]) -> Part {
        let name = self.name();
        let runs = self.runs(judged);
        if runs.len() > Self::RUNS_MAX {
            return Part::broke(name, format!("the result changes more than {} files for it to read", Self::RUNS_MAX));
        }
        if runs.len() != outputs.len() {
            return Part::broke(name, "it did not run on every file that it should have read");
        }
        let mut part = Part::judged(name, Vec::new());
        for (run, output) in std::iter::zip(&runs, outputs) {
            match self.findings(judged, run, output) {
                Ok(findings) => part.findings.extend(findings),
                Err(why) => part.status = PartStatus::Broke(why),
            }
        }
        settle(std::slice::from_mut(&mut part), options);
        part
    }

    fn findings(
        self,
        judged: &Judged<'_>,
        run: &ScannerRun,
        output: &ScannerOutput<'_>,
    ) -> Result<Vec<GateFinding>, String> {
        let ends_well = match output.end {
            End::Code(0) => true,
            // With these, 1 is what it found.
            End::Code(1) => self.0 != Kind::Gitleaks,
            _ => false,
        };
        let said = || {
            let last = output.log.lines().map(str::trim).rfind(|line| !line.is_empty());
            last.map_or_else(String::new, |line| format!(": {}", sanitize_line(&bounded(line, 300))))
        };
        if !ends_well {
            return Err(format!("it ended with {}{}", ended(output.end), said()));
        }
        let report = output.report.filter(|report| !report.is_empty());
        let report = report.ok_or_else(|| format!("it wrote no report{}", said()))?;
        if report.len() > REPORT_BYTES_MAX {
            return Err("its report is too large".to_owned());
        }
        if is_sarif(report) {
            let findings = findings_of_report(run.report.as_str(), report, None)?;
            return Ok(restrict::to_added(self.named(findings), judged, false));
        }
        match self.0 {
            Kind::CargoAudit => cargo_audit::findings(report, judged, run),
            Kind::NpmAudit => npm_audit::findings(report, judged, run),
            Kind::PipAudit => pip_audit::findings(report, judged, run),
            Kind::Gitleaks => gitleaks::findings(report).map(|found| restrict::to_added(found, judged, true)),
            Kind::Semgrep => semgrep::findings(report).map(|found| restrict::to_added(found, judged, false)),
        }
    }

    /// Findings under the scanner's own name, whatever its report calls it.
    fn named(self, findings: Vec<GateFinding>) -> Vec<GateFinding> {
        let rename = |mut finding: GateFinding| {
            let rule = finding.rule.split_once('/').map_or(finding.rule.as_str(), |(_, rule)| rule);
            finding.rule = format!("{}/{rule}", self.name());
            finding
        };
        findings.into_iter().map(rename).collect()
    }
}

/// Whether a report is a SARIF log rather than the scanner's own form: each of them may be told to write one.
fn is_sarif(report: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Marks {
        version: Option<serde::de::IgnoredAny>,
        runs: Option<serde::de::IgnoredAny>,
    }
    // A list would be taken for the fields in their order.
    let is_object = report.trim_ascii_start().starts_with(b"{");
    is_object
        && serde_json::from_slice::<Marks>(report).is_ok_and(|marks| marks.version.is_some() && marks.runs.is_some())
}

fn ended(end: &End) -> String {
    match end {
        End::Code(code) => format!("exit {code}"),
        End::Signal(signal) => format!("signal {signal}"),
        End::TimedOut => "its time over".to_owned(),
        End::Cancelled => "an interruption".to_owned(),
        End::OutOfMemory => "no memory left".to_owned(),
        End::NotStarted(why) => format!("no start ({})", sanitize_line(&bounded(why, 200))),
    }
}

/// A report as a value of its form.
fn parsed<T: serde::de::DeserializeOwned>(report: &[u8]) -> Result<T, String> {
    let failed = |error: serde_json::Error| format!("its report cannot be read: {}", bounded(&error.to_string(), 200));
    serde_json::from_slice(report).map_err(failed)
}

/// A command of the shell with its arguments; what it prints goes where its text says.
fn shell(text: &str, arguments: &[&str]) -> Vec<String> {
    ["sh", "-c", text, "sh"].into_iter().chain(arguments.iter().copied()).map(str::to_owned).collect()
}

/// A path as an argument that is no option.
fn argument(path: &RelPath) -> String {
    format!("./{path}")
}

#[cfg(test)]
mod tests;
