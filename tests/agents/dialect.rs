//! The three interfaces that agents speak to a model: how each asks, and how each is answered as a stream.

use serde_json::{Value, json};

use super::script::Trouble;
use super::tools::{Call, Tool};

/// An interface, by the path it is spoken on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `/chat/completions`, what most services speak.
    Chat,
    /// `/responses`.
    Responses,
    /// `/messages`.
    Messages,
}

/// What a request asks, whatever the interface.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// All that was said by the user, in order.
    pub(super) prompt: String,
    /// The tools that may be called.
    pub(super) tools: Vec<Tool>,
    /// How many tools have been called in this conversation.
    pub(super) turn: usize,
    /// Of which model.
    pub(super) model: String,
}

/// What is answered.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// The call of a tool.
    Call(Call),
    /// A text that ends the conversation.
    Text(String),
}

/// An answer that is none.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The status of HTTP.
    pub(super) status: u16,
    /// Headers besides the usual.
    pub(super) headers: Vec<(&'static str, String)>,
    /// JSON.
    pub(super) body: String,
}

/// Tokens of one reply, the same every time: sums can be foretold.
pub(crate) const INPUT_TOKENS: u64 = 1000;
/// Of the input, those that were in the service's cache.
pub(crate) const CACHED_TOKENS: u64 = 200;
/// Tokens of one reply.
pub(crate) const OUTPUT_TOKENS: u64 = 50;

impl Dialect {
    /// The interface that is spoken on this path.
    pub(super) fn of_path(path: &str) -> Option<Self> {
        let path = path.split('?').next().unwrap_or_default();
        let known = [("/chat/completions", Self::Chat), ("/responses", Self::Responses), ("/messages", Self::Messages)];
        known.into_iter().find(|(end, _)| path.ends_with(end)).map(|(_, dialect)| dialect)
    }

    /// Reads a request.
    pub(super) fn question(self, body: &Value) -> Question {
        let said = match self {
            Self::Responses => &body["input"],
            Self::Chat | Self::Messages => &body["messages"],
        };
        let said = items(said);
        let of_user = said.iter().filter(|item| item["role"] == "user");
        let prompt = of_user.map(|item| text(&item["content"]) + "\n").collect();
        let turn = match self {
            Self::Chat => said.iter().filter(|item| item["role"] == "tool").count(),
            Self::Responses => said.iter().filter(|item| item["type"] == "function_call_output").count(),
            Self::Messages => {
                let parts = said.iter().flat_map(|item| items(&item["content"]));
                parts.filter(|part| part["type"] == "tool_result").count()
            }
        };
        let tools = items(&body["tools"]).iter().filter_map(|tool| self.tool(tool)).collect();
        Question { prompt, tools, turn, model: body["model"].as_str().unwrap_or_default().to_owned() }
    }

    fn tool(self, tool: &Value) -> Option<Tool> {
        let (tool, schema) = match self {
            Self::Chat => (&tool["function"], "parameters"),
            Self::Responses => (tool, "parameters"),
            Self::Messages => (tool, "input_schema"),
        };
        Some(Tool { name: tool["name"].as_str()?.to_owned(), properties: tool[schema]["properties"].clone() })
    }

    /// The stream of a reply, one event each, as the text that goes over the wire.
    pub(super) fn events(self, reply: &Reply, number: usize) -> Vec<String> {
        match self {
            Self::Chat => chat(reply, number).iter().map(|event| format!("data: {event}\n\n")).collect(),
            Self::Responses => typed(&responses(reply, number)),
            Self::Messages => typed(&messages(reply, number)),
        }
    }

    /// The answer that a trouble is, where it is one. `now_s` is the time, in seconds since 1970.
    pub(super) fn refusal(self, trouble: Trouble, now_s: u64) -> Option<Refusal> {
        let (status, headers, kind, message) = match trouble {
            Trouble::RateLimit { reset_s: Some(seconds) } => (
                429,
                vec![("retry-after", seconds.to_string())],
                "rate_limit_error",
                format!("Rate limit reached. Please try again in {seconds}s."),
            ),
            Trouble::RateLimit { reset_s: None } => {
                (429, Vec::new(), "rate_limit_error", "Rate limit reached.".to_owned())
            }
            Trouble::UsageLimit { reset_s } => {
                let error = json!({
                    "type": "usage_limit_reached", "message": "The usage limit has been reached", "plan_type": "plus",
                    "resets_at": now_s + reset_s, "resets_in_seconds": reset_s,
                });
                return Some(Refusal { status: 429, headers: Vec::new(), body: json!({ "error": error }).to_string() });
            }
            Trouble::Status(401) => (401, Vec::new(), "authentication_error", "Incorrect API key provided.".to_owned()),
            Trouble::Status(529) => (529, Vec::new(), "overloaded_error", "Overloaded".to_owned()),
            Trouble::Status(status) => (status, Vec::new(), "api_error", "Internal server error".to_owned()),
            Trouble::Hang | Trouble::Cut => return None,
        };
        let body = match self {
            Self::Messages => json!({ "type": "error", "error": { "type": kind, "message": message } }),
            Self::Chat | Self::Responses => {
                json!({ "error": { "message": message, "type": kind, "param": null, "code": code(status) } })
            }
        };
        Some(Refusal { status, headers, body: body.to_string() })
    }
}

fn code(status: u16) -> Value {
    match status {
        401 => json!("invalid_api_key"),
        429 => json!("rate_limit_exceeded"),
        _ => Value::Null,
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A content is a text, or parts of which some are texts.
fn text(content: &Value) -> String {
    let parts = items(content).iter().filter_map(|part| part["text"].as_str());
    content.as_str().map_or_else(|| parts.collect::<Vec<_>>().join("\n"), str::to_owned)
}

fn typed(events: &[Value]) -> Vec<String> {
    let name = |event: &Value| event["type"].as_str().unwrap_or_default().to_owned();
    events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", name(event))).collect()
}

fn chat(reply: &Reply, number: usize) -> Vec<String> {
    let chunk = |choices: Value, usage: Value| {
        json!({
            "id": format!("chatcmpl-{number}"), "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": choices, "usage": usage,
        })
        .to_string()
    };
    let delta = |delta: Value| chunk(json!([{ "index": 0, "delta": delta, "finish_reason": null }]), Value::Null);
    let mut events = vec![delta(json!({ "role": "assistant", "content": "" }))];
    let finish = match reply {
        Reply::Text(text) => {
            events.push(delta(json!({ "content": text })));
            "stop"
        }
        Reply::Call(call) => {
            let function = json!({ "name": call.tool, "arguments": "" });
            let id = format!("call_{number}");
            events.push(delta(json!({
                "tool_calls": [{ "index": 0, "id": id, "type": "function", "function": function }],
            })));
            let function = json!({ "arguments": call.arguments.to_string() });
            events.push(delta(json!({ "tool_calls": [{ "index": 0, "function": function }] })));
            "tool_calls"
        }
    };
    events.push(chunk(json!([{ "index": 0, "delta": {}, "finish_reason": finish }]), Value::Null));
    let usage = json!({
        "prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS, "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        "prompt_tokens_details": { "cached_tokens": CACHED_TOKENS },
    });
    events.push(chunk(json!([]), usage));
    events.push("[DONE]".to_owned());
    events
}

fn responses(reply: &Reply, number: usize) -> Vec<Value> {
    let id = format!("resp_{number}");
    let item = match reply {
        Reply::Text(text) => json!({
            "type": "message", "id": format!("msg_{number}"), "role": "assistant", "status": "completed",
            "content": [{ "type": "output_text", "text": text, "annotations": [] }],
        }),
        Reply::Call(call) => json!({
            "type": "function_call", "id": format!("fc_{number}"), "call_id": format!("call_{number}"),
            "name": call.tool, "arguments": call.arguments.to_string(), "status": "completed",
        }),
    };
    let usage = json!({
        "input_tokens": INPUT_TOKENS, "input_tokens_details": { "cached_tokens": CACHED_TOKENS },
        "output_tokens": OUTPUT_TOKENS, "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    });
    let done = json!({ "id": id, "object": "response", "status": "completed", "output": [item], "usage": usage });
    vec![
        json!({ "type": "response.created", "response": { "id": id, "object": "response", "status": "in_progress" } }),
        json!({ "type": "response.output_item.added", "output_index": 0, "item": item }),
        json!({ "type": "response.output_item.done", "output_index": 0, "item": item }),
        json!({ "type": "response.completed", "response": done }),
    ]
}

fn messages(reply: &Reply, number: usize) -> Vec<Value> {
    let usage = json!({
        "input_tokens": INPUT_TOKENS - CACHED_TOKENS, "cache_read_input_tokens": CACHED_TOKENS,
        "cache_creation_input_tokens": 0, "output_tokens": 1,
    });
    let message = json!({
        "id": format!("msg_{number}"), "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage,
    });
    let (block, delta, stop) = match reply {
        Reply::Text(text) => {
            (json!({ "type": "text", "text": "" }), json!({ "type": "text_delta", "text": text }), "end_turn")
        }
        Reply::Call(call) => (
            json!({ "type": "tool_use", "id": format!("toolu_{number}"), "name": call.tool, "input": {} }),
            json!({ "type": "input_json_delta", "partial_json": call.arguments.to_string() }),
            "tool_use",
        ),
    };
    vec![
        json!({ "type": "message_start", "message": message }),
        json!({ "type": "content_block_start", "index": 0, "content_block": block }),
        json!({ "type": "content_block_delta", "index": 0, "delta": delta }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({
            "type": "message_delta", "delta": { "stop_reason": stop, "stop_sequence": null },
            "usage": { "output_tokens": OUTPUT_TOKENS },
        }),
        json!({ "type": "message_stop" }),
    ]
}
