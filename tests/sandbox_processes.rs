//! No process outlives its task, no task outlives orca, nothing hangs or floods.
#![expect(clippy::disallowed_methods, reason = "tests prepare files and processes")]

mod sandbox_fixture;

use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use orca::sandbox::{CancelLevel, End, Launch};
use sandbox_fixture::{Fixture, Way, each_isolating, each_way, eventually, processes_with};
use tokio::sync::watch;

/// A sleep whose argument no other process has.
struct Marker(String);

impl Marker {
    fn new(f: &Fixture) -> Self {
        let unique = f
            .path("")
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .fold(17_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        Self(format!("{}.{}", 1000 + unique % 1000, unique % 1_000_000_007))
    }

    /// A script that leaves daemons behind: in a session of their own, forked twice, their output redirected.
    fn daemons(&self) -> String {
        format!(
            "for i in 1 2 3; do setsid sh -c '(trap \"\" TERM HUP; sleep {} & sleep {0}) >/dev/null 2>&1 &'; done",
            self.0
        )
    }

    #[track_caller]
    fn is_gone(&self) {
        eventually("no process is left", || processes_with(&self.0).is_empty());
    }

    #[track_caller]
    fn is_there(&self) {
        eventually("the daemons run", || processes_with(&self.0).iter().any(|command| command.contains(": sleep")));
    }
}

#[test]
fn exit_codes_and_signals_are_told_apart() {
    each_way(|f| {
        f.run("echo hello; exit 0").succeeded().says("hello");
        assert_eq!(f.run("exit 139").exit.end, End::Code(139));
        assert_eq!(f.run("kill -SEGV $$").exit.end, End::Signal(11));
        assert_eq!(f.run("kill -KILL $$").exit.end, End::Signal(9));
    });
}

#[test]
fn a_command_that_cannot_start_says_why() {
    each_way(|f| {
        let not_started = |argv: &[&str], reason: &str| {
            let mut launch = f.launch("");
            launch.argv = argv.iter().map(Into::into).collect();
            let ran = f.run_launch(launch);
            assert!(matches!(&ran.exit.end, End::NotStarted(why) if why.contains(reason)), "{:?}", ran.exit.end);
        };
        not_started(&["no-such-program"], "is not on the task's PATH");
        not_started(&["./missing"], "does not exist");
        f.write("project/work/task/script", "#!/no/such/interpreter\n");
        f.run("chmod +x script").succeeded();
        not_started(&["./script"], "interpreter");
        not_started(&["echo", &"x".repeat(200 << 10)], "too long");
        not_started(&[], "no command");
    });
}

#[test]
fn daemons_die_with_their_task() {
    each_way(|f| {
        let marker = Marker::new(f);
        let ran = f.run(&format!("{}; sleep 0.1; echo over", marker.daemons())).succeeded().says("over");
        assert!(processes_with(&marker.0).is_empty());
        assert!(!ran.exit.pipe_left_open);
    });
}

#[test]
fn daemons_die_when_the_time_is_over() {
    each_way(|f| {
        let marker = Marker::new(f);
        let mut launch = f.launch(&format!("{}; trap '' TERM; while :; do sleep {}; done", marker.daemons(), marker.0));
        launch.timeout = Some(Duration::from_millis(300));
        launch.grace = Duration::from_millis(100);
        let begun = Instant::now();
        assert_eq!(f.run_launch(launch).exit.end, End::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert!(processes_with(&marker.0).is_empty());
    });
}

#[test]
fn a_task_may_use_its_grace() {
    each_way(|f| {
        let mut launch = f.launch("trap 'echo cleaning; sleep 0.1; echo cleaned; exit 0' TERM; sleep 60 & wait");
        launch.timeout = Some(Duration::from_millis(300));
        launch.grace = Duration::from_secs(20);
        let begun = Instant::now();
        let ran = f.run_launch(launch).says("cleaning").says("cleaned");
        assert_eq!(ran.exit.end, End::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(5));
    });
}

/// Runs a task, and once it has written `ready`, asks it to stop at these levels, one after the other.
fn cancelled(f: &Fixture, launch: Launch, levels: &[CancelLevel]) -> End {
    let (cancel, watched) = watch::channel(CancelLevel::None);
    let (ready, is_ready) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            is_ready.recv_timeout(Duration::from_secs(20)).expect("the task is ready");
            for level in levels {
                // A task that has ended meanwhile listens no more.
                let _ = cancel.send(*level);
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        f.run_with(launch, watched, |_| {
            let _ = ready.send(());
        })
        .exit
        .end
    })
}

#[test]
fn cancelling_asks_first_and_kills_then() {
    each_way(|f| {
        let marker = Marker::new(f);
        let deaf = format!("{}; trap '' TERM; echo ready; while :; do sleep {}; done", marker.daemons(), marker.0);
        let mut launch = f.launch(&deaf);
        launch.grace = Duration::from_millis(100);
        assert_eq!(cancelled(f, launch, &[CancelLevel::Graceful]), End::Cancelled);
        assert!(processes_with(&marker.0).is_empty());

        let mut patient = f.launch(&deaf);
        patient.grace = Duration::from_secs(3600);
        assert_eq!(cancelled(f, patient, &[CancelLevel::Graceful, CancelLevel::Immediate]), End::Cancelled);
        assert!(processes_with(&marker.0).is_empty());
    });
}

#[test]
fn a_task_cancelled_before_it_starts_does_not_run_on() {
    each_way(|f| {
        let (_cancel, watched) = watch::channel(CancelLevel::Immediate);
        let ran = f.run_with(f.launch("sleep 60"), watched, |_| {});
        assert_eq!(ran.exit.end, End::Cancelled);
    });
}

#[test]
fn dropping_the_future_kills_the_task() {
    each_way(|f| {
        let marker = Marker::new(f);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let launch = f.launch(&format!("{}; sleep {}", marker.daemons(), marker.0));
        let (_cancel, watched) = watch::channel(CancelLevel::None);
        runtime.block_on(async {
            let running = f.sandbox.run(launch, watched, |_| {});
            let _ = tokio::time::timeout(Duration::from_millis(300), running).await;
        });
        marker.is_gone();
    });
}

const LAUNCHER: &str = "ORCA_TEST_LAUNCHER";

/// Not a test of its own: what `killing_orca_kills_the_task` starts and kills. Without the variable it has no work.
#[test]
fn launcher() {
    let Some(order) = std::env::var_os(LAUNCHER) else { return };
    let order = order.into_string().expect("text");
    let way = [Way::Namespaces, Way::Bubblewrap, Way::Landlock, Way::LandlockAlone, Way::None]
        .into_iter()
        .find(|way| order.starts_with(&format!("{way:?} ")))
        .expect("a way");
    let f = Fixture::new(way).expect("it works");
    println!("{}", f.run(order.split_once(' ').expect("a script").1).log);
}

#[test]
fn killing_orca_kills_the_task() {
    each_way(|f| {
        let marker = Marker::new(f);
        let script = format!("{}; sleep {}", marker.daemons(), marker.0);
        let mut launcher = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "launcher", "--nocapture"])
            .env(LAUNCHER, format!("{:?} {script}", f.way))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a launcher");
        marker.is_there();
        launcher.kill().expect("killed");
        launcher.wait().expect("gone");
        marker.is_gone();
    });
}

#[test]
fn killing_its_own_guardian_does_not_free_a_task() {
    each_isolating(|f| {
        let marker = Marker::new(f);
        let script =
            format!("{}; kill -9 $PPID; kill -9 1; kill -STOP $PPID 1; sleep 0.2; echo alive", marker.daemons());
        let ran = f.run(&script);
        assert!(matches!(ran.exit.end, End::Code(_)), "{:?} {}", ran.exit.end, ran.log);
        assert!(processes_with(&marker.0).is_empty());
    });
}

#[test]
fn a_task_that_kills_its_guardian_without_isolation_gains_nothing() {
    let f = Fixture::new(Way::None).expect("none is always there");
    let marker = Marker::new(&f);
    let launch = f.launch(&format!("sleep {0} & sleep {0} & kill -9 $PPID; sleep {0}", marker.0));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let ran = runtime.block_on(f.sandbox.run(launch, watch::channel(CancelLevel::None).1, |_| {}));
    assert!(ran.expect_err("no report").to_string().contains("without a report"));
    marker.is_gone();
}

#[test]
fn a_stopped_task_is_killed_all_the_same() {
    each_way(|f| {
        let mut launch = f.launch("kill -STOP $$");
        launch.timeout = Some(Duration::from_millis(200));
        launch.grace = Duration::from_millis(100);
        assert_eq!(f.run_launch(launch).exit.end, End::TimedOut);
    });
}

#[test]
fn a_held_pipe_does_not_hang() {
    each_way(|f| {
        let marker = Marker::new(f);
        let begun = Instant::now();
        let ran = f.run(&format!("setsid sleep {} & echo done", marker.0)).succeeded().says("done");
        assert!(ran.exit.pipe_left_open);
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert!(processes_with(&marker.0).is_empty());
    });
}

#[test]
fn output_that_comes_shortly_after_the_command_is_kept() {
    each_way(|f| {
        f.run("(sleep 0.05; echo late) & echo early").succeeded().says("early").says("late");
    });
}

#[test]
fn a_fork_bomb_is_killed() {
    each_way(|f| {
        let marker = Marker::new(f);
        let script = format!(
            "bomb() {{ sleep {} & [ $1 -gt 0 ] && {{ bomb $(($1-1)) & bomb $(($1-1)) & }}; wait; }}; bomb 6",
            marker.0
        );
        let mut launch = f.launch(&script);
        launch.timeout = Some(Duration::from_millis(200));
        launch.grace = Duration::ZERO;
        assert_eq!(f.run_launch(launch).exit.end, End::TimedOut);
        assert!(processes_with(&marker.0).is_empty());
    });
}

#[test]
fn a_flood_of_output_is_bounded() {
    const FLOOD: u64 = 300 << 20;
    each_way(|f| {
        let mut launch = f.launch("echo first; head -c 314572800 /dev/zero | tr '\\0' 'x'; echo; echo last");
        launch.log_limit_bytes = 64 << 10;
        let mut seen = 0;
        let ran =
            f.run_with(launch, watch::channel(CancelLevel::None).1, |chunk| seen += chunk.len() as u64).succeeded();
        assert_eq!(ran.exit.log_bytes_total, FLOOD + 12);
        assert_eq!(seen, FLOOD + 12);
        assert_eq!(ran.exit.log_bytes_kept, 64 << 10);
        assert!(ran.log.starts_with("first\n") && ran.log.ends_with("\nlast\n"));
        assert!(ran.log.len() < (64 << 10) + 100);
        let mark = format!("[... {} bytes left out by orca ...]", FLOOD + 12 - (64 << 10));
        ran.says(&mark);
    });
}

#[test]
fn ignored_signals_are_not_inherited() {
    each_way(|f| {
        let mut launcher = Command::new("/bin/sh");
        launcher.args(["-c", "trap '' INT HUP QUIT USR1 TERM; exec \"$@\"", "sh"]);
        launcher.arg(std::env::current_exe().expect("this test")).args(["--exact", "launcher", "--nocapture"]);
        launcher.env(LAUNCHER, format!("{:?} grep -E 'Sig(Ign|Blk)' /proc/self/status", f.way));
        let output = launcher.output().expect("a launcher");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        let masks: Vec<&str> = text.lines().filter(|line| line.starts_with("Sig")).collect();
        assert_eq!(masks.len(), 2, "{text}");
        // 32 and 33 belong to the C library, which lets nobody touch them.
        let mask = |line: &str| u64::from_str_radix(line.split_whitespace().last().expect("a mask"), 16).expect("hex");
        assert!(masks.iter().all(|line| mask(line) & !(3 << 31) == 0), "{text}");
    });
}

#[test]
fn no_zombie_is_left_and_usage_is_known() {
    each_way(|f| {
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; true & true & wait";
        let ran = f.run(script).succeeded();
        assert!(ran.exit.usage.cpu_ms > 0 && ran.exit.usage.cpu_ms <= 10_000, "{:?}", ran.exit.usage);
        assert!(ran.exit.usage.peak_memory_bytes > 100_000, "{:?}", ran.exit.usage);
        assert!(ran.exit.usage.wall_ms > 0);
    });
    let me = std::process::id();
    eventually("no zombie is left", || {
        let children = std::fs::read_to_string(format!("/proc/{me}/task/{me}/children")).unwrap_or_default();
        children.trim().is_empty()
    });
}

/// What a whole tree takes, not only its largest process, and to the microsecond.
#[test]
fn a_tree_is_measured_as_a_whole() {
    if !std::path::Path::new("/usr/bin/python3").exists() {
        return println!("skipped: /usr/bin/python3 is not here");
    }
    each_way(|f| {
        let hold = "import time; x = b'x' * (60 << 20); time.sleep(0.6)";
        let mut launch = f.launch(&format!("for n in 1 2 3; do /usr/bin/python3 -c \"{hold}\" & done; wait"));
        launch.watches_memory = true;
        let together = f.run_launch(launch).exit;
        assert_eq!(together.end, End::Code(0));
        assert!(together.usage.peak_memory_bytes < 150 << 20, "{together:?}");
        assert!((180 << 20..400 << 20).contains(&together.measure.memory_bytes), "{together:?}");
        let measure = together.measure;
        assert!((600_000..20_000_000).contains(&measure.wall_us) && measure.cpu_us > 1_000, "{measure:?}");
        assert!(measure.wall_us / 1000 <= together.usage.wall_ms, "{together:?}");
        let quick = f.run_launch(f.launch("true")).exit.measure;
        assert!((1..500_000).contains(&quick.wall_us) && quick.memory_bytes == 0, "{quick:?}");
    });
}

#[test]
fn a_task_that_exceeds_its_memory_is_stopped() {
    if !std::path::Path::new("/usr/bin/python3").exists() {
        return println!("skipped: /usr/bin/python3 is not here");
    }
    each_way(|f| {
        let eat = |megabytes: u64| {
            let mut launch = f.launch("");
            let script = format!("import time; x = b'x' * ({megabytes} << 20); time.sleep(0.7)");
            launch.argv = ["/usr/bin/python3", "-c", &script].map(Into::into).to_vec();
            launch.memory_limit_bytes = Some(200 << 20);
            f.run_launch(launch).exit.end
        };
        assert_eq!(eat(400), End::OutOfMemory);
        assert_eq!(eat(50), End::Code(0));
    });
}
