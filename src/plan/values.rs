//! The types a key of the plan may have: how each is read, and what its JSON Schema is.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::de::value::{Error as WordError, StrDeserializer};

use super::document::{Place, Value};
use super::model::{AgentPreset, Check, Level, SandboxMode, Undeclared};
use super::reader::{Reader, quoted, shown};
use crate::base::{DurationMs, FailureKind, Finding, SizeBytes};

/// A type that a value of the plan can have. What cannot be read is reported and left out.
pub(super) trait Read: JsonSchema + Sized {
    /// The value at this place.
    fn read(place: Place, reader: &mut Reader<'_>) -> Option<Self>;
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) at: Place,
    pub(super) value: T,
}

/// A string, rendered where strings are.
pub(super) type Text = At<String>;

/// What [`At`] can hold: a value without parts.
pub(super) trait Atom: Sized {
    fn read_atom(place: Place, reader: &mut Reader<'_>) -> Option<Self>;
    fn atom_schema(generator: &mut SchemaGenerator) -> Schema;
}

impl<T: Atom> Read for At<T> {
    fn read(place: Place, reader: &mut Reader<'_>) -> Option<Self> {
        T::read_atom(place, reader).map(|value| Self { at: place, value })
    }
}

/// Gives a type a schema that is written in place, without a name of its own.
macro_rules! inline_schema {
    ([$($generics:tt)*] $type:ty, $generator:ident => $schema:expr) => {
        impl<$($generics)*> JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

inline_schema!([T: Atom] At<T>, generator => T::atom_schema(generator));

impl Atom for String {
    fn read_atom(place: Place, reader: &mut Reader<'_>) -> Option<Self> {
        reader.text(place)
    }
    fn atom_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl Atom for bool {
    fn read_atom(place: Place, reader: &mut Reader<'_>) -> Option<Self> {
        match reader.value(place) {
            Value::Boolean(value) => Some(*value),
            _ => {
                let help = match reader.string(place).map(str::to_lowercase).as_deref() {
                    Some("true" | "yes" | "on") => "write true",
                    Some("false" | "no" | "off") => "write false",
                    _ => "write true or false",
                };
                reader.wrong_type(place, "`true` or `false`", Some(help.to_owned()));
                None
            }
        }
    }
    fn atom_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

/// A whole number from 1 up to a bound that still makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(pub(super) u32);

/// The largest count anywhere in a plan.
const COUNT_MAX: i64 = 1_000_000;

impl Atom for Count {
    fn read_atom(place: Place, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::Integer(number) = reader.value(place) else {
            reader.wrong_type(place, "a whole number", unquoted(place, reader));
            return None;
        };
        match number {
            Some(number @ 1..=COUNT_MAX) => u32::try_from(*number).ok().map(Self),
            _ => {
                bad_limit(place, reader, &format!("a whole number from 1 to {COUNT_MAX}"), "1");
                None
            }
        }
    }
    fn atom_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": COUNT_MAX })
    }
}

/// From 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Percent(pub(super) u8);

impl Atom for Percent {
    fn read_atom(place: Place, reader: &mut Reader<'_>) -> Option<Self> {
        match reader.value(place) {
            Value::Integer(Some(number @ 0..=100)) => u8::try_from(*number).ok().map(Self),
            Value::Integer(_) => {
                bad_limit(place, reader, "a percentage from 0 to 100", "90");
                None
            }
            _ => {
                reader.wrong_type(place, "a whole number", unquoted(place, reader));
                None
            }
        }
    }
    fn atom_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": 100 })
    }
}

/// An amount of money, in millionths of a dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MicroUsd(pub(super) u64);

/// A thousand million dollars: what is more was not meant.
const USD_MAX: f64 = 1e9;

impl Atom for MicroUsd {
    fn read_atom(place: Place, reader: &mut Reader<'_>) -> Option<Self> {
        let dollars = match reader.value(place) {
            Value::Integer(number) => number.map_or(f64::INFINITY, |number| number as f64),
            Value::Float(number) => *number,
            _ => {
                reader.wrong_type(place, "a number", unquoted(place, reader));
                return None;
            }
        };
        let micro_usd = (dollars * 1e6).round();
        if micro_usd >= 1.0 && dollars <= USD_MAX {
            return Some(Self(micro_usd as u64));
        }
        bad_limit(place, reader, "a number of dollars above 0 and at most 1000000000", "20.0");
        None
    }
    fn atom_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "exclusiveMinimum": 0, "maximum": USD_MAX })
    }
}

/// A number that makes no sense where it stands.
fn bad_limit(place: Place, reader: &mut Reader<'_>, expected: &str, example: &str) {
    let key = shown(reader.key(place));
    let help = format!("for example {key} = {example}");
    let node = reader.id(place);
    let message = format!("`{key}` must be {expected}");
    reader.report(Finding::error("orca::plan::bad_limit", message, node, "out of range").help(help));
}

/// What to type where a number stands in quotes.
fn unquoted(place: Place, reader: &Reader<'_>) -> Option<String> {
    let number = reader.string(place)?.trim();
    let is_number = number.len() < 20 && number.parse::<f64>().is_ok_and(f64::is_finite);
    is_number.then(|| format!("write it without quotes: {number}"))
}

/// Sizes and durations: a string with a number and a unit.
macro_rules! unit_atom {
    ($type:ty, $kind:literal, $example:literal, $pattern:literal) => {
        impl Atom for $type {
            fn read_atom(place: Place, reader: &mut Reader<'_>) -> Option<Self> {
                if let Value::Integer(_) | Value::Float(_) = reader.value(place) {
                    let expected = concat!("a ", $kind, " in quotes, with its unit");
                    reader.wrong_type(place, expected, Some(concat!("for example \"", $example, "\"").to_owned()));
                    return None;
                }
                let text = reader.text(place)?;
                match text.parse() {
                    Ok(value) => Some(value),
                    Err(error) => {
                        let node = reader.id(place);
                        let message = format!("{} is no {}: {error}", quoted(&text), $kind);
                        let help = concat!("for example \"", $example, "\"");
                        let label = concat!("not a ", $kind);
                        reader.report(Finding::error("orca::plan::bad_unit", message, node, label).help(help));
                        None
                    }
                }
            }
            fn atom_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "examples": [$example] })
            }
        }
    };
}
unit_atom!(SizeBytes, "size", "512MiB", r"^\s*[0-9.]+\s*[A-Za-z]*\s*$|\{\{|\{%");
unit_atom!(DurationMs, "duration", "20m", r"^\s*([0-9.]+\s*[A-Za-z]+\s*)+$|\{\{|\{%");

/// One of a fixed list of words: an enum of the model, by its serde names.
pub(super) trait Word: DeserializeOwned + JsonSchema {
    /// Whether a plan may say it.
    fn is_for_plans(&self) -> bool {
        true
    }
}
impl Word for AgentPreset {}
impl Word for Check {}
impl Word for Level {}
impl Word for SandboxMode {}
impl Word for Undeclared {}
impl Word for FailureKind {
    fn is_for_plans(&self) -> bool {
        !matches!(self, Self::Cost | Self::GateError)
    }
}

/// The words of an enum, from its own schema.
pub(super) fn words<W: JsonSchema>() -> Vec<String> {
    let schema = W::json_schema(&mut SchemaGenerator::default());
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let list = |key: &str| schema.get(key).and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
    let documented = list("oneOf").into_iter().flat_map(|one| {
        let listed = one.get("enum").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
        listed.into_iter().chain(one.get("const").cloned())
    });
    list("enum").iter().chain(&documented.collect::<Vec<_>>()).filter_map(text).collect()
}

impl<W: Word> Atom for W {
    fn read_atom(place: Place, reader: &mut Reader<'_>) -> Option<Self> {
        let text = reader.text(place)?;
        let word = W::deserialize(StrDeserializer::<WordError>::new(&text)).ok();
        if let Some(word) = word.filter(Word::is_for_plans) {
            return Some(word);
        }
        let known = words::<W>();
        let listed =
            format!("one of {}", known.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", "));
        let help = match reader.suggest(&text, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"? It is {listed}"),
            None => listed,
        };
        let key = shown(reader.key(place));
        let message = match key.is_empty() {
            true => format!("{} is not known here", quoted(&text)),
            false => format!("`{key}` cannot be {}", quoted(&text)),
        };
        let node = reader.id(place);
        reader.report(Finding::error("orca::plan::unknown_value", message, node, "not known").help(help));
        None
    }
    fn atom_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<W>()
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(place: Place, reader: &mut Reader<'_>) -> Option<Self> {
        let elements = reader.array(place)?;
        Some(elements.filter_map(|element| T::read(element, reader)).collect())
    }
}

/// A table whose keys are the author's: names of tasks, variables, axes.
#[derive(Debug, Clone)]
pub(super) struct Map<T>(pub(super) Vec<(Place, T)>);

impl<T: Read> Read for Map<T> {
    fn read(place: Place, reader: &mut Reader<'_>) -> Option<Self> {
        let entries = reader.table(place)?;
        Some(Self(entries.filter_map(|(_, entry)| T::read(entry, reader).map(|value| (entry, value))).collect()))
    }
}

inline_schema!([T: Read] Map<T>, generator => {
    let value = generator.subschema_for::<T>();
    json_schema!({ "type": "object", "additionalProperties": value })
});

/// A command: a string for `/bin/sh -c`, or program and arguments.
#[derive(Debug, Clone)]
pub(super) struct Command {
    pub(super) at: Place,
    pub(super) argv: Vec<String>,
}

impl Read for Command {
    fn read(place: Place, reader: &mut Reader<'_>) -> Option<Self> {
        let argv = match reader.value(place) {
            Value::String(_) => {
                let script = reader.text(place)?;
                let argv = ["/bin/sh", "-c"].map(str::to_owned).into_iter();
                if script.trim().is_empty() { Vec::new() } else { argv.chain([script]).collect() }
            }
            Value::Array(_) => {
                let words = reader.count();
                let argv = Vec::<Text>::read(place, reader)?;
                if reader.count() > words {
                    return None;
                }
                argv.into_iter().map(|word| word.value).collect()
            }
            _ => {
                reader.wrong_type(place, "a command: a string or an array of strings", None);
                return None;
            }
        };
        let problem = match argv.first() {
            None => "the command is empty",
            Some(program) if program.is_empty() => "the command names no program",
            Some(_) if argv.iter().any(|word| word.contains('\0')) => "the command holds a NUL character",
            Some(_) => return Some(Self { at: place, argv }),
        };
        let node = reader.id(place);
        reader.report(Finding::error("orca::plan::bad_command", problem, node, "no command"));
        None
    }
}

inline_schema!([] Command, _generator => json_schema!({
    "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }]
}));

/// `"auto"` or a number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jobs(pub(super) Option<u32>);

impl Atom for Jobs {
    fn read_atom(place: Place, reader: &mut Reader<'_>) -> Option<Self> {
        match (reader.value(place), reader.string(place)) {
            (_, Some("auto")) => Some(Self(None)),
            (Value::Integer(_), _) => Count::read_atom(place, reader).map(|count| Self(Some(count.0))),
            (_, Some(text)) => {
                let found = quoted(text);
                let help = unquoted(place, reader).unwrap_or_else(|| "write \"auto\" or a number".to_owned());
                reader.wrong_value(place, "\"auto\" or a whole number", &found, Some(help));
                None
            }
            _ => {
                reader.wrong_type(place, "\"auto\" or a whole number", None);
                None
            }
        }
    }
    fn atom_schema(generator: &mut SchemaGenerator) -> Schema {
        let count = Count::atom_schema(generator);
        json_schema!({ "oneOf": [{ "const": "auto" }, count] })
    }
}

/// A string, number or boolean, as the text it is written as: a parameter, a value of a matrix.
#[derive(Debug, Clone)]
pub(super) struct Scalar(pub(super) String);

impl Atom for Scalar {
    fn read_atom(place: Place, reader: &mut Reader<'_>) -> Option<Self> {
        match reader.value(place) {
            Value::String(_) => reader.text(place).map(Self),
            Value::Integer(Some(number)) => Some(Self(number.to_string())),
            Value::Float(number) => Some(Self(number.to_string())),
            Value::Boolean(value) => Some(Self(value.to_string())),
            _ => {
                reader.wrong_type(place, "a string, a number or a boolean", None);
                None
            }
        }
    }
    fn atom_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// `params`: of a template the names, of a task the values.
#[derive(Debug, Clone)]
pub(super) enum Params {
    Names(Place, Vec<Text>),
    Values(Place, Map<At<Scalar>>),
}

impl Read for Params {
    fn read(place: Place, reader: &mut Reader<'_>) -> Option<Self> {
        match reader.value(place) {
            Value::Array(_) => Vec::read(place, reader).map(|names| Self::Names(place, names)),
            Value::Table(_) => Map::read(place, reader).map(|values| Self::Values(place, values)),
            _ => {
                reader.wrong_type(place, "a table of values (of a template: an array of names)", None);
                None
            }
        }
    }
}

inline_schema!([] Params, generator => {
    let value = generator.subschema_for::<At<Scalar>>();
    json_schema!({ "oneOf": [
        { "type": "array", "items": { "type": "string" } },
        { "type": "object", "additionalProperties": value },
    ] })
});

/// A value that is read later, when it is known what its strings mean.
#[derive(Debug, Clone)]
pub(super) struct Deferred<T>(std::marker::PhantomData<T>);

impl<T: Read> Read for Deferred<T> {
    fn read(_: Place, _: &mut Reader<'_>) -> Option<Self> {
        Some(Self(std::marker::PhantomData))
    }
}

inline_schema!([T: Read] Deferred<T>, generator => generator.subschema_for::<T>());
