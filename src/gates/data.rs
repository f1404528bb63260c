//! JSON and TOML as data, and where a value stands in the text, by its way from the root. The way is followed in texts that
//! were parsed already; it does not say whether one is valid.

use std::ops::Range;

use serde_json::Value;
use toml::de::{DeTable, DeValue};

/// One step from a value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The value of a key.
    Key(String),
    /// An element of a list.
    Index(usize),
}

/// The way that these keys are.
pub(super) fn keys(keys: &[&str]) -> Vec<Step> {
    keys.iter().map(|key| Step::Key((*key).to_owned())).collect()
}

/// The bytes of a value in JSON; `None` where the way leads nowhere.
pub(super) fn span_in_json(text: &str, way: &[Step]) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = skip_blank(bytes, usize::from(text.starts_with('\u{feff}')) * 3);
    for step in way {
        at = match step {
            Step::Key(key) => member(text, at, key)?,
            // A way that was written as text does not tell a number from a key that is one.
            Step::Index(index) if bytes.get(at) == Some(&b'{') => member(text, at, &index.to_string())?,
            Step::Index(index) => element(bytes, at, *index)?,
        };
    }
    Some(at..skip_value(bytes, at))
}

/// The last member of the object at `at` that has this key, as parsers take it.
fn member(text: &str, at: usize, wanted: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = skip_blank(bytes, enter(bytes, at, b'{')?);
    let mut found = None;
    while bytes.get(at) == Some(&b'"') {
        let end = skip_value(bytes, at);
        let key = serde_json::from_str::<String>(text.get(at..end)?).ok()?;
        let colon = skip_blank(bytes, end);
        let value = skip_blank(bytes, colon + 1);
        if key == wanted {
            found = Some(value);
        }
        at = next(bytes, value)?;
    }
    found
}

fn element(bytes: &[u8], at: usize, index: usize) -> Option<usize> {
    let mut at = skip_blank(bytes, enter(bytes, at, b'[')?);
    for _ in 0..index {
        at = next(bytes, at)?;
    }
    (*bytes.get(at)? != b']').then_some(at)
}

fn enter(bytes: &[u8], at: usize, opener: u8) -> Option<usize> {
    (bytes.get(at) == Some(&opener)).then_some(at + 1)
}

/// From one value to what follows the comma after it, or to the end of what holds it.
fn next(bytes: &[u8], value: usize) -> Option<usize> {
    let after = skip_blank(bytes, skip_value(bytes, value));
    match bytes.get(after)? {
        b',' => Some(skip_blank(bytes, after + 1)),
        _ => Some(after),
    }
}

fn skip_blank(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// The end of the value that begins here.
fn skip_value(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = skip_string(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                at += 1;
            }
            b',' | b':' if depth == 0 => return at,
            byte if depth == 0 && byte.is_ascii_whitespace() => return at,
            _ => {
                at += 1;
                continue;
            }
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

fn skip_string(bytes: &[u8], quote: usize) -> usize {
    let mut at = quote + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The bytes of a value in TOML; of the nearest value on the way where the rest is not there.
pub(super) fn span_in_toml(text: &str, way: &[Step]) -> Option<Range<usize>> {
    let root = DeTable::parse(text).ok()?;
    let mut found = None;
    let mut value: Option<&DeValue<'_>> = None;
    for step in way {
        let next = match (step, value) {
            (Step::Key(key), None) => root.get_ref().get_key_value(key.as_str()),
            (Step::Key(key), Some(DeValue::Table(table))) => table.get_key_value(key.as_str()),
            (Step::Index(index), Some(DeValue::Array(list))) => {
                let Some(element) = list.get(*index) else { break };
                found = Some(element.span());
                value = Some(element.get_ref());
                continue;
            }
            _ => break,
        };
        let Some((key, element)) = next else { break };
        found = Some(key.span());
        value = Some(element.get_ref());
    }
    found
}

/// TOML as JSON; dates as texts.
pub(super) fn toml_value(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(is) => is.into(),
        toml::Value::Datetime(date) => Value::String(date.to_string()),
        toml::Value::Array(list) => list.into_iter().map(toml_value).collect(),
        toml::Value::Table(table) => {
            Value::Object(table.into_iter().map(|(key, value)| (key, toml_value(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(text: &str) -> Vec<Step> {
        let parts = text.split('.').filter(|part| !part.is_empty());
        parts.map(|part| part.parse().map_or_else(|_| Step::Key(part.to_owned()), Step::Index)).collect()
    }

    #[test]
    fn values_are_found_where_they_stand() {
        let json = r#" {"7": 8, "a": [1, {"b": "x\"}"}, [ ]], "k\u0065y": {"c": null}, "a2": tr, "d": 1, "d" : 25 }"#;
        let table = [
            ("a.0", Some("1")),
            ("a.1.b", Some(r#""x\"}""#)),
            ("a.2", Some("[ ]")),
            ("a.3", None),
            ("key.c", Some("null")),
            ("d", Some("25")),
            ("a.b", None),
            ("7", Some("8")),
            ("x", None),
        ];
        for (wanted, expected) in table {
            assert_eq!(span_in_json(json, &way(wanted)).map(|span| &json[span]), expected, "{wanted}");
        }
        for end in 0..json.len() {
            for (wanted, _) in table {
                let _ = span_in_json(&json[..end], &way(wanted));
            }
        }
        let toml = "x = 1\n[a]\nb = [1, { c = 2 }]\n[[t]]\nn = 1\n[[t]]\nn = 2\n";
        let line =
            |wanted: &str| span_in_toml(toml, &way(wanted)).map(|span| toml[..span.start].matches('\n').count() + 1);
        assert_eq!((line("x"), line("a.b.1.c"), line("t.1.n"), line("y")), (Some(1), Some(3), Some(7), None));
    }
}
