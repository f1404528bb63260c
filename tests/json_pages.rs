//! `docs/events.md` and `docs/json.md` name every field there is: of every event as serialized, and of every `--json`
//! form as the real binary prints it.
#![expect(clippy::disallowed_methods, reason = "reads the pages")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use orca::base::{ActionKey, FailureKind, Name, TaskName};
use orca::event::{Event, EventRecord, Failure, Outcome, RunId, SCHEMA_VERSION, Spent, Usage};
use serde_json::Value;
use support::{Fixture, Project, by_hands, with_hands};

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).expect("the page is there")
}

/// The part of a page under a heading.
#[track_caller]
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page.find(&format!("## {heading}\n")).unwrap_or_else(|| panic!("no heading `{heading}`"));
    let rest = &page[start + 3..];
    rest.split("\n## ").next().expect("a first part")
}

/// The names of all fields, but those of objects whose names are data.
fn fields(value: &Value, data: &[&str], found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| fields(item, data, found)),
        Value::Object(entries) => {
            for (name, value) in entries {
                found.insert(name.clone());
                match value {
                    Value::Object(inner) if data.contains(&name.as_str()) => {
                        inner.values().for_each(|value| fields(value, data, found));
                    }
                    value => fields(value, data, found),
                }
            }
        }
        _ => {}
    }
}

#[track_caller]
fn assert_documented(text: &str, value: &Value, data: &[&str], what: &str) {
    let mut found = BTreeSet::new();
    fields(value, data, &mut found);
    let words: BTreeSet<&str> = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    let missing: Vec<&String> = found.iter().filter(|field| !words.contains(field.as_str())).collect();
    assert!(missing.is_empty(), "{what}: the page does not name {missing:?}");
}

fn failure() -> Failure {
    let details = vec!["a".to_owned()];
    Failure { kind: FailureKind::Crash, message: "exit 1".to_owned(), exit_code: Some(1), signal: Some(9), details }
}

fn finished(outcome: Outcome) -> Event {
    let key = Some(ActionKey::from_bytes([7; 32]));
    Event::TaskFinished {
        task: task(),
        key,
        outcome,
        attempts: 1,
        usage: Usage::default(),
        spent: Spent::default(),
        agent: Some(name("x")),
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn task() -> TaskName {
    TaskName::new("t").expect("a name")
}

/// One of each event, and of each outcome.
fn samples() -> Vec<Event> {
    let gate = name("g");
    let text = String::new;
    vec![
        Event::RunStarted { plan: text(), tasks: 1, layers: 1, jobs: 1, sandbox: text() },
        Event::Notice { warning: true, message: text() },
        Event::TaskDirty { task: task(), key: ActionKey::from_bytes([7; 32]), because: text() },
        Event::Graph { tasks: vec![task()], layers: vec![0], deps: vec![vec![0]] },
        Event::TaskStarted {
            task: task(),
            attempt: 1,
            layer: 0,
            estimate_ms: Some(1),
            agent: Some(name("x")),
            worker: 0,
            queued_ms: 1,
        },
        Event::TaskOutput { task: task(), text: text() },
        Event::AttemptFailed {
            task: task(),
            attempt: 1,
            failure: failure(),
            usage: Usage::default(),
            spent: Spent::default(),
            retry_in_ms: None,
        },
        Event::AgentPaused { agent: name("x"), until_ms: 1, tasks: 1, message: text() },
        Event::AgentStopped { agent: name("x"), kind: FailureKind::Auth, message: text(), fallback: Some(name("y")) },
        Event::GateJudged {
            task: None,
            gate,
            verdict: text(),
            cached: false,
            wall_ms: 1,
            cost_micro_usd: 1,
            findings: Vec::new(),
            message: text(),
            details: vec![text()],
        },
        Event::GateBlamed { gate: Name::new("g").expect("a name"), task: Some(task()), by_hand: false, judged: 1 },
        finished(Outcome::Ran),
        finished(Outcome::Cached { restored: 1, saved_ms: 1, saved_micro_usd: 1 }),
        finished(Outcome::AwaitsApproval { files: 1 }),
        finished(Outcome::Failed(failure())),
        finished(Outcome::Skipped { because: text() }),
        Event::Untouched { tasks: 1, saved_ms: 1 },
        Event::LayerFinished { layer: 0, of: 1 },
        Event::RunFinished {
            ok: true,
            ran: 1,
            cached: 1,
            failed: 1,
            skipped: 1,
            awaits_approval: 1,
            wall_ms: 1,
            saved_ms: 1,
            spent: Spent::default(),
            saved_micro_usd: 1,
            interrupted_by: None,
        },
    ]
}

/// The heading of an event. A new event has no arm here, and no sample above: give it both, and a part of the page.
fn heading(event: &Event) -> &'static str {
    match event {
        Event::RunStarted { .. } => "run-started",
        Event::Notice { .. } => "notice",
        Event::TaskDirty { .. } => "task-dirty",
        Event::Graph { .. } => "graph",
        Event::TaskStarted { .. } => "task-started",
        Event::TaskOutput { .. } => "task-output",
        Event::AttemptFailed { .. } => "attempt-failed",
        Event::AgentPaused { .. } => "agent-paused",
        Event::AgentStopped { .. } => "agent-stopped",
        Event::GateJudged { .. } => "gate-judged",
        Event::GateBlamed { .. } => "gate-blamed",
        Event::TaskFinished { .. } => "task-finished",
        Event::Untouched { .. } => "untouched",
        Event::LayerFinished { .. } => "layer-finished",
        Event::RunFinished { .. } => "run-finished",
    }
}

#[test]
fn every_event_and_field_is_on_the_page() {
    let page = page("events.md");
    let common = page.split("\n## ").next().expect("a first part");
    let mut documented: BTreeSet<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    for event in samples() {
        let name = heading(&event);
        documented.remove(name);
        let record = EventRecord { v: SCHEMA_VERSION, run: RunId(1), at_ms: 1, event };
        let value = serde_json::to_value(&record).expect("an event is JSON");
        assert_eq!(value["event"], name);
        let text = [
            common,
            section(&page, name),
            section(&page, "Failures"),
            section(&page, "Usage"),
            section(&page, "Spending"),
        ]
        .concat();
        assert_documented(&text, &value, &[], name);
        let own = section(&page, name);
        for field in value.as_object().expect("an object").keys() {
            let is_common = ["v", "run", "at_ms", "event"].contains(&field.as_str());
            assert!(is_common || own.contains(&format!("`{field}`")), "{name}: no row for `{field}`");
        }
    }
    assert_eq!(documented, BTreeSet::from(["Failures", "Spending", "Usage"]), "headings that are no event's");
}

#[test]
fn every_form_and_field_is_on_the_page() {
    let page = page("json.md");
    let orca = Fixture::open("quickstart");
    orca.append(
        "orca.toml",
        "[gates.there]\nrun = \"test -e ok.txt\"\n[tasks.judged]\nrun = [\"sh\", \"-c\", \"echo ok > ok.txt\"]\n\
         outputs = [\"ok.txt\"]\ngates = [\"there\"]\n[tasks.red]\nrun = \"false\"\n[tasks.below]\nrun = \"true\"\n\
         deps = [\"red\"]\n[[overrides.add]]\ntask = \"red\"\ndep = \"check\"\nreason = \"order\"\n",
    );
    orca.orca(["check", "--json"]).exits(0);
    assert_eq!(orca.build_args(["-k"]).output.status.code(), Some(1));
    orca.append("texts/tide.txt", "more\n").append("build/headline.txt", "mine\n").remove("build/harbour.counts");
    orca.write("plan.md", "# P\n\n- [x] old\n- [ ] new `a.txt`, run `pytest -q`\n- [ ] odd\n\n## After\n\nwords\n");
    let commands: [(&str, &[&str]); 21] = [
        ("orca generate", &["generate", "plan.md", "-o", "drafted", "--json"]),
        ("orca build -n", &["build", "-n", "--json"]),
        ("orca graph", &["graph", "--json"]),
        ("orca explain", &["explain", "count-tide", "--json", "--key"]),
        ("orca explain", &["explain", "count-harbour", "--json"]),
        ("orca explain", &["explain", "judged", "--json"]),
        ("orca explain", &["explain", "report", "--json"]),
        ("orca status", &["status", "--json"]),
        ("orca show", &["show", "headline", "--json"]),
        ("orca show", &["show", "red", "--json"]),
        ("orca log", &["log", "red", "--json"]),
        ("orca diff", &["diff", "count-tide", "--json"]),
        ("orca diff", &["diff", "--json"]),
        ("orca report", &["report", "--json"]),
        ("orca trust", &["trust", "--json"]),
        ("orca clean", &["clean", "-n", "--json", "--all"]),
        ("orca cache", &["cache", "stats", "--json"]),
        ("orca cache", &["cache", "verify", "--json"]),
        ("orca cache", &["cache", "gc", "--max-size", "1GB", "--json"]),
        ("orca check", &["check", "--json"]),
        ("orca clean", &["clean", "--yes", "--json"]),
    ];
    for (heading, args) in commands {
        check_form(&page, heading, &orca, args, 0);
    }
    let edited = Project::new(&with_hands(&[by_hands("edit", "edits = ['a.txt']", "echo b > a.txt")]));
    edited.write("a.txt", "a\n").build();
    check_form(&page, "orca undo", &edited, &["undo", "-n", "--json"], 0);
    edited.write("b.txt", "b\n").append("orca.toml", "[tasks.b]\nrun = \"true\"\napproval = true\n").build_red();
    check_form(&page, "orca build -n", &edited, &["build", "-n", "--json"], 0);
    check_form(&page, "orca approve", &edited, &["approve", "b", "--json"], 0);
    edited.append("a.txt", "c\n");
    check_form(&page, "orca rebase", &edited, &["rebase", "-n", "--json"], 0);
    check_form(&page, "orca status", &edited, &["status", "--json"], 0);
    check_form(&page, "orca undo", &edited, &["undo", "--yes", "--json"], 1);
    let broken = Project::new("[tasks.a]\nrun = \"true\"\ndeps = [\"b\"]\n");
    check_form(&page, "orca check", &broken, &["check", "--json"], 3);
    let powerful = Project::new("[tasks.a]\nrun = \"true\"\nnetwork = true\n");
    check_form(&page, "orca trust", &powerful, &["trust", "--yes", "--json"], 0);
    check_form(&page, "orca build --locked", &powerful, &["build", "--locked", "--json"], 1);
    check_form(&page, "orca cache", &powerful, &["cache", "verify", "--json"], 0);
}

#[track_caller]
fn check_form(page: &str, heading: &str, orca: &Project, args: &[&str], code: i32) {
    let output = orca.orca(args).exits(code);
    assert_eq!(output.stdout.lines().count(), 1, "one line\n{}", output.transcript());
    let value: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(value["v"], 1, "{}", output.transcript());
    let data = ["counts", "view", "env", "pass_env", "gates"];
    assert_documented(section(page, heading), &value, &data, &args.join(" "));
}
