//! Results that are made to keep a check busy: what `integrity` and `review` take grows with the size of a result and no
//! faster, and the number of findings is bounded. Each text is judged at one size and at four times that, and may take
//! twelve times as long: what grows with the square takes sixteen times.
#![expect(clippy::disallowed_methods, reason = "takes the time")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use orca::base::{BlobDigest, Entry, Pattern, PatternSet, RelPath, TaskName, Tree};
use orca::gates::{ChangedFile, CheckContext, Content, Judged, JudgedTask, Options, Protected, check};
use orca::plan::{Check, Level};

/// Short times say nothing.
const CALM: Duration = Duration::from_millis(1_500);

/// Findings of a check on new files, and the time it took.
fn judge(which: Check, files: &[(String, String)]) -> (usize, Duration) {
    let path = |text: &str| RelPath::new(text).expect("a path");
    let of = |text: &str| match text.strip_prefix("-> ") {
        Some(target) => (Entry::Symlink { target: target.to_owned() }, Content::Symlink { target: target.to_owned() }),
        None => {
            let digest = BlobDigest::of(text.as_bytes());
            let entry = Entry::File { digest, size_bytes: text.len() as u64, executable: false };
            (entry, Content::File { bytes: text.as_bytes().into(), executable: false })
        }
    };
    let result: Tree = files.iter().map(|(name, text)| (path(name), of(text).0)).collect();
    let mut changed: Vec<ChangedFile> =
        files.iter().map(|(name, text)| ChangedFile::new(path(name), Content::Absent, of(text).1)).collect();
    changed.sort_by(|one, other| one.path.cmp(&other.path));
    let (name, none) = (TaskName::new("a").expect("a name"), PatternSet::default());
    let outputs = PatternSet::new(vec![Pattern::new("**").expect("a pattern")]);
    let task = JudgedTask { name: &name, outputs: &outputs, edits: &none, may_change: &none };
    let (base, protected) = (Tree::new(), Protected::default());
    let options = BTreeMap::from([("licence_header".to_owned(), "Copyright {year} Example".into())]);
    let judged = Judged {
        task: Some(task),
        base: &base,
        result: &result,
        changed,
        protected: &protected,
        read: &|_: &RelPath| None,
    };
    let context = CheckContext { options: Options::new(&options), level: Level::Strict, database: None };
    let start = Instant::now();
    let count = check(which, &judged, &context).iter().map(|part| part.findings.len()).sum();
    (count, start.elapsed())
}

fn one(name: &str, text: String) -> Vec<(String, String)> {
    vec![(name.to_owned(), text)]
}

#[test]
fn time_and_findings_are_bounded() {
    type Make = fn(usize) -> Vec<(String, String)>;
    let table: [(&str, Make); 16] = [
        ("bidi in one line", |n| one("a.py", format!("# {}\n", "\u{202e}".repeat(n * 40)))),
        ("bidi in many lines", |n| one("a.py", "# \u{202e}\n".repeat(n * 8))),
        ("conflicts", |n| one("a.yml", "<<<<<<< a\n=======\n>>>>>>> b\n".repeat(n * 4))),
        ("empty functions", |n| one("a.py", "def f():\n    pass\n".repeat(n))),
        ("raises", |n| one("a.py", format!("def f():\n{}", "    raise NotImplementedError\n".repeat(n)))),
        ("arguments", |n| one("a.js", format!("console.log({});\n", "a, ".repeat(n * 4)))),
        ("comments in arguments", |n| one("a.js", format!("f();\nconsole.log({} a);\n", "/* */ ".repeat(n * 4)))),
        ("comments in a body", |n| one("a.py", format!("def f():\n{}    pass\n", "    # a\n".repeat(n * 4)))),
        ("sums", |n| one("a.js", format!("console.log('here' {});\n", "+ 'a'".repeat(n)))),
        ("marks", |n| one("a.rs", format!("/*{}*/\n", " TODO(".repeat(n * 8)))),
        ("commented out", |n| one("a.js", "// a = 1;\n// b = 2;\n// c = 3;\n\n".repeat(n))),
        ("one long comment", |n| one("a.go", "// a = b(c)\n".repeat(n * 2))),
        ("keys of a package", |n| {
            let keys: Vec<String> = (0..n).map(|key| format!("\"jest{key}\": {{}}")).collect();
            one("package.json", format!("{{ {} }}", keys.join(", ")))
        }),
        ("tools of a project", |n| {
            let tables: Vec<String> = (0..n / 4).map(|key| format!("[tool.pytest{key}]\na = 1\n")).collect();
            one("x.toml", tables.join(""))
        }),
        ("links in a row", |n| {
            let link = |at: usize| (format!("l/{at}"), format!("-> {}", "./".repeat(500) + &format!("{}/x", at + 1)));
            (0..n / 4).map(link).collect()
        }),
        ("many files", |n| (0..n / 4).map(|at| (format!("d{at}/a.md"), "a\n".to_owned())).collect()),
    ];
    for (what, make) in table {
        for which in [Check::Integrity, Check::Review] {
            let size = 4_000;
            let (_, short) = judge(which, &make(size));
            let (found, long) = judge(which, &make(size * 4));
            assert!(long < CALM || long < short * 12, "{what}: {which:?}: {short:?}, then {long:?}");
            let files = make(size * 4).len();
            assert!(found <= 120 * files, "{what}: {which:?}: {found} findings");
        }
    }
}
