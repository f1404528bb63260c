//! Changes of several agents, put together: what merges, what is made again on top, what a person did in between.
//!
//! The agents here do what their prompt says after `$`, so that a test reads like what it is about.

mod support;

use support::cases::{CASES, Case};
use support::hands::{TEN, attempts, edits, plan};
use support::{Build, Project};

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
    let edited = orca.clean_room([".orca", "orca.lock"]);
    edited.write("a.txt", TEN).replace("orca.toml", "line 6' a.txt", "line six' a.txt").build();
    edited.append("a.txt", "line 6\n");
    let by_hand = |build: &Build| {
        build.events.iter().any(|event| matches!(event, orca::event::Event::GateBlamed { by_hand: true, .. }))
    };
    assert!(by_hand(&edited.build_red()));
    let red_before = orca.clean_room([".orca", "orca.lock"]);
    red_before.write("a.txt", "line 6\n");
    assert_eq!(blamed(&red_before.build_red()).map(|(task, _)| task), Some(None));
}

fn of_case(case: &Case) -> Project {
    let project = project(&[edits("one", "'*', 'd/**'", case.one), edits("two", "'*', 'd/**'", case.two)]);
    project.write("crlf.txt", TEN.replace('\n', "\r\n"));
    project
}

/// What a file holds.
fn found(project: &Project, path: &str) -> Option<String> {
    project.path(path).symlink_metadata().is_ok().then(|| project.read(path))
}

#[test]
fn each_case_ends_as_the_page_says_however_many_run_at_a_time() {
    for case in &CASES {
        let mut trees = Vec::new();
        for jobs in ["1", "8"] {
            let orca = of_case(case);
            let built = orca.build_args(["-j", jobs]).green();
            for (path, content) in case.after {
                assert_eq!(found(&orca, path).as_deref(), *content, "{}: {path}", case.name);
            }
            assert_eq!(attempts(&built, "two"), case.second_runs, "{}\n{}", case.name, built.output.transcript());
            orca.build().ran([]);
            trees.push(orca.tree());
        }
        assert_eq!(trees[0], trees[1], "{}", case.name);
    }
}
