//! `orca generate`: drafts a plan from one that people wrote, and lists what found no place in it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::{Args, GenerateArgs};
use super::terminal::Terminal;
use super::{CliError, Exit, versioned};
use crate::base::{bounded, counted, sanitize_line};
use crate::draft::{Draft, Note};
use crate::engine::{GenerateError, Generated};

/// Bytes of one line of the list.
const LINE_BYTES_MAX: usize = 300;

pub(super) fn run(args: &Args, generate: &GenerateArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let prints = generate.output == Path::new("-");
    if prints && generate.json {
        return Err(CliError::Usage(
            "`-o -` prints the plan and `--json` what was made of it: leave one of them out".to_owned(),
        ));
    }
    let source = args.directory().join(&generate.plan);
    let directory = if prints { args.directory().to_owned() } else { args.directory().join(&generate.output) };
    let generated = Generated::from_file(&source, &directory, prints);
    let written = generated.and_then(|generated| {
        let written = if prints { Vec::new() } else { generated.write(generate.force)? };
        Ok((generated.draft, written))
    });
    let (draft, written) = match written {
        Ok(done) => done,
        Err(error) => return Ok(refused(&error, terminal)),
    };
    if generate.json {
        terminal.line(&as_json(&draft, &source, &written).to_string());
    } else if prints {
        terminal.out(&draft.plan);
        terminal.err(&report(&draft, &source, &written));
    } else {
        terminal.out(&report(&draft, &source, &written));
    }
    Ok(Exit::Good)
}

fn refused(error: &GenerateError, terminal: &Terminal) -> Exit {
    terminal.error(&error.to_string());
    if let Some(help) = error.help() {
        terminal.err(&format!("help: {help}\n"));
    }
    if error.is_of_text() { Exit::Invalid } else { Exit::World }
}

/// What was written, what was left out, and what has no place, each with its line.
fn report(draft: &Draft, source: &Path, written: &[PathBuf]) -> String {
    let source = shown(source);
    let mut text = String::new();
    let tasks = counted(draft.tasks.len() as u64, "task");
    let gates = counted(draft.gates.len() as u64, "gate");
    let from = format!("{tasks} and {gates} from {source} ({})", draft.format.word());
    let _ = match written {
        [] => writeln!(text, "{from}"),
        files => {
            writeln!(text, "wrote {}: {from}", files.iter().map(|path| shown(path)).collect::<Vec<_>>().join(", "))
        }
    };
    if !draft.left_out.is_empty() {
        let _ = writeln!(text, "\nleft out, for there is nothing to do any more: {}", draft.left_out.len());
        for one in &draft.left_out {
            let said = bounded(&sanitize_line(&one.title), LINE_BYTES_MAX);
            let _ = writeln!(text, "  {source}:{}: {said} ({})", one.line, sanitize_line(&one.status));
        }
    }
    notes(&mut text, "to be looked at", &source, &draft.notes);
    notes(&mut text, "not placed", &source, &draft.unplaced);
    let _ = writeln!(text, "\nput your agent into [agents.default], then `orca check` and `orca graph`");
    text
}

/// Notes by their line. The reason for lines that follow one another is said once.
fn notes(text: &mut String, title: &str, source: &str, notes: &[Note]) {
    if notes.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}: {}", notes.len());
    let mut last = "";
    for note in notes {
        let said = if note.text.is_empty() { &note.why } else { &note.text };
        let mut said = bounded(&sanitize_line(said), LINE_BYTES_MAX);
        if !note.text.is_empty() && note.why != last {
            let _ = write!(said, "  -- {}", note.why);
        }
        last = &note.why;
        let _ = writeln!(text, "  {source}:{}: {said}", note.line);
    }
}

fn as_json(draft: &Draft, source: &Path, written: &[PathBuf]) -> serde_json::Value {
    let paths: Vec<String> = written.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let notes: Vec<_> = draft.notes.iter().map(|note| json!({ "line": note.line, "message": note.why })).collect();
    versioned(&json!({
        "source": source.to_string_lossy(),
        "format": draft.format,
        "written": paths,
        "tasks": draft.tasks,
        "gates": draft.gates,
        "left_out": draft.left_out,
        "notes": notes,
        "unplaced": draft.unplaced,
    }))
}

fn shown(path: &Path) -> String {
    let path = path.strip_prefix(".").unwrap_or(path);
    sanitize_line(&path.display().to_string())
}
