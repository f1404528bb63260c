//! Orca beside other build tools, in the same run: a build from nothing, a build with nothing to do, one edit, one touch.
//!
//! ```text
//! cargo bench --bench peers -- [TASKS] [--peers orca,ninja,...] [--rounds 11] [--cold-rounds 3] [--limit SECONDS]
//! ```
//!
//! Each peer gets the same graph (`graph.rs`) in a directory of its own. Runs are interleaved, since machines are noisy, and
//! medians are printed with their ratio to ninja. After each edit the last output has to be what it is with every
//! other peer: a tool that does nothing is not fast. What is not installed is skipped by name; what fails, or takes longer than
//! the limit, drops out with `-`.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark measures time and prints it")]

mod graph;
mod measure;
mod tools;

use std::path::Path;
use std::process::ExitCode;

use measure::{Taken, median};
use tools::{Peer, Yard};

const ALL: &str = "orca,orca-isolated,ninja,n2,make,tup,task,turbo,moon,nx";

struct Options {
    tasks: usize,
    peers: Vec<String>,
    rounds: usize,
    cold_rounds: usize,
    limit_s: u64,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|first| first == measure::RUN) {
        return measure::stopwatch(&args[1..]);
    }
    let options = Options::read(&args);
    let jobs = std::thread::available_parallelism().map_or(4, usize::from);
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("peers-{}", options.tasks));
    let _ = std::fs::remove_dir_all(&root);
    let yard = Yard { root, tasks: options.tasks, jobs };
    println!(
        "{} tasks, medians of {} interleaved runs (cold: {}), {jobs} jobs\n",
        options.tasks, options.rounds, options.cold_rounds
    );
    let peers: Vec<Peer> = options.peers.iter().filter_map(|name| peer(&yard, name)).collect();
    let mut race = Race { out: vec![false; peers.len()], peers, limit_s: options.limit_s, memory: Vec::new() };
    race.run(&options);
    ExitCode::SUCCESS
}

fn peer(yard: &Yard, name: &str) -> Option<Peer> {
    let known = ["orca", "orca, isolated", "ninja", "n2", "make", "tup", "task", "turbo", "moon", "nx"];
    let Some(known) = known.into_iter().find(|known| known.replace(", ", "-") == name) else {
        println!("skipped: {name} is not known");
        return None;
    };
    yard.peer(known).inspect_err(|why| println!("skipped: {known}: {why}")).ok()
}

impl Options {
    fn read(args: &[String]) -> Self {
        let after = |name: &str| {
            let at = args.iter().position(|argument| argument == name)?;
            args.get(at + 1).cloned()
        };
        let number = |name: &str, usual: usize| after(name).map_or(usual, |text| text.parse().expect("a number"));
        Self {
            tasks: args.iter().find_map(|argument| argument.parse().ok()).unwrap_or(1000),
            peers: after("--peers").unwrap_or_else(|| ALL.to_owned()).split(',').map(str::to_owned).collect(),
            rounds: number("--rounds", 11),
            cold_rounds: number("--cold-rounds", 3),
            limit_s: number("--limit", 300) as u64,
        }
    }
}

/// All peers, and which of them dropped out.
struct Race {
    peers: Vec<Peer>,
    out: Vec<bool>,
    limit_s: u64,
    memory: Vec<Option<u64>>,
}

impl Race {
    fn run(&mut self, options: &Options) {
        let (first, last) = (0, options.tasks - 1);
        println!("| | {} |", self.peers.iter().map(|peer| peer.name).collect::<Vec<_>>().join(" | "));
        println!("|---{}|", "|---".repeat(self.peers.len()));
        self.row("cold", options.cold_rounds, true, |_, peer| peer.forget());
        self.row("no-op", options.rounds, false, |_, _| {});
        let memory = self.memory.clone();
        self.row("edit, last layer", options.rounds, false, |round, peer| {
            peer.graph.edit(&peer.build.directory, last, round);
        });
        self.row("edit, first layer", options.rounds.div_ceil(3), false, |round, peer| {
            peer.graph.edit(&peer.build.directory, first, round);
        });
        self.row("touch, last layer", options.rounds, false, |_, peer| {
            peer.graph.touch(&peer.build.directory, last);
        });
        self.print("peak memory, no-op", &memory, "MiB", 1024.0);
        for peer in &self.peers {
            if let Some(end) = &peer.end {
                let _ = end.measure(60);
            }
        }
    }

    /// One row: every peer in turn, `rounds` times.
    fn row(&mut self, what: &str, rounds: usize, is_cold: bool, before: impl Fn(usize, &Peer)) {
        let mut taken: Vec<Vec<Taken>> = vec![Vec::new(); self.peers.len()];
        for round in 1..=rounds {
            let mut outputs: Vec<(usize, Option<String>)> = Vec::new();
            for (at, peer) in self.peers.iter().enumerate() {
                if self.out[at] || peer.only_cold && !is_cold {
                    continue;
                }
                before(round, peer);
                match peer.build.measure(self.limit_s) {
                    Some(one) => taken[at].push(one),
                    None => self.out[at] = true,
                }
                let last = peer.graph.tasks - 1;
                outputs.push((at, peer.graph.read_output(&peer.build.directory, last)));
            }
            let right = outputs.first().cloned();
            for (at, output) in outputs {
                let is_right = right.as_ref().is_none_or(|(_, right)| *right == output);
                assert!(self.out[at] || is_right, "{}: {what}: not what the others built", self.peers[at].name);
            }
        }
        let times: Vec<Option<u64>> =
            taken.iter().map(|taken| median(taken.iter().map(|one| one.wall_us).collect())).collect();
        self.memory = taken.iter().map(|taken| median(taken.iter().map(|one| one.memory_kib).collect())).collect();
        self.print(what, &times, "ms", 1e3);
    }

    fn print(&self, what: &str, values: &[Option<u64>], unit: &str, divisor: f64) {
        let of_ninja = self.peers.iter().position(|peer| peer.name == "ninja").and_then(|at| values[at]);
        let cell = |value: &Option<u64>| match (value, of_ninja) {
            (None, _) => "-".to_owned(),
            (Some(value), None) => format!("{:.1} {unit}", *value as f64 / divisor),
            (Some(value), Some(ninja)) => {
                format!("{:.1} {unit} ({:.2})", *value as f64 / divisor, *value as f64 / ninja as f64)
            }
        };
        let cells: Vec<String> = values.iter().map(cell).collect();
        println!("| {what} | {} |", cells.join(" | "));
    }
}
