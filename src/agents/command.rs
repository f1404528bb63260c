//! The `command` preset: any program, with the complete task on its standard input.
//!
//! It may report what it did with lines that are JSON objects with the one key `orca`; the rest of its output is text.
//! `docs/agents.md` has the keys.

use serde_json::{Map, Value};

use super::invocation::{Invocation, Prompt};
use super::json::micro_usd;
use super::report::{AgentFailure, Resets};
use super::stream::{Reader, Remark, Spending, Tell};
use crate::base::FailureKind;
use crate::context::Runner;
use crate::sandbox::End;

/// Reset times beyond this are none: a year.
const RETRY_AFTER_S_MAX: f64 = 366.0 * 24.0 * 3600.0;

pub(super) fn invocation(runner: &Runner) -> Invocation {
    Invocation::of(runner, "", Vec::new(), &[], Prompt::Stdin).with_model(runner)
}

/// Reads its output.
pub(super) struct Output;

impl Reader for Output {
    fn line(&mut self, line: &str, tell: Tell<'_>) {
        match reported(line) {
            Some(report) => of_report(&report, tell),
            None => tell(Remark::Line(line.to_owned())),
        }
    }

    fn end(&mut self, _: &End, _: Tell<'_>) {}
}

/// What a line reports: the object beneath its one key `orca`.
fn reported(line: &str) -> Option<Map<String, Value>> {
    let line = line.trim();
    if !line.starts_with('{') || !line.contains("\"orca\"") {
        return None;
    }
    match serde_json::from_str::<Value>(line) {
        Ok(Value::Object(mut object)) if object.len() == 1 => match object.remove("orca") {
            Some(Value::Object(report)) => Some(report),
            _ => None,
        },
        _ => None,
    }
}

fn of_report(report: &Map<String, Value>, tell: Tell<'_>) {
    let count = |key: &str| report.get(key).and_then(Value::as_u64).unwrap_or(0);
    let text = |key: &str| report.get(key).and_then(Value::as_str);
    for _ in 0..count("turns").min(10_000) {
        tell(Remark::Turn);
    }
    if let Some(tool) = text("tool") {
        tell(Remark::Tool(tool.to_owned()));
    }
    let spending = Spending {
        input: count("input_tokens"),
        cached: count("cached_input_tokens"),
        output: count("output_tokens"),
        cost_micro_usd: report.get("cost_usd").and_then(micro_usd),
    };
    if spending != Spending::default() {
        tell(Remark::Spent(spending));
    }
    if let Some(summary) = text("summary") {
        tell(Remark::Summary(summary.to_owned()));
    }
    if let Some(kind) = text("failure") {
        let kind = kind_of(kind);
        let message = text("message").unwrap_or("the agent reports a failure");
        let after = report.get("retry_after_s").and_then(Value::as_f64);
        let after = after.filter(|seconds| (0.0..=RETRY_AFTER_S_MAX).contains(seconds));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be small and positive")]
        let resets = after.map(|seconds| Resets::After((seconds * 1000.0).round() as u64));
        tell(Remark::Failed(AgentFailure { resets, ..AgentFailure::new(kind, message) }));
    }
}

/// The class that a program may name. Classes that only orca can observe are a crash.
fn kind_of(word: &str) -> FailureKind {
    match word {
        "rate-limit" => FailureKind::RateLimit,
        "auth" => FailureKind::Auth,
        "timeout" => FailureKind::Timeout,
        "oom" => FailureKind::Oom,
        _ => FailureKind::Crash,
    }
}
