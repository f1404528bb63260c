//! What real agents print, recorded: every way in which a run can go, as `fixtures/streams/AGENT/CASE.jsonl`, with what was
//! on standard error beside it, and exit codes and numbers of requests in `outcomes.json`.
//!
//! The tables that read these streams are tested on the recordings alone. These tests run the agents again and compare, so
//! that a recording cannot drift from what the pinned agent does. `ORCA_BLESS=1` records anew, `ORCA_BLESS=CASE` one case alone.
#![expect(clippy::disallowed_methods, reason = "reads and writes recordings")]

mod agents;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use agents::{Agent, Agents, Limit, ModelServer, Script, Trouble, Turn, isolated};
use serde_json::{Value, json};

/// Longer than any agent goes on by itself: opencode tries again for a minute where it is not told when.
const LIMIT: Limit = Limit::Time(Duration::from_secs(110));
/// How long one is left hanging.
const HANG: Limit = Limit::OnceAsked(Duration::from_secs(4));
/// How codex says when a limit ends: a time of the machine's clock follows.
const AGAIN_AT: &str = "try again at ";
/// Agents at a time.
const SIDE_BY_SIDE: usize = 4;
const PROMPT: &str = "# Task: greet\n\nMake greet.py greet.\n";

/// A way in which a run can go.
struct Case {
    name: &'static str,
    script: Script,
    limit: Limit,
    /// Takes a minute, in which the agent waits: run only to record it.
    slow: bool,
}

/// How a run ended, besides what it printed.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// Nothing where it was killed.
    exit: Option<i32>,
    requests: usize,
}

fn cases(agent: Agent) -> Vec<Case> {
    let case = |name, script| Case { name, script, limit: LIMIT, slow: false };
    let trouble = |name, trouble| case(name, work().trouble("greet", 1..=99, trouble));
    if agent == Agent::CodexRetrying {
        let slow = [("429-retried", Trouble::RateLimit { reset_s: Some(1) }), ("500-retried", Trouble::Status(500))];
        let mut cases: Vec<Case> = slow.map(|(name, why)| Case { slow: true, ..trouble(name, why) }).into();
        cases.push(Case { slow: true, ..trouble("cut-retried", Trouble::Cut) });
        cases.push(case("cut-once-retried", work().trouble("greet", 2..=2, Trouble::Cut)));
        return cases;
    }
    let waits = agent != Agent::Codex;
    if agent == Agent::OpencodeMessages {
        // The same program over another interface: what depends on the interface.
        let short = [("429-reset", Trouble::RateLimit { reset_s: Some(1) }), ("401", Trouble::Status(401))];
        let mut cases: Vec<Case> = short.map(|(name, why)| trouble(name, why)).into();
        cases.push(case("success", work()));
        cases.push(Case { slow: true, ..trouble("529", Trouble::Status(529)) });
        return cases;
    }
    let greets = "Done: greet.py greets.";
    let fails = [Turn::shell("cat missing; exit 3"), Turn::say("It is not there.")];
    let outside = [Turn::write("../stray.txt", "stray\n"), Turn::say("Wrote it elsewhere.")];
    vec![
        case("success", work()),
        case("lie", Script::new().task("greet", [Turn::say(greets)])),
        case("failing-tool", Script::new().task("greet", fails)),
        case("outside", Script::new().task("greet", outside)),
        trouble("429-reset", Trouble::RateLimit { reset_s: Some(1) }),
        case("429-once", work().trouble("greet", 1..=1, Trouble::RateLimit { reset_s: Some(1) })),
        Case { slow: waits, ..trouble("429", Trouble::RateLimit { reset_s: None }) },
        Case { slow: waits, ..trouble("429-usage-limit", Trouble::UsageLimit { reset_s: 90 }) },
        trouble("401", Trouble::Status(401)),
        Case { slow: waits, ..trouble("500", Trouble::Status(500)) },
        Case { slow: waits, ..trouble("529", Trouble::Status(529)) },
        Case { limit: HANG, ..trouble("hang", Trouble::Hang) },
        Case { slow: waits, ..trouble("cut", Trouble::Cut) },
    ]
}

fn work() -> Script {
    let turns = [
        Turn::write("greet.py", "def greet(name):\n    return name\n"),
        Turn::edit("greet.py", "    return name\n", "    return f\"Hello, {name}\"\n"),
        Turn::shell("python3 -c 'import greet; print(greet.greet(\"you\"))'"),
        Turn::say("greet.py greets."),
    ];
    Script::new().task("greet", turns)
}

#[test]
fn opencode_over_chat_completions() {
    each_case("opencode_over_chat_completions", Agent::Opencode, "opencode");
}

#[test]
fn opencode_over_messages() {
    each_case("opencode_over_messages", Agent::OpencodeMessages, "opencode-messages");
}

#[test]
fn codex_without_retries() {
    each_case("codex_without_retries", Agent::Codex, "codex");
}

#[test]
fn codex_with_its_own_retries() {
    each_case("codex_with_its_own_retries", Agent::CodexRetrying, "codex-retrying");
}

fn each_case(test: &str, agent: Agent, directory: &str) {
    let Some(agents) = Agents::installed(test) else { return };
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/streams").join(directory);
    let bless = std::env::var("ORCA_BLESS").unwrap_or_default();
    let blesses = |case: &Case| bless == "1" || bless == case.name;
    isolated(test, || {
        let mut outcomes = BTreeMap::new();
        let mut cases: Vec<Case> =
            cases(agent).into_iter().filter(|case| blesses(case) || bless.is_empty() && !case.slow).collect();
        while !cases.is_empty() {
            let batch: Vec<Case> = cases.drain(..SIDE_BY_SIDE.min(cases.len())).collect();
            let (agents, directory) = (&agents, &directory);
            let settled: Vec<(&str, Outcome)> = std::thread::scope(|scope| {
                let run = |case: Case| {
                    let blessing = blesses(&case);
                    scope.spawn(move || (case.name, one(agent, agents, &case, directory, blessing)))
                };
                let threads: Vec<_> = batch.into_iter().map(run).collect();
                threads.into_iter().map(|thread| thread.join().expect("the case holds")).collect()
            });
            outcomes.extend(settled);
        }
        compare_outcomes(&directory.join("outcomes.json"), &outcomes, !bless.is_empty());
    });
}

/// Runs one case, and records it or compares it to the recording.
fn one(agent: Agent, agents: &Agents, case: &Case, directory: &Path, blessing: bool) -> Outcome {
    // Not where TMPDIR says: that may lie in somebody's repository, and opencode takes the next `.git` above for its project.
    let place = tempfile::Builder::new().prefix("orca-stream-").tempdir_in("/tmp").expect("a temporary directory");
    let server = ModelServer::start(case.script.clone());
    let ran = agent.run(agents, &server, place.path(), PROMPT, case.limit);
    let stream = scrubbed(&ran.stdout, place.path(), &server);
    let file = directory.join(format!("{}.jsonl", case.name));
    if blessing {
        record(&file, &stream);
        record(&file.with_extension("stderr"), &scrubbed(&ran.stderr, place.path(), &server));
    } else {
        let recorded = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_eq!(shape(&stream), shape(&recorded), "{agent:?} {}\n{stream}\n{}", case.name, ran.stderr);
    }
    if case.name == "success" {
        assert!(place.path().join("work/greet.py").exists(), "no file was written\n{stream}");
    }
    Outcome { exit: ran.status.map(|status| status.code().unwrap_or(-1)), requests: server.asked().len() }
}

fn record(file: &Path, text: &str) {
    fs::create_dir_all(file.parent().expect("in a directory")).expect("the repository can be written");
    if text.is_empty() && file.extension().is_some_and(|kind| kind == "stderr") {
        let _gone = fs::remove_file(file);
    } else {
        fs::write(file, text).expect("the repository can be written");
    }
}

fn compare_outcomes(file: &Path, outcomes: &BTreeMap<&str, Outcome>, blessing: bool) {
    let text = fs::read_to_string(file).unwrap_or_else(|_| "{}".to_owned());
    let mut recorded: BTreeMap<String, Value> = serde_json::from_str(&text).expect("it was recorded");
    for (case, Outcome { exit, requests }) in outcomes {
        let found = json!({ "exit": exit, "requests": requests });
        if blessing {
            recorded.insert((*case).to_owned(), found);
        } else {
            assert_eq!(recorded.get(*case), Some(&found), "{case} in {}", file.display());
        }
    }
    if blessing {
        record(file, &(serde_json::to_string_pretty(&recorded).expect("plain values") + "\n"));
    }
}

/// Without what is of this machine and this run: the place, the port, and the one time of day.
fn scrubbed(text: &str, place: &Path, server: &ModelServer) -> String {
    let place = place.to_str().expect("temporary directories have plain names");
    let project = text.replace(&format!("{place}/work"), "/project").replace(place, "/place");
    let relative = project.replace(place.trim_start_matches('/'), "place").replace("place/work", "project");
    let text = relative.replace(&server.base_url(), "http://127.0.0.1:8080/v1");
    let mut parts = text.split(AGAIN_AT);
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| format!("{AGAIN_AT}1:59 PM{}", part.split_once('M').map_or("", |(_, after)| after)));
    rest.fold(first, |all, part| all + &part)
}

/// What has to be the same in every run: all but times, identities, and what the machine calls its own failures.
fn shape(stream: &str) -> Vec<Value> {
    stream.lines().map(|line| without_run(serde_json::from_str(line).expect("every line is JSON"))).collect()
}

fn without_run(value: Value) -> Value {
    const OF_A_RUN: [&str; 9] = [
        "timestamp",
        "sessionID",
        "messageID",
        "id",
        "thread_id",
        "time",
        "content-length",
        "responseBody",
        "snapshot",
    ];
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(name, _)| !OF_A_RUN.contains(&name.as_str()));
            kept.map(|(name, value)| (name, without_run(value))).collect()
        }
        Value::Array(values) => values.into_iter().map(without_run).collect(),
        other => other,
    }
}
