//! What agents' services refuse, and what they cost: pauses, agents that stop and others that take over, money.
//!
//! The agents here are scripts without a sandbox, so that a test can tell them with a file what to answer.
#![expect(clippy::disallowed_methods, reason = "measures how long a build waits")]

mod support;

use std::time::{Duration, Instant};

use orca::base::{FailureKind, TaskName};
use orca::event::{Event, Failure, Outcome, Spent};
use support::{Build, Project};

/// A plan with agents of these names. Each answers as `<root>/<agent>` says: `limit` and `auth` are refusals, `later` is a
/// limit that ends in seven hours, all else is work: what the prompt says after `$`. An answer that is done with is taken
/// away by `once`.
fn project(tables: &str, agents: &[&str], tasks: &str) -> Project {
    let project = Project::new("");
    let root = project.root().display().to_string();
    let mut plan = format!("{tables}\n");
    for agent in agents {
        let (name, rest) = agent.split_once(' ').unwrap_or((agent, ""));
        plan.push_str(&format!(
            r#"
[agents.{name}]
command = ["/bin/sh", "{root}/agent.sh", "{root}/{name}"]
{rest}
"#
        ));
    }
    project.write("orca.toml", plan + tasks);
    project.write(
        "agent.sh",
        r#"
say() { printf '{"orca": {%s}}\n' "$1"; }
answer=$(cat "$1" 2>/dev/null) || answer=work
cat > "$TMPDIR/prompt"
echo "$1" >> "$1.calls"
[ "$(date +%s)" -ge "$(cat "$1.until" 2>/dev/null || echo 0)" ] || answer=limit
case $answer in
limit) say '"failure": "rate-limit", "message": "too many requests", "retry_after_s": 2, "cost_usd": 0.01' ;;
later) say '"failure": "rate-limit", "message": "the quota is used up", "retry_after_s": 25200' ;;
auth) say '"failure": "auth", "message": "the key is not valid"' ;;
*) sed -n 's/^[$] //p' "$TMPDIR/prompt" > "$TMPDIR/todo"; . "$TMPDIR/todo" ;;
esac
"#,
    );
    project
}

/// A task that does this and declares `NAME.txt`.
fn task(name: &str, agent: &str, more: &str, lines: &str) -> String {
    let todo: String = lines.lines().map(|line| format!("$ {}\n", line.trim())).collect();
    format!(
        "[tasks.{name}]\nprompt = '''\nDo this:\n{todo}'''\nagent = \"{agent}\"\nsandbox = \"none\"\noutputs = \
         [\"{name}.txt\"]\n{more}\n\n"
    )
}

fn writes(name: &str, agent: &str) -> String {
    task(name, agent, "", &format!("echo {name} > {name}.txt"))
}

/// A task that costs so much.
fn costs(name: &str, dollars: &str, more: &str) -> String {
    let said = format!("say '\"cost_usd\": {dollars}, \"input_tokens\": 1000, \"output_tokens\": 200'");
    task(name, "x", more, &format!("echo {name} > {name}.txt\n{said}"))
}

fn spent(build: &Build, name: &str) -> Spent {
    let spent = |event: &Event| match event {
        Event::TaskFinished { task, spent, .. } if task.as_str() == name => Some(*spent),
        _ => None,
    };
    build.events.iter().find_map(spent).expect("it is settled")
}

fn failures<'b>(build: &'b Build, name: &str) -> Vec<(u32, &'b Failure)> {
    let failed = |event: &'b Event| match event {
        Event::AttemptFailed { task, attempt, failure, .. } if task.as_str() == name => Some((*attempt, failure)),
        _ => None,
    };
    build.events.iter().filter_map(failed).collect()
}

fn calls(project: &Project, agent: &str) -> usize {
    let file = format!("{agent}.calls");
    if project.exists(&file) { project.read(&file).lines().count() } else { 0 }
}

/// The agent of each task's last attempt.
fn agent_of(build: &Build, name: &str) -> Option<String> {
    let agent = |event: &Event| match event {
        Event::TaskFinished { task, agent, .. } if task.as_str() == name => {
            Some(agent.as_ref().map(ToString::to_string))
        }
        _ => None,
    };
    build.events.iter().find_map(agent).expect("it is settled")
}

#[test]
fn a_rate_limit_in_the_middle_of_ten_tasks_burns_no_attempt() {
    let names: Vec<String> = (0..10).map(|number| format!("t{number}")).collect();
    // The fourth to begin finds the limit, and so may whoever runs beside it; two seconds later it is gone.
    let refusal = "say '\"failure\": \"rate-limit\", \"message\": \"slow down\", \"retry_after_s\": 2'";
    let todo = |name: &str| {
        format!(
            "n=$(cat \"$1.calls\" | wc -l)\n\
             if [ $n -ge 4 ] && mkdir \"$1.once\"; then echo $(($(date +%s) + 1)) > \"$1.until\"; {refusal}; fi\n\
             sleep 0.2; echo {name} > {name}.txt"
        )
    };
    let tasks: String = names.iter().map(|name| task(name, "x", "", &todo(name))).collect();
    let orca = project("[limits]\njobs = 2", &["x"], &tasks);
    orca.trust();
    let begun = Instant::now();
    let built = orca.build();
    assert!(begun.elapsed() >= Duration::from_secs(2), "nobody waited");
    assert_eq!(built.tasks_run().len(), 10);
    let limited: usize = names.iter().map(|name| failures(&built, name).len()).sum();
    assert!(limited >= 1, "no limit was met");
    for event in &built.events {
        match event {
            Event::AttemptFailed { attempt, failure, retry_in_ms, .. } => {
                assert_eq!((*attempt, failure.kind), (1, FailureKind::RateLimit));
                assert!(retry_in_ms.is_some_and(|ms| ms <= 2_000));
            }
            Event::TaskStarted { attempt, .. } => assert_eq!(*attempt, 1, "an attempt was burned"),
            Event::TaskFinished { attempts, .. } => assert_eq!(*attempts, 1),
            _ => {}
        }
    }
    let pause = built.events.iter().position(|event| matches!(event, Event::AgentPaused { tasks: 1.., .. }));
    let pause = pause.expect("the pause was told");
    let next = built.events[pause..].iter().find(|event| matches!(event, Event::TaskStarted { .. }));
    assert!(next.is_some(), "they went on after the pause");
    assert_eq!(calls(&orca, "x"), 10 + limited, "one call for each result, one for each refusal");
    orca.build().ran([]);
    assert_eq!(calls(&orca, "x"), 10 + limited);
}

#[test]
fn the_pause_of_one_agent_is_no_pause_of_another() {
    let tasks = [writes("a", "x"), writes("b", "y"), task("c", "y", "deps = [\"b\"]", "echo c > c.txt")].concat();
    let orca = project(
        "[limits]\njobs = 1",
        &["x", "y"],
        &(tasks + "[tasks.d]\nrun = 'echo d > d.txt'\noutputs = ['d.txt']\n"),
    );
    orca.write("x", "limit").trust();
    let mut build = orca.spawn(["build"]);
    build.wait_for("agent `x` is rate limited, 1 task waits until ");
    build.wait_for("ran c");
    build.wait_for("ran d");
    orca.remove("x");
    let output = build.wait().exits(0);
    assert!(output.stderr.contains("(in 1.") || output.stderr.contains("(in 2."), "{}", output.transcript());
    assert!(output.stderr.find("ran d").zip(output.stderr.find("ran a")).is_some_and(|(d, a)| d < a));
}

#[test]
fn ctrl_c_ends_a_pause_at_once() {
    let orca = project("", &["x"], &(writes("a", "x") + &writes("b", "x")));
    orca.write("x", "later").trust();
    orca.replace("agent.sh", "25200", "3600");
    let mut build = orca.spawn(["build"]);
    build.wait_for("is rate limited");
    let begun = Instant::now();
    build.signal(rustix::process::Signal::INT);
    let output = build.wait();
    assert_eq!(output.status.code(), Some(130), "{}", output.transcript());
    assert!(begun.elapsed() < Duration::from_secs(10), "it waited");
    orca.remove("x");
    orca.build().ran(["a", "b"]);
}

#[test]
fn a_limit_that_ends_in_hours_is_red_and_says_when_to_come_back() {
    let orca = project("", &["x"], &writes("a", "x"));
    orca.write("x", "later").trust();
    let built = orca.build_red();
    let failure = built.failure("a");
    assert_eq!(failure.kind, FailureKind::RateLimit);
    for part in ["the quota is used up; the limit ends in 7h00m", "at most 6h00m: build again after 20"] {
        assert!(failure.message.contains(part), "{}", failure.message);
    }
    let orca = project("", &["x fallback = \"y\"", "y"], &writes("a", "x"));
    orca.write("x", "later").trust();
    let built = orca.build();
    assert_eq!(agent_of(&built, "a").as_deref(), Some("y"));
}

#[test]
fn without_a_fallback_an_agent_that_is_not_let_in_is_red() {
    let tasks = writes("a", "x") + &writes("b", "x") + &writes("c", "y");
    let orca = project("[limits]\njobs = 1", &["x", "y"], &tasks);
    orca.write("x", "auth").trust();
    let built = orca.build_args(["-k"]).red();
    built.ran(["c"]).failed(["a", "b"]);
    assert_eq!(calls(&orca, "x"), 1, "it is not asked again");
    for name in ["a", "b"] {
        assert_eq!(built.failure(name).kind, FailureKind::Auth);
        assert!(built.failure(name).message.contains("the key is not valid"));
    }
    orca.remove("x");
    orca.build().ran(["a", "b"]);
}

#[test]
fn a_fallback_takes_over_and_its_results_stay_good() {
    let tasks = writes("a", "x") + &writes("b", "x") + &task("c", "x", "deps = [\"a\"]", "cat a.txt > c.txt");
    let orca = project("[limits]\njobs = 1", &["x fallback = \"y\"", "y fallback = \"z\"", "z"], &tasks);
    orca.write("x", "auth").write("y", "auth").trust();
    let built = orca.build();
    built.ran(["a", "b", "c"]);
    assert_eq!((calls(&orca, "x"), calls(&orca, "y"), calls(&orca, "z")), (1, 1, 3));
    assert_eq!(failures(&built, "a").len() + failures(&built, "b").len(), 2);
    let stopped =
        |event: &&Event| matches!(event, Event::AgentStopped { fallback: Some(_), kind: FailureKind::Auth, .. });
    assert_eq!(built.events.iter().filter(stopped).count(), 2);
    for name in ["a", "b", "c"] {
        assert_eq!(agent_of(&built, name).as_deref(), Some("z"));
        orca.orca(["explain", name]).exits(0).prints(["is clean", "agent    z"]);
    }
    orca.build().ran([]).cached(["a", "b", "c"]);
    // The first agent works again: what was paid for is still good, with the record and with the cache alone.
    orca.remove("x").remove("y");
    orca.build().ran([]);
    orca.remove(".orca").remove("a.txt").remove("c.txt");
    orca.build().ran([]).cached(["a", "b", "c"]);
    orca.orca(["explain", "c"]).exits(0).prints(["agent    z"]);
    // And with the lock alone.
    orca.remove(".orca");
    std::fs::remove_dir_all(orca.cache()).expect("there is a cache");
    orca.build().ran([]);
    orca.orca(["explain", "c"]).exits(0).prints(["agent    z"]);
    assert_eq!((calls(&orca, "x"), calls(&orca, "y"), calls(&orca, "z")), (1, 1, 3));
    // A task that changed is the first agent's again, and the reason is what changed.
    orca.replace("orca.toml", "echo b > b.txt", "echo bb > b.txt");
    let built = orca.build();
    built.ran(["b"]);
    assert!(built.because("b").contains("prompt"), "{}", built.because("b"));
    assert!(!built.because("b").contains("agent"), "{}", built.because("b"));
    assert_eq!(agent_of(&built, "b").as_deref(), Some("x"));
}

#[test]
fn auth_is_tried_again_where_the_plan_says_so() {
    let orca = project("", &["x"], &task("a", "x", "retry = { attempts = 2, on = [\"auth\"] }", "echo a > a.txt"));
    orca.write("x", "auth").trust();
    let built = orca.build_red();
    assert_eq!(failures(&built, "a").iter().map(|(attempt, _)| *attempt).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(calls(&orca, "x"), 2);
}

#[test]
fn what_attempts_cost_is_counted_told_and_saved() {
    let flaky = "say '\"cost_usd\": 0.25, \"input_tokens\": 1000, \"output_tokens\": 200'\n\
                 [ -e \"$1.flag\" ] || { touch \"$1.flag\"; exit 1; }\necho b > b.txt";
    let tasks = costs("a", "1.0042", "") + &task("b", "x", "retry = { attempts = 2 }", flaky);
    let orca = project("", &["x"], &tasks);
    orca.trust();
    let built = orca.build();
    assert_eq!(spent(&built, "a").cost_micro_usd, 1_004_200);
    let of_b = Spent { input_tokens: 2_000, cached_input_tokens: 0, output_tokens: 400, cost_micro_usd: 500_000 };
    assert_eq!(spent(&built, "b"), of_b, "the attempt that failed cost, too");
    let Some(Event::RunFinished { spent, saved_micro_usd: 0, .. }) = built.events.last() else {
        panic!("{}", built.output.transcript())
    };
    assert_eq!(spent.cost_micro_usd, 1_504_200);
    let report = orca.orca(["report"]).exits(0);
    report.prints(["$1.50 spent, $0.25 of it by attempts that failed; 3.0k tokens in, 600 out", "$1.00", "$0.50"]);
    let report: serde_json::Value =
        serde_json::from_str(&orca.orca(["report", "--json"]).exits(0).stdout).expect("JSON");
    assert_eq!(report["spent"]["cost_micro_usd"], 1_504_200);
    assert_eq!(report["failed_micro_usd"], 250_000);
    assert_eq!(report["tasks"][1]["agent"], "x");
    assert_eq!(report["tasks"][1]["failed_attempts"][0]["spent"]["cost_micro_usd"], 250_000);
    // Of what the cache has, the attempt that made it is what another one would cost.
    let built = orca.build();
    let saved = |name: &str| match built.outcome(name) {
        Outcome::Cached { saved_micro_usd, .. } => *saved_micro_usd,
        other => panic!("{other:?}"),
    };
    assert_eq!((saved("a"), saved("b")), (1_004_200, 250_000));
    let output = orca.orca(["build"]).exits(0);
    assert!(output.stderr.contains(" and $1.25 saved"), "{}", output.transcript());
    orca.orca(["report"]).exits(0).prints([" and $1.25 saved by the cache"]);
    orca.orca(["explain", "a"]).exits(0).prints([" and $1.00"]);
}

#[test]
fn the_limit_of_a_plan_is_kept_by_not_starting() {
    let tasks: String = ["a", "b", "c"].map(|name| costs(name, "1.5", "")).concat();
    let orca = project(
        "[limits]\njobs = 1\ncost_usd_max = 4.0",
        &["x"],
        &(tasks + "[tasks.d]\nrun = 'true'\ndeps = ['a', 'b', 'c']\n"),
    );
    orca.trust();
    let built = orca.build_red();
    built.ran(["a", "b"]).failed(["c"]).skipped(["d"]);
    let failure = built.failure("c");
    assert_eq!(failure.kind, FailureKind::Cost);
    let said = "the plan's limit of $4.00 would be passed: $3.00 spent, this task takes about $1.50; raise limits.cost_usd_max";
    assert_eq!(failure.message, said);
    assert!(built.output.stdout.contains("nobody knows yet what tasks of the agent `x` cost"));
    assert_eq!(calls(&orca, "x"), 2);
    // What was paid for is kept: the next build has the whole limit for the rest.
    let built = orca.build();
    built.ran(["c", "d"]).cached(["a", "b"]);
    assert_eq!(calls(&orca, "x"), 3);
}

#[test]
fn running_tasks_that_turn_out_cheaper_leave_room_for_more() {
    // By the journal each costs a dollar; now they cost a cent.
    let tasks: String = ["a", "b", "c", "d"].map(|name| costs(name, "$(cat \"$1.price\")", "")).concat();
    let tasks = tasks.replace("$ echo", "$ echo begin >> \"$1.log\"; sleep 0.2; echo end >> \"$1.log\"; echo");
    let tasks = tasks.replace("say '\"cost_usd\": $(cat \"$1.price\"), ", "say '\"cost_usd\": '$(cat \"$1.price\")', ");
    let orca = project("[limits]\njobs = 4\ncost_usd_max = 4.0", &["x"], &tasks);
    orca.write("x.price", "1").trust();
    orca.build().ran(["a", "b", "c", "d"]);
    orca.write("x.price", "0.01").replace("orca.toml", "cost_usd_max = 4.0", "cost_usd_max = 1.5");
    let built = orca.build_args(["--force"]).green();
    built.ran(["a", "b", "c", "d"]);
    // The second build began and ended each of them before the next one.
    let log = orca.read("x.log");
    let lines: Vec<&str> = log.lines().skip(8).collect();
    assert!(
        lines.chunks(2).all(|pair| pair == ["begin", "end"]),
        "they would pass the limit if they cost a dollar: {log}"
    );
    assert_eq!(lines.len(), 8);
}

#[test]
fn the_limit_of_a_task_counts_all_its_attempts() {
    let fails = "say '\"cost_usd\": 0.4'\nexit 1";
    let more = "retry = { attempts = 9 }\ncost_usd_max = 1.0";
    let orca = project(
        "",
        &["x"],
        &(task("a", "x", more, fails)
            + &costs("b", "0.5", "cost_usd_max = 0.5\ndeps = [\"c\"]")
            + &costs("c", "2", "cost_usd_max = 0.5")),
    );
    orca.trust();
    let built = orca.build_args(["-k"]).red();
    built.ran(["b", "c"]).failed(["a"]);
    let said =
        "its own limit of $1.00 would be passed: $0.80 spent, this task takes about $0.40; raise its cost_usd_max";
    assert_eq!((built.failure("a").kind, built.failure("a").message.as_str()), (FailureKind::Cost, said));
    assert_eq!(failures(&built, "a").len(), 2);
    assert!(built.output.stdout.contains("`c` cost $2.00 in this build, more than its cost_usd_max of $0.50"));
    let name = TaskName::new("a").expect("a name");
    let attempts = built.events.iter().find_map(|event| match event {
        Event::TaskFinished { task, attempts, .. } if *task == name => Some(*attempts),
        _ => None,
    });
    assert_eq!(attempts, Some(2));
}

#[test]
fn an_agent_that_does_not_say_its_cost_is_named_once() {
    let orca = project("[limits]\ncost_usd_max = 1.0", &["x"], &(writes("a", "x") + &writes("b", "x")));
    orca.trust();
    let built = orca.build();
    built.ran(["a", "b"]);
    let said = "the agent `x` does not say what it costs: cost_usd_max does not limit it";
    assert_eq!(built.output.stdout.matches(said).count(), 1);
}

#[test]
fn the_next_attempt_is_told_of_the_last_and_not_of_its_stream() {
    let lines = "cp \"$TMPDIR/prompt\" a.txt\n\
                 [ -e \"$1.flag\" ] || { touch \"$1.flag\"; say '\"tool\": \"edit a.txt\"'; echo 'it is too hard'; exit 3; }";
    let orca = project("", &["x"], &task("a", "x", "retry = { attempts = 2 }", lines));
    orca.trust();
    orca.build().ran(["a"]);
    let prompt = orca.read("a.txt");
    let (_, section) = prompt.split_once("## The last attempt failed").expect("a section of its own");
    assert!(section.contains("exit 3") && section.contains("> edit a.txt\nit is too hard"), "{prompt}");
    assert!(!section.contains("{\"orca\""), "{prompt}");
}

#[test]
fn a_secret_of_a_fallback_is_a_power_and_its_alone() {
    let lines = "echo \"x=${OF_X:-none} y=${OF_Y:-none}\" | tr -d s > a.txt";
    let agents = ["x fallback = \"y\"\nsecrets = [\"OF_X\"]", "y secrets = [\"OF_Y\"]"];
    let mut orca = project("", &agents, &task("a", "x", "", lines));
    orca.set_env("OF_X", "first-secret").set_env("OF_Y", "second-secret");
    orca.write("x", "auth");
    let list = orca.orca(["trust", "--list"]).exits(0);
    list.prints(["the agent `x` is given the secret `OF_X`", "the agent `y` is given the secret `OF_Y`"]);
    orca.trust();
    orca.build().ran(["a"]);
    assert_eq!(orca.read("a.txt"), "x=none y=econd-ecret\n");
}

#[test]
fn a_changed_gate_asks_no_agent_unless_it_is_red() {
    let gate = "[gates.there]\nrun = \"test -s a.txt\"\n";
    let tasks = costs("a", "1.5", "gates = [\"there\"]") + gate;
    let orca = project("[limits]\ncost_usd_max = 2.0", &["x"], &tasks);
    orca.trust();
    orca.build().ran(["a"]);
    // Judging costs nothing, whatever there is left; a red gate has to pay for another attempt, and may not.
    orca.replace("orca.toml", "cost_usd_max = 2.0", "cost_usd_max = 1.0").replace("orca.toml", "test -s", "test -f");
    orca.build().ran([]).cached(["a"]);
    orca.replace("orca.toml", "test -f a.txt", "test -x a.txt");
    let built = orca.build_red();
    assert_eq!(built.failure("a").kind, FailureKind::Cost);
    assert_eq!(calls(&orca, "x"), 1);
    orca.replace("orca.toml", "cost_usd_max = 1.0", "cost_usd_max = 9.0");
    assert_eq!(orca.build_red().failure("a").kind, FailureKind::Gate);
    assert_eq!(calls(&orca, "x"), 2);
}

#[test]
fn what_a_fallback_made_on_top_of_another_stays_good() {
    let edits = |name: &str, line: &str| {
        task(name, "x", "edits = [\"a.txt\"]", line).replace(&format!("outputs = [\"{name}.txt\"]\n"), "")
    };
    let tasks =
        edits("one", "sed -i s/^5$/five/ a.txt") + &edits("two", "sed -i 's/^\\(5\\|five\\)$/& and more/' a.txt");
    let orca = project("", &["x fallback = \"y\"", "y"], &tasks);
    orca.write("a.txt", "4\n5\n6\n").write("x", "auth").trust();
    orca.build().ran(["one", "two"]);
    assert_eq!(orca.read("a.txt"), "4\nfive and more\n6\n");
    assert_eq!(calls(&orca, "y"), 3, "the second met the first and was made again");
    orca.build().ran([]);
    orca.remove("x");
    orca.build().ran([]);
    orca.write("a.txt", "0\n4\n5\n6\n");
    orca.remove(".orca").remove("orca.lock");
    let built = orca.build();
    assert_eq!(orca.read("a.txt"), "0\n4\nfive and more\n6\n");
    assert_eq!(built.tasks_run().len(), 2, "the file that both edit is another one");
    assert_eq!(agent_of(&built, "two").as_deref(), Some("x"));
}
