//! From what a script wants done to a call of one of the tools that the agent offers.

use serde_json::{Value, json};

use super::script::Turn;

/// A tool as a request offers it.
#[derive(Debug, Clone)]
pub(super) struct Tool {
    /// Its name.
    pub(super) name: String,
    /// The JSON Schemas of its parameters, by name.
    pub(super) properties: Value,
}

impl Tool {
    fn property(&self, names: &[&str]) -> Option<String> {
        names.iter().find(|name| self.properties.get(name).is_some()).map(|name| (*name).to_owned())
    }
}

/// A call of a tool.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// Of which tool.
    pub(super) tool: String,
    /// With these arguments, by name.
    pub(super) arguments: Value,
}

/// The call that does what the turn says; a sentence where no tool of the agent can.
pub(super) fn call(turn: &Turn, tools: &[Tool]) -> Result<Call, String> {
    let found = match turn {
        Turn::Write { path, text } => write(tools, path, text),
        Turn::Edit { path, old, new } => edit(tools, path, old, new),
        Turn::Shell(command) => shell(tools, command),
        Turn::Say(_) => None,
    };
    found.ok_or_else(|| format!("no tool for {turn:?} among {:?}", names(tools)))
}

fn write(tools: &[Tool], path: &str, text: &str) -> Option<Call> {
    let Some(tool) = tools.iter().find(|tool| tool.name.eq_ignore_ascii_case("write")) else {
        let lines: String = text.lines().map(|line| format!("+{line}\n")).collect();
        return patch(tools, &format!("*** Add File: {path}\n{lines}"));
    };
    let (file, content) = (tool.property(&["filePath", "file_path", "path"])?, tool.property(&["content"])?);
    Some(Call { tool: tool.name.clone(), arguments: json!({ file: path, content: text }) })
}

fn edit(tools: &[Tool], path: &str, old: &str, new: &str) -> Option<Call> {
    let Some(tool) = tools.iter().find(|tool| tool.name.eq_ignore_ascii_case("edit")) else {
        let removed: String = old.lines().map(|line| format!("-{line}\n")).collect();
        let added: String = new.lines().map(|line| format!("+{line}\n")).collect();
        return patch(tools, &format!("*** Update File: {path}\n@@\n{removed}{added}"));
    };
    let file = tool.property(&["filePath", "file_path", "path"])?;
    let (before, after) = (tool.property(&["oldString", "old_string"])?, tool.property(&["newString", "new_string"])?);
    Some(Call { tool: tool.name.clone(), arguments: json!({ file: path, before: old, after: new }) })
}

/// Codex changes files by `apply_patch`, which it takes out of the command before a shell sees it.
fn patch(tools: &[Tool], hunks: &str) -> Option<Call> {
    shell(tools, &format!("apply_patch <<'PATCH'\n*** Begin Patch\n{hunks}*** End Patch\nPATCH"))
}

fn shell(tools: &[Tool], command: &str) -> Option<Call> {
    let known = ["bash", "shell", "exec_command"];
    let tool = tools.iter().find(|tool| known.iter().any(|name| tool.name.eq_ignore_ascii_case(name)))?;
    let parameter = tool.property(&["command", "cmd"])?;
    let argument = match tool.properties[&parameter]["type"].as_str() {
        Some("array") => json!(["bash", "-c", command]),
        _ => json!(command),
    };
    Some(Call { tool: tool.name.clone(), arguments: json!({ parameter: argument }) })
}

fn names(tools: &[Tool]) -> Vec<&str> {
    tools.iter().map(|tool| tool.name.as_str()).collect()
}
