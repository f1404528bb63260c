//! What becomes of processes: timeouts, signals, output, builds beside one another. One promise a test.
#![expect(clippy::disallowed_methods, reason = "real files, signals and clocks")]

mod support;

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use orca::base::FailureKind;
use orca::event::Outcome;
use rustix::process::Signal;
use support::{Project, Running, bubblewrap_works, wait_until, wait_until_nothing_runs};

/// A task that says that it is there, and goes on when it is told to.
const WAITS: &str = "touch here; while ! [ -e go ]; do sleep 0.02; done";

/// One task with this body; what it leaves besides is nobody's business.
fn one(body: &str, more: &str) -> Project {
    let project = Project::empty();
    project.write("orca.toml", task(&project, "one", body, more));
    project
}

fn task(project: &Project, name: &str, body: &str, more: &str) -> String {
    let marker = project.root();
    format!("[tasks.{name}]\nrun = '''{body}'''\nundeclared = \"discard\"\nenv = {{ MARKER = {marker:?} }}\n{more}\n")
}

fn inside(project: &Project, task: &str, file: &str) -> std::path::PathBuf {
    project.path(&format!(".orca/work/{task}/tree/{file}"))
}

fn wait_for(project: &Project, task: &str, file: &str) {
    wait_until(&format!("for {file} of {task}"), || inside(project, task, file).exists());
}

fn go(project: &Project, task: &str) {
    fs::write(inside(project, task, "go"), "").expect("the workspace is there");
}

fn start(project: &Project, task: &str) -> Running {
    let build = project.spawn(["build"]);
    wait_for(project, task, "here");
    build
}

#[test]
fn a_timeout_kills_the_whole_tree() {
    let orca = one("setsid sh -c 'sleep 1000' & (sleep 1000 &) ; sleep 1000", "timeout = \"500ms\"");
    let red = orca.build_red();
    assert_eq!(red.failure("one").kind, FailureKind::Timeout);
    wait_until_nothing_runs(orca.root());
}

#[test]
fn ctrl_c_gives_a_grace_and_says_what_was_interrupted() {
    let orca = one("trap 'sleep 0.3; echo bye-bye; exit 0' TERM; touch here; while :; do sleep 0.02; done", "");
    let mut build = start(&orca, "one");
    build.signal(Signal::INT);
    build.wait().exits(130).prints(["bye-bye", "one", "interrupted"]);
    wait_until_nothing_runs(orca.root());
    assert!(!orca.exists(".orca/work/one"), "the workspace of an interrupted task is removed");
}

#[test]
fn a_second_ctrl_c_is_immediate() {
    let orca = one("trap 'touch asked' TERM; touch here; while :; do sleep 0.02; done", "");
    let mut build = start(&orca, "one");
    build.signal(Signal::INT);
    wait_for(&orca, "one", "asked");
    let since = Instant::now();
    build.signal(Signal::INT);
    build.wait().exits(130);
    assert!(since.elapsed() < Duration::from_secs(4), "that was the grace, not the second signal");
    wait_until_nothing_runs(orca.root());
}

#[test]
fn every_signal_has_its_exit_code() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let orca = one(WAITS, "");
        let mut build = start(&orca, "one");
        build.signal(signal);
        build.wait().exits(code);
        wait_until_nothing_runs(orca.root());
    }
}

/// The processes of a group.
fn group(leader: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("it is mounted").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let group_of = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(2)?.parse::<u32>().ok()
    };
    pids.filter(|pid| group_of(pid) == Some(leader)).collect()
}

#[test]
fn who_guards_a_task_is_not_in_the_group_of_orca() {
    for sandbox in ["namespaces", "bubblewrap", "landlock", "none"] {
        if sandbox == "bubblewrap" && !bubblewrap_works("who guards a task") {
            continue;
        }
        let mut orca = one("touch here; sleep 60", "");
        orca.set_env("ORCA_SANDBOX", sandbox).trust();
        let mut command = orca.command();
        command.args(["build", "--json"]).stdin(Stdio::null()).process_group(0);
        let mut build = Running::start(&mut command, "orca build".to_owned());
        wait_for(&orca, "one", "here");
        assert_eq!(group(build.pid()), [build.pid()], "{sandbox}");
        build.signal_group(Signal::TERM);
        build.wait().exits(143);
    }
}

#[test]
fn a_signal_to_the_whole_group_is_an_interruption_at_any_instant() {
    for sandbox in ["namespaces", "bubblewrap", "landlock", "none"] {
        if sandbox == "bubblewrap" && !bubblewrap_works("a signal to the whole group") {
            continue;
        }
        let mut orca = Project::new(
            "[tasks.many]\nrun = 'sleep 0.02; true {{ matrix.n }}'\n\
             matrix = { n = [\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", \"9\", \"10\", \"11\", \"12\"] }\n\
             [tasks.last]\nrun = 'sleep 60'\n",
        );
        orca.set_env("ORCA_SANDBOX", sandbox);
        orca.trust();
        for round in 0..10 {
            let mut command = orca.command();
            command.args(["build", "--json", "--force", "-j4"]).stdin(Stdio::null()).process_group(0);
            let mut build = Running::start(&mut command, "orca build".to_owned());
            build.wait_for("task-started");
            std::thread::sleep(Duration::from_millis(round * 17));
            // Whoever else is in the group has all the time there is to hear of it first.
            build.signal(Signal::STOP).signal_group(Signal::TERM);
            std::thread::sleep(Duration::from_millis(20));
            build.signal(Signal::CONT);
            let output = build.wait().exits(143);
            assert!(!output.stderr.contains("guards"), "round {round}\n{}", output.transcript());
        }
    }
}

#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let orca = one(WAITS, "");
    let mut command = Command::new("sh");
    let environment = orca.command();
    let variables = environment.get_envs().filter_map(|(name, value)| Some((name, value?)));
    command.args(["-c", "trap '' HUP; exec \"$0\" build"]).arg(environment.get_program()).current_dir(orca.root());
    command.env_clear().envs(variables).stdin(Stdio::null());
    let mut build = Running::start(&mut command, "nohup orca build".to_owned());
    wait_for(&orca, "one", "here");
    build.signal(Signal::HUP);
    go(&orca, "one");
    build.wait().exits(0);
}

#[test]
fn an_interrupted_gate_of_the_plan_ends_the_build() {
    let orca = Project::new(
        "[plan]\ngates = [\"slow\"]\n[gates.slow]\nrun = 'touch here; sleep 1000'\n[tasks.one]\nrun = 'true'\n",
    );
    let mut build = orca.spawn(["build"]);
    wait_for(&orca, "plan=gate=slow", "here");
    build.signal(Signal::INT);
    build.wait().exits(130);
}

#[test]
fn a_failure_stops_new_starts_and_lets_the_running_finish() {
    let orca = Project::empty();
    let plan = task(&orca, "bad", &format!("{WAITS}; exit 1"), "")
        + &task(&orca, "good", &format!("{WAITS}; echo 1 > out"), "outputs = [\"out\"]")
        + &task(&orca, "later", "true", "deps = [\"good\"]");
    orca.write("orca.toml", plan);
    let mut build = orca.spawn(["build", "--json", "-j", "2"]);
    wait_for(&orca, "bad", "here");
    wait_for(&orca, "good", "here");
    go(&orca, "bad");
    build.wait_for("\"outcome\":\"failed\"");
    go(&orca, "good");
    let ended = support::Build::read(build.wait()).red();
    ended.ran(["good"]).failed(["bad"]).skipped(["later"]);
    assert!(orca.exists("out"));
}

#[test]
fn keep_going_goes_on_with_what_is_independent() {
    let orca = Project::new(
        "[tasks.bad]\nrun = 'exit 1'\n[tasks.below]\nrun = 'true'\ndeps = [\"bad\"]\n[tasks.deeper]\nrun = 'true'\n\
         deps = [\"below\"]\n[tasks.free]\nrun = 'echo 1'\n[tasks.z]\nrun = 'echo 2'\ndeps = [\"free\"]\n",
    );
    let red = orca.build_args(["-k", "-j", "1"]).red();
    red.ran(["free", "z"]).failed(["bad"]).skipped(["below", "deeper"]);
    assert_eq!(*red.outcome("deeper"), Outcome::Skipped { because: "`bad` is red".to_owned() });
}

#[test]
fn standard_input_is_empty() {
    let orca = one("cat > out; readlink /proc/self/fd/0 >> out", "outputs = [\"out\"]");
    orca.build();
    assert_eq!(orca.read("out"), "/dev/null\n");
}

#[test]
fn a_prompt_of_five_megabytes_arrives_intact() {
    let line = "All work and no play makes Jack a dull boy. 0123456789\n";
    let text = line.repeat(5_000_000 / line.len());
    let orca = Project::new(&format!(
        "[limits]\ncontext_size_max = \"8MiB\"\n\
         [agents.echo]\npreset = \"command\"\ncommand = [\"sh\", \"-c\", \"cat > out\"]\n\
         [tasks.one]\nprompt = '''\n{text}'''\noutputs = [\"out\"]\n"
    ));
    orca.build();
    assert!(orca.read("out").contains(&text));
}

#[test]
fn a_flood_of_output_is_bounded_in_memory_and_on_disk() {
    let body = "echo the beginning; head -c 300000000 /dev/zero | tr '\\0' x; echo; echo the end";
    let orca = one(body, "[limits]\nlog_size_max = \"1MiB\"");
    let mut build = orca.spawn(["build"]);
    let status = format!("/proc/{}/status", build.pid());
    let mut peak_kib = 0;
    while !build.has_ended() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        peak_kib = peak_kib.max(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0));
        std::thread::sleep(Duration::from_millis(10));
    }
    build.wait().exits(0);
    assert!((1..200 << 10).contains(&peak_kib), "{peak_kib} KiB");
    let log = orca.orca(["log", "one"]).exits(0).prints(["the beginning", "left out by orca", "the end"]);
    assert!(log.stdout.len() < 1_100_000, "{} bytes", log.stdout.len());
}

#[test]
fn a_grandchild_that_holds_the_output_does_not_hold_the_build() {
    let orca = one("setsid sleep 1000 & echo done", "");
    let since = Instant::now();
    orca.build().ran(["one"]);
    assert!(since.elapsed() < Duration::from_secs(30));
    wait_until_nothing_runs(orca.root());
}

#[test]
fn one_build_at_a_time_and_the_other_says_whom_it_waits_for() {
    let orca = one(&format!("{WAITS}; echo 1 > out"), "outputs = [\"out\"]");
    let first = start(&orca, "one");
    let mut second = orca.spawn(["build"]);
    second.wait_for("waiting for another build in this project");
    second.wait_for(&format!("process {}", first.pid()));
    go(&orca, "one");
    first.wait().exits(0);
    second.wait().exits(0).prints(["nothing to do"]);
}

#[test]
fn a_build_that_waited_reads_the_plan_anew() {
    let orca = one(&format!("{WAITS}; echo 1 > out"), "outputs = [\"out\"]");
    let first = start(&orca, "one");
    let mut second = orca.spawn(["build"]);
    second.wait_for("waiting for another build in this project");
    orca.append("orca.toml", "\n[tasks.late]\nrun = \"echo late > late\"\noutputs = [\"late\"]\n");
    go(&orca, "one");
    first.wait().exits(0);
    second.wait().exits(0);
    assert_eq!(orca.read("late"), "late\n");
}

#[test]
fn a_lock_dies_with_its_holder() {
    let orca = one(WAITS, "");
    start(&orca, "one").kill();
    orca.remove(".orca/work");
    let second = start(&orca, "one");
    go(&orca, "one");
    second.wait().exits(0);
}

#[test]
fn inputs_that_change_while_a_task_runs_are_never_its_result() {
    let orca = one(&format!("cp in seen; {WAITS}; cat seen > out"), "inputs = [\"in\"]\noutputs = [\"out\"]");
    orca.write("in", "old\n");
    let mut build = orca.spawn(["build"]);
    wait_for(&orca, "one", "here");
    orca.write("in", "new\n");
    go(&orca, "one");
    build.wait_for("starts over");
    wait_for(&orca, "one", "here");
    go(&orca, "one");
    build.wait().exits(0);
    assert_eq!(orca.read("out"), "new\n");

    orca.write("in", "old\n");
    let again = start(&orca, "one");
    go(&orca, "one");
    again.wait().exits(0);
    assert_eq!(orca.read("out"), "old\n", "nothing was kept of the run that had begun with it");
}

#[test]
fn standard_output_that_nobody_reads_is_no_failure() {
    let orca = one("echo 1 > out; seq 2000", "outputs = [\"out\"]");
    let mut command = Command::new("sh");
    let environment = orca.command();
    let variables = environment.get_envs().filter_map(|(name, value)| Some((name, value?)));
    command.args(["-c", "{ \"$0\" build --json; echo $? > status; } | true"]).arg(environment.get_program());
    command.env_clear().envs(variables).current_dir(orca.root()).stdin(Stdio::null());
    assert!(command.status().expect("there is a shell").success());
    assert_eq!(orca.read("status"), "0\n");
    assert_eq!(orca.read("out"), "1\n");
}

#[test]
fn the_result_does_not_depend_on_the_number_of_jobs() {
    let trees: Vec<_> = ["1", "8"]
        .map(|jobs| {
            let orca = support::Fixture::open("docs-pipeline");
            orca.build_args(["-j", jobs]).green();
            orca.tree()
        })
        .into();
    assert_eq!(trees[0].difference(&trees[1]), "");
}
