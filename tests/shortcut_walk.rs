//! Random changes to a project, and after each a build: where it is answered from the snapshot, the long way finds every task
//! clean, and a build that begins with nothing makes the same files. `ORCA_WALK_SEEDS` and `ORCA_WALK_STEPS` make it longer,
//! `ORCA_WALK_SEED` walks one seed alone.
#![expect(clippy::disallowed_methods, reason = "changes real files behind orca's back")]

mod support;
mod witnessed;

use std::cell::Cell;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use orca::event::{Event, Outcome};
use support::{Project, walk_all};
use witnessed::{bins, build, equals_clean, project, tool};

/// Builds of all walks that were answered from the snapshot although something had been done before.
static SHORT: AtomicU64 = AtomicU64::new(0);

#[test]
fn what_the_snapshot_says_is_what_the_long_way_finds() {
    walk_all(3, 6, 25, walk);
    assert!(SHORT.load(Ordering::Relaxed) > 0, "no walk was ever answered from the snapshot");
}

fn walk(seed: u64, steps: u64) -> Result<(), String> {
    let mut orca = project();
    let mut trace = Vec::new();
    let random = Random(Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1));
    let walked = catch_unwind(AssertUnwindSafe(|| {
        for step in 0..steps {
            for _ in 0..random.below(4) {
                trace.push(change(&mut orca, &random, step));
            }
            let (output, is_short) = build(&orca);
            trace.push(format!("-- build {step}: {:?}, short: {is_short}", output.status.code()));
            if is_short {
                SHORT.fetch_add(1, Ordering::Relaxed);
                assert_eq!(output.status.code(), Some(0));
                let short = looks(&orca);
                fs::remove_file(orca.path(".orca/snapshot")).expect("it is there");
                for (short, long) in short.iter().zip(&looks(&orca)) {
                    assert_eq!(short, long, "a look that is answered from the snapshot says something else");
                }
                let long = orca.build();
                for event in &long.events {
                    let Event::TaskFinished { task, outcome, .. } = event else { continue };
                    let is_clean = matches!(outcome, Outcome::Cached { restored: 0, .. });
                    assert!(is_clean, "{task} is not clean\n{}", long.output.transcript());
                }
            }
            if output.status.code() == Some(0) && (is_short || step % 5 == 4) {
                equals_clean(&orca, "a walk");
            }
        }
    }));
    walked.map_err(|panic| {
        let said = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned());
        format!("ORCA_WALK_SEED={seed}:\n{}\n{said}", trace.join("\n"))
    })
}

/// What commands say that only look.
fn looks(orca: &Project) -> Vec<(String, String, Option<i32>)> {
    let commands: [&[&str]; 8] = [
        &["check"],
        &["check", "--strict", "--json"],
        &["graph"],
        &["graph", "--layers"],
        &["graph", "--critical-path"],
        &["graph", "--json"],
        &["graph", "--format=dot", "+join"],
        &["graph", "--format=mermaid", "--layers"],
    ];
    let said = commands.into_iter().map(|command| orca.orca(command));
    said.map(|output| (output.stdout, output.stderr, output.status.code())).collect()
}

/// Does something, and says what.
fn change(orca: &mut Project, random: &Random, step: u64) -> String {
    let source =
        ["src/a.txt", "src/sub/b.txt", "src/sub/c.txt", "src/deep/er/d.txt", "data/x", "data/deep/y"][random.below(6)];
    let made = ["out/join", "out/report", "out/more"][random.below(3)];
    let is_file = |name: &str| orca.path(name).symlink_metadata().is_ok_and(|found| found.is_file());
    match random.below(20) {
        0..=2 => {
            orca.write(source, format!("{step} {}\n", random.below(3)));
            format!("{source} written")
        }
        3 if is_file(source) => {
            let (file, text) = (orca.path(source), orca.read(source));
            let time = fs::metadata(&file).and_then(|found| found.modified()).expect("a time");
            fs::write(&file, text.chars().rev().collect::<String>()).expect("a file");
            fs::File::options().write(true).open(&file).and_then(|file| file.set_modified(time)).expect("a time");
            format!("{source} turned round, with its time put back")
        }
        4 if is_file(source) && source != "src/a.txt" && source != "data/x" => {
            orca.remove(source);
            format!("{source} removed")
        }
        5 if is_file(source) => {
            orca.chmod(source, if random.below(2) == 0 { 0o755 } else { 0o644 });
            format!("{source} with another mode")
        }
        6 if is_file("src/sub/c.txt") => {
            orca.remove("src/sub/c.txt").symlink(["b.txt", "../a.txt", "../notes"][random.below(3)], "src/sub/c.txt");
            "src/sub/c.txt is a link".to_owned()
        }
        7 if orca.path("src/deep").symlink_metadata().is_ok_and(|found| found.is_dir()) => {
            orca.rename("src/deep", "aside").symlink("../aside", "src/deep");
            "src/deep is a link".to_owned()
        }
        8 if orca.path("src/deep").is_symlink() => {
            orca.remove("src/deep").rename("aside", "src/deep");
            "src/deep is a directory again".to_owned()
        }
        9 => {
            orca.write(made, format!("forged {step}\n"));
            format!("{made} forged")
        }
        10 if orca.exists(made) => {
            orca.remove(made);
            format!("{made} removed")
        }
        11 => {
            orca.set_env("FLAVOUR", ["plain", "sweet"][random.below(2)]);
            "another flavour".to_owned()
        }
        12 => {
            tool(orca, ["first", "second"][random.below(2)], ["echo hello", "echo bye"][random.below(2)]);
            "another tool".to_owned()
        }
        13 if bins(orca).join("first/greet").exists() => {
            fs::remove_file(bins(orca).join("first/greet")).expect("it is there");
            "a tool less".to_owned()
        }
        14 => {
            let text = ["*.tmp\n", "*.tmp\nb.txt\n", "sub/\n"][random.below(3)];
            orca.write([".gitignore", "src/.gitignore"][random.below(2)], text);
            format!("a .gitignore: {text:?}")
        }
        15 => {
            orca.append(["orca.toml", "plans/more.toml"][random.below(2)], "# a comment\n");
            "a comment".to_owned()
        }
        16 => {
            let body = random.below(2);
            orca.write(
                "plans/last.toml",
                format!("[tasks.last]\nrun = \"echo {body} > out/last\"\noutputs = [\"../out/last\"]\n"),
            );
            format!("a plan that makes {body}")
        }
        17 if is_file("plans/last.toml") => {
            orca.remove("plans/last.toml");
            "a plan less".to_owned()
        }
        18 => {
            orca.build_args(["join"]);
            "a part built".to_owned()
        }
        _ => {
            orca.write("src/nobodys", format!("{step}\n"));
            "a file that nobody reads".to_owned()
        }
    }
}

/// Numbers that look like chance, and are the same for the same seed.
struct Random(Cell<u64>);

impl Random {
    fn below(&self, end: usize) -> usize {
        let mut state = self.0.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.0.set(state);
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }
}
