//! opencode: `opencode run --format json`, the prompt on standard input.
//!
//! A failure of its provider is an `error` with `statusCode`, the provider's headers and whether trying again may help. A
//! step after it means that it went on. Where trying again may help it does so itself, five times and without an event:
//! only its log tells, which is why that is printed.

use serde_json::Value;

use super::claude_code::words;
use super::failure::told;
use super::invocation::{Invocation, Prompt};
use super::json::{Object, at, count, event, micro_usd, text, tool_use};
use super::report::AgentFailure;
use super::stream::{Reader, Remark, Spending, Tell};
use crate::base::FailureKind;
use crate::context::Runner;
use crate::sandbox::End;

pub(super) fn invocation(runner: &Runner) -> Invocation {
    let mut args = words(&["run", "--format", "json", "--auto", "--print-logs", "--log-level", "ERROR"]);
    // Without a title it asks its model for one, which is paid for and read by nobody.
    args.extend(words(&["--title", "task"]));
    if let Some(model) = &runner.model {
        args.extend(["-m".to_owned(), model.clone()]);
    }
    let env = [
        ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
        ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
        ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"),
        ("OPENCODE_DISABLE_SHARE", "1"),
        ("OPENCODE_DISABLE_TERMINAL_TITLE", "1"),
    ];
    Invocation::of(runner, "opencode", args, &env, Prompt::Stdin)
}

/// Reads its stream.
pub(super) struct Stream;

impl Reader for Stream {
    fn line(&mut self, line: &str, tell: Tell<'_>) {
        let Some(event) = event(line) else {
            match logged(line) {
                Some(failure) => failure.into_iter().for_each(|failure| tell(Remark::Failed(failure))),
                None => tell(Remark::Line(line.to_owned())),
            }
            return;
        };
        match text(&event, &["type"]) {
            "text" => tell(Remark::Text(text(&event, &["part", "text"]).to_owned())),
            "tool_use" => {
                let tool = text(&event, &["part", "tool"]);
                tell(Remark::Tool(tool_use(tool, at(&event, &["part", "state", "input"]))));
            }
            "step_start" => tell(Remark::Recovered),
            "step_finish" => step(&event, tell),
            "error" => tell(Remark::Failed(failure(&event))),
            _ => {}
        }
    }

    fn end(&mut self, _: &End, _: Tell<'_>) {}
}

/// What its log says of a request that failed. Nothing of those that are no part of the work: it asks for a title, too.
/// `None` where the line is no such entry.
fn logged(line: &str) -> Option<Option<AgentFailure>> {
    let (_, error) = line.split_once("message=\"stream error\"")?.1.split_once("error.error=\"")?;
    if line.contains(" small=true ") {
        return Some(None);
    }
    let message = error.rsplit_once('"').map_or(error, |(message, _)| message);
    let message =
        message.split_once(": ").filter(|(name, _)| name.starts_with("AI_")).map_or(message, |(_, said)| said);
    Some(Some(told(None, message)))
}

fn step(event: &Object, tell: Tell<'_>) {
    tell(Remark::Turn);
    let of = |path: &[&str]| count(event, &[&["part", "tokens"], path].concat());
    let cached = of(&["cache", "read"]);
    tell(Remark::Spent(Spending {
        input: of(&["input"]).saturating_add(cached).saturating_add(of(&["cache", "write"])),
        cached,
        output: of(&["output"]).saturating_add(of(&["reasoning"])),
        cost_micro_usd: at(event, &["part", "cost"]).and_then(micro_usd),
    }));
    tell(Remark::Recovered);
}

fn failure(event: &Object) -> AgentFailure {
    let status = at(event, &["error", "data", "statusCode"]).and_then(Value::as_u64);
    let name = text(event, &["error", "name"]);
    let message = match (text(event, &["error", "data", "message"]), text(event, &["error", "message"])) {
        ("", "") => name,
        ("", message) | (message, _) => message,
    };
    // Headers and body of the answer tell when to come back, and whether that helps.
    let headers = at(event, &["error", "data", "responseHeaders"]).map(Value::to_string).unwrap_or_default();
    let all = format!("{message} {headers} {}", text(event, &["error", "data", "responseBody"]));
    let failure = told(status, &all);
    let kind = if name == "ProviderAuthError" { FailureKind::Auth } else { failure.kind };
    AgentFailure { resets: failure.resets, ..AgentFailure::new(kind, message) }
}
