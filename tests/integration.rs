//! Changes of several agents, put together: what merges, what is made again on top, what a person did in between.
//!
//! The agents here do what their prompt says after `$`, so that a test reads like what it is about.

mod support;

use support::{Build, Project};

/// A plan with an agent that runs the lines of its prompt that begin with `$`.
fn plan(tasks: &str) -> String {
    let agent = r#"
[agents.hands]
preset = "command"
command = ["/bin/sh", "-c", "sed -n 's/^[$] //p' > \"$TMPDIR/todo\" && sh -eu \"$TMPDIR/todo\""]

"#;
    format!("{agent}{tasks}")
}

/// A task that edits `file` by these shell lines.
fn edits(name: &str, files: &str, lines: &str) -> String {
    let todo: String = lines.lines().map(|line| format!("$ {}\n", line.trim())).collect();
    format!("[tasks.{name}]\nprompt = '''\nDo this:\n{todo}'''\nedits = [{files}]\n\n")
}

const TEN: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";

fn project(tasks: &[String]) -> Project {
    let project = Project::new(&plan(&tasks.concat()));
    project.write("a.txt", TEN);
    project
}

#[test]
fn a_change_is_placed_once_and_its_task_is_clean_afterwards() {
    let orca = project(&[edits("one", "'a.txt'", "sed -i s/^2$/two/ a.txt")]);
    orca.build().ran(["one"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "two\n"));
    orca.build().ran([]).cached(["one"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "two\n"));
}

#[test]
fn changes_in_different_places_are_merged() {
    let orca = project(&[
        edits("one", "'a.txt'", "sed -i s/^2$/two/ a.txt"),
        edits("two", "'a.txt'", "sed -i s/^9$/nine/ a.txt"),
    ]);
    orca.build().ran(["one", "two"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "two\n").replace("9\n", "nine\n"));
    orca.build().ran([]);
}

#[test]
fn changes_of_the_same_line_make_the_later_task_run_on_top_of_the_earlier() {
    let orca = project(&[
        edits("one", "'a.txt'", "sed -i s/^5$/five/ a.txt"),
        edits("two", "'a.txt'", "sed -i 's/^\\(5\\|five\\)$/& and more/' a.txt"),
    ]);
    let built = orca.build();
    built.ran(["one", "two"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("5\n", "five and more\n"));
    assert_eq!(attempts(&built, "two"), 2);
    orca.build().ran([]);
    orca.append("orca.toml", "# a comment").build().ran([]);
}

fn attempts(build: &Build, name: &str) -> usize {
    let started = |event: &&orca::event::Event| matches!(event, orca::event::Event::TaskStarted { task, .. } if task.as_str() == name);
    build.events.iter().filter(started).count()
}
