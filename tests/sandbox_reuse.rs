//! A guardian serves one task after the other, and nothing of one is left for the next.
#![expect(clippy::disallowed_methods, reason = "tests prepare files")]

mod sandbox_fixture;

use std::path::Path;
use std::time::Duration;

use orca::sandbox::{CancelLevel, End};
use sandbox_fixture::{Fixture, Ran, Way, each_way, eventually, processes_with};
use tokio::sync::watch;

/// Everything that a command inherits, and all of the processes and files that it sees and are not its own.
const INHERITED: &str = "pwd; umask; ulimit -a; ulimit -aH; env | sort; nice; cat /proc/self/oom_score_adj
    grep -E '^(Sig(Ign|Blk)|Groups|Uid|Gid|Cap|NoNewPrivs|Seccomp:|Cpus_allowed:)' /proc/self/status
    chrt -p $$ | sed 's/[0-9]*.s current//'; ls -l /proc/self/fd | grep -c -e '->'";
/// What a task sees of the room it is in.
const SEEN: &str =
    "cd /; echo $$; ls -d /proc/[0-9]*; cut -d' ' -f5,6 /proc/self/mountinfo; ls -lan --time-style=+ /dev/shm /home /var /run
    ipcs; hostname; cat /proc/sys/kernel/hostname";

/// The ways in which a guardian is kept.
fn each_kept(test: impl Fn(&Fixture)) {
    for way in [Way::Namespaces, Way::LandlockAlone, Way::None] {
        if let Some(fixture) = Fixture::new(way) {
            test(&fixture);
        }
    }
}

/// Which guardian a task has: its number, or that of its pid namespace.
#[track_caller]
fn guardian(f: &Fixture) -> String {
    f.run("readlink /proc/self/ns/pid; echo $PPID").succeeded().log
}

#[track_caller]
fn said(f: &Fixture, script: &str) -> String {
    f.run(script).succeeded().log
}

/// A task whose guardian may be lost.
fn run_to_any_end(f: &Fixture, script: &str) -> Result<End, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let running = f.sandbox.run(f.launch(script), watch::channel(CancelLevel::None).1, |_| {});
    runtime.block_on(running).map(|exit| exit.end).map_err(|error| error.to_string())
}

#[test]
fn one_guardian_serves_one_task_after_the_other() {
    each_kept(|f| {
        let first = guardian(f);
        assert_eq!(f.run("exit 3").exit.end, End::Code(3));
        f.run("kill -9 $$");
        let mut launch = f.launch("");
        launch.argv = vec!["no-such-program".into()];
        assert!(matches!(f.run_launch(launch).exit.end, End::NotStarted(_)));
        assert_eq!(guardian(f), first);
    });
}

#[test]
fn what_a_task_does_to_itself_ends_with_it() {
    each_way(|f| {
        let (before, seen) = (said(f, INHERITED), said(f, SEEN));
        for script in [
            "cd /; umask 077; ulimit -n 64; ulimit -c 0; ulimit -t 1000; export LEFT=1; exec 7>open; trap '' TERM INT CHLD",
            "renice -n 5 -p $$; chrt -b -p 0 $$; taskset -p 1 $$; echo 500 > /proc/self/oom_score_adj",
            "sh -c '(sleep 0.02; exit 4) & (exit 5) &'; exit 0",
            "setsid sh -c 'trap \"\" TERM HUP; sleep 61' > /dev/null 2>&1 &",
            "touch /dev/shm/left /run/left /left /home/left /var/left 2> /dev/null; kill -9 $$",
        ] {
            let _ = run_to_any_end(f, script);
        }
        let mut hangs = f.launch("sleep 62 & trap '' TERM; while :; do sleep 62; done");
        hangs.timeout = Some(Duration::from_millis(100));
        hangs.grace = Duration::from_millis(10);
        assert_eq!(f.run_launch(hangs).exit.end, End::TimedOut);
        assert_eq!(said(f, INHERITED), before, "{:?}", f.way);
        if f.way == Way::Namespaces || f.way == Way::Bubblewrap {
            assert_eq!(said(f, SEEN), seen, "{:?}", f.way);
        }
        let _ = std::fs::remove_file("/dev/shm/left");
        let _ = ["/run/left", "/left", "/home/left", "/var/left"].map(std::fs::remove_file);
    });
}

#[test]
fn what_a_task_does_to_its_guardian_does_not_reach_the_next() {
    for change in [
        "prlimit --pid $PPID --nofile=77:77",
        "renice -n 3 -p $PPID",
        "taskset -p 1 $PPID",
        "chrt -b -p 0 $PPID",
        "prlimit --pid $PPID --cpu=1000",
    ] {
        each_kept(|f| {
            let (first, before) = (guardian(f), said(f, INHERITED));
            let end = f.run(change).exit.end;
            if f.way == Way::None {
                // Otherwise this test could not fail.
                assert_eq!(end, End::Code(0), "{change}");
                assert_ne!(guardian(f), first, "{change}");
            }
            assert_eq!(said(f, INHERITED), before, "{:?}: {change}", f.way);
        });
    }
}

#[test]
fn a_daemon_of_one_task_does_not_see_the_next() {
    each_way(|f| {
        let marker = format!("73.{}", std::process::id());
        for _ in 0..5 {
            f.run(&format!("setsid sh -c '(trap \"\" TERM HUP; sleep {marker} & sleep {marker}) > /dev/null 2>&1 &'"))
                .succeeded();
            assert!(processes_with(&marker).is_empty(), "{:?}", f.way);
        }
    });
}

#[test]
fn no_zombie_waits_in_a_guardian() {
    each_kept(|f| {
        let counted = "awk '$3 == \"Z\"' /proc/[0-9]*/stat 2> /dev/null | awk -v p=$PPID '$4 == p' | wc -l";
        for _ in 0..5 {
            f.run("for i in 1 2 3; do sh -c 'sh -c true & sh -c \"sleep 0.01\" &' & done; true").succeeded();
        }
        assert_eq!(said(f, counted).trim(), "0", "{:?}", f.way);
    });
}

#[test]
fn usage_is_that_of_the_task_and_not_of_those_before() {
    if !Path::new("/usr/bin/python3").exists() {
        return println!("skipped: /usr/bin/python3 is not here");
    }
    each_kept(|f| {
        let mut hungry = f.launch("");
        let script = "x = b'x' * (150 << 20); sum(range(3000000))";
        hungry.argv = ["/usr/bin/python3", "-c", script].map(Into::into).to_vec();
        let hungry = f.run_launch(hungry).exit;
        assert!(hungry.usage.peak_memory_bytes > 150 << 20 && hungry.measure.cpu_us > 20_000, "{hungry:?}");
        let modest = f.run("true").exit;
        assert!(modest.usage.peak_memory_bytes < 50 << 20, "{:?}: {modest:?}", f.way);
        assert!((1..hungry.measure.cpu_us).contains(&modest.measure.cpu_us), "{modest:?}");
        assert!(modest.usage.peak_memory_bytes > 100_000, "{modest:?}");
    });
}

#[test]
fn a_guardian_that_dies_while_it_waits_is_replaced() {
    for way in [Way::LandlockAlone, Way::None] {
        let Some(f) = Fixture::new(way) else { continue };
        let first = said(&f, "echo $PPID");
        let pid = nix::unistd::Pid::from_raw(first.trim().parse().expect("a number"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("killed");
        eventually("it is dead", || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z")
        });
        assert_ne!(said(&f, "echo $PPID"), first);
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "no zombie is left of it");
    }
}

#[test]
fn who_kills_the_guardian_harms_only_itself() {
    let f = Fixture::new(Way::None).expect("none is always there");
    let first = guardian(&f);
    let other = f.path("other");
    for directory in ["workspace", "home", "tmp"] {
        std::fs::create_dir_all(other.join(directory)).expect("a directory");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (_cancel, cancel) = watch::channel(CancelLevel::None);
    let mut beside = f.launch("sleep 0.3; exit 9");
    (beside.workspace, beside.home, beside.tmp) = (other.join("workspace"), other.join("home"), other.join("tmp"));
    beside.log = other.join("log");
    let (beside, killer) = runtime.block_on(async {
        tokio::join!(
            f.sandbox.run(beside, cancel.clone(), |_| {}),
            f.sandbox.run(f.launch("sleep 0.1; kill -9 $PPID; sleep 1"), cancel.clone(), |_| {})
        )
    });
    let error = killer.expect_err("no report").to_string();
    assert!(error.contains("ended without a report"), "{error}");
    assert_eq!(beside.expect("a report").end, End::Code(9));
    f.run("exit 0").succeeded();
    assert!(!first.is_empty());
}

fn with_read_only(f: &Fixture, script: &str, read_only: &[&str]) -> Ran {
    let mut launch = f.launch(script);
    launch.read_only = read_only.iter().map(|path| f.path(path)).collect();
    f.run_launch(launch)
}

#[test]
fn what_one_task_is_shown_the_next_is_not() {
    each_way(|f| {
        for directory in ["project/tools", "project/more"] {
            std::fs::create_dir_all(f.path(directory)).expect("a directory");
        }
        let tool = f.write("project/tools/file", "shown");
        let more = f.write("project/more/file", "shown too");
        let look = format!("cat {}; cat {}", tool.display(), more.display());
        with_read_only(f, &look, &["project/tools"]).says("shown");
        with_read_only(f, &look, &["project/tools", "project/more"]).says("shown too");
        if f.way != Way::None {
            with_read_only(f, &look, &["project/more"]).succeeded().says("shown too").does_not_say("shown\n");
            // Another directory of that name is what the next task sees.
            std::fs::rename(f.path("project/tools"), f.path("project/was")).expect("moved");
            std::fs::create_dir_all(f.path("project/tools")).expect("a directory");
            f.write("project/tools/file", "another");
            with_read_only(f, &look, &["project/tools"]).says("another").does_not_say("shown");
            let all = format!("{look}; ls -R /tmp {}; false", f.path("").display());
            with_read_only(f, &all, &[]).does_not_say("shown").does_not_say("file\n");
        }
    });
}

#[test]
fn what_outlives_processes_does_not_outlive_the_task() {
    for way in [Way::Namespaces, Way::Bubblewrap] {
        let Some(f) = Fixture::new(way) else { continue };
        f.run("ipcmk -M 100 && ipcmk -S 3 && ipcmk -Q && touch /dev/shm/left && test $(ipcs | grep -c ^0x) -eq 3")
            .succeeded();
        f.run("ipcs; ls -A /dev/shm; test $(ipcs | grep -c ^0x) -eq 0 && test -z \"$(ls -A /dev/shm)\"").succeeded();
        if !Path::new("/usr/bin/python3").exists() {
            println!("skipped: /usr/bin/python3 is not here");
            continue;
        }
        // A server that closes first leaves its port taken for a minute.
        let script = "import socket\ns = socket.socket(); s.bind(('127.0.0.1', 4711)); s.listen()\n\
                      c = socket.create_connection(('127.0.0.1', 4711)); a, _ = s.accept(); a.close(); c.recv(1); c.close()";
        for round in 0..3 {
            let mut launch = f.launch("");
            launch.argv = ["/usr/bin/python3", "-c", script].map(Into::into).to_vec();
            let ran = f.run_launch(launch);
            assert_eq!(ran.exit.end, End::Code(0), "round {round}: {}", ran.log);
        }
    }
}

/// What both ways to make a view show: names, kinds, modes and links at the top, and how each place is mounted. Who owns
/// /dev/pts is the one difference, for who is not root.
#[test]
fn the_view_is_the_same_as_bubblewrap_makes() {
    let (Some(own), Some(bubblewrap)) = (Fixture::new(Way::Namespaces), Fixture::new(Way::Bubblewrap)) else { return };
    let look =
        "for dir in / /dev /etc /dev/pts /run /var; do echo $dir; cd $dir; stat -c '%n %A %u %g' * | sed 's/^pts .*//'
          for link in $(find . -maxdepth 1 -type l); do echo $link $(readlink $link); done | sort; done
        id -u; id -g; hostname; umask; echo $$ $PPID; pwd; echo $HOME $TMPDIR
        cat /proc/self/cgroup; grep -E '^(Cap|NoNewPrivs|Seccomp:|Sig)' /proc/self/status; ls -d /proc/[0-9]*
        awk '{print $5, $6}' /proc/self/mountinfo | grep -v '^/proc/' | sed 's/,relatime//' | sort";
    // But for the machine's devices: bubblewrap has no mounts that are read-only and show devices.
    let devices = |line: &str| line.starts_with("/dev/") && line.ends_with(" rw,nosuid");
    let line = |line: &str| if devices(line) { line.replace(" rw,", " ro,") } else { line.to_owned() };
    let of_bubblewrap: Vec<String> = said(&bubblewrap, look).lines().map(line).collect();
    assert_eq!(said(&own, look).lines().collect::<Vec<_>>(), of_bubblewrap);
}

/// The ways in which a task has a /dev of its own.
fn each_view(test: impl Fn(&Fixture)) {
    for way in [Way::Namespaces, Way::Bubblewrap] {
        if let Some(fixture) = Fixture::new(way) {
            test(&fixture);
        }
    }
}

#[test]
fn the_machines_devices_can_be_used_and_not_changed() {
    // Bubblewrap cannot make them read-only without making them useless.
    Fixture::new(Way::Namespaces).iter().for_each(|f| {
        for device in ["null", "full", "tty", "zero"] {
            // What it is already: where it could be set, nothing would be different.
            let time = f.run(&format!("touch -c -d @$(stat -c %Y /dev/{device}) /dev/{device}")).exit.end;
            let mode = f.run(&format!("chmod $(stat -c %a /dev/{device}) /dev/{device}")).exit.end;
            assert!(time != End::Code(0) && mode != End::Code(0), "{:?}: {device}: {time:?} {mode:?}", f.way);
        }
        assert_eq!(said(f, "echo lost > /dev/null; head -c 2 /dev/zero | od -An -tx1"), " 00 00\n", "{:?}", f.way);
    });
}

#[test]
fn terminals_of_one_task_are_not_those_of_the_next() {
    each_view(|f| {
        let time = "stat -c %Y /dev/pts/ptmx";
        assert_eq!(said(f, &format!("touch -d @1234567890 /dev/pts/ptmx; {time}")), "1234567890\n");
        assert_ne!(said(f, time), "1234567890\n", "{:?}", f.way);
        f.run("chmod 000 /dev/pts/ptmx");
        assert_eq!(said(f, "stat -Lc %a /dev/ptmx"), "666\n", "{:?}", f.way);
    });
}

#[test]
fn without_the_network_no_socket_leads_around_its_namespace() {
    each_view(|f| {
        let socket = |family: u32| format!("perl -e 'socket(my $s, {family}, 1, 0) or exit 7'");
        // The internet's and local ones work, and end in the namespace; vsock, Bluetooth and raw packets know none.
        for (family, end) in [(1, 0), (2, 0), (10, 0), (40, 7), (31, 7), (17, 7)] {
            let ran = f.run(&socket(family));
            assert_eq!(ran.exit.end, End::Code(end), "{:?}: {family}", f.way);
        }
    });
}

#[test]
fn what_the_kernel_lets_the_owner_of_a_guardian_set_does_not_reach_the_next() {
    const SET: &str = "cat /proc/self/coredump_filter; sed 's/.* nice/nice/' /proc/self/autogroup 2> /dev/null || true";
    for (name, value) in [("coredump_filter", "0x7f"), ("autogroup", "19")] {
        each_kept(|f| {
            let before = said(f, SET);
            f.run(&format!("echo {value} > /proc/$PPID/{name}; echo {value} > /proc/1/{name}"));
            assert_eq!(said(f, SET), before, "{:?}: {name}", f.way);
        });
    }
}
