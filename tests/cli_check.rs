//! `orca check`: the findings that only a look at the files brings, as their pages show them; strictness; data.
//! `ORCA_BLESS=1` rewrites the pages.
#![expect(clippy::disallowed_methods, reason = "reads the pages")]

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Fixture, Project};

/// The pages of findings about files, and how `orca check` ends on their plans.
const PAGES: [(&str, i32); 2] = [("missing_input", 3), ("empty_glob", 0)];

fn page(code: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/errors/{code}.md"))
}

/// The text of the block of this language, and where it is.
#[track_caller]
fn block<'a>(text: &'a str, language: &str) -> (&'a str, std::ops::Range<usize>) {
    let open = format!("```{language}\n");
    let start = text.find(&open).expect("the page has such a block") + open.len();
    let end = start + text[start..].find("```").expect("a block ends");
    (&text[start..end], start..end)
}

/// The project that a page describes: orca.toml, and what follows each `# file: name`.
fn project(block: &str) -> Project {
    let mut parts = block.split("# file: ");
    let mut orca = Project::new(parts.next().expect("a first part"));
    for part in parts {
        let (name, text) = part.split_once('\n').expect("a name and a text");
        orca.write(name, text);
    }
    orca.set_env("COLUMNS", "80");
    orca
}

#[test]
fn pages_of_findings_about_files_show_what_orca_says() {
    for (code, exit) in PAGES {
        let text = std::fs::read_to_string(page(code)).expect("a page is text");
        let orca = project(block(&text, "toml").0);
        let output = orca.orca(["check"]).exits(exit).prints([&format!("orca::plan::{code}")]);
        let said: String = output.stderr.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        let said = format!("{}\n", said.trim_matches('\n'));
        let (shown, range) = block(&text, "text");
        if shown != said && std::env::var_os("ORCA_BLESS").is_some() {
            std::fs::write(page(code), format!("{}{said}{}", &text[..range.start], &text[range.end..]))
                .expect("written");
        } else {
            assert_eq!(shown, said, "{code}: ORCA_BLESS=1 rewrites the page");
        }
    }
}

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
