//! `orca check` says what an agent's task lacks: where, and what to type. Each code has its page in docs/errors with a whole
//! plan; here is what does not fit on a page: templates, matrices, where files come from, how strict it is, and sizes.

mod support;

use serde_json::Value;
use support::{Fixture, Output, Project};

const SHOP: &str = r#"
[context]
background = "A web shop."
[agents.helper]
command = ["sh", "-c", "mkdir -p out; cat > out/login.txt"]
[gates.tests]
run = "true"
"#;

const LOGIN: &str = r#"
[tasks.login]
prompt = "Write the login of the shop."
inputs = ["src/shop.py"]
outputs = ["out/login.txt"]
acceptance = ["It says so."]
gates = ["tests"]
"#;

fn shop(tasks: &str) -> Project {
    let orca = Project::new(&format!("{SHOP}{tasks}"));
    orca.write("src/shop.py", "users = {}\n");
    orca
}

/// Code, line and message of every finding.
fn findings(output: &Output) -> Vec<(String, u64, String)> {
    let value: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}\n{}", output.transcript()));
    let all = value["findings"].as_array().expect("a list").iter();
    let text = |finding: &Value, key: &str| finding[key].as_str().expect("a text").to_owned();
    all.map(|f| (text(f, "code").replace("orca::", ""), f["line"].as_u64().expect("a line"), text(f, "message")))
        .collect()
}

#[track_caller]
fn check(orca: &Project, expected: &[(&str, u64)]) -> Output {
    let output = orca.orca(["check", "--json"]);
    let found = findings(&output);
    let places: Vec<(&str, u64)> = found.iter().map(|(code, line, _)| (code.as_str(), *line)).collect();
    assert_eq!(places, expected, "{found:#?}");
    output
}

/// The plan with the prompt replaced.
fn prompted(prompt: &str) -> Project {
    shop(&LOGIN.replace("\"Write the login of the shop.\"", &format!("'''{prompt}'''")))
}

#[test]
fn a_complete_task_lacks_nothing() {
    let orca = shop(LOGIN);
    check(&orca, &[]);
    orca.orca(["check", "--strict"]).exits(0).prints(["the plan is good: 1 task"]);
}

#[test]
fn a_bare_prompt_lacks_everything_and_can_be_built() {
    let orca = Project::new("[agents.a]\ncommand = \"true\"\n[tasks.x]\nprompt = \"Go.\"\n");
    check(
        &orca,
        &[
            ("task::no_background", 3),
            ("task::no_inputs", 3),
            ("task::no_outputs", 3),
            ("task::no_acceptance", 3),
            ("task::no_gates", 3),
            ("task::no_goal", 4),
        ],
    );
    orca.orca(["check"]).exits(0).prints(["the plan can be built: 1 task, 6 warnings"]);
    orca.orca(["check", "--strict"]).exits(3);
    orca.build().ran(["x"]);
}

#[test]
fn commands_lack_nothing() {
    let orca = Project::new("[tasks.x]\nrun = \"true\"\n");
    check(&orca, &[]);
    for fixture in ["quickstart", "agents", "eight-tasks", "docs-pipeline"] {
        Fixture::open(fixture).orca(["check", "--strict"]).exits(0).prints(["the plan is good"]);
    }
}

#[test]
fn what_all_tasks_of_a_template_lack_is_said_once_at_the_template() {
    let template = "[templates.page]\nparams = [\"name\"]\nprompt = \"Write the page {{ name }}.\"\n\
                    inputs = [\"src/shop.py\"]\noutputs = [\"out/{{ name }}.txt\"]\n";
    let tasks = "[tasks.cart]\ntemplate = \"page\"\nparams = { name = \"cart\" }\n\
                 [tasks.login]\ntemplate = \"page\"\nparams = { name = \"login\" }\n";
    let orca = shop(&format!("{template}{tasks}"));
    let output = check(&orca, &[("task::no_acceptance", 8), ("task::no_gates", 8)]);
    assert!(output.stdout.contains("nothing says when `cart` (and another task) is done"), "{}", output.stdout);

    // Line 16 is the header of `login`, whose turn it is when `cart` has what it needs.
    orca.replace("orca.toml", "name = \"cart\" }\n", "name = \"cart\" }\nacceptance = [\"x\"]\n");
    orca.replace("orca.toml", "outputs = [\"out", "gates = []\noutputs = [\"out");
    check(&orca, &[("task::no_gates", 12), ("task::no_acceptance", 18)]);
}

#[test]
fn the_instances_of_a_matrix_are_one_task() {
    let plan = "[tasks.page]\nprompt = \"Write src/page.py for {{ matrix.os }}, as docs/a.md says.\"\n\
                matrix = { os = [\"linux\", \"mac\"] }\ninputs = [\"src/shop.py\"]\noutputs = [\"out/{{ matrix.os }}\"]\n";
    let orca = shop(plan);
    orca.write("docs/a.md", "a\n");
    check(
        &orca,
        &[("task::no_acceptance", 8), ("task::no_gates", 8), ("task::unknown_file", 9), ("task::unseen_file", 9)],
    );
}

#[test]
fn a_file_that_a_prompt_names_is_pointed_at_in_the_prompt() {
    let orca = prompted("\nWrite the login,\nas docs/login.md\nand README.md say.\n");
    orca.write("docs/login.md", "x\n").write("README.md", "x\n");
    let output = check(&orca, &[("task::unseen_file", 12), ("task::unseen_file", 13)]);
    let value: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!((&value["findings"][0]["column"], &value["findings"][1]["column"]), (&4.into(), &5.into()));

    orca.replace("orca.toml", "inputs = [", "inputs = [\"docs/**\", ");
    check(&orca, &[("task::unseen_file", 13)]);
    orca.replace("orca.toml", "background = \"A web shop.\"", "background = { file = \"README.md\" }");
    check(&orca, &[]);
}

#[test]
fn what_another_task_writes_is_seen_through_deps_or_inputs() {
    let orca = prompted("Write the login over src/schema.py, please.");
    orca.append(
        "orca.toml",
        "[tasks.schema]\nrun = \"mkdir -p src; echo > src/schema.py\"\noutputs = [\"src/schema.py\"]\n",
    );
    let output = check(&orca, &[("task::unseen_file", 10)]);
    assert!(
        output.stdout.contains(r#"add \"schema\" to `deps`, or \"src/schema.py\" to `inputs`"#),
        "{}",
        output.stdout
    );
    orca.replace("orca.toml", "gates = [\"tests\"]", "gates = [\"tests\"]\ndeps = [\"schema\"]");
    check(&orca, &[]);
    orca.replace("orca.toml", "\ndeps = [\"schema\"]", "");
    orca.replace("orca.toml", "inputs = [", "inputs = [\"src/schema.py\", ");
    check(&orca, &[]);
}

#[test]
fn directories_are_seen_where_something_in_them_is() {
    let orca = prompted("Write the login from what is in src/ and docs/api, into out/.");
    orca.write("docs/api/a.md", "a\n").write("out/old.txt", "old\n");
    check(&orca, &[("task::unseen_file", 10)]).prints(["docs/api"]);
    orca.replace("orca.toml", "inputs = [", "inputs = [\"docs/api/*.md\", ");
    check(&orca, &[]);
}

#[test]
fn prose_is_not_taken_for_files() {
    let orca = prompted(
        "Handle GET /login and/or POST /login (see https://example.com/docs/login.html), version 1.2.3,\n\
         call `foo()` and obj.method(), answer application/json, 24/7, as in Node.js/Express.js or lib/NAME.sh.",
    );
    check(&orca, &[]);
}

#[test]
fn programs_have_to_be_declared() {
    let orca = prompted("Write the login until `pytest -q` and `make lint` pass.");
    check(&orca, &[("task::undeclared_tool", 10), ("task::undeclared_tool", 10)]);
    orca.orca(["check"]).exits(0).prints(["the plan can be built: 1 task, 2 hints"]);
    orca.orca(["check", "--strict"]).exits(3);
    orca.replace(
        "orca.toml",
        "gates = [\"tests\"]",
        "gates = [\"tests\"]\ntools = [\"make\"]\ntoolchains = [\"python\"]",
    );
    check(&orca, &[]);
    // What a toolchain of one's own brings, only its author knows.
    orca.replace("orca.toml", "tools = [\"make\"]\ntoolchains = [\"python\"]", "toolchains = [\"mine\"]");
    orca.append("orca.toml", "[toolchains.mine]\npaths = [\"/opt/mine\"]\n");
    check(&orca, &[]);
}

#[test]
fn a_gate_that_is_switched_off_judges_nothing() {
    let orca = shop(LOGIN);
    orca.replace("orca.toml", "run = \"true\"", "run = \"true\"\nlevel = \"disabled\"");
    check(&orca, &[("task::no_gates", 15)]);
}

#[test]
fn a_plan_that_is_wrong_is_mended_first() {
    let orca = Project::new("[agents.a]\ncommand = \"true\"\n[tasks.x]\nprompt = \"Go.\"\ndeps = [\"y\"]\n");
    check(&orca, &[("plan::unknown_task", 5)]);
}

#[test]
fn too_long_a_task_is_refused_before_anything_runs() {
    let orca = shop(&format!("{LOGIN}[tasks.first]\nrun = \"touch ran\"\noutputs = [\"ran\"]\n"));
    orca.write("docs/history.md", "All that ever was.\n".repeat(70_000));
    orca.replace("orca.toml", "[agents", "history = { file = \"docs/history.md\" }\n[agents");
    let said = ["the complete task of `login` is 1.3 MiB long; 1 MiB is the limit", "history 1.3 MiB", "orca.toml:4:"];
    orca.orca(["check"]).exits(3).prints(said);
    orca.orca(["build"]).exits(3).prints(said);
    orca.orca(["build", "-n"]).exits(3).prints(said);
    assert!(!orca.exists("ran") && !orca.exists(".orca/journal.db-wal"));
    orca.orca(["build", "first"]).exits(0);

    orca.append("orca.toml", "[limits]\ncontext_size_max = \"2MiB\"\n");
    orca.orca(["check"]).exits(0).prints(["the plan is good"]);
    orca.build().ran(["login"]);
    orca.replace("orca.toml", "2MiB", "1KiB");
    orca.orca(["build"]).exits(3).prints(["1 KiB is the limit"]);
    orca.orca(["show", "login"]).exits(0);
}
