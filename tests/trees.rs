//! A restored tree is the executed one: kinds, modes, names, targets, and nothing that has no place in an output.

mod support;

use orca::base::FailureKind;
use support::{Entry, Project, Snapshot};

/// Everything that an output can be.
const MAKE: &str = r#"
mkdir -p d/sub/empty d/deep/er/and/deeper 'd/ with spaces ' d/-dash d/unicode
printf '\000\001\377binary' > d/binary; : > d/empty-file
echo run > d/run; chmod 755 d/run; echo run > d/group; chmod 654 d/group
echo private > d/private; chmod 600 d/private; echo locked > d/locked; chmod 444 d/locked
echo x > 'd/ with spaces /a b'; echo x > d/-dash/-rf; echo x > d/unicode/äöü-日本-🦀; echo x > 'd/[a-z]*?{b,c}'
echo x > "d/quote'\"\`\$"; echo x > 'd/back\slash'; echo x > d/...; echo x > d/.hidden
echo x > d/$(head -c 250 /dev/zero | tr '\0' n)
ln -s run d/link; ln -s ../d/sub d/link-to-dir; ln -s nowhere/at/all d/dangling; ln -s /etc/hostname d/absolute
ln -s . d/self; head -c 3000000 /dev/zero > d/large
"#;

fn project() -> Project {
    let list = "find d -printf '%y %m %p %l\\n' | LC_ALL=C sort > seen; find d -type f -exec cksum {} + | LC_ALL=C sort >> seen";
    Project::new(&format!(
        "[tasks.make]\nrun = '''{MAKE}'''\noutputs = [\"d\"]\n\
         [tasks.see]\nrun = '''{list}'''\ndeps = [\"make\"]\noutputs = [\"seen\"]\n"
    ))
}

fn outputs(orca: &Project) -> Snapshot {
    let mut tree = orca.tree();
    tree.0.retain(|path, _| path != "orca.toml");
    tree
}

#[test]
fn a_restored_tree_is_the_executed_one() {
    let orca = project();
    orca.build().ran(["make", "see"]);
    let executed = outputs(&orca);
    assert_eq!(executed.0.len(), 32, "{:?}", executed.0.keys());

    orca.remove("d").remove("seen").build().ran([]);
    assert_eq!(executed.difference(&outputs(&orca)), "");

    let other = orca.checkout(["d", "seen"]);
    other.build().ran([]);
    assert_eq!(executed.difference(&outputs(&other)), "");
}

#[test]
fn a_tree_seen_by_a_task_is_the_executed_one() {
    let orca = project();
    orca.build();
    let seen = orca.read("seen");
    // The second time what is seen comes from the cache, not from the project.
    orca.remove("d");
    orca.build_args(["--force", "see"]).green().ran(["see"]);
    assert_eq!(orca.read("seen"), seen);
}

#[test]
fn files_have_one_of_two_modes_and_never_a_set_id_bit() {
    let orca = Project::new(
        "[tasks.one]\nrun = 'mkdir d; for m in 4755 2755 1644 600 400 711 777 666; do echo $m > d/$m; chmod $m d/$m; done'\n\
         outputs = [\"d\"]\n",
    );
    for round in 0..2 {
        orca.build();
        let mode = |name: &str| match &outputs(&orca).0[&format!("d/{name}")] {
            Entry::File(mode, _) => format!("{mode:o}"),
            other => panic!("{other:?}"),
        };
        for (name, expected) in [
            ("4755", "755"),
            ("2755", "755"),
            ("1644", "644"),
            ("600", "644"),
            ("400", "644"),
            ("711", "755"),
            ("777", "755"),
        ] {
            assert_eq!(mode(name), expected, "{name} in round {round}");
        }
        orca.remove("d");
    }
}

#[test]
fn what_can_be_no_output_is_a_failure() {
    for body in ["mkfifo d/pipe", "echo 1 > \"d/$(printf '\\377')\""] {
        let orca =
            Project::new(&format!("[tasks.one]\nrun = '''mkdir d; echo 1 > d/a; {body}'''\noutputs = [\"d\"]\n"));
        let red = orca.build_red();
        assert_eq!(red.failure("one").kind, FailureKind::UndeclaredWrite, "{body}");
        assert!(!orca.exists("d"));
    }
}

#[test]
fn an_output_may_become_something_else() {
    let plan = |body: &str| format!("[tasks.one]\nrun = '''{body}'''\noutputs = [\"d\"]\n");
    let orca = Project::new("");
    let bodies = [
        "echo 1 > d",
        "mkdir -p d/e; echo 1 > d/e/f",
        "ln -s x d",
        "mkdir -p d/e",
        "mkdir -p d; echo 1 > d/e",
        "echo 2 > d",
    ];
    for _ in 0..2 {
        for body in bodies {
            orca.write("orca.toml", plan(body)).build();
            let clean = Project::new(&plan(body));
            clean.build();
            assert_eq!(outputs(&orca).difference(&outputs(&clean)), "", "{body}");
        }
    }
    assert!(!orca.exists(".orca/replaced"), "nothing of that was a person's");
}
