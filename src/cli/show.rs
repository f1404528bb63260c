//! `orca show`: the complete task as an agent gets it. Executes nothing, writes nothing.
//!
//! The task goes to standard output, as it is; what there is to say about it goes to standard error.

use serde_json::json;

use super::args::{Args, ShowArgs, TaskFormat};
use super::terminal::Terminal;
use super::{CliError, Exit, JSON_VERSION, look_at_one};
use crate::base::{counted, format_size, sanitize_terminal};

pub(super) fn run(args: &Args, show: &ShowArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let (look, ix) = match look_at_one(args, &show.task, terminal)? {
        Ok(found) => found,
        Err(exit) => return Ok(exit),
    };
    let shown = look.show(ix);
    let absent: Vec<&str> = shown.absent.iter().map(|task| task.as_str()).collect();
    if show.json || show.format == TaskFormat::Json {
        let value = json!({
            "v": JSON_VERSION,
            "task": shown.json,
            "absent": absent,
            "document_size_bytes": shown.markdown.len(),
            "sections": shown.sections.iter().map(|(title, size)| json!({ "title": title, "size_bytes": size })).collect::<Vec<_>>(),
            "view_files": shown.files,
            "view_size_bytes": shown.size_bytes,
        });
        terminal.line(&value.to_string());
        return Ok(Exit::Good);
    }
    terminal.out(&sanitize_terminal(&shown.markdown));
    for task in &absent {
        terminal.err(&format!("not there yet: what `{task}` brings; it has to run first\n"));
    }
    terminal.err(&format!(
        "the document: {}; the view: {}, {}{}\n",
        format_size(shown.markdown.len() as u64),
        counted(shown.files as u64, "file"),
        format_size(shown.size_bytes),
        if absent.is_empty() { "" } else { ", without what is not there yet" },
    ));
    Ok(Exit::Good)
}
