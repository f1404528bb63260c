//! Loading and lowering whole plans from a directory.
#![expect(clippy::disallowed_methods, reason = "tests write the plans they load")]

use std::path::Path;

use orca::base::Severity;
use orca::engine::load;
use orca::plan::{Body, lower};

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().expect("a file has a parent")).expect("make a directory");
    std::fs::write(path, text).expect("write a file");
}

/// The codes of all findings, errors marked with `!`.
fn codes(files: &[(&str, &str)]) -> Vec<String> {
    let root = tempfile::tempdir().expect("a temporary directory");
    for (name, text) in files {
        write(root.path(), name, text);
    }
    let loaded = load(root.path()).expect("the root plan is readable");
    let (_, findings) = lower(&loaded.documents);
    let all = loaded.findings.iter().chain(&findings);
    let code = |code: &str| code.trim_start_matches("orca::plan::").to_owned();
    all.map(|f| format!("{}{}", if f.severity == Severity::Error { "!" } else { "" }, code(f.code))).collect()
}

#[test]
fn the_plan_of_the_design_lowers_without_a_finding() {
    let root = tempfile::tempdir().expect("a temporary directory");
    write(
        root.path(),
        "orca.toml",
        r#"
include = ["plans/*.toml"]
[plan]
name = "checkout"
[context]
background = "b"
architecture = { file = "docs/architecture.md" }
[limits]
jobs = "auto"
memory_per_task = "512MiB"
cost_usd_max = 20.0
[pools]
database = 1
[agents.claude]
preset = "claude-code"
model = "sonnet"
secrets = ["ANTHROPIC_API_KEY"]
[gates.unit]
run = "python -m pytest -q"
[gates.secrets]
check = "secrets"
[templates.endpoint]
params = ["path"]
prompt = "Implement the endpoint {{ path }}"
gates = ["unit", "secrets"]
[tasks.schema]
run = "python tools/gen_schema.py"
inputs = ["tools/gen_schema.py", "docs/schema.md"]
outputs = ["src/schema.py"]
"#,
    );
    write(
        root.path(),
        "plans/login.toml",
        r#"
[tasks.login]
template = "endpoint"
params = { path = "/login" }
inputs = ["../docs/**", "!x"]
deps = ["schema"]
tdd = { tests = ["tests/test_login.py"], run = "pytest", coverage_min = 95 }
retry = { attempts = 3, on = ["crash", "rate-limit"] }
resources = { cpu = 1, memory = "1GiB", pools = ["database"] }
matrix = { os = ["linux", "mac"] }
outputs = ["out/{{ matrix.os }}/a"]
"#,
    );
    let loaded = load(root.path()).expect("readable");
    let (plan, findings) = lower(&loaded.documents);
    assert_eq!(loaded.findings, []);
    assert_eq!(findings, []);
    assert_eq!(
        plan.tasks.keys().map(|name| name.as_str()).collect::<Vec<_>>(),
        ["login[linux]", "login[mac]", "schema"]
    );
    let login = &plan.tasks["login[mac]"];
    assert!(matches!(&login.body, Body::Prompt { text, .. } if text == "Implement the endpoint /login"));
    assert_eq!(login.inputs.iter().map(ToString::to_string).collect::<Vec<_>>(), ["docs/**", "!plans/x"]);
    assert_eq!(login.outputs.iter().map(ToString::to_string).collect::<Vec<_>>(), ["plans/out/mac/a"]);
}

#[test]
fn one_mistake_is_one_finding() {
    assert_eq!(codes(&[("orca.toml", "[tasks.a]\nrun = 5\n[tasks.b]\nrun = 'x'\ndeps = ['a']")]), ["!wrong_type"]);
    assert_eq!(codes(&[("orca.toml", "[agents]\nx = 5\n[tasks.b]\nprompt = 'x'\nagent = 'x'")]), ["!wrong_type"]);
    assert_eq!(
        codes(&[("orca.toml", "[tasks.a]\nrun = 'x\ninputs = ['a']\n[tasks.b]\nrun = 'x'\ndeps = ['a']")]),
        ["!syntax"]
    );
}
