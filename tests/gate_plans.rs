//! What a plan may say of gates, and what follows: gates that are named like their check, tests that a command names, files that
//! a task may change, and what the next attempt is told.

mod support;

use orca::event::Event;
use support::hands::attempts;
use support::{Build, Project, by_hands, with_hands};

fn verdict(build: &Build, name: &str) -> Option<String> {
    build.events.iter().find_map(|event| match event {
        Event::GateJudged { gate, verdict, .. } if gate.as_str() == name => Some(verdict.clone()),
        _ => None,
    })
}

#[test]
fn a_gate_that_is_named_like_a_check_is_that_check() {
    let task = by_hands("one", "outputs = ['a.py']", "echo 'import pickle; pickle.loads(b)' > a.py");
    let orca = Project::new(&with_hands(&["[gates.security]\nlevel = \"disabled\"\n".to_owned(), task]));
    let build = orca.build();
    assert_eq!(verdict(&build, "security"), None);
    orca.replace("orca.toml", "\"disabled\"", "\"strict\"");
    assert_eq!(verdict(&orca.build_red(), "security").as_deref(), Some("failed"));
    orca.replace("orca.toml", "level = \"strict\"", "ignore = [\"patterns/*\"]");
    assert_eq!(verdict(&orca.build(), "security").as_deref(), Some("passed"));
    orca.append("orca.toml", "[gates.other]\nlevel = \"strict\"\n");
    orca.orca(["check"]).exits(3).prints(["missing_body"]);
}

/// The test that a task is to write is its work, also where the command of `tdd` names the file.
#[test]
fn a_declared_test_that_the_command_names_may_be_written() {
    let test = "printf 'import sys\\nsys.path.insert(0, \"src\")\\nimport unittest\\n\\n\\nclass T(unittest.TestCase):\\n    def test_two(self):\\n        from m import two\\n        self.assertEqual(two(), 2)\\n\\n\\nunittest.main(verbosity=2)\\n' > tests/test_m.py";
    let lines = format!("{test}\nprintf 'def two():\\n    return 2\\n' > src/m.py");
    let keys = "edits = ['src/**', 'tests/**']\ntdd = { tests = ['tests/test_m.py'], run = 'python3 tests/test_m.py' }";
    let orca = Project::new(&with_hands(&[by_hands("one", keys, &lines)]));
    orca.write("src/m.py", "def two():\n    return 1\n").write("tests/README", "tests\n");
    let build = orca.build();
    build.ran(["one"]);
    assert_eq!(verdict(&build, "integrity").as_deref(), Some("passed"));
}

#[test]
fn files_of_gates_may_be_changed_by_a_task_that_says_so() {
    let gate = "[gates.spec]\nrun = \"test -s spec/cases\"\ninputs = [\"spec/**\"]\n".to_owned();
    let task = by_hands("one", "edits = ['spec/**']\ngates = ['spec']", "echo 2 >> spec/cases");
    let orca = Project::new(&with_hands(&[gate, task]));
    orca.write("spec/cases", "1\n");
    let red = orca.build_red();
    assert!(red.failure("one").details.iter().any(|line| line.contains("spec/cases")), "{:?}", red.failure("one"));
    orca.replace("orca.toml", "edits = ['spec/**']", "edits = ['spec/**']\nmay_change = ['spec/*']");
    orca.build().ran(["one"]);
    assert_eq!(orca.read("spec/cases"), "1\n2\n");
}

/// Two gates are red for reasons of their own; whoever makes the next attempt is told both, in this build and in the next one.
#[test]
fn the_next_attempt_is_told_what_every_gate_found() {
    let gate =
        |name: &str, word: &str| format!("[gates.{name}]\nrun = \"echo no-$(echo {word}); grep -q {word} out\"\n");
    let agent = "[agents.a]\ncommand = [\"sh\", \"-c\", \"cp .orca/task.md seen.md; grep -q 'no-ham' .orca/task.md && echo ham >> out; \
        grep -q 'no-egg' .orca/task.md && echo egg >> out; touch out\"]\n";
    let task = "[tasks.one]\nprompt = \"Make a breakfast, please.\"\noutputs = [\"out\", \"seen.md\"]\ngates = [\"ham\", \"egg\"]\n";
    let orca =
        Project::new(&format!("{}{}{agent}{task}retry = {{ attempts = 2 }}\n", gate("ham", "ham"), gate("egg", "egg")));
    let build = orca.build();
    assert_eq!(attempts(&build, "one"), 2);
    let single = Project::new(&format!("{}{}{agent}{task}", gate("ham", "ham"), gate("egg", "egg")));
    let red = single.build_red();
    let details = red.failure("one").details.join("\n");
    assert!(details.contains("no-ham") && details.contains("no-egg"), "{details}");
    single.build().ran(["one"]);
    assert_eq!(single.read("out"), "ham\negg\n");
}

#[test]
fn a_report_outside_of_the_project_is_refused() {
    for path in ["/etc/hostname", "../x"] {
        let plan =
            format!("[gates.g]\nrun = \"true\"\nreport = \"{path}\"\n[tasks.a]\nrun = \"true\"\ngates = [\"g\"]\n");
        Project::new(&plan).orca(["check"]).exits(3).prints(["path"]);
    }
}

#[test]
fn what_strict_does_not_let_pass_is_named() {
    let lock = "[tasks.one]\nrun = \"cp in Cargo.lock\"\ninputs = [\"in\"]\noutputs = [\"Cargo.lock\"]\ngates = [\"d\"]\n\
        [gates.d]\ncheck = \"dependencies\"\nlevel = \"strict\"\n";
    let orca = Project::new(lock);
    orca.write("in", "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n");
    let red = orca.build_red();
    let message = &red.failure("one").message;
    assert!(message.contains("`strict` lets nothing pass that could not be judged: dependencies skipped"), "{message}");
}

/// Who reads all files does not mean the plan: a changed gate, and what a person accepts, judge again and run nothing.
#[test]
fn a_changed_gate_and_a_baseline_run_nothing_of_a_task_that_reads_everything() {
    let task = by_hands("one", "edits = ['**']\ngates = ['g']", "date +%s%N > stamp; echo 'x = eval(y)' > a.py");
    let orca = Project::new(&with_hands(&["[gates.g]\nrun = \"true\"\n".to_owned(), task]));
    orca.write("b.txt", "b\n");
    orca.build().ran(["one"]);
    let stamp = orca.read("stamp");
    orca.replace("orca.toml", "run = \"true\"", "run = \"exit 0\"");
    orca.build().ran([]);
    orca.append("orca.toml", "[plan]\nlevel = \"strict\"\n");
    orca.orca(["gate"]).exits(1);
    orca.orca(["baseline"]).exits(0).prints(["patterns/python-eval"]);
    orca.build().ran([]);
    assert_eq!(orca.read("stamp"), stamp);
    orca.orca(["baseline"]).exits(0).prints(["nothing is found that was not accepted before"]);
}

/// What is accepted is that secret on that line, and no other one of the same length.
#[test]
fn an_accepted_secret_is_that_one_and_no_other() {
    let token = |letters: &str| format!("gh{}_{}", "p", letters);
    let (one, other) = (token("aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY1zA2"), token("Zq9XwV7tS5rQ3pN1mL8kJ6hG4fE2dC0bA9yB"));
    let lines = |token: &str| format!("echo 'token = \"{token}\"' > conf.py");
    let orca = Project::new(&with_hands(&[by_hands("one", "outputs = ['conf.py']", &lines(&one))]));
    orca.build_red();
    orca.orca(["baseline"]).exits(0);
    let text = orca.read("orca.baseline.json");
    assert!(text.contains("secrets/") && !text.contains(&one), "{text}");
    orca.build().ran([]);
    orca.replace("orca.toml", &one, &other);
    orca.build_red();
}
