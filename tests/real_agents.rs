//! Real agents, in builds: opencode and codex over a scripted model, in a network that holds nothing but the loopback.
//!
//! What a build asks of an agent is counted by the model's side: "was not run again" means that nothing was asked.
#![expect(clippy::disallowed_methods, reason = "looks at the network that there is")]

mod agents;
mod support;

use std::fmt::Write as _;
use std::time::Duration;

use agents::{Agent, Agents, ModelServer, Script, Trouble, Turn, is_isolated, isolated, shop};
use orca::base::FailureKind;
use orca::event::{Event, EventRecord};
use support::{Build, Fixture, Project, wait_until_nothing_runs};

/// The first request that is refused: some tasks are done by then, some have begun, some have not.
const LIMITED_FROM: usize = 8;
const GATE: &str = "grep -q words *.txt\n";
/// When a process that was left behind would have done its work.
const LATER: Duration = Duration::from_millis(1300);

/// A project whose agent is the agent under test, and its model.
struct World {
    orca: Project,
    server: ModelServer,
}

impl World {
    /// `project` with an agent called `coder`, in the file that its plan includes.
    fn new(agent: Agent, agents: &Agents, mut project: Project, script: Script) -> Self {
        let server = ModelServer::start(script);
        project.write("plans/coder.toml", agent.table("coder", &server));
        project.set_env("PATH", agents.path());
        project.trust();
        Self { orca: project, server }
    }

    /// A build, and that nothing at all was asked.
    #[track_caller]
    fn asks_nobody(&self) {
        self.server.forget();
        self.orca.build().ran([]);
        assert_eq!(self.server.asked().len(), 0, "somebody was asked");
    }

    /// The tasks that a model was asked about since it last forgot.
    #[track_caller]
    fn asked_about(&self) -> Vec<String> {
        let mut tasks: Vec<String> = self.server.asked().into_iter().map(|asked| asked.task).collect();
        tasks.sort_unstable();
        tasks.dedup();
        tasks
    }
}

/// The most tasks that ran at the same time.
fn most_at_a_time(build: &Build) -> i32 {
    let records = build.output.stdout.lines().map(|line| serde_json::from_str(line).expect("an event a line"));
    let mut changes: Vec<(u64, i32)> = records
        .filter_map(|record: EventRecord| match record.event {
            Event::TaskStarted { .. } => Some((record.at_ms, 1)),
            Event::TaskFinished { .. } => Some((record.at_ms, -1)),
            _ => None,
        })
        .collect();
    changes.sort_unstable();
    let running = changes.iter().scan(0, |running, (_, change)| {
        *running += change;
        Some(*running)
    });
    running.max().unwrap_or(0)
}

/// Runs `body` with the agents' programs, isolated.
fn with(test: &str, body: impl FnOnce(&Agents)) {
    let Some(agents) = Agents::installed(test) else { return };
    isolated(test, || body(&agents));
}

fn shop(agent: Agent, agents: &Agents) -> World {
    World::new(agent, agents, Fixture::open("shop"), shop::script())
}

#[test]
fn nothing_but_the_loopback_is_there() {
    isolated("nothing_but_the_loopback_is_there", || {
        let interfaces = std::fs::read_to_string("/proc/self/net/dev").expect("Linux");
        let names: Vec<&str> = interfaces.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
        assert!(!is_isolated() || names == ["lo"], "{names:?}");
        std::net::TcpListener::bind("127.0.0.1:0").expect("the loopback is up");
    });
}

#[test]
fn opencode_builds_a_shop() {
    with("opencode_builds_a_shop", |agents| six_tasks_are_paid_for_once(&shop(Agent::Opencode, agents)));
}

#[test]
fn codex_builds_a_shop() {
    with("codex_builds_a_shop", |agents| six_tasks_are_paid_for_once(&shop(Agent::Codex, agents)));
}

fn six_tasks_are_paid_for_once(world: &World) {
    let World { orca, server } = world;
    let first = orca.build();
    first.ran(shop::TASKS);
    assert!(most_at_a_time(&first) > 1, "they ran one after the other\n{}", first.output.transcript());
    let is_suite = |event: &Event| matches!(event, Event::GateJudged { task: None, gate, verdict, .. } if gate.as_str() == "suite" && verdict == "passed");
    assert!(first.events.iter().any(is_suite), "the project's tests were not run\n{}", first.output.transcript());
    assert_eq!(orca.read("shop/cart.py"), shop::CART);
    for task in shop::TASKS {
        assert_eq!(server.conversations(task), 1, "{task}");
    }
    assert_eq!(server.asides(), 0, "something was asked that no task needs");
    let built = orca.tree();
    world.asks_nobody();

    // An answer that is the same in other words is no reason for anybody else to be asked.
    orca.replace("orca.toml", "a kettle 39.00 EUR", "and a kettle 39.00 EUR");
    orca.build().ran(["catalog"]);
    assert_eq!(world.asked_about(), ["catalog"]);
    assert_eq!(orca.tree().difference(&built).lines().count(), 2, "only the plan and the lock differ");

    // One that differs is, for those that see it.
    let with_milk = shop::CATALOG.replace("3900}", "3900, \"milk\": 120}");
    server
        .forget()
        .learn(shop::script_with("catalog", [Turn::write("shop/catalog.py", &with_milk), Turn::say("Done.")]));
    orca.replace("orca.toml", "and a kettle 39.00 EUR", "a kettle 39.00 EUR, milk 1.20 EUR");
    orca.build().ran(["catalog", "checkout", "receipt"]);
    assert_eq!(world.asked_about(), ["catalog", "checkout", "receipt"]);
    world.asks_nobody();
}

#[test]
fn what_a_person_made_of_it_stays() {
    with("what_a_person_made_of_it_stays", |agents| {
        let World { orca, server } = &shop(Agent::Codex, agents);
        orca.build_args(["counting", "removal"]).green();
        orca.replace(
            "shop/cart.py",
            "        if count < 1:\n            raise",
            "        if not count >= 1:\n            raise",
        );
        let by_hand = orca.read("shop/cart.py");
        server.forget();
        orca.build_args(["counting", "removal"]).green().ran([]);
        assert_eq!(server.asked().len(), 0);
        assert_eq!(orca.read("shop/cart.py"), by_hand);
        orca.orca(["status"]).prints(["shop/cart.py"]);

        let method = shop::REMOVE.replace("all of a thing", "everything of a thing");
        server.learn(shop::script_with("removal", shop::removal(&method)));
        orca.replace("orca.toml", "Removing what is not there", "To remove what is not there");
        orca.build_args(["counting", "removal"]).green().ran(["removal"]);
        assert_eq!(server.requests("counting"), 0);
        assert_eq!(orca.read("shop/cart.py"), by_hand.replace("all of a thing", "everything of a thing"));
    });
}

#[test]
fn the_lock_alone_and_the_cache_alone_pay_for_everything() {
    with("the_lock_alone_and_the_cache_alone_pay_for_everything", |agents| {
        let world = shop(Agent::Codex, agents);
        let World { orca, server } = &world;
        orca.build().ran(shop::TASKS);
        server.forget();

        // A fresh clone, on a machine that has never built it.
        let mut clone = orca.clean_room([]);
        assert!(clone.exists("orca.lock"));
        clone.set_env("PATH", agents.path()).trust();
        clone.build().ran([]);
        assert_eq!(server.asked().len(), 0, "the clone asked somebody");
        assert_eq!(orca.tree().difference(&clone.tree()), "");

        orca.remove("orca.lock");
        world.asks_nobody();
    });
}

#[test]
fn opencode_cannot_deceive() {
    with("opencode_cannot_deceive", |agents| no_agent_is_believed(Agent::Opencode, agents));
}

#[test]
fn codex_cannot_deceive() {
    with("codex_cannot_deceive", |agents| no_agent_is_believed(Agent::Codex, agents));
}

/// A plan of agents that each do something else than they were asked to.
fn no_agent_is_believed(agent: Agent, agents: &Agents) {
    let mut plan = String::from(
        "include = [\"plans/coder.toml\"]\n\
         [gates.words]\nrun = \"sh gates/words.sh\"\ninputs = [\"gates/words.sh\"]\n\
         [templates.page]\nparams = [\"name\"]\nprompt = \"Write {{ name }}.txt.\"\nnetwork = true\n\
         gates = [\"words\"]\noutputs = [\"{{ name }}.txt\"]\n",
    );
    for name in ["background", "commits", "gate", "honest", "lies", "outside"] {
        let _ = writeln!(plan, "[tasks.{name}]\ntemplate = \"page\"\nparams = {{ name = \"{name}\" }}");
    }
    let project = Project::new(&plan);
    project.write("gates/words.sh", GATE);
    let words = |name: &str| Turn::write(&format!("{name}.txt"), "words\n");
    // It waits for its agent's end, so that it is late however slow the machine is.
    let later = "printf 'words\\n' > background.txt; \
                 setsid sh -c \"while kill -0 $PPID; do sleep 0.1; done; sleep 1; echo changed > background.txt\" \
                 > /dev/null 2>&1 < /dev/null &";
    let commits = "git init -q . && git add -A && git -c user.name=a -c user.email=a@b commit -qm mine";
    let script = Script::new()
        .task("background", [Turn::shell(later), Turn::say("Done.")])
        .task("commits", [words("commits"), Turn::shell(commits), Turn::say("Done, and committed.")])
        .task(
            "gate",
            [Turn::write("gate.txt", "nonsense\n"), Turn::write("gates/words.sh", "true\n"), Turn::say("Done.")],
        )
        .task("honest", [words("honest"), Turn::say("Done.")])
        .task("lies", [Turn::say("Done: lies.txt is written, and all tests pass.")])
        .task(
            "outside",
            [
                Turn::shell("printf 'words\\n' > ../outside.txt; printf 'words\\n' > /usr/outside.txt"),
                Turn::say("Done."),
            ],
        );
    let world = World::new(agent, agents, project, script);
    let World { orca, server } = &world;
    let build = orca.build_args(["-k"]).red();
    build.ran(["background", "honest"]).failed(["commits", "gate", "lies", "outside"]);
    let named = |task: &str, kind: FailureKind, path: &str| {
        let failure = build.failure(task);
        assert_eq!(failure.kind, kind, "{failure:?}");
        assert!(failure.details.iter().any(|detail| detail.contains(path)), "{failure:?}");
    };
    named("commits", FailureKind::UndeclaredWrite, ".git");
    assert_eq!(build.failure("commits").message, "it committed to git: mine");
    named("gate", FailureKind::UndeclaredWrite, "gates/words.sh");
    named("lies", FailureKind::MissingOutput, "lies.txt is not there");
    named("outside", FailureKind::MissingOutput, "outside.txt is not there");
    for task in ["background", "commits", "gate", "honest", "lies", "outside"] {
        assert_eq!(server.conversations(task), 1, "{task}");
    }

    // What was left running is gone before it could do anything, and nothing of the others is in the project.
    wait_until_nothing_runs(orca.root());
    std::thread::sleep(LATER);
    let mut files: Vec<String> = orca.tree().0.into_keys().collect();
    files.retain(|path| !path.starts_with("plans") && !path.starts_with("gates"));
    assert_eq!(files, ["background.txt", "honest.txt", "orca.lock", "orca.toml"]);
    assert_eq!(orca.read("background.txt"), "words\n");
    assert_eq!(orca.read("gates/words.sh"), GATE);
    let outside = orca.root().parent().expect("it lies in its world");
    assert!(!outside.join("outside.txt").exists() && !std::path::Path::new("/usr/outside.txt").exists());
}

#[test]
fn opencode_waits_for_its_service() {
    with("opencode_waits_for_its_service", |agents| a_limit_costs_no_attempt(Agent::Opencode, agents));
}

#[test]
fn codex_waits_for_its_service() {
    with("codex_waits_for_its_service", |agents| a_limit_costs_no_attempt(Agent::Codex, agents));
}

/// Ten tasks of one attempt each, and a service that refuses everything for a while when it was asked a few times.
fn a_limit_costs_no_attempt(agent: Agent, agents: &Agents) {
    let mut plan = String::from(
        "include = [\"plans/coder.toml\"]\n[limits]\njobs = 4\n\
         [templates.page]\nparams = [\"name\"]\nprompt = \"Write {{ name }}.txt.\"\nnetwork = true\n\
         outputs = [\"{{ name }}.txt\"]\n",
    );
    let names: Vec<String> = (0..10).map(|number| format!("t{number}")).collect();
    let mut script = Script::new().rate_limited(LIMITED_FROM, Duration::from_secs(2));
    for name in &names {
        let _ = writeln!(plan, "[tasks.{name}]\ntemplate = \"page\"\nparams = {{ name = \"{name}\" }}");
        script = script.task(name, [Turn::write(&format!("{name}.txt"), name), Turn::say("Done.")]);
    }
    let World { orca, server } = World::new(agent, agents, Project::new(&plan), script);
    let build = orca.build();
    let done: Vec<String> = build.tasks_run().into_iter().collect();
    assert_eq!(done, names, "{}", build.output.transcript());
    for event in &build.events {
        if let Event::TaskFinished { task, attempts, .. } = event {
            assert_eq!(*attempts, 1, "{task}\n{}", build.output.transcript());
        }
    }
    let refused = server.asked().iter().filter(|asked| asked.trouble.is_some()).count();
    assert!(refused > 0, "nothing was ever refused");
    for name in &names {
        assert_eq!(orca.read(&format!("{name}.txt")).trim_end(), *name);
    }
}

/// One task for each way in which a service can fail, each asked through an agent of its own.
#[test]
fn what_goes_wrong_at_the_service_has_its_class() {
    with("what_goes_wrong_at_the_service_has_its_class", |agents| {
        let troubles = [
            ("auth", Trouble::Status(401), FailureKind::Auth),
            ("cut", Trouble::Cut, FailureKind::Crash),
            ("error", Trouble::Status(500), FailureKind::Crash),
            ("hang", Trouble::Hang, FailureKind::Timeout),
        ];
        let mut plan = String::from("include = [\"plans/coder.toml\"]\n");
        let mut script = Script::new();
        for (name, trouble, _) in troubles {
            let _ = writeln!(
                plan,
                "[tasks.{name}]\nagent = \"coder\"\nprompt = \"Write it.\"\nnetwork = true\noutputs = [\"{name}.txt\"]\n\
                 timeout = \"5s\"\nretry = {{ attempts = 1 }}"
            );
            script = script.task(name, [Turn::say("Done.")]).trouble(name, 1..=99, trouble);
        }
        let World { orca, server } = World::new(Agent::Codex, agents, Project::new(&plan), script);
        for (name, _, kind) in troubles {
            let build = orca.build_args([name]).red();
            assert_eq!(build.failure(name).kind, kind, "{:?}", build.failure(name));
            assert_eq!(server.requests(name), 1, "{name}");
        }
        assert_eq!(orca.tree().0.len(), 3, "nothing was published: {:?}", orca.tree());
    });
}

#[test]
fn another_attempt_is_told_what_the_last_one_lacked() {
    with("another_attempt_is_told_what_the_last_one_lacked", |agents| {
        let plan = "include = [\"plans/coder.toml\"]\n\
                    [tasks.page]\nprompt = \"Write page.txt.\"\nnetwork = true\noutputs = [\"page.txt\"]\n\
                    retry = { attempts = 2, on = [\"missing-output\"] }\n";
        let script = Script::new()
            .task("page", [Turn::say("Done: page.txt is written.")])
            .task("page", [Turn::write("page.txt", "words\n"), Turn::say("Now it is.")]);
        let World { orca, server } = World::new(Agent::Codex, agents, Project::new(plan), script);
        orca.build().ran(["page"]);
        let asked = server.asked();
        let prompts: Vec<&str> = asked.iter().filter(|asked| asked.turn == 0).map(|asked| &*asked.prompt).collect();
        let [first, second] = prompts[..] else { panic!("{} attempts", prompts.len()) };
        assert!(!first.contains("page.txt is not there"), "{first}");
        assert!(second.contains("page.txt is not there"), "{second}");
        assert_eq!(orca.read("page.txt"), "words\n");
    });
}

/// A login shell sets PATH anew, and the tools that a task declares are gone.
#[test]
fn an_agents_shell_finds_what_its_task_declares() {
    with("an_agents_shell_finds_what_its_task_declares", |agents| {
        for agent in [Agent::Codex, Agent::Opencode] {
            let plan = "include = [\"plans/coder.toml\"]\n\
                        [tasks.page]\nprompt = \"Write page.txt.\"\nnetwork = true\noutputs = [\"page.txt\"]\n\
                        tools = [\"words-of-mine\"]\n";
            let project = Project::new(plan);
            project.write("../bin/words-of-mine", "#!/bin/sh\necho words\n").chmod("../bin/words-of-mine", 0o755);
            let script = Script::new().task("page", [Turn::shell("words-of-mine > page.txt"), Turn::say("Done.")]);
            let mut world = World::new(agent, agents, project, script);
            let mut path = world.orca.path("../bin").into_os_string();
            path.push(":");
            path.push(agents.path());
            world.orca.set_env("PATH", path);
            world.orca.build().ran(["page"]);
            assert_eq!(world.orca.read("page.txt"), "words\n", "{agent:?}");
        }
    });
}
