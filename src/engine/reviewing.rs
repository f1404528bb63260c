//! Reviewers at work: an agent is given the judged files and a document, and its verdict is read from what it leaves.
//!
//! ```text
//! brief ──> fresh tree, sandbox, agent ──> .orca/verdict.json, else its words ──> answer ──> claims checked ──> part
//!              ^        no answer: again, twice; a rate limit: later; no such agent: its fallback
//! ```
//!
//! A reviewer is an agent like that of a task: its program, its secrets, its cost. It is not one in that nothing it writes but
//! its verdict is looked at, and in that it is never believed without an answer of the right form: no answer is an error, which
//! is not green, and not kept.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use super::attempt_log::AttemptLog;
use super::builder::{Builder, fault};
use super::checking::Sides;
use super::gate_run::Filled;
use super::host::now_ms;
use super::judge::Case;
use super::secrets::masked;
use super::surroundings::GRACE;
use crate::agents::{self, AgentReport, Occasion, Prompt, Repository, Waiting};
use crate::base::{BlobDigest, FailureKind, Name, PatternSet, RelPath, Tree, format_duration_ms};
use crate::context::Runner;
use crate::exec::{self, AgentSpec, AttemptSpec, Fault, GivesUp, block_in_place};
use crate::gates::reviewer::{
    Answer, Asked, DiffLines, RUBRIC, Unanswered, VERDICT_FILE, answer, brief, review, reviewer_tree,
};
use crate::gates::{Part, Verdict, last_lines};
use crate::plan::{AgentDef, Body, Check, GateDef, GateKind, Task};
use crate::sandbox::{self, Backend, End};

/// The name of the part that a reviewer says.
const PART: &str = "reviewer";
/// How often a reviewer is asked that gives no answer.
const ASKED_MAX: u32 = 3;
/// How long rate limits are waited for, all in all.
const WAITED_MS_MAX: u64 = 15 * 60 * 1000;
/// How long one is waited for that does not say when it ends.
const WAIT_MS: u64 = 30_000;
/// The longest verdict that is read from a file.
const VERDICT_BYTES_MAX: u64 = 256 << 10;

/// Who reviews for a gate, and what for.
#[derive(Debug)]
pub(super) struct Reviewer {
    /// The agent.
    pub agent: Name,
    /// What it looks for.
    rubric: String,
}

impl Reviewer {
    /// The reviewer of a gate, if it has one.
    #[must_use]
    pub(super) fn of(gate: &GateDef) -> Option<Self> {
        let text = |key: &str| gate.options.get(key).and_then(serde_json::Value::as_str);
        match &gate.kind {
            GateKind::Agent { agent, prompt } => Some(Self { agent: agent.clone(), rubric: prompt.clone() }),
            GateKind::Check(Check::Review) => {
                let agent = Name::new(text("reviewer")?).ok()?;
                Some(Self { agent, rubric: text("rubric").unwrap_or(RUBRIC).to_owned() })
            }
            GateKind::Check(_) | GateKind::Run(_) => None,
        }
    }
}

/// What a task is asked, in words.
pub(super) fn goal_of(task: &Task) -> String {
    match &task.body {
        Body::Prompt { text, .. } => text.clone(),
        Body::Run(argv) => argv.join(" "),
    }
}

/// What came of asking.
struct Reviewed {
    part: Part,
    cost_micro_usd: u64,
    /// The output of the last one that was asked.
    log: Option<BlobDigest>,
    excerpt: String,
}

/// How one agent answered.
enum Outcome {
    Answered(Answer),
    /// It cannot work here or now; another may.
    Unable(String),
    /// It gave no answer, and nobody else is asked.
    Silent(String),
    /// A file of the tree is no longer what it was.
    Changed,
}

/// One run of a reviewer.
struct Run {
    end: End,
    report: AgentReport,
    /// What it wrote for a verdict, and what it said.
    answers: [String; 2],
}

impl Builder {
    /// An agent judges.
    pub(super) async fn judge_by_agent(&self, case: &Case<'_>) -> Result<Option<Verdict>, Fault> {
        let reviewer = Reviewer::of(case.gate).expect("the gate is an agent's");
        let sides = block_in_place(|| self.sides(case.gate, &case.subject, case.workspace));
        let Some(sides) = sides else { return Ok(None) };
        let Some(reviewed) = self.review(case, &reviewer, &sides).await? else { return Ok(None) };
        Ok(Some(self.with_review(case, Vec::new(), reviewed)))
    }

    /// The check `review`: what can be seen without running anything, and what linters say; then a reviewer, if there is one.
    pub(super) async fn judge_review(&self, case: &Case<'_>) -> Result<Option<Verdict>, Fault> {
        let sides = block_in_place(|| self.sides(case.gate, &case.subject, case.workspace));
        let Some(sides) = sides else { return Ok(None) };
        let mut parts = block_in_place(|| self.check(case.gate, Check::Review, &case.subject, &sides, case.workspace));
        let read = |path: &RelPath| self.judged_bytes(path, sides.result.get(path)?, case.workspace);
        let judged = self.judged(&case.subject, &sides, &read);
        let Some(linted) = self.lint(case, &sides, &judged).await? else { return Ok(None) };
        parts.extend(linted);
        let Some(reviewer) = Reviewer::of(case.gate) else { return Ok(Some(self.fold(case, parts))) };
        if !self.fold(case, parts.clone()).is_green() {
            parts.push(Part::skipped(PART, "it is not asked about what is red already"));
            return Ok(Some(self.fold(case, parts)));
        }
        let Some(reviewed) = self.review(case, &reviewer, &sides).await? else { return Ok(None) };
        Ok(Some(self.with_review(case, parts, reviewed)))
    }

    fn with_review(&self, case: &Case<'_>, mut parts: Vec<Part>, reviewed: Reviewed) -> Verdict {
        let Reviewed { mut part, cost_micro_usd, log, excerpt } = reviewed;
        part.findings.retain(|finding| case.options().counts(finding));
        parts.push(part);
        Verdict { cost_micro_usd, log, excerpt, ..self.fold(case, parts) }
    }

    /// Asks the reviewer, then those that stand in for it. `None` where a file of the tree is no longer what it was.
    async fn review(&self, case: &Case<'_>, reviewer: &Reviewer, sides: &Sides) -> Result<Option<Reviewed>, Fault> {
        let nothing = |part| Reviewed { part, cost_micro_usd: 0, log: None, excerpt: String::new() };
        if sides.changed.is_empty() {
            return Ok(Some(nothing(Part::skipped(PART, "nothing changed"))));
        }
        let mut reviewed = nothing(Part::broke(PART, "no agent can be asked"));
        for agent in self.resolver.plan().with_fallbacks(&reviewer.agent) {
            if let Some(failure) = self.resolver.stopped.why(&agent.name) {
                reviewed.part =
                    Part::broke(PART, format!("the agent `{}` cannot go on: {}", agent.name, failure.message));
                continue;
            }
            let name = &agent.name;
            match self.ask_until_answered(case, reviewer, agent, sides, &mut reviewed).await? {
                Outcome::Changed => return Ok(None),
                Outcome::Answered(answer) => {
                    let mut part = review(PART, &answer, &DiffLines::of(&sides.changed));
                    if self.is_author(case, agent) {
                        let note = part.note.take().unwrap_or_default();
                        part = part.note(format!("{note}; it is the agent that made the result"));
                    }
                    reviewed.part = part;
                    reviewed.excerpt.clear();
                    return Ok(Some(reviewed));
                }
                Outcome::Silent(why) => {
                    reviewed.part = Part::broke(PART, format!("`{name}`: {why}"));
                    return Ok(Some(reviewed));
                }
                Outcome::Unable(why) => reviewed.part = Part::broke(PART, format!("`{name}`: {why}")),
            }
        }
        Ok(Some(reviewed))
    }

    /// Whether an agent is, in all that makes a difference, the one that the task is given to.
    fn is_author(&self, case: &Case<'_>, agent: &AgentDef) -> bool {
        let author = case.subject.task.and_then(|task| self.resolver.agent(task));
        author.is_some_and(|author| Runner::of(author) == Runner::of(agent))
    }

    /// Asks one agent until it answers, or cannot.
    async fn ask_until_answered(
        &self,
        case: &Case<'_>,
        reviewer: &Reviewer,
        agent: &AgentDef,
        sides: &Sides,
        reviewed: &mut Reviewed,
    ) -> Result<Outcome, Fault> {
        if let Some(why) = self.missing_reviewer(&case.gate.toolchains, agent) {
            return Ok(Outcome::Unable(why));
        }
        let diff = DiffLines::of(&sides.changed);
        let (tree, withheld) = reviewer_tree(&sides.base, &sides.result);
        let (mut asked, mut waited_ms) = (0, 0);
        let mut before: Option<String> = None;
        loop {
            let left = match self.left_for_review(case.subject.task) {
                Ok(left) => left,
                Err(why) => return Ok(Outcome::Silent(why)),
            };
            let document = self.document(case, reviewer, sides, &withheld, before.as_deref());
            let Some(run) = self.ask(case, agent, (&tree, &withheld), &document, left, reviewed).await? else {
                return Ok(Outcome::Changed);
            };
            if case.bench.is_cancelled() {
                return Ok(Outcome::Silent("interrupted".to_owned()));
            }
            let why = match (&run.report.failure, &run.end) {
                (Some(failure), _) if failure.kind == FailureKind::RateLimit => {
                    let said = failure.resets.as_ref().and_then(|resets| resets.wait_ms(now_ms()));
                    let wait_ms = said.unwrap_or(WAIT_MS).max(1_000);
                    waited_ms += wait_ms;
                    if waited_ms > WAITED_MS_MAX {
                        let message = format!("{}; it would take {}", failure.message, format_duration_ms(wait_ms));
                        return Ok(Outcome::Unable(message));
                    }
                    let (gate, name, time) = (&case.gate.name, &agent.name, format_duration_ms(wait_ms));
                    self.notice(
                        true,
                        format!("the gate `{gate}` waits {time} for the agent `{name}`: {}", failure.message),
                    );
                    self.wait(case, wait_ms).await;
                    continue;
                }
                (Some(failure), _) if matches!(failure.kind, FailureKind::Auth | FailureKind::Spawn) => {
                    return Ok(Outcome::Unable(failure.message.clone()));
                }
                (Some(failure), _) => failure.message.clone(),
                (None, End::Code(0)) => match read(&run, &diff) {
                    Ok(answer) => return Ok(Outcome::Answered(answer)),
                    Err(why) => why,
                },
                (None, End::NotStarted(why)) => return Ok(Outcome::Unable(why.clone())),
                (None, end) => ended(end),
            };
            asked += 1;
            if asked == ASKED_MAX {
                return Ok(Outcome::Silent(format!("asked {asked} times: {why}")));
            }
            before = Some(why);
        }
    }

    /// Waits, unless the build is told to stop.
    async fn wait(&self, case: &Case<'_>, wait_ms: u64) {
        let mut cancel = case.bench.cancel().clone();
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
            _ = cancel.wait_for(|level| *level != sandbox::CancelLevel::None) => {}
        }
    }

    fn document(
        &self,
        case: &Case<'_>,
        reviewer: &Reviewer,
        sides: &Sides,
        withheld: &[RelPath],
        before: Option<&str>,
    ) -> String {
        let task = case.subject.task.map(|task| self.resolver.task(task));
        let goal = task.map(|task| goal_of(task)).unwrap_or_default();
        let asked = Asked {
            task: task.map(|task| &task.name),
            goal: &goal,
            acceptance: task.map_or(&[], |task| &task.acceptance),
            rubric: &reviewer.rubric,
            withheld,
            before,
        };
        brief(&asked, &sides.changed)
    }

    /// Asks an agent once. `None` where a file of the tree is no longer what it was.
    async fn ask(
        &self,
        case: &Case<'_>,
        agent: &AgentDef,
        (tree, withheld): (&Tree, &[RelPath]),
        document: &str,
        cost_micro_usd_max: Option<u64>,
        reviewed: &mut Reviewed,
    ) -> Result<Option<Run>, Fault> {
        let secrets = self.secrets(Some(agent));
        let nothing = PatternSet::default();
        let spec = self.reviewer_spec(case.gate, agent, tree, &nothing, document, cost_micro_usd_max);
        let _slot = case.bench.slot().await;
        let filled = self.filled(&case.directory(self, "=review"), &spec, case.workspace, withheld)?;
        let Some(Filled { workspace, root, .. }) = filled else { return Ok(None) };
        let mut waiting = Waiting::new(agent.preset);
        let gives_up: GivesUp = Box::new(move |output| waiting.hear(output, now_ms()));
        let cancel = case.bench.cancel().clone();
        let exit = exec::run(&workspace, &spec, &self.sandbox, cancel, Some(gives_up)).await.map_err(fault)?;
        block_in_place(|| {
            let log = AttemptLog::read(&workspace.log(), &secrets, Some(agent.preset)).map_err(fault)?;
            let report = log.report(&exit.end).expect("it is an agent's");
            self.count_review(case.subject.task, &agent.name, &report);
            reviewed.cost_micro_usd = reviewed.cost_micro_usd.saturating_add(report.cost_micro_usd.unwrap_or(0));
            reviewed.log = self.resolver.store.as_ref().and_then(|store| store.put_bytes(log.bytes()).ok());
            let said = log.text();
            reviewed.excerpt = last_lines(&said);
            let file = RelPath::new(&format!(".orca/{VERDICT_FILE}")).expect("a path of orca's own");
            let written = root.read(&file, VERDICT_BYTES_MAX).unwrap_or_default();
            let written = String::from_utf8_lossy(&masked(written, &secrets)).into_owned();
            workspace.remove().map_err(fault)?;
            Ok(Some(Run { end: exit.end, report, answers: [written, said] }))
        })
    }

    fn reviewer_spec<'a>(
        &self,
        gate: &GateDef,
        agent: &AgentDef,
        tree: &'a Tree,
        nothing: &'a PatternSet,
        document: &str,
        cost_micro_usd_max: Option<u64>,
    ) -> AttemptSpec<'a> {
        let orca = self.host.program.to_string_lossy();
        let is_isolated = self.sandbox.backend() != Backend::None;
        let may_change = [format!(".orca/{VERDICT_FILE}")];
        let occasion = Occasion { is_isolated, cost_micro_usd_max, may_change: &may_change, orca: &orca };
        let invocation = agents::invocation(&Runner::of(agent), &occasion);
        let mut seen = self.host.program_view(&invocation.argv[invocation.program_at]).unwrap_or_default();
        if invocation.program_at > 0 {
            seen.read_only.push(self.host.program.clone());
        }
        let mut env: BTreeMap<String, String> = invocation.env;
        env.extend(gate.env.clone());
        env.extend(self.secrets(Some(agent)).into_iter().map(|secret| (secret.variable, secret.value)));
        let needs_git = invocation.repository == Repository::Own;
        let git = needs_git.then(|| sandbox::resolve_tool("git".as_ref(), &self.host.path())).flatten();
        let mut surroundings = self.surroundings(&gate.toolchains, &gate.tools, env);
        surroundings.add(seen);
        let document = document.as_bytes().to_vec();
        AttemptSpec {
            argv: invocation.argv.into_iter().map(OsString::from).collect(),
            env: surroundings.env,
            view: tree,
            outputs: nothing,
            edits: nothing,
            scratch: Vec::new(),
            stdin: (invocation.prompt == Prompt::Stdin).then(|| document.clone()),
            provided: vec![("task.md", document)],
            tools: surroundings.tools,
            bins: surroundings.bins,
            read_only: surroundings.read_only,
            agent: Some(AgentSpec { git, litter: invocation.litter }),
            hidden: self.hidden(),
            network: gate.network,
            isolate: true,
            timeout: gate.timeout.map(|timeout| Duration::from_millis(timeout.ms())),
            grace: GRACE,
            log_limit_bytes: self.log_limit_bytes(),
            watches_memory: false,
        }
    }
}

/// The answer in what a reviewer left: in its file, if it wrote one, else in its words.
///
/// What a reviewer runs of the judged files could write the file, so its words may not contradict it.
fn read(run: &Run, diff: &DiffLines<'_>) -> Result<Answer, String> {
    let [written, said] = &run.answers;
    let said = answer(said, &|object| diff.quotes(object));
    if written.trim().is_empty() {
        return said.map_err(|why| why.to_string());
    }
    let written = answer(written, &|_| false).map_err(|why| format!("{why} in .orca/{VERDICT_FILE}"))?;
    match said {
        Ok(said) if said.says != written.says => Err(Unanswered::Both.to_string()),
        Err(Unanswered::Both) => Err(Unanswered::Both.to_string()),
        Ok(_) | Err(Unanswered::Nothing) => Ok(written),
    }
}

fn ended(end: &End) -> String {
    match end {
        End::Code(code) => format!("exit {code}"),
        End::Signal(signal) => format!("ended by signal {signal}"),
        End::TimedOut => "it ran into the gate's timeout".to_owned(),
        End::OutOfMemory => "it ran out of memory".to_owned(),
        End::Cancelled => "interrupted".to_owned(),
        End::NotStarted(why) => why.clone(),
    }
}
