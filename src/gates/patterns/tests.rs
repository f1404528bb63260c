//! What holds of the rules as a whole: each has its cases and its line in the documents, and no text breaks the check.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::patterns;
use super::table::{candidates, rules};
use crate::base::{RelPath, Severity, Tree};
use crate::event::GateFinding;
use crate::gates::{ChangedFile, Content, Judged, LANGUAGES, Language};

const DOCS: &str = include_str!("../../../docs/gates/patterns.md");
const CORPUS: [&str; 6] = [
    include_str!("../../../fixtures/gates/patterns/python.toml"),
    include_str!("../../../fixtures/gates/patterns/javascript.toml"),
    include_str!("../../../fixtures/gates/patterns/rust.toml"),
    include_str!("../../../fixtures/gates/patterns/go.toml"),
    include_str!("../../../fixtures/gates/patterns/java.toml"),
    include_str!("../../../fixtures/gates/patterns/shell.toml"),
];
const NAMES: [&str; 8] = ["a.py", "a.js", "a.ts", "a.tsx", "a.rs", "a.go", "a.java", "a.sh"];

fn find(name: &str, before: Option<&str>, after: &str) -> Vec<GateFinding> {
    let content = |text: &str| Content::File { bytes: text.as_bytes().into(), executable: false };
    let path = RelPath::new(name).expect("valid");
    let changed = vec![ChangedFile::new(path, before.map_or(Content::Absent, content), content(after))];
    let (tree, read) = (Tree::new(), |_: &RelPath| None);
    patterns(&Judged {
        task: None,
        base: &tree,
        result: &tree,
        changed,
        protected: &crate::gates::Protected::default(),
        read: &read,
    })
    .findings
}

#[test]
fn every_rule_has_cases_and_is_documented() {
    let mut cases = BTreeMap::<(String, String), usize>::new();
    for file in CORPUS {
        let file: toml::Table = toml::from_str(file).expect("the corpus is TOML");
        for case in file["case"].as_array().expect("cases") {
            let word = |key: &str| case[key].as_str().expect("a word").to_owned();
            *cases.entry((word("rule"), word("expect"))).or_default() += 1;
        }
    }
    for rule in LANGUAGES.into_iter().flat_map(rules) {
        let name = format!("patterns/{}", rule.id);
        for expect in ["bad", "good"] {
            let count = cases.get(&(name.clone(), expect.to_owned())).copied().unwrap_or(0);
            assert!(count >= 2, "{name} has {count} {expect} cases");
        }
        let severity = format!("{:?}", rule.severity).to_lowercase();
        let row = DOCS.lines().find(|line| line.starts_with(&format!("| `{}` |", rule.id)));
        assert!(row.is_some_and(|row| row.contains(&severity)), "{name} is not in the documents as {severity}");
        for word in rule.words.iter().copied().flatten() {
            assert_eq!(word.to_lowercase(), *word, "{name}: words are compared in small letters");
        }
    }
}

#[test]
fn a_finding_says_where_it_is_and_how_bad() {
    let text = "import os\n\n\ndef f(x):\n    os.system('ls ' + x)\n";
    let [found] = find("a.py", None, text).try_into().expect("one");
    assert_eq!((found.rule.as_str(), found.severity), ("patterns/python-shell", Severity::Warning));
    assert_eq!(found.place().as_deref(), Some("a.py:5:5"));
    assert_eq!(find("tests/test_a.py", None, text)[0].severity, Severity::Advice);
    let request = text.replace(" + x", " + request.args['x']");
    assert_eq!(find("a.py", None, &request)[0].severity, Severity::Error);
    let inside =
        "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    fn g(c: C) {\n        c.accept_invalid_certs(true);\n    }\n}\n";
    assert_eq!(find("a.rs", None, inside)[0].severity, Severity::Warning);
    let after = format!("{inside}\nfn h(c: C) {{\n    c.accept_invalid_certs(true);\n}}\n");
    assert_eq!(find("a.rs", None, &after)[1].severity, Severity::Error);
}

#[test]
fn only_what_is_added_counts() {
    let before = "import os\nos.system(x)\n";
    assert!(find("a.py", Some(before), &format!("{before}y = 1\n")).is_empty());
    assert_eq!(find("a.py", Some(before), &format!("{before}os.system(y)\n")).len(), 1);
}

#[test]
fn no_comment_switches_a_rule_off() {
    for comment in ["# noqa", "# nosec", "# orca: ignore", "# type: ignore"] {
        assert_eq!(find("a.py", None, &format!("{comment}\neval(x)  {comment}\n")).len(), 1, "{comment}");
    }
}

#[test]
fn few_texts_are_parsed() {
    assert!(candidates(Language::Python, "def add(a, b):\n    return a + b\n").is_empty());
    // Words of a rule that needs two of them are not enough by themselves.
    assert!(!candidates(Language::Python, "cursor.execute(q)").contains("python-sql"));
    assert!(candidates(Language::Python, "cursor.EXECUTE('SELECT 1')").contains("python-sql"));
}

#[test]
fn what_cannot_be_searched_is_said() {
    let large = format!("eval(x)\n{}", "# a line\n".repeat(300_000));
    let found = find("a.py", None, &large);
    assert_eq!((found[0].rule.as_str(), found[0].severity), ("patterns/not-searched", Severity::Warning));
    let slow = format!("eval(x)\n{}", "else /*'".repeat(50_000));
    let found = find("a.ts", None, &slow);
    assert_eq!((found[0].rule.as_str(), found[0].severity), ("patterns/not-searched", Severity::Error));
}

#[test]
fn hostile_texts_end() {
    let deep = 4_000;
    for text in [
        format!("{}x{}", "eval(".repeat(deep), ")".repeat(deep)),
        format!("eval({}x)", "a + ".repeat(deep)),
        format!("eval({}x)", "a.".repeat(deep)),
        format!("x = eval({}0{})", "[".repeat(deep), "]".repeat(deep)),
        format!("eval(x){}", "()".repeat(deep)),
        format!("q = 'select a from b'\n{}execute(q)", "q += x\n".repeat(deep)),
        format!("{}eval(x)", "function f(a) {".repeat(deep)),
        format!("{}\nos.system(f'{{x}}')", "def f(a):\n ".repeat(200)),
        format!("eval \"{}\"", "$(a ".repeat(deep)),
        format!("db.Query({}\"select a from b\")", "fmt.Sprintf(\"%s\", ".repeat(deep)),
    ] {
        for name in NAMES {
            assert!(find(name, None, &text).len() <= 201, "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_breaks_the_check(parts in prop::collection::vec(0..PARTS.len(), 1..40), name in 0..NAMES.len()) {
        let text: String = parts.into_iter().map(|part| PARTS[part]).collect();
        find(NAMES[name], None, &text);
    }
}

const PARTS: [&str; 44] = [
    "eval(",
    "exec(",
    "os.system(",
    "subprocess.run(",
    "shell=True",
    "request.args",
    "[\"x\"]",
    "execute(",
    "f\"select {a} from b\"",
    "'select a from b'",
    " + ",
    " % ",
    ")",
    "(",
    "{",
    "}",
    "[",
    "]",
    "\n",
    " = ",
    "é",
    "\u{1f40b}",
    "\"",
    "'",
    "`",
    "${",
    "$(",
    "$x",
    "|",
    "curl -k ",
    "rm -rf ",
    "chmod 777 ",
    "Command::new(\"sh\")",
    ".arg(\"-c\")",
    ".arg(",
    "format!(\"{}\", x)",
    "exec.Command(\"sh\", \"-c\", ",
    "Cipher.getInstance(\"DES\")",
    "innerHTML",
    "new Function(",
    "import ",
    "from ",
    "require('x')",
    ";",
];
