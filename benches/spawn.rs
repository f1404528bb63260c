//! What it costs to start a command, follow its processes and end them, by the way it is isolated; beside that, what a
//! plain `Command` of the same shell takes.
//!
//! `cargo bench --bench spawn -- 400` runs that many commands that do nothing, four at a time, in every way in turn, a few
//! rounds of each, and prints medians: time on the wall and CPU time per command, and their ratios to the plain start. CPU
//! time is that of this process and all it has waited for; what the kernel does later, for namespaces, is not in it.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark measures time and prints it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use orca::sandbox::{Backend, CancelLevel, DetectOptions, End, Launch, Sandbox};
use tokio::sync::watch;

const ROUNDS: usize = 5;
const AT_ONCE: usize = 4;
const COMMAND: [&str; 3] = ["/bin/sh", "-c", ":"];

/// A way to run commands, by the name it is printed under.
struct Way {
    name: &'static str,
    run: Box<dyn Fn(usize, &Path)>,
    wall_us: Vec<f64>,
    cpu_us: Vec<f64>,
}

fn main() {
    let commands: usize = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(400);
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("spawn");
    let _ = std::fs::remove_dir_all(&root);
    std::fs::create_dir_all(&root).expect("a directory");
    let mut ways = vec![Way::new("plain", Box::new(plain))];
    for (name, only, namespaces) in [
        ("none", Backend::None, true),
        ("namespaces", Backend::Namespaces, true),
        ("bubblewrap", Backend::Bubblewrap, true),
        ("landlock", Backend::Landlock, true),
        ("landlock alone", Backend::Landlock, false),
    ] {
        let works = detect(&root, only, namespaces);
        if works.backend() == only && (only != Backend::Landlock || !works.why().contains("with namespaces")) {
            let run = move |commands: usize, root: &Path| sandboxed(only, namespaces, commands, root);
            ways.push(Way::new(name, Box::new(run)));
        } else {
            println!("skipped: {name} does not work here: {}", works.why());
        }
    }
    println!("{commands} commands, {AT_ONCE} at once, medians of {ROUNDS} interleaved rounds, us per command");
    for _ in 0..ROUNDS {
        ways.iter_mut().for_each(|way| way.measure(commands, &root));
    }
    let plain = (median(&mut ways[0].wall_us), median(&mut ways[0].cpu_us));
    for way in &mut ways {
        let (wall, cpu) = (median(&mut way.wall_us), median(&mut way.cpu_us));
        println!(
            "{:<16} wall {wall:>7.0} ({:.2} of plain)   cpu {cpu:>7.0} ({:.2} of plain)",
            way.name,
            wall / plain.0,
            cpu / plain.1
        );
    }
}

impl Way {
    fn new(name: &'static str, run: Box<dyn Fn(usize, &Path)>) -> Self {
        Self { name, run, wall_us: Vec::new(), cpu_us: Vec::new() }
    }

    fn measure(&mut self, commands: usize, root: &Path) {
        let (cpu, begun) = (cpu_us(), Instant::now());
        (self.run)(commands, root);
        self.wall_us.push(begun.elapsed().as_secs_f64() * 1e6 / commands as f64);
        // Guardians count when they have been waited for.
        std::thread::sleep(Duration::from_millis(100));
        self.cpu_us.push((cpu_us() - cpu) / commands as f64);
    }
}

fn plain(commands: usize, root: &Path) {
    let left = AtomicUsize::new(commands);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    let mut command = Command::new(COMMAND[0]);
                    command.args(&COMMAND[1..]).env_clear().current_dir(root).stdin(Stdio::null());
                    assert!(command.output().expect("it starts").status.success());
                }
            });
        }
    });
}

fn detect(root: &Path, only: Backend, namespaces: bool) -> Sandbox {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_orca"));
    let options = DetectOptions::new(&path, program, root.to_owned());
    Sandbox::detect(&DetectOptions { only: Some(only), namespaces, ..options }).expect("detection")
}

fn sandboxed(only: Backend, namespaces: bool, commands: usize, root: &Path) {
    let sandbox = Arc::new(detect(root, only, namespaces));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let left = Arc::new(AtomicUsize::new(commands));
        let mut hands = tokio::task::JoinSet::new();
        for hand in 0..AT_ONCE {
            let (sandbox, left, launch) =
                (Arc::clone(&sandbox), Arc::clone(&left), launch(&root.join(hand.to_string())));
            hands.spawn(async move {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    let (_cancel, wishes) = watch::channel(CancelLevel::None);
                    let exit = sandbox.run(launch.clone(), wishes, |_| {}).await.expect("a report");
                    assert_eq!(exit.end, End::Code(0));
                }
            });
        }
        while let Some(done) = hands.join_next().await {
            done.expect("no panic");
        }
    });
}

fn launch(root: &Path) -> Launch {
    for directory in ["workspace", "home", "tmp"] {
        std::fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    Launch {
        argv: COMMAND.map(Into::into).to_vec(),
        env: BTreeMap::new(),
        workspace: root.join("workspace"),
        home: root.join("home"),
        tmp: root.join("tmp"),
        read_only: Vec::new(),
        extra_writable: Vec::new(),
        hidden: vec![root.parent().expect("a parent").to_owned()],
        network: false,
        isolate: true,
        stdin: orca::sandbox::Stdin::Null,
        log: root.join("log"),
        log_limit_bytes: 1 << 20,
        timeout: Some(Duration::from_secs(60)),
        grace: Duration::from_millis(500),
        memory_limit_bytes: None,
        watches_memory: false,
    }
}

fn cpu_us() -> f64 {
    [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN]
        .into_iter()
        .map(|who| getrusage(who).expect("it is known"))
        .flat_map(|usage| [usage.user_time(), usage.system_time()])
        .map(|time| time.tv_sec() as f64 * 1e6 + time.tv_usec() as f64)
        .sum()
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
