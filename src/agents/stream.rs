//! Reading an agent's output: each preset turns its lines into remarks, and everything else is a fold over those.
//!
//! ```text
//! log ─lines─> preset ─remarks─┬─> AgentReport   tokens, cost, last words, failure
//!                              └─> text          what a person reads
//! ```
//!
//! The log is what came from standard output and standard error, interleaved, possibly cut in the middle, possibly
//! hostile. A line that is not understood is text; a line that is longer than anything an agent has to say is left out.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::report::{AgentFailure, AgentReport, SUMMARY_BYTES_MAX, head, tail};
use super::{acp, aider, claude_code, codex, command, failure, gemini, opencode};
use crate::base::{FailureKind, sanitize_terminal};
use crate::plan::AgentPreset;
use crate::sandbox::End;

/// Longer lines hold files and images, nothing that is read here.
pub(super) const LINE_BYTES_MAX: usize = 4 << 20;
/// How many of the last lines are looked at where an exit code wants an explanation.
const EXPLAINING_LINES: usize = 40;
/// How much of one of them.
const EXPLAINING_BYTES: usize = 4 << 10;

/// Something an agent says in its output.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Remark {
    /// Words of the agent.
    Text(String),
    /// The next piece of its words.
    Piece(String),
    /// A line that is no part of its stream: standard error, or an agent without a stream.
    Line(String),
    /// It uses a tool; on what, in a few words.
    Tool(String),
    /// Its model answered: one turn.
    Turn,
    /// Turns of all so far, in place of the sum.
    Turns(u64),
    /// Tokens and cost of one turn.
    Spent(Spending),
    /// Tokens and cost of all so far, in place of the sum.
    Total(Spending),
    /// Cost of all so far, in place of the sum, in millionths of a dollar.
    Cost(u64),
    /// Its own account of the end, in place of its last words.
    Summary(String),
    /// It failed, unless it says later that it recovered.
    Failed(AgentFailure),
    /// It goes on, so a failure before this was none.
    Recovered,
}

/// Tokens and cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Spending {
    /// Tokens sent, cached ones included.
    pub(super) input: u64,
    /// Of these, cached ones.
    pub(super) cached: u64,
    /// Tokens generated.
    pub(super) output: u64,
    /// Millionths of a dollar.
    pub(super) cost_micro_usd: Option<u64>,
}

/// Where remarks go.
pub(super) type Tell<'a> = &'a mut dyn FnMut(Remark);

/// Turns the lines of one kind of agent into remarks.
pub(super) trait Reader {
    /// The next line.
    fn line(&mut self, line: &str, tell: Tell<'_>);
    /// There is no further line, and this is how the process ended.
    fn end(&mut self, end: &End, tell: Tell<'_>);
}

pub(super) fn reader(preset: AgentPreset) -> Box<dyn Reader + Send> {
    match preset {
        AgentPreset::ClaudeCode => Box::new(claude_code::Stream::default()),
        AgentPreset::Codex => Box::new(codex::Stream::default()),
        AgentPreset::Opencode => Box::new(opencode::Stream),
        AgentPreset::Aider => Box::new(aider::Output),
        AgentPreset::Gemini => Box::new(gemini::Stream::default()),
        AgentPreset::Acp => Box::new(acp::Stream::default()),
        AgentPreset::Command => Box::new(command::Output),
    }
}

/// What the output of an attempt with this preset says. `end` is how its process ended.
///
/// Reads any bytes: streams that are cut, mixed with other output, or no stream at all. Memory beyond the log itself is
/// bounded.
#[must_use]
pub fn read_stream(preset: AgentPreset, log: &[u8], end: &End) -> AgentReport {
    let mut folded = Folded::default();
    let mut reader = reader(preset);
    for line in lines(log) {
        reader.line(&line, &mut |remark| folded.take(remark));
    }
    reader.end(end, &mut |remark| folded.take(remark));
    let is_explained = folded.report.failure.is_some() || preset == AgentPreset::Command;
    if !is_explained && matches!(end, End::Code(1..) | End::Signal(_)) {
        folded.report.failure = folded.explanation();
    }
    folded.conclude()
}

/// The output as a person reads it: words, uses of tools, failures; what is no stream, as it is.
#[must_use]
pub fn readable(preset: AgentPreset, log: &[u8]) -> String {
    let mut out = String::new();
    let mut is_open = false;
    let mut reader = reader(preset);
    for line in lines(log) {
        reader.line(&line, &mut |remark| {
            let (piece, is_piece) = match remark {
                Remark::Piece(text) => (text, true),
                Remark::Text(text) | Remark::Line(text) => (text, false),
                Remark::Summary(text) if preset == AgentPreset::Command => (text, false),
                Remark::Tool(what) => (format!("> {what}"), false),
                Remark::Failed(failure) => (format!("! {}", failure.message), false),
                _ => return,
            };
            if is_open && !is_piece && !out.ends_with('\n') {
                out.push('\n');
            }
            out.push_str(&piece);
            is_open = is_piece;
            if !is_piece && !piece.ends_with('\n') {
                out.push('\n');
            }
        });
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// The lines of a log, lossily as text, without those too long to matter.
fn lines(log: &[u8]) -> impl Iterator<Item = Cow<'_, str>> {
    let mut lines = log.split(|byte| *byte == b'\n').peekable();
    std::iter::from_fn(move || {
        let line = lines.next()?;
        // After the last newline there is no line.
        (!line.is_empty() || lines.peek().is_some()).then_some(line)
    })
    .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    .filter(|line| line.len() <= LINE_BYTES_MAX)
    .map(String::from_utf8_lossy)
}

/// What a report grows from.
#[derive(Default)]
struct Folded {
    report: AgentReport,
    /// What it said since it last used a tool.
    words: String,
    /// Whether the words are its own account, which nothing replaces but another one.
    is_summarized: bool,
    /// Whether it speaks in pieces.
    is_open: bool,
    /// The last lines beside its stream.
    beside: VecDeque<String>,
}

impl Folded {
    fn take(&mut self, remark: Remark) {
        let report = &mut self.report;
        match remark {
            Remark::Text(text) => self.say(&text, "\n"),
            Remark::Piece(text) => {
                self.is_open = true;
                self.say(&text, "");
            }
            Remark::Line(text) => {
                self.beside.push_back(head(&text, EXPLAINING_BYTES).to_owned());
                if self.beside.len() > EXPLAINING_LINES {
                    self.beside.pop_front();
                }
                self.say(&text, "\n");
            }
            Remark::Summary(text) => {
                if !text.trim().is_empty() {
                    self.is_summarized = true;
                    tail(&text, SUMMARY_BYTES_MAX).clone_into(&mut self.words);
                }
            }
            Remark::Tool(_) => {
                report.tool_uses = report.tool_uses.saturating_add(1);
                if !self.is_summarized {
                    self.words.clear();
                }
            }
            Remark::Turn => report.turns = report.turns.saturating_add(1),
            Remark::Turns(turns) => report.turns = turns.max(report.turns),
            Remark::Spent(spending) => add(report, spending),
            Remark::Total(spending) => replace(report, spending),
            Remark::Cost(cost) => report.cost_micro_usd = Some(cost),
            Remark::Failed(failure) => report.failure = Some(failure),
            Remark::Recovered => report.failure = None,
        }
    }

    /// Adds to what was said; of much, the end is kept.
    fn say(&mut self, text: &str, after: &str) {
        if self.is_summarized {
            return;
        }
        if self.is_open && !after.is_empty() && !self.words.ends_with('\n') {
            self.words.push('\n');
        }
        self.is_open = after.is_empty();
        self.words.push_str(tail(text, SUMMARY_BYTES_MAX));
        self.words.push_str(after);
        if self.words.len() > 4 * SUMMARY_BYTES_MAX {
            self.words = tail(&self.words, SUMMARY_BYTES_MAX).to_owned();
        }
    }

    /// The last line beside the stream that makes the class of a failure certain.
    fn explanation(&self) -> Option<AgentFailure> {
        self.beside.iter().rev().find_map(|line| failure::certain(line))
    }

    fn conclude(mut self) -> AgentReport {
        let words = sanitize_terminal(self.words.trim());
        tail(&words, SUMMARY_BYTES_MAX).trim_start().clone_into(&mut self.report.summary);
        self.report
    }
}

impl AgentFailure {
    /// The stream of an agent that exited with 0 ends without the event that says how it ended.
    pub(super) fn cut_off() -> Self {
        Self::new(FailureKind::Crash, "its output ends before it says that it is done")
    }
}

fn add(report: &mut AgentReport, spending: Spending) {
    report.input_tokens = report.input_tokens.saturating_add(spending.input);
    report.cached_input_tokens = report.cached_input_tokens.saturating_add(spending.cached);
    report.output_tokens = report.output_tokens.saturating_add(spending.output);
    if let Some(cost) = spending.cost_micro_usd {
        report.cost_micro_usd = Some(report.cost_micro_usd.unwrap_or(0).saturating_add(cost));
    }
}

fn replace(report: &mut AgentReport, spending: Spending) {
    report.input_tokens = spending.input;
    report.cached_input_tokens = spending.cached;
    report.output_tokens = spending.output;
    report.cost_micro_usd = spending.cost_micro_usd.or(report.cost_micro_usd);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::agents::Resets;

    pub(super) const PRESETS: [AgentPreset; 7] = [
        AgentPreset::ClaudeCode,
        AgentPreset::Codex,
        AgentPreset::Opencode,
        AgentPreset::Aider,
        AgentPreset::Gemini,
        AgentPreset::Acp,
        AgentPreset::Command,
    ];

    fn read(log: &str) -> AgentReport {
        read_stream(AgentPreset::Command, log.as_bytes(), &End::Code(0))
    }

    #[test]
    fn a_program_may_report_what_it_spent() {
        let report = read(
            "working\n{\"orca\": {\"input_tokens\": 10, \"output_tokens\": 2, \"cost_usd\": 0.5}}\n\
             {\"orca\": {\"input_tokens\": 1, \"cached_input_tokens\": 1, \"turns\": 2, \"tool\": \"edit a\"}}\nall done\n",
        );
        assert_eq!((report.input_tokens, report.cached_input_tokens, report.output_tokens), (11, 1, 2));
        assert_eq!((report.cost_micro_usd, report.turns, report.tool_uses), (Some(500_000), 2, 1));
        assert_eq!((report.summary.as_str(), report.failure), ("all done", None));
        assert_eq!(read("").cost_micro_usd, None);
    }

    #[test]
    fn a_program_may_report_a_failure() {
        let report = read("{\"orca\": {\"failure\": \"rate-limit\", \"message\": \"later\", \"retry_after_s\": 3}}");
        let failure = report.failure.expect("it reports one");
        assert_eq!(failure.kind, FailureKind::RateLimit);
        assert_eq!(failure.resets, Some(Resets::After(3000)));
        let gate = read("{\"orca\": {\"failure\": \"gate\"}}").failure.expect("it reports one");
        assert_eq!(gate.kind, FailureKind::Crash, "what only orca can observe is not taken from a program");
    }

    #[test]
    fn what_is_no_report_is_text() {
        for line in ["{\"orca\": 1}", "{\"orca\": {}, \"more\": 1}", "{\"orca\": {", "{\"v\": 1}", "orca"] {
            assert_eq!(read(line).summary, line);
        }
        let report = read("{\"orca\": {\"cost_usd\": -1, \"input_tokens\": 1.5, \"retry_after_s\": 1e300}}");
        assert_eq!(report, AgentReport::default());
    }

    #[test]
    fn an_exit_code_is_explained_by_the_last_lines() {
        let log = b"starting\nError: 401 Unauthorized: no such key\n    at main\n";
        let failure = |preset, end| read_stream(preset, log, &end).failure.map(|failure| failure.kind);
        assert_eq!(failure(AgentPreset::Gemini, End::Code(1)), Some(FailureKind::Auth));
        assert_eq!(failure(AgentPreset::Gemini, End::Code(0)), None);
        assert_eq!(failure(AgentPreset::Command, End::Code(1)), None, "its output may be about anything");
    }

    #[test]
    fn what_a_person_reads_has_no_stream_in_it() {
        let log = b"hello\n{\"orca\": {\"tool\": \"edit src/a.py\"}}\n\n{\"orca\": {\"summary\": \"all done\"}}\n";
        assert_eq!(readable(AgentPreset::Command, log), "hello\n> edit src/a.py\n\nall done\n");
        assert_eq!(readable(AgentPreset::Command, b""), "");
    }

    #[test]
    fn a_hundred_megabytes_are_read_in_bounded_memory() {
        let mut log = Vec::new();
        let line = format!("{{\"type\":\"text\",\"part\":{{\"text\":\"{}\"}}}}\n", "word ".repeat(200_000));
        while log.len() < 100 << 20 {
            log.extend_from_slice(line.as_bytes());
        }
        log.extend_from_slice(&vec![b'x'; 5 << 20]);
        log.extend_from_slice(b"\n{\"type\":\"text\",\"part\":{\"text\":\"the end\"}}");
        let report = read_stream(AgentPreset::Opencode, &log, &End::Code(0));
        assert!(report.summary.len() <= SUMMARY_BYTES_MAX && report.summary.ends_with("the end"));
    }

    /// A line of a stream, or what may be in its place.
    fn line() -> impl Strategy<Value = Vec<u8>> {
        let keys = ["type", "subtype", "result", "message", "error", "usage", "item", "part", "tokens", "orca", "data"];
        let words =
            ["result", "success", "assistant", "error", "turn.failed", "text", "step_finish", "tool_use", "429"];
        let leaf = prop_oneof![
            proptest::sample::select(words.to_vec()).prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            any::<f64>().prop_map(serde_json::Value::from),
            Just(serde_json::Value::Null),
            ".{0,20}".prop_map(serde_json::Value::from),
        ];
        let value = leaf.prop_recursive(4, 20, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                proptest::collection::btree_map(proptest::sample::select(keys.to_vec()), inner, 0..6).prop_map(|map| {
                    serde_json::Value::Object(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
                }),
            ]
        });
        prop_oneof![
            value.prop_map(|value| value.to_string().into_bytes()),
            proptest::collection::vec(any::<u8>(), 0..60),
            "(litellm\\.[A-Za-z]{0,12}Error: |Tokens: |Cost: \\$|Applied edit to ).{0,40}".prop_map(String::into_bytes),
            "(try again in|resets|retry-after:|resets at) ?[0-9:.]{0,14} ?(pm|am|s|m|h|ms|days)?.{0,12}".prop_map(
                |text| format!("{{\"type\":\"turn.failed\",\"error\":{{\"message\":{text:?}}}}}").into_bytes()
            ),
        ]
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(lines in proptest::collection::vec(line(), 0..12), cut in 0.0..1.0f64, code in -1..60i32) {
            let mut log = lines.join(&b'\n');
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a part")]
            log.truncate((log.len() as f64 * (1.0 - cut)) as usize);
            for preset in PRESETS {
                let report = read_stream(preset, &log, &End::Code(code));
                prop_assert!(report.summary.len() <= SUMMARY_BYTES_MAX);
                prop_assert!(report.failure.is_none_or(|failure| failure.message.len() <= 1000 && !failure.message.contains('\n')));
                prop_assert!(readable(preset, &log).len() <= 3 * log.len() + 200);
            }
        }
    }
}
