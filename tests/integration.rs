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

#[test]
fn a_task_that_leaves_the_plan_leaves_its_work_and_costs_the_others_nothing() {
    let one = edits("one", "'a.txt', 'b*.txt'", "sed -i s/^2$/two/ a.txt; echo one > b.txt");
    let two = edits("two", "'a.txt'", "sed -i s/^9$/nine/ a.txt");
    let orca = project(&[one.clone(), two.clone()]);
    orca.build().ran(["one", "two"]);
    let both = TEN.replace("2\n", "two\n").replace("9\n", "nine\n");

    orca.write("orca.toml", plan(&two)).build().ran([]).cached(["two"]);
    assert_eq!((orca.read("a.txt"), orca.read("b.txt")), (both.clone(), "one\n".to_owned()));
    orca.build().ran([]);

    orca.write("orca.toml", plan(&two.replace("/nine/", "/NINE/"))).build().ran(["two"]);
    assert_eq!(orca.read("a.txt"), both.replace("nine", "NINE"), "what has left stays in the fold");

    let made = "[tasks.made]\nprompt = '''\n$ echo made > made.txt\n'''\noutputs = ['made.txt']\n";
    orca.append("orca.toml", made).build().ran(["made"]);
    orca.write("orca.toml", plan(&edits("three", "'a.txt'", "sed -i s/^two$/2/ a.txt"))).build().ran(["three"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("9\n", "NINE\n"), "with the last of them gone, it is source");
    assert_eq!(orca.read("made.txt"), "made\n", "what an agent made is not removed either");
    orca.build().ran([]);
}

#[test]
fn a_red_gate_of_the_plan_names_the_task_that_broke_it() {
    let tasks: Vec<String> =
        (1..=9).map(|n| edits(&format!("t{n}"), "'a.txt'", &format!("sed -i '1i line {n}' a.txt"))).collect();
    let orca = Project::new(&plan(&format!(
        "[plan]\ngates = ['no-six']\n[gates.no-six]\nrun = '! grep -q \"line 6\" a.txt'\n{}",
        tasks.concat()
    )));
    orca.write("a.txt", TEN);
    let blamed = |build: &Build| {
        build.events.iter().find_map(|event| match event {
            orca::event::Event::GateBlamed { task, judged, .. } => {
                Some((task.as_ref().map(ToString::to_string), *judged))
            }
            _ => None,
        })
    };
    let built = orca.build_args(["-j", "2"]).red();
    let (task, judged) = blamed(&built).unwrap_or_else(|| panic!("nobody is blamed\n{}", built.output.transcript()));
    assert_eq!(task.as_deref(), Some("t6"));
    assert!(judged <= 5, "{judged} trees for nine tasks");
    let again = orca.build_red();
    assert_eq!(again.ran([]).output.stdout.matches("gate-judged").count(), 1);
    let red_before = orca.clean_room([".orca"]);
    red_before.write("a.txt", "line 6\n");
    assert_eq!(blamed(&red_before.build_red()).map(|(task, _)| task), Some(None));
}

fn attempts(build: &Build, name: &str) -> usize {
    let started = |event: &&orca::event::Event| matches!(event, orca::event::Event::TaskStarted { task, .. } if task.as_str() == name);
    build.events.iter().filter(started).count()
}

/// Two agents over the same base: what each does, what comes of it, and how often the second one runs.
struct Case {
    name: &'static str,
    one: &'static str,
    two: &'static str,
    /// Path and content; `None`: it is not there.
    after: &'static [(&'static str, Option<&'static str>)],
    second_runs: usize,
}

const CASES: [Case; 15] = [
    Case {
        name: "the same line, equally",
        one: "sed -i s/^5$/five/ a.txt",
        two: "sed -i s/^5$/five/ a.txt",
        after: &[("a.txt", Some("1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n"))],
        second_runs: 1,
    },
    Case {
        name: "adjacent lines",
        one: "sed -i s/^5$/five/ a.txt",
        two: "sed -i s/^6$/six/ a.txt",
        after: &[("a.txt", Some("1\n2\n3\n4\nfive\nsix\n7\n8\n9\n10\n"))],
        second_runs: 2,
    },
    Case {
        name: "one deletes what the other edits",
        one: "rm a.txt",
        two: "if [ -e a.txt ]; then sed -i s/^6$/six/ a.txt; else echo gone > b.txt; fi",
        after: &[("a.txt", None), ("b.txt", Some("gone\n"))],
        second_runs: 2,
    },
    Case {
        name: "one edits what the other deletes",
        one: "sed -i s/^6$/six/ a.txt",
        two: "grep -q six a.txt && cp a.txt b.txt; rm a.txt",
        after: &[("a.txt", None), ("b.txt", Some("1\n2\n3\n4\n5\nsix\n7\n8\n9\n10\n"))],
        second_runs: 2,
    },
    Case { name: "both delete", one: "rm a.txt", two: "rm -f a.txt", after: &[("a.txt", None)], second_runs: 1 },
    Case {
        name: "rename and edit",
        one: "mv a.txt b.txt",
        two: "[ -e b.txt ] && file=b.txt || file=a.txt; sed -i s/^6$/six/ $file",
        after: &[("a.txt", None), ("b.txt", Some("1\n2\n3\n4\n5\nsix\n7\n8\n9\n10\n"))],
        second_runs: 2,
    },
    Case {
        name: "both create the same file, equally",
        one: "echo new > b.txt",
        two: "echo new > b.txt",
        after: &[("b.txt", Some("new\n"))],
        second_runs: 1,
    },
    Case {
        name: "both create the same file, differently",
        one: "echo one > b.txt",
        two: "echo two >> b.txt",
        after: &[("b.txt", Some("one\ntwo\n"))],
        second_runs: 2,
    },
    Case {
        name: "mode and text",
        one: "chmod +x a.txt",
        two: "sed -i s/^6$/six/ a.txt",
        after: &[("a.txt", Some("1\n2\n3\n4\n5\nsix\n7\n8\n9\n10\n"))],
        second_runs: 1,
    },
    Case {
        name: "binary",
        one: "printf 'a\\0b' > c.bin",
        two: "printf 'b\\0a' >> c.bin",
        after: &[("c.bin", Some("a\0bb\0a"))],
        second_runs: 2,
    },
    Case {
        name: "no newline at the end",
        one: "printf 'x\\ny' > a.txt",
        two: "sed -i 's/^\\(1\\|x\\)$/& first/' a.txt",
        after: &[("a.txt", Some("x first\ny"))],
        second_runs: 2,
    },
    Case {
        name: "CRLF",
        one: "sed -i 's/^2\\r$/two\\r/' crlf.txt",
        two: "sed -i 's/^9\\r$/nine\\r/' crlf.txt",
        after: &[("crlf.txt", Some("1\r\ntwo\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8\r\nnine\r\n10\r\n"))],
        second_runs: 1,
    },
    Case {
        name: "a file becomes a link where the other edits",
        one: "rm a.txt; ln -s crlf.txt a.txt",
        two: "[ -L a.txt ] || sed -i s/^6$/six/ a.txt",
        after: &[("crlf.txt", Some("1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8\r\n9\r\n10\r\n"))],
        second_runs: 2,
    },
    Case {
        name: "a file where the other makes a directory",
        one: "echo file > d",
        two: "if [ -e d ]; then echo met > b.txt; else mkdir d; echo x > d/x; fi",
        after: &[("d", Some("file\n")), ("b.txt", Some("met\n"))],
        second_runs: 2,
    },
    Case {
        name: "nothing of the second is left",
        one: "sed -i s/^5$/five/ a.txt",
        two: "sed -i s/^5$/FIVE/ a.txt",
        after: &[("a.txt", Some("1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n"))],
        second_runs: 2,
    },
];

impl Case {
    fn project(&self) -> Project {
        let project = project(&[edits("one", "'*', 'd/**'", self.one), edits("two", "'*', 'd/**'", self.two)]);
        project.write("crlf.txt", TEN.replace('\n', "\r\n"));
        project
    }

    /// What the files hold.
    fn found(project: &Project, path: &str) -> Option<String> {
        project.path(path).symlink_metadata().is_ok().then(|| project.read(path))
    }
}

#[test]
fn each_case_ends_as_the_page_says_however_many_run_at_a_time() {
    for case in &CASES {
        let mut trees = Vec::new();
        for jobs in ["1", "8"] {
            let orca = case.project();
            let built = orca.build_args(["-j", jobs]).green();
            for (path, content) in case.after {
                assert_eq!(Case::found(&orca, path).as_deref(), *content, "{}: {path}", case.name);
            }
            assert_eq!(attempts(&built, "two"), case.second_runs, "{}\n{}", case.name, built.output.transcript());
            orca.build().ran([]);
            trees.push(orca.tree());
        }
        assert_eq!(trees[0], trees[1], "{}", case.name);
    }
}
