//! Lines of JSON as agents write them: objects told apart from other output, fields read without trust.

use serde_json::{Map, Value};

/// An object of an agent's stream.
pub(super) type Object = Map<String, Value>;

/// Dollars beyond this are no cost.
const USD_MAX: f64 = 1e9;
/// How much of a tool's argument is shown.
const ARGUMENT_BYTES_MAX: usize = 160;

/// The object with a `type` that a line holds, where something else may stand before it: standard error may be cut off by
/// it.
pub(super) fn event(line: &str) -> Option<Object> {
    let start = line.find('{')?;
    let at = if line[..start].trim().is_empty() { start } else { line.find("{\"type\"")? };
    match serde_json::from_str::<Value>(line[at..].trim_end()) {
        Ok(Value::Object(object)) if object.get("type").is_some_and(Value::is_string) => Some(object),
        _ => None,
    }
}

/// The value at this path of keys.
pub(super) fn at<'v>(object: &'v Object, path: &[&str]) -> Option<&'v Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(object.get(*first)?, |value, key| value.get(key))
}

/// The text at this path; empty where there is none.
pub(super) fn text<'v>(object: &'v Object, path: &[&str]) -> &'v str {
    at(object, path).and_then(Value::as_str).unwrap_or_default()
}

/// The number at this path; 0 where there is none.
pub(super) fn count(object: &Object, path: &[&str]) -> u64 {
    at(object, path).and_then(Value::as_u64).unwrap_or(0)
}

/// The list at this path.
pub(super) fn list<'v>(object: &'v Object, path: &[&str]) -> &'v [Value] {
    at(object, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Dollars as millionths; `None` where they are none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be small and positive")]
pub(super) fn micro_usd(dollars: &Value) -> Option<u64> {
    let dollars = dollars.as_f64().filter(|dollars| (0.0..=USD_MAX).contains(dollars))?;
    Some((dollars * 1e6).round() as u64)
}

/// The use of a tool in a few words: `edit src/a.py`.
pub(super) fn tool_use(name: &str, arguments: Option<&Value>) -> String {
    const TELLING: [&str; 13] = [
        "file_path",
        "filePath",
        "path",
        "absolute_path",
        "dir_path",
        "notebook_path",
        "command",
        "pattern",
        "query",
        "url",
        "description",
        "title",
        "name",
    ];
    let name = super::report::one_line(&name.to_lowercase(), ARGUMENT_BYTES_MAX);
    let argument = TELLING.iter().find_map(|key| arguments?.get(key)?.as_str());
    match argument {
        Some(argument) => format!("{name} {}", super::report::one_line(argument, ARGUMENT_BYTES_MAX)),
        None => name,
    }
}
