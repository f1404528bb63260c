//! Agents that do what their prompt says: each line of it that begins with `$` is a line of shell.

use std::collections::BTreeSet;

use orca::engine::{Power, consent};
use orca::event::Event;

use super::{Build, Project};

/// Ten lines.
pub(crate) const TEN: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";

/// A plan with that agent, and these tasks.
pub(crate) fn with_hands(tasks: &[String]) -> String {
    plan(&tasks.concat())
}

/// As [`with_hands`], of one text.
pub(crate) fn plan(tasks: &str) -> String {
    let agent = r#"
[agents.hands]
preset = "command"
command = ["/bin/sh", "-c", "sed -n 's/^[$] //p' > \"$TMPDIR/todo\" && sh -eu \"$TMPDIR/todo\""]

"#;
    format!("{agent}{tasks}")
}

/// A task for it: further keys as they stand in the plan, and the shell lines of its prompt.
pub(crate) fn by_hands(name: &str, keys: &str, lines: &str) -> String {
    let todo: String = lines.lines().map(|line| format!("$ {}\n", line.trim())).collect();
    format!("[tasks.{name}]\nprompt = '''\nDo this:\n{todo}'''\n{keys}\n\n")
}

/// A task for it that edits `files`, which is the inside of a list.
pub(crate) fn edits(name: &str, files: &str, lines: &str) -> String {
    edits_with(name, files, lines, "")
}

/// As [`edits`], with further keys.
pub(crate) fn edits_with(name: &str, files: &str, lines: &str, more: &str) -> String {
    by_hands(name, &format!("edits = [{files}]\n{more}"), lines)
}

/// How often a task was started.
pub(crate) fn attempts(build: &Build, name: &str) -> usize {
    let started = |event: &&Event| matches!(event, Event::TaskStarted { task, .. } if task.as_str() == name);
    build.events.iter().filter(started).count()
}

/// Lets a project be built without a sandbox, which is quicker.
pub(crate) fn without_sandbox(project: &mut Project) {
    project.set_env("ORCA_SANDBOX", "none");
    let state = project.root().parent().expect("it lies in its world").join("state/orca");
    consent(&state, project.root(), &BTreeSet::from([Power::MissingSandbox])).expect("consent is a file");
}
