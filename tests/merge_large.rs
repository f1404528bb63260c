//! The merge of large and of hostile texts ends, in a time that grows with the text, and always the same way.
#![expect(clippy::disallowed_methods, reason = "measures time")]

use std::time::{Duration, Instant};

use orca::merge::{ConflictKind, Limits, Merged, Side, merge};

#[path = "walk/random.rs"]
#[expect(dead_code, reason = "the walk needs more of it")]
mod random;
use random::Random;

const LINES: usize = 100_000;
/// Generous: a build without optimization on a busy machine. What is quadratic takes an hour.
const PATIENCE: Duration = Duration::from_secs(60);

fn text(line: impl FnMut(usize) -> String) -> Vec<u8> {
    (0..LINES).map(line).collect::<String>().into_bytes()
}

fn numbered(word: &str) -> Vec<u8> {
    text(|at| format!("{word} {at}\n"))
}

fn shuffled(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut order: Vec<usize> = (0..LINES).collect();
    for at in (1..LINES).rev() {
        order.swap(at, random.below(at + 1));
    }
    text(|at| format!("x {}\n", order[at]))
}

fn of_few_words(seed: u64, words: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    text(|_| format!("{}\n", random.below(words)))
}

#[track_caller]
fn merged<'a>(base: &'a [u8], ours: &'a [u8], theirs: &'a [u8]) -> Merged<'a> {
    let file = |bytes| Side::File { bytes, executable: false };
    let before = Instant::now();
    let merged = merge(file(base), file(ours), file(theirs), Limits::default());
    assert!(before.elapsed() < PATIENCE, "took {:?}", before.elapsed());
    merged
}

#[track_caller]
fn conflict(base: &[u8], ours: &[u8], theirs: &[u8]) {
    match merged(base, ours, theirs) {
        Merged::Conflict(conflict) => assert_eq!(conflict.kind, ConflictKind::Content),
        _ => panic!("no conflict"),
    }
}

#[test]
fn texts_that_share_nothing() {
    conflict(&numbered("x"), &numbered("y"), &numbered("z"));
}

#[test]
fn lines_in_another_order() {
    conflict(&numbered("x"), &shuffled(1), &shuffled(2));
}

#[test]
fn lines_backwards() {
    conflict(&numbered("x"), &text(|at| format!("x {}\n", LINES - at)), &text(|at| format!("x {}\n", LINES - at + 1)));
}

#[test]
fn lines_of_two_and_of_ten_words() {
    conflict(&of_few_words(1, 2), &of_few_words(2, 2), &of_few_words(3, 2));
    conflict(&of_few_words(1, 10), &of_few_words(2, 10), &of_few_words(3, 10));
}

#[test]
fn lines_all_alike() {
    let (base, ours) = ("x\n".repeat(LINES), "x\n".repeat(LINES - 7));
    conflict(base.as_bytes(), ours.as_bytes(), format!("{base}y\n").as_bytes());
}

#[test]
fn edits_far_apart_in_a_long_text() {
    let edited = |every: usize, from: usize, word: &'static str| {
        text(move |at| if at % every == from { format!("{word} {at}\n") } else { format!("x {at}\n") })
    };
    for every in [10, 1000, LINES] {
        let (ours, theirs) = (edited(every, 2, "ours"), edited(every, 6, "theirs"));
        let expected = text(|at| match at % every {
            2 => format!("ours {at}\n"),
            6 => format!("theirs {at}\n"),
            _ => format!("x {at}\n"),
        });
        let base = numbered("x");
        let Merged::Content { bytes, .. } = merged(&base, &ours, &theirs) else { panic!("a conflict") };
        assert!(*bytes == *expected);
    }
}

#[test]
fn the_largest_table_of_all_shortest_ways() {
    // 2,000 lines of which 1,000 are replaced: one line more, and another way is taken.
    let text =
        |word: &str| (0..2000).map(|at| if at % 2 == 0 { "x\n".into() } else { format!("{word} {at}\n") }).collect();
    let [base, ours, theirs]: [String; 3] = [text("base"), text("ours"), text("theirs")];
    conflict(base.as_bytes(), ours.as_bytes(), theirs.as_bytes());
}

#[test]
fn the_same_texts_merge_the_same_way_every_time_and_in_every_thread() {
    let lines = |seed: u64| -> Vec<u8> {
        let mut random = Random::new(seed);
        (0..6000).map(|_| format!("{}\n", random.below(40))).collect::<String>().into_bytes()
    };
    let texts = [lines(1), lines(2), lines(3)];
    let again = || format!("{:?}", merged(&texts[0], &texts[1], &texts[2]));
    let first = again();
    std::thread::scope(|scope| {
        for thread in [scope.spawn(again), scope.spawn(again), scope.spawn(again)] {
            assert_eq!(thread.join().expect("it ends"), first);
        }
    });
}
