//! `orca generate`: what is drafted from plans that people wrote, that it is a plan, and that nothing of them is lost.
//!
//! The drafts in `fixtures/generate/expected` are snapshots; `ORCA_BLESS=1` rewrites them.
#![expect(clippy::disallowed_methods, reason = "reads and blesses the expected drafts")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use orca::base::{FileId, RelPath, Severity, sanitize_line};
use orca::draft::{Draft, DraftError, DraftOptions, Found, draft};
use orca::graph::Graph;
use orca::plan::{Plan, lower, parse};
use proptest::prelude::*;
use serde_json::Value;
use support::{Output, Project};

const FIXTURES: [&str; 5] = ["tasks.md", "tasks.json", "parser.md", "todo.md", "nasty.md"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/generate").join(name)
}

fn with_fixture(name: &str) -> Project {
    let project = Project::empty();
    project.write(name, fs::read(fixture(name)).expect("the fixture is there"));
    project
}

/// Generates into `out` and has the result checked.
fn generate(project: &Project, source: &str) -> Output {
    let output = project.orca(["generate", source, "-o", "out"]).exits(0);
    project.orca(["check", "-C", "out"]).exits(0);
    output
}

/// What is said as data of a plan in a project that holds these files.
fn drafted(text: &str, files: &[&str]) -> (Project, Value) {
    let project = Project::empty();
    project.write("plan.md", text);
    files.iter().for_each(|file| _ = project.write(file, "x\n"));
    let output = project.orca(["generate", "plan.md", "--json"]).exits(0);
    project.orca(["check"]).exits(0);
    (project, serde_json::from_str(&output.stdout).expect("JSON"))
}

/// One list of one task, joined by blanks.
#[track_caller]
fn list(value: &Value, task: &str, key: &str) -> String {
    let tasks = value["tasks"].as_array().expect("tasks");
    let found = tasks.iter().find(|one| one["name"] == task).unwrap_or_else(|| panic!("no `{task}` in {value:#}"));
    let words: Vec<&str> = found[key].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    words.join(" ")
}

#[test]
fn fixtures_become_the_plans_that_are_expected() {
    for name in FIXTURES {
        let project = with_fixture(name);
        generate(&project, name);
        let plan = project.read("out/orca.toml");
        let expected = fixture("expected")
            .join(name)
            .with_extension(format!("{}.toml", name.rsplit('.').next().expect("an ending")));
        if std::env::var_os("ORCA_BLESS").is_some() {
            fs::write(&expected, &plan).expect("a snapshot can be written");
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(plan, expected, "{name}: bless it with ORCA_BLESS=1");
        project.orca(["graph", "-C", "out"]).exits(0);
        let again = with_fixture(name);
        generate(&again, name);
        assert_eq!(again.read("out/orca.toml"), plan, "{name}: the same bytes anywhere");
        project.orca(["generate", name, "-o", "out", "--force"]).exits(0);
        let names: Vec<String> = project.tree().0.into_keys().collect();
        assert_eq!(names.len(), 3, "nothing else is left: {names:?}");
    }
}

#[test]
fn phases_of_spec_kit_follow_one_another() {
    let (_, value) = drafted(
        "## Phase 1: Setup\n- [x] T001 Begin in a.py\n- [ ] T002 Two in b.py\n- [ ] T003 [P] Three in c.py\n\
         - [ ] T004 Four in d.py\n\n## Phase 2: Core\n- [ ] T005 [P] [US1] Five in e.py\n- [ ] T006 [P] Six in f.py\n\
         - [ ] T007 [US1] Seven in g.py (depends on T006, T001)\n- [ ] T008 Eight in b.py\n\n## Dependencies\n\n\
         - T006 depends on T005.\n",
        &[],
    );
    let table = [
        ("t002-two", ""),
        ("t003-three", ""),
        ("t004-four", "t002-two t003-three"),
        ("t005-five", "t004-four"),
        ("t006-six", "t005-five"),
        ("t007-seven", "t006-six"),
        ("t008-eight", "t002-two t007-seven"),
    ];
    for (task, deps) in table {
        assert_eq!(list(&value, task, "deps"), deps, "{task}");
    }
    assert_eq!(list(&value, "t002-two", "outputs"), "b.py");
    assert_eq!(list(&value, "t008-eight", "edits"), "b.py");
    assert_eq!(value["left_out"][0]["title"], "T001 Begin in a.py");
    assert_eq!(value["format"], "spec-kit");
}

#[test]
fn files_of_the_project_are_edited_and_shown() {
    let (project, value) = drafted(
        "# P\n\n## Task 1: One\nChange src/a.py as described in docs/design.md.\nCreate: `src/new.py`\n\n\
         ## Task 2: Two\nModify: `src/b.py`\nSee: `docs/gone.md`\nRun: `pytest -q`\n\n## Task 3: Three\nin src/b.py, using src/new.py\n",
        &["src/a.py", "src/b.py", "docs/design.md", "pyproject.toml"],
    );
    assert_eq!(list(&value, "task-1-one", "edits"), "src/a.py");
    assert_eq!(list(&value, "task-1-one", "outputs"), "src/new.py");
    assert_eq!(list(&value, "task-1-one", "inputs"), "src/** docs/design.md pyproject.toml");
    assert_eq!(list(&value, "task-2-two", "edits"), "src/b.py");
    assert_eq!(list(&value, "task-2-two", "gates"), "pytest");
    assert_eq!(list(&value, "task-3-three", "deps"), "task-1-one task-2-two");
    assert_eq!(list(&value, "task-3-three", "inputs"), "src/** pyproject.toml src/new.py");
    assert!(project.read("orca.toml").contains("[gates.pytest]\nrun = \"pytest -q\"\n"));
}

#[test]
fn prose_beside_a_list_of_files_makes_nothing() {
    let (_, value) = drafted(
        "## Task 1: One\n\n**Files:**\n- Create: `lib/core.js`\n\nUse it as core.js does in lib/old.js, with Commander.js.\n\n\
         ## Task 2: Write b.js\n\nCall helper.js from lib/core.js and lib/b2.js.\n\n## Files to modify\n\n- Modify: `lib/x.js`\n",
        &["lib/old.js"],
    );
    assert_eq!(value["tasks"].as_array().map(Vec::len), Some(2), "{value:#}");
    assert_eq!(list(&value, "task-1-one", "outputs"), "lib/core.js");
    assert_eq!(list(&value, "task-1-one", "edits"), "lib/old.js");
    assert_eq!(list(&value, "task-2-write", "outputs"), "b.js lib/b2.js");
}

#[test]
fn what_is_made_later_is_no_input() {
    let (_, value) = drafted(
        "- [ ] T001 [P] One in src/one.py\n- [ ] T002 [P] Two in src/two.py\n- [ ] T003 Three in src/a.py\n",
        &["src/a.py"],
    );
    assert_eq!(list(&value, "t001-one", "inputs"), "src/** !src/two.py");
    assert_eq!(list(&value, "t003-three", "inputs"), "src/**");
}

#[test]
fn links_and_odd_names_of_the_project_do_not_make_a_draft_invalid() {
    let project = Project::empty();
    project
        .write("plan.md", "- [ ] One in src/a.py and link/b.py\n- [ ] Two in src/a.py/c.py\n")
        .write("src/a.py", "x\n");
    project.symlink("/etc", "link");
    let output = project.orca(["generate", "plan.md"]).exits(0);
    output.prints(["`link` is a symbolic link", "a part of it is a file"]);
    project.orca(["check"]).exits(0);
    use std::os::unix::ffi::OsStrExt as _;
    fs::write(project.path("src").join(std::ffi::OsStr::from_bytes(b"caf\xe9")), "x").expect("Linux takes any name");
    project.orca(["generate", "plan.md", "--force"]).exits(0);
    project.orca(["check"]).exits(0);
}

#[test]
fn a_plan_that_is_there_stays() {
    let project = Project::new("# mine\n");
    project.write("plan.md", "- [ ] one\n");
    project.orca(["generate", "plan.md"]).exits(4).prints(["orca.toml is there already", "--force"]);
    assert_eq!(project.read("orca.toml"), "# mine\n");
    project.orca(["generate", "plan.md", "--force"]).exits(0);
    assert!(project.read("orca.toml").contains("[tasks.one]"));
    let names: Vec<String> = project.tree().0.into_keys().collect();
    assert_eq!(names, ["orca.toml", "plan.md"]);
}

#[test]
fn what_is_no_plan_is_said_with_its_place_and_nothing_is_written() {
    let project = Project::empty();
    let table: [(&str, &[u8], i32, &str); 9] = [
        ("empty.md", b"\n  \n", 3, "it is empty"),
        ("none.md", b"# Title\n\nJust words.\n", 3, "no tasks were found"),
        ("done.md", b"- [x] one\n- [x] two\n", 3, "all 2 tasks are done"),
        ("latin.md", b"ok\n- [ ] caf\xe9\n", 3, "line 2: it is not UTF-8 text (byte 12)"),
        ("bad.json", b"{\n  \"tasks\": [\n    {\"id\": 1,}\n  ]\n}\n", 3, "line 3, column 14: trailing comma"),
        ("other.json", b"{\"a\": 1}", 3, "no tasks were found"),
        ("half.json", b"{\"tasks\": [", 3, "line 1, column 11: EOF"),
        ("x.txt/y.md", b"- [ ] one\n", 0, ""),
        ("blank.md", b"- [ ]\n- [ ] ...\n", 3, "no tasks were found"),
    ];
    for (name, bytes, code, said) in table {
        project.write(name, bytes);
        let output = project.orca(["generate", name, "-o", "out"]).exits(code);
        if code != 0 {
            assert!(
                output.stderr.contains(&format!("error: {name}: {said}")) || output.stderr.contains(said),
                "{}",
                output.transcript()
            );
            assert!(output.stdout.is_empty() && !project.exists("out"), "{}", output.transcript());
        } else {
            project.remove("out");
        }
    }
    project.orca(["generate", "gone.md"]).exits(4).prints(["cannot read", "gone.md"]);
    project.orca(["generate", "x.txt"]).exits(4).prints(["it is not a file"]);
    project.orca(["generate"]).exits(2);
    project.orca(["generate", "x.txt/y.md", "-o", "-", "--json"]).exits(2);
    project.orca(["generate", "x.txt/y.md", "-o", "none.md"]).exits(4).prints(["cannot write"]);
    assert!(!project.exists("orca.toml"));
}

#[test]
fn a_long_background_is_a_file_beside_the_plan() {
    let project = Project::empty();
    let words = "All of this is to be known. ".repeat(500);
    project.write("plan.md", format!("# P\n\n{words}\n\n- [ ] one `a.txt`\n"));
    generate(&project, "plan.md");
    assert!(project.read("out/orca.toml").contains("background = { file = \"orca-background.md\" }"));
    assert!(project.read("out/orca-background.md").contains(words.trim()));
    let printed = project.orca(["generate", "plan.md", "-o", "-"]).exits(0);
    assert!(printed.stdout.contains(words.trim()) && printed.stderr.contains("1 task"), "{}", printed.transcript());
    assert!(!project.exists("orca.toml"));
}

#[test]
fn the_report_lists_what_has_no_place() {
    let project = with_fixture("tasks.md");
    generate(&project, "tasks.md").prints([
        "wrote out/orca.toml: 21 tasks and 1 gate from tasks.md (Spec Kit)",
        "left out, for there is nothing to do any more: 2",
        "tasks.md:92: \"t099\" names no task",
        "tasks.md:129: 1. Complete Phase 1 and 2",
    ]);
}

#[test]
fn tags_of_task_master_keep_their_tasks_apart() {
    let project = Project::empty();
    let tag = |title: &str| {
        format!(
            "{{\"tasks\": [{{\"id\": 1, \"title\": \"{title}\"}}, {{\"id\": 2, \"title\": \"next\", \"dependencies\": [1]}}]}}"
        )
    };
    project.write("tasks.json", format!("{{\"master\": {}, \"v2\": {}}}", tag("first"), tag("second")));
    let output = project.orca(["generate", "tasks.json", "--json"]).exits(0);
    project.orca(["check"]).exits(0);
    let value: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(list(&value, "master-2-next", "deps"), "master-1-first");
    assert_eq!(list(&value, "v2-2-next", "deps"), "v2-1-second");
}

// Any text: a plan without errors, or a clear refusal; and no line of it lost.

fn in_empty_project(text: &str, source: &str) -> Result<Draft, DraftError> {
    draft(text, &DraftOptions { source, look_up: &|_| Found::Nothing, wildcards: true, context_bytes_max: 4000 })
}

fn lowered(draft: &Draft) -> Plan {
    let path = RelPath::new("orca.toml").expect("a name");
    let (document, mut findings) = parse(FileId(0), path, draft.plan.as_str().into());
    let (plan, of_plan) = lower(&[document]);
    findings.extend(of_plan);
    findings.extend(Graph::build(&plan).1);
    findings.retain(|finding| finding.severity == Severity::Error);
    assert!(findings.is_empty(), "{findings:#?}\n{}", draft.plan);
    plan
}

/// A line without the signs that say what it is.
fn words(line: &str) -> String {
    let mut text = line.trim();
    loop {
        let rest = text.trim_start_matches(['#', '>', '-', '*', '+', '•', '|', '_', '`', '~', '=']).trim_start();
        let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let rest = if digits.len() < rest.len() { digits.strip_prefix(['.', ')']).unwrap_or(rest) } else { rest };
        let boxed = rest
            .strip_prefix('[')
            .and_then(|rest| rest.strip_prefix([' ', 'x', 'X', '-', '~', '!', '?', '/'])?.strip_prefix(']'));
        let rest = boxed.or_else(|| rest.strip_prefix("[]")).unwrap_or(rest).trim_start();
        if rest.len() == text.len() {
            return plain(text.trim_end_matches(['#', '=', '-', ' ', '\t']));
        }
        text = rest;
    }
}

fn plain(text: &str) -> String {
    text.split('\n').map(|line| sanitize_line(&line.replace('\t', " "))).collect::<Vec<_>>().join("\n")
}

fn strings(value: &toml::Value, found: &mut String) {
    match value {
        toml::Value::String(text) => found.push_str(&format!("{text}\n")),
        toml::Value::Array(values) => values.iter().for_each(|value| strings(value, found)),
        toml::Value::Table(table) => table.values().for_each(|value| strings(value, found)),
        _ => {}
    }
}

/// Panics where a line of the text is neither in the plan nor in what is told of it.
fn assert_nothing_lost(text: &str, draft: &Draft) {
    let table: toml::Table = draft.plan.parse().expect("the plan is TOML");
    let mut told = String::new();
    strings(&toml::Value::Table(table), &mut told);
    draft.files.values().for_each(|text| told.push_str(text));
    draft.unplaced.iter().for_each(|note| told.push_str(&format!("{}\n", note.text)));
    let comments = draft.plan.lines().filter_map(|line| line.strip_prefix("# "));
    let told = plain(&told) + "\n" + &comments.collect::<Vec<_>>().join("\n");
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{fffd}");
    for (number, line) in (1..).zip(text.lines()) {
        let is_left_out = draft.left_out.iter().any(|one| (one.line..=one.end_line).contains(&number));
        let words = words(line);
        let says_nothing = !line.chars().any(char::is_alphanumeric);
        assert!(
            is_left_out || says_nothing || told.contains(&words),
            "line {number} is lost: {line:?} ({words:?})\n{text}\n----\n{}",
            draft.plan
        );
    }
}

fn check_markdown(text: &str) {
    match in_empty_project(text, "plan.md") {
        Ok(draft) => {
            let plan = lowered(&draft);
            assert_eq!(plan.tasks.len(), draft.tasks.len());
            assert_nothing_lost(text, &draft);
            assert_eq!(in_empty_project(text, "plan.md").expect("as before").plan, draft.plan);
        }
        Err(error) => {
            assert!(matches!(error, DraftError::Empty | DraftError::NoTasks | DraftError::AllDone(_)), "{error}")
        }
    }
}

/// Lines that plans are made of, in any order and depth.
fn markdown() -> impl Strategy<Value = String> {
    let words = "[a-cA-C'\"\\\\é ]{0,8}|src/[ab]\\.py|`[ab]/[ab]\\.md`|Task [1-3]|T00[1-4]|1\\.[12]|\\PC{0,6}";
    let head = prop::sample::select(vec![
        "",
        "",
        "",
        "- [ ] ",
        "- [ ] ",
        "- [x] ",
        "- [?] ",
        "- ",
        "* ",
        "1. ",
        "2) ",
        "# ",
        "## ",
        "### ",
        "#### ",
        "> ",
        "```",
        "~~~sh",
        "- [ ] T001 ",
        "- [ ] T002 [P] ",
        "- [x] T003 [US1] ",
        "- [ ] 1. ",
        "- [ ] 1.1 ",
        "- [ ]* 1.2 ",
        "## Phase 1: ",
        "## Phase 2: ",
        "### Task 1: ",
        "### Task 2: ",
        "## T-003 - ",
        "### Step 1: ",
        "**Files:** ",
        "- Create: ",
        "- Modify: ",
        "Depends on: ",
        "**Depends on**: T001, ",
        "- Blocks: ",
        "Acceptance criteria:",
        "#### Acceptance Criteria",
        "Run: `pytest ",
        "Status: ",
        "## Dependencies ",
        "- T001 depends on T002 ",
        "T001 → T002 ",
        "## Notes ",
        "## Architecture ",
        "## Overview ",
        "---",
        "===",
        "| a | ",
        "<!-- ",
        "-->",
        "[a]: http://x ",
        "(depends on Phase 1) ",
        "after step 1 ",
        "**Status**: done ",
        "\t",
    ]);
    let indent = prop::sample::select(vec!["", "", "", "  ", "    ", "      ", "\t"]);
    let end = prop::sample::select(vec![
        "\n",
        "\n",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        " \n",
        "\u{0}\n",
        "\u{1b}[1m\n",
        "'''\n",
        "\"\"\"\n",
    ]);
    let line = (indent, head, words, end).prop_map(|(indent, head, words, end)| format!("{indent}{head}{words}{end}"));
    prop::collection::vec(line, 0..24).prop_map(|lines| lines.concat())
}

fn json() -> impl Strategy<Value = String> {
    let text = || "[a-c /.\"'\\\\\n]{0,12}|src/[ab]\\.ts|\\PC{0,8}";
    let id =
        || prop_oneof![(0u32..5).prop_map(Value::from), "[1-3](\\.[12])?".prop_map(Value::from), Just(Value::Null)];
    let fields = || {
        let status = prop::sample::select(vec!["pending", "done", "odd", "", "cancelled"]);
        (id(), text(), text(), text(), status, prop::collection::vec(id(), 0..3), text())
    };
    let task = |(id, title, details, tests, status, deps, extra): (
        Value,
        String,
        String,
        String,
        &str,
        Vec<Value>,
        String,
    )| {
        serde_json::json!({ "id": id, "title": title, "details": details, "testStrategy": tests, "status": status, "dependencies": deps, "extra": extra })
    };
    let with_subtasks = (fields(), prop::collection::vec(fields(), 0..3)).prop_map(move |(parent, subtasks)| {
        let mut parent = task(parent);
        parent["subtasks"] = subtasks.into_iter().map(task).collect();
        parent
    });
    (prop::collection::vec(with_subtasks, 0..5), 0..3).prop_map(|(tasks, shape)| {
        match shape {
            0 => serde_json::json!({ "tasks": tasks }),
            1 => serde_json::json!({ "master": { "tasks": tasks, "metadata": { "description": "about" } }, "x": 1 }),
            _ => serde_json::json!({ "a": { "tasks": tasks }, "b": { "tasks": tasks } }),
        }
        .to_string()
    })
}

/// All texts of a `tasks.json` that is not about tasks that are left out.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields)
            if fields.get("status").is_some_and(|status| status == "done" || status == "cancelled") => {}
        Value::Object(fields) => {
            for (key, value) in
                fields.iter().filter(|(key, _)| !["status", "id", "dependencies"].contains(&key.as_str()))
            {
                match value {
                    Value::String(text) => found.push(text.clone()),
                    value => texts(value, found),
                }
                let _ = key;
            }
        }
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_markdown_is_a_plan_or_no_plan_and_no_line_is_lost(text in markdown()) {
        check_markdown(&text);
    }

    #[test]
    fn any_text_at_all_is_a_plan_or_no_plan(text in "(\\PC|[-#*`>\\[\\]x. :\n\r\t0-9]){0,200}") {
        check_markdown(&text);
        let _ = in_empty_project(&text, "plan.json");
        let _ = in_empty_project(&text, "plan");
    }

    #[test]
    fn any_tasks_json_is_a_plan_or_no_plan_and_no_text_is_lost(text in json()) {
        let draft = match in_empty_project(&text, "tasks.json") {
            Ok(draft) => draft,
            Err(error) => {
                prop_assert!(matches!(error, DraftError::NoTasks | DraftError::AllDone(_)), "{}", error);
                return Ok(());
            }
        };
        lowered(&draft);
        let table: toml::Table = draft.plan.parse().expect("the plan is TOML");
        let mut told = String::new();
        strings(&toml::Value::Table(table), &mut told);
        draft.files.values().for_each(|text| told.push_str(text));
        draft.unplaced.iter().for_each(|note| told.push_str(&format!("{}\n", note.text)));
        let mut found = Vec::new();
        texts(&serde_json::from_str(&text).expect("JSON"), &mut found);
        for text in found.iter().filter(|text| text.chars().any(char::is_alphanumeric)) {
            // What is not placed may be shown as JSON.
            let shown = serde_json::to_string(text).expect("JSON");
            let is_there = told.contains(text.trim_end_matches('\n')) || told.contains(&shown);
            prop_assert!(is_there, "{:?} is lost\n{}", text, draft.plan);
        }
    }
}

#[test]
fn fixtures_lose_no_line() {
    for name in FIXTURES.into_iter().filter(|name| name.ends_with(".md")) {
        check_markdown(&fs::read_to_string(fixture(name)).expect("text"));
    }
}

#[test]
fn large_plans_stay_quick_and_small() {
    let many: String = (0..900).map(|at| format!("- [ ] T{at:04} [P] task number {at} in src/f{at}.py\n")).collect();
    let text = format!("## Phase 1\n{many}## Phase 2\n- [ ] T9999 the last, after T0001-T0899\n");
    let draft = in_empty_project(&text, "plan.md").expect("a plan");
    assert_eq!(lowered(&draft).tasks.len(), 901);
    let too_many: String = (0..1200).map(|at| format!("- [ ] task {at}\n")).collect();
    assert_eq!(in_empty_project(&too_many, "plan.md").err(), Some(DraftError::TooMany(1200)));
    let far_too_many = "- [ ] the same\n".repeat(40_000);
    assert_eq!(in_empty_project(&far_too_many, "plan.md").err(), Some(DraftError::TooMany(40_000)));
    let headings: String = (0..20_000).map(|at| format!("### H{at}\nwords\n")).collect();
    assert!(in_empty_project(&format!("{headings}- [ ] one\n"), "plan.md").is_ok());
    let deep: String = (0..3000).map(|at| format!("{}- [ ] T{at:04} x\n", " ".repeat(at % 400))).collect();
    let _ = in_empty_project(&deep, "plan.md");
    let quotes = format!("{}- [ ] a\n", "> ".repeat(20_000));
    let _ = in_empty_project(&quotes, "plan.md");
}
