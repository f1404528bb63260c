//! The server of the orca that watches, over a real socket, with a watcher that the tests hold by the hand: what it answers
//! is what the commands print, what is not certain it declines, and nobody who connects can disturb it.
#![expect(clippy::disallowed_methods, reason = "real sockets, files and clocks")]

mod support;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use orca::engine::{Host, Look, Project as EngineProject, Status};
use orca::event::Trace;
use orca::serve::{Answered, Ask, Desk, GraphAsk, GraphForm, Identity, Printer, Server, Settled, Watching, ask};
use support::{Fixture, Project, wait_until};

const PLAN: &str = r#"
[tasks.one]
run = "cat a.txt > one.txt"
inputs = ["a.txt"]
outputs = ["one.txt"]

[tasks.two]
run = "cat one.txt > two.txt"
inputs = ["one.txt"]
outputs = ["two.txt"]

[tasks.lint]
run = "echo looked at a.txt"
inputs = ["a.txt"]
"#;

/// Says what the test says: 0 is "something changes".
#[derive(Default)]
struct Hand {
    number: AtomicU64,
    /// Tasks of the plan.
    tasks: AtomicUsize,
}

impl Hand {
    fn says(&self, number: u64) {
        self.number.store(number, Ordering::SeqCst);
    }

    fn of_tasks(&self, tasks: usize) {
        self.tasks.store(tasks, Ordering::SeqCst);
    }
}

impl Watching for Hand {
    fn settled(&self) -> Option<Settled> {
        let tasks = self.tasks.load(Ordering::SeqCst);
        Some(self.number.load(Ordering::SeqCst)).filter(|number| *number > 0).map(|number| Settled { number, tasks })
    }
}

/// Marks what it prints, so that it is known from whom it comes.
struct Marks;

impl Printer for Marks {
    fn status(&self, status: &Status) -> String {
        format!("{} tasks", status.tasks)
    }

    fn status_json(&self, status: &Status) -> String {
        serde_json::to_string(status).expect("a status is plain data")
    }

    fn graph(&self, look: &Look, ask: &GraphAsk) -> String {
        format!("{} of {} in {} columns", look.asked.len(), look.resolver.graph.len(), ask.width)
    }
}

struct Served {
    project: Project,
    hand: Arc<Hand>,
    desk: Arc<Desk>,
    _server: Server,
}

fn built(plan: &str) -> Project {
    let project = Project::new(plan);
    project.write("a.txt", "a\n");
    project.build();
    project
}

fn host(project: &Project) -> Host {
    let env: BTreeMap<OsString, OsString> =
        project.command().get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    let state_dir = std::path::PathBuf::from(env[&OsString::from("XDG_STATE_HOME")].clone()).join("orca");
    let program = env!("CARGO_BIN_EXE_orca").into();
    Host { cache_dir: project.cache(), state_dir, program, sandbox_only: None, env, trace: Trace::default() }
}

fn serve(project: Project, tasks: usize) -> Served {
    let hand = Arc::new(Hand::default());
    hand.says(1);
    hand.of_tasks(tasks);
    let at = EngineProject::open(project.root()).expect("it is there");
    let watching: Arc<dyn Watching> = Arc::clone(&hand) as Arc<dyn Watching>;
    let desk = Arc::new(Desk::new(host(&project), at, watching, Arc::new(Marks)).expect("threads can be started"));
    let clerk = Arc::clone(&desk) as Arc<dyn orca::serve::Clerk>;
    let server = Server::start(project.root(), "here".to_owned(), clerk).expect("it listens").expect("a local disk");
    Served { project, hand, desk, _server: server }
}

impl Served {
    fn ask(&self, what: Ask) -> Option<Answered> {
        ask(self.project.root(), || "here".to_owned(), what)
    }

    /// Asks until it is known.
    #[track_caller]
    fn known(&self, what: &Ask) -> Answered {
        let mut answer = None;
        wait_until("that it is looked at", || {
            answer = self.ask(what.clone());
            answer.is_some()
        });
        answer.expect("it was waited for")
    }
}

fn graph(width: usize) -> Ask {
    Ask::Graph(GraphAsk { format: GraphForm::Tree, layers: false, critical_path: false, width })
}

#[test]
fn what_was_looked_at_is_answered() {
    let served = serve(built(PLAN), 3);
    assert_eq!(served.ask(Ask::Build), None, "nothing was looked at before something asked");
    let Answered::NothingToDo { cached, replays, .. } = served.known(&Ask::Build) else { panic!("it is built") };
    assert_eq!((cached, replays), (3, vec![("lint".to_owned(), "looked at a.txt\n".to_owned())]));
    assert_eq!(served.known(&Ask::Status { json: false }), Answered::Printed(b"3 tasks".to_vec()));
    assert_eq!(served.known(&graph(80)), Answered::Printed(b"3 of 3 in 80 columns".to_vec()));
    assert_eq!(served.known(&graph(90)), Answered::Printed(b"3 of 3 in 90 columns".to_vec()));
}

#[test]
fn nothing_is_answered_while_something_changes_or_for_a_state_that_is_gone() {
    let served = serve(built(PLAN), 3);
    served.known(&Ask::Build);
    served.hand.says(0);
    assert_eq!(served.ask(Ask::Build), None);
    assert_eq!(served.ask(Ask::Status { json: true }), None);
    served.hand.says(2);
    assert_eq!(served.ask(Ask::Build), None, "that state was not looked at");
    served.known(&Ask::Build);
    served.desk.changed();
    served.hand.says(3);
    served.project.write("a.txt", "b\n");
    assert_eq!(served.ask(Ask::Build), None);
    // It is looked at, and there is something to do.
    let Answered::Printed(status) = served.known(&Ask::Status { json: true }) else { panic!("a status is printed") };
    assert!(String::from_utf8(status).unwrap().contains("\"state\":\"dirty\""));
    assert_eq!(served.ask(Ask::Build), None);
}

#[test]
fn a_watcher_that_built_a_part_speaks_for_a_part() {
    let served = serve(built(PLAN), 2);
    for _ in 0..20 {
        assert_eq!(served.ask(Ask::Build), None);
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_world_outside_counts_at_every_question() {
    let served = serve(built(PLAN), 3);
    served.known(&Ask::Build);
    // Another orca has built: the record is another one.
    served.project.write("a.txt", "b\n");
    served.project.build();
    assert_eq!(served.ask(Ask::Build), None);
    served.known(&Ask::Build);
    // A lock file of the project, whatever it holds.
    served.project.write("orca.baseline.json", "{}");
    assert_eq!(served.ask(Ask::Build), None);
}

#[test]
fn another_environment_asks_itself() {
    let served = serve(built(PLAN), 3);
    served.known(&Ask::Build);
    assert_eq!(ask(served.project.root(), || "elsewhere".to_owned(), Ask::Build), None);
}

#[test]
fn what_a_build_would_say_besides_is_for_a_build_to_say() {
    // An orphan would be removed, a warning about the plan would be told, a red task would run again.
    let orphaned = serve(built(PLAN), 3);
    orphaned.project.replace("orca.toml", "[tasks.lint]\nrun = \"echo looked at a.txt\"\ninputs = [\"a.txt\"]\n", "");
    orphaned.project.build();
    orphaned.hand.says(2);
    orphaned.hand.of_tasks(2);
    orphaned.known(&Ask::Build);
    let two = "\n[tasks.two]\nrun = \"cat one.txt > two.txt\"\ninputs = [\"one.txt\"]\noutputs = [\"two.txt\"]\n";
    orphaned.project.replace("orca.toml", two, "");
    orphaned.hand.says(3);
    orphaned.hand.of_tasks(1);
    orphaned.known(&Ask::Status { json: true });
    assert_eq!(orphaned.ask(Ask::Build), None, "two.txt would be removed");

    let red = Project::new("[tasks.bad]\nrun = \"false\"\n");
    red.build_red();
    let red = serve(red, 1);
    red.known(&Ask::Status { json: true });
    assert_eq!(red.ask(Ask::Build), None);

    let invalid = serve(built(PLAN), 3);
    invalid.project.append("orca.toml", "[tasks.one]\n");
    invalid.hand.says(2);
    for _ in 0..20 {
        assert_eq!(invalid.ask(Ask::Status { json: true }), None);
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_plan_that_names_a_variable_of_the_session_is_not_answered_for() {
    let served = serve(built(&PLAN.replace("[tasks.lint]", "[tasks.lint]\npass_env = [\"TERM\"]")), 3);
    for _ in 0..20 {
        assert_eq!(served.ask(Ask::Build), None);
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn consent_that_was_taken_back_is_asked_for_again() {
    let project = Project::new("[tasks.free]\nrun = \"true\"\nsandbox = \"none\"\n");
    project.trust().build();
    let served = serve(project, 1);
    served.known(&Ask::Build);
    served.project.orca(["trust", "--revoke"]).exits(0);
    assert_eq!(served.ask(Ask::Build), None);
    served.known(&Ask::Status { json: true });
    assert_eq!(served.ask(Ask::Build), None);
}

#[test]
fn whoever_connects_disturbs_nobody() {
    let served = serve(built(PLAN), 3);
    served.known(&Ask::Build);
    let path = served.project.path(".orca/watch.sock");
    // Garbage, half a frame, a frame that announces too much, and silence.
    let mut held = Vec::new();
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[200, 0, 0, 0, b'{'], &[255; 4], &[], &[2, 0, 0, 0, b'{', b'}']] {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(bytes).unwrap();
        held.push(stream);
    }
    // Thousands that come and go.
    for _ in 0..10_000 {
        let stream = UnixStream::connect(&path).unwrap();
        stream.set_nonblocking(true).unwrap();
        let _ = (&stream).write(b"\x05\x00");
    }
    // As many that stay as there is room for; those that ask meanwhile ask themselves, soon.
    for _ in 0..60 {
        held.push(UnixStream::connect(&path).unwrap());
    }
    let since = Instant::now();
    let _ = served.ask(Ask::Build);
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    wait_until("that it answers again", || served.ask(Ask::Build).is_some());
    // All of them are cut.
    for mut stream in held {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut all = Vec::new();
        let ended = stream.read_to_end(&mut all);
        let reset = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(ended.as_ref().is_ok() || ended.as_ref().is_err_and(reset), "{ended:?}");
    }
}

#[test]
fn a_socket_that_nobody_listens_at_is_replaced() {
    let project = built(PLAN);
    drop(UnixListener::bind(project.path(".orca/watch.sock")).unwrap());
    assert_eq!(ask(project.root(), || "here".to_owned(), Ask::Build), None);
    project.build().ran([]);
    let served = serve(project, 3);
    served.known(&Ask::Build);
    let Served { project, _server: server, .. } = served;
    drop(server);
    assert!(!project.exists(".orca/watch.sock"));
}

fn frame(text: &str) -> Vec<u8> {
    let mut bytes = u32::try_from(text.len()).expect("frames are short").to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

/// Serves one connection after another with these bytes: first, and after the question.
fn pretend(project: &Project, hello: Vec<u8>, answer: Vec<u8>) {
    let _ = std::fs::remove_file(project.path(".orca/watch.sock"));
    let listener = UnixListener::bind(project.path(".orca/watch.sock")).expect("the name is free");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let (hello, answer) = (hello.clone(), answer.clone());
            std::thread::spawn(move || {
                let _ = stream.write_all(&hello);
                let mut question = [0; 5];
                if stream.read_exact(&mut question).is_ok() {
                    let _ = stream.write_all(&answer);
                }
                // Held for longer than anybody waits.
                std::thread::sleep(Duration::from_secs(20));
            });
        }
    });
}

#[test]
fn a_server_that_is_older_or_newer_or_broken_or_silent_is_none() {
    let project = built(PLAN);
    let Identity { orca, project: identity } = Identity::of(project.root()).unwrap();
    let hello = |v: u32, orca: &str, identity: &str| {
        frame(&format!(r#"{{"v":{v},"orca":"{orca}","project":"{identity}","answered":0}}"#))
    };
    let nothing = frame(r#"{"answer":"nothing-to-do","cached":3,"saved_ms":0,"saved_micro_usd":0,"body":0}"#);
    let right = hello(1, &orca, &identity);
    pretend(&project, right.clone(), nothing.clone());
    let said = || ask(project.root(), || "here".to_owned(), Ask::Build);
    assert!(said().is_some(), "the pretended server is understood at all");
    let table = [
        ("newer", hello(2, &orca, &identity), nothing.clone()),
        ("another program", hello(1, "0.0.9 1:2:3:4", &identity), nothing.clone()),
        ("another project", hello(1, &orca, "1:1"), nothing.clone()),
        ("no frame", b"\xff\xff\xff\xffxxxx".to_vec(), nothing.clone()),
        ("no JSON", frame("hello"), nothing.clone()),
        ("half a hello", right[..10].to_vec(), Vec::new()),
        ("silence", Vec::new(), Vec::new()),
        ("no answer", right.clone(), Vec::new()),
        ("an answer that is none", right.clone(), frame(r#"{"answer":"yes"}"#)),
        ("no body", right.clone(), frame(r#"{"answer":"printed","body":7}"#)),
        ("a body without end", right.clone(), frame(r#"{"answer":"printed","body":18446744073709551615}"#)),
        (
            "a body that is no list",
            right,
            [
                frame(r#"{"answer":"nothing-to-do","cached":3,"saved_ms":0,"saved_micro_usd":0,"body":2}"#),
                b"{}".to_vec(),
            ]
            .concat(),
        ),
    ];
    for (what, hello, answer) in table {
        pretend(&project, hello, answer);
        let since = Instant::now();
        assert_eq!(said(), None, "{what}");
        assert!(since.elapsed() < Duration::from_millis(2500), "{what}: {:?}", since.elapsed());
        // And the command goes its way: the tests' program is not the one that a real server would be.
        project.orca(["build"]).exits(0);
    }
}

#[test]
fn a_fixture_is_answered_for_like_a_plan_of_a_test() {
    let project = Fixture::open("quickstart");
    project.build();
    let served = serve(project, 5);
    let Answered::NothingToDo { cached, .. } = served.known(&Ask::Build) else { panic!("it is built") };
    assert_eq!(cached, 5);
}
