//! The text of `orca.lock`: what is written is read back, the same facts make the same text, and nothing that is read makes
//! the reader fall over.

use orca::base::{ActionKey, BlobDigest, Change, Entry, GateKey, Name, RelPath, TaskName};
use orca::store::{Delta, Lock, LockedTask, Origin};
use proptest::prelude::*;

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        4 => (any::<[u8; 32]>(), any::<u32>(), any::<bool>()).prop_map(|(digest, size, executable)| Entry::File {
            digest: BlobDigest::from_bytes(digest),
            size_bytes: size.into(),
            executable,
        }),
        1 => any::<String>().prop_map(|target| Entry::Symlink { target }),
        1 => Just(Entry::EmptyDir),
    ]
}

/// Names as odd as a file system allows them.
fn path() -> impl Strategy<Value = RelPath> {
    let odd = any::<String>().prop_map(|text| text.replace(['/', '\0'], "-"));
    let part = prop_oneof!["[a-z.]{1,4}", Just("\u{202e}x \"\\'#=".to_owned()), Just("a\nb\r\t\u{7f}".to_owned()), odd];
    let parts = prop::collection::vec(part, 1..4);
    parts.prop_filter_map("a path", |parts| {
        let path = RelPath::from_disk(&parts.join("/")).ok()?;
        let is_reserved = |part: &str| part.eq_ignore_ascii_case(".git") || part.eq_ignore_ascii_case(".orca");
        (!path.as_str().split('/').any(is_reserved)).then_some(path)
    })
}

fn change() -> impl Strategy<Value = Change> {
    (prop::option::of(entry()), prop::option::of(entry())).prop_map(|(base, result)| Change { base, result })
}

fn name() -> impl Strategy<Value = TaskName> {
    "[a-zA-Z0-9_]{1,5}(\\[[a-z0-9]{1,3}(,[0-9]{1,2})?\\])?".prop_map(|text| TaskName::new(&text).expect("a name"))
}

fn origin() -> impl Strategy<Value = Origin> {
    let gates = prop::collection::btree_map("[a-z]{1,4}", any::<[u8; 32]>(), 0..3);
    let names = prop::collection::vec(name(), 0..3);
    let agent = prop::option::of("[a-z]{1,5}");
    (gates, names, agent, prop::option::of(any::<String>()), any::<u32>(), prop::option::of(any::<[u8; 32]>()))
        .prop_map(|(gates, on_top_of, agent, model, cost, first)| Origin {
            first_key: first.map(ActionKey::from_bytes),
            on_top_of,
            agent: agent.map(|agent| Name::new(&agent).expect("a name")),
            model,
            cost_micro_usd: cost.into(),
            gates: gates
                .into_iter()
                .map(|(name, key)| (Name::new(&name).expect("a name"), GateKey::from_bytes(key)))
                .collect(),
        })
}

fn task() -> impl Strategy<Value = LockedTask> {
    let outputs = prop::collection::btree_map(path(), entry(), 0..4);
    let edits = prop::collection::btree_map(path(), change(), 0..4);
    (prop::option::of(any::<[u8; 32]>()), origin(), outputs, edits).prop_map(|(key, origin, outputs, edits)| {
        LockedTask { key: key.map(ActionKey::from_bytes), origin, outputs, edits }
    })
}

fn lock() -> impl Strategy<Value = Lock> {
    let tasks = prop::collection::btree_map(name(), task(), 0..5);
    let placed = prop::collection::btree_map(path(), prop::option::of(entry()), 0..3);
    let merged = prop::collection::btree_map(any::<[u8; 32]>(), prop::option::of(entry()), 0..3);
    let deltas = prop::collection::btree_map(any::<[u8; 32]>(), (any::<[u8; 32]>(), "[0-9a-f]{0,9}"), 0..3);
    let order = prop::collection::vec(name(), 0..3);
    let digest = BlobDigest::from_bytes;
    (tasks, order, placed, merged, deltas).prop_map(move |(tasks, order, placed, merged, deltas)| Lock {
        tasks,
        order,
        placed,
        merged: merged.into_iter().map(|(key, entry)| (digest(key), entry)).collect(),
        deltas: deltas
            .into_iter()
            .map(|(key, (from, zstd))| (digest(key), Delta { from: digest(from), zstd }))
            .collect(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(lock in lock()) {
        let text = lock.to_text();
        let read = Lock::parse(&text);
        prop_assert_eq!(read.as_ref(), Ok(&lock), "{}", text);
        prop_assert_eq!(read.expect("just seen").to_text(), text);
    }

    /// Each fact is one line that says whose it is, so that git can merge lines of different tasks.
    #[test]
    fn the_order_of_lines_means_nothing(lock in lock(), turn in any::<prop::sample::Index>()) {
        let text = lock.to_text();
        let mut lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        let at = turn.index(lines.len());
        lines.rotate_left(at);
        prop_assert_eq!(Lock::parse(&lines.join("\n")), Ok(lock));
    }

    #[test]
    fn a_lost_or_mixed_line_of_a_result_is_noticed(lock in lock(), turn in any::<prop::sample::Index>()) {
        let text = lock.to_text();
        let of_result = |line: &&str| {
            line.starts_with("task.") && (line.contains(".outputs.") || line.contains(".edits.") || line.contains(".key = "))
        };
        let lines: Vec<&str> = text.lines().filter(of_result).collect();
        prop_assume!(!lines.is_empty());
        let lost = lines[turn.index(lines.len())];
        let rest: Vec<&str> = text.lines().filter(|line| *line != lost).collect();
        prop_assert!(Lock::parse(&rest.join("\n")).is_err(), "without {lost}");
    }

    #[test]
    fn nothing_makes_the_reader_fall_over(text in any::<String>(), lock in lock(), at in any::<prop::sample::Index>()) {
        let _ = Lock::parse(&text);
        let mut good = lock.to_text();
        let mut cut = at.index(good.len());
        while !good.is_char_boundary(cut) {
            cut -= 1;
        }
        good.insert_str(cut, &text);
        if let Err(error) = Lock::parse(&good) {
            prop_assert!(error.line >= 1 && error.column >= 1 && !error.help.is_empty());
        }
    }
}
