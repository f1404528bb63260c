//! `orca build` that is answered from the snapshot: whatever the long way reads is noticed, and what is not read is not.
#![expect(clippy::disallowed_methods, reason = "changes real files behind orca's back, and looks at real inodes")]

mod support;
mod witnessed;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

use support::{Project, wait_until};
use witnessed::{PLAN, allow, bins, build, equals_clean, project, snapshot, tool};

#[track_caller]
fn goes_the_long_way(orca: &Project, what: &str) {
    let (output, is_short) = build(orca);
    assert!(!is_short, "{what} was not noticed\n{}", output.transcript());
    output.exits(0);
}

#[track_caller]
fn takes_the_short_way(orca: &Project, what: &str) {
    let (output, is_short) = build(orca);
    let verbose = if is_short { String::new() } else { orca.orca(["build", "-v"]).stderr };
    assert!(is_short, "{what}: the long way\n{}\n{verbose}", output.transcript());
    output.exits(0);
}

/// Builds until the snapshot is there: what was changed a moment before a build may need another look.
#[track_caller]
fn settle(orca: &Project) {
    for _ in 0..3 {
        if build(orca).1 {
            return;
        }
    }
    takes_the_short_way(orca, "three builds without a change");
}

#[test]
fn a_second_build_is_answered_from_the_snapshot() {
    let orca = project();
    goes_the_long_way(&orca, "a first build");
    // Where consent, or a source, was written within milliseconds of the build, it takes one more.
    settle(&orca);
    let (short, is_short) = build(&orca);
    assert!(is_short, "{}\n{}", short.transcript(), orca.orca(["build", "-v"]).stderr);
    fs::remove_file(orca.path(".orca/snapshot")).expect("it is there");
    let long = orca.orca(["build"]).exits(0);
    assert_eq!(without_time(&short.stderr), without_time(&long.stderr));
    assert!(short.stderr.contains("all is well"), "the log of a test is shown again\n{}", short.transcript());
    assert_eq!((short.stdout.as_str(), short.status.code()), ("", Some(0)));
    // The same answer from elsewhere, with what changes nothing of it.
    let settled = snapshot(&orca);
    let root = orca.root().to_str().expect("a path of a test is UTF-8").to_owned();
    let coloured = orca.orca(["-C", &root, "build", "-k", "-j", "3", "--color=always"]).exits(0);
    assert!(coloured.stderr.contains("\u{1b}[1;32mnothing to do\u{1b}[0m: 4 cached"), "{}", coloured.transcript());
    assert_eq!(snapshot(&orca), settled, "the long way\n{}", coloured.transcript());
}

/// The output with each `in 12ms` left out.
fn without_time(text: &str) -> String {
    let cut = |line: &str| match line.split_once(" cached in ") {
        Some((before, after)) => format!("{before} cached{}", after.trim_start_matches(|c: char| c != ',')),
        None => line.to_owned(),
    };
    text.lines().map(cut).collect::<Vec<_>>().join("\n")
}

type Change = (&'static str, fn(&mut Project));

#[test]
fn whatever_the_long_way_reads_is_noticed() {
    let changes: &[Change] = &[
        ("an edit", |orca| {
            orca.write("src/a.txt", "ALPHA and more\n");
        }),
        ("an edit of the same size with its time put back", |orca| {
            let file = orca.path("src/a.txt");
            let text = orca.read("src/a.txt").replace('A', "B");
            let time = fs::metadata(&file).expect("it is there").modified().expect("a time");
            fs::write(&file, text).expect("a file");
            fs::File::options().write(true).open(&file).and_then(|file| file.set_modified(time)).expect("a time");
        }),
        ("a new file that a wildcard matches", |orca| {
            orca.write("src/sub/c.txt", "gamma\n");
        }),
        ("a new directory with one", |orca| {
            orca.write("src/more/d.txt", "delta\n");
        }),
        ("a file renamed", |orca| {
            orca.rename("src/sub/c.txt", "src/sub/0.txt");
        }),
        ("a file removed", |orca| {
            orca.remove("src/sub/0.txt");
        }),
        ("a directory removed", |orca| {
            orca.remove("src/more");
        }),
        ("an executable bit", |orca| {
            orca.chmod("src/a.txt", 0o755);
        }),
        ("a link in the place of a file", |orca| {
            orca.remove("src/sub/b.txt").symlink("../a.txt", "src/sub/b.txt");
        }),
        ("a link that leads elsewhere", |orca| {
            orca.remove("src/sub/b.txt").symlink("../notes", "src/sub/b.txt");
        }),
        ("a directory in the place of a file that no wildcard matches", |orca| {
            orca.remove("src/notes").write("src/notes/e.txt", "epsilon\n");
        }),
        ("a directory replaced by a link to it", |orca| {
            orca.rename("src/sub", "elsewhere").symlink("../elsewhere", "src/sub");
        }),
        ("the directory in its place again", |orca| {
            orca.remove("src/sub").rename("elsewhere", "src/sub");
        }),
        ("a file in a directory that is named", |orca| {
            orca.write("data/deep/z.tmp", "z\n");
        }),
        ("a word in .gitignore", |orca| {
            orca.append(".gitignore", "a.txt\n");
        }),
        ("a .gitignore on the way", |orca| {
            orca.write("src/.gitignore", "notes\n");
        }),
        ("that one removed", |orca| {
            orca.remove("src/.gitignore");
        }),
        ("a word less in .gitignore", |orca| {
            orca.write(".gitignore", "*.tmp\n");
        }),
        ("an output changed", |orca| {
            orca.write("out/join", "forged\n");
        }),
        ("an output removed", |orca| {
            orca.remove("out/report");
        }),
        ("an output made executable", |orca| {
            orca.chmod("out/report", 0o755);
        }),
        ("all outputs removed", |orca| {
            orca.remove("out");
        }),
        ("a variable", |orca| {
            orca.set_env("FLAVOUR", "sweet");
        }),
        ("a tool's content", |orca| tool(orca, "second", "echo HELLO")),
        ("a tool that hides another", |orca| tool(orca, "first", "echo shadow")),
        ("that one removed", |orca| fs::remove_file(bins(orca).join("first/greet")).expect("it is there")),
        ("a sandbox program on PATH", |orca| {
            let file = bins(orca).join("first/bwrap");
            fs::write(&file, "#!/bin/sh\nexit 1\n").expect("a program");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
        }),
        ("a comment in the plan", |orca| {
            orca.append("orca.toml", "# a comment\n");
        }),
        ("a comment in an included plan", |orca| {
            orca.append("plans/more.toml", "# a comment\n");
        }),
        ("another plan that is included", |orca| {
            orca.write(
                "plans/last.toml",
                "[tasks.last]\nrun = \"echo last > out/last\"\noutputs = [\"../out/last\"]\n",
            );
        }),
        ("that one removed", |orca| {
            orca.remove("plans/last.toml");
        }),
        ("another home", |orca| {
            let other = orca.root().parent().expect("it lies in its world").join("data");
            orca.set_env("HOME", other);
        }),
        ("a command that writes to the journal", |orca| {
            orca.orca(["build", "--json"]).exits(0);
        }),
        ("a program that writes to the journal", |orca| {
            let file = orca.path(".orca/journal.db");
            let bytes = fs::read(&file).expect("it is there");
            fs::write(&file, bytes).expect("it is ours");
        }),
    ];
    let mut orca = project();
    settle(&orca);
    for (what, change) in changes {
        change(&mut orca);
        if *what == "a command that writes to the journal" {
            // It leaves a snapshot of its own.
            takes_the_short_way(&orca, what);
            continue;
        }
        goes_the_long_way(&orca, what);
        settle(&orca);
        equals_clean(&orca, what);
    }
}

#[test]
fn what_nobody_reads_costs_nothing() {
    let orca = project();
    settle(&orca);
    orca.write("README", "new\n").write("out/stray", "nobody's\n");
    takes_the_short_way(&orca, "files that no pattern reaches");
    orca.write("src/passing.txt", "there\n").remove("src/passing.txt");
    takes_the_short_way(&orca, "a file that came and went");
    fs::write(bins(&orca).join("first/other"), "").expect("a file");
    takes_the_short_way(&orca, "a file beside the tools");
    orca.orca(["status"]);
    orca.orca(["graph"]).exits(0);
    takes_the_short_way(&orca, "commands that look");
}

#[test]
fn a_toolchain_is_watched_where_it_is_and_where_it_is_not() {
    let orca = project();
    orca.replace("orca.toml", "tools = [\"greet\"]", "tools = [\"greet\"]\ntoolchains = [\"python\"]");
    settle(&orca);
    let home = orca.root().parent().expect("it lies in its world").join("home");
    fs::write(home.join("unrelated"), "").expect("a file");
    takes_the_short_way(&orca, "a file at home");
    fs::create_dir(home.join(".pyenv")).expect("a directory");
    goes_the_long_way(&orca, "a version manager");
    settle(&orca);
    for version in ["3.12", "3.13"] {
        fs::write(home.join(".pyenv/version"), version).expect("a note");
        goes_the_long_way(&orca, "a note of the version manager");
        settle(&orca);
    }
}

#[test]
fn consent_that_is_taken_back_is_missed() {
    let orca = project();
    settle(&orca);
    orca.orca(["trust", "--revoke"]).exits(0);
    orca.orca(["build"]).exits(4);
    allow(&orca);
    settle(&orca);
}

#[test]
fn another_orca_and_another_place_are_noticed() {
    let orca = project();
    settle(&orca);
    let program = bins(&orca).join("orca");
    fs::copy(env!("CARGO_BIN_EXE_orca"), &program).expect("a program can be copied");
    let before = snapshot(&orca);
    let mut command = std::process::Command::new(&program);
    let environment =
        orca.command().get_envs().map(|(name, value)| (name.to_owned(), value.map(OsString::from))).collect::<Vec<_>>();
    command.env_clear().envs(environment.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let output = command.current_dir(orca.root()).arg("build").output().expect("it starts");
    assert!(output.status.success());
    assert_ne!(before, snapshot(&orca), "another program took the short way");
    settle(&orca);

    let moved = orca.root().parent().expect("it lies in its world").join("moved");
    fs::rename(orca.root(), &moved).expect("it can be moved");
    let moved = moved.to_str().expect("a path of a test is UTF-8");
    // Consent is for the place where it was.
    let output = orca_at(&orca, moved);
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
}

fn orca_at(orca: &Project, directory: &str) -> std::process::Output {
    let mut command = orca.command();
    command.current_dir("/").args(["build", "-C", directory]).output().expect("it starts")
}

#[test]
fn what_is_red_is_never_nothing_to_do() {
    let orca = project();
    settle(&orca);
    orca.append("orca.toml", "[tasks.red]\nrun = \"false\"\ninputs = [\"src/a.txt\"]\n");
    for _ in 0..3 {
        let (output, is_short) = build(&orca);
        assert!(!is_short && output.stderr.contains("failed: "), "{}", output.transcript());
        output.exits(1);
    }
    orca.replace("orca.toml", "run = \"false\"", "run = \"true\"");
    goes_the_long_way(&orca, "a task mended");
    settle(&orca);
}

#[test]
fn a_warning_is_said_every_time() {
    let orca = project();
    orca.replace("orca.toml", "inputs = [\"src/**/*.txt\"]", "inputs = [\"src/**/*.txt\", \"nowhere/*.txt\"]");
    for _ in 0..2 {
        let (output, is_short) = build(&orca);
        assert!(!is_short && output.stderr.contains("nowhere/*.txt"), "{}", output.transcript());
    }
}

#[test]
fn a_damaged_snapshot_is_none() {
    let orca = project();
    settle(&orca);
    let whole = fs::read(orca.path(".orca/snapshot")).expect("it is there");
    let put = |bytes: &[u8]| fs::write(orca.path(".orca/snapshot"), bytes).expect("it is ours");
    let mut damaged: Vec<(String, Vec<u8>)> = Vec::new();
    for step in 0..24 {
        let at = whole.len() * step / 24;
        damaged.push((format!("cut at {at}"), whole[..at].to_vec()));
        let mut flipped = whole.clone();
        let at = (at + step * 7) % whole.len();
        flipped[at] ^= 1 << (step % 8);
        damaged.push((format!("bit {} of byte {at} turned", step % 8), flipped));
    }
    for (index, byte) in [(8, 2), (12, 0), (16, 0)] {
        let mut foreign = whole.clone();
        foreign[index] = byte;
        damaged.push((format!("byte {index} is {byte}"), foreign));
    }
    damaged.push(("something behind it".to_owned(), [&whole[..], b"x"].concat()));
    damaged.push(("foreign".to_owned(), b"orcastat".repeat(100)));
    for (what, bytes) in damaged {
        put(&bytes);
        goes_the_long_way(&orca, &what);
    }
    takes_the_short_way(&orca, "after all that");
    fs::remove_file(orca.path(".orca/snapshot")).expect("it is there");
    fs::create_dir(orca.path(".orca/snapshot")).expect("a name");
    orca.orca(["build"]).exits(0);
}

#[test]
fn a_build_that_is_killed_claims_nothing() {
    let orca = project();
    settle(&orca);
    orca.append("orca.toml", "[tasks.slow]\nrun = \"sleep 60\"\ninputs = [\"src/a.txt\"]\n");
    let before = snapshot(&orca);
    let build_of_it = orca.spawn(["build"]);
    wait_until("the build has begun", || snapshot(&orca) != before);
    std::thread::sleep(Duration::from_millis(100));
    build_of_it.kill();
    // The plan that was good before.
    orca.write("orca.toml", PLAN);
    goes_the_long_way(&orca, "a killed build");
    settle(&orca);
}

#[test]
fn a_check_reads_no_plan_where_nothing_has_changed() {
    let orca = project();
    settle(&orca);
    let stat = orca.path(".orca/stat");
    // The long way reads what digests are known; where times of access are kept, that shows.
    let long_ago = SystemTime::now() - Duration::from_secs(10 * 24 * 3600);
    let is_read = |args: [&str; 1]| {
        let file = fs::File::options().write(true).open(&stat).expect("it is there");
        file.set_times(fs::FileTimes::new().set_accessed(long_ago)).expect("a time");
        let output = orca.orca(args).exits(0);
        let accessed = fs::metadata(&stat).and_then(|found| found.accessed()).expect("a time");
        (accessed > long_ago + Duration::from_secs(3600), output.stdout)
    };
    let (short_check, short_graph) = (is_read(["check"]), is_read(["graph"]));
    assert_eq!((short_check.0, short_graph.0), (false, false), "the long way");
    fs::remove_file(orca.path(".orca/snapshot")).expect("it is there");
    let (long_check, long_graph) = (is_read(["check"]), is_read(["graph"]));
    assert_eq!((short_check.1, short_graph.1), (long_check.1, long_graph.1));
    let keeps_access = fs::read(&stat).and_then(|_| fs::metadata(&stat)?.accessed()).expect("a time") > long_ago;
    assert_eq!((long_check.0, long_graph.0), (keeps_access, keeps_access), "the short way, without a snapshot");
}

#[test]
fn a_lock_is_taken_in_by_every_look() {
    let orca = project();
    settle(&orca);
    orca.write("orca.lock", "this is no lock\n");
    for command in ["check", "graph"] {
        let output = orca.orca([command]);
        assert_ne!(output.status.code(), Some(0), "{}", output.transcript());
    }
}
