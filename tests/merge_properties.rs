//! The merge as an algebra: what holds for any three states, and for edits that are known not to meet.

use std::collections::BTreeMap;

use orca::merge::{ConflictKind, DiffLimits, Limits, Merged, Side, merge, unified_diff};
use proptest::prelude::*;

#[derive(Debug, Clone, PartialEq)]
enum State {
    Absent,
    File(Vec<u8>, bool),
    Link(String),
    EmptyDir,
}

impl State {
    fn side(&self) -> Side<'_> {
        match self {
            Self::Absent => Side::Absent,
            Self::File(bytes, executable) => Side::File { bytes, executable: *executable },
            Self::Link(target) => Side::Symlink { target },
            Self::EmptyDir => Side::EmptyDir,
        }
    }
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![4 => Just("a"), 2 => Just("b"), 2 => Just("c"), 1 => Just("d\r"), 1 => Just("")];
    (prop::collection::vec(line, 0..14), any::<bool>()).prop_map(|(lines, ended)| {
        let mut text = lines.join("\n").into_bytes();
        if ended && !text.is_empty() {
            text.push(b'\n');
        }
        text
    })
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        1 => Just(State::Absent),
        1 => Just(State::EmptyDir),
        1 => "[ab]".prop_map(State::Link),
        1 => (prop::collection::vec(0..3u8, 0..3), any::<bool>()).prop_map(|(bytes, x)| State::File(bytes, x)),
        6 => (text(), any::<bool>()).prop_map(|(bytes, x)| State::File(bytes, x)),
    ]
}

/// What two sides of a text of a hundred lines do to the block of ten lines that starts each tenth line.
#[derive(Debug, Clone, Copy)]
enum Edit {
    Nothing,
    Replace,
    Delete,
    Insert,
}

fn edits() -> impl Strategy<Value = Vec<(Edit, bool)>> {
    let edit = prop_oneof![Just(Edit::Nothing), Just(Edit::Replace), Just(Edit::Delete), Just(Edit::Insert)];
    prop::collection::vec((edit, any::<bool>()), 10)
}

/// The text with those edits made that `made` agrees to.
fn edited(edits: &[(Edit, bool)], made: impl Fn(bool) -> bool) -> String {
    let mut out = String::new();
    for (block, (edit, by_ours)) in edits.iter().enumerate() {
        for at in 0..10 {
            match edit {
                Edit::Replace if (3..6).contains(&at) && made(*by_ours) => out += &format!("new {block} {at}\n"),
                Edit::Delete if (3..6).contains(&at) && made(*by_ours) => {}
                Edit::Insert if at == 3 && made(*by_ours) => out += &format!("more {block}\nold {block} {at}\n"),
                _ => out += &format!("old {block} {at}\n"),
            }
        }
    }
    out
}

fn outcome<'a>(base: Side<'a>, ours: Side<'a>, theirs: Side<'a>) -> Result<State, ConflictKind> {
    let merged = merge(base, ours, theirs, Limits::default());
    match (merged.state(ours, theirs), &merged) {
        (Some(Side::Absent), _) => Ok(State::Absent),
        (Some(Side::EmptyDir), _) => Ok(State::EmptyDir),
        (Some(Side::Symlink { target }), _) => Ok(State::Link(target.to_owned())),
        (Some(Side::File { bytes, executable }), _) => Ok(State::File(bytes.to_vec(), executable)),
        (None, Merged::Conflict(conflict)) => Err(conflict.kind),
        (None, _) => panic!("neither a state nor a conflict"),
    }
}

fn mirrored(kind: ConflictKind) -> ConflictKind {
    match kind {
        ConflictKind::DeletedByOurs => ConflictKind::DeletedByTheirs,
        ConflictKind::DeletedByTheirs => ConflictKind::DeletedByOurs,
        ConflictKind::LineEndings { by_ours, by_theirs } => {
            ConflictKind::LineEndings { by_ours: by_theirs, by_theirs: by_ours }
        }
        ConflictKind::Kind { ours, theirs } => ConflictKind::Kind { ours: theirs, theirs: ours },
        other => other,
    }
}

/// How often each line stands in a text.
fn counts(bytes: &[u8]) -> BTreeMap<Vec<u8>, i64> {
    let mut counts = BTreeMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        *counts.entry(line.to_vec()).or_default() += 1;
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_side_that_changed_nothing_yields(base in state(), other in state()) {
        prop_assert_eq!(outcome(base.side(), other.side(), base.side()), Ok(other.clone()));
        prop_assert_eq!(outcome(base.side(), base.side(), other.side()), Ok(other.clone()));
        prop_assert_eq!(outcome(base.side(), other.side(), other.side()), Ok(other.clone()));
    }

    #[test]
    fn it_does_not_matter_which_side_is_ours(base in state(), one in state(), two in state()) {
        let here = outcome(base.side(), one.side(), two.side());
        let there = outcome(base.side(), two.side(), one.side());
        prop_assert_eq!(here, there.map_err(mirrored));
    }

    #[test]
    fn merging_a_side_once_more_changes_nothing(base in text(), one in text(), two in text()) {
        let [base, one, two] = [base, one, two].map(|bytes| State::File(bytes, false));
        if let Ok(merged) = outcome(base.side(), one.side(), two.side())
            && let Ok(again) = outcome(base.side(), merged.side(), one.side())
        {
            prop_assert_eq!(again, merged);
        }
    }

    /// Each line stands in it as often as both sides' changes say; nothing is lost, nothing is made up. A change that both
    /// made counts once, so for each line the change of the count is one side's, the other's, or the sum.
    #[test]
    fn a_clean_merge_holds_what_both_did_and_nothing_else(base in text(), one in text(), two in text()) {
        let sides = [&base, &one, &two].map(|bytes| Side::File { bytes, executable: false });
        if let Ok(State::File(merged, _)) = outcome(sides[0], sides[1], sides[2]) {
            let (base, one, two, merged) = (counts(&base), counts(&one), counts(&two), counts(&merged));
            let all = base.keys().chain(one.keys()).chain(two.keys()).chain(merged.keys());
            for line in all.filter(|line| !line.is_empty()) {
                let of = |text: &BTreeMap<Vec<u8>, i64>| text.get(line).copied().unwrap_or(0);
                let (by_one, by_two, by_both) = (of(&one) - of(&base), of(&two) - of(&base), of(&merged) - of(&base));
                let (low, high) = ((by_one + by_two).min(by_one).min(by_two), (by_one + by_two).max(by_one).max(by_two));
                prop_assert!((low..=high).contains(&by_both), "{:?}: {} and {} made {}", line, by_one, by_two, by_both);
            }
        }
    }

    #[test]
    fn edits_that_do_not_meet_are_both_there(edits in edits()) {
        let base = edited(&edits, |_| false);
        let (ours, theirs) = (edited(&edits, |by_ours| by_ours), edited(&edits, |by_ours| !by_ours));
        let file = |text| State::File(String::into_bytes(text), false);
        let (base, ours, theirs, all) = (file(base), file(ours), file(theirs), file(edited(&edits, |_| true)));
        prop_assert_eq!(outcome(base.side(), ours.side(), theirs.side()), Ok(all));
    }

    #[test]
    fn edits_of_the_same_lines_never_merge(edits in edits(), block in 0..10usize) {
        let mut edits = edits;
        edits[block] = (Edit::Replace, true);
        let base = edited(&edits, |_| false);
        let (ours, theirs) = (edited(&edits, |by_ours| by_ours), edited(&edits, |_| true).replace("new", "other"));
        let file = |text| State::File(String::into_bytes(text), false);
        let (base, ours, theirs) = (file(base), file(ours), file(theirs));
        prop_assert_eq!(outcome(base.side(), ours.side(), theirs.side()), Err(ConflictKind::Content));
    }

    #[test]
    fn there_is_a_difference_where_two_states_differ(old in state(), new in state()) {
        let diff = unified_diff("a", old.side(), new.side(), DiffLimits::default());
        prop_assert_eq!(diff.is_empty(), old == new);
        prop_assert!(diff.is_empty() || diff.ends_with(b"\n"));
    }
}
