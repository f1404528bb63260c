//! `orca check`: how strict it is, and findings as data. What it says of each mistake is on the pages of docs/errors.

mod support;

use serde_json::Value;
use support::{Fixture, Project};

#[test]
fn warnings_are_errors_where_that_is_asked_for() {
    let orca = Project::new("[tasks.a]\nrun = \"true\"\ninputs = [\"src/**\"]\n");
    orca.orca(["check"]).exits(0).prints(["empty_glob", "1 warning"]);
    orca.orca(["check", "--strict"]).exits(3);
    Fixture::open("quickstart").orca(["check", "--strict"]).exits(0).prints(["the plan is good: 5 tasks"]);
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
