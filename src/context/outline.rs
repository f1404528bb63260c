//! Outlines of source files: the definitions at their top, so that an agent knows where to look without reading it all.
//!
//! By patterns of lines, not by parsing: what stands at the beginning of a line and begins as a definition does. A line too
//! many or too few costs a glance; a grammar for each language would cost more than it told.

use crate::base::{Entry, PatternSet, RelPath, Tree, bounded};

/// All outlines together.
const OUTLINES_BYTES_MAX: usize = 8 << 10;
/// Definitions of one file.
const LINES_MAX: usize = 40;
const LINE_BYTES_MAX: usize = 120;
/// A longer file has no outline.
const FILE_BYTES_MAX: u64 = 256 << 10;
/// What is read for all outlines of a task.
const READ_BYTES_MAX: u64 = 4 << 20;

/// The outlines of a view, as text; those of files that may be changed come first. Empty where there are none.
pub(super) fn outlines(
    view: &Tree,
    first: &PatternSet,
    content: &dyn Fn(&RelPath, &Entry) -> Option<Vec<u8>>,
) -> String {
    let (edited, others): (Vec<_>, Vec<_>) = view.iter().partition(|(path, _)| first.matches(path));
    let mut out = String::new();
    let mut left_out = 0;
    let mut to_read = READ_BYTES_MAX;
    for (path, entry) in edited.into_iter().chain(others) {
        let (Some(language), Entry::File { size_bytes, .. }) = (Language::of(path), entry) else { continue };
        if *size_bytes > FILE_BYTES_MAX || *size_bytes > to_read || out.len() >= OUTLINES_BYTES_MAX {
            left_out += 1;
            continue;
        }
        to_read -= size_bytes;
        let Some(bytes) = content(path, entry) else { continue };
        let outline = outline(path, &String::from_utf8_lossy(&bytes), language);
        match out.len() + outline.len() <= OUTLINES_BYTES_MAX {
            true => out.push_str(&outline),
            false => left_out += 1,
        }
    }
    if left_out > 0 && !out.is_empty() {
        out.push_str(&format!("(not outlined: {left_out} more)\n"));
    }
    out
}

/// The definitions of one file with their lines; nothing where it has none.
fn outline(path: &RelPath, text: &str, language: Language) -> String {
    let mut found = text.lines().enumerate().filter(|(_, line)| language.defines(line));
    let mut out = String::new();
    for (number, line) in found.by_ref().take(LINES_MAX) {
        let line = line.trim().trim_end_matches(['{', ':', '=', ';']).trim_end();
        out.push_str(&format!("{:>6}  {}\n", number + 1, bounded(line, LINE_BYTES_MAX)));
    }
    match (out.is_empty(), found.count()) {
        (true, _) => String::new(),
        (false, 0) => format!("{path}\n{out}"),
        (false, more) => format!("{path}\n{out}        and {more} more\n"),
    }
}

/// The languages whose definitions are known by how their lines begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Python,
    JavaScript,
    Rust,
    Go,
    Java,
}

impl Language {
    fn of(path: &RelPath) -> Option<Self> {
        Some(match path.file_name().rsplit_once('.')?.1 {
            "py" | "pyi" => Self::Python,
            "js" | "mjs" | "cjs" | "jsx" | "ts" | "mts" | "cts" | "tsx" => Self::JavaScript,
            "rs" => Self::Rust,
            "go" => Self::Go,
            "java" => Self::Java,
            _ => return None,
        })
    }

    /// Whether this line begins a definition that the file shows to others, or might.
    fn defines(self, line: &str) -> bool {
        let begins = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
        match self {
            Self::Python => begins(&["def ", "async def ", "class "]),
            Self::JavaScript => begins(&[
                "export ",
                "function ",
                "function* ",
                "async function ",
                "class ",
                "abstract class ",
                "interface ",
                "type ",
                "enum ",
                "const enum ",
                "declare ",
                "namespace ",
                "module.exports",
                "exports.",
            ]),
            Self::Rust => {
                let line = match line.strip_prefix("pub") {
                    Some(rest) if rest.starts_with('(') => rest.split_once(')').map_or(rest, |(_, rest)| rest),
                    Some(rest) => rest,
                    None => line,
                };
                let words = [
                    "fn ",
                    "async fn ",
                    "unsafe fn ",
                    "const fn ",
                    "extern \"C\" fn ",
                    "struct ",
                    "enum ",
                    "union ",
                    "trait ",
                    "unsafe trait ",
                    "impl ",
                    "impl<",
                    "unsafe impl",
                    "type ",
                    "const ",
                    "static ",
                    "mod ",
                    "macro_rules!",
                ];
                words.iter().any(|word| line.trim_start_matches(' ').starts_with(word)) && !line.starts_with("  ")
            }
            Self::Go => begins(&["func ", "type ", "var ", "const "]) && !line.trim_end().ends_with('('),
            Self::Java => {
                let is_member = line.starts_with("    ") || line.starts_with('\t');
                let words: Vec<&str> = line.split_whitespace().collect();
                let is_type =
                    words.iter().any(|word| matches!(*word, "class" | "interface" | "enum" | "record" | "@interface"));
                let is_shown = words.first().is_some_and(|word| matches!(*word, "public" | "protected"));
                let is_deep = line.starts_with("     ") || line.starts_with("\t\t");
                match is_member {
                    true => is_shown && !is_deep && line.contains('('),
                    false => is_type && !line.starts_with(['*', ' ', '/', '@']),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, text: &str, expected: &[&str]) {
        let path = RelPath::new(name).expect("a path");
        let outline = outline(&path, text, Language::of(&path).expect("a language"));
        let lines: Vec<&str> = outline.lines().skip(1).map(|line| line.trim()).collect();
        assert_eq!(lines, expected, "{outline}");
    }

    #[test]
    fn definitions_are_found_by_their_lines() {
        check(
            "a.py",
            "import os\n\ndef login(user, password):\n    def inner(): pass\nclass Session(Base):\n    def end(self): pass\n\
             async def run():\nx = 1\n",
            &["3  def login(user, password)", "5  class Session(Base)", "7  async def run()"],
        );
        check(
            "a.ts",
            "import x from 'x'\nexport const a = 1\nfunction f() {\n  function g() {}\n}\ninterface I {\nconst hidden = 2\n",
            &["2  export const a = 1", "3  function f()", "6  interface I"],
        );
        check(
            "a.rs",
            "use x;\npub fn f() {\n    fn g() {}\npub(crate) struct S;\nimpl S {\n    pub fn m() {}\nasync fn h()\n#[test]\nmodern\n",
            &["2  pub fn f()", "4  pub(crate) struct S", "5  impl S", "7  async fn h()"],
        );
        check(
            "a.go",
            "package a\nimport (\nfunc F(a int) error {\nvar (\n\tx int\n)\ntype T struct {\n\tA int\n}\nvar y = 1\n",
            &["3  func F(a int) error", "7  type T struct", "10  var y = 1"],
        );
        check(
            "a.java",
            "package a;\n/** a class */\npublic class A {\n    private int x;\n    public int get() {\n        public nonsense(\n}\n",
            &["3  public class A", "5  public int get()"],
        );
    }

    #[test]
    fn outlines_are_bounded_whatever_is_there() {
        let text = "def f(a_rather_long_name, another_rather_long_name):\n".repeat(100);
        let entry = Entry::File {
            digest: crate::base::BlobDigest::of(text.as_bytes()),
            size_bytes: text.len() as u64,
            executable: false,
        };
        let path = |number: u32| RelPath::new(&format!("src/{number:04}.py")).expect("a path");
        let view: Tree = (0..500).map(|number| (path(number), entry.clone())).collect();
        let edited = PatternSet::new(vec![crate::base::Pattern::new("src/0400.py").expect("a pattern")]);
        let reads = std::cell::Cell::new(0);
        let out = outlines(&view, &edited, &|_, _| {
            reads.set(reads.get() + 1);
            Some(text.clone().into_bytes())
        });
        assert!(out.len() <= OUTLINES_BYTES_MAX + 100 && out.starts_with("src/0400.py\n"), "{out}");
        assert!(out.contains("and 60 more") && out.ends_with(" more)\n"), "{out}");
        assert!(u64::from(reads.get() as u32) * text.len() as u64 <= READ_BYTES_MAX, "{}", reads.get());
        let nothing = outlines(&view, &edited, &|_, _| None);
        assert_eq!(nothing, "");
    }
}
