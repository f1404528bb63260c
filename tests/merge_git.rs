//! The merge against `git merge-file` over random texts: what git merges, orca merges to the same bytes or, where equal lines
//! let a text be read in two ways, refuses; what git refuses, orca refuses.
#![expect(clippy::disallowed_methods, reason = "hands files to git")]

use std::fs;
use std::path::Path;
use std::process::Command;

use orca::merge::{Conflict, Limits, Merged, Side, merge};

#[path = "walk/random.rs"]
#[expect(dead_code, reason = "the walk needs more of it")]
mod random;
use random::Random;

/// Few different words make many equal lines; of the last, no two lines are equal.
const WORDS: [usize; 6] = [2, 3, 5, 10, 30, 1 << 40];
const CASES_OF_EACH: u64 = 120;

fn line(random: &mut Random, words: usize) -> String {
    format!("{}\n", random.below(words))
}

fn changed(random: &mut Random, words: usize, base: &[String]) -> Vec<u8> {
    let mut lines = base.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(lines.len() + 1);
        match random.below(4) {
            0 | 1 if at < lines.len() => lines[at] = line(random, words),
            2 if at < lines.len() => drop(lines.drain(at..lines.len().min(at + 1 + random.below(3)))),
            _ => lines.insert(at, line(random, words)),
        }
    }
    let mut bytes = lines.concat().into_bytes();
    if random.once_in(8) {
        bytes.pop();
    }
    bytes
}

/// What git makes of it; nothing for a conflict.
fn git(directory: &Path, [base, ours, theirs]: [&[u8]; 3]) -> Option<Vec<u8>> {
    for (name, bytes) in [("base", base), ("ours", ours), ("theirs", theirs)] {
        fs::write(directory.join(name), bytes).expect("written");
    }
    let out = Command::new("git")
        .args(["merge-file", "-p", "ours", "base", "theirs"])
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .expect("git runs");
    match out.status.code() {
        Some(0) => Some(out.stdout),
        Some(1..=127) => None,
        _ => panic!("git merge-file: {}", String::from_utf8_lossy(&out.stderr)),
    }
}

fn orca(texts: [&[u8]; 3]) -> Result<Vec<u8>, Conflict> {
    let [base, ours, theirs] = texts.map(|bytes| Side::File { bytes, executable: false });
    let merged = merge(base, ours, theirs, Limits::default());
    match (merged.state(ours, theirs), &merged) {
        (Some(Side::File { bytes, .. }), _) => Ok(bytes.to_vec()),
        (_, Merged::Conflict(conflict)) => Err(conflict.clone()),
        other => panic!("neither a file nor a conflict: {other:?}"),
    }
}

/// Whether there are several shortest ways from the base to a side: because a line that clashes stands twice in one of the
/// texts, or because lines changed places, so that either may be the one that moved.
fn reads_in_two_ways(conflict: &Conflict, texts: [&[u8]; 3]) -> bool {
    let [base, ours, theirs] = texts.map(|text| text.split(|byte| *byte == b'\n').collect::<Vec<_>>());
    let hunks = conflict.hunks.iter().flat_map(|hunk| [&hunk.base, &hunk.ours, &hunk.theirs]);
    let stands_twice = |line: &String| {
        [&base, &ours, &theirs].iter().any(|text| text.iter().filter(|other| **other == line.as_bytes()).count() > 1)
    };
    let common = |of: &[&[u8]], with: &[&[u8]]| -> Vec<Vec<u8>> {
        of.iter().filter(|line| with.contains(line)).map(|line| line.to_vec()).collect()
    };
    let changed_places = |side: &[&[u8]]| common(&base, side) != common(side, &base);
    hunks.flat_map(|side| &side.lines).any(stands_twice) || changed_places(&ours) || changed_places(&theirs)
}

#[test]
fn orca_merges_as_git_does_or_not_at_all() {
    if Command::new("git").arg("--version").output().is_err() {
        return println!("skipped: git is not here");
    }
    let directory = tempfile::tempdir().expect("a directory");
    for words in WORDS {
        let (mut same, mut only_git) = (0, 0);
        for seed in 0..CASES_OF_EACH {
            let random = &mut Random::new(seed * 100 + words as u64);
            let base: Vec<String> = (0..random.below(16)).map(|_| line(random, words)).collect();
            let (ours, theirs) = (changed(random, words, &base), changed(random, words, &base));
            let base = base.concat();
            let texts = [base.as_bytes(), &ours, &theirs];
            let case = || texts.map(|text| String::from_utf8_lossy(text).replace('\n', " ")).join("| ");
            let (here, there) = (orca(texts), git(directory.path(), texts));
            match (here, there) {
                (Ok(here), Some(there)) => {
                    assert_eq!(here, there, "seed {seed}, {words} words: {}", case());
                    same += 1;
                }
                (Err(_), None) => {}
                (Ok(here), None) => {
                    panic!("seed {seed}, {words} words: {}: git refuses, but {here:?}", case());
                }
                (Err(conflict), Some(_)) => {
                    assert!(reads_in_two_ways(&conflict, texts), "seed {seed}, {words} words: {}", case());
                    only_git += 1;
                }
            }
        }
        println!("{words} words: {same} merged as by git, {only_git} by git alone");
        assert!(same > 10, "too few merges to say anything");
        assert!(words <= 30 || only_git == 0, "no line stands twice, so there is but one way to read it");
    }
}
