//! The check `schema`: files that must satisfy a JSON Schema. JSON, JSON line by line, and TOML are read; dates of TOML are
//! texts to the schema. Nothing outside of the schema's own file is fetched, from nowhere.
//!
//! The schema is taken from the base: a result that changes it is judged by what was there.

use std::sync::Arc;

use jsonschema::paths::LocationSegment;
use jsonschema::{PatternOptions, Validator};
use rayon::prelude::*;
use serde_json::Value;

use super::check::CheckContext;
use super::data::{Step, span_in_json, span_in_toml, toml_value};
use super::judged::{Content, Judged};
use super::locate::LineIndex;
use super::part::Part;
use crate::base::{RelPath, Severity, sanitize_line};
use crate::event::GateFinding;

/// What this check can find.
pub const RULES: &[&str] = &["schema/mismatch", "schema/unreadable", "schema/no-file"];

/// Findings of one file.
const FINDINGS_MAX: usize = 20;
const MESSAGE_CHARS_MAX: usize = 300;
/// A longer way to a value is cut short when it is shown.
const WAY_CHARS_MAX: usize = 120;

/// How a file is written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Json,
    JsonLines,
    Toml,
}

impl Form {
    fn of(path: &RelPath) -> Option<Self> {
        match path.file_name().rsplit_once('.').map(|(_, ending)| ending.to_lowercase()).as_deref() {
            Some("jsonl" | "ndjson") => Some(Self::JsonLines),
            Some("toml") => Some(Self::Toml),
            Some("yaml" | "yml" | "xml" | "csv" | "ini") => None,
            _ => Some(Self::Json),
        }
    }
}

/// Judges the files that the option `files` covers: those that the result changed, or all where no task is judged.
pub(super) fn schema(judged: &Judged<'_>, context: &CheckContext<'_>) -> Vec<Part> {
    const PART: &str = "schema";
    let Some(path) = context.options.get::<RelPath>("schema") else {
        return vec![Part::broke(PART, "the gate names no `schema`")];
    };
    let validator = match validator(judged, &path) {
        Ok(validator) => validator,
        Err(why) => return vec![Part::broke(PART, why)],
    };
    let files = context.options.patterns("files");
    let is_meant = |file: &&RelPath| files.matches(file) && **file != path;
    let all: Vec<&RelPath> = judged.result.keys().filter(is_meant).collect();
    if all.is_empty() {
        let wanted: Vec<String> = files.iter().map(ToString::to_string).collect();
        let message = format!("nothing in the result matches {}", wanted.join(", "));
        let finding = GateFinding::new("schema/no-file", Severity::Error, message);
        return vec![Part::judged(PART, vec![finding.help("write the file, or change `files` of the gate")])];
    }
    let judge = |file: &RelPath| of_file(file, judged, &validator);
    let chosen: Vec<&RelPath> =
        all.into_iter().filter(|file| judged.task.is_none() || judged.change(file).is_some()).collect();
    let note = format!("{} against `{path}`", crate::base::counted(chosen.len() as u64, "file"));
    vec![Part::judged(PART, chosen.into_par_iter().flat_map_iter(judge).collect()).note(note)]
}

/// The schema, as the base has it.
fn validator(judged: &Judged<'_>, path: &RelPath) -> Result<Validator, String> {
    let change = judged.change(path);
    let bytes: Option<Arc<[u8]>> = match change {
        Some(change) => change.before.bytes().map(Into::into),
        None => (judged.read)(path),
    };
    let bytes = bytes.ok_or_else(|| format!("the schema `{path}` is not there to judge with"))?;
    let schema = parse_schema(path, &bytes).map_err(|error| format!("the schema `{path}` cannot be read: {error}"))?;
    // Patterns without look-around run in linear time, whatever a result puts before them.
    let options = jsonschema::options().with_pattern_options(PatternOptions::regex()).should_validate_formats(true);
    options.build(&schema).map_err(|error| format!("the schema `{path}` is none: {}", shown(&error.to_string())))
}

fn parse_schema(path: &RelPath, bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    match Form::of(path) {
        Some(Form::Toml) => toml_of(text).map_err(|error| error.message().to_owned()),
        _ => serde_json::from_str(text).map_err(|error| error.to_string()),
    }
}

fn toml_of(text: &str) -> Result<Value, toml::de::Error> {
    toml::from_str::<toml::Table>(text).map(|table| toml_value(toml::Value::Table(table)))
}

fn of_file(path: &RelPath, judged: &Judged<'_>, validator: &Validator) -> Vec<GateFinding> {
    let unreadable = |why: &str| {
        let message = format!("`{path}` cannot be held against the schema: {why}");
        GateFinding::new("schema/unreadable", Severity::Error, message).at(path)
    };
    let Some(form) = Form::of(path) else {
        return vec![unreadable("only JSON and TOML are read").help("write it as JSON or TOML")];
    };
    let change = judged.change(path);
    let bytes: Option<Arc<[u8]>> = match change.map(|change| &change.after) {
        Some(Content::File { bytes, .. }) => Some(bytes.clone()),
        Some(Content::Symlink { .. }) => return vec![unreadable("it is a link").help("write the file itself")],
        Some(_) => None,
        None => (judged.read)(path),
    };
    let Some(bytes) = bytes else { return vec![unreadable("it is no file that can be read")] };
    let Ok(text) = std::str::from_utf8(&bytes) else { return vec![unreadable("it is not UTF-8")] };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match form {
        Form::Json => of_json(path, text, 0..text.len(), validator),
        Form::JsonLines => {
            let mut findings = Vec::new();
            for line in super::locate::lines(text).filter(|line| !line.text.trim().is_empty()) {
                findings.extend(of_json(path, text, line.span, validator));
                if findings.len() >= FINDINGS_MAX {
                    break;
                }
            }
            findings
        }
        Form::Toml => match toml_of(text) {
            Ok(value) => mismatches(path, text, &value, validator, |way| span_in_toml(text, way)),
            Err(error) => {
                let span = error.span().unwrap_or_default();
                vec![LineIndex::new(text).place(unreadable(&first_line(error.message())), path, span, None)]
            }
        },
    }
}

/// Holds one value, which stands at `span`, against the schema.
fn of_json(path: &RelPath, text: &str, span: std::ops::Range<usize>, validator: &Validator) -> Vec<GateFinding> {
    let part = &text[span.clone()];
    match serde_json::from_str::<Value>(part) {
        Ok(value) => mismatches(path, text, &value, validator, |way| {
            span_in_json(part, way).map(|inner| span.start + inner.start..span.start + inner.end)
        }),
        Err(error) => {
            let said = error.to_string();
            let why = said.split(" at line ").next().unwrap_or_default();
            let message = format!("`{path}` cannot be held against the schema: {why}");
            let finding = GateFinding::new("schema/unreadable", Severity::Error, message);
            let line = part.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
            let rest = part.get(line..).unwrap_or_default();
            let column = rest.char_indices().nth(error.column().saturating_sub(1)).map_or(rest.len(), |(at, _)| at);
            let at = span.start + (line + column).min(part.len());
            vec![LineIndex::new(text).place(finding.help("mend the syntax"), path, at..at, None)]
        }
    }
}

fn mismatches(
    path: &RelPath,
    text: &str,
    value: &Value,
    validator: &Validator,
    place: impl Fn(&[Step]) -> Option<std::ops::Range<usize>>,
) -> Vec<GateFinding> {
    let mut errors = validator.iter_errors(value).take(FINDINGS_MAX).peekable();
    if errors.peek().is_none() {
        return Vec::new();
    }
    let index = LineIndex::new(text);
    let finding = |error: jsonschema::ValidationError<'_>| {
        let way: Vec<Step> = error.instance_path().iter().map(step).collect();
        let at: String = error.instance_path().as_str().chars().take(WAY_CHARS_MAX).collect();
        let at = if at.is_empty() { "the whole value".to_owned() } else { format!("`{}`", sanitize_line(&at)) };
        let message = format!("{at}: {}", shown(&error.masked().to_string()));
        let finding = GateFinding::new("schema/mismatch", Severity::Error, message).at(path);
        let finding =
            finding.help(format!("the schema asks for this at `{}`", sanitize_line(error.schema_path().as_str())));
        match place(&way) {
            Some(span) => index.place(finding, path, first_line_of(text, span), None),
            None => finding,
        }
    };
    errors.map(finding).collect()
}

/// A value of many lines is pointed at by its first.
fn first_line_of(text: &str, span: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let end = text[span.clone()].find('\n').map_or(span.end, |end| span.start + end);
    span.start..end
}

fn step(segment: LocationSegment<'_>) -> Step {
    match segment {
        LocationSegment::Property(key) => Step::Key(key.into_owned()),
        LocationSegment::Index(index) => Step::Index(index),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn shown(text: &str) -> String {
    sanitize_line(&text.chars().take(MESSAGE_CHARS_MAX).collect::<String>())
}
