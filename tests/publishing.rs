//! Results in the project: what a person changed there, what is in the way, and disks that take no more.
#![expect(clippy::disallowed_methods, reason = "reads what builds left on disk")]

mod support;

use std::fs;
use std::process::{Command, Stdio};

use orca::base::FailureKind;
use support::{Build, Output, Project, Running, mounts_work};

const AGENT: &str = "[agents.a]\npreset = \"command\"\ncommand = [\"sh\", \"-c\", 'cat in > out']\n\
    [tasks.agent]\nprompt = \"Do it.\"\ninputs = [\"in\"]\noutputs = [\"out\"]\n\
    [tasks.below]\nrun = 'cat out > below'\ninputs = [\"out\"]\noutputs = [\"below\"]\n";

fn one(body: &str, outputs: &str) -> Project {
    Project::new(&format!("[tasks.one]\nrun = '''{body}'''\noutputs = [{outputs}]\n"))
}

/// The one copy of `path` that was put aside.
fn put_aside(orca: &Project, path: &str) -> String {
    let runs = fs::read_dir(orca.path(".orca/replaced")).expect("something was put aside");
    let copies: Vec<_> =
        runs.map(|run| run.expect("an entry").path().join(path)).filter(|path| path.exists()).collect();
    assert_eq!(copies.len(), 1, "{copies:?}");
    fs::read_to_string(&copies[0]).expect("a file")
}

// What a person changed.

#[test]
fn a_changed_output_of_a_command_is_restored_and_put_aside() {
    let orca = one("echo built > out", "\"out\"");
    orca.build();
    orca.write("out", "a person's\n");
    let build = orca.build();
    build.ran([]).cached(["one"]);
    assert_eq!(orca.read("out"), "built\n");
    assert_eq!(put_aside(&orca, "out"), "a person's\n");
    assert!(build.output.stdout.contains("it is kept as `.orca/replaced/"), "{}", build.output.transcript());
}

#[test]
fn a_changed_output_of_an_agent_is_kept() {
    let orca = Project::new(AGENT);
    orca.write("in", "one\n").build();
    orca.write("out", "a person's\n");
    orca.build().ran([]);
    assert_eq!(orca.read("out"), "a person's\n");
    assert_eq!(orca.read("below"), "one\n", "what follows stands on the result");
    orca.orca(["status"]).prints(["out"]);

    orca.write("in", "two\n");
    for runs in [1, 0] {
        let red = orca.build_red();
        assert_eq!(red.failure("agent").kind, FailureKind::Conflict);
        let details = &red.failure("agent").details;
        assert!(details[0].starts_with("out: ") && details.join("\n").contains("a person's\n"), "{details:?}");
        assert_eq!(red.output.stdout.matches("task-started").count(), runs, "{}", red.output.transcript());
        assert_eq!(orca.read("out"), "a person's\n", "and is never overwritten");
    }

    orca.rename("out", "mine").build().ran(["below"]).cached(["agent"]);
    assert_eq!((orca.read("out"), orca.read("below")), ("two\n".to_owned(), "two\n".to_owned()));
}

#[test]
fn what_a_person_made_of_an_agents_output_is_carried_over_to_the_next() {
    let orca = Project::new(AGENT);
    orca.write("in", "1\n2\n3\n4\n5\n").build();
    orca.write("out", "one\n2\n3\n4\n5\n");
    orca.build().ran([]);
    for last in ["five", "V"] {
        orca.write("in", format!("1\n2\n3\n4\n{last}\n")).build().ran(["agent", "below"]);
        assert_eq!(orca.read("out"), format!("one\n2\n3\n4\n{last}\n"));
        assert_eq!(orca.read("below"), format!("1\n2\n3\n4\n{last}\n"), "what follows stands on the result");
        orca.build().ran([]);
        orca.orca(["status"]).prints(["out"]);
    }
}

/// What a person wrote that no text can be merged with.
const MINE: &str = "a person's\0\n";

/// A dry run says that a build fails, and it does.
#[track_caller]
fn conflicts_in<const N: usize>(orca: &Project, args: [&str; N]) -> Build {
    let dry: Vec<&str> = ["build", "-n"].into_iter().chain(args).collect();
    orca.orca(dry).exits(0).prints(["fail agent: conflict: `out` changed by hand", "or delete it"]);
    let red = orca.build_args(args).red();
    assert_eq!(red.failure("agent").kind, FailureKind::Conflict);
    assert!(red.failure("agent").details[0].starts_with("out: move your version away"), "{:?}", red.failure("agent"));
    red
}

/// Every look says that a build fails, and it does, without asking the agent.
#[track_caller]
fn conflicts<const N: usize>(orca: &Project, args: [&str; N]) {
    let red = conflicts_in(orca, args);
    assert!(!red.output.stdout.contains("task-started"), "an agent was asked\n{}", red.output.transcript());
    assert_eq!(orca.read("out"), MINE);
}

#[test]
fn a_conflict_is_known_before_an_agent_is_asked() {
    let orca = Project::new(AGENT);
    orca.write("in", "one\n").build();
    orca.write("in", "two\n").build();
    orca.write("out", MINE);
    conflicts(&orca, ["--force", "agent"]);
    orca.build().ran([]);

    for input in ["three\n", "one\n"] {
        orca.write("in", input);
        conflicts(&orca, []);
        conflicts(&orca, []);
        orca.orca(["status"]).exits(0).prints(["agent: conflict: `out` changed by hand"]);
        orca.orca(["explain", "agent"]).exits(0).prints(["agent would fail: conflict"]);
        orca.orca(["graph"]).exits(0).prints(["conflict"]);
    }

    orca.write("in", "two\n").build().ran([]);
    assert_eq!(orca.read("out"), MINE, "what it was an edit of is due again, so it stays");
    orca.write("in", "one\n").remove("out").build().ran([]);
    assert_eq!(orca.read("out"), "one\n", "deleted, it is taken from the cache");
}

#[test]
fn a_conflict_is_known_of_a_forced_task_that_has_no_key_yet() {
    let orca = Project::new(AGENT);
    orca.append("orca.toml", "[tasks.first]\nrun = 'date +%N > in'\noutputs = [\"in\"]\n");
    orca.build();
    orca.write("out", MINE).replace("orca.toml", "+%N", "+%N%s");
    conflicts_in(&orca, ["--force", "agent"]);
}

#[test]
fn what_a_person_does_while_an_agent_runs_is_a_conflict_and_the_edit_stays_one() {
    let orca = Project::new(AGENT);
    orca.replace("orca.toml", "'cat in > out'", "'cat in > out; grep -q slow in && sleep 2; true'");
    orca.write("in", "one\n").build();
    orca.write("in", "slow\n");
    let mut build = orca.spawn(["build", "--json"]);
    build.wait_for("task-started");
    orca.write("out", MINE);
    let red = Build::read(build.wait()).red();
    assert_eq!(red.failure("agent").kind, FailureKind::Conflict);
    conflicts(&orca, []);
    orca.write("in", "one\n").build().ran([]);
    assert_eq!(orca.read("out"), MINE, "what it was an edit of is due again, so it stays");
}

#[test]
fn a_missing_output_of_an_agent_is_restored() {
    let orca = Project::new(AGENT);
    orca.write("in", "one\n").build();
    orca.remove("out").build().ran([]);
    assert_eq!(orca.read("out"), "one\n");
}

#[test]
fn a_file_that_was_there_before_is_put_aside() {
    let orca = one("echo built > out", "\"out\"");
    orca.write("out", "a person's\n").build();
    assert_eq!((orca.read("out"), put_aside(&orca, "out")), ("built\n".to_owned(), "a person's\n".to_owned()));
}

#[test]
fn leftovers_go_and_what_a_person_changed_of_them_stays() {
    let orca = one("mkdir -p d/e; echo 1 > d/e/a; echo 2 > d/b; echo 3 > d/c", "\"d\"");
    orca.build();
    orca.write("d/c", "a person's\n").write("d/mine", "a person's\n");
    orca.write("orca.toml", "[tasks.other]\nrun = 'true'\n").build();
    let paths: Vec<String> = orca.tree().0.into_keys().collect();
    assert_eq!(paths, ["d", "d/c", "d/mine", "orca.toml"]);
}

#[test]
fn a_task_that_comes_back_brings_its_outputs_back() {
    let orca = one("echo built > out", "\"out\"");
    let plan = orca.read("orca.toml");
    orca.build();
    orca.write("orca.toml", "[tasks.other]\nrun = 'true'\n").build();
    assert!(!orca.exists("out"));
    orca.write("orca.toml", plan).build().ran([]);
    assert_eq!(orca.read("out"), "built\n");
}

#[test]
fn a_changed_leftover_is_a_source_at_once() {
    let plan =
        |maker: &str| format!("{maker}[tasks.all]\nrun = 'ls d > all'\ninputs = [\"d/*\"]\noutputs = [\"all\"]\n");
    let orca = Project::new(&plan("[tasks.one]\nrun = 'mkdir -p d; echo 1 > d/made'\noutputs = [\"d/made\"]\n"));
    orca.write("d/keep", "").build();
    orca.write("d/made", "a person's\n").write("orca.toml", plan(""));
    orca.build();
    assert_eq!(orca.read("all"), "keep\nmade\n");
    orca.build().ran([]);
}

#[test]
fn a_directory_that_only_outputs_were_in_is_no_source() {
    let orca = Project::new(
        "[tasks.one]\nrun = 'mkdir -p s/gen; echo 1 > s/gen/made'\noutputs = [\"s/gen/made\"]\n\
         [tasks.all]\nrun = 'ls s > all'\ninputs = [\"s/*\"]\noutputs = [\"all\"]\n",
    );
    orca.write("s/keep", "").build();
    orca.remove("s/gen/made").build().ran([]);
    orca.remove("s/gen").build().ran([]);
    assert_eq!(orca.read("all"), "keep\n");
}

#[test]
fn what_a_person_puts_into_an_empty_directory_stays_and_is_no_damage() {
    let orca = one("mkdir -p d/empty", "\"d\"");
    orca.build();
    orca.write("d/empty/mine", "a person's\n");
    let again = orca.build();
    assert!(again.output.stdout.contains("\"restored\":0"), "{}", again.output.transcript());
    assert_eq!(orca.read("d/empty/mine"), "a person's\n");
}

#[test]
fn a_changed_output_whose_result_the_cache_lost_is_named() {
    let orca = Project::new(AGENT);
    orca.write("in", "one\n").build();
    orca.write("out", "a person's\n").replace("orca.toml", "'cat out > below'", "'cat out out > below'");
    fs::remove_dir_all(orca.cache()).expect("it is there");
    // What an agent made is kept with the project, too; that has to be lost as well.
    fs::remove_dir_all(orca.path(".orca/kept")).expect("it is there");
    let red = orca.build_red();
    red.ran([]).failed(["below"]);
    assert!(red.failure("below").message.contains("`out`"), "{}", red.failure("below").message);
    orca.rename("out", "mine").build().ran(["agent", "below"]);
}

// What is in the way.

#[test]
fn a_directory_in_place_of_an_output_is_put_aside() {
    let orca = one("echo built > out", "\"out\"");
    orca.build();
    orca.remove("out").write("out/precious", "a person's\n");
    orca.build();
    assert_eq!(orca.read("out"), "built\n");
    assert_eq!(put_aside(&orca, "out/precious"), "a person's\n");
}

#[test]
fn nothing_is_written_through_a_link() {
    let orca = one("mkdir -p d; echo built > d/out", "\"d/out\"");
    orca.write("elsewhere/out", "a person's\n").symlink("elsewhere", "d");
    let red = orca.build_red();
    assert_eq!(red.failure("one").kind, FailureKind::Conflict);
    assert_eq!(red.failure("one").details, ["d is in the way of d/out: move it away, then build again"]);
    assert_eq!(orca.read("elsewhere/out"), "a person's\n");
    orca.remove("d").build();
    assert_eq!(orca.read("d/out"), "built\n");
}

#[test]
fn a_link_where_outputs_go_is_put_aside_and_not_followed() {
    let orca = one("mkdir -p d; echo built > d/out", "\"d\"");
    orca.write("elsewhere/out", "a person's\n").symlink("elsewhere", "d").build();
    assert_eq!((orca.read("d/out"), orca.read("elsewhere/out")), ("built\n".to_owned(), "a person's\n".to_owned()));
}

// Disks that take no more. Each in a mount namespace of its own.

/// Runs a script with `orca` in a mount namespace; `$ROOT`, `$CACHE` and `$WORLD` are the places.
fn with_mounts(orca: &Project, script: &str) -> Output {
    let environment = orca.command();
    let variables = environment.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let mut command = Command::new("unshare");
    let script = format!("set -e; orca() {{ \"$ORCA\" \"$@\"; }}; {script}");
    command.args(["-rm", "sh", "-c", &script]).env_clear().envs(variables).current_dir("/").stdin(Stdio::null());
    command.env("ORCA", environment.get_program()).env("ROOT", orca.root()).env("CACHE", orca.cache());
    command.env("WORLD", orca.root().parent().expect("it lies in its world"));
    fs::create_dir_all(orca.cache()).expect("a directory");
    Running::start(&mut command, script).wait()
}

fn megabytes(count: u32) -> Project {
    one(&format!("head -c {count}000000 /dev/zero > out; echo small > small"), "\"out\", \"small\"")
}

fn size(orca: &Project, name: &str) -> u64 {
    fs::metadata(orca.path(name)).map_or(0, |meta| meta.len())
}

#[test]
fn a_cache_that_is_full_is_a_slower_build() {
    if !mounts_work("a_cache_that_is_full_is_a_slower_build") {
        return;
    }
    for room in ["1m", "16k"] {
        let orca = megabytes(3);
        let build = Build::read(with_mounts(
            &orca,
            &format!("mount -t tmpfs -o size={room} none \"$CACHE\"; cd \"$ROOT\"; orca build --json"),
        ));
        let build = build.green();
        assert_eq!((size(&orca, "out"), orca.read("small")), (3_000_000, "small\n".to_owned()));
        assert!(build.output.stdout.contains("\"warning\":true"), "{}", build.output.transcript());
        orca.build().ran([]);
    }
}

#[test]
fn a_cache_that_is_read_only_is_a_slower_build() {
    if !mounts_work("a_cache_that_is_read_only_is_a_slower_build") {
        return;
    }
    let orca = megabytes(1);
    orca.build();
    orca.replace("orca.toml", "echo small", "echo changed").remove("out");
    let read_only = "mount --bind \"$CACHE\" \"$CACHE\"; mount -o remount,ro,bind \"$CACHE\"; cd \"$ROOT\"; orca build";
    with_mounts(&orca, read_only).exits(0);
    assert_eq!((size(&orca, "out"), orca.read("small")), (1_000_000, "changed\n".to_owned()));
    with_mounts(&orca, read_only).exits(0).prints(["nothing to do"]);
}

#[test]
fn a_project_that_is_full_is_an_error_and_never_a_wrong_result() {
    if !mounts_work("a_project_that_is_full_is_an_error_and_never_a_wrong_result") {
        return;
    }
    // Room for the task's own files, and then not for a second copy of them; or not even for those.
    for room in ["5m", "2m", "600k"] {
        let orca = megabytes(3);
        let script = format!(
            "cp -a \"$ROOT\" \"$WORLD/source\"; mount -t tmpfs -o size={room} none \"$ROOT\"; \
             cp -a \"$WORLD/source/.\" \"$ROOT\"; cd \"$ROOT\"; code=0; orca build || code=$?; \
             echo $code > \"$WORLD/code\"; ls -A > \"$WORLD/left\"; \
             mount -o remount,size=50m \"$ROOT\"; orca build; cp out small \"$WORLD\""
        );
        let output = with_mounts(&orca, &script).exits(0);
        let world = orca.root().parent().expect("it lies in its world");
        let read = |name: &str| fs::read_to_string(world.join(name)).expect("the script wrote it");
        assert!(["1\n", "4\n"].contains(&read("code").as_str()), "{}", output.transcript());
        assert!(!read("left").contains("out"), "{room}: {}\n{}", read("left"), output.transcript());
        let said = output.stderr.to_lowercase();
        assert!(said.contains("no space") || said.contains("full"), "{}", output.transcript());
        assert_eq!(fs::metadata(world.join("out")).expect("it was copied").len(), 3_000_000);
        assert_eq!(read("small"), "small\n");
    }
}
