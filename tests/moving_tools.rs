//! Declared tools that are replaced or written to while a build runs: no result goes under the key of another tool.
#![expect(clippy::disallowed_methods, reason = "installs tools")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use support::{Build, Project, wait_until};

/// A directory of tools, first on PATH, outside the project.
struct Tools(tempfile::TempDir);

impl Tools {
    fn on_path_of(project: &mut Project) -> Self {
        let tools = Self(tempfile::tempdir().expect("a directory"));
        let path = std::env::var("PATH").expect("there is one");
        project.set_env("PATH", format!("{}:{path}", tools.0.path().display()));
        tools
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("say")
    }

    /// Another file takes its place.
    fn replace(&self, word: &str) {
        let new = self.0.path().join("say.new");
        fs::write(&new, format!("#!/bin/sh\necho {word}\n")).expect("it is written");
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).expect("it is ours");
        fs::rename(new, self.path()).expect("it moves");
    }

    /// The same file says something else.
    fn rewrite(&self, word: &str) {
        fs::write(self.path(), format!("#!/bin/sh\necho {word}\n")).expect("it is written");
    }
}

/// Builds with one tool, changes it when the task `slow` runs, and lets that end.
fn changed_meanwhile(project: &Project, change: impl Fn()) -> Build {
    let mut build = project.spawn(["build", "--json"]);
    let inside = |file: &str| project.path(&format!(".orca/work/slow/tree/{file}"));
    wait_until("for the body", || inside("here").exists());
    change();
    fs::write(inside("go"), "").expect("it is there");
    build.wait_for("run-finished");
    Build::read(build.wait())
}

const WAIT: &str = "touch here; until [ -e go ]; do sleep 0.01; done";

#[test]
fn a_tool_replaced_before_its_task_leaves_no_result() {
    let mut project = Project::new(&format!(
        "[tasks.slow]\nrun = '{WAIT}'\nundeclared = \"discard\"\n[tasks.t]\nrun = 'say > out'\ndeps = [\"slow\"]\ntools = [\"say\"]\n\
         outputs = [\"out\"]\n"
    ));
    let tools = Tools::on_path_of(&mut project);
    tools.replace("five");
    let red = changed_meanwhile(&project, || tools.replace("six")).red();
    assert!(red.failure("t").message.contains("the tool `say` was replaced"), "{}", red.failure("t").message);
    assert!(!project.exists("out"));
    project.build().ran(["t"]);
    assert_eq!(project.read("out"), "six\n");
    tools.replace("five");
    project.build().ran(["t"]);
    assert_eq!(project.read("out"), "five\n");
    let second = project.checkout(["out"]);
    second.build().ran([]);
    assert_eq!(second.read("out"), "five\n");
}

#[test]
fn a_tool_written_to_while_its_task_runs_leaves_no_result() {
    let mut project = Project::new(&format!(
        "[tasks.slow]\nrun = '{WAIT}; say > out'\nundeclared = \"discard\"\ntools = [\"say\"]\noutputs = [\"out\"]\n"
    ));
    let tools = Tools::on_path_of(&mut project);
    tools.replace("three");
    changed_meanwhile(&project, || tools.rewrite("four")).red();
    tools.rewrite("three");
    let mut build = project.spawn(["build", "--json"]);
    let inside = |file: &str| project.path(&format!(".orca/work/slow/tree/{file}"));
    wait_until("for the body", || inside("here").exists());
    fs::write(inside("go"), "").expect("it is there");
    build.wait_for("run-finished");
    Build::read(build.wait()).green().ran(["slow"]);
    assert_eq!(project.read("out"), "three\n");
}

#[test]
fn a_tool_that_is_written_anew_as_it_was_is_the_same() {
    let mut project = Project::new(&format!(
        "[tasks.slow]\nrun = '{WAIT}; say > out'\nundeclared = \"discard\"\ntools = [\"say\"]\noutputs = [\"out\"]\n"
    ));
    let tools = Tools::on_path_of(&mut project);
    tools.replace("three");
    changed_meanwhile(&project, || tools.replace("three")).green().ran(["slow"]);
    assert_eq!(project.read("out"), "three\n");
}
