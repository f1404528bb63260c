//! An agent for tests: it does what its prompt says after `$`, so that a test reads like what it is about.

/// A plan with that agent, and these tasks.
pub(crate) fn with_hands(tasks: &[String]) -> String {
    let agent = r#"
[agents.hands]
preset = "command"
command = ["/bin/sh", "-c", "sed -n 's/^[$] //p' > \"$TMPDIR/todo\" && sh -eu \"$TMPDIR/todo\""]

"#;
    format!("{agent}{}", tasks.concat())
}

/// A task for it: further keys as they stand in the plan, and the shell lines of its prompt.
pub(crate) fn by_hands(name: &str, keys: &str, lines: &str) -> String {
    let todo: String = lines.lines().map(|line| format!("$ {}\n", line.trim())).collect();
    format!("[tasks.{name}]\nprompt = '''\nDo this:\n{todo}'''\n{keys}\n\n")
}
