//! Gemini CLI: the prompt on standard input, `stream-json` out. Exit codes have meanings of their own.

use serde_json::Value;

use super::claude_code::words;
use super::failure::told;
use super::invocation::{Invocation, Prompt};
use super::json::{Object, at, count, event, text, tool_use};
use super::report::AgentFailure;
use super::stream::{Reader, Remark, Spending, Tell};
use crate::base::FailureKind;
use crate::context::Runner;
use crate::sandbox::End;

pub(super) fn invocation(runner: &Runner) -> Invocation {
    let mut args = words(&["--output-format", "stream-json", "--approval-mode", "yolo", "--skip-trust"]);
    if let Some(model) = &runner.model {
        args.extend(["-m".to_owned(), model.clone()]);
    }
    let env =
        [("GEMINI_CLI_TRUST_WORKSPACE", "true"), ("GEMINI_TELEMETRY_ENABLED", "false"), ("GEMINI_SANDBOX", "false")];
    Invocation::of(runner, "gemini", args, &env, Prompt::Stdin)
}

/// Reads its stream.
#[derive(Default)]
pub(super) struct Stream {
    is_speaking: bool,
    is_begun: bool,
    is_ended: bool,
    has_failed: bool,
}

impl Reader for Stream {
    fn line(&mut self, line: &str, tell: Tell<'_>) {
        let Some(event) = event(line) else { return tell(Remark::Line(line.to_owned())) };
        self.is_begun = true;
        let kind = text(&event, &["type"]);
        let is_models = kind == "tool_use" || kind == "message" && text(&event, &["role"]) == "assistant";
        if is_models && !self.is_speaking {
            tell(Remark::Turn);
        }
        self.is_speaking = is_models;
        match kind {
            "message" if is_models => {
                let words = text(&event, &["content"]).to_owned();
                let is_piece = event.get("delta").and_then(Value::as_bool).unwrap_or(false);
                tell(if is_piece { Remark::Piece(words) } else { Remark::Text(words) });
            }
            "tool_use" => {
                tell(Remark::Tool(tool_use(text(&event, &["tool_name"]), at(&event, &["parameters"]))));
            }
            "error" if text(&event, &["severity"]) == "error" => {
                self.has_failed = true;
                tell(Remark::Failed(told(None, text(&event, &["message"]))));
            }
            "result" => self.result(&event, tell),
            _ => {}
        }
    }

    fn end(&mut self, end: &End, tell: Tell<'_>) {
        if self.has_failed {
            return;
        }
        let crash = |message: &str| AgentFailure::new(FailureKind::Crash, message);
        tell(Remark::Failed(match end {
            End::Code(0) if self.is_begun && !self.is_ended => AgentFailure::cut_off(),
            End::Code(41) => AgentFailure::new(FailureKind::Auth, "it has no valid credentials (exit 41)"),
            End::Code(42) => crash("it did not accept its input (exit 42)"),
            End::Code(52) => crash("its configuration is wrong (exit 52)"),
            End::Code(53) => crash("it ran into its limit of turns (exit 53)"),
            End::Code(55) => crash("it does not trust the workspace (exit 55)"),
            _ => return,
        }));
    }
}

impl Stream {
    fn result(&mut self, event: &Object, tell: Tell<'_>) {
        self.is_ended = true;
        let of = |key| count(event, &["stats", key]);
        tell(Remark::Total(Spending {
            input: of("input_tokens"),
            cached: of("cached"),
            output: of("output_tokens"),
            cost_micro_usd: None,
        }));
        if text(event, &["status"]) == "error" {
            self.has_failed = true;
            let failure = told(None, text(event, &["error", "message"]));
            let is_auth = text(event, &["error", "type"]).contains("Authentication");
            tell(Remark::Failed(if is_auth { AgentFailure { kind: FailureKind::Auth, ..failure } } else { failure }));
        }
    }
}
