//! `orca check`: how strict it is, and findings as data. What it says of each mistake is on the pages of docs/errors.
#![expect(clippy::disallowed_methods, reason = "writes files with odd names")]

mod support;

use std::os::unix::ffi::OsStrExt as _;

use serde_json::Value;
use support::{Fixture, Project};

#[test]
fn warnings_are_errors_where_that_is_asked_for() {
    let orca = Project::new("[tasks.a]\nrun = \"true\"\ninputs = [\"src/**\"]\n");
    orca.orca(["check"]).exits(0).prints(["empty_glob", "1 warning"]);
    let said = "the plan can be built, but not with --strict: 1 warning";
    orca.orca(["check", "--strict"]).exits(3).prints([said]);
    Fixture::open("quickstart").orca(["check", "--strict"]).exits(0).prints(["the plan is good: 5 tasks"]);
}

#[test]
fn who_reads_what_another_task_edits_and_does_not_wait_is_warned() {
    let plan = |test: &str, beside: &str, fix: &str| {
        let editor = |name: &str, keys: &str| format!("[tasks.{name}]\nrun = \"true\"\n{keys}\n\n");
        let fix = editor("fix", &format!("edits = [\"src/x.py\", \"src/y.py\"]\n{fix}"));
        let beside = editor("beside", &format!("edits = [\"src/z.py\"]\n{beside}"));
        format!("{fix}{beside}[tasks.test]\nrun = \"true\"\n{test}\n")
    };
    let orca = Project::new("");
    orca.write("src/x.py", "x\n").write("src/y.py", "y\n").write("src/z.py", "z\n").write("lib/w.py", "w\n");
    let warned = |plan: &str| {
        orca.write("orca.toml", plan);
        let output = orca.orca(["check", "--json"]).exits(0);
        let value: Value = serde_json::from_str(&output.stdout).expect("JSON");
        let of = |it: &Value| (it["code"] == "orca::task::unedited_file").then(|| it["message"].to_string());
        let findings = value["findings"].as_array().expect("a list");
        findings.iter().filter_map(of).collect::<Vec<String>>().join("; ")
    };
    let one = warned(&plan("inputs = [\"lib/**\", \"src/x.py\"]", "", ""));
    assert!(one.contains("`test` reads `src/x.py`, which `fix` edits, and sees it as it was before that"), "{one}");
    let all = warned(&plan("inputs = [\"src/**\"]", "", ""));
    assert!(all.contains("`src/x.py` and 1 more that `fix` edits"), "{all}");
    assert!(all.contains("`test` reads `src/z.py`, which `beside` edits"), "{all}");
    let good = [
        // Around another task, or the other way round.
        plan("inputs = [\"src/*\"]\ndeps = [\"beside\"]", "deps = [\"fix\"]", ""),
        plan("inputs = [\"src/x.py\"]", "", "deps = [\"test\"]"),
        plan("inputs = [\"src/*\", \"!src/[xyz].py\"]", "", ""),
        plan("edits = [\"src/x.py\"]", "", ""),
        // Two that read what each other edits cannot both wait.
        plan("inputs = [\"lib/w.py\"]", "inputs = [\"src/x.py\"]", "inputs = [\"src/z.py\"]"),
    ];
    for plan in good {
        assert_eq!(warned(&plan), "", "{plan}");
    }
    assert_ne!(warned(&plan("", "inputs = [\"src/x.py\"]", "")), "");
}

#[test]
fn as_data_a_finding_has_its_place() {
    let orca = Project::new("[tasks.a]\nrun = \"true\"\ninputs = [\"gone.txt\"]\n");
    let output = orca.orca(["check", "--json"]).exits(3);
    let value: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let finding = &value["findings"][0];
    assert_eq!(finding["code"], "orca::plan::missing_input");
    assert_eq!((&finding["line"], &finding["column"]), (&3.into(), &11.into()), "{value}");
    assert_eq!(finding["file"], "orca.toml");
}

#[test]
fn findings_are_the_result_of_a_check_and_the_refusal_of_a_build() {
    let orca = Project::new("[tasks.a]\nrun = \"true\"\ninputs = [\"gone.txt\"]\n");
    let checked = orca.orca(["check"]).exits(3);
    assert!(checked.stdout.contains("missing_input") && checked.stderr.is_empty(), "{}", checked.transcript());
    let built = orca.orca(["build"]).exits(3);
    assert!(built.stderr.contains("missing_input") && built.stdout.is_empty(), "{}", built.transcript());
}

#[test]
fn what_no_task_can_be_given_stands_beside_the_other_findings() {
    let orca = Project::new(
        "[tasks.a]\nrun = \"true\"\ninputs = [\"src/etc/passwd\", \"gone.txt\", \"src/etc/*\"]\n\
         [context]\nbackground = { file = \"src/etc/passwd\" }\n",
    );
    orca.write("src/a.txt", "a\n").symlink("/etc", "src/etc");
    let output = orca
        .orca(["check"])
        .exits(3)
        .prints(["`src/etc/passwd` leads through the symbolic link `src/etc`", "`gone.txt` does not exist"])
        .prints(["wildcards do not walk through links", "the plan is invalid: 3 errors, 1 warning"]);
    assert!(!output.stdout.contains("root:"), "{}", output.transcript());
    orca.write("orca.toml", "[tasks.a]\nrun = \"true\"\ninputs = [\"src/etc\", \"src/*\"]\n");
    orca.orca(["check"]).exits(0).prints(["the plan is good"]);
}

#[test]
fn the_example_is_valid() {
    let orca = Project::new(include_str!("../orca.toml.example"));
    orca.write("README.md", "a project\n").write("api/schema.json", "{}\n");
    orca.orca(["check"]).exits(0).prints(["the plan can be built: 5 tasks"]);
    // In a project that has the files it names, nothing else is to be said of it: its tasks are complete.
    for name in ["tests/test_a.py", "tools/gen_schema.py", "src/auth/a.py", "docs/notes/a.md"] {
        orca.write(name, "a\n");
    }
    let strict = orca.orca(["check", "--strict", "--json"]).exits(0);
    let value: Value = serde_json::from_str(&strict.stdout).expect("JSON");
    let others = value["findings"].as_array().expect("a list").iter().filter(|it| {
        // `claude` may be on this machine or not.
        it["code"] != "orca::plan::missing_program"
    });
    assert_eq!(others.count(), 0, "{value:#}");
}

#[test]
fn what_is_no_text_is_found_where_a_wildcard_meets_it_and_can_be_left_out() {
    let orca = Project::new("[tasks.a]\nrun = \"true\"\ninputs = [\"src/**\"]\n");
    let name = |bytes: &[u8]| orca.path("src").join(std::ffi::OsStr::from_bytes(bytes));
    orca.write("src/tea.txt", "tea\n").write("other/x.txt", "x\n");
    std::fs::write(name(b"caf\xe9.txt"), "coffee\n").expect("Linux takes any name");
    orca.orca(["check"]).exits(3).prints(["bad_file_name", "!src/caf*.txt"]);
    orca.orca(["build"]).exits(3).prints(["the plan is invalid: 1 error"]);
    orca.write("orca.toml", "[tasks.a]\nrun = \"true\"\ninputs = [\"src/**\", \"!src/caf*.txt\"]\n");
    orca.orca(["check"]).exits(0).prints(["the plan is good"]);
    orca.build().ran(["a"]);
    orca.write("orca.toml", "[tasks.a]\nrun = \"true\"\ninputs = [\"other/**\"]\n");
    orca.orca(["check"]).exits(0);
}
