//! Codex: `codex exec --json`, the prompt on standard input.
//!
//! `turn.failed` is its failure, and it exits with 1. An `error` may be a connection that it tries again; only what follows
//! tells. What it says of its success means nothing: it has been seen to exit with 0 and no file written.

use serde_json::Value;

use super::claude_code::words;
use super::failure::told;
use super::invocation::{Invocation, Occasion, Prompt};
use super::json::{Object, count, event, list, text, tool_use};
use super::report::{AgentFailure, one_line};
use super::stream::{Reader, Remark, Spending, Tell};
use crate::context::Runner;
use crate::sandbox::End;

pub(super) fn invocation(runner: &Runner, occasion: &Occasion<'_>) -> Invocation {
    // Its own sandbox cannot be made inside of orca's, and needs not be.
    let walls = if occasion.is_isolated { "danger-full-access" } else { "workspace-write" };
    let mut args = words(&["exec", "--json", "--color", "never", "--skip-git-repo-check", "-s", walls]);
    args.extend(words(&["-c", "check_for_update_on_startup=false", "-c", "analytics.enabled=false"]));
    // A login shell sets PATH anew, and the tools of the task would be gone.
    args.extend(words(&["-c", "allow_login_shell=false"]));
    if let Some(model) = &runner.model {
        args.extend(["-m".to_owned(), model.clone()]);
    }
    Invocation::of(runner, "codex", args, &[], Prompt::Stdin)
}

/// Reads its stream.
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
            "turn.started" => tell(Remark::Turn),
            "item.completed" => item(&event, tell),
            "error" => tell(Remark::Failed(told(None, text(&event, &["message"])))),
            "turn.failed" => {
                self.is_ended = true;
                tell(Remark::Failed(told(None, text(&event, &["error", "message"]))));
            }
            "turn.completed" => {
                self.is_ended = true;
                let of = |key| count(&event, &["usage", key]);
                tell(Remark::Total(Spending {
                    input: of("input_tokens"),
                    cached: of("cached_input_tokens"),
                    output: of("output_tokens"),
                    cost_micro_usd: None,
                }));
                tell(Remark::Recovered);
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

fn item(event: &Object, tell: Tell<'_>) {
    let of = |key| text(event, &["item", key]);
    // Older versions call the type of an item otherwise.
    let kind = if of("type").is_empty() { of("item_type") } else { of("type") };
    match kind {
        "agent_message" | "assistant_message" => tell(Remark::Text(of("text").to_owned())),
        "command_execution" => tell(Remark::Tool(format!("run {}", one_line(of("command"), 160)))),
        "file_change" => {
            for change in list(event, &["item", "changes"]) {
                let kind = change.get("kind").and_then(Value::as_str).unwrap_or("change");
                let kind = if kind == "update" { "edit" } else { kind };
                tell(Remark::Tool(tool_use(kind, Some(change))));
            }
        }
        "mcp_tool_call" => tell(Remark::Tool(tool_use(of("tool"), event.get("item").and_then(|i| i.get("arguments"))))),
        "web_search" => tell(Remark::Tool(tool_use("search", event.get("item")))),
        _ => {}
    }
}
