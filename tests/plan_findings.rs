//! What is found in a plan, case by case: each plan and the codes of its findings, in order.

use std::fmt::Write as _;

use orca::base::{FileId, Finding, RelPath, Severity, TaskName};
use orca::plan::{Body, Document, Plan, lower, parse};
use orca::report::{RenderOptions, render, to_json};

fn document(number: u32, path: &str, text: &str) -> (Document, Vec<Finding>) {
    parse(FileId(number), RelPath::new(path).expect("a path"), text.into())
}

fn read(text: &str) -> (Plan, Vec<Finding>, Document) {
    let (document, syntax) = document(0, "orca.toml", text);
    let (plan, findings) = lower(std::slice::from_ref(&document));
    (plan, [syntax, findings].concat(), document)
}

/// The codes of the findings, without what they share.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let (_, findings, _) = read(text);
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code.trim_start_matches("orca::plan::")).collect();
    assert_eq!(codes, expected, "{text}\n{findings:#?}");
}

/// A task that is right but for one key.
#[track_caller]
fn key(key: &str, expected: &[&str]) {
    check(&format!("[agents.helper]\ncommand = 'x'\n[tasks.a]\nrun = 'x'\n{key}\n"), expected);
}

#[test]
fn tasks() {
    key("", &[]);
    key("deps = ['a']", &["self_dependency"]);
    key("deps = ['b']", &["unknown_task"]);
    key("deps = ['b', 'b']\n[tasks.b]\nrun = 'x'", &["duplicate_dep"]);
    key("deps = ['b', 'c']\n[tasks.b]\nrun = 'x'\n[tasks.c]\nrun = 'x'", &[]);
    key("inputs = ['x']\noutputs = ['x']", &["own_output"]);
    key("inputs = ['./d/x']\noutputs = ['d/**']", &["own_output"]);
    key("inputs = ['d/**']\noutputs = ['d/**']", &["own_output"]);
    key("inputs = ['d/**', '!d/x']\noutputs = ['d/x']", &[]);
    key("deps = 'b'", &["wrong_type"]);
    key("deps = [5, 'b']", &["wrong_type", "unknown_task"]);
    key("inputs = ['../x']", &["path_outside"]);
    key("inputs = ['/etc/passwd']", &["path_outside"]);
    key("inputs = ['.git/config']", &["reserved_path"]);
    key("inputs = ['sub/.GIT/x']", &["reserved_path"]);
    key("inputs = ['orca.toml', '!x']", &[]);
    key("inputs = ['']", &["bad_path"]);
    key("outputs = ['orca.toml']", &["plan_file"]);
    key("outputs = ['./x/../orca.toml']", &["plan_file"]);
    key("outputs = ['*.toml']", &["plan_file"]);
    key("edits = ['**']", &[]);
    key("outputs = ['!x']", &["misplaced_exclusion"]);
    key("scratch = ['target/*']", &["bad_pattern"]);
    key("scratch = ['t']\noutputs = ['t/x']", &["scratch_overlap"]);
    key("scratch = ['t']\ninputs = ['t/**', 'tt']", &["scratch_overlap"]);
    key("timeout = '0s'", &["bad_unit"]);
    key("timeout = 'soon'", &["bad_unit"]);
    key("retry = { attempts = 0 }", &["bad_limit"]);
    key("retry = { on = ['crash', 'luck'] }", &["unknown_value"]);
    key("resources = { cpu = 0 }", &["bad_limit"]);
    key("resources = { cpu = 99999999999999999999 }", &["bad_limit"]);
    key("resources = { memory = '0' }", &["bad_unit"]);
    key("resources = { pools = ['x'] }", &["unknown_pool"]);
    key("toolchains = ['rust', 'java']", &[]);
    key("toolchains = ['cobol']", &["unknown_toolchain"]);
    key("env = { '' = 'x' }", &["bad_env_name"]);
    key("env = { 'A=B' = 'x' }", &["bad_env_name"]);
    key("env = { 'A B' = 'x' }", &["bad_env_name"]);
    key("pass_env = [\"A\\tB\", 'A.B']", &["bad_env_name"]);
    key("pass_env = ['A=B', '']", &["bad_env_name", "bad_env_name"]);
    key("tools = ['']", &["bad_text"]);
    key("tags = ['a b']", &["bad_name"]);
    key("gates = ['x']", &["unknown_gate"]);
    key("agent = 'helper'", &["both_bodies"]);
    key("prompt = 'x'", &["both_bodies"]);
    key("tdd = { run = 'x' }", &["missing_key"]);
    key("tdd = { tests = ['x'], run = 'x', coverage_min = 101 }", &["bad_limit"]);
    key("params = { x = 1 }", &["unknown_parameter"]);
    key("sandbox = 'maybe'\nundeclared = 'maybe'", &["unknown_value", "unknown_value"]);
    check("[tasks.a]", &["missing_body"]);
    check("[tasks.a]\nrun = ''", &["bad_command"]);
    check("[tasks.a]\nrun = [5]", &["wrong_type"]);
    check("[tasks.a]\nprompt = 'x'", &["missing_agent"]);
    check("[tasks.'a b']\nrun = 'x'\n[tasks.c]\nrun = 'x'\ndeps = ['a b']", &["bad_name"]);
    check("[tasks]\na = 5", &["wrong_type"]);
    check("", &["no_tasks"]);
}

#[test]
fn tables_beside_tasks() {
    let with = |text: &str, expected: &[&str]| check(&format!("{text}\n[tasks.a]\nrun = 'x'"), expected);
    with("[limits]\njobs = 'many'", &["wrong_type"]);
    with("[limits]\njobs = -1", &["bad_limit"]);
    with("[limits]\ncost_usd_max = nan", &["bad_limit"]);
    with("[limits]\ncost_usd_max = inf", &["bad_limit"]);
    with("[limits]\nmemory_per_task = '99999999999999TiB'", &["bad_unit"]);
    with("[pools]\nx = 0", &["bad_limit"]);
    with("[agents.x]", &["missing_preset"]);
    with("[agents.x]\npreset = 'command'", &["missing_command"]);
    with("[agents.x]\ncommand = 'x'\nfallback = 'x'", &["fallback_cycle"]);
    with("[agents.x]\ncommand = 'x'\nfallback = 'y'", &["unknown_agent"]);
    with("[gates.x]", &["missing_body"]);
    with("[gates.x]\nrun = 'x'\ncheck = 'tdd'", &["both_bodies"]);
    with("[gates.x]\nagent = 'x'", &["missing_body"]);
    with("[gates.x]\ncheck = 'performance'", &["missing_command"]);
    with("[gates.x]\ncheck = 'performance'\nbudget = '1s'\noutput_size_max = '1MiB'", &["missing_command"]);
    with("[gates.x]\ncheck = 'performance'\noutput_size_max = '1MiB'", &[]);
    with("[gates.x]\ncheck = 'performance'\ncommand = 5", &["wrong_type"]);
    with("[gates.x]\nrun = 'x'\nprotect = ['x']", &["unknown_option"]);
    with("[gates.x]\ncheck = 'secrets'\nallow = ['x']", &[]);
    with("[gates.x]\ncheck = 'secret'", &["unknown_value"]);
    with("[toolchains.x]\npaths = ['x']", &["bad_path"]);
    with("[context]\na = { file = '../x' }", &["path_outside"]);
    with("[context]\na = {}", &["missing_key"]);
    with("[[overrides.add]]\ntask = 'a'\ndep = 'a'\nreason = 'x'", &["self_dependency"]);
    with("[[overrides.drop]]\ntask = 'a'\ndep = 'b'\nreason = 'x'", &["unknown_task"]);
    with("[[overrides.drop]]\ntask = 'a'\ndep = 'a'\nreason = ''", &["bad_text"]);
    with("[plan]\ngates = ['x']", &["unknown_gate"]);
}

#[test]
fn options_of_checks() {
    let gate = |text: &str, expected: &[&str]| check(&format!("[gates.x]\n{text}\n[tasks.a]\nrun = 'x'"), expected);
    gate("check = 'tdd'", &["missing_option"]);
    gate("check = 'tdd'\nfiles = ['t']", &["missing_option"]);
    gate("check = 'tdd'\nfiles = ['t']\ncommand = 'x'", &[]);
    gate("check = 'performance'\nruns = 5", &["missing_command"]);
    gate("check = 'schema'\nfiles = ['a']", &["missing_option"]);
    gate("check = 'schema'\nschema = 's*.json'\nfiles = ['a']", &["bad_pattern"]);
    gate("check = 'schema'\nschema = 's.json'\nfiles = ['a']", &[]);
    gate("check = 'files'", &["missing_option"]);
    gate("check = 'files'\nignore = ['files/missing']", &["missing_option"]);
    gate("check = 'files'\nlacks = { 'a' = 'x' }", &[]);
    gate("check = 'files'\nlacks = { 'a' = '(' }", &["bad_expression"]);
    gate(
        "check = 'files'\ncontains = { 'a' = '(?=x)' }\nmatches = { 'b' = '[' }",
        &["bad_expression", "bad_expression"],
    );
    gate("check = 'files'\nmatches = { '../a' = 'x' }", &["path_outside"]);
    gate("check = 'review'\nreviewer = 'y'", &["unknown_agent"]);
    gate("check = 'review'", &[]);
    gate("check = 'secrets'\nignore = ['secrets/github-token', 'secrets/*', 'sec*']", &[]);
    gate("check = 'secrets'\nignore = ['patterns/eval']", &["unknown_rule"]);
    gate("check = 'security'\nignore = ['patterns/eval', 'gitleaks/x']", &[]);
    gate("check = 'review'\nignore = ['lint/F401', 'todo-left', 'review/']", &["unknown_rule", "unknown_rule"]);
    gate("run = 'x'\nignore = ['any/thing']", &[]);
    gate("check = 'integrity'\nlevel = 'disabled'", &["always_on"]);
    gate("check = 'scope'\nignore = ['scope/*']", &["always_on"]);
    gate("check = 'integrity'\nignore = ['integrity/syntax-error']\nlevel = 'basic'", &[]);
    let named = |name: &str, text: &str, expected: &[&str]| {
        check(&format!("[gates.{name}]\n{text}\n[tasks.a]\nrun = 'x'"), expected);
    };
    named("integrity", "run = 'true'", &["always_on"]);
    named("scope", "check = 'integrity'", &["always_on"]);
    named("scope", "check = 'scope'\nlevel = 'disabled'", &["always_on"]);
    named("tdd", "check = 'tdd'\nlevel = 'strict'", &[]);
    named("review", "check = 'review'\nlevel = 'disabled'", &[]);
}

#[test]
fn expressions_are_by_path_from_their_plan_file() {
    let (root, _) = document(0, "orca.toml", "[tasks.a]\nrun = 'x'\n");
    let (other, _) = document(1, "web/plan.toml", "[gates.x]\ncheck = 'files'\nlacks = { './src/**' = 'x' }\n");
    let (plan, findings) = lower(&[root, other]);
    assert_eq!(findings, []);
    assert_eq!(plan.gate_defs["x"].options["lacks"], serde_json::json!({ "web/src/**": "x" }));
}

#[test]
fn templates_and_matrices() {
    let with = |text: &str, expected: &[&str]| check(&format!("[tasks.a]\nrun = 'x'\n{text}"), expected);
    with("template = 'x'", &["unknown_template"]);
    with("template = 'x'\n[templates.x]\nparams = ['p']", &["missing_parameter"]);
    with("template = 'x'\nparams = { q = 1 }\n[templates.x]", &["unknown_parameter"]);
    with("[templates.x]\ntemplate = 'x'", &["template_cycle"]);
    with("[templates.x]\nrun = '{{ y }}'", &["unknown_variable"]);
    with("[templates.x]\nrun = '{{ y '", &["bad_template"]);
    with("[templates.x]\nparams = { a = 1 }", &["wrong_type"]);
    with("[templates.x]\nparams = ['a-b']", &["bad_name"]);
    with("[templates.x]\nrum = 'x'\ninputs = 5", &["unknown_key", "wrong_type"]);
    with("matrix = {}", &["bad_matrix"]);
    with("matrix = { os = [] }", &["bad_matrix"]);
    with("matrix = { os = ['a/b'] }", &["bad_matrix"]);
    with("matrix = { os = ['a'] }\ndeps = ['a[b]']", &["unknown_task"]);
    with("matrix = { os = ['a', 'b'] }\ndeps = ['a[b]']", &["self_dependency"]);
    let (plan, findings, _) = read("[tasks.a]\nrun = 'echo {{ braces }}'");
    assert_eq!(findings, []);
    assert!(matches!(&plan.tasks["a"].body, Body::Run(argv) if argv == &["/bin/sh", "-c", "echo {{ braces }}"]));
}

#[test]
fn a_template_is_inherited_key_by_key() {
    let (plan, findings, _) = read(
        "[templates.base]\nparams = ['p']\nenv = { A = '{{ p }}', B = 'base' }\ninputs = ['in/{{ p }}']\n\
         [templates.special]\ntemplate = 'base'\nparams = ['q']\nrun = 'make {{ q }} {{ task }}'\n\
         [tasks.a]\ntemplate = 'special'\nparams = { p = 'x', q = '{{ matrix.n }}' }\nenv = { B = 'own' }\n\
         matrix = { n = [1, 2.5], m = ['z'] }\n[tasks.b]\nrun = 'x'\ndeps = ['a']",
    );
    assert_eq!(findings, []);
    let names: Vec<&str> = plan.tasks.keys().map(TaskName::as_str).collect();
    assert_eq!(names, ["a[z,1]", "a[z,2.5]", "b"]);
    let task = &plan.tasks["a[z,2.5]"];
    assert!(matches!(&task.body, Body::Run(argv) if argv[2] == "make 2.5 a"));
    assert_eq!((&*task.env["A"], &*task.env["B"]), ("x", "own"));
    assert_eq!(task.inputs.iter().map(ToString::to_string).collect::<Vec<_>>(), ["in/x"]);
    assert_eq!(plan.tasks["b"].deps.len(), 2);
}

#[test]
fn comments_order_and_layout_change_nothing() {
    let one = "[tasks.a]\nrun = 'x'\ninputs = ['i']\n[tasks.b]\nrun = 'y'\ndeps = ['a']\n[pools]\np = 1\n";
    let other =
        "# hi\n[pools]\np = 0x1\n\n[tasks]\nb = { deps = [\n 'a' ], run = \"y\" }\na.inputs = ['./i']\na.run = 'x'\n";
    assert_eq!(read(one).0, read(other).0);
    assert_ne!(read(one).0, read(&one.replace("'y'", "'z'")).0);
}

#[test]
fn duplicates_name_both_places() {
    let (first, _) = document(0, "orca.toml", "[tasks.a]\nrun = 'x'\n");
    let (second, _) = document(1, "plans/b.toml", "\n\n[tasks.a]\nrun = 'y'\n");
    let documents = [first, second];
    let (plan, findings) = lower(&documents);
    assert_eq!(plan.tasks.len(), 1);
    assert_eq!(findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), ["orca::plan::duplicate_task"]);
    let json = to_json(&findings, &documents);
    let places: Vec<String> = json["findings"][0]["labels"]
        .as_array()
        .expect("labels")
        .iter()
        .map(|label| format!("{}:{}:{}", label["file"].as_str().expect("a file"), label["line"], label["column"]))
        .collect();
    assert_eq!(places, ["plans/b.toml:3:8", "orca.toml:1:8"]);
    let text = render(&findings, &documents, RenderOptions::default());
    assert!(text.contains("[plans/b.toml:3:8]") && text.contains("[orca.toml:1:8]"), "{text}");
}

#[test]
fn what_is_said_cannot_act_on_a_terminal() {
    let (_, findings, document) = read("[tasks.a]\nrun = 'x'\ndeps = [\"\\u001b]0;t\\u0007\", 'b\u{202e}c']\n");
    assert_eq!(findings.len(), 2);
    let text = render(&findings, &[document], RenderOptions::default());
    assert!(!text.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}'), "{text:?}");
}

#[test]
fn ten_thousand_tasks_are_read_in_linear_time() {
    let plan = |count: u32| {
        (1..=count).fold(String::new(), |mut text, n| {
            let dep = n / 2;
            let _ =
                write!(text, "[tasks.t{n}]\nrun = 'make'\noutputs = ['out/{n}']\ninputs = ['in/{n}', 'out/{dep}']\n");
            text
        })
    };
    let (plan, findings, _) = read(&plan(10_000));
    assert_eq!((plan.tasks.len(), findings.len()), (10_000, 0));
}

proptest::proptest! {
    /// Whatever the text, there are findings rather than panics, all of them bounded and in place.
    #[test]
    fn any_text_is_answered(text in "(\\[(tasks|agents|templates|gates)\\.[ab]\\]\n|(run|prompt|template|inputs|matrix|params) = ('a'|\\['\\{\\{ a', '\\*'\\]|\\{ a = \\['b'\\] \\}|5)\n|[ -~\n]{0,6}){0,12}") {
        let (_, findings, document) = read(&text);
        for finding in &findings {
            for label in &finding.labels {
                let span = document.span(&label.node);
                proptest::prop_assert!(document.text.get(span.clone()).is_some(), "{span:?} in {text:?}");
            }
        }
        let is_error = findings.iter().any(|finding| finding.severity == Severity::Error);
        let said = render(&findings, &[document], RenderOptions::default());
        proptest::prop_assert!(said.len() <= 64 << 10 && (!is_error || !said.is_empty()));
    }
}
