//! Integration where it is easily wrong: red tasks, builds of a part, odd names and modes, files that become directories,
//! outputs that are edited, many files, and disks that are full or cannot be written.

mod support;

use support::Project;
use support::hands::{TEN, attempts, edits, edits_with, plan, without_sandbox};

fn project(tasks: &[String]) -> Project {
    let mut project = Project::new(&plan(&tasks.concat()));
    without_sandbox(&mut project);
    project.write("a.txt", TEN);
    project
}

fn put(project: &Project, tasks: &[String]) {
    project.write("orca.toml", plan(&tasks.concat()));
}

// Red tasks, and tasks that are not part of the build.

fn second_to(word: &str) -> String {
    edits("one", "'a.txt'", &format!("sed -i s/^2$/{word}/ a.txt"))
}

fn ninth_to(word: &str) -> String {
    edits("two", "'a.txt'", &format!("sed -i s/^9$/{word}/ a.txt"))
}

#[test]
fn what_a_red_task_did_before_gives_way_where_it_does_not_fit_any_more() {
    let orca = project(&[second_to("two"), ninth_to("nine")]);
    orca.build();
    put(&orca, &[edits("one", "'a.txt'", "exit 1"), edits("two", "'a.txt'", "sed -i s/^2$/zwei/ a.txt")]);
    let built = orca.build_args(["-k"]).red();
    built.failed(["one"]).ran(["two"]);
    assert!(built.output.stdout.contains("does not fit any more"), "{}", built.output.transcript());
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "zwei\n"));
    let again = orca.build_args(["-k"]).red();
    again.failed(["one"]).cached(["two"]);
    // Green again, the earlier one is there first, and the later one is made on top of it.
    put(&orca, &[second_to("two"), edits("two", "'a.txt'", "sed -i 's/^\\(2\\|two\\)$/zwei/' a.txt")]);
    orca.build();
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "zwei\n"));
    orca.build().ran([]);
}

#[test]
fn what_gave_way_comes_back_whole() {
    let one =
        |word: &str| edits("one", "'a.txt', 'b.txt'", &format!("sed -i s/^2$/two/ a.txt\nsed -i s/^2$/{word}/ b.txt"));
    let two = |line: &str| edits("two", "'a.txt'", &format!("sed -i 's/{line}/& by two/' a.txt"));
    let orca = project(&[one("two"), two("^9$")]);
    orca.write("b.txt", TEN);
    orca.build();
    // Its new result clashes with a person's edit, so it is red without having a new record.
    orca.replace("b.txt", "two\n", "two of mine\n");
    put(&orca, &[one("zwei"), two("^\\(2\\|two\\)$")]);
    orca.build_args(["-k"]).red().failed(["one"]).ran(["two"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "2 by two\n"));
    // What it was before is on record no more, but in the cache.
    put(&orca, &[one("two"), two("^\\(2\\|two\\)$")]);
    orca.build().cached(["one"]).ran(["two"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "two by two\n"));
    assert_eq!(orca.read("b.txt"), TEN.replace("2\n", "two of mine\n"));
    orca.build().ran([]);
}

#[test]
fn what_a_red_task_did_before_stays_where_it_fits() {
    let orca = project(&[second_to("two"), ninth_to("nine")]);
    orca.build();
    put(&orca, &[edits("one", "'a.txt'", "exit 1"), ninth_to("neun")]);
    orca.build_args(["-k"]).red().failed(["one"]).ran(["two"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "two\n").replace("9\n", "neun\n"));
}

#[test]
fn an_accepted_change_is_placed_although_a_later_task_is_red() {
    for jobs in ["1", "8"] {
        let orca = project(&[second_to("two"), ninth_to("nine")]);
        orca.build();
        put(&orca, &[second_to("zwei"), edits("two", "'a.txt'", "sleep 0.3\nexit 1")]);
        orca.build_args(["-k", "-j", jobs]).red().ran(["one"]).failed(["two"]);
        let expected = TEN.replace("2\n", "zwei\n").replace("9\n", "nine\n");
        assert_eq!(orca.read("a.txt"), expected, "-j{jobs}");
        orca.build_args(["-k", "-j", jobs]).red().cached(["one"]).failed(["two"]);
        assert_eq!(orca.read("a.txt"), expected, "-j{jobs}");
        // What does not fit any more with the new change goes with its red task.
        put(
            &orca,
            &[edits("one", "'a.txt'", "sed -i s/^9$/neun/ a.txt"), edits("two", "'a.txt'", "sleep 0.3\nexit 1")],
        );
        orca.build_args(["-k", "-j", jobs]).red().ran(["one"]).failed(["two"]);
        assert_eq!(orca.read("a.txt"), TEN.replace("9\n", "neun\n"), "-j{jobs}");
    }
}

#[test]
fn a_clash_with_a_task_that_is_not_built_is_red_and_says_what_to_build() {
    let orca = project(&[second_to("two"), ninth_to("nine")]);
    orca.build();
    put(&orca, &[second_to("two"), edits("two", "'a.txt'", "sed -i 's/^\\(2\\|two\\)$/& or zwei/' a.txt")]);
    let built = orca.build_args(["two"]).red();
    built.failed(["two"]);
    let said = built.failure("two").details.join("\n");
    assert!(said.contains("orca build one two"), "{said}");
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "two\n").replace("9\n", "nine\n"));
    orca.build().ran(["two"]);
    assert_eq!(orca.read("a.txt"), TEN.replace("2\n", "two or zwei\n"));
}

// Files and directories that change places.

#[test]
fn a_file_becomes_a_directory_and_a_directory_a_file() {
    let orca = project(&[edits("one", "'a.txt', 'a.txt/**'", "rm a.txt\nmkdir a.txt\necho x > a.txt/x")]);
    orca.build().ran(["one"]);
    assert_eq!(orca.read("a.txt/x"), "x\n");
    orca.build().ran([]);
    let orca = project(&[edits("one", "'d', 'd/**'", "rm -r d\necho file > d")]);
    orca.write("d/x", "x\n").write("d/e/y", "y\n");
    orca.build().ran(["one"]);
    assert_eq!(orca.read("d"), "file\n");
    orca.build().ran([]);
}

#[test]
fn a_file_in_whose_place_an_empty_directory_is_left_is_gone() {
    let orca = project(&[edits("one", "'a.txt', 'a.txt/**'", "rm a.txt\nmkdir a.txt")]);
    orca.build().ran(["one"]);
    assert!(!orca.exists("a.txt"));
    orca.build().ran([]);
    let outside = project(&[edits("one", "'b.txt'", "rm a.txt\nmkdir a.txt\ntouch b.txt")]);
    outside.write("b.txt", "");
    let inputs = edits_with("one", "'b.txt'", "rm a.txt\nmkdir a.txt\necho b > b.txt", "inputs = ['a.txt']");
    put(&outside, &[inputs]);
    outside.build_red().failed(["one"]);
    let _ = attempts;
}
