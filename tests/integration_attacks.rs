//! What a repository, or an agent, tries: to reach files that are nobody's, and what it is judged by.

mod support;

use orca::base::FailureKind;
use support::{Project, by_hands, with_hands};

fn project(tasks: &[String]) -> Project {
    Project::new(&with_hands(tasks))
}

/// Does something to the journal, as its author in another place could.
fn forge(orca: &Project, sql: &str, values: [&str; 2]) {
    let journal = rusqlite::Connection::open(orca.path(".orca/journal.db")).expect("a journal");
    journal.execute(sql, values).expect("it is an ordinary database");
}

const WRITTEN: &str =
    r#"{"before":{"kind":"symlink","target":"../../evil"},"after":null,"provenance":null,"changes":{},"task":"a"}"#;

#[test]
fn an_undo_that_came_with_the_repository_reaches_neither_git_nor_orca() {
    for path in [".git/hooks/pre-commit", ".orca/planted", "sub/.git/hooks/x"] {
        let orca = project(&[by_hands("a", "edits = ['f']", "echo a >> f")]);
        orca.write("f", "f\n").write(".git/hooks/other", "").build();
        let step = format!(
            r#"{{"found":null,"wanted":{{"kind":"symlink","target":"../../evil"}},"stays":null,"written":{WRITTEN}}}"#
        );
        let undo = format!(r#"{{"run":1,"tasks":[],"paths":{{"{path}":{step}}}}}"#);
        forge(&orca, "INSERT OR REPLACE INTO notes VALUES (?1, ?2)", ["undo", &undo]);
        forge(&orca, "INSERT OR REPLACE INTO writes VALUES (1, ?1, ?2)", [path, WRITTEN]);
        orca.build();
        orca.orca(["undo", "--yes"]);
        assert!(!orca.exists(path), "{path}");
    }
}

#[test]
fn a_file_that_was_a_directory_for_a_while_comes_back() {
    let orca = project(&[by_hands("a", "edits = ['f', 'd/**']", "rm d/g; mkdir d/g; echo > d/g/x")]);
    orca.write("f", "one\n").write("d/g", "G\n").write("d/k", "k\n");
    orca.build().ran(["a"]);
    assert!(orca.exists("d/g/x"));
    orca.write("orca.toml", with_hands(&[by_hands("a", "edits = ['f', 'd/**']", "echo A >> f")])).build().ran(["a"]);
    assert_eq!((orca.read("d/g"), orca.read("f")), ("G\n".to_owned(), "one\nA\n".to_owned()));
    orca.build().ran([]);
}

#[test]
fn a_cached_edit_is_judged_where_its_file_is_not_in_place() {
    let task = |gates: &str| with_hands(&[by_hands("a", &format!("edits = ['f']\n{gates}"), "echo A >> f")]);
    let orca = Project::new(&task(""));
    orca.write("f", "one\n");
    let other = orca.checkout([]);
    orca.build().ran(["a"]);
    other.write("orca.toml", task("gates = ['g']\n[gates.g]\nrun = 'grep -q A f'\n")).build().ran([]).cached(["a"]);
    assert_eq!(other.read("f"), "one\nA\n");
}

#[test]
fn an_agent_takes_nothing_away_from_a_gate_and_adds_nothing_to_the_plan() {
    let gate = "\n[gates.g]\nrun = 'sh g/1.sh'\ninputs = ['g/*.sh']\n";
    let hides = by_hands("a", "edits = ['.gitignore']", "echo g/ > .gitignore");
    let orca = project(&[hides, gate.to_owned()]);
    orca.write(".gitignore", "").write("g/1.sh", "true\n");
    let red = orca.build_red();
    assert_eq!(red.failure("a").kind, FailureKind::UndeclaredWrite);
    assert!(red.failure("a").details[0].contains("`g`"), "{:?}", red.failure("a"));

    let plans = by_hands("a", "edits = ['f', 'sub/**']", "mkdir -p sub; echo A >> f; echo x > sub/new.toml");
    let orca = Project::new(&format!("include = ['sub/*.toml']\n{}", with_hands(&[plans])));
    orca.write("f", "f\n").write("sub/k.toml", "[tasks.k]\nrun = 'true'\n");
    let red = orca.build_args(["-k"]).red();
    assert_eq!(red.failure("a").kind, FailureKind::UndeclaredWrite);
    assert!(!orca.exists("sub/new.toml"));
}

#[test]
fn a_person_may_put_a_directory_where_an_edited_file_was() {
    let orca = project(&[by_hands("a", "edits = ['f*', 'f/**']", "echo A >> f")]);
    orca.write("f", "one\n").build().ran(["a"]);
    orca.remove("f").write("f/x", "mine\n");
    let built = orca.build_args([]);
    assert_ne!(built.output.status.code(), Some(4), "{}", built.output.transcript());
    assert_eq!(orca.read("f/x"), "mine\n");
}
