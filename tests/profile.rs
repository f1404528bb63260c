//! `orca build --profile`: the trace has the form that Perfetto reads, tells of every task that ran, and is written however
//! the build ends.
#![expect(clippy::disallowed_methods, reason = "looks into the project")]

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use orca::event::{Event, EventRecord};
use rustix::process::Signal;
use serde_json::Value;
use support::{Build, Project};

/// A span of a thread: from, to, name.
type Placed = (u64, u64, String);

/// A trace whose form was checked.
struct Trace {
    events: Vec<Value>,
    other: Value,
}

impl Trace {
    /// Reads a profile, and holds it to the Trace Event Format: required fields, times that are whole and not negative, names
    /// for all processes and threads, spans of a thread within each other or apart, asynchronous ones in pairs.
    #[track_caller]
    fn read(project: &Project, name: &str) -> Self {
        let whole: Value = serde_json::from_str(&project.read(name)).expect("the profile is JSON");
        assert_eq!(whole["displayTimeUnit"], "ms");
        let events = whole["traceEvents"].as_array().expect("an array").clone();
        let mut named: BTreeSet<(u64, u64)> = BTreeSet::new();
        let mut used: BTreeSet<(u64, u64)> = BTreeSet::new();
        let mut spans: BTreeMap<(u64, u64), Vec<Placed>> = BTreeMap::new();
        let mut open: HashMap<(String, u64), u64> = HashMap::new();
        for event in &events {
            let number = |field: &str| event[field].as_u64().unwrap_or_else(|| panic!("`{field}` of {event}"));
            let text = |field: &str| event[field].as_str().unwrap_or_else(|| panic!("`{field}` of {event}")).to_owned();
            let (name, phase, at, thread) = (text("name"), text("ph"), number("ts"), (number("pid"), number("tid")));
            assert!(event.get("args").is_none_or(Value::is_object), "{event}");
            match phase.as_str() {
                "X" => {
                    assert!(!text("cat").is_empty());
                    spans.entry(thread).or_default().push((at, at + number("dur"), name));
                    used.insert(thread);
                }
                "M" => {
                    assert!(
                        ["process_name", "process_sort_index", "thread_name", "thread_sort_index"]
                            .contains(&name.as_str())
                    );
                    if name == "thread_name" {
                        assert!(event["args"]["name"].is_string());
                        assert!(named.insert(thread), "{thread:?} is named twice");
                    }
                }
                "C" => assert!(event["args"].as_object().expect("args").values().all(Value::is_number), "{event}"),
                "b" => assert!(open.insert((text("cat"), number("id")), at).is_none(), "{event}"),
                "e" => {
                    let from = open.remove(&(text("cat"), number("id"))).expect("it began");
                    assert!(from <= at, "{event}");
                }
                other => panic!("phase `{other}`: {event}"),
            }
        }
        assert!(open.is_empty(), "never ended: {open:?}");
        assert!(used.is_subset(&named), "threads without a name: {:?}", used.difference(&named));
        for (thread, mut spans) in spans {
            spans.sort_by_key(|(from, to, _)| (*from, std::cmp::Reverse(*to)));
            let mut around: Vec<Placed> = Vec::new();
            for span in spans {
                while around.last().is_some_and(|last| last.1 <= span.0) {
                    around.pop();
                }
                if let Some(last) = around.last() {
                    assert!(span.1 <= last.1, "{thread:?}: {span:?} ends after {last:?}, in which it began");
                }
                around.push(span);
            }
        }
        Self { events, other: whole["otherData"].clone() }
    }

    /// The spans of a category.
    fn of<'a>(&'a self, cat: &str) -> impl Iterator<Item = &'a Value> {
        let cat = cat.to_owned();
        let is = move |event: &&Value| event["cat"].as_str().is_some_and(|all| all.split(',').any(|one| one == cat));
        self.events.iter().filter(|event| event["ph"] == "X").filter(is)
    }

    fn names(&self, cat: &str) -> Vec<String> {
        self.of(cat).map(|event| event["name"].as_str().expect("a name").to_owned()).collect()
    }
}

const PLAN: &str = r#"
[plan]
name = "profiled"
gates = ["whole"]

[gates.whole]
run = "true"
[gates.one]
run = "sleep 0.05"
[gates.two]
run = "sleep 0.05"

[tasks.a]
run = "sleep 1.5; echo a > a.txt"
outputs = ["a.txt"]

[tasks.b]
run = "echo b > b.txt"
outputs = ["b.txt"]
gates = ["one", "two"]

[tasks.c]
run = "cat a.txt b.txt > c.txt"
inputs = ["a.txt", "b.txt"]
outputs = ["c.txt"]
"#;

fn project() -> Project {
    Project::new(PLAN)
}

#[test]
fn tasks_gates_phases_and_the_critical_path_are_told() {
    let project = project();
    let built = project.build_args(["--profile", "out.json"]).green();
    let trace = Trace::read(&project, "out.json");
    let mut tasks = trace.names("task");
    tasks.sort();
    assert_eq!(tasks, ["a", "b", "c"]);
    for phase in ["load", "lower", "graph", "ledger", "survey", "recover", "run", "plan gates", "finish"] {
        assert_eq!(trace.names("engine").iter().filter(|name| *name == phase).count(), 1, "{phase}");
    }
    for part in ["workspace", "run", "collect", "store", "publish"] {
        assert_eq!(trace.names("part").iter().filter(|name| *name == part).count(), 3, "{part}");
    }
    let mut gates = trace.names("gate");
    gates.sort();
    assert_eq!(gates, ["gate one", "gate two", "gate whole"]);
    assert_eq!(trace.names("critical").iter().filter(|name| *name == "a").count(), 2, "on its worker, and on the path");
    assert_eq!(trace.other["critical_path"], serde_json::json!(["a", "c"]));
    assert_eq!((&trace.other["plan"], &trace.other["run"]), (&"profiled".into(), &1.into()));
    assert_eq!(trace.other["ended"], "good");
    // What the trace says a task took is what its events say, and a little more.
    let wall_ms = |name: &str| {
        built.events.iter().find_map(|event| match event {
            Event::TaskFinished { task, usage, .. } if task.as_str() == name => Some(usage.wall_ms),
            _ => None,
        })
    };
    for event in trace.of("task") {
        let name = event["name"].as_str().expect("a name");
        let part = trace.of("part").find(|part| part["name"] == "run" && part["args"]["task"] == name).expect("it ran");
        let (run_us, whole_us) = (part["dur"].as_u64().expect("µs"), event["dur"].as_u64().expect("µs"));
        let wall_us = wall_ms(name).expect("it is settled") * 1000;
        assert!(wall_us <= run_us + 2_000 && run_us <= whole_us, "{name}: {wall_us} {run_us} {whole_us}");
    }
    let running = trace.events.iter().filter(|event| event["name"] == "tasks running");
    let counts: Vec<i64> = running.map(|event| event["args"]["tasks"].as_i64().expect("a number")).collect();
    assert_eq!(counts.last(), Some(&0), "{counts:?}");
    assert!(counts.iter().all(|count| (0..=2).contains(count)), "{counts:?}");
    assert!(trace.events.iter().any(|event| event["name"] == "memory available"));
}

#[test]
fn a_build_that_does_nothing_writes_one_too() {
    let project = project();
    project.build();
    project.build_args(["--profile", "out.json"]).green().ran([]);
    let trace = Trace::read(&project, "out.json");
    assert_eq!(trace.names("task").len(), 0);
    let mut cached = trace.names("cached");
    cached.sort();
    assert_eq!(cached, ["a", "b", "c"]);
}

#[test]
fn a_red_build_tells_of_attempts_and_queues() {
    let project = Project::new(
        "[tasks.flaky]\nrun = \"exit 3\"\nretry = { attempts = 2, on = [\"crash\"] }\n[tasks.x]\nrun = \"sleep 0.1\"\n[tasks.y]\nrun = \"sleep 0.1\"\n",
    );
    let built = project.build_args(["-k", "-j1", "--profile", "out.json"]).red();
    let trace = Trace::read(&project, "out.json");
    let of_flaky: Vec<&Value> = trace.of("task").filter(|event| event["name"] == "flaky").collect();
    assert_eq!(of_flaky.len(), 2);
    assert!(of_flaky.iter().all(|event| event["args"]["ended"] == "failed" && event["args"]["outcome"] == "failed"));
    let started = built.events.iter().filter(|event| matches!(event, Event::TaskStarted { .. })).count();
    assert_eq!(trace.of("task").count(), started);
    // With one job at a time bodies wait for each other; what is stored and published goes on beside the next one.
    let number = |event: &Value, field: &str| event[field].as_u64().expect("a number");
    let runs = trace.of("part").filter(|event| event["name"] == "run");
    let mut bodies: Vec<(u64, u64)> =
        runs.map(|event| (number(event, "ts"), number(event, "ts") + number(event, "dur"))).collect();
    bodies.sort_unstable();
    assert!(bodies.windows(2).all(|two| two[0].1 <= two[1].0), "{bodies:?}");
    assert!(trace.events.iter().any(|event| event["ph"] == "b" && event["name"] == "queued"));
    let longest = built.events.iter().filter_map(|event| match event {
        Event::TaskStarted { queued_ms, .. } => Some(*queued_ms),
        _ => None,
    });
    assert!(longest.max().is_some_and(|queued_ms| queued_ms >= 50), "the events say so, too");
    assert_eq!(trace.other["ended"], "red");
}

#[test]
fn an_interrupted_build_and_an_invalid_plan_write_one_too() {
    let project = Project::new("[tasks.long]\nrun = \"sleep 60\"\n");
    let mut running = project.spawn(["build", "--json", "--profile", "out.json"]);
    running.wait_for("task-started").signal(Signal::INT);
    let output = running.wait();
    assert_eq!(output.status.code(), Some(130), "{}", output.transcript());
    let trace = Trace::read(&project, "out.json");
    assert_eq!((trace.names("task"), &trace.other["ended"]), (vec!["long".to_owned()], &"interrupted".into()));

    project.write("orca.toml", "[tasks.a]\nrunn = \"x\"\n");
    project.orca(["build", "--profile", "invalid.json"]).exits(3);
    let trace = Trace::read(&project, "invalid.json");
    assert!(trace.names("engine").contains(&"lower".to_owned()));
    assert_eq!(trace.other["ended"], "did not run to its end");
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_anything_runs() {
    let project = project();
    project.write("file", "");
    for bad in ["nowhere/out.json", "file/out.json", ".", "/dev/null"] {
        let output = project.orca(["build", "--profile", bad]).exits(4);
        assert!(output.stderr.contains(&format!("cannot write the profile `{bad}`")), "{}", output.transcript());
        assert!(!project.exists("a.txt") && !project.exists(".orca/journal.db"));
    }
    let names = std::fs::read_dir(project.root()).expect("it is there").count();
    assert_eq!(names, 2, "nothing is left behind");
}

#[test]
fn many_tasks_stay_loadable() {
    let events: Vec<Event> = {
        let tasks: String = (0..300).map(|nth| format!("[tasks.t{nth}]\nrun = \"true # {nth}\"\n")).collect();
        let project = Project::new(&tasks);
        let built: Build = project.build_args(["-j8", "--profile", "out.json"]).green();
        let bytes = project.read("out.json").len();
        assert!(bytes < 300 * 4_000, "{bytes} bytes for 300 tasks: 10,000 would be too many");
        assert_eq!(Trace::read(&project, "out.json").of("task").count(), 300);
        built.events
    };
    let workers = events.iter().filter_map(|event| match event {
        Event::TaskStarted { worker, .. } => Some(*worker),
        _ => None,
    });
    // A slot is free when a body is over, and at most four attempts for each are still stored and published.
    assert!(workers.max().is_some_and(|most| most < 8 * 5), "never more lanes than slots and what is left of them");
}

#[test]
fn older_events_are_read() {
    let line =
        r#"{"v":1,"run":1,"at_ms":5,"event":"task-started","task":"a","attempt":1,"layer":0,"estimate_ms":null}"#;
    let record: EventRecord = serde_json::from_str(line).expect("fields that are newer have defaults");
    assert!(matches!(record.event, Event::TaskStarted { worker: 0, queued_ms: 0, .. }));
}
