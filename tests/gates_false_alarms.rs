//! How often `patterns` is wrong about good code: the sources and tests of this repository, and the scripts it has, judged as
//! if a result had added every line of them. `cargo test --test gates_false_alarms -- --nocapture` prints the numbers that stand
//! in `docs/gates/patterns.md`.
#![expect(clippy::disallowed_methods, reason = "reads the sources of this crate")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orca::base::{RelPath, Severity, Tree};
use orca::gates::{ChangedFile, CheckContext, Content, Judged, Options, check};
use orca::plan::{Check, Level};

/// What is judged: all of it is code that people have read.
const ROOTS: [&str; 5] = ["src", "tests", "benches", "fixtures", "docs"];
/// Alarms in 10,000 lines that are too many. `docs/gates/patterns.md` says how many there are.
const ALARMS_MAX: f64 = 1.0;

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.expect("readable").path();
        if path.is_dir() && !path.is_symlink() {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

#[test]
fn good_code_raises_few_alarms() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for part in ROOTS {
        files(&root.join(part), &mut paths);
    }
    paths.sort();
    let mut lines = BTreeMap::<String, usize>::new();
    let mut changed = Vec::new();
    for path in paths {
        let bytes: Arc<[u8]> = std::fs::read(&path).expect("readable").into();
        let name = path.strip_prefix(root).expect("beneath it").to_string_lossy().into_owned();
        let Ok(name) = RelPath::new(&name) else { continue };
        let content = Content::File { bytes, executable: false };
        let language = content.text().and_then(|text| orca::gates::Language::of(&name, text));
        if let Some(language) = language {
            let count = content.text().map_or(0, |text| text.lines().count());
            *lines.entry(language.name().to_owned()).or_default() += count;
        }
        changed.push(ChangedFile::new(name, Content::Absent, content));
    }
    let tree = Tree::new();
    let read = |_: &RelPath| None;
    let judged = Judged {
        task: None,
        base: &tree,
        result: &tree,
        changed,
        protected: &orca::gates::Protected::default(),
        read: &read,
    };
    let options = BTreeMap::new();
    let context = CheckContext { options: Options::new(&options), level: Level::Standard, database: None };
    let parts = check(Check::Patterns, &judged, &context);
    let mut by_rule = BTreeMap::<(String, Severity), usize>::new();
    for finding in parts.iter().flat_map(|part| &part.findings) {
        *by_rule.entry((finding.rule.clone(), finding.severity)).or_default() += 1;
        println!("{:?} {} {}", finding.severity, finding.rule, finding.place().unwrap_or_default());
    }
    let all: usize = lines.values().sum();
    let alarms: usize = by_rule.values().sum();
    let rate = alarms as f64 * 10_000.0 / all as f64;
    println!("{lines:?}\n{by_rule:?}\n{alarms} alarms in {all} lines: {rate:.2} in 10,000");
    assert!(all > 20_000, "the sources are not found");
    assert!(rate <= ALARMS_MAX, "{rate:.2} alarms in 10,000 lines");
}
