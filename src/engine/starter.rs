//! A small plan to start from: `orca init`.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::session::EngineError;

/// The plan. It builds as it is.
pub const STARTER: &str = r#"# What is to be done, and what it needs. `orca build` runs what is not up to date; type it twice and see.
# `orca check` says what is wrong with this file, `orca graph` draws it, `orca schema` is for your editor.

[plan]
name = "NAME"

# A task sees its inputs and nothing else, and puts its outputs into the project.
[tasks.greeting]
description = "Writes a file"
run = ["sh", "-c", "mkdir -p build && echo 'Hello from orca' > build/greeting.txt"]
outputs = ["build/greeting.txt"]

# It reads what `greeting` writes, and so waits for it. Without outputs it is a check: cached by its success.
[tasks.check]
description = "Looks at what the other one wrote"
run = "grep -q Hello build/greeting.txt"
inputs = ["build/greeting.txt"]

# A task for an agent has a prompt in place of a command. Any program can be an agent:
#
# [agents.mine]
# preset = "command"
# command = ["my-agent", "--print"]
#
# [context]
# background = "What this project is."
#
# [gates.finished]
# run = "! grep -n 'to be written' docs/overview.md"
#
# [tasks.docs]
# agent = "mine"
# prompt = "Describe what src does, in docs/overview.md."
# inputs = ["src/**"]
# outputs = ["docs/overview.md"]
# acceptance = ["Every module has a paragraph."]
# gates = ["finished"]
"#;

/// Writes the starter plan into a directory, and answers where. What is there already is never overwritten.
pub fn write_starter(directory: &Path) -> Result<PathBuf, EngineError> {
    let path = directory.join("orca.toml");
    let name = directory.canonicalize().ok();
    let name = name.as_deref().and_then(Path::file_name).map(plain_name).filter(|name| !name.is_empty());
    let text = STARTER.replace("NAME", name.as_deref().unwrap_or("project"));
    let file = OpenOptions::new().write(true).create_new(true).open(&path);
    match file.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(EngineError::World(format!("{} is there already; it stays as it is", path.display())))
        }
        Err(error) => Err(EngineError::World(format!("cannot write {}: {error}", path.display()))),
    }
}

/// What of a directory's name can be a plan's.
fn plain_name(name: &std::ffi::OsStr) -> String {
    let lower = name.to_string_lossy().to_lowercase();
    let kept = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    lower.chars().map(kept).collect::<String>().trim_matches('-').chars().take(40).collect()
}
