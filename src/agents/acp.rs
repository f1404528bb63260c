//! The `acp` preset: any agent that speaks the Agent Client Protocol, with orca's driver as its client.
//!
//! The driver runs inside the sandbox beside the agent (see [`super::driver`]) and prints what it is told as lines of JSON.

use super::failure::told;
use super::invocation::{Invocation, Occasion, Prompt};
use super::json::{at, count, event, micro_usd, text};
use super::report::{AgentFailure, one_line};
use super::stream::{Reader, Remark, Spending, Tell};
use crate::base::FailureKind;
use crate::context::Runner;
use crate::sandbox::End;

/// The hidden argument that makes orca the driver.
pub(super) const DRIVER: &str = "__acp";

pub(super) fn invocation(runner: &Runner, occasion: &Occasion<'_>) -> Invocation {
    let agent = Invocation::of(runner, "", Vec::new(), &[], Prompt::Stdin).with_model(runner);
    let driver = [occasion.orca, DRIVER].map(str::to_owned).into_iter();
    let argv: Vec<String> = driver.chain(agent.argv).collect();
    Invocation { argv, program_at: 2, ..agent }
}

/// Reads what the driver prints.
#[derive(Default)]
pub(super) struct Stream {
    is_begun: bool,
    is_ended: bool,
}

impl Reader for Stream {
    fn line(&mut self, line: &str, tell: Tell<'_>) {
        let Some(event) = event(line) else { return tell(Remark::Line(line.to_owned())) };
        self.is_begun = true;
        match text(&event, &["type"]) {
            "session/update" => match text(&event, &["update", "sessionUpdate"]) {
                "agent_message_chunk" => {
                    tell(Remark::Piece(text(&event, &["update", "content", "text"]).to_owned()));
                }
                "tool_call" => tell(Remark::Tool(one_line(text(&event, &["update", "title"]), 160))),
                "usage_update" => {
                    let cost = at(&event, &["update", "cost"]);
                    let is_usd = text(&event, &["update", "cost", "currency"]) == "USD";
                    let amount = cost.and_then(|cost| cost.get("amount")).filter(|_| is_usd);
                    if let Some(cost) = amount.and_then(micro_usd) {
                        tell(Remark::Cost(cost));
                    }
                }
                _ => {}
            },
            "stop" => {
                self.is_ended = true;
                tell(Remark::Turn);
                let of = |key| count(&event, &["usage", key]);
                let cached = of("cachedReadTokens");
                let output = of("outputTokens").saturating_add(of("thoughtTokens"));
                let input = of("inputTokens").saturating_add(cached).saturating_add(of("cachedWriteTokens"));
                tell(Remark::Spent(Spending { input, cached, output, cost_micro_usd: None }));
                if let Some(failure) = failure_of(text(&event, &["reason"])) {
                    tell(Remark::Failed(failure));
                }
            }
            "error" => {
                self.is_ended = true;
                let failure = told(None, text(&event, &["message"]));
                // The protocol's own code for "authenticate first".
                let is_auth = at(&event, &["code"]).and_then(serde_json::Value::as_i64) == Some(-32000);
                tell(Remark::Failed(if is_auth {
                    AgentFailure { kind: FailureKind::Auth, ..failure }
                } else {
                    failure
                }));
            }
            _ => {}
        }
    }

    fn end(&mut self, end: &End, tell: Tell<'_>) {
        if self.is_begun && !self.is_ended && *end == End::Code(0) {
            tell(Remark::Failed(AgentFailure::cut_off()));
        }
    }
}

fn failure_of(reason: &str) -> Option<AgentFailure> {
    let message = match reason {
        "end_turn" => return None,
        "max_tokens" => "it ran into its limit of tokens",
        "max_turn_requests" => "it ran into its limit of turns",
        "refusal" => "it refused the task",
        "cancelled" => "it says that it was cancelled",
        _ => "it stopped for a reason that is not known",
    };
    Some(AgentFailure::new(FailureKind::Crash, message))
}
