//! The form of a reviewer's verdict.

use serde_json::{Value, json};

/// Where a reviewer writes its verdict, beneath `.orca/` of its directory.
pub const VERDICT_FILE: &str = "verdict.json";

/// The JSON Schema of a verdict, for people and for reviewers. What is read is a little more lenient.
#[must_use]
pub fn verdict_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "the verdict of a reviewer",
        "type": "object",
        "required": ["verdict", "summary", "findings"],
        "properties": {
            "verdict": { "enum": ["pass", "fail"] },
            "summary": { "type": "string", "description": "one or two sentences" },
            "findings": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["file", "line", "severity", "message"],
                    "properties": {
                        "file": { "type": "string", "description": "a path of the diff" },
                        "line": { "type": "integer", "minimum": 1,
                            "description": "a line of the diff, by its number in the new file; in the old one where the file is gone" },
                        "severity": { "enum": ["error", "warning", "advice"] },
                        "message": { "type": "string", "description": "one sentence: what is wrong" },
                        "help": { "type": "string", "description": "one sentence: what to do" },
                    },
                },
            },
        },
    })
}
