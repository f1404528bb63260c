//! Gates at work: each judges a result in a fresh tree of its own, that no task can reach any more.
//!
//! ```text
//! checks and commands, all at the same time ── all green? ── reviewers, who are paid
//! ```
//!
//! A verdict is kept under the gate's key, so the same gate never judges the same tree twice. A gate that breaks is
//! never green, and its word is not kept.

use futures::future::join_all;
use tokio::sync::watch;

use super::builder::Builder;
use super::gate_inputs::inputs_changed;
use super::gate_run::{GateCommand, GateRun};
use super::host::now_ms;
use super::resolve::Keyed;
use super::subject::{Subject, lesson};
use crate::base::{Changes, FailureKind, GateKey, Name, Pattern, Severity, TaskName, Tree};
use crate::event::{Event, Failure, Of};
use crate::exec::{Bench, Fault, block_in_place, cancelled};
use crate::gates::{Options, Part, Verdict, VerdictKind, findings_of_report, verdict_of_exit, verdict_of_parts};
use crate::graph::TaskIx;
use crate::plan::{Check, GateDef, GateKind, Level};
use crate::sandbox::CancelLevel;
use crate::store::Root;

/// What the gates of a task say together.
pub(super) enum Judged {
    /// All are green.
    Green,
    /// The first that is not, and what the next attempt is told: nothing, where the gate itself broke.
    Red(Failure, String),
    /// A file that they need changed meanwhile.
    Changed,
}

impl Judged {
    /// What two gates say together: the first that is red names the failure, and all that are red are told. A gate that broke
    /// teaches nothing, and a verdict of another counts as much as it did.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Green, other) => other,
            (this, Self::Green) => this,
            (Self::Red(mut first, lesson), Self::Red(second, more)) => {
                // What is known to be bad outweighs what nobody knows.
                if first.kind == FailureKind::GateError && second.kind == FailureKind::Gate {
                    return Self::Red(second, more).and(Self::Red(first, lesson));
                }
                first.details.push(second.message);
                first.details.extend(second.details);
                let lessons = [lesson, more].into_iter().filter(|lesson| !lesson.is_empty());
                Self::Red(first, lessons.collect::<Vec<_>>().join("\n\n"))
            }
            (Self::Changed, _) | (_, Self::Changed) => Self::Changed,
        }
    }
}

/// One gate's work on one result.
pub(super) struct Case<'a> {
    /// The gate.
    pub gate: &'a GateDef,
    /// What it judges.
    pub subject: Subject<'a>,
    /// Where the task has just left its files.
    pub workspace: Option<&'a Root>,
    /// Where its commands run, and how they are told to stop.
    pub bench: &'a Bench,
}

impl Case<'_> {
    /// A name for a directory of the gate, unlike those of all other gates at work.
    pub(super) fn directory(&self, builder: &Builder, part: &str) -> String {
        let task = self.subject.task.map(|task| builder.resolver.name(task));
        let owner = task.map_or_else(|| "plan".to_owned(), TaskName::file_name);
        format!("{owner}=gate={}{part}", self.gate.name)
    }

    /// Its level.
    pub(super) fn level(&self) -> Level {
        self.gate.level.unwrap_or(Level::Standard)
    }

    /// Its options.
    pub(super) fn options(&self) -> Options<'_> {
        Options::new(&self.gate.options)
    }
}

impl Builder {
    /// Lets the task's gates judge a result: all of them, or those named.
    pub(super) async fn judge(
        &self,
        task: TaskIx,
        keyed: &Keyed,
        (outputs, edits): (&Tree, &Changes),
        workspace: Option<&Root>,
        only: Option<&[Name]>,
        cancel: &watch::Receiver<CancelLevel>,
    ) -> Result<Judged, Fault> {
        let mut gates = self.resolver.gates(task);
        gates.retain(|gate| only.is_none_or(|only| only.contains(&gate.name)));
        gates.retain(|gate| self.judging.as_ref().is_none_or(|judging| judging.includes(&gate.name)));
        let subject = Subject::of_task(task, &keyed.context.view, outputs, edits);
        let _timing = match gates.is_empty() {
            true => None,
            false => Some(self.host.trace.part("gates", self.resolver.name(task))),
        };
        let bench = &Bench::new(cancel.clone(), self.lender.clone());
        // Nobody is paid for a look at what is red anyway.
        let (paid, free): (Vec<&GateDef>, Vec<&GateDef>) = gates.iter().partition(|gate| is_paid(gate));
        // And what is measured is measured alone.
        let (measured, free): (Vec<&GateDef>, Vec<&GateDef>) = free.into_iter().partition(|gate| is_measured(gate));
        for group in [free, measured, paid] {
            let cases = group.iter().map(|gate| Case { gate, subject, workspace, bench });
            let cases: Vec<Case<'_>> = cases.collect();
            let verdicts = join_all(cases.iter().map(|case| self.verdict(case))).await;
            let mut judged = Judged::Green;
            for (gate, verdict) in std::iter::zip(group, verdicts) {
                let Some(verdict) = verdict? else { return Ok(Judged::Changed) };
                if bench.is_cancelled() {
                    return Ok(Judged::Red(cancelled(), String::new()));
                }
                if !verdict.is_green() {
                    judged = judged.and(red(gate, &verdict));
                }
            }
            if !matches!(judged, Judged::Green) {
                return Ok(judged);
            }
        }
        Ok(Judged::Green)
    }

    /// Lets one gate of the plan judge the integrated tree.
    pub(super) async fn judge_plan_gate(
        &self,
        gate: &GateDef,
        tree: &Tree,
        cancel: &watch::Receiver<CancelLevel>,
    ) -> Result<Verdict, Fault> {
        let bench = &Bench::new(cancel.clone(), self.lender.clone());
        let case = Case { gate, subject: Subject::of_plan(tree), workspace: None, bench };
        let Some(verdict) = self.verdict(&case).await? else {
            let message = format!("files changed while the gate `{}` was to judge them; build again", gate.name);
            return Err(Fault(message));
        };
        Ok(verdict)
    }

    /// The verdict of a gate, reported. `None` where a file of the tree changed.
    async fn verdict(&self, case: &Case<'_>) -> Result<Option<Verdict>, Fault> {
        let (Some(verdict), cached) = self.verdict_on(case).await? else {
            return Ok(None);
        };
        self.sink.emit(Event::GateJudged {
            task: case.subject.task.map(|task| self.resolver.name(task).clone()),
            gate: case.gate.name.clone(),
            verdict: verdict.word().to_owned(),
            cached,
            wall_ms: verdict.wall_ms,
            cost_micro_usd: if cached { 0 } else { verdict.cost_micro_usd },
            message: verdict.message.clone(),
            findings: verdict.findings().cloned().collect(),
            details: verdict.output(),
        });
        Ok(Some(verdict))
    }

    /// The verdict of a gate: the one it gave already, else a new one, which is kept; and whether it was known.
    pub(super) async fn verdict_on(&self, case: &Case<'_>) -> Result<(Option<Verdict>, bool), Fault> {
        let task = case.subject.task;
        let mut timing = self.host.trace.span("gate", || Of::Gate {
            task: task.map(|task| self.resolver.name(task).clone()),
            gate: case.gate.name.clone(),
            verdict: None,
            cached: false,
        });
        let key = self.resolver.gate_key(case.gate, &case.subject);
        let is_afresh = self.judging.as_ref().is_some_and(|judging| judging.afresh);
        if !is_afresh && let Some(known) = self.resolver.verdict(&key) {
            timing.said(known.word(), true);
            return Ok((Some(known), true));
        }
        let started_ms = now_ms();
        let Some(mut verdict) = self.judge_anew(case).await? else { return Ok((None, false)) };
        if verdict.wall_ms == 0 {
            verdict.wall_ms = now_ms().saturating_sub(started_ms);
        }
        timing.said(verdict.word(), false);
        if verdict.is_final() && !case.bench.is_cancelled() {
            self.keep_verdict(&key, &verdict);
        }
        Ok((Some(verdict), false))
    }

    fn keep_verdict(&self, key: &GateKey, verdict: &Verdict) {
        let text = serde_json::to_string(verdict).expect("a verdict is plain data");
        if let Some(Err(error)) = self.resolver.store.as_ref().map(|store| store.put_verdict(key, &text)) {
            self.notice(true, format!("the verdict is not kept: {error}"));
        }
    }

    /// Lets a gate judge. `None` where a file of the tree is no longer what it was.
    async fn judge_anew(&self, case: &Case<'_>) -> Result<Option<Verdict>, Fault> {
        match &case.gate.kind {
            GateKind::Run(argv) => self.judge_by_command(case, argv).await,
            GateKind::Check(Check::Performance) => self.judge_performance(case).await,
            GateKind::Check(Check::Review) => self.judge_review(case).await,
            GateKind::Check(Check::Tdd) => self.judge_tests_first(case).await,
            GateKind::Check(check) if case.gate.options.contains_key("scanners") => {
                self.judge_with_scanners(case, *check).await
            }
            GateKind::Check(check) => Ok(self.judge_by_check(case, *check)),
            GateKind::Agent { .. } => self.judge_by_agent(case).await,
        }
    }

    /// A command judges by its exit, and by the report it writes, if it is to write one.
    async fn judge_by_command(&self, case: &Case<'_>, argv: &[String]) -> Result<Option<Verdict>, Fault> {
        let report: Option<Pattern> = case.options().get::<String>("report").and_then(|text| Pattern::new(&text).ok());
        let mut tree = self.resolver.judged_tree(case.gate, &case.subject);
        // A report that the result brought is not the gate's.
        tree.retain(|path, _| !report.as_ref().is_some_and(|report| report.matches(path)));
        let collect: Vec<Pattern> = report.into_iter().collect();
        let command = GateCommand { collect: &collect, ..GateCommand::new(argv) };
        let directory = case.directory(self, "");
        let running = self.run_in_fresh_tree(&directory, case.gate, &command, &tree, case.workspace, case.bench);
        let Some(ran) = running.await? else { return Ok(None) };
        let verdict = verdict_of_exit(&ran.exit.end, &ran.text, ran.log, ran.exit.usage.wall_ms);
        let verdict = match collect.is_empty() || verdict.kind == VerdictKind::Error {
            true => verdict,
            false => self.with_report(case, verdict, &ran),
        };
        Ok(Some(self.with_inputs(case, verdict, &ran)))
    }

    /// The same, less good where the gate's inputs were changed while it ran.
    fn with_inputs(&self, case: &Case<'_>, verdict: Verdict, ran: &GateRun) -> Verdict {
        let changed = inputs_changed([ran], case.options()).filter(|_| verdict.is_green());
        let Some(part) = changed else { return verdict };
        let parts: Vec<Part> = verdict.parts.iter().cloned().chain([part]).collect();
        let folded = self.fold(case, parts);
        let message = format!("{}; its inputs were changed while it ran", verdict.message);
        Verdict { kind: folded.kind, message, parts: folded.parts, ..verdict }
    }

    /// What a command's exit and its report say together: an exit that findings explain is as bad as they are, any other red one
    /// is red. A report that is missing, or that cannot be read, is an error.
    fn with_report(&self, case: &Case<'_>, by_exit: Verdict, ran: &GateRun) -> Verdict {
        let named = case.options().get::<String>("report").unwrap_or_default();
        if ran.files.is_empty() {
            let message = format!("{}; it wrote no report at `{named}`", by_exit.message);
            return Verdict { kind: VerdictKind::Error, message, ..by_exit };
        }
        let mut part = Part::judged("report", Vec::new());
        for (path, bytes) in &ran.files {
            match findings_of_report(path.as_str(), bytes, Some(&ran.root)) {
                Ok(findings) => part.findings.extend(findings),
                Err(why) => {
                    let message = format!("{}; its report {path} cannot be read: {why}", by_exit.message);
                    return Verdict { kind: VerdictKind::Error, message, ..by_exit };
                }
            }
        }
        let is_explained = part.findings.iter().any(|finding| finding.severity == Severity::Error);
        let counts = case.options().filter();
        part.findings.retain(|finding| counts(finding));
        let by_report = self.fold(case, vec![part]);
        // A linter exits so because of errors that it found; where these are ignored or accepted, that is no reason any more.
        let kind = if by_exit.is_green() || is_explained { by_report.kind } else { by_exit.kind };
        let message = format!("{}; {}", by_exit.message, by_report.message);
        Verdict { kind, message, parts: by_report.parts, ..by_exit }
    }

    /// A built-in check judges both sides of the result.
    fn judge_by_check(&self, case: &Case<'_>, check: Check) -> Option<Verdict> {
        block_in_place(|| {
            let sides = self.sides(case.gate, &case.subject, case.workspace)?;
            let parts = self.check(case.gate, check, &case.subject, &sides, case.workspace);
            Some(self.fold(case, parts))
        })
    }

    /// The verdict that parts add up to, without the findings that a person has accepted.
    pub(super) fn fold(&self, case: &Case<'_>, mut parts: Vec<Part>) -> Verdict {
        let mut accepted = 0;
        for part in &mut parts {
            accepted += self.resolver.baseline.take_out(&case.gate.name, &mut part.findings);
        }
        let mut verdict = verdict_of_parts(parts, case.level());
        if accepted > 0 {
            verdict.message.push_str(&format!("; {accepted} accepted in the baseline"));
        }
        verdict
    }
}

/// Whether judging costs money.
pub(super) fn is_paid(gate: &GateDef) -> bool {
    matches!(gate.kind, GateKind::Agent { .. }) || gate.options.contains_key("reviewer")
}

/// Whether judging means to measure.
fn is_measured(gate: &GateDef) -> bool {
    gate.kind == GateKind::Check(Check::Performance)
}

fn red(gate: &GateDef, verdict: &Verdict) -> Judged {
    let failure = Failure {
        kind: if verdict.kind == VerdictKind::Error { FailureKind::GateError } else { FailureKind::Gate },
        message: format!("the gate `{}` says {}: {}", gate.name, verdict.word(), verdict.message),
        exit_code: None,
        signal: None,
        details: verdict.details(),
    };
    let lesson = match verdict.kind {
        VerdictKind::Failed => lesson(gate, verdict),
        _ => String::new(),
    };
    Judged::Red(failure, lesson)
}
