//! The complete task as an agent gets it: its sections, what it is told of its dependencies, what of that is in its key,
//! how long it gets, and that nothing written in it can break it. `ORCA_BLESS=1` rewrites the documents compared with.
#![expect(clippy::disallowed_methods, reason = "reads and blesses the documents, writes results into a cache")]

mod support;

use std::path::Path;

use orca::base::ActionKey;
use orca::store::Store;
use serde_json::Value;
use support::{Fixture, Output, Project};

/// A shop whose login is written over what a command and an agent brought before.
const PLAN: &str = r#"
[context]
guidance = "Small functions."
requirements = "No new dependencies."
background = "A web shop in Python."
architecture = { file = "docs/architecture.md" }
environment = "Python 3.12."
glossary = "A *cart* holds items."

[agents.helper]
command = ["sh", "agent.sh"]

[gates.unit]
run = ["python3", "-m", "unittest", "discover -s tests"]
inputs = ["tests/**"]
[gates.secrets]
check = "secrets"
level = "strict"
allow = ["tests/data/**"]
[gates.taste]
agent = "helper"
prompt = "Is it readable?\nSay why."
[gates.off]
run = "false"
level = "disabled"

[tasks.schema]
description = "The data model, generated."
run = "mkdir -p src && echo 'class User: pass' > src/schema.py"
outputs = ["src/schema.py"]

[tasks.notes]
agent = "helper"
prompt = """

Write down what the login has to do.
File: out/notes.md
"""
inputs = ["agent.sh"]
outputs = ["out/notes.md"]

[tasks.login]
description = "The login, at last."
agent = "helper"
prompt = """
Implement the login of the shop.
File: src/login.py
"""
inputs = ["src/**", "web/*.ts"]
edits = ["src/auth/**"]
outputs = ["src/login.py", "out/login/*.md"]
deps = ["schema", "notes"]
acceptance = ["POST /login answers 401 for a wrong password", "Two lines:\n## no heading"]
tdd = { tests = ["tests/test_login.py"], run = "python3 -m unittest tests.test_login", coverage_min = 95 }
gates = ["unit", "secrets", "taste", "off"]
env = { LANG = "C.UTF-8", ODD = "a`b" }
pass_env = ["CI"]
tools = ["sh"]
scratch = [".venv"]
timeout = "20m"
"#;

const AGENT: &str = "set -eu\nfile=$(sed -n 's/^File: *//p' | head -n 1)\nmkdir -p \"$(dirname \"$file\")\"\n\
                     echo 'Passwords are hashed.' > \"$file\"\n";

fn shop() -> Project {
    let orca = Project::new(PLAN);
    orca.write("agent.sh", AGENT)
        .write("docs/architecture.md", "Three layers:\n\n```text\nweb -> auth -> data\n")
        .write("src/shop.py", "import os\n\ndef start(port):\n    pass\n\nclass Cart(dict):\n    pass\n")
        .write("src/auth/session.py", "def open_session(user, token):\n    return None\n")
        .write("src/data.bin", [0u8, 1, 2])
        .write("web/page.ts", "export function page(name: string): string {\n  return name\n}\n")
        .write("tests/test_login.py", "import unittest\n");
    orca
}

#[track_caller]
fn assert_document(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/complete_task").join(name);
    if std::env::var("ORCA_BLESS").is_ok() {
        std::fs::write(&path, text).expect("the document can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == text, "{name} is\n{text}\nORCA_BLESS=1 rewrites it");
}

#[track_caller]
fn json(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{}", output.transcript()))
}

fn show(orca: &Project, task: &str) -> Value {
    json(&orca.orca(["show", task, "--json"]).exits(0))
}

/// Makes the cached result of a task end with these words of its agent.
fn say(orca: &Project, task: &str, words: &str) {
    let explained = json(&orca.orca(["explain", task, "--json"]).exits(0));
    let key: ActionKey = serde_json::from_value(explained["key"].clone()).expect("it has a key");
    let store = Store::open(&orca.cache()).expect("the cache opens");
    let mut result = store.result(&key).expect("it can be read").expect("it was built");
    result.summary = words.to_owned();
    store.put_result(&key, &result).expect("it can be written");
}

#[test]
fn a_rich_task_has_all_its_sections_in_their_order() {
    let orca = shop();
    orca.build_args(["schema", "notes"]).green();
    say(&orca, "notes", "I wrote down three rules.\n\n## Rules\n\n```\nnot closed \x1b[31m");
    let shown = orca.orca(["show", "login"]).exits(0);
    assert_document("rich.md", &shown.stdout);
    let value = show(&orca, "login");
    let told = &value["task"];
    assert_eq!(told["v"], 2);
    assert_eq!(told["dependencies"][1]["changes"][0]["path"], "src/schema.py");
    assert_eq!(told["dependencies"][0]["summary"].as_str().map(|said| &said[..25]), Some("I wrote down three rules."));
    assert_eq!(told["gates"].as_array().map(Vec::len), Some(8), "a gate that is switched off does not judge");
    assert_eq!((&told["timeout_ms"], &told["last_failure"]), (&1_200_000.into(), &Value::Null));
    let sections = value["sections"].as_array().expect("a list");
    let size: u64 = sections.iter().map(|section| section["size_bytes"].as_u64().expect("a size")).sum();
    assert_eq!(value["document_size_bytes"].as_u64(), Some(size + "# Task: login\n\n".len() as u64));
}

#[test]
fn a_retry_is_told_what_the_last_attempt_failed_on() {
    let orca = Project::new(
        r#"
[context]
background = "A test."
[agents.slow]
command = ["sh", "-c", """
if grep -q 'The last attempt failed' .orca/task.md; then cp .orca/task.md out; cp .orca/task.json seen.json
else printf 'half a fence: ````\n'; echo half > out; exit 1; fi"""]
[tasks.one]
prompt = "Write the file out."
inputs = ["in"]
outputs = ["out", "seen.json"]
retry = { attempts = 2, on = ["crash"] }
"#,
    );
    orca.write("in", "x\n").build().ran(["one"]);
    assert_document("retry.md", &orca.read("out"));
    let told: Value = serde_json::from_str(&orca.read("seen.json")).expect("JSON");
    assert!(told["last_failure"].as_str().is_some_and(|said| said.contains("half a fence")), "{told:#}");
    orca.build().ran([]);
}

/// A chain: `second` waits for `first` and sees what it made.
fn chain() -> Project {
    let orca = Project::new(
        r#"
[agents.echo]
command = ["sh", "-c", "sed -n 's/^SAY //p' > $(sed -n 's/^FILE //p' .orca/task.md)"]
[tasks.first]
description = "The first."
prompt = """
Do what comes first.
SAY one
FILE a.txt
"""
outputs = ["a.txt"]
[tasks.second]
prompt = """
Go on.
SAY two
FILE b.txt
"""
outputs = ["b.txt"]
deps = ["first"]
[tasks.third]
run = "cat a.txt > c.txt"
outputs = ["c.txt"]
deps = ["first"]
"#,
    );
    orca.build().ran(["first", "second", "third"]);
    orca
}

#[test]
fn what_a_dependency_made_is_in_the_key_and_explained() {
    let orca = chain();
    let key = show(&orca, "second")["task"]["key"].clone();
    orca.replace("orca.toml", "SAY one", "SAY something else");
    orca.build_args(["first"]).ran(["first"]);
    assert_ne!(show(&orca, "second")["task"]["key"], key);
    orca.orca(["explain", "second"]).exits(0).prints(["dependency a.txt changed: file "]);
    orca.build().ran(["second", "third"]);
    let facts = json(&orca.orca(["explain", "third", "--key", "--json"]).exits(0));
    assert!(facts["description"].is_array() && !facts.to_string().contains("dependency"), "commands are told nothing");
}

#[test]
fn what_a_dependency_says_is_told_and_is_not_in_the_key() {
    let orca = chain();
    let key = show(&orca, "second")["task"]["key"].clone();
    orca.replace("orca.toml", "Do what comes first.", "Do, with other words, what comes first.");
    orca.replace("orca.toml", "The first.", "The very first.");
    orca.build().ran(["first"]);
    say(&orca, "first", "It took me all night.");
    let second = show(&orca, "second");
    assert_eq!(second["task"]["key"], key);
    let told = &second["task"]["dependencies"][0];
    assert_eq!((&told["purpose"], &told["summary"]), (&"The very first.".into(), &"It took me all night.".into()));
    let shown = orca.orca(["show", "second"]).exits(0);
    shown.prints(["### `first`: The very first.", "> It took me all night.", "- `a.txt` (4 B)"]);
    orca.build().ran([]);
}

#[test]
fn what_a_dependency_edited_is_told_as_a_diff() {
    let orca = Project::new(
        r#"
[agents.sed]
command = ["sh", "-c", "sed -n 's/^DO //p' .orca/task.md | sh"]
[tasks.rename]
prompt = """
Call it a basket.
DO sed -i s/cart/basket/ src/*.txt; printf 'a\\000b' > src/image; echo new > src/new.txt
"""
edits = ["src/**"]
[tasks.page]
prompt = """
Write the page of the basket.
DO echo page > page.txt
"""
inputs = ["src/shop.txt"]
outputs = ["page.txt"]
deps = ["rename"]
"#,
    );
    orca.write("src/shop.txt", "one\nthe cart\nthree\n")
        .write("src/other.txt", "another cart\n")
        .write("src/image", "a");
    orca.build().ran(["rename", "page"]);
    let told = [
        "### `rename`: Call it a basket.",
        "--- a/src/shop.txt\n+++ b/src/shop.txt\n@@ -1,3 +1,3 @@\n one\n-the cart\n+the basket\n three\n",
        "--- a/src/other.txt\n+++ b/src/other.txt\n@@ -1 +1 @@\n-another cart\n+another basket\n",
        "It made these, which you can see:\n\n- `src/new.txt` (4 B)\n",
        "Besides:\n\n- `src/image`: binary: 1 B -> 3 B\n",
    ];
    orca.orca(["show", "page"]).exits(0).prints(told);
    orca.build().ran([]);

    // What the project keeps of its bases is enough, and whoever changes other files the same way changes nothing.
    orca.remove("../cache/orca");
    orca.orca(["show", "page"]).exits(0).prints(told);
    orca.build().ran([]);
    orca.replace("orca.toml", "Call it a basket.", "It is a basket from now on.");
    orca.build().ran(["rename"]);
    orca.replace("orca.toml", "echo new", "echo newer");
    orca.build().ran(["rename", "page"]);
    orca.orca(["explain", "page", "--key"]).exits(0).prints(["dependency src/new.txt", "dependency base src/shop.txt"]);
}

#[test]
fn only_what_the_plan_names_is_told_of() {
    let orca = chain();
    orca.replace("orca.toml", "deps = [\"first\"]\n[tasks.third]", "inputs = [\"a.txt\"]\n[tasks.third]");
    let shown = orca.orca(["show", "second"]).exits(0);
    assert!(
        shown.stdout.contains("`a.txt` (4 B)") && !shown.stdout.contains("its dependencies"),
        "{}",
        shown.transcript()
    );
}

#[test]
fn nothing_in_a_task_can_break_its_document() {
    let orca = Project::new(
        "[context]\nbackground = { file = \"back.md\" }\n[agents.a]\ncommand = \"true\"\n[tasks.x]\n\
         prompt = \"Do it so:\\n```sh\\nrm -rf x\"\ninputs = [\"src/**\"]\nacceptance = [\"a\\n## b\"]\n",
    );
    orca.write("back.md", "~~~\nopen \x1b]0;title\x07\n")
        .write("src/a`b.txt", "")
        .write("src/\x1b[2J\n# x.py", "def f(): # ````\n");
    let shown = orca.orca(["show", "x"]).exits(0);
    let headings: Vec<&str> = headings(&shown.stdout);
    assert_eq!(
        headings,
        [
            "# Task: x",
            "## Goal",
            "## Background",
            "## Files you can see",
            "## What is in them",
            "## Acceptance criteria",
            "## Gates that judge the result",
            "## Environment",
            "## Rules"
        ]
    );
    assert!(!shown.stdout.contains('\x1b') && shown.stdout.contains("``src/a`b.txt``"), "{}", shown.transcript());
}

/// The headings of a document, those in fences and lists not counted.
fn headings(document: &str) -> Vec<&str> {
    let mut fence: Option<&str> = None;
    let mut found = Vec::new();
    for line in document.lines() {
        let mark = line.len() - line.trim_start_matches(['`', '~']).len();
        match fence {
            Some(open) if line.starts_with(open) && line.len() == mark => fence = None,
            None if mark >= 3 => fence = Some(&line[..mark]),
            None if line.starts_with('#') => found.push(line),
            _ => {}
        }
    }
    found
}

#[test]
fn a_task_over_fifty_megabytes_is_told_in_two_hundred_kilobytes() {
    let orca = Project::new(
        "[agents.a]\ncommand = \"cp .orca/task.md out.md\"\n[tasks.big]\nprompt = \"Look at all of it.\"\n\
         inputs = [\"src/**\"]\noutputs = [\"out.md\"]\n",
    );
    let body = format!("def a_function_with_a_name(of_its_own):\n    return '{}'\n", "x".repeat(25 << 10));
    for number in 0..2_000 {
        orca.write(&format!("src/package_{:02}/module/with_a_long_name_{number:04}.py", number % 40), &body);
    }
    let shown = show(&orca, "big");
    assert_eq!(shown["view_files"], 2_000);
    assert!(shown["view_size_bytes"].as_u64() > Some(50_000_000), "{}", shown["view_size_bytes"]);
    assert!(shown["document_size_bytes"].as_u64() < Some(200 << 10), "{}", shown["document_size_bytes"]);
    let text = orca.orca(["show", "big"]).exits(0).stdout;
    assert!(text.contains("more, not listed here") && text.contains("def a_function_with_a_name"), "{text}");
    orca.build().ran(["big"]);
    assert_eq!(orca.read("out.md"), text, "what is shown is what the agent gets");
}

#[test]
fn the_fixtures_tell_their_agents_what_came_before() {
    let orca = Fixture::open("agents");
    orca.build();
    let shown = orca.orca(["show", "card"]).exits(0);
    shown.prints([
        "## What its dependencies did",
        "### `initials`: Write a shell function `initials`",
        "- `lib/shorten.sh` (",
    ]);
}
