//! The cold part against a plain reading of it, over random plans.

use proptest::prelude::*;

use super::*;
use crate::base::{ActionKey, RelPath, TaskName};

/// A task as far as it is drawn: the rest follows from its place.
type Drawn = (Option<[u8; 32]>, bool, Vec<u32>, Vec<u32>, Vec<u32>, u32);

fn drawn() -> impl Strategy<Value = Drawn> {
    let some = || prop::collection::vec(any::<u32>(), 0..4);
    (any::<Option<[u8; 32]>>(), prop::bool::weighted(0.8), some(), some(), some(), 0..1000u32)
}

fn below(numbers: Vec<u32>, bound: usize) -> Vec<u32> {
    let mut numbers: Vec<u32> = numbers.into_iter().filter_map(|number| number.checked_rem(bound as u32)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// The text that the tables of every plan are places in.
fn text() -> String {
    (0..200u8).map(|byte| char::from(b'a' + byte % 26)).collect()
}

fn cold() -> impl Strategy<Value = Cold> {
    let tasks = prop::collection::vec((drawn(), any::<bool>()), 0..10);
    let pieces = prop::collection::vec(0..3usize, 0..14);
    (0..12u32, tasks, pieces, any::<bool>()).prop_map(|(files, tasks, pieces, allows_parts)| {
        let files: Vec<RelPath> = (0..files).map(|at| path(&format!("d/f{at}"))).collect();
        let file = |numbers| below(numbers, files.len()).into_iter().map(FileIx).collect();
        let task = |(at, ((key, is_settled, sources, outputs, deps, saved_ms), twin)): (usize, (Drawn, bool))| {
            // Two instances of a matrix share a stem.
            let name = if twin { format!("t{}[x{at}]", at / 3) } else { format!("s{at}") };
            ColdTask {
                name: TaskName::new(&name).unwrap(),
                key: key.map(ActionKey::from_bytes),
                is_settled,
                sources: file(sources),
                outputs: file(outputs),
                deps: below(deps, at),
                saved_ms,
            }
        };
        let tasks: Vec<ColdTask> = tasks.into_iter().enumerate().map(task).collect();
        let digest = ColdPlan::digest_of(&text());
        let names = ["orca.toml", "b.toml", "c.toml"];
        let mut plans = names.map(|name| ColdPlan { path: path(name), digest, tables: Vec::new() });
        for (at, plan) in pieces.into_iter().enumerate() {
            let Some(task) = tasks.get(at * 7 % tasks.len().max(1)) else { break };
            let tables = &mut plans[plan].tables;
            let start = tables.last().map_or(3, |last| last.bytes.end) + (at as u32 % 3) * 2;
            tables.push(Table { stem: TaskName::new(task.name.stem()).unwrap(), bytes: start..start + 5 });
        }
        Cold { files, tasks, plans: plans.into(), allows_parts }
    })
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

/// D by its definition: until nothing more joins.
fn dirty(cold: &Cold, changed: &[FileIx]) -> Vec<u32> {
    let concerned = |task: &ColdTask| task.sources.iter().chain(&task.outputs).any(|file| changed.contains(file));
    let mut is_dirty: Vec<bool> = cold.tasks.iter().map(|task| !task.is_settled || concerned(task)).collect();
    for _ in 0..cold.tasks.len() {
        for (at, task) in cold.tasks.iter().enumerate() {
            is_dirty[at] |= task.deps.iter().any(|dep| is_dirty[*dep as usize]);
        }
    }
    (0..).zip(is_dirty).filter_map(|(at, dirty)| dirty.then_some(at)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_is_read_back(cold in cold()) {
        let bytes = cold.encode().unwrap();
        prop_assert_eq!(ColdView::new(&bytes).unwrap().decode(), Some(cold));
    }

    #[test]
    fn a_part_is_what_changed_and_what_depends_on_it(
        cold in cold(),
        changed in prop::collection::vec(any::<u32>(), 0..3),
        patched in prop::collection::vec((any::<u32>(), any::<Option<[u8; 32]>>(), any::<bool>(), 0..9u32), 0..4),
    ) {
        let (file_count, task_count) = (cold.files.len(), cold.tasks.len());
        let bytes = cold.encode().unwrap();
        let view = ColdView::new(&bytes).unwrap();
        let changed: Vec<FileIx> = below(changed, file_count).into_iter().map(FileIx).collect();
        let patched = patched.into_iter().filter_map(|(at, key, is_settled, saved_ms)| {
            let task = TaskPatch { key: key.map(ActionKey::from_bytes), is_settled, saved_ms };
            Some((at.checked_rem(task_count as u32)?, task))
        });
        let patched: Vec<(u32, TaskPatch)> = patched.collect();
        let mut overlay = Overlay::default();
        overlay.lay(&Overlay::encode(&patched)).unwrap();
        let mut now = cold;
        for (at, patch) in patched {
            let task = &mut now.tasks[at as usize];
            (task.key, task.is_settled, task.saved_ms) = (patch.key, patch.is_settled, patch.saved_ms);
            prop_assert!(overlay.task(at).is_some());
        }
        let concerns = |file: &FileIx| now.tasks.iter().any(|task| task.sources.contains(file) || task.outputs.contains(file));
        let Some(part) = view.concerned(&changed, &overlay) else {
            prop_assert!(!changed.iter().all(concerns));
            return Ok(());
        };
        prop_assert!(changed.iter().all(concerns));
        let expected = dirty(&now, &changed);
        let saved = |at: &usize| !expected.contains(&(*at as u32));
        prop_assert_eq!(part.saved_ms, (0..task_count).filter(saved).map(|at| u64::from(now.tasks[at].saved_ms)).sum::<u64>());
        let mut beneath: Vec<u32> = expected.iter().flat_map(|at| now.tasks[*at as usize].deps.clone()).collect();
        beneath.retain(|at| !expected.contains(at));
        beneath.sort_unstable();
        beneath.dedup();
        prop_assert_eq!((part.dirty, part.beneath), (expected, beneath));
    }

    #[test]
    fn what_is_cut_is_every_table_of_the_other_stems(cold in cold(), kept in prop::collection::vec(any::<u32>(), 0..3)) {
        let bytes = cold.encode().unwrap();
        let kept = below(kept, cold.tasks.len());
        let stems: Vec<&str> = kept.iter().map(|at| cold.tasks[*at as usize].name.stem()).collect();
        let cuts = ColdView::new(&bytes).unwrap().cuts(kept.iter().copied()).unwrap();
        for (plan, cuts) in cold.plans.iter().zip(cuts) {
            prop_assert_eq!(&plan.path, &cuts.path);
            let mut expected = String::new();
            for (at, letter) in text().char_indices() {
                let inside = plan.tables.iter().find(|table| table.bytes.contains(&(at as u32)));
                expected.extend(inside.is_none_or(|table| stems.contains(&table.stem.as_str())).then_some(letter));
            }
            prop_assert_eq!(cuts.of(&text()), Some(expected));
            prop_assert_eq!(cuts.of(&text().to_uppercase()), None);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(cold in cold(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = cold.encode().unwrap();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        if let Some(view) = ColdView::new(&bytes) {
            let _ = view.decode();
            for cuts in view.cuts(0..view.task_count().min(100)).into_iter().flatten() {
                let _ = cuts.of(&text());
            }
            let _ = view.concerned(&[], &Overlay::default());
        }
        let _ = Overlay::default().lay(&bytes);
    }
}
