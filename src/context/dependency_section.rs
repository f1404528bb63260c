//! "What its dependencies did": what agents before this one said and changed, and what commands wrote.
//!
//! Everything is bounded, for a plan may have thousands of tasks and a task may have changed everything. What the workspace
//! holds is named, not shown; what it does not hold is shown as a diff, or counted where that gets too long.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::dependency::{Dependency, Told, Words};
use super::diff::{Difference, difference};
use super::markdown::{code, fenced, quoted};
use crate::base::{Change, Entry, RelPath, Tree, bounded, format_size, sanitize_line};

/// What one agent said.
const SUMMARY_BYTES_MAX: usize = 2 << 10;
/// What all agents said.
const SUMMARIES_BYTES_MAX: usize = 32 << 10;
const PURPOSE_BYTES_MAX: usize = 200;
/// Diffs of one dependency.
const DIFF_BYTES_MAX: usize = 16 << 10;
/// Diffs of all dependencies.
const DIFFS_BYTES_MAX: usize = 64 << 10;
/// Lines with paths, of all dependencies.
const LISTS_BYTES_MAX: usize = 32 << 10;
/// Dependencies with a heading of their own.
const DEPENDENCIES_MAX: usize = 200;

/// What may still be written.
struct Room {
    summaries: usize,
    diffs: usize,
    lists: usize,
}

/// The text of the section; `None` for a task without dependencies.
pub(super) fn dependencies(dependencies: &[Dependency], view: &Tree, told: &Told<'_>) -> Option<String> {
    let mut room = Room { summaries: SUMMARIES_BYTES_MAX, diffs: DIFFS_BYTES_MAX, lists: LISTS_BYTES_MAX };
    let mut out = String::new();
    for dependency in dependencies.iter().take(DEPENDENCIES_MAX) {
        let said = told.words.get(&dependency.task).cloned().unwrap_or_default();
        heading(&mut out, dependency, &said);
        if dependency.is_agent {
            summary(&mut out, &said.summary, &mut room);
            of_agent(&mut out, dependency, view, told, &mut room);
        } else {
            list(&mut out, "It wrote:", dependency.changes.keys().map(|path| code(path.as_str())), &mut room);
        }
    }
    if dependencies.len() > DEPENDENCIES_MAX {
        let more = dependencies.len() - DEPENDENCIES_MAX;
        let _ = writeln!(out, "And {more} more; their outputs are among the files you can see.\n");
    }
    (!out.is_empty()).then_some(out)
}

fn heading(out: &mut String, dependency: &Dependency, said: &Words) {
    let purpose = sanitize_line(&bounded(said.purpose.trim(), PURPOSE_BYTES_MAX));
    let _ = match purpose.is_empty() {
        true => writeln!(out, "### {}\n", code(dependency.task.as_str())),
        false => writeln!(out, "### {}: {purpose}\n", code(dependency.task.as_str())),
    };
}

fn summary(out: &mut String, summary: &str, room: &mut Room) {
    let said = bounded(summary.trim(), SUMMARY_BYTES_MAX);
    if said.is_empty() || said.len() > room.summaries {
        return;
    }
    room.summaries -= said.len();
    let _ = writeln!(out, "Its agent said in the end:\n\n{}", quoted(&said));
}

/// New files that are in the view, then diffs, then what no diff shows.
fn of_agent(out: &mut String, dependency: &Dependency, view: &Tree, told: &Told<'_>, room: &mut Room) {
    let is_held = |path: &RelPath, change: &Change| {
        change.base.is_none() && change.result.as_ref().is_some_and(|entry| view.get(path) == Some(entry))
    };
    let (held, changed): (Vec<_>, Vec<_>) = dependency.changes.iter().partition(|(path, change)| is_held(path, change));
    let made = held.into_iter().map(|(path, change)| match &change.result {
        Some(Entry::File { size_bytes, .. }) => format!("{} ({})", code(path.as_str()), format_size(*size_bytes)),
        _ => code(path.as_str()),
    });
    list(out, "It made these, which you can see:", made, room);
    let mut own = DIFF_BYTES_MAX.min(room.diffs);
    let mut diffs = String::new();
    let mut counts = Vec::new();
    for (path, change) in changed {
        match difference(path, change, told.content) {
            Difference::Lines { unified, .. } if unified.len() <= own => {
                own -= unified.len();
                room.diffs -= unified.len();
                diffs.push_str(&unified);
            }
            Difference::Lines { added, removed, .. } => {
                counts.push(format!("{}: +{added} -{removed} lines", code(path.as_str())));
            }
            Difference::Otherwise(words) => counts.push(format!("{}: {}", code(path.as_str()), sanitize_line(&words))),
        }
    }
    let lead = if diffs.is_empty() { "It changed:" } else { "Besides:" };
    if !diffs.is_empty() {
        let _ = writeln!(out, "It changed:\n\n{}", fenced("diff", &diffs));
    }
    list(out, lead, counts.into_iter(), room);
}

/// A list, as far as there is room.
fn list(out: &mut String, lead: &str, items: impl Iterator<Item = String>, room: &mut Room) {
    let items: Vec<String> = items.collect();
    if items.is_empty() {
        return;
    }
    let _ = writeln!(out, "{lead}\n");
    for (position, item) in items.iter().enumerate() {
        let Some(left) = room.lists.checked_sub(item.len()) else {
            let _ = writeln!(out, "- and {} more", items.len() - position);
            break;
        };
        room.lists = left;
        let _ = writeln!(out, "- {item}");
    }
    out.push('\n');
}

/// The paths that dependencies made or changed, each with all that became of it: what of this is in the key.
///
/// Not by dependency: whoever brings a file, and whatever it is called, the file is the same.
#[must_use]
pub fn merged_changes(dependencies: &[Dependency]) -> BTreeMap<&RelPath, Vec<&Change>> {
    let mut merged: BTreeMap<&RelPath, Vec<&Change>> = BTreeMap::new();
    for (path, change) in dependencies.iter().flat_map(|dependency| &dependency.changes) {
        merged.entry(path).or_default().push(change);
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{BlobDigest, Changes, TaskName};

    fn path(text: &str) -> RelPath {
        RelPath::new(text).expect("a path")
    }

    /// Files by their content; the digest leads back to it.
    #[derive(Default)]
    struct Contents(BTreeMap<BlobDigest, Vec<u8>>);

    impl Contents {
        fn file(&mut self, bytes: impl AsRef<[u8]>) -> Entry {
            let bytes = bytes.as_ref();
            let digest = BlobDigest::of(bytes);
            self.0.insert(digest, bytes.to_owned());
            Entry::File { digest, size_bytes: bytes.len() as u64, executable: false }
        }

        fn told(&self, of: &[Dependency], view: &Tree, words: &[(&str, &str)]) -> String {
            let name = |text: &str| TaskName::new(text).expect("a name");
            let words = words.iter().map(|(task, summary)| {
                (name(task), Words { purpose: format!("Does {task}."), summary: (*summary).to_owned() })
            });
            let content = |_: &RelPath, entry: &Entry| match entry {
                Entry::File { digest, .. } => self.0.get(digest).cloned(),
                _ => None,
            };
            let told = Told { gates: &[], words: &words.collect(), failure: None, content: &content };
            dependencies(of, view, &told).unwrap_or_default()
        }
    }

    fn agent(name: &str, changes: Vec<(&str, Option<Entry>, Option<Entry>)>) -> Dependency {
        let change = |(at, base, result): (&str, _, _)| (path(at), Change { base, result });
        let changes: Changes = changes.into_iter().map(change).collect();
        Dependency { task: TaskName::new(name).expect("a name"), is_agent: true, changes }
    }

    #[test]
    fn what_an_agent_changed_is_shown_as_lines_or_named() {
        let mut files = Contents::default();
        let (old, new) = (files.file("one\ntwo\n"), files.file("one\n2\n````\n"));
        let (made, unseen) = (files.file("made\n"), files.file("unseen\n"));
        let (image, other_image) = (files.file([0, 1]), files.file([0, 2, 3]));
        let lost = Entry::File { digest: BlobDigest::of(b"lost"), size_bytes: 4, executable: false };
        let executable = match &old {
            Entry::File { digest, size_bytes, .. } => {
                Some(Entry::File { digest: *digest, size_bytes: *size_bytes, executable: true })
            }
            _ => None,
        };
        let link = Entry::Symlink { target: "a\nb".to_owned() };
        let did = agent(
            "edit",
            vec![
                ("a.txt", Some(old.clone()), Some(new)),
                ("gone.txt", Some(old.clone()), None),
                ("image.png", Some(image), Some(other_image)),
                ("link", None, Some(link)),
                ("lost.txt", Some(lost), Some(old.clone())),
                ("made.txt", None, Some(made.clone())),
                ("mode.sh", Some(old), executable),
                ("unseen.txt", None, Some(unseen)),
            ],
        );
        let text = files.told(&[did], &Tree::from([(path("made.txt"), made)]), &[("edit", "Done.\n# Really")]);
        assert_eq!(
            text,
            "### `edit`: Does edit.\n\nIts agent said in the end:\n\n> Done.\n> # Really\n\n\
             It made these, which you can see:\n\n- `made.txt` (5 B)\n\n\
             It changed:\n\n`````diff\n--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,3 @@\n one\n-two\n+2\n+````\n\
             --- a/gone.txt\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-one\n-two\n\
             --- /dev/null\n+++ b/unseen.txt\n@@ -0,0 +1 @@\n+unseen\n`````\n\n\
             Besides:\n\n- `image.png`: binary: 2 B -> 3 B\n- `link`: nothing -> a link to a\\nb\n\
             - `lost.txt`: no longer to be had: 4 B -> 8 B\n- `mode.sh`: only its mode: 8 B -> 8 B (executable)\n\n"
        );
    }

    #[test]
    fn however_much_was_done_what_is_told_is_bounded() {
        let mut files = Contents::default();
        let long: String = (0..900).map(|number| format!("line {number} of a file\n")).collect();
        let (old, new) = (files.file("old\n"), files.file(long));
        let huge = files.file("x".repeat(200 << 10));
        let change = |at: &'static str| (at, Some(old.clone()), Some(new.clone()));
        let one = agent("one", vec![change("a"), ("huge", Some(old.clone()), Some(huge))]);
        let text = files.told(&[one], &Tree::new(), &[]);
        let counts = "It changed:\n\n- `a`: +900 -1 lines\n- `huge`: too long to compare: 4 B -> 200 KiB\n\n";
        assert_eq!(text, format!("### `one`\n\n{counts}"));

        let names: Vec<String> = (0..5_000).map(|number| format!("t{number}")).collect();
        let middle = files.file((0..500).map(|number| format!("line {number}\n")).collect::<String>());
        let all: Vec<Dependency> = names
            .iter()
            .map(|name| agent(name, vec![("a/file", Some(old.clone()), Some(middle.clone())), change("b/file")]))
            .collect();
        let summary = "said ".repeat(2_000);
        let words: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), summary.as_str())).collect();
        let text = files.told(&all, &Tree::new(), &words);
        assert!(text.len() < 200 << 10, "{}", text.len());
        assert!(
            text.ends_with("And 4800 more; their outputs are among the files you can see.\n\n"),
            "{}",
            &text[text.len() - 200..]
        );
        assert_eq!(text.matches("+line 499").count(), DIFFS_BYTES_MAX / 5_000);
        assert_eq!(text.matches("> said").count(), SUMMARIES_BYTES_MAX / SUMMARY_BYTES_MAX);
    }

    #[test]
    fn of_a_command_the_paths_are_told() {
        let mut files = Contents::default();
        let entry = files.file("x");
        let mut did = agent("make", vec![("a`b", None, Some(entry.clone())), ("c", None, Some(entry))]);
        did.is_agent = false;
        assert_eq!(files.told(&[did], &Tree::new(), &[]), "### `make`\n\nIt wrote:\n\n- ``a`b``\n- `c`\n\n");
        assert_eq!(files.told(&[], &Tree::new(), &[]), "");
    }
}
