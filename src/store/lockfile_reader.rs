//! Reading `orca.lock`: all of it, or a line, a column and what to type. A lock that is half understood would make orca
//! run agents again, or take a person's file for an agent's, so nothing in it is skipped.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ledger::{Origin, may_be_output};
use super::lockfile::{Delta, LOCK_VERSION, Lock, LockedTask};
use crate::base::{BlobDigest, Change, Entry, Name, RelPath, TaskName, bounded, sanitize_line};

/// What git writes into a file that it cannot merge.
const CONFLICT_MARKERS: [&str; 4] = ["<<<<<<<", "|||||||", "=======", ">>>>>>>"];
const REMAKE: &str = "take the file from git again: `git checkout HEAD -- orca.lock`; or remove it: the next build writes it \
                      from what .orca and the cache know";

/// What of a lock cannot be read, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("orca.lock:{line}:{column}: {message}")]
pub struct LockError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to type.
    pub help: String,
}

/// A mistake and where it is, in bytes.
struct Mistake {
    at: usize,
    message: String,
    help: String,
}

type Read<T> = Result<T, Mistake>;
type Value<'i> = Spanned<DeValue<'i>>;

fn wrong<T>(span: Range<usize>, message: impl Into<String>) -> Read<T> {
    Err(Mistake { at: span.start, message: message.into(), help: REMAKE.to_owned() })
}

impl Lock {
    /// Reads the text of a lock.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        read(text).map_err(|mistake| {
            let mut at = mistake.at.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
            LockError {
                line: text[..at].matches('\n').count() + 1,
                column: text[line_start..at].chars().count() + 1,
                message: sanitize_line(&bounded(&mistake.message, 400)),
                help: mistake.help,
            }
        })
    }
}

fn read(text: &str) -> Read<Lock> {
    refuse_conflicts(text)?;
    let table = DeTable::parse(text).map_err(|error| of_toml(text, &error))?;
    let table = table.get_ref();
    match table.get("version").map(|value| (value.span(), number(value))) {
        Some((_, Ok(LOCK_VERSION))) => {}
        Some((span, found)) => {
            let found = found.map_or_else(|_| "no version".to_owned(), |version| format!("version {version}"));
            let message = format!("this lock is of {found}; this orca reads version {LOCK_VERSION}");
            let help = "use the orca that wrote it, or remove the file: the next build writes it anew".to_owned();
            return Err(Mistake { at: span.start, message, help });
        }
        None => return wrong(0..0, format!("this lock does not say `version = {LOCK_VERSION}`")),
    }
    let mut lock = Lock::default();
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "version" => {}
            "order" => lock.order = task_names(value)?,
            "task" => {
                for (name, value) in entries(value)? {
                    let task = task_name(name.get_ref().as_ref(), name.span())?;
                    let read = task_of(&task, value)?;
                    lock.tasks.insert(task, read);
                }
            }
            "placed" => {
                for (path, value) in entries(value)? {
                    lock.placed.insert(rel_path(path.get_ref().as_ref(), path.span())?, entry(value)?);
                }
            }
            "merged" => {
                for (key, value) in entries(value)? {
                    let digest: Result<BlobDigest, _> = key.get_ref().as_ref().parse();
                    let digest = digest.or_else(|error| wrong(key.span(), error.to_string()))?;
                    lock.merged.insert(digest, entry(value)?);
                }
            }
            "delta" => {
                for (key, value) in entries(value)? {
                    let digest: Result<BlobDigest, _> = key.get_ref().as_ref().parse();
                    let digest = digest.or_else(|error| wrong(key.span(), error.to_string()))?;
                    lock.deltas.insert(digest, delta(value)?);
                }
            }
            other => return wrong(key.span(), format!("`{other}` is nothing that a lock says")),
        }
    }
    Ok(lock)
}

/// A text with the marks of a merge in it is refused for what it is, before TOML stumbles over them.
fn refuse_conflicts(text: &str) -> Read<()> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if CONFLICT_MARKERS.iter().any(|marker| line.starts_with(marker)) {
            let help = "take the lines of both sides that are of different tasks; where both sides have lines of one task, \
                        take all of that task from the side whose files you take; then remove the marks. Or take one side: \
                        `git checkout --ours orca.lock` (or `--theirs`), and the next build adds what its files show";
            let message = "git could not merge this lock: the marks of a conflict are in it".to_owned();
            return Err(Mistake { at, message, help: help.to_owned() });
        }
        at += line.len();
    }
    Ok(())
}

fn of_toml(text: &str, error: &toml::de::Error) -> Mistake {
    let span = error.span().unwrap_or(text.len()..text.len());
    if error.message() != "duplicate key" {
        let message = format!("this is not TOML: {}", error.message());
        return Mistake { at: span.start, message, help: REMAKE.to_owned() };
    }
    let start = text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let (fact, _) = line.split_once(" = ").unwrap_or((line, ""));
    let help = "two merged branches say different things of it: keep all lines of the task from the side whose files you \
                have, and remove those of the other";
    Mistake { at: span.start, message: format!("`{fact}` is there twice"), help: help.to_owned() }
}

fn task_of(name: &TaskName, value: &Value<'_>) -> Read<LockedTask> {
    let mut task = LockedTask::default();
    let mut origin = Origin::default();
    let mut seal = None;
    for (key, value) in entries(value)? {
        match key.get_ref().as_ref() {
            "seal" => seal = Some((string(value)?, value.span())),
            "key" => task.key = Some(digest(value)?),
            "first_key" => origin.first_key = Some(digest(value)?),
            "on_top_of" => origin.on_top_of = task_names(value)?,
            "agent" => origin.agent = Some(plain_name(string(value)?, value.span())?),
            "model" => origin.model = Some(string(value)?.to_owned()),
            "cost_micro_usd" => origin.cost_micro_usd = number(value)?,
            "gates" => {
                for (gate, value) in entries(value)? {
                    origin.gates.insert(plain_name(gate.get_ref().as_ref(), gate.span())?, digest(value)?);
                }
            }
            "outputs" => {
                for (path, value) in entries(value)? {
                    let Some(entry) = entry(value)? else { return wrong(value.span(), "an output is never nothing") };
                    task.outputs.insert(rel_path(path.get_ref().as_ref(), path.span())?, entry);
                }
            }
            "edits" => {
                for (path, value) in entries(value)? {
                    task.edits.insert(rel_path(path.get_ref().as_ref(), path.span())?, change(value)?);
                }
            }
            other => return wrong(key.span(), format!("`{other}` is nothing that a lock says of a task")),
        }
    }
    task.origin = origin;
    match seal {
        Some((seal, _)) if seal == task.seal() => Ok(task),
        Some((_, span)) => {
            let message = format!("the lines of `{name}` do not belong together: a merge has mixed two results of it");
            let help = "keep all its lines from the side whose files you have; or remove all of them: then the cache has the \
                        result, or the task runs again";
            Err(Mistake { at: span.start, message, help: help.to_owned() })
        }
        None => wrong(value.span(), format!("`{name}` has no seal: lines of it are missing")),
    }
}

fn delta(value: &Value<'_>) -> Read<Delta> {
    let (mut from, mut zstd) = (None, None);
    for (key, value) in entries(value)? {
        match key.get_ref().as_ref() {
            "from" => from = Some(digest(value)?),
            "zstd" => zstd = Some(string(value)?.to_owned()),
            other => return wrong(key.span(), format!("`{other}` is nothing that a delta has")),
        }
    }
    match (from, zstd) {
        (Some(from), Some(zstd)) => Ok(Delta { from, zstd }),
        _ => wrong(value.span(), "a delta has `from` and `zstd`"),
    }
}

fn change(value: &Value<'_>) -> Read<Change> {
    let mut sides: BTreeMap<&str, Option<Entry>> = BTreeMap::new();
    for (key, value) in entries(value)? {
        match key.get_ref().as_ref() {
            side @ ("base" | "result") => drop(sides.insert(side, entry(value)?)),
            other => return wrong(key.span(), format!("`{other}` is nothing that a change has")),
        }
    }
    match (sides.remove("base"), sides.remove("result")) {
        (Some(base), Some(result)) => Ok(Change { base, result }),
        _ => wrong(value.span(), "a change has a `base` and a `result`"),
    }
}

fn entry(value: &Value<'_>) -> Read<Option<Entry>> {
    let (mut file, mut size_bytes, mut executable, mut bare) = (None, None, false, None);
    for (key, value) in entries(value)? {
        match key.get_ref().as_ref() {
            "file" => file = Some(digest(value)?),
            "size" => size_bytes = Some(number(value)?),
            "executable" => executable = is_true(value)?,
            "link" => bare = Some(Some(Entry::Symlink { target: string(value)?.to_owned() })),
            "directory" if is_true(value)? => bare = Some(Some(Entry::EmptyDir)),
            "nothing" if is_true(value)? => bare = Some(None),
            other => return wrong(key.span(), format!("`{other}` is nothing that a file has")),
        }
    }
    match (file, size_bytes, bare) {
        (Some(digest), Some(size_bytes), None) => Ok(Some(Entry::File { digest, size_bytes, executable })),
        (None, None, Some(bare)) if !executable => Ok(bare),
        _ => wrong(value.span(), "one of `file` with `size`, `link`, `directory` and `nothing` is expected"),
    }
}

fn entries<'a, 'i>(value: &'a Value<'i>) -> Read<&'a DeTable<'i>> {
    match value.get_ref() {
        DeValue::Table(table) => Ok(table),
        _ => wrong(value.span(), "a table is expected"),
    }
}

fn string<'a>(value: &'a Value<'_>) -> Read<&'a str> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text.as_ref()),
        _ => wrong(value.span(), "a string is expected"),
    }
}

fn number(value: &Value<'_>) -> Read<u64> {
    let parsed = match value.get_ref() {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    };
    parsed.map_or_else(|| wrong(value.span(), "a whole number is expected"), Ok)
}

fn is_true(value: &Value<'_>) -> Read<bool> {
    match value.get_ref() {
        DeValue::Boolean(true) => Ok(true),
        _ => wrong(value.span(), "`true` is expected"),
    }
}

fn digest<T: std::str::FromStr<Err = crate::base::DigestParseError>>(value: &Value<'_>) -> Read<T> {
    string(value)?.parse().or_else(|error: crate::base::DigestParseError| wrong(value.span(), error.to_string()))
}

fn task_name(text: &str, span: Range<usize>) -> Read<TaskName> {
    TaskName::new(text).or_else(|error| wrong(span, error.to_string()))
}

fn task_names(value: &Value<'_>) -> Read<Vec<TaskName>> {
    let DeValue::Array(names) = value.get_ref() else { return wrong(value.span(), "names are expected") };
    names.iter().map(|name| task_name(string(name)?, name.span())).collect()
}

fn plain_name(text: &str, span: Range<usize>) -> Read<Name> {
    Name::new(text).or_else(|error| wrong(span, error.to_string()))
}

fn rel_path(text: &str, span: Range<usize>) -> Read<RelPath> {
    match RelPath::from_disk(text) {
        Ok(path) if may_be_output(&path) => Ok(path),
        Ok(path) => wrong(span, format!("`{path}` belongs to no task")),
        Err(error) => wrong(span, format!("`{text}` is no path: {error}")),
    }
}
