//! Reading an agent's output: each preset turns its lines into remarks, and everything else is a fold over those.
//!
//! ```text
//! log ─lines─> preset ─remarks─┬─> AgentReport   tokens, cost, last words, failure
//!                              └─> text          what a person reads
//! ```
//!
//! The log is what came from standard output and standard error, interleaved, possibly cut in the middle, possibly
//! hostile. A line that is not understood is text; a line that is longer than anything an agent has to say is left out.

use super::command;
use super::report::{AgentFailure, AgentReport, SUMMARY_BYTES_MAX, tail};
use crate::plan::AgentPreset;
use crate::sandbox::End;

/// Longer lines hold files and images, nothing that is read here.
const LINE_BYTES_MAX: usize = 4 << 20;

/// Something an agent says in its output.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Remark {
    /// Words of the agent, whole or a part of them.
    Text(String),
    /// A line that is no part of its stream: standard error, or an agent without a stream.
    Line(String),
    /// It uses a tool; on what, in a few words.
    Tool(String),
    /// It asks its model, or got an answer: one turn.
    Turn,
    /// Tokens and cost of one turn.
    Spent(Spending),
    /// Tokens and cost of all so far, in place of the sum.
    Total(Spending),
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

/// What the output of an attempt with this preset says. `end` is how its process ended.
///
/// Reads any bytes: streams that are cut, mixed with other output, or no stream at all.
#[must_use]
pub fn read_stream(preset: AgentPreset, log: &[u8], end: &End) -> AgentReport {
    let mut report = AgentReport::default();
    let mut words = String::new();
    let mut is_summarized = false;
    remarks(preset, log, &mut |remark| match remark {
        Remark::Text(text) | Remark::Line(text) if !is_summarized => say(&mut words, &text),
        Remark::Text(_) | Remark::Line(_) => {}
        Remark::Summary(text) => {
            is_summarized = true;
            text.clone_into(&mut words);
        }
        Remark::Tool(_) => {
            report.tool_uses += 1;
            if !is_summarized {
                words.clear();
            }
        }
        Remark::Turn => report.turns += 1,
        Remark::Spent(spending) => add(&mut report, spending),
        Remark::Total(spending) => replace(&mut report, spending),
        Remark::Failed(failure) => report.failure = Some(failure),
        Remark::Recovered => report.failure = None,
    });
    let _ = end;
    tail(words.trim(), SUMMARY_BYTES_MAX).trim_start().clone_into(&mut report.summary);
    report
}

/// Tells the remarks of a log, in order.
pub(super) fn remarks(preset: AgentPreset, log: &[u8], tell: &mut dyn FnMut(Remark)) {
    for line in lines(log) {
        match preset {
            AgentPreset::Command => command::remark(&line, tell),
            _ => tell(Remark::Line(line.into_owned())),
        }
    }
}

/// The lines of a log, lossily as text, without those too long to matter.
fn lines(log: &[u8]) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
    log.split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| line.len() <= LINE_BYTES_MAX && !line.is_empty())
        .map(String::from_utf8_lossy)
}

/// Adds a line to what was said last; of much, the end is kept.
fn say(words: &mut String, text: &str) {
    words.push_str(text);
    words.push('\n');
    if words.len() > 4 * SUMMARY_BYTES_MAX {
        *words = tail(words, SUMMARY_BYTES_MAX).to_owned();
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
    use super::*;
    use crate::agents::Resets;
    use crate::base::FailureKind;

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
}
