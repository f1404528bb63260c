//! Orca beside ninja, in the same run: a build from nothing, a build with nothing to do, and one edit.
//!
//! `cargo bench --bench peers -- 1000` generates a layered graph of that many tasks (as wide as it is deep, two deps and
//! three sources of 1 KiB each, `cat | cksum` bodies), builds it with both, and prints medians and ratios. The runs are
//! interleaved, since machines are noisy. Ninja is skipped by name where it is not installed.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark measures time and prints it")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs of each kind; the median counts.
const ROUNDS: usize = 11;

fn main() {
    let tasks: usize = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1000);
    let bench = Bench::new(tasks);
    let peers: Vec<Peer> = [bench.orca(), bench.ninja()].into_iter().flatten().collect();
    println!("{tasks} tasks, medians of {ROUNDS} interleaved runs (cold: 1)");
    bench.report("cold", &peers, 1, |_| {});
    bench.report("no-op", &peers, ROUNDS, |_| {});
    bench.report("edit, last layer", &peers, ROUNDS, |round| bench.edit(tasks - 1, round));
    bench.report("edit, first layer", &peers, ROUNDS, |round| bench.edit(0, round));
}

struct Bench {
    root: PathBuf,
    tasks: usize,
}

struct Peer {
    name: &'static str,
    program: PathBuf,
    args: Vec<String>,
    directory: PathBuf,
    env: Vec<(&'static str, PathBuf)>,
}

impl Bench {
    fn new(tasks: usize) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("peers-{tasks}"));
        let _ = fs::remove_dir_all(&root);
        for peer in ["orca", "ninja"] {
            fs::create_dir_all(root.join(peer).join("src")).expect("a directory");
            fs::create_dir_all(root.join(peer).join("out")).expect("a directory");
        }
        let bench = Self { root, tasks };
        for task in 0..tasks {
            bench.edit(task, 0);
        }
        bench
    }

    /// Writes the first source of a task anew, for all peers.
    fn edit(&self, task: usize, round: usize) {
        for peer in ["orca", "ninja"] {
            for source in 0..3 {
                let path = self.root.join(peer).join(format!("src/{task}-{source}"));
                let text = format!("{task} {source} {}\n", if source == 0 { round } else { 0 });
                if source == 0 || !path.exists() {
                    fs::write(path, text.repeat(1024 / text.len())).expect("a file");
                }
            }
        }
    }

    /// The tasks that a task waits for, and its command.
    fn task(&self, task: usize) -> (Vec<usize>, Vec<String>, String) {
        let width = self.tasks.isqrt().max(1);
        let deps = match task.checked_sub(width) {
            None => Vec::new(),
            Some(above) => vec![above, above / width * width + (above + 1) % width],
        };
        let mut inputs: Vec<String> = (0..3).map(|source| format!("src/{task}-{source}")).collect();
        inputs.extend(deps.iter().map(|dep| format!("out/{dep}")));
        let command = format!("cat {} | cksum > out/{task}", inputs.join(" "));
        (deps, inputs, command)
    }

    fn orca(&self) -> Option<Peer> {
        let directory = self.root.join("orca");
        let mut plan = String::new();
        for task in 0..self.tasks {
            let (_, inputs, command) = self.task(task);
            let _ = write!(
                plan,
                "[tasks.t{task}]\nrun = \"{command}\"\ninputs = {inputs:?}\noutputs = [\"out/{task}\"]\nsandbox = \"none\"\n"
            );
        }
        fs::write(directory.join("orca.toml"), plan).expect("a plan");
        let peer = Peer {
            name: "orca",
            program: PathBuf::from(env!("CARGO_BIN_EXE_orca")),
            args: vec!["build".to_owned()],
            directory,
            env: vec![("ORCA_CACHE_DIR", self.root.join("cache")), ("XDG_STATE_HOME", self.root.join("state"))],
        };
        let trusted = Peer { args: vec!["trust".to_owned(), "--yes".to_owned()], ..peer };
        trusted.run();
        Some(Peer { args: vec!["build".to_owned()], ..trusted })
    }

    fn ninja(&self) -> Option<Peer> {
        let Some(program) = on_path("ninja") else {
            println!("skipped: ninja is not installed");
            return None;
        };
        let directory = self.root.join("ninja");
        let mut plan = String::from("rule r\n  command = $c\n");
        for task in 0..self.tasks {
            let (_, inputs, command) = self.task(task);
            let _ = write!(plan, "build out/{task}: r {}\n  c = {command}\n", inputs.join(" "));
        }
        fs::write(directory.join("build.ninja"), plan).expect("a build file");
        Some(Peer { name: "ninja", program, args: Vec::new(), directory, env: Vec::new() })
    }

    fn report(&self, what: &str, peers: &[Peer], rounds: usize, before: impl Fn(usize)) {
        let mut times: Vec<Vec<Duration>> = vec![Vec::new(); peers.len()];
        for round in 1..=rounds {
            before(round);
            for (peer, times) in peers.iter().zip(&mut times) {
                times.push(peer.run());
            }
        }
        let medians: Vec<f64> = times.iter_mut().map(|times| median(times).as_secs_f64() * 1e3).collect();
        let ninja = peers.iter().position(|peer| peer.name == "ninja").map(|at| medians[at]);
        for (peer, ms) in peers.iter().zip(&medians) {
            let ratio = ninja.map_or_else(String::new, |ninja| format!("  {:.2} of ninja", ms / ninja));
            println!("{what:<18} {:<6} {ms:>10.1} ms{ratio}", peer.name);
        }
    }
}

impl Peer {
    fn run(&self) -> Duration {
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(&self.directory).stdout(Stdio::null()).stderr(Stdio::null());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        let started = Instant::now();
        let status = command.status().expect("it starts");
        assert!(status.success(), "{} {:?}: {status}", self.name, self.args);
        started.elapsed()
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|program| program.is_file())
}
