//! `orca build --quiet`: what is wrong, what waits, how it ended, and nothing else.

mod support;

use support::Project;

fn plan(last: &str) -> Project {
    Project::new(&format!(
        "[tasks.made]\nrun = 'echo making; echo 1 > one'\noutputs = [\"one\"]\n[tasks.says]\nrun = 'echo hello; cat one'\n\
         inputs = [\"one\"]\n{last}"
    ))
}

#[test]
fn a_good_build_says_one_line() {
    let project = plan("");
    let lines = |args: &[&str]| {
        let told = project.orca(args.iter().copied()).exits(0);
        assert_eq!(told.stdout, "");
        told.stderr
    };
    let first = lines(&["build", "-q"]);
    assert!(first.starts_with("done: 2 ran in ") && first.lines().count() == 1, "{first}");
    project.remove("one");
    let restored = lines(&["build", "--quiet"]);
    assert!(restored.starts_with("done: 2 cached, 1 file restored in ") && restored.lines().count() == 1, "{restored}");
    // From the snapshot, and without.
    for args in [["build", "-q"], ["build", "-q"]] {
        let none = lines(&args);
        assert!(none.starts_with("nothing to do: 2 cached in ") && none.lines().count() == 1, "{none}");
        project.remove(".orca/snapshot");
    }
    assert!(lines(&["build"]).contains("hello"), "without it the log of what is nothing but its log is shown again");
}

#[test]
fn what_is_wrong_is_said_with_what_it_printed() {
    let project = plan("[tasks.bad]\nrun = 'echo why; exit 3'\ndeps = [\"says\"]\n");
    let red = project.orca(["build", "-q"]).exits(1);
    assert!(red.stderr.contains("FAILED bad: exit 3") && red.stderr.contains("| why"), "{}", red.stderr);
    assert!(!red.stderr.contains("hello") && !red.stderr.contains("ran says"), "{}", red.stderr);
    assert!(red.stderr.contains("failed: 2 ran, 1 failed"), "{}", red.stderr);
}

#[test]
fn it_does_not_go_with_more_words() {
    let project = plan("");
    for other in ["-v", "--json"] {
        let told = project.orca(["build", "-q", other]).exits(2);
        assert!(told.stderr.contains("cannot be used with"), "{}", told.stderr);
    }
}
