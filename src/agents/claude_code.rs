//! Claude Code: `claude -p`, the prompt on standard input, `stream-json` out.
//!
//! Its API's failures come as a result of subtype `success` with `is_error`, and it exits with 0 or 1; its limits as
//! `error_max_turns` and `error_max_budget_usd`. When a usage limit ends is said by an event of its own before that.

use serde_json::Value;

use super::failure::told;
use super::invocation::{Invocation, Occasion, Prompt};
use super::json::{Object, at, count, event, list, micro_usd, text, tool_use};
use super::report::{AgentFailure, Resets};
use super::stream::{Reader, Remark, Spending, Tell};
use crate::base::FailureKind;
use crate::context::Runner;
use crate::sandbox::End;

/// What it may use without asking: nobody is there to answer, and the walls are orca's.
const TOOLS: &str = "Bash,Edit,Glob,Grep,LS,MultiEdit,NotebookEdit,Read,Task,TodoWrite,Write";

pub(super) fn invocation(runner: &Runner, occasion: &Occasion<'_>) -> Invocation {
    let mut args = words(&["-p", "--output-format", "stream-json", "--verbose", "--permission-mode", "acceptEdits"]);
    args.extend(words(&["--allowedTools", TOOLS]));
    if let Some(model) = &runner.model {
        args.extend(["--model".to_owned(), model.clone()]);
    }
    if let Some(limit) = occasion.cost_micro_usd_max {
        args.extend(["--max-budget-usd".to_owned(), dollars(limit)]);
    }
    let env = [
        ("DISABLE_AUTOUPDATER", "1"),
        ("DISABLE_TELEMETRY", "1"),
        ("DISABLE_ERROR_REPORTING", "1"),
        ("DISABLE_BUG_COMMAND", "1"),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("CLAUDE_CODE_DISABLE_TERMINAL_TITLE", "1"),
    ];
    Invocation::of(runner, "claude", args, &env, Prompt::Stdin)
}

pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// Millionths of a dollar as dollars, exactly.
fn dollars(micro_usd: u64) -> String {
    let text = format!("{}.{:06}", micro_usd / 1_000_000, micro_usd % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Reads its stream.
#[derive(Default)]
pub(super) struct Stream {
    /// The message whose blocks are coming: each line holds one block of it, and repeats its tokens.
    message: String,
    /// When the limit that was hit ends, in seconds since the epoch.
    resets_at_s: Option<u64>,
    is_begun: bool,
    is_ended: bool,
}

impl Reader for Stream {
    fn line(&mut self, line: &str, tell: Tell<'_>) {
        let Some(event) = event(line) else { return tell(Remark::Line(line.to_owned())) };
        self.is_begun = true;
        match text(&event, &["type"]) {
            "assistant" => self.assistant(&event, tell),
            "rate_limit_event" if text(&event, &["rate_limit_info", "status"]) == "rejected" => {
                self.resets_at_s = Some(count(&event, &["rate_limit_info", "resetsAt"])).filter(|at| *at > 0);
            }
            "result" => self.result(&event, tell),
            _ => {}
        }
    }

    fn end(&mut self, end: &End, tell: Tell<'_>) {
        if self.is_begun && !self.is_ended && *end == End::Code(0) {
            tell(Remark::Failed(AgentFailure::cut_off()));
        }
    }
}

impl Stream {
    fn assistant(&mut self, event: &Object, tell: Tell<'_>) {
        let message = text(event, &["message", "id"]);
        if message.is_empty() || message != self.message {
            self.message = message.to_owned();
            tell(Remark::Turn);
            tell(Remark::Spent(spending(event, &["message", "usage"])));
        }
        for block in list(event, &["message", "content"]) {
            match block.get("type").and_then(Value::as_str) {
                Some("text") => {
                    tell(Remark::Text(block.get("text").and_then(Value::as_str).unwrap_or_default().to_owned()));
                }
                Some("tool_use") => {
                    let name = block.get("name").and_then(Value::as_str).unwrap_or("tool");
                    tell(Remark::Tool(tool_use(name, block.get("input"))));
                }
                _ => {}
            }
        }
    }

    fn result(&mut self, event: &Object, tell: Tell<'_>) {
        self.is_ended = true;
        let cost_micro_usd = event.get("total_cost_usd").and_then(micro_usd);
        tell(Remark::Total(Spending { cost_micro_usd, ..spending(event, &["usage"]) }));
        tell(Remark::Turns(count(event, &["num_turns"])));
        let said = text(event, &["result"]);
        match self.failure(event, said) {
            Some(failure) => tell(Remark::Failed(failure)),
            None => {
                tell(Remark::Recovered);
                tell(Remark::Summary(said.to_owned()));
            }
        }
    }

    fn failure(&self, event: &Object, said: &str) -> Option<AgentFailure> {
        let crash = |message: &str| Some(AgentFailure::new(FailureKind::Crash, message));
        let turns = count(event, &["num_turns"]);
        match text(event, &["subtype"]) {
            "error_max_turns" => return crash(&format!("it ran into its limit of turns, after {turns}")),
            "error_max_budget_usd" => {
                let cost = event.get("total_cost_usd").and_then(Value::as_f64).unwrap_or(0.0);
                return crash(&format!("it ran into its limit of cost, after ${cost:.2}"));
            }
            _ => {}
        }
        let errors: Vec<&str> = list(event, &["errors"]).iter().filter_map(Value::as_str).collect();
        let is_error = event.get("is_error").and_then(Value::as_bool).unwrap_or(false);
        if !is_error && text(event, &["subtype"]) == "success" {
            return None;
        }
        let words = if said.is_empty() { errors.join("; ") } else { said.to_owned() };
        let status = at(event, &["api_error_status"]).and_then(Value::as_u64);
        let mut failure = told(status, &words);
        if failure.kind == FailureKind::RateLimit
            && let Some(at_s) = self.resets_at_s
        {
            failure.resets = Some(Resets::At(at_s.saturating_mul(1000)));
        }
        Some(failure)
    }
}

fn spending(event: &Object, usage: &[&str]) -> Spending {
    let of = |key: &str| count(event, &[usage, &[key]].concat());
    let cached = of("cache_read_input_tokens");
    let sent = of("input_tokens").saturating_add(of("cache_creation_input_tokens"));
    Spending { input: sent.saturating_add(cached), cached, output: of("output_tokens"), cost_micro_usd: None }
}

#[cfg(test)]
mod tests {
    use super::dollars;

    #[test]
    fn dollars_are_exact() {
        assert_eq!(dollars(20_000_000), "20");
        assert_eq!(dollars(1_250_000), "1.25");
        assert_eq!(dollars(1), "0.000001");
    }
}
